import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import type { Append } from '../log/index.ts';
import { apply, Journal, type Live } from './journal.ts';
import type { Operation } from './operation.ts';

const make = (): Journal => new Journal(1, { limits: {}, keys: undefined });

const append = (n: number, sid = 's1'): Operation => {
  const frame: Append = { id: `f${n}`, sid, expected: n === 0 || sid !== 's1' ? 0 : 'fact', events: [{ type: 'note.taken', data: { n } }] };
  return { name: 'append', tenant: null, args: [frame], atMs: 1_000 + n };
};

/** As a disk that takes everything. */
async function commit(journal: Journal, live: Live, operation: Operation): Promise<void> {
  live.at(operation, journal.count);
  await apply(live.store, operation);
  journal.write(operation);
}

const notes = async ({ store }: Live, sid = 's1'): Promise<unknown[]> =>
  (await store.read(sid).catch(() => [])).flatMap(({ events }) => events.map(({ data }) => data['n']));

async function filled(count: number): Promise<{ readonly journal: Journal; readonly live: Live }> {
  const journal = make();
  const live = journal.empty();
  for (let n = 0; n < count; n++) await commit(journal, live, append(n));
  return { journal, live };
}

test('what was written survives a crash, and what was not does not', async () => {
  const { journal, live } = await filled(3);
  const unwritten = append(3);
  live.at(unwritten, journal.count);
  await apply(live.store, unwritten);
  assert.deepEqual(await notes(live), [0, 1, 2, 3]);
  assert.deepEqual(await notes(await journal.open()), [0, 1, 2]);
});

test('a store that was rebuilt equals the live one to the byte, hashes and incarnation included', async () => {
  const { journal, live } = await filled(3);
  const blob: Operation = {
    name: 'blob',
    tenant: null,
    args: [new Uint8Array([0, 127, 128, 255]), { mediaType: 'x/y', sid: 's1' }],
    atMs: 1_010,
  };
  await commit(journal, live, blob);
  await commit(journal, live, { name: 'takeOver', tenant: null, args: ['s1', 'p0'], atMs: 1_011 });
  await commit(journal, live, append(4, 's2'));
  const rebuilt = await journal.open();
  for (const sid of ['s1', 's2']) {
    assert.deepEqual(await rebuilt.store.read(sid), await live.store.read(sid));
    assert.deepEqual(await rebuilt.store.info(sid), await live.store.info(sid));
    assert.equal((await rebuilt.store.verify(sid)).ok, true);
  }
  assert.deepEqual(await rebuilt.store.stats(), await live.store.stats());
  assert.equal(journal.count, 6);
});

test('what was refused then is refused when it is read again', async () => {
  const { journal, live } = await filled(1);
  const late: Append = { id: 'late', sid: 's1', expected: 0, events: [{ type: 'note.taken', data: { n: 9 } }] };
  await commit(journal, live, { name: 'append', tenant: null, args: [late], atMs: 2_000 });
  assert.deepEqual(await notes(live), [0]);
  assert.deepEqual(await notes(await journal.open()), [0]);
});

test('half a record at the end is cut off, and the file goes on behind it', async () => {
  const { journal } = await filled(2);
  journal.tear(append(2));
  const live = await journal.open();
  assert.deepEqual(await notes(live), [0, 1]);
  await commit(journal, live, append(3));
  assert.deepEqual(await notes(await journal.open()), [0, 1, 3]);
});

test('a corrupt record before the last refuses to open, is named, and the file is left as it is', async () => {
  for (const roll of [0, 0.5, 0.99]) {
    const { journal } = await filled(4);
    const repair = journal.corrupt(roll);
    const text = journal.text();
    await assert.rejects(journal.open(), (error) => NervaError.is(error, 'STORE_CORRUPT') && /Record [0-2] /.test(error.message));
    assert.equal(journal.text(), text);
    repair?.();
    assert.deepEqual(await notes(await journal.open()), [0, 1, 2, 3]);
  }
});

test('putting the copy of a corrupt record back keeps what was written since', async () => {
  const { journal, live } = await filled(3);
  const repair = journal.corrupt(0);
  await commit(journal, live, append(3));
  repair?.();
  assert.deepEqual(await notes(await journal.open()), [0, 1, 2, 3]);
});

test('a record that is damaged already, or the last one, is not damaged', async () => {
  const { journal } = await filled(2);
  const repair = journal.corrupt(0);
  const text = journal.text();
  assert.equal(journal.corrupt(0), null);
  assert.equal(journal.text(), text);
  repair?.();
  assert.deepEqual(await notes(await journal.open()), [0, 1]);
  assert.equal((await filled(1)).journal.corrupt(0), null);
});

test('the text of the file holds everything that is on the disk', async () => {
  const { journal } = await filled(2);
  assert.equal(journal.text().split('\n').length, 2);
  assert.ok(journal.text().includes('"note.taken"'));
});
