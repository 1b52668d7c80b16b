import { createAgent } from 'nerva/agent';
import { fromFunction, table } from 'nerva/policy';
import type { Scenario } from 'nerva/sim';
import { tool } from 'nerva/tool';
import { simKeys } from '../scenarios/keys.ts';
import { DERIVED } from './derived.ts';
import { AMOUNT, agreeing, note, once, pay, unsure } from '../scenarios/tools.ts';

const FIVE = { name: 'pay', input: { amount: 5 } };
const SEND = { type: 'send', atMs: 10, sid: 's1', text: '«s1» Pay five.' } as const;

/** A payment whose bank never knows: a person says what became of it. */
const unknowable: Scenario = {
  name: 'unknowable',
  agents: [
    createAgent({
      name: 'payer',
      tools: [
        tool({
          name: 'pay',
          inputSchema: AMOUNT,
          effect: 'irreversible',
          reconcile: () => ({ status: 'unknown' }),
          execute: () => ({ paid: true }),
        }),
      ],
      model: once(FIVE),
    }),
  ],
  steps: [SEND],
};

const throwing: Scenario = {
  ...unknowable,
  name: 'throwing',
  agents: (outside) => [createAgent({ name: 'payer', tools: [unsure(outside)], model: once(FIVE) })],
};

/** A fork of a session that a turn left in doubt. */
const forkDoubtful: Scenario = {
  ...throwing,
  name: 'fork-doubtful',
  steps: [
    SEND,
    { type: 'cancel', atMs: 3_000, sid: 's1' },
    { type: 'fork', atMs: 3_500, sid: 's1', as: 'f1', at: 1, effects: 'ask', text: 'And you?' },
  ],
};

/** A fork at the moment at which the parent waits for the model, which both pay for out of a limit. */
const forkThinking: Scenario = {
  name: 'fork-thinking',
  agents: [
    createAgent({
      name: 'saver',
      tools: [note()],
      params: { maxOutputTokens: 100 },
      budget: { sessionTokensMax: 5_000 },
      model: once({ name: 'note', input: { amount: 1 } }),
    }),
  ],
  steps: [SEND, { type: 'fork', atMs: 1_000, sid: 's1', as: 'f1', at: 1, effects: 'live', text: 'And you?' }],
};

/** A turn that may take ten seconds, and so a tool that is slow. */
const hurried: Scenario = {
  name: 'hurried',
  agents: [
    createAgent({ name: 'noter', tools: [note()], budget: { turnMs: 10_000 }, model: once({ name: 'note', input: { amount: 1 } }) }),
  ],
  steps: [SEND],
};

/** Two sessions of which one may be taken up at a time. */
const crowded: Scenario = {
  name: 'crowded',
  agents: [createAgent({ name: 'noter', tools: [note()], model: once({ name: 'note', input: { amount: 1 } }) })],
  steps: [SEND, { ...SEND, atMs: 11, sid: 's2', text: '«s2» And I?' }],
  resumeMax: 1,
};

/** Two processes: when the one at work dies, the other is the only one to take up what it leaves. */
const heir: Scenario = { ...crowded, name: 'heir', processes: 2 };

/** A fork at the moment at which the parent waits for a person. */
const forkAsking: Scenario = {
  name: 'fork-asking',
  agents: (outside) => [createAgent({ name: 'payer', tools: [pay(outside, { needsApproval: true })], model: once(FIVE) })],
  answer: agreeing,
  steps: [SEND, { type: 'fork', atMs: 2_500, sid: 's1', as: 'f1', at: 1, effects: 'live', text: 'And you?' }],
};

/** A policy thinks while an operator erases somebody else who wrote in the same session: his note takes the place of what was decided. */
const noted: Scenario = {
  name: 'noted',
  keys: simKeys,
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
  steps: [
    { ...SEND, subject: 'anna' },
    { ...SEND, atMs: 11, subject: 'bert' },
    { ...SEND, atMs: 12, sid: 's2', text: '«s2» And I?', subject: 'anna' },
    { ...SEND, atMs: 13, sid: 's2', text: '«s2» And I?', subject: 'bert' },
    { type: 'erase', atMs: 5_000, subject: 'bert' },
  ],
};

