import type { Holders, KeptRows } from './kept-rows.ts';
import { heaviest, piecesOf, rarity, saturated, SATURATED_MAX } from './postings.ts';

/** How long a row is stands in its key, up to this. */
export const LENGTHS = 256;
/** Places of words that are looked at for one question, the rare words' first: what a common word costs is bounded. */
export const PLACES_MAX = 8_000;
/** Where the two rarest words are in more places, so many rows that hold both are found beside what is young. */
const BOTH_MAX = 500;

/** A term of a question. */
export interface Asked {
  readonly term: string;
  /** Rows that hold it. */
  readonly held: number;
}

/** What candidates are looked for with. */
export interface Looked {
  readonly asked: readonly Asked[];
  /** Terms that all of them hold. */
  readonly within: readonly string[];
  readonly entries: number;
  /** Terms of a piece. */
  readonly meanLength: number;
}

/**
 * Rows that share words with a question, best first, as far as that can be told without reading them: of what is one piece, and as long as
 * PLACES_MAX is not reached, it is told exactly. Of equals the older one is first.
 */
export class Candidates {
  readonly #keys: Float64Array;
  readonly #scores: Float64Array;
  /** A heap of where they stand in these. */
  readonly #heap: Int32Array;
  #size = 0;
  /** More than that no row of several pieces has, nor words whose places were not all looked at. */
  #longMost = 0;
  #unseen = 0;

  constructor(rows: KeptRows, looked: Looked) {
    const lists = listsOf(rows, looked);
    for (const { weight, isWhole } of lists) if (!isWhole) this.#unseen += weight * SATURATED_MAX;
    const most = lists.reduce((sum, { keys }) => sum + keys.length, 0);
    this.#keys = new Float64Array(most);
    this.#scores = new Float64Array(most);
    this.#merge(lists, looked.meanLength);
    this.#heap = new Int32Array(this.#size);
    for (let at = 0; at < this.#size; at++) this.#heap[at] = at;
    for (let at = (this.#size >> 1) - 1; at >= 0; at--) this.#sink(at);
  }

  /** The next ones, at most so many. O(count × log of how many there are). */
  take(count: number): readonly number[] {
    const taken: number[] = [];
    while (taken.length < count && this.#size > 0) {
      taken.push(this.#keys[this.#heap[0] ?? 0] ?? 0);
      this.#size--;
      this.#heap[0] = this.#heap[this.#size] ?? 0;
      this.#sink(0);
    }
    return taken;
  }

  /** More than that the words of none of those have that were not taken; 0: there are none. */
  get most(): number {
    return this.#size === 0 ? 0 : Math.max(this.#scores[this.#heap[0] ?? 0] ?? 0, this.#longMost) + this.#unseen;
  }

  /** Goes through all lists at once, from the youngest key on: what a row has is added up in the order of the question, as the ranker does. */
  #merge(lists: readonly List[], meanLength: number): void {
    const ats = lists.map(() => 0);
    const heads = lists.map(({ keys }) => keys[0] ?? -1);
    for (;;) {
      let key = -1;
      for (const head of heads) if (head > key) key = head;
      if (key < 0) return;
      const length = key % LENGTHS;
      const pieces = piecesOf(length);
      const share = length / pieces / meanLength;
      let [score, most] = [0, 0];
      for (let list = 0; list < heads.length; list++) {
        if (heads[list] !== key) continue;
        const { keys, counts, weight } = lists[list] as List;
        const at = ats[list] ?? 0;
        score += weight * saturated(Math.ceil((counts[at] ?? 1) / pieces), share);
        most += weight * SATURATED_MAX;
        ats[list] = at + 1;
        heads[list] = at + 1 < keys.length ? (keys[at + 1] ?? -1) : -1;
      }
      if (pieces > 1) this.#longMost = Math.max(this.#longMost, most);
      this.#keys[this.#size] = key;
      this.#scores[this.#size++] = score;
    }
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const moved = heap[from] ?? 0;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && this.#isBefore(heap[child + 1] ?? 0, heap[child] ?? 0)) child++;
      const best = heap[child] ?? 0;
      if (!this.#isBefore(best, moved)) break;
      heap[at] = best;
      at = child;
    }
    heap[at] = moved;
  }

  /** Keys were come to from the youngest on. */
  #isBefore(one: number, other: number): boolean {
    const score = this.#scores[one] ?? 0;
    const than = this.#scores[other] ?? 0;
    return score > than || (score === than && one > other);
  }
}

/** The rows of one term, youngest first. */
interface List {
  readonly keys: readonly number[];
  readonly counts: readonly number[];
  readonly weight: number;
  /** They are all. */
  readonly isWhole: boolean;
}

/** Of the terms that are looked for, in their order. */
function listsOf(rows: KeptRows, { asked: all, within, entries }: Looked): readonly List[] {
  const asked = heaviest(all.map((one) => ({ ...one, weight: one.held === 0 ? 0 : rarity(entries, one.held) })));
  const rareFirst = asked.filter(({ held }) => held > 0).toSorted((one, other) => one.held - other.held);
  const [rarest, second] = rareFirst;
  let both: Holders = { keys: [], counts: [] };
  if (rarest !== undefined && second !== undefined && rarest.held + second.held > PLACES_MAX)
    both = rows.holders([rarest.term, second.term, ...within], BOTH_MAX);
  const lists = new Map<string, List>();
  let left = PLACES_MAX;
  for (const { term, weight } of rareFirst) {
    const {
      keys,
      counts: [counts = []],
    } = left === 0 ? { keys: [], counts: [] } : rows.holders([term, ...within], left);
    const isWhole = keys.length < left;
    left -= keys.length;
    // What was looked at is the youngest, without a gap: of those that hold both, the ones before it are added.
    const oldest = keys.at(-1) ?? Infinity;
    const which = term === rarest?.term ? 0 : term === second?.term ? 1 : -1;
    const more = isWhole || which < 0 ? [] : Array.from(both.keys.keys()).filter((at) => (both.keys[at] ?? 0) < oldest);
    lists.set(term, {
      keys: more.length === 0 ? keys : [...keys, ...more.map((at) => both.keys[at] ?? 0)],
      counts: more.length === 0 ? counts : [...counts, ...more.map((at) => both.counts[which]?.[at] ?? 1)],
      weight,
      isWhole,
    });
  }
  return asked.flatMap(({ term }) => lists.get(term) ?? []);
}
