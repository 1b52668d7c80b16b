import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { eventMessage } from '../../testing/index.ts';
import type { WireEvent } from '../framing.ts';
import { crc32, EVENT_STREAM } from './bedrock-frames.ts';

function read(pieces: readonly Uint8Array[]): WireEvent[] {
  const events: WireEvent[] = [];
  const parser = EVENT_STREAM.parser((event) => events.push(event), 'an answer');
  for (const piece of pieces) parser.push(piece);
  parser.end();
  return events;
}

test('the checksum is the published one', () => {
  // The check value of CRC-32/ISO-HDLC, of which gzip's is one (https://reveng.sourceforge.io/crc-catalogue).
  assert.equal(crc32(new TextEncoder().encode('123456789')), 0xcbf43926);
  assert.equal(crc32(new Uint8Array(0)), 0);
});

test('any messages come out as they went in, in whatever pieces', () => {
  const payload = fc.record({ text: fc.string({ unit: 'grapheme', maxLength: 30 }) }, { noNullPrototype: true });
  const messages = fc.array(fc.record({ event: fc.string({ minLength: 1, maxLength: 9 }), value: payload }, { noNullPrototype: true }), {
    maxLength: 6,
  });
  fc.assert(
    fc.property(messages, fc.array(fc.nat(60), { minLength: 1, maxLength: 30 }), (given, lengths) => {
      const bytes = Buffer.concat(given.map(({ event, value }) => eventMessage(event, value)));
      const pieces: Uint8Array[] = [];
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const length = lengths[turn % lengths.length] ?? 0;
        pieces.push(bytes.subarray(at, at + Math.max(turn % 2, length)));
        at += Math.max(turn % 2, length);
      }
      assert.deepEqual(read(pieces), given);
    }),
  );
});

test('headers of all types are stepped over, and one of an unknown type or length is refused', () => {
  const framed = (headers: readonly number[]): Uint8Array => {
    const body = Buffer.from('{"a":1}');
    const prelude = Buffer.alloc(12);
    prelude.writeUInt32BE(12 + headers.length + body.length + 4, 0);
    prelude.writeUInt32BE(headers.length, 4);
    prelude.writeUInt32BE(crc32(prelude.subarray(0, 8)), 8);
    const whole = Buffer.concat([prelude, Buffer.from(headers), body, Buffer.alloc(4)]);
    whole.writeUInt32BE(crc32(whole.subarray(0, -4)), whole.length - 4);
    return whole;
  };
  const a = 97;
  const bytes = (count: number): number[] => Array.from({ length: count }, () => 7);
  const types = [
    [0],
    [1],
    [2, 1],
    [3, ...bytes(2)],
    [4, ...bytes(4)],
    [5, ...bytes(8)],
    [6, 0, 2, ...bytes(2)],
    [7, 0, 1, a],
    [8, ...bytes(8)],
    [9, ...bytes(16)],
  ];
  assert.deepEqual(read([framed(types.flatMap((type) => [1, a, ...type]))]), [{ event: 'message', value: { a: 1 } }]);
  for (const headers of [[1, a, 10], [9, a], [1, a, 7, 0, 9, a], [1, a, 7, 0], [1]])
    assert.throws(() => read([framed(headers)]), { code: 'MODEL_GARBAGE' }, JSON.stringify(headers));
});

test('a length that cannot be is refused at once, before the message is waited for', () => {
  for (const [total, headers] of [
    [2 ** 31, 0],
    [15, 0],
    [100, 90],
  ] as const) {
    const prelude = Buffer.alloc(12);
    prelude.writeUInt32BE(total, 0);
    prelude.writeUInt32BE(headers, 4);
    prelude.writeUInt32BE(crc32(prelude.subarray(0, 8)), 8);
    assert.throws(() => read([prelude]), { code: 'MODEL_GARBAGE' }, String(total));
  }
});

test('a prelude whose checksum is wrong is refused at once: its length may be anything', () => {
  const prelude = Buffer.alloc(12);
  prelude.writeUInt32BE(1_000_000, 0);
  assert.throws(() => read([prelude]), { code: 'MODEL_GARBAGE', message: /checksum of a prelude/ });
});
