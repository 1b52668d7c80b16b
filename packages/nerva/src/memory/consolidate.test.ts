import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NervaError } from '../core/index.ts';
import { eraseSubject, eventsOf, memoryStore, type LogEvent, type Store } from '../log/index.ts';
import { memoryKeys, testWorld } from '../testing/index.ts';
import { openMemory, type Entry, type Evolver, type Extractor, type Memory, type MemoryOptions, type Related } from './index.ts';

const DAY = 86_400_000;

/** A store in memory with keys; `open` opens the memory `user:ada`, `log` is what its log holds of derived events. */
async function stage(more: Partial<MemoryOptions> = {}) {
  const world = testWorld();
  const keys = memoryKeys();
  const store = memoryStore({ world, keys });
  const open = (options: Partial<MemoryOptions> = {}): Promise<Memory> =>
    openMemory({ store, world, scope: 'user:ada', ...more, ...options });
  const log = async (): Promise<readonly LogEvent[]> =>
    (await store.read('scope:user:ada')).flatMap(eventsOf).filter(({ type }) => type === 'memory.derived' || type === 'memory.evolved');
  return { world, store, keys, open, log, memory: await open() };
}
const texts = (memory: Memory, query: string, options = {}): readonly string[] =>
  memory.recall(query, options).map(({ entry }) => entry.text);
const extractor = (by: string, extract: Extractor['extract']): Extractor => ({ by, extract });
const evolverOf = (relate: (...asked: Parameters<Evolver['relate']>) => readonly Related[]): Evolver => ({
  by: 'mine@1',
  relate: (...asked) => Promise.resolve({ relations: relate(...asked) }),
});
const topic = (name: string) => ({
  items: [{ type: 'topic' as const, name, start: null, end: null, confidence: 1 }],
  relations: [],
  failure: null,
});

test('what is remembered with `extract` is taken apart in the same frame, and is found by what was made of it', async () => {
  const { world, store, memory, open } = await stage();
  const first = await memory.remember('Yesterday Ada met Bob. I will call her by Friday.', {
    extract: true,
    validMs: Date.UTC(2026, 10, 27),
  });
  await memory.remember('Carol ran 5 km, and I like tea.', { extract: true });
  const plain = await memory.remember('Ada has a cat.');
  const may = await memory.remember('It rained in May.', { extract: true, validMs: Date.UTC(2026, 10, 27) });
  assert.equal((await store.read(memory.sid)).length, 4);
  assert.deepEqual(
    [first.derived?.[0]?.by, first.derived?.[0]?.items.map(({ type, name }) => `${type} ${name}`), plain.derived],
    ['rules@1', ['date 2026-11-26', 'person Ada', 'person Bob', 'commitment call her by Friday', 'date 2026-11-27'], undefined],
  );
  const found = (filter: NonNullable<Parameters<Memory['recall']>[1]>['filter']) =>
    memory.recall('Ada Bob Carol tea rained', { filter: filter ?? {}, validAtMs: world.clock.nowMs() + 1e13 }).map(({ entry }) => entry.id);
  assert.deepEqual(found({ people: { $contains: 'Bob' } }), [first.id]);
  assert.deepEqual(found({ dates: { $gte: '2026-11-01', $lt: '2026-12-01' } }), [first.id]);
  assert.deepEqual(
    [found({ quantities: '5 km' }).length, found({ preferences: 'tea' }).length, found({ commitments: 'call her by Friday' }).length],
    [1, 1, 1],
  );
  assert.deepEqual(found({ dates: { $gte: '2026-05-01', $lt: '2026-05-02' } }), [may.id]);
  assert.throws(() => memory.recall('x', { filter: { persons: 'Bob' } }), { code: 'OPTION_UNKNOWN' });
  assert.deepEqual((await open()).entries(), memory.entries());
});

