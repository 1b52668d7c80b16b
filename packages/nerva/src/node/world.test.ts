import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { getEventListeners } from 'node:events';
import test from 'node:test';
import { nodeWorld } from './world.ts';

test('the digest is SHA-256 in hex, of text as UTF-8 and of bytes alike', () => {
  const { digest } = nodeWorld();
  const expected = createHash('sha256').update('Grüße 🌍', 'utf8').digest('hex');
  assert.equal(digest('Grüße 🌍'), expected);
  assert.equal(digest(new TextEncoder().encode('Grüße 🌍')), expected);
});

test('ids are unique over two worlds of one process and have their form', () => {
  const worlds = [nodeWorld(), nodeWorld()];
  const ids = new Set<string>();
  for (let count = 0; count < 600; count++) {
    for (const { ids: source } of worlds) {
      const random = source.random();
      const next = source.next();
      assert.match(random, /^[0-9a-f]{32}$/);
      assert.match(next, /^[0-9a-z]{8}\.[0-9a-z]+$/);
      assert.ok(next.length <= 24);
      ids.add(random).add(next);
    }
  }
  assert.equal(ids.size, 2_400);
});

test('a sleep lasts at least its time and leaves no listener on its signal', async () => {
  const { clock } = nodeWorld();
  const { signal } = new AbortController();
  const startMs = performance.now();
  await clock.sleep(12, { signal });
  assert.ok(performance.now() - startMs >= 12);
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('a sleep longer than a timer can hold does not end at once, and its signal ends it', async () => {
  const { clock } = nodeWorld();
  const controller = new AbortController();
  const sleep = clock.sleep(2 ** 33, { signal: controller.signal });
  await Promise.race([sleep.then(() => assert.fail('it ended')), clock.sleep(5)]);
  controller.abort();
  await assert.rejects(sleep, { code: 'CANCELLED' });
  await assert.rejects(clock.sleep(1, { signal: controller.signal }), { code: 'CANCELLED' });
});

test('deferred work runs after every pending microtask', async () => {
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    nodeWorld().defer(() => {
      order.push('deferred');
      resolve();
    });
    void Promise.resolve()
      .then(() => Promise.resolve())
      .then(() => order.push('microtask'));
  });
  assert.deepEqual(order, ['microtask', 'deferred']);
});

test('a given transport takes the place of the HTTP client', () => {
  const transport = { request: () => Promise.reject(new Error('unused')), close: () => Promise.resolve() };
  assert.equal(nodeWorld({ transport }).transport, transport);
});
