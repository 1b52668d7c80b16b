import { createAgent } from 'nerva/agent';
import { fromFunction, table } from 'nerva/policy';
import { simModel, type Scenario, type Step } from 'nerva/sim';
import { askPerson } from 'nerva/tool';
import { agreeing, look, note, once, pay } from './tools.ts';

const SEND = { type: 'send', atMs: 10, sid: 's1', text: '«s1» Go on.' } as const;
/** While the payment of seed 1 runs: the model takes 1.7 s, the payment 0.2 s. */
const IN_CALL_MS = 1_800;
const AFTER_MS = 60_000;

/** An idempotent and a reading call in one answer. */
export const parallel: Scenario = {
  name: 'parallel',
  agents: [
    createAgent({
      name: 'noter',
      tools: [note(), look()],
      model: once({ name: 'note', input: { amount: 1 } }, { name: 'look', input: {} }),
    }),
  ],
  steps: [SEND],
};

/** A table decides, and there is no model. */
export const ruled: Scenario = {
  name: 'ruled',
  agents: (outside) => [
    createAgent({
      name: 'ruler',
      tools: [pay(outside)],
      policy: table({
        name: 'rules',
        rows: [
          { name: 'paid', when: { $step: { gte: 1 } }, then: { type: 'answer', output: { paid: true } } },
          { name: 'pay', then: { type: 'call', calls: [{ tool: 'pay', input: { amount: { $: 'amount' } } }] } },
        ],
      }),
    }),
  ],
  steps: [{ type: 'send', atMs: 10, sid: 's1', data: { note: '«s1»', amount: 5 } }],
};

/** A function that takes its time decides. */
export const considered: Scenario = {
  name: 'considered',
  agents: [
    createAgent({
      name: 'thinker',
      tools: [note()],
      policy: fromFunction('slow', async ({ step }) => {
        await Promise.resolve();
        return step > 0 ? { type: 'answer', text: 'Noted.' } : { type: 'call', calls: [{ tool: 'note', input: { amount: 2 } }] };
      }),
    }),
  ],
  steps: [SEND],
};

/** Pays for the first message; whatever is said or done then, it only answers. */
const payOnce = simModel({
  script: ({ messages }) => (messages.length > 1 ? 'Stopped.' : { calls: [{ name: 'pay', input: { amount: 5 } }] }),
});

/** Somebody does something while the payment runs. */
const during = (name: string, step: Step): Scenario => ({
  name,
  agents: (outside) => [createAgent({ name: 'payer', tools: [pay(outside)], model: payOnce })],
  steps: [SEND, step],
});

export const cancelled = during('cancelled', { type: 'cancel', atMs: IN_CALL_MS, sid: 's1' });
export const closed = during('closed', { type: 'close', atMs: IN_CALL_MS, sid: 's1' });
export const steered = during('steered', { type: 'send', atMs: IN_CALL_MS, sid: 's1', text: '«s1» Wait.', deliver: 'steer' });
export const interrupted = during('interrupted', {
  type: 'send',
  atMs: IN_CALL_MS,
  sid: 's1',
  text: '«s1» Stop.',
  deliver: 'interrupt',
});

/** A fork of an answered message, which asks, acts or pretends. The parent only answers, and the fork stops after its call. */
const forked = (name: string, effects: 'ask' | 'live' | 'simulated'): Scenario => ({
  name,
  agents: (outside) => [
    createAgent({
      name: 'payer',
      tools: [pay(outside)],
      stopWhen: ({ calls }) => calls.length > 0,
      model: simModel({
        script: ({ messages }) => (messages.length === 3 ? { calls: [{ name: 'pay', input: { amount: 5 } }] } : 'Done.'),
      }),
    }),
  ],
  answer: agreeing,
  steps: [SEND, { type: 'fork', atMs: AFTER_MS, sid: 's1', as: 'f1', at: 1, effects, text: 'Pay.' }],
});

export const forkAsks = forked('fork-asks', 'ask');
export const forkActs = forked('fork-acts', 'live');
export const forkPretends = forked('fork-pretends', 'simulated');

/** Somebody reads along. */
export const watched: Scenario = {
  name: 'watched',
  agents: [createAgent({ name: 'noter', tools: [note()], model: once({ name: 'note', input: { amount: 1 } }) })],
  steps: [SEND, { type: 'watch', atMs: 20, sid: 's1' }],
};

/** The model asks a person. */
export const asked: Scenario = {
  name: 'asked',
  agents: [createAgent({ name: 'asker', tools: [askPerson()], model: once({ name: 'ask_person', input: { question: 'May I?' } }) })],
  answer: () => ({ decision: 'approve', answer: 'You may.' }),
  steps: [SEND],
};

/** Two equal payments in one answer are one. */
export const deduped: Scenario = {
  name: 'deduped',
  agents: (outside) => [
    createAgent({
      name: 'payer',
      tools: [pay(outside, { isDeduped: true })],
      model: once({ name: 'pay', input: { amount: 5 } }, { name: 'pay', input: { amount: 5 } }),
    }),
  ],
  steps: [SEND],
};

/** An answer in the wrong form is sent back once. */
export const shaped: Scenario = {
  name: 'shaped',
  agents: [
    createAgent({
      name: 'shaper',
      output: { type: 'object', properties: { total: { type: 'integer' } }, required: ['total'] },
      model: simModel({ script: ({ messages }) => (messages.length > 2 ? '{"total": 5}' : 'Five.') }),
    }),
  ],
  steps: [SEND],
};

/** The budget is enough for one model call, not for two. */
export const budgeted: Scenario = {
  name: 'budgeted',
  agents: [
    createAgent({
      name: 'saver',
      tools: [note()],
      params: { maxOutputTokens: 100 },
      budget: { turnTokensMax: 600 },
      model: simModel({
        script: ({ messages }) =>
          messages.at(-1)?.role === 'tool'
            ? 'Too late.'
            : { calls: [{ name: 'note', input: { amount: 1 } }], usage: { inputTokens: 200, outputTokens: 100 } },
      }),
    }),
  ],
  steps: [SEND],
};
