import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scriptedModel } from '../model/index.ts';
import { memoryStore, type Store } from '../log/index.ts';
import { testWorld } from '../testing/index.ts';
import { tool } from '../tool/index.ts';
import { createAgent, createRuntime, type Agent, type Runtime, type RuntimeOptions } from './index.ts';
import { ANY, gate, scene, until } from './session-scene.test.ts';

const look = tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => Promise.resolve('seen') });
const looking = { calls: [{ name: 'look', input: {} }] };

/** A store that counts how many sessions it has given out and not got back. */
function counting(store: Store): { readonly store: Store; readonly held: () => number } {
  const held = new Set<string>();
  const counted: Store = {
    ...store,
    append: async (frame) => {
      const result = await store.append(frame);
      if (frame.then?.owner !== undefined) held.add(frame.sid);
      return result;
    },
    release: async (sid, fence, row) => {
      const isReleased = await store.release(sid, fence, row);
      held.delete(sid);
      return isReleased;
    },
  };
  return { store: counted, held: () => held.size };
}

test('2,000 sessions in flight at once are all answered, and at most idleMax stay held afterwards', async () => {
  const world = testWorld();
  const { store, held } = counting(memoryStore({ world }));
  const model = scriptedModel(({ messages }) => (messages.length === 1 ? looking : 'done'), { requestsMax: 0 });
  const runtime = createRuntime({ store, world, agents: [createAgent({ name: 'a', model, tools: [look] })], idleMax: 10 });
  const runs = Array.from({ length: 2_000 }, () => runtime.session(undefined, { agent: 'a' }).send('go'));
  const results = await Promise.all(runs.map((run) => run.result));
  assert.ok(results.every(({ text }) => text === 'done'));
  await runtime.idle();
  await until(() => held() <= 10);
  assert.equal(held(), 10);
  assert.equal((await store.stats()).sessions.idle, 2_000);
  await runtime.close();
  assert.equal(held(), 0);
});

test('a session that was let go is taken up again by the next message', async () => {
  const { session, runtime } = scene({ script: ({ messages }) => `${messages.length}`, runtime: { idleMax: 0 } });
  for (const text of ['1', '3', '5']) {
    assert.equal((await session.send('go').result).text, text);
    await runtime.idle();
  }
});

test('closing while a model call runs aborts it after the grace and leaves a log that another runtime finishes', async () => {
  const model = scriptedModel(({ messages }, n) => (messages.length === 1 ? looking : { text: 'done', delayMs: n < 2 ? 3_600_000 : 0 }));
  const { session, second, runtime, of, world, store } = scene({ model, tools: [look], runtime: { graceMs: 100 } });
  session.send('go', { id: 'm' });
  await until(async () => (await of('model.called')).length === 2);
  let isClosed = false;
  const closing = runtime.close().then(() => (isClosed = true));
  for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve));
  await world.advance(99);
  assert.equal(isClosed, false);
  await world.advance(1);
  await closing;
  assert.deepEqual([(await of('turn.ended')).length, (await store.info('s')).status], [0, 'ready']);
  const later = second();
  await later.start();
  const resent = later.session('s').send('go', { id: 'm' });
  for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve));
  await world.advance(3_600_000);
  assert.equal((await resent.result).text, 'done');
  assert.equal((await of('tool.called')).length, 1);
});

test('what is closed takes nothing more', async () => {
  const { runtime, session } = scene({ script: ['ok'] });
  await runtime.close();
  await runtime.close();
  await assert.rejects(session.send('x').accepted, { code: 'STORE_CLOSED' });
  await assert.rejects(runtime.start(), { code: 'STORE_CLOSED' });
});

test('start takes up what an earlier process left, at most resumeMax at a time, and idle waits for it', async () => {
  const world = testWorld();
  const store = memoryStore({ world });
  const open = gate();
  const agent = (answer: () => Promise<string>): Agent => createAgent({ name: 'a', model: scriptedModel(answer) });
  const first = createRuntime({ store, world, agents: [agent(async () => new Promise(() => undefined))], graceMs: 0 });
  for (let n = 0; n < 7; n++) await first.session(`s${n}`, { agent: 'a' }).send('go').accepted;
  const closing = first.close();
  for (let n = 0; n < 20; n++) {
    await new Promise((resolve) => setImmediate(resolve));
    await world.advance(0);
  }
  await closing;
  let running = 0;
  let runningMax = 0;
  const later = createRuntime({
    store,
    world,
    resumeMax: 2,
    agents: [
      agent(async () => {
        runningMax = Math.max(runningMax, ++running);
        await open.opened;
        running--;
        return 'done';
      }),
    ],
  });
  await later.start();
  await until(() => running === 2);
  open.open();
  await later.idle();
  assert.equal(runningMax, 2);
  assert.deepEqual(
    (await store.list()).map(({ status }) => status),
    Array(7).fill('idle'),
  );
});

