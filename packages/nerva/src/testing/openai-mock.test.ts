import assert from 'node:assert/strict';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import type { World } from '../core/index.ts';
import { openaiChat, type Delta, type Message, type Model, type ModelAnswer, type ModelRequest, type Part } from '../model/index.ts';
import { nodeWorld } from '../node/index.ts';
import { openaiMock } from './openai-mock.ts';
import type { MockAnswer, WireMock } from './wire-mock.ts';

type Call = (
  request?: Partial<ModelRequest>,
  options?: { readonly onDelta?: (delta: Delta) => void; readonly signal?: AbortSignal },
) => Promise<ModelAnswer>;

/** Runs `body` with the adapter, the HTTP client and the mock on loopback. */
async function withMock(
  options: Parameters<typeof openaiMock>[0],
  body: (call: Call, mock: WireMock, world: World) => Promise<void>,
  adapter: { readonly apiKey?: string } = {},
): Promise<void> {
  const mock = await openaiMock(options);
  const world = nodeWorld();
  const model: Model = openaiChat({
    model: 'gpt-5-mini',
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

test('a conversation of fifty steps with parallel calls goes over one connection, and the mock finds nothing to refuse', async () => {
  const answer = (_: unknown, n: number): MockAnswer =>
    n < 50
      ? {
          text: `step ${n}`,
          calls: [
            { id: `a${n}`, name: 'add', input: { n } },
            { id: `b${n}`, name: 'add', input: { n } },
          ],
        }
      : { text: 'done' };
  await withMock({ answer }, async (call, mock) => {
    const messages: Message[] = [say('go')];
    for (let step = 0; ; step++) {
      const { parts, finish, usage } = await call({ messages: [...messages] }, step % 2 === 0 ? {} : { onDelta: ignore });
      assert.deepEqual(usage, { inputTokens: 10, outputTokens: 5 });
      messages.push({ role: 'assistant', parts, origin: 'model' });
      if (finish === 'stop') break;
      const results: Part[] = parts.flatMap((part) =>
        part.type === 'tool_call' ? [{ type: 'tool_result', id: part.id, name: part.name, output: part.input }] : [],
      );
      messages.push({ role: 'tool', parts: results, origin: 'tool' });
    }
    assert.equal(mock.requests.length, 51);
    assert.equal((mock.requests[50]!.body['messages'] as unknown[]).length, 2 + 50 * 3);
    assert.equal(mock.connectionCount, 1);
  });
});

test('any answer streamed equals the same answer in one piece', async () => {
  const word = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
  const calls = fc.array(
    fc.record({
      name: fc.constantFrom('add', 'sub'),
      input: fc.oneof(
        fc.dictionary(
          word.filter((key) => key !== '__proto__'),
          word,
          { maxKeys: 3 },
        ),
        fc.constant('{"cut":'),
      ),
    }),
    { minLength: 1, maxLength: 3 },
  );
  const usage = fc.option(
    fc.record({ inputTokens: fc.nat(), outputTokens: fc.nat(), cachedInputTokens: fc.nat(), reasoningTokens: fc.nat() }),
    { nil: null },
  );
  const answers = fc.record({ reasoning: word, text: word, calls, usage }, { requiredKeys: ['usage'] });
  let next: MockAnswer = {};
  await withMock({ answer: () => next }, async (call) => {
    await fc.assert(
      fc.asyncProperty(answers, async (answer) => {
        next = answer;
        const deltas: Delta[] = [];
        const streamed = await call({}, { onDelta: (delta) => deltas.push(delta) });
        assert.deepEqual(streamed, await call());
        const texts = streamed.parts.map((part) => (part.type === 'text' || part.type === 'reasoning' ? part.text : undefined));
        texts.forEach(
          (text, index) =>
            text === undefined ||
            assert.equal(deltas.map((delta) => (delta.index === index && 'text' in delta ? delta.text : '')).join(''), text),
        );
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
    [{ raw: { body: 'garbage' } }, 'MODEL_GARBAGE', 'MODEL_TRUNCATED'],
    [{ raw: { headers: { 'content-type': 'text/html' }, body: '<html>' } }, 'MODEL_GARBAGE', 'MODEL_GARBAGE'],
    [
      { raw: { status: 429, headers: { 'retry-after': '7' }, body: '{"error":{"message":"slow down"}}' } },
      'MODEL_RATE_LIMITED',
      'MODEL_RATE_LIMITED',
    ],
    [{ raw: { status: 500, body: 'oops' } }, 'MODEL_UNAVAILABLE', 'MODEL_UNAVAILABLE'],
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

test('a connection that breaks before its first answer is an error at once', async () => {
  await withMock({ answer: () => ({ fault: 'reset-early' }) }, async (call, mock) => {
    await assert.rejects(call(), { code: 'HTTP_BROKEN' });
    assert.equal(mock.requests.length, 1);
  });
});

test('an abort in the middle of a stream ends the call, and what had come was reported', async () => {
  await withMock({ answer: () => ({ text: 'a long answer indeed', fault: 'stalled' }) }, async (call) => {
    const controller = new AbortController();
    const deltas: Delta[] = [];
    const onDelta = (delta: Delta): void => {
      deltas.push(delta);
      controller.abort();
    };
    await assert.rejects(call({}, { onDelta, signal: controller.signal }), { code: 'CANCELLED' });
    assert.ok(deltas.length > 0);
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
  const calls = {
    role: 'assistant',
    content: null,
    tool_calls: [{ id: 'a', type: 'function', function: { name: 'add', arguments: '{}' } }],
  };
  const user = { role: 'user', content: 'hi' };
  const result = { role: 'tool', tool_call_id: 'a', content: '1' };
  const ok = { model: 'm', messages: [user, calls, result] };
  const tool = (rest: object): object => ({ type: 'function', function: { name: 'add', parameters: { type: 'object' }, ...rest } });
  const bad: readonly unknown[] = [
    'nonsense',
    [],
    { messages: [user] },
    { model: 'm' },
    { model: 'm', messages: [] },
    { ...ok, surprise: 1 },
    { ...ok, temperature: 3 },
    { ...ok, max_tokens: '9' },
    { ...ok, stream_options: { include_usage: true } },
    { ...ok, tool_choice: 'auto' },
    { ...ok, tools: [] },
    { ...ok, tools: [{ name: 'add' }] },
    { ...ok, tools: [tool({ name: 'a b' })] },
    { ...ok, tools: [tool({}), tool({})] },
    { ...ok, tools: [tool({ parameters: {} })] },
    { ...ok, response_format: { type: 'json_schema' } },
    { ...ok, messages: [{ role: 'robot', content: 'hi' }] },
    { ...ok, messages: [{ role: 'user', content: null }] },
    { ...ok, messages: [{ role: 'user', content: [{ text: 'a' }] }] },
    { ...ok, messages: [{ ...user, origin: 'person' }] },
    { ...ok, messages: [user, result] },
    { ...ok, messages: [user, calls] },
    { ...ok, messages: [user, calls, user, result] },
    { ...ok, messages: [user, calls, result, result] },
    { ...ok, messages: [user, { role: 'assistant', content: null }] },
    { ...ok, messages: [user, { ...calls, tool_calls: [...calls.tool_calls, ...calls.tool_calls] }, result] },
    {
      ...ok,
      messages: [user, { ...calls, tool_calls: [{ id: 'a', type: 'function', function: { name: 'add', arguments: {} } }] }, result],
    },
  ];
  await withMock({ answer: () => 'hi', isRefusalExpected: true }, async (_, mock, world) => {
    const status = async (body: unknown, path = '/chat/completions'): Promise<number> => {
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
    assert.equal(await status(ok, '/responses'), 400);
    assert.equal(mock.refusals.length, bad.length + 1);
    assert.equal(await status({ ...ok, tools: [tool({})], tool_choice: 'auto', temperature: 1 }), 200);
    assert.equal(mock.requests.length, 1);
  });
});

test('a mock that refused something unexpected says so at its end', async () => {
  const mock = await openaiMock({ answer: () => 'hi' });
  const { transport } = nodeWorld();
  await (await transport.request({ method: 'POST', url: `${mock.baseUrl}/chat/completions`, body: '{}' })).text();
  await transport.close();
  await assert.rejects(mock.close(), /refused 1 requests/);
});

const noOpenssl =
  spawnSync('openssl', ['version']).error === undefined ? false : 'SKIPPED: openssl is not installed here (apt-get install openssl)';

test(
  'TLS is trusted as Node trusts it: an unknown certificate is HTTP_UNREACHABLE, one of NODE_EXTRA_CA_CERTS is served',
  { skip: noOpenssl },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'nerva-tls-'));
    try {
      const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
      const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
      execFileSync(
        'openssl',
        [
          'req',
          '-x509',
          '-newkey',
          'ec',
          '-pkeyopt',
          'ec_paramgen_curve:prime256v1',
          '-nodes',
          '-days',
          '2',
          '-keyout',
          keyFile,
          '-out',
          certFile,
          ...subject,
        ],
        { stdio: 'ignore' },
      );
      const tls = { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8') };
      await withMock({ answer: () => 'hi', tls }, async (call, mock) => {
        await assert.rejects(call(), { code: 'HTTP_UNREACHABLE' });
        const script = `
        import { openaiChat } from ${JSON.stringify(new URL('../model/index.ts', import.meta.url).href)};
        import { nodeWorld } from ${JSON.stringify(new URL('../node/index.ts', import.meta.url).href)};
        const world = nodeWorld();
        const model = openaiChat({ model: 'm', baseUrl: ${JSON.stringify(mock.baseUrl)} });
        const ask = () => model.call({ instructions: '', tools: [], params: {}, messages: [{ role: 'user', origin: 'person', parts: [{ type: 'text', text: 'hi' }] }] }, { world });
        await ask();
        process.stdout.write((await ask()).parts[0].text);
        await world.transport.close();
      `;
        const output = await new Promise<string>((resolve, reject) => {
          const environment = { ...process.env, NODE_EXTRA_CA_CERTS: certFile };
          execFile(
            process.execPath,
            ['--conditions=nerva-source', '--input-type=module', '-e', script],
            { env: environment },
            (error, stdout) => (error === null ? resolve(stdout) : reject(error)),
          );
        });
        assert.equal(output, 'hi');
        assert.equal(mock.connectionCount, 1);
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
