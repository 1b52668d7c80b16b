import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { testWorld } from '../testing/index.ts';
import { fromAiSdk, isAiSdkModel, type AiSdkModel } from './ai-sdk.ts';
import type { Message } from './message.ts';
import type { Delta, ModelRequest } from './model.ts';

type Options = Readonly<Record<string, unknown>> & { readonly abortSignal?: AbortSignal };

/** A language model by its shape, which keeps what it was asked. */
function language(version: string, give: { readonly whole?: unknown; readonly parts?: readonly unknown[]; readonly error?: unknown }) {
  const asked: Options[] = [];
  const answer = (options: Options, value: unknown): Promise<unknown> => {
    asked.push(options);
    return give.error === undefined ? Promise.resolve(value) : Promise.reject(give.error as Error);
  };
  const model = {
    specificationVersion: version,
    provider: 'acme.chat',
    modelId: 'm1',
    doGenerate: (options: never) => answer(options, give.whole),
    doStream: (options: never) => answer(options, { stream: ReadableStream.from(give.parts ?? []) }),
  } as AiSdkModel;
  return { model, asked };
}

const WORLD = testWorld();
const USAGE_V2 = { inputTokens: 10, outputTokens: 5, totalTokens: 15, cachedInputTokens: 3, reasoningTokens: 2 };
const USAGE = {
  inputTokens: { total: 10, noCache: 7, cacheRead: 3, cacheWrite: undefined },
  outputTokens: { total: 5, text: 3, reasoning: 2 },
};
const request = (messages: readonly Message[], rest: Partial<ModelRequest> = {}): ModelRequest => ({
  instructions: 'Be brief.',
  messages,
  tools: [],
  params: {},
  ...rest,
});
const hi: Message = { role: 'user', origin: 'person', parts: [{ type: 'text', text: 'hi' }] };
const content = [
  { type: 'reasoning', text: 'hm', providerMetadata: { acme: { signature: 'S' } } },
  { type: 'text', text: 'Paid. ' },
  { type: 'tool-call', toolCallId: 'c1', toolName: 'pay', input: '{"usd":7}', providerMetadata: { acme: { thought: 'T' } } },
];
const parts = [
  { type: 'stream-start', warnings: [] },
  { type: 'response-metadata', id: 'r1', modelId: 'm1-2026' },
  { type: 'reasoning-start', id: '0' },
  { type: 'reasoning-delta', id: '0', delta: 'h' },
  { type: 'reasoning-delta', id: '0', delta: 'm' },
  { type: 'reasoning-end', id: '0', providerMetadata: { acme: { signature: 'S' } } },
  { type: 'text-start', id: '1' },
  { type: 'text-delta', id: '1', delta: 'Paid. ' },
  { type: 'text-end', id: '1' },
  { type: 'tool-input-start', id: 'c1', toolName: 'pay' },
  { type: 'tool-input-delta', id: 'c1', delta: '{"usd"' },
  { type: 'tool-input-delta', id: 'c1', delta: ':7}' },
  { type: 'tool-input-end', id: 'c1' },
  { type: 'tool-call', toolCallId: 'c1', toolName: 'pay', input: '{"usd":7}', providerMetadata: { acme: { thought: 'T' } } },
];
const expected = {
  parts: [
    { type: 'reasoning', text: 'hm', echo: { by: 'acme.chat/m1', data: { acme: { signature: 'S' } } } },
    { type: 'text', text: 'Paid. ' },
    { type: 'tool_call', id: 'c1', name: 'pay', input: { usd: 7 }, echo: { by: 'acme.chat/m1', data: { acme: { thought: 'T' } } } },
  ],
  finish: 'tool_calls',
  usage: { inputTokens: 10, outputTokens: 5, cachedInputTokens: 3, reasoningTokens: 2 },
  model: 'm1-2026',
  meta: { id: 'r1' },
};

for (const [version, finishReason, usage] of [
  ['v2', 'tool-calls', USAGE_V2],
  ['v3', { unified: 'tool-calls', raw: 'tool_use' }, USAGE],
  ['v4', { unified: 'tool-calls', raw: 'tool_use' }, USAGE],
] as const) {
  test(`a ${version} model gives the same answer whole and streamed, with what it seals bound to it`, async () => {
    const { model } = language(version, {
      whole: { content, finishReason, usage, warnings: [], response: { id: 'r1', modelId: 'm1-2026' } },
      parts: [...parts, { type: 'finish', finishReason, usage }],
    });
    assert.deepEqual(await fromAiSdk(model).call(request([hi]), { world: WORLD }), expected);
    const deltas: Delta[] = [];
    assert.deepEqual(await fromAiSdk(model).call(request([hi]), { world: WORLD, onDelta: (delta) => deltas.push(delta) }), expected);
    assert.deepEqual(deltas, [
      { type: 'reasoning', index: 0, text: 'h' },
      { type: 'reasoning', index: 0, text: 'm' },
      { type: 'text', index: 1, text: 'Paid. ' },
      { type: 'tool_call', index: 2, id: 'c1', name: 'pay' },
      { type: 'tool_input', index: 2, text: '{"usd"' },
      { type: 'tool_input', index: 2, text: ':7}' },
    ]);
  });
}

