import { NervaError } from '../core/index.ts';
import type { LogEvent, Seq, Sid } from './event.ts';
import { eventsOf, type Frame } from './frame.ts';
import type { Store } from './store.ts';
import type { Upcasters } from './upcast.ts';

/** How a log becomes a state. `evolve` is pure, synchronous and total, over erased events too, and must not change what it is given. */
export interface Reducer<S> {
  /** Names the meaning of the state: a snapshot under another version is not used. Change it whenever `evolve` changes. */
  readonly version: string | number;
  initial(sid: Sid): S;
  evolve(state: S, event: LogEvent): S;
  /** With `thaw`, the state can be kept in snapshots: `thaw(freeze(s))` is equal to `s` and goes on equally. */
  freeze?(state: S): string;
  thaw?(text: string): S;
}

/** A state and the position it stands at. */
export interface Folded<S> {
  readonly state: S;
  /** Events folded, skipped ones included: the state is that after event `head - 1`. */
  readonly head: Seq;
  /** Time of the last event; 0 before the first. */
  readonly atMs: number;
}

/** Options of a fold. At most one of `upto`, `atMs` and `back` says where it ends; the default is the head. */
export interface FoldOptions {
  /** Inclusive; -1 is the state before the first event. */
  readonly upto?: Seq;
  /** After the last event that is not later than this. */
  readonly atMs?: number;
  /** So many events before the head. */
  readonly back?: number;
  readonly upcasters?: Upcasters;
  /** Uses snapshots and writes one when more than `everyEvents` were folded beyond the last. `flags` is part of their key. */
  readonly snapshots?: { readonly everyEvents: number; readonly flags?: string };
}

/**
 * The state of a session, now or at any position of its past: for all n, `fold(upto: n)` is the fold of events 0…n.
 * With snapshots, O(events since the last one).
 * @throws LOG_RANGE outside the log; LOG_PRUNED when a position needs events that are gone: never a wrong state;
 * SESSION_UNKNOWN, SESSION_DELETED, SESSION_READONLY; OPTION_INVALID for two positions.
 */
export async function fold<S>(store: Store, sid: Sid, reducer: Reducer<S>, options: FoldOptions = {}): Promise<Folded<S>> {
  const { upcasters, snapshots } = options;
  const upto = await endOf(store, sid, options);
  const key = `${reducer.version}|${upcasters?.version ?? ''}|${snapshots?.flags ?? ''}`;
  const cached = snapshots === undefined ? null : await thawed(store, sid, { reducer, key, upto, untilMs: options.atMs ?? Infinity });
  let folded: Folded<S> = cached ?? { state: reducer.initial(sid), head: 0, atMs: 0 };
  while (folded.head <= upto) {
    const frames = await store.read(sid, { after: folded.head - 1, upto });
    if (frames.length === 0) break;
    const next = foldFrames(reducer, folded, frames, { upcasters, untilMs: options.atMs });
    const isEnd = next.head < lastSeq(frames) + 1;
    folded = next;
    if (isEnd) break;
  }
  if (snapshots !== undefined && reducer.freeze !== undefined && folded.head - (cached?.head ?? 0) > snapshots.everyEvents) {
    await store.snapshots.put(sid, key, folded.head - 1, JSON.stringify([folded.atMs, reducer.freeze(folded.state)]));
  }
  return folded;
}

/**
 * Goes on from a state with the frames that follow it, ending before the first event later than `untilMs`.
 * Invariant F1: the frames begin at `folded.head` or before; what was folded is not folded again.
 * @throws SESSION_READONLY
 */
export function foldFrames<S>(
  reducer: Pick<Reducer<S>, 'evolve'>,
  folded: Folded<S>,
  frames: Iterable<Frame>,
  options: { readonly upcasters?: Upcasters | undefined; readonly untilMs?: number | undefined } = {},
): Folded<S> {
  const { upcasters, untilMs = Infinity } = options;
  let { state, head, atMs } = folded;
  for (const frame of frames) {
    for (const event of eventsOf(frame)) {
      if (event.seq < head) continue;
      if (event.seq > head)
        throw new NervaError(
          'LOG_CORRUPT',
          `The fold stands at ${head} and was given event ${event.seq} of ${event.sid}; expected ${head}.`,
          { details: { head, seq: event.seq } },
        );
      if (event.atMs > untilMs) return { state, head, atMs };
      const lifted = upcasters === undefined ? event : upcasters.lift(event);
      if (lifted !== null) state = reducer.evolve(state, lifted);
      head = event.seq + 1;
      atMs = event.atMs;
    }
  }
  return { state, head, atMs };
}

function lastSeq(frames: readonly Frame[]): Seq {
  const last = frames.at(-1) as Frame;
  return last.seq + last.events.length - 1;
}

/** The position a fold ends at, inclusive. By time it is the head: the fold stops on the way. */
async function endOf(store: Store, sid: Sid, { upto, atMs, back }: FoldOptions): Promise<Seq> {
  if ([upto, atMs, back].filter((position) => position !== undefined).length > 1) {
    throw new NervaError('OPTION_INVALID', 'A fold was given more than one of upto, atMs and back; expected at most one.');
  }
  const { head } = await store.info(sid);
  const end = upto ?? head - 1 - (back ?? 0);
  if (Number.isSafeInteger(end) && end >= -1 && end < head) return end;
  throw new NervaError('LOG_RANGE', `Cannot fold ${sid} up to ${end}; expected -1…${head - 1}.`, { details: { sid, upto: end, head } });
}

async function thawed<S>(
  store: Store,
  sid: Sid,
  { reducer, key, upto, untilMs }: { readonly reducer: Reducer<S>; readonly key: string; readonly upto: Seq; readonly untilMs: number },
): Promise<Folded<S> | null> {
  if (reducer.thaw === undefined) return null;
  const found = await store.snapshots.get(sid, key, upto);
  if (found === null) return null;
  const [atMs, text] = JSON.parse(found.state) as [number, string];
  // By time, a snapshot beyond that time is of no use; an older one is not searched for: the fold starts at the beginning.
  return atMs > untilMs ? null : { state: reducer.thaw(text), head: found.seq + 1, atMs };
}
