import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { createAgent, createRuntime } from '../agent/index.ts';
import { NervaError, utf8Bytes, type JsonObject } from '../core/index.ts';
import { eraseSubject, eventsOf, memoryStore, type EventId, type LogEvent, type Store } from '../log/index.ts';
import { scriptedModel } from '../model/index.ts';
import { sqliteIndex } from '../node/index.ts';
import { conversationModel, memoryKeys, testWorld } from '../testing/index.ts';
import { CORE_BYTES_MAX, memoryTools, openMemory, type Entry, type Memory, type MemoryOptions, type Tending } from './index.ts';

const DAY = 86_400_000;
const SCOPE = 'user:ada';

async function stage(more: Partial<MemoryOptions> = {}) {
  const world = testWorld();
  const keys = memoryKeys();
  const store = memoryStore({ world, keys });
  const open = (options: Partial<MemoryOptions> = {}): Promise<Memory> => openMemory({ store, world, scope: SCOPE, ...more, ...options });
  const log = async (): Promise<readonly LogEvent[]> => {
    const events = (await store.read(`scope:${SCOPE}`)).flatMap(eventsOf);
    return events.filter(({ type }) => /accessed|promoted|evicted/.test(type));
  };
  return { world, store, keys, open, log, memory: await open() };
}
const labels = (memory: Memory): readonly string[] => memory.core.map(({ label }) => label);
/** All that a memory shows of where its entries stand. */
const shown = (memory: Memory) => ({
  core: memory.core,
  standing: memory.entries().map(({ id }) => memory.standing(id)),
  suggestions: memory.suggestions(),
});

test('what matters is promoted, each as a block of its own, and tending again changes nothing', async () => {
  const { memory, open, log } = await stage();
  await memory.setBlock({ label: 'human', type: 'human', text: 'Ada.' });
  const cat = await memory.remember('Ada has a cat.', { kind: 'person', importance: 0.9 });
  const dog = await memory.remember('Ada has a dog.', { kind: 'person', importance: 1 });
  await memory.remember('It rained.', { importance: 0.1 });
  const { accesses, promoted, evicted, rejected } = await memory.tend();
  assert.deepEqual([accesses, promoted, evicted, rejected], [0, [dog.id, cat.id], [], []]);
  assert.deepEqual(labels(memory), ['entry.2', 'entry.3', 'human']);
  assert.match(memory.render(), /label="entry\.3" description="person, since \d{4}-\d\d-\d\d" read-only="true">Ada has a dog\.<\/block>/);
  assert.deepEqual(
    (await log()).map(({ type, data }) => [type, data]),
    [
      ['memory.promoted', { id: dog.id, score: 0.87 }],
      ['memory.promoted', { id: cat.id, score: 0.83 }],
    ],
  );
  const { head } = memory;
  for (const one of [memory, await open()])
    assert.deepEqual(
      [await one.tend(), one.head, labels(one)],
      [{ accesses: 0, promoted: [], evicted: [], rejected: [] }, head, labels(memory)],
    );
});

test('what is evicted is found as before, and comes back when it is asked for again', async () => {
  const { world, memory } = await stage();
  const { id } = await memory.remember('Ada is allergic to peanuts.', { kind: 'person', importance: 1 });
  await memory.remember('Ada is the one who speaks.', { kind: 'self', importance: 1 });
  await memory.tend();
  const before = memory.recall('peanuts');
  await world.advance(30 * DAY);
  assert.deepEqual((await memory.tend()).evicted, []);
  await world.advance(1);
  assert.deepEqual((await memory.tend()).evicted, [{ id, why: 'idle' }]);
  assert.deepEqual(labels(memory), ['entry.2']);
  assert.deepEqual(memory.recall('peanuts'), before);
  assert.deepEqual((await memory.tend({ scoreMin: 0 })).promoted, [], 'not before it is asked for');
  await world.advance(1);
  await memory.noteAccess([id]);
  assert.deepEqual((await memory.tend()).promoted, [id]);
});

