import { createAgent } from 'nerva/agent';
import { NervaError } from 'nerva/core';
import { openMemory } from 'nerva/memory';
import type { Model } from 'nerva/model';
import { simModel, type Invariant, type Scenario, type SimModel } from 'nerva/sim';
import { tool } from 'nerva/tool';
import { simKeys } from './keys.ts';
import { agreeing, AMOUNT, look, note, once, pay, unsure } from './tools.ts';

const SEND = { type: 'send', atMs: 10, sid: 's1', text: '«s1» Go on.' } as const;
const LATER_MS = 4_000_000;

/** Nothing is paid for which nobody was asked. */
const asked: Invariant = {
  name: 'a payment after a look is asked for',
  check: ({ logs }) => {
    for (const log of logs.values())
      for (const { type, seq, data } of log) {
        const isLooked = log.some((one) => one.seq < seq && one.type === 'tool.returned');
        const isGranted = log.some((one) => one.type === 'approval.requested' && one.data['answer'] === data['answer']);
        if (type === 'tool.called' && data['effect'] === 'irreversible' && isLooked && !isGranted) return `Call ${seq} was made unasked.`;
      }
    return null;
  },
};

/** A model that no seed decides: what it is made into calls it as it is. */
const plain = ({ withSeed: _withSeed, ...model }: SimModel): Model => model;

/** Who has seen what a tool said is not to pay without being asked. */
export const tainted: Scenario = {
  name: 'tainted',
  agents: (outside) => [
    createAgent({
      name: 'payer',
      tools: [look(), pay(outside)],
      approval: ({ tool: name, taint }) => name === 'pay' && taint.includes('look'),
      model: simModel({
        script: ({ messages }) =>
          [{ calls: [{ name: 'look', input: {} }] }, { calls: [{ name: 'pay', input: { amount: 5 } }] }][messages.length >> 1] ?? 'Done.',
      }),
    }),
  ],
  answer: agreeing,
  steps: [SEND],
  invariants: [asked],
};

/** An agent's rule for approvals that throws. */
export const unruly: Scenario = {
  name: 'unruly',
  agents: (outside) => [
    createAgent({
      name: 'payer',
      tools: [pay(outside)],
      approval: () => {
        throw new Error('I do not know.');
      },
      model: once({ name: 'pay', input: { amount: 5 } }),
    }),
  ],
  answer: agreeing,
  steps: [SEND],
};

/** Two tools whose calls say the same of themselves. */
export const twins: Scenario = {
  name: 'twins',
  agents: (outside) => [
    createAgent({
      name: 'payer',
      tools: [pay(outside, { isDeduped: true }), pay(outside, { name: 'refund', isDeduped: true })],
      model: once({ name: 'pay', input: { amount: 5 } }, { name: 'refund', input: { amount: 5 } }),
    }),
  ],
  steps: [SEND],
};

/** Two people are given the same large result, and one of them is erased. */
export const alike: Scenario = {
  name: 'alike',
  keys: simKeys,
  agents: [
    createAgent({
      name: 'reader',
      tools: [tool({ name: 'read_page', inputSchema: AMOUNT, effect: 'read', execute: () => 'é'.repeat(20_000) })],
      model: once({ name: 'read_page', input: { amount: 1 } }),
    }),
  ],
  steps: [
    { ...SEND, subject: 'anna' },
    { ...SEND, atMs: 10_000, sid: 's2', text: '«s2» And I?', subject: 'bert' },
    { type: 'erase', atMs: LATER_MS, subject: 'anna' },
  ],
};

/** A fork from before its subject was erased. */
export const bornLate: Scenario = {
  name: 'born-late',
  keys: simKeys,
  agents: [createAgent({ name: 'noter', tools: [note()], model: once({ name: 'note', input: { amount: 1 } }) })],
  steps: [
    { ...SEND, subject: 'anna' },
    { type: 'erase', atMs: 20_000, subject: 'anna' },
    { type: 'fork', atMs: 30_000, sid: 's1', as: 'f1', at: 0.5, effects: 'live', text: 'And you?' },
  ],
};

