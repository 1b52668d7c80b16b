import { createAgent } from 'nerva/agent';
import { NervaError } from 'nerva/core';
import { table, type Policy } from 'nerva/policy';
import { simModel, type Scenario, type Step } from 'nerva/sim';
import { tool, type Reconciled } from 'nerva/tool';
import { agreeing, look, note, once, pay, unsure } from './tools.ts';

const FIVE = { name: 'pay', input: { amount: 5 } };
const send = (
  atMs: number,
  sid: string,
  more: { readonly agent?: string; readonly process?: number; readonly text?: string } = {},
): Step => ({
  type: 'send',
  atMs,
  sid,
  ...more,
  text: `«${sid}» ${more.text ?? 'Go on.'}`,
});
const noter = createAgent({ name: 'noter', tools: [note()], model: once({ name: 'note', input: { amount: 1 } }) });

/** Calls tools once, at the same time, and says so. */
const calling = (...calls: readonly { readonly name: string; readonly input?: object }[]): Policy =>
  table({
    name: calls.map(({ name }) => name).join('-'),
    rows: [
      {
        name: 'first',
        when: { $step: 0 },
        then: { type: 'call', calls: calls.map(({ name: tool, input = {} }) => ({ tool, input: { ...input } })) },
      },
      { name: 'second', when: { $step: 1 }, then: { type: 'answer', output: 'Done.' } },
    ],
  });

/** Two processes are told of one session at once, which is not there yet. */
export const createdTwice: Scenario = {
  name: 'created-twice',
  agents: [noter],
  steps: [send(10, 's1'), send(10, 's1', { process: 0, text: 'And I?' })],
  processes: 2,
};

/** One process is told twice of a session that is not there yet. */
export const createdAtOnce: Scenario = {
  name: 'created-at-once',
  agents: [noter],
  steps: [send(10, 's1'), send(10, 's1', { text: 'And I?' }), send(12, 's1', { text: 'And who else?' })],
};

/** A process is told twice of a session that is not there yet, and of which the first message leads to a payment at once. */
export const createdAndPaid: Scenario = {
  name: 'created-and-paid',
  agents: (outside) => [createAgent({ name: 'payer', tools: [pay(outside)], policy: calling(FIVE) })],
  steps: [send(10, 's1'), send(1_000, 's1', { text: 'And I?' })],
};

/** A turn is cancelled after its end, which its process need not know of yet. */
export const cancelledLate: Scenario = {
  name: 'cancelled-late',
  agents: [createAgent({ name: 'talker', model: once() })],
  steps: [send(10, 's1'), { type: 'cancel', atMs: 4_000, sid: 's1' }],
};

/** Two people are asked, and each answers at a process of their own: whether a payment may be made. */
export const grantedTwice: Scenario = {
  name: 'granted-twice',
  agents: (outside) => [createAgent({ name: 'payer', tools: [pay(outside, { needsApproval: true })], model: once(FIVE) })],
  answer: agreeing,
  steps: [send(10, 's1')],
  processes: 2,
  idleMax: 0,
};

/** The first of them refuses. */
export const refusedTwice: Scenario = {
  ...grantedTwice,
  name: 'refused-twice',
  answer: (pending, outside) => (pending.type === 'approval' ? { decision: 'deny', why: 'no' } : agreeing(pending, outside)),
};

/** The same of a payment of which nobody knows whether it was made. */
export const judgedTwice: Scenario = {
  ...grantedTwice,
  name: 'judged-twice',
  agents: (outside) => [createAgent({ name: 'payer', tools: [unsure(outside)], model: once(FIVE) })],
};

/** The process at work dies, and the other is the only one to take up what it leaves. */
export const inherited: Scenario = {
  name: 'inherited',
  agents: [noter],
  steps: [send(10, 's1'), send(11, 's2', { text: 'And I?' }), { type: 'crash', atMs: 1_500 }],
  processes: 2,
  resumeMax: 1,
};