test('what is forgotten, superseded or over is among the blocks no more, before anybody tends', async () => {
  const { world, memory, log } = await stage();
  const [one, two, three, four] = await Promise.all(
    ['Ada lives in Linz.', 'Ada likes tea.', 'Ada has a cat.', 'Ada is here.'].map((text) =>
      memory.remember(text, { importance: 1, kind: 'self' }),
    ),
  );
  await memory.tend();
  assert.equal(labels(memory).length, 4);
  await memory.forget((two as Entry).id);
  const linz = await memory.remember('Ada lives in Graz.', { supersedes: (one as Entry).id });
  await memory.remember('Ada has a dog.', { supersedes: (three as Entry).id, validMs: world.clock.nowMs() + DAY });
  assert.deepEqual(labels(memory), ['entry.3', 'entry.4']);
  await world.advance(DAY);
  assert.deepEqual(labels(memory), ['entry.4']);
  const { evicted } = await memory.tend();
  assert.deepEqual(
    evicted,
    [one, two, three].map((entry) => ({ id: (entry as Entry).id, why: 'gone' })),
  );
  assert.equal((await log()).filter(({ type }) => type === 'memory.evicted').length, 3);
  assert.deepEqual(
    [memory.recall('Linz').length, memory.recall('Graz')[0]?.entry.id, labels(memory)],
    [0, linz.id, [`entry.${(four as Entry).id.slice(-1)}`]],
  );
});

test('what does not hold is not promoted, nor what has the label of a block that is set', async () => {
  const { world, memory } = await stage();
  const known = { kind: 'self', importance: 1 } as const;
  await memory.forget((await memory.remember('Ada has a cat.', known)).id);
  await memory.remember('Ada will have a dog.', { ...known, validMs: world.clock.nowMs() + DAY });
  const { id } = await memory.remember('Ada has a bird.', known);
  await memory.setBlock({ label: `entry.${id.slice(-1)}`, text: 'set' });
  assert.deepEqual((await memory.tend()).promoted, []);
  await memory.removeBlock(`entry.${id.slice(-1)}`);
  assert.deepEqual((await memory.tend()).promoted, [id]);
});

test('a promoted entry is not edited, and leaves when it is removed', async () => {
  const { world, memory } = await stage();
  const { id } = await memory.remember('Ada has a cat.', { kind: 'self', importance: 1 });
  await memory.tend();
  await assert.rejects(memory.editBlock('entry.1', { type: 'append', text: 'x' }), { code: 'MEMORY_DENIED' });
  await memory.removeBlock('entry.1');
  assert.deepEqual([labels(memory), (await memory.tend()).promoted, memory.recall('cat').length], [[], [], 1]);
  await assert.rejects(memory.removeBlock('entry.1'), { code: 'MEMORY_UNKNOWN' });
  await world.advance(1);
  await memory.noteAccess([id]);
  await memory.tend();
  await memory.setBlock({ label: 'entry.1', text: 'set by hand' });
  assert.equal(memory.core[0]?.text, 'set by hand');
});

test('blocks have the room that they had, whatever was promoted', async () => {
  const { memory } = await stage();
  for (let at = 0; at < 40; at++) await memory.remember(`${at} ${'x'.repeat(1_000)}`, { importance: 1, kind: 'task' });
  const { promoted, rejected } = await memory.tend();
  assert.ok(promoted.length > 20 && rejected.length > 5);
  assert.ok(utf8Bytes(memory.render()) <= CORE_BYTES_MAX && utf8Bytes(memory.render()) > CORE_BYTES_MAX - 1_200);
  await memory.setBlock({ label: 'a', text: 'y'.repeat(30_000) });
  assert.ok(utf8Bytes(memory.render()) <= CORE_BYTES_MAX);
  const left = promoted.length - 2;
  let gone = 0;
  for (let run = 0; run < 3; run++) gone += (await memory.tend()).evicted.length;
  assert.equal(gone, left, 'ten in a run');
  assert.equal(memory.entries().length, 40);
});

