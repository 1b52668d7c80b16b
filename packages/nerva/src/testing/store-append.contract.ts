import assert from 'node:assert/strict';
import { NervaError } from '../core/index.ts';
import { eventsOf, type Append, type EventDraft, type Frame } from '../log/index.ts';
import { note, take, texts, type Law } from './store-harness.ts';

const coded = (code: string) => (error: unknown) => NervaError.is(error) && error.code === code;

/** Appending: S1 dense, S3 once, S4 time, compare-and-set, facts, fences, limits, statuses. */
export function appendLaws(law: Law): void {
  law('a decision at 0 creates the session and each next one stands at the head', async ({ store, world }) => {
    const first = await store.append({
      id: 'f1',
      sid: 'a',
      expected: 0,
      events: [note('x'), note('y')],
      then: { status: 'ready', agent: 'helper' },
    });
    assert.deepEqual(first, { ok: true, head: 2, seq: 0, atMs: world.clock.nowMs(), epoch: 0, repeated: false });
    assert.deepEqual(await take(store, 'a', { id: 'f2', expected: 2 }), {
      ok: true,
      head: 3,
      seq: 2,
      atMs: world.clock.nowMs(),
      epoch: 0,
      repeated: false,
    });
    assert.equal(await store.head('a'), 3);
    assert.equal(await store.head('nobody'), 0);
    assert.deepEqual(await texts(store, 'a'), ['a:0:x', 'a:1:y', 'a:2:f2']);
    const info = await store.info('a');
    assert.deepEqual(
      { ...info, hash: info.hash.length },
      {
        sid: 'a',
        tenant: 'default',
        agent: 'helper',
        status: 'ready',
        head: 3,
        createdMs: info.createdMs,
        atMs: info.atMs,
        wakeAtMs: null,
        epoch: 0,
        attempts: 0,
        hash: 48,
        trace: 'a',
        parent: null,
      },
    );
  });

  law('a frame is read with the envelope and the fields of its drafts, defaults filled in', async ({ store }) => {
    const draft = note('p', { v: 3, critical: true, origin: 'person' });
    await store.append({
      id: 'f 1',
      sid: 'a',
      expected: 0,
      events: [draft, note('q')],
      by: 'user:ada',
      cause: 'b:7',
      then: { trace: 'root' },
    });
    await store.append({ id: 'f2', sid: 'a', expected: 'fact', events: [note('r', { subject: 'ada' })] });
    const [first, second] = (await store.read('a')) as [Frame, Frame];
    assert.deepEqual(
      [first.id, first.sid, first.seq, first.count, first.by, first.cause, first.trace, first.tenant, first.fact],
      ['f 1', 'a', 0, 2, 'user:ada', 'b:7', 'root', 'default', false],
    );
    assert.deepEqual([second.by, second.cause, second.trace, second.fact], ['runtime', undefined, 'root', true]);
    assert.equal(first.writer.incarnation, store.incarnation);
    assert.match(first.hash, /^[0-9a-f]{48}$/);
    const events = [first, second].flatMap(eventsOf);
    assert.deepEqual(
      events.map(({ v, critical, origin, subject, seq }) => ({ v, critical, origin, subject, seq })),
      [
        { v: 3, critical: true, origin: 'person', subject: undefined, seq: 0 },
        { v: 1, critical: undefined, origin: 'system', subject: undefined, seq: 1 },
        { v: 1, critical: undefined, origin: 'system', subject: 'ada', seq: 2 },
      ],
    );
  });

  law('any name and any cause that is taken comes back as it was handed in, and its frame verifies', async ({ store }) => {
    const names = ['runtime', 'user:é 漢 𝄞', '7', '1e3', ' ', '\u0001', 'x'.repeat(256)];
    const causes = ['a:0', 'a:999999999999999', 'a:b:7', '1:2', '1e3:4', '-:0', '_:0'];
    for (const [index, by] of names.entries()) {
      const then = { agent: by, status: 'ready', ...(index === 0 ? { trace: '1e3' } : {}) } as const;
      assert.ok((await take(store, 'a', { id: `f${index}`, expected: index, by, cause: causes[index] as `${string}:${number}`, then })).ok);
      assert.equal((await store.info('a')).agent, by);
    }
    const frames = await store.read('a');
    assert.deepEqual(
      frames.map(({ by, cause, trace }) => [by, cause, trace]),
      names.map((by, index) => [by, causes[index], '1e3']),
    );
    assert.equal((await store.verify('a')).ok, true);
    for (const agent of names.slice(0, -1))
      assert.deepEqual(await store.claim({ owner: 'me', countMax: 1, leaseMs: 1, agents: [agent] }), [], agent);
    assert.equal((await store.claim({ owner: 'me', countMax: 1, leaseMs: 1, agents: names.slice(-1) })).length, 1);
  });

  law('any plain JSON comes back as it was handed in', async ({ store }) => {
    const data = { text: 'é 漢 𝄞 " \\ \n \u0000 \u2028', deep: [[{ a: null }], true, 0, -1.5e300, ''], '': 1, __proto: 2 };
    await store.append({ id: 'f', sid: 'a', expected: 0, events: [{ type: 'note.taken', data }] });
    assert.deepEqual((await store.read('a'))[0]?.events[0]?.data, data);
  });

  law('a decision elsewhere than at the head is a conflict and writes nothing', async ({ store }) => {
    await take(store, 'a', { id: 'f1', expected: 0 });
    await take(store, 'a', { id: 'f2', expected: 1 });
    for (const expected of [0, 1, 3]) {
      assert.deepEqual(await take(store, 'a', { id: 'late', expected }), { ok: false, why: 'conflict', head: 2 });
    }
    assert.equal(await store.head('a'), 2);
  });

  law('a frame id counts once: again, it returns the first result, whatever else it says (S3)', async ({ store, world }) => {
    const born = await take(store, 'a', { id: 'f1', expected: 0 });
    const fact = await take(store, 'a', { id: 'fact', expected: 'fact' });
    await world.advance(5);
    await take(store, 'a', { id: 'f2', expected: 2 });
    const fence = await store.takeOver('a', 'me');
    assert.deepEqual(await take(store, 'a', { id: 'f1', expected: 0, events: [note('other'), note('more')] }), { ...born, repeated: true });
    assert.deepEqual(await take(store, 'a', { id: 'fact', expected: 'fact', fence: { epoch: fence.epoch - 1 } }), {
      ...fact,
      repeated: true,
    });
    assert.deepEqual(await take(store, 'a', { id: 'f1', expected: 1 }), { ok: false, why: 'conflict', head: 3 });
    await take(store, 'a', { id: 'end', expected: 3, then: { status: 'closed' } });
    assert.deepEqual(await take(store, 'a', { id: 'fact', expected: 'fact' }), { ...fact, repeated: true });
    assert.deepEqual(await texts(store, 'a'), ['a:0:f1', 'a:1:fact', 'a:2:f2', 'a:3:end']);
    assert.equal((await take(store, 'b', { id: 'f1', expected: 0 })).ok, true, 'ids are per session');
  });

  law('a fact is taken at whatever head there is, makes the session ready, and cannot create one', async ({ store }) => {
    await assert.rejects(take(store, 'a', { id: 'f', expected: 'fact' }), coded('SESSION_UNKNOWN'));
    await assert.rejects(take(store, 'a', { id: 'f', expected: 4 }), coded('SESSION_UNKNOWN'));
    await take(store, 'a', { id: 'f1', expected: 0, then: { status: 'waiting' } });
    const result = await take(store, 'a', { id: 'f2', expected: 'fact' });
    assert.equal(result.ok && result.seq, 1);
    assert.equal((await store.info('a')).status, 'ready');
    await take(store, 'a', { id: 'f3', expected: 'fact', then: { status: 'idle' } });
    assert.equal((await store.info('a')).status, 'idle');
  });

  law('a status that was wished for at one head is ready at any other, whoever has not seen all', async ({ store }) => {
    await take(store, 'a', { id: 'f1', expected: 0, then: { status: 'waiting', ifHead: 0 } });
    assert.equal((await store.info('a')).status, 'waiting');
    await take(store, 'a', { id: 'f2', expected: 'fact', then: { status: 'idle', ifHead: 1 } });
    assert.equal((await store.info('a')).status, 'idle');
    await take(store, 'a', { id: 'f3', expected: 'fact', then: { status: 'idle', ifHead: 1 } });
    assert.equal((await store.info('a')).status, 'ready');
  });

  law('times never decrease in a session (S4)', async ({ store, world }) => {
    const startMs = world.clock.nowMs();
    await take(store, 'a', { id: 'f1', expected: 0, atMs: startMs + 1000 });
    const second = await take(store, 'a', { id: 'f2', expected: 1, atMs: startMs - 9 });
    const third = await take(store, 'a', { id: 'f3', expected: 'fact' });
    assert.deepEqual([second.ok && second.atMs, third.ok && third.atMs], [startMs + 1000, startMs + 1000]);
    await world.advance(2000);
    const fourth = await take(store, 'a', { id: 'f4', expected: 3 });
    assert.equal(fourth.ok && fourth.atMs, startMs + 2000);
    assert.equal((await store.info('a')).atMs, startMs + 2000);
  });

  law('an earlier fence is refused and a frame bears the epoch of its fence', async ({ store }) => {
    await take(store, 'a', { id: 'f1', expected: 0 });
    const first = await store.takeOver('a', 'one');
    const second = await store.takeOver('a', 'two');
    assert.ok(second.epoch > first.epoch);
    assert.deepEqual(await take(store, 'a', { id: 'f2', expected: 1, fence: first }), { ok: false, why: 'fenced', head: 1 });
    const taken = await take(store, 'a', { id: 'f3', expected: 1, fence: second });
    assert.equal(taken.ok && taken.epoch, second.epoch);
    assert.equal((await store.read('a'))[1]?.writer.epoch, second.epoch);
    assert.equal((await take(store, 'a', { id: 'f4', expected: 'fact' })).ok, true, 'a fact needs no fence');
  });

  law('a closed session takes neither decisions nor facts', async ({ store }) => {
    await take(store, 'a', { id: 'f1', expected: 0, then: { status: 'closed' } });
    assert.deepEqual(await take(store, 'a', { id: 'f2', expected: 1 }), { ok: false, why: 'closed', head: 1 });
    assert.deepEqual(await take(store, 'a', { id: 'f3', expected: 'fact' }), { ok: false, why: 'closed', head: 1 });
    assert.deepEqual(await take(store, 'a', { id: 'f4', expected: 'fact', then: { status: 'ready' } }), {
      ok: false,
      why: 'closed',
      head: 1,
    });
    assert.equal((await store.info('a')).status, 'closed');
  });

  law('an illegal status is refused and nothing of its frame is written', async ({ store }) => {
    await assert.rejects(take(store, 'a', { id: 'f1', expected: 0, then: { status: 'quarantined' } }), coded('STATUS_ILLEGAL'));
    assert.equal(await store.head('a'), 0);
    await assert.rejects(store.info('a'), coded('SESSION_UNKNOWN'));
  });

  law(
    'eventsMax and bytesMax end in limit, and the session stays as it was',
    async ({ store }) => {
      await store.append({ id: 'f1', sid: 'a', expected: 0, events: [note('1'), note('2')] });
      assert.deepEqual(await store.append({ id: 'f2', sid: 'a', expected: 2, events: [note('3'), note('4')] }), {
        ok: false,
        why: 'limit',
        head: 2,
      });
      assert.equal((await take(store, 'a', { id: 'f3', expected: 2 })).ok, true);
      assert.deepEqual(await take(store, 'a', { id: 'f4', expected: 'fact' }), { ok: false, why: 'limit', head: 3 });
      const wide = [note('x'.repeat(1500))];
      assert.equal((await store.append({ id: 'f1', sid: 'b', expected: 0, events: wide })).ok, true);
      assert.deepEqual(await store.append({ id: 'f2', sid: 'b', expected: 1, events: wide }), { ok: false, why: 'limit', head: 1 });
    },
    { limits: { eventsMax: 3, bytesMax: 2000 } },
  );

  law(
    'a malformed frame is refused by its field, and nothing is written',
    async ({ store }) => {
      const cycle: Record<string, unknown> = {};
      cycle['self'] = cycle;
      const bad: Readonly<Record<string, unknown>>[] = [
        { id: '' },
        { id: 'é' },
        { id: 'x'.repeat(65) },
        { sid: '' },
        { sid: 'a b' },
        { sid: 'x'.repeat(129) },
        { events: [] },
        { expected: -1 },
        { expected: 0.5 },
        { atMs: Number.NaN },
        ...[Number.NaN, Infinity, 2 ** 60, -1, 0.5].map((wakeAtMs) => ({ then: { wakeAtMs } })),
        ...['', 7, 'a\ud800', 'a\0b', 'x'.repeat(257)].flatMap((name) => [
          { by: name },
          { then: { agent: name } },
          { then: { owner: name } },
        ]),
        ...['', 'a b', '\ud800', 7].map((trace) => ({ then: { trace } })),
        ...['', '7', '1e3', 'a:', 'a:07', 'a:-1', 'a b:1', ':1', 'a:1.5', 'a:1:', '\ud800:1', 7].map((cause) => ({ cause })),
        ...[-1, 0.5, Number.NaN].map((ifHead) => ({ then: { status: 'idle', ifHead } })),
        { fence: { epoch: Number.NaN } },
        ...[
          { type: 'Nope' },
          { type: 'nope' },
          { type: 'a.' + 'b'.repeat(80) },
          { v: 0 },
          { v: 1.5 },
          { critical: 1 },
          { origin: 'god' },
          { subject: '' },
          { subject: '\udfff' },
        ].map((field) => ({ events: [{ ...note('x'), ...field }] })),
        ...[
          null,
          [],
          undefined,
          { a: undefined },
          { a: Number.NaN },
          { a: 1n },
          { a: () => 1 },
          { a: new Date(0) },
          { a: Symbol('s') },
          { a: Array(1) },
          cycle,
        ].map((data) => ({ events: [{ type: 'note.taken', data }] })),
        { events: [note('x'.repeat(600))] },
      ];
      for (const field of bad) {
        const frame = { id: 'f', sid: 'a', expected: 0, events: [note('x')], ...field } as unknown as Append;
        await assert.rejects(store.append(frame), coded('FRAME_INVALID'), Object.entries(field).flat().map(String).join('='));
      }
      assert.equal(await store.head('a'), 0);
      assert.deepEqual(await store.list(), []);
    },
    { limits: { frameBytesMax: 500 } },
  );

  law('what a caller changes after appending or reading changes nothing in the log (A21)', async ({ store }) => {
    const data = { text: 'first', list: [1] };
    const events: EventDraft[] = [{ type: 'note.taken', data }];
    const appending = store.append({ id: 'f1', sid: 'a', expected: 0, events });
    data.text = 'changed';
    events.push(note('more'));
    await appending;
    data.list.push(2);
    const [frame] = (await store.read('a')) as [Frame];
    assert.deepEqual(frame.events, [{ type: 'note.taken', data: { text: 'first', list: [1] } }]);
    try {
      Object.assign(frame.events[0]?.data ?? {}, { text: 'changed by a reader' });
      (frame.events as unknown[]).push(note('more'));
    } catch {
      // Frozen data may throw; fresh data may not.
    }
    assert.deepEqual((await store.read('a'))[0]?.events, [{ type: 'note.taken', data: { text: 'first', list: [1] } }]);
    assert.equal((await store.verify('a')).ok, true);
  });

  law('a batch gives each frame its own outcome, in order', async ({ store }) => {
    const frame = (id: string, sid: string, expected: Append['expected']): Append => ({ id, sid, expected, events: [note(id)] });
    const results = await store.appendBatch([
      frame('f1', 'a', 0),
      frame('f2', 'a', 1),
      frame('f3', 'a', 1),
      frame('f4', 'ghost', 'fact'),
      frame('f5', 'b', 0),
      frame('f1', 'a', 0),
    ]);
    const seen = results.map((result) =>
      result.status === 'rejected'
        ? (result.reason as NervaError).code
        : result.value.ok
          ? `${result.value.seq}${result.value.repeated ? ' again' : ''}`
          : result.value.why,
    );
    assert.deepEqual(seen, ['0', '1', 'conflict', 'SESSION_UNKNOWN', '0', '0 again']);
    assert.deepEqual(await texts(store, 'a'), ['a:0:f1', 'a:1:f2']);
  });

  law('of many decisions at one head exactly one is taken', async ({ store }) => {
    await take(store, 'a', { id: 'f0', expected: 0 });
    const results = await Promise.all(Array.from({ length: 20 }, (_, index) => take(store, 'a', { id: `d${index}`, expected: 1 })));
    assert.equal(results.filter((result) => result.ok).length, 1);
    assert.equal(await store.head('a'), 2);
  });
}