/** A process is closed in peace while a call runs that may be made again. */
export const rolled: Scenario = {
  name: 'rolled',
  agents: [createAgent({ name: 'noter', tools: [note()], model: once({ name: 'note', input: { amount: 1 } }) })],
  steps: [SEND, { type: 'restart', atMs: 1_800 }],
};

/** Who sends reads along. */
export const followed: Scenario = {
  name: 'followed',
  agents: [createAgent({ name: 'noter', tools: [note()], model: once({ name: 'note', input: { amount: 1 } }) })],
  steps: [{ ...SEND, isFollowed: true }],
};

/** The model says a little and breaks off. */
export const brokenOff: Scenario = {
  name: 'broken-off',
  agents: [
    createAgent({
      name: 'talker',
      model: {
        ...plain(once()),
        call(_request, { onDelta }) {
          onDelta?.({ type: 'text', index: 0, text: 'I' });
          return Promise.reject(new NervaError('MODEL_UNAVAILABLE', 'The line is dead.'));
        },
      },
    }),
  ],
  steps: [{ ...SEND, isFollowed: true }],
};

/** Every other call of the model fails, and one may be made again. */
export const flaky: Scenario = {
  name: 'flaky',
  agents: () => {
    const model = plain(once({ name: 'note', input: { amount: 1 } }));
    let count = 0;
    return [
      createAgent({
        name: 'noter',
        tools: [note()],
        retry: { retriesMax: 1 },
        model: {
          ...model,
          call: (request, options) =>
            count++ % 2 === 0 ? Promise.reject(new NervaError('MODEL_UNAVAILABLE', 'Not now.')) : model.call(request, options),
        },
      }),
    ];
  },
  steps: [SEND],
};

/** A provider that does not count what it takes: each call costs what was set aside for it. */
export const uncounted: Scenario = {
  name: 'uncounted',
  agents: [
    createAgent({
      name: 'noter',
      tools: [note()],
      params: { maxOutputTokens: 100 },
      budget: { turnTokensMax: 600 },
      model: simModel({
        script: () => ({ calls: [{ name: 'note', input: { amount: 1 } }], usage: { inputTokens: null, outputTokens: null } }),
      }),
    }),
  ],
  steps: [SEND],
};

/** A fork at the moment at which the parent waits to ask the model again. */
export const forkRetrying: Scenario = {
  name: 'fork-retrying',
  agents: () => {
    const model = plain(once());
    let count = 0;
    return [
      createAgent({
        name: 'talker',
        retry: { initialMs: 10_000 },
        model: {
          ...model,
          call: (request, options) =>
            count++ === 0 ? Promise.reject(new NervaError('MODEL_UNAVAILABLE', 'Not now.')) : model.call(request, options),
        },
      }),
    ];
  },
  steps: [SEND, { type: 'fork', atMs: 5_000, sid: 's1', as: 'f1', at: 1, effects: 'live', text: 'And you?' }],
};

/** A turn leaves a call in doubt, a person settles it, and somebody writes again. */
export const doubted: Scenario = {
  name: 'doubted',
  agents: (outside) => [
    createAgent({
      name: 'payer',
      tools: [unsure(outside)],
      model: simModel({
        script: ({ messages }) => (messages.length > 1 ? 'Stopped.' : { calls: [{ name: 'pay', input: { amount: 5 } }] }),
      }),
    }),
  ],
  answer: agreeing,
  steps: [SEND, { type: 'cancel', atMs: 3_000, sid: 's1' }, { ...SEND, atMs: LATER_MS, text: '«s1» And now?' }],
};

/** A fork at the moment at which the parent reads its memory. */
export const forkReading: Scenario = {
  name: 'fork-reading',
  agents: [
    createAgent({
      name: 'keeper',
      model: once(),
      memory: {
        of: async ({ session: { sid }, store, world }) => {
          await world.clock.sleep(5_000);
          return openMemory({ store, world, scope: `user:${sid}` });
        },
      },
    }),
  ],
  steps: [SEND, { type: 'fork', atMs: 2_000, sid: 's1', as: 'f1', at: 1, effects: 'live', text: 'And you?' }],
};
