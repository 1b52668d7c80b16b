import assert from 'node:assert/strict';
import { NervaError } from '../core/index.ts';
import { eventsOf, type Store } from '../log/index.ts';
import { note, readAll, take, texts, type Law } from './store-harness.ts';

const coded = (code: string) => (error: unknown) => NervaError.is(error) && error.code === code;

const forkOf = (store: Store, parent: string, at: number, sid: string) =>
  store.fork({ id: `fork-${sid}`, sid, parent, at, events: [note(`born ${sid}`)] });

/** Forks: S5 an inherited event keeps its id; own history from the fork point on; chains that do not grow by re-forking. */
export function forkLaws(law: Law): void {
  law('a fork reads its parent up to the fork point, then itself, and inherited events keep their ids (S5)', async ({ store, world }) => {
    await store.append({
      id: 'p1',
      sid: 'p',
      expected: 0,
      events: [note('0'), note('1'), note('2')],
      then: { agent: 'helper', trace: 'root', status: 'idle' },
    });
    await take(store, 'p', { id: 'p2', expected: 3 });
    const result = await store.fork({
      id: 'fork',
      sid: 'f',
      parent: 'p',
      at: 1,
      events: [note('born')],
      by: 'user:ada',
      then: { status: 'waiting' },
    });
    assert.deepEqual(result, { ok: true, head: 3, seq: 2, atMs: world.clock.nowMs(), epoch: 0, repeated: false });
    assert.deepEqual(await texts(store, 'f'), ['p:0:0', 'p:1:1', 'f:2:born']);
    const frames = await readAll(store, 'f');
    assert.deepEqual(
      frames.map(({ sid, seq, events }) => ({ sid, seq, events: events.length })),
      [
        { sid: 'p', seq: 0, events: 2 },
        { sid: 'f', seq: 2, events: 1 },
      ],
    );
    const info = await store.info('f');
    assert.deepEqual(
      [info.parent, info.agent, info.trace, info.status, info.head, info.tenant],
      [{ sid: 'p', at: 1 }, 'helper', 'root', 'waiting', 3, 'default'],
    );
    assert.equal(frames[1]?.by, 'user:ada');
    await take(store, 'f', { id: 'f1', expected: 3 });
    await take(store, 'p', { id: 'p3', expected: 4 });
    assert.deepEqual(await texts(store, 'f'), ['p:0:0', 'p:1:1', 'f:2:born', 'f:3:f1']);
    assert.deepEqual(await texts(store, 'p'), ['p:0:0', 'p:1:1', 'p:2:2', 'p:3:p2', 'p:4:p3']);
    assert.deepEqual(await texts(store, 'f', { after: 0, limit: 1 }), ['p:1:1', 'f:2:born', 'f:3:f1']);
  });

  law('forking is refused outside the log, from the unknown, onto a taken id, and writes nothing', async ({ store }) => {
    await take(store, 'p', { id: 'p1', expected: 0 });
    for (const at of [-1, 1, 0.5, Number.NaN]) await assert.rejects(forkOf(store, 'p', at, 'f'), coded('LOG_RANGE'), String(at));
    await assert.rejects(forkOf(store, 'ghost', 0, 'f'), coded('SESSION_UNKNOWN'));
    await assert.rejects(store.fork({ id: 'x', sid: 'f', parent: 'p', at: 0, events: [] }), coded('FRAME_INVALID'));
    await take(store, 'taken', { id: 'fork-taken', expected: 0 });
    await assert.rejects(forkOf(store, 'p', 0, 'taken'), coded('FRAME_INVALID'));
    assert.deepEqual(
      (await store.list()).map(({ sid }) => sid),
      ['p', 'taken'],
    );
  });

  law('the same fork again returns the first result, another one of the same id is refused', async ({ store }) => {
    await take(store, 'p', { id: 'p1', expected: 0 });
    const first = await forkOf(store, 'p', 0, 'f');
    await take(store, 'f', { id: 'f1', expected: 2 });
    assert.deepEqual(await forkOf(store, 'p', 0, 'f'), { ...first, repeated: true });
    await assert.rejects(store.fork({ id: 'other', sid: 'f', parent: 'p', at: 0, events: [note('x')] }), coded('FRAME_INVALID'));
  });

  law('a decision of the fork below its fork point is a conflict, and a fact of the parent counts anew', async ({ store }) => {
    await take(store, 'p', { id: 'p1', expected: 0 });
    await take(store, 'p', { id: 'fact', expected: 'fact' });
    await forkOf(store, 'p', 1, 'f');
    assert.deepEqual(await take(store, 'f', { id: 'p1', expected: 0 }), { ok: false, why: 'conflict', head: 3 });
    const fact = await take(store, 'f', { id: 'fact', expected: 'fact' });
    assert.deepEqual([fact.ok && fact.seq, fact.ok && fact.repeated], [3, false]);
  });

  law(
    'any tree of forks reads as the model says, chains verify, and the feed has each own frame once (S5, S6)',
    async ({ store, world }) => {
      const model = new Map<string, string[]>();
      const pick = (count: number): number => Math.floor(world.dice.roll() * count);
      await take(store, 's0', { id: 'f', expected: 0 });
      model.set('s0', ['s0:0:f']);
      for (let step = 1; step < 150; step++) {
        const sid = Array.from(model.keys())[pick(model.size)] as string;
        const log = model.get(sid) as string[];
        if (pick(5) === 0) {
          const at = pick(log.length);
          const child = `s${model.size}`;
          assert.equal((await forkOf(store, sid, at, child)).ok, true);
          model.set(child, [...log.slice(0, at + 1), `${child}:${at + 1}:born ${child}`]);
        } else {
          const drafts = Array.from({ length: 1 + pick(3) }, (_, index) => `${step}.${index}`);
          await store.append({
            id: `f${step}`,
            sid,
            expected: pick(2) === 0 ? 'fact' : log.length,
            events: drafts.map((text) => note(text)),
          });
          for (const text of drafts) log.push(`${sid}:${log.length}:${text}`);
        }
      }
      for (const [sid, log] of model) {
        assert.deepEqual(await texts(store, sid, { limit: 1 + pick(5) }), log, sid);
        const after = pick(log.length + 1) - 1;
        const upto = after + pick(4);
        const cut = (await store.read(sid, { after, upto })).flatMap(eventsOf).map((event) => event.seq);
        assert.deepEqual(
          cut,
          log.map((_, seq) => seq).filter((seq) => seq > after && seq <= upto),
        );
        assert.deepEqual((({ ok, hash }) => ({ ok, hash }))(await store.verify(sid)), { ok: true, hash: (await store.info(sid)).hash });
      }
      const fed: string[] = [];
      for await (const { frame } of store.feed()) for (const { sid, seq } of eventsOf(frame)) fed.push(`${sid}:${seq}`);
      const own = Array.from(model).flatMap(([sid, log]) =>
        log.filter((event) => event.startsWith(`${sid}:`)).map((event) => event.split(':').slice(0, 2).join(':')),
      );
      assert.deepEqual(fed.toSorted(), own.toSorted());
    },
  );

  law('re-forking below the fork point does not depend on the fork between', async ({ store }) => {
    await store.append({ id: 'p1', sid: 'p', expected: 0, events: [note('0'), note('1'), note('2')] });
    await forkOf(store, 'p', 2, 'middle');
    await forkOf(store, 'middle', 1, 'leaf');
    await forkOf(store, 'middle', 3, 'twig');
    assert.deepEqual(await texts(store, 'leaf'), ['p:0:0', 'p:1:1', 'leaf:2:born leaf']);
    await assert.rejects(store.delete('middle'), coded('SESSION_HAS_FORKS'));
    await store.delete('twig');
    await store.delete('middle');
    assert.deepEqual(await texts(store, 'leaf'), ['p:0:0', 'p:1:1', 'leaf:2:born leaf']);
    assert.equal((await store.verify('leaf')).ok, true);
  });
}
