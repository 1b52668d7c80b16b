/**
 * The power goes at any moment of a recorded run of the SQLite store. What the run wrote since the last sync of a file is on the
 * disk, is not, is half, or is in part; the real store then opens what is left.
 * `NERVA_POWER_LOSS=20` tries twenty parts a moment instead of two.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { NervaError } from '../../packages/nerva/src/core/index.ts';
import { openSqlite, type SqliteStore } from '../../packages/nerva/src/node/index.ts';
import { testWorld } from '../../packages/nerva/src/testing/index.ts';
import { filesAfter, noteAt, operationsOf, pendingBefore, TRACE, type Operation } from './power-loss-disk.ts';
import { directory, NO_STRACE } from './store-process.ts';

const PARTS = Number(process.env['NERVA_POWER_LOSS'] ?? 2);
const WRITER = ['--conditions=nerva-source', '--no-warnings', fileURLToPath(new URL('./power-loss-writer.ts', import.meta.url))];
const NAMES = ['s.db', 's.db-wal', 's.db-journal'];
// A simulated loss needs no real disk.
const BASE = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

test('power that goes at any moment loses nothing that was acknowledged, and the store goes on', async (t) => {
  const operations = recorded(t, 'small');
  if (operations === null) return t.skip(NO_STRACE);
  assert(operations.filter(({ kind }) => kind === 'sync').length > 20, 'the run has syncs');
  for (let end = firstSaid(operations); end <= operations.length; end++) await loseAt(operations, end);
});

// The check of an existing file reads it with a connection that cannot undo what a crash left half-way in its making.
test('power that goes while a store is made leaves one that opens', async (t) => {
  const operations = recorded(t, 'small');
  if (operations === null) return t.skip(NO_STRACE);
  for (let end = 0; end < firstSaid(operations); end++) await loseAt(operations, end);
});

test('power that goes while the log is written back into the file, or begun anew, loses nothing that was acknowledged', async (t) => {
  const operations = recorded(t, 'large');
  if (operations === null) return t.skip(NO_STRACE);
  const into = operations.findIndex(
    (operation, index) => index > firstSaid(operations) && operation.kind === 'write' && isOf(operations, operation.inode, 's.db'),
  );
  assert(into > 0, 'the log was written back on the way');
  const { dice } = testWorld();
  const from = into - 10;
  const moments = new Set(
    operations.flatMap(({ kind }, index) => (index > from && (kind === 'sync' || kind === 'said') ? [index, index + 1] : [])),
  );
  for (let more = 0; more < 4 * PARTS; more++) moments.add(from + Math.floor(dice.roll() * (operations.length - from)));
  for (const end of moments) await loseAt(operations, end);
});

test('power that goes after a sync had failed loses nothing that the next life of the store acknowledged', async (t) => {
  let tried = 0;
  for (const sync of [11, 12, 13, 14]) {
    const operations = recorded(t, 'poisoned', ['-e', `inject=fsync,fdatasync:error=EIO:when=${sync}`]);
    if (operations === null) return t.skip(NO_STRACE);
    const failed = operations.findIndex((operation) => operation.kind === 'unsynced' && isOf(operations, operation.inode, 's.db-wal'));
    // Behind a frame that was acknowledged, and with a life that goes on behind it.
    if (failed < firstSaid(operations) || !operations.slice(failed).some(({ kind }) => kind === 'said')) continue;
    tried++;
    for (let end = failed; end <= operations.length; end++) await loseAt(operations, end);
  }
  assert(tried >= 2, `${tried} commits failed`);
});

const firstSaid = (operations: readonly Operation[]): number => operations.findIndex(({ kind }) => kind === 'said');

/** Runs the writer and reads what it did. Null where nothing can be traced. */
function recorded(t: TestContext, size: string, more: readonly string[] = []): readonly Operation[] | null {
  const folder = directory(t);
  const trace = join(folder, 'trace');
  const run = spawnSync('strace', ['-f', '-qq', ...TRACE, ...more, '-o', trace, process.execPath, ...WRITER, join(folder, 's.db'), size], {
    encoding: 'utf8',
  });
  if (run.error !== undefined || /ptrace|Operation not permitted/.test(run.stderr.slice(0, 400))) return null;
  assert.equal(run.status, 0, run.stderr);
  const operations = operationsOf(readFileSync(trace, 'latin1'), folder, NAMES);
  const whole = filesAfter(operations, operations.length, { lost: new Set(), torn: null });
  for (const name of NAMES) {
    const real = existsSync(join(folder, name)) ? readFileSync(join(folder, name)) : undefined;
    assert.deepEqual(whole.get(name), real, `the recording of ${name} is what is on the disk`);
  }
  return operations;
}

