import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { itemAt, itemOf, raised, swept, withItem, withoutItems, WORKING_LIMITS, type Working } from './working.ts';
import { codeOf } from './scene.test.ts';

const NO_ITEMS: Working = { items: new Map(), bytes: 0 };

test('an item is there until its time is over, to the millisecond', () => {
  const working = withItem(NO_ITEMS, itemOf({ key: 'k', value: 1, ttlMs: 10 }, 100), 100);
  assert.deepEqual(
    [109, 110].map((nowMs) => itemAt(working, 'k', nowMs)?.value),
    [1, undefined],
  );
  const again = withItem(working, itemOf({ key: 'k', value: 2, ttlMs: 10 }, 105), 105);
  assert.equal(itemAt(again, 'k', 114)?.value, 2, 'set again, its time begins anew');
});

test('where nothing is said there are 1,000 items of 1 MiB together and 64 KiB each, for an hour, and seven days at most', () => {
  assert.deepEqual(WORKING_LIMITS, {
    bytesMax: 1_048_576,
    itemBytesMax: 65_536,
    itemsMax: 1_000,
    keyBytesMax: 256,
    ttlMs: 3_600_000,
    ttlMsMax: 604_800_000,
  });
  const filled = (count: number, bytes: number): Working => {
    const items = Array.from({ length: count }, (_, at) => ({ key: `k${at}`, value: 0, bytes, expiresMs: 9 }));
    return { items: new Map(items.map((item) => [item.key, item])), bytes: count * bytes };
  };
  const more = (working: Working, length: number): unknown =>
    codeOf(() => withItem(working, itemOf({ key: 'more', value: 'x'.repeat(length) }, 0), 0));
  assert.deepEqual([more(filled(999, 1), 5), more(filled(1_000, 1), 5)], [null, 'MEMORY_FULL']);
  // 15 of 64 KiB; the key and two quotes are six bytes more.
  assert.deepEqual(
    [more(filled(15, 65_536), 65_530), more(filled(16, 65_536 - 1), 10), more(filled(16, 65_536 - 1), 11)],
    [null, null, 'MEMORY_FULL'],
  );
});

test('what is over makes room before anything is refused', () => {
  const limits = { ...WORKING_LIMITS, itemsMax: 2, bytesMax: 100 };
  let working: Working = NO_ITEMS;
  for (const key of ['a', 'b']) working = withItem(working, itemOf({ key, value: 'x'.repeat(40), ttlMs: 10 }, 0), 0, limits);
  const late = itemOf({ key: 'c', value: 'x'.repeat(40) }, 10);
  assert.equal(
    codeOf(() => withItem(working, late, 9, limits)),
    'MEMORY_FULL',
  );
  const next = withItem(working, late, 10, limits);
  assert.deepEqual(Array.from(next.items.keys()), ['c']);
});

test('a value that is no JSON is refused', () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  let deep: unknown = 1;
  for (let level = 0; level < 100_000; level++) deep = [deep];
  for (const value of [undefined, () => 1, 1n, cycle, deep])
    assert.equal(
      codeOf(() => itemOf({ key: 'k', value: value as never }, 0)),
      'OPTION_INVALID',
    );
});

test('bounds of keys, items and times hold at their edges', () => {
  const at = (item: Parameters<typeof itemOf>[0]): unknown => codeOf(() => itemOf(item, 0));
  assert.deepEqual(
    [at({ key: 'ü'.repeat(128), value: 1 }), at({ key: 'ü'.repeat(128) + 'x', value: 1 }), at({ key: '', value: 1 })],
    [null, 'MEMORY_TOO_LARGE', 'MEMORY_TOO_LARGE'],
  );
  const room = WORKING_LIMITS.itemBytesMax - 1 - 2;
  assert.deepEqual([at({ key: 'k', value: 'x'.repeat(room) }), at({ key: 'k', value: 'x'.repeat(room + 1) })], [null, 'MEMORY_TOO_LARGE']);
  const { ttlMsMax } = WORKING_LIMITS;
  assert.deepEqual(
    [at({ key: 'k', value: 1, ttlMs: ttlMsMax }), at({ key: 'k', value: 1, ttlMs: ttlMsMax + 1 }), at({ key: 'k', value: 1, ttlMs: 0 })],
    [null, 'OPTION_INVALID', 'OPTION_INVALID'],
  );
});

test('a number is raised, from 0 where none is, and nothing else', () => {
  const working = withItem(withItem(NO_ITEMS, itemOf({ key: 'n', value: 2 }, 0), 0), itemOf({ key: 't', value: 'two' }, 0), 0);
  assert.equal(raised(working, { key: 'n', by: 3 }, 0), 5);
  assert.equal(raised(working, { key: 'none', by: 3 }, 0), 3);
  assert.equal(
    codeOf(() => raised(working, { key: 't', by: 1 }, 0)),
    'MEMORY_EDIT',
  );
});

test('any sequence of items, deletions and waits agrees with a plain list', () => {
  const step = fc.oneof(
    fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), value: fc.string({ maxLength: 30 }), ttlMs: fc.integer({ min: 1, max: 50 }) }),
    fc.constantFrom('a', 'b', 'c'),
    fc.integer({ min: 0, max: 40 }),
  );
  const limits = { ...WORKING_LIMITS, itemsMax: 3, bytesMax: 60 };
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let [working, nowMs]: [Working, number] = [NO_ITEMS, 0];
      let list: { key: string; value: string; bytes: number; untilMs: number }[] = [];
      for (const one of steps) {
        list = list.filter(({ untilMs }) => untilMs > nowMs);
        if (typeof one === 'number') nowMs += one;
        else if (typeof one === 'string') {
          working = withoutItems(working, [one]);
          list = list.filter(({ key }) => key !== one);
        } else {
          const item = itemOf(one, nowMs);
          const next = [...list.filter(({ key }) => key !== one.key), { ...one, bytes: item.bytes, untilMs: nowMs + one.ttlMs }];
          const fits = next.length <= 3 && next.reduce((sum, { bytes }) => sum + bytes, 0) <= 60;
          const before = working;
          assert.equal(
            codeOf(() => (working = withItem(working, item, nowMs, limits))),
            fits ? null : 'MEMORY_FULL',
          );
          if (fits) list = next;
          else assert.equal(working, before);
        }
        for (const key of ['a', 'b', 'c', 'd'])
          assert.equal(itemAt(working, key, nowMs)?.value, list.find((item) => item.key === key && item.untilMs > nowMs)?.value);
        const left = swept(working, nowMs);
        assert.equal(
          left.bytes,
          Array.from(left.items.values()).reduce((sum, { bytes }) => sum + bytes, 0),
        );
      }
    }),
  );
});
