import assert from 'node:assert/strict';
import { NervaError } from '../core/index.ts';
import { eraseSubject, type Frame, type Store } from '../log/index.ts';
import { memoryKeys } from './keys.ts';
import { note, take, texts, type Law } from './store-harness.ts';

const coded = (code: string) => (error: unknown) => NervaError.is(error) && error.code === code;
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Keeping: S2 durable, S6 the chain, blobs, snapshots, pruning, deleting, erasing, closing. */
export function keepingLaws(law: Law): void {
  chainLaws(law);
  blobLaws(law);
  lossLaws(law);
  const keys = memoryKeys();
  law(
    'the events of an erased subject are shells, its blobs are gone, and everything else is as it was',
    async ({ store, world }) => {
      await store.append({
        id: 'f1',
        sid: 'a',
        expected: 0,
        events: [note('secret of ada', { subject: 'ada' }), note('of bob', { subject: 'bob' }), note('of nobody')],
      });
      await store.blobs.put(bytesOf('picture of ada'), { mediaType: 'text/plain', sid: 'a', subject: 'ada' });
      const { ref } = await store.blobs.put(bytesOf('picture of bob'), { mediaType: 'text/plain', sid: 'a', subject: 'bob' });
      await store.snapshots.put('a', 'key', 2, 'saw the secret of ada');
      await take(store, 'closed', { id: 'f1', expected: 0, events: [note('also of ada', { subject: 'ada' })], then: { status: 'closed' } });
      assert.deepEqual(await texts(store, 'a'), ['a:0:secret of ada', 'a:1:of bob', 'a:2:of nobody']);
      const erasure = await eraseSubject({ store, keys, world, subject: 'ada' });
      assert.deepEqual(erasure, { sids: ['a', 'closed'], unnoted: ['closed'] });
      assert.deepEqual(await texts(store, 'a'), ['a:0:undefined', 'a:1:of bob', 'a:2:of nobody', 'a:3:undefined']);
      const [frame, last] = (await store.read('a')) as [Frame, Frame];
      assert.deepEqual(frame.events[0], { type: 'note.taken', subject: 'ada', data: {}, erased: true });
      assert.deepEqual(last.events, [{ type: 'subject.erased', data: { subject: 'ada' } }]);
      assert.equal(await store.snapshots.get('a', 'key', 9), null);
      await assert.rejects(store.blobs.get(world.digest('picture of ada')), coded('BLOB_UNKNOWN'));
      assert.deepEqual(await store.blobs.get(ref), bytesOf('picture of bob'));
      assert.equal((await store.verify('a')).ok, true);
      await assert.rejects(
        take(store, 'a', { id: 'f9', expected: 4, events: [note('again', { subject: 'ada' })] }),
        coded('SUBJECT_ERASED'),
      );
      assert.equal(await store.head('a'), 4);
      await eraseSubject({ store, keys, world, subject: 'ada' });
      assert.equal(await store.head('a'), 4, 'again adds nothing');
      assert.equal((await store.info('a')).status, 'idle', 'the note is no work');
    },
    { keys },
  );
}

