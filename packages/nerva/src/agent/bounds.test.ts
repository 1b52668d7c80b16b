import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError, type ErrorCode } from '../core/index.ts';
import { memoryStore } from '../log/index.ts';
import { scriptedModel, type Model } from '../model/index.ts';
import { testWorld } from '../testing/index.ts';
import { tool } from '../tool/index.ts';
import { createAgent, createRuntime, type AgentOptions, type RuntimeOptions } from './index.ts';
import { scene } from './session-scene.test.ts';

const coded = (code: ErrorCode) => (error: unknown) => NervaError.is(error, code);
const agentWith = (options: Partial<AgentOptions>) => createAgent({ name: 'a', model: scriptedModel(['ok']), ...options });
const runtimeWith = (options: Partial<RuntimeOptions>) => {
  const world = testWorld();
  return createRuntime({ store: memoryStore({ world }), world, agents: [agentWith({})], ...options });
};

test('every number of an agent is taken from its least to its greatest value, and refused by its name beyond', () => {
  const bounds = { stepsMax: [1, 10_000], outputRetriesMax: [0, 10], outputBytesMax: [1024, 64 * 1024 * 1024] } as const;
  for (const [name, [min, max]] of Object.entries(bounds)) {
    for (const value of [min, max]) assert.equal(Object.entries(agentWith({ [name]: value })).find(([key]) => key === name)?.[1], value);
    for (const value of [min - 1, max + 1])
      assert.throws(() => agentWith({ [name]: value }), { code: 'OPTION_INVALID', message: new RegExp(`^${name} `) });
  }
});

test('every number of a retry is taken from its least to its greatest value, refused by its name beyond, and has a default', () => {
  const hourMs = 3_600_000;
  const bounds = {
    retriesMax: [0, 100],
    initialMs: [0, hourMs],
    factor: [1, 10],
    delayMsMax: [0, 24 * hourMs],
    jitter: [0, 1],
    retryAfterMsMax: [0, 24 * hourMs],
  } as const;
  for (const [name, [min, max]] of Object.entries(bounds)) {
    for (const value of [min, max])
      assert.equal(Object.entries(agentWith({ retry: { [name]: value } }).retry).find(([key]) => key === name)?.[1], value);
    for (const value of [min - 1, max + 1])
      assert.throws(() => agentWith({ retry: { [name]: value } }), { code: 'OPTION_INVALID', message: new RegExp(`^retry\\.${name} `) });
  }
  const retry = { retriesMax: 3, initialMs: 1_000, factor: 2, delayMsMax: 60_000, jitter: 0.1, retryAfterMsMax: 600_000 };
  assert.deepEqual(agentWith({}).retry, retry);
  assert.deepEqual(agentWith({ retry: false }).retry, { ...retry, retriesMax: 0 });
});

test('an agent with an output schema asks for it beside its other parameters', () => {
  const params = { maxOutputTokens: 10, temperature: 0.5 };
  const output = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] } as const;
  const made = agentWith({ params, output }).params;
  assert.deepEqual({ ...made, outputSchema: null }, { ...params, outputSchema: null });
  assert.equal(typeof made.outputSchema, 'object');
});

test('an agent with tools is refused where its model is known to call none', () => {
  const look = tool({ name: 'look', effect: 'read', inputSchema: { type: 'object' }, execute: () => 1 });
  const model = (tool_use: number): Model => ({ ...scriptedModel([]), name: 'm', capabilities: { tool_use } as never });
  assert.throws(() => agentWith({ model: model(0), tools: [look] }), { code: 'AGENT_INVALID', message: /m cannot call any/ });
  assert.equal(agentWith({ model: model(0) }).tools.length, 0);
  assert.equal(agentWith({ model: model(1), tools: [look] }).tools.length, 1);
});

test('every number of a runtime is taken from its least to its greatest value, and refused by its name beyond', () => {
  const bounds = { resumeMax: [1, 100_000], idleMax: [0, 100_000], graceMs: [0, 600_000], fileBytesMax: [0, 2 ** 30] } as const;
  for (const [name, [min, max]] of Object.entries(bounds)) {
    for (const value of [min, max]) runtimeWith({ [name]: value });
    for (const value of [min - 1, max + 1])
      assert.throws(() => runtimeWith({ [name]: value }), { code: 'OPTION_INVALID', message: new RegExp(`^${name} `) });
  }
});

