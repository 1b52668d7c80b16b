import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { dynamicTool as DynamicTool, jsonSchema as JsonSchema, tool as AiTool } from 'ai';
import { z } from 'zod';
import { NervaError, type ErrorCode } from '../core/index.ts';
import { tool, toTools, type PlainTool, type Tool, type ToolContext, type ToolInput } from './index.ts';

// The types are those of the AI SDK. Its code cannot be loaded here: a package it needs offers TypeScript under the
// condition `source`, which Node does not strip in node_modules. These do what its functions do.
const aiTool = ((given: unknown) => given) as typeof AiTool;
const dynamicTool = ((given: object) => ({ ...given, type: 'dynamic' })) as unknown as typeof DynamicTool;
const jsonSchema = ((schema: unknown, { validate }: { validate?: unknown } = {}) => ({
  [Symbol.for('vercel.ai.schema')]: true,
  _type: undefined,
  get jsonSchema() {
    return schema;
  },
  validate,
})) as unknown as typeof JsonSchema;

const isCode =
  (code: ErrorCode, text = '') =>
  (error: unknown) =>
    NervaError.is(error, code) && error.message.includes(text);
const SCHEMA = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } as const;
const context = {
  signal: new AbortController().signal,
  callId: 's:1',
  idempotencyKey: 'i:s:1',
  attempt: 1,
  session: { sid: 's', tenant: '', agent: 'a' },
  taint: [],
  now: { atMs: 0 },
  readLog: async () => [],
} satisfies ToolContext;
const only = (input: ToolInput): Tool => {
  const [made, ...more] = toTools(input);
  assert.ok(made !== undefined && more.length === 0);
  return made;
};

test('a tool of tool() stays the same object, in the order given', () => {
  const a = tool({ name: 'a', inputSchema: SCHEMA, execute: () => 1 });
  const b = tool({ name: 'b', inputSchema: SCHEMA, execute: () => 2 });
  assert.deepEqual(toTools([b, a]), [b, a]);
  assert.equal(toTools({ a })[0], a);
  assert.ok(Object.isFrozen(toTools([])));
});

test('a plain object becomes a tool that counts as irreversible unless it says otherwise', () => {
  const made = only({ weather: { inputSchema: SCHEMA, execute: (input: { city: string }) => input.city } });
  assert.deepEqual([made.name, made.effect], ['weather', 'irreversible']);
  assert.equal(only([{ name: 'x', effect: 'read', timeoutMs: 5, inputSchema: SCHEMA, execute: () => 1 } as never]).effect, 'read');
});

test('a tool of the AI SDK gets its abort signal and call id, and this in its functions', async () => {
  const seen: unknown[] = [];
  const made = only({
    weather: aiTool({
      description: 'Tells the weather.',
      inputSchema: z.object({ city: z.string() }),
      execute: async ({ city }, { toolCallId, abortSignal, messages }) => {
        seen.push(toolCallId, abortSignal, messages);
        return Promise.resolve({ city, sky: 'blue' });
      },
    }),
  });
  assert.deepEqual([made.description, made.effect, made.inputJsonSchema['required']], ['Tells the weather.', 'irreversible', ['city']]);
  assert.deepEqual(await made.execute({ city: 'Rome' }, context), { city: 'Rome', sky: 'blue' });
  assert.deepEqual(seen, ['s:1', context.signal, []]);
  const parsed = await made.parseInput({ city: 5 });
  assert.ok(!parsed.ok && parsed.issues.startsWith('$.city:'));
});

test('the functions of a plain object may use this', async () => {
  const made = only({
    x: {
      title: 'X',
      inputSchema: SCHEMA,
      needsApproval(): boolean {
        return this.title !== 'X';
      },
      execute(): string {
        return this.title;
      },
    } as PlainTool & { title: string },
  });
  assert.equal(made.needsApproval({}), false);
  assert.equal(await made.execute({}, context), 'X');
});

