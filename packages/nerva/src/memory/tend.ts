import { checkRange, NervaError, type JsonObject } from '../core/index.ts';
import type { EventDraft, EventId, Seq, Sid, Store } from '../log/index.ts';
import { patternOf, type AccessPattern } from './access.ts';
import type { Core } from './blocks.ts';
import { holdsAt, TIME_MAX, type Entry } from './entries.ts';
import type { MemoryFold } from './fold.ts';
import { activationOf, levelOf, levelsOf, type Level, type LevelNote } from './levels.ts';
import { keepingScore, promotionScore, shownCore, TIER_LIMITS, tierLimits, tierPlan, type TierLimits } from './promote.ts';
import { suggestionsFrom, type Suggestion } from './suggest.ts';
import { TOLD_MAX, type EvictedWhy, type Promotion, type Telling, type TierFold } from './tier-fold.ts';
import { toldIn, type Told } from './told.ts';

/** How a memory is tended: each limit of `TierLimits` is an option. */
export interface Tending extends Partial<TierLimits> {
  /** Sessions of the same store, at most 1,000, whose logs say what was told of this memory; read from where they were read before. */
  readonly sessions?: readonly Sid[];
  /** It ends after what is under way. */
  readonly signal?: AbortSignal;
}

/** What a run did. */
export interface Tended {
  /** Tellings of entries that were noted. */
  readonly accesses: number;
  readonly promoted: readonly EventId[];
  readonly evicted: readonly { readonly id: EventId; readonly why: EvictedWhy }[];
  /** Entries that reached the score and found no room. */
  readonly rejected: readonly EventId[];
}

/** Where an entry stands, as seen now. */
export interface Standing extends AccessPattern {
  /** By the hybrid: from .75 on it is promoted where nothing else was said. */
  readonly score: number;
  /** Of two among the blocks the one with less leaves first. */
  readonly keeping: number;
  /** The event that promoted it; null: it is not among the blocks. */
  readonly promotedBy: EventId | null;
  readonly level: Level;
  readonly levels: readonly LevelNote[];
  /** How much of what it is linked to was accessed in the last seven days, 0–1. */
  readonly activation: number;
}

/** The memory that is tended. */
export interface TendedMemory {
  readonly sid: Sid;
  readonly store: Store;
  readonly fold: () => MemoryFold;
  readonly entry: (id: EventId) => Entry | undefined;
  readonly entries: () => Iterable<Entry>;
  readonly nowMs: () => number;
  /** Writes what is decided on what stands. @returns null when that was nothing. */
  readonly write: (decide: () => readonly EventDraft[], key?: string) => Promise<Seq | null>;
}

const SESSIONS_MAX = 1_000;
/** A log in which so much was read is noted as read, also where nothing was told in it. */
const NOTED_AFTER = 1_000;
const ACTIVE_MS = 7 * 86_400_000;

/**
 * Which entries stand among the blocks. All of it is decided on what the log says, by the time of the world, and is an event: what was cut
 * is gone on with by the next, also elsewhere.
 * Invariant M4: an entry is nowhere else for being promoted or evicted: it stays in the archive, and is found as before.
 */
export class Tender {
  readonly #memory: TendedMemory;

  constructor(memory: TendedMemory) {
    this.#memory = memory;
  }

