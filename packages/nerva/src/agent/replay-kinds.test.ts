import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore, type EventDraft } from '../log/index.ts';
import { scriptedModel } from '../model/index.ts';
import { fromFunction } from '../policy/index.ts';
import { testWorld } from '../testing/index.ts';
import { tool } from '../tool/index.ts';
import { createAgent, createRuntime, replaySession, type Agent, type AgentOptions, type ReplayReport } from './index.ts';
import { asDrafts, type Draft } from './events.ts';
import { ANY, all, scene, until } from './session-scene.test.ts';

const call = (name: string) => ({ name, input: {} }) as const;
const look = tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => 1 });
const strict = tool({ name: 'strict', effect: 'read', inputSchema: { type: 'object', required: ['x'] }, execute: () => 1 });
const pay = tool({ name: 'pay', effect: 'irreversible', dedupe: () => 'x', inputSchema: ANY, execute: () => 'paid' });

test('a replay counts what was decided: requests, calls, refusals, repetitions and ends, and no fact', async () => {
  const { session, events } = scene({
    tools: [look, strict, pay],
    script: [{ calls: ['look', 'strict', 'none', 'pay', 'pay'].map(call) }, 'done'],
  });
  await session.send('go').result;
  const { divergence, decisions, events: count, isChanged, sid } = await session.replay();
  assert.deepEqual([divergence, isChanged, sid], [null, false, 's']);
  assert.equal(count, (await events()).length);
  // turn.started, model.called, two tool.called, two refusals, one by dedupe, model.called, turn.ended; the second pay comes after the first.
  assert.equal(decisions, 9);
});

test('a replay decides each kind of decision again: another record of it is a divergence at its place', async () => {
  const { session, store, world } = scene({
    tools: [look, strict, pay],
    policy: fromFunction('p', () => null),
    script: [{ calls: ['look', 'strict', 'pay', 'pay'].map(call) }, 'done'],
  });
  await session.send('go').result;
  const frames = await all(session.frames());
  const agent = (more: Partial<AgentOptions> = {}) =>
    createAgent({ name: 'a', model: scriptedModel([]), policy: fromFunction('p', () => null), tools: [look, strict, pay], ...more });
  /** The log as it is, with one event changed. */
  const patched = async (change: (event: EventDraft) => EventDraft | null): Promise<ReplayReport> => {
    let isDone = false;
    const read = frames.map((frame) => ({
      ...frame,
      events: frame.events.map((event) => {
        const changed = isDone ? null : change(event);
        isDone ||= changed !== null;
        return changed ?? event;
      }),
    }));
    const given: typeof store.read = (_sid, { after = -1 } = {}) => Promise.resolve(after < 0 ? read : []);
    const report = await replaySession({ store: { ...store, read: given }, sid: 's', world, agent: agent() });
    assert.ok(isDone);
    return report;
  };
  const changed =
    (type: string, data: object, isIt: (event: EventDraft) => boolean = () => true) =>
    (event: EventDraft): EventDraft | null =>
      event.type === type && isIt(event) ? ({ ...event, data: { ...event.data, ...data } } as EventDraft) : null;
  assert.equal((await patched((event) => (event.type === 'turn.ended' ? event : null))).divergence, null);
  const refusal = ({ data }: EventDraft): boolean => data['call'] === undefined;
  const cases: readonly [string, (event: EventDraft) => EventDraft | null][] = [
    ['turn.started', changed('turn.started', { takes: [7] })],
    ['model.called', changed('model.called', { digest: 'x' })],
    ['policy.decided', changed('policy.decided', { why: 'x' })],
    ['tool.called', changed('tool.called', { effect: 'idempotent' })],
    ['tool.failed', changed('tool.failed', { message: 'x' }, refusal)],
    ['tool.returned', changed('tool.returned', { output: 'x' }, ({ data }) => data['by'] === 'dedupe')],
    ['turn.ended', changed('turn.ended', { reason: 'steps' })],
  ];
  for (const [type, change] of cases) {
    const { divergence, isChanged } = await patched(change);
    assert.equal(divergence?.recorded?.type, type, type);
    assert.equal(divergence?.decided?.type, type, type);
    assert.match(divergence?.at ?? '', /^s:\d+$/);
    assert.equal(isChanged, true);
  }
});

/** A session whose process died with a model call open, and the next one with three tool calls. */
async function died() {
  const world = testWorld();
  const store = memoryStore({ world });
  const hang = () => new Promise<never>(() => undefined);
  const tools = (['read', 'idempotent', 'irreversible'] as const).map((effect) =>
    tool({ name: effect, effect, inputSchema: ANY, execute: (_input, { attempt }) => (attempt === 1 ? hang() : 1) }),
  );
  const script = scriptedModel((_request, n) =>
    n === 0 ? hang() : n === 1 ? { calls: ['read', 'idempotent', 'irreversible', 'none'].map(call) } : 'done',
  );
  const agents = [createAgent({ name: 'a', model: script, tools })];
  // Not a close: the calls stay open, as after a kill.
  const first = createRuntime({ store, world, agents, graceMs: 0 }).session('s', { agent: 'a' });
  await first.send('go', { id: 'm' }).accepted;
  const second = createRuntime({ store, world, agents, graceMs: 0 }).session('s');
  second.resume();
  const log = () => all(second.log());
  await until(async () => (await log()).filter(({ type }) => type === 'tool.called').length === 3);
  const third = createRuntime({ store, world, agents, graceMs: 0 }).session('s');
  const { pending } = await third.resume().result;
  assert.equal(pending.length, 1);
  return { store, world, agent: agents[0] as Agent, session: third, pending };
}

