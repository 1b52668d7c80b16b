import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NervaError } from '../core/index.ts';
import { memoryKeys, projectionRowsContract, testWorld } from '../testing/index.ts';
import {
  eraseSubject,
  memoryProjectionRows,
  memoryStore,
  projections,
  upcasters,
  type EventDraft,
  type Projection,
  type ProjectionRows,
  type Rows,
} from './index.ts';

projectionRowsContract('memoryProjectionRows', () => Promise.resolve({ rows: memoryProjectionRows() }));

const world = testWorld();

const add = (n: number | string, subject?: string): EventDraft => ({
  type: 'n.added',
  data: { n },
  ...(subject === undefined ? {} : { subject }),
});

/** Every event id in order, per session: an event applied twice, lost or out of order shows. */
const trail: Projection = {
  name: 'trail',
  version: 1,
  apply: (rows, event) => rows.put(event.sid, `${rows.get(event.sid) ?? ''}${event.seq}=${String(event.data['n'])},`),
};

const dump = (rows: Rows): Record<string, string> => Object.fromEntries(rows.scan().map(({ key, value }) => [key, value]));

function kept(list: readonly Projection[], rows: ProjectionRows = memoryProjectionRows(), store = memoryStore({ world })) {
  return { rows, store, ...projections({ store, rows, world, list }) };
}

test('any projection caught up in pieces, through restarts, equals one built at once (A36)', async () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ sid: fc.constantFrom('a', 'b', 'c'), count: fc.integer({ min: 1, max: 3 }) }),
      fc.constant('catch up' as const),
      fc.constant('restart' as const),
    ),
    { maxLength: 30 },
  );
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      let piecewise = kept([trail]);
      const { store, rows } = piecewise;
      for (const [index, step] of list.entries()) {
        if (step === 'catch up') await piecewise.catchUp();
        else if (step === 'restart') piecewise = kept([trail], rows, store);
        else {
          const head = await store.head(step.sid);
          await store.append({
            id: `f${index}`,
            sid: step.sid,
            expected: head,
            events: Array.from({ length: step.count }, (_, event) => add(head + event)),
          });
        }
      }
      const atOnce = kept([trail], memoryProjectionRows(), store);
      await Promise.all([atOnce.catchUp(), piecewise.catchUp(), piecewise.catchUp()]);
      assert.deepEqual(await piecewise.read('trail', dump), await atOnce.read('trail', dump));
    }),
    { seed: 1, numRuns: 60 },
  );
});

test('a poison event is tried, set aside with its reason, and the rest of its frame is applied', async () => {
  let tries = 0;
  const picky: Projection = {
    ...trail,
    apply(rows, event) {
      rows.put('written-before', 'x');
      if (event.data['n'] === 'bad') {
        tries++;
        throw new Error('cannot read bad');
      }
      trail.apply(rows, event);
    },
  };
  const { store, catchUp, read, status } = kept([picky]);
  await store.append({ id: 'f1', sid: 'a', expected: 0, events: [add(0), add('bad'), add(2)] });
  await store.append({ id: 'f2', sid: 'a', expected: 3, events: [add(3)] });
  await catchUp('trail');
  assert.equal(tries, 3);
  assert.equal(await read('trail', (rows) => rows.get('a')), '0=0,2=2,3=3,');
  const { status: state, aside } = await status('trail');
  assert.deepEqual([state, aside], ['degraded', [{ event: 'a:1', why: 'Error: cannot read bad' }]]);
  await catchUp();
  assert.equal(tries, 3, 'an event set aside is not tried again');
});

test('a failure that passes before the last try leaves no trace', async () => {
  let failures = 2;
  const flaky: Projection = {
    ...trail,
    apply(rows, event) {
      trail.apply(rows, event);
      if (event.seq === 1 && failures-- > 0) throw new Error('flaky');
    },
  };
  const { store, catchUp, read, status } = kept([flaky]);
  await store.append({ id: 'f1', sid: 'a', expected: 0, events: [add(0), add(1)] });
  await catchUp();
  assert.equal(await read('trail', (rows) => rows.get('a')), '0=0,1=1,');
  assert.equal((await status('trail')).status, 'current');
});

