import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { NervaError, type HttpRequest } from '../core/index.ts';
import type { Message, Part } from './message.ts';
import type { Delta, ModelAnswer, ModelRequest } from './model.ts';
import { openaiResponses, type OpenAiResponsesOptions } from './responses.ts';
import { ask, askCanned, byteSplits, cannedWorld, rebuilt, say, told, wireFixture, type Canned } from './wire-scene.test.ts';

const fixture = (name: string): string => wireFixture(`openai-responses/${name}`);
const SSE = { 'content-type': 'text/event-stream; charset=utf-8' };
const KEY = 'sk-test-0123456789abcdef';
const NAME = 'openai/gpt-5';
const model = (options: Partial<OpenAiResponsesOptions> = {}) => openaiResponses({ model: 'gpt-5', apiKey: KEY, ...options });
const ignore = (): void => undefined;

async function bodyOf(request: ModelRequest, options: Partial<OpenAiResponsesOptions> = {}): Promise<Record<string, unknown>> {
  return (await sent(request, options)).body;
}

async function sent(
  request: ModelRequest,
  options: Partial<OpenAiResponsesOptions> = {},
): Promise<{ readonly body: Record<string, unknown>; readonly answer: ModelAnswer; readonly http: HttpRequest }> {
  const seen: HttpRequest[] = [];
  const answer = await model(options).call(request, { world: cannedWorld({ body: fixture('text.json') }, seen) });
  const http = seen[0] as HttpRequest;
  return { body: JSON.parse(String(http.body)) as Record<string, unknown>, answer, http };
}

for (const name of ['text', 'tools', 'refusal', 'length', 'filtered', 'cited', 'logprobs', 'open']) {
  test(`the streamed response "${name}" equals the one in one piece, and its deltas add up to it, however the bytes are cut`, async () => {
    const whole = await askCanned(model(), { body: fixture(`${name}.json`) });
    const stream = fixture(`${name}.sse`);
    for (const length of [1, 7, 100, stream.length]) {
      const deltas: Delta[] = [];
      const onDelta = (delta: Delta): void => void deltas.push(delta);
      assert.deepEqual(await askCanned(model(), { body: byteSplits(stream, length), headers: SSE }, { onDelta }), whole);
      if (name !== 'length') assert.deepEqual(rebuilt(deltas), told(whole.parts));
    }
  });
}

test('a response is read into parts that hold what their maker wants back, reason, usage and what else is worth keeping', async () => {
  const { parts, ...rest } = await askCanned(model(), { body: fixture('tools.json') });
  assert.deepEqual(parts, [
    {
      type: 'reasoning',
      text: '',
      echo: { by: NAME, data: { id: 'rs_68af50a1', encrypted_content: 'gAAAAABor0AyS2V5-s3aledReasoningOfTheFirstStep==2' } },
    },
    { type: 'text', text: 'I look at both.', echo: { by: NAME, data: { id: 'msg_68af50a2', phase: 'commentary' } } },
    {
      type: 'tool_call',
      id: 'call_Qx1',
      name: 'get_weather',
      input: { city: 'Paris', unit: 'c' },
      echo: { by: NAME, data: { id: 'fc_68af50a3' } },
    },
    {
      type: 'tool_call',
      id: 'call_Qx2',
      name: 'get_weather',
      input: { city: 'São Paulo' },
      echo: { by: NAME, data: { id: 'fc_68af50a4' } },
    },
  ]);
  assert.deepEqual(rest, {
    finish: 'tool_calls',
    usage: { inputTokens: 128, outputTokens: 70, cachedInputTokens: 64, reasoningTokens: 32 },
    model: 'gpt-5-2025-08-07',
    meta: { id: 'resp_68af4030592c81938ec0a5fbab4a3e9f', serviceTier: 'default' },
  });
});