function chainLaws(law: Law): void {
  law('the chain verifies, ends with the hash of the row, and a head kept elsewhere is compared (S6)', async ({ store }) => {
    await take(store, 'a', { id: 'f0', expected: 0 });
    const early = (await store.info('a')).hash;
    for (let index = 1; index < 5; index++) await take(store, 'a', { id: `f${index}`, expected: 'fact' });
    const { hash } = await store.info('a');
    assert.deepEqual(await store.verify('a'), { ok: true, frames: 5, hash });
    assert.deepEqual(await store.verify('a', { head: hash }), { ok: true, frames: 5, hash });
    assert.equal((await store.read('a', { after: 3 }))[0]?.hash, hash);
    const other = await store.verify('a', { head: early });
    assert.deepEqual([other.ok, other.bad?.seq], [false, 4]);
    await take(store, 'b', { id: 'f0', expected: 0 });
    assert.notEqual((await store.info('b')).hash, early);
  });

  law('equal frames of two sessions have different hashes and payload digests are salted', async ({ store }) => {
    const hashes = new Set<string>();
    for (const sid of ['a', 'b', 'c']) {
      await take(store, sid, { id: 'f0', expected: 0 });
      hashes.add((await store.info(sid)).hash);
    }
    assert.equal(hashes.size, 3);
  });

  law('tampering with a stored frame is found and named, in forks too', async ({ store, tamper }) => {
    if (tamper === undefined) return;
    for (let index = 0; index < 5; index++) await take(store, 'a', { id: `f${index}`, expected: index });
    await store.fork({ id: 'fork', sid: 'late', parent: 'a', at: 4, events: [note('x')] });
    await store.fork({ id: 'fork', sid: 'early', parent: 'a', at: 1, events: [note('x')] });
    await tamper('a', 2);
    assert.deepEqual((({ ok, bad }) => [ok, bad?.seq])(await store.verify('a')), [false, 2]);
    assert.deepEqual((({ ok, bad }) => [ok, bad?.seq])(await store.verify('late')), [false, 2]);
    assert.equal((await store.verify('early')).ok, true);
  });

  law('everything acknowledged is there after reopening, and epochs go on (S2)', async ({ store, reopen }) => {
    if (reopen === undefined) return;
    for (let index = 0; index < 20; index++) await take(store, 'a', { id: `f${index}`, expected: index, then: { status: 'ready' } });
    await store.fork({ id: 'fork', sid: 'b', parent: 'a', at: 9, events: [note('born')] });
    const { ref } = await store.blobs.put(bytesOf('kept'), { mediaType: 'text/plain', sid: 'a' });
    const fence = await store.takeOver('a', 'me');
    await store.delete('b');
    const kept = { texts: await texts(store, 'a'), info: await store.info('a') };
    const again = await reopen();
    assert.deepEqual({ texts: await texts(again, 'a'), info: await again.info('a') }, kept);
    assert.deepEqual(await again.blobs.get(ref), bytesOf('kept'));
    assert.equal(again.incarnation, store.incarnation);
    assert.ok((await again.takeOver('a', 'me')).epoch > fence.epoch);
    await assert.rejects(again.info('b'), coded('SESSION_DELETED'));
    assert.equal((await again.verify('a')).ok, true);
    const repeated = await take(again, 'a', { id: 'f19', expected: 19 });
    assert.equal(repeated.ok && repeated.repeated, true);
  });

  law('a session claimed when the store closed is handed out again after reopening', async ({ store, reopen }) => {
    if (reopen === undefined) return;
    await take(store, 'a', { id: 'f', expected: 0, then: { status: 'ready' } });
    const [before] = await store.claim({ owner: 'me', countMax: 1, leaseMs: 1 });
    const again = await reopen();
    const [after] = await again.claim({ owner: 'you', countMax: 1, leaseMs: 1 });
    assert.deepEqual([after?.info.sid, after?.info.attempts], ['a', 2]);
    assert.ok((after?.fence.epoch ?? 0) > (before?.fence.epoch ?? 0));
  });
}

