import assert from 'node:assert/strict';
import test from 'node:test';
import { ollama, type Message, type ModelAnswer, type ModelRequest } from '../model/index.ts';
import { nodeWorld } from '../node/index.ts';
import { ollamaMock } from './ollama-mock.ts';
import { ollamaFaultOf } from './ollama-rules.ts';
import type { MockAnswer, WireMock, WireMockOptions } from './wire-mock.ts';

const ADD = { name: 'add', description: 'adds', inputSchema: { type: 'object' } };
const say = (text: string): Message => ({ role: 'user', parts: [{ type: 'text', text }], origin: 'person' });

type Call = (
  request?: Partial<ModelRequest>,
  options?: { readonly isStream?: boolean; readonly signal?: AbortSignal },
) => Promise<ModelAnswer>;

async function withMock(options: WireMockOptions, body: (call: Call, mock: WireMock) => Promise<void>): Promise<void> {
  const mock = await ollamaMock(options);
  const world = nodeWorld();
  const model = ollama({ model: 'qwen3:8b', baseUrl: mock.baseUrl, apiKey: 'sk-ollama', limits: { firstByteMs: 250, idleMs: 250 } });
  try {
    await body(
      (request, { isStream = false, signal } = {}) =>
        model.call(
          { instructions: 'be brief', tools: [ADD], params: {}, messages: [say('hi')], ...request },
          { world, ...(signal === undefined ? {} : { signal }), ...(isStream ? { onDelta: () => undefined } : {}) },
        ),
      mock,
    );
  } finally {
    await world.transport.close();
    await mock.close();
  }
}

for (const isStream of [false, true]) {
  test(`a conversation of thirty steps goes to the Ollama mock, ${isStream ? 'streamed' : 'whole'}, and nothing is refused`, async () => {
    const answer = (_: unknown, n: number): MockAnswer => ({
      reasoning: `hm ${n}`,
      text: `step ${n} 🌊`,
      ...(n % 3 === 2
        ? {}
        : {
            calls: [
              { name: 'add', input: { n } },
              { name: 'add', input: {}, ...(n % 2 === 0 ? { id: `id${n}` } : {}) },
            ],
          }),
    });
    await withMock({ answer }, async (call, mock) => {
      const messages: Message[] = [say('go')];
      for (let n = 0; n < 30; n++) {
        const given = await call({ messages: [...messages] }, { isStream });
        assert.equal(given.meta?.['notSent'], undefined);
        messages.push({ role: 'assistant', origin: 'model', parts: given.parts });
        const results = given.parts.flatMap((part): Message[] =>
          part.type === 'tool_call'
            ? [{ role: 'tool', origin: 'tool', parts: [{ type: 'tool_result', id: part.id, name: part.name, output: { sum: 1 } }] }]
            : [],
        );
        messages.push(...results.toReversed(), ...(results.length === 0 ? [say('go on')] : []));
      }
      assert.equal(mock.connectionCount, 1);
    });
  });
}

test('a conversation that another model began goes on with Ollama, without what is not its own', async () => {
  await withMock({ answer: () => 'ok' }, async (call, mock) => {
    const begun: Message = {
      role: 'assistant',
      origin: 'model',
      parts: [
        { type: 'reasoning', text: 'secret', echo: { by: 'anthropic/claude', data: { signature: 'x' } } },
        { type: 'tool_call', id: 'toolu_1', name: 'add', input: {}, echo: { by: 'google/gemini', data: { thoughtSignature: 'x' } } },
      ],
    };
    const done: Message = { role: 'tool', origin: 'tool', parts: [{ type: 'tool_result', id: 'toolu_1', name: 'add', output: 'x' }] };
    const { meta } = await call({ messages: [say('hi'), begun, done] });
    assert.deepEqual(meta?.['notSent'], ['reasoning of 1 earlier part', 'signatures and ids of 1 earlier part of other models']);
    assert.ok(!JSON.stringify(mock.requests[0]?.body).includes('secret'));
  });
});

