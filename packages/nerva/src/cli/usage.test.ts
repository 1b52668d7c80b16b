import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { usageProjection } from '../agent/index.ts';
import { memoryProjectionRows, memoryStore, type ProjectionRows, type Store } from '../log/index.ts';
import { openSqlite, type SqliteStore } from '../node/index.ts';
import { testWorld } from '../testing/index.ts';
import { readArguments } from './arguments.ts';
import type { Context } from './context.ts';
import type { Output } from './output.ts';
import { usageIn } from './usage.ts';

const world = testWorld();

function context(...words: readonly string[]): Pick<Context, 'world' | 'out' | 'flags'> & { readonly notes: readonly string[] } {
  const typed = readArguments(['stats', '--usage', ...words]);
  assert(typed.kind === 'command');
  const notes: string[] = [];
  const out: Output = {
    isJson: false,
    isRead: true,
    isWatched: false,
    write: () => undefined,
    line: () => undefined,
    json: () => undefined,
    note: (text) => void notes.push(text),
    paint: (_style, text) => text,
  };
  return { world, out, flags: typed.flags, notes };
}

async function opened(t: TestContext): Promise<{ readonly path: string; readonly store: SqliteStore }> {
  const folder = mkdtempSync(join(tmpdir(), 'nerva-usage-'));
  const path = join(folder, 'a.db');
  const store = await openSqlite(path, { world });
  t.after(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });
  return { path, store };
}

/** One frame of one turn; the first creates the session. */
async function turn(store: Store, sid: string): Promise<void> {
  const head = await store.head(sid);
  const born = head === 0 ? [{ type: 'session.created', data: { agent: 'a' } }] : [];
  await store.append({ id: `${head}`, sid, expected: head, events: [...born, { type: 'turn.ended', data: { reason: 'answer' } }] });
}

/** The store, counting the frames that its feed gives. */
function counted(store: SqliteStore): SqliteStore & { frames: number } {
  const counting = {
    ...store,
    frames: 0,
    async *feed(options: Parameters<Store['feed']>[0]) {
      for await (const entry of store.feed(options)) {
        counting.frames++;
        yield entry;
      }
    },
  };
  return counting;
}

test('rows and cursor stay in a store that is open for writing: the next call reads only what is new', async (t) => {
  const { path, store } = await opened(t);
  for (const sid of ['s', 's', 'r']) await turn(store, sid);
  const first = counted(store);
  const writer = context();
  assert.deepEqual((await usageIn(first, writer))['a']?.turns, { answer: 3 });
  await turn(store, 'r');
  const second = counted(store);
  const usage = await usageIn(second, writer);
  assert.deepEqual([usage['a']?.turns, usage['a']?.sessions], [{ answer: 4 }, 2]);
  assert.deepEqual([first.frames, second.frames, writer.notes], [3, 1, []]);
  const reader = await openSqlite(path, { world, readOnly: true });
  const beside = context();
  assert.deepEqual(await usageIn(reader, beside), usage);
  assert.match(beside.notes.join(), /counted from the first event/);
  const ofTenant = context();
  assert.deepEqual(await usageIn(store.scope('default'), ofTenant), usage);
  assert.equal(ofTenant.notes.length, 1);
  assert.deepEqual(await usageIn(store.scope('other'), context()), {});
  await reader.close();
});

test('another version is built beside from the first event and swapped in', async (t) => {
  const { store } = await opened(t);
  for (const sid of ['s', 's']) await turn(store, sid);
  await usageIn(store, context());
  const twice = {
    ...usageProjection,
    version: usageProjection.version + 1,
    apply: (...args: Parameters<typeof usageProjection.apply>) => {
      usageProjection.apply(...args);
      if (args[1].type === 'turn.ended') usageProjection.apply(...args);
    },
  };
  const next = counted(store);
  assert.deepEqual((await usageIn(next, context(), twice))['a']?.turns, { answer: 4 });
  assert.equal(next.frames, 2);
  const spaces = await store.rows.transaction((space) => ['usage@1', 'usage@2'].map((name) => space(name).scan().length));
  assert.deepEqual(spaces, [0, 2], 'the former build leaves nothing behind');
  assert.deepEqual((await usageIn(store, context()))['a']?.turns, { answer: 2 });
});

test('a catch-up cut at any transaction neither loses nor counts twice', async () => {
  const store = memoryStore({ world });
  for (let index = 0; index < 600; index++) await turn(store, `s${index % 7}`);
  const expected = await usageIn(store, context());
  assert.deepEqual(expected['a']?.turns, { answer: 600 });
  let isCut = true;
  for (let cutAt = 0; isCut; cutAt++) {
    const rows = memoryProjectionRows();
    let count = 0;
    // Group writes and reads alike: a kill may come before any of them.
    const dying: ProjectionRows = {
      transaction: (work) => (count++ === cutAt * 97 ? Promise.reject(new Error('killed')) : rows.transaction(work)),
    };
    const over = (kept: ProjectionRows): Store => Object.assign({ ...store }, { rows: kept });
    isCut = await usageIn(over(dying), context()).then(
      () => false,
      () => true,
    );
    assert.deepEqual(await usageIn(over(rows), context()), expected);
  }
});

test('what was counted with the keys of a store and without them is kept apart', async (t) => {
  const { store } = await opened(t);
  await turn(store, 's');
  await usageIn(store, context());
  const keyed = counted(store);
  await usageIn(keyed, context('--keys', 'k'));
  assert.equal(keyed.frames, 1);
});

test('an event that cannot be counted is set aside and told', async (t) => {
  const { store } = await opened(t);
  await turn(store, 's');
  await store.append({ id: 'bad', sid: 's', expected: 'fact', events: [{ type: 'model.answered', data: { call: 0 } }] });
  const told = context();
  assert.deepEqual((await usageIn(store, told))['a']?.turns, { answer: 1 });
  assert.match(told.notes.join(), /1 events could not be counted, the first is s:2/);
});
