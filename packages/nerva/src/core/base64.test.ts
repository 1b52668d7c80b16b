import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromBase64, toBase64 } from './base64.ts';

test('any bytes come back from base64, which is what Node makes of them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      assert.equal(toBase64(bytes), Buffer.from(bytes).toString('base64'));
      assert.deepEqual(fromBase64(toBase64(bytes)), bytes);
    }),
  );
  const large = new Uint8Array(100_001).map((_, at) => at % 251);
  assert.equal(toBase64(large), Buffer.from(large).toString('base64'));
});

test('what is no padded base64 is null', () => {
  for (const text of ['a', 'ab=', 'a===', 'ab cd===', 'äbcd', '=abc']) assert.equal(fromBase64(text), null, text);
});
