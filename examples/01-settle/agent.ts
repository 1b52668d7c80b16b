import { askPerson, chain, createAgent, fromFunction, notDone, table, tool, type Agent, type Model } from 'nerva';
import { BankRefusal, type BankClient } from './payments.ts';
import type { Rules } from './rules.ts';

export interface SettlerOptions {
  readonly rules: Rules;
  readonly bank: BankClient;
  /** Reports that the rules pay. Any other payment is somebody's proposal and needs a person's approval. */
  readonly ruled: ReadonlySet<string>;
  /** Hears of the unclear reports whose message says `mayAskModel`; without one they all wait for a person. */
  readonly model?: Model;
}

/** The agent that settles one report: rules first; what they leave open goes to the model or waits for a person. */
export function settler({ rules, bank, ruled, model }: SettlerOptions): Agent {
  const text = { type: 'string', minLength: 1, maxLength: 512 } as const;
  const pay = tool({
    name: 'pay',
    description: 'Pays the cost of a report. It cannot be undone.',
    effect: 'irreversible',
    inputSchema: {
      type: 'object',
      properties: { report: text, to: text, amountUsd: { type: 'number' } },
      required: ['report', 'to', 'amountUsd'],
      additionalProperties: false,
    } as const,
    needsApproval: ({ report, amountUsd }) => amountUsd <= 0 || amountUsd > rules.approvalAboveUsd || !ruled.has(report),
    dedupe: ({ report }) => report,
    execute: async (payment, { idempotencyKey, attempt, approval, signal }) => {
      try {
        return await bank.pay(payment, { key: idempotencyKey, attempt, by: approval?.by ?? 'rules', signal });
      } catch (error) {
        // Only an answer of the bank that says no is a no. Anything else (a timeout, a broken connection) is a doubt.
        throw error instanceof BankRefusal ? notDone(error.message) : error;
      }
    },
    // The fence makes it free of races: after it, the lost attempt is either in the ledger or never will be.
    reconcile: async (_payment, { idempotencyKey, attempt }) => {
      const { paid } = await bank.fence(idempotencyKey, attempt);
      return paid ? { status: 'done', output: { paid: true } } : { status: 'not-done' };
    },
  });
  const close = tool({
    name: 'close',
    description: 'Closes a report that needs no payment.',
    effect: 'idempotent',
    inputSchema: {
      type: 'object',
      properties: { report: text, reason: text },
      required: ['report', 'reason'],
      additionalProperties: false,
    } as const,
    execute: ({ report }, { idempotencyKey, attempt, signal }) => bank.close(report, { key: idempotencyKey, attempt, by: 'rules', signal }),
  });
  return createAgent({
    name: 'settler',
    policy: chain(settled, table({ name: 'rules', rows: rules.rows }), unclear),
    tools: [pay, close, askPerson()],
    instructions: 'You settle one report. Call exactly one tool: close it, propose a payment (a person approves it), or ask a person.',
    ...(model === undefined ? {} : { model }),
  });
}

/** One call settles a report; what it gave back is the answer. */
const settled = fromFunction('settled', ({ calls }) => {
  const last = calls.at(-1);
  if (last === undefined) return null;
  return { type: 'answer', output: { settledBy: last.name, isError: last.isError, result: last.output } };
});

/** What the rules leave open. */
const unclear = fromFunction('unclear', ({ input }) => {
  const report = input.data as Readonly<Record<string, string | number | boolean | null>>;
  if (report['mayAskModel'] === true) return { type: 'model' };
  const { mayAskModel: _, ...facts } = report;
  return {
    type: 'call',
    calls: [{ tool: 'ask_person', input: { question: `No rule settles this report. What should happen? ${JSON.stringify(facts)}` } }],
  };
});
