/** Bad files, ids and definitions as an application meets them: through a runtime. Each is a typed error that says what to do, and the log stays as it was. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { NervaError, type ErrorCode } from '../../packages/nerva/src/core/index.ts';
import type { Runtime } from '../../packages/nerva/src/agent/index.ts';
import { scriptedModel } from '../../packages/nerva/src/model/index.ts';
import { createAgent, createRuntime } from '../../packages/nerva/src/node/index.ts';
import { directory } from './store-process.ts';

const agent = () => createAgent({ name: 'a', model: scriptedModel(() => 'ok') });
const open = (path: string): Promise<Runtime> => createRuntime({ store: `file:${path}`, agents: [agent()] });

/** A file with one session, `s`, of two turns. */
async function filled(path: string): Promise<string> {
  const runtime = await open(path);
  const session = runtime.session('s', { agent: 'a' });
  for (let n = 0; n < 2; n++) await session.send(`text ${n}`).result;
  const log = JSON.stringify(await all(session.log()));
  await runtime.close();
  return log;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const read: T[] = [];
  for await (const item of items) read.push(item);
  return read;
}

/** Brings all of a file into its one part. */
function checkpointed(path: string): void {
  const file = new DatabaseSync(path);
  file.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  file.close();
}

async function logOf(path: string): Promise<string> {
  const runtime = await open(path);
  const log = JSON.stringify(await all(runtime.session('s').log()));
  await runtime.close();
  return log;
}

/** The error of a code, whose message says something to its reader. */
const coded = (code: ErrorCode, message: RegExp) => (error: unknown) => {
  assert.ok(NervaError.is(error, code), String(error));
  assert.match(error.message, message);
  return true;
};

test('an unknown session is refused by every verb with what to do, and nothing is written', async (t) => {
  const path = join(directory(t), 's.db');
  const before = await filled(path);
  const runtime = await open(path);
  const nobody = runtime.session('nobody');
  const unknown = coded('SESSION_UNKNOWN', /nobody.*(Give \{agent\} to create it|Nothing was (changed|written))/s);
  for (const asked of [
    nobody.send('x').result,
    nobody.resume().result,
    nobody.cancel(),
    nobody.at(),
    nobody.info(),
    nobody.fork(0),
    nobody.replay(),
  ])
    await assert.rejects(asked, unknown);
  await assert.rejects(all(nobody.log()), unknown);
  await assert.rejects(all(nobody.stream()), unknown);
  for (const sid of ['', 'a b', 'x'.repeat(200), '../s']) {
    await assert.rejects(runtime.session(sid, { agent: 'a' }).send('x').accepted, coded('FRAME_INVALID', /sid/), JSON.stringify(sid));
  }
  assert.deepEqual(
    (await runtime.store.list()).map(({ sid }) => sid),
    ['s'],
  );
  await runtime.close();
  assert.equal(await logOf(path), before);
});

test('a file that is no store, or cut, is refused as it is and stays byte for byte what it was', async (t) => {
  const folder = directory(t);
  const good = join(folder, 'good.db');
  await filled(good);
  checkpointed(good);
  const cases: Readonly<Record<string, (path: string) => void>> = {
    'text.db': (path) => writeFileSync(path, 'This is a shopping list, and a rather long one at that.\n'.repeat(100)),
    'half.db': (path) => (copyFileSync(good, path), truncateSync(path, Math.floor(statSync(path).size / 2))),
    'header.db': (path) => (copyFileSync(good, path), overwrite(path, 0, Buffer.alloc(100, 7))),
  };
  for (const [name, spoil] of Object.entries(cases)) {
    const path = join(folder, name);
    spoil(path);
    const before = readFileSync(path);
    await assert.rejects(open(path), (error) => NervaError.is(error) && error.kind === 'corrupt' && error.message.includes(path), name);
    assert.ok(readFileSync(path).equals(before), `${name} was changed`);
  }
});

test('a folder in place of a file, and a folder that cannot be made, are refused', async (t) => {
  const folder = directory(t);
  writeFileSync(join(folder, 'file'), '');
  for (const path of [folder, join(folder, 'file', 'deeper', 's.db')]) {
    await assert.rejects(open(path), (error) => NervaError.is(error) && error.code.startsWith('STORE_') && error.message.length > 20, path);
  }
});

