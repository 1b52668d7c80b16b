import assert from 'node:assert/strict';
import test from 'node:test';
import { google, type Message, type ModelAnswer, type ModelRequest, type Part } from '../model/index.ts';
import { nodeWorld } from '../node/index.ts';
import { googleMock } from './google-mock.ts';
import { googleFaultOf } from './google-rules.ts';
import { signatureFor } from './google-rules-fields.ts';
import type { MockAnswer, WireMock, WireMockOptions } from './wire-mock.ts';

const KEY = 'AIza-right-key';
const ADD = { name: 'add', description: 'adds', inputSchema: { type: 'object' } };
const say = (text: string): Message => ({ role: 'user', parts: [{ type: 'text', text }], origin: 'person' });

type Call = (
  request?: Partial<ModelRequest>,
  options?: { readonly isStream?: boolean; readonly signal?: AbortSignal; readonly model?: string },
) => Promise<ModelAnswer>;

async function withMock(options: WireMockOptions, body: (call: Call, mock: WireMock) => Promise<void>): Promise<void> {
  const mock = await googleMock({ apiKey: KEY, ...options });
  const world = nodeWorld();
  const models = new Map<string, ReturnType<typeof google>>();
  try {
    await body((request, { isStream = false, signal, model = 'gemini-3-flash-preview' } = {}) => {
      const limits = { firstByteMs: 250, idleMs: 250 };
      const asked = models.get(model) ?? google({ model, baseUrl: mock.baseUrl, apiKey: KEY, limits });
      models.set(model, asked);
      return asked.call(
        { instructions: 'be brief', tools: [ADD], params: {}, messages: [say('hi')], ...request },
        { world, ...(signal === undefined ? {} : { signal }), ...(isStream ? { onDelta: () => undefined } : {}) },
      );
    }, mock);
  } finally {
    await world.transport.close();
    await mock.close();
  }
}

/** The results of all calls of an answer, in one message each. */
function resultsOf({ parts }: ModelAnswer): Message[] {
  return parts.flatMap((part): Message[] =>
    part.type === 'tool_call'
      ? [{ role: 'tool', origin: 'tool', parts: [{ type: 'tool_result', id: part.id, name: part.name, output: { sum: 1 } }] }]
      : [],
  );
}

for (const isStream of [false, true]) {
  test(`a conversation of thirty signed steps goes to the Gemini mock, ${isStream ? 'streamed' : 'whole'}, and nothing is refused`, async () => {
    const answer = (_: unknown, n: number): MockAnswer => ({
      reasoning: `hm ${n}`,
      text: `step ${n} 🌊`,
      ...(n % 3 === 2
        ? {}
        : {
            calls: [
              { name: 'add', input: { n } },
              { name: 'add', input: { n: -n }, ...(n % 2 === 0 ? { id: `id${n}` } : {}) },
            ],
          }),
      usage: { inputTokens: 9, outputTokens: 7, cachedInputTokens: 3, reasoningTokens: 2 },
    });
    await withMock({ answer }, async (call, mock) => {
      const messages: Message[] = [say('go')];
      for (let n = 0; n < 30; n++) {
        const given = await call({ messages: [...messages] }, { isStream });
        assert.deepEqual(given.usage, { inputTokens: 9, outputTokens: 7, cachedInputTokens: 3, reasoningTokens: 2 });
        assert.equal(given.meta?.['notSent'], undefined);
        messages.push({ role: 'assistant', origin: 'model', parts: given.parts }, ...resultsOf(given));
        if (given.finish === 'stop') messages.push(say('go on'));
      }
      assert.equal(mock.connectionCount, 1);
    });
  });
}

test('a conversation goes on with another Gemini, and with one that another provider began, in the middle of a step', async () => {
  const answer: WireMockOptions['answer'] = (_, n) => (n === 0 ? { text: 'on it', calls: [{ name: 'add', input: {} }] } : 'done');
  await withMock({ answer }, async (call) => {
    const first = await call();
    const messages = [say('hi'), { role: 'assistant', origin: 'model', parts: first.parts } as const, ...resultsOf(first)];
    for (const model of ['gemini-3.1-pro-preview', 'gemini-2.5-flash']) await call({ messages }, { model });
    const foreign: readonly Part[] = [
      { type: 'reasoning', text: 'secret', echo: { by: 'anthropic/claude', data: { signature: 'x' } } },
      { type: 'tool_call', id: 'call_1', name: 'add', input: {}, echo: { by: 'openai/gpt', data: { id: 'fc_1' } } },
      { type: 'tool_call', id: 'call_2', name: 'add', input: {} },
    ];
    const begun: ModelAnswer = { ...first, parts: foreign };
    const { meta } = await call({ messages: [say('hi'), { role: 'assistant', origin: 'model', parts: foreign }, ...resultsOf(begun)] });
    assert.deepEqual(meta?.['notSent'], [
      'reasoning of 1 earlier part',
      'signatures and ids of 1 earlier part of other models',
      'signatures of 1 earlier step, which have none',
    ]);
  });
});

