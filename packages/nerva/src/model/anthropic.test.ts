import assert from 'node:assert/strict';
import test from 'node:test';
import { NervaError, type JsonObject } from '../core/index.ts';
import { anthropic } from './anthropic.ts';
import type { Delta, ModelAnswer } from './model.ts';
import { askCanned, byteSplits, rebuilt, told, wireFixture, type Canned } from './wire-scene.test.ts';

const fixture = (name: string): string => wireFixture(`anthropic/${name}`);
const SSE = { 'content-type': 'text/event-stream; charset=utf-8' };
const KEY = 'sk-ant-api03-0123456789abcdef';
const BUDGET_MODEL = 'claude-sonnet-4-5-20250929';
const ignore = (): void => undefined;

function call(answer: Canned, options: { readonly onDelta?: (delta: Delta) => void } = {}): Promise<ModelAnswer> {
  return askCanned(anthropic({ model: BUDGET_MODEL, apiKey: KEY }), answer, options);
}

for (const name of ['text', 'tools', 'citations', 'refusal', 'pause', 'length']) {
  test(`the streamed answer "${name}" equals the one in one piece, and its deltas add up to it, however the bytes are cut`, async () => {
    const whole = await call({ body: fixture(`${name}.json`) });
    const stream = fixture(`${name}.sse`);
    const bytes = new TextEncoder().encode(stream);
    // Every byte on its own is each cut at once; all cuts in two where characters and line ends are longest.
    const cuts = [1, 7, 100].map((length) => byteSplits(stream, length));
    for (let at = 0; at <= bytes.length; at += name === 'text' ? 1 : 37) cuts.push([bytes.subarray(0, at), bytes.subarray(at)]);
    for (const body of cuts) {
      const deltas: Delta[] = [];
      assert.deepEqual(await call({ body, headers: SSE }, { onDelta: (delta) => deltas.push(delta) }), whole);
      // Of a call without arguments nothing comes but that it is.
      const ended = deltas.flatMap((delta): Delta[] =>
        delta.type === 'tool_call' && delta.name === 'now' ? [delta, { type: 'tool_input', index: delta.index, text: '{}' }] : [delta],
      );
      assert.deepEqual(rebuilt(ended), told(whole.parts));
    }
  });
}

test('an answer is read into parts, reason, usage, version and what else is worth keeping', async () => {
  const by = `anthropic/${BUDGET_MODEL}`;
  assert.deepEqual(await call({ body: fixture('tools.json') }), {
    parts: [
      {
        type: 'reasoning',
        text: 'Two cities: Paris, São Paulo. I ask for both at once 🤔',
        echo: { by, data: { signature: 'EqQBCkgIARABGAIiQL8Zx3v/thinking+signature==' } },
      },
      {
        type: 'reasoning',
        text: '',
        echo: {
          by,
          data: { block: { type: 'redacted_thinking', data: 'EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIwxtE3rAFBa8cr3qpP' } },
        },
      },
      { type: 'text', text: 'I look up both.' },
      { type: 'tool_call', id: 'toolu_01A', name: 'get_weather', input: { city: 'Paris', unit: 'c' } },
      { type: 'tool_call', id: 'toolu_01B', name: 'get_weather', input: { city: 'São Paulo' } },
      { type: 'tool_call', id: 'toolu_01C', name: 'now', input: {} },
    ],
    finish: 'tool_calls',
    usage: { inputTokens: 1301, outputTokens: 140, cachedInputTokens: 1024, cacheWriteTokens: 256, reasoningTokens: 38 },
    model: BUDGET_MODEL,
    meta: { id: 'msg_01TOOLS', serviceTier: 'standard' },
  });
  const cited = await call({ body: fixture('citations.json') });
  assert.deepEqual(
    cited.parts.map((part) => part.type === 'text' && [part.text, part.citations]),
    [
      ['According to the document, ', undefined],
      ['the grass is green', [{ title: 'Example', quote: 'The grass is green.' }]],
      [' and ', undefined],
      ['the sky is blue', [{ url: 'https://example.com/sky', title: 'Sky', quote: 'The sky is blue.' }]],
      ['.', undefined],
    ],
  );
  const refused = await call({ body: fixture('refusal.json') });
  assert.deepEqual([refused.finish, refused.meta?.['refusal']], ['content_filter', true]);
  assert.equal((refused.meta?.['stopDetails'] as JsonObject | undefined)?.['category'], 'cyber');
  const paused = await call({ body: fixture('pause.json') });
  assert.deepEqual([paused.finish, paused.meta?.['stopReason']], ['other', 'pause_turn']);
  assert.deepEqual(
    paused.parts.map(({ type }) => type),
    ['text', 'reasoning', 'reasoning'],
  );
  const cut = await call({ body: fixture('length.json') });
  assert.deepEqual([cut.finish, cut.parts[0]?.type, (cut.parts[0] as { readonly text: string }).text], ['length', 'reasoning', '']);
});

