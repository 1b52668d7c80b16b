/** A memory's index whose process is killed, or whose disk fails, at any of the calls with which it writes its file. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openMemory } from '../../packages/nerva/src/memory/index.ts';
import { openSqlite, sqliteIndex } from '../../packages/nerva/src/node/index.ts';
import { Words } from '../../packages/nerva/src/node/memory-index/words.ts';
import { testWorld } from '../../packages/nerva/src/testing/index.ts';
import { directory, NO_STRACE } from './store-process.ts';

const CHILD = fileURLToPath(new URL('./memory-index-child.ts', import.meta.url));
const NODE = ['--conditions=nerva-source', '--no-warnings', CHILD];

/** Rows, counts and terms of the one index in a folder. */
function dump(folder: string): unknown {
  const name = readdirSync(folder).find((one) => one.endsWith('.db')) ?? '';
  const database = new DatabaseSync(join(folder, name));
  try {
    const all = (sql: string): readonly Record<string, unknown>[] => database.prepare(sql).all();
    assert.deepEqual(
      all('pragma integrity_check').map(({ integrity_check: said }) => said),
      ['ok'],
    );
    const words = new Words((sql, work) => work(database.prepare(sql)));
    return [
      all('select * from kept'),
      all('select * from entry order by key'),
      all('select term, entries from term order by term').map((row) => [row, words.holders([String(row['term'])], 100_000)]),
    ];
  } finally {
    database.close();
  }
}

/** Opens what a process left, and holds it to an index that is made from the log. @returns how many entries there are. */
async function checkLeft(t: TestContext, path: string, folder: string): Promise<number> {
  const world = testWorld();
  const store = await openSqlite(path, { world });
  const fresh = join(directory(t), 'fresh');
  const [left, made] = [sqliteIndex(folder), sqliteIndex(fresh)];
  const [memory, other, plain] = [
    await openMemory({ store, world, scope: 's', index: left }),
    await openMemory({ store, world, scope: 's', index: made }),
    await openMemory({ store, world, scope: 's' }),
  ];
  for (const query of ['plum', 'life 3', 'plum 12 of life']) {
    assert.deepEqual(memory.recall(query, { limit: 50 }), plain.recall(query, { limit: 50 }));
    assert.deepEqual(other.recall(query, { limit: 50 }), plain.recall(query, { limit: 50 }));
  }
  const count = memory.entries().length;
  assert.equal(new Set(memory.entries().map(({ text }) => text)).size, count, 'nothing is there twice');
  left.close();
  made.close();
  await store.close();
  assert.deepEqual(dump(folder), dump(fresh));
  return count;
}

test('a memory that is killed at any moment goes on, and its index is what the log says', { timeout: 120_000 }, async (t) => {
  const folder = directory(t);
  const [path, index] = [join(folder, 's.db'), join(folder, 'index')];
  let before = 0;
  // Keys make each life go on where the last one ended.
  for (const enough of [1, 200, 700, 1_200]) {
    const child = spawn(process.execPath, [...NODE, path, index, '100000'], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (output.length >= enough) child.kill('SIGKILL');
    });
    await new Promise((resolve) => child.once('close', resolve));
    assert.equal(output.includes('err '), false, output);
    const acknowledged = output.split('\n').filter((line) => line.startsWith('ack ')).length;
    const count = await checkLeft(t, path, index);
    assert.ok(count >= Math.max(before, acknowledged - 1), `${count} after ${before}, ${acknowledged} acknowledged`);
    before = count;
  }
});

/** One run of the child under strace, with calls on the index's file alone. */
function run(t: TestContext, inject: string | null, ...how: readonly 'unclosed'[]) {
  const folder = directory(t);
  const [path, index, log] = [join(folder, 's.db'), join(folder, 'index'), join(folder, 'calls')];
  mkdirSync(index);
  const world = testWorld();
  const file = join(index, `${world.digest('scope:s').slice(0, 32)}.db`);
  const files = ['', '-wal'].flatMap((end) => ['-P', file + end]);
  const traced = [
    '-qq',
    '-o',
    log,
    '-e',
    'trace=pwrite64,fdatasync,fsync,ftruncate',
    ...files,
    ...(inject === null ? [] : ['-e', `inject=${inject}`]),
  ];
  const child = spawnSync('strace', [...traced, process.execPath, ...NODE, path, index, '12', ...how], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  if (child.error !== undefined || /ptrace|Operation not permitted/.test(child.stderr.slice(0, 400))) return null;
  return { path, index, lines: child.stdout.trim().split('\n'), calls: readFileSync(log, 'utf8') };
}

/** All of them, and not a sample, take some ten minutes. */
const LIMIT_MS = process.env['NERVA_EVERY_K'] === undefined ? 280_000 : 3_600_000;

test('at every write of the index’s file a kill or a disk that fails loses nothing of the memory', { timeout: LIMIT_MS }, async (t) => {
  const whole = run(t, null);
  if (whole === null) return t.skip(NO_STRACE);
  const writesOf = ({ calls }: { readonly calls: string }): number =>
    calls.split('\n').filter((line) => line.startsWith('pwrite64')).length;
  const writes = writesOf(whole);
  // What comes after those is SQLite's checkpoint as the file is closed: what fails then stays in the write-ahead log, and SQLite tells nobody.
  const told = writesOf(run(t, null, 'unclosed') ?? whole);
  assert.ok(40 < told && told < writes, `${told} of ${writes} writes`);
  assert.equal(await checkLeft(t, whole.path, whole.index), 12);
  const step = process.env['NERVA_EVERY_K'] === undefined ? Math.ceil(writes / 6) : Number(process.env['NERVA_EVERY_K']);
  for (let at = 1; at <= writes; at += step)
    for (const how of ['signal=SIGKILL', 'error=EIO', 'error=ENOSPC']) {
      const left = run(t, `pwrite64:${how}:when=${at}`);
      assert.ok(left !== null);
      if (!how.startsWith('signal')) {
        assert.match(left.lines.join(' '), /end$/, `${how} at ${at}`);
        if (at <= told) assert.ok(left.lines.includes('told failed'), `${how} at ${at} is told: ${left.lines.join(' ')}`);
        assert.equal(left.lines.filter((line) => line.startsWith('ack ')).length, 12);
      }
      const count = await checkLeft(t, left.path, left.index);
      assert.ok(count >= left.lines.filter((line) => line.startsWith('ack ')).length);
    }
  rmSync(whole.index, { recursive: true });
});
