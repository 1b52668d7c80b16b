import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { HttpRequest, Json, JsonObject, World } from '../../core/index.ts';
import { anthropic, type AnthropicOptions } from '../anthropic.ts';
import type { Message, Part } from '../message.ts';
import type { ModelAnswer, ModelParams, ModelRequest } from '../model.ts';
import { ask, askCanned, cannedWorld, say, wireFixture } from '../wire-scene.test.ts';

const fixture = (name: string): string => wireFixture(`anthropic/${name}`);
const SSE = { 'content-type': 'text/event-stream; charset=utf-8' };
const KEY = 'sk-ant-api03-0123456789abcdef';
const BUDGET_MODEL = 'claude-sonnet-4-5-20250929';
const ADAPTIVE_MODEL = 'claude-opus-4-7';
const ignore = (): void => undefined;
const reply = (...parts: readonly Part[]): Message => ({ role: 'assistant', parts, origin: 'model' });
const call1 = (id: string, input: Json = {}): Part => ({ type: 'tool_call', id, name: 'add', input });
const results = (...ids: readonly string[]): Message => ({
  role: 'tool',
  origin: 'tool',
  parts: ids.map((id, index): Part => ({ type: 'tool_result', id, name: 'add', output: index })),
});
const ADD = { name: 'add', description: 'adds', inputSchema: { type: 'object' } };
const answerOf = (name: string): Promise<ModelAnswer> => askCanned(anthropic({ model: BUDGET_MODEL }), { body: fixture(`${name}.json`) });

/** What is sent for a request, and what is said not to be. */
async function sent(
  request: ModelRequest,
  options: Partial<AnthropicOptions> = {},
  onDelta?: () => void,
): Promise<{ readonly body: Record<string, unknown>; readonly left: unknown; readonly request: HttpRequest }> {
  const seen: HttpRequest[] = [];
  const world = cannedWorld(onDelta === undefined ? { body: fixture('text.json') } : { body: fixture('text.sse'), headers: SSE }, seen);
  const model = anthropic({ model: BUDGET_MODEL, cache: 'off', ...options });
  const answer = await model.call(request, { world, ...(onDelta === undefined ? {} : { onDelta }) });
  const [first] = seen;
  assert.ok(first);
  return { body: JSON.parse(String(first.body)) as Record<string, unknown>, left: answer.meta?.['notSent'], request: first };
}

const messagesOf = async (messages: readonly Message[], options: Partial<AnthropicOptions> = {}): Promise<unknown> =>
  (await sent(ask(messages, { tools: [ADD] }), options)).body['messages'];

test('what a model said goes back to it as it came: thinking with its signature, what is sealed, citations, tools that ran at the provider', async () => {
  for (const name of ['text', 'tools', 'citations', 'pause']) {
    const { parts } = await answerOf(name);
    const ids = parts.flatMap((part) => (part.type === 'tool_call' ? [part.id] : []));
    const list = await messagesOf([say('hi'), reply(...parts), ids.length > 0 ? results(...ids) : say('and?')]);
    const { content } = JSON.parse(fixture(`${name}.json`)) as { readonly content: unknown };
    assert.deepEqual((list as readonly unknown[])[1], { role: 'assistant', content }, name);
  }
});

test('what another model sealed is not sent, and named', async () => {
  const { parts } = await answerOf('tools');
  const cited = (await answerOf('citations')).parts;
  const foreign: Part = { type: 'text', text: 'x', echo: { by: 'google/gemini-3', data: { thoughtSignature: 'a' } } };
  const history = [say('hi'), reply(...parts), results('toolu_01A', 'toolu_01B', 'toolu_01C'), reply(...cited, foreign), say('so?')];
  const { body, left } = await sent(ask(history, { tools: [ADD] }), { model: 'claude-opus-4-6' });
  assert.deepEqual(left, ['reasoning of 2 earlier parts', 'echoes of 3 earlier parts', 'citations of 2 earlier parts']);
  const list = body['messages'] as readonly { readonly content: readonly { readonly type: string }[] }[];
  assert.deepEqual(
    list[1]?.content.map(({ type }) => type),
    ['text', 'tool_use', 'tool_use', 'tool_use'],
  );
  assert.ok(!JSON.stringify(list).includes('citations'));
  assert.deepEqual((await sent(ask(history, { tools: [ADD] }))).left, ['echoes of 1 earlier part'], 'its own model gets all');
});