test('what was lost with its process is decided anew by a replay: a model call, calls to repeat, a doubt', async () => {
  const { store, world, agent, session, pending } = await died();
  await session.respond(pending[0]?.id ?? 's:-1', { decision: 'failed' }).result;
  const report = await replaySession({ store, sid: 's', world, agent });
  assert.equal(report.divergence, null);
  const frames = await all(session.frames());
  const types = frames.flatMap(({ events }) => events.map(({ type }) => type));
  assert.deepEqual(
    ['model.failed', 'tool.in_doubt', 'tool.failed'].map((type) => types.filter((one) => one === type).length),
    [1, 1, 2],
    'one lost, one in doubt, one refused and one that a person ended',
  );
  // turn.started, three model.called, the lost one, five tool.called, the unknown tool, the doubt, turn.ended.
  assert.equal(report.decisions, 13);
  for (const [type, isIt] of [
    ['model.failed', () => true],
    ['tool.in_doubt', () => true],
    ['tool.failed', (data) => data['call'] === undefined],
  ] as readonly [string, (data: EventDraft['data']) => boolean][]) {
    const read = frames.map((frame) => ({
      ...frame,
      events: frame.events.map((event) =>
        event.type === type && isIt(event.data) ? { ...event, data: { ...event.data, message: 'else' } } : event,
      ),
    }));
    const given: typeof store.read = (_sid, { after = -1 } = {}) => Promise.resolve(after < 0 ? read : []);
    const { divergence } = await replaySession({ store: { ...store, read: given }, sid: 's', world, agent });
    assert.equal(divergence?.recorded?.type, type);
  }
});

test('a cancel by the next process, which settles what was asked and what was lost in one frame, is decided anew by a replay', async () => {
  const world = testWorld();
  const store = memoryStore({ world });
  const hang = () => new Promise<never>(() => undefined);
  const tools = [
    tool({ name: 'ask', inputSchema: ANY, needsApproval: true, execute: hang }),
    ...(['idempotent', 'irreversible'] as const).map((effect) => tool({ name: effect, effect, inputSchema: ANY, execute: hang })),
  ];
  const agent = createAgent({
    name: 'a',
    model: scriptedModel([{ calls: ['ask', 'idempotent', 'irreversible'].map(call) }]),
    tools,
  });
  const session = () => createRuntime({ store, world, agents: [agent], graceMs: 0 }).session('s', { agent: 'a' });
  const first = session();
  await first.send('go').accepted;
  const types = async () => (await all(first.log())).map(({ type }) => type);
  await until(async () => (await types()).filter((type) => type === 'tool.called').length === 2);
  const second = session();
  await second.cancel();
  await until(async () => (await types()).includes('turn.ended'));
  assert.deepEqual((await types()).slice(-5), ['cancel.requested', 'approval.denied', 'tool.failed', 'tool.in_doubt', 'turn.ended']);
  const report = await replaySession({ store, sid: 's', world, agent });
  // turn.started, model.called, approval.requested, two tool.called, and the last four.
  assert.deepEqual([report.divergence, report.decisions], [null, 9]);
});

test('what tools and models said of themselves is no decision: a replay takes it from the record', async () => {
  const fail = tool({ name: 'fail', effect: 'read', inputSchema: ANY, execute: () => Promise.reject(new Error('x')) });
  const doubtful = tool({ name: 'doubtful', inputSchema: ANY, execute: () => Promise.reject(new Error('x')) });
  const { session } = scene({ tools: [fail, doubtful], script: [{ calls: ['fail', 'doubtful'].map(call) }, 'done'] });
  const [doubt] = (await session.send('go').result).pending;
  await session.respond(doubt?.id ?? 's:-1', { decision: 'returned', output: 1 }).result;
  const { divergence, decisions } = await session.replay();
  // turn.started, two model.called, two tool.called, turn.ended.
  assert.deepEqual([divergence, decisions], [null, 6]);
});

test('a session in which no turn began yet has no definition that could have changed', async () => {
  const { session, store } = scene({ script: ['done'] });
  const created = asDrafts([{ type: 'session.created', data: { agent: 'a' } }]);
  await store.append({ id: 'f', sid: 's', expected: 0, events: created, then: { agent: 'a' } });
  const { isChanged, events, decisions } = await session.replay();
  assert.deepEqual([isChanged, events, decisions], [false, 1, 0]);
});

test('a turn that another definition began is configured first, and that replays', async () => {
  const world = testWorld();
  const store = memoryStore({ world });
  const agents = [createAgent({ name: 'a', model: scriptedModel(['done']), tools: [pay] })];
  const definition = { ref: 'x', bytes: 1, mediaType: 'm' };
  const begun: readonly Draft[] = [
    { type: 'session.created', data: { agent: 'a' } },
    { type: 'message.received', origin: 'person', data: { text: 'go' } },
    { type: 'turn.started', data: { takes: [1], definition } },
  ];
  await store.append({ id: 'f', sid: 's', expected: 0, events: asDrafts(begun), then: { agent: 'a', status: 'ready' } });
  const runtime = createRuntime({ store, world, agents });
  const session = runtime.session('s');
  assert.equal((await session.resume().result).text, 'done');
  const report = await session.replay();
  assert.equal(report.divergence, null);
  const events = await all(session.log());
  const started = events.findLast(({ type }) => type === 'turn.started');
  const configured = events.find(({ type }) => type === 'session.configured');
  assert.equal(started?.seq, 2);
  assert.ok(configured?.type === 'session.configured');
  assert.equal(configured.data.from, 'x');
  assert.match(configured.data.to, /^[0-9a-f]{64}$/);
});
