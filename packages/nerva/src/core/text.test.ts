import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { excerpt, utf8Bytes } from './index.ts';
import { formatPath } from './text.ts';

const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ unit: 'grapheme', maxLength: 100 }));

test('any text is measured as the encoder encodes it', () => {
  const withHalves = fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units));
  fc.assert(fc.property(fc.oneof(text, withHalves), (value) => assert.equal(utf8Bytes(value), Buffer.byteLength(value))));
});

test('any excerpt fits, is a whole beginning and says how much was cut', () => {
  fc.assert(
    fc.property(text, fc.nat(200), (value, bytesMax) => {
      const cut = excerpt(value, bytesMax);
      assert.ok(utf8Bytes(cut) <= bytesMax);
      assert.ok(cut.isWellFormed());
      if (utf8Bytes(value) <= bytesMax) return assert.equal(cut, value);
      const note = /^(.*)… \[(\d+) bytes cut\]$/su.exec(cut);
      if (note === null) return assert.ok(value.startsWith(cut) && bytesMax < 30);
      assert.ok(value.startsWith(note[1]!));
      assert.equal(utf8Bytes(note[1]!) + Number(note[2]), utf8Bytes(value));
    }),
  );
});

test('an excerpt keeps as much as fits', () => {
  assert.equal(excerpt('😀😀', 7), '😀');
  assert.equal(excerpt('abc', 3), 'abc');
  assert.equal(excerpt('é'.repeat(50), 41), `${'é'.repeat(11)}… [78 bytes cut]`);
  assert.equal(excerpt('abc', 0), '');
  for (let bytesMax = 0; bytesMax < 60; bytesMax++) assert.ok(utf8Bytes(excerpt('é'.repeat(50), bytesMax)) <= bytesMax, `${bytesMax}`);
});

test('paths are written as people write them', () => {
  assert.equal(formatPath([]), '$');
  assert.equal(formatPath(['a', 0, 'b c', '1x']), '$.a[0]["b c"]["1x"]');
});