function blobLaws(law: Law): void {
  law('a blob is kept under its digest, read whole or by range, and immune to its caller (A21)', async ({ store, world }) => {
    const content = bytesOf('0123456789');
    const reference = await store.blobs.put(content, { mediaType: 'text/plain', sid: 'not-yet' });
    assert.deepEqual(reference, { ref: world.digest('0123456789'), bytes: 10, mediaType: 'text/plain' });
    content[0] = 0;
    const read = await store.blobs.get(reference.ref);
    assert.equal(new TextDecoder().decode(read), '0123456789');
    read[0] = 0;
    assert.equal(new TextDecoder().decode(await store.blobs.get(reference.ref, { start: 0, end: 4 })), '0123');
    assert.equal(new TextDecoder().decode(await store.blobs.get(reference.ref, { start: 7, end: 99 })), '789');
    assert.equal((await store.blobs.get(reference.ref, { start: 5, end: 5 })).length, 0);
    await assert.rejects(store.blobs.get('0'.repeat(64)), coded('BLOB_UNKNOWN'));
    await store.blobs.put(bytesOf(''), { mediaType: 'text/plain', sid: 'a' });
  });

  law(
    'a blob over blobBytesMax is refused',
    async ({ store }) => {
      await assert.rejects(store.blobs.put(new Uint8Array(11), { mediaType: 'text/plain', sid: 'a' }), (error) => NervaError.is(error));
      assert.equal((await store.stats()).blobs, 0);
    },
    { limits: { blobBytesMax: 10 } },
  );

  law('equal content is stored once for a subject and once for each other one', async ({ store }) => {
    const put = (subject?: string) =>
      store.blobs.put(bytesOf('same'), { mediaType: 'text/plain', sid: 'a', ...(subject === undefined ? {} : { subject }) });
    await put();
    await put();
    assert.equal((await store.stats()).blobs, 1);
    await put('ada');
    await put('ada');
    await put('bob');
    assert.equal((await store.stats()).blobs, 3);
  });

  law('a sweep deletes old blobs that no event names, and no other', async ({ store, world }) => {
    const put = (text: string) => store.blobs.put(bytesOf(text), { mediaType: 'text/plain', sid: 'a' });
    const named = await put('named');
    await put('unnamed');
    await store.append({ id: 'f', sid: 'a', expected: 0, events: [{ type: 'note.taken', data: { deep: [{ file: { ...named } }] } }] });
    await world.advance(100);
    const youngMs = world.clock.nowMs();
    await put('young');
    assert.equal(await store.blobs.sweep(youngMs), 1);
    assert.equal((await store.blobs.get(named.ref)).length, 5);
    assert.equal((await store.stats()).blobs, 2);
    await world.advance(1);
    await put('young');
    assert.equal(await store.blobs.sweep(youngMs + 1), 0, 'putting again makes it young');
    await store.delete('a');
    await world.advance(1);
    assert.equal(await store.blobs.sweep(world.clock.nowMs()), 2, 'a deleted session names nothing');
  });
}

