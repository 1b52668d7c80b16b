import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { memoryStore, type Append, type Status, type Store } from '../log/index.ts';
import { scriptedModel } from '../model/index.ts';
import { fromFunction } from '../policy/index.ts';
import { memoryKeys, testWorld } from '../testing/index.ts';
import { notDone, tool, type ToolEffect } from '../tool/index.ts';
import { createAgent, createRuntime, type AgentOptions, type Session } from './index.ts';
import { all, ANY, gate, scene, until } from './session-scene.test.ts';

const call = (name: string): { readonly name: string; readonly input: Record<string, never> } => ({ name, input: {} });

/** A store that keeps what it was asked to append, and the status of the row after each. */
function recorded(store: Store) {
  const frames: { readonly frame: Append; readonly status: Status }[] = [];
  const append: Store['append'] = async (frame) => {
    const result = await store.append(frame);
    frames.push({ frame, status: (await store.info(frame.sid)).status });
    return result;
  };
  return { frames, store: { ...store, append } };
}

/** One agent on a store that keeps what it was asked to append. */
function staged(options: Omit<AgentOptions, 'name'>, graceMs = 0) {
  const world = testWorld();
  const { frames, store } = recorded(memoryStore({ world }));
  const made = () => createRuntime({ store, world, agents: [createAgent({ name: 'a', ...options })], graceMs });
  const runtime = made();
  const session = runtime.session('s', { agent: 'a' });
  const of = (type: string) => frames.filter(({ frame }) => frame.events.some((event) => event.type === type));
  return { world, store, frames, of, runtime, session, second: made };
}

const typesOf = async (session: Session): Promise<string[]> => (await all(session.log())).map(({ type }) => type);

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

test('each frame says by whom it came: the runtime, a user, or who is named', async () => {
  const pay = tool({ name: 'pay', inputSchema: ANY, needsApproval: true, execute: () => 'paid' });
  const { session, frames } = staged({
    model: scriptedModel([
      { calls: [call('pay')] },
      'one',
      'two',
      { calls: [call('pay')] },
      'denied',
      { calls: [call('pay')] },
      { calls: [call('pay')] },
    ]),
    tools: [pay],
  });
  const first = await session.send('one', { by: 'user:ada' }).result;
  await session.respond(first.pending[0]?.id ?? 's:-1', { decision: 'approve' }, { by: 'user:bob' }).result;
  await session.send('two', { by: 'user:cy' }).result;
  const last = await session.send('three').result;
  await session.respond(last.pending[0]?.id ?? 's:-1', { decision: 'deny' }).accepted;
  const again = await session.send('four').result;
  assert.equal(again.status, 'waiting');
  await session.cancel('enough', { by: 'user:dee' });
  await session.send('five').result;
  await session.cancel();
  const by = frames.flatMap(({ frame }) => frame.events.map(({ type }) => `${type} ${frame.by ?? 'runtime'}`));
  const said = (type: string): string[] => by.filter((line) => line.startsWith(type)).map((line) => line.slice(type.length + 1));
  assert.deepEqual(said('message.received'), ['user:ada', 'user:cy', 'user', 'user', 'user']);
  assert.deepEqual(said('approval.denied').slice(0, 1), ['user']);
  assert.deepEqual(said('cancel.requested'), ['user:dee', 'user']);
  assert.deepEqual(said('approval.granted'), ['user:bob']);
  assert.deepEqual(new Set(said('model.answered')), new Set(['runtime']));
});

test('input that something follows from makes the session ready, and what nothing follows from leaves it at rest', async () => {
  const pay = tool({ name: 'pay', inputSchema: ANY, needsApproval: true, execute: () => 'paid' });
  const { session, of } = staged({ model: scriptedModel(['hello', { calls: [call('pay')] }, 'done', 'later']), tools: [pay] });
  await session.send('first').result;
  const { pending } = await session.send('pay').result;
  await session.send('later').accepted;
  assert.deepEqual(
    of('message.received').map(({ status }) => status),
    ['ready', 'ready', 'waiting'],
  );
  await session.respond(pending[0]?.id ?? 's:-1', { decision: 'approve' }).result;
  assert.equal(of('approval.granted')[0]?.status, 'ready');
});

