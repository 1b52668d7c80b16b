/** A recording in a process of its own that is killed, and one under CI. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeWorld } from 'nerva';
import { readCassette, type Model } from 'nerva/model';
import { fileCassette } from 'nerva/node';

/** Records one call after another, 20 kB each. */
const RECORDER = `
import { nodeWorld, scriptedModel } from 'nerva';
import { fileCassette } from 'nerva/node';
const world = nodeWorld();
const model = fileCassette(process.argv[1]).model(scriptedModel((_request, n) => 'x'.repeat(20_000) + n));
for (let n = 0; n < 100_000; n++) {
  const messages = [{ role: 'user', parts: [{ type: 'text', text: String(n) }], origin: 'person' }];
  await model.call({ instructions: '', messages, tools: [], params: {} }, { world });
}
`;

function place(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'nerva-cassette-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'calls.jsonl');
}

function recorder(path: string, ci: string) {
  const args = ['--conditions=nerva-source', '--input-type=module-typescript', '-e', RECORDER, path];
  return spawn(process.execPath, args, { cwd: import.meta.dirname, env: { ...process.env, CI: ci }, stdio: ['ignore', 'ignore', 'pipe'] });
}

test('a recording that is killed leaves whole lines and perhaps a piece of one, replays, and is added to', async (t) => {
  const path = place(t);
  const child = recorder(path, '');
  const died = new Promise((resolve) => child.on('close', resolve));
  while (!existsSync(path) || readFileSync(path).length < 1_000_000) await sleep(5);
  child.kill('SIGKILL');
  await died;
  const entries = readCassette(readFileSync(path, 'utf8'));
  assert.ok(entries.length >= 49, `${entries.length} entries`);
  appendFileSync(path, '{"half');
  const live: Model = {
    name: 'live',
    call: () => Promise.resolve({ parts: [], finish: 'stop', usage: { inputTokens: 1, outputTokens: 1 }, model: null }),
  };
  const model = fileCassette(path, { isCi: false }).model(live);
  const world = nodeWorld();
  const ask = (said: string) =>
    ({
      instructions: '',
      messages: [{ role: 'user', parts: [{ type: 'text', text: said }], origin: 'person' }],
      tools: [],
      params: {},
    }) as const;
  for (const [n, entry] of entries.entries()) assert.deepEqual(await model.call(ask(String(n)), { world }), entry.answer);
  await model.call(ask('new'), { world });
  assert.equal(readCassette(readFileSync(path, 'utf8')).length, entries.length + 1);
  await world.transport.close();
});

test('CI=1 in the environment records nothing', async (t) => {
  const path = place(t);
  const child = recorder(path, '1');
  let said = '';
  child.stderr.on('data', (piece: Buffer) => (said += piece.toString()));
  assert.equal(await new Promise((resolve) => child.on('close', resolve)), 1);
  assert.match(said, /OPTION_INVALID/);
  assert.match(said, /There is no cassette at/);
  assert.equal(existsSync(path), false);
});
