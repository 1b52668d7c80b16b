import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import fc from 'fast-check';
import { NervaError, type HttpRequest, type World } from '../core/index.ts';
import type { Message, Part } from './message.ts';
import type { Delta, ModelAnswer, ModelRequest } from './model.ts';
import { retryAfterMs } from './failure.ts';
import { openaiChat, type OpenAiOptions } from './openai.ts';

interface Canned {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Text, or the pieces in which it comes. */
  readonly body: string | readonly Uint8Array[];
}

const NOW_MS = 1_445_412_450_000; // Wed, 21 Oct 2015 07:27:30 GMT

/** A world whose network answers what it is told. */
function canned(answer: Canned, seen: HttpRequest[] = []): World {
  const pieces = typeof answer.body === 'string' ? [new TextEncoder().encode(answer.body)] : answer.body;
  return {
    clock: { nowMs: () => NOW_MS, sleep: () => Promise.resolve(), timer: () => () => undefined },
    dice: { roll: () => 0 },
    ids: { random: () => '', next: () => '' },
    digest: () => '',
    defer: (task) => void setImmediate(task),
    transport: {
      close: () => Promise.resolve(),
      request: (request) => {
        seen.push(request);
        return Promise.resolve({
          status: answer.status ?? 200,
          headers: answer.headers ?? {},
          text: () => Promise.resolve(Buffer.concat(pieces).toString()),
          async *bytes() {
            yield* pieces;
          },
          discard: () => undefined,
        });
      },
    },
  };
}

const fixture = (name: string): string => readFileSync(new URL(`../../../../tests/wire/openai/${name}`, import.meta.url), 'utf8');
const SSE = { 'content-type': 'text/event-stream; charset=utf-8' };
const say = (text: string): Message => ({ role: 'user', parts: [{ type: 'text', text }], origin: 'person' });
const ask = (messages: readonly Message[] = [say('hi')], rest: Partial<ModelRequest> = {}): ModelRequest => ({
  instructions: 'be brief',
  tools: [],
  params: {},
  messages,
  ...rest,
});
const KEY = 'sk-test-0123456789abcdef';

async function call(
  answer: Canned,
  options: { readonly onDelta?: (delta: Delta) => void; readonly request?: ModelRequest; readonly model?: Partial<OpenAiOptions> } = {},
): Promise<ModelAnswer> {
  const model = openaiChat({ model: 'gpt-5-mini', apiKey: KEY, ...options.model });
  return model.call(options.request ?? ask(), {
    world: canned(answer),
    ...(options.onDelta === undefined ? {} : { onDelta: options.onDelta }),
  });
}

async function bodyOf(request: ModelRequest, options: Partial<OpenAiOptions> = {}, onDelta?: () => void): Promise<Record<string, unknown>> {
  const seen: HttpRequest[] = [];
  const world = canned(onDelta === undefined ? { body: fixture('text.json') } : { body: fixture('text.sse'), headers: SSE }, seen);
  await openaiChat({ model: 'gpt-5-mini', ...options }).call(request, { world, ...(onDelta === undefined ? {} : { onDelta }) });
  return JSON.parse(String(seen[0]?.body)) as Record<string, unknown>;
}

