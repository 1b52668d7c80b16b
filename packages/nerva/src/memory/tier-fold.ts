import type { JsonObject } from '../core/index.ts';
import type { EventId, Seq, Sid } from '../log/index.ts';
import { ACCESS_KEPT_MS, type Accesses } from './access.ts';
import { TIME_MAX } from './entries.ts';

/** Entries that were told at a moment, ms since 1970. */
export interface Telling {
  readonly atMs: number;
  readonly ids: readonly EventId[];
}

/** Why an entry left the core: it does not hold any more, was not asked for long, gave place, or somebody took it out. */
export type EvictedWhy = 'gone' | 'idle' | 'budget' | 'removed';

/** What a memory's log says of where its entries stand, by type. */
export interface TierData {
  /** Entries were told; `from`: as a session's log says up to a place, which is so counted once. */
  readonly 'memory.accessed': { readonly at: readonly Telling[]; readonly from?: { readonly sid: Sid; readonly upto: Seq } };
  /** An entry stands among the blocks from now on. */
  readonly 'memory.promoted': { readonly id: EventId; readonly score: number };
  /** It does not any more; it is found as before. */
  readonly 'memory.evicted': { readonly id: EventId; readonly why: EvictedWhy; readonly score: number };
}

/** Since when an entry stands among the blocks. */
export interface Promotion {
  /** The event that says so. */
  readonly seq: Seq;
  readonly atMs: number;
  readonly score: number;
}

/** How far the log of a session was read, and when that was noted. */
interface Cursor {
  readonly upto: Seq;
  readonly atMs: number;
}

/** Ids in one event. */
export const TOLD_MAX = 1_000;
/** Entries among the blocks, whatever a log says. */
export const PROMOTED_MAX = 200;
/** Entries whose accesses are counted: those that were accessed last. */
const COUNTED_MAX = 10_000;
/** The last accesses, one by one. */
const SAMPLES_MAX = 1_000;
const EVICTED_MAX = 1_000;
const CURSORS_MAX = 1_000;
const ID_CHARS_MAX = 200;

/** What `freeze` gives. */
export interface FrozenTiers {
  readonly accesses: readonly (readonly [EventId, Accesses])[];
  readonly samples: readonly (readonly [EventId, number])[];
  readonly promoted: readonly (readonly [EventId, Promotion])[];
  readonly evicted: readonly (readonly [EventId, number])[];
  readonly cursors: readonly (readonly [Sid, Cursor])[];
  readonly droppedMs: number;
}

/**
 * Where entries stand, as the log says it. Total: what makes no sense changes nothing. O(ids) an event, and bounded: what is counted of
 * accesses is a matter of the last ninety days, and never of an entry.
 * Invariant T1: what a session's log says is counted once, also when its cursor was dropped: then nothing of before that is counted again.
 */
export class TierFold {
  /** By entry, the last noted last. */
  readonly accesses = new Map<EventId, Accesses>();
  /** The last accesses, as they were noted. */
  samples: readonly (readonly [EventId, number])[] = [];
  /** In the order in which they were promoted. */
  readonly promoted = new Map<EventId, Promotion>();
  /** When entries left the core the last time. */
  readonly evicted = new Map<EventId, number>();
  readonly #cursors = new Map<Sid, Cursor>();
  /** Until when the logs of sessions without a cursor may have been read. */
  #droppedMs = -TIME_MAX;

  /** What `freeze` gave, put into a new one. */
  static thaw(frozen: FrozenTiers): TierFold {
    const tiers = new TierFold();
    for (const [id, accesses] of frozen.accesses) tiers.accesses.set(id, accesses);
    for (const [id, promotion] of frozen.promoted) tiers.promoted.set(id, promotion);
    for (const [id, atMs] of frozen.evicted) tiers.evicted.set(id, atMs);
    for (const [sid, cursor] of frozen.cursors) tiers.#cursors.set(sid, cursor);
    tiers.samples = frozen.samples;
    tiers.#droppedMs = frozen.droppedMs;
    return tiers;
  }

