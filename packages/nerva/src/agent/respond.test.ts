import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError, type ErrorCode } from '../core/index.ts';
import { isBlobRef, memoryStore, placed } from '../log/index.ts';
import { scriptedModel } from '../model/index.ts';
import { testWorld } from '../testing/index.ts';
import { notDone, tool, type ToolEffect } from '../tool/index.ts';
import { createAgent, createRuntime } from './index.ts';
import { asDrafts, type Draft, type EventData, type EventType } from './events.ts';
import { evolve, initial } from './fold.ts';
import { answerDraft, type Answer } from './respond.ts';
import type { AgentState } from './state.ts';
import { all, ANY, gate, scene, until } from './session-scene.test.ts';

const the = <T extends EventType>(type: T, data: EventData[T]): Draft => ({ type, data }) as Draft;
const call = (name: string) => ({ name, input: {} }) as const;
const parts = ['pay', 'put'].map((name) => ({ type: 'tool_call', id: name, name, input: {} }) as const);
const asked: readonly Draft[] = [
  the('session.created', { agent: 'a' }),
  the('message.received', { text: 'go' }),
  the('turn.started', { takes: [1], definition: { ref: 'd', bytes: 1, mediaType: 'm' } }),
  the('model.called', { digest: 'q' }),
  the('model.answered', { call: 3, parts, usage: { inputTokens: 1, outputTokens: 1 }, model: null }),
  the('approval.requested', { answer: 4, part: 0, digest: 'h' }),
  the('tool.called', { answer: 4, part: 1, effect: 'irreversible' }),
  the('tool.in_doubt', { call: 6, why: 'threw' }),
];

/** A session of these events, and what an answer to it is. */
async function answering(drafts: readonly Draft[]) {
  const store = memoryStore({ world: testWorld() });
  await store.append({ id: 'f', sid: 's', expected: 0, events: asDrafts(drafts), then: { agent: 'a' } });
  const state: AgentState = asDrafts(drafts).reduce((before, draft, seq) => evolve(before, placed(draft, 's', seq, seq, 0)), initial('s'));
  const answer = (id: string, given: Answer) => answerDraft(state, id as `${string}:${number}`, given, store);
  const refused = (id: string, given: Answer, code: ErrorCode, details: object = { id }) =>
    assert.rejects(answer(id, given), (error) => {
      assert.ok(NervaError.is(error));
      assert.deepEqual([error.code, error.details], [code, details]);
      return true;
    });
  return { answer, refused };
}

test('an answer to a question is a person’s event that names the question and what it asks', async () => {
  const { answer } = await answering(asked);
  assert.deepEqual(await answer('s:5', { decision: 'approve' }), {
    type: 'approval.granted',
    origin: 'person',
    data: { approval: 5, digest: 'h' },
  });
  assert.deepEqual(await answer('s:5', { decision: 'approve', digest: 'h', answer: { n: 1 } }), {
    type: 'approval.granted',
    origin: 'person',
    data: { approval: 5, digest: 'h', answer: { n: 1 } },
  });
  assert.deepEqual(await answer('s:5', { decision: 'deny', why: 'no' }), {
    type: 'approval.denied',
    origin: 'person',
    data: { approval: 5, why: 'no' },
  });
});

test('a verdict on a doubt is a person’s event that names the call', async () => {
  const { answer } = await answering(asked);
  assert.deepEqual(await answer('s:6', { decision: 'returned', output: [1] }), {
    type: 'tool.returned',
    origin: 'person',
    data: { call: 6, output: [1], by: 'person' },
  });
  assert.deepEqual(await answer('s:6', { decision: 'failed', message: 'no' }), {
    type: 'tool.failed',
    origin: 'person',
    data: { call: 6, why: 'not done', message: 'no', by: 'person' },
  });
});