test('what an agent is not told has a default', () => {
  const { instructions, tools, params, stepsMax, stopWhen, budget, approval, output, outputRetriesMax, outputBytesMax } = agentWith({});
  assert.deepEqual(
    { instructions, tools, params, stepsMax, stopWhen, budget, approval, output, outputRetriesMax, outputBytesMax },
    {
      instructions: '',
      tools: [],
      params: {},
      stepsMax: 20,
      stopWhen: [],
      budget: undefined,
      approval: undefined,
      output: undefined,
      outputRetriesMax: 2,
      outputBytesMax: 262_144,
    },
  );
});

test('an option that does not exist is refused by the function it was given to', () => {
  const unknown: readonly [string, () => unknown][] = [
    ['createAgent has', () => agentWith({ step: 1 } as never)],
    ['createAgent: budget has', () => agentWith({ budget: { turnMax: 1 } as never })],
    ['createRuntime has', () => runtimeWith({ grace: 1 } as never)],
    ['session has', () => runtimeWith({}).session('s', { agnt: 'a' } as never)],
    [
      'send has',
      () =>
        runtimeWith({})
          .session('s', { agent: 'a' })
          .send('x', { file: [] } as never),
    ],
  ];
  for (const [where, make] of unknown) assert.throws(make, { code: 'OPTION_UNKNOWN', message: new RegExp(`^${where} no option`) }, where);
});

test('a name of 1 to 64 letters is taken, and an agent has a name and something that decides', () => {
  assert.equal(agentWith({ name: 'x'.repeat(64) }).name.length, 64);
  for (const name of ['', 'x'.repeat(65), 'a b', 7 as never]) assert.throws(() => agentWith({ name }), coded('AGENT_INVALID'));
  assert.throws(() => createAgent({ name: 'a' }), coded('AGENT_INVALID'));
});

test('a budget of tokens or USD is refused where its worst case cannot be known', () => {
  const params = { maxOutputTokens: 10 };
  const model = scriptedModel(['ok'], { price: { inputUsd: 1, outputUsd: 1 } });
  for (const limit of ['turnTokensMax', 'sessionTokensMax', 'turnUsdMax', 'sessionUsdMax'] as const) {
    assert.throws(() => agentWith({ model, budget: { [limit]: 1 } }), coded('AGENT_INVALID'), limit);
    assert.equal(agentWith({ model, params, budget: { [limit]: 0 } }).budget?.[limit], 0);
    if (limit.endsWith('UsdMax')) assert.throws(() => agentWith({ params, budget: { [limit]: 1 } }), coded('AGENT_INVALID'), limit);
    else assert.equal(agentWith({ params, budget: { [limit]: 1 } }).budget?.[limit], 1);
    assert.throws(() => agentWith({ model, params, budget: { [limit]: -1 } }), coded('OPTION_INVALID'));
  }
  for (const limit of ['turnMs', 'sessionMs', 'sessionStepsMax'] as const)
    assert.equal(agentWith({ budget: { [limit]: 5 } }).budget?.[limit], 5);
});

test('two agents of one name are refused, and so is an agent that is not there', async () => {
  assert.throws(() => runtimeWith({ agents: [agentWith({}), agentWith({})] }), coded('AGENT_INVALID'));
  assert.throws(() => runtimeWith({}).session('s', { agent: 'b' }), coded('AGENT_UNKNOWN'));
  await assert.rejects(runtimeWith({}).session('s').send('go').result, coded('SESSION_UNKNOWN'));
});

test('the session of a new id has an id of its own', async () => {
  const { runtime } = scene({ script: ['ok'] });
  const [one, other] = [runtime.session(undefined, { agent: 'a' }), runtime.session(undefined, { agent: 'a' })];
  assert.match(one.sid, /^[0-9a-f]{32}$/);
  assert.notEqual(one.sid, other.sid);
});
