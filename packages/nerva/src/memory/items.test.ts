import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { memoryStore } from '../log/index.ts';
import { testWorld } from '../testing/index.ts';
import { openMemory, type Memory, type WorkingLimits } from './index.ts';
import { pageOfKeys } from './items.ts';

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

test('bounds that are no numbers, or below what can be, are refused when a memory is opened', async () => {
  const { open } = await stage();
  const names = ['bytesMax', 'itemBytesMax', 'itemsMax', 'keyBytesMax', 'ttlMs', 'ttlMsMax'];
  for (const name of names)
    for (const value of [NaN, '9', null, undefined, -1])
      await assert.rejects(
        open({ [name]: value as never }),
        { code: 'OPTION_INVALID', message: new RegExp(`working.${name}`) },
        `${name} ${value}`,
      );
  for (const ttlMs of [0, Infinity]) await assert.rejects(open({ ttlMs }), { code: 'OPTION_INVALID' });
  await assert.rejects((await open({ itemsMax: 0 })).setItem({ key: 'a', value: 1 }), { code: 'MEMORY_FULL' });
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

/** What is right, from the definition. */
class PlainList {
  readonly #items = new Map<string, { readonly value: string | number; untilMs: number }>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  at(key: string): string | number | undefined {
    const item = this.#items.get(key);
    return item === undefined || item.untilMs <= this.#nowMs() ? undefined : item.value;
  }

  set(key: string, value: string | number, ttlMs: number): void {
    this.#items.set(key, { value, untilMs: this.#nowMs() + ttlMs });
  }

  /** Kept no shorter than before. */
  keep(key: string, value: string | number, ttlMs: number): void {
    const beforeMs = this.at(key) === undefined ? 0 : (this.#items.get(key)?.untilMs ?? 0);
    this.#items.set(key, { value, untilMs: Math.max(beforeMs, this.#nowMs() + ttlMs) });
  }

  delete(key: string): void {
    if (this.at(key) !== undefined) this.#items.delete(key);
  }

  sweep(): number {
    const over = Array.from(this.#items.keys()).filter((key) => this.at(key) === undefined);
    for (const key of over) this.#items.delete(key);
    return over.length;
  }
}

interface Step {
  readonly type: 'set' | 'raise' | 'append' | 'touch' | 'delete' | 'sweep';
  readonly key: string;
  readonly number: number;
  readonly isText: boolean;
}

/** Makes a step here and there, and compares what comes of it. */
async function stepBoth(memory: Memory, list: PlainList, { type, key, number, isText }: Step): Promise<void> {
  const before = list.at(key);
  if (type === 'set') {
    const value = isText ? 'x' : number;
    await memory.setItem({ key, value, ttlMs: number });
    list.set(key, value, number);
  } else if (type === 'touch') {
    assert.equal(await memory.touchItem(key, number), before !== undefined);
    if (before !== undefined) list.keep(key, before, number);
  } else if (type === 'delete') {
    assert.equal(await memory.deleteItem(key), before !== undefined);
    list.delete(key);
  } else if (type === 'sweep') assert.equal(await memory.sweepItems(), list.sweep());
  else {
    const value = before ?? (type === 'raise' ? 0 : '');
    const next = typeof value === 'number' ? value + number : `${value}y`;
    const added = type === 'raise' ? memory.raiseItem(key, number) : memory.appendItem(key, 'y');
    if (typeof value !== (type === 'raise' ? 'number' : 'string')) return assert.rejects(added, { code: 'MEMORY_EDIT' });
    assert.equal(await added, next);
    list.keep(key, next, 20);
  }
}

test('any items that are set, added to, touched and swept, by two handles, are those of a plain list', async () => {
  const step = fc.record({
    type: fc.constantFrom('set', 'raise', 'append', 'touch', 'delete', 'sweep'),
    key: fc.constantFrom('a', 'b', 'c'),
    number: fc.integer({ min: 1, max: 40 }),
    isText: fc.boolean(),
    by: fc.nat(1),
    waitMs: fc.integer({ min: 0, max: 15 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const { world, memory, open } = await stage({ ttlMs: 20 });
      const handles = [memory, await open()];
      const list = new PlainList(() => world.clock.nowMs());
      const shown = (from: Memory) => ['a', 'b', 'c'].map((key) => from.item(key));
      for (const { by, waitMs, ...one } of steps) {
        await world.advance(waitMs);
        await stepBoth(handles[by] ?? memory, list, one);
        await Promise.all(handles.map((handle) => handle.refresh()));
        for (const handle of handles)
          assert.deepEqual(
            shown(handle),
            ['a', 'b', 'c'].map((key) => list.at(key)),
          );
      }
      const again = await open();
      assert.deepEqual([shown(again), await again.sweepItems()], [shown(memory), list.sweep()]);
    }),
    { numRuns: 60 },
  );
});