test('an answer of the wrong kind, to the wrong question or in no form is refused', async () => {
  const { answer, refused } = await answering(asked);
  await refused('s:5', { decision: 'returned', output: 1 }, 'OPTION_INVALID', {});
  await refused('s:5', { decision: 'failed' }, 'OPTION_INVALID', {});
  await refused('s:6', { decision: 'approve' }, 'OPTION_INVALID', {});
  await refused('s:6', { decision: 'deny' }, 'OPTION_INVALID', {});
  await refused('s:5', { decision: 'approve', digest: 'other' }, 'APPROVAL_CHANGED', { digest: 'h' });
  await refused('s:5', { decision: 'deny', digest: 'other' }, 'APPROVAL_CHANGED', { digest: 'h' });
  await refused('s:6', { decision: 'failed', digest: 'attempt-2' }, 'APPROVAL_CHANGED', { digest: 'attempt-1' });
  await refused('s:6', { decision: 'returned', output: 1, digest: 'attempt-0' }, 'APPROVAL_CHANGED', { digest: 'attempt-1' });
  assert.equal((await answer('s:6', { decision: 'failed', digest: 'attempt-1' })).type, 'tool.failed');
  for (const id of ['t:5', 's:-1', 's:x', 's:1.5', 's', '5', 's:4', 's:99']) await refused(id, { decision: 'approve' }, 'APPROVAL_UNKNOWN');
  await assert.rejects(answer('s:6', { decision: 'returned', output: undefined as never }), NervaError);
});

test('what was answered, in this turn or an earlier one, is settled', async () => {
  const answered = await answering([
    ...asked,
    the('approval.denied', { approval: 5, why: 'no' }),
    the('tool.returned', { call: 6, output: 1 }),
  ]);
  await answered.refused('s:5', { decision: 'approve' }, 'APPROVAL_SETTLED');
  await answered.refused('s:6', { decision: 'failed' }, 'APPROVAL_SETTLED');
  const later = await answering([
    ...asked,
    the('approval.denied', { approval: 5, why: 'no' }),
    the('tool.returned', { call: 6, output: 1 }),
    the('turn.ended', { reason: 'answer' }),
    the('message.received', { text: 'more' }),
    the('turn.started', { takes: [11], definition: { ref: 'd', bytes: 1, mediaType: 'm' } }),
  ]);
  await later.refused('s:5', { decision: 'approve' }, 'APPROVAL_SETTLED');
  await later.refused('s:6', { decision: 'failed' }, 'APPROVAL_SETTLED');
  await later.refused('s:4', { decision: 'approve' }, 'APPROVAL_UNKNOWN');
});

/** What a call of this class that was given up after its time says in the end. */
async function late(effect: ToolEffect, end: (open: { open: (value: unknown) => void; fail: (error: unknown) => void }) => void) {
  const running = gate<unknown>();
  const slow = tool({ name: 'slow', effect, inputSchema: ANY, timeoutMs: 10, execute: () => running.opened });
  const { session, world, events, of } = scene({ tools: [slow], script: [{ calls: [call('slow')] }, 'done'], runtime: { graceMs: 5 } });
  void session.send('go');
  await until(async () => (await of('tool.called')).length === 1);
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  await world.advance(10);
  await world.advance(5);
  await until(async () => (await of('tool.failed')).length + (await of('tool.in_doubt')).length === 1);
  end(running);
  for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
  return (await events())
    .filter((event) => 'by' in event.data && event.data.by === 'late')
    .map(({ type, origin, data }) => ({ type, origin, data }));
}

test('what a call says after it was given up is on record as late: its value, a large one cut, or that it did not happen', async () => {
  assert.deepEqual(await late('irreversible', ({ open }) => open({ paid: 1 })), [
    { type: 'tool.returned', origin: 'tool', data: { call: 5, output: { paid: 1 }, by: 'late' } },
  ]);
  const [large] = await late('irreversible', ({ open }) => open('x'.repeat(20_000)));
  const { output, truncatedBytes } = (large?.data ?? {}) as Partial<EventData['tool.returned']>;
  assert.equal(truncatedBytes, 20_002);
  assert.ok(typeof output === 'string' && output.length < 17_000 && !isBlobRef(output));
  assert.deepEqual(await late('irreversible', ({ fail }) => fail(notDone('nothing happened'))), [
    { type: 'tool.failed', origin: 'tool', data: { call: 5, why: 'not done', message: 'nothing happened', by: 'late', attempt: 1 } },
  ]);
  assert.deepEqual(await late('irreversible', ({ fail }) => fail(new Error('broke'))), [], 'that tells nothing');
  assert.deepEqual(await late('read', ({ fail }) => fail(new Error('broke'))), [
    { type: 'tool.failed', origin: 'tool', data: { call: 5, why: 'threw', message: 'broke', by: 'late', attempt: 1 } },
  ]);
});

