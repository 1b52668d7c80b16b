import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { testWorld } from '../testing/index.ts';
import { fold, memoryStore, type Reducer } from './index.ts';

/** Counts; a state that cannot be kept. */
const counting: Reducer<number> = { version: 1, initial: () => 0, evolve: (count) => count + 1 };

/** `count` frames of two events, one each millisecond. */
async function filled(count: number) {
  const world = testWorld();
  const store = memoryStore({ world });
  const startMs = world.clock.nowMs();
  for (let index = 0; index < count; index++) {
    const event = { type: 'n.added', data: {} };
    await store.append({ id: `f${index}`, sid: 's', expected: index * 2, events: [event, event] });
    await world.advance(1);
  }
  return { store, startMs };
}

test('a fold goes through every page of a long log', async () => {
  const { store, startMs } = await filled(600);
  assert.deepEqual(await fold(store, 's', counting), { state: 1200, head: 1200, atMs: startMs + 599 });
  assert.deepEqual(await fold(store, 's', counting, { atMs: startMs + 598 }), { state: 1198, head: 1198, atMs: startMs + 598 });
});

test('a fold by time ends after the last event that is not later, wherever that is', async () => {
  const { store, startMs } = await filled(4);
  for (let afterMs = 0; afterMs < 6; afterMs++) {
    const count = Math.min(4, afterMs + 1) * 2;
    assert.deepEqual(await fold(store, 's', counting, { atMs: startMs + afterMs }), {
      state: count,
      head: count,
      atMs: startMs + Math.min(3, afterMs),
    });
  }
});

test('before the first event there is the initial state, of no time', async () => {
  const { store, startMs } = await filled(1);
  const nothing = { state: 0, head: 0, atMs: 0 };
  assert.deepEqual(await fold(store, 's', counting, { upto: -1 }), nothing);
  assert.deepEqual(await fold(store, 's', counting, { back: 2 }), nothing);
  assert.deepEqual(await fold(store, 's', counting, { atMs: startMs - 1 }), nothing);
});

test('a position outside the log is refused, and so are two positions', async () => {
  const { store } = await filled(1);
  for (const outside of [{ upto: 2 }, { upto: -2 }, { upto: 0.5 }, { back: 3 }, { back: -1 }])
    await assert.rejects(fold(store, 's', counting, outside), (error: unknown) => NervaError.is(error, 'LOG_RANGE'));
  for (const two of [
    { upto: 0, atMs: 1 },
    { atMs: 1, back: 0 },
    { upto: 0, back: 1 },
  ])
    await assert.rejects(fold(store, 's', counting, two), (error: unknown) => NervaError.is(error, 'OPTION_INVALID'));
});

test('a state that cannot be kept is folded without snapshots', async () => {
  const { store } = await filled(3);
  assert.equal((await fold(store, 's', counting, { snapshots: { everyEvents: 0 } })).state, 6);
  assert.equal((await store.stats()).snapshots, 0);
});

test('a snapshot is written once more than so many events were folded, and is used at its position', async () => {
  const { store } = await filled(3);
  const kept: Reducer<number> = { ...counting, freeze: String, thaw: Number };
  await fold(store, 's', kept, { snapshots: { everyEvents: 6 } });
  assert.equal((await store.stats()).snapshots, 0);
  const whole = await fold(store, 's', kept, { snapshots: { everyEvents: 5 } });
  assert.equal((await store.stats()).snapshots, 1);
  const blind = { ...store, read: () => Promise.reject(new Error('read')) };
  assert.deepEqual(await fold(blind, 's', kept, { snapshots: { everyEvents: 5 } }), whole);
  await assert.rejects(fold(blind, 's', kept, { upto: 4, snapshots: { everyEvents: 5 } }), /read/);
  await assert.rejects(fold(blind, 's', kept, { atMs: whole.atMs - 1, snapshots: { everyEvents: 5 } }), /read/);
});

test('a fold by time ends before a last frame of one event', async () => {
  const { store, startMs } = await filled(2);
  await store.append({ id: 'single', sid: 's', expected: 4, events: [{ type: 'n.added', data: {} }] });
  assert.equal((await fold(store, 's', counting, { atMs: startMs + 1 })).head, 4);
});

test('a fold that is not asked to use snapshots reads the log', async () => {
  const { store } = await filled(3);
  const kept: Reducer<number> = { ...counting, freeze: String, thaw: Number };
  await store.snapshots.put('s', '1||', 5, JSON.stringify([0, '99']));
  assert.equal((await fold(store, 's', kept, { snapshots: { everyEvents: 5 } })).state, 99);
  assert.equal((await fold(store, 's', kept)).state, 6);
});

test('a snapshot is written when more than so many events came since the last one, not since the beginning', async () => {
  const { store } = await filled(3);
  const kept: Reducer<number> = { ...counting, freeze: String, thaw: Number };
  const grown = async (expected: number): Promise<number> => {
    const event = { type: 'n.added', data: {} };
    await store.append({ id: `f${expected}`, sid: 's', expected, events: [event, event] });
    await fold(store, 's', kept, { snapshots: { everyEvents: 3 } });
    return (await store.stats()).snapshots;
  };
  assert.deepEqual([await grown(6), await grown(8), await grown(10)], [1, 1, 2]);
});

test('a state that can be kept and not taken up again is folded anew', async () => {
  const { store } = await filled(2);
  const frozen: Reducer<number> = { ...counting, freeze: String };
  for (let time = 0; time < 2; time++) assert.equal((await fold(store, 's', frozen, { snapshots: { everyEvents: 1 } })).state, 4);
});

test('a snapshot of just the time that is asked for is used', async () => {
  const { store } = await filled(3);
  const kept: Reducer<number> = { ...counting, freeze: String, thaw: Number };
  const snapshots = { everyEvents: 1 };
  const whole = await fold(store, 's', kept, { snapshots });
  const blind = { ...store, read: () => Promise.reject(new Error('read')) };
  assert.deepEqual(await fold(blind, 's', kept, { atMs: whole.atMs, snapshots }), whole);
});
