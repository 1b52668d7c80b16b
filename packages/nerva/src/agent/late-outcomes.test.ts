import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { eraseSubject, memoryStore, placed, type Store } from '../log/index.ts';
import { memoryKeys, testWorld } from '../testing/index.ts';
import { tool } from '../tool/index.ts';
import { createRuntime, createAgent, evolve, initial, type AgentState } from './index.ts';
import { asDrafts, type Draft } from './events.ts';
import { all, ANY, gate, scene, until } from './session-scene.test.ts';
import { scriptedModel } from '../model/index.ts';
import { turns } from './hooked-scene.test.ts';

const folded = (drafts: readonly Draft[]): AgentState =>
  asDrafts(drafts).reduce((state, draft, seq) => evolve(state, placed(draft, 's', seq, seq, 1)), initial('s'));
const reserve = { tokens: 100, usd: null };
const called: Draft = { type: 'model.called', data: { digest: 'd', reserve } };
const begun: readonly Draft[] = [
  { type: 'session.created', data: { agent: 'a' } },
  { type: 'message.received', origin: 'person', data: { text: 'go' } },
  { type: 'turn.started', data: { takes: [1], definition: { ref: 'r', bytes: 1, mediaType: 'm' } } },
  called,
];

test('an interruption that comes late pays for its own call only: the open call keeps its reservation', () => {
  const state = folded([
    ...begun,
    { type: 'model.failed', data: { call: 3, why: 'lost' } },
    called,
    { type: 'model.interrupted', origin: 'model', data: { call: 3, parts: [] } },
  ]);
  assert.equal(state.budget.reserved?.seq, 5);
  assert.equal(state.budget.session.tokens, 100, 'the lost call is counted once');
  const ended = folded([...begun, { type: 'model.interrupted', origin: 'model', data: { call: 3, parts: [] } }]);
  assert.deepEqual([ended.budget.reserved, ended.budget.session.tokens], [null, 100]);
});

test('what is set aside for a call of the parent is not the fork’s to keep', () => {
  const forked = folded([...begun, { type: 'session.forked', data: { parent: 'p', at: 3, effects: 'ask' } }]);
  assert.equal(forked.budget.reserved, null);
  assert.equal(forked.budget.session.tokens, 0);
});

test('a call whose doubt a person settles as done after its turn is not made again by an equal one', async () => {
  let paid = 0;
  const pay = tool({
    name: 'pay',
    inputSchema: ANY,
    effect: 'irreversible',
    dedupe: () => 'the one',
    execute: () => {
      paid++;
      throw new Error('the line broke');
    },
  });
  const { session, of } = scene({
    tools: [pay],
    script: [{ calls: [{ name: 'pay', input: {} }] }, { calls: [{ name: 'pay', input: {} }] }, 'done'],
  });
  const first = await session.send('pay').result;
  const doubt = first.pending[0]?.id ?? 's:-1';
  await session.cancel();
  await until(async () => (await of('turn.ended')).length === 1);
  await session.respond(doubt, { decision: 'returned', output: { paid: true } }).accepted;
  const second = await session.send('pay again').result;
  assert.equal(second.text, 'done');
  assert.equal(paid, 1);
  assert.deepEqual(
    (await of('tool.returned')).map(({ data }) => data.by),
    ['person', 'dedupe'],
  );
  const { divergence } = await session.replay();
  assert.equal(divergence, null);
});

test('a doubt that a person settles as not done leaves the way free for an equal call', async () => {
  let tries = 0;
  const pay = tool({
    name: 'pay',
    inputSchema: ANY,
    effect: 'irreversible',
    dedupe: () => 'the one',
    execute: () => {
      if (++tries === 1) throw new Error('the line broke');
      return { paid: true };
    },
  });
  const { session, of } = scene({
    tools: [pay],
    script: [{ calls: [{ name: 'pay', input: {} }] }, { calls: [{ name: 'pay', input: {} }] }, 'done'],
  });
  const doubt = (await session.send('pay').result).pending[0]?.id ?? 's:-1';
  await session.cancel();
  await until(async () => (await of('turn.ended')).length === 1);
  await session.respond(doubt, { decision: 'failed' }).accepted;
  assert.equal((await session.send('pay again').result).text, 'done');
  assert.equal(tries, 2);
});

