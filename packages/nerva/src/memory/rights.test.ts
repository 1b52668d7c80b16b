import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eraseSubject, eventsOf, memoryStore } from '../log/index.ts';
import { memoryKeys, testWorld } from '../testing/index.ts';
import { runTool, type Tool } from '../tool/index.ts';
import type { Json } from '../core/index.ts';
import { MEMORY_RIGHTS, memoryTools, openMemory, shareEntry, type Memory, type MemoryRight } from './index.ts';
import { checkRights, withRights, type Rights } from './rights.ts';
import { codeOf } from './scene.test.ts';

const refusal = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => null,
    (error: { readonly code?: string }) => error.code,
  );

const INPUTS: Readonly<Record<string, readonly [MemoryRight, Json]>> = {
  recall: ['recall', { query: 'tea' }],
  memory_read: ['recall', {}],
  remember: ['remember', { text: 'Ada likes tea.' }],
  forget: ['forget', { id: 'scope:team:x:2' }],
  memory_edit: ['edit', { label: 'notes', type: 'append', text: 'x' }],
};

async function stage() {
  const world = testWorld();
  const store = memoryStore({ world });
  const open = () => openMemory({ store, world, scope: 'team:x' });
  const memory = await open();
  await memory.setBlock({ label: 'notes', text: 'one' });
  await memory.remember('Ada has tea.');
  let calls = 0;
  const call = async (
    tools: readonly Tool[],
    name: string,
    agent = 'clerk',
    input = INPUTS[name]?.[1],
  ): Promise<Record<string, unknown>> => {
    const context = {
      signal: new AbortController().signal,
      callId: `s:${calls++}` as const,
      idempotencyKey: `${'i'.repeat(60)}:${calls}`,
      attempt: 1,
      session: { sid: 's', tenant: 'default', agent },
      taint: [],
      now: { atMs: 0 },
      readLog: async () => [],
    };
    const one = tools.find((tool) => tool.name === name) as Tool;
    const ran = await runTool(one, input as Json, context, {
      world,
      outputBytesMax: 100_000,
      graceMs: 0,
      onLate: () => undefined,
    });
    assert.equal(ran.type, 'returned', JSON.stringify(ran));
    return ran.type === 'returned' ? (ran.output as Record<string, unknown>) : {};
  };
  return { store, world, memory, open, call };
}

test('a guarded tool is refused before its right is granted, to others than who has it, and from the call after a revocation on', async () => {
  const { store, memory, open, call } = await stage();
  const tools = memoryTools(memory, { isGuarded: true });
  const operator = await open();
  for (const [name, [right]] of Object.entries(INPUTS)) {
    const head = await store.head(memory.sid);
    assert.match(String((await call(tools, name))['refused']), new RegExp(`^Agent clerk may not ${right} in scope:team:x:`), name);
    assert.equal(await store.head(memory.sid), head, name);
    await operator.grant('clerk', [right]);
    assert.equal((await call(tools, name))['refused'], undefined, name);
    assert.match(String((await call(tools, name, 'other'))['refused']), /^Agent other may not/, name);
    for (const [another, [its]] of Object.entries(INPUTS))
      if (its !== right) assert.match(String((await call(tools, another))['refused']), /may not/, `${another} with ${right}`);
    await operator.revoke('clerk');
    assert.match(String((await call(tools, name))['refused']), /may not/, name);
  }
  const history = (await store.read(memory.sid)).flatMap(({ events }) => events.filter(({ type }) => /granted|revoked/.test(type)));
  assert.equal(history.length, 2 * Object.keys(INPUTS).length);
  assert.equal(
    (await call(memoryTools(memory), 'remember', 'anybody'))['refused'],
    undefined,
    'whoever is handed unguarded tools may use them',
  );
});

test('who may remember takes no entry’s place without the right to forget', async () => {
  const { memory, call } = await stage();
  const tools = memoryTools(memory, { isGuarded: true });
  await memory.grant('clerk', ['remember']);
  const over = { text: 'Ada has coffee.', supersedes: memory.entries()[0]?.id as string };
  assert.match(String((await call(tools, 'remember', 'clerk', over))['refused']), /may not forget/);
  assert.equal(memory.entries().length, 1);
  await memory.grant('clerk', ['forget']);
  assert.equal((await call(tools, 'remember', 'clerk', over))['refused'], undefined);
});

