import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { NervaError, type HttpRequest, type JsonObject } from '../core/index.ts';
import type { Message } from './message.ts';
import type { Delta, ModelAnswer, ModelRequest } from './model.ts';
import { ollama, ollamaModels, type OllamaOptions } from './ollama.ts';
import { ask, askCanned, byteSplits, cannedWorld, rebuilt, say, told, wireFixture, type Canned } from './wire-scene.test.ts';

const NDJSON = { 'content-type': 'application/x-ndjson' };
const ME = 'ollama/qwen3:8b';
const fixture = (name: string): string => wireFixture(`ollama/${name}`);
const ignore = (): void => undefined;

function call(
  answer: Canned,
  options: { readonly onDelta?: (delta: Delta) => void; readonly request?: ModelRequest; readonly model?: Partial<OllamaOptions> } = {},
): Promise<ModelAnswer> {
  return askCanned(ollama({ model: 'qwen3:8b', ...options.model }), answer, options);
}

async function sent(request: ModelRequest, options: Partial<OllamaOptions> = {}): Promise<{ body: JsonObject; notSent: unknown }> {
  const seen: HttpRequest[] = [];
  const world = cannedWorld({ body: fixture('length.json') }, seen);
  const { meta } = await ollama({ model: 'qwen3:8b', ...options }).call(request, { world });
  return { body: JSON.parse(String(seen[0]?.body)) as JsonObject, notSent: meta?.['notSent'] };
}

for (const name of ['text', 'tools', 'length', 'logprobs', 'old']) {
  test(`Ollama's streamed answer "${name}" equals the one in one piece, and its deltas add up to it, however the bytes are cut`, async () => {
    const whole = await call({ body: fixture(`${name}.json`) });
    const stream = fixture(`${name}.ndjson`);
    for (const length of [1, 2, 7, 100, stream.length * 4]) {
      const deltas: Delta[] = [];
      const streamed = await call({ body: byteSplits(stream, length), headers: NDJSON }, { onDelta: (delta) => deltas.push(delta) });
      assert.deepEqual(streamed, whole);
      assert.deepEqual(rebuilt(deltas), told(streamed.parts));
    }
    const unended = await call({ body: stream.trimEnd(), headers: NDJSON }, { onDelta: ignore });
    assert.deepEqual(unended, whole, 'the last line may lack its end');
  });
}

test('thinking, calls with and without ids, counts and durations are read', async () => {
  const { parts, meta, ...rest } = await call({ body: fixture('text.json') });
  assert.deepEqual(parts, [
    { type: 'reasoning', text: 'Kurz: Streuung.', echo: { by: ME, data: {} } },
    { type: 'text', text: 'Der Himmel ist blau 🌊 — Rayleigh.\r\n"Ende"' },
  ]);
  assert.deepEqual(rest, { finish: 'stop', usage: { inputTokens: 26, outputTokens: 282 }, model: 'qwen3:8b' });
  assert.equal((meta?.['durationsNs'] as JsonObject | undefined)?.['eval_duration'], 4_535_599_000);
  const tools = await call({ body: fixture('tools.json') });
  assert.deepEqual(tools.parts.slice(1), [
    { type: 'tool_call', id: 'call_9zk2x1ab', name: 'get_weather', input: { city: 'Paris', unit: 'c' } },
    { type: 'tool_call', id: 'call_2', name: 'get_weather', input: { city: 'São Paulo' } },
    { type: 'tool_call', id: 'call_3', name: 'now', input: {} },
  ]);
  assert.equal(tools.finish, 'tool_calls');
  const old = await call({ body: fixture('old.json') });
  assert.deepEqual([old.finish, old.usage], ['stop', { inputTokens: null, outputTokens: 298 }]);
  const logprobs = (await call({ body: fixture('logprobs.json') })).meta?.['logprobs'] as readonly JsonObject[] | undefined;
  assert.deepEqual(
    logprobs?.map(({ token }) => token),
    ['Ja', '.'],
  );
  const loaded = await call({ body: '{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"load"}' });
  assert.deepEqual([loaded.finish, loaded.meta], ['other', { finishReason: 'load' }]);
  const text = await call({ body: '{"message":{"tool_calls":[{"function":{"name":"f","arguments":"{\\"a\\":"}}]},"done":true}' });
  assert.deepEqual(text.parts, [{ type: 'tool_call', id: 'call_0', name: 'f', input: '{"a":', malformed: true }]);
});

const TOOLS = [{ name: 'add', description: 'adds', inputSchema: { type: 'object', properties: { x: { type: 'number' } } } }];