/** A store that refuses the next `count` appends that record an outcome. */
function refusing(store: Store, count: { left: number }): Store {
  return new Proxy(store, {
    get: (target, name) => {
      if (name !== 'append') {
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === 'function' ? (member.bind(target) as unknown) : member;
      }
      return (frame: Parameters<Store['append']>[0]) => {
        const isOutcome = frame.events.some(({ type }) => type === 'tool.returned' || type === 'tool.failed');
        if (isOutcome && count.left > 0) {
          count.left--;
          return Promise.reject(new NervaError('STORE_FULL', 'The disk is full. Nothing was written.'));
        }
        return target.append(frame);
      };
    },
  });
}

test('a close gives the store its grace: a result that it refuses once is recorded all the same', async () => {
  const { store, world } = scene({ script: ['x'] });
  const running = gate<string>();
  const slow = tool({ name: 'slow', inputSchema: ANY, effect: 'irreversible', execute: () => running.opened });
  const model = scriptedModel([{ calls: [{ name: 'slow', input: {} }] }, 'done']);
  const count = { left: 1 };
  const runtime = createRuntime({ store: refusing(store, count), world, agents: [createAgent({ name: 'b', model, tools: [slow] })] });
  const session = runtime.session('closing', { agent: 'b' });
  session.send('go');
  await until(async () => (await store.head('closing')) >= 6);
  const closed = runtime.close();
  running.open('kept');
  await until(() => count.left === 0);
  await world.advance(200); // the driver waits 100 ms before it asks again; the grace is 5 s
  await closed;
  const view = await session.at();
  assert.equal(view.state.tool.slots[0]?.status, 'done');
  assert.equal(view.state.tool.slots[0]?.output, 'kept');
});

test('a subject that is erased while its session works: the turn ends, what it came to is recorded without a word of it, and no input is taken', async () => {
  const keys = memoryKeys();
  const world = testWorld();
  const store = memoryStore({ world, keys });
  const running = gate<string>();
  const slow = tool({ name: 'slow', inputSchema: ANY, effect: 'irreversible', execute: () => running.opened });
  const model = scriptedModel([{ calls: [{ name: 'slow', input: {} }] }, 'never asked']);
  const runtime = createRuntime({ store, world, agents: [createAgent({ name: 'b', model, tools: [slow] })] });
  const session = runtime.session('s', { agent: 'b', subject: 'ada' });
  const run = session.send('My secret is pink.');
  await until(async () => (await store.head('s')) >= 6);
  keys.destroy('ada'); // first the key goes; the note comes later, and whoever finds out first writes it
  running.open('a secret result');
  await until(async () => (await store.info('s')).status === 'idle');
  await eraseSubject({ store, keys, world, subject: 'ada' });
  assert.equal((await all(session.log())).filter(({ type }) => type === 'subject.erased').length, 1);
  assert.equal((await run.result).status, 'cancelled');
  const { state } = await session.at();
  assert.deepEqual([state.turn.open, state.session.isErased, state.tool.doubts.length], [null, true, 0]);
  const text = JSON.stringify(await all(session.log()));
  assert.ok(!/secret|pink/.test(text), text);
  const returned = (await all(session.log())).find(({ type }) => type === 'tool.returned');
  assert.equal(returned?.type === 'tool.returned' && returned.data.output, '[erased]');
  assert.equal((await store.info('s')).status, 'idle');
  for (const handle of [session, runtime.session('s')])
    await assert.rejects(handle.send('And now?').accepted, (error) => NervaError.is(error, 'SUBJECT_ERASED'));
  await runtime.close();
});

test('words of a session that belongs to a subject are sealed wherever they stand', async () => {
  const keys = memoryKeys();
  const world = testWorld();
  const store = memoryStore({ world, keys });
  const output = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'], additionalProperties: false } as const;
  const fails = tool({ name: 'fails', inputSchema: ANY, execute: () => Promise.reject(new Error('Violet is not here')) });
  const model = scriptedModel(['no JSON about Violet', '{"name":"Violet"}', { calls: [{ name: 'fails', input: {} }] }]);
  const runtime = createRuntime({ store, world, agents: [createAgent({ name: 'b', model, output, tools: [fails] })] });
  const session = runtime.session('s', { agent: 'b', subject: 'ada' });
  assert.deepEqual((await session.send('Who?').result).output, { name: 'Violet' });
  await session.send('Call.').result;
  await eraseSubject({ store, keys, world, subject: 'ada' });
  assert.ok(!JSON.stringify(await all(session.log())).includes('Violet'));
  const { state, last } = await session.at();
  assert.equal(state.turn.count, 2);
  assert.equal(last?.reason, 'answer');
  await runtime.close();
});

