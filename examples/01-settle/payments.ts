/** A payment as it is asked of the bank. */
export interface Payment {
  readonly report: string;
  readonly to: string;
  readonly amountUsd: number;
}

/** Who asks, under which key, for which time. */
export interface Asking {
  readonly key: string;
  /** From 1. */
  readonly attempt: number;
  /** Who decided it: a rule, a model, a person. */
  readonly by: string;
  readonly signal?: AbortSignal;
}

/** The bank as its clients see it. Every method throws BankRefusal when the bank says no, and another error when nothing is known about the effect. */
export interface BankClient {
  /** Pays. Asking twice pays twice: this bank does not look at the key. */
  pay(payment: Payment, asking: Asking): Promise<{ readonly receipt: number }>;
  /** Enters that a report is closed. Entering it twice does no harm. */
  close(report: string, asking: Asking): Promise<{ readonly receipt: number }>;
  /** Says whether a payment of this key is in the ledger, and refuses from now on every attempt up to `attempt` that still comes. */
  fence(key: string, attempt: number): Promise<{ readonly paid: boolean }>;
  /** Keeps back the answer to this contender's payment number `payment` (from 1), once it is in the ledger. */
  hold(payment: number): Promise<void>;
}

/** The bank's answer was no: it entered nothing. */
export class BankRefusal extends Error {
  override readonly name = 'BankRefusal';
}

const TIMEOUT_MS = 30_000;

/** A client of the bank at `url`. */
export function bankClient(url: string, contender: string): BankClient {
  async function post(path: string, body: object, signal?: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const answer = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ contender, ...body }),
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    const text = await answer.text();
    const trouble = `The bank answered ${answer.status}: ${text.slice(0, 300)}`;
    if (answer.status >= 400 && answer.status < 500) throw new BankRefusal(trouble);
    if (!answer.ok) throw new Error(trouble);
    return JSON.parse(text) as Readonly<Record<string, unknown>>;
  }
  return {
    pay: async (payment, { key, attempt, by, signal }) => ({
      receipt: Number((await post('/payments', { ...payment, key, attempt, by }, signal))['receipt']),
    }),
    close: async (report, { key, attempt, by, signal }) => ({
      receipt: Number((await post('/closings', { report, key, attempt, by }, signal))['receipt']),
    }),
    fence: async (key, attempt) => ({ paid: (await post(`/payments/${encodeURIComponent(key)}/fence`, { attempt }))['paid'] === true }),
    hold: async (payment) => void (await post('/hold', { payment })),
  };
}
