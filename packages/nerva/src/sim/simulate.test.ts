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
