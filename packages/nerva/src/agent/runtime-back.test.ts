import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError, type ErrorCode } from '../core/index.ts';
import { memoryStore, type Store } from '../log/index.ts';
import { scriptedModel } from '../model/index.ts';
import { testWorld } from '../testing/index.ts';
import { tool } from '../tool/index.ts';
import { createAgent, createRuntime } from './index.ts';
import { ANY, gate, until } from './session-scene.test.ts';

type Method = 'claim' | 'info' | 'read' | 'release' | 'takeOver';

/** A store whose methods fail as often as is said, and when each was asked. */
function failing(store: Store, now: () => number) {
  const left: { [method in Method]?: number } = {};
  const asked: { [method in Method]?: number[] } = {};
  let code: ErrorCode = 'STORE_FAILED';
  const guarded = <M extends Method>(name: M): Store[M] => {
    const method = store[name] as (...args: unknown[]) => Promise<unknown>;
    const guard = async (...args: unknown[]): Promise<unknown> => {
      const times: number[] = asked[name] ?? [];
      times.push(now());
      Object.assign(asked, { [name]: times });
      const count = left[name] ?? 0;
      if (count === 0) return method.apply(store, args);
      Object.assign(left, { [name]: count - 1 });
      throw new NervaError(code, `${name} failed`);
    };
    return guard as Store[M];
  };
  const methods = {
    claim: guarded('claim'),
    info: guarded('info'),
    read: guarded('read'),
    release: guarded('release'),
    takeOver: guarded('takeOver'),
  };
  return { store: { ...store, ...methods }, left, asked, failWith: (given: ErrorCode) => void (code = given) };
}

/** A session `s` that an earlier process left ready, and a runtime that is to take it up. */
async function left() {
  const world = testWorld();
  const below = memoryStore({ world });
  await below.append({
    id: 'f',
    sid: 's',
    expected: 0,
    events: [
      { type: 'session.created', data: { agent: 'a' } },
      { type: 'message.received', origin: 'person', data: { text: 'go' } },
    ],
    then: { status: 'ready', agent: 'a' },
  });
  const startMs = world.clock.nowMs();
  const failure = failing(below, () => world.clock.nowMs() - startMs);
  const runtime = createRuntime({ store: failure.store, world, agents: [createAgent({ name: 'a', model: scriptedModel(['done']) })] });
  const status = async () => (await below.info('s')).status;
  return { world, below, runtime, status, ...failure };
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
};

test('a session that could not be read is given back after a second and taken up again', async () => {
  const { world, runtime, left: fails, status, asked } = await left();
  fails.read = 1;
  await runtime.start();
  await turns();
  await world.advance(999);
  await turns();
  assert.deepEqual([await status(), asked.release], ['ready', undefined]);
  await world.advance(1);
  await until(async () => (await status()) === 'idle');
  await runtime.idle();
});

test('a session that was taken over for a caller and could not be read is nobody’s for ever: it is given back', async () => {
  const { world, below, runtime, left: fails, status } = await left();
  const { epoch } = await below.takeOver('s', 'earlier');
  await below.release('s', { epoch }, { expected: 2, status: 'waiting', wakeAtMs: null });
  await runtime.start();
  await runtime.idle();
  fails.read = 1;
  const session = runtime.session('s');
  await assert.rejects(session.send('hello').accepted, { code: 'STORE_FAILED' });
  await world.advance(1_000);
  await turns();
  assert.equal(await status(), 'waiting');
  const claim = { owner: 'next', countMax: 1, leaseMs: 1 };
  await below.append({ id: 'g', sid: 's', expected: 'fact', events: [{ type: 'note.taken', data: {} }], then: { status: 'ready' } });
  await until(async () => (await status()) === 'idle');
  assert.deepEqual(await below.claim(claim), [], 'it was this runtime that took it up');
});

test('a session that is given back keeps its status and the time it wanted to be woken at', async () => {
  const { world, below, runtime, left: fails } = await left();
  const wakeAtMs = world.clock.nowMs() + 500_000;
  await below.append({ id: 'g', sid: 's', expected: 2, events: [{ type: 'note.taken', data: {} }], then: { wakeAtMs } });
  fails.read = 1;
  await runtime.start();
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  await world.advance(1_000);
  assert.equal((await below.info('s')).wakeAtMs, wakeAtMs);
});

test('a session that cannot be given back yet is tried again after twice as long, and so on, up to a minute', async () => {
  const { world, runtime, left: fails, status, asked } = await left();
  fails.read = 1;
  fails.release = 9;
  await runtime.start();
  await turns();
  for (let second = 0; second < 300 && (await status()) !== 'idle'; second++) {
    await world.advance(1_000);
    await turns();
  }
  const triedMs = (asked.release ?? []).slice(0, 10);
  assert.deepEqual(
    triedMs.map((ms, index) => ms - (triedMs[index - 1] ?? 0)),
    [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000, 60_000].slice(0, triedMs.length),
  );
  assert.ok(triedMs.length >= 9);
});

test('a failure that another attempt cannot help leaves the session as it is', async () => {
  const { world, runtime, left: fails, status, asked, failWith } = await left();
  failWith('LOG_CORRUPT');
  fails.read = 1;
  await runtime.start();
  await turns();
  await world.advance(120_000);
  await turns();
  assert.deepEqual([await status(), asked.release], ['ready', undefined]);
  await runtime.idle();
});

