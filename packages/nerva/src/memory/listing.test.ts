import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eraseSubject, memoryStore } from '../log/index.ts';
import { memoryKeys, testWorld } from '../testing/index.ts';
import { openMemory, type Entry, type Memory, type MemoryOptions } from './index.ts';
import { ENTRY_KINDS } from './kinds.ts';

const DAY_MS = 86_400_000;

/** A memory of scope `s`; `open` opens another handle of it. */
async function stage() {
  const world = testWorld();
  const keys = memoryKeys();
  const store = memoryStore({ world, keys });
  const open = (more: Partial<MemoryOptions> = {}): Promise<Memory> => openMemory({ store, world, scope: 's', ...more });
  return { world, keys, store, open, memory: await open() };
}
const textsOf = (entries: readonly Entry[]): readonly string[] => entries.map(({ text }) => text);

test('what holds now is listed and counted, and what does not where it is asked for', async () => {
  const { world, memory, open } = await stage();
  assert.deepEqual([memory.list(), memory.count(), memory.count({ isAll: true })], [[], 0, 0]);
  const linz = await memory.remember('Ada lives in Linz.', { validMs: world.clock.nowMs() - 10 * DAY_MS });
  await memory.remember('Ada lives in Graz.', { supersedes: linz.id });
  const { id } = await memory.remember('Ada likes tea.');
  await memory.remember('Ada will move.', { validMs: world.clock.nowMs() + DAY_MS });
  await memory.forget(id);
  for (const one of [memory, await open()]) {
    assert.deepEqual(textsOf(one.list()), ['Ada lives in Graz.']);
    assert.deepEqual([one.count(), one.count({ isAll: true })], [1, 4]);
    assert.deepEqual(one.list({ isAll: true }), one.entries());
    assert.deepEqual(textsOf(one.list({ validAtMs: linz.validMs })), ['Ada lives in Linz.']);
    assert.equal(one.count({ validAtMs: world.clock.nowMs() + DAY_MS }), 2);
  }
});

test('a list and a count take the filters of recall, half open in time, and a list its bounds', async () => {
  const { memory } = await stage();
  const at = (ms: number, more = {}) => memory.remember(`plum ${ms}`, { validMs: ms, ...more });
  for (const ms of [99, 100, 199, 200]) await at(ms, { tags: [`t${ms}`], kind: ms < 199 ? 'note' : 'task' });
  const since = { fromMs: 100, untilMs: 200 };
  assert.deepEqual([textsOf(memory.list({ since })), memory.count({ since })], [['plum 100', 'plum 199'], 2]);
  assert.deepEqual(
    memory
      .recall('plum', { since })
      .map(({ entry }) => entry.validMs)
      .toSorted((one, other) => one - other),
    [100, 199],
    'as recall does',
  );
  assert.deepEqual(textsOf(memory.list({ since, kinds: ['task'], isAll: true })), ['plum 199']);
  assert.deepEqual([memory.count({ tags: ['t99'] }), memory.count({ filter: { kind: 'task' } })], [1, 2]);
  assert.deepEqual(
    [1, 1.5, 1_000].map((limit) => memory.list({ limit }).length),
    [1, 1, 4],
  );
  const wrong: readonly (readonly [object, string])[] = [
    [{ limit: 0 }, 'OPTION_INVALID'],
    [{ limit: 1_001 }, 'OPTION_INVALID'],
    [{ after: 'scope:other:1' }, 'OPTION_INVALID'],
    [{ after: 'scope:s:x' }, 'OPTION_INVALID'],
    [{ after: 5 }, 'OPTION_INVALID'],
    [{ isAll: 1 }, 'OPTION_INVALID'],
    [{ isAll: true, validAtMs: 5 }, 'OPTION_INVALID'],
    [{ tags: 5 }, 'OPTION_INVALID'],
    [{ lmit: 5 }, 'OPTION_UNKNOWN'],
  ];
  for (const [query, code] of wrong) assert.throws(() => memory.list(query), { code }, JSON.stringify(query));
  assert.throws(() => memory.count({ limit: 5 } as never), { code: 'OPTION_UNKNOWN' });
  assert.deepEqual([memory.count({ isAll: true, tags: ['t99'] }), memory.count({ isAll: true, validAtMs: undefined } as never)], [1, 4]);
});

