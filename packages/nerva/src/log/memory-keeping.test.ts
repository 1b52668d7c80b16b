import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { memoryKeys, testWorld } from '../testing/index.ts';
import { memoryStore, type EventDraft, type Store, type StoreLimits } from './index.ts';

const note: EventDraft = { type: 'note.taken', data: {} };
const coded = (code: string) => (error: unknown) => NervaError.is(error) && error.code === code;
const bytesOf = (text: string) => new TextEncoder().encode(text);

function made(limits: Partial<StoreLimits> = {}) {
  const world = testWorld();
  return { world, store: memoryStore({ world, limits, keys: memoryKeys() }) };
}

const closed = (store: Store, sid: string) => store.append({ id: 'f', sid, expected: 0, events: [note], then: { status: 'closed' } });

test('a session of no agent has none, and keeps when it was made', async () => {
  const { store, world } = made();
  const createdMs = world.clock.nowMs();
  await store.append({ id: 'f', sid: 's', expected: 0, events: [note] });
  await world.advance(5);
  await store.append({ id: 'g', sid: 's', expected: 1, events: [note] });
  const info = await store.info('s');
  assert.deepEqual([info.agent, info.createdMs, info.atMs], [null, createdMs, createdMs + 5]);
});

test('a frame may bear the first time there is', async () => {
  const { store } = made();
  await store.append({ id: 'f', sid: 's', expected: 0, events: [note], atMs: 0 });
  assert.equal((await store.info('s')).atMs, 0);
  assert.equal((await store.verify('s')).ok, true);
});

test('a store in memory is not durable, is nobody else’s and can be written', async () => {
  assert.deepEqual(made().store.capabilities, { durable: false, shared: false, readOnly: false });
});

test('a fork outside its parent says where that ends', async () => {
  const { store } = made();
  await store.append({ id: 'f', sid: 's', expected: 0, events: [note, note] });
  for (const at of [-1, 2, 0.5])
    await assert.rejects(store.fork({ id: 'g', sid: 'fork', parent: 's', at, events: [note] }), (error: unknown) => {
      assert.deepEqual((error as NervaError).details, { sid: 's', at, head: 2 });
      return coded('LOG_RANGE')(error);
    });
});

test('a fork of a fork whose own events were pruned is refused, though the inherited ones are there', async () => {
  const { store, world } = made();
  await store.append({ id: 'f', sid: 's', expected: 0, events: [note] });
  await store.fork({ id: 'g', sid: 'fork', parent: 's', at: 0, events: [note], then: { status: 'closed' } });
  await world.advance(1);
  assert.equal(await store.prune({ closedBeforeMs: world.clock.nowMs() }), 1);
  await assert.rejects(store.fork({ id: 'h', sid: 'late', parent: 'fork', at: 1, events: [note] }), coded('LOG_PRUNED'));
  assert.equal((await store.fork({ id: 'h', sid: 'early', parent: 'fork', at: 0, events: [note] })).ok, true);
  await assert.rejects(store.read('fork', { after: 0 }), (error: unknown) => {
    assert.deepEqual((error as NervaError).details, { sid: 'fork', seq: 1 });
    return coded('LOG_PRUNED')(error);
  });
});

test('totals count own events, and no bytes of what was pruned', async () => {
  const { store, world } = made();
  await store.append({ id: 'f', sid: 's', expected: 0, events: [note, note] });
  const { bytes } = await store.stats();
  await store.fork({ id: 'g', sid: 'fork', parent: 's', at: 1, events: [note], then: { status: 'closed' } });
  const both = await store.stats();
  assert.deepEqual([both.frames, both.events, both.fileBytes], [2, 3, 0]);
  assert.ok(both.bytes > bytes);
  await world.advance(1);
  await store.prune({ closedBeforeMs: world.clock.nowMs() });
  assert.equal((await store.stats()).bytes, bytes);
});

