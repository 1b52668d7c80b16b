import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromFunction } from '../policy/index.ts';
import { tool } from '../tool/index.ts';
import { outcome } from './index.ts';
import { ANY, scene, until } from './session-scene.test.ts';

const call = (name: string) => ({ name, input: {} }) as const;
const pay = tool({ name: 'pay', inputSchema: ANY, needsApproval: true, execute: () => 'paid' });

test('the outcome of a session is its conversation, its last turn, what waits and what is queued, without any position', async () => {
  const { session, runtime } = scene({ tools: [pay], script: ['one', { calls: [call('pay')] }] });
  await session.send('go').result;
  await runtime.idle();
  const first = outcome((await session.at()).state);
  assert.deepEqual(first, {
    messages: [
      { role: 'user', parts: [{ type: 'text', text: 'go' }], origin: 'person' },
      { role: 'assistant', parts: [{ type: 'text', text: 'one' }], origin: 'model' },
    ],
    last: { reason: 'answer', why: '', text: 'one', output: null, finish: 'stop', steps: 1 },
    pending: [],
    waiting: 0,
  });
  const [asked] = (await session.send('pay').result).pending;
  await session.send('later').accepted;
  const { pending, waiting } = outcome((await session.at()).state);
  assert.deepEqual(pending, [{ type: 'approval', tool: 'pay', input: {}, digest: asked?.digest, why: 'needs approval' }]);
  assert.equal(waiting, 1);
});

test('calls of a policy have no positions in the outcome, and those of a model keep the model’s ids', async () => {
  const policy = fromFunction('rules', ({ calls, input }) => {
    if (input.text === 'model') return calls.length === 0 ? null : { type: 'answer', text: 'told' };
    return calls.length === 0 ? { type: 'call', calls: [{ tool: 'look', input: {} }] } : { type: 'answer', text: 'told' };
  });
  const look = tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => 1 });
  const ids = async (text: string): Promise<string[]> => {
    const { session } = scene({ policy, tools: [look], script: [{ calls: [{ ...call('look'), id: 'm.7' }] }] });
    await session.send(text).result;
    const { messages } = outcome((await session.at()).state);
    assert.deepEqual(
      messages.map(({ role, origin }) => [role, origin]),
      (await session.at()).messages.map(({ role, origin }) => [role, origin]),
    );
    return messages.flatMap(({ parts }) => parts.flatMap((part) => ('id' in part ? [part.id] : [])));
  };
  assert.deepEqual(await ids('rules'), ['0', '0']);
  assert.deepEqual(await ids('model'), ['m.7', 'm.7']);
});

test('a result says how a turn ended: answered, stopped, cancelled or failed', async () => {
  const ended = async (given: Parameters<typeof scene>[0]) => {
    const { status, reason, why } = await scene(given).session.send('go').result;
    return [status, reason, why];
  };
  assert.deepEqual(await ended({ script: ['hi'] }), ['answered', 'answer', '']);
  assert.deepEqual(await ended({ script: () => ({ calls: [call('none')] }), stepsMax: 1 }), ['stopped', 'steps', 'stepsMax 1']);
  assert.deepEqual(await ended({ script: ['hi'], budget: { sessionStepsMax: 0 } }), ['stopped', 'budget', 'sessionStepsMax 0']);
  assert.equal((await ended({ script: [] }))[0], 'failed');
  const { session, of } = scene({ tools: [pay], script: [{ calls: [call('pay')] }] });
  await session.send('go', { id: 'm' }).result;
  await session.cancel('enough');
  await until(async () => (await of('turn.ended')).length === 1);
  const { status, reason, why } = await session.send('go', { id: 'm' }).result;
  assert.deepEqual([status, reason, why], ['cancelled', 'cancelled', 'enough']);
});

test('the result of a turn before the last is read from the log, however far back, and one that never was waits', async () => {
  const { session, second } = scene({ script: (_request, n) => `answer ${n}` });
  for (let n = 0; n < 4; n++) await session.send(`m${n}`, { id: `m${n}` }).result;
  const other = second().session('s');
  assert.deepEqual(
    await Promise.all([0, 1, 2, 3].map(async (n) => (await other.send(`m${n}`, { id: `m${n}` }).result).text)),
    [0, 1, 2, 3].map((n) => `answer ${n}`),
  );
});