test("a request has the form of Ollama's, and results stand in the order of their calls", async () => {
  const messages: readonly Message[] = [
    {
      role: 'user',
      origin: 'person',
      parts: [
        { type: 'text', text: 'look' },
        { type: 'file', mediaType: 'image/png', data: 'AAAA' },
        { type: 'text', text: 'here' },
      ],
    },
    {
      role: 'assistant',
      origin: 'model',
      parts: [
        { type: 'reasoning', text: 'hm', echo: { by: ME, data: {} } },
        { type: 'reasoning', text: 'not mine', echo: { by: 'openai/x', data: {} } },
        { type: 'text', text: 'one', echo: { by: 'openai/x', data: { id: 'msg_1' } } },
        { type: 'text', text: 'two' },
        { type: 'tool_call', id: 'a', name: 'add', input: { x: 1 } },
        { type: 'tool_call', id: 'b', name: 'add', input: '{"x":', malformed: true },
      ],
    },
    { role: 'tool', origin: 'tool', parts: [{ type: 'tool_result', id: 'b', name: 'add', output: 'not JSON', isError: true }] },
    { role: 'tool', origin: 'tool', parts: [{ type: 'tool_result', id: 'a', name: 'add', output: { sum: 1 } }] },
    { role: 'assistant', origin: 'model', parts: [] },
  ];
  const params = {
    maxOutputTokens: 9,
    temperature: 0,
    topP: 0.5,
    seed: 4,
    stop: ['x'],
    toolChoice: 'required',
    reasoning: 'low',
    logprobs: 2,
    tokenIds: true,
    parallelToolCalls: false,
    extra: { options: { top_k: 3 } },
  } as const;
  const { body, notSent } = await sent(ask(messages, { tools: TOOLS, params }), {
    contextTokensMax: 16_384,
    keepAlive: '10m',
    options: { num_thread: 4, temperature: 1 },
  });
  assert.deepEqual(body, {
    model: 'qwen3:8b',
    stream: false,
    tools: [{ type: 'function', function: { name: 'add', description: 'adds', parameters: TOOLS[0]?.inputSchema } }],
    think: 'low',
    logprobs: true,
    top_logprobs: 2,
    truncate: false,
    shift: false,
    keep_alive: '10m',
    options: { num_ctx: 16_384, num_thread: 4, temperature: 0, num_predict: 9, top_p: 0.5, seed: 4, stop: ['x'], top_k: 3 },
    messages: [
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'look\nhere', images: ['AAAA'] },
      {
        role: 'assistant',
        content: 'onetwo',
        thinking: 'hm',
        tool_calls: [
          { id: 'a', function: { name: 'add', arguments: { x: 1 } } },
          { id: 'b', function: { name: 'add', arguments: { input: '{"x":' } } },
        ],
      },
      { role: 'tool', content: '{"sum":1}', tool_name: 'add', tool_call_id: 'a' },
      { role: 'tool', content: 'Error: not JSON', tool_name: 'add', tool_call_id: 'b' },
      { role: 'assistant', content: '' },
    ],
  });
  assert.deepEqual(notSent, [
    'params.parallelToolCalls',
    'params.tokenIds',
    'reasoning of 1 earlier part',
    'params.toolChoice',
    'signatures and ids of 1 earlier part of other models',
  ]);
});

test('thinking, formats and memory are asked for as the server can be told', async () => {
  const bodyOf = async (
    params: ModelRequest['params'],
    options: Partial<OllamaOptions> = {},
    tools: ModelRequest['tools'] = [],
  ): Promise<JsonObject> => (await sent(ask([say('a')], { params, tools }), options)).body;
  assert.equal((await bodyOf({ reasoning: 'none' }))['think'], false);
  assert.equal((await bodyOf({}))['think'], undefined);
  const switched = await sent(ask([say('a')], { params: { reasoning: 'high' } }), { think: 'switch' });
  assert.deepEqual(
    [switched.body['think'], switched.notSent],
    [true, ['params.reasoning: it can be switched on and off only; sent as true']],
  );
  const outputSchema = { type: 'object', properties: {} };
  assert.deepEqual((await bodyOf({ outputSchema }))['format'], outputSchema);
  assert.deepEqual((await bodyOf({ outputSchema, toolChoice: 'none' }, {}, TOOLS))['format'], outputSchema);
  const prompted = await bodyOf({ outputSchema }, {}, TOOLS);
  assert.equal(prompted['format'], undefined);
  assert.match(JSON.stringify(prompted['messages']), /be brief.*JSON Schema/);
  assert.equal((await bodyOf({ toolChoice: 'none' }, {}, TOOLS))['tools'], undefined);
  const forgetful = await bodyOf({}, { mayForget: true, options: { num_ctx: 5 }, contextTokensMax: 9 });
  assert.deepEqual([forgetful['truncate'], forgetful['shift'], forgetful['options']], [undefined, undefined, { num_ctx: 5 }]);
  const seen: HttpRequest[] = [];
  const world = cannedWorld([{ body: fixture('length.json') }, { body: fixture('length.ndjson'), headers: NDJSON }], seen);
  const model = ollama({ model: 'm' });
  const request = ask();
  await model.call(request, { world });
  await model.call(request, { world, onDelta: ignore });
  assert.deepEqual(
    seen.map(({ url, body, headers }) => [url, (JSON.parse(String(body)) as JsonObject)['stream'], headers]),
    [false, true].map((isStream) => ['http://127.0.0.1:11434/api/chat', isStream, { 'content-type': 'application/json' }]),
  );
});