test('a request has the form of the protocol', async () => {
  const history: readonly Message[] = [
    say('hi'),
    say('there'),
    reply(
      { type: 'text', text: ' \n' },
      call1('a', { x: 1 }),
      { type: 'tool_call', id: 'b', name: 'add', input: '{"x":', malformed: true },
      call1('c', [1]),
    ),
    {
      role: 'tool',
      origin: 'tool',
      parts: [
        { type: 'tool_result', id: 'b', name: 'add', output: '', isError: true },
        { type: 'tool_result', id: 'a', name: 'add', output: { sum: 1 } },
        { type: 'tool_result', id: 'c', name: 'add', output: 'one' },
      ],
    },
    say('go on'),
    reply({ type: 'text', text: 'one' }, { type: 'text', text: 'two' }),
    reply(),
    reply({ type: 'text', text: 'three' }),
    say('more'),
  ];
  const params = {
    maxOutputTokens: 9,
    temperature: 0,
    stop: ['x'],
    toolChoice: 'required',
    seed: 1,
    logprobs: 2,
    extra: { top_k: 3 },
  } as const;
  const { body, left, request } = await sent(ask(history, { tools: [ADD], params }), { apiKey: KEY, betas: ['b-1', 'b-2'] }, ignore);
  assert.deepEqual(body, {
    model: BUDGET_MODEL,
    max_tokens: 9,
    temperature: 0,
    stop_sequences: ['x'],
    tools: [{ name: 'add', description: 'adds', input_schema: { type: 'object' } }],
    tool_choice: { type: 'any' },
    top_k: 3,
    stream: true,
    system: [{ type: 'text', text: 'be brief' }],
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'hi' },
          { type: 'text', text: 'there' },
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'tool_use', id: 'a', name: 'add', input: { x: 1 } },
          { type: 'tool_use', id: 'b', name: 'add', input: { malformed: '{"x":' } },
          { type: 'tool_use', id: 'c', name: 'add', input: { value: [1] } },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'b', content: 'Error', is_error: true },
          { type: 'tool_result', tool_use_id: 'a', content: '{"sum":1}' },
          { type: 'tool_result', tool_use_id: 'c', content: 'one' },
          { type: 'text', text: 'go on' },
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'one' },
          { type: 'text', text: 'two' },
          { type: 'text', text: 'three' },
        ],
      },
      { role: 'user', content: [{ type: 'text', text: 'more' }] },
    ],
  });
  assert.deepEqual(left, ['params.seed', 'params.logprobs']);
  assert.equal(request.url, 'https://api.anthropic.com/v1/messages');
  assert.deepEqual(request.headers, {
    'content-type': 'application/json',
    'anthropic-version': '2023-06-01',
    'anthropic-beta': 'b-1,b-2',
    'x-api-key': KEY,
  });
  assert.deepEqual((await sent(ask([say('hi')], { instructions: '' }))).body, {
    model: BUDGET_MODEL,
    max_tokens: 32_000,
    messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
  });
});

