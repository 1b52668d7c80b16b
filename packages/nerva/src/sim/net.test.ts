import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { Hub } from './hub.ts';
import { inOrder, SimNetwork, type NetworkOptions } from './net.ts';

const FOREVER = { eventsMax: 1_000_000, untilMs: Infinity };

/** A network and what arrived, with the ms since the start. */
function make(seed = 1, options: NetworkOptions = {}) {
  const hub = new Hub(seed, [], false);
  const startMs = hub.scheduler.nowMs;
  const network = new SimNetwork(hub, options);
  const arrived: string[] = [];
  const times: number[] = [];
  const send = (name: string, from = 'a', to = 'b'): void =>
    network.send({ from, to, arrive: () => void (arrived.push(name), times.push(hub.scheduler.nowMs - startMs)) });
  return { hub, network, arrived, times, send, run: () => hub.scheduler.run(() => false, FOREVER) };
}

test('a message takes its link’s latency, which the seed chooses', async () => {
  const timesOf = async (seed: number): Promise<readonly number[]> => {
    const { send, run, times } = make(seed, { latencyMs: 100, jitterMs: 10 });
    for (let n = 0; n < 5; n++) send('x');
    for (let n = 0; n < 5; n++) send('y', 'b', 'a');
    await run();
    return times;
  };
  assert.deepEqual(await timesOf(1), await timesOf(1));
  assert.notDeepEqual(await timesOf(1), await timesOf(2));
  for (const ms of await timesOf(1)) assert.ok(ms >= 50 && ms < 160, `${ms}`);
});

test('a message may overtake another where the jitter is large, and not where there is none', async () => {
  const names = Array.from({ length: 20 }, (_, n) => `m${n}`);
  const orderOf = async (jitterMs: number): Promise<readonly string[]> => {
    const { send, run, arrived, hub } = make(1, { jitterMs });
    names.forEach((name, n) => hub.scheduler.in(n, () => send(name)));
    await run();
    return arrived;
  };
  assert.deepEqual(await orderOf(0), names);
  const mixed = await orderOf(50);
  assert.notDeepEqual(mixed, names);
  assert.deepEqual(mixed.toSorted(), names.toSorted());
});

test('a partition holds what goes its way until it heals, and leaves the way back alone', async () => {
  const { send, run, arrived, hub, network } = make();
  const heal = network.partition(['a', 'c'], ['b']);
  send('a to b');
  send('c to b', 'c');
  send('b to a', 'b', 'a');
  send('a to d', 'a', 'd');
  await run();
  assert.deepEqual(arrived.toSorted(), ['a to d', 'b to a']);
  assert.equal(network.pending, 2);
  hub.scheduler.in(60_000, heal);
  await run();
  assert.deepEqual(arrived.slice(2).toSorted(), ['a to b', 'c to b']);
  heal();
  await run();
  assert.equal(arrived.length, 4, 'healing twice delivers nothing twice');
  assert.equal(network.pending, 0);
});

test('two sets that are separated hear nothing of each other, and what was sent into it may be lost', async () => {
  const { send, run, arrived, network } = make(1, { atHeal: 'dropped' });
  const heal = network.separate(['a'], ['b', 'c']);
  send('there');
  send('back', 'b', 'a');
  send('among them', 'b', 'c');
  await run();
  heal();
  await run();
  assert.deepEqual(arrived, ['among them']);
  assert.equal(network.pending, 0);
  send('later');
  await run();
  assert.deepEqual(arrived, ['among them', 'later']);
});

test('what was under way when a partition began is held by it', async () => {
  const { send, run, arrived, network } = make();
  send('under way');
  const heal = network.partition(['a'], ['b']);
  await run();
  assert.deepEqual(arrived, []);
  heal();
  await run();
  assert.deepEqual(arrived, ['under way']);
});

test('a message that is held by two partitions waits for both', async () => {
  const { send, run, arrived, network } = make();
  const heals = [network.partition(['a'], ['b']), network.partition(['a'], ['b'])];
  send('x');
  await run();
  heals[0]?.();
  await run();
  assert.deepEqual(arrived, []);
  heals[1]?.();
  await run();
  assert.deepEqual(arrived, ['x']);
});

test('a network holds 10,000 messages; the next one is refused with a typed error and not sent', async () => {
  const { send, run, arrived, network } = make();
  const heal = network.partition(['a'], ['b']);
  for (let n = 0; n < 10_000; n++) send('x');
  assert.throws(
    () => send('one too many'),
    (error) => NervaError.is(error, 'HTTP_UNREACHABLE') && error.details['why'] === 'ENOBUFS' && error.details['pendingMax'] === 10_000,
  );
  await run();
  assert.throws(() => send('still'), /ENOBUFS/, 'what is held counts');
  heal();
  await run();
  assert.equal(arrived.length, 10_000);
  send('now');
  await run();
  assert.equal(arrived.at(-1), 'now');
});

test('a connection puts its messages in order, lets none happen twice, and nothing behind a missing one', () => {
  const ordered = inOrder();
  const seen: number[] = [];
  const come = (n: number): void => ordered(n, () => seen.push(n));
  for (const n of [2, 0, 1, 1, 0, 4, 5]) come(n);
  assert.deepEqual(seen, [0, 1, 2]);
  come(3);
  assert.deepEqual(seen, [0, 1, 2, 3, 4, 5]);
});
