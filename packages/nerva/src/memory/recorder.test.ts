import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NervaError } from '../core/index.ts';
import { eraseSubject, eventsOf, memoryStore, type LogEvent, type Store } from '../log/index.ts';
import { memoryKeys, testWorld } from '../testing/index.ts';
import { openMemory, type Memory, type MemoryOptions } from './index.ts';

/** A memory of scope `s`; `open` opens another handle of it, `events` reads its log. */
async function stage() {
  const world = testWorld();
  const keys = memoryKeys();
  const store = memoryStore({ world, keys });
  const open = (more: Partial<MemoryOptions> = {}): Promise<Memory> => openMemory({ store, world, scope: 's', ...more });
  const events = async (after = -1): Promise<readonly LogEvent[]> => (await store.read('scope:s', { after })).flatMap(eventsOf);
  return { world, keys, store, open, events, memory: await open() };
}
const asked = (memory: Memory, options = {}): readonly string[] => memory.recall('Ada', options).map(({ entry }) => entry.text);

test('what ends without anything in its place is found until then, and as of before it was said to end', async () => {
  const { world, memory, open } = await stage();
  const { id } = await memory.remember('Ada works in Graz.', { validMs: 100 });
  const saidMs = world.clock.nowMs();
  await world.advance(1_000);
  const ended = await memory.end(id, 500);
  assert.deepEqual([ended.invalidMs, ended.supersededBy, ended.forgottenMs, ended.endings.length], [500, null, null, 1]);
  for (const one of [memory, await open()]) {
    assert.deepEqual(one.entry(id), ended);
    assert.deepEqual([asked(one), one.count(), one.count({ isAll: true })], [[], 0, 1]);
    assert.deepEqual(
      [499, 500].map((validAtMs) => asked(one, { validAtMs }).length),
      [1, 0],
    );
    assert.deepEqual([asked(one, { knownAtMs: saidMs }).length, asked(one, { knownAtMs: world.clock.nowMs() }).length], [1, 0]);
  }
});

test('an end is moved to sooner only, is said once, and may be of a time to come', async () => {
  const { world, memory } = await stage();
  const { id } = await memory.remember('Ada works in Graz.', { validMs: 100 });
  const soonMs = world.clock.nowMs() + 50;
  await memory.end(id, soonMs);
  assert.equal(asked(memory).length, 1);
  await world.advance(50);
  assert.equal(asked(memory).length, 0);
  await memory.end(id, 400);
  const { head } = memory;
  await memory.end(id, 400);
  await assert.rejects(memory.end(id, 401), { code: 'MEMORY_CHANGED', message: /at 400/ });
  await assert.rejects(memory.end(`${memory.sid}:99`, 400), { code: 'MEMORY_UNKNOWN' });
  await assert.rejects(memory.end(id, NaN), { code: 'OPTION_INVALID' });
  await assert.rejects(memory.end(id, 300, { kee: 'x' } as never), { code: 'OPTION_UNKNOWN' });
  assert.equal(memory.head, head);
  await memory.end(id, 50);
  assert.deepEqual([memory.entry(id).invalidMs, asked(memory, { validAtMs: 100 })], [100, []], 'it never held');
});

test('what is remembered with its end holds until then only, in one frame, and ends what it takes the place of as it would without', async () => {
  const { memory, open, store } = await stage();
  const old = await memory.remember('Ada works in Wien.', { validMs: 5 });
  const { id } = await memory.remember('Ada works in Graz.', {
    validMs: 10,
    invalidMs: 20,
    supersedes: old.id,
    subject: 'ada',
    extract: true,
  });
  const moved = await memory.update(id, { text: 'Ada works in Linz.', validMs: 15, invalidMs: 25 });
  for (const one of [memory, await open()])
    assert.deepEqual(
      [4, 5, 10, 14, 15, 24, 25].map((validAtMs) => asked(one, { validAtMs }).map((text) => text.slice(13))),
      [[], ['Wien.'], ['Graz.'], ['Graz.'], ['Linz.'], ['Linz.'], []],
    );
  assert.deepEqual([moved.subject, memory.entry(id).endings.map(({ atMs }) => atMs)], ['ada', [20, 15]]);
  assert.deepEqual(
    (await store.read('scope:s', { after: 1 })).map((frame) => eventsOf(frame).map(({ type, subject }) => `${type} ${subject ?? ''}`)),
    [
      ['memory.recorded ada', 'memory.derived ada', 'memory.ended ada'],
      ['memory.recorded ada', 'memory.ended ada'],
    ],
  );
  const { head } = memory;
  for (const invalidMs of [NaN, 9e15, '5' as never]) await assert.rejects(memory.remember('x', { invalidMs }), { code: 'OPTION_INVALID' });
  assert.equal(memory.head, head);
  const first = await openMemory({ store, world: testWorld(), scope: 'first' });
  assert.equal((await first.remember('Ada works.', { validMs: 5, invalidMs: 9 })).invalidMs, 9, 'also what a log begins with');
});