test('tools, instructions and the last message are marked for the cache, and nothing that cannot be', async () => {
  const tools = [ADD, { ...ADD, name: 'sub' }];
  const history = [say('hi'), reply(call1('a')), results('a')];
  const marked = async (messages: readonly Message[], cache: 'auto' | 'off'): Promise<string[]> => {
    const { body } = await sent(ask(messages, { tools }), { cache });
    const paths: string[] = [];
    JSON.stringify(body, function (this: unknown, key: string, value: unknown) {
      if (key === 'cache_control') paths.push(JSON.stringify({ ...(this as object), cache_control: undefined }));
      return value;
    });
    return paths;
  };
  assert.deepEqual(await marked(history, 'off'), []);
  assert.deepEqual(await marked(history, 'auto'), [
    '{"name":"sub","description":"adds","input_schema":{"type":"object"}}',
    '{"type":"text","text":"be brief"}',
    '{"type":"tool_result","tool_use_id":"a","content":"0"}',
  ]);
  const sealed: Part = {
    type: 'reasoning',
    text: '',
    echo: { by: `anthropic/${BUDGET_MODEL}`, data: { block: { type: 'redacted_thinking', data: 'x' } } },
  };
  const served: Part = { ...sealed, echo: { by: sealed.echo?.by ?? '', data: { block: { type: 'web_search_tool_result' } } } };
  assert.equal((await marked([say('hi'), reply({ type: 'text', text: 'a' }, sealed)], 'auto')).at(-1), '{"type":"text","text":"a"}');
  assert.equal((await marked([say('hi'), reply(sealed, served)], 'auto')).at(-1), '{"type":"web_search_tool_result"}');
});

test('each message is made into JSON once, though the mark of the cache moves on', async () => {
  let count = 0;
  const counted = { toJSON: () => ({ n: count++ }) } as unknown as Json;
  const model = anthropic({ model: BUDGET_MODEL });
  const history: Message[] = [say('hi'), reply(call1('a', counted)), results('a')];
  const bodies: string[] = [];
  for (let step = 0; step < 4; step++) {
    const seen: HttpRequest[] = [];
    await model.call(ask([...history]), { world: cannedWorld({ body: fixture('text.json') }, seen) });
    bodies.push(String(seen[0]?.body));
    history.push(reply({ type: 'text', text: `step ${step}` }), say('more'));
  }
  assert.equal(count, 1);
  for (const body of bodies) {
    const { messages } = JSON.parse(body) as { readonly messages: readonly { readonly content: readonly object[] }[] };
    const marks = messages.flatMap(({ content }) => content.map((block) => 'cache_control' in block));
    assert.deepEqual(marks, [...marks.slice(1).fill(false), true]);
  }
});

test('any history of growing, forking and rewriting lists sends what a list never seen before would send', async () => {
  const make = (index: number): Message =>
    [
      say('a'),
      say(' '),
      reply({ type: 'text', text: 'b' }),
      reply(call1('call_0')),
      results('call_0'),
      reply({ type: 'reasoning', text: 'x' }),
    ][index] ?? say('z');
  const pool = Array.from({ length: 7 }, (_, index) => make(index));
  const lists = fc.array(
    fc.array(fc.nat(6), { maxLength: 7 }).map((rest) => [0, ...rest]),
    { maxLength: 8 },
  );
  const model = anthropic({ model: BUDGET_MODEL });
  const bodyOf = async (used: ReturnType<typeof anthropic>, messages: readonly Message[]): Promise<[unknown, unknown]> => {
    const seen: HttpRequest[] = [];
    const answer = await used.call(ask(messages), { world: cannedWorld({ body: fixture('text.json') }, seen) });
    return [seen[0]?.body, answer.meta?.['notSent']];
  };
  await fc.assert(
    fc.asyncProperty(lists, async (given) => {
      for (const list of given) {
        const known = await bodyOf(
          model,
          list.map((index) => pool[index] as Message),
        );
        assert.deepEqual(known, await bodyOf(anthropic({ model: BUDGET_MODEL }), list.map(make)));
      }
    }),
    { numRuns: 60 },
  );
});

