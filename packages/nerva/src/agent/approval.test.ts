import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { scriptedModel, type ScriptedModel } from '../model/index.ts';
import { memoryStore, type Store } from '../log/index.ts';
import { requestProblem, testWorld } from '../testing/index.ts';
import { askPerson, tool, type Tool } from '../tool/index.ts';
import { createAgent, createRuntime, type Pending } from './index.ts';
import { ANY, scene } from './session-scene.test.ts';

const call = (name: string, input: object = {}): { name: string; input: never } => ({ name, input: input as never });

const TO = { type: 'object', properties: { to: { type: 'string' } }, required: ['to'] } as const;

/** A tool that asks, and what it did. */
function paying(): { readonly pay: Tool<{ to: string }>; readonly paid: unknown[] } {
  const paid: unknown[] = [];
  const pay = tool({ name: 'pay', inputSchema: TO, needsApproval: true, execute: ({ to }) => (paid.push(to), { to }) });
  return { pay, paid };
}

const payments = (...names: readonly string[]) => ({ calls: names.map((to) => call('pay', { to })) });
const first = (pending: readonly Pending[]): Pending => {
  assert.ok(pending[0] !== undefined, 'something waits');
  return pending[0];
};
/** The results of the last request, as the model saw them. */
const told = (model: ScriptedModel): unknown[] =>
  (model.requests.at(-1)?.messages.at(-1)?.parts ?? []).map((part) => part.type === 'tool_result' && part.output);

test('any order of answers, one by one, gives the same results in call order and calls exactly what was granted', async () => {
  const order = fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 });
  const grants = fc.array(fc.boolean(), { minLength: 4, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(order, grants, async (indexes, isGranted) => {
      const { pay, paid } = paying();
      const model = scriptedModel([payments('0', '1', '2', '3'), 'done']);
      const { session } = scene({ model, tools: [pay] });
      const { pending, status } = await session.send('go').result;
      assert.deepEqual([status, pending.length], ['waiting', 4]);
      let result = null;
      for (const [n, index] of indexes.entries()) {
        assert.equal(model.callCount, 1);
        assert.equal((await session.at()).pending.length, 4 - n);
        const answer = isGranted[index] === true ? ({ decision: 'approve' } as const) : ({ decision: 'deny', why: `no ${index}` } as const);
        result = await session.respond((pending[index] as Pending).id, answer).result;
      }
      assert.equal(result?.text, 'done');
      assert.deepEqual(
        paid.map(String).toSorted((a, b) => a.localeCompare(b)),
        ['0', '1', '2', '3'].filter((n) => isGranted[Number(n)]),
      );
      assert.deepEqual(
        told(model),
        isGranted.map((granted, n) => (granted ? { to: `${n}` } : `A person did not allow this call: no ${n}`)),
      );
      assert.equal(requestProblem(model.requests[1] ?? { messages: [] }), null);
    }),
    { numRuns: 25 },
  );
});

test('calls that need no approval run while their neighbours wait', async () => {
  const { pay, paid } = paying();
  let looked = 0;
  const look = tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => ++looked });
  const { session } = scene({ script: [{ calls: [call('pay', { to: 'ann' }), call('look')] }, 'done'], tools: [pay, look] });
  const { pending } = await session.send('go').result;
  assert.deepEqual([looked, paid, pending.map((one) => one.tool)], [1, [], ['pay']]);
  assert.equal((await session.respond(first(pending).id, { decision: 'approve' }).result).text, 'done');
  assert.deepEqual([looked, paid], [1, ['ann']]);
});

test('a second answer is refused in the same process, from another runtime, and after the turn ended; the first stands', async () => {
  const { pay, paid } = paying();
  const { session, second, events } = scene({ script: [payments('ann', 'bob'), 'done'], tools: [pay] });
  const { pending } = await session.send('go').result;
  const [ann, bob] = pending as readonly [Pending, Pending];
  await session.respond(ann.id, { decision: 'approve' }).accepted;
  await assert.rejects(session.respond(ann.id, { decision: 'deny' }).accepted, { code: 'APPROVAL_SETTLED' });
  const other = second();
  await assert.rejects(other.session('s').respond(ann.id, { decision: 'deny' }).accepted, { code: 'APPROVAL_SETTLED' });
  await other.session('s').respond(bob.id, { decision: 'approve' }).result;
  const before = (await events()).length;
  for (const runtime of [other, second()])
    await assert.rejects(runtime.session('s').respond(ann.id, { decision: 'deny' }).accepted, { code: 'APPROVAL_SETTLED' });
  assert.equal((await events()).length, before);
  assert.deepEqual(paid, ['ann', 'bob']);
});

