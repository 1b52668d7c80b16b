import type { EventId, Seq } from '../log/index.ts';
import { withEntries, type Archive, type ArchiveQuery, type Found } from './archive.ts';
import { Candidates, LENGTHS } from './candidates.ts';
import { datesIn, nearness, type NamedDate } from './dates.ts';
import { seqOf, type Entry } from './entries.ts';
import type { EntryRow, Kept, KeptRows, Witness } from './kept-rows.ts';
import { piecesOf, type Corpus } from './postings.ts';
import { QUESTION_MAX, rankAmong, type Stemmed } from './recall.ts';
import { terms } from './words.ts';

/** So many entries are ranked at most; which, their words tell, and the days that a question names. */
export const CANDIDATES_MAX = 200;
/** Entries of one day that are looked at. */
const OF_DAY_MAX = 2_000;
/** At most so many rows of an erased subject are taken out one by one; where there are more, reading the log anew is not slower. */
const REMOVED_MAX = 20_000;
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
 * the counts of the whole, until nothing that follows can be better. Where the words of a question stand in no more than PLACES_MAX places, and
 * no more than CANDIDATES_MAX had to be ranked, the ranking is that of an index of all.
 * Invariant A1: the rows are what the log says up to `head`, and nothing else.
 */
export class KeptArchive implements Archive {
  readonly #rows: KeptRows;
  #kept: Kept;
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
    this.#rows.write(() => {
      this.#kept = this.#rows.kept();
      const progress = work(this.#kept.head);
      if (progress === null) return;
      const { head, hash, rest } = progress;
      if (head > this.#kept.head) this.#kept = { ...this.#kept, head, hash };
      this.#rows.keep(this.#kept);
      if (rest !== undefined) this.#rows.keepRest(rest);
    });
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

  /** What is kept beside the rows goes too. Contract: `scrub` or `clear` comes next; then no byte is left. */
  erase(subject: string): boolean {
    const rows: EntryRow[] = [];
    for (const row of this.#rows.rows(subject)) if (rows.push(row) > REMOVED_MAX) return false;
    if (this.#rows.isTangled(subject)) return false;
    this.commit((head) => {
      this.#rows.dropWitness(subject);
      this.#rows.keepRest(null);
      for (const row of rows) {
        this.#rows.remove(row);
        this.#tally(row, -1);
      }
      return { head, hash: this.#kept.hash, rest: undefined };
    });
    return true;
  }

  /** Leaves no byte of what was erased. */
  scrub(): void {
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

  search({ query: whole, limit, fits, tags }: ArchiveQuery): readonly Found[] {
    const query = whole.slice(0, QUESTION_MAX);
    return this.#rows.read(() => {
      this.#kept = this.#rows.kept();
      const asked = Array.from(new Set(terms(query)), (term) => ({ term, held: this.#rows.held(term) }));
      const heldOf = new Map(asked.map(({ term, held }) => [term, held]));
      const { entries, length, pieces } = this.#kept;
      const corpus: Corpus = { ...this.#kept, passages: entries, holding: (term) => heldOf.get(term) ?? 0 };
      const found = new Map<number, Fitting>();
      const add = (keys: readonly number[], most: number): void => {
        const unread = keys.filter((key) => !found.has(key));
        for (const one of this.#fitting(unread, fits, heldOf)) if (found.size < most) found.set(one.key, one);
      };
      const ranked = () => {
        const inOrder = Array.from(found.values()).toSorted((one, other) => one.key - other.key);
        return rankAmong(
          corpus,
          inOrder.map(({ passage }) => passage),
          { query, limit },
        );
      };
      const candidates = new Candidates(this.#rows, { asked, within: tags.map(tagTerm), entries, meanLength: length / pieces });
      // As many as are wanted are often enough: what follows has less.
      let count = limit;
      let best;
      do {
        add(candidates.take(count), CANDIDATES_MAX);
        best = ranked();
        count = Math.min(4 * count, CANDIDATES_MAX);
      } while (candidates.most > 0 && found.size < CANDIDATES_MAX && best.admits(candidates.most));
      const exact = datesIn(query).filter(({ month }) => month !== null);
      if (exact.length > 0) {
        const most = found.size + CANDIDATES_MAX;
        for (const page of pagesOf(this.#near(exact), CANDIDATES_MAX)) {
          add(page, most);
          if (found.size === most) break;
        }
        best = ranked();
      }
      const entryOfId = new Map(Array.from(found.values(), ({ entry }) => [entry.id, entry]));
      return withEntries(best.hits, (id) => entryOfId.get(id));
    });
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
    for (const { day } of near) yield* this.#rows.ofDay(day, OF_DAY_MAX);
  }

  /** Entries that fit, in the order of their keys, with the terms that were asked for; of the others only counts. */
  #fitting(keys: readonly number[], fits: ArchiveQuery['fits'], asked: ReadonlyMap<string, number>): readonly Fitting[] {
    const rows = new Map(this.#rows.some(keys).map((row) => [row.key, row]));
    return keys.flatMap((key) => {
      const row = rows.get(key);
      const entry = row === undefined ? undefined : entryOf(row);
      if (row === undefined || entry === undefined || !fits(entry)) return [];
      return [{ key, entry, passage: { id: entry.id, text: entry.text, atMs: entry.validMs, stems: askedIn(row, asked) } }];
    });
  }

  #tally(row: EntryRow, sign: 1 | -1): void {
    const { length } = stemsOf(row);
    this.#kept = {
      ...this.#kept,
      entries: this.#kept.entries + sign,
      pieces: this.#kept.pieces + sign * piecesOf(length),
      length: this.#kept.length + sign * length,
    };
  }
}

/** An entry that was read and fits. */
interface Fitting {
  readonly key: number;
  readonly entry: Entry;
  readonly passage: Stemmed;
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

function* pagesOf(keys: Iterable<number>, length: number): Iterable<readonly number[]> {
  let page: number[] = [];
  for (const key of keys) {
    if (page.push(key) < length) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}

/** No word has this sign, and a tag is one term whatever is in it. */
const TAG = '·';
const tagTerm = (tag: string): string => TAG + Array.from(tag, (character) => (character.codePointAt(0) ?? 0).toString(36)).join(TAG);
function stemsOf({ terms: all }: Pick<EntryRow, 'terms'>): readonly string[] {
  const tags = all.indexOf(TAG);
  const stems = tags < 0 ? all : all.slice(0, tags).trimEnd();
  return stems === '' ? [] : stems.split(' ');
}
const entryOf = ({ text, more }: Pick<EntryRow, 'text' | 'more'>): Entry =>
  Object.assign(JSON.parse(more) as Omit<Entry, 'text'>, { text });