test('how a model is asked to think follows its name, and what it cannot do is named', async () => {
  const table: readonly (readonly [model: string, params: ModelParams, thinking: unknown, effort: unknown, left?: readonly string[]])[] = [
    [BUDGET_MODEL, {}, undefined, undefined],
    [BUDGET_MODEL, { reasoning: 'none' }, undefined, undefined],
    [BUDGET_MODEL, { reasoning: 'low', maxOutputTokens: 10_000 }, { type: 'enabled', budget_tokens: 2000 }, undefined],
    [BUDGET_MODEL, { reasoning: 'high', maxOutputTokens: 10_000 }, { type: 'enabled', budget_tokens: 8000 }, undefined],
    [BUDGET_MODEL, { reasoning: 'medium' }, { type: 'enabled', budget_tokens: 16_000 }, undefined],
    [BUDGET_MODEL, { reasoning: 'low', maxOutputTokens: 1025 }, { type: 'enabled', budget_tokens: 1024 }, undefined],
    [BUDGET_MODEL, { reasoning: 'high', maxOutputTokens: 1024 }, undefined, undefined, ['params.reasoning']],
    [BUDGET_MODEL, { reasoning: 'low', toolChoice: 'required' }, undefined, undefined, ['params.reasoning']],
    [BUDGET_MODEL, { reasoning: 'low', temperature: 0.5 }, { type: 'enabled', budget_tokens: 6400 }, undefined, ['params.temperature']],
    ['claude-3-5-haiku-20241022', { reasoning: 'low', temperature: 0, topP: 1 }, undefined, undefined, ['params.reasoning']],
    ['claude-3-7-sonnet-latest', { reasoning: 'low' }, { type: 'enabled', budget_tokens: 6400 }, undefined],
    ['claude-sonnet-4-20250514', { reasoning: 'low' }, { type: 'enabled', budget_tokens: 6400 }, undefined],
    ['claude-sonnet-4-20250514', { temperature: 0, topP: 1 }, undefined, undefined],
    ['claude-opus-4-6', { reasoning: 'high' }, { type: 'adaptive', display: 'summarized' }, 'high'],
    [ADAPTIVE_MODEL, { reasoning: 'low' }, { type: 'adaptive', display: 'summarized' }, 'low'],
    [ADAPTIVE_MODEL, { reasoning: 'none' }, { type: 'disabled' }, undefined],
    [ADAPTIVE_MODEL, { reasoning: 'low', toolChoice: { tool: 'add' } }, { type: 'disabled' }, undefined, ['params.reasoning']],
    [ADAPTIVE_MODEL, { temperature: 0, topP: 1 }, undefined, undefined, ['params.temperature', 'params.topP']],
    [BUDGET_MODEL, { temperature: 0, topP: 1 }, undefined, undefined, ['params.topP']],
    ['claude-fable-5', { reasoning: 'none' }, undefined, undefined, ['params.reasoning']],
    ['claude-unheard-of', { reasoning: 'medium' }, { type: 'adaptive', display: 'summarized' }, 'medium'],
  ];
  for (const [model, params, thinking, effort, left = []] of table) {
    const { body, left: named = [] } = await sent(ask([say('hi')], { tools: [ADD], params }), { model });
    const config = body['output_config'] as JsonObject | undefined;
    assert.deepEqual([body['thinking'], config?.['effort'], named], [thinking, effort, left], `${model} ${JSON.stringify(params)}`);
    assert.deepEqual(
      [body['temperature'] !== undefined, body['top_p'] !== undefined],
      [
        params.temperature !== undefined && !left.includes('params.temperature'),
        params.topP !== undefined && !left.includes('params.topP'),
      ],
    );
  }
  const hidden = await sent(ask([say('hi')], { params: { reasoning: 'low' } }), { model: ADAPTIVE_MODEL, thinkingDisplay: 'omitted' });
  assert.deepEqual(hidden.body['thinking'], { type: 'adaptive', display: 'omitted' });
});

