import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { scriptedModel, type Message, type ModelRequest } from '../model/index.ts';
import { requestProblem } from '../testing/index.ts';
import { tool } from '../tool/index.ts';
import type { Deliver } from './index.ts';
import { ANY, all, gate, scene, until } from './session-scene.test.ts';

const texts = (messages: readonly Message[]): string[] =>
  messages.flatMap(({ role, parts }) => parts.map((part) => `${role}: ${part.type === 'text' ? part.text : part.type}`));
const last = ({ messages }: ModelRequest): string => texts(messages).at(-1) ?? '';

test('a queued message waits for its own turn', async () => {
  const open = gate();
  const model = scriptedModel(async (request) => {
    await open.opened;
    return `to ${last(request)}`;
  });
  const { session, of } = scene({ model });
  const one = session.send('one');
  await one.accepted;
  const two = session.send('two');
  await two.accepted;
  open.open();
  assert.deepEqual([(await one.result).text, (await two.result).text], ['to user: one', 'to user: two']);
  assert.deepEqual(
    (await of('turn.started')).map(({ data }) => data.takes.length),
    [1, 1],
  );
});

test('a steering message joins at the next model call, after the results of the calls that were open', async () => {
  const seen = gate<string>();
  const model = scriptedModel([{ calls: [{ name: 'look', input: {} }] }, 'done']);
  const { session, of } = scene({ model, tools: [tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => seen.opened })] });
  const sent = session.send('go');
  await until(async () => (await of('tool.called')).length === 1);
  const steered = session.send('and hurry', { deliver: 'steer' });
  await steered.accepted;
  seen.open('seen');
  assert.equal((await sent.result).text, 'done');
  assert.equal((await steered.result).text, 'done');
  assert.deepEqual(texts(model.requests[1]?.messages ?? []), ['user: go', 'assistant: tool_call', 'tool: tool_result', 'user: and hurry']);
  assert.deepEqual((await of('turn.ended')).length, 1);
});

test('a steering message that comes while the last answer is made goes on in the same turn', async () => {
  const open = gate();
  const model = scriptedModel(async (request, n) => {
    if (n === 0) await open.opened;
    return `to ${last(request)}`;
  });
  const { session, of } = scene({ model });
  const sent = session.send('one');
  await sent.accepted;
  await session.send('two', { deliver: 'steer' }).accepted;
  open.open();
  assert.equal((await sent.result).text, 'to user: two');
  assert.equal((await of('turn.ended')).length, 1);
});

test('an interrupt stops the model, keeps what had come, and is answered in a turn of its own before what was queued', async () => {
  const started = gate();
  const model = scriptedModel([]);
  const waiting: typeof model = {
    ...model,
    call: async (request, { signal, world, onDelta }) => {
      if (last(request) !== 'user: one')
        return {
          parts: [{ type: 'text', text: `to ${last(request)}` }],
          finish: 'stop',
          usage: { inputTokens: 1, outputTokens: 1 },
          model: null,
        };
      onDelta?.({ type: 'text', index: 0, text: 'I begin' });
      started.open();
      await world.clock.sleep(3_600_000, signal === undefined ? {} : { signal });
      throw new Error('not reached');
    },
  };
  const { session, of } = scene({ model: waiting });
  const one = session.send('one');
  const reader = (async () => all(one.textStream))();
  await started.opened;
  const queued = session.send('queued');
  await queued.accepted;
  const now = session.send('now', { deliver: 'interrupt' });
  assert.deepEqual(
    [(await one.result).status, (await now.result).text, (await queued.result).text],
    ['cancelled', 'to user: now', 'to user: queued'],
  );
  assert.deepEqual(
    (await of('turn.ended')).map(({ data }) => data.why ?? ''),
    ['superseded', '', ''],
  );
  const order = (await of('turn.started')).flatMap(({ data }) => data.takes);
  assert.deepEqual(order, [(await one.accepted).seq, (await now.accepted).seq, (await queued.accepted).seq]);
  assert.deepEqual(
    (await of('model.interrupted')).map(({ data }) => data.parts),
    [[{ type: 'text', text: 'I begin' }]],
  );
  assert.equal((await reader).join('').startsWith('I begin'), true);
});

test('an interrupt aborts a running tool, and its late end does not reach the next turn’s prompt as a result', async () => {
  const model = scriptedModel([{ calls: [{ name: 'slow', input: {} }] }, 'done']);
  const slow = tool({
    name: 'slow',
    effect: 'read',
    inputSchema: ANY,
    execute: (_input, { signal }) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
  });
  const { session, of } = scene({ model, tools: [slow] });
  const sent = session.send('go');
  await until(async () => (await of('tool.called')).length === 1);
  assert.equal((await session.send('stop', { deliver: 'interrupt' }).result).text, 'done');
  assert.equal((await sent.result).status, 'cancelled');
  assert.deepEqual(
    (await of('tool.failed')).map(({ data }) => data.why),
    ['cancelled'],
  );
  assert.equal(requestProblem(model.requests[1] ?? { messages: [] }), null);
});

test('any mix of deliveries while calls run and approvals wait is taken in full, and every request is one a provider accepts', async () => {
  const deliver = fc.constantFrom<Deliver>('queue', 'steer', 'interrupt');
  await fc.assert(
    fc.asyncProperty(fc.array(deliver, { minLength: 1, maxLength: 6 }), fc.boolean(), async (delivers, isAsync) => {
      const model = scriptedModel(({ messages }) =>
        messages.at(-1)?.role === 'user' && messages.length < 4
          ? {
              calls: [
                { name: 'ask', input: {} },
                { name: 'look', input: {} },
              ],
            }
          : 'ok',
      );
      const run = (value: string) => (isAsync ? async () => Promise.resolve(value) : () => value);
      const { session, runtime, events } = scene({
        model,
        tools: [
          tool({ name: 'ask', inputSchema: ANY, needsApproval: true, execute: run('asked') }),
          tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: run('seen') }),
        ],
      });
      const runs = [session.send('first'), ...delivers.map((how, n) => session.send(`m${n}`, { deliver: how }))];
      await Promise.all(runs.map((one) => one.accepted));
      for (let round = 0; round < 20; round++) {
        await runtime.idle();
        const [pending] = (await session.at()).pending;
        if (pending === undefined) break;
        await session.respond(pending.id, { decision: 'approve' }).accepted;
      }
      await runtime.idle();
      const { state, pending } = await session.at();
      assert.deepEqual([state.turn.open, state.turn.inbox.length, pending.length], [null, 0, 0]);
      assert.equal((await events()).filter(({ type }) => type === 'message.received').length, runs.length);
      for (const request of model.requests) assert.equal(requestProblem(request), null);
    }),
    { numRuns: 60 },
  );
});

test('an unknown way to deliver is refused by name and nothing is sent', async () => {
  const { session, store } = scene({ script: ['ok'] });
  assert.throws(() => session.send('x', { deliver: 'now' as Deliver }), {
    code: 'OPTION_INVALID',
    message: /queue, steer, interrupt; "now" came/,
  });
  assert.equal(await store.head('s'), 0);
});