test('a fork from before the erasure of its subject comes to rest: it finds out by itself', async () => {
  const keys = memoryKeys();
  const world = testWorld();
  const store = memoryStore({ world, keys });
  const agents = [createAgent({ name: 'b', model: scriptedModel(['hello', 'hello again']) })];
  const runtime = createRuntime({ store, world, agents });
  const session = runtime.session('s', { agent: 'b', subject: 'ada' });
  await session.send('My secret is pink.').result;
  await eraseSubject({ store, keys, world, subject: 'ada' });
  const fork = await session.fork(3, { effects: 'live' });
  await fork.resume().result;
  const log = await all(fork.log());
  assert.deepEqual(
    log.slice(5).map(({ type }) => type),
    ['model.called', 'subject.erased', 'model.answered', 'turn.ended'],
  );
  assert.equal((await store.info(fork.sid)).status, 'idle');
  await runtime.close();
});

test('a session that waits for a person when its subject is erased comes to rest', async () => {
  const keys = memoryKeys();
  const world = testWorld();
  const store = memoryStore({ world, keys });
  const pay = tool({ name: 'pay', inputSchema: ANY, needsApproval: true, execute: () => 'paid' });
  const agents = [createAgent({ name: 'b', model: scriptedModel([{ calls: [{ name: 'pay', input: {} }] }]), tools: [pay] })];
  const runtime = createRuntime({ store, world, agents });
  await runtime.start();
  const session = runtime.session('s', { agent: 'b', subject: 'ada' });
  assert.equal((await session.send('Pay.').result).status, 'waiting');
  await eraseSubject({ store, keys, world, subject: 'ada' });
  await until(async () => (await store.info('s')).status === 'idle');
  assert.equal((await session.at()).state.turn.open, null);
  await runtime.close();
});

test('a message to a session that somebody creates for a subject meanwhile is sealed like all that is said there', async () => {
  const keys = memoryKeys();
  const world = testWorld();
  const below = memoryStore({ world, keys });
  const agents = [createAgent({ name: 'b', model: scriptedModel(['one', 'two']) })];
  const created = gate<null>();
  const arrived = gate<null>();
  const late: Store = {
    ...below,
    append: async (frame) => {
      if (frame.expected === 0) {
        arrived.open(null);
        await created.opened;
      }
      return below.append(frame);
    },
  };
  const [first, second] = [createRuntime({ store: below, world, agents }), createRuntime({ store: late, world, agents })];
  const { accepted } = second.session('s', { agent: 'b' }).send('and me');
  await arrived.opened;
  await first.session('s', { agent: 'b', subject: 'ada' }).send('hello').result;
  created.open(null);
  const { seq } = await accepted;
  const event = (await all(second.session('s').log())).find((one) => one.seq === seq);
  assert.deepEqual([event?.type, event?.subject], ['message.received', 'ada']);
  await first.close();
  await second.close();
});

test('what a call comes to after it was given up is recorded, also where somebody else has the session by then', async () => {
  const world = testWorld();
  const store = memoryStore({ world });
  const running = gate<string>();
  const slow = tool({ name: 'slow', inputSchema: ANY, effect: 'irreversible', execute: () => running.opened });
  const agents = [createAgent({ name: 'b', model: scriptedModel([{ calls: [{ name: 'slow', input: {} }] }, 'done']), tools: [slow] })];
  const session = createRuntime({ store, world, agents }).session('s', { agent: 'b' });
  const run = session.send('go');
  await run.accepted;
  const types = async (): Promise<string[]> => (await all(session.log())).map(({ type }) => type);
  await until(async () => (await types()).includes('tool.called'));
  await session.cancel();
  await until(async () => {
    await world.advance(1_000);
    return (await types()).includes('turn.ended');
  });
  await store.takeOver('s', 'other');
  await assert.rejects(session.send('more').result, { code: 'SESSION_FENCED' });
  running.open('after all');
  await until(async () => (await types()).at(-1) === 'tool.returned');
  const last = (await all(session.log())).at(-1);
  assert.deepEqual([last?.data, last?.type], [{ call: 5, output: 'after all', by: 'late' }, 'tool.returned']);
});

