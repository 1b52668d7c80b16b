import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import { memoryStore } from '../log/index.ts';
import { openMemory, type EntryRow } from '../memory/index.ts';
import { testWorld } from '../testing/index.ts';
import { sqliteIndex } from './memory-index/index.ts';
import { pack, unpack } from './memory-index/places.ts';
import { SqliteRows } from './memory-index/rows.ts';

const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(base, 'nerva-words-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function rowsIn(t: TestContext): { readonly rows: SqliteRows; readonly path: string } {
  const path = join(folderOf(t), 'rows.db');
  const rows = new SqliteRows(path, () => assert.fail('made anew'));
  t.after(() => rows.close());
  return { rows, path };
}

const rowOf = (seq: number, terms: string): EntryRow => ({
  key: seq * 256 + terms.split(' ').length,
  text: terms,
  more: '{}',
  terms,
  day: 0,
  subject: null,
});

test('any places are what was packed', () => {
  const { dice } = testWorld({ seed: 5 });
  for (let round = 0; round < 200; round++) {
    const [keys, counts]: [number[], number[]] = [[], []];
    let seq = 0;
    for (let left = Math.floor(dice.roll() * 40); left > 0; left--) {
      seq += 1 + Math.floor(dice.roll() * 2 ** Math.floor(dice.roll() * 36));
      keys.push(seq * 256 + Math.floor(dice.roll() * 256));
      counts.push(1 + Math.floor(dice.roll() ** 4 * 100_000));
    }
    assert.deepEqual(unpack(pack({ keys, counts })), { keys, counts });
  }
  assert.deepEqual(unpack(pack({ keys: [0, 256], counts: [1, 2] })), { keys: [0, 256], counts: [1, 2] });
});

test('bytes that are no places are read to their end', () => {
  for (const bytes of [[255], [255, 255, 255], [3], [3, 4], [128, 128, 1, 9, 200]])
    assert.ok(unpack(Uint8Array.from(bytes)).keys.length <= 2);
});

test('rows of a term are found youngest first over all its blocks, with others, and after any of them went', (t) => {
  const { rows } = rowsIn(t);
  const all: EntryRow[] = [];
  const { dice } = testWorld({ seed: 9 });
  const check = (): void => {
    const young = all.toReversed();
    const countIn = (row: EntryRow, term: string): number => row.terms.split(' ').filter((one) => one === term).length;
    for (const terms of [
      ['often'],
      ['half'],
      ['often', 'half'],
      ['rare', 'often'],
      ['half', 'rare', 'often'],
      ['often', 'never'],
      ['never'],
    ])
      for (const limit of [1, 300, 10_000]) {
        const right = young.filter((row) => terms.every((term) => countIn(row, term) > 0)).slice(0, limit);
        const { keys, counts } = rows.read(() => rows.holders(terms, limit));
        assert.deepEqual(
          keys,
          right.map(({ key }) => key),
          `${terms.join()} ${limit}`,
        );
        assert.deepEqual(
          counts,
          terms.map((term) => right.map((row) => countIn(row, term))),
        );
      }
    for (const term of ['often', 'half', 'rare', 'never'])
      assert.equal(rows.held(term), all.filter((row) => countIn(row, term) > 0).length);
  };
  for (let round = 0; round < 12; round++) {
    rows.write(() => {
      for (let at = 0; at < 250; at++) {
        const terms = ['often'];
        if (dice.roll() < 0.3) terms.push('often');
        if (dice.roll() < 0.5) terms.push('half');
        if (dice.roll() < 0.01) terms.push('rare');
        all.push(rowOf(round * 1_000 + at * 3, terms.join(' ')));
        rows.insert(all.at(-1) as EntryRow);
      }
    });
    rows.write(() => {
      for (let left = round === 11 ? 1_500 : 60; left > 0; left--) {
        const [gone] = all.splice(Math.floor(dice.roll() * all.length), 1);
        if (gone !== undefined) rows.remove(gone);
      }
    });
    if (round % 4 === 3) check();
  }
  const [one] = rows.write(() => all.splice(0).map((row) => rows.remove(row)));
  assert.equal(one, undefined);
  check();
});

test('what a transaction noted of words is gone when it is taken back', (t) => {
  const { rows } = rowsIn(t);
  assert.throws(
    () =>
      rows.write(() => {
        rows.insert(rowOf(1, 'plum'));
        throw new Error('no');
      }),
    /no/,
  );
  rows.write(() => rows.insert(rowOf(1, 'pear')));
  assert.deepEqual([rows.held('plum'), rows.held('pear')], [0, 1]);
});

