import assert from 'node:assert/strict';
import { NervaError } from '../core/index.ts';
import type { Store } from '../log/index.ts';
import { note, take, type Law } from './store-harness.ts';

const coded = (code: string) => (error: unknown) => NervaError.is(error) && error.code === code;

const claimOf = (
  store: Store,
  options: { readonly owner?: string; readonly countMax?: number; readonly agents?: readonly string[] } = {},
) => store.claim({ owner: 'me', countMax: 100, leaseMs: 60_000, ...options });

const sidsOf = async (claiming: ReturnType<Store['claim']>): Promise<string[]> => (await claiming).map(({ info }) => info.sid);

/** A ready session of an agent of its own name that was claimed and given back `times` times without progress. */
async function suspect(store: Store, sid: string, times = 2): Promise<void> {
  await take(store, sid, { id: 'f', expected: 0, then: { status: 'ready', agent: sid } });
  for (let attempt = 1; attempt <= times; attempt++) {
    const [claimed] = await claimOf(store, { agents: [sid] });
    assert.ok(claimed);
    assert.deepEqual([claimed.info.sid, claimed.info.attempts], [sid, attempt]);
    assert.equal(await store.release(sid, claimed.fence, { expected: 1, status: 'ready', wakeAtMs: null }), true);
  }
}

