/**
 * A short life of a store, as steps that may each be run again: two sessions, a sealed event, a blob, a fork, a snapshot, an erasure.
 * Frame ids are fixed, so the plan run over what a crash left behind must end where an uncut run ends.
 */
import assert from 'node:assert/strict';
import { NervaError } from '../../packages/nerva/src/core/index.ts';
import { eventsOf, type Append, type EventDraft, type KeyPort } from '../../packages/nerva/src/log/index.ts';
import { nodeWorld, openSqlite, type SqliteStore } from '../../packages/nerva/src/node/index.ts';

/** A step and its name. Contract: resolves only when it was acknowledged; safe to repeat. */
interface Step {
  readonly name: string;
  readonly run: (store: SqliteStore) => Promise<unknown>;
}

const SUBJECT = 'person';
const BLOB = new TextEncoder().encode('blob '.repeat(100));
const note = (text: string): EventDraft => ({ type: 'note.taken', data: { text: `${text} ${'x'.repeat(60)}` } });

/** Every frame that the plan appends, by session and id, as it was handed in. */
const FRAMES: readonly (Append & { readonly kind: 'append' | 'fork' })[] = [
  { kind: 'append', sid: 'a', id: 'a0', expected: 0, events: [note('a0'), note('a0 again')] },
  { kind: 'append', sid: 'b', id: 'b0', expected: 0, events: [{ ...note('b0'), subject: SUBJECT }] },
  { kind: 'append', sid: 'a', id: 'a1', expected: 2, events: [note('a1')] },
  { kind: 'append', sid: 'b', id: 'b1', expected: 'fact', events: [note('b1'), note('b1 again')] },
  { kind: 'append', sid: 'a', id: 'a2', expected: 3, events: [{ type: 'file.kept', data: { file: blobRef() } }] },
  { kind: 'append', sid: 'b', id: 'b2', expected: 'fact', events: [note('b2')] },
  { kind: 'fork', sid: 'c', id: 'c0', expected: 'fact', events: [note('c0')] },
  { kind: 'append', sid: 'c', id: 'c1', expected: 4, events: [note('c1')] },
  { kind: 'append', sid: 'a', id: 'a3', expected: 4, events: [note('a3')] },
  { kind: 'append', sid: 'b', id: 'b3', expected: 'fact', events: [note('b3')] },
  { kind: 'append', sid: 'a', id: 'a4', expected: 5, events: [note('a4')] },
];

/** The forked session shares events 0…2 of `a`. */
const FORK_AT = 2;
const SNAPSHOT = { sid: 'a', key: 'k', seq: 3, state: '{"sum":1}' } as const;

/** Steps in order. Those of one round are submitted at once and so share a transaction. */
export const ROUNDS: readonly (readonly Step[])[] = [
  [frame('a0'), frame('b0')],
  [frame('a1'), frame('b1')],
  [{ name: 'blob', run: (store) => store.blobs.put(BLOB, { mediaType: 'text/plain', sid: 'a' }) }],
  [frame('a2'), frame('b2')],
  [frame('c0')],
  [frame('c1'), { name: 'snapshot', run: (store) => store.snapshots.put(SNAPSHOT.sid, SNAPSHOT.key, SNAPSHOT.seq, SNAPSHOT.state) }],
  [frame('a3'), frame('b3')],
  [{ name: 'erase', run: (store) => store.eraseSubject(SUBJECT) }],
  [frame('a4')],
];

/** Opens the store of the plan. */
export function openPlanned(path: string, keys: KeyPort): Promise<SqliteStore> {
  return openSqlite(path, { world: nodeWorld(), keys });
}

/** The sessions and their events in the form in which two stores are compared: without what is drawn or timed. */
export async function contentOf(store: SqliteStore): Promise<Record<string, readonly string[]>> {
  const content: Record<string, readonly string[]> = {};
  for (const { sid } of await store.list()) {
    const frames = await store.read(sid, { limit: 1000 });
    content[sid] = frames.flatMap((one) => eventsOf(one).map(({ seq, type, data }) => `${seq} ${one.id} ${type} ${JSON.stringify(data)}`));
  }
  return content;
}

/** Demands that what is stored is whole, chained and of the plan, and that every acknowledged step is in it. */
export async function checkPlanned(store: SqliteStore, acknowledged: ReadonlySet<string>): Promise<void> {
  const erased = acknowledged.has('erase');
  const stored = new Set<string>();
  for (const { sid, head } of await store.list()) {
    const verified = await store.verify(sid);
    assert.equal(verified.ok, true, `${sid}: ${verified.bad?.why}`);
    let next = 0;
    for (const one of await store.read(sid, { limit: 1000 })) {
      assert.equal(one.seq, next, `${sid}: positions are dense`);
      next += one.events.length;
      if (one.id.startsWith('erase.')) continue;
      stored.add(one.sid === sid ? one.id : '');
      const planned = FRAMES.find(({ id }) => id === one.id);
      assert(planned !== undefined, `${sid}: frame ${one.id} was never sent`);
      const isCut = one.sid !== sid;
      const whole = isCut ? planned.events.slice(0, one.events.length) : planned.events;
      assert.equal(one.events.length, whole.length, `${one.id} is whole`);
      one.events.forEach(({ data }, index) => {
        const isGone = whole[index]?.subject !== undefined && (erased || Object.keys(data).length === 0);
        assert.deepEqual(data, isGone ? {} : whole[index]?.data, one.id);
      });
    }
    assert.equal(next, head);
  }
  for (const { id } of FRAMES) if (acknowledged.has(id)) assert(stored.has(id), `${id} was acknowledged and is not there`);
  if (acknowledged.has('blob')) assert.deepEqual(await store.blobs.get(blobRef().ref), BLOB);
  // A snapshot is a cache, but one that was acknowledged and not superseded must not come back altered.
  const kept = await store.snapshots.get(SNAPSHOT.sid, SNAPSHOT.key, SNAPSHOT.seq).catch((error: unknown) => {
    if (NervaError.is(error, 'SESSION_UNKNOWN')) return null;
    throw error;
  });
  if (acknowledged.has('snapshot')) assert.notEqual(kept, null);
  if (kept !== null) assert.deepEqual(kept, { seq: SNAPSHOT.seq, state: SNAPSHOT.state });
}

function frame(name: string): Step {
  const planned = FRAMES.find(({ id }) => id === name);
  assert(planned !== undefined);
  const { kind, ...append } = planned;
  return {
    name,
    run: async (store) => {
      const result = await (kind === 'fork'
        ? store.fork({ id: append.id, sid: append.sid, parent: 'a', at: FORK_AT, events: append.events })
        : store.append(append));
      if (!result.ok) throw new Error(`${name} was refused: ${result.why}`);
    },
  };
}

function blobRef(): { readonly ref: string; readonly bytes: number; readonly mediaType: string } {
  return { ref: nodeWorld().digest(BLOB), bytes: BLOB.length, mediaType: 'text/plain' };
}
