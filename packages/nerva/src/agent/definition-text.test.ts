import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { utf8Bytes, type Schema } from '../core/index.ts';
import { scriptedModel } from '../model/index.ts';
import { fromFunction, type Policy } from '../policy/index.ts';
import { tool } from '../tool/index.ts';
import { bind, createAgent, type AgentOptions } from './definition.ts';

const hash = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');
const look = tool({ name: 'look', description: 'looks', effect: 'read', inputSchema: { type: 'object' }, execute: () => 1 });
const base: AgentOptions = { name: 'a', model: scriptedModel([]) };
const bound = (more: Partial<AgentOptions> = {}) => bind(createAgent({ ...base, ...more }), hash);

test('the digest of a definition is that of its blob, and the same definition has the same', () => {
  const { body, content, digest } = bound({ instructions: 'Be brief – ça va?' });
  assert.deepEqual(body, { ref: digest, bytes: utf8Bytes(content), mediaType: 'application/json' });
  assert.equal(digest, hash(content));
  assert.equal(bound({ instructions: 'Be brief – ça va?' }).digest, digest);
});

test('whatever changes what an agent does changes its digest', () => {
  const policy = (name: string, definition: Policy['definition']): Policy => ({ name, definition, evaluate: () => null });
  const variants: readonly Partial<AgentOptions>[] = [
    {},
    { name: 'b' },
    { model: scriptedModel([], { name: 'other' }) },
    { policy: policy('p', { n: 1 }) },
    { policy: policy('q', { n: 1 }) },
    { policy: policy('p', { n: 2 }) },
    { instructions: 'x' },
    { tools: [look] },
    { params: { maxOutputTokens: 7 } },
    { stepsMax: 3 },
    { stopWhen: () => true },
    { stopWhen: [() => false] },
    { budget: { turnMs: 5 } },
    { approval: () => true },
    { approval: () => false },
    { output: { type: 'object' } },
    { outputRetriesMax: 1 },
    { outputBytesMax: 2048 },
  ];
  const digests = variants.map((options) => bound(options).digest);
  assert.equal(new Set(digests).size, variants.length);
});

test('a definition says in plain JSON what an agent is, its functions by their source', () => {
  const rule = (): boolean => true;
  const { definition } = bound({ policy: fromFunction('p', () => null), approval: rule, stopWhen: [rule], tools: [look] });
  assert.deepEqual(
    [definition['name'], definition['model'], definition['approval'], definition['stopWhen'], definition['budget']],
    ['a', 'scripted/model', String(rule), [String(rule)], null],
  );
  assert.deepEqual(definition['tools'], [look.definition]);
  assert.deepEqual([bound().definition['policy'], bound().definition['approval']], [null, null]);
  assert.equal(bind(createAgent({ name: 'a', policy: fromFunction('p', () => null) }), hash).definition['model'], null);
});

test('what a model is shown of a tool, and what a grant stands for', () => {
  const { specs, tools, callDigest } = bound({ tools: [look] });
  assert.deepEqual(specs, [{ name: 'look', description: 'looks', inputSchema: look.inputJsonSchema }]);
  assert.deepEqual([...tools.keys()], ['look']);
  const other = tool({
    name: 'look',
    description: 'looks',
    effect: 'read',
    inputSchema: { type: 'object', required: ['x'] },
    execute: () => 1,
  });
  assert.equal(new Set([callDigest(look, {}), callDigest(look, { x: 1 }), callDigest(other, {})]).size, 3);
  assert.equal(callDigest(look, { a: 1, b: 2 }), callDigest(look, { b: 2, a: 1 }));
});

test('an answer is read as JSON of the output schema, and told what is wrong with it', () => {
  const output = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] } as const;
  const { parseOutput } = bound({ output });
  assert.deepEqual(parseOutput('{"n":1}'), { ok: true, value: { n: 1 } });
  assert.deepEqual(parseOutput('n is 1'), { ok: false, issues: 'It is not JSON.' });
  const wrong = parseOutput('{}');
  assert.equal(wrong.ok, false);
  assert.match(wrong.ok ? '' : wrong.issues, /n/);
  assert.deepEqual(bound().parseOutput('[1]'), { ok: true, value: [1] });
});

test('an output schema that only answers later is refused with each answer', () => {
  const later = {
    '~standard': {
      version: 1,
      vendor: 'own',
      validate: (value: unknown) => Promise.resolve({ value }),
      jsonSchema: { input: () => ({ type: 'object' }) },
    },
  } as unknown as Schema;
  assert.deepEqual(bound({ output: later }).parseOutput('{}'), {
    ok: false,
    issues: 'The output schema validates asynchronously, which answers cannot.',
  });
});

test('an agent with an output schema asks for it beside its other parameters', () => {
  const output = { type: 'object', properties: { n: { type: 'integer' } } } as const;
  const { params } = createAgent({ ...base, output, params: { maxOutputTokens: 7 } });
  assert.deepEqual(params, { maxOutputTokens: 7, outputSchema: output });
});