test('a turn that began without thinking goes on without, where the model has a budget for it', async () => {
  const params = { reasoning: 'low' } as const;
  const thought: Part = { type: 'reasoning', text: 'hm', echo: { by: `anthropic/${BUDGET_MODEL}`, data: { signature: 's' } } };
  const cases: readonly (readonly [string, readonly Message[], boolean])[] = [
    ['a call of a policy', [say('hi'), reply(call1('a')), results('a')], false],
    ['a call that was thought about', [say('hi'), reply(thought, call1('a')), results('a')], true],
    ['a thought that a policy follows up', [say('hi'), reply(thought, { type: 'text', text: 'x' }), reply(call1('a')), results('a')], true],
    ['a foreign turn that is over', [say('hi'), reply(call1('a')), results('a'), reply({ type: 'text', text: 'x' }), say('and')], true],
  ];
  for (const [what, history, isOn] of cases) {
    const { body, left } = await sent(ask(history, { tools: [ADD], params }));
    assert.deepEqual([body['thinking'] !== undefined, left], [isOn, isOn ? undefined : ['params.reasoning']], what);
  }
  const model = anthropic({ model: BUDGET_MODEL });
  const tools = [ADD];
  const seen: HttpRequest[] = [];
  for (const history of [cases[1]?.[1], cases[0]?.[1]])
    await model.call(ask(history, { tools, params }), { world: cannedWorld({ body: fixture('text.json') }, seen) });
  assert.deepEqual(
    seen.map(({ body }) => String(body).includes('budget_tokens')),
    [true, false],
    'with the same tools and parameters, too',
  );
  const adaptive = await sent(ask(cases[0]?.[1], { tools: [ADD], params }), { model: ADAPTIVE_MODEL });
  assert.deepEqual(adaptive.body['thinking'], { type: 'adaptive', display: 'summarized' });
});

test('thinking that was cut off before it was signed, or that nothing follows, is not sent and named', async () => {
  const by = `anthropic/${BUDGET_MODEL}`;
  const unsigned: Part = { type: 'reasoning', text: 'cut' };
  const signed: Part = { type: 'reasoning', text: 'hm', echo: { by, data: { signature: 's' } } };
  const { body, left } = await sent(
    ask([say('hi'), reply(unsigned, { type: 'text', text: 'x' }, signed), say('a'), reply(signed), say('b')]),
  );
  assert.deepEqual(left, ['reasoning of 3 earlier parts']);
  assert.deepEqual(
    (body['messages'] as readonly { readonly content: readonly JsonObject[] }[]).map(({ content }) =>
      content.map((block) => block['text']),
    ),
    [['hi'], ['x'], ['a', 'b']],
  );
});

test('which tool may be called is said in the words of the wire', async () => {
  const table: readonly (readonly [ModelParams, unknown])[] = [
    [{}, undefined],
    [{ toolChoice: 'auto' }, { type: 'auto' }],
    [{ toolChoice: 'none', parallelToolCalls: false }, { type: 'none' }],
    [{ toolChoice: 'required' }, { type: 'any' }],
    [
      { toolChoice: { tool: 'add' }, parallelToolCalls: false },
      { type: 'tool', name: 'add', disable_parallel_tool_use: true },
    ],
    [{ parallelToolCalls: false }, { type: 'auto', disable_parallel_tool_use: true }],
    [{ parallelToolCalls: true }, undefined],
  ];
  for (const [params, choice] of table)
    assert.deepEqual((await sent(ask([say('hi')], { tools: [ADD], params }))).body['tool_choice'], choice, JSON.stringify(params));
  const { body } = await sent(ask([say('hi'), reply(call1('a')), results('a')]));
  assert.deepEqual(
    [body['tools'], body['tool_choice']],
    [[{ name: 'add', input_schema: { type: 'object' } }], { type: 'none' }],
    'tools that are gone are named, since the history has them, and forbidden',
  );
  const model = anthropic({ model: ADAPTIVE_MODEL });
  const shared = ask([say('hi')]);
  const bodies: HttpRequest[] = [];
  for (const messages of [shared.messages, [say('hi'), reply(call1('a')), results('a')]])
    await model.call({ ...shared, messages }, { world: cannedWorld({ body: fixture('text.json') }, bodies) });
  assert.deepEqual(
    bodies.map(({ body: text }) => String(text).includes('"tools"')),
    [false, true],
    'with the same empty list of tools, too',
  );
  const search = { type: 'web_search_20250305', name: 'web_search' };
  assert.deepEqual((await sent(ask(), { serverTools: [search] })).body['tools'], [search]);
  await assert.rejects(sent(ask([say('hi')], { tools: [{ ...ADD, name: 'nerva_answer' }] })), /M6/);
});

