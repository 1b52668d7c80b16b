import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { stackless } from './stackless.ts';

test('a failure that is brought about is like any other, but for its stack', () => {
  const before = Error.stackTraceLimit;
  const like = new NervaError('STORE_FULL', '');
  const failure = stackless('STORE_FULL', 'The disk is full.', { bytes: 1 });
  assert.ok(NervaError.is(failure, 'STORE_FULL'));
  assert.deepEqual(
    [failure.message, failure.kind, failure.retry, failure.details],
    ['The disk is full.', like.kind, like.retry, { bytes: 1 }],
  );
  assert.equal(failure.stack?.includes('\n'), false);
  assert.equal(Error.stackTraceLimit, before);
  // Those that are made afterwards have theirs.
  assert.ok(new NervaError('STORE_FULL', '').stack?.includes('\n'));
});