test('summaries, refusals, citations, cuts and log-probabilities are read', async () => {
  const read = (name: string): Promise<ModelAnswer> => askCanned(model(), { body: fixture(`${name}.json`) });
  const [text, refusal, length, filtered, cited, logprobs, open] = await Promise.all(
    ['text', 'refusal', 'length', 'filtered', 'cited', 'logprobs', 'open'].map(read),
  );
  assert.deepEqual(told(text?.parts ?? [])[0], {
    type: 'reasoning',
    text: '**Grüßen**\n\nA greeting is asked for.\n\n**Zwei Zeilen** 🌍',
  });
  assert.deepEqual([refusal?.finish, refusal?.meta?.['refusal']], ['content_filter', true]);
  assert.deepEqual(
    [length?.finish, length?.parts[2]],
    [
      'length',
      {
        type: 'tool_call',
        id: 'call_L1',
        name: 'write',
        input: '{"text":"The fir',
        malformed: true,
        echo: { by: NAME, data: { id: 'fc_68af70c3' } },
      },
    ],
  );
  assert.equal(filtered?.finish, 'content_filter');
  assert.deepEqual(
    cited?.parts.flatMap((part) => (part.type === 'text' ? part.citations : [])),
    [{ url: 'https://www.toureiffel.paris/en', title: 'The Eiffel Tower', start: 18, end: 34 }, { title: 'towers.pdf' }],
  );
  assert.deepEqual(
    ((logprobs?.meta?.['logprobs'] ?? []) as unknown as { readonly token: string; readonly bytes: unknown }[]).map(({ token, bytes }) => [
      token,
      bytes,
    ]),
    [
      ['Hello', [72, 101, 108, 108, 111]],
      [' you', [32, 121, 111, 117]],
    ],
  );
  assert.deepEqual(told(open?.parts ?? [])[0], { type: 'reasoning', text: 'We need to greet the user.' });
});

for (const name of ['text', 'tools', 'refusal', 'cited', 'open']) {
  test(`the items of "${name}" go back to their maker as they came`, async () => {
    const whole = fixture(`${name}.json`);
    const { parts } = await askCanned(model(), { body: whole });
    const { input } = await bodyOf(ask([say('hi'), { role: 'assistant', origin: 'model', parts }, ...resultsOf(parts)]));
    const items = (input as Record<string, unknown>[]).slice(1, 1 + (JSON.parse(whole) as { output: unknown[] }).output.length);
    const came = (JSON.parse(whole) as { readonly output: readonly Record<string, unknown>[] }).output;
    assert.deepEqual(items, came.map(asInput));
  });
}

/** An item of an answer as it stands in a request: what only an answer has is left out. */
function asInput(item: Readonly<Record<string, unknown>>): unknown {
  if (item['type'] === 'message') {
    const content = (item['content'] as readonly Record<string, unknown>[]).map(({ type, text, refusal }) =>
      type === 'refusal' ? { type, refusal } : { type, text, annotations: [] },
    );
    return { ...item, content };
  }
  if (item['type'] === 'function_call') {
    const { status: _, ...rest } = item;
    return rest;
  }
  if (item['encrypted_content'] !== null) return item;
  const { encrypted_content: _, ...rest } = item;
  return rest;
}

function resultsOf(parts: readonly Part[]): Message[] {
  const results = parts.flatMap((part): Part[] =>
    part.type === 'tool_call' ? [{ type: 'tool_result', id: part.id, name: part.name, output: 'ok' }] : [],
  );
  return results.length === 0 ? [] : [{ role: 'tool', origin: 'tool', parts: results }];
}

test('what another model made goes without its ids and its reasoning, and that is said', async () => {
  const { parts } = await askCanned(model(), { body: fixture('tools.json') });
  const foreign: Message = { role: 'assistant', origin: 'model', parts };
  const { body, answer } = await sent(ask([say('hi'), foreign, ...resultsOf(parts)]), { model: 'gpt-5-mini' });
  assert.deepEqual(body['input'], [
    { role: 'user', content: [{ type: 'input_text', text: 'hi' }] },
    { role: 'assistant', content: [{ type: 'output_text', text: 'I look at both.' }] },
    { type: 'function_call', call_id: 'call_Qx1', name: 'get_weather', arguments: '{"city":"Paris","unit":"c"}' },
    { type: 'function_call', call_id: 'call_Qx2', name: 'get_weather', arguments: '{"city":"São Paulo"}' },
    { type: 'function_call_output', call_id: 'call_Qx1', output: 'ok' },
    { type: 'function_call_output', call_id: 'call_Qx2', output: 'ok' },
  ]);
  assert.deepEqual(answer.meta?.['notSent'], ['reasoning of 1 earlier part']);
});

