import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { frequencyOf, patternOf, recencyOf } from './access.ts';

const DAY = 86_400_000;

test('recency halves every seven days, and what is still to come is now', () => {
  assert.deepEqual(
    [-1, 0, 3.5, 7, 14, 30, 90].map((days) => recencyOf(days * DAY)),
    [1, 1, 0.707106781, 0.5, 0.25, 0.05127096, 0.000134777],
  );
});

test('frequency is accesses a day of ten, and .5 at least in the first day', () => {
  const of = (count: number, days: number): number => frequencyOf(count, days * DAY);
  assert.deepEqual(
    [of(1, -1), of(1, 0), of(6, 0), of(5, 1 - 1e-8), of(1, 1), of(5, 2), of(9, 1), of(10, 1), of(11, 1), of(99, 0), of(1, 10)],
    [0.5, 0.5, 0.6, 0.5, 0.1, 0.25, 0.9, 1, 1, 1, 0.01],
  );
});

test('importance is half what was said, .3 recency and .2 frequency', () => {
  const importance = (said: number, lastDays: number, firstDays: number, count: number): number =>
    patternOf({ importance: said, recordedMs: 0 }, { count, firstMs: (100 - firstDays) * DAY, lastMs: (100 - lastDays) * DAY }, 100 * DAY)
      .importance;
  assert.deepEqual(
    [importance(0.8, 0, 0, 1), importance(1, 7, 10, 50), importance(0, 14, 20, 20), importance(1, 0, 1, 10), importance(0, 90, 90, 1)],
    [0.8, 0.75, 0.095, 1, 0.000262655],
  );
});

test('what nobody asked for counts from when it was recorded, and so does what was asked for more than ninety days ago', () => {
  const entry = { importance: 0.5, recordedMs: 5 * DAY };
  const at = (accesses: Parameters<typeof patternOf>[1], nowMs: number) => {
    const { count, firstMs, lastMs } = patternOf(entry, accesses, nowMs);
    return [count, firstMs / DAY, lastMs / DAY];
  };
  const told = { count: 7, firstMs: 8 * DAY, lastMs: 10 * DAY };
  assert.deepEqual(
    [at(undefined, 6 * DAY), at(told, 100 * DAY), at(told, 100 * DAY + 1)],
    [
      [1, 5, 5],
      [7, 8, 10],
      [1, 5, 5],
    ],
  );
});

test('any accesses give shares from 0 to 1, and a later one never less recency', () => {
  const time = fc.integer({ min: -1e12, max: 4e12 });
  const importance = fc.double({ min: -2, max: 1e300, noNaN: true });
  const accesses = fc.record({ count: fc.nat(1e6), firstMs: time, lastMs: time });
  fc.assert(
    fc.property(fc.record({ importance, recordedMs: time }), accesses, time, (entry, known, nowMs) => {
      const pattern = patternOf(entry, known, nowMs);
      for (const share of [pattern.recency, pattern.frequency, pattern.importance]) assert.ok(share >= 0 && share <= 1);
      assert.ok(recencyOf(nowMs - known.lastMs) >= recencyOf(nowMs - known.lastMs + 1));
    }),
  );
});