  get #tiers(): TierFold {
    return this.#memory.fold().tiers;
  }

  /** The blocks: those that were set, and the entries that were promoted and hold. */
  core(): Core {
    const { core } = this.#memory.fold();
    return this.#tiers.promoted.size === 0 ? core : shownCore(core, this.#standing());
  }

  /** What takes a promoted entry out of the core, or null where it is no label of one. Contract: within a change. */
  removal(label: string): readonly EventDraft[] | null {
    const id = this.core().find((block) => block.label === label)?.entry;
    return id === undefined ? null : [this.#evicted(id, 'removed', 0)];
  }

  /** Notes that entries were accessed now. @throws MEMORY_UNKNOWN, OPTION_INVALID */
  async note(ids: readonly EventId[], key?: string): Promise<void> {
    if (!Array.isArray(ids)) throw new NervaError('OPTION_INVALID', 'Ids of entries are a list. Nothing was changed.');
    checkRange('ids', ids.length, 1, TOLD_MAX);
    await this.#memory.write(() => {
      const unknown = ids.find((id) => this.#memory.entry(id) === undefined);
      if (unknown !== undefined)
        throw new NervaError('MEMORY_UNKNOWN', `There is no entry ${JSON.stringify(unknown)} in ${this.#memory.sid}. Nothing was changed.`);
      return [accessed({ at: [{ atMs: this.#memory.nowMs(), ids }] })];
    }, key);
  }

  /** Reads what sessions were told, and decides what comes and goes. */
  async tend({ sessions = [], signal, ...some }: Tending): Promise<Tended> {
    const limits = tierLimits(some);
    if (!Array.isArray(sessions) || sessions.some((session) => typeof session !== 'string'))
      throw new NervaError('OPTION_INVALID', 'sessions is a list of the ids of sessions. Nothing was changed.');
    checkRange('sessions', sessions.length, 0, SESSIONS_MAX);
    let accesses = 0;
    for (const session of new Set(sessions)) if (signal?.aborted !== true) accesses += await this.#read(session);
    const done: { -readonly [K in keyof Tended]: Tended[K] } = { accesses, promoted: [], evicted: [], rejected: [] };
    if (signal?.aborted === true) return done;
    await this.#memory.write(() => {
      const gone = Array.from(this.#tiers.promoted.keys()).filter((id) => !this.#holds(this.#memory.entry(id)));
      const { promote, evict, rejected } = this.#plan(limits);
      done.promoted = promote.map(({ entry }) => entry.id);
      done.evicted = [...gone.map((id) => ({ id, why: 'gone' as const })), ...evict.map(({ entry, why }) => ({ id: entry.id, why }))];
      done.rejected = rejected.map(({ entry }) => entry.id);
      return [
        ...gone.map((id) => this.#evicted(id, 'gone', 0)),
        ...evict.map(({ entry, why, score }) => this.#evicted(entry.id, why, score)),
        ...promote.map(({ entry, score }) => draftOf(entry, { type: 'memory.promoted', data: { id: entry.id, score } })),
      ];
    });
    return done;
  }

  /** What accesses of the last week say of the kinds. Changes nothing. */
  suggestions(): readonly Suggestion[] {
    const samples = this.#tiers.samples.flatMap(([id, atMs]) => {
      const kind = this.#memory.entry(id)?.kind;
      return kind === undefined ? [] : [{ kind, atMs }];
    });
    return suggestionsFrom(samples, this.#memory.nowMs());
  }

  /** Where an entry stands. */
  standing(entry: Entry): Standing {
    const pattern = this.#patternOf(entry);
    const promotion = this.#tiers.promoted.get(entry.id);
    const promotedBy = promotion === undefined || !this.#holds(entry) ? null : this.#eventOf(promotion);
    const levels = levelsOf(entry, promotedBy);
    const { nowMs, entry: look } = this.#memory;
    const isActive = ({ id }: Entry): boolean => nowMs() - (this.#tiers.accesses.get(id)?.lastMs ?? -TIME_MAX) <= ACTIVE_MS;
    return {
      ...pattern,
      score: promotionScore(entry, pattern),
      keeping: keepingScore(pattern),
      promotedBy,
      level: levelOf(levels),
      levels,
      activation: activationOf(entry, look, isActive),
    };
  }

  /** Part by part: each is decided on how far the log was read, so that what two read at once is counted once. */
  async #read(session: Sid): Promise<number> {
    const { store, sid, entry } = this.#memory;
    const { upto: after, afterMs } = this.#tiers.cursor(session);
    const isEntry = (id: unknown): id is EventId => typeof id === 'string' && entry(id as EventId) !== undefined;
    let counted = 0;
    let before = after;
    for await (const part of toldIn({ store, session, after, afterMs, isEntry, log: sid })) {
      if (part.at.length === 0 && part.upto - before < NOTED_AFTER) continue;
      const seq = await this.#memory.write(() => (this.#tiers.cursor(session).upto === before ? [noted(session, part)] : []));
      if (seq === null) return counted; // somebody else goes on with it
      counted += part.at.reduce((sum, { ids }) => sum + ids.length, 0);
      before = part.upto;
    }
    return counted;
  }

  #plan(limits: TierLimits): ReturnType<typeof tierPlan> {
    const { fold, entries, nowMs } = this.#memory;
    const set = fold().core;
    const patternOf = (entry: Entry): AccessPattern => this.#patternOf(entry);
    return tierPlan({ set, promoted: this.#standing(), candidates: this.#candidates(entries()), patternOf, nowMs: nowMs() }, limits);
  }

  /** What holds, and was accessed since it left the core. */
  *#candidates(entries: Iterable<Entry>): Iterable<Entry> {
    const { promoted, evicted } = this.#tiers;
    for (const entry of entries) {
      const evictedMs = evicted.get(entry.id);
      const isBack = evictedMs === undefined || (this.#tiers.accesses.get(entry.id)?.lastMs ?? -TIME_MAX) > evictedMs;
      if (isBack && !promoted.has(entry.id) && this.#holds(entry)) yield entry;
    }
  }

  #standing(): readonly Entry[] {
    return Array.from(this.#tiers.promoted.keys()).flatMap((id) => {
      const entry = this.#memory.entry(id);
      return entry !== undefined && this.#holds(entry) ? [entry] : [];
    });
  }

  #holds(entry: Entry | undefined): boolean {
    const nowMs = this.#memory.nowMs();
    return entry !== undefined && holdsAt(entry, { validAtMs: nowMs, knownAtMs: nowMs });
  }

  #patternOf(entry: Entry): AccessPattern {
    return patternOf(entry, this.#tiers.accesses.get(entry.id), this.#memory.nowMs());
  }

  #evicted(id: EventId, why: EvictedWhy, score: number): EventDraft {
    return draftOf(this.#memory.entry(id), { type: 'memory.evicted', data: { id, why, score } });
  }

  #eventOf({ seq }: Promotion): EventId {
    return `${this.#memory.sid}:${seq}`;
  }
}

/** What is decided about somebody's data goes with it. */
function draftOf(entry: Entry | undefined, draft: EventDraft): EventDraft {
  return entry?.subject === undefined ? draft : { ...draft, subject: entry.subject };
}

function noted(sid: Sid, { at, upto }: Told): EventDraft {
  return accessed({ at, from: { sid, upto } });
}

function accessed(data: { readonly at: readonly Telling[]; readonly from?: { readonly sid: Sid; readonly upto: Seq } }): EventDraft {
  return { type: 'memory.accessed', data: data as unknown as JsonObject };
}

/** Names of what `tend` takes. */
export const TENDING = ['sessions', 'signal', ...Object.keys(TIER_LIMITS)];
