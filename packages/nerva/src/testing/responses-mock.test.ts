import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { World } from '../core/index.ts';
import {
  openaiResponses,
  type Delta,
  type Message,
  type ModelAnswer,
  type ModelRequest,
  type OpenAiResponsesOptions,
  type Part,
} from '../model/index.ts';
import { nodeWorld } from '../node/index.ts';
import { responsesMock, type ResponsesMock } from './responses-mock.ts';
import type { MockAnswer, WireMockOptions } from './wire-mock.ts';

type Call = (
  request?: Partial<ModelRequest>,
  options?: { readonly onDelta?: (delta: Delta) => void; readonly signal?: AbortSignal },
) => Promise<ModelAnswer>;

/** Runs `body` with the adapter, the HTTP client and the mock on loopback. */
async function withMock(
  options: WireMockOptions,
  body: (call: Call, mock: ResponsesMock, world: World) => Promise<void>,
  adapter: Partial<OpenAiResponsesOptions> = {},
): Promise<void> {
  const mock = await responsesMock(options);
  const world = nodeWorld();
  const model = openaiResponses({
    model: 'gpt-5',
    baseUrl: mock.baseUrl,
    apiKey: 'sk-right-key',
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

const steps =
  (last: number) =>
  (_: unknown, n: number): MockAnswer =>
    n < last
      ? {
          reasoning: n % 2 === 0 ? `thought ${n}` : '',
          text: `step ${n}`,
          calls: [
            { name: 'add', input: { n } },
            { name: 'add', input: { n } },
          ],
        }
      : { reasoning: 'enough', text: 'done' };

/** Calls until there is nothing to answer, as an agent would. */
async function converse(call: Call, isStream: boolean, between: (messages: readonly Message[]) => void = ignore): Promise<ModelAnswer> {
  const messages: Message[] = [say('go')];
  for (;;) {
    const answer = await call({ messages: [...messages] }, isStream ? { onDelta: ignore } : {});
    messages.push({ role: 'assistant', origin: 'model', parts: answer.parts });
    const results = answer.parts.flatMap((part): Part[] =>
      part.type === 'tool_call' ? [{ type: 'tool_result', id: part.id, name: part.name, output: 'ok' }] : [],
    );
    if (results.length === 0) return answer;
    messages.push({ role: 'tool', origin: 'tool', parts: results });
    between(messages);
  }
}

for (const store of [false, true]) {
  test(`a conversation of twenty steps with sealed reasoning goes well, ${store ? 'stored' : 'stateless'}, and nothing is refused`, async () => {
    for (const isStream of [false, true]) {
      await withMock(
        { answer: steps(20) },
        async (call, mock) => {
          assert.deepEqual((await converse(call, isStream)).finish, 'stop');
          assert.equal(mock.connectionCount, 1);
          const last = mock.requests.at(-1)?.body ?? {};
          assert.equal((last['input'] as unknown[]).length, store ? 2 : 1 + 20 * 6);
          assert.equal('previous_response_id' in last, store);
        },
        { store },
      );
    }
  });
}

test('stored answers that vanish in between cost one more request each, and nothing else', async () => {
  await withMock(
    { answer: steps(4), isRefusalExpected: true },
    async (call, mock) => {
      const answer = await converse(call, true, () => mock.forget());
      assert.deepEqual([answer.finish, answer.via?.length], ['stop', 1]);
      assert.deepEqual([mock.requests.length, mock.refusals.length], [5, 4]);
      assert.ok(mock.refusals.every((why) => why.startsWith('Previous response')));
    },
    { store: true },
  );
});

test('a conversation that another model began goes on here: nothing of it is refused', async () => {
  await withMock({ answer: steps(2) }, async (call, mock, world) => {
    const messages: Message[] = [say('go')];
    const first = await call({ messages });
    messages.push({ role: 'assistant', origin: 'model', parts: first.parts });
    messages.push({
      role: 'tool',
      origin: 'tool',
      parts: first.parts.flatMap((part): Part[] =>
        part.type === 'tool_call' ? [{ type: 'tool_result', id: part.id, name: 'add', output: 'ok' }] : [],
      ),
    });
    const other = openaiResponses({ model: 'gpt-5-mini', baseUrl: mock.baseUrl, apiKey: 'sk-right-key' });
    const answer = await other.call({ instructions: '', tools: [ADD], params: {}, messages }, { world });
    assert.deepEqual(answer.meta?.['notSent'], ['reasoning of 1 earlier part']);
  });
});

test('any answer reads the same whole and streamed, and its deltas add up to it', async () => {
  const word = fc.string({ unit: 'grapheme', maxLength: 20 });
  const calls = fc.array(
    fc.record({
      name: fc.constantFrom('add', 'look-up'),
      input: fc.oneof(
        fc.dictionary(
          fc.string({ maxLength: 5 }).filter((key) => key !== '__proto__'),
          word,
          { maxKeys: 3 },
        ),
        fc.constant('{"cut":'),
      ),
    }),
    { minLength: 1, maxLength: 3 },
  );
  const usage = fc.option(
    fc.record({
      inputTokens: fc.nat(),
      outputTokens: fc.nat(),
      cachedInputTokens: fc.nat(),
      cacheWriteTokens: fc.nat(),
      reasoningTokens: fc.nat(),
    }),
    { nil: null },
  );
  const answers = fc.record({ reasoning: word, text: word, refusal: word, calls, usage }, { requiredKeys: ['usage'] });
  let next: MockAnswer = {};
  await withMock({ answer: () => next }, async (call) => {
    await fc.assert(
      fc.asyncProperty(answers, async (answer) => {
        next = answer;
        const deltas: Delta[] = [];
        const streamed = await call({}, { onDelta: (delta) => deltas.push(delta) });
        assert.deepEqual(withoutIds(streamed), withoutIds(await call()));
        streamed.parts.forEach((part, index) => {
          if (part.type !== 'text' && part.type !== 'reasoning') return;
          assert.equal(deltas.map((delta) => (delta.index === index && 'text' in delta ? delta.text : '')).join(''), part.text);
        });
      }),
      { numRuns: 40 },
    );
  });
});

/** The mock gives each answer ids of its own. */
function withoutIds(answer: ModelAnswer): unknown {
  return JSON.parse(JSON.stringify(answer).replaceAll(/resp_\d+/g, 'resp_n')) as unknown;
}

test('an empty text has its place before what follows it, whole and streamed', async () => {
  let next: MockAnswer = {};
  await withMock({ answer: () => next }, async (call) => {
    for (const answer of [
      { text: '', refusal: 'no' },
      { text: '', calls: [{ name: 'add', input: {} }] },
      { reasoning: '', text: '' },
    ]) {
      next = answer;
      const streamed = await call({}, { onDelta: ignore });
      assert.deepEqual(withoutIds(streamed), withoutIds(await call()));
      assert.equal(streamed.parts.length, 2);
    }
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
      { raw: { status: 429, headers: { 'retry-after': '7' }, body: '{"error":{"message":"slow down"}}' } },
      'MODEL_RATE_LIMITED',
      'MODEL_RATE_LIMITED',
    ],
    [{ raw: { status: 500, body: 'oops' } }, 'MODEL_UNAVAILABLE', 'MODEL_UNAVAILABLE'],
  ];
  let next: MockAnswer = {};
  await withMock(
    { answer: () => next },
    async (call) => {
      for (const [fault, whole, streamed] of table) {
        next = fault;
        await assert.rejects(call(), { code: whole });
        await assert.rejects(call({}, { onDelta: ignore }), { code: streamed });
        next = { text: 'well' };
        assert.equal((await call()).parts.length, 1);
      }
    },
    { limits: { firstByteMs: 500, idleMs: 500 } },
  );
});

test('an abort before, in the middle and after a stream ends the call or changes nothing', async () => {
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
    assert.equal(answer.finish, 'stop');
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

test('the mock refuses what OpenAI would refuse', async () => {
  const user = { role: 'user', content: 'hi' };
  const thought = { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'gAAAA-m-1' };
  const called = { type: 'function_call', id: 'fc_1', call_id: 'a', name: 'add', arguments: '{}' };
  const result = { type: 'function_call_output', call_id: 'a', output: '1' };
  const ok = { model: 'm', store: false, input: [user, thought, called, result] };
  const tool = (rest: object): object => ({ type: 'function', name: 'add', parameters: { type: 'object' }, strict: false, ...rest });
  const bad: readonly unknown[] = [
    'nonsense',
    { input: 'hi' },
    { model: 'm' },
    { model: 'm', input: [] },
    { ...ok, surprise: 1 },
    { ...ok, response_format: {} },
    { ...ok, temperature: 3 },
    { ...ok, max_output_tokens: 1 },
    { ...ok, include: ['everything'] },
    { ...ok, model: 'gpt-4o', include: ['reasoning.encrypted_content'] },
    { ...ok, stream_options: {} },
    { ...ok, store: 'no' },
    { ...ok, reasoning: { effort: 'low', budget: 9 } },
    { ...ok, text: { format: { type: 'json_schema' } } },
    { ...ok, text: { format: { type: 'json_schema', name: 'a', schema: {}, strict: true } } },
    { ...ok, text: { schema: {} } },
    { ...ok, tools: [] },
    { ...ok, tool_choice: 'auto' },
    { ...ok, tools: [{ type: 'function', function: { name: 'add' } }] },
    { ...ok, tools: [tool({}), tool({})] },
    { ...ok, tools: [tool({ strict: undefined })] },
    { ...ok, tools: [tool({})], tool_choice: { type: 'function', name: 'other' } },
    { ...ok, previous_response_id: 'resp_unknown' },
    { ...ok, input: [{ role: 'robot', content: 'hi' }] },
    { ...ok, input: [{ ...user, origin: 'person' }] },
    { ...ok, input: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }] },
    { ...ok, input: [{ role: 'user', content: [{ type: 'output_text', text: 'hi' }] }] },
    { ...ok, input: [{ role: 'assistant', content: [{ type: 'input_text', text: 'hi' }] }] },
    { ...ok, input: [{ role: 'assistant', id: 'msg_1', type: 'message', content: [{ type: 'output_text', text: 'hi' }] }] },
    { ...ok, input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'x', name: 'x' }] }] },
    { ...ok, input: [user, called] },
    { ...ok, input: [user, result] },
    { ...ok, input: [user, called, result, result] },
    { ...ok, input: [user, called, called, result] },
    { ...ok, input: [user, { ...called, call_id: 'x'.repeat(65) }, result] },
    { ...ok, input: [user, { ...called, arguments: {} }, result] },
    { ...ok, input: [user, thought] },
    { ...ok, input: [user, thought, user] },
    { ...ok, input: [user, { ...thought, encrypted_content: 'gAAAA-other-1' }, called, result] },
    { ...ok, input: [user, { type: 'reasoning', id: 'rs_1', summary: [] }, called, result] },
    { ...ok, input: [user, { type: 'surprise' }] },
  ];
  await withMock({ answer: () => 'hi', isRefusalExpected: true }, async (_, mock, world) => {
    const status = async (body: unknown, path = '/responses'): Promise<number> => {
      const answer = await world.transport.request({
        method: 'POST',
        url: mock.baseUrl + path,
        headers: { 'content-type': 'application/json' },
        body: body === 'nonsense' ? '{' : JSON.stringify(body),
      });
      await answer.text();
      return answer.status;
    };
    for (const body of bad) assert.equal(await status(body), 400, JSON.stringify(body));
    assert.equal(await status(ok, '/chat/completions'), 400);
    assert.equal(mock.refusals.length, bad.length + 1);
    assert.equal(await status({ ...ok, tools: [tool({})], tool_choice: { type: 'function', name: 'add' } }), 200);
    assert.equal(await status({ ...ok, input: [user, { type: 'web_search_call', id: 'ws_1', status: 'completed' }] }), 200);
  });
});
