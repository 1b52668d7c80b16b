import { createAgent, type MemoryUse } from 'nerva/agent';
import { modelEvolver, modelExtractor, modelRewriter, openMemory } from 'nerva/memory';
import { simMemoryModel, simModel, type Invariant, type Scenario } from 'nerva/sim';
import { choicesOf, messages } from './choices.ts';
import { look, pay } from './tools.ts';

/** What a memory asks, of a model that fails in each way now and then. */
const mind = () => simMemoryModel({ faults: { timeout: 0.1, error: 0.1, rateLimit: 0.1, malformed: 0.1 } });

/** Whoever dies in between, and whoever takes over. */
const madeOnce: Invariant = {
  name: 'of a text each maker makes one thing',
  check: ({ logs }) => {
    const made = Array.from(logs.values()).flatMap((events) =>
      events.flatMap(({ type, data }) =>
        type === 'memory.derived' || type === 'memory.evolved'
          ? [`${type} ${String(data['of'] ?? data['from'])} ${String(data['by'])}`]
          : [],
      ),
    );
    return made.find((one, at) => made.indexOf(one) !== at) ?? null;
  },
};

/**
 * An agent with a memory for each session, which grows with each look at it, asks a model what to make of its texts and how to look for them, and a
 * conversation that is compacted.
 */
export const remembering: Scenario = {
  name: 'remembering',
  agents: (outside) => {
    const asked = mind();
    const asks = { rewrite: modelRewriter(asked), extractor: modelExtractor(asked), evolver: modelEvolver(asked) };
    return [
      createAgent({
        name: 'keeper',
        tools: [pay(outside), look()],
        model: simModel({ profile: 'obedient', stepsMax: 2 }),
        context: { turnsMax: 2 },
        memory: {
          recall: 2,
          of: async ({ session: { sid }, store, world }) => {
            const memory = await openMemory({ store, world, scope: `user:${sid}`, ...asks, fusion: 'blend' });
            await memory.setBlock({ label: 'seen', type: 'facts', text: `Seen ${memory.head} events of «${sid}».` });
            await memory.remember(`«${sid}» asked at event ${memory.head}.`);
            await memory.consolidate({ limit: 2 });
            return memory;
          },
        },
      }),
    ];
  },
  invariants: [madeOnce],
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
