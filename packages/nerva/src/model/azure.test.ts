import assert from 'node:assert/strict';
import test from 'node:test';
import { NervaError, type HttpRequest } from '../core/index.ts';
import { nodeWorld } from '../node/index.ts';
import { openaiChatMock, responsesMockDialect, wireMock, type MockDialect } from '../testing/index.ts';
import { azureOpenai, type AzureOptions } from './azure.ts';
import type { Message } from './message.ts';
import type { Delta, ModelAnswer, ModelRequest } from './model.ts';
import { ask, askCanned, byteSplits, cannedWorld, rebuilt, say, told, wireFixture, type Canned } from './wire-scene.test.ts';

const fixture = (name: string): string => wireFixture(`azure/${name}`);
const SSE = { 'content-type': 'text/event-stream' };
const KEY = '0123456789abcdef0123456789abcdef';
const azure = (options: Partial<AzureOptions> = {}) => azureOpenai({ resource: 'my-res', deployment: 'gpt', apiKey: KEY, ...options });
const ignore = (): void => undefined;

async function sent(options: Partial<AzureOptions>): Promise<HttpRequest> {
  const seen: HttpRequest[] = [];
  const body = fixture(options.api === 'responses' ? 'responses.json' : 'chat.json');
  await azure(options).call(ask(), { world: cannedWorld({ body }, seen) });
  return seen[0] as HttpRequest;
}

test('each form of address, each way to say who asks', async () => {
  const root = 'https://my-res.openai.azure.com/openai';
  const table: readonly (readonly [Partial<AzureOptions>, string])[] = [
    [{}, `${root}/v1/chat/completions`],
    [{ apiVersion: 'v1' }, `${root}/v1/chat/completions`],
    [{ apiVersion: 'preview' }, `${root}/v1/chat/completions?api-version=preview`],
    [{ apiVersion: '2024-10-21', deployment: 'my gpt' }, `${root}/deployments/my%20gpt/chat/completions?api-version=2024-10-21`],
    [{ api: 'responses' }, `${root}/v1/responses`],
    [{ api: 'responses', apiVersion: '2025-04-01-preview' }, `${root}/responses?api-version=2025-04-01-preview`],
    [{ baseUrl: 'https://other.services.ai.azure.com/' }, 'https://other.services.ai.azure.com/openai/v1/chat/completions'],
    [{ baseUrl: 'https://gate.example/a/openai' }, 'https://gate.example/a/openai/v1/chat/completions'],
    [{ baseUrl: 'https://gate.example/a/openai/v1/' }, 'https://gate.example/a/openai/v1/chat/completions'],
  ];
  for (const [options, url] of table) assert.equal((await sent(options)).url, url);
  assert.deepEqual((await sent({})).headers, { 'content-type': 'application/json', 'api-key': KEY });
  assert.equal((await sent({ token: 'ey.token' })).headers?.['authorization'], 'Bearer ey.token');
  assert.equal((JSON.parse(String((await sent({ api: 'responses' })).body)) as { readonly model: string }).model, 'gpt');
  assert.equal(azure({ model: 'm', deployment: undefined } as never).name, 'azure/m');
});

test('options that make no address are refused', () => {
  for (const options of [
    { resource: 'a/b' },
    { resource: 'user@host' },
    { resource: undefined },
    { deployment: '' },
    { baseUrl: 'nowhere' },
  ])
    assert.throws(() => azure(options as never), { code: 'OPTION_INVALID' });
});

for (const [name, api] of [
  ['chat', 'chat'],
  ['filtered', 'chat'],
  ['responses', 'responses'],
] as const) {
  test(`the streamed answer "${name}" equals the one in one piece, verdicts of the filter too, however the bytes are cut`, async () => {
    const whole = await askCanned(azure({ api }), { body: fixture(`${name}.json`) });
    for (const length of [1, 7, 100, 1e6]) {
      const deltas: Delta[] = [];
      const onDelta = (delta: Delta): void => void deltas.push(delta);
      const answer = await askCanned(azure({ api }), { body: byteSplits(fixture(`${name}.sse`), length), headers: SSE }, { onDelta });
      assert.deepEqual(answer, whole);
      assert.deepEqual(rebuilt(deltas), told(whole.parts));
    }
  });
}

