import { checkRange, NervaError, utf8Bytes } from '../core/index.ts';
import type { EventId, Seq } from '../log/index.ts';
import { rounded, shareOf, type AccessPattern } from './access.ts';
import { CORE_BYTES_MAX, inOrder, renderBlock, type Block, type BlockType, type Core } from './blocks.ts';
import { dayOf, type Entry } from './entries.ts';
import type { EntryKind } from './kinds.ts';
import { coreBytes } from './markup.ts';
import { PROMOTED_MAX, type EvictedWhy } from './tier-fold.ts';

/** Which entries stand among the blocks, and for how long. */
export interface TierLimits {
  /** `hybrid`: .4 what it was said to be worth, .3 recency, .2 frequency, .1 of its kind. `importance`: .5, .3, .2. Default `hybrid`. */
  readonly by: 'hybrid' | 'importance';
  /** From which score on an entry is promoted. Default .75; by `importance` .7. */
  readonly scoreMin: number;
  /** Entries among the blocks. Default 50, at most 200. */
  readonly entriesMax: number;
  /** Of those that reach the score, the best so many are looked at in a run. Default 100. */
  readonly candidatesMax: number;
  /** Of all blocks as rendered. Default and at most 32,768. */
  readonly coreBytesMax: number;
  /** Of an entry as rendered; a longer one is not promoted. Default 2,048. */
  readonly entryBytesMax: number;
  /** Entries that leave in a run, besides those that do not hold any more. Default 10. */
  readonly evictedMax: number;
  /** What was not accessed for longer leaves. Default 30 days. */
  readonly idleMs: number;
  /** What is drawn on less than this (`importance` of its standing) gives place to what is worth more. Default .5. */
  readonly keptMin: number;
}

/** What holds where nothing else is said. */
export const TIER_LIMITS: TierLimits = {
  by: 'hybrid',
  scoreMin: 0.75,
  entriesMax: 50,
  candidatesMax: 100,
  coreBytesMax: CORE_BYTES_MAX,
  entryBytesMax: 2_048,
  evictedMax: 10,
  idleMs: 30 * 86_400_000,
  keptMin: 0.5,
};
/** By `importance`. */
const IMPORTANCE_MIN = 0.7;

/** All limits, checked. @throws OPTION_INVALID */
export function tierLimits(some: Partial<TierLimits>): TierLimits {
  const by = some.by ?? TIER_LIMITS.by;
  if (by !== 'hybrid' && by !== 'importance')
    throw new NervaError('OPTION_INVALID', `by must be "hybrid" or "importance"; ${JSON.stringify(by)} came. Nothing was changed.`);
  const limits = { ...TIER_LIMITS, ...(by === 'importance' ? { scoreMin: IMPORTANCE_MIN } : {}), ...some, by };
  checkRange('scoreMin', limits.scoreMin, 0, 1);
  checkRange('entriesMax', limits.entriesMax, 0, PROMOTED_MAX);
  checkRange('candidatesMax', limits.candidatesMax, 1, 1_000);
  checkRange('coreBytesMax', limits.coreBytesMax, 0, CORE_BYTES_MAX);
  checkRange('entryBytesMax', limits.entryBytesMax, 1, CORE_BYTES_MAX);
  checkRange('evictedMax', limits.evictedMax, 0, PROMOTED_MAX);
  checkRange('idleMs', limits.idleMs, 1, Number.MAX_SAFE_INTEGER);
  checkRange('keptMin', limits.keptMin, 0, 1);
  return limits;
}

/** What kinds count; somebody's preference as much as the person. */
const KIND_SHARE: Readonly<Record<EntryKind, number>> = {
  self: 1,
  project: 0.9,
  task: 0.85,
  organization: 0.8,
  event: 0.75,
  person: 0.7,
  preference: 0.7,
  location: 0.65,
  topic: 0.6,
  note: 0.4,
};

/** How much an entry belongs into the core, 0–1. */
export function promotionScore(entry: Pick<Entry, 'importance' | 'kind'>, pattern: AccessPattern, by: TierLimits['by'] = 'hybrid'): number {
  if (by === 'importance') return pattern.importance;
  const ofKind = Object.hasOwn(KIND_SHARE, entry.kind) ? KIND_SHARE[entry.kind] : KIND_SHARE.note; // a log may say any kind
  return rounded(0.4 * shareOf(entry.importance) + 0.3 * pattern.recency + 0.2 * pattern.frequency + 0.1 * ofKind);
}

