import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { openSqlite } from '../../packages/nerva/src/node/index.ts';
import { testWorld } from '../../packages/nerva/src/testing/index.ts';
import { checkStored, directory, parse, WRITER } from './store-process.ts';

for (const writer of ['inline', 'thread']) {
  test(`a writer that commits ${writer} and is killed at any moment loses nothing that was acknowledged`, async (t) => {
    const path = join(directory(t), 's.db');
    const acknowledged = new Map<string, number>();
    let stored = 0;
    // The moments differ in how much was said; each life goes on where the file of the last one ends.
    for (const enough of [1, 500, 20_000, 90_000]) {
      const child = spawn(process.execPath, [...WRITER, path, '1000000', '8', writer], { stdio: ['ignore', 'pipe', 'inherit'] });
      let output = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        if (output.length >= enough) child.kill('SIGKILL');
      });
      await new Promise((resolve) => child.once('close', resolve));
      const said = parse(output);
      assert.deepEqual(said.errors, []);
      for (const [sid, count] of said.acknowledged) acknowledged.set(sid, count);
      const now = await checkStored(path, { acknowledged });
      assert(now >= stored);
      stored = now;
    }
    assert(stored > 1000, `${stored} frames`);
  });
}

test('a second process is refused with the pid of the first, may read, and takes over when the first is killed', async (t) => {
  const path = join(directory(t), 's.db');
  const child = spawn(process.execPath, [...WRITER, path, '1000000', '1'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => void child.kill('SIGKILL'));
  const said = (): Promise<unknown> => new Promise((resolve) => child.stdout.once('data', resolve));
  await said();
  await assert.rejects(openSqlite(path, { world: testWorld() }), new RegExp(`process ${child.pid} `));
  const reader = await openSqlite(path, { world: testWorld(), readOnly: true });
  const before = await reader.head('s0');
  let after = before;
  for (let look = 0; look < 500 && after <= before; look++) {
    await said();
    after = await reader.head('s0');
  }
  child.stdout.resume();
  assert(after > before, 'the reader sees the other process go on');
  await reader.close();
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('close', resolve));
  assert((await checkStored(path, { acknowledged: new Map([['s0', after]]) })) >= after);
});