/** A payment that takes long, and of which only a person can say whether it was made: its bank says for sure only that it was not. */
export const heardLate: Scenario = {
  name: 'heard-late',
  agents: (outside) => {
    const reconcile = (_input: unknown, { callId }: { readonly callId: string }): Reconciled => ({
      status: outside.happened(callId) ? 'unknown' : 'not-done',
    });
    const hanging = { ...pay(outside, { timeoutMs: 50_000 }), execute: () => new Promise<never>(() => undefined), reconcile };
    return [createAgent({ name: 'payer', tools: [hanging], policy: calling(FIVE) })];
  },
  answer: agreeing,
  steps: [send(10, 's1')],
  processes: 2,
};

/** A process is closed while it records what a call gave that it had given up: it waits for a bell, which the other one rings too late. */
export const rolling: Scenario = {
  name: 'rolling',
  agents: ({ kept }) => [
    createAgent({
      name: 'listener',
      tools: [{ ...look(), timeoutMs: 1_000, execute: () => new Promise((resolve) => kept.set('bell', () => resolve({ rang: true }))) }],
      policy: calling({ name: 'look' }),
    }),
    createAgent({
      name: 'ringer',
      tools: [
        tool({
          name: 'ring',
          inputSchema: { type: 'object', properties: {} },
          effect: 'idempotent',
          execute: () => {
            (kept.get('bell') as (() => void) | undefined)?.();
            return { rung: true };
          },
        }),
      ],
      policy: calling({ name: 'ring' }),
    }),
  ],
  steps: [send(10, 's1', { agent: 'listener' }), send(10_000, 's2', { agent: 'ringer', process: 0 }), { type: 'restart', atMs: 14_000 }],
  processes: 2,
};

/** A process loses its session while two calls run: what the one gave tells it so, and the other gives its value when it is told to stop. */
export const overtaken: Scenario = {
  name: 'overtaken',
  agents: ({ kept }) => [
    createAgent({
      name: 'holder',
      tools: [
        look(),
        tool({
          name: 'hold',
          inputSchema: { type: 'object', properties: {} },
          effect: 'irreversible',
          execute: (_input, { signal }) => {
            const held = { held: true };
            if (kept.has('held')) return held;
            kept.set('held', true);
            return new Promise((resolve) => signal.addEventListener('abort', () => resolve(held), { once: true }));
          },
        }),
      ],
      policy: calling({ name: 'look' }, { name: 'hold' }),
    }),
  ],
  steps: [send(10, 's1', { process: 0 }), send(160, 's1', { text: 'And I?' })],
  processes: 2,
};

/** A process takes a session over, finds nothing to cancel and dies; the one that had it does not know of that, and is asked to close it. */
export const closedUnaware: Scenario = {
  name: 'closed-unaware',
  agents: [noter],
  steps: [
    send(10, 's1', { process: 0 }),
    { type: 'cancel', atMs: 5_000, sid: 's1' },
    { type: 'crash', atMs: 6_000 },
    { type: 'close', atMs: 7_000, sid: 's1' },
  ],
  processes: 2,
};

/** A process that stood still is closed as soon as it wakes up; the one that took its place is dead by then. */
export const replaced: Scenario = {
  name: 'replaced',
  agents: [noter],
  steps: [send(10, 's1'), { type: 'crash', atMs: 33_000 }, { type: 'restart', atMs: 85_000 }],
};

const BUSY = new NervaError('MODEL_UNAVAILABLE', 'Come back later.');

/** A process that stands still while its sessions wait for a model gets some of them back: the one that took its place takes up one at a time. */
export const returned: Scenario = {
  name: 'returned',
  agents: (outside) => [
    createAgent({
      name: 'patient',
      retry: { initialMs: 120_000, delayMsMax: 120_000, jitter: 0 },
      model: simModel({
        script: ({ messages }) => {
          const asked = JSON.stringify(messages);
          if (outside.kept.has(asked)) return 'Done.';
          outside.kept.set(asked, true);
          throw BUSY;
        },
      }),
    }),
  ],
  steps: [send(10, 's1'), send(11, 's2'), send(5_000, 's3')],
  resumeMax: 1,
};