test('each text that is remembered with `extract` gives something, and one that cannot be taken apart is remembered all the same', async () => {
  const { memory } = await stage({ extract: true, textBytesMax: 200_000 });
  for (const text of ['x', '?', 'ü'.repeat(60_000)]) assert.equal((await memory.remember(text)).derived?.[0]?.items.length, 1);
  assert.deepEqual(
    memory.entries().map(({ derived }) => derived?.[0]?.failure),
    [null, null, 'MEMORY_TOO_LARGE'],
  );
  assert.equal((await memory.remember('y', { extract: false })).derived, undefined);
  await assert.rejects(memory.remember('z', { extract: 1 as never }), { code: 'OPTION_INVALID' });
});

test('a run makes what is missing, oldest first and no more than it may, and the next goes on', async () => {
  const { memory, log } = await stage();
  for (const name of ['Ada', 'Bob', 'Carol']) await memory.remember(`I met ${name}.`);
  assert.deepEqual(await memory.consolidate({ limit: 2 }), { derived: 2, evolved: 2, failed: 0, left: 1 });
  assert.deepEqual(
    memory.entries().map(({ derived }) => derived?.[0]?.items[0]?.name),
    ['Ada', 'Bob', undefined],
  );
  assert.deepEqual(await memory.consolidate(), { derived: 1, evolved: 1, failed: 0, left: 0 });
  const { head } = memory;
  assert.deepEqual([await memory.consolidate(), memory.head], [{ derived: 0, evolved: 0, failed: 0, left: 0 }, head]);
  assert.equal((await log()).length, 6);
  for (const limit of [0, 1_001, NaN]) await assert.rejects(memory.consolidate({ limit }), { code: 'OPTION_INVALID' });
  await assert.rejects(memory.consolidate({ max: 1 } as never), { code: 'OPTION_UNKNOWN' });
});

test('what changes is answered as of now and as of then, and both stay', async () => {
  const { world, memory } = await stage();
  const from = world.clock.nowMs() - 100 * DAY;
  const linz = await memory.remember('Ada lives in Linz.', { validMs: from });
  const graz = await memory.remember('Ada lives in Graz.', { validMs: from + 50 * DAY });
  const wien = await memory.remember('Ada moved to Wien.', { validMs: from + 20 * DAY });
  await memory.remember('Ada has a cat.');
  const asked = (atDay: number) => texts(memory, 'Ada lives moved', { validAtMs: from + atDay * DAY });
  assert.equal(asked(60).length, 3);
  const beforeMs = world.clock.nowMs();
  await world.advance(1);
  await memory.consolidate();
  assert.deepEqual([asked(10), asked(30), asked(60)], [['Ada lives in Linz.'], ['Ada moved to Wien.'], ['Ada lives in Graz.']]);
  assert.equal(memory.recall('Ada lives moved', { validAtMs: from + 60 * DAY, knownAtMs: beforeMs }).length, 3, 'nobody had seen it yet');
  const related = (id: typeof linz.id) => memory.entry(id).evolved?.[0]?.relations.map(({ to, relation }) => [to, relation] as const);
  assert.deepEqual([related(linz.id), related(graz.id)], [[], [[linz.id, 'contradict']]]);
  assert.deepEqual(
    new Map(related(wien.id)),
    new Map([
      [linz.id, 'update'],
      [graz.id, 'update'],
    ]),
  );
});

test('a higher version takes the place of a lower one, and a lower one of none', async () => {
  const { memory, open, log } = await stage();
  await memory.remember('Ada likes tea.');
  const by = (version: number) => open({ extractor: extractor(`mine@${version}`, () => Promise.resolve(topic(`v${version}`))) });
  const shown = async (version: number) => {
    const one = await by(version);
    await one.consolidate();
    return one.entries()[0]?.derived?.map((made) => [made.by, made.items[0]?.name]);
  };
  assert.deepEqual(await shown(2), [
    ['rules@1', 'Ada'],
    ['mine@2', 'v2'],
  ]);
  assert.deepEqual(await shown(10), [
    ['rules@1', 'Ada'],
    ['mine@10', 'v10'],
  ]);
  const { length } = await log();
  assert.deepEqual(
    [await shown(9), (await log()).length],
    [
      [
        ['rules@1', 'Ada'],
        ['mine@10', 'v10'],
      ],
      length,
    ],
  );
  for (const bad of ['mine', 'mine@0', 'mine@x', '@1', 'a b@1'])
    await assert.rejects(open({ extractor: extractor(bad, () => Promise.reject(new Error())) }), { code: 'OPTION_INVALID' });
});

