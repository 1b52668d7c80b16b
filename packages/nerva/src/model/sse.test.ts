import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { LINES } from './framing.ts';
import { sseParser, type SseEvent } from './sse.ts';

function parse(pieces: Iterable<Uint8Array>): SseEvent[] {
  const events: SseEvent[] = [];
  const parser = sseParser((event) => events.push(event));
  for (const piece of pieces) parser.push(piece);
  return events;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test('fields, comments, several data lines and empty ones are read as the standard says', () => {
  const stream = ': comment\nevent: ping\ndata: a\ndata:b\ndata\nid: 1\n\ndata: 🌍\r\n\r\nevent: lost\n\ndata:  two\r\rdata: unfinished\n';
  assert.deepEqual(parse([bytes(`\ufeff${stream}`)]), [
    { event: 'ping', data: 'a\nb\n' },
    { event: 'message', data: '🌍' },
    { event: 'message', data: ' two' },
  ]);
});

test('any cutting of any stream gives the events of the whole', () => {
  const line = fc.constantFrom('data: x', 'data: 🌍ü', 'data:', 'data', ': c', 'event: e', 'id: 4', '', '');
  const stream = fc.array(fc.tuple(line, fc.constantFrom('\n', '\r\n', '\r')), { maxLength: 20 });
  fc.assert(
    fc.property(stream, fc.array(fc.nat(200), { maxLength: 12 }), (lines, cuts) => {
      const whole = bytes(lines.map(([text, end]) => text + end).join(''));
      const at = [0, ...cuts.map((cut) => Math.min(cut, whole.length)).sort((a, b) => a - b), whole.length];
      const pieces = at.slice(1).map((end, index) => whole.subarray(at[index], end));
      assert.deepEqual(parse(pieces), parse([whole]));
      assert.deepEqual(parse(Array.from(whole, (_, index) => whole.subarray(index, index + 1))), parse([whole]));
    }),
    { numRuns: 300 },
  );
});

test('any list of texts survives being written as events and read back', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\r', '').toWellFormed())),
      fc.constantFrom('\n', '\r\n', '\r'),
      (texts, end) => {
        const stream = texts
          .map(
            (text) =>
              `${text
                .split('\n')
                .map((part) => `data: ${part}${end}`)
                .join('')}${end}`,
          )
          .join('');
        assert.deepEqual(
          parse([bytes(stream)]).map(({ data }) => data),
          texts,
        );
      },
    ),
  );
});

test('what the reader throws reaches the one who pushed', () => {
  const parser = sseParser(() => {
    throw new Error('stop');
  });
  assert.throws(() => parser.push(bytes('data: x\n\n')), /stop/);
});

test('a line of many megabytes that comes in small pieces is put together once, not with every piece', () => {
  const piece = bytes('x'.repeat(4_096));
  const count = 4_096;
  const startMs = performance.now();
  let length = 0;
  const parser = sseParser(({ data }) => (length = data.length));
  parser.push(bytes('data: '));
  for (let n = 0; n < count; n++) parser.push(piece);
  parser.push(bytes('\n\n'));
  const lines = LINES.parser(({ value }) => (length += String(value).length), 'a line');
  lines.push(bytes('"'));
  for (let n = 0; n < count; n++) lines.push(piece);
  lines.push(bytes('"\n'));
  assert.equal(length, 2 * count * piece.length);
  assert.ok(performance.now() - startMs < 3_000, `${performance.now() - startMs} ms`);
});