/** The parts that the deltas add up to. */
function rebuilt(deltas: readonly Delta[]): unknown[] {
  const parts: { type: string; id?: string; name?: string; text: string }[] = [];
  for (const delta of deltas) {
    if (delta.type === 'tool_call') parts[delta.index] = { type: 'tool_call', id: delta.id, name: delta.name, text: '' };
    else (parts[delta.index] ??= { type: delta.type, text: '' }).text += delta.text;
  }
  return parts.map(({ type, id, name, text }) => (type === 'tool_call' ? { type, id, name, input: readJson(text) } : { type, text }));
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

const plain = (parts: readonly Part[]): unknown[] =>
  parts.map((part) => ({ ...part, ...('malformed' in part ? { malformed: undefined } : {}) }));

for (const name of ['text', 'tools', 'refusal', 'length']) {
  test(`the streamed answer "${name}" equals the one in one piece, and its deltas add up to it, however the bytes are cut`, async () => {
    const whole = await call({ body: fixture(`${name}.json`) });
    const stream = new TextEncoder().encode(fixture(`${name}.sse`));
    for (const length of [1, 7, 100, stream.length]) {
      const pieces: Uint8Array[] = [];
      for (let at = 0; at < stream.length; at += length) pieces.push(stream.subarray(at, at + length));
      const deltas: Delta[] = [];
      const streamed = await call({ body: pieces, headers: SSE }, { onDelta: (delta) => deltas.push(delta) });
      assert.deepEqual(streamed, whole);
      assert.deepEqual(JSON.stringify(rebuilt(deltas)), JSON.stringify(plain(streamed.parts)));
    }
  });
}

test('an answer is read into parts, reason, usage, version and what else is worth keeping', async () => {
  assert.deepEqual(await call({ body: fixture('tools.json') }), {
    parts: [
      { type: 'tool_call', id: 'call_Qx1', name: 'get_weather', input: { city: 'Paris', unit: 'c' } },
      { type: 'tool_call', id: 'call_Qx2', name: 'get_weather', input: { city: 'São Paulo' } },
    ],
    finish: 'tool_calls',
    usage: { inputTokens: 82, outputTokens: 41, cachedInputTokens: 64, reasoningTokens: 0 },
    model: 'gpt-5-mini-2025-08-07',
    meta: { serviceTier: 'default', systemFingerprint: 'fp_44709d6fcb' },
  });
  const refused = await call({ body: fixture('refusal.json') });
  assert.deepEqual([refused.finish, refused.meta?.['refusal'], refused.parts[0]?.type], ['content_filter', true, 'text']);
  const cut = await call({ body: fixture('length.json') });
  assert.deepEqual(
    [cut.finish, cut.parts[1]],
    ['length', { type: 'tool_call', id: 'call_L1', name: 'write', input: '{"text":"The fir', malformed: true }],
  );
});

const completion = (message: object, rest: object = {}, finish: string | null = 'stop'): string =>
  JSON.stringify({
    id: 'x',
    object: 'chat.completion',
    model: 'm',
    choices: [{ index: 0, message: { role: 'assistant', content: null, ...message }, finish_reason: finish }],
    ...rest,
  });
const callOf = (input: unknown, id: unknown = 'c1'): object => ({
  tool_calls: [{ id, type: 'function', function: { name: 'add', arguments: input } }],
});

test('arguments that are not JSON a log can hold stay text and never throw', async () => {
  for (const raw of ['{"a":', 'nonsense', '{"__proto__":{"a":1}}', '1e999', `${'['.repeat(200)}${']'.repeat(200)}`]) {
    const { parts } = await call({ body: completion(callOf(raw)) });
    assert.deepEqual(parts, [{ type: 'tool_call', id: 'c1', name: 'add', input: raw, malformed: true }]);
  }
  assert.deepEqual((await call({ body: completion(callOf('')) })).parts, [{ type: 'tool_call', id: 'c1', name: 'add', input: {} }]);
  assert.deepEqual((await call({ body: completion(callOf('{"a":"\\ud800"}')) })).parts, [
    { type: 'tool_call', id: 'c1', name: 'add', input: { a: '\ufffd' } },
  ]);
});

test('what compatible servers do otherwise is understood', async () => {
  const told = await call({
    body: completion({
      content: [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b' },
      ],
      reasoning_content: 'hm',
      ...callOf({ a: 1 }, null),
    }),
  });
  assert.deepEqual(told.parts, [
    { type: 'reasoning', text: 'hm' },
    { type: 'text', text: 'ab' },
    { type: 'tool_call', id: 'call_2', name: 'add', input: { a: 1 } },
  ]);
  assert.deepEqual([told.finish, told.usage], ['tool_calls', { inputTokens: null, outputTokens: null }]);
  const chunk = (delta: object, finish: string | null = null): string =>
    `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
  const numbered = (index: number | undefined, id: string, input: string): string =>
    chunk({ tool_calls: [{ ...(index === undefined ? {} : { index }), id, function: { name: 'add', arguments: input } }] });
  for (const [one, two] of [
    [0, 0],
    [undefined, undefined],
  ]) {
    const body = `${numbered(one, 'a', '{"n":1}')}${numbered(two, 'b', '{"n":2}')}${chunk({}, 'stop')}`;
    const { parts, finish } = await call({ body, headers: SSE }, { onDelta: () => undefined });
    assert.deepEqual(
      [parts.map((part) => part.type === 'tool_call' && [part.id, part.input]), finish],
      [
        [
          ['a', { n: 1 }],
          ['b', { n: 2 }],
        ],
        'tool_calls',
      ],
    );
  }
  const again = `${numbered(0, 'a', '{"n":')}${numbered(0, 'b', '{"n":')}${numbered(0, 'a', '1}')}${numbered(0, 'b', '2}')}${chunk({}, 'stop')}`;
  const { parts } = await call({ body: again, headers: SSE }, { onDelta: () => undefined });
  assert.deepEqual(
    parts.map((part) => part.type === 'tool_call' && part.input),
    [{ n: 1 }, { n: 2 }],
  );
  const twin = { id: 'a', function: { name: 'add', arguments: '{"n":1}' } };
  const twins = [
    await call(
      { body: `${numbered(0, 'a', '{"n":1}')}${numbered(1, 'a', '{"n":')}${numbered(1, 'a', '1}')}${chunk({}, 'stop')}`, headers: SSE },
      { onDelta: () => undefined },
    ),
    await call({
      body: JSON.stringify({ choices: [{ index: 0, message: { content: null, tool_calls: [twin, twin] }, finish_reason: 'tool_calls' }] }),
      headers: { 'content-type': 'application/json' },
    }),
  ];
  for (const { parts: both } of twins)
    assert.deepEqual(
      both.map((part) => part.type === 'tool_call' && [part.id, part.input]),
      [
        ['a', { n: 1 }],
        ['a', { n: 1 }],
      ],
      'two calls under one id are two',
    );
  const deltas: Delta[] = [];
  const unstreamed = await call(
    { body: fixture('text.json'), headers: { 'content-type': 'application/json' } },
    { onDelta: (delta) => deltas.push(delta) },
  );
  assert.deepEqual(rebuilt(deltas), unstreamed.parts);
});

test('what is not a chat completion is MODEL_GARBAGE with a bounded excerpt, whole and streamed', async () => {
  const bodies = [
    '<html>busy</html>',
    '',
    'null',
    '[]',
    '{}',
    '{"choices":[]}',
    '{"choices":[{}]}',
    '{"choices":[7]}',
    completion({ content: 7 }),
    completion({ tool_calls: {} }),
    completion({ tool_calls: [{}] }),
    completion(callOf(7)),
    completion({ tool_calls: [{ id: 'a', function: { arguments: '{}' } }] }),
    'x'.repeat(1e5),
  ];
  for (const body of bodies) {
    await assert.rejects(
      call({ body }),
      (error: Error) => NervaError.is(error, 'MODEL_GARBAGE') && error.message.length < 500,
      body.slice(0, 80),
    );
  }
  for (const body of ['data: nonsense\n\n', 'data: []\n\n', 'data: {"choices":[{"delta":7}]}\n\n']) {
    await assert.rejects(call({ body, headers: SSE }, { onDelta: () => undefined }), { code: 'MODEL_GARBAGE' }, body);
  }
  await assert.rejects(call({ body: 'data: x', headers: { 'content-type': 'text/html' } }, { onDelta: () => undefined }), {
    code: 'MODEL_GARBAGE',
  });
  await assert.rejects(call({ body: `oops ${KEY}` }), (error: Error) => !error.message.includes(KEY));
});

test('any cut of a stream before its reason to stop is MODEL_TRUNCATED, and never an answer', async () => {
  const stream = fixture('tools.sse');
  const end = stream.indexOf('\n', stream.indexOf('"finish_reason":"tool_calls"')) + 2;
  await fc.assert(
    fc.asyncProperty(fc.nat(end - 1), async (length) => {
      await assert.rejects(call({ body: stream.slice(0, length), headers: SSE }, { onDelta: () => undefined }), {
        code: 'MODEL_TRUNCATED',
      });
    }),
    { numRuns: 60 },
  );
  assert.equal((await call({ body: stream.slice(0, end), headers: SSE }, { onDelta: () => undefined })).usage.inputTokens, null);
});

test('each refusal of a provider has its code, its reason and never the key', async () => {
  const table: readonly (readonly [Canned, string])[] = [
    [{ status: 401, body: fixture('error-401.json') }, 'MODEL_AUTH'],
    [{ status: 403, body: `no access for ${KEY}` }, 'MODEL_AUTH'],
    [{ status: 429, body: fixture('error-429.json') }, 'MODEL_RATE_LIMITED'],
    [{ status: 429, body: fixture('error-quota.json') }, 'MODEL_AUTH'],
    [{ status: 400, body: fixture('error-context.json') }, 'CONTEXT_TOO_LONG'],
    [{ status: 400, body: `{"error":{"message":"bad field, Bearer ${KEY}"}}` }, 'MODEL_REFUSED'],
    [{ status: 404, body: '{"error":"model not found"}' }, 'MODEL_REFUSED'],
    [{ status: 500, body: `${'y'.repeat(270)} ${KEY}` }, 'MODEL_UNAVAILABLE'],
    [{ status: 503, body: '<html>busy</html>' }, 'MODEL_UNAVAILABLE'],
    [{ status: 302, body: '' }, 'MODEL_GARBAGE'],
    [{ body: `{"error":{"message":"upstream ${KEY}","code":502}}` }, 'MODEL_UNAVAILABLE'],
  ];
  for (const [answer, code] of table) {
    for (const onDelta of [undefined, () => undefined]) {
      await assert.rejects(call(answer, onDelta === undefined ? {} : { onDelta }), (error: Error) => {
        assert.ok(NervaError.is(error));
        assert.equal(error.code, code, error.message);
        assert.ok(!/sk-(test|abcde)/.test(`${error.message} ${JSON.stringify(error.details)} ${String(error.stack)}`), error.message);
        assert.ok(error.message.startsWith('openai/gpt-5-mini') && error.message.length < 600);
        return true;
      });
    }
  }
  const chunk = `data: {"error":{"message":"overloaded","type":"server_error"}}\n\n`;
  await assert.rejects(call({ body: chunk, headers: SSE }, { onDelta: () => undefined }), { code: 'MODEL_UNAVAILABLE' });
});

test('how long to wait is read from seconds, milliseconds and dates', async () => {
  const table: readonly (readonly [Record<string, string>, number | undefined])[] = [
    [{ 'retry-after': '20' }, 20_000],
    [{ 'retry-after': '0.5' }, 500],
    [{ 'retry-after-ms': '1250', 'retry-after': '9' }, 1_250],
    [{ 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' }, 30_000],
    [{ 'retry-after': 'Wed, 21 Oct 2015 07:27:00 GMT' }, 0],
    [{ 'retry-after': 'Mon, 29 Feb 2016 07:28:00 GMT' }, 86_400_000],
    [{ 'retry-after': 'soon' }, undefined],
    [{ 'retry-after': '' }, undefined],
    [{}, undefined],
  ];
  for (const [headers, expected] of table) {
    await assert.rejects(call({ status: 429, headers, body: '' }), (error: Error) => {
      assert.ok(NervaError.is(error));
      assert.equal(error.details['retryAfterMs'], expected, JSON.stringify(headers));
      return true;
    });
  }
});

test('any date is read as the time it stands for', () => {
  const date = fc.integer({ min: 0, max: 4_000_000_000 }).map((seconds) => seconds * 1000);
  fc.assert(
    fc.property(date, fc.integer({ min: 0, max: 86_400_000 }), (atMs, waitMs) => {
      assert.equal(retryAfterMs({ 'retry-after': new Date(atMs).toUTCString() }, atMs - waitMs), waitMs);
    }),
  );
});

test('a key of any form is cut out, also where an excerpt cuts it', async () => {
  const key = 'Zq7mJ0vKx2LwR9';
  const cut = Array.from({ length: 40 }, (_, index) => `${'z'.repeat(150 + index)}${key}${'y'.repeat(90)}`);
  for (const body of [`no ${key} here`, ...cut]) {
    for (const status of [200, 401]) {
      await assert.rejects(call({ status, body }, { model: { apiKey: key } }), (error: Error) => !error.message.includes(key.slice(0, 4)));
    }
  }
});

test('a request has the form of the protocol', async () => {
  const tools = [{ name: 'add', description: 'adds', inputSchema: { type: 'object' } }];
  const messages: readonly Message[] = [
    say('hi'),
    {
      role: 'assistant',
      origin: 'model',
      parts: [
        { type: 'reasoning', text: 'hm', echo: { by: 'openai/other', data: {} } },
        { type: 'tool_call', id: 'a', name: 'add', input: { x: 1 } },
        { type: 'tool_call', id: 'b', name: 'add', input: '{"x":', malformed: true },
      ],
    },
    {
      role: 'tool',
      origin: 'tool',
      parts: [
        { type: 'tool_result', id: 'a', name: 'add', output: { sum: 1 } },
        { type: 'tool_result', id: 'b', name: 'add', output: 'not JSON', isError: true },
      ],
    },
    {
      role: 'assistant',
      origin: 'model',
      parts: [
        { type: 'text', text: 'one' },
        { type: 'text', text: 'two' },
      ],
    },
    { role: 'assistant', origin: 'model', parts: [] },
  ];
  const params = {
    maxOutputTokens: 9,
    temperature: 0,
    topP: 0.5,
    seed: 4,
    stop: ['x'],
    toolChoice: 'required',
    extra: { user: 'u' },
  } as const;
  assert.deepEqual(await bodyOf(ask(messages, { tools, params }), {}, () => undefined), {
    model: 'gpt-5-mini',
    tools: [{ type: 'function', function: { name: 'add', description: 'adds', parameters: { type: 'object' } } }],
    tool_choice: 'required',
    max_completion_tokens: 9,
    temperature: 0,
    top_p: 0.5,
    seed: 4,
    stop: ['x'],
    user: 'u',
    stream: true,
    stream_options: { include_usage: true },
    messages: [
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'hi' },
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          { id: 'a', type: 'function', function: { name: 'add', arguments: '{"x":1}' } },
          { id: 'b', type: 'function', function: { name: 'add', arguments: '{"x":' } },
        ],
      },
      { role: 'tool', tool_call_id: 'a', content: '{"sum":1}' },
      { role: 'tool', tool_call_id: 'b', content: 'Error: not JSON' },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'one' },
          { type: 'text', text: 'two' },
        ],
      },
      { role: 'assistant', content: '' },
    ],
  });
  const seen: HttpRequest[] = [];
  const controller = new AbortController();
  await openaiChat({ model: 'm', apiKey: KEY, baseUrl: 'http://127.0.0.1:9/v1/', headers: { 'x-a': 'b' } }).call(ask(), {
    world: canned({ body: fixture('text.json') }, seen),
    signal: controller.signal,
  });
  assert.equal(seen[0]?.url, 'http://127.0.0.1:9/v1/chat/completions');
  assert.equal(seen[0]?.signal, controller.signal);
  assert.deepEqual(seen[0]?.headers, { 'content-type': 'application/json', 'x-a': 'b', authorization: `Bearer ${KEY}` });
  const elsewhere = await bodyOf(ask([say('hi')], { instructions: '', params: { maxOutputTokens: 9 } }), {
    baseUrl: 'http://127.0.0.1:9/v1',
  });
  assert.deepEqual(elsewhere, { model: 'gpt-5-mini', max_tokens: 9, messages: [{ role: 'user', content: 'hi' }] });
});

test('an output schema is strict exactly when it keeps the rules of strict mode', async () => {
  const strictOf = async (outputSchema: ModelRequest['params']['outputSchema']): Promise<unknown> => {
    const body = await bodyOf(ask([say('hi')], { params: { outputSchema: outputSchema ?? {} } }));
    const format = body['response_format'] as {
      readonly type: string;
      readonly json_schema: { readonly strict: boolean; readonly schema: unknown };
    };
    assert.deepEqual([format.type, format.json_schema.schema], ['json_schema', outputSchema]);
    return format.json_schema.strict;
  };
  const leaf = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'], additionalProperties: false };
  assert.equal(await strictOf(leaf), true);
  assert.equal(await strictOf({ ...leaf, required: [] }), false);
  assert.equal(await strictOf({ ...leaf, additionalProperties: true }), false);
  assert.equal(await strictOf({ ...leaf, properties: { a: { type: 'array', items: { type: 'object' } } } }), false);
  assert.equal(await strictOf({ ...leaf, $defs: { b: { type: 'object' } } }), false);
});

test('any history of growing, forking and rewriting lists sends what a list never seen before would send', async () => {
  const make = (index: number): Message => (index % 3 === 2 ? { role: 'tool', origin: 'tool', parts: [] } : say(`m${index}`));
  const pool = Array.from({ length: 6 }, (_, index) => make(index));
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.array(
          fc.integer({ min: 0, max: 5 }).filter((index) => index % 3 !== 2),
          { minLength: 1, maxLength: 6 },
        ),
        { maxLength: 8 },
      ),
      async (lists) => {
        for (const list of lists) {
          const shared = await bodyOf(ask(list.map((index) => pool[index] as Message)));
          assert.deepEqual(shared, await bodyOf(ask(list.map(make))));
        }
      },
    ),
    { numRuns: 40 },
  );
});

test('a change of model, parameters, stream or instructions is sent though tools and history are the same', async () => {
  const tools = [{ name: 'add', description: 'adds', inputSchema: { type: 'object' } }];
  const messages = [say('hi')];
  const request = ask(messages, { tools });
  assert.equal((await bodyOf(request))['seed'], undefined);
  assert.equal((await bodyOf({ ...request, params: { seed: 1 } }))['seed'], 1);
  assert.equal((await bodyOf(request, { model: 'other' }))['model'], 'other');
  assert.equal((await bodyOf(request, {}, () => undefined))['stream'], true);
  assert.deepEqual((await bodyOf({ ...request, instructions: 'new' }))['messages'], [
    { role: 'system', content: 'new' },
    { role: 'user', content: 'hi' },
  ]);
});

test('a request that no provider could take is a bug and throws', async () => {
  const blob = { ref: 'a'.repeat(64), bytes: 1, mediaType: 'text/plain' };
  await assert.rejects(
    bodyOf(ask([{ role: 'tool', origin: 'tool', parts: [{ type: 'tool_result', id: 'a', name: 'n', output: blob }] }])),
    /M4/,
  );
  await assert.rejects(bodyOf(ask([{ role: 'tool', origin: 'tool', parts: [{ type: 'text', text: 'a' }] }])), /M2/);
  await assert.rejects(bodyOf(ask([{ role: 'user', origin: 'person', parts: [{ type: 'reasoning', text: 'a' }] }])), /M3/);
  await assert.rejects(bodyOf(ask([say('a')], { params: { extra: { model: 'x' } } })), /M1/);
  assert.throws(() => openaiChat({ model: ' ' }), { code: 'OPTION_INVALID' });
  assert.throws(() => openaiChat({ model: 'm', baseUrl: 'localhost:1' }), { code: 'OPTION_INVALID' });
});

test('price, window and name are those given', () => {
  const price = { inputUsd: 1, outputUsd: 2 };
  const { call: _, ...rest } = openaiChat({ model: 'm', provider: 'vllm', price, contextTokensMax: 8 });
  assert.deepEqual(rest, { name: 'vllm/m', price, contextTokensMax: 8 });
  assert.deepEqual(Object.keys(openaiChat({ model: 'm' })), ['name', 'call']);
});