  /** All of it, as JSON. */
  freeze(): FrozenTiers {
    return {
      accesses: Array.from(this.accesses),
      samples: this.samples,
      promoted: Array.from(this.promoted),
      evicted: Array.from(this.evicted),
      cursors: Array.from(this.#cursors),
      droppedMs: this.#droppedMs,
    };
  }

  /** How far a session's log was read; -1: not at all. What happened in it by `afterMs` is not counted. */
  cursor(sid: Sid): { readonly upto: Seq; readonly afterMs: number } {
    const cursor = this.#cursors.get(sid);
    return cursor === undefined ? { upto: -1, afterMs: this.#droppedMs } : { upto: cursor.upto, afterMs: -TIME_MAX };
  }

  /** Folds the data of an event; of other types nothing. */
  apply(type: string, data: JsonObject, { seq, atMs }: { readonly seq: Seq; readonly atMs: number }): void {
    if (type === 'memory.accessed') this.#access(data, atMs);
    else if (type === 'memory.promoted' || type === 'memory.evicted') {
      const { id, score } = data;
      if (!isId(id)) return;
      if (type === 'memory.evicted') this.#evict(id, atMs);
      else if (!this.promoted.has(id) && this.promoted.size < PROMOTED_MAX && typeof score === 'number')
        this.promoted.set(id, { seq, atMs, score });
    }
  }

  #access({ at, from }: JsonObject, nowMs: number): void {
    const told = tellingsIn(at, nowMs);
    if (told === null) return;
    for (const { atMs, ids } of told)
      for (const id of ids) {
        const before = this.accesses.get(id);
        this.accesses.delete(id);
        this.accesses.set(id, {
          count: (before?.count ?? 0) + 1,
          firstMs: Math.min(before?.firstMs ?? atMs, atMs),
          lastMs: Math.max(before?.lastMs ?? atMs, atMs),
        });
      }
    this.samples = [...this.samples, ...told.flatMap(({ atMs, ids }) => ids.map((id) => [id, atMs] as const))].slice(-SAMPLES_MAX);
    for (const [id, { lastMs }] of this.accesses) {
      if (lastMs >= nowMs - ACCESS_KEPT_MS && this.accesses.size <= COUNTED_MAX) break;
      this.accesses.delete(id);
    }
    this.#move(from, nowMs);
  }

  #move(from: unknown, atMs: number): void {
    const { sid, upto } = (from ?? {}) as Readonly<Record<string, unknown>>;
    if (!isId(sid) || !Number.isSafeInteger(upto) || (upto as number) <= this.cursor(sid).upto) return;
    this.#cursors.delete(sid);
    this.#cursors.set(sid, { upto: upto as Seq, atMs });
    const [oldest] = this.#cursors;
    if (this.#cursors.size <= CURSORS_MAX || oldest === undefined) return;
    this.#cursors.delete(oldest[0]);
    this.#droppedMs = Math.max(this.#droppedMs, oldest[1].atMs);
  }

  #evict(id: EventId, atMs: number): void {
    if (!this.promoted.delete(id)) return;
    this.evicted.delete(id);
    this.evicted.set(id, atMs);
    const [oldest] = this.evicted.keys();
    if (this.evicted.size > EVICTED_MAX && oldest !== undefined) this.evicted.delete(oldest);
  }
}

/** Whoever may write the log may write anything into it; and nothing was told after it was noted. */
function tellingsIn(at: unknown, nowMs: number): readonly Telling[] | null {
  if (!Array.isArray(at) || at.length > TOLD_MAX) return null;
  const told: Telling[] = [];
  let count = 0;
  for (const one of at as readonly unknown[]) {
    const { atMs, ids } = (one ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof atMs !== 'number' || !(Math.abs(atMs) <= TIME_MAX) || !Array.isArray(ids) || !ids.every(isId)) return null;
    count += ids.length;
    if (count > TOLD_MAX) return null;
    told.push({ atMs: Math.min(atMs, nowMs), ids });
  }
  return told;
}

const isId = (id: unknown): id is EventId => typeof id === 'string' && id !== '' && id.length <= ID_CHARS_MAX;
