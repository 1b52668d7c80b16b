/** `nerva models` and `nerva doctor`, as they are typed. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { PROVIDER_ENTRIES } from 'nerva/node';
import { Place } from './cli-process.ts';

const VARIABLES = PROVIDER_ENTRIES.flatMap(({ keyVariables, urlVariables }) => [...keyVariables, ...urlVariables]);
/** Nothing of the machine's own environment. */
const BARE = Object.fromEntries(VARIABLES.map((name) => [name, '']));
const SECRET = 'sk-ant-do-not-print-0123456789';
const KEYED = { ...BARE, ANTHROPIC_API_KEY: SECRET, GEMINI_API_KEY: `${SECRET}-g`, AWS_SECRET_ACCESS_KEY: `${SECRET}-a` };

type Row = Readonly<Record<string, unknown>>;
const rowsOf = (out: string): readonly Row[] =>
  out
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Row);

test('models --json is an object for each provider, with what is known of its models and no key', async (t) => {
  const { code, out, err } = await new Place(t).start(['models', '--json'], { env: KEYED }).ended;
  assert.deepEqual([code, err], [0, '']);
  const rows = rowsOf(out);
  assert.deepEqual(
    rows.map(({ provider }) => provider),
    PROVIDER_ENTRIES.map(({ id }) => id),
  );
  assert.deepEqual(
    rows.filter(({ configured }) => configured === true).map(({ provider }) => provider),
    ['anthropic', 'google'],
  );
  for (const { type, dialect, verified, models } of rows) {
    assert.deepEqual([type, typeof dialect, verified], ['provider', 'string', 'unverified']);
    for (const { name, capabilities, price, asOf, source } of models as readonly Row[]) {
      assert.equal(typeof name, 'string');
      assert.ok(typeof capabilities === 'object' && capabilities !== null);
      // What is unknown is null, and no price stands without its day.
      assert.ok(price === null || typeof (price as Row)['inputUsd'] === 'number');
      assert.match(String(asOf), /^\d{4}-\d\d-\d\d$/);
      assert.match(String(source), /^https:/);
    }
  }
  assert.ok(!out.includes('do-not-print'));
});

test('models narrows by provider and by need, and names the nearest of what does not exist', async (t) => {
  const place = new Place(t);
  const run = (...args: readonly string[]) => place.start(['models', ...args], { env: KEYED }).ended;
  const google = await run('--provider', 'google', '--needs', 'vision=3');
  assert.match(
    google.out,
    /^provider .*\ngoogle +yes +google +unverified +\d+ .*\ngoogle\/gemini-\S+ {2}[\d.]+ in, [\d.]+ out USD per million tokens \(/,
  );
  for (const [args, says] of [
    [['--provider', 'goggle'], /^There is no provider "goggle"\. Did you mean "google"\? There are: openai, /],
    [['--needs', 'visoin=3'], /^There is no capability "visoin"\. Did you mean "vision"\? There are: /],
    [['--needs', 'vision=9'], /^--needs takes a strength of 0 to 4 .*"vision=9" came/],
  ] as const) {
    const { code, out, err } = await run(...args);
    assert.deepEqual([code, out], [2, '']);
    assert.match(err, says);
  }
  assert.ok(!google.out.includes('do-not-print'));
});

test('doctor says which keys are there without showing them, and which agent lacks its own', async (t) => {
  const place = new Place(t);
  place.write(
    'named.ts',
    `import { createAgent } from 'nerva';\nexport const lacking = createAgent({ name: 'lacking', model: 'groq/llama' });\n`,
  );
  const { code, out } = await place.start(['doctor', '--agents', 'named.ts'], { env: { ...KEYED, OLLAMA_HOST: '127.0.0.1:1' } }).ended;
  assert.equal(code, 0);
  assert.match(out, /^ok {4}release: nerva /);
  assert.match(out, /\nwarn {2}store: there is none at /);
  assert.match(out, /\nok {4}models: configured: anthropic, google, ollama\n/);
  assert.match(out, /\nwarn {2}ollama: none runs at http:\/\/127\.0\.0\.1:1\n {6}Start it with `ollama serve`, or mend OLLAMA_HOST\.\n/);
  assert.match(out, /\nwarn {2}agent lacking: groq\/llama, 0 tools\n {6}Set GROQ_API_KEY, unless /);
  assert.ok(!out.includes('do-not-print'));
});

test('doctor finds an Ollama where OLLAMA_HOST says, and takes nothing else for one', async (t) => {
  let body = '{"version":"0.12.3"}';
  const server = createServer((request, response) => response.end(request.url === '/api/version' ? body : ''));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const place = new Place(t);
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const finding = async (): Promise<Row | undefined> =>
    rowsOf((await place.start(['doctor', '--json'], { env: { ...BARE, OLLAMA_HOST: host } }).ended).out).find(
      ({ check }) => check === 'ollama',
    );
  assert.deepEqual(await finding(), { type: 'finding', check: 'ollama', status: 'ok', found: `version 0.12.3 at http://${host}`, do: '' });
  for (body of ['{}', 'null', '<html>'])
    assert.deepEqual(((found) => [found?.['status'], found?.['found']])(await finding()), ['warn', `none runs at http://${host}`]);
});