test('what changes no right is not written, and what is none is refused', async () => {
  const { memory } = await stage();
  await memory.grant('clerk', ['recall', 'recall']);
  const { head } = memory;
  await memory.grant('clerk', ['recall']);
  await memory.revoke('clerk', ['edit']);
  await memory.revoke('nobody');
  for (const [agent, rights] of [
    ['', ['recall']],
    ['a b', ['recall']],
    ['x'.repeat(65), ['recall']],
    ['clerk', []],
    ['clerk', ['all']],
    ['clerk', 'recall'],
    ['clerk', undefined],
    ['clerk', null],
  ] as const)
    assert.equal(await refusal(memory.grant(agent, rights as never)), 'OPTION_INVALID', JSON.stringify([agent, rights]));
  assert.equal(memory.head, head);
  assert.deepEqual(memory.rights, { clerk: ['recall'] });
  assert.throws(() => memoryTools(memory, { guarded: true } as never), { code: 'OPTION_UNKNOWN' });
});

test('no more than 1,000 agents have rights', () => {
  let rights: Rights = {};
  for (let at = 0; at < 1_001; at++) rights = withRights(rights, 'memory.granted', { agent: `a${at}`, rights: ['recall'] });
  assert.equal(Object.keys(rights).length, 1_000);
  assert.equal(
    codeOf(() => checkRights(rights, { agent: 'one', rights: ['recall'] })),
    'MEMORY_FULL',
  );
  checkRights(rights, { agent: 'a0', rights: ['edit'] });
  checkRights({}, { agent: 'one', rights: ['recall'] });
});

test('any events of rights leave what was granted last and not taken back, and any others nothing', () => {
  const names = fc.constantFrom('a', 'b', '__proto__', 'constructor');
  const some = fc.subarray([...MEMORY_RIGHTS], { minLength: 1 });
  const change = fc.record({ type: fc.constantFrom('memory.granted', 'memory.revoked'), agent: names, rights: some });
  const noise = fc.record({ type: fc.constantFrom('memory.granted', 'memory.item.set'), agent: fc.anything(), rights: fc.anything() });
  fc.assert(
    fc.property(fc.array(fc.oneof({ weight: 4, arbitrary: change }, noise), { maxLength: 40 }), (events) => {
      const held = new Map<string, Set<MemoryRight>>();
      let rights: Rights = {};
      for (const { type, agent, rights: given } of events) {
        rights = withRights(JSON.parse(JSON.stringify(rights)) as Rights, type, { agent, rights: given });
        if (typeof agent !== 'string' || !/^[A-Za-z0-9_.-]{1,64}$/.test(agent) || !Array.isArray(given) || type === 'memory.item.set')
          continue;
        const its = held.get(agent) ?? new Set();
        for (const one of MEMORY_RIGHTS) if (given.includes(one)) its[type === 'memory.granted' ? 'add' : 'delete'](one);
        held.set(agent, its);
      }
      const expected = [...held]
        .filter(([, its]) => its.size > 0)
        .map(([agent, its]) => [agent, MEMORY_RIGHTS.filter((one) => its.has(one))]);
      assert.deepEqual(new Map(Object.entries(rights)), new Map(expected as [string, MemoryRight[]][]));
    }),
  );
});

