import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changes, diff } from './index.ts';

test('a conflict names the higher of its two places and holds both changes', () => {
  const base = { box: { a: 1, b: 2 } };
  const [deep, gone] = [{ box: { a: 9, b: 2 } }, {}];
  const ours = { path: ['box', 'a'], before: 1, after: 9 };
  const theirs = { path: ['box'], before: { a: 1, b: 2 } };
  assert.deepEqual(diff(base, deep, gone).conflicts, [{ path: ['box'], ours, theirs }]);
  assert.deepEqual(diff(base, gone, deep).conflicts, [{ path: ['box'], ours: theirs, theirs: ours }]);
});

test('both sides coming to the same end is no conflict, also where a value is gone from both', () => {
  assert.deepEqual(diff({ a: 1 }, { a: [1, { b: null }] }, { a: [1, { b: null }] }).conflicts, []);
  assert.deepEqual(diff({ a: 1 }, {}, {}).conflicts, []);
  assert.equal(diff({ a: 1 }, {}, { a: 2 }).conflicts.length, 1);
  assert.equal(diff({ a: 1 }, { a: 2 }, {}).conflicts.length, 1);
});

test('values of different kind differ as a whole', () => {
  const kinds = [null, 0, '', false, [], {}, [null], { a: null }, 'text'];
  for (const before of kinds) {
    for (const after of kinds) {
      const expected = before === after ? [] : [{ path: [], before, after }];
      const isKey = JSON.stringify([before, after]).includes('"a"') && JSON.stringify([before, after]).includes('{}');
      if (!isKey) assert.deepEqual(changes(before, after), expected, JSON.stringify([before, after]));
    }
  }
  assert.deepEqual(changes({}, { a: null }), [{ path: ['a'], after: null }]);
  assert.deepEqual(changes({ a: null }, {}), [{ path: ['a'], before: null }]);
});

test('arrays of one length are compared index by index, and of another as a whole', () => {
  assert.deepEqual(changes([1, [2, 3]], [1, [2, 4]]), [{ path: [1, 1], before: 3, after: 4 }]);
  assert.deepEqual(changes([1, 2], [1]), [{ path: [], before: [1, 2], after: [1] }]);
  assert.deepEqual(changes([], []), []);
});