test('a session of an agent that is not registered here is refused by name, and start leaves it for those who know it', async () => {
  const world = testWorld();
  const store = memoryStore({ world });
  const make = (name: string, more: Partial<RuntimeOptions> = {}): Runtime =>
    createRuntime({ store, world, agents: [createAgent({ name, model: scriptedModel(() => 'ok') })], ...more });
  const known = make('ours');
  await known.session('s', { agent: 'ours' }).send('one').result;
  await known.close();
  await store.append({
    id: 'left',
    sid: 's',
    expected: 'fact',
    events: [{ type: 'message.received', origin: 'person', data: { text: 'two', deliver: 'queue' } }],
  });
  const stranger = make('theirs');
  await assert.rejects(stranger.session('s').send('x').accepted, {
    code: 'AGENT_UNKNOWN',
    message: /No agent "ours" is registered here; there are: theirs/,
  });
  const head = await store.head('s');
  await stranger.start();
  await stranger.idle();
  const info = await store.info('s');
  assert.deepEqual([await store.head('s'), info.status, info.attempts], [head, 'ready', 0]);
  await stranger.close();
  const again = make('ours');
  await again.start();
  await again.idle();
  assert.equal((await again.session('s').at()).last?.text, 'ok');
  assert.equal((await store.info('s')).status, 'idle');
});

test('input that another handle of the store appends is taken up by a runtime that was started', async () => {
  const { runtime, session, store } = scene({ script: ({ messages }) => `${messages.length}` });
  await session.send('one').result;
  await runtime.start();
  await store.append({
    id: 'other',
    sid: 's',
    expected: 'fact',
    events: [{ type: 'message.received', origin: 'person', data: { text: 'two', deliver: 'queue' } }],
  });
  await until(async () => (await session.at()).last?.text === '3');
});

test('a runtime with options that contradict themselves is not made', () => {
  const world = testWorld();
  const store = memoryStore({ world });
  const agent = createAgent({ name: 'a', model: scriptedModel([]) });
  assert.throws(() => createRuntime({ store, world, agents: [agent, agent] }), {
    code: 'AGENT_INVALID',
    message: /two agents are named "a"/,
  });
  assert.throws(() => createRuntime({ store, world, agents: [agent], resumesMax: 1 } as unknown as RuntimeOptions), {
    code: 'OPTION_UNKNOWN',
    message: /"resumeMax"/,
  });
  for (const name of ['resumeMax', 'idleMax', 'graceMs'])
    assert.throws(() => createRuntime({ store, world, agents: [agent], [name]: -1 }), { code: 'OPTION_INVALID' }, name);
});

test('a bug in a performer stops its session with the error, and no other', async () => {
  const { runtime, world } = scene({
    script: () => 'ok',
    runtime: {
      performers: {
        'model.called': (_intent, { sid }) => {
          if (sid === 'bad') throw new Error('a bug');
          return Promise.resolve([
            {
              type: 'model.answered',
              origin: 'model',
              data: {
                call: 3,
                parts: [{ type: 'text', text: 'ok' }],
                finish: 'stop',
                usage: { inputTokens: 1, outputTokens: 1 },
                model: null,
              },
            },
          ]);
        },
      },
    },
  });
  await assert.rejects(runtime.session('bad', { agent: 'a' }).send('x').result, /a bug/);
  assert.equal((await runtime.session('good', { agent: 'a' }).send('x').result).text, 'ok');
  await world.advance(1_000); // after which the bad one is given back
  await runtime.idle();
});

test('an outcome that comes after its session was let go disturbs neither the runtime nor the session', async () => {
  const late = gate<string>();
  const pay = tool({ name: 'pay', timeoutMs: 1_000, inputSchema: ANY, execute: () => late.opened });
  const model = scriptedModel(({ messages }) => (messages.length === 1 ? { calls: [{ name: 'pay', input: {} }] } : 'done'));
  const { session, runtime, world, of } = scene({ model, tools: [pay], runtime: { idleMax: 0, graceMs: 100 } });
  const sent = session.send('go', { id: 'm' });
  await until(async () => (await of('tool.called')).length === 1);
  await world.advance(1_100);
  assert.equal((await sent.result).status, 'waiting');
  await runtime.idle();
  late.open('paid');
  await until(async () => (await of('turn.ended')).length === 1);
  await runtime.idle();
  assert.equal((await session.send('go', { id: 'm' }).result).text, 'done');
  await runtime.idle();
  assert.equal((await session.send('again').result).text, 'done');
  await runtime.close();
});