test('the log says who granted what when, who revoked it when, and how that was after any event', async () => {
  const { memory, open, world, store } = await stage();
  assert.deepEqual(await memory.rightsHistory(), []);
  const startMs = world.clock.nowMs();
  await memory.grant('clerk', ['recall', 'remember'], { by: 'ada' });
  await world.advance(10);
  await memory.revoke('clerk', ['remember'], { by: 'bob' });
  await world.advance(10);
  await memory.grant('clerk', ['recall', 'remember']);
  await memory.grant('other', ['edit'], { by: 'ada' });
  await world.advance(10);
  await memory.revoke('clerk', undefined, { by: 'bob' });
  const first = memory.head - 5;
  const at = (event: number, ms: number, by: string | null) => ({ seq: first + event, atMs: startMs + ms, by });
  const expected = [
    { agent: 'clerk', right: 'recall', granted: at(0, 0, 'ada'), revoked: at(4, 30, 'bob') },
    { agent: 'clerk', right: 'remember', granted: at(0, 0, 'ada'), revoked: at(1, 10, 'bob') },
    { agent: 'clerk', right: 'remember', granted: at(2, 20, null), revoked: at(4, 30, 'bob') },
    { agent: 'other', right: 'edit', granted: at(3, 20, 'ada'), revoked: null },
  ];
  assert.deepEqual(await memory.rightsHistory(), expected);
  assert.deepEqual(await memory.rightsHistory({ upto: first }), [
    { ...expected[0], revoked: null },
    { ...expected[1], revoked: null },
  ]);
  const then = await openMemory({ store, world, scope: 'team:x', upto: first + 1 });
  assert.deepEqual(await then.rightsHistory(), [{ ...expected[0], revoked: null }, expected[1]]);
  assert.deepEqual(await then.rightsHistory({ upto: memory.head }), await then.rightsHistory(), 'no later than it stands');
  assert.deepEqual(await (await open()).rightsHistory(), expected);
  for (const by of ['', 5, null, 'x'.repeat(201)]) {
    assert.equal(await refusal(memory.grant('clerk', ['edit'], { by: by as never })), 'OPTION_INVALID');
    assert.equal(await refusal(memory.revoke('other', ['edit'], { by: by as never })), 'OPTION_INVALID');
  }
  assert.equal(await refusal(memory.grant('clerk', ['edit'], { who: 'ada' } as never)), 'OPTION_UNKNOWN');
  assert.equal(await refusal(memory.rightsHistory({ upto: -1 })), 'OPTION_INVALID');
  assert.equal(await refusal(memory.rightsHistory({ at: 1 } as never)), 'OPTION_UNKNOWN');
  assert.equal(memory.head, first + 5);
});

test('a history goes to the event that is named, also within a frame, and over as many pages as there are', async () => {
  const world = testWorld();
  const store = memoryStore({ world });
  const memory = await openMemory({ store, world, scope: 'new' });
  assert.deepEqual(await memory.rightsHistory(), []);
  await memory.grant('a', ['recall']);
  const shown = async (upto?: number) => (await memory.rightsHistory(upto === undefined ? {} : { upto })).map(({ granted }) => granted.seq);
  assert.deepEqual([await shown(0), await shown(1)], [[], [1]]);
  for (let head = 2; head < 2_402; head++) {
    const type = head % 2 === 0 ? 'memory.revoked' : 'memory.granted';
    const data = { agent: 'a', rights: ['recall'] };
    const result = await store.append({
      id: `f${head}`,
      sid: memory.sid,
      expected: head,
      events: [{ type, data }],
      then: { status: 'idle' },
    });
    assert.ok(result.ok);
  }
  assert.deepEqual(
    await shown(),
    Array.from({ length: 1_201 }, (_, at) => 1 + 2 * at),
  );
});

test('after any event of any grants and revocations, what the history has open is what stands', async () => {
  const some = fc.subarray([...MEMORY_RIGHTS], { minLength: 1 });
  const change = fc.record({ isGrant: fc.boolean(), agent: fc.constantFrom('a', 'b', 'constructor'), rights: some });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 12 }), async (changes) => {
      const { memory, store, world } = await stage();
      for (const { isGrant, agent, rights } of changes) await (isGrant ? memory.grant(agent, rights) : memory.revoke(agent, rights));
      for (let upto = 0; upto < memory.head; upto++) {
        const then = await openMemory({ store, world, scope: 'team:x', upto });
        const held = (await memory.rightsHistory({ upto })).filter(({ revoked }) => revoked === null);
        const stands = Object.entries(then.rights).flatMap(([agent, its]) => its.map((right) => `${agent} ${right}`));
        assert.deepEqual(held.map(({ agent, right }) => `${agent} ${right}`).toSorted(), stands.toSorted(), String(upto));
      }
    }),
    { numRuns: 30 },
  );
});