test('an answer to what was asked turns ago is refused as settled, also by a store that reads one frame at a time', async () => {
  const world = testWorld();
  const below = memoryStore({ world });
  const read: Store['read'] = (sid, options) => below.read(sid, { ...options, limit: 1 });
  const pay = tool({ name: 'pay', inputSchema: ANY, needsApproval: true, execute: () => 'paid' });
  const model = scriptedModel(({ messages }) => (messages.length === 1 ? { calls: [{ name: 'pay', input: {} }] } : 'done'));
  const runtime = createRuntime({ store: { ...below, read }, world, agents: [createAgent({ name: 'a', model, tools: [pay] })] });
  const session = runtime.session('s', { agent: 'a' });
  const [asked] = (await session.send('go').result).pending;
  await session.respond(asked?.id ?? 's:-1', { decision: 'approve' }).result;
  await session.send('more').result;
  await assert.rejects(session.respond(asked?.id ?? 's:-1', { decision: 'deny' }).accepted, { code: 'APPROVAL_SETTLED' });
  await assert.rejects(session.respond('s:1', { decision: 'deny' }).accepted, { code: 'APPROVAL_UNKNOWN' });
  assert.equal((await session.replay()).divergence, null);
});

test('of two answers sent at once exactly one is taken', async () => {
  const { pay, paid } = paying();
  const { session, of } = scene({ script: [payments('ann'), 'done'], tools: [pay] });
  const { id } = first((await session.send('go').result).pending);
  const runs = [session.respond(id, { decision: 'approve' }), session.respond(id, { decision: 'deny' })];
  const settled = await Promise.allSettled(runs.map((run) => run.accepted));
  assert.deepEqual(
    settled.map((one) => (one.status === 'fulfilled' ? 'taken' : (one.reason as { code: string }).code)),
    ['taken', 'APPROVAL_SETTLED'],
  );
  await session.resume().result;
  assert.deepEqual(paid, ['ann']);
  assert.equal((await of('turn.ended')).length, 1);
});

test('an answer to something else than what is asked is APPROVAL_CHANGED and writes nothing', async () => {
  const { pay, paid } = paying();
  const { session, events } = scene({ script: [payments('ann'), 'done'], tools: [pay] });
  const { id, digest } = first((await session.send('go').result).pending);
  const before = (await events()).length;
  await assert.rejects(session.respond(id, { decision: 'approve', digest: 'f'.repeat(64) }).accepted, { code: 'APPROVAL_CHANGED' });
  assert.deepEqual([(await events()).length, paid], [before, []]);
  assert.equal((await session.respond(id, { decision: 'approve', digest }).result).text, 'done');
});

test('the digest stands for tool, schema and input: another input has another one', async () => {
  const { pay } = paying();
  const { session } = scene({ script: [payments('ann', 'bob', 'ann'), 'done'], tools: [pay] });
  const digests = (await session.send('go').result).pending.map(({ digest }) => digest);
  assert.equal(digests[0], digests[2]);
  assert.notEqual(digests[0], digests[1]);
});

test('nothing waits under an unknown id, of this session or another', async () => {
  const { pay } = paying();
  const { session, events } = scene({ script: [payments('ann')], tools: [pay] });
  await session.send('go').result;
  const before = (await events()).length;
  for (const id of ['s:1', 's:999', 's:-1', 's:x', 'other:5', 'nonsense'] as const) {
    await assert.rejects(session.respond(id as 's:1', { decision: 'approve' }).accepted, { code: 'APPROVAL_UNKNOWN' }, id);
  }
  assert.equal((await events()).length, before);
});

test('a denial reaches the model with its reason, and the model may go on', async () => {
  const { pay, paid } = paying();
  const model = scriptedModel([payments('ann'), 'Then I will not pay.']);
  const { session } = scene({ model, tools: [pay] });
  const { id } = first((await session.send('go').result).pending);
  const { text, status } = await session.respond(id, { decision: 'deny', why: 'over the limit' }).result;
  assert.deepEqual([status, text, paid], ['answered', 'Then I will not pay.', []]);
  assert.deepEqual(told(model), ['A person did not allow this call: over the limit']);
});

test('a rule that throws asks, whether it is the tool’s or the agent’s', async () => {
  const broken = (): never => {
    throw new Error('rule');
  };
  let executed = 0;
  const rules = [
    { tools: [tool({ name: 'pay', inputSchema: ANY, needsApproval: broken, execute: () => ++executed })] },
    { tools: [tool({ name: 'pay', inputSchema: ANY, execute: () => ++executed })], approval: broken },
  ];
  for (const options of rules) {
    const { session } = scene({ script: [payments('ann'), 'done'], ...options });
    assert.equal((await session.send('go').result).status, 'waiting');
  }
  assert.equal(executed, 0);
});