test('a conversation is sent in the form of the AI SDK, what was sealed by this model with it and by another one not', async () => {
  const finish = { finishReason: 'stop', usage: USAGE_V2, warnings: [] };
  const { model, asked } = language('v2', { whole: { content: [], ...finish } });
  const own = { by: 'acme.chat/m1', data: { acme: { signature: 'S' } } };
  const answer = await fromAiSdk(model, { providerOptions: { acme: { tier: 'gold' } } }).call(
    request(
      [
        {
          role: 'user',
          origin: 'person',
          parts: [
            { type: 'text', text: 'look' },
            { type: 'file', mediaType: 'image/png', data: 'AAAA', name: 'a.png' },
          ],
        },
        {
          role: 'assistant',
          origin: 'model',
          parts: [
            { type: 'reasoning', text: 'hm', echo: own },
            { type: 'reasoning', text: 'other', echo: { by: 'x/y', data: {} } },
            { type: 'tool_call', id: 'c1', name: 'pay', input: { usd: 7 }, echo: own },
            { type: 'tool_call', id: 'c2', name: 'pay', input: '{"usd', malformed: true },
          ],
        },
        {
          role: 'tool',
          origin: 'tool',
          parts: [
            { type: 'tool_result', id: 'c1', name: 'pay', output: { paid: 7 } },
            { type: 'tool_result', id: 'c2', name: 'pay', output: 'not JSON', isError: true },
          ],
        },
      ],
      {
        tools: [{ name: 'pay', description: 'Pays.', inputSchema: { type: 'object' } }],
        params: {
          maxOutputTokens: 9,
          stop: ['x'],
          toolChoice: { tool: 'pay' },
          outputSchema: { type: 'object' },
          reasoning: 'low',
          logprobs: 2,
        },
      },
    ),
    { world: WORLD },
  );
  assert.deepEqual(asked[0], {
    prompt: [
      { role: 'system', content: 'Be brief.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'look' },
          { type: 'file', mediaType: 'image/png', data: 'AAAA', filename: 'a.png' },
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'reasoning', text: 'hm', providerOptions: own.data },
          { type: 'tool-call', toolCallId: 'c1', toolName: 'pay', input: { usd: 7 }, providerOptions: own.data },
          { type: 'tool-call', toolCallId: 'c2', toolName: 'pay', input: { malformed: '{"usd' } },
        ],
      },
      {
        role: 'tool',
        content: [
          { type: 'tool-result', toolCallId: 'c1', toolName: 'pay', output: { type: 'json', value: { paid: 7 } } },
          { type: 'tool-result', toolCallId: 'c2', toolName: 'pay', output: { type: 'error-text', value: 'not JSON' } },
        ],
      },
    ],
    maxOutputTokens: 9,
    stopSequences: ['x'],
    responseFormat: { type: 'json', schema: { type: 'object' } },
    tools: [{ type: 'function', name: 'pay', description: 'Pays.', inputSchema: { type: 'object' } }],
    toolChoice: { type: 'tool', toolName: 'pay' },
    providerOptions: { acme: { tier: 'gold' } },
  });
  assert.deepEqual(answer.meta?.['notSent'], ['params.reasoning', 'params.logprobs', 'reasoning of 1 earlier part']);
});

test('its errors become typed ones: by status, by name, and an abort is CANCELLED', async () => {
  const codeOf = async (error: unknown, signal?: AbortSignal): Promise<string> => {
    const { model } = language('v3', { error });
    return fromAiSdk(model)
      .call(request([hi]), { world: WORLD, ...(signal === undefined ? {} : { signal }) })
      .then(
        () => 'none',
        (caught: unknown) => (NervaError.is(caught) ? caught.code : 'untyped'),
      );
  };
  const api = (statusCode: number, body: string, headers: object = {}) =>
    Object.assign(new Error('call failed'), { statusCode, responseBody: body, responseHeaders: headers });
  assert.equal(await codeOf(api(429, '{}', { 'retry-after': '3' })), 'MODEL_RATE_LIMITED');
  assert.equal(await codeOf(api(401, '')), 'MODEL_AUTH');
  assert.equal(
    await codeOf(api(400, '{"error":{"message":"maximum context length is 10","code":"context_length_exceeded"}}')),
    'CONTEXT_TOO_LONG',
  );
  assert.equal(await codeOf(api(503, 'busy')), 'MODEL_UNAVAILABLE');
  assert.equal(await codeOf(Object.assign(new Error('x'), { name: 'AI_TypeValidationError' })), 'MODEL_GARBAGE');
  assert.equal(await codeOf(new Error('socket')), 'MODEL_UNAVAILABLE');
  assert.equal(await codeOf(new Error('aborted'), AbortSignal.abort()), 'CANCELLED');
});

test('a stream that ends before its finish is no answer, and a part `error` fails the call', async () => {
  const cut = language('v4', { parts: parts.slice(0, 8) });
  await assert.rejects(fromAiSdk(cut.model).call(request([hi]), { world: WORLD, onDelta: () => undefined }), (error) =>
    NervaError.is(error, 'MODEL_TRUNCATED'),
  );
  const broken = language('v4', { parts: [...parts.slice(0, 8), { type: 'error', error: new Error('overloaded') }] });
  await assert.rejects(fromAiSdk(broken.model).call(request([hi]), { world: WORLD, onDelta: () => undefined }), /overloaded/);
});

test('what is no language model of a known specification is told apart', () => {
  assert.ok(isAiSdkModel(language('v2', {}).model));
  assert.ok(!isAiSdkModel({ doGenerate: () => undefined }));
  assert.ok(!isAiSdkModel('openai/gpt'));
  assert.throws(() => fromAiSdk(language('v9', {}).model), /specification "v9"/);
});
