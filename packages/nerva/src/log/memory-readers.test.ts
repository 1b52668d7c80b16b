import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { testWorld } from '../testing/index.ts';
import { memoryStore, RELEASE, type EventDraft, type Frame, type Store } from './index.ts';

const note = (n = 0): EventDraft => ({ type: 'note.taken', data: { n } });
const coded = (code: string) => (error: unknown) => NervaError.is(error) && error.code === code;

/** A store with a session `s` of `count` frames of two events. */
async function filled(count: number) {
  const world = testWorld();
  const store = memoryStore({ world });
  for (let index = 0; index < count; index++) await grown(store, index);
  return { world, store };
}

const grown = (store: Store, index: number) =>
  store.append({ id: `f${index}`, sid: 's', expected: index * 2, events: [note(index), note(index)] });

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Whether a promise is settled after all that waits for nothing has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = (): void => void (settled = true);
  promise.then(note, note);
  for (let count = 0; count < 5; count++) await turn();
  return settled;
}

test('a page has 256 frames unless another number is asked for', async () => {
  const { store } = await filled(300);
  assert.equal((await store.read('s')).length, 256);
  assert.equal((await store.read('s', { limit: 299 })).length, 299);
});

test('a position or a limit that is none is refused by name', async () => {
  const { store } = await filled(1);
  for (const [options, name] of [
    [{ after: -2 }, 'after'],
    [{ upto: -2 }, 'upto'],
    [{ limit: 0 }, 'limit'],
    [{ limit: 0.5 }, 'limit'],
  ] as const)
    await assert.rejects(store.read('s', options), (error: unknown) => {
      assert.ok(coded('LOG_RANGE')(error));
      assert.deepEqual((error as NervaError).details, options);
      return String(error).includes(name);
    });
  await assert.rejects(store.snapshots.put('s', 'k', -2, ''), (error: unknown) => {
    assert.deepEqual((error as NervaError).details, { seq: -2 });
    return coded('LOG_RANGE')(error);
  });
});

test('a frame that is cut at its front begins later and counts fewer', async () => {
  const { store } = await filled(2);
  const [cut] = await store.read('s', { after: 0 });
  assert.deepEqual([cut?.seq, cut?.count, cut?.events.length], [1, 1, 1]);
  const [short] = await store.read('s', { upto: 0 });
  assert.deepEqual([short?.seq, short?.count, short?.events.length], [0, 2, 1]);
});

test('a frame says who wrote it, and bears no cause when it has none', async () => {
  const { store } = await filled(1);
  await store.append({ id: 'caused', sid: 's', expected: 2, events: [note()], cause: 's:1' });
  const [first, second] = await store.read('s');
  assert.deepEqual(first?.writer, { incarnation: store.incarnation, epoch: 0, release: RELEASE });
  assert.match(store.incarnation, /^[0-9a-f]{32}$/);
  assert.deepEqual([Object.hasOwn(first ?? {}, 'cause'), second?.cause], [false, 's:1']);
});

test('no reader can change what another reads, not even its writer', async () => {
  const { store } = await filled(1);
  const [mine] = await store.read('s');
  Object.assign(mine?.writer ?? {}, { epoch: 99 });
  assert.equal((await store.read('s'))[0]?.writer.epoch, 0);
});

test('a tail begins at the first event, and ends in the middle of a page when it is aborted there', async () => {
  const { store } = await filled(3);
  const stop = new AbortController();
  const seen: number[] = [];
  for await (const frame of store.tail('s', { signal: stop.signal })) {
    seen.push(frame.seq);
    if (seen.length === 2) stop.abort();
  }
  assert.deepEqual(seen, [0, 2]);
});

test('a tail that waited leaves no listener on its signal, however often it was woken', async () => {
  const { store } = await filled(0);
  await grown(store, 0);
  const stop = new AbortController();
  const reading = store.tail('s', { after: 1, signal: stop.signal })[Symbol.asyncIterator]();
  for (let index = 1; index < 5; index++) {
    const next = reading.next();
    await turn();
    assert.equal(getEventListeners(stop.signal, 'abort').length, 1, 'while it waits');
    await grown(store, index);
    await next;
    assert.equal(getEventListeners(stop.signal, 'abort').length, 0, 'when it was woken');
  }
});

test('a tail of a session that is deleted, and one of a store that is closed, end with an error', async () => {
  for (const [end, code] of [
    [(store: Store) => store.delete('s'), 'SESSION_DELETED'],
    [(store: Store) => store.close(), 'STORE_CLOSED'],
  ] as const) {
    const { store } = await filled(1);
    const next = store.tail('s', { after: 1 })[Symbol.asyncIterator]().next();
    await turn();
    await end(store);
    await assert.rejects(next, coded(code));
  }
});

test('a live feed waits for what comes, gives it, and ends with an error when the store is closed', async () => {
  const { store } = await filled(1);
  const feed = store.feed({ live: true })[Symbol.asyncIterator]();
  await feed.next();
  const next = feed.next();
  assert.equal(await isSettled(next), false);
  await grown(store, 1);
  assert.equal(await isSettled(next), true);
  assert.equal(((await next).value as { readonly frame: Frame }).frame.seq, 2);
  const last = feed.next();
  await turn();
  await store.scope('default').close();
  assert.equal(await isSettled(last), false, 'a handle of a tenant closes nothing');
  await store.close();
  assert.equal(await isSettled(last), true);
  await assert.rejects(last, coded('STORE_CLOSED'));
});

test('a cursor of another store is refused', async () => {
  const { store } = await filled(1);
  for (const after of ['x', '-1', '1.5', '1'.repeat(16)])
    await assert.rejects(store.feed({ after })[Symbol.asyncIterator]().next(), coded('LOG_RANGE'));
});