test('reasoning that nothing follows, or that is not sealed, is left out with the ids that hang on it, and that is said', async () => {
  const echo = (data: Record<string, string>) => ({ by: NAME, data });
  const messages: readonly Message[] = [
    say('hi'),
    { role: 'assistant', origin: 'model', parts: [{ type: 'reasoning', text: '', echo: echo({ id: 'rs_1', encrypted_content: 'x' }) }] },
    say('again'),
    {
      role: 'assistant',
      origin: 'model',
      parts: [
        { type: 'reasoning', text: 'open', echo: echo({ id: 'rs_2' }) },
        { type: 'text', text: 'a', echo: echo({ id: 'msg_2' }) },
        { type: 'tool_call', id: 'c', name: 'add', input: {}, echo: echo({ id: 'fc_2' }) },
      ],
    },
    { role: 'tool', origin: 'tool', parts: [{ type: 'tool_result', id: 'c', name: 'add', output: 'no', isError: true }] },
  ];
  const { body, answer } = await sent(ask(messages));
  assert.deepEqual((body['input'] as readonly unknown[]).slice(1), [
    { role: 'user', content: [{ type: 'input_text', text: 'again' }] },
    { role: 'assistant', content: [{ type: 'output_text', text: 'a' }] },
    { type: 'function_call', call_id: 'c', name: 'add', arguments: '{}' },
    { type: 'function_call_output', call_id: 'c', output: 'Error: no' },
  ]);
  assert.deepEqual(answer.meta?.['notSent'], ['reasoning of 2 earlier parts that cannot stand alone']);
});

test('a request has the form of the protocol', async () => {
  const tools = [{ name: 'add', description: 'adds', inputSchema: { type: 'object' } }];
  const outputSchema = { type: 'object', properties: {}, required: [], additionalProperties: false };
  const params = {
    maxOutputTokens: 9,
    temperature: 0,
    topP: 0.5,
    seed: 4,
    stop: ['x'],
    toolChoice: { tool: 'add' },
    parallelToolCalls: false,
    reasoning: 'low',
    outputSchema,
    logprobs: 2,
    tokenIds: true,
    extra: { user: 'u' },
  } as const;
  const { body, answer, http } = await sent(ask([say('hi')], { tools, params }), {
    reasoningSummary: 'auto',
    verbosity: 'low',
    hostedTools: [{ type: 'web_search' }],
    include: ['web_search_call.action.sources'],
  });
  assert.deepEqual(body, {
    model: 'gpt-5',
    store: false,
    include: ['web_search_call.action.sources', 'reasoning.encrypted_content', 'message.output_text.logprobs'],
    tools: [{ type: 'function', name: 'add', description: 'adds', parameters: { type: 'object' }, strict: false }, { type: 'web_search' }],
    tool_choice: { type: 'function', name: 'add' },
    parallel_tool_calls: false,
    max_output_tokens: 9,
    temperature: 0,
    top_p: 0.5,
    top_logprobs: 2,
    text: { format: { type: 'json_schema', name: 'answer', schema: outputSchema, strict: true }, verbosity: 'low' },
    reasoning: { effort: 'low', summary: 'auto' },
    user: 'u',
    instructions: 'be brief',
    input: [{ role: 'user', content: [{ type: 'input_text', text: 'hi' }] }],
  });
  assert.deepEqual(answer.meta?.['notSent'], ['params.seed', 'params.stop', 'params.tokenIds']);
  assert.deepEqual([http.url, http.headers?.['authorization']], ['https://api.openai.com/v1/responses', `Bearer ${KEY}`]);
  const old = await bodyOf(ask([say('hi')], { instructions: '' }), { model: 'gpt-4o-mini' });
  assert.deepEqual(old, { model: 'gpt-4o-mini', store: false, input: [{ role: 'user', content: [{ type: 'input_text', text: 'hi' }] }] });
  await assert.rejects(bodyOf(ask([say('a')], { params: { extra: { input: [] } } })), /M1/);
});

