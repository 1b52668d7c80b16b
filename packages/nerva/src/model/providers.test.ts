import assert from 'node:assert/strict';
import test from 'node:test';
import type { HttpRequest } from '../core/index.ts';
import { nodeWorld } from '../node/index.ts';
import { compatibleChatMock, wireMock, type MockAnswer } from '../testing/index.ts';
import type { Message, Part } from './message.ts';
import type { Delta, ModelAnswer, ModelParams, ModelRequest } from './model.ts';
import { compatible, PROVIDERS, type CompatibleOptions } from './providers.ts';
import { ask, askCanned, byteSplits, cannedWorld, rebuilt, say, told, wireFixture } from './wire-scene.test.ts';

const SSE = { 'content-type': 'text/event-stream' };
const ADD = { name: 'add', description: 'adds', inputSchema: { type: 'object' } };
const fixture = (name: string): string => wireFixture(`compatible/${name}`);
const ignore = (): void => undefined;
const reply = JSON.stringify({ choices: [{ index: 0, message: { content: 'hi' }, finish_reason: 'stop' }] });

/** What was sent, and what the answer says was not. */
async function sent(
  id: string,
  request: Partial<ModelRequest>,
  options: Partial<CompatibleOptions> = {},
): Promise<{ readonly body: Record<string, unknown>; readonly http: HttpRequest; readonly notSent: unknown }> {
  const seen: HttpRequest[] = [];
  const answer = await compatible(id, { model: 'm', ...options }).call(ask([say('hi')], { instructions: '', ...request }), {
    world: cannedWorld({ body: reply }, seen),
  });
  const http = seen[0] as HttpRequest;
  return { http, body: JSON.parse(String(http.body)) as Record<string, unknown>, notSent: answer.meta?.['notSent'] };
}

