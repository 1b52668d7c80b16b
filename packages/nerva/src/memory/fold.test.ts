import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { JsonObject } from '../core/index.ts';
import { memoryStore, type EventDraft } from '../log/index.ts';
import { testWorld } from '../testing/index.ts';
import { MemoryFold } from './fold.ts';
import { openMemory } from './index.ts';

/** What each field holds when it is as it should be; a hostile writer leaves it so, or puts anything in its place. */
const GOOD: Readonly<Record<string, JsonObject>> = {
  'memory.block.set': { label: 'a', type: 'facts', text: 'x', description: '', bytesMax: 9, isReadOnly: false, importance: 1 },
  'memory.block.removed': { label: 'a' },
  'memory.item.set': { key: 'k', value: 1, bytes: 2, expiresMs: 4e12 },
  'memory.items.removed': { keys: ['k'] },
  'memory.recorded': {
    text: 'red apple',
    name: 'red apple',
    kind: 'note',
    tags: ['t'],
    importance: 0.5,
    validMs: 0,
    supersedes: 'scope:h:1',
    source: 's:1',
  },
  'memory.forgotten': { id: 'scope:h:1' },
  'memory.cleared': { ids: ['scope:h:1', 'scope:h:2'] },
  'memory.ended': { id: 'scope:h:1', atMs: 9 },
  'memory.derived': {
    of: 'scope:h:1',
    by: 'rules@1',
    items: [{ type: 'person', name: 'red', start: 0, end: 3, confidence: 1 }],
    relations: [],
    failure: null,
  },
  'memory.evolved': { from: 'scope:h:2', by: 'rules@1', relations: [{ to: 'scope:h:1', relation: 'update', confidence: 1 }] },
  'memory.accessed': { at: [{ atMs: 1, ids: ['scope:h:1'] }], from: { sid: 's', upto: 3 } },
  'memory.promoted': { id: 'scope:h:1', score: 1 },
  'memory.evicted': { id: 'scope:h:1', why: 'idle', score: 0 },
};
const EVENT: fc.Arbitrary<EventDraft> = fc.constantFrom(...Object.keys(GOOD)).chain((type) => {
  const fields = Object.entries(GOOD[type] ?? {}).map(([name, good]) => {
    const any = fc.oneof({ weight: 5, arbitrary: fc.constant(good) }, { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 1 }) });
    return fc.option(any, { nil: undefined, freq: 9 }).map((value) => (value === undefined ? {} : { [name]: value }));
  });
  return fc.tuple(...fields).map((parts) => ({ type, data: Object.assign({}, ...parts) as JsonObject }));
});

test('any JSON in its log leaves a memory that opens, shows what it has, and takes changes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(EVENT, { minLength: 1, maxLength: 12 }), async (events) => {
      const world = testWorld();
      const store = memoryStore({ world });
      const opened = { type: 'scope.opened', data: { scope: 'h' } };
      await store.append({ id: 'x', sid: 'scope:h', expected: 0, events: [opened, ...events] });
      const memory = await openMemory({ store, world, scope: 'h' });
      assert.equal(memory.head, events.length + 1);
      assert.equal(typeof memory.render(), 'string');
      for (const entry of memory.entries()) assert.ok(Number.isFinite(new Date(entry.validMs).getTime()));
      memory.recall('red apple in May 2023', { tags: ['t'] });
      assert.deepEqual(memory.list({ isAll: true }), memory.entries());
      await memory.setItem({ key: 'new', value: 1 });
      const kept = await memory.remember('green pear');
      assert.deepEqual([memory.item('new'), memory.recall('pear')[0]?.entry], [1, kept]);
      assert.equal((await memory.consolidate({ limit: 100 })).left, 0);
      await memory.tend({ sessions: ['s'] });
      for (const { id } of memory.entries()) assert.ok(memory.standing(id).importance <= 1);
      assert.deepEqual([memory.suggestions(), memory.core.length <= 33], [[], true]);
    }),
    { numRuns: 300 },
  );
});

test('ends and clears fold as they stand in a log of this release', async () => {
  const world = testWorld();
  const store = memoryStore({ world });
  const recorded = GOOD['memory.recorded'] as JsonObject;
  const { supersedes: _none, ...alone } = recorded;
  const data = (text: string, more: JsonObject = {}): JsonObject => ({ ...alone, text, name: text, ...more });
  const events: readonly EventDraft[] = [
    { type: 'scope.opened', data: { scope: 'h' } },
    { type: 'memory.recorded', data: data('a') },
    { type: 'memory.recorded', data: data('b', { validMs: 10, supersedes: 'scope:h:1' }) },
    { type: 'memory.ended', data: { id: 'scope:h:2', atMs: 5 } },
    { type: 'memory.ended', data: { id: 'scope:h:2', atMs: 7 } },
    { type: 'memory.recorded', data: data('c') },
    { type: 'memory.recorded', data: data('d') },
    { type: 'memory.cleared', data: { ids: ['scope:h:5', 'scope:h:9', 5 as never] } },
    { type: 'memory.cleared', data: { ids: Array.from({ length: 1_001 }, () => 'scope:h:6') } },
  ];
  await store.append({ id: 'x', sid: 'scope:h', expected: 0, events });
  const memory = await openMemory({ store, world, scope: 'h' });
  assert.deepEqual(
    memory
      .entries()
      .map(({ text, invalidMs, endings, forgottenMs }) => [text, invalidMs, endings.map(({ atMs }) => atMs), forgottenMs === null]),
    [
      ['a', 5, [10, 5], true],
      ['b', 10, [5], true],
      ['c', null, [], false],
      ['d', null, [], true],
    ],
    'an end is moved to sooner only, and an event that names too many is none',
  );
});

test('a log that sets items often holds only what is there, and counts its bytes', () => {
  const fold = new MemoryFold();
  let seq = 0;
  const apply = (type: string, data: JsonObject, atMs: number): void => {
    fold.apply({ sid: 's', seq: seq++, type, data, atMs, v: 1, origin: 'system', epoch: 0 });
  };
  for (let at = 0; at < 10_000; at++) {
    apply('memory.item.set', { key: `k${at}`, value: at, bytes: 7, expiresMs: at + 100 }, at);
    assert.ok(fold.working.items.size <= 1_000);
  }
  apply('memory.items.removed', { keys: ['k9999', 'none'] }, 10_000);
  assert.equal(
    fold.working.bytes,
    Array.from(fold.working.items, ([key, { value }]) => key.length + JSON.stringify(value).length).reduce((sum, bytes) => sum + bytes, 0),
  );
  assert.deepEqual([fold.working.items.has('k9998'), fold.working.items.has('k9999')], [true, false]);
});
