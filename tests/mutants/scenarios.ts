import { createAgent } from 'nerva/agent';
import type { Scenario } from 'nerva/sim';
import { tool } from 'nerva/tool';
import { AMOUNT, agreeing, once, pay } from '../scenarios/tools.ts';

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

/** A fork at the moment at which the parent waits for a person. */
const forkAsking: Scenario = {
  name: 'fork-asking',
  agents: (outside) => [createAgent({ name: 'payer', tools: [pay(outside, { needsApproval: true })], model: once(FIVE) })],
  answer: agreeing,
  steps: [SEND, { type: 'fork', atMs: 2_500, sid: 's1', as: 'f1', at: 1, effects: 'live', text: 'And you?' }],
};

/** What planted bugs need beside the scenarios that everybody runs. */
export const EXTRA: readonly Scenario[] = [unknowable, forkAsking];
