import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { byteOffsets, decode } from './decode.ts';

const bytes = (...all: readonly number[]): Uint8Array => Uint8Array.from(all);

test('a mark says how a file is to be read, and is not part of its text', () => {
  assert.deepEqual(decode(bytes(0xef, 0xbb, 0xbf, 0xc3, 0xa9)), { text: 'é', encoding: 'utf-8', markBytes: 3 });
  assert.deepEqual(decode(bytes(0xff, 0xfe, 0xe9, 0, 0x3d, 0xd8, 0, 0xde)), { text: 'é😀', encoding: 'utf-16le', markBytes: 2 });
  assert.deepEqual(decode(bytes(0xfe, 0xff, 0, 0xe9)), { text: 'é', encoding: 'utf-16be', markBytes: 2 });
});

test('what is not UTF-8 is refused with the place of its first wrong byte, or read as the encoding that was named', () => {
  const latin = bytes(0x63, 0x61, 0x66, 0xe9, 0x20, 0x80);
  assert.throws(() => decode(latin), { code: 'encoding', message: /not UTF-8 from byte 3 on/ });
  assert.deepEqual(decode(latin, 'windows-1252'), { text: 'café €', encoding: 'windows-1252', markBytes: 0 });
  assert.equal(decode(new TextEncoder().encode('café'), 'windows-1252').encoding, 'utf-8');
  assert.throws(() => decode(bytes(0xff, 0xfe, 0x00, 0xd8, 0x41, 0)), { code: 'encoding', message: /not UTF-16LE/ });
});

test('a file with bytes that no text has is binary', () => {
  assert.throws(() => decode(bytes(0x41, 0, 0x42)), { code: 'binary' });
  assert.throws(() => decode(Uint8Array.from({ length: 100 }, (_, index) => (index % 4 === 0 ? 1 : 65))), { code: 'binary' });
  assert.equal(decode(new TextEncoder().encode('\u001b[1mbold\u001b[0m')).text.length, 12);
});

test('any offset in a text is the place of its bytes in the file', () =>
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.boolean(), (text, isMarked) => {
      if (text.startsWith('\ufeff') || text.includes('\0')) return;
      const plain = new TextEncoder().encode(text);
      const file = isMarked ? Uint8Array.from([0xef, 0xbb, 0xbf, ...plain]) : plain;
      const decoded = { text, encoding: 'utf-8', markBytes: isMarked ? 3 : 0 } as const;
      const points = Array.from(text).reduce<number[]>((all, point) => [...all, (all.at(-1) ?? 0) + point.length], [0]);
      const places = byteOffsets(decoded, points);
      for (const [index, point] of points.entries())
        assert.equal(new TextDecoder().decode(file.subarray(places[0], places[index])), text.slice(0, point));
    }),
  ));

test('offsets of other encodings are places too', () => {
  assert.deepEqual(byteOffsets({ text: 'é😀x', encoding: 'utf-16le', markBytes: 2 }, [0, 1, 3]), [2, 4, 8]);
  assert.deepEqual(byteOffsets({ text: 'éx', encoding: 'windows-1252', markBytes: 0 }, [0, 1, 2]), [0, 1, 2]);
});
