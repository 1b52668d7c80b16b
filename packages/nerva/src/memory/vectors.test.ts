import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { vectorIndex } from './index.ts';
import { codeOf } from './scene.test.ts';

test('the nearest are found, nearest first, of equals the older', () => {
  const index = vectorIndex();
  index.add('east', [1, 0]);
  index.add('north', [0, 3]);
  index.add('again', [0, 1]);
  index.add('west', [-2, 0]);
  assert.deepEqual(
    index.search([0, 5], { limit: 3 }).map(({ id }) => id),
    ['north', 'again', 'east'],
  );
  assert.deepEqual(index.search([1e300, 0], { limit: 1 }), [{ id: 'east', similarity: 1 }]);
  index.add('east', [0, 1]);
  assert.deepEqual([index.size, index.search([0, 1], { limit: 3 }).map(({ id }) => id)], [3 + 1, ['north', 'again', 'east']]);
  assert.ok(index.remove('north') && !index.remove('north') && !index.has('north'));
  assert.deepEqual(
    index.search([0, 1], { limit: 1, only: (id) => id !== 'again' }).map(({ id }) => id),
    ['east'],
  );
});

test('vectors of another length, without a direction or with what is no number are refused, and nothing is changed', () => {
  const index = vectorIndex();
  assert.equal(index.dimensions, null);
  index.add('a', [1, 2, 3]);
  for (const vector of [[1, 2], [], [0, 0, 0], [1, NaN, 2], [Infinity, 1, 2]]) {
    assert.equal(
      codeOf(() => index.add('b', vector)),
      'OPTION_INVALID',
    );
    assert.equal(
      codeOf(() => index.search(vector)),
      'OPTION_INVALID',
    );
  }
  assert.equal(
    codeOf(() => index.add('a', [1, 2])),
    'OPTION_INVALID',
  );
  assert.deepEqual([index.dimensions, index.size, index.search([1, 2, 3])[0]?.id], [3, 1, 'a']);
});

const VECTOR = fc
  .array(fc.integer({ min: -3, max: 3 }), { minLength: 7, maxLength: 7 })
  .filter((vector) => vector.some((one) => one !== 0));
const STEP = fc.record({ id: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g'), vector: fc.option(VECTOR, { freq: 4 }) });

test('any index finds what comparing with each vector finds, through adding and removing', () => {
  fc.assert(
    fc.property(
      fc.array(STEP, { maxLength: 30 }),
      VECTOR,
      fc.integer({ min: 1, max: 8 }),
      fc.constantFrom('a', 'b', '-'),
      (steps, asked, limit, not) => {
        const [index, left] = [vectorIndex(), new Map<string, readonly number[]>()];
        for (const { id, vector } of steps) {
          const wasThere = left.delete(id);
          if (vector === null) assert.equal(index.remove(id), wasThere);
          else {
            left.set(id, vector);
            index.add(id, vector);
          }
        }
        const size = (vector: readonly number[]): number => Math.sqrt(vector.reduce((sum, one) => sum + one * one, 0));
        const cosine = (vector: readonly number[]): number =>
          vector.reduce((sum, one, at) => sum + one * (asked[at] ?? 0), 0) / size(vector) / size(asked);
        const expected = Array.from(left, ([id, vector]) => ({ id, similarity: cosine(vector) })).filter(({ id }) => id !== not);
        const found = index.search(asked, { limit, only: (id) => id !== not });
        assert.equal(found.length, Math.min(limit, expected.length));
        const bySimilarity = expected.toSorted((one, other) => other.similarity - one.similarity);
        for (const [at, { id, similarity }] of found.entries()) {
          assert.ok(Math.abs(similarity - (bySimilarity[at]?.similarity ?? NaN)) < 1e-6, 'as near as the one at this place');
          assert.ok(Math.abs(similarity - cosine(left.get(id) ?? [])) < 1e-6, 'and as near as it says');
        }
        assert.equal(new Set(found.map(({ id }) => id)).size, found.length);
      },
    ),
  );
});