test('what is not a chat response of Ollama is MODEL_GARBAGE with a bounded excerpt, whole and streamed', async () => {
  const one = (message: unknown): string => JSON.stringify({ message, done: true });
  for (const body of [
    '<html>busy</html>',
    '',
    'null',
    '[]',
    '{}',
    '{"message":{"content":"a"},"done":false}',
    '{"message":7,"done":true}',
    one({ content: 7 }),
    one({ tool_calls: 7 }),
    one({ tool_calls: [7] }),
    one({ tool_calls: [{}] }),
    one({ tool_calls: [{ function: {} }] }),
    one({ tool_calls: [{ function: { name: 'f', arguments: 7 } }] }),
    'x'.repeat(1e5),
  ])
    await assert.rejects(
      call({ body }),
      (error: Error) => NervaError.is(error, 'MODEL_GARBAGE') && error.message.length < 500,
      body.slice(0, 80),
    );
  for (const body of ['nonsense\n', '[]\n', '{"done":false}\n', `${one({ content: 7 })}\n`])
    await assert.rejects(call({ body, headers: NDJSON }, { onDelta: ignore }), { code: 'MODEL_GARBAGE' }, body);
});

test("any cut of Ollama's stream before its last line is MODEL_TRUNCATED, and never an answer", async () => {
  const stream = fixture('tools.ndjson');
  await fc.assert(
    fc.asyncProperty(fc.nat(stream.length - 3), async (length) => {
      await assert.rejects(call({ body: stream.slice(0, length), headers: NDJSON }, { onDelta: ignore }), { code: 'MODEL_TRUNCATED' });
    }),
    { numRuns: 60 },
  );
});

test('each refusal of Ollama has its code, before and in a stream', async () => {
  const table: readonly (readonly [number, string, string])[] = [
    [404, fixture('error-404.json'), 'MODEL_REFUSED'],
    [400, fixture('error-tools.json'), 'MODEL_REFUSED'],
    [400, fixture('error-context.json'), 'CONTEXT_TOO_LONG'],
    [500, '{"error":"input length (9000 tokens) exceeds the model\'s maximum context length (8192 tokens)"}', 'CONTEXT_TOO_LONG'],
    [500, '{"error":"llama runner process has terminated"}', 'MODEL_UNAVAILABLE'],
    [401, '{"error":"unauthorized","signin_url":"https://ollama.com/x"}', 'MODEL_AUTH'],
    [429, '{"error":"too many requests"}', 'MODEL_RATE_LIMITED'],
    [200, fixture('error.ndjson'), 'MODEL_UNAVAILABLE'],
    [200, fixture('error-context.ndjson'), 'CONTEXT_TOO_LONG'],
  ];
  for (const [status, body, code] of table) {
    const headers = status === 200 ? NDJSON : {};
    await assert.rejects(call({ status, headers, body }, { onDelta: ignore }), (error: Error) => {
      assert.ok(NervaError.is(error) && error.message.startsWith(ME), error.message);
      assert.equal(error.code, code, error.message);
      return true;
    });
  }
});

test('a change of parameters or instructions is sent to Ollama though tools and history are the same', async () => {
  const model = ollama({ model: 'm' });
  const seen: HttpRequest[] = [];
  const world = cannedWorld({ body: fixture('length.json') }, seen);
  const request = ask([say('a')], { tools: TOOLS });
  for (const next of [request, { ...request, params: { seed: 1 } }, { ...request, instructions: 'new' }, request])
    await model.call(next, { world });
  const bodies = seen.map(({ body }) => JSON.parse(String(body)) as JsonObject);
  assert.deepEqual(
    bodies.map((body) => [body['options'], (body['messages'] as readonly JsonObject[])[0]?.['content']]),
    [
      [undefined, 'be brief'],
      [{ seed: 1 }, 'be brief'],
      [undefined, 'new'],
      [undefined, 'be brief'],
    ],
  );
});