test('each refusal of the provider has its code, its reason, its id and never the key', async () => {
  const table: readonly (readonly [number, string, string])[] = [
    [401, 'error-401.json', 'MODEL_AUTH'],
    [403, 'error-403.json', 'MODEL_AUTH'],
    [404, 'error-404.json', 'MODEL_REFUSED'],
    [413, 'error-413.json', 'MODEL_REFUSED'],
    [429, 'error-429.json', 'MODEL_RATE_LIMITED'],
    [500, 'error-500.json', 'MODEL_UNAVAILABLE'],
    [529, 'error-529.json', 'MODEL_UNAVAILABLE'],
    [400, 'error-context.json', 'CONTEXT_TOO_LONG'],
    [400, 'error-context-output.json', 'CONTEXT_TOO_LONG'],
    [400, 'error-invalid.json', 'MODEL_REFUSED'],
    [400, 'error-credit.json', 'MODEL_AUTH'],
  ];
  for (const [status, file, code] of table) {
    const { error } = JSON.parse(fixture(file)) as { readonly error: { readonly type: string; readonly message: string } };
    const body = JSON.stringify({ type: 'error', error: { ...error, message: `${error.message} ${KEY}` } });
    const headers = { 'request-id': 'req_7', 'retry-after': '3' };
    for (const onDelta of [undefined, ignore]) {
      await assert.rejects(call({ status, headers, body }, onDelta === undefined ? {} : { onDelta }), (failure: Error) => {
        assert.ok(NervaError.is(failure));
        assert.deepEqual(
          [
            failure.code,
            failure.details['status'],
            failure.details['providerCode'],
            failure.details['requestId'],
            failure.details['retryAfterMs'],
          ],
          [code, status, error.type, 'req_7', 3000],
        );
        assert.ok(failure.message.includes(error.message.slice(0, 20)) && !failure.message.includes(KEY.slice(4)), failure.message);
        return true;
      });
    }
  }
});

test('an error in the middle of a stream is the failure that its status would be', async () => {
  const table: readonly (readonly [string, string])[] = [
    ['overloaded_error', 'MODEL_UNAVAILABLE'],
    ['api_error', 'MODEL_UNAVAILABLE'],
    ['rate_limit_error', 'MODEL_RATE_LIMITED'],
    ['authentication_error', 'MODEL_AUTH'],
    ['permission_error', 'MODEL_AUTH'],
    ['invalid_request_error', 'MODEL_REFUSED'],
    ['not_found_error', 'MODEL_REFUSED'],
    ['request_too_large', 'MODEL_REFUSED'],
  ];
  for (const [type, code] of table) {
    const body = fixture('overloaded.sse').replace('overloaded_error', type);
    const deltas: Delta[] = [];
    await assert.rejects(call({ body, headers: SSE }, { onDelta: (delta) => deltas.push(delta) }), { code }, type);
    assert.ok(deltas.length > 0);
  }
});

test('any cut of a stream before its reason to stop is MODEL_TRUNCATED, and never an answer', async () => {
  const stream = fixture('tools.sse');
  const end = stream.indexOf('\n\n', stream.indexOf('"stop_reason":"tool_use"')) + 2;
  for (let length = 0; length < end; length += 13)
    await assert.rejects(call({ body: stream.slice(0, length), headers: SSE }, { onDelta: ignore }), { code: 'MODEL_TRUNCATED' });
  const whole = await call({ body: fixture('tools.json') });
  assert.deepEqual(await call({ body: stream.slice(0, end), headers: SSE }, { onDelta: ignore }), whole);
  assert.deepEqual(
    await call({ body: `${stream}data: {"type":"content_block_start"}\n\n`, headers: SSE }, { onDelta: ignore }),
    whole,
    'nothing is read behind the end',
  );
});

test('what is not a message is MODEL_GARBAGE with a bounded excerpt, whole and streamed; events of new types are skipped', async () => {
  const whole = [
    '<html>',
    '',
    'null',
    '[]',
    '{}',
    '{"content":7}',
    '{"content":[7]}',
    '{"content":[{}]}',
    '{"content":[{"type":"text","text":7}]}',
  ];
  whole.push('{"content":[{"type":"tool_use","id":"a"}]}', 'x'.repeat(1e5));
  for (const body of whole)
    await assert.rejects(
      call({ body }),
      (error: Error) => NervaError.is(error, 'MODEL_GARBAGE') && error.message.length < 500,
      body.slice(0, 80),
    );
  const streamed = [
    'data: nonsense\n\n',
    'data: []\n\n',
    'data: {}\n\n',
    'data: {"type":"message_start"}\n\n',
    'data: {"type":"content_block_start","content_block":{"type":"text"}}\n\n',
    'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}\n\n',
  ];
  for (const body of streamed) await assert.rejects(call({ body, headers: SSE }, { onDelta: ignore }), { code: 'MODEL_GARBAGE' }, body);
  const more = fixture('text.sse').replace('event: ping', 'event: news\r\ndata: {"type":"news"}\r\n\r\nevent: ping');
  assert.deepEqual(await call({ body: more, headers: SSE }, { onDelta: ignore }), await call({ body: fixture('text.json') }));
});