test('since when something holds and when it was recorded are two times, and each is asked for by itself', async () => {
  const { world, memory } = await stage();
  const startMs = world.clock.nowMs();
  await memory.remember('plum of old, recorded early', { validMs: 100 });
  await world.advance(50);
  await memory.remember('plum of old, recorded late', { validMs: 100 });
  await memory.remember('plum of now, recorded late');
  const recorded = { filter: { recordedMs: { $gte: startMs + 50 } } };
  const held = { since: { fromMs: startMs } };
  for (const ask of [
    (query: object) => textsOf(memory.list(query)),
    (query: object) => textsOf(memory.recall('plum', query).map(({ entry }) => entry)).toSorted((one, other) => other.localeCompare(one)),
  ]) {
    assert.deepEqual(ask(recorded), ['plum of old, recorded late', 'plum of now, recorded late']);
    assert.deepEqual(ask(held), ['plum of now, recorded late']);
    assert.deepEqual(ask({ filter: { validMs: { $lt: startMs }, recordedMs: { $lt: startMs + 50 } } }), ['plum of old, recorded early']);
  }
});

test('an entry of each kind is kept and found by it', async () => {
  const { memory, open } = await stage();
  for (const kind of ENTRY_KINDS) await memory.remember(`plum of a ${kind}`, { kind });
  for (const one of [memory, await open()])
    for (const kind of ENTRY_KINDS)
      assert.deepEqual([textsOf(one.list({ kinds: [kind] })), one.count({ filter: { kind } })], [[`plum of a ${kind}`], 1], kind);
});

test('a page begins after an entry that was erased since too', async () => {
  const { world, keys, store, open } = await stage();
  const ada = await open({ subject: 'ada' });
  const memory = await open();
  await memory.remember('one');
  await memory.refresh();
  const { id } = await ada.remember('two');
  await memory.refresh();
  await memory.remember('three');
  assert.deepEqual(textsOf(memory.list({ after: id })), ['three']);
  await eraseSubject({ store, keys, world, subject: 'ada' });
  await memory.refresh();
  assert.deepEqual([textsOf(memory.list({ after: id })), memory.count()], [['three'], 2]);
});

test('any list that is read page by page, while another writes, has once what holds all the while', async () => {
  const step = fc.record({
    type: fc.constantFrom('remember', 'update', 'forget', 'end', 'clear', 'nothing', 'nothing'),
    at: fc.nat(8),
  });
  const write = async (memory: Memory, { type, at }: { readonly type: string; readonly at: number }): Promise<void> => {
    const id = memory.list()[at]?.id;
    if (type === 'remember') await memory.remember('more');
    else if (type === 'clear' && at === 0) await memory.clear();
    else if (id === undefined) return;
    else if (type === 'update') await memory.update(id, { text: 'other' });
    else if (type === 'forget') await memory.forget(id);
    else if (type === 'end') await memory.end(id, 5);
  };
  await fc.assert(
    fc.asyncProperty(fc.nat(12), fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 12 }), async (count, limit, steps) => {
      const { memory, open } = await stage();
      for (let at = 0; at < count; at++) await memory.remember(`text ${at}`);
      const other = await open();
      const before = memory.list({ limit: 1_000 });
      const seen: Entry[] = [];
      for (let turn = 0; ; turn++) {
        const last = seen.at(-1);
        const page = memory.list({ limit, ...(last === undefined ? {} : { after: last.id }) });
        assert.ok(page.length <= limit);
        seen.push(...page);
        if (page.length < limit) break;
        const one = steps[turn];
        if (one !== undefined) await write(other, one);
        await memory.refresh();
      }
      const ids = seen.map(({ id }) => id);
      assert.equal(new Set(ids).size, ids.length, 'nothing twice');
      assert.deepEqual(
        ids,
        ids.toSorted((one, two) => Number(one.slice(8)) - Number(two.slice(8))),
        'oldest first',
      );
      const now = new Set(memory.list({ limit: 1_000 }).map(({ id }) => id));
      for (const { id } of before) if (now.has(id)) assert.ok(ids.includes(id));
      const again = await open();
      assert.deepEqual([again.count(), again.list({ limit: 1_000 })], [memory.count(), memory.list({ limit: 1_000 })]);
      assert.equal(memory.count(), now.size);
    }),
    { numRuns: 60 },
  );
});
