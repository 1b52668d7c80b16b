import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { memoryKeys, testWorld } from '../testing/index.ts';
import { eraseSubject, eventsOf, memoryStore, type EventDraft, type Status } from './index.ts';

const [world, subject] = [testWorld(), 'ada'];
const note = (of?: string): EventDraft => ({ type: 'note.taken', data: {}, ...(of === undefined ? {} : { subject: of }) });

async function filled(sessions: readonly { readonly sid: string; readonly of?: string; readonly status?: Status }[]) {
  const keys = memoryKeys();
  const store = memoryStore({ world, keys });
  for (const { sid, of, status = 'idle' } of sessions)
    await store.append({ id: 'f', sid, expected: 0, events: [note(), note(of)], then: { status } });
  const noted = async (sid: string): Promise<string[]> =>
    (await store.read(sid)).flatMap(eventsOf).flatMap(({ type, data }) => (type === 'subject.erased' ? [String(data['subject'])] : []));
  return { store, keys, noted, erase: () => eraseSubject({ store, keys, world, subject }) };
}

test('an erasure finds the sessions of its subject on every page of the store, and leaves the others alone', async () => {
  const sids = Array.from({ length: 300 }, (_, index) => `s${index}`);
  const of = (sid: string): string => (sid.endsWith('7') ? subject : 'bob');
  const { noted, erase } = await filled(sids.map((sid) => ({ sid, of: of(sid) })));
  const mine = sids.filter((sid) => of(sid) === subject);
  assert.deepEqual(await erase(), { sids: mine, unnoted: [] });
  for (const sid of sids) assert.deepEqual(await noted(sid), of(sid) === subject ? [subject] : []);
});

test('an erasure that is repeated notes nothing twice', async () => {
  const { store, noted, erase } = await filled([{ sid: 's', of: subject, status: 'idle' }]);
  assert.deepEqual(await erase(), await erase());
  assert.deepEqual(await noted('s'), [subject]);
  assert.equal((await store.info('s')).status, 'idle', 'the note is nobody’s work');
  assert.equal((await store.read('s')).at(-1)?.by, 'runtime');
});

test('a closed session is erased without a note, and says so; a pruned one has nothing left to erase', async () => {
  const { store, noted, erase } = await filled([
    { sid: 'old', of: subject, status: 'closed' },
    { sid: 'end', of: subject },
  ]);
  await world.advance(1);
  await store.prune({ closedBeforeMs: world.clock.nowMs() });
  await store.append({ id: 'end', sid: 'end', expected: 2, events: [note()], then: { status: 'closed' } });
  assert.deepEqual(await erase(), { sids: ['end'], unnoted: ['end'] });
  assert.deepEqual(await noted('end'), []);
});

test('an erasure that cannot read the store fails', async () => {
  const { store, keys } = await filled([{ sid: 's', of: subject }]);
  const broken = { ...store, read: () => Promise.reject(new NervaError('LOG_CORRUPT', 'damaged')) };
  await assert.rejects(eraseSubject({ store: broken, keys, world, subject }), (error: unknown) => NervaError.is(error, 'LOG_CORRUPT'));
});

test('the snapshots of an erased session are gone', async () => {
  const { store, erase } = await filled([{ sid: 's', of: subject }]);
  await store.snapshots.put('s', 'key', 1, 'secret');
  await erase();
  assert.equal(await store.snapshots.get('s', 'key', 9), null);
});

test('an erasure finds its subject on any page of a long session', async () => {
  const { store, erase } = await filled([{ sid: 's' }]);
  for (let index = 0; index < 300; index++) await store.append({ id: `g${index}`, sid: 's', expected: 2 + index, events: [note()] });
  await store.append({ id: 'last', sid: 's', expected: 302, events: [note(subject)] });
  assert.deepEqual(await erase(), { sids: ['s'], unnoted: [] });
});

test('the note of an erasure says who asked, under an id that its subject alone decides', async () => {
  const { store, keys } = await filled([{ sid: 's', of: subject }]);
  await eraseSubject({ store, keys, world, subject, by: 'user:bob' });
  const last = (await store.read('s')).at(-1);
  assert.deepEqual([last?.by, last?.id], ['user:bob', `erase.${world.digest(subject).slice(0, 40)}`]);
});

test('a session that waits for somebody is ready once its subject is erased: its turn is to be ended', async () => {
  const { store, erase } = await filled([{ sid: 's', of: subject, status: 'waiting' }]);
  await erase();
  assert.equal((await store.info('s')).status, 'ready');
});
