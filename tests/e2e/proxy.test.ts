/** `nerva proxy` as a process, between an agent that knows nothing of Nerva (the AI SDK) and a strict server. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, jsonSchema, stepCountIs, streamText, tool, type ModelMessage } from 'ai';
import { openaiMock, type MockRequest, type WireMock, type WireMockOptions } from '../../packages/nerva/src/testing/index.ts';
import { Place } from './cli-process.ts';

const KEY = 'sk-e2e-0123456789abcdef0123456789abcdef';
const SYSTEM = 'You pay invoices.';
const inputSchema = { type: 'object', properties: { usd: { type: 'number' } }, required: ['usd'] } as const;

interface Line {
  readonly type: string;
  readonly [name: string]: unknown;
}

/** The command, and the lines it printed so far. */
class Proxy {
  readonly lines: Line[] = [];
  readonly ended;
  readonly #child;

  constructor(place: Place, ...args: readonly string[]) {
    const { child, ended } = place.start(['proxy', '--json', ...args]);
    this.#child = child;
    this.ended = ended;
    let rest = '';
    child.stdout?.on('data', (piece: Buffer) => {
      const parts = (rest + piece.toString()).split('\n');
      rest = parts.pop() ?? '';
      this.lines.push(...parts.map((line) => JSON.parse(line) as Line));
    });
  }

