import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryProjectionRows, memoryStore, projections } from '../log/index.ts';
import { scriptedModel } from '../model/index.ts';
import { testWorld } from '../testing/index.ts';
import { tool } from '../tool/index.ts';
import { createAgent, createRuntime, usageOf, usageProjection } from './index.ts';

const add = tool({ name: 'add', description: 'adds', inputSchema: { type: 'object' }, effect: 'read', execute: () => 3 });
const ask = [
  { calls: [{ name: 'add', input: {} }], usage: { inputTokens: 10, outputTokens: 2 } },
  { text: 'three', usage: { inputTokens: 20, outputTokens: 1 } },
];

test('usage is counted by agent, caught up in pieces as at once, and a fork counts its own events only', async () => {
  const world = testWorld();
  const store = memoryStore({ world });
  const agents = [
    createAgent({ name: 'counter', model: scriptedModel([...ask, 'more']), tools: [add] }),
    createAgent({ name: 'mute', model: scriptedModel([]) }),
  ];
  const runtime = createRuntime({ store, agents, world });
  const options = { store, world, list: [usageProjection] };
  const inPieces = projections({ ...options, rows: memoryProjectionRows() });
  const session = runtime.session('s', { agent: 'counter' });
  await session.send('add').result;
  await inPieces.catchUp();
  const fork = await session.fork(2);
  await fork.send('again').result;
  await runtime.session('m', { agent: 'mute' }).send('x').result;
  await inPieces.catchUp();
  const atOnce = projections({ ...options, rows: memoryProjectionRows() });
  await atOnce.catchUp();
  const usage = await inPieces.read('usage', usageOf);
  assert.deepEqual(usage, await atOnce.read('usage', usageOf));
  const { counter, mute } = usage;
  assert.deepEqual(
    [counter?.sessions, counter?.modelCalls, counter?.inputTokens, counter?.outputTokens, counter?.unknownCalls, counter?.tools],
    [2, 3, 30, 3, 1, { returned: 1 }],
  );
  assert.deepEqual([mute?.sessions, mute?.modelCalls, mute?.turns], [1, 0, { error: 1 }]);
  await runtime.close();
});
