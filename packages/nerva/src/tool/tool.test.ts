import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { NervaError, type ErrorCode, type JsonObject } from '../core/index.ts';
import { askPerson, notDone, tool, type Tool, type ToolContext, type ToolOptions } from './index.ts';

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

test('a tool has what it was given, safe defaults for the rest, and cannot be changed', () => {
  const weather = tool({ name: 'weather', inputSchema: SCHEMA, execute: ({ city }) => `sunny in ${city}` });
  assert.deepEqual(
    [weather.name, weather.description, weather.effect, weather.timeoutMs, weather.needsApproval({ city: '' })],
    ['weather', '', 'irreversible', 60_000, false],
  );
  assert.deepEqual(weather.definition, { name: 'weather', description: '', effect: 'irreversible', inputSchema: SCHEMA });
  assert.equal(weather.execute({ city: 'Rome' }, context), 'sunny in Rome');
  assert.deepEqual(weather.parseInput({ city: 5 }), { ok: false, issues: '$.city: came 5, expected string' });
  assert.ok(Object.isFrozen(weather) && Object.isFrozen(weather.definition));
  assert.ok(!('parseOutput' in weather) && !('dedupe' in weather) && !('reconcile' in weather));
});

test('a malformed definition is refused with the tool’s name', () => {
  const good = { name: 'x', inputSchema: SCHEMA, execute: () => 1 };
  const cases: [object, ErrorCode, string][] = [
    [{ ...good, name: 'has space' }, 'TOOL_INVALID', '"has space"'],
    [{ ...good, name: '' }, 'TOOL_INVALID', '1–64'],
    [{ ...good, name: 'x'.repeat(65) }, 'TOOL_INVALID', '1–64'],
    [{ ...good, name: undefined }, 'TOOL_INVALID', 'nothing came'],
    [{ ...good, effect: 'safe' }, 'TOOL_INVALID', '"safe"'],
    [{ ...good, execute: 'rm' }, 'TOOL_INVALID', 'execute'],
    [{ ...good, description: 5 }, 'TOOL_INVALID', 'description'],
    [{ ...good, dedupe: 'id' }, 'TOOL_INVALID', 'dedupe'],
    [{ ...good, reconcile: true }, 'TOOL_INVALID', 'reconcile'],
    [{ ...good, needsApproval: 'yes' }, 'TOOL_INVALID', 'needsApproval'],
    [{ ...good, inputSchema: { type: 'string' } }, 'TOOL_INVALID', 'type object'],
    [{ ...good, inputSchema: { type: 'object', if: {} } }, 'SCHEMA_UNSUPPORTED', 'Tool "x", inputSchema'],
    [{ ...good, outputSchema: { nullable: true } }, 'SCHEMA_UNSUPPORTED', 'Tool "x", outputSchema'],
    [{ ...good, inputSchema: undefined }, 'SCHEMA_UNSUPPORTED', 'nothing came'],
    [{ ...good, timeoutMs: 0 }, 'OPTION_INVALID', 'timeoutMs of tool "x"'],
    [{ ...good, timeoutMS: 5 }, 'OPTION_UNKNOWN', '"timeoutMs"'],
  ];
  for (const [options, code, text] of cases)
    assert.throws(() => tool(options as ToolOptions<JsonObject, unknown, unknown>), isCode(code, text), JSON.stringify(options));
});

test('a rule for approval that throws, or does not decide, means yes', () => {
  const rule = (needsApproval: unknown): boolean =>
    tool({ name: 'x', inputSchema: SCHEMA, needsApproval: needsApproval as () => boolean, execute: () => 1 }).needsApproval({ city: '' });
  assert.equal(
    rule(() => false),
    false,
  );
  assert.equal(
    rule(() => true),
    true,
  );
  assert.equal(
    rule(() => undefined),
    true,
  );
  assert.equal(
    rule(async () => false),
    true,
  );
  assert.equal(
    rule(() => {
      throw new Error('x');
    }),
    true,
  );
  assert.equal(rule(true), true);
});

test('a library that cannot write JSON Schema needs it given beside', () => {
  const inputSchema = { '~standard': { version: 1 as const, vendor: 'hand', validate: (value: unknown) => ({ value }) } };
  assert.throws(() => tool({ name: 'x', inputSchema, execute: () => 1 }), isCode('SCHEMA_UNSUPPORTED', 'Give inputJsonSchema'));
  const shown = { type: 'object', properties: {} };
  const made = tool({ name: 'x', inputSchema, inputJsonSchema: shown, execute: () => 1 });
  assert.deepEqual(made.inputJsonSchema, shown);
  assert.ok(!Object.isFrozen(shown));
});

test('asking a person needs approval, changes nothing, and gives what the person answered', () => {
  const ask = askPerson();
  assert.deepEqual([ask.name, ask.effect, ask.needsApproval({ question: 'Why?' })], ['ask_person', 'read', true]);
  assert.deepEqual(ask.execute({ question: 'Why?' }, { ...context, approval: { by: 'ann', answer: { because: 1 } } }), { because: 1 });
  assert.equal(ask.execute({ question: 'Why?' }, { ...context, approval: { by: 'ann', answer: null } }), null);
  assert.deepEqual(ask.execute({ question: 'Why?' }, { ...context, approval: { by: 'ann' } }), { approved: true });
  for (const bad of [{}, { question: '' }, { question: 5 }, { question: 'x', more: 1 }])
    assert.ok(!(ask.parseInput(bad) as { ok: boolean }).ok);
});

test('“not done” is an error of its own code that may be tried again', () => {
  const cause = new Error('no route');
  const error = notDone('Nothing was sent.', { cause });
  assert.ok(NervaError.is(error, 'TOOL_NOT_DONE') && error.retry && error.cause === cause);
});

test('types: the input follows the schema, and tools of any input make one list', () => {
  const plain = tool({
    name: 'a',
    inputSchema: { type: 'object', properties: { n: { type: 'integer' }, unit: { enum: ['C', 'F'] } }, required: ['n'] },
    dedupe: ({ n }) => n.toFixed(),
    execute: ({ n, unit }) => {
      const exact: 'C' | 'F' | undefined = unit;
      // @ts-expect-error the schema has no such property
      void ({ n, unit } as { n: number; unit: unknown }).other;
      return { n: n + 1, exact };
    },
  });
  const zod = tool({
    name: 'b',
    inputSchema: z.discriminatedUnion('type', [
      z.object({ type: z.literal('circle'), radius: z.number() }),
      z.object({ type: z.literal('square'), side: z.number() }),
    ]),
    inputJsonSchema: { type: 'object' },
    execute: (shape) => {
      // @ts-expect-error before the type is known neither field is there
      void shape.side;
      return shape.type === 'circle' ? shape.radius : shape.side;
    },
  });
  // @ts-expect-error the input is what the schema says
  void (() => plain.execute({ n: 'five' }, context));
  // @ts-expect-error an effect class that does not exist
  void (() => tool({ name: 'c', inputSchema: SCHEMA, effect: 'safe', execute: () => 1 }));
  // @ts-expect-error dedupe gives a text
  void (() => tool({ name: 'c', inputSchema: SCHEMA, dedupe: () => 1, execute: () => 1 }));
  const loose = tool({
    name: 'd',
    inputSchema: JSON.parse('{"type": "object"}') as JsonObject,
    execute: (input) => {
      // @ts-expect-error a schema that is only data says nothing about the type
      void input.n;
      return 1;
    },
  });
  const list: readonly Tool[] = [plain, zod, loose, askPerson()];
  assert.equal(list.length, 4);
});