for (const isAtOnce of [true, false])
  test(`what a call comes to ${isAtOnce ? 'while' : 'right after'} its driver finds that somebody else has the session is recorded`, async () => {
    const world = testWorld();
    const below = memoryStore({ world });
    const running = gate<string>();
    const slow = tool({ name: 'slow', inputSchema: ANY, effect: 'irreversible', execute: () => running.opened });
    const asked = tool({ name: 'asked', inputSchema: ANY, effect: 'read', needsApproval: true, execute: () => 'never' });
    const store: Store = {
      ...below,
      append: async (frame) => {
        const result = await below.append(frame);
        if (isAtOnce && !result.ok && result.why === 'fenced') {
          running.open('paid');
          await new Promise((resolve) => setImmediate(resolve));
        }
        return result;
      },
    };
    const calls = ['slow', 'asked'].map((name) => ({ name, input: {} }));
    const agent = createAgent({ name: 'b', model: scriptedModel([{ calls }, 'done']), tools: [slow, asked] });
    const session = createRuntime({ store, world, agents: [agent] }).session('s', { agent: 'b' });
    const run = session.send('go');
    run.result.catch(() => undefined);
    await run.accepted;
    const log = () => all(session.log());
    await until(async () => (await log()).some(({ type }) => type === 'approval.requested'));
    await below.takeOver('s', 'other');
    await session.cancel().catch(() => undefined);
    await turns();
    running.open('paid');
    await turns();
    assert.deepEqual(
      (await log()).flatMap(({ type, data }) => (type === 'tool.returned' ? [data] : [])),
      [{ call: 5, output: 'paid', by: 'late' }],
    );
  });

test('a call that was under way when its subject was erased and its process died is answered for by the next', async () => {
  const keys = memoryKeys();
  const world = testWorld();
  const store = memoryStore({ world, keys });
  const hang = () => new Promise<never>(() => undefined);
  const tools = (['read', 'irreversible'] as const).map((effect) => tool({ name: effect, effect, inputSchema: ANY, execute: hang }));
  const calls = ['read', 'irreversible'].map((name) => ({ name, input: {} }));
  const agents = [createAgent({ name: 'b', model: scriptedModel([{ calls }]), tools })];
  const made = () => createRuntime({ store, world, agents, graceMs: 0 });
  const session = made().session('s', { agent: 'b', subject: 'ada' });
  await session.send('go').accepted;
  const types = async (): Promise<string[]> => (await all(session.log())).map(({ type }) => type);
  await until(async () => (await types()).filter((type) => type === 'tool.called').length === 2);
  // Not a close: the calls stay open, as after a kill.
  await eraseSubject({ store, keys, world, subject: 'ada' });
  const next = made().session('s');
  next.resume();
  await until(async () => (await types()).includes('turn.ended'));
  assert.deepEqual((await types()).slice(-4), ['subject.erased', 'tool.failed', 'tool.in_doubt', 'turn.ended']);
  assert.deepEqual(
    (await next.at()).pending.map(({ id }) => id),
    ['s:6'],
  );
});

test('a large result that comes after its subject was erased is recorded without a word of it', async () => {
  const keys = memoryKeys();
  const world = testWorld();
  const store = memoryStore({ world, keys });
  const running = gate<string>();
  const look = tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => running.opened });
  const agents = [createAgent({ name: 'b', model: scriptedModel([{ calls: [{ name: 'look', input: {} }] }, 'done']), tools: [look] })];
  const session = createRuntime({ store, world, agents }).session('s', { agent: 'b', subject: 'ada' });
  const run = session.send('go');
  await run.accepted;
  const types = async (): Promise<string[]> => (await all(session.log())).map(({ type }) => type);
  await until(async () => (await types()).includes('tool.called'));
  keys.destroy('ada');
  running.open('x'.repeat(50_000));
  await until(async () => (await types()).includes('turn.ended'));
  const returned = (await all(session.log())).find(({ type }) => type === 'tool.returned');
  assert.deepEqual(returned?.data, { call: 5, output: '[erased]' });
});
