import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { NervaError, type JsonObject } from '../core/index.ts';
import { google, type GoogleOptions } from './google.ts';
import type { Delta, ModelAnswer, ModelRequest } from './model.ts';
import { askCanned, byteSplits, rebuilt, told, wireFixture, type Canned } from './wire-scene.test.ts';

const SSE = { 'content-type': 'text/event-stream' };
const KEY = 'AIzaSyTEST-0123456789abcdef';
const ME = 'google/gemini-3-flash-preview';
const fixture = (name: string): string => wireFixture(`google/${name}`);
const ignore = (): void => undefined;

function call(
  answer: Canned,
  options: {
    readonly onDelta?: (delta: Delta) => void;
    readonly request?: ModelRequest;
    readonly model?: Partial<GoogleOptions>;
  } = {},
): Promise<ModelAnswer> {
  return askCanned(google({ model: 'gemini-3-flash-preview', apiKey: KEY, ...options.model }), answer, options);
}

for (const name of ['text', 'tools', 'length', 'blocked', 'safety', 'malformed', 'grounding', 'logprobs', 'code']) {
  test(`Gemini's streamed answer "${name}" equals the one in one piece, and its deltas add up to it, however the bytes are cut`, async () => {
    const whole = await call({ body: fixture(`${name}.json`) });
    const stream = fixture(`${name}.sse`);
    for (const length of [1, 2, 7, 100, stream.length * 4]) {
      const deltas: Delta[] = [];
      const body = byteSplits(stream, length);
      const streamed = await call({ body, headers: SSE }, { onDelta: (delta) => deltas.push(delta) });
      assert.deepEqual(streamed, whole);
      assert.deepEqual(rebuilt(deltas), told(streamed.parts));
    }
  });
}

test('thoughts, signatures, calls with and without ids, totals and version are read', async () => {
  assert.deepEqual(await call({ body: fixture('text.json') }), {
    parts: [
      { type: 'reasoning', text: '**Plan**\n\nKurz antworten.', echo: { by: ME, data: {} } },
      {
        type: 'text',
        text: 'Der Himmel ist blau 🌊 — Rayleigh.',
        echo: { by: ME, data: { thoughtSignature: 'EjQKMgFJcHKQ0X9m+1vZkq2oXWvYpM0Jt7d1C9yqk3a8bQ==' } },
      },
    ],
    finish: 'stop',
    usage: { inputTokens: 42, outputTokens: 145, cachedInputTokens: 20, reasoningTokens: 128 },
    model: 'gemini-3-flash-preview',
    meta: { id: 'Il0taoSYJ5Cez7IPqtbZ0QI' },
  });
  const { parts, finish, usage } = await call({ body: fixture('tools.json') });
  assert.deepEqual(parts.slice(1), [
    {
      type: 'tool_call',
      id: 'k3j9f2',
      name: 'get_weather',
      input: { city: 'Paris', unit: 'c' },
      echo: { by: ME, data: { id: 'k3j9f2', thoughtSignature: 'CiQBVKhc7kqYm0nUNcJ5Z5XhR2p8yZrD1QeO3GmA9s4fT6w=' } },
    },
    { type: 'tool_call', id: 'k3j9f3', name: 'get_weather', input: { city: 'São Paulo' }, echo: { by: ME, data: { id: 'k3j9f3' } } },
    { type: 'tool_call', id: 'call_3', name: 'now', input: {} },
  ]);
  assert.deepEqual([finish, usage], ['tool_calls', { inputTokens: 82, outputTokens: 41 }]);
});

test('a block of the prompt, of the answer and a malformed call are outcomes that say why', async () => {
  const read = async (name: string): Promise<unknown[]> => {
    const { finish, parts, usage, meta } = await call({ body: fixture(`${name}.json`) });
    return [finish, parts, usage.outputTokens, meta?.['blockReason'] ?? meta?.['finishReason'], meta?.['finishMessage']];
  };
  assert.deepEqual(await read('blocked'), ['content_filter', [], 0, 'SAFETY', undefined]);
  assert.deepEqual(await read('safety'), ['content_filter', [{ type: 'text', text: 'Take ' }], 1, 'SAFETY', undefined]);
  assert.deepEqual(await read('malformed'), [
    'other',
    [],
    0,
    'MALFORMED_FUNCTION_CALL',
    'Malformed function call: print(default_api.add(a=1,',
  ]);
  for (const [reason, finish] of [
    ['RECITATION', 'content_filter'],
    ['PROHIBITED_CONTENT', 'content_filter'],
    ['LANGUAGE', 'other'],
    ['SOMETHING_NEW', 'other'],
  ]) {
    const answer = await call({ body: JSON.stringify({ candidates: [{ finishReason: reason }] }) });
    assert.deepEqual([answer.finish, answer.meta?.['finishReason'], answer.usage.outputTokens], [finish, reason, null]);
  }
});

