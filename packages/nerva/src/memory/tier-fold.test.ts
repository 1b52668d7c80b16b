import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { JsonObject } from '../core/index.ts';
import type { EventId } from '../log/index.ts';
import { TierFold, type FrozenTiers } from './tier-fold.ts';

const DAY = 86_400_000;
const SID: string = 'scope:s';
const idOf = (at: number): EventId => `${SID}:${at}`;

/** A fold, and events applied to it one after the other. */
function staged() {
  const tiers = new TierFold();
  let seq = 0;
  const apply = (type: string, data: unknown, atMs = 0): void => tiers.apply(type, data as JsonObject, { seq: seq++, atMs });
  const told = (ids: readonly unknown[], atMs = 0, from?: object): void =>
    apply('memory.accessed', { at: [{ atMs, ids }], ...(from === undefined ? {} : { from }) }, atMs);
  return { tiers, apply, told };
}

test('accesses are counted with the first and the last, and nothing was told after it was noted', () => {
  const { tiers, apply } = staged();
  apply(
    'memory.accessed',
    {
      at: [
        { atMs: 5, ids: [idOf(1), idOf(2)] },
        { atMs: 3, ids: [idOf(1)] },
        { atMs: 99, ids: [idOf(1)] },
      ],
    },
    10,
  );
  assert.deepEqual(Array.from(tiers.accesses), [
    [idOf(2), { count: 1, firstMs: 5, lastMs: 5 }],
    [idOf(1), { count: 3, firstMs: 3, lastMs: 10 }],
  ]);
  assert.deepEqual(
    tiers.samples.map(([id, atMs]) => [id, atMs]),
    [
      [idOf(1), 5],
      [idOf(2), 5],
      [idOf(1), 3],
      [idOf(1), 10],
    ],
  );
});

test('what was not accessed for ninety days is counted no more, and the last ten thousand at most', () => {
  const { tiers, told } = staged();
  told([idOf(1)], 0);
  told([idOf(2)], DAY);
  told([idOf(3)], 90 * DAY);
  assert.equal(tiers.accesses.size, 3);
  told([idOf(3)], 90 * DAY + 1);
  assert.deepEqual(Array.from(tiers.accesses.keys()), [idOf(2), idOf(3)]);
  for (let page = 0; page < 10; page++)
    told(
      Array.from({ length: 1_000 }, (_, at) => idOf(10 + page * 1_000 + at)),
      91 * DAY,
    );
  assert.deepEqual([tiers.accesses.size, tiers.samples.length, tiers.accesses.has(idOf(3))], [10_000, 1_000, false]);
});

test('an entry is promoted once, until it is evicted, and when that was is known', () => {
  const { tiers, apply } = staged();
  apply('memory.evicted', { id: idOf(1), why: 'idle', score: 0 }, 1);
  for (const atMs of [2, 3]) apply('memory.promoted', { id: idOf(1), score: 0.8 }, atMs);
  assert.deepEqual([tiers.promoted.get(idOf(1)), tiers.evicted.size], [{ seq: 1, atMs: 2, score: 0.8 }, 0]);
  apply('memory.evicted', { id: idOf(1), why: 'idle', score: 0 }, 4);
  assert.deepEqual([tiers.promoted.size, tiers.evicted.get(idOf(1))], [0, 4]);
  for (let at = 0; at < 1_500; at++) {
    apply('memory.promoted', { id: idOf(10 + at), score: 1 }, 5);
    if (at < 1_200) apply('memory.evicted', { id: idOf(10 + at), why: 'idle', score: 0 }, 5);
  }
  assert.deepEqual([tiers.promoted.size, tiers.evicted.size, tiers.evicted.has(idOf(1))], [200, 1_000, false]);
});

test('how far the log of a session was read is known for a thousand, and of others nothing old is read again', () => {
  const { tiers, told } = staged();
  for (let at = 0; at < 1_000; at++) told([], at, { sid: `s${at}`, upto: 7 });
  told([], 2_000, { sid: 's0', upto: 6 });
  assert.deepEqual([tiers.cursor('s0').upto, tiers.cursor('s999').upto, tiers.cursor('new').upto], [7, 7, -1]);
  told([], 2_000, { sid: 's1', upto: 9 });
  told([], 3_000, { sid: 'new', upto: 1 });
  assert.deepEqual(
    [tiers.cursor('s1').upto, tiers.cursor('s0'), tiers.cursor('x')],
    [9, { upto: -1, afterMs: 0 }, { upto: -1, afterMs: 0 }],
  );
  told([], 4_000, { sid: 'newer', upto: 1 });
  for (const one of [tiers, TierFold.thaw(tiers.freeze())])
    assert.deepEqual([one.cursor('s2'), one.cursor('s1').upto], [{ upto: -1, afterMs: 2 }, 9]);
});

test('any JSON leaves a fold that is frozen and thawed to the same', () => {
  const id = fc.constantFrom(...[1, 2, 3].map(idOf), 5, '', 'x'.repeat(201));
  const any = fc.jsonValue({ maxDepth: 2 });
  const at = fc.oneof(any, fc.array(fc.record({ atMs: fc.oneof(fc.integer(), any), ids: fc.oneof(fc.array(id), any) })));
  const from = fc.oneof(any, fc.record({ sid: id, upto: fc.oneof(fc.nat(9), any) }));
  const event = fc.oneof(
    fc.tuple(fc.constant('memory.accessed'), fc.record({ at, from }, { requiredKeys: ['at'] })),
    fc.tuple(fc.constantFrom('memory.promoted', 'memory.evicted', 'memory.recorded'), fc.record({ id: fc.oneof(id, any), score: any })),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 20 }), fc.nat(20), (events, cut) => {
      const { tiers } = staged();
      let other = new TierFold();
      for (const [seq, [type, data]] of events.entries()) {
        if (seq === cut) other = TierFold.thaw(JSON.parse(JSON.stringify(other.freeze())) as FrozenTiers);
        for (const one of [tiers, other]) one.apply(type, data as JsonObject, { seq, atMs: seq * DAY });
      }
      assert.deepEqual(other.freeze(), tiers.freeze());
      for (const { count, firstMs, lastMs } of tiers.accesses.values()) assert.ok(count > 0 && firstMs <= lastMs && lastMs <= 20 * DAY);
    }),
    { numRuns: 300 },
  );
});
