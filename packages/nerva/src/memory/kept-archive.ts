import type { EventId, Seq } from '../log/index.ts';
import type { Archive, ArchiveQuery } from './archive.ts';
import { datesIn, nearness, type NamedDate } from './dates.ts';
import { seqOf, type Entry } from './entries.ts';
import type { EntryRow, Kept, KeptRows, Witness } from './kept-rows.ts';
import { piecesOf, rarity, saturated, type Corpus } from './postings.ts';
import { QUESTION_MAX, rankAmong, type Hit, type Stemmed } from './recall.ts';
import { terms } from './words.ts';

/** So many entries are ranked; which, their words tell, and the days that a question names. */
export const CANDIDATES_MAX = 200;
/** Places of words that are looked at for them, the rare words' first: what a common word costs is bounded. */
export const PLACES_MAX = 2_000;
/** At most so many rows of an erased subject are taken out one by one; where there are more, reading the log anew is not slower. */
const REMOVED_MAX = 20_000;
const LENGTHS = 256;
const DAY_MS = 86_400_000;
const NOTHING: Kept = { head: 0, hash: '', entries: 0, pieces: 0, length: 0 };

/** What was read and is written together. */
export interface Progress {
  readonly head: Seq;
  readonly hash: string;
  /** Undefined: it stays. */
  readonly rest: string | undefined;
}

/**
 * The entries of a memory in rows that outlive the process. What is asked is found in the rows; then it is ranked as `recallIndex` does, with
 * the counts of the whole. Where no more than CANDIDATES_MAX share a word with the question, and their words stand in no more than PLACES_MAX
 * places, the ranking is that of an index of all.
 * Invariant A1: the rows are what the log says up to `head`, and nothing else.
 */
export class KeptArchive implements Archive {
  readonly #rows: KeptRows;
  #kept: Kept;
  /** What a transaction changes about how many rows hold a term. */
  readonly #counts = new Map<string, number>();
  /** Of the rows as they were at `#daysHead`. */
  #days = new Set<number>();
  #daysHead: Seq = 0;

  constructor(rows: KeptRows) {
    this.#rows = rows;
    this.#kept = rows.kept();
  }

  get head(): Seq {
    return this.#kept.head;
  }

  get hash(): string {
    return this.#kept.hash;
  }

  /** What is kept beside the rows. */
  get rest(): string | null {
    return this.#rows.rest();
  }

  /** First events of subjects. */
  witnesses(): ReadonlyMap<string, Witness> {
    return this.#rows.witnesses();
  }

  /** Contract: within `commit`. */
  witness(subject: string, witness: Witness): void {
    this.#rows.witness(subject, witness);
  }

  get size(): number {
    this.#kept = this.#rows.kept();
    return this.#kept.entries;
  }

  /** Runs `work`, told how many events the rows hold; what it puts and how far it came is written together. Null: nothing is to be written. */
  commit(work: (head: Seq) => Progress | null): void {
    try {
      this.#rows.write(() => {
        this.#kept = this.#rows.kept();
        const progress = work(this.#kept.head);
        if (progress === null) return;
        this.#flush();
        const { head, hash, rest } = progress;
        if (head > this.#kept.head) this.#kept = { ...this.#kept, head, hash };
        this.#rows.keep(this.#kept);
        if (rest !== undefined) this.#rows.keepRest(rest);
      });
    } finally {
      this.#counts.clear();
    }
  }

  get(id: EventId): Entry | undefined {
    const seq = typeof id === 'string' ? Number(id.slice(id.lastIndexOf(':') + 1)) : NaN;
    const row = Number.isSafeInteger(seq) && seq >= 0 ? this.#rows.row(seq) : undefined;
    const entry = row === undefined ? undefined : entryOf(row);
    return entry?.id === id ? entry : undefined;
  }

