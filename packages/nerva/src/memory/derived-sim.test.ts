/** The write path under a simulated model: seeded, asked by the real prompts, and failing in each way that models fail. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { World } from '../core/index.ts';
import { memoryStore } from '../log/index.ts';
import { scriptedModel, type ModelRequest, type ScriptStep } from '../model/index.ts';
import { testWorld } from '../testing/index.ts';
import { modelRewriter } from './deep.ts';
import { EVOLVE_INSTRUCTIONS, modelEvolver, type Compared } from './evolve.ts';
import { EXTRACT_INSTRUCTIONS, modelExtractor } from './extract-model.ts';
import { openMemory } from './index.ts';

/** Of each way to fail, the first that is drawn. */
interface Faults {
  readonly timeout: number;
  readonly error: number;
  readonly rateLimit: number;
  readonly malformed: number;
}
const NO_FAULTS: Faults = { timeout: 0, error: 0, rateLimit: 0, malformed: 0 };
const SHARES = [
  ['update', 0.2],
  ['extend', 0.3],
  ['derive', 0.15],
  ['contradict', 0.1],
  ['none', 0.25],
] as const;

/** Numbers of 0–1 that follow from a seed and what is asked alone, and from nothing that was asked before. */
function diceOf(world: World, key: string): () => number {
  let drawn = 0;
  return () => Number.parseInt(world.digest(`${key} ${drawn++}`).slice(0, 12), 16) / 2 ** 48;
}

/** Which of the memory's questions it is: by what its own code says, so that no branch is missed because a prompt was changed. */
function kindOf({ instructions }: ModelRequest): 'extract' | 'evolve' | 'rewrite' {
  if (instructions.startsWith(EXTRACT_INSTRUCTIONS)) return 'extract';
  return instructions.startsWith(EVOLVE_INSTRUCTIONS) ? 'evolve' : 'rewrite';
}

const textOf = ({ messages }: ModelRequest): string =>
  messages.flatMap(({ parts }) => parts.map((part) => (part.type === 'text' ? part.text : ''))).join('');

function answerTo(
  request: ModelRequest,
  { world, seed, faults }: { readonly world: World; readonly seed: string; readonly faults: Faults },
): ScriptStep {
  const shown = textOf(request);
  const roll = diceOf(world, `${seed} ${kindOf(request)} ${shown}`);
  if (roll() < faults.timeout) return { error: { code: 'HTTP_TIMEOUT', message: 'too slow' } };
  if (roll() < faults.error) return { error: { code: 'MODEL_UNAVAILABLE', message: 'down' } };
  if (roll() < faults.rateLimit) return { error: { code: 'MODEL_RATE_LIMITED', message: 'too often' } };
  if (roll() < faults.malformed) return { text: '{"entities": [{"name": ' };
  if (kindOf(request) === 'rewrite') return { text: JSON.stringify({ queries: [`${shown} again`] }) };
  if (kindOf(request) === 'extract') {
    const names = shown.match(/[A-Z][a-z]+/g) ?? [];
    return { text: JSON.stringify({ entities: names.map((name) => ({ name, type: 'person', confidence: roll() })), relations: [] }) };
  }
  const count = shown.match(/<text-\d+-/g)?.length ?? 0;
  const relations = Array.from({ length: count }, (_, at) => {
    let left = roll();
    const [relation] = SHARES.find(([, share]) => (left -= share) < 0) ?? ['none'];
    return { to: at + 1, relation, confidence: roll() };
  });
  return { text: JSON.stringify({ relations }) };
}

function simulated(seed: string, faults: Faults = NO_FAULTS) {
  const world = testWorld();
  return scriptedModel((request) => answerTo(request, { world, seed, faults }), { name: `simulated/${seed}`, requestsMax: 5_000 });
}

const options = { world: testWorld(), nowMs: 0 };
const entry = (at: number): Compared => ({ id: `scope:x:${at}` as Compared['id'], text: `Ada number ${at}` });

test('the same seed answers 1,000 calls the same, in whatever order they come', async () => {
  const answers = async (seed: string, order: readonly number[]) => {
    const model = simulated(seed);
    const [extractor, evolver] = [modelExtractor(model), modelEvolver(model)];
    const made = await Promise.all(
      order.map(async (at) => {
        const answer =
          at % 2 === 0 ? await extractor.extract(`Ada met Bob${at}.`, options) : await evolver.relate(entry(at), [entry(at + 1)], options);
        return [at, JSON.stringify(answer)] as const;
      }),
    );
    return made.toSorted(([one], [other]) => one - other);
  };
  const order = Array.from({ length: 1_000 }, (_, at) => at);
  const first = await answers('a', order);
  assert.deepEqual(await answers('a', order.toReversed()), first);
  assert.notDeepEqual(await answers('b', order), first);
});

test('relations come as often as the simulated model is weighted, and each question of the memory is the one that it is taken for', async () => {
  const model = simulated('weights');
  const seen = new Map<string, number>();
  for (let at = 0; at < 1_000; at++) {
    const { relations } = await modelEvolver(model).relate(entry(at), [entry(at + 5_000)], options);
    const kind = relations[0]?.relation ?? 'none';
    seen.set(kind, (seen.get(kind) ?? 0) + 1);
  }
  for (const [kind, share] of SHARES) assert.ok(Math.abs((seen.get(kind) ?? 0) / 1_000 - share) < 0.05, `${kind} ${seen.get(kind)}`);
  await modelExtractor(model).extract('Ada.', options);
  await modelRewriter(model)('Where is Ada?', options);
  assert.deepEqual(model.requests.slice(-3).map(kindOf), ['evolve', 'extract', 'rewrite']);
});

test('any faults of a model leave each text with what rules make of it, and what the model says once it answers', async () => {
  const fault = fc.constantFrom(0, 0.3, 1);
  const faults = fc.record({ timeout: fault, error: fault, rateLimit: fault, malformed: fault });
  await fc.assert(
    fc.asyncProperty(fc.string({ maxLength: 5 }), faults, async (seed, some) => {
      const world = testWorld();
      const store = memoryStore({ world });
      const model = simulated(seed, some);
      const memory = await openMemory({ store, world, scope: 's', extractor: modelExtractor(model), evolver: modelEvolver(model) });
      for (const name of ['Ada', 'Bob', 'Carol']) await memory.remember(`${name} has an apple.`);
      let runs = 0;
      while ((await memory.consolidate({ limit: 2 })).left > 0) assert.ok(runs++ < 20, 'it ends');
      const { head } = memory;
      await memory.consolidate();
      const isSound = some.timeout + some.error + some.rateLimit + some.malformed === 0;
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
