import { saidOf } from './topics.ts';

/** BM25's usual constants. */
const K1 = 1.2;
const B = 0.75;
/** A passage of at most so many terms is short; a longer one stands for itself, in pieces, and its best piece counts. */
const SHORT_MAX = 60;
const PIECE = 80;
/** So many turns before and behind one are near it. */
const REACH = 6;
/** Terms of a question, beyond which nearness does not look: bits of a mask. */
const NEAR_TERMS = 31;
/** Terms of a question that are looked for, the rarest: a page that somebody pasted may not hold up all else. */
const ASKED_MAX = 64;
/** Words that share so many first letters, and this part of the longer one, or all but so many letters of it, are taken for forms of one. */
const ALIKE = 4;
const ALIKE_PART = 0.7;
const SUFFIX_MAX = 4;

/** In a conversation: how much a short turn is found by its neighbours' words, for an answer does not say again what was asked, and any by others than the asked ones. */
export interface Sharing {
  /** The turn before it, when that asks something, and when not. */
  readonly asked: number;
  readonly before: number;
  readonly secondBefore: number;
  readonly thirdBefore: number;
  readonly behind: number;
  /** What is said where the word is asked for (`topics.ts`), and what begins like it. */
  readonly kin: number;
  readonly alike: number;
}

/** A passage, as far as its words go. */
interface Slot {
  readonly group: number;
  /** Its first piece; of a short one the only one. */
  readonly first: number;
  readonly length: number;
  readonly asks: boolean;
  /** What it holds, each term once; of one that is gone nothing. */
  terms: readonly number[];
  before: number;
  behind: number;
  isGone: boolean;
}

/** Where a term stands: in which pieces, in their order, and how often. */
interface Posting {
  pieces: number[];
  counts: number[];
  /** Passages that hold it. */
  passages: number;
}

interface Group {
  readonly id: number;
  length: number;
  passages: number;
  /** Slot of its last passage, or -1. */
  last: number;
}

/** Where a term of a question, or what counts a part of it, stands. */
interface Source {
  readonly posting: Posting;
  readonly part: number;
}

/** Counts and lengths of a whole of which an index holds a part: what is rare, or long, is so in the whole. */
export interface Corpus {
  readonly passages: number;
  readonly pieces: number;
  /** Terms of all passages. */
  readonly length: number;
  /** Passages that hold a term. */
  holding(term: string): number;
}

/** What shares a term with a question, in no order, and how much. */
export interface Scores {
  readonly slots: readonly number[];
  /** Of the passages, in the order of `slots`. */
  readonly scores: readonly number[];
  /** Of the group of a passage, as a part of the best. Until the next search. */
  readonly group: (slot: number) => number;
  /** What `group` gives at most. */
  readonly groupMost: 0 | 1;
  /** How many of the terms, by what they tell, are said in a passage or near it: 0–1, 0 in documents. Until the next search. O(1). */
  readonly near: (slot: number) => number;
}

/**
 * An inverted index over pieces of passages, with BM25. What neighbours share is added when it is asked, not when they come: each word
 * stands in it once, and a passage that goes is only cut out of its row.
 * Invariants: P1 counts and lengths are those of what is there · P2 a posting never holds more of what is gone than of what is there, once read.
 */
export class Postings {
  readonly #sharing: Sharing | null;
  readonly #corpus: Corpus | null;
  readonly #ids = new Map<string, number>();
  /** Terms by their first letters. */
  readonly #alike = new Map<string, string[]>();
  readonly #postings: Posting[] = [];
  readonly #slots: Slot[] = [];
  /** The passage of each piece, and how many terms the piece has. */
  readonly #slotOf: number[] = [];
  readonly #lengthOf: number[] = [];
  readonly #groups = new Map<string, Group>();
  readonly #groupsById: Group[] = [];
  /** Of what is there. */
  #passages = 0;
  #pieces = 0;
  #length = 0;
  #liveGroups = 0;
  /** Used by one search after the other; zero in between. */
  #sums = new Float64Array(64);
  #totals = new Float64Array(64);
  #within: number[] = [];
  /** Lengths of pieces with what neighbours add; 0: not known. */
  #weights = new Float64Array(64);
  /** Which terms of the last question a passage holds, as bits, and which passages hold any. */
  #holds = new Int32Array(64);
  #holding: number[] = [];

