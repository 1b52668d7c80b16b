import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore } from '../log/index.ts';
import { openaiChat, scriptedModel, type Model, type ModelAnswer } from '../model/index.ts';
import { nodeWorld } from '../node/index.ts';
import { openaiMock, requestProblem, type MockAnswer } from '../testing/index.ts';
import { tool } from '../tool/index.ts';
import { createAgent, createRuntime, type AgentEvent, type AgentOptions } from './index.ts';
import { ANY, all, scene, until } from './session-scene.test.ts';

const look = tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => 'seen' });
const looking = { calls: [{ name: 'look', input: {} }] };
const outcomes = (events: readonly AgentEvent[]): AgentEvent[] =>
  events.filter(({ type }) => type === 'model.answered' || type === 'model.failed' || type === 'model.interrupted');

test('a definition that cannot run fails when it is made, and says what to give', () => {
  const model = scriptedModel(['ok']);
  const cases: readonly (readonly [Record<string, unknown>, string, RegExp])[] = [
    [{ name: 'a' }, 'AGENT_INVALID', /neither model nor policy/],
    [{ name: 'a', model, instruction: 'x' }, 'OPTION_UNKNOWN', /Did you mean "instructions"\?/],
    [{ name: 'a', model, budget: { turnTokenMax: 1 } }, 'OPTION_UNKNOWN', /Did you mean "turnTokensMax"\?/],
    [{ name: 'a', model, budget: { turnMs: -1 } }, 'OPTION_INVALID', /budget\.turnMs must be a number from 0/],
    [{ name: 'a', model, budget: { turnUsdMax: NaN } }, 'OPTION_INVALID', /budget\.turnUsdMax.*NaN came/],
    [{ name: 'a', model, budget: { turnTokensMax: 10 } }, 'AGENT_INVALID', /give params\.maxOutputTokens/],
    [
      { name: 'a', model, params: { maxOutputTokens: 5 }, budget: { sessionUsdMax: 1 } },
      'AGENT_INVALID',
      /price of scripted\/model is unknown/,
    ],
    [{ name: 'a', model, stepsMax: 0 }, 'OPTION_INVALID', /stepsMax/],
    [{ name: 'a b', model }, 'AGENT_INVALID', /name must be/],
    [{ name: 'a', model: 'openai/gpt-5' }, 'AGENT_INVALID', /is the text "openai\/gpt-5"; give a Model/],
    [{ name: 'a', model: 7 }, 'AGENT_INVALID', /is a number; give a Model/],
    [{ name: 'a', model: null }, 'AGENT_INVALID', /is a object; give a Model/],
    [{ name: 'a', model: { name: 'x' } }, 'AGENT_INVALID', /is a object; give a Model/],
    [{ name: 'a', model: { call: model.call } }, 'AGENT_INVALID', /is a object; give a Model/],
    [{ name: 'a', model: { name: 'x', call: 'later' } }, 'AGENT_INVALID', /is a object; give a Model/],
    [{ name: 'a', model, tools: [look, look] }, 'TOOL_INVALID', /look/],
  ];
  for (const [options, code, message] of cases)
    assert.throws(() => createAgent(options as unknown as AgentOptions), { code, message }, JSON.stringify(options));
});

test('stepsMax stops a model that calls tools for ever, and the conversation stays whole', async () => {
  const model = scriptedModel((_request, n) => (n < 3 ? looking : 'ok'));
  const { session } = scene({ model, tools: [look], stepsMax: 3 });
  const { status, reason, steps, why } = await session.send('go').result;
  assert.deepEqual([status, reason, steps, why, model.callCount], ['stopped', 'steps', 3, 'stepsMax 3', 3]);
  assert.equal((await session.send('more').result).text, 'ok');
  assert.equal(requestProblem(model.requests[3] ?? { messages: [] }), null);
});

test('stopWhen ends the turn after the step in which it holds, not before the results are in', async () => {
  const { session, of } = scene({
    script: () => looking,
    tools: [look],
    stopWhen: ({ calls }) => calls.filter(({ name }) => name === 'look').length >= 2,
  });
  const { reason, steps } = await session.send('go').result;
  assert.deepEqual([reason, steps, (await of('tool.returned')).length], ['steps', 2, 2]);
});