test('images and documents are sent as this wire has them, sounds are refused before anything is sent', async () => {
  const files = (...parts: Part[]): ModelRequest => ask([{ role: 'user', origin: 'person', parts }]);
  const { input } = await bodyOf(
    files(
      { type: 'text', text: 'look' },
      { type: 'file', mediaType: 'image/png', data: 'QUJD' },
      { type: 'file', mediaType: 'image/png', data: { url: 'https://a.example/b.png' } },
      { type: 'file', mediaType: 'application/pdf', data: 'QUJD' },
      { type: 'file', mediaType: 'text/csv', name: 'a.csv', data: 'QUJD' },
      { type: 'file', mediaType: 'application/pdf', data: { url: 'https://a.example/b.pdf' } },
    ),
  );
  assert.deepEqual((input as { readonly content: unknown }[])[0]?.content, [
    { type: 'input_text', text: 'look' },
    { type: 'input_image', image_url: 'data:image/png;base64,QUJD' },
    { type: 'input_image', image_url: 'https://a.example/b.png' },
    { type: 'input_file', filename: 'document.pdf', file_data: 'data:application/pdf;base64,QUJD' },
    { type: 'input_file', filename: 'a.csv', file_data: 'data:text/csv;base64,QUJD' },
    { type: 'input_file', file_url: 'https://a.example/b.pdf' },
  ]);
  await assert.rejects(bodyOf(files({ type: 'file', mediaType: 'audio/wav', data: 'QUJD' })), { code: 'MODEL_REFUSED' });
});

test('ids of calls that this wire refuses are made fit, the same for a call and its result, and no other is touched', async () => {
  const long = `call_${'x'.repeat(80)}`;
  const ids = [long, '12.0', 'functions.add:0', 'call_A-1'];
  const input = { x: 1 };
  const { input: items } = await bodyOf(
    ask([
      say('hi'),
      { role: 'assistant', origin: 'model', parts: ids.map((id) => ({ type: 'tool_call', id, name: 'add', input })) },
      { role: 'tool', origin: 'tool', parts: ids.map((id) => ({ type: 'tool_result', id, name: 'add', output: 1 })) },
    ]),
  );
  const sentIds = (items as readonly Record<string, unknown>[]).slice(1).map((item) => String(item['call_id']));
  assert.deepEqual(sentIds.slice(0, 4), sentIds.slice(4));
  assert.equal(new Set(sentIds).size, 4);
  for (const id of sentIds) assert.match(id, /^[A-Za-z0-9_-]{1,64}$/);
  assert.equal(sentIds[3], 'call_A-1');
});

test('arguments that were not JSON go back as they were written', async () => {
  const { parts } = await askCanned(model(), { body: fixture('length.json') });
  const { input } = await bodyOf(ask([say('hi'), { role: 'assistant', origin: 'model', parts }, ...resultsOf(parts)]));
  assert.equal((input as readonly Record<string, unknown>[])[3]?.['arguments'], '{"text":"The fir');
});

test('any cut of a stream before its last event is MODEL_TRUNCATED, and never an answer', async () => {
  const stream = fixture('tools.sse');
  const end = stream.indexOf('event: response.completed');
  await fc.assert(
    fc.asyncProperty(fc.nat(end - 1), async (length) => {
      await assert.rejects(askCanned(model(), { body: stream.slice(0, length), headers: SSE }, { onDelta: ignore }), {
        code: 'MODEL_TRUNCATED',
      });
    }),
    { numRuns: 60 },
  );
});

test('a stream that tells its items only at its end is read too', async () => {
  const whole = await askCanned(model(), { body: fixture('tools.json') });
  const stream = fixture('tools.sse');
  const body = stream.slice(stream.indexOf('event: response.completed'));
  assert.deepEqual(await askCanned(model(), { body, headers: SSE }, { onDelta: ignore }), whole);
});