test('rows and cursor commit together: a crash of the rows loses both or none (P1)', async () => {
  const inner = memoryProjectionRows();
  let crashAt = Infinity;
  const crashing: ProjectionRows = {
    transaction: (work) => (crashAt-- <= 0 ? Promise.reject(new Error('disk')) : inner.transaction(work)),
  };
  const { store } = kept([trail]);
  for (let index = 0; index < 4; index++) await store.append({ id: `f${index}`, sid: 'a', expected: index, events: [add(index)] });
  for (let budget = 0; budget < 7; budget++) {
    crashAt = budget;
    await kept([trail], crashing, store)
      .catchUp()
      .catch((error: unknown) => assert.match(String(error), /disk/));
  }
  crashAt = Infinity;
  const whole = kept([trail], crashing, store);
  await whole.catchUp();
  assert.equal(await whole.read('trail', (rows) => rows.get('a')), '0=0,1=1,2=2,3=3,');
});

test('a new version is built beside while the old one is served, then swapped in whole (P3)', async () => {
  const first = kept([trail]);
  await first.store.append({ id: 'f1', sid: 'a', expected: 0, events: [add(0)] });
  await first.catchUp();
  const served: (string | null)[] = [];
  const next: Projection = { ...trail, version: 2, apply: (rows, event) => rows.put(event.sid, `new${event.seq}`) };
  const second = kept([next], first.rows, first.store);
  await second.store.append({ id: 'f2', sid: 'a', expected: 1, events: [add(1)] });
  served.push(await second.read('trail', (rows) => rows.get('a')));
  assert.deepEqual((({ version, status }) => [version, status])(await second.status('trail')), [1, 'building']);
  await second.catchUp();
  served.push(await second.read('trail', (rows) => rows.get('a')));
  assert.deepEqual(served, ['0=0,', 'new1']);
  assert.deepEqual((({ version, status }) => [version, status])(await second.status('trail')), [2, 'current']);
  await second.store.append({ id: 'f3', sid: 'a', expected: 2, events: [add(2)] });
  await Promise.all([second.rebuild('trail'), second.catchUp(), second.rebuild('trail')]);
  assert.equal(await second.read('trail', (rows) => rows.get('a')), 'new2');
});

test('a projection that saw an erased subject rebuilds itself from what is left', async () => {
  const keys = memoryKeys();
  const store = memoryStore({ world, keys });
  const all = kept([{ ...trail, types: ['n.added'] }], memoryProjectionRows(), store);
  await store.append({ id: 'f1', sid: 'a', expected: 0, events: [add('secret', 'ada'), add(1)] });
  await all.catchUp();
  assert.equal(await all.read('trail', (rows) => rows.get('a')), '0=secret,1=1,');
  await eraseSubject({ store, keys, world, subject: 'ada' });
  await all.catchUp();
  assert.doesNotMatch((await all.read('trail', (rows) => rows.get('a'))) ?? '', /secret/);
  const everything = await all.rows.transaction((space) => [1, 2, 3].map((build) => JSON.stringify(space(`trail@${build}`).scan())).join());
  assert.doesNotMatch(everything, /secret/, 'nor is it left in a former build');
});

test('waiting for a projection passes everything acknowledged before, or gives up at its bound', async () => {
  const { store, waitFor, read, rows } = kept([trail]);
  await store.append({ id: 'f1', sid: 'a', expected: 0, events: [add(0)] });
  const { passed, cursor } = await waitFor('trail', 1000);
  assert.ok(passed && cursor !== '');
  assert.equal(await read('trail', (each) => each.get('a')), '0=0,');
  await store.append({ id: 'f2', sid: 'a', expected: 1, events: [add(1)] });
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const blocked: typeof store = {
    ...store,
    async *feed(options) {
      await held;
      yield* store.feed(options);
    },
  };
  const slow = kept([trail], rows, blocked);
  const waiting = slow.waitFor('trail', 50);
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  await world.advance(50);
  assert.deepEqual(await waiting, { passed: false, cursor });
  release();
});

test('an unknown projection is a typed error whatever is asked of it', async () => {
  const { catchUp, read, status, waitFor, rebuild } = kept([trail]);
  for (const ask of [() => catchUp('x'), () => read('x', () => 1), () => status('x'), () => waitFor('x', 1), () => rebuild('x')]) {
    await assert.rejects(ask(), (error) => NervaError.is(error, 'PROJECTION_UNKNOWN'));
  }
});

