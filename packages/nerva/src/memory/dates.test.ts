import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { civilDate, daysSince1970 } from '../core/index.ts';
import { datesIn, nearness, saysWhen } from './dates.ts';

const on = (year: number, month: number, day: number): number => daysSince1970({ year, month, day });
const named = (text: string): string =>
  datesIn(text)
    .map(({ year, month, day }) => `${year ?? '-'}/${month ?? '-'}/${day ?? '-'}`)
    .join(' ');

test('dates are found as people write them', () => {
  assert.equal(named('What happened on 7 May 2023, and what on the 3rd of June?'), '2023/5/7 -/6/3');
  assert.equal(named('May 7, 2023 or Sept 4 or 2023-12-31'), '2023/5/7 -/9/4 2023/12/31');
  assert.equal(named('in May, during March 2022 and in 1999'), '-/5/- 2022/3/- 1999/-/-');
  assert.equal(named('the first week of August'), '-/8/-');
  assert.equal(named('May 7th, 2023, or on 7 Dec, or 7-May-2023, or 31 Dec. 2022'), '2023/5/7 -/12/7 2023/5/7 2022/12/31');
  assert.equal(named('from March to June, around May'), '-/3/- -/6/- -/5/-');
  assert.equal(named('2023/05/07 and 2023-05-07T10:00Z'), '2023/5/7 2023/5/7');
});

test('a date of numbers is each day that it may be', () => {
  assert.equal(named('7/5/2023'), '2023/5/7 2023/7/5');
  assert.equal(named('13/5/2023, 5/13/2023, 5/5/2023'), '2023/5/13 2023/5/13 2023/5/5');
  assert.equal(named('7/5/23'), '2023/5/7 2023/7/5');
  assert.equal(named('07.05.2023'), '2023/5/7');
});

test('what only looks like a date is none', () => {
  for (const text of [
    'She may go.',
    'They march on.',
    '45 May',
    '2023-13-01',
    'room 1234',
    'sun and sat',
    'the decor',
    '3/4 cup, 24/7, 10.12.14',
  ])
    assert.equal(named(text), '', text);
});

test('what was said on a named day or shortly after it is near', () => {
  const [day] = datesIn('7 May 2023');
  const [month] = datesIn('in May 2023');
  const [year] = datesIn('2023');
  assert.ok(day !== undefined && month !== undefined && year !== undefined);
  assert.deepEqual(
    [on(2023, 5, 6), on(2023, 5, 7), on(2023, 5, 22), on(2022, 5, 7)].map((at) => nearness(day, at)),
    [0, 1, 0, 0],
  );
  assert.ok(nearness(day, on(2023, 5, 8)) > nearness(day, on(2023, 5, 20)) && nearness(day, on(2023, 5, 21)) > 0);
  assert.deepEqual(
    [on(2023, 4, 30), on(2023, 5, 31), on(2023, 6, 10), on(2023, 6, 22)].map((at) => nearness(month, at)),
    [0, 1, 0.5, 0],
  );
  assert.deepEqual(
    [on(2022, 12, 31), on(2023, 1, 1)].map((at) => nearness(year, at)),
    [0, 0.3],
  );
});

test('a month without a year is the last one of its name', () => {
  const [december] = datesIn('in December');
  assert.ok(december !== undefined);
  assert.deepEqual(
    [on(2023, 12, 5), on(2024, 1, 10), on(2024, 5, 1)].map((at) => nearness(december, at)),
    [1, 0.5, 0],
  );
});

test('a text says a time, or does not', () => {
  assert.deepEqual(['We met yesterday.', 'Two weeks ago', 'On Friday', 'In 2019', 'A friend of mine'].map(saysWhen), [
    true,
    true,
    true,
    true,
    false,
  ]);
});

test('any day of the calendar goes there and back, and follows the day before it', () => {
  fc.assert(
    fc.property(fc.integer({ min: -700_000, max: 2_900_000 }), (days) => {
      const date = civilDate(days);
      assert.equal(daysSince1970(date), days);
      const real = new Date(days * 86_400_000);
      assert.deepEqual(date, { year: real.getUTCFullYear(), month: real.getUTCMonth() + 1, day: real.getUTCDate() });
    }),
  );
});
