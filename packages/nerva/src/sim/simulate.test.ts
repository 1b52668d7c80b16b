import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAgent } from '../agent/index.ts';
import { NervaError } from '../core/index.ts';
import { tool } from '../tool/index.ts';
import { simModel, simulate } from './index.ts';

const look = tool({ name: 'look', inputSchema: { type: 'object' }, effect: 'read', execute: () => ({ seen: true }) });

test('a sound agent holds under random faults', async () => {
  const agent = createAgent({ name: 'sound', model: simModel(), tools: [look] });
  const { runs, fired } = await simulate({ agent, input: 'Go on.', seeds: 40 });
  assert.equal(runs, 40);
  assert.ok(Object.keys(fired).length > 10, 'faults took place');
});

test('an agent that looks at the real clock is told so, with the smallest case', async () => {
  const clock = tool({ name: 'clock', inputSchema: { type: 'object' }, effect: 'read', execute: () => ({ now: Date.now() }) });
  const model = simModel({
    script: ({ messages }) => (messages.at(-1)?.role === 'tool' ? 'Done.' : { calls: [{ name: 'clock', input: {} }] }),
  });
  const agent = createAgent({ name: 'leaky', model, tools: [clock] });
  await assert.rejects(simulate({ agent, input: 'What time is it?', seeds: 5 }), (error: unknown) => {
    assert.ok(NervaError.is(error, 'SIM_VIOLATION'), String(error));
    assert.match(error.message, /Date\.now/);
    assert.match(error.message, /seed/);
    return true;
  });
});

test('an invariant of one’s own that breaks rejects with its name and the plan', async () => {
  const pay = tool({ name: 'pay', inputSchema: { type: 'object' }, effect: 'idempotent', execute: () => ({ paid: true }) });
  const model = simModel({
    script: ({ messages }) => (messages.at(-1)?.role === 'tool' ? 'Paid.' : { calls: [{ name: 'pay', input: {} }] }),
  });
  const agent = createAgent({ name: 'payer', model, tools: [pay] });
  const once = {
    name: 'pays once',
    check: ({ outside }: { readonly outside: { readonly executions: readonly unknown[] } }) =>
      outside.executions.length <= 1 ? null : `It paid ${outside.executions.length} times.`,
  };
  await assert.rejects(simulate({ agent, input: 'Pay.', faults: 'exhaustive', invariants: [once] }), (error: unknown) => {
    assert.ok(NervaError.is(error, 'SIM_VIOLATION'), String(error));
    assert.match(error.message, /pays once/);
    assert.match(error.message, /It paid 2 times/);
    return true;
  });
});

test('options that make no sense are refused before anything runs', async () => {
  const agent = createAgent({ name: 'a', model: simModel() });
  await assert.rejects(simulate({ agent }), (error) => NervaError.is(error, 'OPTION_INVALID'));
  await assert.rejects(simulate({ agent, input: 'x', seeds: 0 }), (error) => NervaError.is(error, 'OPTION_INVALID'));
  await assert.rejects(simulate({ agent, input: 'x', sedes: 3 } as never), (error) => NervaError.is(error, 'OPTION_UNKNOWN'));
});

test('a plan is tried under each seed, and none means none', async () => {
  const agent = createAgent({ name: 'sound', model: simModel(), tools: [look] });
  const planned = await simulate({
    agent,
    input: 'Go on.',
    faults: [{ point: 'model.call', kind: 'model.slow', occurrence: 1 }],
    seeds: 3,
  });
  assert.deepEqual([planned.runs, planned.fired], [3, { 'model.slow': 3 }]);
  const calm = await simulate({ agent, input: 'Go on.', faults: 'none' });
  assert.deepEqual([calm.runs, calm.fired], [1, {}]);
});

