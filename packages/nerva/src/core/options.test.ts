import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkOptions, checkRange, NervaError } from './index.ts';
import { nearestOf } from './options.ts';

const KNOWN = ['timeoutMs', 'stepsMax', 'name'];

test('known options pass, an unknown one names the nearest', () => {
  checkOptions({ name: 1, stepsMax: undefined }, KNOWN, 'createX');
  assert.throws(
    () => checkOptions({ timeOutMS: 5 }, KNOWN, 'createX'),
    (error) =>
      NervaError.is(error, 'OPTION_UNKNOWN') &&
      error.details['nearest'] === 'timeoutMs' &&
      error.message.includes('createX has no option "timeOutMS"'),
  );
  assert.throws(
    () => checkOptions({ zzzzzz: 5 }, KNOWN, 'createX'),
    (error) =>
      NervaError.is(error, 'OPTION_UNKNOWN') && error.details['nearest'] === null && error.message.includes('timeoutMs, stepsMax, name'),
  );
});

test('what is no options object is refused', () => {
  for (const given of [null, undefined, 3, 'x', []])
    assert.throws(
      () => checkOptions(given, KNOWN, 'createX'),
      (error) => NervaError.is(error, 'OPTION_INVALID'),
    );
});

test('names of the prototype are unknown options too', () => {
  assert.throws(
    () => checkOptions({ toString: 1 }, KNOWN, 'createX'),
    (error) => NervaError.is(error, 'OPTION_UNKNOWN'),
  );
});

test('a number in range comes back, at both ends too', () => {
  assert.equal(checkRange('x', 1, 1, 3), 1);
  assert.equal(checkRange('x', 3, 1, 3), 3);
  for (const bad of [0.99, 3.01, NaN, Infinity, '2', null, undefined]) {
    assert.throws(
      () => checkRange('x', bad, 1, 3),
      (error) => NervaError.is(error, 'OPTION_INVALID') && error.message.includes('x must be a number from 1 to 3'),
    );
  }
});

test('the nearest name is the one with the fewest edits, and none when all are far', () => {
  assert.equal(nearestOf('stepMax', KNOWN), 'stepsMax');
  assert.equal(nearestOf('nmae', KNOWN), 'name');
  assert.equal(nearestOf('colour', KNOWN), null);
});
