import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { World } from '../core/index.ts';
import {
  anthropic,
  openaiChat,
  type AnthropicOptions,
  type Delta,
  type Message,
  type Model,
  type ModelAnswer,
  type ModelRequest,
  type Part,
} from '../model/index.ts';
import { nodeWorld } from '../node/index.ts';
import { anthropicMock } from './anthropic-mock.ts';
import { openaiMock } from './openai-mock.ts';
import type { MockAnswer, WireMock } from './wire-mock.ts';

type Call = (
  request?: Partial<ModelRequest>,
  options?: { readonly onDelta?: (delta: Delta) => void; readonly signal?: AbortSignal },
) => Promise<ModelAnswer>;

/** Runs `body` with the adapter, the HTTP client and the mock on loopback. */
async function withMock(
  options: Parameters<typeof anthropicMock>[0],
  body: (call: Call, mock: WireMock, world: World) => Promise<void>,
  adapter: Partial<AnthropicOptions> = {},
): Promise<void> {
  const mock = await anthropicMock(options);
  const world = nodeWorld();
  const model: Model = anthropic({
    model: 'claude-sonnet-4-5',
    baseUrl: mock.baseUrl,
    apiKey: 'sk-right-key',
    limits: { firstByteMs: 250, idleMs: 250 },
    ...adapter,
  });
  const call: Call = (request, more) =>
    model.call({ instructions: 'be brief', tools: [ADD], params: {}, messages: [say('hi')], ...request }, { world, ...more });
  try {
    await body(call, mock, world);
  } finally {
    await world.transport.close();
    await mock.close();
  }
}

const ADD = { name: 'add', description: 'adds', inputSchema: { type: 'object' } };
const say = (text: string): Message => ({ role: 'user', parts: [{ type: 'text', text }], origin: 'person' });
const ignore = (): void => undefined;
const resultsOf = (parts: readonly Part[]): Message => ({
  role: 'tool',
  origin: 'tool',
  parts: parts.flatMap((part): Part[] =>
    part.type === 'tool_call' ? [{ type: 'tool_result', id: part.id, name: part.name, output: part.input }] : [],
  ),
});

for (const [model, reasoning] of [
  ['claude-sonnet-4-5', undefined],
  ['claude-sonnet-4-5', 'medium'],
  ['claude-opus-4-7', 'high'],
] as const) {
  test(`a conversation of thirty steps with ${model} (${reasoning ?? 'no'} reasoning) and parallel calls gives the mock nothing to refuse`, async () => {
    const answer = (_: unknown, n: number): MockAnswer => ({
      ...(reasoning === undefined ? {} : { reasoning: `thought ${n} 🤔` }),
      text: `step ${n}`,
      // One id in every step, as some servers give them.
      ...(n < 30
        ? {
            calls: [
              { id: 'call_0', name: 'add', input: { n } },
              { name: 'add', input: { n } },
            ],
          }
        : {}),
    });
    await withMock(
      { answer },
      async (call, mock) => {
        const messages: Message[] = [say('go')];
        for (let step = 0; ; step++) {
          const params = reasoning === undefined ? {} : { reasoning };
          const { parts, finish, meta } = await call({ messages: [...messages], params }, step % 2 === 0 ? {} : { onDelta: ignore });
          assert.equal(meta?.['notSent'], undefined);
          messages.push({ role: 'assistant', parts, origin: 'model' });
          if (finish === 'stop') break;
          messages.push(resultsOf(parts));
        }
        assert.equal(mock.requests.length, 31);
        assert.equal((mock.requests[30]?.body['messages'] as readonly unknown[] | undefined)?.length, 1 + 30 * 2);
        assert.equal(mock.connectionCount, 1);
      },
      { model },
    );
  });
}

test('any answer streamed equals the same answer in one piece', async () => {
  const word = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
  const input = fc.dictionary(
    word.filter((key) => key !== '__proto__'),
    word,
    { maxKeys: 3 },
  );
  const calls = fc.array(fc.record({ name: fc.constantFrom('add', 'sub'), input }), { minLength: 1, maxLength: 3 });
  const usage = fc
    .record({ fresh: fc.nat(), outputTokens: fc.nat(), cachedInputTokens: fc.nat(), cacheWriteTokens: fc.nat() })
    .map(({ fresh, ...rest }) => ({ ...rest, inputTokens: fresh + rest.cachedInputTokens + rest.cacheWriteTokens }));
  const answers = fc.record({ reasoning: word, text: word, calls, usage }, { requiredKeys: ['usage'] });
  let next: MockAnswer = {};
  await withMock({ answer: () => next }, async (call) => {
    await fc.assert(
      fc.asyncProperty(answers, async (answer) => {
        next = answer;
        const deltas: Delta[] = [];
        const streamed = await call({}, { onDelta: (delta) => deltas.push(delta) });
        assert.deepEqual(streamed, await call());
        assert.deepEqual(streamed.usage, answer.usage);
        streamed.parts.forEach((part, index) => {
          if (part.type !== 'text' && part.type !== 'reasoning') return;
          assert.equal(deltas.map((delta) => (delta.index === index && 'text' in delta ? delta.text : '')).join(''), part.text);
        });
      }),
      { numRuns: 40 },
    );
  });
});