test('any number of runs at once make each thing once', async () => {
  const { memory, open, log } = await stage();
  for (let at = 0; at < 12; at++) await memory.remember(`I met Ada and she ran ${at} km.`);
  const handles = await Promise.all(Array.from({ length: 4 }, () => open()));
  const runs = await Promise.all([...handles, ...handles].map((one) => one.consolidate({ limit: 100 })));
  const made = (await log()).map(({ type, data }) => `${type} ${String(data['of'] ?? data['from'])}`);
  assert.deepEqual([made.length, new Set(made).size], [24, 24]);
  assert.equal(
    runs.reduce((sum, { derived }) => sum + derived, 0),
    12,
  );
});

test('what cannot be asked is left for later, keeps nothing else waiting, and is given up at last', async () => {
  let isDown = true;
  const asked: string[] = [];
  const extract: Extractor['extract'] = (text) => {
    asked.push(text);
    return isDown || text === 'bad' ? Promise.reject(new NervaError('MODEL_UNAVAILABLE', 'down')) : Promise.resolve(topic(text));
  };
  const { memory } = await stage({ extractor: extractor('mine@1', extract) });
  for (const text of ['bad', 'one', 'two']) await memory.remember(text);
  const names = () => memory.entries().map(({ derived = [] }) => derived.find(({ by }) => by === 'mine@1')?.items[0]?.name);
  assert.deepEqual(await memory.consolidate({ limit: 1 }), { derived: 1, evolved: 1, failed: 1, left: 3 });
  isDown = false;
  await memory.consolidate({ limit: 2 });
  assert.deepEqual(
    [names(), asked],
    [
      [undefined, 'one', 'two'],
      ['bad', 'one', 'two'],
    ],
  );
  assert.deepEqual([(await memory.consolidate()).failed, (await memory.consolidate()).failed, names()[0]], [1, 0, 'Note: bad']);
  assert.equal(memory.entries()[0]?.derived?.[1]?.failure, 'MODEL_UNAVAILABLE');
});

test('any nonsense of an extractor is a note, and of an evolver no relation', async () => {
  const nonsense = fc.oneof(
    fc.anything(),
    fc.record({ items: fc.anything(), relations: fc.anything(), failure: fc.anything() }),
    fc.record({ items: fc.constant(topic('x').items), relations: fc.array(fc.anything()), failure: fc.constant(null) }),
    fc.record({
      relations: fc.array(
        fc.record({
          to: fc.constantFrom('scope:user:ada:1', 'scope:user:ada:2', 'x', 5),
          relation: fc.constantFrom('update', 'none'),
          confidence: fc.constantFrom(1, 0.8, NaN, 2),
        }),
      ),
    }),
  );
  await fc.assert(
    fc.asyncProperty(nonsense, async (answer) => {
      const { memory, open } = await stage({
        extractor: extractor('mine@1', () => Promise.resolve(answer as never)),
        evolver: { by: 'mine@1', relate: () => Promise.resolve(answer as never) },
      });
      await memory.remember('red apple pie');
      await memory.remember('red apple cake');
      for (let run = 0; run < 4; run++) await memory.consolidate();
      assert.equal((await memory.consolidate()).left, 0);
      for (const { id, derived = [], evolved = [] } of memory.entries()) {
        assert.deepEqual([derived.length, derived.every(({ items }) => items.length > 0)], [2, true]);
        for (const { to } of evolved.flatMap(({ relations }) => relations)) assert.ok(to !== id && memory.entry(to).id === to);
      }
      assert.deepEqual((await open()).entries(), memory.entries());
    }),
    { numRuns: 150 },
  );
});

