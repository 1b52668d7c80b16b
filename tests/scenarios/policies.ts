import { createAgent } from 'nerva/agent';
import { chain, fromFunction, llm, table } from 'nerva/policy';
import { simModel, type Scenario, type Step } from 'nerva/sim';
import { choicesOf } from './choices.ts';
import { look, note, pay } from './tools.ts';

const rules = table({
  name: 'rules',
  input: { type: 'object', properties: { amount: { type: 'integer' } }, required: ['amount'] },
  rows: [
    { name: 'large', when: { amount: { gt: 80 } }, then: 'abstain' },
    { name: 'paid', when: { '$last.name': 'pay', '$last.isError': false }, then: { type: 'answer', output: { paid: { $: 'amount' } } } },
    {
      name: 'pay',
      when: { $step: 0 },
      then: {
        type: 'call',
        calls: [
          { tool: 'pay', input: { amount: { $: 'amount' } } },
          { tool: 'look', input: {} },
        ],
      },
    },
  ],
});

/** Rules first, then a function that takes its time, then the model. */
export const chained: Scenario = {
  name: 'chained',
  agents: (outside) => [
    createAgent({
      name: 'chained',
      tools: [pay(outside), note(), look()],
      policy: chain(
        rules,
        fromFunction('slow', async ({ step, nowMs }) => {
          await Promise.resolve();
          return step === 2 ? { action: { type: 'answer', text: 'Enough.' }, why: `at ${nowMs > 0}`, propensity: 0.5 } : null;
        }),
        llm(),
      ),
      model: simModel({ stepsMax: 2 }),
    }),
  ],
  steps: (seed) => {
    const choices = choicesOf(seed);
    return Array.from({ length: 4 }, (_, index): Step => {
      const sid = `s${1 + (index % 2)}`;
      const deliver = choices.pick(['queue', 'steer', 'interrupt'] as const);
      return { type: 'send', atMs: 10 + choices.below(15_000), sid, data: { note: `«${sid}»`, amount: 1 + choices.below(120) }, deliver };
    });
  },
};

/** A policy that throws, and one that abstains where there is no model. */
export const helpless: Scenario = {
  name: 'helpless',
  agents: [
    createAgent({
      name: 'helpless',
      tools: [note()],
      policy: fromFunction('moody', ({ step, input }) => {
        if (step === 0)
          return {
            type: 'call',
            calls: [
              { tool: 'note', input: { amount: 1 } },
              { tool: 'gone', input: {} },
            ],
          };
        if (input.text.includes('throw')) throw new Error('I do not know.');
        return null;
      }),
    }),
  ],
  steps: [
    { type: 'send', atMs: 10, sid: 's1', text: '«s1» abstain' },
    { type: 'send', atMs: 20, sid: 's1', text: '«s1» throw' },
  ],
};
