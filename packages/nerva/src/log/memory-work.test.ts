import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { testWorld } from '../testing/index.ts';
import { memoryStore, type Status, type Then } from './index.ts';

const events = [{ type: 'note.taken', data: {} }];

function made() {
  const world = testWorld();
  const store = memoryStore({ world });
  const hints: string[] = [];
  store.onWork((sid) => hints.push(sid));
  return {
    world,
    store,
    hints,
    append: (sid: string, expected: number, then: Then) => store.append({ id: `f${expected}`, sid, expected, events, then }),
    claimed: async () => (await store.claim({ owner: 'me', countMax: 10, leaseMs: 1 })).map(({ info }) => info.sid),
  };
}

test('a session is as old in line as its last becoming ready, not as its birth', async () => {
  const { world, append, claimed } = made();
  for (const sid of ['a', 'b']) {
    await append(sid, 0, { status: 'ready' });
    await world.advance(1);
  }
  await append('a', 1, { status: 'idle' });
  await append('a', 2, { status: 'ready' });
  assert.deepEqual(await claimed(), ['b', 'a']);
});

test('more input does not cost a ready session its place in line', async () => {
  const { world, store, append, claimed } = made();
  for (const sid of ['a', 'b']) {
    await append(sid, 0, { status: 'ready' });
    await world.advance(1);
  }
  await store.append({ id: 'more', sid: 'a', expected: 'fact', events });
  assert.deepEqual(await claimed(), ['a', 'b']);
});

test('a timer that is due and a session that is ready stand in one line, by time', async () => {
  const { world, append, claimed } = made();
  const nowMs = world.clock.nowMs();
  await append('late', 0, { status: 'waiting', wakeAtMs: nowMs + 3 });
  await append('early', 0, { status: 'waiting', wakeAtMs: nowMs + 1 });
  await world.advance(2);
  await append('ready', 0, { status: 'ready' });
  await append('both', 0, { status: 'ready', wakeAtMs: nowMs + 9 });
  await world.advance(2);
  assert.deepEqual(await claimed(), ['early', 'ready', 'both', 'late']);
});

test('a quarantined session is not handed out, whatever time it wanted to be woken at', async () => {
  const { world, append, claimed } = made();
  await append('s', 0, { status: 'waiting', wakeAtMs: world.clock.nowMs() });
  await append('s', 1, { status: 'quarantined' });
  assert.deepEqual(await claimed(), []);
});

test('a session that its own driver quarantined is free and hinted at when a person lets it go on', async () => {
  const { store, hints, append, claimed } = made();
  await append('s', 0, { status: 'ready', owner: 'driver' });
  await append('s', 1, { status: 'quarantined' });
  hints.length = 0;
  await store.unquarantine('s');
  assert.deepEqual(hints, ['s']);
  assert.deepEqual(await claimed(), ['s']);
});

test('a release to ready is hinted at, and one to idle is not', async () => {
  const { store, hints, append } = made();
  for (const [status, heard] of [
    ['ready', ['ready']],
    ['idle', []],
  ] as const satisfies readonly (readonly [Status, readonly string[]])[]) {
    await append(status, 0, { status: 'ready', owner: 'me' });
    hints.length = 0;
    await store.release(status, { epoch: 0 }, { expected: 1, status, wakeAtMs: null });
    assert.deepEqual(hints, heard);
  }
});

test('a deleted session is no work', async () => {
  const { store, append, claimed } = made();
  await append('s', 0, { status: 'ready' });
  await store.delete('s');
  assert.deepEqual(await claimed(), []);
});

test('a status that counts at one head only is ready at another, and counts at the birth of a session as at 0', async () => {
  const { store, append } = made();
  await append('s', 0, { status: 'waiting', ifHead: 0 });
  assert.equal((await store.info('s')).status, 'waiting');
  const fact = { sid: 's', expected: 'fact', events } as const;
  await store.append({ ...fact, id: 'seen', then: { status: 'idle', ifHead: 1 } });
  assert.equal((await store.info('s')).status, 'idle');
  await store.append({ ...fact, id: 'unseen', then: { status: 'idle', ifHead: 1 } });
  assert.equal((await store.info('s')).status, 'ready');
});

test('a store that is closed hands out nothing and says so', async () => {
  const { store, claimed } = made();
  await store.close();
  await assert.rejects(claimed(), (error) => NervaError.is(error, 'STORE_CLOSED'));
});

test('a count, a fence or a time that is none is refused by its name, and the least of each is taken', async () => {
  const { store, append } = made();
  await append('s', 0, { status: 'ready', owner: 'me' });
  const row = { expected: 1, status: 'ready' } as const;
  const asked: readonly [string, number, (value: number) => Promise<unknown>][] = [
    ['countMax', 0.5, (countMax) => store.claim({ owner: 'me', countMax, leaseMs: 1 })],
    ['fence.epoch', -1, (epoch) => store.renew('s', { epoch }, 1)],
    ['fence.epoch', 0.5, (epoch) => store.release('s', { epoch }, { ...row, wakeAtMs: null })],
    ['wakeAtMs', -1, (wakeAtMs) => store.release('s', { epoch: 0 }, { ...row, wakeAtMs })],
  ];
  for (const [name, wrong, ask] of asked) {
    await assert.rejects(ask(wrong), (error) => {
      assert.deepEqual(NervaError.is(error, 'LOG_RANGE') ? error.details : error, { [name]: wrong });
      return true;
    });
    await ask(0);
  }
});

test('a number of the work methods that is none is refused by its name, and 0 is one', async () => {
  const { store, append } = made();
  await append('a', 0, { status: 'ready' });
  const row = { expected: 1, status: 'ready', wakeAtMs: null } as const;
  const refused: readonly [string, Promise<unknown>][] = [
    ['countMax', store.claim({ owner: 'me', countMax: -1, leaseMs: 1 })],
    ['fence.epoch', store.renew('a', { epoch: -1 }, 1)],
    ['fence.epoch', store.release('a', { epoch: -1 }, row)],
    ['wakeAtMs', store.release('a', { epoch: 0 }, { ...row, wakeAtMs: -1 })],
  ];
  for (const [name, done] of refused)
    await assert.rejects(done, (error) => NervaError.is(error, 'LOG_RANGE') && error.details[name] === -1, name);
  assert.deepEqual(await store.claim({ owner: 'me', countMax: 0, leaseMs: 1 }), []);
  assert.equal(await store.renew('a', { epoch: 0 }, 1), true);
  assert.equal(await store.release('a', { epoch: 0 }, { ...row, wakeAtMs: 0 }), true);
});
