/** The write path under a simulated model: seeded, asked by the real prompts, and failing in each way that models fail. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { memoryStore } from '../log/index.ts';
import { simMemoryModel } from '../sim/index.ts';
import { testWorld } from '../testing/index.ts';
import { modelEvolver, type Compared } from './evolve.ts';
import { modelExtractor } from './extract-model.ts';
import { openMemory } from './index.ts';

const options = { world: testWorld(), nowMs: 0 };
const entry = (at: number): Compared => ({ id: `scope:x:${at}` as Compared['id'], text: `Ada number ${at}` });

test('what is made of 1,000 texts is the same under the same seed, in whatever order they are asked about', async () => {
  const answers = async (seed: number, order: readonly number[]) => {
    const model = simMemoryModel({ seed });
    const [extractor, evolver] = [modelExtractor(model), modelEvolver(model)];
    const made = await Promise.all(
      order.map(async (at) => {
        const answer =
          at % 2 === 0 ? await extractor.extract(`Ada met Bob${at}.`, options) : await evolver.relate(entry(at), [entry(at + 1)], options);
        return [at, JSON.stringify(answer)] as const;
      }),
    );
    assert.deepEqual([model.asked.extract, model.asked.evolve], [500, 500]);
    return made.toSorted(([one], [other]) => one - other);
  };
  const order = Array.from({ length: 1_000 }, (_, at) => at);
  const first = await answers(1, order);
  assert.deepEqual(await answers(1, order.toReversed()), first);
  assert.notDeepEqual(await answers(2, order), first);
});

test('any faults of a model leave each text with what rules make of it, and what the model says once it answers', async () => {
  const fault = fc.constantFrom(0, 0.3, 1);
  const faults = fc.record({ timeout: fault, error: fault, rateLimit: fault, malformed: fault });
  await fc.assert(
    fc.asyncProperty(fc.integer(), faults, async (seed, some) => {
      const world = testWorld();
      const store = memoryStore({ world });
      const model = simMemoryModel({ seed, faults: some });
      const memory = await openMemory({ store, world, scope: 's', extractor: modelExtractor(model), evolver: modelEvolver(model) });
      for (const name of ['Ada', 'Bob', 'Carol']) await memory.remember(`${name} has an apple.`);
      let runs = 0;
      while ((await memory.consolidate({ limit: 2 })).left > 0) assert.ok(runs++ < 20, 'it ends');
      const { head } = memory;
      await memory.consolidate();
      const isSound = some.timeout + some.error + some.rateLimit + some.malformed === 0;
      const fired = Object.values(model.fired).reduce((sum, count) => sum + count, 0);
      if (isSound) assert.equal(fired, 0);
      if (Object.values(some).includes(1)) assert.equal(fired, model.asked.extract + model.asked.evolve, 'each call failed');
      for (const { derived = [], evolved = [], supersededBy } of memory.entries()) {
        assert.deepEqual([derived.length, evolved.length], [2, supersededBy === null ? 1 : evolved.length]);
        assert.ok(derived.every(({ items }) => items.length > 0));
        if (isSound) assert.ok(derived.every(({ failure }) => failure === null));
      }
      assert.deepEqual([memory.head, (await openMemory({ store, world, scope: 's' })).entries()], [head, memory.entries()]);
    }),
    { numRuns: 60 },
  );
});
