/** Tools written for the AI SDK work as they are, with its own `tool()` and with inference. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dynamicTool, jsonSchema, tool } from 'ai';
import { z } from 'zod';
import { createRuntime } from '../../packages/nerva/src/agent/index.ts';
import { memoryStore } from '../../packages/nerva/src/log/index.ts';
import { scriptedModel } from '../../packages/nerva/src/model/index.ts';
import { createAgent } from '../../packages/nerva/src/node/index.ts';
import { testWorld } from '../../packages/nerva/src/testing/index.ts';
import { toTools } from '../../packages/nerva/src/tool/index.ts';

const calls: unknown[] = [];
const weather = tool({
  description: 'Tells the weather of a city.',
  inputSchema: z.object({ city: z.string(), days: z.number().int().default(1) }),
  execute: async ({ city, days }, { toolCallId, abortSignal }) => {
    // Inference: these lines compile only when the schema gives the types.
    const name: string = city.toUpperCase();
    const count: number = days + 0;
    calls.push([toolCallId, abortSignal?.aborted]);
    return Promise.resolve({ name, count });
  },
});
const refund = tool({
  inputSchema: z.object({ euros: z.number() }),
  needsApproval: ({ euros }) => Promise.resolve(euros > 100),
  execute: ({ euros }) => Promise.resolve(`refunded ${euros}`),
});
const small = tool({
  inputSchema: z.object({ euros: z.number() }),
  needsApproval: ({ euros }) => euros > 100,
  execute: ({ euros }) => `refunded ${euros}`,
});
const plain = tool({
  inputSchema: jsonSchema<{ n: number }>({ type: 'object', properties: { n: { type: 'number' } }, required: ['n'] }),
  execute: ({ n }) => n + 1,
});
const loose = dynamicTool({
  description: 'Anything.',
  inputSchema: z.object({ text: z.string() }),
  execute: (input) => Promise.resolve((input as { text: string }).text),
});

const ask = (name: string, input: object) => ({ name, input: input as never });

test('tools of the AI SDK are called by an agent, validated by their own schemas, and default to irreversible', async () => {
  const model = scriptedModel([
    { calls: [ask('weather', { city: 'Rome' }), ask('weather', { city: 7 }), ask('plain', { n: 1 }), ask('loose', { text: 'hi' })] },
    'done',
  ]);
  const agent = createAgent({ name: 'a', model, tools: { weather, plain, loose } });
  assert.deepEqual(
    agent.tools.map(({ name, effect }) => [name, effect]),
    [
      ['weather', 'irreversible'],
      ['plain', 'irreversible'],
      ['loose', 'irreversible'],
    ],
  );
  assert.equal((await agent.generate('go')).text, 'done');
  const outputs = model.requests[1]?.messages.at(-1)?.parts.map((part) => part.type === 'tool_result' && part.output);
  assert.deepEqual([outputs?.[0], outputs?.[2], outputs?.[3]], [{ name: 'ROME', count: 1 }, 2, 'hi']);
  assert.match(String(outputs?.[1]), /city.*string/);
  assert.equal(calls.length, 1);
  assert.match(String((calls[0] as unknown[])[0]), /^[0-9a-f]{32}:\d+$/);
  assert.equal((calls[0] as unknown[])[1], false);
  assert.deepEqual(model.requests[0]?.tools[0]?.inputSchema['required'], ['city']);
});

test('needsApproval of the AI SDK makes the call wait: by its rule when it decides at once, always when it decides later', async () => {
  const world = testWorld();
  const script = [{ calls: [ask('small', { euros: 5 }), ask('small', { euros: 500 }), ask('refund', { euros: 5 })] }, 'done'];
  const runtime = createRuntime({
    store: memoryStore({ world }),
    world,
    agents: [createAgent({ name: 'a', model: scriptedModel(script), tools: { small, refund } })],
  });
  const session = runtime.session('s', { agent: 'a' });
  const { pending } = await session.send('go').result;
  assert.deepEqual(
    pending.map(({ tool: name, input }) => [name, input]),
    [
      ['small', { euros: 500 }],
      ['refund', { euros: 5 }],
    ],
  );
  for (const { id } of pending) await session.respond(id, { decision: 'approve' }).accepted;
  await runtime.idle();
  const outputs = (await session.at()).messages.at(-2)?.parts.map((part) => part.type === 'tool_result' && part.output);
  assert.deepEqual(outputs, ['refunded 5', 'refunded 500', 'refunded 5']);
});

test('a tool that only the provider can run is refused when the agent is made', () => {
  const nobody = tool({ inputSchema: z.object({}) });
  assert.throws(() => toTools({ nobody } as never), { code: 'TOOL_INVALID', message: /nobody/ });
});
