import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { openaiChat, scriptedModel, type ScriptStep } from '../model/index.ts';
import { nodeWorld } from '../node/index.ts';
import { memoryStore } from '../log/index.ts';
import { openaiMock } from '../testing/index.ts';
import { tool } from '../tool/index.ts';
import { createAgent, createRuntime, type Budget } from './index.ts';
import { ANY, scene } from './session-scene.test.ts';

const usage = (inputTokens: number, outputTokens: number) => ({ inputTokens, outputTokens });
const look = tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => 'seen' });
const looking = (given?: ScriptStep['usage']): ScriptStep => ({
  calls: [{ name: 'look', input: {} }],
  ...(given === undefined ? {} : { usage: given }),
});
/** Looks for ever, at a price a step. */
const forEver = (given?: ScriptStep['usage'], price?: { inputUsd: number; outputUsd: number }) =>
  scriptedModel(() => looking(given), price === undefined ? {} : { price });
const PARAMS = { maxOutputTokens: 100 } as const;

test('a call is made only when its worst case fits into what the turn has left, and an outcome settles the reservation', async () => {
  const model = forEver(usage(200, 50));
  const { session, of } = scene({ model, tools: [look], params: PARAMS, budget: { turnTokensMax: 2_000 }, stepsMax: 100 });
  const { status, reason, steps } = await session.send('go').result;
  const [ended] = await of('turn.ended');
  assert.deepEqual([status, reason], ['stopped', 'budget']);
  assert.match(ended?.data.why ?? '', /^turnTokensMax 2000: \d+ spent, the next call may take \d+$/);
  const reserved = (await of('model.called')).map(({ data }) => data.reserve?.tokens ?? 0);
  reserved.forEach((tokens, n) => assert.ok(n * 250 + tokens <= 2_000, `call ${n} reserved ${tokens}`));
  assert.ok(steps > 2 && steps * 250 <= 2_000);
  const { budget } = (await session.at()).state;
  assert.deepEqual([budget.turn.tokens, budget.reserved], [steps * 250, null]);
});

test('any usage the model reports within its worst case keeps spent and reserved within the limit', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 0, max: 3_000 }),
      async (outputs, turnTokensMax) => {
        const model = scriptedModel((_request, n) => looking(usage(60, outputs[n % outputs.length] ?? 1)));
        const { session, of } = scene({ model, tools: [look], params: PARAMS, budget: { turnTokensMax }, stepsMax: 50 });
        await session.send('go').result;
        let spent = 0;
        for (const event of await of('model.called')) assert.ok((event.data.reserve?.tokens ?? Infinity) <= turnTokensMax);
        for (const { data } of await of('model.answered')) spent += (data.usage.inputTokens ?? 0) + (data.usage.outputTokens ?? 0);
        assert.ok(spent <= turnTokensMax);
      },
    ),
    { numRuns: 25 },
  );
});

test('a limit per session counts all turns, one per turn begins anew', async () => {
  const options = { tools: [look], params: PARAMS, stepsMax: 100 };
  const perTurn = scene({ ...options, script: () => ({ text: 'ok', usage: usage(300, 10) }), budget: { turnTokensMax: 500 } });
  const perSession = scene({ ...options, script: () => ({ text: 'ok', usage: usage(300, 10) }), budget: { sessionTokensMax: 500 } });
  const reasons = async ({ session }: typeof perTurn) => [
    (await session.send('one').result).reason,
    (await session.send('two').result).reason,
  ];
  assert.deepEqual(await reasons(perSession), ['answer', 'budget']);
  // What was spent before is part of the next request, so the second turn's own worst case is larger; 500 do not cover it, 2,000 do.
  assert.deepEqual(
    await reasons(scene({ ...options, script: () => ({ text: 'ok', usage: usage(300, 10) }), budget: { turnTokensMax: 900 } })),
    ['answer', 'answer'],
  );
  assert.equal((await perTurn.session.send('one').result).reason, 'answer');
});

test('usage that nobody reports keeps the reservation as spent and is shown as unknown', async () => {
  const { session, of } = scene({
    script: [{ text: 'ok' }, { text: 'ok', usage: usage(1, 1) }],
    params: PARAMS,
    budget: { sessionTokensMax: 10_000 },
  });
  const result = await session.send('go').result;
  const reserved = (await of('model.called'))[0]?.data.reserve?.tokens;
  const { budget } = (await session.at()).state;
  assert.ok((reserved ?? 0) > 100);
  assert.deepEqual([budget.session.tokens, result.usage], [reserved, { inputTokens: null, outputTokens: null }]);
});