test('a run that is aborted ends with what was made, and throws nothing', async () => {
  const aborting = new AbortController();
  const { memory } = await stage({
    extractor: extractor('mine@1', (text, { signal }) => {
      if (text === 'two') aborting.abort();
      return signal?.aborted === true ? Promise.reject(new NervaError('CANCELLED', 'stopped')) : Promise.resolve(topic(text));
    }),
  });
  for (const text of ['one', 'two', 'three']) await memory.remember(text);
  const run = await memory.consolidate({ signal: aborting.signal });
  assert.deepEqual([run.failed, run.left], [0, 2]);
  assert.deepEqual(
    memory.entries().map(({ derived = [] }) => derived.map(({ by }) => by)),
    [['rules@1', 'mine@1'], ['rules@1'], []],
  );
  assert.equal((await memory.consolidate()).left, 0);
});

test('what is forgotten is neither taken apart nor sent, and what was superseded is compared with nothing', async () => {
  const sent: string[] = [];
  const compared: string[] = [];
  const { memory } = await stage({
    evolver: evolverOf((entry, others) => (compared.push([entry, ...others].map(({ text }) => text).join(' / ')), [])),
    extractor: extractor('mine@1', (text) => (sent.push(text), Promise.resolve(topic('x')))),
  });
  const first = await memory.remember('apple one');
  await memory.remember('apple zero');
  const second = await memory.remember('apple two');
  await memory.remember('apple three', { supersedes: second.id });
  await memory.forget(first.id);
  assert.equal((await memory.consolidate()).left, 0);
  assert.deepEqual(sent.toSorted(), ['apple three', 'apple two', 'apple zero']);
  assert.deepEqual(compared, ['apple three / apple zero']);
});

test('of what an evolver says only what was asked counts, once each', async () => {
  const { memory } = await stage({
    evolver: evolverOf(() =>
      ['scope:user:ada:1', 'scope:user:ada:2', 'scope:user:ada:1'].map((to) => ({
        to: to as Entry['id'],
        relation: 'extend',
        confidence: 1,
      })),
    ),
  });
  for (const text of ['red plum', 'green pear', 'a plum tart']) await memory.remember(text);
  await memory.consolidate();
  assert.deepEqual(
    memory.entries().map(({ evolved }) => evolved?.[0]?.relations.map(({ to }) => to)),
    [[], [], ['scope:user:ada:1']],
  );
});

test('an entry is compared with ten at most of those before it that are alike', async () => {
  const seen: string[][] = [];
  const evolver: Evolver = {
    by: 'mine@1',
    relate: (entry, others) => (seen.push([entry.text, ...others.map(({ text }) => text)]), Promise.resolve({ relations: [] })),
  };
  const { memory } = await stage({ evolver });
  await memory.remember('a plum tree in the garden of the old house by the river');
  for (let at = 0; at < 13; at++) await memory.remember(`red apple cake ${'abcdefghijklm'[at]}x`);
  await memory.remember('a river');
  await memory.consolidate({ limit: 100 });
  assert.deepEqual([seen.length, Math.max(...seen.map((one) => one.length)), seen[0]?.[1]], [13, 11, 'red apple cake ax']);
  assert.ok(
    seen.every(([text, ...others]) => !others.includes(text ?? '')),
    'with itself never',
  );
});

test('what has less than .3 of what the nearest has in common is compared with nothing', async () => {
  let compared: readonly string[] = [];
  const { memory } = await stage({
    evolver: evolverOf((_entry, others) => ((compared = others.map(({ text }) => text)), [])),
  });
  const said = ['plum', 'pear', 'fig', 'date', 'kiwi', 'lime', 'apple', 'quince', 'melon'];
  for (let count = 9; count > 0; count--)
    await memory.remember(said.map((word, at) => (at < count ? word : `other${count}x${at}`)).join(' '));
  await memory.consolidate({ limit: 100 });
  const { id } = await memory.remember(`${said.join(' ')} now`);
  await memory.consolidate();
  const others = memory.recall(`${said.join(' ')} now`, { limit: 100 }).filter(({ entry }) => entry.id !== id);
  const shares = others.map(({ entry, score }) => ({ text: entry.text, share: score / (others[0]?.score ?? 1) }));
  assert.ok(shares.some(({ share }) => share >= 0.3 && share < 0.4) && shares.some(({ share }) => share > 0.2 && share < 0.3));
  assert.deepEqual(
    compared,
    shares.filter(({ share }) => share >= 0.3).map(({ text }) => text),
  );
});