test('an entry goes to another scope when it is taken there: once, with where it comes from, and sealed under whom it belongs to', async () => {
  const keys = memoryKeys();
  const world = testWorld();
  const store = memoryStore({ world, keys });
  const ada = await openMemory({ store, world, scope: 'user:ada', subject: 'ada' });
  const team = await openMemory({ store, world, scope: 'team:x' });
  const entry = await ada.remember('Ada is allergic to peanuts.', { kind: 'person', tags: ['health'], importance: 0.9, validMs: 5 });
  assert.deepEqual(team.entries(), []);
  const shared = await shareEntry(ada, entry.id, team);
  const { id: _id, recordedMs: _recordedMs, source, ...rest } = shared;
  const { id: _old, recordedMs: _then, source: _none, ...same } = entry;
  assert.deepEqual([rest, source], [same, entry.id]);
  for (let at = 0; at < 12; at++) await team.remember(`Note ${at}.`, { key: `k${at}` });
  assert.deepEqual(await shareEntry(ada, entry.id, team), shared);
  assert.equal(team.entries().length, 13);
  await team.remember('The printer is on floor 2.');
  await eraseSubject({ store, keys, world, subject: 'ada' });
  const after = await openMemory({ store, world, scope: 'team:x' });
  assert.deepEqual(
    after.entries().flatMap(({ text }) => (text.startsWith('Note') ? [] : [text])),
    ['The printer is on floor 2.'],
  );
});

test('what ended is taken to another scope with its end, at once and when that comes later, and holds nowhere longer', async () => {
  const { store, world, memory } = await stage();
  const other = await openMemory({ store, world, scope: 'user:bob', subject: 'bob' });
  const frames = async (): Promise<readonly (readonly string[])[]> =>
    (await store.read(other.sid, { after: -1 })).map((frame) => eventsOf(frame).map(({ type }) => type));
  const holds = (day: number, ...of: readonly Memory[]): readonly (readonly string[])[] =>
    of.map((one) => one.recall('Ada lives', { validAtMs: day }).map(({ entry }) => entry.text));
  const linz = await memory.remember('Ada lives in Linz.', { validMs: 10 });
  await memory.end(linz.id, 20);
  const never = await memory.remember('Ada lives in Wien.', { validMs: 10 });
  await memory.end(never.id, 5);
  const graz = await memory.remember('Ada lives in Graz.', { validMs: 30, subject: 'ada' });
  for (const { id } of [linz, never, graz]) await shareEntry(memory, id, other);
  assert.deepEqual(await frames(), [
    ['scope.opened', 'memory.recorded', 'memory.ended'],
    ['memory.recorded', 'memory.ended'],
    ['memory.recorded'],
  ]);
  for (const day of [9, 10, 19, 20, 29, 30, 60]) {
    const [here = [], there = []] = holds(day, memory, other);
    assert.deepEqual([day, there], [day, here]);
  }
  await memory.end(graz.id, 50);
  const ended = await shareEntry(memory, graz.id, other);
  assert.deepEqual([ended.endings.map(({ atMs }) => atMs), ended.subject], [[50], 'ada']);
  assert.deepEqual(await shareEntry(memory, graz.id, other), ended);
  assert.deepEqual((await frames()).slice(3), [['memory.ended']]);
  await other.end(ended.id, 40);
  assert.equal((await shareEntry(memory, graz.id, other)).invalidMs, 40, 'it may hold shorter');
  assert.deepEqual([holds(39, memory, other), holds(45, other)], [[['Ada lives in Graz.'], ['Ada lives in Graz.']], [[]]]);
});

test('what is forgotten, superseded, unknown or there already is not taken to another scope', async () => {
  const { store, world, memory } = await stage();
  const other = await openMemory({ store, world, scope: 'user:bob' });
  const old = await memory.remember('Tea at 4.');
  await memory.remember('Tea at 5.', { supersedes: old.id });
  const gone = await memory.remember('Gone.');
  await memory.forget(gone.id);
  assert.equal(await refusal(shareEntry(memory, old.id, other)), 'MEMORY_CHANGED');
  assert.equal(await refusal(shareEntry(memory, gone.id, other)), 'MEMORY_CHANGED');
  assert.equal(await refusal(shareEntry(memory, 'scope:team:x:99' as never, other)), 'MEMORY_UNKNOWN');
  assert.equal(await refusal(shareEntry(memory, 'scope:team:x:2' as never, memory)), 'OPTION_INVALID');
  assert.equal(other.head, 0);
});
