import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eraseSubject, memoryStore, type Store } from '../log/index.ts';
import { NervaError } from '../core/index.ts';
import { memoryKeys, testWorld } from '../testing/index.ts';
import { openMemory, type Memory, type MemoryOptions } from './index.ts';

/** A store in memory and a memory of scope `user:ada` on it; `open` opens another handle of it. */
async function stage(more: Partial<MemoryOptions> = {}) {
  const world = testWorld();
  const keys = memoryKeys();
  const store = memoryStore({ world, keys });
  const open = (options: Partial<MemoryOptions> = {}): Promise<Memory> =>
    openMemory({ store, world, scope: 'user:ada', ...more, ...options });
  return { world, store, keys, open, memory: await open() };
}
const texts = (memory: Memory, query: string, options = {}): readonly string[] =>
  memory.recall(query, options).map(({ entry }) => entry.text);

test('what is kept is there for whoever opens it next, and nothing is written before', async () => {
  const { store, memory, open } = await stage();
  assert.deepEqual([memory.head, (await store.list()).length], [0, 0]);
  await memory.setBlock({ label: 'human', type: 'human', text: 'Ada, engineer' });
  await memory.setItem({ key: 'draft', value: { n: 1 } });
  const entry = await memory.remember('Ada moved to Graz.\nShe likes it.', { tags: ['home'], source: 's:4' });
  const again = await open();
  assert.equal(again.render(), '<core_memory>\n<block type="human" label="human">Ada, engineer</block>\n</core_memory>');
  assert.deepEqual(again.item('draft'), { n: 1 });
  assert.deepEqual(again.recall('where does she live, in Graz?')[0]?.entry, entry);
  assert.deepEqual([entry.name, entry.source, entry.id], ['Ada moved to Graz.', 's:4', 'scope:user:ada:3']);
  assert.deepEqual([entry.kind, entry.importance], ['note', 0.5], 'where nothing else is said');
  assert.deepEqual([(await store.info('scope:user:ada')).status, (await store.verify('scope:user:ada')).ok], ['idle', true]);
});

test('what takes the place of another holds from its time on, and what held before is found as of then', async () => {
  const { world, memory } = await stage();
  const day = 86_400_000;
  const from = world.clock.nowMs() - 100 * day;
  const linz = await memory.remember('Ada lives in Linz.', { validMs: from });
  await world.advance(day);
  const beforeMove = world.clock.nowMs();
  await world.advance(day);
  const graz = await memory.remember('Ada lives in Graz.', { validMs: from + 50 * day, supersedes: linz.id });
  const asked = (options = {}) => texts(memory, 'Where does Ada live?', options);
  assert.deepEqual(asked(), ['Ada lives in Graz.']);
  assert.deepEqual(asked({ validAtMs: from + 10 * day }), ['Ada lives in Linz.']);
  assert.deepEqual(asked({ validAtMs: from + 50 * day }), ['Ada lives in Graz.'], 'from that moment on');
  assert.deepEqual(asked({ validAtMs: from - 1 }), []);
  assert.deepEqual(asked({ knownAtMs: beforeMove }), ['Ada lives in Linz.'], 'nobody knew it yet');
  await assert.rejects(memory.remember('Ada lives in Wien.', { supersedes: linz.id }), { code: 'MEMORY_CHANGED' });
  const wien = await memory.remember('Ada lives in Wien.', { supersedes: graz.id });
  assert.deepEqual(asked(), ['Ada lives in Wien.']);
  assert.deepEqual(
    [memory.entry(linz.id).supersededBy?.id, memory.entry(graz.id).supersededBy?.id, wien.supersedes],
    [graz.id, wien.id, graz.id],
  );
});

test('what is forgotten is found no more, but was there then', async () => {
  const { world, memory } = await stage();
  const { id } = await memory.remember('The code of the door is 4711.');
  const thenMs = world.clock.nowMs();
  await world.advance(1);
  await memory.forget(id);
  const { head } = memory;
  await memory.forget(id);
  assert.equal(memory.head, head, 'twice is once');
  assert.deepEqual([texts(memory, 'door code'), texts(memory, 'door code', { knownAtMs: thenMs }).length], [[], 1]);
  await assert.rejects(memory.forget(`${memory.sid}:99`), { code: 'MEMORY_UNKNOWN' });
});

