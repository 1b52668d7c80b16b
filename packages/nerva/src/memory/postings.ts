/** BM25's usual constants. */
const K1 = 1.2;
const B = 0.75;
/** A passage of at most so many terms is short; a longer one stands for itself, in pieces, and its best piece counts. */
const SHORT_MAX = 60;
const PIECE = 80;
/** How much a short turn of a conversation is found by its neighbours' words: an answer does not say again what was asked. */
export interface Sharing {
  /** The turn before it, when that asks something, and when not. */
  readonly asked: number;
  readonly before: number;
  readonly secondBefore: number;
  readonly behind: number;
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
  /** Of the groups, by number. */
  readonly groups: ReadonlyMap<number, number>;
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

  /** `sharing`: null where neighbours have nothing to do with each other. `corpus`: null when this is all there is. */
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
    gone.terms = [];
    gone.isGone = true;
  }

  /** The number of the group of a passage. */
  groupOf(slot: number): number {
    return this.#slot(slot).group;
  }

  /** Scores of what shares a term with these, and that `fits`. O(places of the terms). */
  score(terms: readonly string[], fits?: (slot: number) => boolean): Scores {
    this.#reserve();
    const groups = new Map<number, number>();
    const touched: number[] = [];
    const { asked = 0, before = 0, secondBefore = 0, behind = 0 } = this.#sharing ?? {};
    const whole = this.#corpus ?? { passages: this.#passages, pieces: this.#pieces, length: this.#length };
    const meanLength = ((1 + (asked + before) / 2 + secondBefore + behind) * whole.length) / whole.pieces;
    for (const term of terms) {
      const posting = this.#postings[this.#ids.get(term) ?? -1];
      if (posting === undefined || posting.passages === 0) continue;
      const weight = rarity(whole.passages, this.#corpus?.holding(term) ?? posting.passages);
      for (const piece of this.#gather(posting)) {
        const share = saturated(this.#sums[piece] ?? 0, this.#weightOf(piece) / meanLength);
        this.#sums[piece] = 0;
        if (this.#totals[piece] === 0) touched.push(piece);
        this.#totals[piece] = (this.#totals[piece] ?? 0) + weight * share;
      }
      this.#scoreGroups(posting, groups, fits);
    }
    return { ...this.#best(touched, fits), groups };
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

  /** Adds up how often a term stands in each piece, neighbours included. @returns the pieces. */
  #gather(posting: Posting): readonly number[] {
    const found: number[] = [];
    const put = (piece: number, count: number): void => {
      if (count === 0) return;
      const sum = this.#sums[piece] ?? 0;
      if (sum === 0) found.push(piece);
      this.#sums[piece] = sum + count;
    };
    let gone = 0;
    for (const [at, piece] of posting.pieces.entries()) {
      const slot = this.#slot(this.#slotOf[piece] ?? -1);
      const count = posting.counts[at] ?? 0;
      if (slot.isGone) gone++;
      else {
        put(piece, count);
        if (this.#sharing !== null && slot.length <= SHORT_MAX) this.#share(slot, count, put, this.#sharing);
      }
    }
    if (2 * gone > posting.pieces.length) this.#sweep(posting);
    return found;
  }

  /** What a short turn says counts a little for its short neighbours. */
  // oxlint-disable-next-line max-params -- called for each place
  #share(slot: Slot, count: number, put: (piece: number, count: number) => void, sharing: Sharing): void {
    const before = this.#short(slot.before);
    if (before !== null) put(before.first, sharing.behind * count);
    const behind = this.#short(slot.behind);
    if (behind !== null) put(behind.first, (slot.asks ? sharing.asked : sharing.before) * count);
    const second = behind === null ? null : this.#short(behind.behind);
    if (second !== null) put(second.first, sharing.secondBefore * count);
  }

  /** The length of a piece with what its neighbours add. */
  #weightOf(piece: number): number {
    const slot = this.#slot(this.#slotOf[piece] ?? -1);
    const own = this.#lengthOf[piece] ?? 0;
    const sharing = this.#sharing;
    if (sharing === null || slot.length > SHORT_MAX) return own;
    const before = this.#short(slot.before);
    const second = before === null ? null : this.#short(before.before);
    return (
      own +
      (before?.asks === true ? sharing.asked : sharing.before) * (before?.length ?? 0) +
      sharing.secondBefore * (second?.length ?? 0) +
      sharing.behind * (this.#short(slot.behind)?.length ?? 0)
    );
  }

  #scoreGroups({ pieces, counts }: Posting, scores: Map<number, number>, fits: ((slot: number) => boolean) | undefined): void {
    if (this.#liveGroups < 2) return; // one group tells nothing apart
    const within = new Map<number, number>();
    for (const [at, piece] of pieces.entries()) {
      const slot = this.#slotOf[piece] ?? -1;
      const { isGone, group } = this.#slot(slot);
      if (!isGone && fits?.(slot) !== false) within.set(group, (within.get(group) ?? 0) + (counts[at] ?? 0));
    }
    const weight = rarity(this.#liveGroups, within.size);
    const meanLength = this.#length / this.#liveGroups;
    for (const [group, count] of within)
      scores.set(group, (scores.get(group) ?? 0) + weight * saturated(count, this.#group(group).length / meanLength));
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
    this.#postings.push({ pieces: [], counts: [], passages: 0 });
    return id;
  }

  #groupOf(name: string): Group {
    const known = this.#groups.get(name);
    if (known !== undefined) return known;
    const group = { id: this.#groupsById.length, length: 0, passages: 0, last: -1 };
    this.#groups.set(name, group);
    this.#groupsById.push(group);
    return group;
  }

  #reserve(): void {
    const needed = this.#slotOf.length;
    if (this.#sums.length >= needed) return;
    this.#sums = new Float64Array(2 * needed);
    this.#totals = new Float64Array(2 * needed);
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

/** In how many pieces a passage of so many terms is cut, each of at most PIECE; an empty one is one. */
export const piecesOf = (length: number): number => (length <= SHORT_MAX ? 1 : Math.ceil(length / PIECE));

/** How much a term that stands in `some` of `all` tells (the idf of BM25, never negative). */
export const rarity = (all: number, some: number): number => Math.log(1 + (all - some + 0.5) / (some + 0.5));

/** A word said often tells more, less and less so, and less in what is long. `length`: as a share of the mean. */
export const saturated = (count: number, length: number): number => (count * (K1 + 1)) / (count + K1 * (1 - B + B * length));
