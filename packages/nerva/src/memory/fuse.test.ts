import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fused, type Ranked } from './fuse.ts';

const listOf = (weight: number, ...hits: readonly (readonly [string, number])[]): Ranked => ({
  weight,
  hits: hits.map(([id, score]) => ({ id, score })),
});
const LISTS = [listOf(0.7, ['a', 0.8], ['b', 0.4], ['c', -0.2]), listOf(0.3, ['c', 9], ['b', 9], ['d', 3])];
const shown = (lists: readonly Ranked[], by: Parameters<typeof fused>[1]): string =>
  fused(lists, by)
    .map(({ id, score }) => `${id} ${score.toFixed(4)}`)
    .join(', ');

test('lists are fused by rank, by weighted shares, by sums and by products', () => {
  // b: 1/62 + 1/62; c: 1/63 + 1/61; a: 1/61; d: 1/63.
  assert.equal(shown(LISTS, 'rank'), 'c 0.0323, b 0.0323, a 0.0164, d 0.0159');
  assert.equal(shown(LISTS, 'weighted'), 'a 0.7000, b 0.6500, c 0.3000, d 0.1000');
  const [near, said] = LISTS as [Ranked, Ranked];
  const turned = [
    { ...near, weight: 0.3 },
    { ...said, weight: 0.7 },
  ];
  assert.equal(shown(turned, 'weighted'), 'b 0.8500, c 0.7000, a 0.3000, d 0.2333', 'weights decide what is first');
  assert.equal(shown(LISTS, 'add'), 'b 1.5000, a 1.0000, c 1.0000, d 0.3333');
  assert.equal(shown(LISTS, 'multiply'), 'b 2.0000, a 1.0000, c 1.0000, d 0.3333');
  assert.equal(shown([], 'rank'), '');
});

const HITS = fc.uniqueArray(fc.constantFrom<string>('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'), { maxLength: 8 });

test('any list fused with itself or with none stays as it is, by rank', () => {
  fc.assert(
    fc.property(HITS, (ids) => {
      const list = listOf(1, ...ids.map((id, at) => [id, 10 - at] as const));
      for (const lists of [[list], [list, list], [list, listOf(1)]])
        assert.deepEqual(
          fused(lists, 'rank').map(({ id }) => id),
          ids,
        );
    }),
  );
});

test('any fusion by rank sums what each list gives, and no score of a list matters', () => {
  fc.assert(
    fc.property(fc.array(HITS, { maxLength: 4 }), (lists) => {
      const found = fused(
        lists.map((ids) => listOf(1, ...ids.map((id) => [id, 1] as const))),
        'rank',
      );
      const expected = (id: string): number => lists.reduce((sum, ids) => (ids.includes(id) ? sum + 1 / (61 + ids.indexOf(id)) : sum), 0);
      assert.deepEqual(new Set(found.map(({ id }) => id)), new Set(lists.flat()));
      for (const [at, { id, score }] of found.entries()) {
        assert.ok(Math.abs(score - expected(id)) < 1e-12);
        assert.ok(at === 0 || (found[at - 1]?.score ?? 0) >= score);
      }
    }),
  );
});