test('grounding becomes citations with offsets in UTF-16; what the terms of use want shown is kept', async () => {
  const { parts, meta, usage } = await call({ body: fixture('grounding.json') });
  const [part] = parts;
  assert.ok(part?.type === 'text');
  assert.deepEqual(part.citations, [
    { url: 'https://example.org/a', title: 'a.example', start: 0, end: 26 },
    { url: 'https://example.org/a', title: 'a.example', start: 27, end: 51 },
    { url: 'https://example.org/b', title: 'b.example', start: 27, end: 51 },
    { url: 'https://example.org/c', title: 'c.example' },
  ]);
  assert.equal(part.text.slice(27, 51), '– mit 2:1 gegen England.');
  assert.deepEqual(meta?.['grounding'], { webSearchQueries: ['EM 2024 Sieger'], searchEntryPoint: { renderedContent: '<div>…</div>' } });
  assert.equal(usage.inputTokens, 110, 'what its own tools read counts as input');
  const recited = await call({
    body: JSON.stringify({
      candidates: [
        {
          content: { parts: [{ text: 'né à côté' }] },
          citationMetadata: {
            citationSources: [
              { startIndex: 4, endIndex: 6, uri: 'https://e.org' },
              { endIndex: 2, uri: 'https://f.org' },
            ],
          },
          finishReason: 'STOP',
        },
      ],
    }),
  });
  assert.deepEqual(recited.parts[0]?.type === 'text' && recited.parts[0].citations, [
    { url: 'https://e.org', start: 3, end: 4 },
    { url: 'https://f.org' },
  ]);
});

test('log-probabilities have the form of the other wires, and token ids are kept', async () => {
  const { meta } = await call({ body: fixture('logprobs.json') });
  assert.deepEqual(meta?.['tokenIds'], [7, 8]);
  assert.deepEqual((meta?.['logprobs'] as readonly unknown[] | undefined)?.[0], {
    token: 'Ja',
    logprob: -0.01,
    top_logprobs: [
      { token: 'Ja', logprob: -0.01 },
      { token: '?', logprob: -7.5 },
    ],
  });
});

test('texts stay apart where a signature stood, and one that comes alone has a part of its own', async () => {
  const answer = (parts: readonly JsonObject[]): string => JSON.stringify({ candidates: [{ content: { parts }, finishReason: 'STOP' }] });
  const { parts } = await call({
    body: answer([
      { text: 'a' },
      { text: 'b', thoughtSignature: 'eA==' },
      { text: 'c' },
      { functionCall: { name: 'f' } },
      { text: '', thoughtSignature: 'eQ==' },
      { thought: true, thoughtSignature: 'eg==' },
    ]),
  });
  assert.deepEqual(parts, [
    { type: 'text', text: 'ab', echo: { by: ME, data: { thoughtSignature: 'eA==' } } },
    { type: 'text', text: 'c' },
    { type: 'tool_call', id: 'call_2', name: 'f', input: {} },
    { type: 'text', text: '', echo: { by: ME, data: { thoughtSignature: 'eQ==' } } },
    { type: 'reasoning', text: '', echo: { by: ME, data: { thoughtSignature: 'eg==' } } },
  ]);
});

test('texts stay apart where code ran between them', async () => {
  const parts = [{ text: 'a' }, { executableCode: { code: '1' } }, { text: 'b' }];
  const { parts: read } = await call({ body: JSON.stringify({ candidates: [{ content: { parts }, finishReason: 'STOP' }] }) });
  assert.deepEqual(
    read.map((part) => [part.type, part.type === 'text' && part.text]),
    [
      ['text', 'a'],
      ['reasoning', false],
      ['text', 'b'],
    ],
  );
});

