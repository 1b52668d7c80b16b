import { createAgent } from 'nerva/agent';
import { simModel, type Scenario, type Step } from 'nerva/sim';
import { choicesOf, messages, say } from './choices.ts';
import { look, note, pay } from './tools.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Calls that may take hours. */
export const slow: Scenario = {
  name: 'slow',
  agents: (outside) => [
    createAgent({
      name: 'patient',
      tools: [pay(outside, { timeoutMs: 6 * HOUR_MS }), note(2 * HOUR_MS)],
      model: simModel({ stepsMax: 3 }),
    }),
  ],
  steps: (seed) => messages(choicesOf(seed), { prefix: 's', count: 2, each: 2, spanMs: 4 * HOUR_MS }),
};

/** Twenty agents, a session each, over some days: what the figure of simulated hours in an hour is measured with. */
export const twenty: Scenario = {
  name: 'twenty',
  agents: (outside) =>
    Array.from({ length: 20 }, (_, index) =>
      createAgent({
        name: `agent-${index}`,
        tools: [pay(outside, { needsApproval: ({ amount }) => amount > 90 }), note(), look()],
        model: simModel({ profile: index % 4 === 0 ? 'chatty' : 'obedient', stepsMax: 2 }),
      }),
    ),
  steps: (seed) => {
    const choices = choicesOf(seed);
    return Array.from({ length: 40 }, (_, index): Step => {
      const sid = `s${index % 20}`;
      return { type: 'send', atMs: choices.below(4 * DAY_MS), sid, agent: `agent-${index % 20}`, text: say(sid, `Day ${index}.`) };
    });
  },
  idleMax: 4,
  resumeMax: 4,
};
