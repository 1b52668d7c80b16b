import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nameOf } from './entries.ts';

test('a name is the first line, cut at a word where it is long', () => {
  assert.equal(nameOf('  Ada moved to Graz.\nIn May.'), 'Ada moved to Graz.');
  assert.equal(nameOf('x'.repeat(50)), 'x'.repeat(50));
  assert.equal(nameOf('x'.repeat(51)), `${'x'.repeat(49)}…`);
  assert.equal(nameOf('The quick brown fox jumps over the lazy dog and runs away'), 'The quick brown fox jumps over the lazy dog and…');
  assert.equal(nameOf('👩‍🚀'.repeat(40)).length > 0, true);
});

test('any name is at most 50 characters, whole ones, from the beginning of the text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      const name = nameOf(text);
      assert.ok(Array.from(name).length <= 50);
      assert.equal(name.isWellFormed(), true);
      assert.ok(text.trim().startsWith(name.replace(/…$/, '')) || text.includes('…'));
    }),
  );
});
