import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chain, fromFunction, llm, table, type Policy } from '../policy/index.ts';
import { scriptedModel } from '../model/index.ts';
import { requestProblem } from '../testing/index.ts';
import { tool } from '../tool/index.ts';
import { ANY, gate, scene, until } from './session-scene.test.ts';

const look = tool({
  name: 'look',
  effect: 'read',
  inputSchema: { type: 'object', properties: { at: { type: 'string' } } },
  execute: ({ at }) => ({ seen: String(at) }),
});

test('an agent of a policy alone calls tools and answers without any model', async () => {
  const policy = fromFunction('rules', ({ calls, input }) =>
    calls.length === 0
      ? { type: 'call', calls: [{ tool: 'look', input: { at: input.text } }] }
      : { type: 'answer', text: JSON.stringify(calls[0]?.output) },
  );
  const { session, events } = scene({ policy, tools: [look] });
  const { status, text, steps } = await session.send('sea').result;
  assert.deepEqual([status, text, steps], ['answered', '{"seen":"sea"}', 2]);
  assert.deepEqual(
    (await events()).map(({ type }) => type),
    [
      'session.created',
      'message.received',
      'turn.started',
      'policy.decided',
      'tool.called',
      'tool.returned',
      'policy.decided',
      'turn.ended',
    ],
  );
});

test('a whole turn of synchronous rules and tools is deterministic: the same input gives the same events', async () => {
  const policy = fromFunction('rules', ({ calls }) =>
    calls.length === 0 ? { type: 'call', calls: [{ tool: 'look', input: { at: 'sea' } }] } : { type: 'answer', output: { n: 1 } },
  );
  const logs = await Promise.all(
    [1, 2].map(async () => {
      const { session, events } = scene({ policy, tools: [look] });
      await session.send({ order: 7 }).result;
      return JSON.stringify(await events());
    }),
  );
  assert.equal(logs[0], logs[1]);
});

test('where a policy abstains the model answers, and the record says who decided', async () => {
  const model = scriptedModel(['from the model']);
  const rules = fromFunction('rules', ({ input }) => (input.text === 'hi' ? { type: 'answer', text: 'from the rules' } : null));
  const { session, of } = scene({ model, policy: chain(rules, llm()) });
  assert.equal((await session.send('hi').result).text, 'from the rules');
  assert.equal(model.callCount, 0);
  assert.equal((await session.send('else').result).text, 'from the model');
  assert.deepEqual(
    (await of('policy.decided')).map(({ data }) => [data.policy, data.action.type]),
    [
      ['chain/rules', 'answer'],
      ['chain/llm', 'model'],
    ],
  );
  const { divergence } = await session.replay();
  assert.equal(divergence, null);
});

test('a policy is asked again after the calls of the model, and may take the turn over', async () => {
  const model = scriptedModel([{ calls: [{ name: 'look', input: { at: 'sea' } }] }]);
  const policy = fromFunction('rules', ({ calls }) =>
    calls.length === 0 ? { type: 'model' } : { type: 'answer', text: `saw ${calls.length}` },
  );
  const { session } = scene({ model, policy, tools: [look] });
  assert.equal((await session.send('go').result).text, 'saw 1');
  assert.equal(model.callCount, 1);
});

test('a table answers with JSON that the result carries', async () => {
  const policy = table({
    name: 'desk',
    rows: [{ name: 'small', when: { amount: { lt: 100 } }, then: { type: 'answer', output: { approved: true } } }],
  });
  const { session, of } = scene({ policy });
  const result = await session.send({ amount: 5 }).result;
  const decided = (await of('policy.decided'))[0]?.data;
  assert.deepEqual([result.status, result.output], ['answered', { approved: true }], JSON.stringify(decided));
  assert.equal(decided?.policy, 'desk#small');
});

test('a policy that throws, or rejects, ends the turn with its reason, and the next turn works', async () => {
  for (const isAsync of [false, true]) {
    const policy = fromFunction('rules', ({ input }) => {
      if (input.text === 'hi') return { type: 'answer', text: 'hello' };
      if (isAsync) return Promise.reject(new Error('no rule'));
      throw new Error('no rule');
    });
    const { session } = scene({ policy });
    const { status, why } = await session.send('x').result;
    assert.equal(status, 'failed');
    assert.match(why, /policy rules threw: no rule/);
    assert.equal((await session.send('hi').result).text, 'hello');
  }
});