test('what ends takes with it what it had superseded where that is sooner, and something may take its place still', async () => {
  const { memory, open } = await stage();
  const linz = await memory.remember('Ada lives in Linz.', { validMs: 100 });
  const graz = await memory.remember('Ada lives in Graz.', { validMs: 300, supersedes: linz.id });
  await memory.end(graz.id, 200);
  const wien = await memory.remember('Ada lives in Wien.', { validMs: 400, supersedes: graz.id });
  assert.equal(memory.entry(graz.id).supersededBy?.id, wien.id);
  for (const one of [memory, await open()])
    assert.deepEqual(
      [150, 250, 350, 450].map((validAtMs) => asked(one, { validAtMs })),
      [['Ada lives in Linz.'], [], [], ['Ada lives in Wien.']],
    );
});

test('an end under a key is said once, and another under it is refused', async () => {
  const { memory, open } = await stage();
  const { id } = await memory.remember('Ada works in Graz.', { validMs: 100 });
  const other = await memory.remember('Ada sings.', { validMs: 100 });
  const ended = await memory.end(id, 500, { key: 'k' });
  const { head } = memory;
  assert.deepEqual([await (await open()).end(id, 500, { key: 'k' }), await memory.end(id, 500, { key: 'k' })], [ended, ended]);
  for (const act of [() => memory.end(id, 400, { key: 'k' }), () => memory.end(other.id, 500, { key: 'k' })])
    await assert.rejects(act, { code: 'OPTION_INVALID', message: /a key of its own/ });
  assert.equal(memory.head, head);
});

test('an end goes with whom it is about: with the entry’s subject, or with whom it is said to be of', async () => {
  const { world, keys, store, open, events, memory } = await stage();
  const own = await memory.remember('Ada has a car.', { validMs: 100, subject: 'ada' });
  await memory.end(own.id, 500);
  const free = await memory.remember('Ada sits at desk 4.', { validMs: 100 });
  await memory.end(free.id, 500, { subject: 'bob' });
  assert.deepEqual(
    (await events()).map(({ type, subject }) => [type, subject]).filter(([type]) => type === 'memory.ended'),
    [
      ['memory.ended', 'ada'],
      ['memory.ended', 'bob'],
    ],
  );
  await eraseSubject({ store, keys, world, subject: 'bob' });
  await memory.refresh();
  for (const one of [memory, await open()])
    assert.deepEqual([asked(one), one.entry(free.id).endings], [['Ada sits at desk 4.'], []], 'it holds again');
  await eraseSubject({ store, keys, world, subject: 'ada' });
  await memory.refresh();
  assert.deepEqual([memory.entries().length, (await open()).entries().length], [1, 1]);
});

test('an update takes the place of an entry, and what it does not say is as it was', async () => {
  const { memory, open } = await stage();
  const first = await memory.remember('Ada lives in Linz.', {
    kind: 'location',
    tags: ['home'],
    importance: 0.9,
    subject: 'ada',
    validMs: 100,
  });
  const second = await memory.update(first.id, { text: 'Ada lives in Graz.', validMs: 300 });
  const { text, kind, tags, importance, subject, validMs, supersedes } = second;
  assert.deepEqual(
    [text, kind, tags, importance, subject, validMs, supersedes],
    ['Ada lives in Graz.', 'location', ['home'], 0.9, 'ada', 300, first.id],
  );
  const third = await memory.update(second.id, { importance: 0, tags: [], key: 'k' });
  assert.deepEqual([third.text, third.kind, third.importance, third.tags], [text, kind, 0, []]);
  assert.deepEqual(await (await open()).update(second.id, { importance: 0, tags: [], key: 'k' }), third);
  assert.deepEqual([memory.count(), asked(memory, { validAtMs: 200 })], [1, ['Ada lives in Linz.']]);
  const { head } = memory;
  await assert.rejects(memory.update(first.id, { text: 'x' }), { code: 'MEMORY_CHANGED' });
  await assert.rejects(memory.update(third.id, {}), { code: 'OPTION_INVALID' });
  await assert.rejects(memory.update(third.id, { subject: 'x' } as never), { code: 'OPTION_UNKNOWN' });
  await assert.rejects(memory.update(`${memory.sid}:99`, { text: 'x' }), { code: 'MEMORY_UNKNOWN' });
  assert.equal(memory.head, head);
});