test('an abort before, while and after ends a call of Ollama as cancelled or not at all', async () => {
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

test('half an answer of Ollama is none, and its silence has an end', async () => {
  const codes = {
    silent: 'HTTP_TIMEOUT',
    stalled: 'HTTP_TIMEOUT',
    truncated: 'MODEL_TRUNCATED',
    reset: 'HTTP_BROKEN',
    'reset-early': 'HTTP_BROKEN',
  } as const;
  for (const [fault, code] of Object.entries(codes))
    await withMock({ answer: () => ({ text: 'x'.repeat(100), fault: fault as keyof typeof codes }) }, async (call) => {
      await assert.rejects(call({}, { isStream: true }), { code }, fault);
    });
});

test('a wrong key and a call without its result are refused', async () => {
  await withMock({ answer: () => 'ok', apiKey: 'another' }, async (call) => {
    await assert.rejects(call(), (error: Error & { code?: string }) => error.code === 'MODEL_AUTH' && !error.message.includes('sk-ollama'));
  });
  await withMock({ answer: () => 'ok', isRefusalExpected: true }, async (call, mock) => {
    const open: Message = { role: 'assistant', origin: 'model', parts: [{ type: 'tool_call', id: 'a', name: 'add', input: {} }] };
    await assert.rejects(call({ messages: [say('hi'), open] }), { code: 'MODEL_REFUSED' });
    assert.match(mock.refusals[0] ?? '', /no result/);
  });
});

test('each rule of the Ollama mock refuses what breaks it', () => {
  const user = { role: 'user', content: 'a' };
  const called = { role: 'assistant', content: '', tool_calls: [{ id: 'x', function: { name: 'f', arguments: {} } }] };
  const result = { role: 'tool', content: '1', tool_name: 'f', tool_call_id: 'x' };
  const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }];
  const good = { model: 'm', stream: false, messages: [user, called, result], tools };
  const fault = (body: object | undefined, method = 'POST', path = '/api/chat', contentType = 'application/json'): string | null =>
    ollamaFaultOf({ method, path, contentType, body: body as Record<string, unknown> | undefined });
  assert.equal(fault(good), null);
  const bad: readonly (readonly [object | undefined, RegExp])[] = [
    [undefined, /missing request body/],
    [{ ...good, model: '' }, /model is required/],
    [{ ...good, stream: undefined }, /stream/],
    [{ ...good, foo: 1 }, /unknown field "foo"/],
    [{ ...good, format: 'xml' }, /invalid format/],
    [{ ...good, format: {} }, /no room/],
    [{ ...good, think: 'huge' }, /think/],
    [{ ...good, top_logprobs: 1 }, /top_logprobs/],
    [{ ...good, logprobs: true, top_logprobs: 21 }, /top_logprobs/],
    [{ ...good, options: { max_tokens: 1 } }, /unknown field "max_tokens"/],
    [{ ...good, options: [] }, /invalid options/],
    [{ ...good, tools: [] }, /invalid tools/],
    [{ ...good, tools: [{ type: 'function', function: { parameters: {} } }] }, /invalid tools/],
    [{ ...good, tools: [{ type: 'function', function: { name: 'f', parameters: {} } }] }, /invalid parameters/],
    [{ ...good, messages: [] }, /empty/],
    [{ ...good, messages: [{ role: 'model', content: 'a' }] }, /invalid role/],
    [{ ...good, messages: [{ role: 'user', content: ['a'] }] }, /unmarshal/],
    [{ ...good, messages: [{ ...user, images: ['data:image/png;base64,AAAA'] }] }, /base64/],
    [{ ...good, messages: [{ ...user, thinking: 'a' }] }, /unknown field "thinking"/],
    [{ ...good, messages: [user, { ...called, tool_calls: [{ function: { name: 'f', arguments: '{}' } }] }, result] }, /an object/],
    [{ ...good, messages: [user, called] }, /no result/],
    [{ ...good, messages: [user, called, user] }, /before the results/],
    [{ ...good, messages: [user, result] }, /answers no call/],
    [{ ...good, messages: [user, called, { ...result, tool_call_id: 'y' }] }, /another call/],
    [{ ...good, messages: [user, { role: 'system', content: 'a' }] }, /first/],
  ];
  for (const [body, expected] of bad) assert.match(fault(body) ?? 'let through', expected, JSON.stringify(body));
  assert.match(fault(good, 'GET') ?? '', /not found/);
  assert.match(fault(good, 'POST', '/v1/chat') ?? '', /not found/);
  assert.match(fault(good, 'POST', '/api/chat', 'text/plain') ?? '', /content-type/);
});
