import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import { NervaError } from '../core/index.ts';
import { testWorld } from '../testing/index.ts';
import { openSqlite, type SqliteStore } from './sqlite/index.ts';

function directory(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'nerva-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

async function fill(store: SqliteStore, count: number): Promise<void> {
  const from = await store.head('a');
  for (let seq = from; seq < from + count; seq++)
    assert((await store.append({ id: `f${seq}`, sid: 'a', expected: seq, events: [{ type: 'note.taken', data: {} }] })).ok);
}

/** What the file alone says, copied away from its log, or with it. In another process: to read it here would drop our locks on it. */
async function alone(t: TestContext, path: string, more: readonly string[] = []): Promise<number> {
  const folder = directory(t);
  execFileSync('cp', [path, ...more, folder]);
  const copy = join(folder, 's.db');
  const store = await openSqlite(copy, { world: testWorld() });
  try {
    assert.equal((await store.verify('a')).ok, true);
    return await store.head('a');
  } finally {
    await store.close();
  }
}

const logBytes = (path: string): number => statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;

/** Another connection, as another process has it. */
function reader(t: TestContext, path: string): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: true });
  t.after(() => database.isOpen && database.close());
  return database;
}

for (const writer of ['inline', 'thread'] as const) {
  test(`a store that commits ${writer} and is closed beside an idle reader says all in its file, and leaves an empty log`, async (t) => {
    const path = join(directory(t), 's.db');
    const store = await openSqlite(path, { world: testWorld(), writer });
    await fill(store, 20);
    const beside = reader(t, path);
    const count = beside.prepare('select count(*) as frames from ev');
    assert.equal(count.get()?.['frames'], 20);
    await store.close();
    assert.equal(logBytes(path), 0);
    assert.equal(await alone(t, path), 20);
    assert.equal(count.get()?.['frames'], 20, 'the reader reads on');
    beside.close();
    const again = await openSqlite(path, { world: testWorld({ seed: 2 }), writer });
    await fill(again, 1);
    await again.close();
    assert.equal(statSync(`${path}-wal`, { throwIfNoEntry: false }), undefined, 'the last connection deletes the log');
    assert.equal(await alone(t, path), 21);
  });
}

test('a store that is closed beside a reader of its newest state says all in its file, though its log may stay', async (t) => {
  const path = join(directory(t), 's.db');
  const store = await openSqlite(path, { world: testWorld() });
  await fill(store, 5);
  const beside = reader(t, path);
  beside.exec('begin');
  assert.equal(beside.prepare('select count(*) as frames from ev').get()?.['frames'], 5);
  await store.close();
  assert.equal(await alone(t, path), 5);
});

test('a store that is closed beside a reader of an older state says that its file needs its log, and lets go of both', async (t) => {
  const path = join(directory(t), 's.db');
  const store = await openSqlite(path, { world: testWorld() });
  await fill(store, 5);
  const beside = reader(t, path);
  beside.exec('begin');
  const count = beside.prepare('select count(*) as frames from ev');
  assert.equal(count.get()?.['frames'], 5);
  await fill(store, 5);
  const closing = store.close();
  await assert.rejects(closing, (error) => {
    assert(NervaError.is(error, 'STORE_LOCKED'), String(error));
    assert.match(error.message, /nothing is lost; keep .*s\.db-wal beside the file/);
    return true;
  });
  assert.equal(store.close(), closing, 'closing again says the same');
  assert.equal(count.get()?.['frames'], 5);
  assert.equal(await alone(t, path, [`${path}-wal`]), 10, 'with its log the file says all');
  const again = await openSqlite(path, { world: testWorld({ seed: 2 }) });
  assert.equal(await again.head('a'), 10);
  beside.exec('rollback');
  await again.close();
  assert.equal(await alone(t, path), 10);
});

test('a waiting tail ends when the store is closed, also while a group is on its way', async (t) => {
  const store = await openSqlite(join(directory(t), 's.db'), { world: testWorld(), writer: 'thread' });
  await fill(store, 1);
  const waiting = store.tail('a', { after: 0 })[Symbol.asyncIterator]().next();
  const ended = assert.rejects(waiting, (error) => NervaError.is(error, 'STORE_CLOSED'));
  const last = store.append({ id: 'f1', sid: 'b', expected: 0, events: [{ type: 'note.taken', data: {} }] });
  await new Promise((resolve) => setImmediate(resolve));
  await store.close();
  await last;
  await ended;
});
