import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NervaError } from '../core/index.ts';
import { testWorld } from '../testing/index.ts';
import { eventsOf, fold, foldFrames, memoryStore, upcasters, type Folded, type LogEvent, type Reducer } from './index.ts';

/** Order matters and every event shows: a state that is wrong anywhere is a different text. */
const reducer: Reducer<string> = {
  version: 1,
  initial: (sid) => `${sid}:`,
  evolve: (state, event) => `${state}${event.erased === true ? '?' : String(event.data['n'])},`,
  freeze: (state) => state,
  thaw: (text) => text,
};

async function filled(counts: readonly number[]) {
  const world = testWorld();
  const store = memoryStore({ world });
  let head = 0;
  for (const [index, count] of counts.entries()) {
    const events = Array.from({ length: count }, (_, event) => ({ type: 'n.added', data: { n: head + event } }));
    await store.append({ id: `f${index}`, sid: 's', expected: head, events });
    head += count;
    await world.advance(10);
  }
  return { store, world, head, startMs: world.clock.nowMs() - counts.length * 10 };
}

const upTo = (n: number): string => `s:${Array.from({ length: n + 1 }, (_, seq) => `${seq},`).join('')}`;

test('any position of the past is the fold of the events up to it, with snapshots or without (A33, NA8)', async () => {
  const frames = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(
      frames,
      fc.integer({ min: 0, max: 6 }),
      fc.array(fc.nat(40), { maxLength: 8 }),
      async (counts, everyEvents, visits) => {
        const { store, head } = await filled(counts);
        for (const visit of visits) {
          const upto = visit % head;
          assert.equal((await fold(store, 's', reducer, { upto, snapshots: { everyEvents } })).state, upTo(upto));
        }
        for (let upto = -1; upto < head; upto++) {
          const plain = await fold(store, 's', reducer, { upto });
          assert.deepEqual([plain.state, plain.head], [upTo(upto), upto + 1]);
          assert.deepEqual(await fold(store, 's', reducer, { upto, snapshots: { everyEvents } }), plain);
          assert.deepEqual(await fold(store, 's', reducer, { back: head - 1 - upto }), plain);
        }
      },
    ),
    { seed: 1, numRuns: 60 },
  );
});

test('by time, the state is that after the last event not later, with snapshots or without', async () => {
  const { store, startMs } = await filled([2, 1, 3]);
  const snapshots = { everyEvents: 0 };
  await fold(store, 's', reducer, { snapshots });
  const at: readonly (readonly [ms: number, seq: number])[] = [
    [-1, -1],
    [0, 1],
    [9, 1],
    [10, 2],
    [19, 2],
    [20, 5],
    [1e9, 5],
  ];
  for (const [ms, seq] of at) {
    for (const options of [{}, { snapshots }])
      assert.equal((await fold(store, 's', reducer, { atMs: startMs + ms, ...options })).state, upTo(seq), String(ms));
  }
});

test('a position outside the log, two positions, or a lost version is a typed error and never a state', async () => {
  const { store, world, head } = await filled([2, 2]);
  for (const options of [{ upto: head }, { upto: -2 }, { upto: 0.5 }, { back: head + 1 }, { back: -1 }]) {
    await assert.rejects(fold(store, 's', reducer, options), (error) => NervaError.is(error, 'LOG_RANGE'), JSON.stringify(options));
  }
  await assert.rejects(fold(store, 's', reducer, { upto: 1, back: 1 }), (error) => NervaError.is(error, 'OPTION_INVALID'));
  await fold(store, 's', reducer, { snapshots: { everyEvents: 0 } });
  await store.append({ id: 'end', sid: 's', expected: head, events: [{ type: 'n.added', data: { n: head } }], then: { status: 'closed' } });
  await world.advance(1);
  await store.prune({ closedBeforeMs: world.clock.nowMs() });
  for (const upto of [0, head - 1, head]) {
    await assert.rejects(fold(store, 's', reducer, { upto, snapshots: { everyEvents: 0 } }), (error) => NervaError.is(error, 'LOG_PRUNED'));
  }
});

test('a snapshot is used only under its reducer version, upcasters and flags', async () => {
  const { store, head } = await filled([3, 3]);
  let folded = 0;
  const counting: Reducer<string> = { ...reducer, evolve: (state, event) => (folded++, reducer.evolve(state, event)) };
  const count = async (changed: Partial<Reducer<string>>, options: Parameters<typeof fold>[3] = {}): Promise<number> => {
    folded = 0;
    assert.equal(
      (await fold(store, 's', { ...counting, ...changed }, { snapshots: { everyEvents: 2 }, ...options })).state,
      upTo(head - 1),
    );
    return folded;
  };
  assert.deepEqual([await count({}), await count({})], [head, 0]);
  assert.deepEqual([await count({ version: 2 }), await count({ version: 2 })], [head, 0]);
  assert.deepEqual(
    [
      await count({ version: 2 }, { upcasters: upcasters({}, { 'n.added': 1 }) }),
      await count({ version: 2 }, { snapshots: { everyEvents: 2, flags: 'x' } }),
    ],
    [head, head],
  );
});

test('a fold goes on from where it stood, takes no event twice and refuses a gap', async () => {
  const { store, head } = await filled([2, 3, 1]);
  const frames = await store.read('s');
  const start: Folded<string> = { state: 's:', head: 0, atMs: 0 };
  const half = foldFrames(reducer, start, frames.slice(0, 2));
  assert.equal(half.state, upTo(4));
  assert.equal(foldFrames(reducer, half, frames.slice(1)).state, upTo(head - 1));
  assert.throws(
    () => foldFrames(reducer, start, frames.slice(1)),
    (error) => NervaError.is(error, 'LOG_CORRUPT'),
  );
});

test('skipped events count for the head, and a critical unknown one stops the fold', async () => {
  const { store } = await filled([2]);
  const lifting = upcasters({}, { 'other.seen': 1 });
  assert.deepEqual((({ state, head }) => [state, head])(await fold(store, 's', reducer, { upcasters: lifting })), ['s:', 2]);
  await store.append({ id: 'x', sid: 's', expected: 2, events: [{ type: 'star.born', critical: true, data: {} }] });
  await assert.rejects(fold(store, 's', reducer, { upcasters: lifting }), (error) => NervaError.is(error, 'SESSION_READONLY'));
});

test('a fork folds what it inherited and then itself', async () => {
  const { store } = await filled([2, 3]);
  await store.fork({ id: 'f', sid: 'fork', parent: 's', at: 2, events: [{ type: 'n.added', data: { n: 'own' } }] });
  assert.equal((await fold(store, 'fork', reducer)).state, 'fork:0,1,2,own,');
  const seen: LogEvent[] = (await store.read('fork')).flatMap(eventsOf);
  assert.deepEqual(
    seen.map(({ sid, seq }) => `${sid}:${seq}`),
    ['s:0', 's:1', 's:2', 'fork:3'],
  );
});