test('jsonSchema() of the AI SDK is checked by its own function, or else as JSON Schema', async () => {
  const plain = only({ x: aiTool({ inputSchema: jsonSchema<{ city: string }>(SCHEMA as never), execute: ({ city }) => city }) });
  assert.deepEqual(plain.parseInput({}), { ok: false, issues: '$: lacks "city" (string)' });
  const checked = only({
    x: aiTool({
      inputSchema: jsonSchema<{ n: number }>(
        { type: 'object' },
        { validate: (value) => (value === 7 ? { success: true, value: { n: 7 } } : { success: false, error: new Error('not seven') }) },
      ),
      execute: ({ n }) => n,
    }),
  });
  assert.deepEqual(await checked.parseInput(7), { ok: true, value: { n: 7 } });
  assert.deepEqual(await checked.parseInput(8), { ok: false, issues: '$: not seven (came 8)' });
});

test('needsApproval of the AI SDK is heard; an asynchronous one cannot be and means yes', () => {
  const rule = (needsApproval: unknown): boolean =>
    only({ x: aiTool({ inputSchema: z.object({}), needsApproval: needsApproval as boolean, execute: () => 1 }) }).needsApproval({});
  assert.deepEqual(
    [
      rule(true),
      rule(false),
      rule(undefined),
      rule(() => false),
      rule(async () => Promise.resolve(false)),
      rule((_: unknown, options: { messages: unknown[] }) => options.messages.length > 0),
    ],
    [true, false, false, false, true, false],
  );
});

test('of a tool that yields preliminary results the last is the output', async () => {
  const made = only({
    x: aiTool({
      inputSchema: z.object({}),
      async *execute() {
        yield 'loading';
        yield await Promise.resolve('done');
      },
    }),
  });
  assert.equal(await made.execute({}, context), 'done');
  const aborted = new AbortController();
  aborted.abort();
  await assert.rejects(async () => made.execute({}, { ...context, signal: aborted.signal }), isCode('CANCELLED'));
});

test('a dynamic tool is a tool; one that the provider runs, or nobody, is refused', () => {
  assert.equal(only({ x: dynamicTool({ description: 'd', inputSchema: z.object({}), execute: () => Promise.resolve(1) }) }).name, 'x');
  assert.throws(() => toTools({ x: aiTool({ inputSchema: z.object({}) }) }), isCode('TOOL_INVALID', 'no execute'));
  assert.throws(
    () => toTools({ x: { type: 'provider', id: 'openai.search', args: {}, inputSchema: z.object({}) } as never }),
    isCode('TOOL_INVALID', 'provider'),
  );
});

test('what would be ignored in silence is refused', () => {
  for (const option of ['toModelOutput', 'onInputStart', 'contextSchema']) {
    assert.throws(() => toTools({ x: { inputSchema: SCHEMA, execute: () => 1, [option]: () => 1 } }), isCode('TOOL_INVALID', option));
  }
  toTools({ x: { inputSchema: SCHEMA, execute: () => 1, title: 'X', providerOptions: {} } as never });
  assert.throws(
    () => toTools({ x: { inputSchema: SCHEMA, execute: () => 1, efect: 'read' } as never }),
    isCode('OPTION_UNKNOWN', '"effect"'),
  );
});

test('names are checked and taken once', () => {
  const plain = { inputSchema: SCHEMA, execute: () => 1 };
  assert.throws(() => toTools([plain]), isCode('TOOL_INVALID', 'nothing came'));
  assert.throws(() => toTools({ 'a.b': plain }), isCode('TOOL_INVALID', '"a.b"'));
  assert.throws(
    () =>
      toTools([
        { ...plain, name: 'a' },
        { ...plain, name: 'a' },
      ]),
    isCode('TOOL_INVALID', 'taken'),
  );
  assert.throws(() => toTools({ a: { ...plain, name: 'b' } }), isCode('TOOL_INVALID', 'names itself "b"'));
  for (const bad of [null, 5, 'x']) {
    assert.throws(() => toTools(bad as never), isCode('TOOL_INVALID'));
    assert.throws(() => toTools([bad] as never), isCode('TOOL_INVALID'));
  }
  assert.throws(() => toTools({ a: { execute: () => 1 } as never }), isCode('TOOL_INVALID', 'no inputSchema'));
});