const CLOSED = { type: 'object', properties: { n: { type: 'number' } }, required: ['n'], additionalProperties: false };

test('an answer of a schema is asked for natively where model and schema allow it, else by a tool, and is the same text', async () => {
  const native = await sent(ask([say('hi')], { params: { outputSchema: CLOSED, reasoning: 'low' } }), { model: ADAPTIVE_MODEL });
  assert.deepEqual(native.body['output_config'], { effort: 'low', format: { type: 'json_schema', schema: CLOSED } });
  assert.equal(native.body['tools'], undefined);
  const open = { ...CLOSED, additionalProperties: true };
  const list = { type: 'array', items: { $ref: '#/$defs/n' }, $defs: { n: { type: 'number' } } };
  const table: readonly (readonly [string, JsonObject, ModelParams, boolean, unknown, unknown])[] = [
    [ADAPTIVE_MODEL, open, {}, false, { type: 'tool', name: 'nerva_answer', disable_parallel_tool_use: true }, open],
    [ADAPTIVE_MODEL, { ...CLOSED, maxProperties: 3 }, {}, true, { type: 'any' }, { ...CLOSED, maxProperties: 3 }],
    [
      'claude-3-7-sonnet-latest',
      CLOSED,
      { toolChoice: 'none' },
      true,
      { type: 'tool', name: 'nerva_answer', disable_parallel_tool_use: true },
      CLOSED,
    ],
    ['claude-3-7-sonnet-latest', CLOSED, { toolChoice: { tool: 'add' } }, true, { type: 'tool', name: 'add' }, CLOSED],
    [
      ADAPTIVE_MODEL,
      list,
      {},
      false,
      { type: 'tool', name: 'nerva_answer_value', disable_parallel_tool_use: true },
      { type: 'object', properties: { value: { type: 'array', items: { $ref: '#/$defs/n' } } }, required: ['value'], $defs: list.$defs },
    ],
  ];
  for (const [model, outputSchema, params, hasTools, choice, schema] of table) {
    const { body } = await sent(ask([say('hi')], { tools: hasTools ? [ADD] : [], params: { ...params, outputSchema } }), { model });
    const last = (body['tools'] as readonly JsonObject[]).at(-1);
    assert.deepEqual([body['tool_choice'], last?.['input_schema'], body['output_config']], [choice, schema, undefined], model);
  }
  const given = async (name: string, json: string): Promise<readonly unknown[]> => {
    const model = anthropic({ model: ADAPTIVE_MODEL });
    const message = { id: 'm', type: 'message', role: 'assistant', model: 'c', usage: { input_tokens: 1, output_tokens: 1 } };
    const end = { stop_reason: 'tool_use', stop_sequence: null };
    const whole = { ...message, content: [{ type: 'tool_use', id: 't', name, input: JSON.parse(json) as unknown }], ...end };
    const events = [
      { type: 'message_start', message: { ...message, content: [], stop_reason: null } },
      { type: 'content_block_start', index: 0, content_block: { type: 'tool_use', id: 't', name, input: {} } },
      ...json
        .split('')
        .map((piece) => ({ type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: piece } })),
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: end, usage: { output_tokens: 1 } },
      { type: 'message_stop' },
    ];
    const body = events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
    const streamed = await askCanned(model, { body, headers: SSE }, { onDelta: ignore });
    assert.deepEqual(streamed, await askCanned(model, { body: JSON.stringify(whole) }));
    return [streamed.parts, streamed.finish];
  };
  assert.deepEqual(await given('nerva_answer', '{ "n": 1 }'), [[{ type: 'text', text: '{"n":1}' }], 'stop']);
  assert.deepEqual(await given('nerva_answer_value', '{ "value": [1, 2] }'), [[{ type: 'text', text: '[1,2]' }], 'stop']);
});