test('what held before 1970 is found as of then', async () => {
  const { memory } = await stage();
  await memory.remember('Ada was born in Linz.', { validMs: Date.UTC(1965, 2, 1) });
  assert.deepEqual(texts(memory, 'born', { validAtMs: Date.UTC(1966, 0, 1) }), ['Ada was born in Linz.']);
});

test('recall looks at tags and kinds before it ranks', async () => {
  const { memory } = await stage();
  await memory.remember('Graz has a clock tower.', { kind: 'location', tags: ['city', 'old'] });
  await memory.remember('Graz is where the party is, Graz, Graz.', { kind: 'event', tags: ['city'] });
  assert.deepEqual(texts(memory, 'Graz', { tags: ['city', 'old'] }), ['Graz has a clock tower.']);
  assert.equal(memory.recall('Graz', { kinds: ['location'] })[0]?.score, 1, 'what is left out is no measure');
});

test('the log is the memory: it is shown as it stood after any event, and that takes no change', async () => {
  const { memory, open } = await stage();
  await memory.setBlock({ label: 'a', text: 'one' });
  await memory.remember('first');
  await memory.editBlock('a', { type: 'append', text: 'two' });
  const shown = async (upto: number) => {
    const then = await open({ upto });
    return [then.core[0]?.text, then.entries().length];
  };
  assert.deepEqual(
    [await shown(0), await shown(1), await shown(2), await shown(3)],
    [
      [undefined, 0],
      ['one', 0],
      ['one', 1],
      ['one\ntwo', 1],
    ],
  );
  await assert.rejects((await open({ upto: 1 })).remember('x'), { code: 'MEMORY_DENIED' });
});

test('an edit by a model keeps to what is read-only and to what it has read', async () => {
  const { memory } = await stage();
  await memory.setBlock({ label: 'rules', type: 'system', text: 'Be kind.', isReadOnly: true });
  await memory.setBlock({ label: 'notes', text: 'a' });
  const { head } = memory;
  await assert.rejects(memory.editBlock('rules', { type: 'rethink', text: 'Be bad.' }), { code: 'MEMORY_DENIED' });
  await assert.rejects(memory.editBlock('notes', { type: 'append', text: 'b' }, { version: 2 }), { code: 'MEMORY_CHANGED' });
  await assert.rejects(memory.editBlock('notes', { type: 'replace', old: 'x', new: 'y' }), { code: 'MEMORY_EDIT' });
  await assert.rejects(memory.editBlock('none', { type: 'append', text: 'b' }), { code: 'MEMORY_UNKNOWN' });
  assert.equal(memory.head, head);
  await memory.editBlock('notes', { type: 'append', text: 'b' }, { version: 1 });
  assert.deepEqual(
    memory.core.map(({ text }) => text),
    ['Be kind.', 'a\nb'],
  );
  await memory.removeBlock('notes');
  assert.equal(memory.core.length, 1);
});

test('items are raised, touched, deleted, and over when the clock says so', async () => {
  const { world, memory } = await stage();
  assert.deepEqual([await memory.raiseItem('n'), await memory.raiseItem('n', 4), memory.item('n')], [1, 5, 5]);
  await memory.setItem({ key: 'k', value: 'v', ttlMs: 100 });
  await world.advance(60);
  assert.equal(await memory.touchItem('k', 100), true);
  await world.advance(99);
  assert.equal(memory.item('k'), 'v');
  await world.advance(1);
  assert.deepEqual([memory.item('k'), await memory.touchItem('k'), await memory.deleteItem('k')], [undefined, false, false]);
  assert.deepEqual([await memory.deleteItem('n'), memory.item('n')], [true, undefined]);
});