/** How much it is worth to leave it there: of two the one with less goes first. */
export const keepingScore = ({ importance, recency }: AccessPattern): number => rounded(0.6 * importance + 0.4 * recency);

/** What it says of oneself stays. */
export const isProtected = ({ kind }: Pick<Entry, 'kind'>): boolean => kind === 'self';

/** An entry as a block. Of no type that follows the instructions, whatever it is about: to be remembered gives a text no authority. */
export function blockOfEntry({ id, kind, text, validMs, importance }: Entry): Block {
  const type: BlockType = kind === 'person' ? 'human' : kind === 'project' || kind === 'task' ? 'goals' : 'facts';
  const description = `${kind}, since ${dayOf(validMs)}`;
  return { label: labelOf(id), type, text, description, bytesMax: null, isReadOnly: true, importance, version: 1, entry: id };
}

/** One block an entry: its place in the log is in its label. */
export const labelOf = (id: EventId): string => `entry.${seqOf(id)}`;
const seqOf = (id: EventId): Seq => Number(id.slice(id.lastIndexOf(':') + 1));
const bytesOf = (block: Block): number => utf8Bytes(renderBlock(block));
const bytesIn = (blocks: Core): number => blocks.reduce((sum, block) => sum + bytesOf(block), 0);

/**
 * The blocks that were set, and of the entries that were promoted as many as there is room for: a block that is set goes before any, what is
 * said of oneself before the others, and what was promoted before what was later.
 * Invariant T2: all renders to CORE_BYTES_MAX bytes at most.
 */
export function shownCore(set: Core, promoted: readonly Entry[]): Core {
  const shown: Block[] = [...set];
  let bytes = bytesIn(set);
  for (const entry of promoted.toSorted((one, other) => Number(isProtected(other)) - Number(isProtected(one)))) {
    const block = blockOfEntry(entry);
    if (set.some(({ label }) => label === block.label)) continue;
    const more = bytesOf(block);
    if (coreBytes(shown.length + 1, bytes + more) > CORE_BYTES_MAX) continue;
    shown.push(block);
    bytes += more;
  }
  return shown.length === set.length ? set : shown.toSorted(inOrder);
}

/** What is decided about. */
export interface TierView {
  /** Blocks that were set. */
  readonly set: Core;
  /** Entries among the blocks that hold, in the order in which they were promoted. */
  readonly promoted: readonly Entry[];
  /** Entries that hold, are not among the blocks, and may be promoted. */
  readonly candidates: Iterable<Entry>;
  readonly patternOf: (entry: Entry) => AccessPattern;
  readonly nowMs: number;
}

/** What is to change. */
export interface TierPlan {
  readonly promote: readonly Scored[];
  readonly evict: readonly (Scored & { readonly why: Exclude<EvictedWhy, 'gone' | 'removed'> })[];
  /** What reached the score and found no room. */
  readonly rejected: readonly Scored[];
}
interface Scored {
  readonly entry: Entry;
  readonly score: number;
}

/**
 * Which entries come and go. Pure, and the same for the same: of equals what was recorded first. Each entry is looked at once, and those that stand
 * there or may come in are rendered once.
 * Invariants: T3 afterwards there are entriesMax at most, and all renders to coreBytesMax at most, as far as what is set and what is protected
 * lets it, and evictedMax · T4 what is protected never goes · T5 what comes in place of another is worth more.
 */
export function tierPlan(view: TierView, limits: TierLimits): TierPlan {
  return new Planner(view, limits).plan();
}

class Planner {
  readonly #view: TierView;
  readonly #limits: TierLimits;
  readonly #standing: Map<EventId, Standing>;
  /** Of all that is there, what is set too, as rendered one by one. */
  #bytes: number;
  readonly #evict: TierPlan['evict'][number][] = [];
  /** What gives place to what is worth more, the least worth first. Only its first ever go. */
  #giving: readonly Standing[] = [];

