import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import { eraseSubject, memoryStore, type KeyPort, type Store } from '../log/index.ts';
import { openMemory, type IndexTold, type Memory, type MemoryIndex } from '../memory/index.ts';
import { memoryKeys, testWorld } from '../testing/index.ts';
import { sqliteIndex } from './memory-index/index.ts';
import { Words } from './memory-index/words.ts';

const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** A store in memory with keys, and an index in a folder; `open` opens the memory `s`, `told` is what the index told. */
function stage(t: TestContext) {
  const folder = mkdtempSync(join(base, 'nerva-index-'));
  const world = testWorld();
  const keys = memoryKeys();
  const store = memoryStore({ world, keys });
  const told: IndexTold[] = [];
  const index = sqliteIndex(folder, { tell: (one) => told.push(one) });
  t.after(() => {
    index.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const open = (more: { readonly store?: Store; readonly index?: MemoryIndex; readonly subject?: string } = {}): Promise<Memory> =>
    openMemory({ store, world, scope: 's', index, ...more });
  const file = (): string => join(folder, readdirSync(folder).find((name) => name.endsWith('.db')) ?? '');
  return { folder, world, keys, store, told, index, open, file };
}
type Stage = ReturnType<typeof stage>;

const textsOf = (memory: Memory, query: string): readonly string[] => memory.recall(query).map(({ entry }) => entry.text);
const whys = (told: readonly IndexTold[]): readonly string[] => told.map((one) => (one.type === 'rebuilt' ? one.why : one.type));

/** All that an index keeps but how far apart it was read: its rows, counts, and in which rows each term stands, by what it keeps of words. */
function dump(path: string): unknown {
  const database = new DatabaseSync(path);
  try {
    const all = (sql: string): readonly Record<string, unknown>[] => database.prepare(sql).all();
    const words = new Words((sql, work) => work(database.prepare(sql)));
    const held = all('select term, entries from term order by term');
    return [
      all('select * from kept'),
      all('select * from entry order by key'),
      held.map(({ term, entries }) => [term, entries, words.holders([String(term)], 100_000)]),
    ];
  } finally {
    database.close();
  }
}

/** Index files of these names, as one text. */
function bytesIn(folder: string): string {
  return readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), 'latin1'))
    .join('\n');
}

async function filled(memory: Memory, count: number): Promise<void> {
  for (let at = 0; at < count; at++) {
    const old = memory.entries().at(-1);
    await memory.remember(
      `entry ${at} of plum and pear${at % 3}`,
      at % 4 === 3 && old !== undefined ? { supersedes: old.id } : { tags: ['t'] },
    );
    const [one] = memory.entries().slice(-2);
    if (at % 5 === 4 && one !== undefined) await memory.forget(one.id);
  }
}

test('an index that grew change by change is, row for row, the one that is made from the log', async (t) => {
  const { index, open, file, folder } = stage(t);
  await filled(await open(), 30);
  const grown = dump(file());
  index.close();
  rmSync(folder, { recursive: true });
  await open();
  assert.deepEqual(dump(file()), grown);
});

test('an opening reads what is new, and not what was read before', async (t) => {
  const { store, open, index } = stage(t);
  const memory = await open();
  await Promise.all(Array.from({ length: 20 }, (_, at) => memory.setItem({ key: 'k', value: at })));
  for (let at = 0; at < 700; at++) await memory.remember(`text ${at}`);
  index.close();
  let read = 0;
  const counted: Store = {
    ...store,
    read: async (...asked) => {
      const frames = await store.read(...asked);
      read += frames.length;
      return frames;
    },
  };
  const again = await open({ store: counted });
  assert.ok(read < 300, `${read} frames`);
  assert.deepEqual([again.head, again.item('k'), again.entries().length], [memory.head, 19, 700]);
});