test('what keeps a run from beginning is SIM_INVALID and names the part, also when the scenario’s own code throws', async () => {
  const agent = createAgent({ name: 'a', model: simModel() });
  const throws = (): never => {
    throw new Error('no such file');
  };
  for (const [options, says] of [
    [{ agent, steps: [] }, /needs steps/],
    [{ agent, steps: [{ type: 'send', atMs: -1, sid: 's', text: 'x' }] }, /step \(number 0\) that has no atMs/],
    [{ agent, steps: [{ type: 'sned', atMs: 1, sid: 's', text: 'x' }] }, /has no type of send, cancel/],
    [{ agent, steps: [{ type: 'send', atMs: 1, sid: 's', text: 'x', agent: 'b' }] }, /names an agent that is not there/],
    [{ agent, steps: [{ type: 'send', atMs: 1, sid: 's', text: 'x', process: -1 }] }, /has a process that is no number from 0/],
    [{ agents: [agent, agent], input: 'x' }, /two agents that are named "a"/],
    [{ agents: [{}], input: 'x' }, /createAgent\(\) did not make/],
    [{ agent, input: 'x', invariants: [{ name: 'law' }] }, /invariant \(number 0\)/],
    [{ agent, input: 'x', processes: 9 }, /has 9 processes: 1 to 8/],
    [{ agents: throws, input: 'x' }, /threw while a run was set up.*no such file/],
    [{ agent, steps: throws }, /threw while a run was set up.*no such file/],
  ] as const) {
    await assert.rejects(simulate(options as never), (error: unknown) => {
      assert.ok(NervaError.is(error, 'SIM_INVALID'), String(error));
      assert.match(error.message, says);
      return true;
    });
  }
});

test('an agent that keeps something between runs is told that two runs of one seed differ', async () => {
  let calls = 0;
  const count = tool({ name: 'count', inputSchema: { type: 'object' }, effect: 'read', execute: () => ({ calls: ++calls }) });
  const model = simModel({
    script: ({ messages }) => (messages.at(-1)?.role === 'tool' ? 'Done.' : { calls: [{ name: 'count', input: {} }] }),
  });
  const agent = createAgent({ name: 'counter', model, tools: [count] });
  for (const faults of ['none', 'random'] as const)
    await assert.rejects(simulate({ agent, input: 'Count.', faults, seeds: 3 }), /"same seed, same bytes" does not hold/);
});

test('a violation says as data which steps were needed, and its own line runs it again', async () => {
  const pay = tool({ name: 'pay', inputSchema: { type: 'object' }, effect: 'irreversible', execute: () => ({ paid: true }) });
  const model = simModel({
    script: ({ messages }) => (messages.at(-1)?.role === 'tool' ? 'Paid.' : { calls: [{ name: 'pay', input: {} }] }),
  });
  const agent = createAgent({ name: 'payer', model, tools: [pay] });
  const never = {
    name: 'b pays nothing',
    check: ({ outside }: { readonly outside: { readonly executions: readonly { readonly call: string }[] } }) =>
      outside.executions.some(({ call }) => call.startsWith('b:')) ? 'It paid.' : null,
  };
  const steps = ['a', 'b', 'c'].map((sid, index) => ({ type: 'send' as const, atMs: 10 + index, sid, text: 'Pay.' }));
  const error: unknown = await simulate({ agent, steps, seeds: 20, invariants: [never] }).catch((caught: unknown) => caught);
  assert.ok(NervaError.is(error, 'SIM_VIOLATION'), String(error));
  const {
    seed,
    plan,
    steps: left,
    again,
  } = error.details as never as {
    readonly seed: number;
    readonly plan: readonly [];
    readonly steps: typeof steps;
    readonly again: string;
  };
  assert.deepEqual(left, [steps[1]]);
  assert.deepEqual([seed, plan], [1, []], 'no fault is needed, on the plain machine');
  assert.ok(error.message.includes(again) && again.includes('"sid":"b"') && !again.includes('"sid":"a"'), again);
  await assert.rejects(simulate({ agent, steps: left, seed, seeds: 1, faults: plan, invariants: [never] }), /b pays nothing/);
});