test('a claim that a store refuses is reported by start and made again after a second', async () => {
  const { world, runtime, left: fails, status, asked } = await left();
  fails.claim = 1;
  await assert.rejects(runtime.start(), (error) => NervaError.is(error, 'STORE_FAILED'));
  await world.advance(999);
  await turns();
  assert.equal(asked.claim?.length, 1);
  await world.advance(1);
  await until(async () => (await status()) === 'idle');
});

test('a runtime that has something to give back is not idle, and does not wait for it when it closes', async () => {
  const { runtime, left: fails } = await left();
  fails.read = 1;
  await runtime.start();
  await turns();
  let isIdle = false;
  void runtime.idle().then(() => (isIdle = true));
  await turns();
  assert.equal(isIdle, false);
  await runtime.close();
  await turns();
  assert.equal(isIdle, true);
});

test('a session that fails at each attempt ends in quarantine', async () => {
  const world = testWorld();
  const store = memoryStore({ world, limits: { attemptsMax: 3 } });
  await store.append({
    id: 'f',
    sid: 's',
    expected: 0,
    events: [
      { type: 'session.created', data: { agent: 'a' } },
      { type: 'message.received', origin: 'person', data: { text: 'go' } },
    ],
    then: { status: 'ready', agent: 'a' },
  });
  const { store: sick, left: fails } = failing(store, () => 0);
  fails.read = 99;
  const runtime = createRuntime({ store: sick, world, agents: [createAgent({ name: 'a', model: scriptedModel(['done']) })] });
  await runtime.start();
  for (let second = 0; second < 20; second++) {
    await turns();
    await world.advance(1_000);
  }
  assert.equal((await store.info('s')).status, 'quarantined');
  await runtime.idle();
});

test('two runtimes on one store are two drivers: neither is given what the other works on', async () => {
  const world = testWorld();
  const store = memoryStore({ world });
  const owners = new Set<string>();
  const counted: Store = {
    ...store,
    claim: (options) => {
      owners.add(options.owner);
      return store.claim(options);
    },
  };
  const agents = [createAgent({ name: 'a', model: scriptedModel(['done']) })];
  for (let count = 0; count < 2; count++) await createRuntime({ store: counted, world, agents }).start();
  assert.equal(owners.size, 2);
  assert.deepEqual(
    [...owners].map((owner) => owner.length > 8),
    [true, true],
  );
});

test('a session that was tried before is given the next of its kind to follow as soon as it moves', async () => {
  const world = testWorld();
  const store = memoryStore({ world });
  const stop = tool({ name: 'stop', effect: 'read', inputSchema: ANY, execute: () => new Promise(() => undefined) });
  for (const sid of ['a', 'b', 'c']) {
    await store.append({
      id: 'f',
      sid,
      expected: 0,
      events: [
        { type: 'session.created', data: { agent: 'a' } },
        { type: 'message.received', origin: 'person', data: { text: 'go' } },
      ],
      then: { status: 'ready', agent: 'a' },
    });
    for (let attempt = 0; attempt < 2; attempt++) {
      for (const { info, fence } of await store.claim({ owner: 'dead', countMax: 1, leaseMs: 1 }))
        await store.release(info.sid, fence, { expected: 1 + 1, status: 'ready', wakeAtMs: null });
    }
  }
  const model = scriptedModel(() => ({ calls: [{ name: 'stop', input: {} }] }));
  const runtime = createRuntime({ store, world, agents: [createAgent({ name: 'a', model, tools: [stop] })] });
  await runtime.start();
  await until(async () => (await store.list()).every(({ head }) => head > 4));
});

test('a session that was lost to somebody who is gone is taken up when another that was tried before, and is at work here, moves', async () => {
  const world = testWorld();
  const below = memoryStore({ world });
  const answer = gate<string>();
  const model = scriptedModel(({ messages }) => (JSON.stringify(messages).includes('wait') ? answer.opened : 'done'));
  const events = (text: string) => [
    { type: 'session.created', data: { agent: 'a' } },
    ...(text === '' ? [] : [{ type: 'message.received', origin: 'person' as const, data: { text } }]),
  ];
  for (const [sid, text] of [
    ['s', ''],
    ['t', 'go'],
  ] as const)
    await below.append({ id: sid, sid, expected: 0, events: events(text), then: { status: 'ready', agent: 'a' } });
  // Both were tried twice, and nothing came of it: one of them is handed out at a time.
  for (let left = 4; left > 0; left--)
    for (const { info, fence } of await below.claim({ owner: 'earlier', countMax: 1, leaseMs: 1 })) {
      const status = info.sid === 's' && info.attempts > 1 ? 'idle' : 'ready';
      await below.release(info.sid, fence, { expected: info.head, status, wakeAtMs: null });
    }
  const slow: Promise<unknown>[] = [];
  const store: Store = {
    ...below,
    claim: async (...given) => {
      const claimed = await below.claim(...given);
      if (slow.length > 0 || claimed.length === 0) return claimed;
      assert.deepEqual(
        claimed.map(({ info }) => info.sid),
        ['t'],
      );
      // Between the claim and the first decision somebody takes it and goes, and a caller has the other one worked on here.
      const { epoch } = await below.takeOver('t', 'gone');
      const run = runtime.session('s').send('wait');
      slow.push(run.result);
      await run.accepted;
      await below.release('t', { epoch }, { expected: 2, status: 'ready', wakeAtMs: null });
      return claimed;
    },
  };
  const runtime = createRuntime({ store, world, agents: [createAgent({ name: 'a', model })] });
  await runtime.start();
  await turns();
  assert.equal((await below.info('t')).head, 2, 'it is held back');
  answer.open('at last');
  await Promise.all(slow);
  await until(async () => (await below.info('t')).status === 'idle');
  await runtime.close();
});
