import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { testWorld } from '../testing/index.ts';
import { memoryStore, STORE_LIMITS, type BlobRef, type StoreLimits } from './index.ts';

const event = { type: 'note.taken', data: {} };
const made = (limits: Partial<StoreLimits> = {}) => {
  const world = testWorld();
  return { world, store: memoryStore({ world, limits }) };
};

test('a store has the limits it is documented with, and those it is given', () => {
  assert.deepEqual(STORE_LIMITS, {
    eventsMax: 1_000_000,
    bytesMax: 1_000_000_000,
    frameBytesMax: 8_000_000,
    queueMax: 100_000,
    blobBytesMax: 256_000_000,
    attemptsMax: 10,
  });
  assert.deepEqual(made({ eventsMax: 3 }).store.limits, { ...STORE_LIMITS, eventsMax: 3 });
});

test('a first frame beyond the limits creates no session', async () => {
  const { store } = made({ eventsMax: 1 });
  const result = await store.append({ id: 'f', sid: 's', expected: 0, events: [event, event] });
  assert.deepEqual(result, { ok: false, why: 'limit', head: 0 });
  assert.deepEqual(await store.list(), []);
});

test('a fork beyond the limits creates no session', async () => {
  const { store } = made({ eventsMax: 2 });
  await store.append({ id: 'f', sid: 's', expected: 0, events: [event, event] });
  assert.deepEqual(await store.fork({ id: 'g', sid: 'fork', parent: 's', at: 1, events: [event] }), { ok: false, why: 'limit', head: 2 });
  assert.equal((await store.fork({ id: 'g', sid: 'fork', parent: 's', at: 0, events: [event] })).ok, true);
});

test('a page goes on after a session that was deleted, with all that came later', async () => {
  const { store } = made();
  const create = (sid: string) => store.append({ id: 'f', sid, expected: 0, events: [event] });
  for (const sid of ['a', 'b', 'c']) await create(sid);
  await store.delete('a');
  await create('d');
  const after = async (sid: string) => (await store.list({ after: sid })).map((info) => info.sid);
  assert.deepEqual([await after('a'), await after('b'), await after('d'), await after('nobody')], [['b', 'c', 'd'], ['c', 'd'], [], []]);
});

test('a sweep keeps what any session of the tenant names', async () => {
  const { store, world } = made();
  const refs: BlobRef[] = [];
  for (const sid of ['a', 'b', 'c']) {
    const file = await store.blobs.put(new TextEncoder().encode(sid), { mediaType: 'text/plain', sid });
    refs.push(file);
    await store.append({ id: 'f', sid, expected: 0, events: [{ ...event, data: sid === 'c' ? {} : { file: { ...file } } }] });
  }
  await world.advance(1);
  assert.equal(await store.blobs.sweep(world.clock.nowMs()), 1);
  for (const [index, { ref }] of refs.entries()) {
    const read = store.blobs.get(ref);
    if (index < 2) assert.equal((await read).length, 1);
    else await assert.rejects(read, (error: unknown) => NervaError.is(error, 'BLOB_UNKNOWN'));
  }
});

test('a limit that is none is refused by its name, and one of nothing gives nothing', async () => {
  const { store } = made();
  await store.append({ id: 'f', sid: 's', expected: 0, events: [event], then: { status: 'closed' } });
  for (const done of [store.list({ limit: -1 }), store.prune({ closedBeforeMs: 0, limit: 1.5 })])
    await assert.rejects(done, (error) => NervaError.is(error, 'LOG_RANGE') && error.details['limit'] !== undefined);
  assert.deepEqual(await store.list({ limit: 0 }), []);
  assert.equal(await store.prune({ closedBeforeMs: Number.MAX_SAFE_INTEGER, limit: 0 }), 0);
  assert.equal(await store.prune({ closedBeforeMs: Number.MAX_SAFE_INTEGER }), 1);
});
