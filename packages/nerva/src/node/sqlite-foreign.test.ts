import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import { NervaError } from '../core/index.ts';
import { testWorld } from '../testing/index.ts';
import { openSqlite } from './sqlite/index.ts';

function directory(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'nerva-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/**
 * Files of a database as a crash in the midst of `change` leaves them, each time in a new directory.
 * Copied in another process: to read them here would drop this process's locks on them.
 */
function crashed(t: TestContext, prepare: string, change: string): () => string {
  const from = directory(t);
  const database = new DatabaseSync(join(from, 's.db'));
  database.exec(prepare);
  database.exec(change);
  const image = join(directory(t), 'image');
  execFileSync('cp', ['-r', from, image]);
  database.close();
  return () => {
    const copy = join(directory(t), 'copy');
    execFileSync('cp', ['-r', image, copy]);
    return copy;
  };
}

const contentOf = (folder: string): readonly (readonly [string, string])[] =>
  readdirSync(folder)
    .toSorted()
    .map((name) => [name, hash('sha256', readFileSync(join(folder, name)))] as const);

/** Demands that Nerva refuses the file and changes and makes nothing beside it. */
async function assertLeftAlone(folder: string): Promise<void> {
  const before = contentOf(folder);
  for (const readOnly of [false, true]) {
    await assert.rejects(openSqlite(join(folder, 's.db'), { world: testWorld(), readOnly }), (error) =>
      NervaError.is(error, 'STORE_CORRUPT'),
    );
    assert.deepEqual(contentOf(folder), before, `readOnly ${readOnly}`);
  }
}

/** Opened by SQLite itself the files change: what Nerva leaves alone was there to be changed. */
function assertUnsettled(folder: string): void {
  const before = contentOf(folder);
  const database = new DatabaseSync(join(folder, 's.db'));
  database.prepare('select count(*) from t').get();
  database.close();
  assert.notDeepEqual(contentOf(folder), before);
}

const ROWS = `with recursive n(i) as (select 1 union all select i + 1 from n where i < 500) insert into t select hex(randomblob(500)) from n`;

test('another program’s database whose transaction was cut short is not rolled back, and nothing is made beside it', async (t) => {
  for (const application of [0, 7]) {
    const prepare = `pragma application_id=${application}; create table t(a); ${ROWS}`;
    const copy = crashed(t, prepare, `pragma cache_size=5; begin; update t set a = 'changed'; ${ROWS}`);
    const folder = copy();
    assert(readdirSync(folder).includes('s.db-journal'));
    assertUnsettled(copy());
    await assertLeftAlone(folder);
  }
});

test('another program’s database with a write-ahead log is left as it is, and no shared memory is made beside it', async (t) => {
  const copy = crashed(t, 'pragma journal_mode=wal; create table t(a)', ROWS);
  const folder = copy();
  rmSync(join(folder, 's.db-shm'));
  assertUnsettled(copy());
  await assertLeftAlone(folder);
});

test('a text with a journal of a new database beside it is no store that was cut short in its making', async (t) => {
  const copy = crashed(t, 'pragma cache_size=5', `begin; create table t(a); ${ROWS}`);
  const folder = copy();
  writeFileSync(join(folder, 's.db'), 'a text, not a database. '.repeat(400));
  await assertLeftAlone(folder);
});

test('a database with the id of a store and other tables is refused and left as it was', async (t) => {
  const folder = join(directory(t), 'd');
  mkdirSync(folder);
  const database = new DatabaseSync(join(folder, 's.db'));
  database.exec(`pragma application_id=${0x4e727661}; create table meta(key, value)`);
  database.close();
  const before = contentOf(folder);
  for (const readOnly of [true, false]) {
    await assert.rejects(openSqlite(join(folder, 's.db'), { world: testWorld(), readOnly }), (error) =>
      NervaError.is(error, 'STORE_CORRUPT'),
    );
    assert.deepEqual(
      contentOf(folder).filter(([name]) => name === 's.db'),
      before,
    );
  }
});

test('to look whose file it is takes no lock of this process away', async (t) => {
  const path = join(directory(t), 's.db');
  const store = await openSqlite(path, { world: testWorld() });
  await store.append({ id: 'f', sid: 'a', expected: 0, events: [{ type: 'note.taken', data: {} }] });
  await assert.rejects(openSqlite(path, { world: testWorld() }), (error) => NervaError.is(error, 'STORE_LOCKED'));
  await (await openSqlite(path, { world: testWorld(), readOnly: true })).close();
  // Another process that is the last to let go of a file deletes its log: it must see that this one still holds it.
  const other = `const { DatabaseSync } = require('node:sqlite'); const d = new DatabaseSync(process.argv[1]); d.prepare('select 1 from ev').get(); d.close();`;
  execFileSync(process.execPath, ['--no-warnings', '-e', other, path]);
  assert(readdirSync(join(path, '..')).includes('s.db-wal'), 'the log is still there');
  assert((await store.append({ id: 'g', sid: 'a', expected: 1, events: [{ type: 'note.taken', data: {} }] })).ok);
  await store.close();
});
