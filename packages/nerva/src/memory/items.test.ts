import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { memoryStore } from '../log/index.ts';
import { testWorld } from '../testing/index.ts';
import { openMemory, type Memory, type WorkingLimits } from './index.ts';
import { pageOfKeys } from './working.ts';

/** A memory, and other handles of it; `working` holds for those. */
async function stage(working: Partial<WorkingLimits> = {}) {
  const world = testWorld();
  const store = memoryStore({ world });
  const open = (more: Partial<WorkingLimits> = {}): Promise<Memory> =>
    openMemory({ store, world, scope: 's', working: { ...working, ...more } });
  return { world, store, open, memory: await open() };
}

test('a full memory whose items are all over takes another one', async () => {
  const { world, memory } = await stage({ itemsMax: 2, bytesMax: 40 });
  await memory.setItem({ key: 'a', value: 'x'.repeat(15), ttlMs: 10 });
  await memory.setItem({ key: 'b', value: 'x'.repeat(15), ttlMs: 10 });
  await assert.rejects(memory.setItem({ key: 'c', value: 1 }), { code: 'MEMORY_FULL' });
  await world.advance(10);
  await memory.setItem({ key: 'c', value: 'x'.repeat(35) });
  assert.equal(memory.item('c'), 'x'.repeat(35));
  await assert.rejects(memory.appendItem('c', 'xxx'), { code: 'MEMORY_FULL' });
});

test('a text is appended to, from an empty one where none is, and nothing else', async () => {
  const { world, memory, open } = await stage();
  assert.equal(await memory.appendItem('t', 'ein '), 'ein ');
  assert.equal(await memory.appendItem('t', 'Übel\ud83d'), 'ein Übel\ufffd');
  assert.equal((await open()).item('t'), 'ein Übel\ufffd');
  await memory.setItem({ key: 'n', value: 5 });
  await memory.setItem({ key: 'z', value: null });
  const { head } = memory;
  for (const key of ['n', 'z']) await assert.rejects(memory.appendItem(key, 'x'), { code: 'MEMORY_EDIT' });
  for (const key of ['t', 'z']) await assert.rejects(memory.raiseItem(key), { code: 'MEMORY_EDIT' });
  await assert.rejects(memory.appendItem('t', 5 as never), { code: 'OPTION_INVALID' });
  await assert.rejects(memory.appendItem('t', 'x'.repeat(65_536)), { code: 'MEMORY_TOO_LARGE' });
  assert.deepEqual([memory.head, memory.item('t')], [head, 'ein Übel\ufffd'], 'nothing was changed');
  await world.advance(3_600_000);
  assert.equal(await memory.appendItem('t', 'new'), 'new', 'what is over is not there');
});

test('what is added to, or touched, is kept no shorter for it, also through a handle of smaller bounds', async () => {
  const { world, memory, open } = await stage();
  const small = await open({ ttlMs: 10, ttlMsMax: 20 });
  await memory.setItem({ key: 'n', value: 1, ttlMs: 100 });
  await memory.setItem({ key: 't', value: 'a', ttlMs: 100 });
  assert.deepEqual([await small.raiseItem('n'), await small.appendItem('t', 'b'), await small.touchItem('t', 5)], [2, 'ab', true]);
  await world.advance(99);
  assert.deepEqual([small.item('n'), small.item('t')], [2, 'ab']);
  assert.equal(await small.raiseItem('n'), 3, 'and longer where its time would be over sooner');
  await world.advance(9);
  assert.deepEqual([small.item('n'), small.item('t')], [3, undefined]);
  await world.advance(1);
  assert.equal(small.item('n'), undefined);
});

test('a sweep removes what is over, says how many, and makes nothing else shorter', async () => {
  const { world, memory, open } = await stage();
  assert.deepEqual([await memory.sweepItems(), memory.head], [0, 0], 'where nothing is, nothing is written');
  for (const [at, ttlMs] of [10, 10, 20].entries()) await memory.setItem({ key: `k${at}`, value: at, ttlMs });
  const other = await open();
  await world.advance(9);
  assert.equal(await memory.sweepItems(), 0);
  await world.advance(1);
  assert.equal(await memory.sweepItems(), 2);
  const { head } = memory;
  assert.deepEqual([await other.sweepItems(), await memory.sweepItems(), memory.head], [0, 0, head], 'nothing twice');
  assert.deepEqual([memory.item('k0'), memory.item('k2'), (await open()).item('k2')], [undefined, 2, 2]);
});