test('each fault of the network has its error, and the next call works', async () => {
  const table: readonly (readonly [MockAnswer, string, string])[] = [
    [{ fault: 'silent' }, 'HTTP_TIMEOUT', 'HTTP_TIMEOUT'],
    [{ text: 'a long answer', fault: 'stalled' }, 'HTTP_TIMEOUT', 'HTTP_TIMEOUT'],
    [{ text: 'a long answer', fault: 'truncated' }, 'MODEL_GARBAGE', 'MODEL_TRUNCATED'],
    [{ text: 'a long answer', fault: 'reset' }, 'HTTP_BROKEN', 'HTTP_BROKEN'],
    [{ raw: { headers: { 'content-type': 'text/html' }, body: '<html>' } }, 'MODEL_GARBAGE', 'MODEL_GARBAGE'],
    [
      { raw: { status: 529, body: '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}' } },
      'MODEL_UNAVAILABLE',
      'MODEL_UNAVAILABLE',
    ],
  ];
  let next: MockAnswer = {};
  await withMock({ answer: () => next }, async (call) => {
    for (const [fault, whole, streamed] of table) {
      next = fault;
      await assert.rejects(call(), { code: whole });
      await assert.rejects(call({}, { onDelta: ignore }), { code: streamed });
      next = { text: 'well' };
      assert.deepEqual((await call()).parts, [{ type: 'text', text: 'well' }]);
    }
  });
});

test('an abort before, in the middle of and after a stream ends the call or changes nothing', async () => {
  let next: MockAnswer = { text: 'a long answer indeed', fault: 'stalled' };
  await withMock({ answer: () => next }, async (call) => {
    await assert.rejects(call({}, { onDelta: ignore, signal: AbortSignal.abort() }), { code: 'CANCELLED' });
    const controller = new AbortController();
    const deltas: Delta[] = [];
    const onDelta = (delta: Delta): void => {
      deltas.push(delta);
      controller.abort();
    };
    await assert.rejects(call({}, { onDelta, signal: controller.signal }), { code: 'CANCELLED' });
    assert.ok(deltas.length > 0);
    next = { text: 'well' };
    const late = new AbortController();
    const answer = await call({}, { onDelta: ignore, signal: late.signal });
    late.abort();
    assert.deepEqual(answer.parts, [{ type: 'text', text: 'well' }]);
  });
});

test('a wrong key is refused without being quoted', async () => {
  await withMock(
    { answer: () => 'hi', apiKey: 'sk-right-key' },
    async (call) => {
      await assert.rejects(
        call(),
        (error: Error) => 'code' in error && error.code === 'MODEL_AUTH' && !error.message.includes('wrong-key'),
      );
    },
    { apiKey: 'sk-wrong-key' },
  );
});

test('a conversation that another model began goes on, also in the middle of a turn, and what was sealed is named', async () => {
  const other = await openaiMock({
    answer: () => ({
      reasoning: 'hm',
      text: 'I add.',
      calls: [
        { id: 'functions.add:0', name: 'add', input: { n: 1 } },
        { id: 'functions.add:0', name: 'add', input: '{"cut' },
      ],
    }),
  });
  try {
    await withMock({ answer: (_, n) => (n === 0 ? { calls: [{ name: 'add', input: {} }] } : 'done') }, async (call, mock, world) => {
      const begun = await openaiChat({ model: 'm', baseUrl: other.baseUrl }).call(
        { instructions: '', tools: [ADD], params: {}, messages: [say('go')] },
        { world },
      );
      const messages: Message[] = [say('go'), { role: 'assistant', parts: begun.parts, origin: 'model' }, resultsOf(begun.parts)];
      const params = { reasoning: 'low' } as const;
      const first = await call({ messages: [...messages], params });
      assert.deepEqual(first.meta?.['notSent'], ['params.reasoning', 'reasoning of 1 earlier part']);
      messages.push({ role: 'assistant', parts: first.parts, origin: 'model' }, resultsOf(first.parts), say('and?'));
      const second = await call({ messages: [...messages], params });
      assert.deepEqual(second.meta?.['notSent'], ['params.reasoning', 'reasoning of 1 earlier part'], 'the turn began without thinking');
      assert.equal(mock.requests.length, 2);
    });
  } finally {
    await other.close();
  }
});

