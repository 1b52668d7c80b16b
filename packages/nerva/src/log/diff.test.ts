import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Json } from '../core/index.ts';
import { changes, diff, type Change } from './index.ts';

const json = fc
  .letrec<{ value: Json }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom<Json>(null, 0, 1, 'x', true),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('value')) as fc.Arbitrary<Json>,
    ),
  }))
  .value.map((value) => JSON.parse(JSON.stringify(value)) as Json);

/** Applies changes to a copy: what a diff says must be enough to come from one value to the other. */
function applied(base: Json, list: readonly Change[]): Json {
  const root = { value: structuredClone(base) as unknown };
  for (const { path, ...change } of list) {
    let holder = root as Record<string | number, unknown>;
    const keys = ['value', ...path];
    for (const key of keys.slice(0, -1)) holder = holder[key] as Record<string | number, unknown>;
    const last = keys.at(-1) as string;
    if ('after' in change) holder[last] = change.after;
    else delete holder[last];
  }
  return root.value as Json;
}

test('any changes lead from the one value to the other, and equal values have none', () => {
  fc.assert(
    fc.property(json, json, (before, after) => {
      assert.deepEqual(applied(before, changes(before, after)), after);
      assert.deepEqual(changes(before, structuredClone(before) as Json), []);
      if (changes(before, after).length === 0) assert.deepEqual(before, after);
    }),
    { seed: 1, numRuns: 500 },
  );
});

test('any two sides without conflict merge to the same value in either order, and conflicts are mutual', () => {
  fc.assert(
    fc.property(json, json, json, (base, ours, theirs) => {
      const both = diff(base, ours, theirs);
      assert.equal(both.conflicts.length, diff(base, theirs, ours).conflicts.length);
      if (both.conflicts.length > 0) return;
      assert.deepEqual(applied(applied(base, both.ours), both.theirs), applied(applied(base, both.theirs), both.ours));
    }),
    { seed: 2, numRuns: 500 },
  );
});

test('exactly the divergent keys are listed and a conflict is reported, never silently won (A34)', () => {
  const base = { title: 'x', count: 1, tags: ['a', 'b'], gone: true, same: { deep: 1 } };
  const ours = { title: 'ours', count: 2, tags: ['a', 'c'], same: { deep: 1, more: 2 } };
  const theirs = { title: 'theirs', count: 2, tags: ['a', 'b', 'c'], gone: true, same: { deep: 1 } };
  const { conflicts, ...sides } = diff(base, ours, theirs);
  assert.deepEqual(
    sides.ours.map(({ path }) => path.join('.')),
    ['count', 'gone', 'same.more', 'tags.1', 'title'],
  );
  assert.deepEqual(
    sides.theirs.map(({ path }) => path.join('.')),
    ['count', 'tags', 'title'],
  );
  assert.deepEqual(
    conflicts.map(({ path }) => path.join('.')),
    ['tags', 'title'],
  );
  assert.deepEqual(conflicts[1]?.ours, { path: ['title'], before: 'x', after: 'ours' });
});

test('a place to which both sides came by equal lists is no conflict, and one with different lists is', () => {
  const paths = (ours: Json, theirs: Json): string[] =>
    diff({ a: 1 }, { a: ours }, { a: theirs }).conflicts.map(({ path }) => path.join('.'));
  assert.deepEqual(paths([1, { b: [2] }], [1, { b: [2] }]), []);
  assert.deepEqual(paths([], []), []);
  assert.deepEqual(paths([1, 2], [1, 3]), ['a']);
  assert.deepEqual(paths([1], [1, 2]), ['a']);
  assert.deepEqual(paths([], {}), ['a']);
  assert.deepEqual(paths({ b: 1 }, { b: 1 }), []);
});