test('any text that says something is one entry more, under a name, and forgotten is not found', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 80 }), fc.boolean(), async (text, extract) => {
      const { memory } = await stage();
      if (text.trim() === '') return assert.rejects(memory.remember(text), { code: 'OPTION_INVALID' });
      const entry = await memory.remember(`${text} apple`, { extract });
      assert.deepEqual([memory.count(), memory.list(), entry.name === ''], [1, [entry], false]);
      assert.equal(memory.recall('apple', { limit: 1 })[0]?.entry.id, entry.id);
      await memory.forget(entry.id);
      assert.deepEqual([memory.count(), memory.list(), memory.recall('apple', { limit: 100 })], [0, [], []]);
    }),
    { numRuns: 50 },
  );
});

test('a memory is cleared: all is left out, whether it held or not, and is found as of before', async () => {
  const { world, memory, open, events } = await stage();
  assert.deepEqual([await memory.clear(), memory.head], [0, 0], 'where nothing is, nothing is written');
  await memory.setBlock({ label: 'human', text: 'Ada' });
  const linz = await memory.remember('Ada lives in Linz.', { validMs: 100 });
  await memory.remember('Ada lives in Graz.', { supersedes: linz.id });
  await memory.remember('Ada will move.', { validMs: world.clock.nowMs() + 5_000, subject: 'ada' });
  const gone = await memory.remember('Ada likes tea.');
  await memory.forget(gone.id);
  await memory.tend({ scoreMin: 0 });
  assert.equal(memory.core.length, 2);
  const beforeMs = world.clock.nowMs();
  await world.advance(1_000);
  const { head } = memory;
  assert.equal(await memory.clear(), 3);
  assert.deepEqual(
    (await events(head - 1)).map(({ type, data, subject }) => [type, data['ids'], subject]),
    [
      ['memory.cleared', [linz.id, 'scope:s:3'], undefined],
      ['memory.cleared', ['scope:s:4'], 'ada'],
    ],
  );
  assert.equal(await memory.clear(), 0);
  for (const one of [memory, await open()]) {
    assert.deepEqual([one.count(), asked(one), one.count({ isAll: true }), one.core.length], [0, [], 4, 1]);
    assert.deepEqual(asked(one, { knownAtMs: beforeMs }), ['Ada lives in Graz.']);
  }
  await memory.remember('Ada is back.');
  assert.deepEqual(asked(memory), ['Ada is back.']);
});

test('a memory is reset: no entry, block or item is left, and what agents may do stays', async () => {
  const { world, memory, open } = await stage();
  assert.deepEqual([await memory.reset(), memory.head], [{ entries: 0, blocks: 0, items: 0 }, 0]);
  await memory.setBlock({ label: 'rules', type: 'system', text: 'Be kind.', isReadOnly: true });
  await memory.setBlock({ label: 'notes', text: 'x' });
  await memory.setItem({ key: 'k', value: 1 });
  await memory.setItem({ key: 'l', value: 1, ttlMs: 5 });
  await memory.grant('clerk', ['recall']);
  await memory.remember('Ada lives in Linz.');
  await world.advance(5);
  assert.deepEqual(await memory.reset(), { entries: 1, blocks: 2, items: 1 });
  for (const one of [memory, await open()])
    assert.deepEqual([one.count(), one.list(), one.core, one.item('k'), one.rights], [0, [], [], undefined, { clerk: ['recall'] }]);
  assert.deepEqual([await memory.sweepItems(), await memory.reset()], [0, { entries: 0, blocks: 0, items: 0 }]);
  await assert.rejects((await open({ upto: 3 })).reset(), { code: 'MEMORY_DENIED' });
});

test('what another adds just before a write of a reset stays', async () => {
  const { world, store, memory, open } = await stage();
  await memory.remember('old');
  await memory.setBlock({ label: 'old', text: '' });
  await memory.setItem({ key: 'old', value: 1 });
  const other = await open();
  const added = new Set<string>();
  const slow: Store = {
    ...store,
    append: async (frame) => {
      const type = frame.events[0]?.type ?? '';
      if (!added.has(type)) {
        added.add(type);
        if (type === 'memory.cleared') await other.remember('new');
        else if (type === 'memory.block.removed') await other.setBlock({ label: 'new', text: '' });
        else await other.setItem({ key: 'new', value: 1 });
      }
      return store.append(frame);
    },
  };
  const done = await (await openMemory({ store: slow, world, scope: 's' })).reset();
  assert.deepEqual([done, added.size], [{ entries: 1, blocks: 1, items: 1 }, 3]);
  const after = await open();
  assert.deepEqual(
    [after.core.map(({ label }) => label), after.list().map(({ text }) => text), after.item('old'), after.item('new')],
    [['new'], ['new'], undefined, 1],
  );
});