const USER = { role: 'user', content: 'hi' };
const CALL = { type: 'tool_use', id: 'a', name: 'add', input: {} };
const CALLS = { role: 'assistant', content: [CALL] };
const RESULT = { type: 'tool_result', tool_use_id: 'a', content: '1' };
const RESULTS = { role: 'user', content: [RESULT] };
const TOOL = { name: 'add', input_schema: { type: 'object' } };
const OK = { model: 'claude-sonnet-4-5', max_tokens: 2000, tools: [TOOL], messages: [USER, CALLS, RESULTS] };
const THINK = { thinking: { type: 'enabled', budget_tokens: 1024 } };
const THOUGHT = { type: 'thinking', thinking: 'hm', signature: 'elsewhere' };
const FORMAT = { type: 'json_schema', schema: { type: 'object', properties: {}, additionalProperties: false } };
const MARK = { cache_control: { type: 'ephemeral' } };
const content = (...blocks: readonly object[]): object => ({ ...OK, messages: [{ role: 'user', content: blocks }] });

const BAD: Readonly<Record<string, unknown>> = {
  'no JSON': 'nonsense',
  'a list': [],
  'no model': { ...OK, model: undefined },
  'no limit': { ...OK, max_tokens: undefined },
  'an unknown field': { ...OK, surprise: 1 },
  'no message': { ...OK, messages: [] },
  'an empty text': { ...OK, messages: [{ role: 'user', content: '' }] },
  'an empty content': { ...OK, messages: [{ role: 'user', content: [] }] },
  'a blank text': content({ type: 'text', text: ' ' }),
  'an unknown block': content({ type: 'audio' }),
  'an unknown member of a block': content({ type: 'text', text: 'a', origin: 'person' }),
  'an unknown member of a message': { ...OK, messages: [{ ...USER, origin: 'person' }] },
  'an unknown role': { ...OK, messages: [{ role: 'tool', content: 'a' }] },
  'an assistant that begins': { ...OK, messages: [{ role: 'assistant', content: 'a' }] },
  'a call of the user': content(CALL),
  'a result without its call': content(RESULT),
  'a call without its result': { ...OK, messages: [USER, CALLS] },
  'a call whose result comes late': { ...OK, messages: [USER, CALLS, USER, { role: 'assistant', content: 'a' }, RESULTS] },
  'a result that is not first': { ...OK, messages: [USER, CALLS, USER, RESULTS] },
  'two results of a call': { ...OK, messages: [USER, CALLS, { role: 'user', content: [RESULT, RESULT] }] },
  'calls under one id': { ...OK, messages: [USER, CALLS, RESULTS, CALLS, RESULTS] },
  'a malformed id': {
    ...OK,
    messages: [
      USER,
      { role: 'assistant', content: [{ ...CALL, id: 'a.0' }] },
      { role: 'user', content: [{ ...RESULT, tool_use_id: 'a.0' }] },
    ],
  },
  'arguments as text': { ...OK, messages: [USER, { role: 'assistant', content: [{ ...CALL, input: '{}' }] }, RESULTS] },
  'an empty error': { ...OK, messages: [USER, CALLS, { role: 'user', content: [{ ...RESULT, content: '', is_error: true }] }] },
  'calls though no tools are defined': { ...OK, tools: undefined },
  'a tool without schema': { ...OK, tools: [{ name: 'add' }] },
  'a malformed name of a tool': { ...OK, tools: [{ ...TOOL, name: 'a b' }] },
  'two tools of a name': { ...OK, tools: [TOOL, TOOL] },
  'an unknown member of a tool': { ...OK, tools: [{ ...TOOL, parameters: {} }] },
  'a choice without tools': { ...OK, tools: undefined, tool_choice: { type: 'auto' }, messages: [USER] },
  'an unknown choice': { ...OK, tool_choice: { type: 'required' } },
  'a choice of no tool': { ...OK, tool_choice: { type: 'tool', name: 'sub' } },
  'parallel calls of none': { ...OK, tool_choice: { type: 'none', disable_parallel_tool_use: true } },
  'a budget that is no less than the limit': { ...OK, thinking: { type: 'enabled', budget_tokens: 2000 }, messages: [USER] },
  'a budget that is too small': { ...OK, thinking: { type: 'enabled', budget_tokens: 1000 }, messages: [USER] },
  'no budget': { ...OK, thinking: { type: 'enabled' }, messages: [USER] },
  'a budget where it is adaptive': { ...OK, model: 'claude-opus-4-7', ...THINK, messages: [USER] },
  'adaptive where it is a budget': { ...OK, thinking: { type: 'adaptive' }, messages: [USER] },
  'thinking that cannot stop': { ...OK, model: 'claude-fable-5', thinking: { type: 'disabled' }, messages: [USER] },
  'thinking with a temperature': { ...OK, ...THINK, temperature: 0, messages: [USER] },
  'thinking with a forced call': { ...OK, ...THINK, tool_choice: { type: 'any' }, messages: [USER] },
  'a turn without its thinking': { ...OK, ...THINK },
  'thinking without signature': {
    ...OK,
    messages: [
      USER,
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'hm' },
          { type: 'text', text: 'a' },
        ],
      },
      USER,
    ],
  },
  'thinking that was altered': {
    ...OK,
    messages: [USER, { role: 'assistant', content: [{ ...THOUGHT, signature: 'mock-x' }, CALL] }, RESULTS],
  },
  'thinking at the end': { ...OK, messages: [USER, { role: 'assistant', content: [THOUGHT] }, USER] },
  'two ways to sample': { ...OK, temperature: 0, top_p: 0.5 },
  'sampling where there is none': { ...OK, model: 'claude-opus-4-7', temperature: 0 },
  'a temperature out of range': { ...OK, temperature: 2 },
  'a prefill': { ...OK, model: 'claude-opus-4-7', messages: [USER, { role: 'assistant', content: 'a' }] },
  'more than 4 marks': {
    ...OK,
    messages: [{ role: 'user', content: Array.from({ length: 5 }, () => ({ type: 'text', text: 'a', ...MARK })) }],
  },
  'a mark on thinking': { ...OK, messages: [USER, { role: 'assistant', content: [{ ...THOUGHT, ...MARK }, CALL] }, RESULTS] },
  'a malformed mark': content({ type: 'text', text: 'a', cache_control: { type: 'forever' } }),
  'an unknown effort': { ...OK, output_config: { effort: 'much' } },
  'an open schema': { ...OK, output_config: { format: { ...FORMAT, schema: { type: 'object' } } } },
  'an unknown media type': content({ type: 'image', source: { type: 'base64', media_type: 'image/tiff', data: 'aGk=' } }),
  'bytes that are no base64': content({ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'a b' } }),
  'a blank stop': { ...OK, stop_sequences: [' '] },
  'blank instructions': { ...OK, system: [{ type: 'text', text: '' }] },
};

