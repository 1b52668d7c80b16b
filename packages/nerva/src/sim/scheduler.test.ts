import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Scheduler } from './scheduler.ts';

const FOREVER = { eventsMax: 1_000_000, untilMs: Infinity };
const YEAR_MS = 365 * 86_400_000;

const order = async (seed: number): Promise<string> => {
  const scheduler = new Scheduler(seed, 0);
  const seen: number[] = [];
  for (let n = 0; n < 8; n++) scheduler.in(10, () => seen.push(n));
  await scheduler.run(() => false, FOREVER);
  return seen.join('');
};

test('time moves from one event to the next and nowhere else: a year passes in as many steps as it has events', async () => {
  const scheduler = new Scheduler(1, 0);
  let days = 0;
  const dawn = (): void => void (++days < 365 && scheduler.in(86_400_000, dawn));
  scheduler.in(86_400_000, dawn);
  const startMs = performance.now();
  assert.equal(await scheduler.run(() => false, FOREVER), 'empty');
  assert.ok(performance.now() - startMs < 1_000, 'and takes less than a second');
  assert.equal(scheduler.nowMs, YEAR_MS);
  assert.equal(scheduler.count, 365);
});

test('events happen by time, those of one time in an order that the seed alone decides', async () => {
  const scheduler = new Scheduler(1, 0);
  const seen: number[] = [];
  for (const ms of [30, 10, 20, 0, 25, 5]) scheduler.in(ms, () => seen.push(ms));
  await scheduler.run(() => false, FOREVER);
  assert.deepEqual(seen, [0, 5, 10, 20, 25, 30]);
  assert.equal(await order(4), await order(4));
  assert.ok(new Set(await Promise.all([1, 2, 3, 4].map(order))).size > 1);
});

test('every pending microtask runs before the next event, however long their chain', async () => {
  const scheduler = new Scheduler(1, 0);
  const seen: string[] = [];
  const chain = async (name: string): Promise<void> => {
    for (let link = 0; link < 10_000; link++) await Promise.resolve();
    seen.push(name);
  };
  for (const ms of [1, 2, 3]) scheduler.in(ms, () => void (seen.push(`${ms}`), void chain(`${ms} done`)));
  await scheduler.run(() => false, FOREVER);
  assert.deepEqual(seen, ['1', '1 done', '2', '2 done', '3', '3 done']);
});

test('microtasks are drained also at the events at which the event loop is let in', async () => {
  const scheduler = new Scheduler(1, 0);
  let isSettled = true;
  for (let n = 0; n < 2_000; n++)
    scheduler.in(n, () => {
      assert.ok(isSettled, `event ${n} came too early`);
      isSettled = false;
      void Promise.resolve()
        .then(() => undefined)
        .then(() => (isSettled = true));
    });
  assert.equal(await scheduler.run(() => false, FOREVER), 'empty');
});

test('what was called off does not happen, also when it is called off late or twice', async () => {
  const scheduler = new Scheduler(1, 0);
  const seen: string[] = [];
  const stop = scheduler.in(10, () => seen.push('stopped'));
  const late = scheduler.in(5, () => seen.push('late'));
  scheduler.in(7, () => (stop(), stop(), late()));
  await scheduler.run(() => false, FOREVER);
  assert.deepEqual(seen, ['late']);
  assert.equal(scheduler.nowMs, 7);
});

test('a run ends when it is done, when it is empty, and at its limits', async () => {
  const forever = (): Scheduler => {
    const scheduler = new Scheduler(1, 0);
    const again = (): void => void scheduler.in(10, again);
    again();
    return scheduler;
  };
  const some = forever();
  assert.equal(await some.run(() => some.count === 3, FOREVER), 'done');
  const counted = forever();
  assert.equal(await counted.run(() => false, { eventsMax: 5, untilMs: Infinity }), 'events');
  assert.equal(counted.count, 5);
  const timed = forever();
  assert.equal(await timed.run(() => false, { eventsMax: 1_000, untilMs: 45 }), 'time');
  assert.equal(timed.nowMs, 40);
});

test('what an event throws ends the run with it', async () => {
  const scheduler = new Scheduler(1, 0);
  scheduler.in(1, () => {
    throw new Error('boom');
  });
  await assert.rejects(
    scheduler.run(() => false, FOREVER),
    /boom/,
  );
});
