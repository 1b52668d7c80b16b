import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { stackless } from './stackless.ts';

test('a failure that is brought about is like any other, but for its stack', () => {
  const before = Error.stackTraceLimit;
  const failure = stackless('STORE_FULL', 'The disk is full.', { bytes: 1 });
  assert.ok(NervaError.is(failure, 'STORE_FULL'));
  assert.deepEqual({ ...failure }, { ...new NervaError('STORE_FULL', 'The disk is full.', { details: { bytes: 1 } }) });
  assert.equal(failure.stack?.includes('\n'), false);
  assert.equal(Error.stackTraceLimit, before);
  assert.ok(new NervaError('STORE_FULL', 'The disk is full.').stack?.includes('\n'));
});