/** A policy that thinks for a while and then throws. */
const dithering: Scenario = {
  name: 'dithering',
  agents: [
    createAgent({
      name: 'ditherer',
      policy: fromFunction('moody', async () => {
        await Promise.resolve();
        throw new Error('I do not know.');
      }),
    }),
  ],
  steps: [SEND],
};

/** A person who first answers to something else, and refuses when asked again. */
const mistaken: Scenario = {
  name: 'mistaken',
  agents: (outside) => [createAgent({ name: 'payer', tools: [pay(outside, { needsApproval: true })], model: once(FIVE) })],
  answer: (pending, outside) => {
    if (pending.type !== 'approval') return agreeing(pending, outside);
    const times = Number(outside.kept.get(pending.id) ?? 0) + 1;
    outside.kept.set(pending.id, times);
    return times > 1 ? { decision: 'deny', why: 'no' } : { decision: 'approve', digest: 'of something else' };
  },
  steps: [SEND],
  invariants: [
    {
      name: 'an answer counts for what was shown',
      // Who was asked twice may have said the opposite of a refusal.
      check: ({ outside: { executions, kept } }) =>
        executions.length > 0 && [...kept.values()].every((times) => times === 1) ? 'What nobody granted was paid.' : null,
    },
  ],
};

/** Rules that count the steps of a turn. */
const stepped: Scenario = {
  name: 'stepped',
  agents: [
    createAgent({
      name: 'stepper',
      tools: [note()],
      policy: table({
        name: 'steps',
        rows: [
          { name: 'first', when: { $step: 0 }, then: { type: 'call', calls: [{ tool: 'note', input: { amount: 1 } }] } },
          { name: 'second', when: { $step: 1 }, then: { type: 'answer', output: 'Noted.' } },
        ],
      }),
    }),
  ],
  steps: [SEND],
  invariants: [
    {
      name: 'rules see how far a turn is',
      check: ({ logs }) => {
        for (const log of logs.values()) {
          let isNoted = false;
          for (const { type, data } of log) {
            if (type === 'turn.started') isNoted = false;
            if (type === 'tool.returned') isNoted = true;
            if (isNoted && data['policy'] === 'steps#first') return 'The rule for the first step decided a later one.';
          }
        }
        return null;
      },
    },
  ],
};

const LARGE = 'é'.repeat(20_000);

/** Two tenants with large results of their own. */
const apart: Scenario = {
  name: 'apart',
  agents: [
    createAgent({
      name: 'reader',
      tools: [
        tool({ name: 'read_page', inputSchema: AMOUNT, effect: 'read', execute: (_input, { session }) => `${session.tenant} ${LARGE}` }),
      ],
      model: once({ name: 'read_page', input: { amount: 1 } }),
    }),
  ],
  steps: [
    { ...SEND, tenant: 'a' },
    { ...SEND, sid: 's2', tenant: 'b', text: '«s2» And I?' },
  ],
};

/** What is kept beside the log, or made of it: looked at when all has come to rest. */
const derived: Scenario = {
  name: 'derived',
  agents: [
    createAgent({
      name: 'reader',
      tools: [
        note(),
        tool({ name: 'read_page', inputSchema: AMOUNT, effect: 'read', execute: ({ amount }) => ({ page: amount, text: LARGE }) }),
      ],
      model: once({ name: 'note', input: { amount: 1 } }, { name: 'read_page', input: { amount: 2 } }),
    }),
  ],
  steps: [SEND, { ...SEND, atMs: 8_000, sid: 's2', text: '«s2» And you?' }],
  invariants: DERIVED,
};

/** What planted bugs need beside the scenarios that everybody runs. */
export const EXTRA: readonly Scenario[] = [
  unknowable,
  throwing,
  crowded,
  forkDoubtful,
  forkThinking,
  hurried,
  forkAsking,
  noted,
  dithering,
  mistaken,
  apart,
  derived,
  stepped,
  heir,
];