test('what is not a response is MODEL_GARBAGE with a bounded excerpt, whole and streamed', async () => {
  const response = (rest: object): string => JSON.stringify({ object: 'response', status: 'completed', output: [], ...rest });
  const bodies = [
    '<html>',
    'null',
    '{}',
    response({ output: {} }),
    response({ output: [7] }),
    response({ output: [{}] }),
    response({ status: 'queued' }),
    response({ output: [{ type: 'message' }] }),
    response({ output: [{ type: 'message', content: [{ type: 'output_text', text: 7 }] }] }),
    response({ output: [{ type: 'function_call', call_id: 'a', arguments: '{}' }] }),
    response({ output: [{ type: 'function_call', call_id: 'a', name: 'n', arguments: {} }] }),
  ];
  for (const body of bodies) {
    await assert.rejects(
      askCanned(model(), { body }),
      (error: Error) => NervaError.is(error, 'MODEL_GARBAGE') && error.message.length < 500,
      body,
    );
  }
  for (const body of [
    'data: nonsense\n\n',
    'data: []\n\n',
    'data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":7}\n\n',
  ])
    await assert.rejects(askCanned(model(), { body, headers: SSE }, { onDelta: ignore }), { code: 'MODEL_GARBAGE' }, body);
});

test('each failure has its code, whether its status says it or an event', async () => {
  const table: readonly (readonly [Canned, string])[] = [
    [{ status: 401, body: fixture('error-401.json') }, 'MODEL_AUTH'],
    [{ status: 429, body: fixture('error-429.json') }, 'MODEL_RATE_LIMITED'],
    [{ status: 400, body: fixture('error-context.json') }, 'CONTEXT_TOO_LONG'],
    [{ status: 400, body: fixture('error-previous.json') }, 'MODEL_REFUSED'],
    [{ status: 400, body: fixture('error-reasoning.json') }, 'MODEL_REFUSED'],
    [{ status: 400, body: fixture('error-sealed.json') }, 'MODEL_REFUSED'],
    [{ status: 503, body: '<html>busy</html>' }, 'MODEL_UNAVAILABLE'],
    [{ body: fixture('failed.json') }, 'MODEL_REFUSED'],
    [{ body: fixture('failed.sse'), headers: SSE }, 'MODEL_UNAVAILABLE'],
    [{ body: fixture('error.sse'), headers: SSE }, 'MODEL_RATE_LIMITED'],
    [{ body: 'data: {"type":"error","error":{"code":"invalid_prompt","message":"no"}}\n\n', headers: SSE }, 'MODEL_REFUSED'],
    [{ body: 'data: {"type":"response.failed","response":{"error":null}}\n\n', headers: SSE }, 'MODEL_UNAVAILABLE'],
  ];
  for (const [answer, code] of table) {
    await assert.rejects(askCanned(model(), answer, answer.headers === undefined ? {} : { onDelta: ignore }), (error: Error) => {
      assert.ok(NervaError.is(error));
      assert.deepEqual([error.code, error.message.includes('sk-abcde')], [code, false], error.message);
      return true;
    });
  }
});

const itemCount = (body: Record<string, unknown> | undefined): number => ((body?.['input'] ?? []) as unknown[]).length;

/** A stored model in a network of these answers, and the bodies that it sent. */
function stored(
  answers: readonly Canned[],
  options: Partial<OpenAiResponsesOptions> = {},
): {
  readonly call: (request: ModelRequest) => Promise<ModelAnswer>;
  readonly bodies: () => Record<string, unknown>[];
} {
  const seen: HttpRequest[] = [];
  const world = cannedWorld(answers, seen);
  const kept = model({ store: true, ...options });
  return {
    call: (request) => kept.call(request, { world }),
    bodies: () => seen.map(({ body }) => JSON.parse(String(body)) as Record<string, unknown>),
  };
}

