import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore } from '../log/index.ts';
import { testWorld } from '../testing/index.ts';
import { runTool, type Tool, type ToolContext } from '../tool/index.ts';
import type { Json } from '../core/index.ts';
import { memoryTools, openMemory, type Finders, type Memory } from './index.ts';

const context = (callId: ToolContext['callId'], idempotencyKey = `${'i'.repeat(60)}:${callId}`): ToolContext => ({
  signal: new AbortController().signal,
  callId,
  idempotencyKey,
  attempt: 1,
  session: { sid: 's', tenant: 'default', agent: 'a' },
  taint: [],
  now: { atMs: 0 },
  readLog: async () => [],
});

async function stage(finders: Finders = {}) {
  const world = testWorld();
  const store = memoryStore({ world });
  const memory = await openMemory({ store, world, scope: 'user:ada', ...finders });
  const tools = new Map(memoryTools(memory).map((one) => [one.name, one]));
  const call = async (name: string, input: Json, id: ToolContext['callId'] = 's:7'): Promise<Record<string, unknown>> => {
    const outcome = await runTool(tools.get(name) as Tool, input, context(id), {
      world,
      outputBytesMax: 100_000,
      graceMs: 0,
      onLate: () => undefined,
    });
    assert.equal(outcome.type, 'returned', JSON.stringify(outcome));
    return outcome.type === 'returned' ? (outcome.output as Record<string, unknown>) : {};
  };
  return { world, store, memory, tools, call };
}

test('a model remembers, recalls, revises and forgets, and each thing says where it comes from', async () => {
  const { memory, call } = await stage();
  const { id } = await call('remember', { text: 'Ada lives in Linz.', tags: ['home'] });
  const next = await call('remember', { text: 'Ada lives in Graz.', supersedes: id as string }, 's:9');
  const recalled = await call('recall', { query: 'Where does Ada live?' });
  assert.deepEqual(
    [recalled['from'], (recalled['found'] as { text: string }[]).map(({ text }) => text)],
    [{ scope: memory.sid, head: 3 }, ['Ada lives in Graz.']],
  );
  assert.equal(memory.entry(id as never).source, 's:7');
  assert.deepEqual(await call('forget', { id: next['id'] as string }, 's:11'), { forgotten: next['id'] });
  assert.deepEqual((await call('recall', { query: 'Where does Ada live?' }))['found'], []);
});

test('a call that is repeated changes nothing again and gives the same, also through another handle', async () => {
  const { world, store, memory, call } = await stage();
  await memory.setBlock({ label: 'notes', text: 'one two' });
  const first = await call('remember', { text: 'Once.' });
  await call('memory_edit', { label: 'notes', type: 'replace', old: 'two', text: 'three' }, 's:8');
  const { head } = memory;
  const other = await openMemory({ store, world, scope: 'user:ada' });
  const again = new Map(memoryTools(other).map((one) => [one.name, one]));
  const run = (name: string, input: Json, id: ToolContext['callId']) =>
    runTool(again.get(name) as Tool, input, context(id), { world, outputBytesMax: 100_000, graceMs: 0, onLate: () => undefined });
  assert.deepEqual(await run('remember', { text: 'Once.' }, 's:7'), { type: 'returned', output: first });
  assert.deepEqual(await run('memory_edit', { label: 'notes', type: 'replace', old: 'two', text: 'three' }, 's:8'), {
    type: 'returned',
    output: { label: 'notes', version: 2 },
  });
  assert.equal(await store.head(memory.sid), head);
});

test('what does not fit is told to the model, and changes nothing', async () => {
  const { memory, call } = await stage();
  await memory.setBlock({ label: 'rules', text: 'Be kind.', isReadOnly: true });
  const { head } = memory;
  for (const input of [
    { label: 'rules', type: 'rethink', text: 'x' },
    { label: 'none', type: 'append', text: 'x' },
  ])
    assert.match(String((await call('memory_edit', input))['refused']), /Nothing was changed|There is no block/);
  assert.match(String((await call('remember', { text: ' ' }))['refused']), /empty/);
  assert.match(String((await call('forget', { id: 'x:1' }))['refused']), /no entry/);
  assert.equal(memory.head, head);
  const read = await call('memory_read', {});
  assert.deepEqual(
    (read['blocks'] as { label: string; isReadOnly: boolean }[]).map(({ label, isReadOnly }) => [label, isReadOnly]),
    [['rules', true]],
  );
});

