import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ENTRY_KINDS, type EntryKind } from './kinds.ts';
import { suggestionsFrom, type Sample } from './suggest.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = 100 * DAY;
const times = (count: number, kind: EntryKind, atMs: (at: number) => number): readonly Sample[] =>
  Array.from({ length: count }, (_, at) => ({ kind, atMs: atMs(at) }));

/** A hundred tasks, one every 1.5 hours, so many of which have a project at `apartMs`; the other projects are hours from any task. */
function planted(together: number, apartMs: number): readonly Sample[] {
  const first = NOW - 6.5 * DAY;
  return [
    ...times(100, 'task', (at) => first + at * 1.5 * HOUR),
    ...times(together, 'project', (at) => first + at * 1.5 * HOUR + apartMs),
    ...times(101 - together, 'project', () => NOW),
  ];
}
const joins = (samples: readonly Sample[], nowMs = NOW) => suggestionsFrom(samples, nowMs).filter(({ type }) => type === 'join');

test('two kinds are suggested to be one from 70 of 100 accesses on that are within an hour', () => {
  assert.deepEqual(joins(planted(69, 0)), []);
  assert.deepEqual(joins(planted(70, 0)), [{ type: 'join', kinds: ['project', 'task'], share: 0.7 }]);
});

test('within an hour is an hour at most, before or after', () => {
  const pair = (apartMs: number) =>
    joins([
      ...times(50, 'task', (at) => NOW - 6 * DAY + at * 2.5 * HOUR),
      ...times(50, 'project', (at) => NOW - 6 * DAY + at * 2.5 * HOUR + apartMs),
    ]);
  assert.deepEqual(
    [-HOUR - 1, -HOUR, HOUR, HOUR + 1].map((apartMs) => pair(apartMs).length),
    [0, 1, 1, 0],
  );
});

test('nothing is suggested from 99 accesses, nor from what is older than seven days or still to come', () => {
  const of = (count: number, atMs: number) =>
    suggestionsFrom(
      times(count, 'note', () => atMs),
      NOW,
    );
  assert.deepEqual(
    [of(99, NOW), of(100, NOW), of(100, NOW - 7 * DAY), of(100, NOW - 7 * DAY - 1), of(100, NOW + 1)].map(({ length }) => length),
    [0, 1, 1, 0, 0],
  );
});

test('kinds with less than a tenth are suggested to be merged, and one with more than half to be split', () => {
  const of = (counts: Partial<Record<EntryKind, number>>) =>
    suggestionsFrom(
      Object.entries(counts).flatMap(([kind, count], place) => times(count, kind as EntryKind, () => NOW - place * 2 * HOUR)),
      NOW,
    );
  assert.deepEqual(of({ note: 50, task: 30, event: 10, topic: 10 }), []);
  assert.deepEqual(of({ note: 51, task: 39, event: 10 }), [{ type: 'split', kinds: ['note'], share: 0.51 }]);
  assert.deepEqual(of({ note: 45, task: 46, event: 9 }), []);
  assert.deepEqual(of({ note: 40, task: 43, event: 9, location: 8 }), [{ type: 'merge', kinds: ['event', 'location'], share: 0.17 }]);
});

test('any accesses give the same in any order, and shares up to 1', () => {
  const sample = fc.record({ kind: fc.constantFrom(...ENTRY_KINDS.slice(0, 4)), atMs: fc.integer({ min: NOW - 8 * DAY, max: NOW }) });
  fc.assert(
    fc.property(fc.array(sample, { minLength: 95, maxLength: 160 }), (samples) => {
      const made = suggestionsFrom(samples, NOW);
      assert.deepEqual(suggestionsFrom(samples.toReversed(), NOW), made);
      for (const { share } of made) assert.ok(share > 0 && share <= 1);
    }),
    { numRuns: 200 },
  );
});