test('a stored conversation goes on from its last answer; when that is gone, all is sent in the same call', async () => {
  const [tools, text] = [{ body: fixture('tools.json') }, { body: fixture('text.json') }];
  const gone = { status: 400, body: fixture('error-previous.json') };
  const { call, bodies } = stored([tools, text, gone, text]);
  const first = [say('hi')];
  const { parts } = await call(ask(first));
  const second = [...first, { role: 'assistant', origin: 'model', parts } as const, ...resultsOf(parts)];
  const again = await call(ask(JSON.parse(JSON.stringify(second)) as Message[]));
  const third = [...second, { role: 'assistant', origin: 'model', parts: again.parts } as const, say('more')];
  const last = await call(ask(third));
  const [, continued, lost, whole] = bodies();
  assert.deepEqual(
    [continued?.['previous_response_id'], itemCount(continued), continued?.['store'], continued?.['instructions']],
    ['resp_68af4030592c81938ec0a5fbab4a3e9f', 2, true, 'be brief'],
  );
  assert.equal(itemCount(lost), 1);
  assert.deepEqual([whole?.['previous_response_id'], itemCount(whole)], [undefined, 10]);
  assert.deepEqual(last.via, [{ type: 'stored_answer', id: 'resp_68af4030592c81938ec0a5fbab4a3e9f', outcome: 'gone' }]);
  assert.equal(bodies().length, 4);
});

test('a stored conversation that was rewritten, or whose last message is the answer, is sent whole', async () => {
  const text = { body: fixture('text.json') };
  const { call, bodies } = stored([text, text, text]);
  const { parts } = await call(ask([say('hi')]));
  await call(ask([say('ho'), { role: 'assistant', origin: 'model', parts }, say('more')]));
  await call(ask([say('hi'), { role: 'assistant', origin: 'model', parts }]));
  assert.deepEqual(
    bodies().map((body) => body['previous_response_id']),
    [undefined, undefined, undefined],
  );
});

test('a stored answer that is gone is not asked for again, and no more are remembered than allowed', async () => {
  const text = { body: fixture('text.json') };
  const gone = { status: 400, body: fixture('error-previous.json') };
  const first = stored([text, gone, { status: 503, body: 'busy' }, text]);
  const { parts } = await first.call(ask([say('hi')]));
  const more = ask([say('hi'), { role: 'assistant', origin: 'model', parts }, say('more')]);
  await assert.rejects(first.call(more), { code: 'MODEL_UNAVAILABLE' });
  await first.call(more);
  const isContinued = (body: Record<string, unknown>): boolean => 'previous_response_id' in body;
  assert.deepEqual(first.bodies().map(isContinued), [false, true, false, false]);
  const second = stored([text, text, text, text], { storedMax: 1 });
  for (const word of ['hi', 'ho']) await second.call(ask([say(word)]));
  for (const word of ['hi', 'ho']) await second.call(ask([say(word), { role: 'assistant', origin: 'model', parts }, say('more')]));
  assert.deepEqual(second.bodies().map(isContinued), [false, false, false, false]);
  const third = stored([text, text, text], { storedMax: 1 });
  for (const word of ['hi', 'ho']) await third.call(ask([say(word)]));
  await third.call(ask([say('ho'), { role: 'assistant', origin: 'model', parts }, say('more')]));
  assert.deepEqual(third.bodies().map(isContinued), [false, false, true]);
});

test('another failure of a call that goes on from a stored answer is not hidden', async () => {
  const { call, bodies } = stored([{ body: fixture('text.json') }, { status: 503, body: 'busy' }]);
  const { parts } = await call(ask([say('hi')]));
  await assert.rejects(call(ask([say('hi'), { role: 'assistant', origin: 'model', parts }, say('more')])), { code: 'MODEL_UNAVAILABLE' });
  assert.equal(bodies().length, 2);
});

test('a request that no provider could take is a bug and throws', async () => {
  await assert.rejects(bodyOf(ask([{ role: 'tool', origin: 'tool', parts: [{ type: 'text', text: 'a' }] }])), /M2/);
  await assert.rejects(bodyOf(ask([{ role: 'user', origin: 'person', parts: [{ type: 'reasoning', text: 'a' }] }])), /M3/);
  assert.throws(() => openaiResponses({ model: ' ' }), { code: 'OPTION_INVALID' });
});
