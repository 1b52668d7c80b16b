import assert from 'node:assert/strict';
import { NervaError } from '../core/index.ts';
import type { Store } from '../log/index.ts';
import { note, take, texts, type Law } from './store-harness.ts';

const hidden = (error: unknown): boolean =>
  NervaError.is(error) && ['SESSION_UNKNOWN', 'TENANT_DENIED', 'BLOB_UNKNOWN'].includes(error.code);

/** Tenants: S7 no handle reads or changes what belongs to another tenant, whatever method is called. */
export function tenantLaws(law: Law): void {
  law('a session belongs to the tenant of the handle that made it; the operator sees all', async ({ store }) => {
    const [red, blue] = [store.scope('red'), store.scope('blue')];
    await take(red, 'r', { id: 'f', expected: 0 });
    await take(blue, 'b', { id: 'f', expected: 0 });
    await take(store, 'd', { id: 'f', expected: 0 });
    assert.deepEqual([store.tenant, red.tenant, red.incarnation], [null, 'red', store.incarnation]);
    assert.deepEqual(await Promise.all(['r', 'b', 'd'].map(async (sid) => (await store.info(sid)).tenant)), ['red', 'blue', 'default']);
    assert.deepEqual(
      (await store.list()).map(({ sid }) => sid),
      ['r', 'b', 'd'],
    );
    assert.deepEqual(
      (await store.list({ tenant: 'blue' })).map(({ sid }) => sid),
      ['b'],
    );
    assert.deepEqual(
      (await red.list()).map(({ sid }) => sid),
      ['r'],
    );
    assert.equal((await take(store, 'r', { id: 'g', expected: 1 })).ok, true);
    assert.equal((await red.read('r'))[1]?.tenant, 'red');
    assert.deepEqual(await texts(store.scope('default'), 'd'), ['d:0:f']);
  });

  law('a malformed tenant is refused and a tenant cannot leave its scope', async ({ store }) => {
    for (const tenant of ['', 'a b', 'x'.repeat(65), 'é'])
      assert.throws(
        () => store.scope(tenant),
        (error) => NervaError.is(error, 'OPTION_INVALID'),
      );
    const red = store.scope('red');
    assert.equal(red.scope('red').tenant, 'red');
    assert.throws(
      () => red.scope('blue'),
      (error) => NervaError.is(error, 'TENANT_DENIED'),
    );
    await assert.rejects(red.list({ tenant: 'blue' }), (error) => NervaError.is(error, 'TENANT_DENIED'));
  });

  law('no method of a handle reaches another tenant (S7)', async ({ store, world }) => {
    const [red, blue] = [store.scope('red'), store.scope('blue')];
    await take(red, 'r', { id: 'f', expected: 0, then: { status: 'ready', wakeAtMs: 1 } });
    await red.snapshots.put('r', 'key', 0, 'secret');
    const blob = await red.blobs.put(new TextEncoder().encode('secret'), { mediaType: 'text/plain', sid: 'r' });
    const before = await store.info('r');
    const attempts: Readonly<Record<string, (handle: Store) => Promise<unknown>>> = {
      create: (handle) => take(handle, 'r', { id: 'x', expected: 0 }),
      repeat: (handle) => take(handle, 'r', { id: 'f', expected: 0 }),
      append: (handle) => take(handle, 'r', { id: 'x', expected: 1 }),
      fact: (handle) => take(handle, 'r', { id: 'x', expected: 'fact' }),
      info: (handle) => handle.info('r'),
      read: (handle) => handle.read('r'),
      tail: (handle) => handle.tail('r')[Symbol.asyncIterator]().next(),
      fork: (handle) => handle.fork({ id: 'x', sid: 'stolen', parent: 'r', at: 0, events: [note('x')] }),
      takeOver: (handle) => handle.takeOver('r', 'me'),
      renew: (handle) => handle.renew('r', { epoch: 99 }, 1),
      release: (handle) => handle.release('r', { epoch: 99 }, { expected: 1, status: 'idle', wakeAtMs: null }),
      unquarantine: (handle) => handle.unquarantine('r'),
      delete: (handle) => handle.delete('r', { cascade: true }),
      verify: (handle) => handle.verify('r'),
      getSnapshot: (handle) => handle.snapshots.get('r', 'key', 5),
      putSnapshot: (handle) => handle.snapshots.put('r', 'key', 0, 'forged'),
      getBlob: (handle) => handle.blobs.get(blob.ref),
    };
    for (const [name, attempt] of Object.entries(attempts)) await assert.rejects(attempt(blue), hidden, name);
    const [batched] = await blue.appendBatch([{ id: 'x', sid: 'r', expected: 'fact', events: [note('x')] }]);
    assert.equal(batched?.status, 'rejected');
    assert.equal(await blue.head('r'), 0);
    assert.deepEqual(await blue.list(), []);
    assert.deepEqual(await blue.claim({ owner: 'me', countMax: 9, leaseMs: 1 }), []);
    for await (const { frame } of blue.feed()) assert.fail(frame.id);
    await world.advance(10);
    assert.equal(await blue.blobs.sweep(world.clock.nowMs()), 0);
    assert.equal(await blue.prune({ closedBeforeMs: world.clock.nowMs() }), 0);
    assert.deepEqual((({ frames, blobs, snapshots, bytes }) => [frames, blobs, snapshots, bytes])(await blue.stats()), [0, 0, 0, 0]);
    const hints: string[] = [];
    blue.onWork((sid) => hints.push(sid));
    await take(red, 'r2', { id: 'f', expected: 0, then: { status: 'ready' } });
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(hints, []);
    assert.deepEqual(await store.info('r'), before);
    assert.equal((await red.snapshots.get('r', 'key', 5))?.state, 'secret');
  });

  law('equal content of two tenants is two blobs, and sweeping one leaves the other', async ({ store, world }) => {
    const content = new TextEncoder().encode('same');
    const [red, blue] = [store.scope('red'), store.scope('blue')];
    const first = await red.blobs.put(content, { mediaType: 'text/plain', sid: 'r' });
    const second = await blue.blobs.put(content, { mediaType: 'text/plain', sid: 'b' });
    assert.equal(first.ref, second.ref);
    assert.equal((await store.stats()).blobs, 2);
    await world.advance(10);
    assert.equal(await red.blobs.sweep(world.clock.nowMs()), 1);
    await assert.rejects(red.blobs.get(first.ref), hidden);
    assert.deepEqual(await blue.blobs.get(first.ref), content);
  });
}
