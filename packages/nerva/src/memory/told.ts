import { NervaError, type Json, type JsonObject } from '../core/index.ts';
import { eventsOf, isBlobRef, type EventId, type LogEvent, type Seq, type Sid, type Store } from '../log/index.ts';
import { TOLD_MAX, type Telling } from './tier-fold.ts';

/** What a session's log says was told of a memory, up to a place. */
export interface Told {
  readonly at: readonly Telling[];
  readonly upto: Seq;
}

/** Where to look. */
export interface Telltale {
  readonly store: Store;
  readonly session: Sid;
  /** The last event that was read before; -1: none. */
  readonly after: Seq;
  /** What happened by then is left out. */
  readonly afterMs: number;
  /** Whether something is an entry of the memory. */
  readonly isEntry: (id: unknown) => id is EventId;
  /** Of the memory's log. */
  readonly log: Sid;
}

const PAGE = 500;

/**
 * What a session's log says was told to its model of entries of a memory, in parts of TOLD_MAX ids: what a turn began with, and what the tool
 * `recall` gave. Of a log that was deleted or pruned, nothing. The last part may be empty: it says how far the log was read.
 */
export async function* toldIn(where: Telltale): AsyncGenerator<Told> {
  const { store, session, afterMs } = where;
  let at: Telling[] = [];
  let count = 0;
  const first = Math.max(where.after, await ownAfter(store, session));
  let upto = first;
  for (let isEnd = false; !isEnd;) {
    const events = await eventsIn(store, session, { after: upto, limit: PAGE });
    isEnd = events.length === 0;
    for (const event of events) {
      const ids = event.atMs <= afterMs ? [] : (await idsIn(event, where)).slice(0, TOLD_MAX);
      if (count + ids.length > TOLD_MAX) {
        yield { at, upto };
        [at, count] = [[], 0];
      }
      if (ids.length > 0) at.push({ atMs: event.atMs, ids });
      count += ids.length;
      upto = event.seq;
    }
  }
  if (upto > first) yield { at, upto };
}

/** What a fork shares with its parent was told in the parent. */
async function ownAfter(store: Store, session: Sid): Promise<Seq> {
  return (await orGone(() => store.info(session)))?.parent?.at ?? -1;
}

async function eventsIn(store: Store, session: Sid, range: NonNullable<Parameters<Store['read']>[1]>): Promise<readonly LogEvent[]> {
  return ((await orGone(() => store.read(session, range))) ?? []).flatMap(eventsOf);
}

async function orGone<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (NervaError.is(error) && GONE.has(error.code)) return null;
    throw error;
  }
}
const GONE: ReadonlySet<string> = new Set(['SESSION_UNKNOWN', 'SESSION_DELETED', 'LOG_PRUNED']);

/** Ids of entries that an event says were told. Each once: it was one telling. */
async function idsIn(event: LogEvent, { store, session, isEntry, log }: Telltale): Promise<readonly EventId[]> {
  if (event.erased === true) return [];
  if (event.type === 'memory.told') return distinct(event.data['entries'], isEntry);
  if (event.type !== 'tool.returned') return [];
  const { from, found } = recordOf(await wholeOf(event.data['output'], store));
  if (recordOf(from)['scope'] !== log) return [];
  const ids = distinct(found, isEntry);
  // Any tool may say that it found something: only what the memory's own is called counts.
  return ids.length > 0 && isRecall(await toolOf(event.data, store, session)) ? ids : [];
}

/** Also where the tools of a memory have a prefix. */
const isRecall = (name: unknown): boolean => typeof name === 'string' && /^(?:.+_)?recall$/.test(name);

/** What a tool gave, also where it was long and stands beside the log. */
async function wholeOf(output: Json | undefined, store: Store): Promise<unknown> {
  if (output === undefined || !isBlobRef(output)) return output;
  if (output.bytes > WHOLE_BYTES_MAX) return null;
  const content = await store.blobs.get(output.ref).catch(() => null); // erased, or swept
  try {
    return content === null ? null : (JSON.parse(new TextDecoder().decode(content)) as unknown);
  } catch {
    return null;
  }
}
/** What `recall` gives may have this many: its texts have 100,000 bytes each, if nobody said otherwise. */
const WHOLE_BYTES_MAX = 4_000_000;

function distinct(list: unknown, isEntry: Telltale['isEntry']): readonly EventId[] {
  const ids = Array.isArray(list) ? list.map((one) => recordOf(one)['id']).filter(isEntry) : [];
  return Array.from(new Set(ids));
}

/** The name of the tool that was called: it stands in the answer of the model that asked for it. */
async function toolOf({ call, answer, part }: JsonObject, store: Store, session: Sid): Promise<unknown> {
  const slot = typeof call === 'number' ? recordOf((await eventAt(store, session, call))?.data) : { answer, part };
  const asked = typeof slot['answer'] === 'number' ? await eventAt(store, session, slot['answer']) : undefined;
  const parts = recordOf(asked?.data)['parts'];
  return Array.isArray(parts) && typeof slot['part'] === 'number' ? recordOf(parts[slot['part']])['name'] : undefined;
}

async function eventAt(store: Store, session: Sid, seq: Seq): Promise<LogEvent | undefined> {
  return (await eventsIn(store, session, { after: seq - 1, upto: seq, limit: 1 })).find((event) => event.seq === seq);
}

const recordOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