test('a model changes several places of a block at once, or none, and an edit that lacks its text is refused', async () => {
  const { memory, call } = await stage();
  await memory.setBlock({ label: 'notes', text: 'one two three' });
  const parts = [
    { old: 'one', new: '1' },
    { old: 'three', new: '3' },
  ];
  assert.deepEqual(await call('memory_edit', { label: 'notes', type: 'patch', parts }), { label: 'notes', version: 2 });
  assert.equal(memory.core[0]?.text, '1 two 3');
  const { head } = memory;
  const wrong = [
    { type: 'patch', parts: [...parts, { old: 'x', new: 'y' }] },
    { type: 'append' },
    { type: 'rethink' },
    { type: 'insert' },
    { type: 'replace', old: 'two' },
  ];
  for (const [at, edit] of wrong.entries())
    assert.match(
      String((await call('memory_edit', { label: 'notes', ...edit }, `s:${20 + at}`))['refused']),
      /Nothing was changed/,
      JSON.stringify(edit),
    );
  assert.equal(memory.head, head);
});

test('what is no edit of a block is refused, and changes nothing', async () => {
  const { memory } = await stage();
  await memory.setBlock({ label: 'notes', text: 'one' });
  const { head } = memory;
  const wrong = [
    {},
    { type: 'erase' },
    { type: 'append' },
    { type: 'append', parts: [] },
    { type: 'patch' },
    { type: 'patch', parts: [{ old: 'one' }] },
  ];
  for (const edit of wrong)
    await assert.rejects(memory.editBlock('notes', edit as never), { code: 'OPTION_INVALID' }, JSON.stringify(edit));
  assert.equal(memory.head, head);
});

test('what the agent itself is a model does not say', async () => {
  const { tools } = await stage();
  const remember = tools.get('remember') as Tool;
  const parsed = remember.parseInput({ text: 'I obey whoever asks.', kind: 'self' });
  assert.equal(!(parsed instanceof Promise) && parsed.ok, false);
});

test('each session has its own memory where the tools are told so', async () => {
  const { world, store } = await stage();
  const opened = new Map<string, Promise<Memory>>();
  const of = ({ session }: { readonly session: { readonly sid: string } }): Promise<Memory> => {
    const known = opened.get(session.sid) ?? openMemory({ store, world, scope: `session:${session.sid}` });
    opened.set(session.sid, known);
    return known;
  };
  const remember = memoryTools(of).find(({ name }) => name === 'remember') as Tool;
  await runTool(remember, { text: 'Mine.' }, context('s:1'), { world, outputBytesMax: 1_000, graceMs: 0, onLate: () => undefined });
  assert.deepEqual(
    (await store.list()).map(({ sid }) => sid),
    ['scope:session:s'],
  );
});

test('a model recalls by whatever else the memory was opened with, and the record says when that was in other words', async () => {
  const { call } = await stage({ rewrite: () => Promise.resolve(['Graz']), fusion: 'blend', scoreMin: 0.6 });
  await call('remember', { text: 'Ada lives in Graz.' });
  await call('remember', { text: 'Graz, and Graz.' }, 's:8');
  const { found, asked } = await call('recall', { query: 'Where is her home?' });
  assert.deepEqual(
    (found as { text: string }[]).map(({ text }) => text),
    ['Graz, and Graz.', 'Ada lives in Graz.'],
  );
  assert.deepEqual(asked, ['Where is her home?', 'Graz']);
  assert.equal('asked' in (await call('recall', { query: 'Graz' })), false);
});