/** Each makes the file one that is not believed. */
const DAMAGES: readonly (readonly [string, string | null, (stage: Stage) => void])[] = [
  ['is missing', null, ({ file }) => rmSync(file())],
  ['is empty', null, ({ file }) => writeFileSync(file(), '')],
  ['is no database', 'damaged', ({ file }) => writeFileSync(file(), 'x'.repeat(9_000))],
  ['is cut off', 'damaged', ({ file }) => writeFileSync(file(), readFileSync(file()).subarray(0, 8_192))],
  ['is of another version', 'version', ({ file }) => edit(file(), 'pragma user_version = 99')],
  ['is of another program', 'version', ({ file }) => edit(file(), 'pragma application_id = 5')],
  ['has read more than the log has', 'stale', ({ file }) => edit(file(), 'update kept set head = head + 5')],
  ['has read another log', 'stale', ({ file }) => edit(file(), "update kept set hash = 'f'")],
];

function edit(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

for (const [what, why, damage] of DAMAGES)
  test(`an index that ${what} is made anew from the log, and that is told`, async (t) => {
    const staged = stage(t);
    const { open, told, index, file } = staged;
    const memory = await open();
    await filled(memory, 12);
    const [right, shown] = [dump(file()), textsOf(memory, 'plum pear1')];
    index.close();
    damage(staged);
    assert.deepEqual(textsOf(await open(), 'plum pear1'), shown);
    assert.deepEqual(whys(told), why === null ? [] : [why]);
    assert.deepEqual(dump(file()), right);
  });

test('a page that is damaged while the index is open is an error that says so, and then all is found from the log', async (t) => {
  const { open, file, index, told } = stage(t);
  const memory = await open();
  await filled(memory, 60);
  const shown = textsOf(memory, 'plum pear1');
  index.close();
  const bytes = readFileSync(file());
  writeFileSync(file(), Buffer.concat([bytes.subarray(0, 4_096), Buffer.alloc(bytes.length - 4_096, 0xa5)]));
  assert.throws(() => memory.recall('plum'), { code: 'STORE_CORRUPT' });
  await memory.refresh();
  assert.deepEqual([textsOf(memory, 'plum pear1'), whys(told)], [shown, ['failed']]);
  assert.deepEqual(textsOf(await open(), 'plum pear1'), shown);
});

const SECRET = 'Zyxomma petiolatum';
const STEMS = ['zyxomma', 'petiolatum'];

test('after an erasure no byte of what was said, nor a stem of it, is in a file of the index, and the rest is what the log says', async (t) => {
  const { open, store, keys, world, folder, file, told, index } = stage(t);
  const [memory, ada] = [await open(), await open({ subject: 'ada' })];
  await filled(memory, 40);
  for (let at = 0; at < 15; at++) {
    await ada.remember(`${SECRET} lives here, ${at}.`, { tags: [`Zyxomma ${at}`] });
    await memory.remember(`between ${at}`);
  }
  await ada.setBlock({ label: 'b', text: SECRET });
  await ada.setItem({ key: 'k', value: SECRET });
  for (let at = 0; at < 600; at++) await memory.setItem({ key: 'n', value: at });
  assert.match(bytesIn(folder), /Zyxomma/, 'it was there, beside the rows too');
  await eraseSubject({ store, keys, world, subject: 'ada' });
  await memory.refresh();
  const left = bytesIn(folder);
  for (const one of [SECRET, ...SECRET.split(' '), ...STEMS]) assert.equal(left.includes(one), false, one);
  assert.deepEqual([textsOf(memory, SECRET), memory.core, memory.item('k'), memory.item('n')], [[], [], undefined, 599]);
  assert.deepEqual(whys(told), [], 'it was taken out alone');
  const taken = dump(file());
  assert.equal(JSON.stringify(taken).toLowerCase().includes('zyxomma'), false);
  index.close();
  rmSync(folder, { recursive: true });
  await open();
  assert.deepEqual(dump(file()), taken);
});

test('what was erased while no memory was open goes when one is opened, also where the log took no note of it', async (t) => {
  const { open, store, keys, world, folder, index } = stage(t);
  for (const [subject, erase] of [
    ['ada', () => eraseSubject({ store, keys, world, subject: 'ada' })],
    ['bob', () => keys.destroy('bob')],
  ] as const) {
    await (await open({ subject })).remember(SECRET);
    index.close();
    await erase();
    const memory = await open();
    assert.deepEqual([textsOf(memory, SECRET), STEMS.some((stem) => bytesIn(folder).includes(stem))], [[], false], subject);
  }
});

test('where what was erased has to do with what others said, the index is made anew', async (t) => {
  const { open, store, keys, world, told } = stage(t);
  const [memory, ada] = [await open(), await open({ subject: 'ada' })];
  const { id } = await memory.remember('Ada lives in Linz.');
  await ada.remember('Ada lives in Graz.', { supersedes: id });
  await memory.refresh();
  assert.deepEqual(textsOf(memory, 'Ada lives'), ['Ada lives in Graz.']);
  await eraseSubject({ store, keys, world, subject: 'ada' });
  await memory.refresh();
  assert.deepEqual([textsOf(memory, 'Ada lives'), whys(told)], [['Ada lives in Linz.'], ['erased']]);
});

test('an index that was made without the keys is made anew with them', async (t) => {
  const { open, store, keys, world, told, index } = stage(t);
  await (await open({ subject: 'ada' })).remember(SECRET);
  let isLocked = true;
  const lockable: KeyPort = { ...keys, open: (subject, sealed) => (isLocked ? null : keys.open(subject, sealed)) };
  const other = memoryStore({ world, keys: lockable });
  for (const frame of await store.read('scope:s'))
    await other.append({ id: frame.id, sid: frame.sid, expected: frame.seq, events: frame.events });
  index.close();
  assert.deepEqual(textsOf(await open({ store: other }), SECRET), []);
  isLocked = false;
  assert.deepEqual([textsOf(await open({ store: other }), SECRET), whys(told)], [[SECRET], ['stale', 'stale']]);
});

test('of a log that was deleted the index keeps nothing', async (t) => {
  const { open, store, folder, index } = stage(t);
  await (await open()).remember(SECRET);
  index.close();
  await store.delete('scope:s');
  await open();
  assert.equal(
    STEMS.some((stem) => bytesIn(folder).includes(stem)),
    false,
  );
});

test('where the index cannot be made the memory goes on without, and that is told', async (t) => {
  const { world, store } = stage(t);
  const folder = mkdtempSync(join(base, 'nerva-index-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const told: IndexTold[] = [];
  const blocked = join(folder, 'a file');
  writeFileSync(blocked, '');
  const index = sqliteIndex(blocked, { tell: (one) => told.push(one) });
  const memory = await openMemory({ store, world, scope: 's', index });
  await memory.remember(SECRET);
  assert.deepEqual([textsOf(memory, SECRET), whys(told)], [[SECRET], ['failed']]);
  assert.equal(told[0]?.type === 'failed' && 'code' in told[0].error ? told[0].error.code : '', 'STORE_READONLY');
});

test('more memories than may be open at once are all found', async (t) => {
  const { store, world, folder } = stage(t);
  const index = sqliteIndex(folder, { openMax: 2 });
  t.after(() => index.close());
  const memories = await Promise.all(['a', 'b', 'c', 'd'].map((scope) => openMemory({ store, world, scope, index })));
  for (const [at, memory] of memories.entries()) await memory.remember(`text ${at}`);
  for (const [at, memory] of memories.entries()) assert.deepEqual(textsOf(memory, 'text'), [`text ${at}`]);
});

test('bad options are refused', () => {
  assert.throws(() => sqliteIndex(''), { code: 'OPTION_INVALID' });
  assert.throws(() => sqliteIndex('x', { openMax: 0 }), { code: 'OPTION_INVALID' });
  assert.throws(() => sqliteIndex('x', { opnMax: 1 } as never), { code: 'OPTION_UNKNOWN' });
});