const isOf = (operations: readonly Operation[], inode: number, name: string): boolean =>
  operations.some((operation) => operation.kind === 'create' && operation.inode === inode && operation.name === name);

/** Every kind of loss at one moment. */
async function loseAt(operations: readonly Operation[], end: number): Promise<void> {
  const pending = pendingBefore(operations, end);
  const torn = pending.findLast((index) => operations[index]?.kind === 'write') ?? null;
  const losses = new Map<string, { readonly lost: ReadonlySet<number>; readonly torn: number | null }>([
    ['all is kept', { lost: new Set(), torn: null }],
  ]);
  if (pending.length > 0) losses.set('all is lost', { lost: new Set(pending), torn: null });
  if (torn !== null) losses.set('the last write is torn', { lost: new Set(), torn });
  for (let part = 1; part <= PARTS && pending.length > 1; part++) {
    const { dice } = testWorld({ seed: end * 100 + part });
    losses.set(`part ${part} is lost`, { lost: new Set(pending.filter(() => dice.roll() < 0.5)), torn: dice.roll() < 0.5 ? torn : null });
  }
  for (const [what, loss] of losses) {
    const folder = mkdtempSync(join(BASE, 'nerva-power-'));
    try {
      for (const [name, content] of filesAfter(operations, end, loss)) writeFileSync(join(folder, name), content);
      await checkLeft(join(folder, 's.db'), operations.slice(0, end));
    } catch (error) {
      throw new Error(`after ${end} of ${operations.length} operations, ${what}: ${String(error)}`, { cause: error });
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
}

/** Opens what is left and demands all that was acknowledged, whole sessions, and that the store can be written. */
async function checkLeft(path: string, before: readonly Operation[]): Promise<void> {
  const said = before.flatMap((operation) => (operation.kind === 'said' ? [operation.line.split(' ')] : []));
  const store = await openSqlite(path, { world: testWorld() });
  try {
    const named = (word: string): readonly string[] => said.flatMap(([first, second = '']) => (first === word ? [second] : []));
    for (const [word, sid = '', head] of said) {
      if (word === 'ack' && !named('deleting').includes(sid))
        assert((await store.head(sid)) >= Number(head), `${sid}: ${head} acknowledged, ${await store.head(sid)} stored`);
    }
    for (const sid of named('deleted')) await assert.rejects(store.info(sid), (error) => NervaError.is(error, 'SESSION_DELETED'));
    for (const ref of named('blob')) assert.equal((await store.blobs.get(ref)).length, 9000);
    for (const { sid } of await store.list()) await checkSession(store, sid);
    const head = await store.head('s0');
    assert.equal((await store.append({ id: 'after', sid: 's0', expected: head, events: [noteAt('s0', head)] })).ok, true);
    await checkSession(store, 's0');
  } finally {
    await store.close();
  }
}

async function checkSession(store: SqliteStore, sid: string): Promise<void> {
  const frames = await store.read(sid, { limit: 1_000_000 });
  let next = 0;
  for (const frame of frames) {
    assert.equal(frame.seq, next, `${sid}: S1 dense`);
    for (const event of frame.events) assert.equal(event.data['text'], `${frame.sid}:${next++}`);
  }
  const verified = await store.verify(sid);
  assert.equal(verified.ok, true, `${sid}: ${verified.bad?.why}`);
  assert(next <= (await store.head(sid)));
}