test('an abort before, while and after ends a call of Gemini as cancelled or not at all', async () => {
  await withMock({ answer: () => ({ text: 'x'.repeat(100), fault: 'stalled' }) }, async (call) => {
    await assert.rejects(call({}, { signal: AbortSignal.abort() }), { code: 'CANCELLED' });
    for (const isStream of [false, true]) {
      const controller = new AbortController();
      const asked = call({}, { isStream, signal: controller.signal });
      setTimeout(() => controller.abort(), 50);
      await assert.rejects(asked, { code: 'CANCELLED' });
    }
  });
  await withMock({ answer: () => 'ok' }, async (call) => {
    const controller = new AbortController();
    const { parts } = await call({}, { isStream: true, signal: controller.signal });
    controller.abort();
    assert.equal(parts[0]?.type === 'text' && parts[0].text, 'ok');
  });
});

test('half an answer of Gemini is none, and its silence has an end', async () => {
  const codes: Readonly<Record<string, string>> = {
    silent: 'HTTP_TIMEOUT',
    stalled: 'HTTP_TIMEOUT',
    truncated: 'MODEL_TRUNCATED',
    reset: 'HTTP_BROKEN',
    'reset-early': 'HTTP_BROKEN',
  };
  for (const [fault, code] of Object.entries(codes))
    await withMock({ answer: () => ({ text: 'x'.repeat(100), fault: fault as MockAnswer['fault'] & string }) }, async (call) => {
      await assert.rejects(call({}, { isStream: true }), { code }, fault);
    });
});

test('a wrong key and a request that a provider would refuse are refused', async () => {
  await withMock({ answer: () => 'ok', apiKey: 'another' }, async (call) => {
    await assert.rejects(call(), (error: Error & { code?: string }) => error.code === 'MODEL_AUTH' && !error.message.includes(KEY));
  });
  await withMock({ answer: () => 'ok', isRefusalExpected: true }, async (call, mock) => {
    await assert.rejects(
      call({
        messages: [say('hi'), { role: 'assistant', origin: 'model', parts: [{ type: 'tool_call', id: 'a', name: 'add', input: {} }] }],
      }),
      { code: 'MODEL_REFUSED' },
    );
    assert.match(mock.refusals[0] ?? '', /end with a user role/);
  });
});