test('images and documents go as bytes or by address, and what the wire has no place for is refused before it is sent', async () => {
  const file = (mediaType: string, data: string | { readonly url: string }, name?: string): Message => ({
    role: 'user',
    origin: 'person',
    parts: [{ type: 'file', mediaType, data, ...(name === undefined ? {} : { name }) }],
  });
  const url = 'https://example.com/a';
  const table: readonly (readonly [Message, object])[] = [
    [file('image/png', 'aGk='), { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'aGk=' } }],
    [file('image/png', { url }), { type: 'image', source: { type: 'url', url } }],
    [
      file('application/pdf', 'aGk=', 'a.pdf'),
      { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'aGk=' }, title: 'a.pdf' },
    ],
    [file('application/pdf', { url }), { type: 'document', source: { type: 'url', url } }],
    [
      file('text/markdown', Buffer.from('# Grüße').toString('base64')),
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: '# Grüße' } },
    ],
  ];
  for (const [message, block] of table) {
    assert.deepEqual(await messagesOf([message]), [{ role: 'user', content: [block] }]);
  }
  assert.deepEqual(await messagesOf([file('application/pdf', { url })], { citations: true }), [
    { role: 'user', content: [{ type: 'document', source: { type: 'url', url }, citations: { enabled: true } }] },
  ]);
  for (const message of [
    file('audio/wav', 'aGk='),
    file('video/mp4', { url }),
    file('image/tiff', 'aGk='),
    file('text/plain', { url }),
    file('application/zip', 'aGk='),
  ]) {
    await assert.rejects(messagesOf([message]), { code: 'MODEL_REFUSED' });
  }
  for (const list of [[], [say('')], [reply({ type: 'text', text: 'a' })]])
    await assert.rejects(messagesOf(list), { code: 'MODEL_REFUSED', message: /Nothing was sent/ });
});

test('a message that the wire cannot carry leaves no trace in what is sent after it', async () => {
  const model = anthropic({ model: BUDGET_MODEL });
  const world = (seen: HttpRequest[] = []): World => cannedWorld({ body: fixture('text.json') }, seen);
  const history = [say('hi'), reply(call1('a')), results('a')];
  const sound: Message = {
    role: 'user',
    origin: 'person',
    parts: [
      { type: 'text', text: 'listen' },
      { type: 'file', mediaType: 'audio/wav', data: 'aGk=' },
    ],
  };
  await model.call(ask(history), { world: world() });
  for (let time = 0; time < 2; time++)
    await assert.rejects(model.call(ask([...history, sound]), { world: world() }), { code: 'MODEL_REFUSED' });
  const seen: HttpRequest[] = [];
  await model.call(ask([...history, say('read')]), { world: world(seen) });
  assert.ok(!String(seen[0]?.body).includes('listen'));
  const fresh: HttpRequest[] = [];
  await anthropic({ model: BUDGET_MODEL }).call(ask([...history, say('read')]), { world: world(fresh) });
  assert.equal(seen[0]?.body, fresh[0]?.body);
});

test('a request that no provider could take is a bug and throws; options are checked', async () => {
  const blob = { ref: 'a'.repeat(64), bytes: 1, mediaType: 'text/plain' };
  await assert.rejects(
    messagesOf([{ role: 'tool', origin: 'tool', parts: [{ type: 'tool_result', id: 'a', name: 'n', output: blob }] }]),
    /M4/,
  );
  await assert.rejects(messagesOf([{ role: 'tool', origin: 'tool', parts: [{ type: 'text', text: 'a' }] }]), /M2/);
  await assert.rejects(messagesOf([{ role: 'user', origin: 'person', parts: [{ type: 'reasoning', text: 'a' }] }]), /M3/);
  await assert.rejects(messagesOf([reply({ type: 'file', mediaType: 'image/png', data: '' })]), /M3/);
  for (const extra of [{ model: 'x' }, { messages: [] }, { system: 'x' }])
    await assert.rejects(sent(ask([say('a')], { params: { extra } })), /M1/);
  assert.throws(() => anthropic({ model: ' ' }), { code: 'OPTION_INVALID' });
  assert.throws(() => anthropic({ model: 'm', baseUrl: 'localhost:1' }), { code: 'OPTION_INVALID' });
});
