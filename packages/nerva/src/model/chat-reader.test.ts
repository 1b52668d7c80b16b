import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { testWorld } from '../testing/index.ts';
import { ChatReader, type ChatOutcome } from './chat-reader.ts';
import { wireFixture } from './wire-scene.test.ts';

const SECRET = 'sk-reader-0123456789abcdef';

function read(
  pieces: readonly (string | Uint8Array)[],
  type = 'application/json',
  status = 200,
): { readonly reader: ChatReader; readonly outcome: ChatOutcome } {
  const reader = new ChatReader({ name: 'x', status, headers: { 'content-type': type }, secrets: [SECRET], world: testWorld() });
  for (const piece of pieces) reader.push(typeof piece === 'string' ? new TextEncoder().encode(piece) : piece);
  return { reader, outcome: reader.outcome() };
}

test('any cutting of a stream into pieces gives the same answer', () => {
  const stream = new TextEncoder().encode(wireFixture('openai/tools.sse'));
  const { outcome } = read([stream], 'text/event-stream');
  assert.ok('answer' in outcome && outcome.answer.parts.length > 0);
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(stream.length), { maxLength: 12 }), (cuts) => {
      const at = [0, ...cuts.toSorted((one, other) => one - other), stream.length];
      const pieces = at.slice(1).map((end, index) => stream.subarray(at[index], end));
      assert.deepEqual(read(pieces, 'text/event-stream').outcome, outcome);
    }),
    { numRuns: 100 },
  );
});

test('any bytes of any status are an outcome, and nothing throws', () => {
  const json = fc.json().map((text) => `data: ${text}\n\n`);
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string(), json, fc.json(), fc.constant('data: {"choices":[{"delta":{"content":"a"}}]}\n\n'))),
      fc.constantFrom('text/event-stream', 'application/json'),
      fc.constantFrom(200, 201, 400, 500),
      (pieces, type, status) => {
        const { reader, outcome } = read(pieces, type, status);
        assert.ok('answer' in outcome || outcome.error.message.length < 1_000);
        assert.ok(Array.isArray(reader.parts()));
      },
    ),
    { numRuns: 300 },
  );
});

test('of several choices the first is the answer, and the others are kept', () => {
  const choice = (index: number, content: string) => ({ index, message: { role: 'assistant', content }, finish_reason: 'stop' });
  const { outcome } = read([
    JSON.stringify({ id: 'r', choices: [choice(1, 'b'), choice(0, 'a')], usage: { prompt_tokens: 3, completion_tokens: 2 } }),
  ]);
  assert.ok('answer' in outcome);
  assert.deepEqual(outcome.answer.parts, [{ type: 'text', text: 'a' }]);
  assert.deepEqual(outcome.answer.meta, {
    responseId: 'r',
    choices: [{ index: 1, parts: [{ type: 'text', text: 'b' }], finish: 'stop' }],
  });
  const delta = (index: number, content: string, finish: string | null = null) =>
    `data: ${JSON.stringify({ id: 'r', choices: [{ index, delta: { content }, finish_reason: finish }] })}\n\n`;
  const streamed = read([delta(0, 'a'), delta(1, 'b'), delta(1, '', 'stop')], 'text/event-stream');
  assert.equal(streamed.reader.isFinished, false);
  assert.ok('error' in streamed.outcome && streamed.outcome.isPartial && streamed.outcome.error.code === 'MODEL_TRUNCATED');
  const whole = read([delta(0, 'a'), delta(1, 'b'), delta(1, '', 'stop'), delta(0, '', 'stop')], 'text/event-stream');
  assert.equal(whole.reader.isFinished, true);
  assert.ok('answer' in whole.outcome);
  assert.deepEqual(whole.outcome.answer.meta, outcome.answer.meta);
});
