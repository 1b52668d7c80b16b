import { readFileSync } from 'node:fs';

/** A line as it is asked for. */
export interface LedgerDraft {
  readonly type: 'payment' | 'closing' | 'fence';
  /** Who asked: `nerva` or `loop`. */
  readonly contender: string;
  readonly key: string;
  readonly attempt: number;
  /** The report it is about; empty for a fence. */
  readonly report: string;
  /** Who decided it. */
  readonly by: string;
  readonly to?: string;
  readonly amountUsd?: number;
  /** What a fence answered. */
  readonly paid?: boolean;
}

/** A line of the bank's ledger; `n` counts from 1 without gaps. */
export interface LedgerLine extends LedgerDraft {
  readonly n: number;
  readonly atMs: number;
}

/** What the ledger says about one contender. All counts are of reports unless named otherwise. */
export interface Tally {
  readonly paid: number;
  /** Sum of everything paid, double payments included. */
  readonly paidUsd: number;
  readonly closed: number;
  /** Reports paid more than once. */
  readonly paidTwice: number;
  /** What was paid beyond the first payment of a report. */
  readonly paidTwiceUsd: number;
  /** Reports due that were never paid. */
  readonly lost: number;
  /** Ledger lines beyond the first payment or closing of a report: work done again. */
  readonly repeated: number;
}

/**
 * Reads a ledger's bytes: whole lines only. `bytes` is where the last whole line ends; what follows was never acknowledged.
 * @throws Error when a whole line is not a ledger line, naming it.
 */
export function parseLedger(data: Uint8Array): { readonly lines: readonly LedgerLine[]; readonly bytes: number } {
  const bytes = data.lastIndexOf(10) + 1;
  const texts = Buffer.from(data.buffer, data.byteOffset, bytes).toString('utf8').split('\n').slice(0, -1);
  const lines = texts.map((text, index) => {
    try {
      const line = JSON.parse(text) as LedgerLine;
      if (line.n === index + 1) return line;
    } catch {
      // falls through to the error that names the line
    }
    throw new Error(`The ledger's line ${index + 1} is damaged: ${text.slice(0, 80)}`);
  });
  return { lines, bytes };
}

/** Reads a ledger file. */
export function readLedger(path: string): readonly LedgerLine[] {
  return parseLedger(readFileSync(path)).lines;
}

/** Counts what the ledger holds for one contender. `due` are the reports that the rules say must be paid without asking anyone. */
export function tally(lines: readonly LedgerLine[], contender: string, due: ReadonlySet<string>): Tally {
  const payments = new Map<string, number[]>();
  const closings = new Map<string, number>();
  for (const line of lines) {
    if (line.contender !== contender) continue;
    if (line.type === 'closing') closings.set(line.report, (closings.get(line.report) ?? 0) + 1);
    if (line.type === 'payment') payments.set(line.report, [...(payments.get(line.report) ?? []), Math.round((line.amountUsd ?? 0) * 100)]);
  }
  const cents = (amounts: readonly number[]): number => amounts.reduce((sum, amount) => sum + amount, 0);
  const all = [...payments.values()];
  const twice = all.filter((amounts) => amounts.length > 1);
  const again = twice.flatMap((amounts) => amounts.slice(1));
  const closedAgain = [...closings.values()].reduce((sum, count) => sum + count - 1, 0);
  return {
    paid: payments.size,
    paidUsd: cents(all.flat()) / 100,
    closed: closings.size,
    paidTwice: twice.length,
    paidTwiceUsd: cents(again) / 100,
    lost: [...due].filter((report) => !payments.has(report)).length,
    repeated: again.length + closedAgain,
  };
}
