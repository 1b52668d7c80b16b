import { createAgent, type Agent } from 'nerva/agent';
import { simModel, type Outside, type Scenario } from 'nerva/sim';
import { tool } from 'nerva/tool';

const input = { type: 'object', properties: { amount: { type: 'integer', minimum: 1 } }, required: ['amount'] } as const;

export function agents(outside: Outside): readonly Agent[] {
  const pay = tool({
    name: 'pay',
    inputSchema: input,
    effect: 'irreversible',
    reconcile: (_input, { callId }) => (outside.happened(callId) ? { status: 'done', output: { paid: true } } : { status: 'not-done' }),
    execute: () => ({ paid: true }),
  });
  return [
    createAgent({
      name: 'payer',
      tools: [pay],
      model: simModel({
        script: ({ messages }) => (messages.at(-1)?.role === 'tool' ? 'Paid.' : { calls: [{ name: 'pay', input: { amount: 5 } }] }),
      }),
    }),
  ];
}

/** One message, one payment. */
export const smallest: Scenario = {
  name: 'smallest',
  agents,
  steps: [{ type: 'send', atMs: 10, sid: 's1', text: '«s1» Pay five.' }],
};
