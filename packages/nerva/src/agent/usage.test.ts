import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { memoryProjectionRows, memoryStore, projections, type EventDraft, type Store } from '../log/index.ts';
import { scriptedModel } from '../model/index.ts';
import { memoryKeys, testWorld } from '../testing/index.ts';
import { tool } from '../tool/index.ts';
import { createAgent, createRuntime, usageOf, usageProjection, type AgentUsage } from './index.ts';

const world = testWorld();

/** What a build from the first event counts. */
async function usageAtOnce(store: Store): Promise<Readonly<Record<string, AgentUsage>>> {
  const built = projections({ store, world, rows: memoryProjectionRows(), list: [usageProjection] });
  await built.catchUp();
  assert.equal((await built.status('usage')).status, 'current');
  return built.read('usage', usageOf);
}

const add = tool({ name: 'add', description: 'adds', inputSchema: { type: 'object' }, effect: 'read', execute: () => 3 });
const pay = tool({ name: 'pay', description: 'pays', inputSchema: { type: 'object' }, needsApproval: true, execute: () => 'paid' });
const lose = tool({
  name: 'lose',
  description: 'breaks',
  inputSchema: { type: 'object' },
  execute: () => {
    throw new Error('the line went dead');
  },
});
const calls = (name: string) => ({ calls: [{ name, input: {} }], usage: { inputTokens: 10, outputTokens: 2 } });

test('usage is counted by agent, and a fork counts its own events only', async () => {
  const store = memoryStore({ world });
  const agents = [
    createAgent({
      name: 'counter',
      model: scriptedModel([calls('add'), { text: 'three', usage: { inputTokens: 20, outputTokens: 1 } }, 'more']),
      tools: [add],
    }),
    createAgent({ name: 'mute', model: scriptedModel([]) }),
  ];
  const runtime = createRuntime({ store, agents, world });
  const session = runtime.session('s', { agent: 'counter' });
  await session.send('add').result;
  const last = (await store.head('s')) - 1;
  const fork = await session.fork(last);
  await fork.send('again').result;
  await runtime.session('m', { agent: 'mute' }).send('x').result;
  await runtime.close();
  const nothing = { inputTokens: 0, outputTokens: 0, unknownCalls: 0, usd: 0, unpricedCalls: 0, tools: {}, approvals: {} };
  assert.deepEqual(await usageAtOnce(store), {
    counter: {
      ...nothing,
      sessions: 2,
      turns: { answer: 2 },
      modelCalls: 3,
      inputTokens: 30,
      outputTokens: 3,
      unknownCalls: 1,
      unpricedCalls: 3,
      tools: { returned: 1 },
    },
    mute: { ...nothing, sessions: 1, turns: { error: 1 }, modelCalls: 1 },
  });
});

test('approvals count by answer, tool calls by outcome and money by the price, as far as it is known', async () => {
  const store = memoryStore({ world });
  const script = [calls('pay'), 'paid', calls('pay'), 'not paid', calls('lose')];
  const model = { ...scriptedModel(script), price: { inputUsd: 1_000_000, outputUsd: 0 } };
  const runtime = createRuntime({ store, agents: [createAgent({ name: 'payer', model, tools: [pay, lose] })], world });
  for (const decision of ['approve', 'deny'] as const) {
    const session = runtime.session(decision, { agent: 'payer' });
    const { pending } = await session.send('pay').result;
    const [asked] = pending;
    assert(asked !== undefined);
    await session.respond(asked.id, { decision }).result;
  }
  await runtime.session('lost', { agent: 'payer' }).send('lose').result;
  await runtime.close();
  const { payer } = await usageAtOnce(store);
  assert.deepEqual(payer?.approvals, { granted: 1, denied: 1 });
  assert.deepEqual(payer?.tools, { returned: 1, in_doubt: 1 }, 'a call that was denied was none');
  assert.deepEqual([payer?.modelCalls, payer?.usd, payer?.unpricedCalls, payer?.inputTokens, payer?.unknownCalls], [5, 30, 2, 30, 2]);
});