function lossLaws(law: Law): void {
  law('the newest snapshot at or below a position is found under its key only; a new key drops the old', async ({ store }) => {
    await take(store, 'a', { id: 'f', expected: 0 });
    assert.equal(await store.snapshots.get('a', 'k1', 9), null);
    await store.snapshots.put('a', 'k1', 10, 'ten');
    await store.snapshots.put('a', 'k1', 5, 'five');
    assert.deepEqual(await store.snapshots.get('a', 'k1', 99), { seq: 10, state: 'ten' });
    assert.deepEqual(await store.snapshots.get('a', 'k1', 9), { seq: 5, state: 'five' });
    assert.equal(await store.snapshots.get('a', 'k1', 4), null);
    assert.equal(await store.snapshots.get('a', 'k2', 99), null);
    await store.snapshots.put('a', 'k1', 10, 'ten again');
    assert.deepEqual(await store.snapshots.get('a', 'k1', 10), { seq: 10, state: 'ten again' });
    await store.snapshots.put('a', 'k2', 7, 'seven');
    assert.equal(await store.snapshots.get('a', 'k1', 99), null);
    assert.deepEqual(await store.snapshots.get('a', 'k2', 99), { seq: 7, state: 'seven' });
  });

  law('pruning drops payloads of old closed sessions only; their envelopes and chain are left', async ({ store, world }) => {
    for (const sid of ['old', 'open', 'parent']) await take(store, sid, { id: 'f', expected: 0 });
    await store.fork({ id: 'fork', sid: 'child', parent: 'parent', at: 0, events: [note('born')] });
    await store.snapshots.put('old', 'key', 1, '{}');
    const blob = await store.blobs.put(bytesOf('named by old'), { mediaType: 'text/plain', sid: 'old' });
    await store.append({ id: 'blob', sid: 'old', expected: 1, events: [{ type: 'note.taken', data: { file: { ...blob } } }] });
    await take(store, 'old', { id: 'end', expected: 2, then: { status: 'closed' } });
    await take(store, 'parent', { id: 'end', expected: 1, then: { status: 'closed' } });
    await world.advance(100);
    await take(store, 'young', { id: 'f', expected: 0, then: { status: 'closed' } });
    const before = await store.verify('old');
    assert.equal(await store.prune({ closedBeforeMs: world.clock.nowMs() }), 1);
    assert.equal(await store.prune({ closedBeforeMs: world.clock.nowMs() }), 0);
    await assert.rejects(store.read('old'), coded('LOG_PRUNED'));
    await assert.rejects(store.fork({ id: 'x', sid: 'x', parent: 'old', at: 0, events: [note('x')] }), coded('LOG_PRUNED'));
    assert.deepEqual(await store.verify('old'), before);
    assert.equal((await store.info('old')).head, 3);
    assert.equal(await store.snapshots.get('old', 'key', 9), null);
    assert.equal(await store.blobs.sweep(world.clock.nowMs()), 1, 'what was pruned names no blob');
    for (const sid of ['open', 'parent', 'child', 'young']) assert.ok((await texts(store, sid)).length > 0, sid);
    const fed: string[] = [];
    for await (const { frame } of store.feed()) fed.push(frame.sid);
    assert.ok(!fed.includes('old') && fed.includes('young'));
  });

  law('a deleted session is a typed error everywhere, its id is not taken again, and its forks hold it back', async ({ store }) => {
    await take(store, 'p', { id: 'f', expected: 0 });
    await store.fork({ id: 'fork', sid: 'c', parent: 'p', at: 0, events: [note('born')] });
    await store.fork({ id: 'fork', sid: 'cc', parent: 'c', at: 1, events: [note('born')] });
    await take(store, 'other', { id: 'f', expected: 0 });
    await assert.rejects(store.delete('p'), (error) => coded('SESSION_HAS_FORKS')(error) && (error as Error).message.includes('c'));
    assert.equal((await store.list()).length, 4);
    await store.delete('p', { cascade: true });
    assert.deepEqual(
      (await store.list()).map(({ sid }) => sid),
      ['other'],
    );
    for (const sid of ['p', 'c', 'cc']) {
      const calls: ((handle: Store) => Promise<unknown>)[] = [
        (handle) => handle.read(sid),
        (handle) => handle.info(sid),
        (handle) => take(handle, sid, { id: 'g', expected: 0 }),
        (handle) => take(handle, sid, { id: 'g', expected: 'fact' }),
      ];
      for (const call of calls) await assert.rejects(call(store), coded('SESSION_DELETED'));
      assert.equal(await store.head(sid), 0);
    }
    await assert.rejects(store.delete('ghost'), coded('SESSION_UNKNOWN'));
    const fed: string[] = [];
    for await (const { frame } of store.feed()) fed.push(frame.sid);
    assert.deepEqual(fed, ['other']);
  });

  law('a closed store refuses every call, and closing twice is safe', async ({ store }) => {
    await take(store, 'a', { id: 'f', expected: 0 });
    const waiting = store.tail('a', { after: 0 })[Symbol.asyncIterator]().next();
    const ended = waiting.then(
      () => true,
      (error: unknown) => NervaError.is(error, 'STORE_CLOSED'),
    );
    await store.close();
    await store.close();
    assert.equal(await ended, true);
    await assert.rejects(take(store, 'a', { id: 'g', expected: 1 }), coded('STORE_CLOSED'));
    await assert.rejects(store.read('a'), coded('STORE_CLOSED'));
    await assert.rejects(store.list(), coded('STORE_CLOSED'));
  });
}
