import type { Answer, Pending } from 'nerva/agent';
import { simModel, type Outside } from 'nerva/sim';
import { tool, type Reconciled, type Tool } from 'nerva/tool';

/** The smallest input that says something. */
export const AMOUNT = { type: 'object', properties: { amount: { type: 'integer', minimum: 1 } }, required: ['amount'] } as const;
const NOTHING = { type: 'object', properties: {} } as const;

/** How a payment is made. */
interface PayOptions {
  readonly name?: string;
  /** Default true: `reconcile` looks into the outside world. */
  readonly isReconciled?: boolean;
  readonly needsApproval?: boolean | ((input: { readonly amount: number }) => boolean);
  readonly timeoutMs?: number;
  /** Equal payments of a session are one. */
  readonly isDeduped?: boolean;
}

/** A payment: irreversible. */
export function pay(outside: Outside, options: PayOptions = {}): Tool<{ readonly amount: number }> {
  const { name = 'pay', isReconciled = true, isDeduped = false, needsApproval = false, timeoutMs = 60_000 } = options;
  const reconcile = (_input: unknown, { callId }: { readonly callId: string }): Reconciled =>
    outside.happened(callId) ? { status: 'done', output: { paid: true } } : { status: 'not-done' };
  return tool({
    name,
    inputSchema: AMOUNT,
    effect: 'irreversible',
    needsApproval,
    timeoutMs,
    ...(isReconciled ? { reconcile } : {}),
    ...(isDeduped ? { dedupe: ({ amount }: { readonly amount: number }) => String(amount) } : {}),
    execute: () => ({ paid: true }),
  });
}

/** A payment that is made and then throws, and of which no bank knows: a person says what became of it. */
export function unsure(outside: Outside): Tool<{ readonly amount: number }> {
  return {
    ...pay(outside, { isReconciled: false, timeoutMs: 1_000 }),
    execute: () => {
      throw new Error('It may have been paid.');
    },
  };
}

/** Writes a note: idempotent. */
export function note(timeoutMs = 60_000): Tool<{ readonly amount: number }> {
  return tool({ name: 'note', inputSchema: AMOUNT, effect: 'idempotent', timeoutMs, execute: ({ amount }) => ({ noted: amount }) });
}

/** Looks at a balance: changes nothing. */
export function look(): Tool<object> {
  return tool({ name: 'look', inputSchema: NOTHING, effect: 'read', execute: () => ({ balance: 100 }) });
}

/** A model that makes these calls once for each message of a person, and then answers. */
export const once = (...calls: readonly { readonly name: string; readonly input: { readonly amount: number } | object }[]) =>
  simModel({
    script: ({ messages }) =>
      messages.at(-1)?.role === 'tool' || calls.length === 0
        ? 'Done.'
        : { calls: calls.map(({ name, input }) => ({ name, input: { ...input } })) },
  });

/** A person who grants everything as it was shown, and says of a call in doubt what really happened. */
export function agreeing(pending: Pending, outside: Outside): Answer {
  if (pending.type === 'approval') return { decision: 'approve', digest: pending.digest };
  return outside.happened(pending.id) ? { decision: 'returned', output: { seen: true } } : { decision: 'failed' };
}