test('what a policy of one’s own gives is checked when it is no action', async () => {
  for (const bad of [{ type: 'dance' }, 'answer', 5, { type: 'call', calls: 'look' }]) {
    const { session } = scene({ policy: fromFunction('rules', () => bad as never) });
    const { status, why } = await session.send('x').result;
    assert.equal(status, 'failed', JSON.stringify(bad));
    assert.match(why, /^POLICY_INVALID: /);
  }
});

test('calls of a policy are validated, approved and told like those of a model', async () => {
  const pay = tool({
    name: 'pay',
    inputSchema: { type: 'object', properties: { eur: { type: 'integer' } }, required: ['eur'] },
    needsApproval: true,
    execute: () => 'paid',
  });
  const policy = fromFunction('rules', ({ calls }) =>
    calls.length === 0
      ? {
          type: 'call',
          calls: [
            { tool: 'pay', input: { eur: 'five' } },
            { tool: 'pai', input: {} },
            { tool: 'pay', input: { eur: 5 } },
          ],
        }
      : { type: 'answer', text: calls.map(({ output }) => String(output)).join(' | ') },
  );
  const { session } = scene({ policy, tools: [pay] });
  const { pending } = await session.send('go').result;
  assert.equal(pending.length, 1);
  const { text } = await session.respond(pending[0]?.id ?? 's:0', { decision: 'approve' }).result;
  assert.match(text, /^\$\.eur.*\| There is no tool named "pai"\. The tools are: pay\. \| paid$/);
});

test('an opinion that comes after a cancel is not recorded', async () => {
  const open = gate<{ type: 'answer'; text: string }>();
  const asked = gate();
  const policy: Policy = {
    name: 'slow',
    definition: { name: 'slow' },
    evaluate: async () => {
      asked.open();
      return { action: await open.opened, policy: 'slow', why: '' };
    },
  };
  const { session, of } = scene({ policy });
  const sent = session.send('go');
  await asked.opened;
  await sent.accepted;
  await session.cancel();
  open.open({ type: 'answer', text: 'too late' });
  assert.equal((await sent.result).status, 'cancelled');
  assert.deepEqual(await of('policy.decided'), []);
});

test('a policy that never comes to an answer is stopped by stepsMax', async () => {
  const policy = fromFunction('rules', () => ({ type: 'call', calls: [{ tool: 'look', input: {} }] }));
  const { session } = scene({ policy, tools: [look], stepsMax: 5 });
  const { status, reason, steps } = await session.send('go').result;
  assert.deepEqual([status, reason, steps], ['stopped', 'steps', 5]);
});

test('rules that send every step to the model are stopped by stepsMax too', async () => {
  const model = scriptedModel(() => ({ calls: [{ name: 'look', input: {} }] }));
  const { session } = scene({ model, policy: fromFunction('rules', () => ({ type: 'model' })), tools: [look], stepsMax: 3 });
  const { reason } = await session.send('go').result;
  assert.deepEqual([reason, model.callCount], ['steps', 3]);
  for (const request of model.requests) assert.equal(requestProblem(request), null);
});

test('a steering message is heard by the model though a policy decides', async () => {
  const open = gate<string>();
  const wait = tool({ name: 'wait', effect: 'read', inputSchema: ANY, execute: () => open.opened });
  const model = scriptedModel(['steered']);
  const policy = fromFunction('rules', ({ calls }) =>
    calls.length === 0 ? { type: 'call', calls: [{ tool: 'wait', input: {} }] } : { type: 'answer', text: 'ruled' },
  );
  const { session, of } = scene({ model, policy, tools: [wait] });
  const sent = session.send('go');
  await until(async () => (await of('tool.called')).length === 1);
  await session.send('listen', { deliver: 'steer' }).accepted;
  open.open('seen');
  assert.equal((await sent.result).text, 'steered');
});
