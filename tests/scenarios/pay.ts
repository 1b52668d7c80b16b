import { createAgent } from 'nerva/agent';
import type { Scenario } from 'nerva/sim';
import { agreeing, once, pay } from './tools.ts';

const FIVE = { name: 'pay', input: { amount: 5 } };
const SEND = { type: 'send', atMs: 10, sid: 's1', text: '«s1» Pay five.' } as const;

/** One message, one payment. */
export const smallest: Scenario = {
  name: 'smallest',
  agents: (outside) => [createAgent({ name: 'payer', tools: [pay(outside)], model: once(FIVE) })],
  steps: [SEND],
};

/** A payment that nobody can look up: where it is lost, a person says what became of it. */
export const unreconciled: Scenario = {
  name: 'unreconciled',
  agents: (outside) => [createAgent({ name: 'payer', tools: [pay(outside, { isReconciled: false })], model: once(FIVE) })],
  steps: [SEND],
};

/** A payment that a person grants. */
export const granted: Scenario = {
  name: 'granted',
  agents: (outside) => [createAgent({ name: 'payer', tools: [pay(outside, { needsApproval: true })], model: once(FIVE) })],
  answer: agreeing,
  steps: [SEND],
};

/** A payment that a person refuses. */
export const denied: Scenario = {
  ...granted,
  name: 'denied',
  answer: (pending, outside) =>
    pending.type === 'approval' ? { decision: 'deny', why: 'no', digest: pending.digest } : agreeing(pending, outside),
};