test('verdicts of the content filter are kept, the strictest of each category', async () => {
  const chat = await askCanned(azure(), { body: fixture('chat.sse'), headers: SSE }, { onDelta: ignore });
  const violence = (answer: ModelAnswer): unknown =>
    ((answer.meta?.['contentFilterResults'] ?? {}) as { readonly violence?: unknown }).violence;
  assert.deepEqual(violence(chat), { filtered: false, severity: 'low' });
  assert.deepEqual(
    chat.meta?.['promptFilterResults'],
    (JSON.parse(fixture('chat.json')) as { readonly prompt_filter_results: unknown }).prompt_filter_results,
  );
  const filtered = await askCanned(azure(), { body: fixture('filtered.json') });
  assert.deepEqual([filtered.finish, violence(filtered)], ['content_filter', { filtered: true, severity: 'high' }]);
  const responses = await askCanned(azure({ api: 'responses' }), { body: fixture('responses.json') });
  assert.deepEqual(
    responses.meta?.['contentFilters'],
    (JSON.parse(fixture('responses.json')) as { readonly content_filters: unknown }).content_filters,
  );
});

test('each failure has its code and never the key', async () => {
  const table: readonly (readonly [Canned, string])[] = [
    [{ status: 400, body: fixture('error-filter.json') }, 'MODEL_REFUSED'],
    [{ status: 401, body: fixture('error-401.json') }, 'MODEL_AUTH'],
    [{ status: 404, body: fixture('error-404.json') }, 'MODEL_REFUSED'],
    [{ status: 429, headers: { 'retry-after': '26' }, body: fixture('error-429.json') }, 'MODEL_RATE_LIMITED'],
    [{ status: 400, body: `{"error":{"message":"bad ${KEY}"}}` }, 'MODEL_REFUSED'],
  ];
  for (const [answer, code] of table) {
    await assert.rejects(askCanned(azure(), answer), (error: Error) => {
      assert.ok(NervaError.is(error));
      assert.deepEqual([error.code, error.message.includes(KEY)], [code, false]);
      if (code === 'MODEL_RATE_LIMITED') assert.equal(error.details['retryAfterMs'], 26_000);
      return true;
    });
  }
});

/** Azure's addresses and header before the rules of OpenAI. */
function azureMock(dialect: MockDialect, path: RegExp, openaiPath: string): MockDialect {
  return {
    ...dialect,
    basePath: '',
    keyOf: (headers) => (typeof headers['api-key'] === 'string' ? headers['api-key'] : undefined),
    fault: (request) =>
      path.test(request.path) ? dialect.fault({ ...request, path: openaiPath }) : `Resource not found (${request.path})`,
  };
}

test('a conversation with calls goes well over each address, whole and streamed, and the strict mock refuses nothing', async () => {
  const table: readonly (readonly [Partial<AzureOptions>, MockDialect])[] = [
    [{}, azureMock(openaiChatMock, /^\/openai\/v1\/chat\/completions$/, '/v1/chat/completions')],
    [
      { apiVersion: '2024-10-21' },
      azureMock(openaiChatMock, /^\/openai\/deployments\/gpt\/chat\/completions\?api-version=2024-10-21$/, '/v1/chat/completions'),
    ],
    [{ api: 'responses' }, azureMock(responsesMockDialect(), /^\/openai\/v1\/responses$/, '/v1/responses')],
    [
      { api: 'responses', apiVersion: '2025-04-01-preview' },
      azureMock(responsesMockDialect(), /^\/openai\/responses\?api-version=2025-04-01-preview$/, '/v1/responses'),
    ],
  ];
  for (const [options, dialect] of table) {
    for (const onDelta of [undefined, ignore]) {
      const mock = await wireMock(dialect, {
        apiKey: KEY,
        answer: (_, n) => (n === 0 ? { reasoning: 'hm', calls: [{ name: 'add', input: { n } }] } : { reasoning: 'ah', text: 'done' }),
      });
      const world = nodeWorld();
      const model = azure({ ...options, baseUrl: mock.baseUrl });
      const call = (messages: readonly Message[]): Promise<ModelAnswer> => {
        const tools = [{ name: 'add', description: 'adds', inputSchema: { type: 'object' } }];
        const request: ModelRequest = { instructions: '', tools, params: {}, messages };
        return model.call(request, { world, ...(onDelta === undefined ? {} : { onDelta }) });
      };
      const { parts } = await call([say('go')]);
      const made = parts.find((part) => part.type === 'tool_call');
      const last = await call([
        say('go'),
        { role: 'assistant', origin: 'model', parts },
        { role: 'tool', origin: 'tool', parts: [{ type: 'tool_result', id: made?.id ?? '', name: 'add', output: 1 }] },
      ]);
      assert.equal(last.finish, 'stop');
      await world.transport.close();
      await mock.close();
    }
  }
});