test('any history of growing, forking and rewriting lists sends to Ollama what a list never seen before would send', async () => {
  const assistant = (id: string): Message => ({
    role: 'assistant',
    origin: 'model',
    parts: [{ type: 'tool_call', id, name: 'f', input: {} }],
  });
  const result = (id: string): Message => ({ role: 'tool', origin: 'tool', parts: [{ type: 'tool_result', id, name: 'f', output: 1 }] });
  const make: readonly (() => Message)[] = [
    () => say('a'),
    () => assistant('x'),
    () => result('x'),
    () => assistant('y'),
    () => result('y'),
  ];
  const pool = make.map((one) => one());
  const model = ollama({ model: 'm' });
  const bodyOf = async (by: ReturnType<typeof ollama>, messages: readonly Message[]): Promise<unknown> => {
    const seen: HttpRequest[] = [];
    await by.call(ask(messages), { world: cannedWorld({ body: fixture('length.json') }, seen) });
    return JSON.parse(String(seen[0]?.body));
  };
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(fc.nat(4), { minLength: 1, maxLength: 6 }), { maxLength: 8 }), async (lists) => {
      for (const list of lists) {
        const shared = await bodyOf(
          model,
          list.map((index) => pool[index] as Message),
        );
        assert.deepEqual(
          shared,
          await bodyOf(
            ollama({ model: 'm' }),
            list.map((index) => (make[index] as () => Message)()),
          ),
        );
      }
    }),
    { numRuns: 40 },
  );
});

test('what Ollama could never take is refused or a bug, and nothing is sent', async () => {
  const file = (mediaType: string, data: string | { url: string }): Message => ({
    role: 'user',
    origin: 'person',
    parts: [{ type: 'file', mediaType, data }],
  });
  await assert.rejects(sent(ask([file('application/pdf', 'AAAA')])), { code: 'MODEL_REFUSED' });
  await assert.rejects(sent(ask([file('image/png', { url: 'https://e.org/a.png' })])), { code: 'MODEL_REFUSED' });
  await assert.rejects(sent(ask([{ role: 'tool', origin: 'tool', parts: [{ type: 'text', text: 'a' }] }])), /M2/);
  await assert.rejects(sent(ask([say('a')], { params: { extra: { model: 'x' } } })), /M1/);
  await assert.rejects(sent(ask([say('a')], { params: { seed: 1, extra: { options: { seed: 2 } } } })), /M1/);
  assert.throws(() => ollama({ model: '' }), { code: 'OPTION_INVALID' });
});

test('the models of a server are listed; what the list does not say is asked for', async () => {
  const seen: HttpRequest[] = [];
  const world = cannedWorld([{ body: fixture('tags.json') }, { body: fixture('show.json') }], seen);
  assert.deepEqual(await ollamaModels({}, { world }), [
    {
      name: 'qwen3:8b',
      capabilities: ['completion', 'tools', 'thinking'],
      contextTokensMax: 40_960,
      dimensions: 4096,
      bytes: 5_225_388_164,
    },
    { name: 'llava:latest', capabilities: ['completion', 'vision'], contextTokensMax: 32_768, dimensions: 4096, bytes: 4_733_363_377 },
  ]);
  assert.deepEqual(
    seen.map(({ method, url, body }) => [method, url, body]),
    [
      ['GET', 'http://127.0.0.1:11434/api/tags', undefined],
      ['POST', 'http://127.0.0.1:11434/api/show', '{"model":"llava:latest"}'],
    ],
  );
  assert.deepEqual(await ollamaModels({}, { world: cannedWorld([{ body: '{"models":[{"name":"a"}]}' }, { body: '{}' }]) }), [
    { name: 'a', capabilities: null, contextTokensMax: null, dimensions: null, bytes: null },
  ]);
  for (const body of ['{}', '{"models":[7]}', 'no'])
    await assert.rejects(ollamaModels({}, { world: cannedWorld({ body }) }), { code: 'MODEL_GARBAGE' });
  await assert.rejects(
    ollamaModels({}, { world: cannedWorld([{ body: '{"models":[{"name":"a"}]}' }, { status: 404, body: '{"error":"gone"}' }]) }),
    { code: 'MODEL_REFUSED' },
  );
});
