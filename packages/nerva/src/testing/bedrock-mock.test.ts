import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { HttpRequest, World } from '../core/index.ts';
import {
  bedrock,
  openaiChat,
  type BedrockOptions,
  type Delta,
  type Message,
  type ModelAnswer,
  type ModelRequest,
  type Part,
} from '../model/index.ts';
import { nodeWorld } from '../node/index.ts';
import { bedrockMock } from './bedrock-mock.ts';
import { MOCK_ACCOUNT } from './bedrock-signature.ts';
import { openaiMock } from './openai-mock.ts';
import type { MockAnswer, WireMock } from './wire-mock.ts';

type Call = (
  request?: Partial<ModelRequest>,
  options?: { readonly onDelta?: (delta: Delta) => void; readonly signal?: AbortSignal },
) => Promise<ModelAnswer>;

const CLAUDE = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';

/** Runs `body` with the adapter, the HTTP client and the mock on loopback. */
async function withMock(
  options: Parameters<typeof bedrockMock>[0],
  body: (call: Call, mock: WireMock, world: World) => Promise<void>,
  adapter: Partial<BedrockOptions> = {},
): Promise<void> {
  const mock = await bedrockMock(options);
  const world = nodeWorld();
  const model = bedrock({
    model: CLAUDE,
    region: 'us-east-1',
    baseUrl: mock.baseUrl,
    credentials: { ...MOCK_ACCOUNT, sessionToken: 'token+/==' },
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
  [CLAUDE, 'medium'],
  ['amazon.nova-2-lite-v1:0', 'low'],
  ['arn:aws:bedrock:us-east-1:1:imported-model/a b/ü', undefined],
] as const) {
  test(`a conversation of thirty steps with ${model} and parallel calls is signed and gives the mock nothing to refuse`, async () => {
    const answer = (_: unknown, n: number): MockAnswer => ({
      ...(reasoning === undefined ? {} : { reasoning: `thought ${n} 🤔` }),
      text: `step ${n} ü`,
      // One id in every step, as some models give them.
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
          messages.push(resultsOf(parts), say('go on'));
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
  const counts = fc
    .record({ fresh: fc.nat(), outputTokens: fc.nat(), cachedInputTokens: fc.nat(), cacheWriteTokens: fc.nat() })
    .map(({ fresh, ...rest }) => ({ ...rest, inputTokens: fresh + rest.cachedInputTokens + rest.cacheWriteTokens }));
  const answers = fc.record({ reasoning: word, text: word, calls, usage: fc.option(counts, { nil: null }) }, { requiredKeys: ['usage'] });
  let next: MockAnswer = {};
  await withMock({ answer: () => next }, async (call) => {
    await fc.assert(
      fc.asyncProperty(answers, async (answer) => {
        next = answer;
        const deltas: Delta[] = [];
        const streamed = await call({}, { onDelta: (delta) => deltas.push(delta) });
        assert.deepEqual(streamed, await call());
        assert.deepEqual(streamed.usage, answer.usage ?? { inputTokens: null, outputTokens: null });
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
    [{ raw: { status: 429, body: '{"message":"Too many requests"}' } }, 'MODEL_RATE_LIMITED', 'MODEL_RATE_LIMITED'],
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

test('a key is sent as a bearer token, and a wrong one is refused without being quoted', async () => {
  await withMock({ answer: () => 'hi', apiKey: 'right-key' }, async (call) => void (await call()), { apiKey: 'right-key' });
  await withMock(
    { answer: () => 'hi', apiKey: 'right-key' },
    async (call) => {
      await assert.rejects(
        call(),
        (error: Error) => 'code' in error && error.code === 'MODEL_AUTH' && !error.message.includes('wrong-key'),
      );
    },
    { apiKey: 'wrong-key' },
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
    await withMock({ answer: () => 'done' }, async (call, mock, world) => {
      const { parts } = await openaiChat({ model: 'm', baseUrl: other.baseUrl }).call(
        { instructions: '', tools: [ADD], params: {}, messages: [say('go')] },
        { world },
      );
      const messages: Message[] = [say('go'), { role: 'assistant', parts, origin: 'model' }, resultsOf(parts)];
      const { meta } = await call({ messages, params: { reasoning: 'low' } });
      assert.deepEqual(meta?.['notSent'], ['params.reasoning', 'reasoning of 1 earlier part']);
      assert.equal((await call({ messages, tools: [] })).finish, 'stop', 'also when the tools are gone');
      assert.equal(mock.requests.length, 2);
    });
  } finally {
    await other.close();
  }
});

test('a request that is not signed as it is sent is refused', async () => {
  await withMock({ answer: () => 'hi', isRefusalExpected: true }, async (_, mock, world) => {
    const seen: HttpRequest[] = [];
    const tapped = (change: (request: HttpRequest) => HttpRequest, startMs?: number): World => ({
      ...world,
      clock: { ...world.clock, nowMs: () => startMs ?? world.clock.nowMs() },
      transport: {
        close: () => Promise.resolve(),
        request: (request) => {
          seen.push(request);
          return world.transport.request(change(request));
        },
      },
    });
    const ask = (use: World, options: Partial<BedrockOptions> = {}): Promise<ModelAnswer> =>
      bedrock({ model: CLAUDE, region: 'us-east-1', baseUrl: mock.baseUrl, credentials: MOCK_ACCOUNT, ...options }).call(
        { instructions: '', tools: [], params: {}, messages: [say('hi')] },
        { world: use },
      );
    const same = (request: HttpRequest): HttpRequest => request;
    const headers =
      (more: Readonly<Record<string, string>>) =>
      (request: HttpRequest): HttpRequest => ({
        ...request,
        headers: { ...request.headers, ...more },
      });
    const table: readonly (readonly [string, () => Promise<ModelAnswer>, RegExp])[] = [
      ['another body', () => ask(tapped((request) => ({ ...request, body: `${String(request.body)} ` }))), /does not match/],
      ['another path', () => ask(tapped((request) => ({ ...request, url: request.url.replace('sonnet', 'haiku') }))), /does not match/],
      ['another secret', () => ask(world, { credentials: { ...MOCK_ACCOUNT, secretAccessKey: 'x' } }), /does not match/],
      ['another account', () => ask(world, { credentials: { ...MOCK_ACCOUNT, accessKeyId: 'x' } }), /invalid/],
      ['no signature', () => ask(tapped(headers({ authorization: 'none' }))), /Missing/],
      ['a header added behind it', () => ask(tapped(headers({ 'x-amz-extra': '1' }))), /must be a signed header/],
      ['a clock that is wrong', () => ask(tapped(same, Date.now() - 600_000)), /expired/],
    ];
    for (const [what, attempt, reason] of table) await assert.rejects(attempt(), { code: 'MODEL_REFUSED', message: reason }, what);
    assert.equal(mock.requests.length, 0);
    await ask(tapped(same));
    assert.equal(mock.requests.length, 1);
  });
});

const USER = { role: 'user', content: [{ text: 'hi' }] };
const USE = { toolUse: { toolUseId: 'a', name: 'add', input: {} } };
const CALLS = { role: 'assistant', content: [USE] };
const RESULT = { toolResult: { toolUseId: 'a', content: [{ text: '1' }] } };
const RESULTS = { role: 'user', content: [RESULT] };
const SPEC = { name: 'add', inputSchema: { json: { type: 'object' } } };
const TOOLS = { tools: [{ toolSpec: SPEC }] };
const OK = { toolConfig: TOOLS, messages: [USER, CALLS, RESULTS] };
const POINT = { cachePoint: { type: 'default' } };
const THOUGHT = { reasoningContent: { reasoningText: { text: 'hm', signature: 'elsewhere' } } };
const think = (thinking: object, rest: object = {}): object => ({
  messages: [USER],
  inferenceConfig: { maxTokens: 2000 },
  additionalModelRequestFields: { thinking },
  ...rest,
});
const content = (...blocks: readonly object[]): object => ({ ...OK, messages: [{ role: 'user', content: blocks }] });
const tool = (spec: object): object => ({ ...OK, toolConfig: { tools: [{ toolSpec: { ...SPEC, ...spec } }] } });
const doc = (rest: object): object => ({ document: { format: 'pdf', name: 'a', source: { bytes: 'aGk=' }, ...rest } });

const BAD: Readonly<Record<string, unknown>> = {
  'no JSON': 'nonsense',
  'an unknown field': { ...OK, model: 'm' },
  'no message': { ...OK, messages: [] },
  'content as text': { ...OK, messages: [{ role: 'user', content: 'hi' }] },
  'an empty content': { ...OK, messages: [{ role: 'user', content: [] }] },
  'a blank text': content({ text: ' ' }),
  'two members in a block': content({ text: 'a', image: {} }),
  'an unknown block': content({ type: 'text' }),
  'an unknown member of a message': { ...OK, messages: [{ ...USER, origin: 'person' }] },
  'an unknown role': { ...OK, messages: [{ ...USER, role: 'system' }] },
  'an assistant that begins': { ...OK, messages: [{ ...USER, role: 'assistant' }] },
  'two of a role in a row': { ...OK, messages: [USER, USER] },
  'a call of the user': content(USE),
  'a result without its call': content(RESULT),
  'a call without its result': { ...OK, messages: [USER, CALLS] },
  'another result': {
    ...OK,
    messages: [USER, CALLS, { role: 'user', content: [{ toolResult: { ...RESULT.toolResult, toolUseId: 'b' } }] }],
  },
  'a result that is not first': { ...OK, messages: [USER, CALLS, { role: 'user', content: [{ text: 'a' }, RESULT] }] },
  'two calls under one id': { ...OK, messages: [USER, { role: 'assistant', content: [USE, USE] }, RESULTS] },
  'a malformed id': { ...OK, messages: [USER, { role: 'assistant', content: [{ toolUse: { ...USE.toolUse, toolUseId: 'a.0' } }] }] },
  'arguments as text': { ...OK, messages: [USER, { role: 'assistant', content: [{ toolUse: { ...USE.toolUse, input: '{}' } }] }, RESULTS] },
  'a blank result': {
    ...OK,
    messages: [USER, CALLS, { role: 'user', content: [{ toolResult: { toolUseId: 'a', content: [{ text: '' }] } }] }],
  },
  'an unknown status': {
    ...OK,
    messages: [USER, CALLS, { role: 'user', content: [{ toolResult: { ...RESULT.toolResult, status: 'bad' } }] }],
  },
  'calls though no tools are defined': { messages: [USER, CALLS, RESULTS] },
  'no tool': { ...OK, toolConfig: { tools: [POINT] } },
  'a tool without schema': tool({ inputSchema: {} }),
  'an empty description': tool({ description: '' }),
  'a malformed name of a tool': tool({ name: 'a b' }),
  'an unknown member of a tool': tool({ parameters: {} }),
  'two tools of a name': { ...OK, toolConfig: { tools: [...TOOLS.tools, ...TOOLS.tools] } },
  'an unknown choice': { ...OK, toolConfig: { ...TOOLS, toolChoice: { none: {} } } },
  'a choice of no tool': { ...OK, toolConfig: { ...TOOLS, toolChoice: { tool: { name: 'sub' } } } },
  'an unknown member of the configuration': { ...OK, inferenceConfig: { seed: 1 } },
  'a temperature out of range': { ...OK, inferenceConfig: { temperature: 2 } },
  'no room': { ...OK, inferenceConfig: { maxTokens: 0 } },
  'blank instructions': { ...OK, system: [{ text: '' }] },
  'more than 4 cache points': content({ text: 'a' }, POINT, POINT, POINT, POINT, POINT),
  'a malformed cache point': content({ text: 'a' }, { cachePoint: { type: 'ephemeral' } }),
  'an unknown format': content({ image: { format: 'tiff', source: { bytes: 'aGk=' } } }),
  'bytes that are no base64': content({ image: { format: 'png', source: { bytes: 'a b' } } }),
  'a document without words': content(doc({})),
  'a malformed name of a document': content({ text: 'a' }, doc({ name: 'a.pdf' })),
  'two documents of a name': content({ text: 'a' }, doc({}), doc({})),
  'reasoning that was altered': {
    ...OK,
    messages: [
      USER,
      { role: 'assistant', content: [{ reasoningContent: { reasoningText: { text: 'hm', signature: 'mock-x' } } }, USE] },
      RESULTS,
    ],
  },
  'reasoning without signature': {
    ...OK,
    messages: [USER, { role: 'assistant', content: [{ reasoningContent: { reasoningText: { text: 'hm' } } }, USE] }, RESULTS],
  },
  'a budget that is no less than the limit': think({ type: 'enabled', budget_tokens: 2000 }),
  'a budget that is too small': think({ type: 'enabled', budget_tokens: 10 }),
  'thinking with a temperature': think({ type: 'adaptive' }, { inferenceConfig: { temperature: 0 } }),
  'thinking with a forced call': think({ type: 'adaptive' }, { toolConfig: { ...TOOLS, toolChoice: { any: {} } } }),
  'a turn without its thinking': think({ type: 'enabled', budget_tokens: 1024 }, OK),
};

test('the mock refuses what Bedrock would refuse, and lets the rest through', async () => {
  await withMock({ answer: () => 'hi', isRefusalExpected: true }, async (_, mock, world) => {
    const status = async (body: unknown, model = CLAUDE, operation = 'converse'): Promise<number> => {
      const answer = await world.transport.request({
        method: 'POST',
        url: `${mock.baseUrl}/model/${encodeURIComponent(model)}/${operation}`,
        headers: { 'content-type': 'application/json', authorization: 'Bearer key' },
        body: body === 'nonsense' ? '{' : JSON.stringify(body),
      });
      await answer.text();
      return answer.status;
    };
    for (const [what, body] of Object.entries(BAD)) assert.equal(await status(body), 400, what);
    assert.equal(await status(OK, CLAUDE, 'invoke'), 400);
    assert.equal(await status(content({ text: 'a' }, POINT), 'meta.llama'), 400);
    assert.equal(await status(think({ type: 'adaptive' }), 'meta.llama'), 400);
    assert.equal(mock.refusals.length, Object.keys(BAD).length + 3);
    assert.ok(new Set(mock.refusals).size > 35, 'each is refused for its own reason');
    const good: readonly unknown[] = [
      OK,
      {
        ...OK,
        system: [{ text: 'a' }, POINT],
        inferenceConfig: { topP: 1, stopSequences: ['x'] },
        toolConfig: { ...TOOLS, toolChoice: { auto: {} } },
      },
      think({ type: 'enabled', budget_tokens: 1024 }, { ...OK, messages: [USER, { role: 'assistant', content: [THOUGHT, USE] }, RESULTS] }),
      content({ text: 'a' }, doc({}), doc({ name: 'b (2)' }), POINT),
    ];
    for (const body of good) assert.equal(await status(body), 200, JSON.stringify(body));
    assert.equal(mock.requests.length, good.length);
  });
});