test('each rule of the Gemini mock refuses what breaks it', () => {
  const model = 'gemini-3-flash';
  const user = { role: 'user', parts: [{ text: 'a' }] };
  const called = (rest: object = { thoughtSignature: signatureFor(model, 'f') }): object => ({
    role: 'model',
    parts: [{ functionCall: { name: 'f', args: {} }, ...rest }],
  });
  const answered = (part: object = { name: 'f', response: {} }): object => ({ role: 'user', parts: [{ functionResponse: part }] });
  const tools = [{ functionDeclarations: [{ name: 'f', description: 'd', parametersJsonSchema: { type: 'object' } }] }];
  const good = { contents: [user, called(), answered()], tools };
  const fault = (
    body: object | undefined,
    path = `/v1beta/models/${model}:generateContent`,
    method = 'POST',
    contentType = 'application/json',
  ): string | null => googleFaultOf({ method, path, contentType, body: body as Record<string, unknown> | undefined });
  assert.equal(fault(good), null);
  assert.equal(fault({ contents: [user, called({}), answered(), user] }), null, 'a turn that is over needs no signature');
  assert.equal(fault({ contents: [user, called({}), answered()] }, '/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse'), null);
  const bad: readonly (readonly [object | undefined, RegExp])[] = [
    [undefined, /Invalid JSON/],
    [{ ...good, foo: 1 }, /Unknown name "foo"/],
    [{ contents: [] }, /not specified/],
    [{ contents: [{ role: 'assistant', parts: [{ text: 'a' }] }] }, /valid role/],
    [{ contents: [{ role: 'user', parts: [] }] }, /must not be empty/],
    [{ contents: [{ role: 'user', parts: [{ text: '' }] }] }, /text parameter/],
    [{ contents: [{ role: 'user', parts: [{}] }] }, /oneof/],
    [{ contents: [{ role: 'user', parts: [{ text: 'a', inlineData: {} }] }] }, /oneof/],
    [{ contents: [{ role: 'user', parts: [{ inlineData: { mimeType: 'application/zip', data: 'AAAA' } }] }] }, /inlineData/],
    [{ contents: [{ role: 'user', parts: [{ inlineData: { mimeType: 'image/png', data: '%' } }] }] }, /inlineData/],
    [{ contents: [{ role: 'user', parts: [{ fileData: { mimeType: 'image/png' } }] }] }, /fileData/],
    [{ contents: [{ role: 'user', parts: [{ text: 'a', foo: 1 }] }] }, /Unknown name "foo"/],
    [{ contents: [{ role: 'user', parts: [{ text: 'a', thought: true }] }] }, /user content holds no/],
    [{ contents: [user, { role: 'model', parts: [{ functionResponse: { name: 'f', response: {} } }] }] }, /model content holds no/],
    [{ contents: [user, { role: 'model', parts: [{ text: 'a' }] }] }, /end with a user role/],
    [{ contents: [user, called()] }, /end with a user role/],
    [{ contents: [called(), answered()] }, /immediately after a user turn/],
    [{ contents: [user, answered()] }, /immediately after a function call/],
    [{ contents: [user, called(), user] }, /number of function response parts/],
    [{ contents: [user, called(), answered({ name: 'g', response: {} })] }, /does not answer/],
    [{ contents: [user, called(), answered({ id: 'x', name: 'f', response: {} })] }, /does not answer/],
    [{ contents: [user, called(), answered({ name: 'f', response: 'text' })] }, /functionResponse/],
    [{ contents: [user, { role: 'model', parts: [{ functionCall: { name: 'f', args: [] } }] }, answered()] }, /functionCall/],
    [{ contents: [user, called({}), answered()] }, /missing a thought_signature/],
    [{ contents: [user, called({ thoughtSignature: 'AAAA' }), answered()] }, /Corrupted/],
    [{ contents: [user, called({ thoughtSignature: signatureFor('gemini-3-pro', 'f') }), answered()] }, /Corrupted/],
    [{ contents: [user], tools: [] }, /tools/],
    [{ contents: [user], tools: [{ foo: {} }] }, /Unknown name "foo"/],
    [{ contents: [user], tools: [{ functionDeclarations: [{ name: '1 f' }] }] }, /Invalid function name/],
    [{ contents: [user], tools: [...tools, ...tools] }, /Duplicate/],
    [{ contents: [user], tools: [{ functionDeclarations: [{ name: 'f', parametersJsonSchema: {} }] }] }, /OBJECT/],
    [
      { contents: [user], tools: [{ functionDeclarations: [{ name: 'f', parameters: {}, parametersJsonSchema: { type: 'object' } }] }] },
      /exclusive/,
    ],
    [{ contents: [user], toolConfig: { functionCallingConfig: { mode: 'AUTO' } } }, /without function_declarations/],
    [{ ...good, toolConfig: { functionCallingConfig: { mode: 'auto' } } }, /mode/],
    [{ ...good, toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['g'] } } }, /allowed_function_names/],
    [{ contents: [user], systemInstruction: { parts: [] } }, /system_instruction/],
    [{ contents: [user], systemInstruction: { parts: [{ text: '' }] } }, /system_instruction/],
    [{ contents: [user], generationConfig: { max_tokens: 1 } }, /Unknown name "max_tokens"/],
    [{ contents: [user], generationConfig: { responseJsonSchema: {} } }, /response_mime_type/],
    [{ contents: [user], generationConfig: { logprobs: 1 } }, /response_logprobs/],
    [{ contents: [user], generationConfig: { thinkingConfig: { thinkingBudget: 1, thinkingLevel: 'low' } } }, /only one/],
    [{ contents: [user], generationConfig: { thinkingConfig: { thinkingLevel: 'huge' } } }, /thinking_level/],
    [{ contents: [user], generationConfig: { thinkingConfig: { thinkingBudget: 'a' } } }, /thinking_budget/],
  ];
  for (const [body, expected] of bad) assert.match(fault(body) ?? 'let through', expected, JSON.stringify(body));
  const old = '/v1beta/models/gemini-2.5-pro:generateContent';
  assert.match(fault({ ...good, generationConfig: { responseMimeType: 'application/json' } }, old) ?? '', /unsupported/);
  assert.match(fault({ contents: [user], generationConfig: { thinkingConfig: { thinkingLevel: 'low' } } }, old) ?? '', /not supported/);
  for (const path of ['/v1beta/models/x:generateContent?key=k', '/v1beta/models/x:streamGenerateContent', '/v1/chat/completions'])
    assert.match(fault(good, path) ?? '', /not found/);
  assert.match(fault(good, undefined, 'GET') ?? '', /not found/);
  assert.match(fault(good, undefined, 'POST', 'text/plain') ?? '', /content-type/);
});
