import { NervaError, type World } from '../core/index.ts';
import type { Seq, Sid } from './event.ts';
import { eventsOf } from './frame.ts';
import type { Append, Store } from './store.ts';

/**
 * Keys of subjects, kept outside the store and its backups. A store seals the data of events (and blobs) that name a subject.
 * Contract: synchronous; `open(s, seal(s, text))` is `text` until `destroy(s)`, and null for ever after; a sealed text of
 * another subject, or a damaged one, is null too.
 */
export interface KeyPort {
  /** @throws SUBJECT_ERASED once the key was destroyed. */
  seal(subject: string, text: string): string;
  open(subject: string, sealed: string): string | null;
  /** Destroys the key. Idempotent. */
  destroy(subject: string): void;
}

/** What an erasure touched. */
export interface Erasure {
  /** Sessions that hold, or inherited, events of the subject; their snapshots are gone. */
  readonly sids: readonly Sid[];
  /** Those among them that could not take the `subject.erased` note because they are closed or full. */
  readonly unnoted: readonly Sid[];
}

/**
 * Erases a subject: destroys its key, drops the snapshots of every session that held its data and notes `subject.erased`
 * there, on which projections rebuild themselves. Safe to repeat: a repetition adds nothing. O(store).
 */
export async function eraseSubject(options: {
  readonly store: Store;
  readonly keys: KeyPort;
  readonly world: Pick<World, 'digest'>;
  readonly subject: string;
  readonly by?: string;
}): Promise<Erasure> {
  const { store, keys, world, subject, by = 'runtime' } = options;
  keys.destroy(subject);
  const sids: Sid[] = [];
  const unnoted: Sid[] = [];
  let after: Sid | undefined;
  for (;;) {
    const page = await store.list({ limit: 256, ...(after === undefined ? {} : { after }) });
    for (const { sid, status } of page) {
      if (!(await holdsSubject(store, sid, subject))) continue;
      sids.push(sid);
      // A put under another key drops every older snapshot of the session.
      await store.snapshots.put(sid, 'erased', -1, '');
      // Where somebody is waited for the turn ends now, and that is work. Else the status stays what it is.
      const noted = await store.append({
        ...erasureNote(sid, subject, world),
        by,
        then: { status: status === 'waiting' ? 'ready' : status },
      });
      if (!noted.ok) unnoted.push(sid);
    }
    after = page.at(-1)?.sid;
    if (after === undefined || page.length < 256) return { sids, unnoted };
  }
}

/** What says in a session that the key of a subject is gone. Whoever finds out first appends it: it counts once. */
export function erasureNote(sid: Sid, subject: string, world: Pick<World, 'digest'>): Append {
  const id = 'erase.' + world.digest(subject).slice(0, 40);
  return { id, sid, expected: 'fact', events: [{ type: 'subject.erased', data: { subject } }] };
}

async function holdsSubject(store: Store, sid: Sid, subject: string): Promise<boolean> {
  let after: Seq = -1;
  try {
    for (;;) {
      const events = (await store.read(sid, { after })).flatMap(eventsOf);
      if (events.some((event) => event.subject === subject)) return true;
      const last = events.at(-1);
      if (last === undefined) return false;
      after = last.seq;
    }
  } catch (error) {
    // A pruned session has no payload left to erase.
    if (NervaError.is(error, 'LOG_PRUNED')) return false;
    throw error;
  }
}
