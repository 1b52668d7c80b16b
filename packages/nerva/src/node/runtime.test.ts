import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { scriptedModel } from '../model/index.ts';
import { openStore } from './open-store.ts';
import { createAgent, createRuntime } from './runtime.ts';
import { nodeWorld } from './world.ts';

const agent = () => createAgent({ name: 'loose', model: scriptedModel(({ messages }) => `heard ${textOf(messages.at(-1)?.parts[0])}`) });
const textOf = (part: unknown): string => (part as { readonly text: string }).text;

async function collected(pieces: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const piece of pieces) text += piece;
  return text;
}

test('an agent is asked without a runtime, as often as one likes', async () => {
  const loose = agent();
  for (let index = 0; index < 600; index++) assert.equal((await loose.generate(`${index}`)).text, `heard ${index}`);
});

test('many questions to a loose agent at once are answered each with its own answer', async () => {
  const loose = agent();
  const results = await Promise.all(Array.from({ length: 600 }, (_, index) => loose.generate(`${index}`)));
  assert.deepEqual(
    results.map(({ text }) => text),
    results.map((_, index) => `heard ${index}`),
  );
});

test('what a loose agent streams can be read while it comes, after its result, and twice', async () => {
  const run = agent().stream('ann');
  assert.equal(await collected(run.textStream), 'heard ann');
  assert.equal((await run.result).text, 'heard ann');
  assert.equal(await collected(run.textStream), 'heard ann');
});

test('a signal cancels a question to a loose agent', async () => {
  const loose = agent();
  assert.equal((await loose.generate('ann', { signal: AbortSignal.timeout(60_000) })).status, 'answered');
  const stopped = new AbortController();
  const asked = createAgent({ name: 'slow', model: scriptedModel(() => (stopped.abort(), new Promise<never>(() => undefined))) }).generate(
    'ann',
    { signal: stopped.signal },
  );
  assert.equal((await asked).status, 'cancelled');
});

test('a runtime on a file finds what an earlier one left there, and closing gives the file back', async (t) => {
  const path = join(directory(t), 'deep', 'nerva.db');
  const make = () => createRuntime({ store: `file:${path}`, agents: [agent()] });
  const first = await make();
  const asked = await first.session('s', { agent: 'loose' }).send('ann', { id: 'm' }).result;
  await assert.rejects(make(), { code: 'STORE_LOCKED' });
  await first.close();
  await first.close();
  const second = await make();
  assert.deepEqual(await second.session('s').send('ann', { id: 'm' }).result, asked);
  assert.equal((await second.session('s').send('bob').result).text, 'heard bob');
  await second.close();
});

test('a runtime that cannot be made leaves nothing open', async (t) => {
  const store = `file:${join(directory(t), 'nerva.db')}`;
  await assert.rejects(createRuntime({ store, agents: [agent(), agent()] }), { code: 'AGENT_INVALID' });
  await assert.rejects(createRuntime({ store, agents: [agent()], idlemax: 5 } as never), { code: 'OPTION_UNKNOWN', message: /"idleMax"/ });
  await (await createRuntime({ store, agents: [agent()] })).close();
});

test('a store that was given is the giver’s to close', async () => {
  const world = nodeWorld();
  const store = await openStore('memory:', { world });
  const runtime = await createRuntime({ store, world, agents: [agent()] });
  await runtime.session('s', { agent: 'loose' }).send('ann').result;
  await runtime.close();
  assert.equal(await store.head('s'), 6);
  await store.close();
  await world.transport.close();
});

test('a store that is no URL of ours is refused with the forms there are', async () => {
  for (const store of ['', 'nerva.db', 'file:', 'postgres://x'])
    await assert.rejects(
      createRuntime({ store, agents: [agent()] }),
      { code: 'OPTION_INVALID', message: /"memory:" or "file:PATH"/ },
      store,
    );
});

function directory(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'nerva-'));
  t.after(() => rmSync(made, { recursive: true }));
  return made;
}