test('a verdict on a doubt of an earlier turn is where its answer says, and leaves the session at rest', async () => {
  const pay = tool({ name: 'pay', inputSchema: ANY, effect: 'irreversible', execute: () => Promise.reject(new Error('broke')) });
  const { session, runtime, of } = staged({ model: scriptedModel([{ calls: [call('pay')] }, 'next']), tools: [pay] });
  const [doubt] = (await session.send('pay').result).pending;
  await session.cancel();
  await runtime.idle();
  const { seq } = await session.respond(doubt?.id ?? 's:-1', { decision: 'returned', output: 'paid' }, { by: 'user:ada' }).accepted;
  const event = (await all(session.log())).find(({ type }) => type === 'tool.returned');
  assert.equal(seq, event?.seq);
  const [verdict] = of('tool.returned');
  assert.deepEqual([verdict?.status, verdict?.frame.by], ['idle', 'user:ada']);
});

test('a verdict on a doubt that its turn goes on from makes the session ready, should this process die at once', async () => {
  const pay = tool({ name: 'pay', inputSchema: ANY, effect: 'irreversible', execute: () => Promise.reject(new Error('broke')) });
  const { session, of } = staged({ model: scriptedModel([{ calls: [call('pay')] }, 'done']), tools: [pay] });
  const [doubt] = (await session.send('pay').result).pending;
  assert.equal((await session.respond(doubt?.id ?? 's:-1', { decision: 'returned', output: 'paid' }).result).text, 'done');
  const [verdict] = of('tool.returned');
  assert.deepEqual([verdict?.status, typeof verdict?.frame.expected, verdict?.frame.by], ['ready', 'number', 'user']);
});

test('a session is ready while any of its effects runs, and waits or rests after the last', async () => {
  const gates = { one: gate<string>(), two: gate<string>() };
  const tools = (['one', 'two'] as const).map((name) =>
    tool({ name, effect: 'read', inputSchema: ANY, execute: () => gates[name].opened }),
  );
  const { session, store, of } = staged({ model: scriptedModel([{ calls: [call('one'), call('two')] }, 'done']), tools });
  const run = session.send('go');
  await until(() => of('tool.called').length === 1);
  gates.one.open('1');
  await until(() => of('tool.returned').length === 1);
  assert.deepEqual([of('tool.called')[0]?.status, of('tool.returned')[0]?.status], ['ready', 'ready']);
  gates.two.open('2');
  await run.result;
  await until(async () => (await store.info('s')).status === 'idle');
});

test('a session that is being driven is not handed to another process', async () => {
  const { session, store, of } = staged({ model: scriptedModel(() => new Promise(() => undefined)) });
  await session.send('go').accepted;
  await until(() => of('model.called').length === 1);
  assert.deepEqual(await store.claim({ owner: 'other', countMax: 5, leaseMs: 1 }), []);
});

test('whoever was replaced cannot close the session, and says so', async () => {
  const { session, store } = staged({ model: scriptedModel(['one']) });
  await session.send('go').result;
  await store.takeOver('s', 'other');
  await assert.rejects(session.close(), (error) => NervaError.is(error, 'SESSION_FENCED'));
  assert.equal((await store.info('s')).status, 'idle');
});

test('a look at a session that ends in an error leaves the runtime idle', async () => {
  const { session, second } = staged({ model: scriptedModel(['one']) });
  await session.send('go').result;
  const other = second();
  await assert.rejects(other.session('s').respond('s:99', { decision: 'approve' }).accepted, { code: 'APPROVAL_UNKNOWN' });
  let isIdle = false;
  void other.idle().then(() => (isIdle = true));
  await turns();
  assert.equal(isIdle, true);
});

