import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { memoryStore, type Store } from '../log/index.ts';
import { scriptedModel } from '../model/index.ts';
import { testWorld } from '../testing/index.ts';
import { createAgent, createRuntime, type Draft, type Facet, type RuntimeOptions } from './index.ts';
import { has, staged, turns } from './hooked-scene.test.ts';
import { gate, scene, until } from './session-scene.test.ts';

// What a runtime takes up, gives back and lets go.

const said = (text: string) => ({ type: 'message.received', origin: 'person', data: { text } }) as const;

test('a message that somebody else appends to a session at rest is answered by the runtime that has it', async () => {
  const { session, runtime, foreign } = staged({ model: scriptedModel(({ messages }) => `${messages.length}`) });
  await runtime.start();
  await session.send('one').result;
  await runtime.idle();
  await turns();
  await foreign('two');
  await until(async () => (await session.at()).last?.text === '3');
});

/** A session `s` that waits by its row, though a message in it was not answered yet. */
async function unanswered(store: Store): Promise<void> {
  const events = [{ type: 'session.created', data: { agent: 'a' } }, said('go')] as const;
  await store.append({ id: 'f', sid: 's', expected: 0, events, then: { status: 'waiting', agent: 'a' } });
}

test('a runtime that was started works on whatever session it opens, and one that was not only looks', async () => {
  for (const isStarted of [true, false]) {
    const { runtime, session, store, of } = scene({ script: ['done'] });
    await unanswered(store);
    if (isStarted) await runtime.start();
    await session.cancel(); // there is no turn yet: it only opens the session
    await turns();
    await runtime.idle();
    assert.equal((await of('turn.ended')).length, isStarted ? 1 : 0);
  }
});

test('whoever waits for an answer has the session worked on, in a runtime that was not started', async () => {
  const { session, store } = scene({ script: ['done'] });
  await unanswered(store);
  assert.equal((await session.resume().result).text, 'done');
});

test('a look at a session that does not exist leaves nothing behind', async () => {
  const { runtime, session, store } = scene({ script: ['done'], runtime: { idleMax: 0 } });
  await session.cancel();
  await runtime.idle();
  await turns();
  await runtime.idle();
  assert.deepEqual(await store.list(), []);
  assert.equal((await session.send('go').result).text, 'done');
});

test('a runtime is idle once what it could not open is told, and after it was closed', async () => {
  const { runtime, store } = scene({ script: ['done'] });
  const run = runtime.session('nobody').send('go');
  const idle = runtime.idle();
  await assert.rejects(run.accepted, (error) => NervaError.is(error, 'SESSION_UNKNOWN'));
  await idle;
  await runtime.session('s', { agent: 'a' }).send('go').result;
  await runtime.close();
  await runtime.idle();
  assert.equal((await store.info('s')).status, 'idle');
});

test('a session that was taken from a runtime and is free again is taken up by it', async () => {
  const open = gate<string>();
  const model = scriptedModel((_request, n) => (n === 0 ? open.opened : 'done'));
  const { session, runtime, below, frames } = staged({ model });
  await runtime.start();
  const run = session.send('go');
  await until(() => frames.some((frame) => has(frame, 'model.called')));
  const fence = await below.takeOver('s', 'other');
  await below.release('s', fence, { expected: await below.head('s'), status: 'ready', wakeAtMs: null });
  open.open('done');
  await assert.rejects(run.result, (error) => NervaError.is(error, 'SESSION_FENCED'));
  await until(async () => (await below.info('s')).status === 'idle');
  assert.equal((await session.at()).last?.text, 'done');
  await runtime.idle();
});

test('a runtime is idle again once what failed in it was given back, also where it takes up nothing', async () => {
  const fail = (): never => {
    throw new Error('a bug');
  };
  const { session, runtime, world, below } = staged({ model: scriptedModel(['one']) }, { performers: { 'model.called': fail } });
  const run = session.send('go');
  assert.equal((await run.accepted).seq, 1, 'what was sent is in the log');
  await assert.rejects(run.result, /a bug/);
  let isIdle = false;
  void runtime.idle().then(() => (isIdle = true));
  await world.advance(999);
  await turns();
  assert.equal(isIdle, false);
  await world.advance(1);
  await turns();
  assert.equal(isIdle, true);
  assert.equal((await below.claim({ owner: 'next', countMax: 1, leaseMs: 1 })).length, 1, 'the next process may have it');
});

test('a read that breaks off after what was new is told again, and what was read is worked on', async () => {
  const world = testWorld();
  const below = memoryStore({ world });
  let reads = 0;
  let broken = 0;
  const read: Store['read'] = (...given) => {
    if (broken > 0 && ++reads === 2) {
      broken--;
      return Promise.reject(new NervaError('STORE_FAILED', 'The disk is away.'));
    }
    return below.read(...given);
  };
  const model = scriptedModel(({ messages }) => `${messages.length}`);
  const runtime = createRuntime({ store: { ...below, read }, world, agents: [createAgent({ name: 'a', model })] });
  await runtime.start();
  const session = runtime.session('s', { agent: 'a' });
  await session.send('one').result;
  await runtime.idle();
  await turns();
  broken = 1; // its next look reads the message, and fails where it asks whether there is more
  await below.append({ id: 'x', sid: 's', expected: 'fact', events: [said('two')] });
  await until(() => broken === 0);
  await turns();
  await world.advance(1_000);
  await until(async () => (await below.info('s')).status === 'idle');
  assert.equal((await runtime.session('s').at()).last?.text, '3');
});

test('a claim names who asks, the agents it has, how many it takes and for how long', async () => {
  const world = testWorld();
  const below = memoryStore({ world });
  const asked: Parameters<Store['claim']>[0][] = [];
  const store: Store = { ...below, claim: (options) => (asked.push(options), below.claim(options)) };
  const agents = ['a', 'b'].map((name) => createAgent({ name, model: scriptedModel([]) }));
  const runtime = createRuntime({ store, world, agents, resumeMax: 7 });
  await runtime.start();
  const [{ owner, ...claim } = { owner: '' }] = asked;
  assert.match(owner, /^[0-9a-f]{32}$/);
  assert.deepEqual(claim, { countMax: 7, leaseMs: 30_000, agents: ['a', 'b'] });
});

/** Sets two alarms as soon as the session is there, and counts those that it hears. */
const alarms: Facet<unknown> = {
  name: 'alarms',
  version: 1,
  types: ['timer.set', 'timer.fired'],
  initial: 0,
  evolve: (count) => (count as number) + 1,
  decide: ({ more, turn }) => (turn.last === null || more['alarms'] !== 0 ? null : [1, 2].map((n): Draft => alarm(n))),
};
const alarm = (n: number): Draft => ({ type: 'timer.set', data: { atMs: n, why: 'retry' } });

test('a facet that was added decides in every session, folds what is told, and is heard again by a replay', async () => {
  const options: Partial<RuntimeOptions> = { facets: [alarms] };
  const { session, runtime, of } = scene({ script: ['done'], runtime: options });
  await session.send('go').result;
  await runtime.idle();
  assert.deepEqual(
    (await of('timer.set')).map(({ data }) => data.atMs),
    [1, 2],
  );
  assert.equal((await of('timer.fired')).length, 2);
  assert.equal((await session.at()).state.more['alarms'], 4);
  const { divergence, decisions } = await session.replay();
  assert.equal(divergence, null);
  assert.equal(decisions, 5);
});