test('what is not a generated content is MODEL_GARBAGE with a bounded excerpt, whole and streamed', async () => {
  const one = (part: unknown): string => JSON.stringify({ candidates: [{ content: { parts: [part] }, finishReason: 'STOP' }] });
  const bodies = [
    '<html>busy</html>',
    '',
    'null',
    '[]',
    '{}',
    '{"candidates":7}',
    '{"candidates":[]}',
    '{"candidates":[7]}',
    '{"candidates":[{}]}',
    '{"candidates":[{"content":7}]}',
    '{"candidates":[{"content":{"parts":7}}]}',
    one(7),
    one({ functionCall: {} }),
    one({ functionCall: { name: 'f', args: 7 } }),
    one({ functionCall: { name: 'f', args: [] } }),
    '{"promptFeedback":{"blockReason":"BLOCK_REASON_UNSPECIFIED"}}',
    'x'.repeat(1e5),
  ];
  for (const body of bodies) {
    await assert.rejects(
      call({ body }),
      (error: Error) => NervaError.is(error, 'MODEL_GARBAGE') && error.message.length < 500,
      body.slice(0, 80),
    );
  }
  for (const body of ['data: nonsense\n\n', 'data: []\n\n', `data: ${one(7)}\n\n`])
    await assert.rejects(call({ body, headers: SSE }, { onDelta: ignore }), { code: 'MODEL_GARBAGE' }, body);
  await assert.rejects(call({ body: `oops ${KEY}` }), (error: Error) => !error.message.includes(KEY));
  const odd = await call({ body: one({ functionCall: { name: 'f', args: '{"a":' } }) });
  assert.deepEqual(odd.parts, [{ type: 'tool_call', id: 'call_0', name: 'f', input: '{"a":', malformed: true }]);
});

test('any cut of a Gemini stream before its reason to stop is MODEL_TRUNCATED, and never an answer', async () => {
  const stream = fixture('tools.sse');
  await fc.assert(
    fc.asyncProperty(fc.nat(stream.length - 3), async (length) => {
      await assert.rejects(call({ body: stream.slice(0, length), headers: SSE }, { onDelta: ignore }), { code: 'MODEL_TRUNCATED' });
    }),
    { numRuns: 60 },
  );
});

test('each refusal of Google has its code, its wait and never the key', async () => {
  const table: readonly (readonly [number, string, string, number?])[] = [
    [400, fixture('error-key.json'), 'MODEL_AUTH'],
    [403, `{"error":{"code":403,"message":"no access for ${KEY}","status":"PERMISSION_DENIED"}}`, 'MODEL_AUTH'],
    [404, '{"error":{"code":404,"message":"models/x is not found","status":"NOT_FOUND"}}', 'MODEL_REFUSED'],
    [429, fixture('error-quota.json'), 'MODEL_RATE_LIMITED', 34_075],
    [400, fixture('error-context.json'), 'CONTEXT_TOO_LONG'],
    [400, fixture('error-signature.json'), 'MODEL_REFUSED'],
    [503, fixture('error-overloaded.json'), 'MODEL_UNAVAILABLE'],
    [500, `[${fixture('error-overloaded.json')}]`, 'MODEL_UNAVAILABLE'],
    [504, '<html>busy</html>', 'MODEL_UNAVAILABLE'],
    [200, fixture('error-overloaded.json'), 'MODEL_UNAVAILABLE'],
    [200, '{"error":{"message":"slow down","status":"RESOURCE_EXHAUSTED"}}', 'MODEL_RATE_LIMITED'],
    [200, '{"error":{"message":"bad","status":"INVALID_ARGUMENT"}}', 'MODEL_REFUSED'],
  ];
  for (const [status, body, code, waitMs] of table) {
    for (const onDelta of [undefined, ignore]) {
      const headers = onDelta !== undefined && status === 200 ? SSE : {};
      const answer = { status, headers, body: headers === SSE ? `data: ${body.replaceAll('\n', '')}\n\n` : body };
      await assert.rejects(call(answer, onDelta === undefined ? {} : { onDelta }), (error: Error) => {
        assert.ok(NervaError.is(error));
        assert.deepEqual([error.code, error.details['retryAfterMs']], [code, waitMs], error.message);
        assert.ok(!`${error.message} ${JSON.stringify(error.details)} ${String(error.stack)}`.includes(KEY), error.message);
        assert.ok(error.message.startsWith(ME) && error.message.length < 600);
        return true;
      });
    }
  }
});