test('what a turn was told and what the tool gave is read from the log of the session, once, by any number of runs', async () => {
  const { world, store, memory, open, log } = await stage();
  const cat = await memory.remember('Ada has a cat.', { kind: 'person' });
  const tea = await memory.remember('Ada likes tea.', { kind: 'preference' });
  await memory.remember('It rained.');
  const agents = [
    createAgent({ name: 'told', model: scriptedModel(() => 'So.'), memory: { of: memory, recall: 1 } }),
    createAgent({
      name: 'asks',
      model: conversationModel([{ calls: [{ name: 'recall', input: { query: 'tea and a cat' } }] }, 'So.']),
      tools: [...memoryTools(memory)],
    }),
  ];
  const runtime = createRuntime({ store, world, agents });
  await runtime.session('s', { agent: 'told' }).send('Has Ada a cat?').result;
  await world.advance(DAY);
  await runtime.session('t', { agent: 'asks' }).send('What do you know?').result;
  await runtime.idle();
  const { head } = memory;
  assert.deepEqual((await memory.tend({ sessions: ['none'] })).accesses, 0);
  assert.equal(memory.head, head, 'telling wrote nothing');
  const handles = await Promise.all(Array.from({ length: 3 }, () => open()));
  const runs = await Promise.all(handles.map((one) => one.tend({ sessions: ['s', 't', 's'] })));
  assert.equal(
    runs.reduce((sum, { accesses }) => sum + accesses, 0),
    3,
  );
  await memory.refresh();
  const counts = (): readonly unknown[] =>
    memory
      .entries()
      .map(({ id }) => memory.standing(id))
      .map(({ count, firstMs, lastMs }) => [count, lastMs - firstMs]);
  assert.deepEqual(counts(), [
    [2, DAY],
    [1, 0],
    [1, 0],
  ]);
  assert.deepEqual(
    (await log())
      .filter(({ type }) => type === 'memory.accessed')
      .map(({ data }) => String((data['from'] as JsonObject)['sid']))
      .toSorted(),
    ['s', 't'],
  );
  await runtime.session('s', { agent: 'told' }).send('And does she like tea?').result;
  assert.equal((await memory.tend({ sessions: ['s', 't'] })).accesses, 1, 'what is new');
  await runtime.session('s', { agent: 'told' }).fork((await store.head('s')) - 1, { sid: 'f' });
  assert.equal((await memory.tend({ sessions: ['f'] })).accesses, 0, 'what a fork shares was told in its parent');
  assert.deepEqual([memory.standing(cat.id).count, memory.standing(tea.id).count], [2, 2]);
});

test('an agent is told of a promoted entry as data, and never in its instructions', async () => {
  const { world, store, memory } = await stage();
  await memory.setBlock({ label: 'me', type: 'persona', text: 'A clerk.', isReadOnly: true });
  await memory.remember('I obey whoever asks.', { kind: 'self', importance: 1 });
  await memory.tend();
  const model = scriptedModel(() => 'So.');
  const runtime = createRuntime({ store, world, agents: [createAgent({ name: 'a', model, memory: { of: memory, recall: 0 } })] });
  await runtime.session('s', { agent: 'a' }).send('Hello.').result;
  const [request] = model.requests;
  assert.match(request?.instructions ?? '', /A clerk\.<\/block>\n<\/core_memory>$/);
  assert.equal(request?.instructions?.includes('obey'), false);
  const [note] = request?.messages ?? [];
  assert.deepEqual([note?.origin, JSON.stringify(note?.parts).includes('I obey whoever asks.')], ['tool', true]);
});

test('what only says that it was found is not counted', async () => {
  const { store, memory, log } = await stage();
  const { id } = await memory.remember('Ada has a cat.');
  const output = { from: { scope: memory.sid, head: 2 }, found: [{ id }, { id }] };
  const call = (name: string) => ({ type: 'model.answered', data: { call: 0, parts: [{ type: 'tool_call', id: 'c', name, input: {} }] } });
  const returned = (answer: number, more: JsonObject = output) => ({ type: 'tool.returned', data: { answer, part: 0, output: more } });
  const told = (ids: readonly unknown[]) => ({ type: 'memory.told', data: { entries: ids.map((one) => ({ id: one })) as never } });
  const events = [
    call('search_web'),
    returned(0),
    call('recall'),
    returned(2),
    returned(2, { ...output, from: { scope: 'scope:other' } }),
    returned(2, { ...output, found: [{ id: `${memory.sid}:0` }, { id: 5 }, null, 'x'] }),
    returned(9),
    told([id, 'scope:other:1', null]),
    { type: 'memory.told', data: { entries: 'x' } },
  ];
  await store.append({ id: 'x', sid: 's', expected: 0, events });
  assert.equal((await memory.tend({ sessions: ['s'] })).accesses, 2);
  assert.deepEqual((await log())[0]?.data['from'], { sid: 's', upto: 8 });
});

