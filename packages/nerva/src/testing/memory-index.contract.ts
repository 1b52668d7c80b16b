import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { eraseSubject, memoryStore, type EventId, type Store } from '../log/index.ts';
import { openMemory, type Memory, type MemoryIndex } from '../memory/index.ts';
import { memoryKeys } from './keys.ts';
import { testWorld } from './world.ts';

/** An index for one store, and how it is found again. Undefined: memories without one, which are held to the same laws. */
export interface IndexHarness {
  readonly index: MemoryIndex | undefined;
  /** The same index as another process would open it. */
  reopen(): MemoryIndex | undefined;
  cleanup(): void;
}

const TEXTS = ['red apple', 'green pear', 'blue plum on 5 January 2027', 'a red plum', 'the apple of Ada, red, red', 'yesterday a pear'];
const STEP = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('remember' as const),
      text: fc.constantFrom(...TEXTS),
      tags: fc.subarray(['a', 'b·c']),
      old: fc.nat(8),
      daysAgo: fc.integer({ min: -5, max: 40 }),
      subject: fc.constantFrom(undefined, 'ada', 'bob'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('forget' as const), at: fc.nat(8), subject: fc.constantFrom(undefined, 'ada') }) },
  fc.record({ type: fc.constant('block' as const), text: fc.string({ maxLength: 9 }), subject: fc.constantFrom(undefined, 'bob') }),
  fc.record({ type: fc.constant('item' as const), key: fc.constantFrom('k', 'l') }),
  fc.record({ type: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 90_000_000 }) }),
  fc.record({ type: fc.constant('erase' as const), subject: fc.constantFrom('ada', 'bob') }),
  fc.record({ type: fc.constant('reopen' as const) }),
);
type Step = typeof STEP extends fc.Arbitrary<infer Of> ? Of : never;

const DAY_MS = 86_400_000;
const QUESTIONS = ['red apple', 'plum', 'what was on 5 January?', 'when did a pear come', 'nothing of it'];

/** All that a memory shows. */
function shown(memory: Memory, nowMs: number): unknown {
  const moments = [
    {},
    { validAtMs: nowMs - 10 * DAY_MS },
    { knownAtMs: nowMs - DAY_MS },
    { tags: ['a'] },
    { tags: ['b·c'], kinds: ['note'] as const },
  ];
  return [
    memory.head,
    memory.core,
    memory.item('k'),
    memory.item('l'),
    memory.entries(),
    QUESTIONS.map((query) => moments.map((options) => memory.recall(query, options))),
  ];
}

/** Registers the laws of an index of memories as tests of `node:test` under `name`. `make` gives an empty one. */
export function memoryIndexContract(name: string, make: () => IndexHarness): void {
  const law = (title: string, body: (harness: IndexHarness) => Promise<void>): void =>
    void test(title, async () => {
      const harness = make();
      try {
        await body(harness);
      } finally {
        harness.cleanup();
      }
    });
  void describe(name, () => {
    law('any changes, erasures and openings leave a memory that shows what the log says, score by score', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(STEP, { maxLength: 25 }), async (steps) => {
          const harness = make();
          try {
            await holds(harness, steps);
          } finally {
            harness.cleanup();
          }
        }),
        { numRuns: 60 },
      );
    });

    law('two handles, each behind the other in turn, show the same', async ({ index }) => {
      const world = testWorld();
      const store = memoryStore({ world });
      const open = () => openMemory({ store, world, scope: 's', ...(index === undefined ? {} : { index }) });
      const [one, other] = [await open(), await open()];
      for (let at = 0; at < 6; at++) await (at % 2 === 0 ? one : other).remember(`${TEXTS[at]} ${at}`);
      await one.setItem({ key: 'k', value: 1 });
      await Promise.all([one.refresh(), other.refresh()]);
      assert.deepEqual(shown(one, world.clock.nowMs()), shown(other, world.clock.nowMs()));
      assert.equal(one.entries().length, 6);
    });

    law('scopes, tenants and stores see nothing of each other', async ({ index }) => {
      const world = testWorld();
      const store = memoryStore({ world });
      const open = (of: Store, scope: string) => openMemory({ store: of, world, scope, ...(index === undefined ? {} : { index }) });
      await (await open(store.scope('acme'), 'x')).remember('the secret of acme');
      const others = [await open(store.scope('other'), 'x'), await open(store, 'y'), await open(memoryStore({ world }), 'x')];
      for (const other of others) assert.deepEqual([other.head, other.entries(), other.recall('secret')], [0, [], []]);
      const again = memoryStore({ world });
      const foreign = await open(again, 'x');
      await foreign.remember('another store');
      assert.deepEqual(
        foreign.recall('secret acme another').map(({ entry }) => entry.text),
        ['another store'],
      );
    });
  });
}

async function holds(harness: IndexHarness, steps: readonly Step[]): Promise<void> {
  const world = testWorld();
  const keys = memoryKeys();
  const store = memoryStore({ world, keys });
  let { index } = harness;
  const gone = new Set<string>();
  const open = (subject?: string) =>
    openMemory({ store, world, scope: 's', ...(index === undefined ? {} : { index }), ...(subject === undefined ? {} : { subject }) });
  let memory = await open();
  for (const step of steps) {
    const subject = 'subject' in step && step.subject !== undefined && !gone.has(step.subject) ? step.subject : undefined;
    const writer = subject === undefined || step.type === 'erase' ? memory : await open(subject);
    const known = memory.entries();
    if (step.type === 'remember') {
      const old: EventId | undefined = known[step.old]?.supersededBy === null ? known[step.old]?.id : undefined;
      await writer.remember(step.text, {
        tags: step.tags,
        validMs: world.clock.nowMs() - step.daysAgo * DAY_MS,
        ...(old === undefined ? {} : { supersedes: old }),
      });
    } else if (step.type === 'forget') await Promise.all(known.slice(step.at, step.at + 1).map(({ id }) => writer.forget(id)));
    else if (step.type === 'block') await writer.setBlock({ label: 'b', text: step.text });
    else if (step.type === 'item') await memory.setItem({ key: step.key, value: known.length, ttlMs: 3 * DAY_MS });
    else if (step.type === 'wait') await world.advance(step.ms);
    else if (step.type === 'erase') {
      gone.add(step.subject);
      await eraseSubject({ store, keys, world, subject: step.subject });
    } else {
      index = harness.reopen();
      memory = await open();
    }
    await memory.refresh();
  }
  const fromLog = await openMemory({ store, world, scope: 's' });
  assert.deepEqual(shown(memory, world.clock.nowMs()), shown(fromLog, world.clock.nowMs()));
  index = harness.reopen();
  assert.deepEqual(shown(await open(), world.clock.nowMs()), shown(fromLog, world.clock.nowMs()));
}