  constructor(view: TierView, limits: TierLimits) {
    this.#view = view;
    this.#limits = limits;
    this.#standing = new Map(view.promoted.map((entry) => [entry.id, standingOf(entry, view.patternOf(entry))]));
    this.#bytes = Array.from(this.#standing.values()).reduce((sum, { bytes }) => sum + bytes, bytesIn(view.set));
  }

  plan(): TierPlan {
    const { nowMs } = this.#view;
    for (const one of this.#weakest(({ pattern }) => nowMs - pattern.lastMs > this.#limits.idleMs)) this.#out(one, 'idle');
    for (const one of this.#weakest(() => true)) if (!this.#fits(0, 0)) this.#out(one, 'budget');
    this.#giving = this.#weakest(({ pattern }) => pattern.importance < this.#limits.keptMin);
    const promote: Scored[] = [];
    let rejected = this.#candidates();
    // What gives place to one may leave room for another that was looked at before.
    for (let came = -1; came < promote.length;) {
      came = promote.length;
      rejected = rejected.filter((candidate) => {
        const isMade = this.#make(candidate);
        if (isMade) promote.push(scoredOf(candidate));
        return !isMade;
      });
    }
    return { promote, evict: this.#evict, rejected: rejected.map(scoredOf) };
  }

  /** Comes in where there is room, or where what gives place makes it; otherwise nothing gives place. */
  #make(one: Candidate): boolean {
    let [gone, bytes] = [0, one.bytes];
    while (!this.#fits(1 - gone, bytes)) {
      const next = this.#giving[gone];
      if (next === undefined || next.keeping >= one.keeping || this.#evict.length + gone >= this.#limits.evictedMax) return false;
      gone++;
      bytes -= next.bytes;
    }
    for (const next of this.#giving.slice(0, gone)) this.#out(next, 'budget');
    this.#giving = this.#giving.slice(gone);
    this.#standing.set(one.entry.id, one);
    this.#bytes += one.bytes;
    return true;
  }

  /** The best that reach the score. */
  #candidates(): readonly Candidate[] {
    const { set, candidates, patternOf } = this.#view;
    const { by, scoreMin, entryBytesMax, candidatesMax } = this.#limits;
    const taken = new Set(set.map(({ label }) => label));
    const found: Candidate[] = [];
    for (const entry of candidates) {
      if (taken.has(labelOf(entry.id))) continue;
      const pattern = patternOf(entry);
      const score = promotionScore(entry, pattern, by);
      if (score < scoreMin) continue;
      const one = standingOf(entry, pattern);
      if (one.bytes <= entryBytesMax) found.push({ ...one, score });
    }
    return found.toSorted((one, other) => other.score - one.score || seqOf(one.entry.id) - seqOf(other.entry.id)).slice(0, candidatesMax);
  }

  /** What may go, the least worth first. */
  #weakest(which: (one: Standing) => boolean): readonly Standing[] {
    return Array.from(this.#standing.values())
      .filter((one) => !isProtected(one.entry) && which(one))
      .toSorted((one, other) => one.keeping - other.keeping || seqOf(one.entry.id) - seqOf(other.entry.id));
  }

  #out({ entry, keeping, bytes }: Standing, why: 'idle' | 'budget'): void {
    if (this.#evict.length >= this.#limits.evictedMax) return;
    this.#standing.delete(entry.id);
    this.#bytes -= bytes;
    this.#evict.push({ entry, score: keeping, why });
  }

  /** Whether there is room for so many more, or fewer, that render to so much. */
  #fits(count: number, bytes: number): boolean {
    const standing = this.#standing.size + count;
    const rendered = coreBytes(this.#view.set.length + standing, this.#bytes + bytes);
    return standing <= this.#limits.entriesMax && rendered <= this.#limits.coreBytesMax;
  }
}

interface Standing {
  readonly entry: Entry;
  readonly pattern: AccessPattern;
  readonly keeping: number;
  readonly bytes: number;
}
type Candidate = Standing & Scored;

function standingOf(entry: Entry, pattern: AccessPattern): Standing {
  return { entry, pattern, keeping: keepingScore(pattern), bytes: bytesOf(blockOfEntry(entry)) };
}

const scoredOf = ({ entry, score }: Candidate): Scored => ({ entry, score });