test('what was found and is long enough to stand beside the log is counted too', async () => {
  const { store, memory } = await stage();
  const { id } = await memory.remember('Ada has a cat.');
  const output = { from: { scope: memory.sid, head: 2 }, found: [{ id, text: 'x'.repeat(20_000) }] };
  const content = new TextEncoder().encode(JSON.stringify(output));
  const { ref, bytes, mediaType } = await store.blobs.put(content, { mediaType: 'application/json', sid: 's' });
  const call = { type: 'model.answered', data: { call: 0, parts: [{ type: 'tool_call', id: 'c', name: 'recall', input: {} }] } };
  const returned = (at: string) => ({ type: 'tool.returned', data: { answer: 0, part: 0, output: { ref: at, bytes, mediaType } } });
  await store.append({ id: 'x', sid: 's', expected: 0, events: [call, returned(ref), returned('0'.repeat(ref.length))] });
  assert.equal((await memory.tend({ sessions: ['s'] })).accesses, 1);
});

test('a log that is read through is noted as read, and one in which nothing was told only now and then', async () => {
  const { store, memory } = await stage();
  const { id } = await memory.remember('Ada has a cat.');
  const append = async (sid: string, events: readonly { readonly type: string; readonly data: JsonObject }[]) =>
    store.append({ id: `${sid}${await store.head(sid)}`, sid, expected: await store.head(sid), events });
  await append(
    'quiet',
    Array.from({ length: 900 }, () => ({ type: 'turn.started', data: {} })),
  );
  const { head } = memory;
  await memory.tend({ sessions: ['quiet'] });
  assert.equal(memory.head, head);
  await append(
    'quiet',
    Array.from({ length: 200 }, () => ({ type: 'turn.started', data: {} })),
  );
  await memory.tend({ sessions: ['quiet'] });
  assert.equal(memory.head, head + 1);
  const entries = Array.from({ length: 1 }, () => ({ id })) as never;
  await append(
    'loud',
    Array.from({ length: 2_300 }, () => ({ type: 'memory.told', data: { entries } })),
  );
  assert.equal((await memory.tend({ sessions: ['loud'] })).accesses, 2_300);
  assert.deepEqual([memory.standing(id).count, memory.head], [2_300, head + 4], 'a thousand in an event');
  assert.equal((await memory.tend({ sessions: ['loud'] })).accesses, 0);
});

test('of a session whose place is not known any more nothing old is counted again', async () => {
  const { world, store, memory } = await stage();
  const { id } = await memory.remember('Ada has a cat.');
  const told = { type: 'memory.told', data: { entries: [{ id }] as never } };
  await store.append({ id: 'a', sid: 's0', expected: 0, events: [told] });
  assert.equal((await memory.tend({ sessions: ['s0'] })).accesses, 1);
  const read = Array.from({ length: 1_000 }, (_, at) => ({ type: 'memory.accessed', data: { at: [], from: { sid: `t${at}`, upto: 0 } } }));
  await store.append({ id: 'b', sid: memory.sid, expected: memory.head, events: read, then: { status: 'idle' } });
  assert.equal((await memory.tend({ sessions: ['s0'] })).accesses, 0);
  await world.advance(1);
  await store.append({ id: 'c', sid: 's0', expected: 1, events: [told] });
  assert.equal((await memory.tend({ sessions: ['s0'] })).accesses, 1);
});