test('a sweep of more than an event may name takes some more events', async () => {
  const { world, store, memory } = await stage({ itemsMax: 900, keyBytesMax: 2_000 });
  for (let at = 0; at < 200; at++) await memory.setItem({ key: `${at}`.padEnd(2_000, 'ü').slice(0, 1_000), value: at, ttlMs: 10_000 });
  await world.advance(10_000);
  const before = memory.head;
  assert.equal(await memory.sweepItems(), 200);
  const events = (await store.read(memory.sid, { after: before - 1 })).flatMap((frame) => frame.events);
  assert.deepEqual(
    events.map(({ data }) => (data['keys'] as readonly string[]).length),
    [131, 69],
  );
  assert.deepEqual([pageOfKeys(['x'.repeat(300_000)]).length, pageOfKeys(Array.from({ length: 1_001 }, String)).length], [1, 1_000]);
});

test('any items that are set, added to, touched and swept, by two handles, are those of a plain list', async () => {
  const KEY = fc.constantFrom('a', 'b', 'c');
  const step = fc.record({
    type: fc.constantFrom('set', 'raise', 'append', 'touch', 'delete', 'sweep', 'wait'),
    key: KEY,
    number: fc.integer({ min: 1, max: 40 }),
    isText: fc.boolean(),
    isOther: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const { world, memory, open } = await stage({ ttlMs: 20 });
      const other = await open();
      const list = new Map<string, { value: string | number; untilMs: number }>();
      const nowMs = (): number => world.clock.nowMs();
      const at = (key: string) => {
        const item = list.get(key);
        return item === undefined || item.untilMs <= nowMs() ? undefined : item;
      };
      const add = (key: string, value: string | number): void =>
        void list.set(key, { value, untilMs: Math.max(at(key)?.untilMs ?? 0, nowMs() + 20) });
      for (const { type, key, number, isText, isOther } of steps) {
        const by = isOther ? other : memory;
        const before = at(key);
        if (type === 'wait') await world.advance(number);
        else if (type === 'set') {
          const value = isText ? 'x' : number;
          await by.setItem({ key, value, ttlMs: number });
          list.set(key, { value, untilMs: nowMs() + number });
        } else if (type === 'raise' || type === 'append') {
          const act = type === 'raise' ? by.raiseItem(key, number) : by.appendItem(key, 'y');
          const value = before?.value ?? (type === 'raise' ? 0 : '');
          if (typeof value !== (type === 'raise' ? 'number' : 'string')) await assert.rejects(act, { code: 'MEMORY_EDIT' });
          else {
            const next = typeof value === 'number' ? value + number : `${value}y`;
            assert.equal(await act, next);
            add(key, next);
          }
        } else if (type === 'touch') {
          assert.equal(await by.touchItem(key, number), before !== undefined);
          if (before !== undefined) before.untilMs = Math.max(before.untilMs, nowMs() + number);
        } else if (type === 'delete') {
          assert.equal(await by.deleteItem(key), before !== undefined);
          if (before !== undefined) list.delete(key);
        } else {
          const over = Array.from(list.keys()).filter((one) => at(one) === undefined);
          assert.equal(await by.sweepItems(), over.length);
          for (const one of over) list.delete(one);
        }
        await Promise.all([memory.refresh(), other.refresh()]);
        for (const shown of [memory, other])
          assert.deepEqual(
            ['a', 'b', 'c'].map((one) => shown.item(one)),
            ['a', 'b', 'c'].map((one) => at(one)?.value),
          );
      }
      const again = await open();
      assert.deepEqual(
        [again.item('a'), await again.sweepItems()],
        [at('a')?.value, Array.from(list.keys()).filter((one) => at(one) === undefined).length],
      );
    }),
    { numRuns: 60 },
  );
});