test('each row is whole: one id, an address, where the key is found, its source, and nothing claims to be verified', () => {
  assert.equal(new Set(PROVIDERS.map(({ id }) => id)).size, PROVIDERS.length);
  assert.ok(PROVIDERS.length >= 19);
  for (const row of PROVIDERS) {
    assert.match(row.id, /^[a-z]+$/);
    assert.match(row.baseUrl, row.isLocal ? /^http:\/\/127\.0\.0\.1:\d+\/v1$/ : /^https:\/\/[^/]+.*[^/]$/);
    assert.match(row.docs, /^https:\/\//);
    assert.ok(row.title !== '' && row.source !== '' && row.keyVariables.length > 0 && row.urlVariables.length > 0, row.id);
    assert.equal(row.verified, 'unverified');
    for (const name of [...row.keyVariables, ...row.urlVariables]) assert.match(name, /^[A-Z][A-Z_]+$/);
    for (const { pattern } of row.models ?? []) assert.doesNotThrow(() => new RegExp(pattern));
  }
});

test('a model of each row is named after its provider and asks at its address with its key', async () => {
  for (const { id, baseUrl, quirks } of PROVIDERS) {
    const { http, body } = await sent(id, { params: { maxOutputTokens: 9 } }, { apiKey: 'key-12345' });
    assert.equal(http.url, `${baseUrl}/chat/completions`);
    assert.equal(http.headers?.['authorization'], 'Bearer key-12345');
    assert.equal(body[quirks.maxTokensField ?? 'max_tokens'], 9, id);
    assert.equal(compatible(id, { model: 'a/b' }).name, `${id}/a/b`);
  }
  assert.equal((await sent('vllm', {}, { baseUrl: 'http://gpu:9/v1/' })).http.url, 'http://gpu:9/v1/chat/completions');
});

test('an unknown provider is refused with the nearest name', () => {
  assert.throws(() => compatible('grok', { model: 'm' }), { code: 'OPTION_INVALID', message: /did you mean "groq"\? Known are groq, / });
  assert.throws(() => compatible('zzzzzzzzz', { model: 'm' }), { code: 'OPTION_INVALID', message: /"zzzzzzzzz" Known are|"zzzzzzzzz"/ });
});

test('each quirk of a request is sent as its provider has it, and what it has no place for is named', async () => {
  const schema = { type: 'object', properties: {}, required: [], additionalProperties: false };
  const base = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
  const table: readonly (readonly [id: string, model: string, params: ModelParams, body: object, notSent?: readonly string[]])[] = [
    [
      'groq',
      'qwen/qwen3-32b',
      { reasoning: 'low' },
      { ...base, model: 'qwen/qwen3-32b', reasoning_format: 'parsed', reasoning_effort: 'default' },
    ],
    [
      'groq',
      'qwen/qwen3-32b',
      { reasoning: 'none' },
      { ...base, model: 'qwen/qwen3-32b', reasoning_format: 'parsed', reasoning_effort: 'none' },
    ],
    ['groq', 'openai/gpt-oss-20b', { reasoning: 'none' }, { ...base, model: 'openai/gpt-oss-20b' }, ['params.reasoning']],
    ['groq', 'm', { reasoning: 'high', logprobs: 2 }, base, ['params.logprobs', 'params.reasoning']],
    ['deepseek', 'm', { reasoning: 'high' }, { ...base, thinking: { type: 'enabled' }, reasoning_effort: 'high' }],
    ['deepseek', 'm', { reasoning: 'none' }, { ...base, thinking: { type: 'disabled' } }],
    ['xai', 'grok-4.20-reasoning', { reasoning: 'low' }, { ...base, model: 'grok-4.20-reasoning' }, ['params.reasoning']],
    ['mistral', 'm', { seed: 7, reasoning: 'high' }, { ...base, random_seed: 7 }, ['params.reasoning']],
    ['mistral', 'mistral-small-latest', { reasoning: 'high' }, { ...base, model: 'mistral-small-latest', reasoning_effort: 'high' }],
    ['mistral', 'mistral-small-latest', { reasoning: 'low' }, { ...base, model: 'mistral-small-latest' }, ['params.reasoning']],
    ['together', 'm', { logprobs: 3 }, { ...base, logprobs: 3 }],
    ['together', 'm', { logprobs: 0 }, { ...base, logprobs: 1 }],
    ['openrouter', 'm', { reasoning: 'high' }, { ...base, reasoning: { effort: 'high' } }],
    ['cohere', 'm', { reasoning: 'medium', parallelToolCalls: false }, base, ['params.parallelToolCalls', 'params.reasoning']],
    ['cohere', 'm', { reasoning: 'high' }, { ...base, reasoning_effort: 'high' }],
    ['zhipu', 'm', { reasoning: 'none' }, { ...base, thinking: { type: 'disabled' } }],
    [
      'zhipu',
      'm',
      { outputSchema: schema },
      { ...base, response_format: { type: 'json_object' }, messages: [promptOf(schema), ...base.messages] },
    ],
    [
      'moonshot',
      'kimi-k2.6',
      { temperature: 1, reasoning: 'low' },
      { ...base, model: 'kimi-k2.6', thinking: { type: 'enabled' } },
      ['params.temperature'],
    ],
    ['moonshot', 'kimi-k3', { reasoning: 'high' }, { ...base, model: 'kimi-k3', reasoning_effort: 'high' }],
    [
      'moonshot',
      'moonshot-v1-8k',
      { temperature: 1, reasoning: 'low' },
      { ...base, model: 'moonshot-v1-8k', temperature: 1 },
      ['params.reasoning'],
    ],
    ['perplexity', 'm', { stop: ['x'], reasoning: 'none' }, base, ['params.stop', 'params.reasoning']],
    ['vllm', 'm', { tokenIds: true }, { ...base, return_token_ids: true }],
    ['lmstudio', 'm', { tokenIds: true }, base, ['params.tokenIds']],
  ];
  for (const [id, model, params, body, notSent] of table) {
    const { body: got, notSent: left } = await sent(id, { params }, { model });
    assert.deepEqual([got, left], [body, notSent], `${id} ${model} ${JSON.stringify(params)}`);
  }
});

function promptOf(schema: object): object {
  return {
    role: 'system',
    content: `Answer with one JSON value that fits this JSON Schema, and with nothing else:\n${JSON.stringify(schema)}`,
  };
}

test('choices of tools are put in the words of the provider, or left out and named; where tools are not taken, they are refused', async () => {
  const choose = async (id: string, toolChoice: NonNullable<ModelParams['toolChoice']>, model = 'm'): Promise<unknown> => {
    const { body, notSent } = await sent(id, { tools: [ADD], params: { toolChoice } }, { model });
    return notSent ?? body['tool_choice'];
  };
  assert.equal(await choose('mistral', 'required'), 'any');
  assert.equal(await choose('mistral', 'auto'), 'auto');
  assert.deepEqual(await choose('zhipu', 'required'), ['params.toolChoice']);
  assert.deepEqual(await choose('moonshot', { tool: 'add' }, 'kimi-k2.6'), ['params.toolChoice']);
  assert.equal(await choose('moonshot', 'required', 'moonshot-v1-8k'), 'required');
  assert.deepEqual(await choose('cohere', { tool: 'add' }), ['params.toolChoice']);
  await assert.rejects(choose('perplexity', 'auto'), { code: 'MODEL_REFUSED' });
});

test('streams ask for their usage except where it is refused', async () => {
  const asks = async (id: string): Promise<boolean> => {
    const seen: HttpRequest[] = [];
    const world = cannedWorld({ body: fixture('groq.sse'), headers: SSE }, seen);
    await compatible(id, { model: 'm' }).call(ask(), { world, onDelta: ignore });
    return 'stream_options' in (JSON.parse(String(seen[0]?.body)) as object);
  };
  assert.deepEqual(await Promise.all(['groq', 'mistral', 'zhipu', 'perplexity', 'deepseek'].map(asks)), [false, false, false, false, true]);
});

for (const id of ['mistral', 'deepseek', 'groq', 'openrouter', 'moonshot', 'perplexity', 'zhipu']) {
  test(`the streamed answer of ${id} equals the one in one piece, and its deltas add up to it, however the bytes are cut`, async () => {
    const model = compatible(id, { model: id === 'moonshot' ? 'kimi-k2.6' : 'm' });
    const whole = await askCanned(model, { body: fixture(`${id}.json`) });
    for (const length of [1, 7, 100, 1e6]) {
      const deltas: Delta[] = [];
      const onDelta = (delta: Delta): void => void deltas.push(delta);
      assert.deepEqual(await askCanned(model, { body: byteSplits(fixture(`${id}.sse`), length), headers: SSE }, { onDelta }), whole);
      assert.deepEqual(rebuilt(deltas), told(whole.parts));
    }
  });
}

test('what providers put otherwise is read: thinking in the content, details, sources of the whole, usage in other places', async () => {
  const read = (id: string, model = 'm'): Promise<ModelAnswer> => askCanned(compatible(id, { model }), { body: fixture(`${id}.json`) });
  assert.deepEqual((await read('mistral')).parts, [
    { type: 'reasoning', text: 'The user greets.', echo: { by: 'mistral/m', data: {} } },
    { type: 'text', text: 'Bonjour !' },
    { type: 'tool_call', id: 'D681PevKs', name: 'add', input: { a: 1 } },
  ]);
  assert.deepEqual((await read('deepseek')).usage, { inputTokens: 100, outputTokens: 40, cachedInputTokens: 64, reasoningTokens: 21 });
  const router = await read('openrouter');
  assert.deepEqual(router.parts[0], {
    type: 'reasoning',
    text: 'Let me add.',
    echo: {
      by: 'openrouter/m',
      data: {
        reasoning_details: (JSON.parse(fixture('openrouter.json')) as { choices: [{ message: { reasoning_details: unknown } }] }).choices[0]
          .message.reasoning_details,
      },
    },
  });
  assert.equal((await read('moonshot', 'kimi-k2.6')).usage.cachedInputTokens, 8);
  const found = await read('perplexity');
  assert.deepEqual(found.parts, [
    {
      type: 'text',
      text: 'It is so[1][2].',
      citations: [
        { url: 'https://a.example/1', title: 'A' },
        { url: 'https://b.example/2', title: 'B' },
      ],
    },
  ]);
  assert.equal(found.usage.reasoningTokens, 33);
  assert.equal((await read('zhipu')).finish, 'content_filter');
  const streamed = await askCanned(compatible('groq', { model: 'm' }), { body: fixture('groq.sse'), headers: SSE }, { onDelta: ignore });
  assert.deepEqual(streamed.usage, { inputTokens: 22, outputTokens: 12 });
});

/** The assistant message that goes back for an answer of this provider. */
async function back(id: string, by = id): Promise<unknown> {
  const model = id === 'moonshot' ? 'kimi-k2.6' : 'm';
  const { parts } = await askCanned(compatible(id, { model }), { body: fixture(`${id}.json`) });
  const messages: Message[] = [say('hi'), { role: 'assistant', origin: 'model', parts }, ...resultsOf(parts)];
  const { body, notSent } = await sent(by, { messages }, { model: by === 'moonshot' ? 'kimi-k2.6' : 'm' });
  return notSent ?? (body['messages'] as readonly unknown[])[1];
}

function resultsOf(parts: readonly Part[]): Message[] {
  const results = parts.flatMap((part): Part[] =>
    part.type === 'tool_call' ? [{ type: 'tool_result', id: part.id, name: part.name, output: 'ok' }] : [],
  );
  return results.length === 0 ? [] : [{ role: 'tool', origin: 'tool', parts: results }];
}

test('reasoning goes back to its maker under the name that it wants, and to nobody else', async () => {
  assert.deepEqual(await back('mistral'), {
    role: 'assistant',
    content: [
      { type: 'thinking', thinking: [{ type: 'text', text: 'The user greets.' }] },
      { type: 'text', text: 'Bonjour !' },
    ],
    tool_calls: [{ id: 'D681PevKs', type: 'function', function: { name: 'add', arguments: '{"a":1}' } }],
  });
  const date = { id: 'call_00_a', type: 'function', function: { name: 'get_date', arguments: '{}' } };
  assert.deepEqual(await back('deepseek'), {
    role: 'assistant',
    content: null,
    reasoning_content: 'I must ask the tool.',
    tool_calls: [date],
  });
  assert.deepEqual(await back('groq'), { role: 'assistant', content: 'Hi!', reasoning: 'Short and kind.' });
  const details = (await back('openrouter')) as { readonly reasoning_details: readonly unknown[] };
  assert.deepEqual(details.reasoning_details, [
    { type: 'reasoning.text', text: 'Let me add.', signature: 'sig-42', id: 'r1', format: 'anthropic-claude-v1', index: 0 },
    { type: 'reasoning.encrypted', data: 'AAAABBBB', id: 'r2', format: 'anthropic-claude-v1', index: 1 },
  ]);
  assert.deepEqual(await back('moonshot'), { role: 'assistant', content: '4', reasoning_content: '2 and 2.' });
  const plain: Message = { role: 'assistant', origin: 'model', parts: [{ type: 'text', text: 'ho' }] };
  const { body } = await sent('deepseek', { messages: [say('hi'), plain, say('and?')] });
  assert.deepEqual((body['messages'] as readonly unknown[])[1], { role: 'assistant', content: 'ho' });
  assert.deepEqual(await back('deepseek', 'together'), ['reasoning of 1 earlier part']);
  assert.deepEqual(await back('mistral', 'deepseek'), ['reasoning of 1 earlier part']);
});

const steps = (_: unknown, n: number): MockAnswer =>
  n < 4 ? { reasoning: `thought ${n}`, text: `step ${n}`, calls: [{ name: 'add', input: { n } }] } : { text: 'done' };

for (const [id, model] of [
  ['mistral', 'm'],
  ['deepseek', 'm'],
  ['moonshot', 'kimi-k2.6'],
  ['zhipu', 'm'],
  ['openrouter', 'm'],
  ['groq', 'qwen/qwen3-32b'],
] as const) {
  test(`a conversation that another model began goes on at ${id}, whole and streamed: its strict mock refuses nothing`, async () => {
    for (const onDelta of [undefined, ignore]) {
      const mock = await wireMock(compatibleChatMock(id), { answer: steps });
      const world = nodeWorld();
      const chat = compatible(id, { model, baseUrl: mock.baseUrl });
      const foreign: Message = {
        role: 'assistant',
        origin: 'model',
        parts: [
          { type: 'reasoning', text: 'mine', echo: { by: 'anthropic/claude', data: { signature: 'x' } } },
          { type: 'tool_call', id: 'toolu_01:abc', name: 'add', input: {} },
        ],
      };
      const messages: Message[] = [say('go'), foreign, ...resultsOf(foreign.parts)];
      const params: ModelParams = { toolChoice: 'required', seed: 1, maxOutputTokens: 99, reasoning: 'high' };
      for (let n = 0; n < 5; n++) {
        const answer = await chat.call(
          { instructions: 'be brief', tools: [ADD], params, messages: [...messages] },
          { world, ...(onDelta === undefined ? {} : { onDelta }) },
        );
        assert.ok(JSON.stringify(answer.meta?.['notSent']).includes('reasoning of 1 earlier part'), JSON.stringify(answer.meta));
        messages.push({ role: 'assistant', origin: 'model', parts: answer.parts }, ...resultsOf(answer.parts));
      }
      await world.transport.close();
      await mock.close();
    }
  });
}

test('the mocks refuse what the providers would refuse', async () => {
  const user = { role: 'user', content: 'hi' };
  const called = (id: string, rest: object = {}): object => ({
    role: 'assistant',
    content: null,
    tool_calls: [{ id, type: 'function', function: { name: 'add', arguments: '{}' } }],
    ...rest,
  });
  const result = (id: string): object => ({ role: 'tool', tool_call_id: id, content: '1' });
  const tools = [{ type: 'function', function: ADD_FUNCTION }];
  const table: readonly (readonly [id: string, body: object])[] = [
    ['mistral', { model: 'm', messages: [user, called('call_1'), result('call_1')] }],
    ['mistral', { model: 'm', messages: [user], tools, tool_choice: 'required' }],
    ['mistral', { model: 'm', messages: [user], seed: 1 }],
    ['deepseek', { model: 'm', messages: [user, called('a'), result('a')] }],
    ['deepseek', { model: 'm', messages: [user], surprise: 1 }],
    ['moonshot', { model: 'kimi-k2.6', messages: [user, called('a'), result('a')] }],
    ['moonshot', { model: 'kimi-k2.6', messages: [user], tools, tool_choice: 'required' }],
    ['moonshot', { model: 'kimi-k2.6', messages: [user], temperature: 1 }],
    ['zhipu', { model: 'm', messages: [user], tools, tool_choice: 'none' }],
    ['groq', { model: 'm', messages: [user], reasoning_format: 'parsed' }],
    ['perplexity', { model: 'm', messages: [user], tools }],
    ['openrouter', { model: 'm', messages: [user, called('a', { reasoning_content: 'x' }), result('a')] }],
  ];
  for (const [id, body] of table) {
    const mock = await wireMock(compatibleChatMock(id), { answer: () => 'hi', isRefusalExpected: true });
    const { transport } = nodeWorld();
    const headers = { 'content-type': 'application/json' };
    const answer = await transport.request({
      method: 'POST',
      url: `${mock.baseUrl}/chat/completions`,
      headers,
      body: JSON.stringify(body),
    });
    await answer.text();
    assert.equal(answer.status, 400, `${id} ${JSON.stringify(body)}`);
    await transport.close();
    await mock.close();
  }
  assert.throws(() => compatibleChatMock('nobody'), /no rules of nobody/);
});

const ADD_FUNCTION = { name: 'add', description: 'adds', parameters: { type: 'object' } };