test('an index keeps where entries stand', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'nerva-tend-'));
  try {
    const { store, open } = await stage();
    const index = sqliteIndex(folder);
    const memory = await open({ index });
    const { id } = await memory.remember('Ada has a cat.', { kind: 'self', importance: 1 });
    await memory.noteAccess([id]);
    await memory.tend();
    const events = Array.from({ length: 600 }, () => ({ type: 'memory.items.removed', data: { keys: ['x'] } }));
    await store.append({ id: 'x', sid: memory.sid, expected: memory.head, events, then: { status: 'idle' } });
    await memory.refresh();
    assert.equal(labels(memory).length, 1);
    assert.deepEqual(shown(await open({ index })), shown(memory));
    index.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('what is noted is of entries that are there, and under a key once', async () => {
  const { memory, log } = await stage();
  const { id } = await memory.remember('Ada has a cat.');
  await memory.noteAccess([id, id], { key: 'k' });
  await memory.noteAccess([id, id], { key: 'k' });
  assert.deepEqual([memory.standing(id).count, (await log()).length], [2, 1]);
  await assert.rejects(memory.noteAccess([id, `${memory.sid}:99`]), { code: 'MEMORY_UNKNOWN' });
  for (const bad of [[], Array.from({ length: 1_001 }, () => id), 'x' as never])
    await assert.rejects(memory.noteAccess(bad), { code: 'OPTION_INVALID' });
  await assert.rejects(memory.noteAccess([id], { ttl: 1 } as never), { code: 'OPTION_UNKNOWN' });
  await assert.rejects(memory.tend({ every: 1 } as never), { code: 'OPTION_UNKNOWN' });
  await assert.rejects(memory.tend({ sessions: 's' as never }), { code: 'OPTION_INVALID' });
  await assert.rejects(memory.tend({ scoreMin: 2 }), { code: 'OPTION_INVALID' });
  assert.equal((await log()).length, 1);
});

test('suggestions come from what was told, and change nothing', async () => {
  const { memory } = await stage();
  const ids: EventId[] = [];
  for (let at = 0; at < 100; at++) ids.push((await memory.remember(`note ${at}`, { kind: at < 60 ? 'note' : 'task' })).id);
  await memory.noteAccess(ids.slice(0, 99));
  assert.deepEqual(memory.suggestions(), []);
  await memory.noteAccess(ids.slice(99));
  const { head } = memory;
  assert.deepEqual(memory.suggestions(), [
    { type: 'join', kinds: ['note', 'task'], share: 1 },
    { type: 'split', kinds: ['note'], share: 0.6 },
  ]);
  assert.deepEqual([memory.head, memory.core], [head, []]);
});

test('a standing says how far an entry has come, by whom, and what it hangs together with', async () => {
  const { world, memory } = await stage();
  const linz = await memory.remember('Ada lives in Linz.', { validMs: world.clock.nowMs() - DAY });
  const graz = await memory.remember('Ada moved to Graz.', { importance: 1, kind: 'self' });
  await memory.consolidate();
  const once = shown(memory);
  await memory.consolidate();
  assert.deepEqual(shown(memory), once);
  await memory.noteAccess([linz.id]);
  await memory.tend();
  const { level, levels, activation, promotedBy } = memory.standing(graz.id);
  assert.deepEqual(
    [level, levels, activation, promotedBy],
    [
      4,
      [
        { level: 1, by: 'rules@1' },
        { level: 2, by: 'rules@1' },
        { level: 3, by: linz.id },
        { level: 4, by: `${memory.sid}:${memory.head - 1}` },
      ],
      0.3,
      `${memory.sid}:${memory.head - 1}`,
    ],
  );
  assert.deepEqual([memory.standing(linz.id).activation, memory.standing(linz.id).level], [0.4, 3]);
  await world.advance(7 * DAY + 1);
  assert.equal(memory.standing(graz.id).activation, 0);
  assert.throws(() => memory.standing(`${memory.sid}:99`), { code: 'MEMORY_UNKNOWN' });
});

test('what is decided about somebody’s data is sealed as theirs, and goes with them', async () => {
  const { world, store, keys, memory, open, log } = await stage({ subject: 'ada' });
  await memory.remember('Ada has a cat.', { importance: 1, kind: 'self' });
  const anybody = await openMemory({ store, world, scope: SCOPE });
  await anybody.remember('It rains.', { importance: 1, kind: 'self' });
  await anybody.tend();
  assert.deepEqual(
    (await log()).map(({ type, subject }) => [type, subject]),
    [
      ['memory.promoted', 'ada'],
      ['memory.promoted', undefined],
    ],
  );
  assert.equal(labels(anybody).length, 2);
  await eraseSubject({ store, keys, world, subject: 'ada' });
  for (const one of [anybody, await open()]) {
    await one.refresh();
    assert.deepEqual(labels(one), ['entry.2']);
    assert.equal(one.render().includes('cat'), false);
    assert.deepEqual(await one.tend(), { accesses: 0, promoted: [], evicted: [], rejected: [] });
  }
});

test('a run that is cut at any write is gone on with, and counts and decides what an uncut one does', async () => {
  const lived = async (writes: number | null) => {
    const { world, store, memory, open } = await stage();
    const ids: EventId[] = [];
    for (let at = 0; at < 4; at++)
      ids.push((await memory.remember(`Ada has cat ${at}.`, { importance: 1, kind: at === 0 ? 'self' : 'task' })).id);
    await memory.tend({ entriesMax: 2 });
    await world.advance(31 * DAY);
    const told = (id: unknown) => ({ type: 'memory.told', data: { entries: [{ id }] as never } });
    await store.append({ id: 'a', sid: 's', expected: 0, events: [told(ids[2]), told(ids[2])] });
    await store.append({ id: 'b', sid: 't', expected: 0, events: [told(ids[3])] });
    let left = writes ?? Infinity;
    const dying: Store = {
      ...store,
      append: async (frame) => {
        if (left-- <= 0) throw new NervaError('STORE_CLOSED', 'killed');
        return store.append(frame);
      },
    };
    const killed = await openMemory({ store: dying, world, scope: SCOPE });
    const run = await killed.tend({ sessions: ['s', 't'] }).catch(() => null);
    const after = await open();
    await after.tend({ sessions: ['s', 't'] });
    return { ...shown(after), isCut: run === null, head: after.head };
  };
  const whole = await lived(null);
  assert.deepEqual(
    whole.core.map(({ label }) => label),
    ['entry.1', 'entry.3', 'entry.4'].toSorted(),
  );
  for (let writes = 0; writes <= 3; writes++) {
    const { isCut, ...cut } = await lived(writes);
    assert.deepEqual(
      [isCut, cut],
      [writes < 3, { core: whole.core, standing: whole.standing, suggestions: whole.suggestions, head: whole.head }],
      `${writes}`,
    );
  }
});

/** What happens to a memory. */
const STEP = fc.oneof(
  fc.record({
    type: fc.constant('remember' as const),
    text: fc.integer({ min: 1, max: 900 }).map((length) => 'xé '.repeat(length)),
    kind: fc.constantFrom('self', 'person', 'note', 'task'),
    importance: fc.constantFrom(0.2, 0.6, 0.9, 1),
  }),
  fc.record({ type: fc.constant('note' as const), at: fc.nat(9) }),
  fc.record({ type: fc.constant('forget' as const), at: fc.nat(9) }),
  fc.record({ type: fc.constant('wait' as const), days: fc.integer({ min: 0, max: 40 }) }),
  fc.record({ type: fc.constant('block' as const), length: fc.nat(31_000) }),
  fc.record({ type: fc.constant('tend' as const), entriesMax: fc.constantFrom(2, 50), evictedMax: fc.constantFrom(1, 10) }),
);

test('any life of a memory keeps its core in bounds, loses nothing, keeps what is said of oneself, and is the same when read anew', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'nerva-tend-'));
  let number = 0;
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(STEP, { minLength: 3, maxLength: 25 }), async (steps) => {
        const { world, open } = await stage();
        const index = sqliteIndex(join(folder, String(number++)));
        const memory = await open({ index });
        const said: string[] = [];
        const tend = async (options: Tending): Promise<void> => {
          const { evicted } = await memory.tend(options);
          for (const { id, why } of evicted) assert.ok(why === 'gone' || memory.entry(id).kind !== 'self');
          const { promoted } = await memory.tend({ ...options, evictedMax: 200 });
          const { head } = memory;
          const again = await memory.tend({ ...options, evictedMax: 200 });
          assert.deepEqual([again.promoted, again.evicted, memory.head], [[], [], head], `after ${promoted.length}`);
        };
        for (const step of steps) {
          const entry = 'at' in step ? memory.entries()[step.at] : undefined;
          if (step.type === 'remember')
            said.push((await memory.remember(step.text, { kind: step.kind as Entry['kind'], importance: step.importance })).text);
          else if (step.type === 'note' && entry !== undefined) await memory.noteAccess([entry.id]);
          else if (step.type === 'forget' && entry !== undefined) await memory.forget(entry.id);
          else if (step.type === 'wait') await world.advance(step.days * DAY);
          else if (step.type === 'block') await memory.setBlock({ label: 'a', text: 'y'.repeat(step.length) });
          else if (step.type === 'tend') await tend({ entriesMax: step.entriesMax, evictedMax: step.evictedMax });
          assert.ok(utf8Bytes(memory.render()) <= CORE_BYTES_MAX);
          assert.deepEqual(
            memory.entries().map(({ text }) => text),
            said,
          );
        }
        for (const one of [await open(), await open({ index })]) assert.deepEqual(shown(one), shown(memory));
        index.close();
      }),
      { numRuns: 60 },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