const strange: Readonly<Record<string, Model['call']>> = {
  'throws at once': () => {
    throw new Error('no model');
  },
  'throws something that is no error': () => {
    // oxlint-disable-next-line typescript/only-throw-error -- that is what is tested
    throw { code: 7 } as never;
  },
  rejects: () => Promise.reject(new Error('later '.repeat(10_000))),
  'gives nothing': () => Promise.resolve(undefined as unknown as ModelAnswer),
  'gives text in place of an answer': () => Promise.resolve('hello' as unknown as ModelAnswer),
  'gives no usage': () => Promise.resolve({ parts: [], finish: 'stop' } as unknown as ModelAnswer),
  'gives parts that are null': () => Promise.resolve({ parts: [null], finish: 'stop', usage: {}, model: null } as unknown as ModelAnswer),
  'gives parts of an unknown type': () =>
    Promise.resolve({
      parts: [{ type: 'dance' }],
      finish: 'stop',
      usage: { inputTokens: 1, outputTokens: 1 },
      model: null,
    } as unknown as ModelAnswer),
  'gives a call whose input is no JSON': () =>
    Promise.resolve({
      parts: [{ type: 'tool_call', id: 'c', name: 'look', input: { n: NaN } }],
      finish: 'tool_calls',
      usage: { inputTokens: 1, outputTokens: 1 },
      model: null,
    }),
  'does not return a promise': () => 5 as unknown as Promise<ModelAnswer>,
};

for (const [name, callOf] of Object.entries(strange)) {
  test(`a model that ${name} has exactly one outcome event, a small one, and the session goes on`, async () => {
    let calls = 0;
    const model: Model = {
      name: 'odd/model',
      call: (request, options) =>
        calls++ === 0
          ? callOf(request, options)
          : Promise.resolve({
              parts: [{ type: 'text', text: 'ok' }],
              finish: 'stop',
              usage: { inputTokens: 1, outputTokens: 1 },
              model: null,
            }),
    };
    const { session, events } = scene({ model, tools: [look], retry: false });
    const { status, why } = await session.send('go').result;
    assert.equal(status, 'failed');
    assert.match(
      why,
      name.startsWith('throws') || name === 'rejects'
        ? /^MODEL_UNAVAILABLE: (no model|\{"code":7\}|later)/
        : /^(MODEL_GARBAGE|JSON_INVALID): /,
    );
    const ended = outcomes(await events());
    assert.deepEqual(
      ended.map(({ type }) => type),
      ['model.failed'],
    );
    assert.ok(JSON.stringify(ended[0]).length < 4_096);
    assert.equal((await session.send('again').result).text, 'ok');
  });
}

test('a count of tokens that is none is unknown, so the reservation stays spent and the budget holds', async () => {
  for (const usage of [
    {},
    { inputTokens: NaN, outputTokens: 1 },
    { inputTokens: -5, outputTokens: 1 },
    { inputTokens: '7', outputTokens: 1 },
  ]) {
    const model: Model = {
      name: 'odd/model',
      call: () => Promise.resolve({ parts: [{ type: 'text', text: 'ok' }], finish: 'stop', usage } as unknown as ModelAnswer),
    };
    const { session, of } = scene({ model, params: { maxOutputTokens: 10 }, budget: { sessionTokensMax: 500 } });
    const reasons: unknown[] = [];
    for (let n = 0; n < 12; n++) reasons.push((await session.send('go').result).reason);
    if (!Number.isNaN(usage.inputTokens))
      assert.deepEqual([reasons[0], (await of('model.answered'))[0]?.data.usage.inputTokens], ['answer', null]);
    else assert.equal((await of('model.failed'))[0]?.data.code, 'JSON_INVALID');
    if (!Number.isNaN(usage.inputTokens)) assert.equal(reasons.at(-1), 'budget');
  }
});

test('an answer that was cut by its length limit is an answer that says so', async () => {
  const { session } = scene({ script: [{ text: 'One upon a', finish: 'length' }] });
  const { status, text, finish } = await session.send('go').result;
  assert.deepEqual([status, text, finish], ['answered', 'One upon a', 'length']);
});

test('an answer without any part is an empty answer', async () => {
  const { session } = scene({ script: [{ parts: [] }, 'ok'] });
  const { status, text } = await session.send('go').result;
  assert.deepEqual([status, text], ['answered', '']);
  assert.equal((await session.send('again').result).text, 'ok');
});