test('of rows that were removed no byte is left after a scrub, or, where the process was killed before it, once the file is opened', (t) => {
  const { dice } = testWorld({ seed: 5 });
  const word = (): string => Math.floor(dice.roll() ** 3 * 36 ** 4).toString(36);
  for (const isKilled of [true, false]) {
    const { rows, path } = rowsIn(t);
    const all: EntryRow[] = [];
    while (all.length < 2_000)
      rows.write(() => {
        for (let left = 50; left > 0; left--) {
          const at = all.length;
          const terms = Array.from({ length: 12 }, word);
          all.push(rowOf(at, [...terms, at % 5 === 3 ? `${terms[0]}zyxomma` : word()].join(' ')));
          rows.insert(all[at] as EntryRow);
          rows.update(all[Math.max(0, at - 20)]?.key ?? 0, '{}'.repeat(Math.floor(dice.roll() * 300)));
        }
      });
    rows.write(() => {
      for (const row of all) if (row.terms.includes('zyxomma')) rows.remove(row);
    });
    const left = (): number =>
      ['', '-wal'].reduce(
        (sum, end) => sum + (existsSync(path + end) ? readFileSync(path + end, 'latin1').split('zyxomma').length - 1 : 0),
        0,
      );
    if (isKilled) rows.close();
    assert.ok(left() > 0, 'SQLite leaves copies where rows moved, or this proves nothing');
    if (isKilled) rows.open();
    else rows.scrub();
    assert.equal(left(), 0);
    const database = new DatabaseSync(path);
    assert.deepEqual(database.prepare('select * from scrub').all(), []);
    database.close();
  }
});

const WORDS = ['plum', 'pear', 'apple', 'router', 'office', 'cupboard', 'monday', 'ada', 'linz', 'graz'];
const ASKED = [
  'plum',
  'pear office',
  'when was the router in Linz?',
  'what of plum, pear, apple, router and office',
  'apple on 5 January 2027',
  'monday 2027',
  'when linz',
  'when plum',
  'pear of 2026',
];

test('where many more share words than are wanted, what is found is what the index in memory finds, score by score', async (t) => {
  const world = testWorld();
  const store = memoryStore({ world });
  const index = sqliteIndex(folderOf(t));
  t.after(() => index.close());
  const kept = await openMemory({ store, world, scope: 's', index });
  const { dice } = testWorld({ seed: 21 });
  const word = (): string => WORDS[Math.floor(dice.roll() ** 2 * WORDS.length)] ?? '';
  for (let at = 0; at < 700; at++) {
    // Some twice, and some of several pieces.
    const length = at % 50 === 7 ? 90 + Math.floor(dice.roll() * 300) : 1 + Math.floor(dice.roll() * 9);
    const text = Array.from({ length }, word).join(' ');
    const { id } = await kept.remember(text, {
      tags: ['a', 'b'].filter(() => dice.roll() < 0.3),
      validMs: Date.UTC(2027, 0, 1) - Math.floor(dice.roll() * 400) * 86_400_000,
    });
    if (dice.roll() < 0.2) await kept.forget(id);
  }
  const plain = await openMemory({ store, world, scope: 's' });
  for (const query of ASKED)
    for (const options of [
      {},
      { limit: 1 },
      { limit: 40 },
      { tags: ['a'] },
      { tags: ['a', 'b'], limit: 3 },
      { filter: { text: { $contains: 'graz' } } },
    ])
      assert.deepEqual(kept.recall(query, options), plain.recall(query, options), `${query} ${JSON.stringify(options)}`);
});

test('where the words of a question are everywhere, what holds the two rarest is found however old it is, and what was written together is found whole', async (t) => {
  const world = testWorld();
  const store = memoryStore({ world });
  const index = sqliteIndex(folderOf(t));
  t.after(() => index.close());
  await store.append({ id: 'o', sid: 'scope:s', expected: 0, events: [{ type: 'scope.opened', data: { scope: 's' } }] });
  const more = 'alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo';
  const textOf = (at: number): string => {
    if (at < 12) return `plum pear ${at}`;
    if (at < 42) return `walrus zebra ${at === 41 ? 'kilo' : at}`;
    return `${at % 2 === 0 ? 'plum' : 'pear'} ${more}`;
  };
  // Each of the two stands in more than the 8,000 places that are looked at.
  const count = 20_000;
  for (let from = 0; from < count; from += 1_000) {
    const events = Array.from({ length: 1_000 }, (_, at) => ({
      type: 'memory.recorded',
      data: { text: textOf(from + at), name: 'n', kind: 'note', tags: [], importance: 0.5, validMs: 1_000 },
    }));
    await store.append({ id: `f${from}`, sid: 'scope:s', expected: from + 1, events });
  }
  const memory = await openMemory({ store, world, scope: 's', index });
  const texts = memory.recall('plum pear', { limit: 12 }).map(({ entry }) => entry.text);
  assert.deepEqual(
    texts,
    Array.from({ length: 12 }, (_, at) => textOf(at)),
  );
  assert.equal(memory.count({ isAll: true }), count);
  const [rare] = memory.recall('pear 7');
  assert.equal(rare?.entry.text, 'plum pear 7');
  const [most] = memory.recall('walrus plum kilo', { limit: 3 });
  assert.equal(most?.entry.text, 'walrus zebra kilo', 'what may hold a word whose places were not looked at is read');
});