  *values(after: Seq = -1): Iterable<Entry> {
    for (const row of this.#rows.rows(undefined, (after + 1) * LENGTHS - 1)) yield entryOf(row);
  }

  /** Contract: within `commit`. */
  put(entry: Entry, subject: string | undefined): void {
    const seq = seqOf(entry.id);
    const { text, ...more } = entry;
    const before = this.#rows.row(seq);
    if (before !== undefined) {
      this.#rows.update(before.key, JSON.stringify(more));
      if (before.subject === (subject ?? null)) return;
      for (const one of [before.subject, subject]) if (typeof one === 'string') this.#rows.tangle(one);
      return;
    }
    const stems = terms(text);
    const row: EntryRow = {
      key: seq * LENGTHS + Math.min(stems.length, LENGTHS - 1),
      text,
      more: JSON.stringify(more),
      terms: [...stems, ...entry.tags.map(tagTerm)].join(' '),
      day: Math.floor(entry.validMs / DAY_MS),
      subject: subject ?? null,
    };
    this.#rows.insert(row);
    this.#days.add(row.day);
    this.#tally(row, 1);
  }

  erase(subject: string): boolean {
    const rows: EntryRow[] = [];
    for (const row of this.#rows.rows(subject)) if (rows.push(row) > REMOVED_MAX) return false;
    if (this.#rows.isTangled(subject)) return false;
    this.commit((head) => {
      this.#rows.dropWitness(subject);
      for (const row of rows) {
        this.#rows.remove(row);
        this.#tally(row, -1);
      }
      return { head, hash: this.#kept.hash, rest: undefined };
    });
    this.#rows.scrub();
    return true;
  }

  /** Drops what is kept beside the rows, and leaves no byte of it. */
  dropRest(): void {
    this.#rows.write(() => this.#rows.keepRest(null));
    this.#rows.scrub();
  }

  /** Begins anew, and leaves no byte of what was. */
  clear(): void {
    this.#rows.write(() => {
      this.#rows.clear();
      this.#rows.keepRest(null);
      this.#rows.keep(NOTHING);
    });
    this.#kept = NOTHING;
    this.#days = new Set();
    this.#rows.scrub();
  }

  search({ query: whole, limit, fits, tags }: ArchiveQuery): readonly Hit[] {
    const query = whole.slice(0, QUESTION_MAX);
    return this.#rows.read(() => {
      this.#kept = this.#rows.kept();
      const asked = Array.from(new Set(terms(query)), (term) => ({ term, held: this.#rows.held(term) }));
      const corpus: Corpus = { ...this.#kept, passages: this.#kept.entries, holding: (term) => heldOf.get(term) ?? 0 };
      const heldOf = new Map(asked.map(({ term, held }) => [term, held]));
      const found = new Map<number, Stemmed>();
      const add = (keys: Iterable<number>, most: number): void => {
        for (const page of pagesOf(keys, CANDIDATES_MAX)) {
          for (const [key, passage] of this.#passages(
            page.filter((key) => !found.has(key)),
            fits,
            heldOf,
          ))
            if (found.size < most) found.set(key, passage);
          if (found.size === most) return;
        }
      };
      add(this.#byWords(asked, tags), CANDIDATES_MAX);
      const exact = datesIn(query).filter(({ month }) => month !== null);
      if (exact.length > 0) add(this.#near(exact), found.size + CANDIDATES_MAX);
      const inOrder = Array.from(found)
        .toSorted(([one], [other]) => one - other)
        .map(([, passage]) => passage);
      return rankAmong(corpus, inOrder, { query, limit });
    });
  }

  /** Keys of what shares words with a question, best first, as far as that can be told from which words and how long. */
  #byWords(asked: readonly Asked[], tags: readonly string[]): Iterable<number> {
    const rareFirst = asked.filter(({ held }) => held > 0).toSorted((one, other) => one.held - other.held);
    const within = tags.map(tagTerm);
    const meanLength = this.#kept.length / this.#kept.pieces;
    const scores = new Map<number, number>();
    const score = (key: number, { held }: Asked): void => {
      const length = key % LENGTHS;
      const share = saturated(1, length / piecesOf(length) / meanLength);
      scores.set(key, (scores.get(key) ?? 0) + rarity(this.#kept.entries, held) * share);
    };
    const [rarest, second] = rareFirst;
    const both = new Set<number>();
    // Where even the rarest is common, what holds the two rarest goes before what is young.
    if (rarest !== undefined && second !== undefined && rarest.held > PLACES_MAX)
      for (const key of this.#rows.holders([rarest.term, second.term, ...within], PLACES_MAX / 4)) {
        both.add(key);
        score(key, rarest);
        score(key, second);
      }
    let left = PLACES_MAX;
    for (const one of rareFirst) {
      if (left <= 0) break;
      const keys = this.#rows.holders([one.term, ...within], left);
      left -= keys.length;
      const isCounted = one === rarest || one === second;
      for (const key of keys) if (!isCounted || !both.has(key)) score(key, one);
    }
    return bestFirst(scores);
  }

  /** Keys of what lies on or shortly after named days, nearest first. */
  *#near(dates: readonly NamedDate[]): Iterable<number> {
    if (this.#daysHead !== this.#kept.head) {
      this.#days = new Set(this.#rows.days());
      this.#daysHead = this.#kept.head;
    }
    const near = Array.from(this.#days, (day) => ({ day, share: Math.max(...dates.map((date) => nearness(date, day))) }))
      .filter(({ share }) => share > 0)
      .toSorted((one, other) => other.share - one.share || one.day - other.day);
    for (const { day } of near) yield* this.#rows.ofDay(day, PLACES_MAX);
  }

  /** Entries that fit, in the order of their keys, with the terms that were asked for; of the others only counts. */
  #passages(
    keys: readonly number[],
    fits: ArchiveQuery['fits'],
    asked: ReadonlyMap<string, number>,
  ): readonly (readonly [number, Stemmed])[] {
    const rows = new Map(this.#rows.some(keys).map((row) => [row.key, row]));
    return keys.flatMap((key) => {
      const row = rows.get(key);
      const entry = row === undefined ? undefined : entryOf(row);
      if (row === undefined || entry === undefined || !fits(entry)) return [];
      return [[key, { id: entry.id, text: entry.text, atMs: entry.validMs, stems: askedIn(row, asked) }] as const];
    });
  }

  #tally(row: EntryRow, sign: 1 | -1): void {
    for (const term of new Set(row.terms.split(' '))) if (term !== '') this.#counts.set(term, (this.#counts.get(term) ?? 0) + sign);
    const { length } = stemsOf(row);
    this.#kept = {
      ...this.#kept,
      entries: this.#kept.entries + sign,
      pieces: this.#kept.pieces + sign * piecesOf(length),
      length: this.#kept.length + sign * length,
    };
  }

  #flush(): void {
    for (const [term, by] of this.#counts) if (by !== 0) this.#rows.count(term, by);
    this.#counts.clear();
  }
}

/** The terms of a row, with nothing in place of those that were not asked for; of a short one in any order, for its order tells nothing. */
function askedIn(row: Pick<EntryRow, 'key' | 'terms'>, asked: ReadonlyMap<string, number>): readonly string[] {
  const length = row.key % LENGTHS;
  if (piecesOf(length) > 1) return stemsOf(row).map((stem) => (asked.has(stem) ? stem : ''));
  const stems: string[] = [];
  const all = ` ${row.terms} `;
  for (const term of asked.keys())
    for (let at = all.indexOf(` ${term} `); at >= 0; at = all.indexOf(` ${term} `, at + term.length + 1)) stems.push(term);
  while (stems.length < length) stems.push('');
  return stems;
}

/** Keys by their scores, of equals the younger first. The first CANDIDATES_MAX are mostly all that is wanted: the rest is sorted when it is. */
function* bestFirst(scores: ReadonlyMap<number, number>): Iterable<number> {
  const byScore = ([one, ofOne]: readonly [number, number], [other, ofOther]: readonly [number, number]): number =>
    ofOther - ofOne || other - one;
  const least = scores.size <= CANDIDATES_MAX ? -Infinity : (Float64Array.from(scores.values()).sort().at(-CANDIDATES_MAX) ?? 0);
  const [best, rest]: [[number, number][], [number, number][]] = [[], []];
  for (const scored of scores) (scored[1] >= least ? best : rest).push(scored);
  for (const [key] of best.toSorted(byScore)) yield key;
  for (const [key] of rest.toSorted(byScore)) yield key;
}

function* pagesOf(keys: Iterable<number>, length: number): Iterable<readonly number[]> {
  let page: number[] = [];
  for (const key of keys) {
    if (page.push(key) < length) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}

interface Asked {
  readonly term: string;
  readonly held: number;
}

/** No word has this sign, and a tag is one term whatever is in it. */
const TAG = '·';
const tagTerm = (tag: string): string => TAG + Array.from(tag, (character) => (character.codePointAt(0) ?? 0).toString(36)).join(TAG);
function stemsOf({ terms: all }: Pick<EntryRow, 'terms'>): readonly string[] {
  const tags = all.indexOf(TAG);
  const stems = tags < 0 ? all : all.slice(0, tags).trimEnd();
  return stems === '' ? [] : stems.split(' ');
}
const entryOf = ({ text, more }: Pick<EntryRow, 'text' | 'more'>): Entry => ({ ...(JSON.parse(more) as Omit<Entry, 'text'>), text });