test('a memory with larger bounds than the default keeps what it was given, also when it is opened again', async () => {
  const { memory, open } = await stage({ working: { itemsMax: 2_000 } });
  for (let at = 0; at < 1_001; at++) await memory.setItem({ key: `k${at}`, value: at });
  assert.equal((await open()).item('k0'), 0);
});

test('two that write at once lose nothing, and each decides on what stands', async () => {
  const { memory, open } = await stage();
  const other = await open();
  await Promise.all(Array.from({ length: 10 }, (_, at) => (at % 2 === 0 ? memory : other).raiseItem('n')));
  await memory.refresh();
  assert.equal(memory.item('n'), 10);
  await memory.setBlock({ label: 'a', text: '' });
  await other.refresh();
  const edits = await Promise.allSettled(
    [memory, other].map((one, at) => one.editBlock('a', { type: 'append', text: String(at) }, { version: 1 })),
  );
  assert.deepEqual(edits.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
});

test('a write of which nobody knows whether it was made is made once', async () => {
  const { world, store } = await stage();
  let isLost = false;
  const flaky: Store = {
    ...store,
    append: async (frame) => {
      const result = await store.append(frame);
      if (isLost) return result;
      isLost = true;
      throw new NervaError('LOG_UNKNOWN_RESULT', 'The answer was lost.');
    },
  };
  const memory = await openMemory({ store: flaky, world, scope: 'x' });
  const entry = await memory.remember('once');
  assert.deepEqual([isLost, memory.entries(), await store.head('scope:x')], [true, [entry], 2]);
});

test('any number that write at once, on one handle or on many, all get through', async () => {
  const { memory, open } = await stage();
  const handles = await Promise.all(Array.from({ length: 30 }, () => open()));
  const kept = await Promise.all([...handles, ...handles.map(() => memory)].map((one, at) => one.remember(`text ${at}`)));
  await memory.refresh();
  assert.deepEqual([memory.entries().length, kept.map(({ text }) => text)], [60, kept.map((_, at) => `text ${at}`)], 'each got its own');
});

test('a refresh sees what was written before it, also while an earlier one is under way', async () => {
  const { world, store, memory } = await stage();
  await memory.remember('first');
  let gate = Promise.resolve();
  const slow: Store = {
    ...store,
    read: async (...asked) => {
      const frames = await store.read(...asked);
      await gate;
      return frames;
    },
  };
  const other = await openMemory({ store: slow, world, scope: 'user:ada' });
  let open = (): void => undefined;
  gate = new Promise((done) => (open = done));
  const early = other.refresh();
  await Promise.resolve();
  await memory.remember('second');
  const late = other.refresh();
  open();
  await Promise.all([early, late]);
  assert.equal(other.head, memory.head);
});

test('a key is for one change: another under it is refused', async () => {
  const { memory, open } = await stage();
  const first = await memory.remember('Ada lives in Linz.', { key: 'k' });
  await memory.setBlock({ label: 'a', text: '' });
  await memory.editBlock('a', { type: 'append', text: 'x' }, { key: 'e' });
  for (const act of [
    () => memory.remember('Ada lives in Graz.', { key: 'k' }),
    () => memory.remember('Ada lives in Linz.', { key: 'e' }),
    () => memory.forget(first.id, { key: 'k' }),
    () => memory.editBlock('b', { type: 'append', text: 'x' }, { key: 'e' }),
  ])
    await assert.rejects(act, { code: 'OPTION_INVALID', message: /a key of its own/ });
  const again = await open();
  assert.deepEqual([await again.remember('Ada lives in Linz.', { key: 'k' }), again.head], [first, memory.head]);
});

test('what is kept is found at once, also where the clock stands before the log', async () => {
  const { world, store, memory, open } = await stage();
  await memory.remember('Ada lives in Linz.');
  const behind = { ...world, clock: { ...world.clock, nowMs: () => world.clock.nowMs() - 5_000 } };
  const other = await open({ world: behind });
  assert.deepEqual(texts(other, 'Linz'), ['Ada lives in Linz.']);
  await other.remember('Ada lives in Graz.');
  assert.deepEqual(texts(other, 'Graz'), ['Ada lives in Graz.']);
  assert.equal((await store.verify(memory.sid)).ok, true);
});

test('a memory as it once stood has what was kept for a while then', async () => {
  const { world, memory, open } = await stage();
  await memory.setItem({ key: 'k', value: 1, ttlMs: 10 });
  await world.advance(1_000);
  assert.deepEqual([memory.item('k'), (await open({ upto: 1 })).item('k')], [undefined, 1]);
});

test('the log of an agent’s session is left alone', async () => {
  const { store, open } = await stage();
  await store.append({
    id: 'x',
    sid: 'scope:mine',
    expected: 0,
    events: [{ type: 'session.opened', data: {} }],
    then: { status: 'ready' },
  });
  const memory = await open({ scope: 'mine' });
  await assert.rejects(memory.remember('x'), { code: 'MEMORY_DENIED' });
  assert.equal((await store.info('scope:mine')).status, 'ready');
});

test('scopes and tenants see nothing of each other', async () => {
  const { world, store, memory, open } = await stage();
  await memory.remember('Ada’s secret is a garden.');
  const bob = await open({ scope: 'user:bob' });
  const elsewhere = await openMemory({ store: store.scope('acme'), world, scope: 'user:ada' });
  assert.deepEqual([texts(bob, 'secret garden'), texts(elsewhere, 'secret garden'), elsewhere.head], [[], [], 0]);
});

test('what belongs to a subject is sealed, and gone when the subject is erased: the memory folds on', async () => {
  const { world, store, keys, memory, open } = await stage({ subject: 'ada' });
  const { id } = await memory.remember('Ada lives in Linz.');
  await memory.setBlock({ label: 'human', type: 'human', text: 'Ada' });
  assert.deepEqual(
    (await store.read(memory.sid)).flatMap(({ events }) => events.map(({ subject }) => subject)),
    [undefined, 'ada', 'ada'],
  );
  await eraseSubject({ store, keys, world, subject: 'ada' });
  const after = await open();
  assert.deepEqual([after.core, after.entries(), texts(after, 'Linz')], [[], [], []]);
  assert.throws(() => after.entry(id), { code: 'MEMORY_UNKNOWN' });
  await memory.refresh();
  assert.deepEqual(
    [memory.core, memory.entries(), texts(memory, 'Linz'), memory.head],
    [[], [], [], after.head],
    'nor where it had been read',
  );
  await assert.rejects(after.remember('Ada lives in Graz.'), { code: 'SUBJECT_ERASED' });
});

test('bad input is refused, and nothing is written', async () => {
  const { store, memory, open } = await stage({ textBytesMax: 100 });
  const refused = (act: Promise<unknown>, code: string) => assert.rejects(act, { code });
  await refused(memory.remember(' \n'), 'OPTION_INVALID');
  await refused(memory.remember('ü'.repeat(51)), 'MEMORY_TOO_LARGE');
  await refused(memory.remember('x', { kind: 'thing' as never }), 'OPTION_INVALID');
  await refused(memory.remember('x', { importance: 2 }), 'OPTION_INVALID');
  await refused(memory.remember('x', { suprsedes: 'a:1' } as never), 'OPTION_UNKNOWN');
  await refused(memory.remember('x', { supersedes: 'a:1' }), 'MEMORY_UNKNOWN');
  await refused(memory.remember('x', { tags: 'home' as never }), 'OPTION_INVALID');
  await refused(memory.remember(5 as never), 'OPTION_INVALID');
  await refused(memory.remember('x', { validMs: 8.65e15 }), 'OPTION_INVALID');
  await refused(memory.setBlock({ label: 'a', readOnly: true } as never), 'OPTION_UNKNOWN');
  await refused(memory.setBlock({ label: 'a', text: 5 as never }), 'OPTION_INVALID');
  await refused(memory.setBlock({ label: 'a', description: undefined } as never), 'OPTION_INVALID');
  await refused(memory.setItem({ key: 'k', value: undefined as never }), 'OPTION_INVALID');
  await refused(memory.setItem({ key: 'k', value: 1, ttl: 5 } as never), 'OPTION_UNKNOWN');
  await refused(memory.raiseItem('n', NaN), 'OPTION_INVALID');
  await refused(memory.setBlock({ label: 'a', text: 'x'.repeat(40_000) }), 'MEMORY_FULL');
  await refused(memory.setItem({ key: 'k', value: 'x'.repeat(70_000) }), 'MEMORY_TOO_LARGE');
  await refused(open({ scope: 'no spaces' }), 'OPTION_INVALID');
  for (const limit of [0, 101]) assert.throws(() => memory.recall('x', { limit }), { code: 'OPTION_INVALID' });
  assert.throws(() => memory.recall('x', { limt: 1 } as never), { code: 'OPTION_UNKNOWN' });
  assert.throws(() => memory.recall('x', { validAtMs: NaN }), { code: 'OPTION_INVALID' });
  assert.equal((await store.list()).length, 0);
});

test('any changes fold to the same memory for whoever made them and for whoever reads them later', async () => {
  const step = fc.oneof(
    fc.record({ type: fc.constant('remember' as const), text: fc.constantFrom('red apple', 'green pear', 'blue plum'), old: fc.nat(5) }),
    fc.record({ type: fc.constant('forget' as const), at: fc.nat(5) }),
    fc.record({ type: fc.constant('block' as const), label: fc.constantFrom('a', 'b'), text: fc.string({ maxLength: 20 }) }),
    fc.record({ type: fc.constant('item' as const), key: fc.constantFrom('k', 'l'), ttlMs: fc.integer({ min: 1, max: 30 }) }),
    fc.record({ type: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 20 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
      const { world, memory, open } = await stage();
      for (const one of steps) {
        const known = memory.entries();
        const old = one.type === 'remember' ? known[one.old] : undefined;
        if (one.type === 'remember')
          await memory.remember(one.text, old !== undefined && old.supersededBy === null ? { supersedes: old.id } : {});
        else if (one.type === 'forget') await Promise.all(known.slice(one.at, one.at + 1).map(({ id }) => memory.forget(id)));
        else if (one.type === 'block') await memory.setBlock({ label: one.label, text: one.text });
        else if (one.type === 'item') await memory.setItem({ key: one.key, value: 1, ttlMs: one.ttlMs });
        else await world.advance(one.ms);
      }
      const shown = (from: Memory) => [from.head, from.render(), from.item('k'), from.item('l'), from.entries(), from.recall('apple plum')];
      assert.deepEqual(shown(await open()), shown(memory));
    }),
    { numRuns: 40 },
  );
});

test('a source that is no string, and tags that are too many or too long, are refused; so are tags and kinds of a question that are no lists', async () => {
  const world = testWorld();
  const memory = await openMemory({ store: memoryStore({ world }), world, scope: 's' });
  const wrong: readonly object[] = [
    { source: 42 },
    { tags: 'x' },
    { tags: Array.from({ length: 65 }, () => 'x') },
    { tags: ['x'.repeat(201)] },
  ];
  for (const options of wrong)
    await assert.rejects(memory.remember('text', options), { code: 'OPTION_INVALID' }, JSON.stringify(options).slice(0, 40));
  await memory.remember('text', { tags: Array.from({ length: 64 }, (_, at) => `${at}`.padEnd(200, 'x')) });
  for (const options of [{ tags: 5 }, { kinds: 5 }, { tags: [5] }])
    assert.throws(() => memory.recall('text', options as never), { code: 'OPTION_INVALID' });
});

test('of a question that is a book its beginning is read', async () => {
  const world = testWorld();
  const memory = await openMemory({ store: memoryStore({ world }), world, scope: 's' });
  await memory.remember('Ada has a lighthouse.');
  assert.equal(memory.recall(`${'x '.repeat(9_000)} lighthouse`).length, 1);
  assert.equal(memory.recall(`${'x '.repeat(10_000)} lighthouse`).length, 0);
});
