import { createAgent, type AgentOptions } from 'nerva/agent';
import { simModel, type Scenario } from 'nerva/sim';
import { choicesOf, messages } from './choices.ts';
import { look, note, pay } from './tools.ts';

const PRICE = { inputUsd: 3, outputUsd: 15 };

/** A talkative agent with a limit. */
const limited = (name: string, options: Partial<AgentOptions>): Scenario => ({
  name,
  agents: (outside) => [
    createAgent({
      name: 'limited',
      tools: [pay(outside), note(), look()],
      params: { maxOutputTokens: 64 },
      model: simModel({ profile: 'chatty', stepsMax: 4, price: PRICE }),
      ...options,
    }),
  ],
  steps: (seed) => messages(choicesOf(seed), { prefix: 's', count: 2, each: 3, spanMs: 60_000 }),
});

export const turnTokens = limited('turn-tokens', { budget: { turnTokensMax: 1_800 } });
export const sessionTokens = limited('session-tokens', { budget: { sessionTokensMax: 3_000 } });
export const dollars = limited('dollars', { budget: { turnUsdMax: 0.006, sessionUsdMax: 0.012 } });
export const stepLimits = limited('step-limits', { stepsMax: 2, budget: { sessionStepsMax: 4 } });
export const timeLimits = limited('time-limits', { budget: { turnMs: 4_000, sessionMs: 60_000 } });
export const compacted = limited('compacted', { context: { tokensMax: 500 }, budget: { sessionTokensMax: 60_000 } });
export const dropped = limited('dropped', { context: { tokensMax: 500, strategy: 'drop' } });
export const stopping = limited('stopping', {
  stopWhen: [({ calls }) => calls.length >= 2, ({ steps }) => steps >= 3],
});
