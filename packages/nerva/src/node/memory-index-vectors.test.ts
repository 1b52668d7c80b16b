import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { eraseSubject, memoryStore } from '../log/index.ts';
import { openMemory, type IndexTold, type Memory, type MemoryIndex, type MemoryOptions } from '../memory/index.ts';
import type { Embedder } from '../model/index.ts';
import { memoryKeys, testWorld } from '../testing/index.ts';
import { sqliteIndex } from './memory-index/index.ts';

const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** A vector for each text that no other text has, and that is as good as a text: whoever has it can tell the text. */
function vectorOf(text: string, dimensions: number): readonly number[] {
  return Array.from({ length: dimensions }, (_, at) =>
    Math.fround(Math.sin((at + 1) * (1 + text.length) + text.charCodeAt(at % text.length))),
  );
}

/** An embedder that notes which texts of documents it was given. */
function embedder(more: Partial<Embedder> & { readonly gives?: number } = {}) {
  const asked: string[] = [];
  const { gives = 8, ...rest } = more;
  const embed: Embedder = {
    name: 'test/sines',
    textsMax: 3,
    embed: (texts, { kind }) => {
      if (kind !== 'query') asked.push(...texts);
      return Promise.resolve({ vectors: texts.map((text) => vectorOf(text, gives)), usage: { inputTokens: 0, outputTokens: 0 } });
    },
    ...rest,
  };
  return { embed, asked };
}