/** Work: claims, fences, release, attempts and quarantine, timers, hints. */
export function workLaws(law: Law): void {
  law('claim hands out ready sessions, oldest first, once, with a fence of a new epoch', async ({ store, world }) => {
    for (const sid of ['b', 'c', 'a']) {
      await take(store, sid, { id: 'f', expected: 0, then: { status: 'ready' } });
      await world.advance(1);
    }
    await take(store, 'idle', { id: 'f', expected: 0, then: { status: 'idle' } });
    const [first] = await claimOf(store, { countMax: 1 });
    assert.equal(first?.info.sid, 'b');
    assert.deepEqual([first?.info.attempts, first?.info.epoch], [1, first?.fence.epoch]);
    assert.ok((first?.fence.epoch ?? 0) > 0);
    assert.deepEqual(await sidsOf(claimOf(store)), ['c', 'a']);
    assert.deepEqual(await sidsOf(claimOf(store)), [], 'none is handed out twice');
    assert.equal((await take(store, 'b', { id: 'g', expected: 1, fence: first?.fence ?? { epoch: 0 } })).ok, true);
  });

  law('a session born with its driver is not handed out until it is released', async ({ store }) => {
    const born = await store.append({
      id: '1',
      sid: 'a',
      expected: 0,
      events: [{ type: 'a.b', data: {} }],
      then: { status: 'ready', owner: 'me' },
    });
    assert.deepEqual(await sidsOf(claimOf(store)), []);
    assert.ok(born.ok);
    assert.equal(await store.release('a', { epoch: born.epoch }, { expected: 1, status: 'ready', wakeAtMs: null }), true);
    assert.deepEqual(await sidsOf(claimOf(store)), ['a']);
  });

  law('of sessions that were claimed twice without progress one is out at a time, until it moves', async ({ store }) => {
    for (const sid of ['a', 'b', 'c']) await take(store, sid, { id: 'f', expected: 0, then: { status: 'ready' } });
    const giveBack = async (claimed: Awaited<ReturnType<Store['claim']>>): Promise<void> => {
      for (const { info, fence } of claimed) await store.release(info.sid, fence, { expected: info.head, status: 'ready', wakeAtMs: null });
    };
    await giveBack(await claimOf(store));
    await giveBack(await claimOf(store));
    const [first, ...others] = await claimOf(store);
    assert.ok(first);
    assert.deepEqual(others, []);
    assert.deepEqual(await claimOf(store), []);
    await take(store, first.info.sid, { id: 'g', expected: 1, fence: first.fence, then: { status: 'ready', progress: true } });
    const [second] = await claimOf(store);
    assert.ok(second);
    assert.notEqual(second.info.sid, first.info.sid);
  });

  law('a suspect of one tenant does not keep those of another waiting: each tenant has one out at a time', async ({ store }) => {
    const tenants = ['red', 'blue'];
    for (const tenant of tenants) {
      for (const index of [0, 1]) await suspect(store.scope(tenant), `${tenant}${index}`);
    }
    const [red] = await claimOf(store.scope('red'));
    assert.equal(red?.info.tenant, 'red');
    assert.deepEqual(await claimOf(store.scope('red')), [], 'the other one of its own tenant waits');
    const [blue, ...more] = await claimOf(store);
    assert.equal(blue?.info.tenant, 'blue', 'whoever asks');
    assert.deepEqual(more, []);
    await take(store, blue.info.sid, { id: 'g', expected: 1, fence: blue.fence, then: { status: 'ready', progress: true } });
    assert.deepEqual(await sidsOf(claimOf(store)), [blue.info.sid === 'blue0' ? 'blue1' : 'blue0'], 'red moved nothing, blue did');
  });

  law('new work of one tenant does not keep the suspect of another waiting for good', async ({ store, world }) => {
    await suspect(store.scope('quiet'), 'quiet0');
    const seen: string[] = [];
    for (let index = 0; index < 5; index++) {
      await world.advance(1);
      for (const more of [0, 1])
        await take(store.scope('loud'), `loud${index}.${more}`, { id: 'f', expected: 0, then: { status: 'ready' } });
      seen.push(...(await sidsOf(claimOf(store, { countMax: 1 }))));
    }
    assert.ok(seen.includes('quiet0'), seen.join(' '));
  });

  law('a suspect that is owned but at rest stands in nobody’s way', async ({ store }) => {
    for (const sid of ['a', 'b']) await suspect(store, sid);
    const [first] = await claimOf(store);
    assert.ok(first);
    await take(store, first.info.sid, { id: 'g', expected: 1, fence: first.fence, then: { status: 'idle' } });
    const [second] = await claimOf(store);
    assert.ok(second);
    assert.notEqual(second.info.sid, first.info.sid);
  });

  law(
    'sessions without an attempt left are set aside and keep nobody waiting, however few are asked for',
    async ({ store, world }) => {
      const statuses = (): Promise<string[]> => Promise.all(['a', 'b', 'c'].map(async (sid) => (await store.info(sid)).status));
      for (const sid of ['a', 'b', 'c']) {
        await suspect(store, sid);
        await world.advance(1);
      }
      await take(store, 'c', { id: 'g', expected: 1, then: { progress: true } });
      assert.deepEqual(await claimOf(store, { countMax: 0 }), []);
      assert.deepEqual(await statuses(), ['ready', 'ready', 'ready']);
      assert.deepEqual(await sidsOf(claimOf(store, { countMax: 1 })), ['c']);
      assert.deepEqual(await statuses(), ['quarantined', 'quarantined', 'ready']);
    },
    { limits: { attemptsMax: 2 } },
  );

  law(
    'a suspect that ends in quarantine leaves its turn to the next one',
    async ({ store }) => {
      await suspect(store, 'guilty', 3);
      await suspect(store, 'other', 2);
      assert.deepEqual(await sidsOf(claimOf(store)), ['other']);
      assert.equal((await store.info('guilty')).status, 'quarantined');
    },
    { limits: { attemptsMax: 3 } },
  );

  law('a malformed count is a typed error and claims nothing', async ({ store }) => {
    await take(store, 'a', { id: 'f', expected: 0, then: { status: 'ready' } });
    for (const countMax of [Number.NaN, -1, 0.5, Infinity, '1' as unknown as number])
      await assert.rejects(claimOf(store, { countMax }), coded('LOG_RANGE'), String(countMax));
    assert.deepEqual(await sidsOf(claimOf(store)), ['a']);
  });

  law('a malformed fence or wake-up time is a typed error, and the session stays as it was', async ({ store }) => {
    await take(store, 'a', { id: 'f', expected: 0, then: { status: 'ready' } });
    const [claimed] = await claimOf(store);
    assert.ok(claimed);
    const row = { expected: 1, status: 'waiting', wakeAtMs: null } as const;
    for (const epoch of [Number.NaN, -1, 1.5, undefined as unknown as number, '9' as unknown as number]) {
      await assert.rejects(store.release('a', { epoch }, row), coded('LOG_RANGE'), String(epoch));
      await assert.rejects(store.renew('a', { epoch }, 1000), coded('LOG_RANGE'), String(epoch));
    }
    for (const wakeAtMs of [Number.NaN, Infinity, 2 ** 60, -1, 0.5])
      await assert.rejects(store.release('a', claimed.fence, { ...row, wakeAtMs }), coded('LOG_RANGE'), String(wakeAtMs));
    assert.equal((await store.info('a')).status, 'ready');
    assert.equal(await store.release('a', claimed.fence, row), true);
  });

  law('claim can be restricted to the agents that are registered here', async ({ store }) => {
    await take(store, 'a', { id: 'f', expected: 0, then: { status: 'ready', agent: 'one' } });
    await take(store, 'b', { id: 'f', expected: 0, then: { status: 'ready', agent: 'two' } });
    await take(store, 'c', { id: 'f', expected: 0, then: { status: 'ready' } });
    assert.deepEqual(await sidsOf(claimOf(store, { agents: ['two', 'three'] })), ['b']);
    assert.deepEqual((await sidsOf(claimOf(store))).toSorted(), ['a', 'c']);
  });

  law('claim is fair over tenants: a flood of one does not hide another', async ({ store, world }) => {
    for (let index = 0; index < 10; index++)
      await take(store.scope('loud'), `loud${index}`, { id: 'f', expected: 0, then: { status: 'ready' } });
    await world.advance(10);
    await take(store.scope('quiet'), 'quiet0', { id: 'f', expected: 0, then: { status: 'ready' } });
    assert.deepEqual((await sidsOf(claimOf(store, { countMax: 2 }))).toSorted(), ['loud0', 'quiet0']);
  });

  law('a wake-up time makes a session claimable at it and never before; null clears it', async ({ store, world }) => {
    const nowMs = world.clock.nowMs();
    await take(store, 'a', { id: 'f', expected: 0, then: { status: 'waiting', wakeAtMs: nowMs + 100 } });
    await take(store, 'b', { id: 'f', expected: 0, then: { status: 'waiting', wakeAtMs: nowMs + 50 } });
    await take(store, 'c', { id: 'f', expected: 0, then: { status: 'waiting', wakeAtMs: nowMs + 10 } });
    await take(store, 'c', { id: 'g', expected: 1, then: { wakeAtMs: null } });
    await take(store, 'd', { id: 'f', expected: 0, then: { status: 'waiting', wakeAtMs: nowMs + 20 } });
    await take(store, 'd', { id: 'g', expected: 1, then: { status: 'closed' } });
    assert.equal((await store.info('a')).wakeAtMs, nowMs + 100);
    await world.advance(49);
    assert.deepEqual(await sidsOf(claimOf(store)), []);
    await world.advance(51);
    assert.deepEqual(await sidsOf(claimOf(store)), ['b', 'a']);
  });

  law('release gives the session back with its row, and is refused when fenced or when the head moved', async ({ store, world }) => {
    await take(store, 'a', { id: 'f', expected: 0, then: { status: 'ready' } });
    const [claimed] = await claimOf(store);
    assert.ok(claimed);
    await take(store, 'a', { id: 'fact', expected: 'fact' });
    assert.equal(await store.release('a', claimed.fence, { expected: 1, status: 'idle', wakeAtMs: null }), false);
    assert.equal((await store.info('a')).status, 'ready');
    const wakeAtMs = world.clock.nowMs() + 5;
    assert.equal(await store.release('a', claimed.fence, { expected: 2, status: 'waiting', wakeAtMs }), true);
    assert.deepEqual((({ status, wakeAtMs: at }) => [status, at])(await store.info('a')), ['waiting', wakeAtMs]);
    await world.advance(5);
    assert.deepEqual(await sidsOf(claimOf(store)), ['a']);
    assert.equal(await store.release('a', claimed.fence, { expected: 2, status: 'idle', wakeAtMs: null }), false);
    await assert.rejects(store.release('ghost', claimed.fence, { expected: 0, status: 'idle', wakeAtMs: null }), coded('SESSION_UNKNOWN'));
  });

  law('an illegal release is refused and the session stays claimed', async ({ store }) => {
    await take(store, 'a', { id: 'f', expected: 0, then: { status: 'ready' } });
    const [claimed] = await claimOf(store);
    assert.ok(claimed);
    await take(store, 'a', { id: 'g', expected: 1, fence: claimed.fence, then: { status: 'closed' } });
    await assert.rejects(store.release('a', claimed.fence, { expected: 2, status: 'ready', wakeAtMs: null }), coded('STATUS_ILLEGAL'));
    assert.equal(await store.release('a', claimed.fence, { expected: 2, status: 'closed', wakeAtMs: null }), true);
    assert.equal((await store.info('a')).status, 'closed');
  });

  law('taking over fences whoever drove before: appends, renewals and releases', async ({ store }) => {
    await take(store, 'a', { id: 'f', expected: 0, then: { status: 'ready' } });
    const [claimed] = await claimOf(store);
    assert.ok(claimed);
    assert.equal(await store.renew('a', claimed.fence, 1000), true);
    const fence = await store.takeOver('a', 'you');
    assert.equal((await store.info('a')).epoch, fence.epoch);
    assert.equal(await store.renew('a', claimed.fence, 1000), false);
    assert.equal(await store.release('a', claimed.fence, { expected: 1, status: 'idle', wakeAtMs: null }), false);
    assert.deepEqual(await take(store, 'a', { id: 'g', expected: 1, fence: claimed.fence }), { ok: false, why: 'fenced', head: 1 });
    assert.equal(await store.renew('a', fence, 1000), true);
    assert.deepEqual(await sidsOf(claimOf(store)), [], 'it is driven');
    assert.equal(await store.release('a', fence, { expected: 1, status: 'ready', wakeAtMs: null }), true);
    await assert.rejects(store.takeOver('ghost', 'you'), coded('SESSION_UNKNOWN'));
  });

  law(
    'claims without progress end in quarantine, progress resets the count, and a person lets it go on',
    async ({ store }) => {
      await take(store, 'a', { id: 'f', expected: 0, then: { status: 'ready' } });
      const attempt = async (): Promise<number> => {
        const [claimed] = await claimOf(store);
        if (claimed === undefined) return -1;
        assert.equal(await store.release('a', claimed.fence, { expected: await store.head('a'), status: 'ready', wakeAtMs: null }), true);
        return claimed.info.attempts;
      };
      assert.deepEqual([await attempt(), await attempt()], [1, 2]);
      await take(store, 'a', { id: 'g', expected: 1, then: { progress: true } });
      assert.equal((await store.info('a')).attempts, 0);
      assert.deepEqual([await attempt(), await attempt(), await attempt(), await attempt()], [1, 2, 3, -1]);
      assert.equal((await store.info('a')).status, 'quarantined');
      await assert.rejects(store.takeOver('a', 'me'), coded('SESSION_QUARANTINED'));
      assert.equal((await take(store, 'a', { id: 'h', expected: 'fact' })).ok, true);
      assert.equal((await store.info('a')).status, 'quarantined', 'a fact does not free it');
      await assert.rejects(take(store, 'a', { id: 'i', expected: 3, then: { status: 'ready' } }), coded('STATUS_ILLEGAL'));
      await store.unquarantine('a');
      assert.deepEqual((({ status, attempts }) => [status, attempts])(await store.info('a')), ['ready', 0]);
      assert.equal(await attempt(), 1);
      await store.unquarantine('a');
      assert.equal((await store.info('a')).attempts, 1, 'nothing to do for one that is not quarantined');
    },
    { limits: { attemptsMax: 3 } },
  );

  law('onWork hints at ready sessions; leaving twice is safe and does not make others miss a hint (A20)', async ({ store }) => {
    const heard: string[] = [];
    const leaveFirst = store.onWork((sid) => {
      heard.push(`first ${sid}`);
      leaveFirst();
      leaveFirst();
    });
    const leaveSecond = store.onWork((sid) => heard.push(`second ${sid}`));
    await take(store, 'a', { id: 'f', expected: 0, then: { status: 'ready' } });
    for (let turn = 0; turn < 50 && heard.length < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(new Set(heard), new Set(['first a', 'second a']));
    leaveSecond();
    leaveSecond();
    const count = heard.length;
    await store.append({ id: 'g', sid: 'a', expected: 'fact', events: [note('x')] });
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(heard.length, count);
  });
}
