import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { JsonObject } from '../core/index.ts';
import { eraseSubject, memoryStore } from '../log/index.ts';
import { sqliteIndex } from '../node/index.ts';
import { memoryKeys, testWorld } from '../testing/index.ts';
import { isNewer, withNewer } from './makers.ts';
import { openMemory, type Memory } from './index.ts';

const DERIVED = {
  of: 'scope:h:1',
  by: 'rules@1',
  items: [{ type: 'person', name: 'Ada', start: 0, end: 3, confidence: 1 }],
  relations: [{ from: 'Ada', to: 'Bob', type: 'knows', confidence: 1 }],
  failure: null,
};
const ITEM = DERIVED.items[0];
const EVOLVED = { from: 'scope:h:2', by: 'rules@1', relations: [{ to: 'scope:h:1', relation: 'update', confidence: 0.8 }] };

/** The memory of a log in which `Ada has a cat.` and `Ada has a dog.` were remembered, and then these events. */
async function after(...events: readonly (readonly [string, JsonObject])[]): Promise<Memory> {
  const world = testWorld();
  const store = memoryStore({ world });
  const memory = await openMemory({ store, world, scope: 'h' });
  await memory.remember('Ada has a cat.');
  await memory.remember('Ada has a dog.');
  await store.append({
    id: 'x',
    sid: 'scope:h',
    expected: 3,
    events: events.map(([type, data]) => ({ type, data })),
    then: { status: 'idle' },
  });
  return openMemory({ store, world, scope: 'h' });
}
const derived = (more: object = {}): readonly [string, JsonObject] => ['memory.derived', { ...DERIVED, ...more } as unknown as JsonObject];
const evolved = (more: object = {}): readonly [string, JsonObject] => ['memory.evolved', { ...EVOLVED, ...more } as unknown as JsonObject];

test('a derivation and how an entry stands to others are kept as the log says them', async () => {
  const { of: _of, ...made } = DERIVED;
  const { from: _from, ...stands } = EVOLVED;
  const [first, second] = (await after(derived(), evolved())).entries();
  assert.deepEqual([first?.derived, second?.evolved, first?.supersededBy?.id], [[made], [stands], 'scope:h:2']);
});

const WRONG: readonly object[] = [
  { of: 'scope:h:9' },
  { of: 5 },
  { by: 'rules' },
  { by: 'rules@0' },
  { by: null },
  { items: [] },
  { items: 'Ada' },
  { items: [null] },
  { items: Array.from({ length: 51 }, () => ITEM) },
  { items: [{ ...ITEM, type: 'alien' }] },
  { items: [{ ...ITEM, name: '' }] },
  { items: [{ ...ITEM, name: 'x'.repeat(201) }] },
  { items: [{ ...ITEM, start: -1 }] },
  { items: [{ ...ITEM, start: 3 }] },
  { items: [{ ...ITEM, end: 15 }] },
  { items: [{ ...ITEM, start: null }] },
  { items: [{ ...ITEM, start: 0.5 }] },
  { items: [{ ...ITEM, confidence: 1.1 }] },
  { items: [{ ...ITEM, value: 'x' }] },
  { items: [{ ...ITEM, unit: 5 }] },
  { items: [{ ...ITEM, sentiment: 'adores' }] },
  { relations: [{ from: 'Ada', to: 'Bob', type: 'adores', confidence: 1 }] },
  { relations: [{ from: 'Ada', type: 'knows', confidence: 1 }] },
  { relations: {} },
  { failure: 5 },
];

test('a derivation that is not what it should be changes nothing', async () => {
  for (const wrong of WRONG)
    assert.deepEqual(
      (await after(derived(wrong))).entries().map((entry) => entry.derived),
      [undefined, undefined],
      JSON.stringify(wrong).slice(0, 90),
    );
});

test('what is no relation to another entry changes nothing, and one that is not sure keeps both', async () => {
  const [relation] = EVOLVED.relations;
  const wrong: readonly object[] = [
    { from: 'scope:h:9' },
    { by: 'x' },
    { relations: [{ ...relation, to: 'scope:h:2' }] },
    { relations: [{ ...relation, relation: 'none' }] },
    { relations: [{ ...relation, confidence: -0.1 }] },
    { relations: [5] },
    { relations: Array.from({ length: 11 }, () => relation) },
  ];
  for (const one of wrong) {
    const entries = (await after(evolved(one))).entries();
    assert.deepEqual(
      entries.map((entry) => [entry.evolved, entry.supersededBy]),
      Array.from({ length: 2 }, () => [undefined, null]),
      JSON.stringify(one),
    );
  }
  for (const kept of [{ confidence: 0.79 }, { relation: 'extend' }, { relation: 'derive' }, { to: 'scope:h:9' }]) {
    const memory = await after(evolved({ relations: [{ ...relation, ...kept }] }));
    assert.deepEqual([memory.recall('Ada').length, memory.entries()[1]?.evolved?.length], [2, 1], JSON.stringify(kept));
  }
  assert.equal((await after(evolved({ relations: [{ ...relation, relation: 'contradict' }] }))).recall('Ada').length, 1);
});

test('what a lower version says after a higher one ends nothing', async () => {
  const memory = await after(evolved({ by: 'rules@2', relations: [] }), evolved());
  assert.deepEqual([memory.recall('Ada').length, memory.entries()[1]?.evolved], [2, [{ by: 'rules@2', relations: [] }]]);
});

test('of one maker the highest version stands, and of many makers the first eight', () => {
  const names = (made: readonly { readonly by: string }[]) => made.map(({ by }) => by);
  let made: readonly { readonly by: string }[] = [];
  for (const by of ['a@2', 'a@1', 'b@1', 'a@10', 'a@9']) made = withNewer(made, { by });
  assert.deepEqual(names(made), ['b@1', 'a@10']);
  for (const letter of 'cdefghijk') made = withNewer(made, { by: `${letter}@1` });
  assert.equal(made.length, 8);
  assert.deepEqual([isNewer(made, 'z@1'), isNewer(made, 'b@2')], [false, true]);
});

test('with an index that is kept it is the same, found again, made anew from the log, and after an erasure', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nerva-derived-'));
  const world = testWorld();
  const keys = memoryKeys();
  const store = memoryStore({ world, keys });
  const index = sqliteIndex(folder);
  t.after(() => {
    index.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const open = (more: object = {}): Promise<Memory> => openMemory({ store, world, scope: 's', index, ...more });
  const ada = await open({ extract: true });
  await ada.remember('Ada lives in Linz.');
  const bob = await open({ subject: 'bob' });
  await bob.remember('Ada moved to Graz, says Bob.');
  await (await open()).remember('I like tea.');
  assert.equal((await (await open()).consolidate()).left, 0);
  const fresh = (): Promise<Memory> => openMemory({ store, world, scope: 's' });
  const seen = (memory: Memory) => [
    memory.entries(),
    memory.recall('Ada Graz tea', { filter: { people: { $contains: 'Ada' } } }).map(({ entry }) => entry.id),
  ];
  assert.deepEqual(seen(await open()), seen(await fresh()));
  assert.deepEqual(
    (await fresh()).recall('Ada').map(({ entry }) => entry.text),
    ['Ada moved to Graz, says Bob.'],
  );
  await eraseSubject({ store, keys, world, subject: 'bob' });
  await bob.refresh();
  for (const memory of [bob, await open(), await fresh()]) {
    assert.deepEqual(seen(memory), seen(await fresh()));
    assert.deepEqual(
      memory.recall('Ada').map(({ entry }) => entry.text),
      ['Ada lives in Linz.'],
      'nobody says any more that it was otherwise',
    );
  }
});
