import { createAgent } from 'nerva/agent';
import type { Scenario, Step } from 'nerva/sim';
import { tool } from 'nerva/tool';
import { agreeing, AMOUNT, note, once, pay } from './tools.ts';

const FIVE = { name: 'pay', input: { amount: 5 } };
const send = (atMs: number, sid: string, more: { readonly process?: number; readonly text?: string } = {}): Step => ({
  type: 'send',
  atMs,
  sid,
  ...more,
  text: `«${sid}» ${more.text ?? 'Go on.'}`,
});
const noter = createAgent({ name: 'noter', tools: [note()], model: once({ name: 'note', input: { amount: 1 } }) });

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

/** Two people are asked, and each answers at a process of their own: whether a payment may be made. */
export const grantedTwice: Scenario = {
  name: 'granted-twice',
  agents: (outside) => [createAgent({ name: 'payer', tools: [pay(outside, { needsApproval: true })], model: once(FIVE) })],
  answer: agreeing,
  steps: [send(10, 's1')],
  processes: 2,
  idleMax: 0,
};

/** The same of a payment of which nobody knows whether it was made. */
export const judgedTwice: Scenario = {
  name: 'judged-twice',
  agents: [
    createAgent({
      name: 'payer',
      tools: [
        tool({
          name: 'pay',
          inputSchema: AMOUNT,
          effect: 'irreversible',
          execute: () => {
            throw new Error('It may have been paid.');
          },
        }),
      ],
      model: once(FIVE),
    }),
  ],
  steps: [send(10, 's1')],
  processes: 2,
  idleMax: 0,
};

/** The process at work dies, and the other is the only one to take up what it leaves. */
export const inherited: Scenario = {
  name: 'inherited',
  agents: [noter],
  steps: [send(10, 's1'), send(11, 's2', { text: 'And I?' }), { type: 'crash', atMs: 1_500 }],
  processes: 2,
  resumeMax: 1,
};

/** A process is closed while a call that it had given up on is still to answer. */
export const rolling: Scenario = {
  name: 'rolling',
  agents: (outside) => [createAgent({ name: 'payer', tools: [pay(outside, { timeoutMs: 1_000 })], model: once(FIVE) })],
  steps: [send(10, 's1'), { type: 'restart', atMs: 18_500 }],
};
