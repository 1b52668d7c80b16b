import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore, type EventDraft, type LogEvent } from '../log/index.ts';
import { scriptedModel } from '../model/index.ts';
import { fromFunction } from '../policy/index.ts';
import { testWorld } from '../testing/index.ts';
import { tool } from '../tool/index.ts';
import { createAgent, createRuntime, replaySession, type AgentOptions, type ReplayReport } from './index.ts';
import { asDrafts, type Draft } from './events.ts';
import { ANY, scene, all } from './session-scene.test.ts';

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
  const types = (await all(session.log())).map(({ type }: Pick<LogEvent, 'type'>) => type);
  assert.ok(types.includes('session.configured'), types.join());
});