for (const effect of ['read', 'idempotent', 'irreversible'] as const satisfies readonly ToolEffect[]) {
  test(`a close leaves a running ${effect} call open, as a kill would: the next process ${effect === 'irreversible' ? 'finds it in doubt' : 'repeats it'}`, async () => {
    let made = 0;
    const slow = tool({
      name: 'slow',
      effect,
      inputSchema: ANY,
      execute: (_input, { signal }) =>
        ++made > 1 ? 'done' : new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
    });
    const script = { model: scriptedModel([{ calls: [call('slow')] }, 'answer']), tools: [slow] };
    const { world, session, runtime, of, second } = staged(script, 50);
    await session.send('go', { id: 'm' }).accepted;
    await until(() => made === 1);
    const closed = runtime.close();
    await turns();
    await world.advance(50);
    await turns();
    await world.advance(50);
    await closed;
    assert.deepEqual([of('tool.failed').length, of('tool.in_doubt').length], [0, 0]);
    const later = await second().session('s').resume().result;
    assert.deepEqual([later.status, made], effect === 'irreversible' ? ['waiting', 1] : ['answered', 2]);
    assert.deepEqual(
      later.pending.map(({ why }) => why),
      effect === 'irreversible' ? ['crash'] : [],
    );
  });
}

test('a result that comes within the grace of a close is kept', async () => {
  const open = gate<string>();
  const slow = tool({ name: 'slow', effect: 'irreversible', inputSchema: ANY, execute: () => open.opened });
  const { world, session, runtime, of } = staged({ model: scriptedModel([{ calls: [call('slow')] }, 'answer']), tools: [slow] }, 50);
  await session.send('go').accepted;
  await until(() => of('tool.called').length === 1);
  const closed = runtime.close();
  await turns();
  await world.advance(49);
  open.open('in time');
  await closed;
  assert.deepEqual([of('tool.returned').length, of('model.called').length], [1, 1], 'and nothing new is started');
});

test('whatever people, models, tools and policies say in a session of a subject is sealed under that subject', async () => {
  const world = testWorld();
  const keys = memoryKeys();
  const store = memoryStore({ world, keys });
  const tools = [
    tool({ name: 'tell', effect: 'read', inputSchema: ANY, execute: () => ({ said: 'secret' }) }),
    tool({ name: 'fail', effect: 'read', inputSchema: ANY, execute: () => Promise.reject(notDone('secret')) }),
    tool({
      name: 'ask',
      effect: 'read',
      inputSchema: ANY,
      needsApproval: true,
      execute: (_input, { approval }) => approval?.answer ?? null,
    }),
  ];
  const hang = gate<string>();
  const model = scriptedModel((_request, n) => {
    if (n === 0) return { text: 'secret', calls: ['tell', 'fail', 'ask'].map(call) };
    if (n === 1) return 'secret';
    return hang.opened;
  });
  const policy = fromFunction('rules', ({ input }) => (input.text === 'policy secret' ? { type: 'answer', text: 'secret' } : null));
  const runtime = createRuntime({ store, world, agents: [createAgent({ name: 'a', model, policy, tools })] });
  const session = runtime.session('s', { agent: 'a', subject: 'ada' });
  const [asked] = (await session.send('secret').result).pending;
  await session.respond(asked?.id ?? 's:-1', { decision: 'approve', answer: 'secret' }).result;
  await session.send('policy secret').result;
  const cut = session.send('secret');
  await until(async () => (await typesOf(session)).filter((type) => type === 'model.called').length === 3);
  await session.cancel();
  await cut.result;
  const events = await all(session.log());
  const personal = events.filter((event) => event.subject === 'ada').map(({ type }) => type);
  assert.deepEqual([...new Set(personal)].sort(), [
    'approval.granted',
    'message.received',
    'model.answered',
    'model.interrupted',
    'policy.decided',
    'tool.failed',
    'tool.returned',
  ]);
  const open = events.filter((event) => event.subject === undefined);
  assert.doesNotMatch(JSON.stringify(open), /secret/);
});

test('a session of nobody in particular seals nothing', async () => {
  const { events, session } = scene({ script: ['one'] });
  await session.send('go').result;
  assert.deepEqual(
    (await events()).filter((event) => event.subject !== undefined),
    [],
  );
});