  /** `sharing`: null where neighbours have nothing to do with each other. `corpus`: null when this is all there is; else for documents. */
  constructor(sharing: Sharing | null, corpus: Corpus | null = null) {
    this.#sharing = sharing;
    this.#corpus = corpus;
  }

  /** `asks`: it holds a question. @returns the number of the new passage, which stands last in its group. */
  add(terms: readonly string[], groupName: string, asks = false): number {
    const slot = this.#slots.length;
    const group = this.#groupOf(groupName);
    const ids = terms.map((term) => this.#idOf(term));
    const first = this.#slotOf.length;
    // Pieces of one length: a rest of a few words would pass for a text that is about them.
    const step = Math.max(1, Math.ceil(ids.length / piecesOf(ids.length)));
    for (let at = 0; at === 0 || at < ids.length; at += step) this.#addPiece(slot, ids.slice(at, at + step));
    const distinct = Array.from(new Set(ids));
    for (const id of distinct) this.#posting(id).passages++;
    this.#slots.push({ group: group.id, first, length: ids.length, asks, terms: distinct, before: group.last, behind: -1, isGone: false });
    if (group.last >= 0) this.#slot(group.last).behind = slot;
    group.last = slot;
    this.#forget(this.#slot(slot).before);
    this.#count(group, slot, 1);
    return slot;
  }

  remove(slot: number): void {
    const gone = this.#slot(slot);
    const group = this.#group(gone.group);
    this.#count(group, slot, -1);
    for (const id of gone.terms) this.#posting(id).passages--;
    if (gone.before >= 0) this.#slot(gone.before).behind = gone.behind;
    if (gone.behind >= 0) this.#slot(gone.behind).before = gone.before;
    else group.last = gone.before;
    this.#forget(gone.before >= 0 ? gone.before : gone.behind);
    gone.terms = [];
    gone.isGone = true;
  }

  /** Scores of what shares a term with these, of many the rarest, each once, and that `fits`. O(places of the terms). */
  score(terms: readonly string[], fits?: (slot: number) => boolean): Scores {
    this.#reserve();
    const groups = new Float64Array(this.#groupsById.length);
    const touched: number[] = [];
    const weights: number[] = [];
    const shares = { asked: 0, before: 0, secondBefore: 0, thirdBefore: 0, behind: 0, ...this.#sharing };
    const whole = this.#corpus ?? { passages: this.#passages, pieces: this.#pieces, length: this.#length };
    const beside = (shares.asked + shares.before) / 2 + shares.secondBefore + shares.thirdBefore + shares.behind;
    const meanLength = ((1 + beside) * whole.length) / whole.pieces;
    const asked = terms.map((term) => {
      const sources = this.#sources(term);
      const holding = this.#corpus?.holding(term);
      const weight = holding === undefined ? this.#rarityOf(sources) : holding === 0 ? 0 : rarity(whole.passages, holding);
      return { sources, weight };
    });
    for (const [at, { sources, weight }] of heaviest(asked).entries()) {
      for (const piece of this.#gather(sources)) {
        const share = saturated(this.#sums[piece] ?? 0, this.#weightOf(piece) / meanLength);
        this.#sums[piece] = 0;
        if (this.#totals[piece] === 0) touched.push(piece);
        this.#totals[piece] = (this.#totals[piece] ?? 0) + weight * share;
      }
      const own = sources[0]?.part === 1 ? sources[0].posting : undefined;
      weights.push(own === undefined ? 0 : weight);
      if (own === undefined) continue;
      this.#scoreGroups(own, groups, fits);
      if (this.#sharing !== null && at < NEAR_TERMS) this.#hold(own, 1 << at);
    }
    const best = groups.reduce((most, score) => Math.max(most, score), 0);
    const group = (slot: number): number => (best === 0 ? 0 : (groups[this.#slot(slot).group] ?? 0) / best);
    return { ...this.#best(touched, fits), group, groupMost: best === 0 ? 0 : 1, near: this.#nearness(weights.slice(0, NEAR_TERMS)) };
  }

  /** The term itself first, where any passage holds it, and what counts a part of it. */
  #sources(term: string): readonly Source[] {
    const sources: Source[] = [];
    const add = (one: string, part: number): void => {
      const posting = this.#postings[this.#ids.get(one) ?? -1];
      if (part > 0 && posting !== undefined && posting.passages > 0) sources.push({ posting, part });
    };
    add(term, 1);
    if (this.#sharing === null) return sources;
    const { kin, alike } = this.#sharing;
    const said = saidOf(term);
    for (const one of said) if (one !== term) add(one, kin);
    if (alike > 0)
      for (const one of this.#alike.get(term.slice(0, ALIKE)) ?? [])
        if (one !== term && isAlike(one, term) && !said.includes(one)) add(one, alike);
    return sources;
  }

  /** Of the term itself, or, where nobody says it, of the rarest that counts for it. */
  #rarityOf(sources: readonly Source[]): number {
    const [first] = sources;
    const of = ({ posting }: Source): number => rarity(this.#passages, posting.passages);
    return first?.part === 1 ? of(first) : sources.reduce((most, source) => Math.max(most, of(source)), 0);
  }

  #hold(posting: Posting, bit: number): void {
    const { pieces } = posting;
    for (let at = 0; at < pieces.length; at++) {
      const slot = this.#slotOf[pieces[at] ?? -1] ?? -1;
      const held = this.#holds[slot] ?? 0;
      if (held === 0) this.#holding.push(slot);
      this.#holds[slot] = held | bit;
    }
  }

  /** `weights`: of the terms, by their bits. */
  #nearness(weights: readonly number[]): (slot: number) => number {
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    if (this.#sharing === null || total === 0) return () => 0;
    const walk = (from: number, way: 'before' | 'behind'): number => {
      let held = 0;
      for (let slot = this.#slot(from)[way], steps = 0; slot >= 0 && steps < REACH; slot = this.#slot(slot)[way], steps++)
        held |= this.#holds[slot] ?? 0;
      return held;
    };
    return (slot) => {
      const held = (this.#holds[slot] ?? 0) | walk(slot, 'before') | walk(slot, 'behind');
      return weights.reduce((sum, weight, at) => (((held >> at) & 1) === 1 ? sum + weight : sum), 0) / total;
    };
  }

  /** The best piece of each passage. */
  #best(pieces: readonly number[], fits: ((slot: number) => boolean) | undefined): Pick<Scores, 'slots' | 'scores'> {
    const slots: number[] = [];
    const scores: number[] = [];
    const long = new Map<number, number>();
    for (const piece of pieces) {
      const slot = this.#slotOf[piece] ?? -1;
      const score = this.#totals[piece] ?? 0;
      this.#totals[piece] = 0;
      if (fits?.(slot) === false) continue;
      const before = this.#slot(slot).length > SHORT_MAX ? long.get(slot) : undefined;
      if (before === undefined) {
        if (this.#slot(slot).length > SHORT_MAX) long.set(slot, slots.length);
        slots.push(slot);
        scores.push(score);
      } else scores[before] = Math.max(scores[before] ?? 0, score);
    }
    return { slots, scores };
  }

  /** Adds up how often a term, and what counts a part of it, stands in each piece, neighbours included. @returns the pieces. */
  #gather(sources: readonly Source[]): readonly number[] {
    const found: number[] = [];
    for (const { posting, part } of sources) {
      const { pieces, counts } = posting;
      let gone = 0;
      for (let at = 0; at < pieces.length; at++) {
        const piece = pieces[at] ?? -1;
        const slot = this.#slot(this.#slotOf[piece] ?? -1);
        const count = part * (counts[at] ?? 0);
        if (slot.isGone) gone++;
        else {
          this.#put(piece, count, found);
          if (this.#sharing !== null && slot.length <= SHORT_MAX) this.#share(slot, count, found);
        }
      }
      if (2 * gone > pieces.length) this.#sweep(posting);
    }
    return found;
  }

  #put(piece: number, count: number, found: number[]): void {
    if (count === 0) return;
    const sum = this.#sums[piece] ?? 0;
    if (sum === 0) found.push(piece);
    this.#sums[piece] = sum + count;
  }

  /** What a short turn says counts a little for its short neighbours. */
  #share(slot: Slot, count: number, found: number[]): void {
    const sharing = this.#sharing as Sharing;
    const before = this.#short(slot.before);
    if (before !== null) this.#put(before.first, sharing.behind * count, found);
    const behind = this.#short(slot.behind);
    if (behind === null) return;
    this.#put(behind.first, (slot.asks ? sharing.asked : sharing.before) * count, found);
    const second = this.#short(behind.behind);
    if (second === null) return;
    this.#put(second.first, sharing.secondBefore * count, found);
    const third = this.#short(second.behind);
    if (third !== null) this.#put(third.first, sharing.thirdBefore * count, found);
  }

  /** The length of a piece with what its neighbours add. */
  #weightOf(piece: number): number {
    const known = this.#weights[piece] ?? 0;
    if (known > 0) return known;
    const slot = this.#slot(this.#slotOf[piece] ?? -1);
    const own = this.#lengthOf[piece] ?? 0;
    const sharing = this.#sharing;
    if (sharing === null || slot.length > SHORT_MAX) return own;
    const before = this.#short(slot.before);
    const second = before === null ? null : this.#short(before.before);
    const third = second === null ? null : this.#short(second.before);
    const weight =
      own +
      (before?.asks === true ? sharing.asked : sharing.before) * (before?.length ?? 0) +
      sharing.secondBefore * (second?.length ?? 0) +
      sharing.thirdBefore * (third?.length ?? 0) +
      sharing.behind * (this.#short(slot.behind)?.length ?? 0);
    this.#weights[piece] = weight;
    return weight;
  }

  /** A passage comes after this one, or went: it and the three behind it have other neighbours. */
  #forget(from: number): void {
    for (let slot = from, steps = 0; slot >= 0 && steps < 4; slot = this.#slot(slot).behind, steps++)
      this.#weights[this.#slot(slot).first] = 0;
  }

  #scoreGroups({ pieces, counts }: Posting, scores: Float64Array, fits: ((slot: number) => boolean) | undefined): void {
    if (this.#liveGroups < 2) return; // one group tells nothing apart
    const within: number[] = [];
    for (let at = 0; at < pieces.length; at++) {
      const slot = this.#slotOf[pieces[at] ?? -1] ?? -1;
      const { isGone, group } = this.#slot(slot);
      if (isGone || fits?.(slot) === false) continue;
      const held = this.#within[group] ?? 0;
      if (held === 0) within.push(group);
      this.#within[group] = held + (counts[at] ?? 0);
    }
    const weight = rarity(this.#liveGroups, within.length);
    const meanLength = this.#length / this.#liveGroups;
    for (const group of within) {
      scores[group] = (scores[group] ?? 0) + weight * saturated(this.#within[group] ?? 0, this.#group(group).length / meanLength);
      this.#within[group] = 0;
    }
  }

  #sweep(posting: Posting): void {
    const kept = posting.pieces.map((piece) => !this.#slot(this.#slotOf[piece] ?? -1).isGone);
    posting.pieces = posting.pieces.filter((_, at) => kept[at]);
    posting.counts = posting.counts.filter((_, at) => kept[at]);
  }

  #addPiece(slot: number, ids: readonly number[]): void {
    const piece = this.#slotOf.length;
    this.#slotOf.push(slot);
    this.#lengthOf.push(ids.length);
    const counts = new Map<number, number>();
    for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
    for (const [id, count] of counts) {
      const posting = this.#posting(id);
      posting.pieces.push(piece);
      posting.counts.push(count);
    }
  }

  #count(group: Group, slot: number, sign: 1 | -1): void {
    const { length } = this.#slot(slot);
    if (group.passages === (sign === 1 ? 0 : 1)) this.#liveGroups += sign;
    group.passages += sign;
    group.length += sign * length;
    this.#passages += sign;
    this.#pieces += sign * piecesOf(length);
    this.#length += sign * length;
  }

  #idOf(term: string): number {
    const known = this.#ids.get(term);
    if (known !== undefined) return known;
    const id = this.#postings.length;
    this.#ids.set(term, id);
    if (this.#sharing !== null && IS_FORM.test(term)) {
      const start = term.slice(0, ALIKE);
      const others = this.#alike.get(start);
      if (others === undefined) this.#alike.set(start, [term]);
      else others.push(term);
    }
    this.#postings.push({ pieces: [], counts: [], passages: 0 });
    return id;
  }

  #groupOf(name: string): Group {
    const known = this.#groups.get(name);
    if (known !== undefined) return known;
    const group = { id: this.#groupsById.length, length: 0, passages: 0, last: -1 };
    this.#groups.set(name, group);
    this.#groupsById.push(group);
    this.#within.push(0);
    return group;
  }

  #reserve(): void {
    for (const slot of this.#holding) this.#holds[slot] = 0;
    this.#holding = [];
    const needed = this.#slotOf.length;
    if (this.#sums.length >= needed) return;
    this.#sums = new Float64Array(2 * needed);
    this.#totals = new Float64Array(2 * needed);
    this.#holds = new Int32Array(2 * needed);
    this.#weights = new Float64Array(2 * needed);
  }

  #short(slot: number): Slot | null {
    const found = this.#slots[slot];
    return found !== undefined && found.length <= SHORT_MAX ? found : null;
  }

  // What is numbered here is there.
  #slot = (slot: number): Slot => this.#slots[slot] as Slot;
  #posting = (id: number): Posting => this.#postings[id] as Posting;
  #group = (id: number): Group => this.#groupsById[id] as Group;
}

/** The ASKED_MAX that weigh most, in their order; of equals the first. */
export function heaviest<T extends { readonly weight: number }>(asked: readonly T[]): readonly T[] {
  if (asked.length <= ASKED_MAX) return asked;
  const order = Array.from(asked.keys()).toSorted((one, other) => (asked[other]?.weight ?? 0) - (asked[one]?.weight ?? 0) || one - other);
  const kept = new Set(order.slice(0, ASKED_MAX));
  return asked.filter((_, at) => kept.has(at));
}

/** In how many pieces a passage of so many terms is cut, each of at most PIECE; an empty one is one. */
export const piecesOf = (length: number): number => (length <= SHORT_MAX ? 1 : Math.ceil(length / PIECE));

/** How much a term that stands in `some` of `all` tells (the idf of BM25, never negative). */
export const rarity = (all: number, some: number): number => Math.log(1 + (all - some + 0.5) / (some + 0.5));

/** `saturated` is less than that. */
export const SATURATED_MAX = K1 + 1;

/** A word said often tells more, less and less so, and less in what is long. `length`: as a share of the mean. */
export const saturated = (count: number, length: number): number => (count * (K1 + 1)) / (count + K1 * (1 - B + B * length));

/** What may be a form of a word: a number that begins like another is another number. */
const IS_FORM = /^\p{L}{4,}$/u;

/** Two words that begin with the same letters, for the most part: mentor and mentorship, photographer and photography. */
function isAlike(one: string, other: string): boolean {
  let same = 0;
  while (same < one.length && same < other.length && one[same] === other[same]) same++;
  const [shorter, longer] = [Math.min(one.length, other.length), Math.max(one.length, other.length)];
  return same >= ALIKE && (same >= ALIKE_PART * longer || (same === shorter && longer - shorter <= SUFFIX_MAX));
}