test('what was made of a person’s data is sealed as theirs, whoever makes it, and goes with them', async () => {
  const { world, store, keys, memory, open, log } = await stage({ subject: 'ada' });
  await memory.remember('Ada lives in Linz.', { extract: true });
  await memory.remember('Ada lives in Graz.');
  await (await open({ subject: 'bob' })).consolidate({ limit: 1 });
  const anybody = await openMemory({ store, world, scope: 'user:ada' });
  await anybody.consolidate();
  await anybody.remember('Bob lives in Linz.', { extract: true });
  assert.deepEqual(
    (await log()).map(({ subject }) => subject),
    ['ada', 'ada', 'ada', 'ada', undefined],
  );
  await eraseSubject({ store, keys, world, subject: 'ada' });
  assert.deepEqual(
    (await log()).map(({ erased = false }) => erased),
    [true, true, true, true, false],
  );
  for (const one of [anybody, await openMemory({ store, world, scope: 'user:ada' })]) {
    await one.refresh();
    assert.deepEqual(
      one.entries().map(({ text }) => text),
      ['Bob lives in Linz.'],
    );
    assert.equal(texts(one, 'Ada', { filter: { people: 'Ada' } }).length, 0);
    assert.equal((await one.consolidate()).left, 0);
  }
  assert.deepEqual((await open()).entries().length, 1);
});

test('a run that is cut at any write is gone on with, and makes what an uncut one makes', async () => {
  const shown = (memory: Memory) => [memory.entries(), texts(memory, 'Where does Ada live?')];
  const lived = async (writes: number | null) => {
    const { world, store, open } = await stage({ extract: false });
    const memory = await open();
    for (const text of ['Ada lives in Linz.', 'Ada moved to Graz.', 'I like tea.']) await memory.remember(text);
    let left = writes ?? Infinity;
    const dying: Store = {
      ...store,
      append: async (frame) => {
        if (left-- <= 0) throw new NervaError('STORE_CLOSED', 'killed');
        return store.append(frame);
      },
    };
    const killed = await openMemory({ store: dying, world, scope: 'user:ada' });
    const run = await killed.consolidate().catch(() => null);
    const after = await open();
    await after.consolidate();
    return { shown: shown(after), isCut: run === null, head: after.head };
  };
  const whole = await lived(null);
  assert.deepEqual(whole.shown[1], ['Ada moved to Graz.']);
  for (let writes = 0; writes <= 6; writes++) {
    const { isCut, ...cut } = await lived(writes);
    assert.deepEqual([isCut, cut.shown, cut.head], [writes < 6, whole.shown, whole.head], `${writes}`);
  }
});

test('what came up in a session ends nothing that a program recorded, and what another person says of themselves nothing at all', async () => {
  const { memory, open } = await stage();
  await memory.remember('Ada lives in Linz.');
  const moved = await memory.remember('Ada moved to Graz.', { source: 's:4' });
  await memory.consolidate();
  assert.deepEqual(texts(memory, 'Where does Ada live?').toSorted(), ['Ada lives in Linz.', 'Ada moved to Graz.']);
  assert.deepEqual(
    memory.entry(moved.id).evolved?.[0]?.relations.map(({ relation, confidence }) => [relation, confidence]),
    [['update', 0.79]],
  );
  const compared: string[] = [];
  const by = await open({
    scope: 'team:x',
    evolver: evolverOf((_entry, others) => (compared.push(...others.map(({ text }) => text)), [])),
  });
  await by.remember('I live in Linz.', { subject: 'bob' });
  await by.remember('I live in Wels.', { subject: 'ada' });
  await by.remember('I live in Graz.', { subject: 'ada' });
  await by.consolidate();
  assert.deepEqual(compared, ['I live in Wels.']);
});