/** A store with keys, and a folder for an index; each `open` is as a process of its own. */
function stage(t: TestContext) {
  const folder = mkdtempSync(join(base, 'nerva-vectors-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const world = testWorld();
  const keys = memoryKeys();
  const store = memoryStore({ world, keys });
  const told: IndexTold[] = [];
  const open = async (more: Partial<MemoryOptions> = {}): Promise<{ readonly memory: Memory; readonly close: () => void }> => {
    const index = sqliteIndex(folder, { tell: (one) => told.push(one) });
    t.after(() => index.close());
    return { memory: await openMemory({ store, world, scope: 's', index, ...more }), close: () => index.close() };
  };
  const file = (): string => join(folder, readdirSync(folder).find((name) => name.endsWith('.vectors.db')) ?? 'none.vectors.db');
  return { folder, world, keys, store, told, open, file };
}

const TEXTS = ['The ocean was cold.', 'My vehicle is red.', 'A puppy came by.', 'We ate soup together.', 'Names of all the seas.'];

/** Keys of the rows of a file, and the bytes of all files of vectors. */
function keysIn(path: string): readonly string[] {
  if (!existsSync(path)) return [];
  const database = new DatabaseSync(path);
  try {
    return database
      .prepare('select key from vector order by key')
      .all()
      .map(({ key }) => String(key));
  } finally {
    database.close();
  }
}

/** Whether the vector of a text stands in any file of a folder, and its key. */
function leaves(folder: string, digest: string, text: string): boolean {
  const index = vectorOf(text, 8);
  const size = Math.hypot(...index);
  // A few of its numbers in a row tell it from any other; the last bits may be rounded otherwise.
  const bytes = Buffer.from(Float32Array.from(index, (one) => one / size).buffer);
  const all = readdirSync(folder).map((name) => readFileSync(join(folder, name)));
  const nearly = (buffer: Buffer): boolean => {
    for (let at = 0; at + bytes.length <= buffer.length; at++) {
      if (buffer[at + 3] !== bytes[3] || buffer[at + 2] !== bytes[2]) continue;
      let isSame = true;
      for (let each = 0; each < bytes.length && isSame; each += 4)
        isSame = Math.abs(buffer.readFloatLE(at + each) - bytes.readFloatLE(each)) < 1e-5;
      if (isSame) return true;
    }
    return false;
  };
  return all.some((buffer) => nearly(buffer) || buffer.includes(digest.slice(0, 32)));
}

test('a text gets its vector once: whoever opens the memory next finds the same, score by score, and pays for what is new alone', async (t) => {
  const { open } = stage(t);
  const first = embedder();
  const one = await open({ embed: first.embed });
  for (const text of TEXTS) await one.memory.remember(text);
  const before = await one.memory.search('the sea', { limit: 5 });
  assert.equal(first.asked.length, 5);
  one.close();
  const second = embedder();
  const two = await open({ embed: second.embed });
  assert.deepEqual(await two.memory.search('the sea', { limit: 5 }), before);
  assert.deepEqual(second.asked, []);
  // The same words again are the same text.
  for (const text of ['A new one.', TEXTS[0] ?? '']) await two.memory.remember(text);
  assert.equal(await two.memory.embed(), 0);
  two.close();
  const third = embedder();
  const three = await open({ embed: third.embed });
  assert.equal(await three.memory.embed(), 0);
  assert.deepEqual(third.asked, []);
});

test('an embedder of another name, or another length, gets all texts again, and nothing is left of the one before', async (t) => {
  const { open, file } = stage(t);
  const rows = (): unknown => {
    const database = new DatabaseSync(file());
    const found = database.prepare('select maker, count(*) as count, max(length(numbers)) as bytes from vector group by maker').all();
    database.close();
    return found.map(({ maker, count, bytes }) => [maker, count, bytes]);
  };
  const one = await open({ embed: embedder().embed });
  for (const text of TEXTS) await one.memory.remember(text);
  await one.memory.embed();
  one.close();
  for (const [more, maker, length] of [
    [{ name: 'test/others' }, '["test/others",null]', 8],
    [{ name: 'test/others', dimensions: 4, gives: 4 }, '["test/others",4]', 4],
  ] as const) {
    const { embed, asked } = embedder(more);
    const { memory, close } = await open({ embed });
    assert.equal(await memory.embed(), 0);
    assert.equal(asked.length, 5);
    assert.deepEqual(rows(), [[maker, 5, 4 * length]]);
    close();
  }
  // One that gives another length under the same name: words find, and the next search has vectors of the new length alone.
  const { embed, asked } = embedder({ name: 'test/others', dimensions: 4, gives: 6 });
  const { memory } = await open({ embed });
  const search = await memory.search('soup', { limit: 2 });
  assert.deepEqual([search.vectors?.failure, search.found[0]?.entry.text], ['MODEL_GARBAGE', 'We ate soup together.']);
  assert.equal((await memory.search('soup')).vectors?.failure, null);
  assert.equal(asked.length, 5);
  assert.deepEqual(rows(), [['["test/others",4]', 5, 24]]);
});

test('of an erased text no byte of its vector is left, and no other text gets its vector again', async (t) => {
  for (const how of ['open', 'open without an embedder', 'closed', 'closed, and its index lost'] as const) {
    const { folder, world, store, keys, open, file } = stage(t);
    const one = await open({ embed: embedder().embed });
    await one.memory.remember(TEXTS[0] ?? '');
    const ada = await open({ subject: 'ada', embed: embedder().embed });
    await ada.memory.remember('Ada keeps a secret.');
    await ada.memory.embed();
    const digest = world.digest('Ada keeps a secret.');
    assert.equal(leaves(folder, digest, 'Ada keeps a secret.'), true);
    one.close();
    if (how !== 'open') ada.close();
    const other = how === 'open without an embedder' ? await open() : null;
    await eraseSubject({ store, keys, world, subject: 'ada' });
    await other?.memory.refresh();
    if (how === 'open') await ada.memory.refresh();
    const { embed, asked } = embedder();
    if (how === 'closed, and its index lost')
      for (const name of readdirSync(folder)) if (!name.includes('.vectors.')) rmSync(join(folder, name));
    if (how.startsWith('closed')) await (await open({ embed })).memory.embed();
    assert.equal(leaves(folder, digest, 'Ada keeps a secret.'), false, how);
    assert.deepEqual(keysIn(file()), [world.digest(TEXTS[0] ?? '').slice(0, 32)], how);
    assert.deepEqual(asked, [], how);
  }
});

test('a damaged file of vectors is made anew, and one that cannot be written leaves all in the process; both are told', async (t) => {
  const { open, file, told, folder } = stage(t);
  const one = await open({ embed: embedder().embed });
  for (const text of TEXTS) await one.memory.remember(text);
  await one.memory.embed();
  one.close();
  const path = file();
  writeFileSync(path, 'no database at all, though it is long enough to be looked at as one. '.repeat(100));
  const { embed, asked } = embedder();
  const two = await open({ embed });
  assert.equal((await two.memory.search('soup')).vectors?.missing, 0);
  assert.deepEqual([asked.length, told.map((told) => (told.type === 'rebuilt' ? told.why : told.type))], [5, ['damaged']]);
  two.close();
  for (const name of readdirSync(folder)) if (name.includes('.vectors.db')) rmSync(join(folder, name), { recursive: true });
  // A folder stands where the file was to be.
  mkdirSync(path);
  const third = embedder();
  const three = await open({ embed: third.embed });
  for (let again = 0; again < 2; again++) assert.equal((await three.memory.search('soup')).vectors?.failure, null);
  assert.equal(third.asked.length, 5);
  assert.deepEqual([told.length, told.at(-1)?.type], [2, 'failed']);
});

test('vectors take no more memory than they are allowed: the newest have them, and how many are missing is said', async (t) => {
  const { open } = stage(t);
  const room = { vectorBytesMax: 3 * (4 * 8 + 300) };
  for (const [count, made] of [
    [5, 3],
    [0, 0],
  ] as const) {
    const { embed, asked } = embedder();
    const { memory, close } = await open({ embed, ...room });
    for (const text of TEXTS.slice(0, count)) await memory.remember(text);
    const { vectors } = await memory.search('soup');
    assert.deepEqual([asked.length, vectors], [made, { name: 'test/sines', missing: 2, failure: null }]);
    if (count > 0) assert.deepEqual(asked, TEXTS.slice(2).toReversed());
    close();
  }
});

test('a search after the first looks at what is new and what has no vector, and not at all of a memory', async (t) => {
  const { folder, store, world } = stage(t);
  const index = sqliteIndex(folder);
  t.after(() => index.close());
  let passes = 0;
  const counted: MemoryIndex = {
    tell: (told) => index.tell(told),
    open(name) {
      const rows = index.open(name);
      const all = rows.rows.bind(rows);
      return Object.assign(rows, {
        rows: (subject?: string) => {
          passes++;
          return all(subject);
        },
      });
    },
  };
  const { embed, asked } = embedder();
  const memory = await openMemory({ store, world, scope: 's', index: counted, embed });
  for (const text of TEXTS) await memory.remember(text);
  await memory.search('soup');
  const before = passes;
  for (const text of ['One more.', 'And another.']) {
    const { id } = await memory.remember(text);
    const { found, vectors } = await memory.search(text, { limit: 1 });
    assert.deepEqual([found[0]?.entry.id, vectors?.missing], [id, 0]);
  }
  assert.deepEqual([passes, asked.length], [before, 7]);
});

test('any changes, erasures and openings leave a memory that finds what one without files finds, and files with the vectors of its texts alone', (t) =>
  fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          fc.record({
            does: fc.constant('remember' as const),
            text: fc.constantFrom(...TEXTS, 'Other.', 'More.'),
            of: fc.constantFrom(null, 'ada', 'bob'),
          }),
          fc.constant({ does: 'search' as const }),
          fc.constant({ does: 'reopen' as const }),
          fc.record({ does: fc.constant('erase' as const), subject: fc.constantFrom('ada', 'bob') }),
        ),
        { maxLength: 14 },
      ),
      async (steps) => {
        const { world, store, keys, open, file } = stage(t);
        const erased = new Set<string>();
        let { memory, close } = await open({ embed: embedder().embed });
        for (const step of steps) {
          if (step.does === 'remember' && !erased.has(step.of ?? '')) {
            const whose = step.of === null ? {} : { subject: step.of };
            await (await openMemory({ store, world, scope: 's', ...whose })).remember(step.text);
          } else if (step.does === 'search') {
            await memory.refresh();
            await memory.search('the sea');
          } else if (step.does === 'reopen') {
            close();
            ({ memory, close } = await open({ embed: embedder().embed }));
          } else if (step.does === 'erase') {
            erased.add(step.subject);
            await eraseSubject({ store, keys, world, subject: step.subject });
          }
        }
        await memory.refresh();
        const plain = await openMemory({ store, world, scope: 's', embed: embedder().embed });
        const said = async (one: Memory): Promise<unknown> =>
          new Map((await one.search('the sea', { limit: 50 })).found.map(({ entry, why }) => [entry.id, why.similarity]));
        assert.deepEqual(await said(memory), await said(plain));
        const texts = new Set(memory.entries().map(({ text }) => world.digest(text).slice(0, 32)));
        assert.deepEqual(keysIn(file()), Array.from(texts).toSorted());
        close();
      },
    ),
    { numRuns: 60 },
  ));
