/** `nerva doctor --online`, as it is typed, against servers that refuse what is malformed. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { PROVIDER_ENTRIES } from 'nerva/node';
import { Place } from './cli-process.ts';

const VARIABLES = PROVIDER_ENTRIES.flatMap(({ keyVariables, urlVariables }) => [...keyVariables, ...urlVariables]);
/** Nothing of the machine's own environment. */
const BARE = Object.fromEntries([...VARIABLES, 'NERVA_MODEL', 'OPENAI_MODEL'].map((name) => [name, '']));
const SECRET = 'do-not-print/0123456789';

type Row = Readonly<Record<string, unknown>>;

/** Answers at one path to who has the key in the right header; every other request is refused. */
async function provider(
  t: TestContext,
  {
    path,
    header,
    value,
    answer,
  }: { readonly path: string; readonly header: string; readonly value: string; readonly answer: (outgoing: ServerResponse) => void },
): Promise<{ readonly host: string; readonly seen: string[] }> {
  const seen: string[] = [];
  const server = createServer((incoming: IncomingMessage, outgoing) => {
    seen.push(`${String(incoming.method)} ${String(incoming.url)}`);
    if (`${String(incoming.method)} ${String(incoming.url)}` !== `GET ${path}`) outgoing.writeHead(404).end();
    else if (incoming.headers[header] !== value)
      outgoing.writeHead(401).end(JSON.stringify({ error: { message: `who is ${String(incoming.headers[header])}?` } }));
    else answer(outgoing);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { host: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

const list =
  (...ids: readonly string[]) =>
  (outgoing: ServerResponse): void =>
    void outgoing.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ data: ids.map((id) => ({ id })) }));

async function online(
  place: Place,
  env: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<{ readonly code: number | null; readonly rows: readonly Row[] }> {
  const { code, out, err } = await place.start(['doctor', '--online', '--json', ...args], { env: { ...BARE, ...env } }).ended;
  assert.equal(err, '');
  assert.ok(!out.includes('do-not-print'), out);
  const rows = out
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Row);
  return { code, rows: rows.filter((row) => 'provider' in row) };
}

test('each provider that is configured is asked once, with its key and without, in the order of the table', async (t) => {
  const place = new Place(t);
  const anthropic = await provider(t, {
    path: '/v1/models?limit=1000',
    header: 'x-api-key',
    value: SECRET,
    answer: list('claude-haiku-4-5-20251001'),
  });
  const groq = await provider(t, {
    path: '/openai/v1/models',
    header: 'authorization',
    value: `Bearer ${SECRET}`,
    answer: list('llama-3.3-70b-versatile', 'qwen/qwen3-32b'),
  });
  const env = {
    ANTHROPIC_API_KEY: `${SECRET}\n`,
    ANTHROPIC_BASE_URL: `${anthropic.host}/v1`,
    GROQ_API_KEY: SECRET,
    GROQ_BASE_URL: `${groq.host}/openai/v1`,
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'AKIA0000000000000000',
    AWS_SECRET_ACCESS_KEY: SECRET,
    NERVA_MODEL: 'groq/llama-3.3-70b-versatil',
  };
  const { code, rows } = await online(place, env);
  assert.equal(code, 0);
  assert.deepEqual(
    rows.map(({ provider: id, status, outcome, models, model }) => [id, status, outcome, models, model]),
    [
      ['anthropic', 'ok', 'ok', 1, null],
      ['bedrock', 'warn', 'unchecked', null, null],
      ['groq', 'warn', 'ok', 2, { name: 'llama-3.3-70b-versatil', isListed: false, nearest: 'llama-3.3-70b-versatile' }],
    ],
  );
  assert.deepEqual([anthropic.seen.length, groq.seen.length], [2, 2]);
  const { out } = await place.start(['doctor', '--online'], { env: { ...BARE, ...env, NERVA_MODEL: 'anthropic/claude-haiku-4-5' } }).ended;
  assert.match(out, /\nok {4}provider anthropic: it takes the key: 1 model, claude-haiku-4-5 among them\n/);
  assert.match(out, /\nwarn {2}provider bedrock: its key cannot be checked without a call/);
  assert.ok(!out.includes('do-not-print'));
  // Without the flag nobody is asked.
  const before = anthropic.seen.length + groq.seen.length;
  assert.ok(!(await place.start(['doctor'], { env: { ...BARE, ...env } }).ended).out.includes('provider anthropic'));
  assert.equal(anthropic.seen.length + groq.seen.length, before);
});

test('what refuses, is not there, is slow, limits or is no provider is told for each, with what to do; exit 1', async (t) => {
  const place = new Place(t);
  const shape = { path: '/models', header: 'authorization', value: `Bearer ${SECRET}` };
  const servers = {
    GROQ: await provider(t, { ...shape, value: 'Bearer another', answer: list() }),
    DEEPSEEK: await provider(t, { ...shape, path: '/elsewhere', answer: list() }),
    XAI: await provider(t, {
      ...shape,
      answer: (outgoing) => void outgoing.writeHead(429).end(JSON.stringify({ error: { message: `slow down, ${SECRET}` } })),
    }),
    MISTRAL: await provider(t, { ...shape, answer: () => undefined }),
    TOGETHER: await provider(t, { ...shape, answer: (outgoing) => void outgoing.end(`<html>${SECRET}`) }),
  };
  const env = Object.fromEntries(
    Object.entries(servers).flatMap(([name, { host }]) => [
      [`${name}_API_KEY`, SECRET],
      [`${name}_BASE_URL`, host],
    ]),
  );
  const startMs = performance.now();
  const { code, rows } = await online(
    place,
    { ...env, CEREBRAS_API_KEY: SECRET, CEREBRAS_BASE_URL: 'http://127.0.0.1:1' },
    '--timeout',
    '1500',
  );
  assert.equal(code, 1);
  assert.deepEqual(
    rows.map(({ provider: id, status, outcome }) => [id, status, outcome]),
    [
      ['groq', 'fail', 'refused'],
      ['deepseek', 'fail', 'wrong-address'],
      ['xai', 'warn', 'limited'],
      ['mistral', 'fail', 'unreachable'],
      ['together', 'fail', 'wrong-address'],
      ['cerebras', 'fail', 'unreachable'],
    ],
  );
  assert.match(String(rows[0]?.['found']), /^groq refused the key; .*who is Bearer \[key\]$/);
  assert.equal(rows[0]?.['do'], 'Put a key that is valid into GROQ_API_KEY.');
  assert.match(String(rows[1]?.['do']), /^Mend DEEPSEEK_BASE_URL: /);
  assert.ok(performance.now() - startMs < 10_000);
  for (const { seen } of Object.values(servers)) assert.equal(seen.length, 1, 'nothing is repeated');
});

test('an Ollama that OLLAMA_HOST names is asked for its models; --timeout alone is wrong usage', async (t) => {
  const place = new Place(t);
  const server = createServer((incoming, outgoing) => {
    const body = { '/api/version': '{"version":"0.12.3"}', '/api/tags': '{"models":[{"name":"llama3.2:latest"}]}' }[incoming.url ?? ''];
    outgoing.writeHead(body === undefined ? 404 : 200).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { code, rows } = await online(place, { OLLAMA_HOST: host, NERVA_MODEL: 'ollama/llama3.2' });
  assert.deepEqual([code, rows.map(({ found }) => found)], [0, ['it answers without a key: 1 model, llama3.2 among them']]);
  const wrong = await place.start(['doctor', '--timeout', '5'], { env: BARE }).ended;
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /--timeout goes with --online/);
});
