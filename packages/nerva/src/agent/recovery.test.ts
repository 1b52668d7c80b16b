import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAgent, createRuntime, type AgentEvent, type AgentOptions, type Session } from './index.ts';
import { memoryStore } from '../log/index.ts';
import {
  conversationModel,
  effectsWitness,
  mortalStore,
  recordingTool,
  strictModel,
  testWorld,
  type RecordingTool,
} from '../testing/index.ts';

/** A conversation of one call of `t`, by a process that dies when the call is made and before its outcome is kept. */
async function cutOff(first: RecordingTool) {
  const [world, effects] = [testWorld(), effectsWitness()];
  const store = memoryStore({ world });
  const process = (options: Partial<AgentOptions>, at?: number) => {
    const mortal = mortalStore(store, at === undefined ? null : { at, mode: 'unacknowledged' });
    const model = strictModel(conversationModel([{ calls: [{ name: 't', input: {} }] }, 'done']));
    const runtime = createRuntime({ store: mortal.store, world, agents: [createAgent({ name: 'a', model, ...options })] });
    return { runtime, session: runtime.session('s', { agent: 'a' }), died: mortal.died };
  };
  const before = process({ tools: [recordingTool(effects, first)] }, 3);
  void before.session.send('go', { id: 'm' });
  await before.died;
  const answer = 4; // session.created, message.received, turn.started, model.called, model.answered, tool.called
  return { effects, answer, second: (tool: RecordingTool) => process({ tools: [recordingTool(effects, tool)] }) };
}

async function after(session: Session, seq: number): Promise<readonly Pick<AgentEvent, 'type' | 'data'>[]> {
  const events: Pick<AgentEvent, 'type' | 'data'>[] = [];
  for await (const event of session.log({ after: seq })) events.push({ type: event.type, data: event.data } as never);
  return events;
}

test('a call that is repeated after a crash names its first intent and keeps the class that was recorded', async () => {
  for (const effect of ['read', 'idempotent'] as const) {
    const { second, answer } = await cutOff({ name: 't', effect, ticks: 1 });
    const { session } = second({ name: 't', effect });
    assert.equal((await session.send('go', { id: 'm' }).result).text, 'done');
    const again = { answer, part: 0, effect, again: answer + 1, why: 'crash' };
    assert.deepEqual((await after(session, answer + 1))[0], { type: 'tool.called', data: again } as never);
  }
});

test('a process that finds an irreversible call cut off asks once what became of it, and follows the answer', async () => {
  const { second, answer, effects } = await cutOff({ name: 't', ticks: 5 });
  const { session } = second({ name: 't', reconciles: true });
  const call = answer + 1;
  const happened = effects.happened(`s:${call}`);
  assert.equal((await session.send('go', { id: 'm' }).result).text, 'done');
  const events = await after(session, call);
  assert.deepEqual(
    events.slice(0, 2).map(({ type, data }) => [type, (data as { readonly call?: number }).call]),
    [
      ['tool.in_doubt', call],
      ['reconcile.called', call],
    ],
  );
  assert.equal(events.filter(({ type }) => type === 'reconcile.called').length, 1);
  const [outcome] = events.slice(2);
  if (happened) assert.deepEqual(outcome?.data, { call, output: { done: 't' }, by: 'reconcile' } as never);
  else assert.deepEqual(outcome?.data, { call, status: 'not-done', attempt: 1 } as never);
  assert.equal(effects.executions.length, 1);
});

test('after a cancel a call that was cut off is not repeated: it failed by the cancel, or is in doubt', async () => {
  for (const effect of ['read', 'idempotent', 'irreversible'] as const) {
    const { second, answer } = await cutOff({ name: 't', effect, ticks: 1 });
    const { session, runtime } = second({ name: 't', effect });
    await session.cancel('enough');
    await runtime.idle();
    const [requested, settled, ended] = await after(session, answer + 1);
    const call = answer + 1;
    assert.deepEqual(requested, { type: 'cancel.requested', data: { why: 'enough' } } as never);
    const message = 'The turn was cancelled while this call ran.';
    if (effect === 'irreversible') assert.deepEqual(settled, { type: 'tool.in_doubt', data: { call, why: 'cancelled' } } as never);
    else assert.deepEqual(settled, { type: 'tool.failed', data: { call, why: 'cancelled', message } } as never);
    assert.deepEqual(ended, { type: 'turn.ended', data: { reason: 'cancelled', why: 'enough' } } as never);
  }
});

test('a cancel closes what waits for a person: the question is denied with the reason of the cancel', async () => {
  const effects = effectsWitness();
  const world = testWorld();
  const model = conversationModel([{ calls: [{ name: 't', input: {} }] }, 'done']);
  const tools = [recordingTool(effects, { name: 't', needsApproval: true })];
  const runtime = createRuntime({ store: memoryStore({ world }), world, agents: [createAgent({ name: 'a', model, tools })] });
  const session = runtime.session('s', { agent: 'a' });
  assert.equal((await session.send('go').result).status, 'waiting');
  await session.cancel('enough');
  await runtime.idle();
  const denied = (await after(session, 4)).find(({ type }) => type === 'approval.denied');
  assert.deepEqual(denied?.data, { approval: 5, why: 'enough' } as never);
  assert.equal(effects.executions.length, 0);
});

test('the rule for approvals is shown the tool, its class and the input, and throwing means yes', async () => {
  const shown: unknown[] = [];
  for (const rule of ['no', 'yes', 'throws'] as const) {
    const [world, effects] = [testWorld(), effectsWitness()];
    const agent = createAgent({
      name: 'a',
      model: conversationModel([{ calls: [{ name: 't', input: { n: 1 } }] }, 'done']),
      tools: [recordingTool(effects, { name: 't', effect: 'idempotent' })],
      approval(call) {
        shown.push(call);
        if (rule === 'throws') throw new Error('rule');
        return rule === 'yes';
      },
    });
    const runtime = createRuntime({ store: memoryStore({ world }), world, agents: [agent] });
    const { status } = await runtime.session('s', { agent: 'a' }).send('go').result;
    assert.equal(status, rule === 'no' ? 'answered' : 'waiting');
    assert.equal(effects.executions.length, rule === 'no' ? 1 : 0);
  }
  for (const call of shown) assert.deepEqual(call, { tool: 't', effect: 'idempotent', input: { n: 1 } });
});