test('the agent’s rule decides by effect class, beside what the tool says', async () => {
  const pay = tool({ name: 'pay', inputSchema: ANY, execute: () => 'paid' });
  const look = tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => 'seen' });
  const { session } = scene({
    script: [{ calls: [call('pay'), call('look')] }],
    tools: [pay, look],
    approval: ({ effect }) => effect === 'irreversible',
  });
  assert.deepEqual(
    (await session.send('go').result).pending.map((one) => one.tool),
    ['pay'],
  );
});

test('what a person answers to ask_person is the output of the call', async () => {
  const model = scriptedModel([{ calls: [call('ask_person', { question: 'Which colour?' })] }, 'Blue it is.']);
  const { session } = scene({ model, tools: [askPerson()] });
  const asked = first((await session.send('go').result).pending);
  assert.deepEqual(asked.input, { question: 'Which colour?' });
  await session.respond(asked.id, { decision: 'approve', answer: { colour: 'blue' } }).result;
  assert.deepEqual(told(model), [{ colour: 'blue' }]);
});

test('a message sent while an approval waits is taken by every way to deliver it, and the session goes on', async () => {
  for (const deliver of ['queue', 'steer', 'interrupt'] as const) {
    const { pay, paid } = paying();
    const model = scriptedModel(({ messages }) => {
      const last = messages.at(-1)?.parts[0];
      if (last?.type === 'text' && last.text === 'pay ann') return payments('ann');
      return last?.type === 'text' ? `heard ${last.text}` : 'done';
    });
    const { session } = scene({ model, tools: [pay] });
    const { id } = first((await session.send('pay ann').result).pending);
    const more = session.send('stop', { deliver, id: 'stop' });
    await more.accepted;
    if (deliver === 'interrupt') {
      assert.equal((await more.result).text, 'heard stop');
      await assert.rejects(session.respond(id, { decision: 'approve' }).accepted, { code: 'APPROVAL_SETTLED' });
      assert.deepEqual(paid, []);
    } else {
      assert.equal((await more.result).status, 'waiting');
      const { text } = await session.respond(id, { decision: 'approve' }).result;
      assert.deepEqual([text, paid], [deliver === 'queue' ? 'done' : 'heard stop', ['ann']]);
      assert.equal((await session.send('bye').result).text, 'heard bye');
      assert.equal((await session.send('stop', { deliver, id: 'stop' }).result).text, 'heard stop');
    }
    assert.deepEqual(
      model.requests.map((request) => requestProblem(request)).filter((problem) => problem !== null),
      [],
    );
    assert.deepEqual([(await session.at()).pending, (await session.info()).status], [[], 'idle']);
  }
});

test('an approval that is never answered leaves the session usable: cancel ends the turn and the next one works', async () => {
  const { pay, paid } = paying();
  const model = scriptedModel([payments('ann', 'bob'), 'next']);
  const { session, of } = scene({ model, tools: [pay] });
  const { pending } = await session.send('go').result;
  await session.cancel();
  assert.equal((await session.send('hello').result).text, 'next');
  assert.deepEqual((await of('approval.denied')).length, 2);
  for (const { id } of pending) await assert.rejects(session.respond(id, { decision: 'approve' }).accepted, { code: 'APPROVAL_SETTLED' });
  assert.deepEqual(paid, []);
  assert.equal(requestProblem(model.requests[1] ?? { messages: [] }), null);
});

test('a waiting approval is answered in another process, which makes the call', async () => {
  const { pay, paid } = paying();
  const { session, second, runtime, world } = scene({ script: [payments('ann'), 'done'], tools: [pay] });
  const { id } = first((await session.send('go').result).pending);
  await runtime.close();
  await world.advance(86_400_000);
  const { text, status } = await second().session('s').respond(id, { decision: 'approve' }).result;
  assert.deepEqual([status, text, paid], ['answered', 'done', ['ann']]);
});

test('a tool is told who allowed its call, also by a runtime that takes the session up later', async () => {
  const allowed: unknown[] = [];
  const pay = tool({
    name: 'pay',
    inputSchema: TO,
    needsApproval: true,
    execute: (_input, { approval }) => (allowed.push(approval?.by), 'paid'),
  });
  const { session } = scene({ script: [payments('a', 'b'), 'done'], tools: [pay] });
  const { pending } = await session.send('Pay.').result;
  const [one, other] = pending;
  assert.ok(one !== undefined && other !== undefined);
  await session.respond(one.id, { decision: 'approve' }, { by: 'user:ada' }).result;
  await session.respond(other.id, { decision: 'approve' }).result;
  assert.deepEqual(allowed, ['user:ada', 'user']);
});