test('the bytes of a session count from its first frame, and just so many fit', async () => {
  const frame = { id: 'f', sid: 's', expected: 0, events: [note] };
  const { store } = made();
  await store.append(frame);
  const { bytes } = await store.stats();
  const tight = made({ bytesMax: 2 * bytes }).store;
  assert.deepEqual(
    [(await tight.append(frame)).ok, (await tight.append({ ...frame, id: 'g', expected: 1 })).ok, (await tight.stats()).bytes],
    [true, true, 2 * bytes],
  );
  assert.equal((await tight.append({ ...frame, id: 'h', expected: 2 })).ok, false);
});

test('a prune takes so many sessions as it is asked for, and a tenant’s only its own', async () => {
  const { store, world } = made();
  for (const sid of ['a', 'b', 'c']) await closed(store, sid);
  await closed(store.scope('red'), 'r');
  await world.advance(1);
  const closedBeforeMs = world.clock.nowMs();
  assert.equal(await store.scope('red').prune({ closedBeforeMs }), 1);
  assert.equal(await store.prune({ closedBeforeMs, limit: 2 }), 2);
  assert.equal(await store.prune({ closedBeforeMs, limit: 2 }), 1);
});

test('a session that another tenant deleted is unknown, and its id stays taken', async () => {
  const { store } = made();
  await closed(store.scope('red'), 's');
  await store.scope('red').delete('s');
  const blue = store.scope('blue');
  await assert.rejects(blue.info('s'), coded('SESSION_UNKNOWN'));
  await assert.rejects(store.scope('red').info('s'), coded('SESSION_DELETED'));
  await assert.rejects(closed(blue, 's'), coded('TENANT_DENIED'));
});

test('a blob is its session’s tenant’s, also when the operator puts it', async () => {
  const { store } = made();
  await closed(store.scope('red'), 's');
  const { ref } = await store.blobs.put(bytesOf('x'), { mediaType: 'text/plain', sid: 's' });
  assert.equal((await store.scope('red').blobs.get(ref)).length, 1);
  await assert.rejects(store.scope('default').blobs.get(ref), coded('BLOB_UNKNOWN'));
});

test('a blob has the bytes it was put with, sealed or not, and may be as large as the limit', async () => {
  const size = 20_000;
  const { store } = made({ blobBytesMax: size });
  const content = Uint8Array.from({ length: size }, (_, index) => (index * 31) % 256);
  for (const subject of [{}, { subject: 'ada' }]) {
    const { ref } = await store.blobs.put(content, { mediaType: 'x/y', sid: 's', ...subject });
    assert.deepEqual(await store.blobs.get(ref), content);
  }
  const tooLarge = store.blobs.put(new Uint8Array(size + 1), { mediaType: 'x/y', sid: 's' });
  await assert.rejects(tooLarge, coded('FRAME_INVALID'));
  await assert.rejects(store.blobs.put(content, { mediaType: 'x/y', sid: 'a b' }), coded('FRAME_INVALID'));
});

test('a store that is closed says so, whatever it is asked', async () => {
  const { store } = made();
  await store.append({ id: 'f', sid: 's', expected: 0, events: [note] });
  const { ref } = await store.blobs.put(bytesOf('x'), { mediaType: 'text/plain', sid: 's' });
  await store.close();
  const asked: readonly (() => Promise<unknown>)[] = [
    () => store.append({ id: 'g', sid: 's', expected: 1, events: [note] }),
    () => store.info('s'),
    () => store.read('s'),
    () => store.list(),
    () => store.stats(),
    () => store.prune({ closedBeforeMs: 1 }),
    () => store.feed()[Symbol.asyncIterator]().next(),
    () => store.blobs.put(bytesOf('x'), { mediaType: 'text/plain', sid: 's' }),
    () => store.blobs.get(ref),
    () => store.blobs.sweep(1),
  ];
  for (const [index, ask] of asked.entries()) await assert.rejects(ask(), coded('STORE_CLOSED'), `question ${index}`);
});
