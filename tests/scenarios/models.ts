import { createAgent } from 'nerva/agent';
import { simModel, type Profile, type Scenario, type Step } from 'nerva/sim';
import { choicesOf, messages, say } from './choices.ts';
import { look, note, pay } from './tools.ts';

/** A model that behaves badly in its own way, with several tools. */
const profiled = (profile: Profile): Scenario => ({
  name: profile,
  agents: (outside) => [
    createAgent({
      name: profile,
      tools: [pay(outside, { needsApproval: ({ amount }) => amount > 60 }), note(), look()],
      model: simModel({ profile, stepsMax: 3 }),
      stepsMax: 5,
    }),
  ],
  steps: (seed) => messages(choicesOf(seed), { prefix: 's', count: 2, each: 2, spanMs: 10_000 }),
});

export const obedient = profiled('obedient');
export const chatty = profiled('chatty');
export const malformed = profiled('malformed');
export const adversarial = profiled('adversarial');

/** Answers in a form, which the model often misses. */
export const forms: Scenario = {
  name: 'forms',
  agents: [
    createAgent({
      name: 'former',
      tools: [look()],
      output: { type: 'object', properties: { total: { type: 'integer' } }, required: ['total'] },
      model: simModel({
        script: (_request, dice) =>
          dice.chance(0.3) ? { calls: [{ name: 'look', input: {} }] } : dice.pick(['{"total": 5}', '{"total": "five"}', 'Five.', '{']),
      }),
    }),
  ],
  steps: (seed) => [
    ...messages(choicesOf(seed), { prefix: 's', count: 1, each: 2, spanMs: 3_000 }),
    { type: 'send', atMs: 2_000, sid: 's1', text: say('s1', 'In that form.'), deliver: 'steer' },
  ],
};

/** Payments that are asked for again and again, and made once for each sum. */
export const repeats: Scenario = {
  name: 'repeats',
  agents: (outside) => [
    createAgent({
      name: 'repeater',
      tools: [pay(outside, { isDeduped: true, isReconciled: false, timeoutMs: 10_000 })],
      model: simModel({
        script: ({ messages: given }, dice) => {
          if (given.at(-1)?.role === 'tool' && dice.chance(0.5)) return 'Done.';
          return { calls: Array.from({ length: 1 + dice.below(3) }, () => ({ name: 'pay', input: { amount: 1 + dice.below(2) } })) };
        },
      }),
      stepsMax: 4,
    }),
  ],
  steps: (seed): readonly Step[] => messages(choicesOf(seed), { prefix: 's', count: 1, each: 3, spanMs: 20_000 }),
  invariants: [
    {
      name: 'equal calls are one',
      check({ logs }) {
        for (const [sid, log] of logs) {
          const done = new Set<string>();
          const texts = new Map<number, string>();
          for (const { seq, type, data } of log) {
            const text = data['dedupe'];
            if (type === 'tool.called' && typeof text === 'string') {
              if (done.has(text)) return `${sid}:${seq} makes ${text} again.`;
              texts.set(seq, text);
            }
            const of = texts.get(data['call'] as number);
            if ((type === 'tool.returned' || type === 'tool.failed') && of !== undefined) {
              texts.delete(data['call'] as number);
              if (type === 'tool.returned') done.add(of);
            }
          }
        }
        return null;
      },
    },
  ],
};
