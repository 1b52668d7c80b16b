import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { NervaError } from '../core/index.ts';
import { nodeWorld } from '../node/index.ts';
import { checkKey, type CheckOptions, type KeyCheck, type KeyTarget } from './index.ts';

const KEY = 'k3y/that+nobody=may.see';

/** What a provider's list looks like from outside: another path, method, key or header is refused as the provider would. */
interface Shape {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Which of them is the key's. */
  readonly key: string;
  readonly body: unknown;
}

type Handler = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

async function serve(t: TestContext, handler: Handler): Promise<{ readonly url: string; readonly seen: IncomingMessage[] }> {
  const seen: IncomingMessage[] = [];
  const server = createServer((incoming, outgoing) => {
    seen.push(incoming);
    handler(incoming, outgoing);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

function strict({ path, headers, key, body }: Shape): Handler {
  return (incoming, outgoing) => {
    const json = (status: number, value: unknown): void => {
      outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    };
    if (incoming.url !== path) return json(404, { error: { message: `no such path: ${String(incoming.url)}` } });
    if (incoming.method !== 'GET' || incoming.headers['content-length'] !== undefined)
      return json(405, { error: { message: 'GET alone' } });
    for (const [name, value] of Object.entries(headers))
      if (incoming.headers[name] !== value) return json(name === key ? 401 : 400, { error: { message: `${name} is wrong` } });
    json(200, body);
  };
}

async function checked(target: KeyTarget, options: Partial<CheckOptions> = {}): Promise<KeyCheck> {
  const world = nodeWorld();
  try {
    return await checkKey(target, { world, ...options });
  } finally {
    await world.transport.close();
  }
}

const bearer = { authorization: `Bearer ${KEY}` };
const SHAPES: Readonly<Record<string, Shape & { readonly base: string; readonly more?: Partial<KeyTarget> }>> = {
  openai: {
    base: '/v1',
    path: '/v1/models',
    headers: bearer,
    key: 'authorization',
    body: { object: 'list', data: [{ id: 'a' }, { id: 'b' }] },
  },
  anthropic: {
    base: '/v1',
    path: '/v1/models?limit=1000',
    headers: { 'x-api-key': KEY, 'anthropic-version': '2023-06-01' },
    key: 'x-api-key',
    body: { data: [{ id: 'a' }, { id: 'b' }], has_more: false },
  },
  google: {
    base: '/v1beta',
    path: '/v1beta/models?pageSize=1000',
    headers: { 'x-goog-api-key': KEY },
    key: 'x-goog-api-key',
    body: { models: [{ name: 'models/a' }, { name: 'models/b' }] },
  },
  ollama: {
    base: '',
    path: '/api/tags',
    headers: bearer,
    key: 'authorization',
    body: { models: [{ name: 'a:latest' }, { name: 'b:latest' }] },
  },
  groq: {
    base: '/openai/v1',
    path: '/openai/v1/models',
    headers: bearer,
    key: 'authorization',
    body: { data: [{ id: 'a' }, { id: 'b' }] },
  },
  together: { base: '/v1', path: '/v1/models', headers: bearer, key: 'authorization', body: [{ id: 'a' }, { id: 'b' }] },
  openrouter: {
    base: '/api/v1',
    path: '/api/v1/models/user',
    headers: bearer,
    key: 'authorization',
    body: { data: [{ id: 'a' }, { id: 'b' }] },
  },
  cohere: {
    base: '/compatibility/v1',
    path: '/v1/models?page_size=1000',
    headers: bearer,
    key: 'authorization',
    body: { models: [{ name: 'a' }, { name: 'b' }], next_page_token: '' },
  },
};

for (const [provider, { base, ...shape }] of Object.entries(SHAPES)) {
  test(`${provider} is asked at its own path with its own headers, and a key that it does not take is refused`, async (t) => {
    const { url, seen } = await serve(t, strict(shape));
    const target = { provider, apiKey: `${KEY}\n`, baseUrl: url + base, model: 'a' };
    assert.deepEqual(await checked(target), {
      provider,
      outcome: 'ok',
      says: 'it takes the key: 2 models, a among them',
      models: 2,
      hasMore: false,
      model: { name: 'a', isListed: true, nearest: null },
    });
    assert.equal(seen.length, 2, 'once with the key, once without');
    const refused = await checked({ ...target, apiKey: 'another' });
    assert.deepEqual([refused.outcome, refused.models, seen.length], ['refused', null, 3]);
    assert.match(refused.says, new RegExp(`^${provider} refused the key; check it and its account \\(HTTP 401\\): ${shape.key} is wrong`));
  });
}

test('azure is asked by each form of its address, with its key, and its deployments are not looked for among models', async (t) => {
  for (const [apiVersion, path] of [
    [undefined, '/openai/v1/models'],
    ['preview', '/openai/v1/models?api-version=preview'],
    ['2024-10-21', '/openai/models?api-version=2024-10-21'],
  ] as const) {
    const { url } = await serve(t, strict({ path, headers: { 'api-key': KEY }, key: 'api-key', body: { data: [{ id: 'gpt-5' }] } }));
    const target = { provider: 'azure', apiKey: KEY, model: 'mine', ...(apiVersion === undefined ? {} : { apiVersion }) };
    for (const baseUrl of [url, `${url}/openai/v1/`]) {
      const { outcome, says, model } = await checked({ ...target, baseUrl });
      assert.deepEqual([outcome, says, model], ['ok', 'it takes the key: 1 model', null]);
    }
  }
  assert.equal((await checked({ provider: 'azure', apiKey: KEY, resource: 'a/b' })).outcome, 'wrong-address');
});

test('where nothing can be said without a call, that is said and nothing is sent', async () => {
  for (const provider of ['bedrock', 'zhipu', 'perplexity', 'github']) {
    const { outcome, says } = await checked({ provider, apiKey: KEY, baseUrl: 'http://127.0.0.1:1' });
    assert.equal(outcome, 'unchecked', provider);
    assert.match(says, /cannot be checked without a call/);
  }
  await assert.rejects(
    checked({ provider: 'gorq' }),
    (error) => NervaError.is(error, 'OPTION_INVALID') && /did you mean "groq"/.test(error.message),
  );
});

test('a list that everybody may have says nothing about a key; without a key it need not', async (t) => {
  const { url, seen } = await serve(t, (_incoming, outgoing) => void outgoing.end('{"data":[{"id":"m"}]}'));
  const keyed = await checked({ provider: 'vllm', apiKey: KEY, baseUrl: url });
  assert.deepEqual([keyed.outcome, keyed.models], ['unchecked', 1]);
  assert.match(keyed.says, /^its list is open to everybody/);
  assert.deepEqual(
    seen.map(({ headers }) => headers.authorization),
    [`Bearer ${KEY}`, undefined],
  );
  const keyless = await checked({ provider: 'vllm', baseUrl: url });
  assert.deepEqual([keyless.outcome, keyless.says, seen.length], ['ok', 'it answers without a key: 1 model', 3]);
});

test('each way of failing has its outcome, and none holds a key that the server repeats', async (t) => {
  const echo = (incoming: IncomingMessage): string => `${String(incoming.headers.authorization)} and ${KEY}`;
  const answers: readonly (readonly [CheckCase, (text: string) => readonly [number, Record<string, string>, string]])[] = [
    [['refused', /HTTP 401/], (text) => [401, {}, JSON.stringify({ error: { message: `Incorrect key ${text}`, code: text } })]],
    [['refused', /HTTP 403/], (text) => [403, { 'content-type': 'text/plain' }, text]],
    [['refused', /HTTP 402/], (text) => [402, {}, `{"error":"pay, ${text}"}`]],
    [['refused', /HTTP 400/], () => [400, {}, '{"error":{"message":"API key not valid","details":[{"reason":"API_KEY_INVALID"}]}}']],
    [['limited', /HTTP 429/], (text) => [429, { 'retry-after': '7' }, `{"error":{"message":"slow down ${text}"}}`]],
    [['wrong-address', /there is no list of models at http:\S+\/v1\/models \(HTTP 404\)/], (text) => [404, {}, text]],
    [['wrong-address', /with a page, not with a list/], (text) => [200, { 'content-type': 'text/html' }, `<!doctype html>${text}`]],
    [['wrong-address', /with a page, not with a list/], (text) => [200, {}, `\n<html>${text}`]],
    [['wrong-address', /with a page, not with a list/], (text) => [200, { 'content-type': 'text/HTML; charset=utf-8' }, `Welcome ${text}`]],
    [['wrong-address', /with something else, not with a list/], (text) => [200, {}, `{"hello":"${text}"}`]],
    [['wrong-address', /with something else, not with a list/], (text) => [200, {}, `{"data":[{"no":"${text}"}]}`]],
    [['wrong-address', /Redirects are not followed/], (text) => [302, { location: `http://127.0.0.1:1/${encodeURI(KEY)}` }, text]],
    [['failed', /HTTP 503/], (text) => [503, {}, `{"error":{"message":"busy ${text}"}}`]],
    [['failed', /too much/], (text) => [200, {}, `{"error":{"message":"too much ${text}","code":500}}`]],
    [['refused', /no such key/], () => [200, {}, '{"error":{"message":"no such key","code":401}}']],
  ];
  for (const [[outcome, says], answer] of answers) {
    const { url, seen } = await serve(t, (incoming, outgoing) => {
      const [status, headers, body] = answer(echo(incoming));
      outgoing.writeHead(status, headers).end(body);
    });
    const check = await checked({ provider: 'openai', apiKey: KEY, baseUrl: `${url}/v1` });
    assert.equal(check.outcome, outcome, check.says);
    assert.match(check.says, says);
    assert.ok(!JSON.stringify(check).includes(KEY), check.says);
    assert.equal(seen.length, 1, 'nothing is repeated');
  }
});

type CheckCase = readonly [KeyCheck['outcome'], RegExp];

test('a server that repeats the key as the name of a model does not get it shown', async (t) => {
  const { url } = await serve(t, (incoming, outgoing) => {
    if (incoming.headers.authorization === undefined) outgoing.writeHead(401).end();
    else outgoing.end(JSON.stringify({ data: [{ id: KEY }] }));
  });
  const check = await checked({ provider: 'openai', apiKey: KEY, baseUrl: url, model: `${KEY.slice(0, -1)}x` });
  assert.equal(check.outcome, 'ok');
  assert.equal(check.model?.nearest, '[key]');
  assert.ok(!check.says.includes(KEY));
});

test('nobody there, no such host, no TLS, a line that breaks and a server that is slow are unreachable; each within its time', async (t) => {
  const silent = await serve(t, () => undefined);
  const trickling = await serve(t, (_incoming, outgoing) => {
    outgoing.write('{"data":[');
    const timer = setInterval(() => outgoing.write(' '), 20);
    outgoing.on('close', () => clearInterval(timer));
  });
  const breaking = await serve(t, (_incoming, outgoing) => {
    outgoing.write('{"data":[');
    setTimeout(() => outgoing.destroy(), 20);
  });
  for (const baseUrl of [
    'http://127.0.0.1:1',
    'http://no-such-host.invalid',
    silent.url.replace('http:', 'https:'),
    silent.url,
    trickling.url,
    breaking.url,
  ]) {
    const startMs = performance.now();
    const { outcome, says } = await checked({ provider: 'openai', apiKey: KEY, baseUrl }, { timeoutMs: 300 });
    assert.equal(outcome, 'unreachable', `${baseUrl}: ${says}`);
    assert.ok(performance.now() - startMs < 2_000, `${baseUrl} took its time`);
  }
});

test('the time is of the whole check: a server that answers the key and not its absence has taken it', async (t) => {
  const { url } = await serve(t, (incoming, outgoing) => {
    if (incoming.headers.authorization !== undefined) outgoing.end('{"data":[{"id":"m"}]}');
  });
  const startMs = performance.now();
  assert.equal((await checked({ provider: 'openai', apiKey: KEY, baseUrl: url }, { timeoutMs: 300 })).outcome, 'ok');
  assert.ok(performance.now() - startMs < 2_000);
});

test('an answer that is too large is not read', async (t) => {
  let written = 0;
  const { url } = await serve(t, (_incoming, outgoing) => {
    outgoing.write('{"data":[');
    const piece = `{"id":"${'x'.repeat(16_000)}"},`;
    const more = (): void => {
      while (!outgoing.destroyed && written < 256_000_000) {
        written += piece.length;
        if (!outgoing.write(piece)) return void outgoing.once('drain', more);
      }
    };
    more();
  });
  const check = await checked({ provider: 'openai', apiKey: KEY, baseUrl: url }, { bytesMax: 100_000 });
  assert.equal(check.outcome, 'failed');
  assert.match(check.says, /100000/);
  assert.ok(written < 64_000_000, String(written));
});

test('an abort ends it, before it began and in the middle, also while the list is asked for without the key', async (t) => {
  await assert.rejects(checked({ provider: 'openai', baseUrl: 'http://127.0.0.1:1' }, { signal: AbortSignal.abort() }), {
    code: 'CANCELLED',
  });
  for (const isAnswered of [false, true]) {
    const stop = new AbortController();
    const { url } = await serve(t, (incoming, outgoing) => {
      if (isAnswered && incoming.headers.authorization !== undefined) outgoing.end('{"data":[]}');
      else setTimeout(() => stop.abort(), 20);
    });
    await assert.rejects(checked({ provider: 'openai', apiKey: KEY, baseUrl: url }, { signal: stop.signal }), { code: 'CANCELLED' });
  }
});

test('an address that is none and a key that no header can carry are outcomes too, and nothing is sent', async () => {
  for (const [target, outcome, says] of [
    [{ apiKey: KEY, baseUrl: 'nowhere' }, 'wrong-address', /give an http or https URL/],
    [{ apiKey: KEY, baseUrl: 'ftp://h' }, 'wrong-address', /give an http or https URL/],
    [{ apiKey: 'sécret-key', baseUrl: 'http://127.0.0.1:1' }, 'refused', /U\+00E9 at 1/],
  ] as const) {
    const check = await checked({ provider: 'openai', ...target });
    assert.equal(check.outcome, outcome);
    assert.match(check.says, says);
    assert.ok(!check.says.includes(target.apiKey));
  }
});

test('what an address holds beside the place is not shown: a user, a query, the key itself', async (t) => {
  const { host } = new URL((await serve(t, (_incoming, outgoing) => void outgoing.writeHead(404).end())).url);
  for (const at of [host, '127.0.0.1:1']) {
    const { outcome, says } = await checked({ provider: 'openai', apiKey: KEY, baseUrl: `http://me:hidden@${at}/${KEY}?token=hidden` });
    assert.equal(outcome, at === host ? 'wrong-address' : 'unreachable');
    assert.ok(!says.includes('hidden') && !says.includes(KEY), says);
  }
});

test('a model is found by its name without the date of its version, its tag or its variant; else the nearest is named', async (t) => {
  const { url } = await serve(
    t,
    (_incoming, outgoing) =>
      void outgoing.end(
        JSON.stringify({
          data: ['claude-haiku-4-5-20251001', 'gpt-5-mini-2025-08-07', 'llama3.2:latest', 'org/m', 'x'.repeat(500)].map((id) => ({ id })),
          has_more: true,
        }),
      ),
  );
  const look = async (provider: string, model: string) => (await checked({ provider, baseUrl: url, model })).model;
  const listed = { isListed: true, nearest: null };
  assert.deepEqual(await look('anthropic', 'claude-haiku-4-5'), { name: 'claude-haiku-4-5', ...listed });
  assert.deepEqual(await look('openai', 'gpt-5-mini'), { name: 'gpt-5-mini', ...listed });
  assert.deepEqual(await look('ollama', 'llama3.2'), { name: 'llama3.2', ...listed });
  assert.deepEqual(await look('openrouter', 'org/m:free'), { name: 'org/m:free', ...listed });
  assert.equal((await look('groq', 'org/m:free'))?.isListed, false);
  assert.deepEqual(await look('openai', 'gpt-5-minni'), { name: 'gpt-5-minni', isListed: false, nearest: 'gpt-5-mini-2025-08-07' });
  const check = await checked({ provider: 'openai', baseUrl: url, model: 'gpt-5-minni' });
  assert.deepEqual([check.hasMore, check.models], [true, 4]);
  assert.equal(check.says, 'it answers without a key: 4 or more models, gpt-5-minni not among them; the nearest is gpt-5-mini-2025-08-07');
});

test('a list without models is one, also as an Ollama without any writes it', async (t) => {
  for (const body of ['{"models":null}', '{"models":[]}', '{"data":[]}', '\ufeff[]']) {
    const { url } = await serve(t, (_incoming, outgoing) => void outgoing.end(body));
    const { outcome, models } = await checked({ provider: 'ollama', baseUrl: url });
    assert.deepEqual([outcome, models], ['ok', 0]);
  }
});
