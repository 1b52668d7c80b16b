import assert from 'node:assert/strict';
import { NervaError } from '../core/index.ts';
import { eventsOf, type Frame } from '../log/index.ts';
import { note, readAll, take, texts, type Law } from './store-harness.ts';

const coded = (code: string) => (error: unknown) => NervaError.is(error) && error.code === code;

/** Reading: pages, cuts, tails with a live writer, the feed. */
export function readingLaws(law: Law): void {
  law('a page holds at most `limit` frames, is cut to its range, and every event keeps its id', async ({ store }) => {
    for (let index = 0; index < 4; index++) {
      await store.append({
        id: `f${index}`,
        sid: 'a',
        expected: index * 3,
        events: [note(`${index}a`), note(`${index}b`), note(`${index}c`)],
      });
    }
    const ids = (frames: readonly Frame[]): string[] =>
      frames.flatMap(eventsOf).map((event) => `${event.seq}${String(event.data['text'])}`);
    assert.deepEqual(ids(await store.read('a', { after: 3, upto: 7 })), ['41b', '51c', '62a', '72b']);
    assert.deepEqual(ids(await store.read('a', { after: 4, upto: 4 })), []);
    assert.deepEqual(ids(await store.read('a', { upto: 0 })), ['00a']);
    assert.deepEqual(ids(await store.read('a', { limit: 1 })), ['00a', '10b', '20c']);
    assert.deepEqual(ids(await store.read('a', { after: 10, upto: 99 })), ['113c']);
    assert.deepEqual(await store.read('a', { after: 11 }), []);
    assert.deepEqual(await store.read('a', { after: 400 }), []);
    const whole = await texts(store, 'a');
    for (const limit of [1, 2, 3, 100]) assert.deepEqual(await texts(store, 'a', { limit }), whole);
    for (let after = -1; after < 12; after++) assert.deepEqual(await texts(store, 'a', { after, limit: 1 }), whole.slice(after + 1));
  });

  law('an empty range is no frame, also inside a frame and in a fork that cuts one', async ({ store }) => {
    await store.append({ id: 'f', sid: 'a', expected: 0, events: [note('0'), note('1'), note('2'), note('3')] });
    await store.fork({ id: 'f', sid: 'b', parent: 'a', at: 1, events: [note('2'), note('3')] });
    for (const sid of ['a', 'b']) {
      for (let after = -1; after <= 4; after++) {
        for (let upto = -1; upto <= 4; upto++) {
          const frames = await store.read(sid, { after, upto });
          for (const { events, seq, count } of frames)
            assert.ok(events.length > 0 && count >= events.length, `${sid} ${after}…${upto}: ${seq}`);
          assert.equal(frames.flatMap(eventsOf).length, Math.max(0, Math.min(upto, 3) - after), `${sid} ${after}…${upto}`);
        }
      }
    }
  });

  law('reading an unknown session or a malformed range is a typed error', async ({ store }) => {
    await assert.rejects(store.read('ghost'), coded('SESSION_UNKNOWN'));
    await assert.rejects(store.info('ghost'), coded('SESSION_UNKNOWN'));
    await assert.rejects(store.verify('ghost'), coded('SESSION_UNKNOWN'));
    await take(store, 'a', { id: 'f', expected: 0 });
    for (const options of [{ after: -2 }, { after: 0.5 }, { upto: Number.NaN }, { limit: 0 }]) {
      await assert.rejects(store.read('a', options), coded('LOG_RANGE'), JSON.stringify(options));
    }
    for (const limit of [-1, 0.5, Number.NaN, Infinity]) {
      await assert.rejects(store.list({ limit }), coded('LOG_RANGE'), String(limit));
      await assert.rejects(store.prune({ closedBeforeMs: 0, limit }), coded('LOG_RANGE'), String(limit));
    }
    for (const after of [-2, 0.5, Number.NaN])
      await assert.rejects(store.tail('a', { after })[Symbol.asyncIterator]().next(), coded('LOG_RANGE'), String(after));
  });

  law('a reader that paged before a commit goes on over a consistent prefix (R9)', async ({ store }) => {
    for (let index = 0; index < 6; index++) await take(store, 'a', { id: `f${index}`, expected: index });
    const before = await store.read('a', { limit: 3 });
    const kept = structuredClone(before);
    await take(store, 'a', { id: 'f6', expected: 6 });
    assert.deepEqual(before, kept);
    assert.deepEqual(await texts(store, 'a', { after: 2, limit: 2 }), ['a:3:f3', 'a:4:f4', 'a:5:f5', 'a:6:f6']);
  });

  law('a tail gives what is there, then each new frame once and in order, until it is aborted', async ({ store }) => {
    await take(store, 'a', { id: 'f0', expected: 0 });
    await take(store, 'a', { id: 'f1', expected: 1 });
    const stop = new AbortController();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const frame of store.tail('a', { after: 0, signal: stop.signal })) {
        seen.push(frame.id);
        if (frame.id === 'f59') stop.abort();
      }
    })();
    for (let index = 2; index < 60; index++) {
      await take(store, 'a', { id: `f${index}`, expected: index });
      if (index % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (index % 9 === 0) await take(store, 'other', { id: `o${index}`, expected: await store.head('other') });
    }
    await reading;
    assert.deepEqual(
      seen,
      Array.from({ length: 59 }, (_, index) => `f${index + 1}`),
    );
  });

  law('a tail that waits ends without error when it is aborted, and one of an unknown session says so', async ({ store }) => {
    await take(store, 'a', { id: 'f0', expected: 0 });
    const stop = new AbortController();
    const tail = store.tail('a', { after: 0, signal: stop.signal })[Symbol.asyncIterator]();
    const next = tail.next();
    await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    assert.equal((await next).done, true);
    await assert.rejects(async () => {
      for await (const frame of store.tail('ghost')) assert.fail(frame.id);
    }, coded('SESSION_UNKNOWN'));
  });

  law('the feed is every frame in commit order without gaps, from any cursor', async ({ store, world }) => {
    const committed: string[] = [];
    const heads = new Map<string, number>();
    for (let index = 0; index < 120; index++) {
      const sid = `s${Math.floor(world.dice.roll() * 7)}`;
      const head = heads.get(sid) ?? 0;
      const count = 1 + Math.floor(world.dice.roll() * 3);
      await store.append({ id: `f${index}`, sid, expected: head, events: Array.from({ length: count }, () => note(`${index}`)) });
      heads.set(sid, head + count);
      committed.push(`${sid}/f${index}`);
    }
    const seen: { readonly cursor: string; readonly id: string }[] = [];
    for await (const { cursor, frame } of store.feed()) seen.push({ cursor, id: `${frame.sid}/${frame.id}` });
    assert.deepEqual(
      seen.map(({ id }) => id),
      committed,
    );
    assert.equal(new Set(seen.map(({ cursor }) => cursor)).size, committed.length);
    for (const at of [0, 1, 57, 118, 119]) {
      const rest: string[] = [];
      for await (const { frame } of store.feed({ after: seen[at]?.cursor ?? '' })) rest.push(`${frame.sid}/${frame.id}`);
      assert.deepEqual(rest, committed.slice(at + 1));
    }
    const some: string[] = [];
    for await (const { frame } of store.feed({ limit: 5 })) some.push(`${frame.sid}/${frame.id}`);
    assert.deepEqual(some, committed.slice(0, 5));
  });

  law('the feed by types gives only frames that hold one of them, whole', async ({ store }) => {
    await store.append({ id: 'f1', sid: 'a', expected: 0, events: [note('x'), { type: 'turn.ended', data: {} }] });
    await store.append({ id: 'f2', sid: 'a', expected: 2, events: [note('y')] });
    await store.append({ id: 'f3', sid: 'b', expected: 0, events: [{ type: 'turn.started', data: {} }] });
    const seen: string[] = [];
    for await (const { frame } of store.feed({ types: ['turn.ended', 'turn.started'] })) seen.push(`${frame.id}:${frame.events.length}`);
    assert.deepEqual(seen, ['f1:2', 'f3:1']);
  });

  law('a live feed goes on with what is committed later and ends when it is aborted', async ({ store }) => {
    await take(store, 'a', { id: 'f0', expected: 0 });
    const stop = new AbortController();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const { frame } of store.feed({ live: true, signal: stop.signal })) seen.push(`${frame.sid}/${frame.id}`);
    })();
    const writers = ['a', 'b', 'c'].map(async (sid) => {
      for (let index = await store.head(sid); index < 20; index++) await take(store, sid, { id: `f${index}`, expected: index });
    });
    await Promise.all(writers);
    const committed: string[] = [];
    for await (const { frame } of store.feed()) committed.push(`${frame.sid}/${frame.id}`);
    for (let turn = 0; turn < 1000 && seen.length < committed.length; turn++) await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    await reading;
    assert.deepEqual(seen, committed);
    assert.equal(seen.length, 60);
  });

  law('list goes through the sessions in order of creation, page by page, and filters', async ({ store }) => {
    for (const [index, sid] of ['m', 'c', 'z', 'a', 'k'].entries()) {
      await take(store, sid, {
        id: 'f',
        expected: 0,
        then: { status: index % 2 === 0 ? 'idle' : 'waiting', agent: index < 3 ? 'one' : 'two' },
      });
    }
    const sids = async (options?: Parameters<typeof store.list>[0]): Promise<string> =>
      (await store.list(options)).map(({ sid }) => sid).join('');
    assert.equal(await sids(), 'mczak');
    assert.equal(await sids({ limit: 2 }), 'mc');
    assert.equal(await sids({ after: 'c', limit: 2 }), 'za');
    assert.equal(await sids({ after: 'k' }), '');
    assert.equal(await sids({ status: 'waiting' }), 'ca');
    assert.equal(await sids({ agent: 'one', status: 'idle' }), 'mz');
    await store.delete('c');
    assert.equal(await sids({ after: 'c', limit: 2 }), 'za', 'a page goes on after a session that was deleted meanwhile');
  });

  law('stats count what is there', async ({ store }) => {
    await store.append({ id: 'f1', sid: 'a', expected: 0, events: [note('x'), note('y')], then: { status: 'waiting' } });
    await take(store, 'b', { id: 'f1', expected: 0, then: { status: 'closed' } });
    await store.blobs.put(new Uint8Array(10), { mediaType: 'application/octet-stream', sid: 'a' });
    await store.snapshots.put('a', 'key', 1, '{}');
    const stats = await store.stats();
    assert.deepEqual(stats.sessions, { ready: 0, waiting: 1, idle: 0, closed: 1, quarantined: 0 });
    assert.deepEqual([stats.frames, stats.events, stats.blobs, stats.blobBytes, stats.snapshots], [2, 3, 1, 10, 1]);
    assert.ok(stats.bytes > 0);
    assert.equal((await readAll(store, 'a')).length, 1);
  });
}