test('the mock refuses what Anthropic would refuse, and lets the rest through', async () => {
  await withMock({ answer: () => 'hi', isRefusalExpected: true }, async (_, mock, world) => {
    const status = async (
      body: unknown,
      path = '/messages',
      headers: Readonly<Record<string, string>> = { 'anthropic-version': '2023-06-01' },
    ): Promise<number> => {
      const answer = await world.transport.request({
        method: 'POST',
        url: mock.baseUrl + path,
        headers: { 'content-type': 'application/json', ...headers },
        body: body === 'nonsense' ? '{' : JSON.stringify(body),
      });
      await answer.text();
      return answer.status;
    };
    for (const [what, body] of Object.entries(BAD)) assert.equal(await status(body), 400, what);
    assert.equal(await status(OK, '/complete'), 400);
    assert.equal(await status(OK, '/messages', {}), 400);
    assert.equal(mock.refusals.length, Object.keys(BAD).length + 2);
    assert.equal(new Set(mock.refusals).size > 40, true, 'each is refused for its own reason');
    const good: readonly unknown[] = [
      OK,
      { ...OK, temperature: 1, stop_sequences: ['x'], system: 'a', tool_choice: { type: 'auto', disable_parallel_tool_use: true } },
      { ...OK, ...THINK, messages: [USER, { role: 'assistant', content: [THOUGHT, CALL] }, RESULTS, USER] },
      { ...OK, model: 'claude-opus-4-7', thinking: { type: 'adaptive' }, output_config: { effort: 'low', format: FORMAT } },
      content({ type: 'document', source: { type: 'url', url: 'https://example.com' }, ...MARK }),
    ];
    for (const body of good) assert.equal(await status(body), 200, JSON.stringify(body));
    assert.equal(mock.requests.length, good.length);
  });
});