test('a model that hangs and does not hear its signal is given up after ten minutes', async () => {
  const model: Model = { name: 'hung/model', call: () => new Promise(() => undefined) };
  const { session, world, of } = scene({ model, retry: false });
  const { result } = session.send('go');
  await until(async () => (await of('model.called')).length === 1);
  await world.advance(599_999);
  assert.equal((await of('turn.ended')).length, 0);
  await world.advance(1);
  const { status, why } = await result;
  assert.equal(status, 'failed');
  assert.match(why, /^HTTP_TIMEOUT: .*600000 ms/);
});

test('a turn with a time limit gives its model no longer than what is left of it', async () => {
  const model: Model = { name: 'hung/model', call: () => new Promise(() => undefined) };
  const { session, world, of } = scene({ model, budget: { turnMs: 5_000 } });
  const { result } = session.send('go');
  await until(async () => (await of('model.called')).length === 1);
  await world.advance(5_000);
  assert.notEqual((await result).status, 'answered');
});

test('an answer that comes after its call was given up is not taken', async () => {
  let answer = (_given: ModelAnswer): void => undefined;
  const model: Model = { name: 'late/model', call: () => new Promise((resolve) => (answer = resolve)) };
  const { session, world, of, events } = scene({ model });
  const { result } = session.send('go');
  await until(async () => (await of('model.called')).length === 1);
  await session.cancel();
  await result;
  answer({ parts: [{ type: 'text', text: 'late' }], finish: 'stop', usage: { inputTokens: 1, outputTokens: 1 }, model: null });
  await world.advance(1_000);
  assert.deepEqual(
    outcomes(await events()).map(({ type }) => type),
    ['model.interrupted'],
  );
});

const faults: readonly (readonly [string, MockAnswer, string])[] = [
  ['breaks before an answer', { fault: 'reset-early' }, 'HTTP_BROKEN'],
  ['breaks in the middle', { text: 'hello there', fault: 'reset' }, 'HTTP_BROKEN'],
  ['answers half', { text: 'hello there', fault: 'truncated' }, 'MODEL_|HTTP_BROKEN'],
  ['answers something else', { raw: { body: '<html>502</html>' } }, 'MODEL_GARBAGE|MODEL_TRUNCATED'],
  ['is down', { raw: { status: 503, body: '{}' } }, 'MODEL_UNAVAILABLE'],
  ['limits the rate', { raw: { status: 429, headers: { 'retry-after': '7' }, body: '{}' } }, 'MODEL_RATE_LIMITED'],
];

for (const [name, answer, code] of faults) {
  test(`a provider that ${name} gives exactly one failure with its code, streamed or not, and the next turn works`, async (t) => {
    const mock = await openaiMock({ answer: (_request, n) => (n < 2 ? answer : 'ok') });
    const world = nodeWorld();
    const runtime = createRuntime({
      store: memoryStore({ world }),
      world,
      agents: [createAgent({ name: 'a', model: openaiChat({ model: 'm', baseUrl: mock.baseUrl }), retry: false })],
    });
    t.after(async () => {
      await runtime.close();
      await world.transport.close();
      await mock.close();
    });
    const session = runtime.session('s', { agent: 'a' });
    const plain = await session.send('one').result;
    const streamed = session.send('two');
    await all(streamed.textStream);
    for (const result of [plain, await streamed.result]) assert.match(`${result.status} ${result.why}`, new RegExp(`^failed (${code})`));
    const failed = outcomes(await all(session.log()));
    assert.deepEqual(
      failed.map(({ type }) => type),
      ['model.failed', 'model.failed'],
    );
    if (code === 'MODEL_RATE_LIMITED')
      for (const event of failed) assert.equal(event.type === 'model.failed' && event.data.retryAfterMs, 7_000);
    assert.equal((await session.send('three').result).text, 'ok');
  });
}

test('a session that is full says so to the sender and keeps its log', async () => {
  const { session, events } = scene({ script: () => 'ok', limits: { eventsMax: 12 } });
  await session.send('one').result;
  let failure: unknown = null;
  for (let n = 0; n < 5 && failure === null; n++) await session.send('more').result.catch((error: unknown) => (failure = error));
  assert.equal((failure as { code?: string } | null)?.code, 'SESSION_FULL');
  assert.ok((await events()).length <= 12);
});