test('a build of a version that was never served is dropped with its rows', async () => {
  const inner = memoryProjectionRows();
  let transactions = 0;
  const dying: ProjectionRows = {
    transaction: (work) => (transactions++ < 2 ? inner.transaction(work) : Promise.reject(new Error('killed'))),
  };
  const half = kept([trail], dying);
  await half.store.append({ id: 'f1', sid: 'a', expected: 0, events: [add(0)] });
  await assert.rejects(half.catchUp(), /killed/);
  assert.equal(await inner.transaction((space) => space('trail@1').scan().length), 1);
  const whole = kept([{ ...trail, version: 2 }], inner, half.store);
  await whole.catchUp();
  assert.deepEqual(await inner.transaction((space) => [1, 2].map((build) => space(`trail@${build}`).scan().length)), [0, 1]);
});

test('a projection is given only frames that hold a type it names', async () => {
  const { store, catchUp, read } = kept([{ ...trail, types: ['n.added'] }]);
  const other: EventDraft = { type: 'star.born', data: { n: 'star' } };
  await store.append({ id: 'f1', sid: 'a', expected: 0, events: [other] });
  await store.append({ id: 'f2', sid: 'a', expected: 1, events: [add(1)] });
  await catchUp();
  assert.equal(await read('trail', (rows) => rows.get('a')), '1=1,');
});

test('an event is tried as often as it is said, and counts anew when another one failed', async () => {
  const tried: string[] = [];
  const failing: Projection = {
    ...trail,
    apply(_rows, event) {
      tried.push(String(event.data['n']));
      throw new Error('never');
    },
  };
  const rows = memoryProjectionRows();
  const store = memoryStore({ world });
  const { catchUp, status } = projections({ store, rows, world, list: [failing], triesMax: 2 });
  await store.append({ id: 'f1', sid: 'a', expected: 0, events: [add('x'), add('y')] });
  await catchUp();
  assert.deepEqual(tried, ['x', 'x', 'y', 'y']);
  assert.deepEqual(
    (await status('trail')).aside.map(({ event }) => event),
    ['a:0', 'a:1'],
  );
});

test('a projection sees events as this release knows them, and none that it does not know', async () => {
  const rows = memoryProjectionRows();
  const store = memoryStore({ world });
  const lifted = upcasters({ 'n.added': { 1: ({ n }) => ({ n: `lifted ${String(n)}` }) } }, { 'n.added': 2 });
  const { catchUp, read } = projections({ store, rows, world, list: [trail], upcasters: lifted });
  await store.append({ id: 'f1', sid: 'a', expected: 0, events: [add(0), { type: 'star.born', data: {} }] });
  await catchUp();
  assert.equal(await read('trail', (each) => each.get('a')), '0=lifted 0,');
});

test('a rebuild drops the rows of a build that was under way, and what is kept lies where it always lay', async () => {
  const inner = memoryProjectionRows();
  let transactions = 0;
  const dying: ProjectionRows = {
    transaction: (work) => (transactions++ < 2 ? inner.transaction(work) : Promise.reject(new Error('killed'))),
  };
  const half = kept([trail], dying);
  await half.store.append({ id: 'f1', sid: 'a', expected: 0, events: [add(0)] });
  await assert.rejects(half.catchUp(), /killed/);
  const whole = kept([trail], inner, half.store);
  await whole.rebuild('trail');
  const sizes = await inner.transaction((space) => [1, 2].map((build) => space(`trail@${build}`).scan().length));
  assert.deepEqual(sizes, [0, 1]);
  assert.deepEqual(
    await inner.transaction((space) =>
      space('projections')
        .scan()
        .map(({ key }) => key),
    ),
    ['trail'],
  );
});

test('waiting leaves no sleep behind, and keeps no process alive', async () => {
  const sleeps: { readonly signal?: AbortSignal; readonly background?: boolean }[] = [];
  const clock: typeof world.clock = {
    ...world.clock,
    sleep(ms, options = {}) {
      sleeps.push(options);
      return world.clock.sleep(ms, options);
    },
  };
  const store = memoryStore({ world });
  const { waitFor } = projections({ store, rows: memoryProjectionRows(), world: { ...world, clock }, list: [trail] });
  assert.equal((await waitFor('trail', 1000)).passed, true);
  assert.deepEqual(
    sleeps.map(({ signal, background }) => [signal?.aborted, background]),
    [[true, true]],
  );
});