  /** The n-th line of a type, once it is there. */
  async line(type: string, n = 0): Promise<Line> {
    for (;;) {
      const found = this.lines.filter((line) => line.type === type)[n];
      if (found !== undefined) return found;
      if (this.#child.exitCode !== null) throw new Error(JSON.stringify(await this.ended));
      await sleep(10);
    }
  }

  async url(): Promise<string> {
    return String((await this.line('listening'))['url']);
  }

  async stop(signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL'): Promise<{ readonly code: number | null; readonly err: string }> {
    this.#child.kill(signal);
    return this.ended;
  }
}

async function upstream(t: TestContext, answer: WireMockOptions['answer'], isRefusalExpected = false): Promise<WireMock> {
  const mock = await openaiMock({ answer, apiKey: KEY, isRefusalExpected });
  t.after(() => mock.close());
  return mock;
}

/** Pays when it is asked to and has not. */
function clerk({ body }: MockRequest): ReturnType<WireMockOptions['answer']> {
  const messages = body['messages'] as readonly { readonly role: string; readonly content: unknown }[];
  const last = messages.at(-1);
  if (last?.role === 'tool') return `It is done: ${JSON.stringify(last.content)}`;
  return String(last?.content).startsWith('Pay')
    ? { text: 'One moment.', calls: [{ name: 'pay', input: { usd: 7 } }] }
    : 'You are welcome.';
}

/** One turn of an agent of the AI SDK: the messages it adds. */
async function turn(baseURL: string, messages: readonly ModelMessage[], isStream: boolean): Promise<readonly ModelMessage[]> {
  const model = createOpenAICompatible({ name: 'proxied', baseURL, apiKey: KEY }).chatModel('gpt-x');
  const options = {
    model,
    system: SYSTEM,
    messages: [...messages],
    tools: { pay: tool({ description: 'Pays.', inputSchema: jsonSchema(inputSchema), execute: () => ({ paid: true }) }) },
    stopWhen: stepCountIs(5),
    maxRetries: 0,
  };
  if (!isStream) return (await generateText(options)).responseMessages;
  const streamed = streamText({ ...options, onError: () => undefined });
  for await (const _ of streamed.textStream);
  return streamed.responseMessages;
}

async function talk(url: string, isStream: boolean): Promise<readonly ModelMessage[]> {
  const messages: ModelMessage[] = [{ role: 'user', content: 'Pay invoice 7.' }];
  messages.push(...(await turn(url, messages, isStream)), { role: 'user', content: 'Thank you.' });
  messages.push(...(await turn(url, messages, isStream)));
  return messages;
}

const AGENT = `
import { createAgent, fromFunction, scriptedModel, tool } from 'nerva';
const pay = tool({ name: 'pay', description: 'Pays.', inputSchema: ${JSON.stringify(inputSchema)}, execute: () => ({ paid: true }) });
export const proxy = createAgent({ name: 'proxy', instructions: '${SYSTEM}', model: scriptedModel(() => 'From a fork.'), tools: [pay] });
`;

test('an agent of the AI SDK becomes sessions that are shown, replayed, forked and gone on with, and its key is in no file', async (t) => {
  const mock = await upstream(t, clerk);
  const place = new Place(t);
  place.write('proxy-agent.ts', AGENT);
  const proxy = new Proxy(place, '--to', mock.baseUrl);
  const url = await proxy.url();
  await Promise.all([talk(url, true), talk(url, false)]);
  await proxy.line('call', 5);
  const { code, err } = await proxy.stop('SIGINT');
  assert.deepEqual([code, err, proxy.lines.at(-1)], [0, '', { type: 'stopped', calls: 6 }]);

  const { lines } = await place.json('sessions', '--agent', 'proxy');
  assert.equal(lines.length, 2);
  for (const { sid, status, head } of lines) {
    assert.deepEqual([status, head], ['idle', 15]);
    assert.deepEqual(await place.types(String(sid)), [
      'session.created',
      'message.received',
      'turn.started',
      'model.called',
      'model.answered',
      'tool.called',
      'tool.returned',
      'model.called',
      'model.answered',
      'turn.ended',
      'message.received',
      'turn.started',
      'model.called',
      'model.answered',
      'turn.ended',
    ]);
    const replay = await place.run('replay', String(sid), '--agents', 'proxy-agent.ts');
    assert.deepEqual([replay.code, replay.err], [0, ''], replay.out);
    assert.match(replay.out, /^same: 15 events, 8 decisions made again/);
  }
  const [sid = ''] = lines.map((line) => String(line['sid']));
  assert.equal((await place.run('verify')).code, 0);
  assert.equal((await place.run('fork', sid, '--at', '9', '--as', 'other', '--live')).code, 0);
  const gone = await place.run('run', 'proxy-agent.ts', 'And now?', '--session', 'other');
  assert.deepEqual([gone.code, gone.out], [0, 'From a fork.\n']);
  const folder = join(place.path, '.nerva');
  for (const file of readdirSync(folder)) assert.equal(readFileSync(join(folder, file)).includes(KEY), false, file);
});

test('a proxy that is killed in a call leaves a store that opens; the next one goes on in the same sessions', async (t) => {
  let isHanging = false;
  const mock = await upstream(t, (request) => (isHanging ? { fault: 'silent' } : clerk(request)));
  const place = new Place(t);
  const first = new Proxy(place, '--to', mock.baseUrl);
  const url = await first.url();
  const [done] = [await talk(url, true)];
  const other: ModelMessage[] = [{ role: 'user', content: 'Hello.' }];
  other.push(...(await turn(url, other, false)));
  isHanging = true;
  const hanging = turn(url, [...done, { role: 'user', content: 'Still there?' }], true).catch((error: unknown) => error);
  while (mock.requests.length < 5) await sleep(10);
  await first.stop('SIGKILL');
  await hanging;

  const { code, lines } = await place.json('verify');
  assert.deepEqual([code, lines.map(({ ok }) => ok)], [0, [true, true]]);
  isHanging = false;
  const second = new Proxy(place, '--to', mock.baseUrl);
  await turn(await second.url(), [...other, { role: 'user', content: 'And again.' }], true);
  const { sid } = await second.line('call');
  await turn(await second.url(), [...done, { role: 'user', content: 'Still there?' }], true);
  const { sid: anew } = await second.line('call', 1);
  assert.equal((await second.stop('SIGTERM')).code, 0);
  const sessions = await place.json('sessions');
  assert.deepEqual(
    sessions.lines.map(({ head }) => Number(head)).toSorted((one, more) => one - more),
    [11, 12, 20],
  );
  assert.ok(sessions.lines.every(({ status }) => status === 'idle'));
  assert.equal(sessions.lines.find((line) => line['sid'] === sid)?.['head'], 11);
  assert.equal(sessions.lines.find((line) => line['sid'] === anew)?.['head'], 12);
  const cut = String(sessions.lines.find(({ head }) => head === 20)?.['sid']);
  assert.deepEqual((await place.types(cut)).slice(-3), ['model.called', 'model.failed', 'turn.ended']);
});

test('the first Ctrl-C records what is under way; a store that another process writes and a port that is taken are told', async (t) => {
  const mock = await upstream(t, () => ({ text: 'half of it', fault: 'stalled' }));
  const place = new Place(t);
  const proxy = new Proxy(place, '--to', mock.baseUrl);
  const url = await proxy.url();
  const locked = await place.run('proxy', '--to', mock.baseUrl);
  assert.deepEqual([locked.code, locked.err.startsWith('STORE_LOCKED: ')], [4, true]);
  const taken = await place.run('proxy', '--to', mock.baseUrl, '--port', new URL(url).port, '--store', 'file:other.db');
  assert.deepEqual([taken.code, /^HTTP_UNREACHABLE: .*Choose another port/.test(taken.err)], [1, true]);
  const hanging = turn(url, [{ role: 'user', content: 'Hello.' }], true).catch((error: unknown) => error);
  while (mock.requests.length < 1) await sleep(10);
  await sleep(50);
  const { code } = await proxy.stop('SIGINT');
  await hanging;
  assert.equal(code, 0);
  const [call] = proxy.lines.filter(({ type }) => type === 'call');
  assert.equal(call?.['end'], 'interrupted');
  assert.deepEqual((await place.types(String(call?.['sid']))).slice(-2), ['model.interrupted', 'turn.ended']);
});

test('what was typed wrong is told before anything is opened; people read lines, and trouble on stderr', async (t) => {
  const place = new Place(t);
  for (const args of [
    [],
    ['--to', 'api.openai.com'],
    ['--to', 'ftp://x'],
    ['--to', 'http://x', '--port', 'x'],
    ['--to', 'http://x', '--request', '0'],
    ['x'],
  ]) {
    const { code, err } = await place.run('proxy', ...args);
    assert.equal(code, 2, args.join(' '));
    assert.match(err, /Usage: nerva proxy --to URL \[--port N\]/);
  }
  assert.equal(existsSync(join(place.path, '.nerva')), false);
  const mock = await upstream(t, () => 'fine', true);
  const { child, ended } = place.start(['proxy', '--to', mock.baseUrl, '--store', 'memory:']);
  let out = '';
  child.stdout?.on('data', (piece: Buffer) => (out += piece.toString()));
  while (!out.includes('\n')) await sleep(10);
  const [url = ''] = /http:\S+/.exec(out) ?? [];
  await turn(url, [{ role: 'user', content: 'Hello.' }], false);
  const refused = await fetch(`${url}/chat/completions`, {
    method: 'POST',
    body: '{',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
  });
  assert.equal(refused.status, 400);
  while (!out.includes('answered')) await sleep(10);
  child.kill('SIGINT');
  const { code, out: said, err } = await ended;
  assert.equal(code, 0);
  assert.match(
    said,
    /^Listening on http:\S+ for http:\S+; sessions go to memory:\. Ctrl-C stops it\.\n[0-9a-f]{32} {2}gpt-x {2}answered, 10 tokens in, 5 out\nStopped\. 1 call recorded\.\n$/,
  );
  assert.match(
    err,
    /^SCHEMA_MISMATCH: The body is no chat completion request: it is not JSON, or JSON that no log can hold\. It was handed on and not recorded\.\n/,
  );
});
