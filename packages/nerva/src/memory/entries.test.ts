import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nameOf } from './entries.ts';

test('a name is the first line, cut at a word where it is long', () => {
  assert.equal(nameOf('  Ada moved to Graz.\nIn May.'), 'Ada moved to Graz.');
  assert.equal(nameOf('x'.repeat(50)), 'x'.repeat(50));
  assert.equal(nameOf('x'.repeat(51)), `${'x'.repeat(49)}…`);
  assert.equal(nameOf('The quick brown fox jumps over the lazy dog and runs away'), 'The quick brown fox jumps over the lazy dog and…');
});

test('a word that ends where a name is cut is whole, whatever parts it from the next', () => {
  for (const space of [' ', '\t', '\u3000', '  ']) {
    assert.equal(nameOf(`${'x'.repeat(40)}${space}${'y'.repeat(30)}`), `${'x'.repeat(40)}…`);
    assert.equal(nameOf(`${'x'.repeat(20)} ${'y'.repeat(28)}${space}z`), `${'x'.repeat(20)} ${'y'.repeat(28)}…`);
  }
  for (const end of ['\n', '\r', '\r\n', '\u2028']) assert.equal(nameOf(`Ada moved. ${end}In May.`), 'Ada moved.');
});

test('a name is never cut within what is read as one sign', () => {
  assert.equal(nameOf('👩‍🚀'.repeat(40)), `${'👩‍🚀'.repeat(16)}…`, 'three code points each');
  assert.equal(nameOf('e\u0301'.repeat(40)), `${'e\u0301'.repeat(24)}…`);
  assert.equal(nameOf('🇦🇹'.repeat(26)), `${'🇦🇹'.repeat(24)}…`);
  assert.equal(nameOf('汉'.repeat(60)), `${'汉'.repeat(49)}…`);
  assert.equal(nameOf(`a${'\u0301'.repeat(100)}`), `a${'\u0301'.repeat(48)}…`, 'unless that alone is longer');
});

test('any name is at most 50 code points, whole signs of the beginning of the text', () => {
  const signs = new Intl.Segmenter('en', { granularity: 'grapheme' });
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', 'é', 'e\u0301', ' ', '👩‍🚀', '🇦🇹', '한', '\n'), maxLength: 120 }), (text) => {
      const name = nameOf(text);
      assert.ok(Array.from(name).length <= 50);
      assert.equal(name.isWellFormed(), true);
      const kept = name.replace(/…$/u, '');
      assert.ok(text.trim().startsWith(kept));
      const ends = Array.from(signs.segment(text.trim()), ({ index, segment }) => index + segment.length);
      assert.ok(kept === '' || ends.includes(kept.length), JSON.stringify(name));
      assert.equal(name === '', text.trim() === '');
    }),
  );
});

test('any string of code points has a name that is well formed and no longer than 50', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      const name = nameOf(text);
      assert.deepEqual([Array.from(name).length <= 50, name.isWellFormed(), /[\n\r]/u.test(name)], [true, true, false]);
    }),
  );
});
