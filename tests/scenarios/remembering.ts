import { createAgent, type MemoryUse } from 'nerva/agent';
import { openMemory } from 'nerva/memory';
import { simModel, type Scenario } from 'nerva/sim';
import { choicesOf, messages } from './choices.ts';
import { look, pay } from './tools.ts';

/** An agent with a memory for each session, which grows with each look at it, and a conversation that is compacted. */
export const remembering: Scenario = {
  name: 'remembering',
  agents: (outside) => [
    createAgent({
      name: 'keeper',
      tools: [pay(outside), look()],
      model: simModel({ profile: 'obedient', stepsMax: 2 }),
      context: { turnsMax: 2 },
      memory: {
        recall: 2,
        of: async ({ session: { sid }, store, world }) => {
          const memory = await openMemory({ store, world, scope: `user:${sid}` });
          await memory.setBlock({ label: 'seen', type: 'facts', text: `Seen ${memory.head} events of «${sid}».` });
          await memory.remember(`«${sid}» asked at event ${memory.head}.`);
          return memory;
        },
      },
    }),
  ],
  steps: (seed) => messages(choicesOf(seed), { prefix: 's', count: 2, each: 3, spanMs: 60_000 }),
};

/** What a session looks into grows with each look, and is marked with who looked. */
const growing =
  (scopeOf: (sid: string) => string): MemoryUse['of'] =>
  async ({ session: { sid }, store, world }) => {
    const memory = await openMemory({ store, world, scope: scopeOf(sid) });
    await memory.setBlock({ label: 'seen', type: 'facts', text: `Seen ${memory.head} events of ${memory.sid}.` });
    await memory.remember(`A task was asked of ${memory.sid} at event ${memory.head}.`);
    return memory;
  };

/** Agents with a memory of their own and one that their sessions share, both in the store that fails; what they say is compacted. */
export const sharing: Scenario = {
  name: 'sharing',
  agents: (outside) => [
    createAgent({
      name: 'keeper',
      tools: [pay(outside), look()],
      model: simModel({ profile: 'obedient', stepsMax: 2 }),
      context: { turnsMax: 2 },
      memory: [
        { of: growing((sid) => `user:${sid}`), recall: 2 },
        { of: growing(() => 'team:desk'), recall: 3 },
      ],
    }),
  ],
  steps: (seed) => messages(choicesOf(seed), { prefix: 's', count: 2, each: 3, spanMs: 60_000 }),
};