const event = (type: string, data: EventDraft['data'], subject?: string): EventDraft => ({
  type,
  data,
  ...(subject === undefined ? {} : { subject }),
});
const answered = (inputTokens: number | null, outputTokens: number | null, usd?: number): EventDraft =>
  event('model.answered', { call: 0, parts: [], usage: { inputTokens, outputTokens }, model: null, ...(usd === undefined ? {} : { usd }) });

test('tokens half known, a call cut off and one lost are unknown; a call that was refused took nothing', async () => {
  const store = memoryStore({ world });
  const failed = (why: string): EventDraft => event('model.failed', { call: 0, why });
  const events = [
    event('session.created', { agent: 'a' }),
    answered(5, null, 1),
    answered(7, 1, 2),
    event('model.interrupted', { call: 0, parts: [] }),
    failed('lost'),
    failed('error'),
  ];
  // A frame each: the feed gives only frames that hold one of the projection's types.
  for (const [index, one] of events.entries()) await store.append({ id: `f${index}`, sid: 's', expected: index, events: [one] });
  const { a } = await usageAtOnce(store);
  assert.deepEqual([a?.inputTokens, a?.outputTokens, a?.unknownCalls, a?.usd, a?.unpricedCalls], [7, 1, 3, 3, 2]);
});

test('after an erasure the calls are still counted, and what they took is unknown', async () => {
  const keys = memoryKeys();
  const store = memoryStore({ world, keys });
  const sealed = { ...answered(5, 6, 1), subject: 'ada' };
  await store.append({
    id: 'f',
    sid: 's',
    expected: 0,
    events: [event('session.created', { agent: 'a' }), sealed, event('turn.ended', { reason: 'answer' }, 'ada')],
  });
  assert.equal((await usageAtOnce(store))['a']?.inputTokens, 5);
  keys.destroy('ada');
  const { a } = await usageAtOnce(store);
  assert.deepEqual([a?.inputTokens, a?.unknownCalls, a?.unpricedCalls, a?.turns], [0, 1, 1, { erased: 1 }]);
});

test('any history caught up in pieces, through restarts and a rebuild, counts as one built at once and as counting by hand', async () => {
  const agentOf = { a: 'one', b: 'two', c: 'one' } as const;
  const later = fc.constantFrom(
    answered(1, 2, 0.5),
    answered(null, null),
    event('model.called', { digest: '' }),
    event('tool.returned', { call: 0, output: 1 }),
    event('tool.failed', { call: 0, why: 'threw', message: '' }),
    event('turn.ended', { reason: 'answer' }),
    event('approval.denied', { approval: 0, why: '' }),
    event('note.taken', {}),
  );
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ sid: fc.constantFrom('a', 'b', 'c'), events: fc.array(later, { minLength: 1, maxLength: 4 }) }) },
    { weight: 1, arbitrary: fc.constantFrom('catch up' as const, 'restart' as const, 'rebuild' as const) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const store = memoryStore({ world });
      const rows = memoryProjectionRows();
      const open = () => projections({ store, world, rows, list: [usageProjection] });
      let inPieces = open();
      const ended = { one: 0, two: 0 };
      for (const [index, one] of steps.entries()) {
        if (one === 'restart') inPieces = open();
        else if (one === 'rebuild') await inPieces.rebuild('usage');
        else if (one === 'catch up') await inPieces.catchUp();
        else {
          const agent = agentOf[one.sid];
          const head = await store.head(one.sid);
          const born = head === 0 ? [event('session.created', { agent })] : [];
          ended[agent] += one.events.filter(({ type }) => type === 'turn.ended').length;
          await store.append({ id: `f${index}`, sid: one.sid, expected: head, events: [...born, ...one.events] });
        }
      }
      await inPieces.catchUp();
      const usage = await inPieces.read('usage', usageOf);
      assert.deepEqual(usage, await usageAtOnce(store));
      assert.deepEqual([usage['one']?.turns['answer'] ?? 0, usage['two']?.turns['answer'] ?? 0], [ended.one, ended.two]);
    }),
    { seed: 1, numRuns: 50 },
  );
});
