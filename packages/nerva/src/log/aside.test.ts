import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testWorld } from '../testing/index.ts';
import { memoryProjectionRows, memoryStore, projections, type EventDraft, type Projection, type Store } from './index.ts';

const world = testWorld();
const event = (type = 'n.added'): EventDraft => ({ type, data: {} });

/** A list of what was applied. */
const trail: Projection = {
  name: 'trail',
  version: 1,
  apply: (rows, { sid, seq }) => rows.put('all', `${rows.get('all') ?? ''}${sid}${seq},`),
};

async function kept(projection: Projection, events: readonly EventDraft[], around: (store: Store) => Store = (store) => store) {
  const store = memoryStore({ world });
  await store.append({ id: 'f', sid: 'a', expected: 0, events });
  const all = projections({ store: around(store), rows: memoryProjectionRows(), world, list: [projection] });
  return { ...all, store, served: () => all.read('trail', (rows) => rows.get('all')) };
}

test('tries are counted for each event: two that fail now and then are both applied in the end', async () => {
  const failures = new Map([
    [0, 2],
    [1, 2],
  ]);
  const flaky: Projection = {
    ...trail,
    apply(rows, each) {
      const left = failures.get(each.seq) ?? 0;
      failures.set(each.seq, left - 1);
      if (left > 0) throw new Error('flaky');
      trail.apply(rows, each);
    },
  };
  const { catchUp, served, status } = await kept(flaky, [event(), event()]);
  await catchUp();
  assert.equal(await served(), 'a0,a1,');
  assert.deepEqual((await status('trail')).aside, []);
});

test('a projection that was never built has no rows, and is building', async () => {
  const { served, status } = await kept(trail, [event()]);
  assert.equal(await served(), null);
  assert.deepEqual(await status('trail'), { name: 'trail', version: 1, status: 'building', cursor: '', aside: [] });
});

test('a rebuild serves the former rows until the new ones are whole', async () => {
  let release = (): void => undefined;
  let held: Promise<void> = Promise.resolve();
  const { catchUp, served, rebuild, status } = await kept(trail, [event(), event()], (store) => ({
    ...store,
    async *feed(options) {
      await held;
      yield* store.feed(options);
    },
  }));
  await catchUp();
  held = new Promise((resolve) => (release = resolve));
  const rebuilt = rebuild('trail');
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([await served(), (await status('trail')).status], ['a0,a1,', 'building']);
  release();
  await rebuilt;
  assert.deepEqual([await served(), (await status('trail')).status], ['a0,a1,', 'current']);
});

test('a note of an erasure counts wherever it stands in its frame', async () => {
  let applied = 0;
  const counting: Projection = { ...trail, apply: (rows, each) => (applied++, trail.apply(rows, each)) };
  const { catchUp, store } = await kept(counting, [event()]);
  await catchUp();
  assert.equal(applied, 1);
  await store.append({ id: 'g', sid: 'a', expected: 1, events: [event(), event('subject.erased')] });
  await catchUp();
  assert.equal(applied, 1 + 2 + 3, 'two new ones, and then all three anew');
});

test('runs of one projection follow each other', async () => {
  let [running, most] = [0, 0];
  const { catchUp, rebuild } = await kept(trail, [event()], (store) => ({
    ...store,
    async *feed(options) {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      yield* store.feed(options);
      running--;
    },
  }));
  const first = catchUp();
  await new Promise((resolve) => setImmediate(resolve));
  await Promise.all([first, catchUp(), rebuild('trail'), catchUp()]);
  assert.equal(most, 1);
});