const COUNT = 2_500;

/** A store with a memory of COUNT entries, two blocks and an item. */
async function large() {
  const staged = await stage();
  const { memory, store } = staged;
  await memory.setBlock({ label: 'a', text: 'x' });
  await memory.setBlock({ label: 'b', text: 'x' });
  await memory.setItem({ key: 'k', value: 1 });
  const data = { name: 'n', kind: 'note', tags: [], importance: 0.5, validMs: 0 };
  const events = Array.from({ length: COUNT }, (_, at) => ({ type: 'memory.recorded', data: { ...data, text: `text ${at}` } }));
  await store.append({ id: 'many', sid: memory.sid, expected: memory.head, events });
  await memory.refresh();
  return staged;
}

test('what is cut in the middle of a reset, at any of its writes, is gone on with by the next', async () => {
  for (let writes = 0; ; writes++) {
    const { world, store, open } = await large();
    let left = writes;
    const cut: Store = {
      ...store,
      append: (frame) => (left-- > 0 ? store.append(frame) : Promise.reject(new NervaError('STORE_FAILED', 'The process is gone.'))),
    };
    const done = await openMemory({ store: cut, world, scope: 's' })
      .then((memory) => memory.reset())
      .catch(() => null);
    const after = await open();
    assert.equal(after.count(), Math.max(0, COUNT - 1_000 * writes), 'what is acknowledged is there');
    const rest = await after.reset();
    assert.deepEqual(
      rest,
      done === null
        ? { entries: Math.max(0, COUNT - 1_000 * writes), blocks: writes > 3 ? 0 : 2, items: 1 }
        : { entries: 0, blocks: 0, items: 0 },
    );
    const again = await open();
    assert.deepEqual([again.count(), again.core, again.item('k'), again.entries()], [0, [], undefined, after.entries()]);
    if (done === null) continue;
    assert.equal(writes, 5, 'three frames of entries, one of blocks, one of items');
    return;
  }
});

test('any changes that others make during a clear or a reset stand, and all that was there before is gone', async () => {
  const change = fc.constantFrom('remember', 'forget', 'block', 'item', 'clear');
  const make = async (memory: Memory, type: string, at: number): Promise<void> => {
    if (type === 'remember') await memory.remember(`new ${at}`);
    else if (type === 'forget') await memory.forget(`${memory.sid}:2`);
    else if (type === 'block') await memory.setBlock({ label: `new${at}`, text: '' });
    else if (type === 'item') await memory.setItem({ key: `new${at}`, value: at });
    else await memory.clear();
  };
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(6), change), { maxLength: 8 }), fc.boolean(), fc.nat(4), async (changes, isReset, count) => {
      const { world, store, memory, open } = await stage();
      await memory.setItem({ key: 'old', value: 1 });
      await memory.remember('old first');
      for (let at = 0; at < count; at++) await memory.remember(`old ${at}`);
      const other = await open();
      // Before its n-th write, whatever is planned for then is written by somebody else.
      let turn = 0;
      const slow: Store = {
        ...store,
        append: async (frame) => {
          for (const [at, [when, type]] of changes.entries()) if (when === turn) await make(other, type, at);
          turn++;
          return store.append(frame);
        },
      };
      const clearing = await openMemory({ store: slow, world, scope: 's' });
      await (isReset ? clearing.reset() : clearing.clear());
      const after = await open();
      assert.deepEqual(after.list({ filter: { text: { $contains: 'old' } } }), []);
      assert.equal(after.item('old'), isReset ? undefined : 1);
      const wanted = changes.map(([when, type], at) => ({ when, type, at })).filter(({ when }) => when < turn);
      for (const { at } of wanted.filter(({ type }) => type === 'remember'))
        assert.ok(after.entries().some(({ text }) => text === `new ${at}`));
      const isClearedByOthers = wanted.some(({ type }) => type === 'clear');
      if (!isClearedByOthers) assert.equal(after.count(), wanted.filter(({ type }) => type === 'remember').length);
      await clearing.refresh();
      assert.deepEqual([clearing.count(), clearing.list(), clearing.core], [after.count(), after.list(), after.core]);
      if (!isReset) assert.equal(after.core.length, wanted.filter(({ type }) => type === 'block').length);
    }),
    { numRuns: 80 },
  );
});