test('a limit in USD reserves by the price, settles by the usage, and stops before the call that may exceed it', async () => {
  const price = { inputUsd: 1_000, outputUsd: 10_000 };
  const model = forEver(usage(100, 10), price);
  const { session, of } = scene({ model, tools: [look], params: PARAMS, budget: { turnUsdMax: 4 }, stepsMax: 100 });
  const { reason, steps } = await session.send('go').result;
  const spent = (await of('model.answered')).reduce((sum, { data }) => sum + (data.usd ?? NaN), 0);
  assert.equal(reason, 'budget');
  assert.ok(Math.abs(spent - steps * 0.2) < 1e-9);
  assert.ok(steps > 1 && spent <= 4);
  for (const [n, { data }] of (await of('model.called')).entries()) assert.ok(n * 0.2 + (data.reserve?.usd ?? Infinity) <= 4);
  const forSession = scene({ model: forEver(usage(100, 10), price), tools: [look], params: PARAMS, budget: { sessionUsdMax: 0.5 } });
  const refused = await forSession.session.send('go').result;
  assert.deepEqual([refused.reason, refused.steps], ['budget', 0]);
});

test('a limit of zero makes no call at all', async () => {
  for (const budget of [
    { turnTokensMax: 0 },
    { sessionTokensMax: 0 },
    { turnUsdMax: 0 },
    { sessionStepsMax: 0 },
    { turnMs: 0 },
  ] as const satisfies readonly Budget[]) {
    const model = forEver(usage(1, 1), { inputUsd: 1, outputUsd: 1 });
    const { session } = scene({ model, tools: [look], params: PARAMS, budget });
    assert.deepEqual([(await session.send('go').result).reason, model.callCount], ['budget', 0], JSON.stringify(budget));
  }
});

test('time is counted from event to event, waiting for a person included, and per session over turns', async () => {
  const wait = tool({ name: 'wait', effect: 'read', needsApproval: true, inputSchema: ANY, execute: () => 'seen' });
  const asking: ScriptStep = { calls: [{ name: 'wait', input: {} }] };
  const turn = scene({ script: [asking, 'never asked'], tools: [wait], budget: { turnMs: 60_000 } });
  const { pending } = await turn.session.send('go').result;
  await turn.world.advance(60_000);
  const late = await turn.session.respond(pending[0]?.id ?? 's:0', { decision: 'approve' }).result;
  assert.deepEqual([late.reason, late.why], ['budget', 'turnMs 60000']);
  const session = scene({ script: () => 'ok', budget: { sessionMs: 60_000 } });
  assert.equal((await session.session.send('one').result).reason, 'answer');
  await session.world.advance(59_999);
  assert.equal((await session.session.send('two').result).reason, 'answer');
  await session.world.advance(1);
  assert.equal((await session.session.send('three').result).reason, 'budget');
});

test('steps of a session are counted over its turns', async () => {
  const { session } = scene({ script: () => 'ok', budget: { sessionStepsMax: 2 } });
  const reasons: unknown[] = [];
  for (const text of ['one', 'two', 'three']) reasons.push((await session.send(text).result).reason);
  assert.deepEqual(reasons, ['answer', 'answer', 'budget']);
});

test('a conversation that does not fit the model is refused before the call: no request reaches the server', async (t) => {
  const mock = await openaiMock({ answer: () => 'never' });
  const world = nodeWorld();
  const model = openaiChat({ model: 'm', baseUrl: mock.baseUrl, contextTokensMax: 100 });
  const runtime = createRuntime({ store: memoryStore({ world }), world, agents: [createAgent({ name: 'a', model })] });
  t.after(async () => {
    await runtime.close();
    await world.transport.close();
    await mock.close();
  });
  const { status, why } = await runtime.session(undefined, { agent: 'a' }).send('word '.repeat(500)).result;
  assert.equal(status, 'failed');
  assert.match(why, /^CONTEXT_TOO_LONG: about \d+ tokens, the model takes 100$/);
  assert.deepEqual([mock.requests.length, mock.connectionCount], [0, 0]);
});

test('a turn that reached its budget is followed by one that works', async () => {
  const model = scriptedModel(() => ({ text: 'ok', usage: usage(10, 1) }));
  const { session } = scene({ model, budget: { turnMs: 10 } });
  assert.equal((await session.send('one').result).reason, 'answer');
  assert.equal((await session.send('two').result).reason, 'answer');
});
