import { createAgent } from 'nerva/agent';
import { simModel, type Scenario, type SimModel, type Step } from 'nerva/sim';
import { tool } from 'nerva/tool';
import { choicesOf, messages, say } from './choices.ts';
import { simKeys } from './keys.ts';
import { AMOUNT, note, once } from './tools.ts';

/** Results above 16 KB, which are kept as blobs, and above the limit, which are cut. */
export const bulky: Scenario = {
  name: 'bulky',
  agents: [
    createAgent({
      name: 'reader',
      tools: [
        tool({
          name: 'read_page',
          inputSchema: AMOUNT,
          effect: 'read',
          execute: ({ amount }) => ({ page: amount, text: 'é'.repeat(amount * 400) }),
        }),
        note(),
      ],
      model: simModel({ stepsMax: 2 }),
      outputBytesMax: 40_000,
    }),
  ],
  steps: (seed) => messages(choicesOf(seed), { prefix: 's', count: 2, each: 2, spanMs: 10_000 }),
  idleMax: 1,
};

const SECRETS: Readonly<Record<string, string>> = { anna: 'Quellenstrasse', bert: 'Marienplatz' };

/** Two people's data, of which one's is erased: after a fork, and before somebody writes to her again. */
export const erased: Scenario = {
  name: 'erased',
  keys: simKeys,
  agents: [
    createAgent({
      name: 'adviser',
      tools: [
        tool({
          name: 'address',
          inputSchema: AMOUNT,
          effect: 'read',
          execute: (_input, { session }) => ({ street: SECRETS[session.sid] ?? '', more: (SECRETS[session.sid] ?? '').repeat(1_300) }),
        }),
      ],
      model: simModel({
        script: ({ messages: given }) =>
          given.at(-1)?.role === 'tool' ? 'I know it.' : { calls: [{ name: 'address', input: { amount: 1 } }] },
      }),
    }),
  ],
  steps: (seed) => {
    const choices = choicesOf(seed);
    const steps = Object.entries(SECRETS).flatMap(([sid, secret]): Step[] => [
      { type: 'send', atMs: 10, sid, subject: sid, text: say(sid, `I live at ${secret}.`) },
      { type: 'send', atMs: 20_000 + choices.below(20_000), sid, subject: sid, text: say(sid, `Still at ${secret}.`) },
    ]);
    const fork: Step = {
      type: 'fork',
      atMs: 60_000,
      sid: 'anna',
      as: 'anna-2',
      at: choices.pick([0.3, 1]),
      effects: 'live',
      text: 'Go on.',
    };
    const erasing: Step = { type: 'erase', atMs: choices.pick([50_000_000, 5_000_000, 600_000, 25_000]), subject: 'anna' };
    return [...steps, fork, erasing, { type: 'send', atMs: 60_000_000, sid: 'anna', subject: 'anna', text: say('anna', 'Are you there?') }];
  },
  invariants: [
    {
      name: 'what was erased is gone',
      check({ disk, logs }) {
        const secret = SECRETS['anna'] ?? '';
        if (disk.includes(secret)) return 'The disk still holds what the erased subject said.';
        if (['anna', 'anna-2'].some((sid) => JSON.stringify(logs.get(sid) ?? []).includes(secret)))
          return 'The log still holds what the erased subject said.';
        return null;
      },
    },
    {
      name: 'others keep their data',
      check({ logs }) {
        const said = (logs.get('bert') ?? []).some(({ data }) => String(data['text'] ?? '').includes(SECRETS['bert'] ?? ''));
        return said || (logs.get('bert') ?? []).length === 0 ? null : 'What bert said is gone too.';
      },
    },
  ],
};

const TOKEN = 'sk-live-0123456789abcdef';

/** A tool and a model that carry a secret, as clients of a service do, which must never be written anywhere: not with what an agent is made of either. */
export const secrets: Scenario = {
  name: 'secrets',
  agents: (outside) => {
    outside.kept.set('token', TOKEN);
    const model = once({ name: 'fetch_account', input: { amount: 1 } });
    const holding = <T extends object>(one: T): T => ({ ...one, token: TOKEN });
    const fetching = tool({
      name: 'fetch_account',
      inputSchema: AMOUNT,
      effect: 'idempotent',
      execute: ({ amount }) => {
        if (outside.kept.get('token') !== TOKEN) throw new Error('Who are you?');
        return { account: amount };
      },
    });
    const held: SimModel = { ...holding(model), withSeed: (seed) => holding(model.withSeed(seed)) };
    return [createAgent({ name: 'holder', tools: [holding(fetching)], model: held })];
  },
  steps: (seed) => messages(choicesOf(seed), { prefix: 's', count: 1, each: 2, spanMs: 5_000 }),
  invariants: [{ name: 'secrets are not written', check: ({ disk }) => (disk.includes(TOKEN) ? 'The disk holds the token.' : null) }],
};