test('a second writer is refused with who holds the file, and the first goes on undisturbed', async (t) => {
  const path = join(directory(t), 's.db');
  await filled(path);
  const first = await open(path);
  await assert.rejects(open(path), coded('STORE_LOCKED', new RegExp(`${process.pid}`)));
  const code = `import { createRuntime } from ${JSON.stringify(new URL('../../packages/nerva/src/node/index.ts', import.meta.url).href)};
    createRuntime({ store: 'file:' + process.argv[1], agents: [] }).then(() => console.log('BUG'), (error) => console.log(error.code, error.message));`;
  const other = spawnSync(process.execPath, ['--conditions=nerva-source', '--input-type=module', '-e', code, path], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  assert.match(other.stdout, new RegExp(`^STORE_LOCKED .*${process.pid}`), other.stderr);
  assert.equal((await first.session('s').send('still here').result).text, 'ok');
  await first.close();
  await (await open(path)).close();
});

test('a directory that may not be written is STORE_READONLY and makes nothing', async (t) => {
  if (process.getuid?.() === 0 && !canDropRoot()) return t.skip('root writes everywhere, and setpriv is not here');
  const folder = join(directory(t), 'locked');
  mkdirSync(folder);
  chmodSync(folder, 0o555);
  chmodSync(join(folder, '..'), 0o755);
  const path = join(folder, 's.db');
  const code = `import { createRuntime } from ${JSON.stringify(new URL('../../packages/nerva/src/node/index.ts', import.meta.url).href)};
    createRuntime({ store: 'file:' + process.argv[1], agents: [] }).then(() => console.log('BUG'), (error) => console.log(error.code, error.message));`;
  const command = [process.execPath, '--conditions=nerva-source', '--input-type=module', '-e', code, path];
  const drop = process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [];
  const [name, ...rest] = [...drop, ...command] as [string, ...string[]];
  const { stdout, stderr } = spawnSync(name, rest, { encoding: 'utf8', timeout: 30_000 });
  assert.match(stdout, /^STORE_READONLY .+/, stderr);
  assert.equal(existsSync(path), false);
});

test('a session whose log no longer verifies is named by verify, and its neighbours go on', async (t) => {
  const path = join(directory(t), 's.db');
  await filled(path);
  const runtime = await open(path);
  await runtime.session('t', { agent: 'a' }).send('hello').result;
  await runtime.close();
  checkpointed(path);
  const text = readFileSync(path);
  const at = text.indexOf('text 1');
  assert.ok(at > 0, 'the input stands in the file');
  overwrite(path, at, Buffer.from('TEXT'));
  const again = await open(path);
  const verified = await again.store.verify('s');
  assert.equal(verified.ok, false);
  assert.ok((verified.bad?.seq ?? -1) >= 0 && (verified.bad?.why ?? '') !== '');
  assert.equal((await again.store.verify('t')).ok, true);
  assert.equal((await again.session('t').send('more').result).text, 'ok');
  await again.close();
});

test('bad options, answers and messages are refused by name at the boundary and leave the log as it was', async (t) => {
  const path = join(directory(t), 's.db');
  const before = await filled(path);
  const runtime = await open(path);
  const session = runtime.session('s');
  assert.throws(() => session.send('x', { delivery: 'queue' } as never), coded('OPTION_UNKNOWN', /"deliver"/));
  assert.throws(() => session.send({ when: new Date(0) } as never), coded('JSON_INVALID', /Nothing was taken|plain JSON/));
  await assert.rejects(session.send('x', { id: '' }).accepted, coded('FRAME_INVALID', /id/));
  await assert.rejects(session.send('x', { id: 'i'.repeat(65) }).accepted, coded('FRAME_INVALID', /id/));
  await assert.rejects(session.send('x'.repeat(9_000_000)).accepted, coded('FRAME_INVALID', /bytes/));
  await assert.rejects(session.respond('s:1', { decision: 'approve' }).accepted, coded('APPROVAL_UNKNOWN', /nothing was written/));
  await assert.rejects(session.at(1_000), coded('LOG_RANGE', /expected -1…\d+/));
  await assert.rejects(session.fork(1_000), coded('LOG_RANGE', /expected/));
  await runtime.close();
  assert.equal(await logOf(path), before);
});

test('a full disk in the middle of a turn is STORE_FULL to the caller, and the turn goes on when there is room', async (t) => {
  const folder = join(tmpdir(), `nerva-small-${process.pid}`);
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(folder);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { encoding: 'utf8' });
  if (mounted.status !== 0) return t.skip('a small disk cannot be mounted here');
  try {
    await onSmallDisk(folder);
  } finally {
    assert.equal(spawnSync('umount', [folder]).status, 0, 'the small disk is let go');
  }
});

async function onSmallDisk(folder: string): Promise<void> {
  const path = join(folder, 's.db');
  const before = await filled(path);
  const runtime = await open(path);
  const session = runtime.session('s');
  writeFileSync(join(folder, 'ballast'), '');
  fill(join(folder, 'ballast'));
  const failure: unknown = await session.send('y'.repeat(400_000), { id: 'big' }).result.then(
    () => null,
    (error: unknown) => error,
  );
  assert.ok(
    NervaError.is(failure) && ['STORE_FULL', 'STORE_FAILED', 'LOG_UNKNOWN_RESULT'].includes(failure.code) && failure.message.length > 20,
    String(failure),
  );
  truncateSync(join(folder, 'ballast'), 0);
  assert.equal((await session.send('hello again', { id: 'small' }).result).text, 'ok');
  await runtime.close();
  assert.ok((await logOf(path)).startsWith(before.slice(0, -1)));
}

function overwrite(path: string, at: number, bytes: Buffer): void {
  const file = openSync(path, 'r+');
  writeSync(file, bytes, 0, bytes.length, at);
  closeSync(file);
}

/** Writes until nothing more fits. */
function fill(path: string): void {
  const file = openSync(path, 'a');
  try {
    for (;;) writeSync(file, Buffer.alloc(4_096));
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'ENOSPC');
  } finally {
    closeSync(file);
  }
}

function canDropRoot(): boolean {
  return spawnSync('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', 'true']).status === 0;
}
