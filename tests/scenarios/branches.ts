import { createAgent } from 'nerva/agent';
import { simModel, type Scenario, type Step } from 'nerva/sim';
import { choicesOf, say } from './choices.ts';
import { look, note, once, pay } from './tools.ts';

const EFFECTS = ['ask', 'live', 'simulated'] as const;

/** Forks of forks, made anywhere in a log at any time. */
export const branches: Scenario = {
  name: 'branches',
  agents: (outside) => [
    createAgent({
      name: 'brancher',
      tools: [pay(outside, { needsApproval: ({ amount }) => amount > 70 }), note(), look()],
      model: simModel({ stepsMax: 2 }),
    }),
  ],
  steps: (seed) => {
    const choices = choicesOf(seed);
    const steps: Step[] = [{ type: 'send', atMs: 10, sid: 's1', text: say('s1', 'Root.') }];
    const sids = ['s1'];
    for (let index = 1; index <= 3; index++) {
      const atMs = 1_500 * index + choices.below(20_000);
      const at = choices.below(11) / 10;
      const as = `f${index}`;
      steps.push({ type: 'fork', atMs, sid: choices.pick(sids), as, at, effects: choices.pick(EFFECTS), text: `Branch ${index}.` });
      sids.push(as);
    }
    return steps;
  },
};

/** A fork in the middle of a call, which stays the parent's. */
export const forkInside: Scenario = {
  name: 'fork-inside',
  agents: (outside) => [createAgent({ name: 'payer', tools: [pay(outside)], model: once({ name: 'pay', input: { amount: 5 } }) })],
  steps: [
    { type: 'send', atMs: 10, sid: 's1', text: '«s1» Pay five.' },
    { type: 'fork', atMs: 1_800, sid: 's1', as: 'f1', at: 1, effects: 'ask', text: 'And you?' },
  ],
};