test('a doubt says what the call came to, and a note of a doubt that failed says why', async () => {
  const pay = tool({ name: 'pay', effect: 'irreversible', inputSchema: ANY, execute: () => Promise.reject(new Error('line broke')) });
  const model = scriptedModel([{ calls: [call('pay')] }, 'next']);
  const { session, of, runtime } = scene({ tools: [pay], model });
  const [doubt] = (await session.send('pay').result).pending;
  assert.deepEqual((await of('tool.in_doubt'))[0]?.data, { call: 5, why: 'threw', message: 'line broke', attempt: 1 });
  await session.cancel();
  await runtime.idle();
  await session.respond(doubt?.id ?? 's:-1', { decision: 'failed', message: 'the bank says no' }).accepted;
  await session.send('and?').result;
  assert.match(JSON.stringify(model.requests[1]?.messages), /whose outcome was unknown, failed: the bank says no/);
});

test('an answer of text that says it ended for calls, or of calls that says it stopped, keeps what it said', async () => {
  const look = tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => 1 });
  const { session, of } = scene({
    tools: [look],
    script: [
      { calls: [call('look')], finish: 'stop' },
      { text: 'done', finish: 'tool_calls' },
    ],
  });
  await session.send('go').result;
  assert.deepEqual(
    (await of('model.answered')).map(({ data }) => data.finish),
    ['stop', 'tool_calls'],
  );
});

test('a request whose results lie in blobs is the same request, with their content in place', async () => {
  const big = tool({ name: 'big', effect: 'read', inputSchema: ANY, execute: () => ({ text: 'x'.repeat(20_000) }) });
  const small = tool({ name: 'small', effect: 'read', inputSchema: ANY, execute: () => 1 });
  const model = scriptedModel([{ calls: [call('big'), call('small')] }, { calls: [call('small')] }, 'done']);
  const { session } = scene({ tools: [big, small], model, instructions: 'Be brief.', params: { maxOutputTokens: 9 } });
  await session.send('go').result;
  for (const request of model.requests.slice(1)) {
    const { messages, ...rest } = request;
    const { messages: _messages, ...before } = model.requests[0] ?? { messages: [] };
    assert.deepEqual(rest, before);
    const result = messages.find(({ role }) => role === 'tool')?.parts;
    assert.deepEqual(
      result?.map((part) => (part.type === 'tool_result' ? part.output : null)),
      [{ text: 'x'.repeat(20_000) }, 1],
    );
  }
});

test('a fork that simulates replays as it was decided', async () => {
  const world = testWorld();
  const store = memoryStore({ world });
  const pay = tool({ name: 'pay', effect: 'irreversible', inputSchema: ANY, execute: () => 'paid' });
  const agent = createAgent({ name: 'a', model: scriptedModel(['hello', { calls: [call('pay')] }, 'done']), tools: [pay] });
  const session = createRuntime({ store, world, agents: [agent] }).session('s', { agent: 'a' });
  await session.send('hi').result;
  const fork = await session.fork((await store.head('s')) - 1, { effects: 'simulated' });
  assert.equal((await fork.send('pay').result).text, 'done');
  const events = await all(fork.log());
  const { divergence, decisions } = await fork.replay();
  assert.equal(divergence, null);
  const kinds = new Set(['turn.started', 'model.called', 'tool.returned', 'turn.ended']);
  assert.equal(decisions, events.filter(({ type }) => kinds.has(type)).length);
  await assert.rejects(session.fork(1, { side: 'ask' } as never), (error) => NervaError.is(error, 'OPTION_UNKNOWN'));
});
