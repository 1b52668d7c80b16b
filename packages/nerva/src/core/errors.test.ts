import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as invariant, ERRORS, NervaError } from './index.ts';

test('an error carries what the catalogue says of its code', () => {
  const cause = new Error('disk');
  const error = new NervaError('STORE_FAILED', 'It failed.', { details: { path: 'x' }, cause });
  assert.deepEqual([error.kind, error.retry, error.details, error.cause], ['unavailable', true, { path: 'x' }, cause]);
});

test('an error of another copy of the package is recognised, and no other error is', () => {
  const foreign = Object.assign(new Error('x'), { name: 'NervaError', code: 'CANCELLED' });
  assert.ok(NervaError.is(foreign) && NervaError.is(foreign, 'CANCELLED'));
  assert.ok(!NervaError.is(foreign, 'LOG_CORRUPT'));
  assert.ok(!NervaError.is(new Error('x')) && !NervaError.is({ name: 'NervaError', code: 'CANCELLED' }) && !NervaError.is(null));
});

test('every code is AREA_REASON and every entry helps in whole sentences', () => {
  for (const [code, { help }] of Object.entries(ERRORS)) {
    assert.match(code, /^[A-Z]+(_[A-Z]+)*$/);
    assert.match(help, /^.{20,}\.$/);
  }
});

test('a broken invariant stops with its number', () => {
  assert.throws(() => invariant(0, 'L1 dense seq'), /Invariant broken: L1 dense seq/);
  invariant('yes', 'L1 dense seq');
});
