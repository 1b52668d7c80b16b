import { createAgent } from 'nerva/agent';
import { MODEL_SECRET, simModel, type Scenario } from 'nerva/sim';
import { pay } from './tools.ts';

const brain = simModel({
  script: ({ messages }) => {
    if (messages.at(-1)?.role === 'tool') return { reasoning: 'That went well.', text: 'Bezahlt: fünf €, naïve façade, 支付完成 🎉.' };
    return { text: 'Ich zahle jetzt …', calls: [{ name: 'pay', input: { amount: 5 } }] };
  },
});

/** One payment whose model is asked over HTTP, while somebody reads every word as it comes. The key must stay where it is. */
export const wired: Scenario = {
  name: 'wired',
  isWired: true,
  agents: (outside) => [createAgent({ name: 'payer', instructions: 'Pay what you are told.', tools: [pay(outside)], model: brain })],
  steps: [
    { type: 'watch', atMs: 5, sid: 's1' },
    { type: 'send', atMs: 10, sid: 's1', text: '«s1» Pay five €.' },
    { type: 'send', atMs: 60_000, sid: 's1', text: '«s1» And five more.' },
  ],
  invariants: [
    {
      name: 'a key stays out of the record',
      check: ({ disk }) => (disk.includes(MODEL_SECRET) ? 'The key of the model is on the disk.' : null),
    },
  ],
};
