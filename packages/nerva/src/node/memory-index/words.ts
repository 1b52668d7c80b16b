import type { StatementSync } from 'node:sqlite';
import { assert } from '../../core/index.ts';
import type { Holders } from '../../memory/index.ts';
import { pack, unpack, type Places } from './places.ts';

/** The youngest places of a term stand with how many it has; those before them in blocks of their own. */
export const WORDS_SCHEMA = `
create table term(term text primary key, entries integer not null, youngest blob not null) without rowid;
create table older(term text not null, since integer not null, places blob not null, primary key (term, since)) without rowid;
`;

/** Of a block that is full: some 800 bytes, which with their term fit into a cell of the tree (a quarter of a page). */
const BLOCK_PLACES = 256;
/** Blocks that are read at once, where one after the other is wanted. */
const READ_MAX = 16;
/** Places that are not written yet: more are written within the transaction, so that what it takes is bounded. */
const PENDING_MAX = 200_000;

/** Runs `work` with the statement of a text. */
export type Run = <T>(sql: string, work: (statement: StatementSync) => T) => T;

/** What a transaction changes of a term. */
interface Change {
  readonly added: Places;
  removed: Set<number> | null;
}

/**
 * In which rows terms stand, and how often. Each term has blocks of packed places, the youngest block apart, where new ones come.
 * Invariants: W1 blocks of a term follow each other: what stands in one is younger than all before it · W2 what comes is younger than what is
 * there · W3 `entries` is how many places a term has; one without any is not there.
 */
export class Words {
  readonly #run: Run;
  readonly #changes = new Map<string, Change>();
  #pending = 0;

  constructor(run: Run) {
    this.#run = run;
  }

  /** Notes the terms of a row that comes or goes; it is written by `flush`. */
  note(key: number, terms: string, isThere: boolean): void {
    for (const [term, count] of countsOf(terms)) {
      let change = this.#changes.get(term);
      if (change === undefined) this.#changes.set(term, (change = { added: { keys: [], counts: [] }, removed: null }));
      if (isThere) {
        change.added.keys.push(key);
        change.added.counts.push(count);
      } else change.removed = (change.removed ?? new Set()).add(key);
      this.#pending++;
    }
    if (this.#pending >= PENDING_MAX) this.flush();
  }

  flush(): void {
    // In the order of the tree: each of its pages is come to once.
    for (const term of Array.from(this.#changes.keys()).sort()) this.#write(term, this.#changes.get(term) as Change);
    this.forget();
  }

  /** What was noted since the last `flush` did not happen. */
  forget(): void {
    this.#changes.clear();
    this.#pending = 0;
  }

  clear(): void {
    this.forget();
    for (const table of ['term', 'older']) this.#run(`delete from ${table}`, (statement) => statement.run());
  }

  held(term: string): number {
    return Number(this.#term(term)?.['entries'] ?? 0);
  }

  holders(terms: readonly string[], limit: number): Holders {
    if (terms.length === 1) return this.#holdersOf(terms[0] ?? '', limit);
    const readers = terms.map((term) => new Reader(this.#run, term, this.#term(term)?.['youngest']));
    const [first, ...others] = readers;
    const keys: number[] = [];
    const counts = terms.map((): number[] => []);
    for (let key = first?.at(Number.MAX_SAFE_INTEGER); key !== undefined && keys.length < limit;) {
      // Each goes to where the one before it is; whoever has passed it sends all of them there.
      const other = others.find((reader) => reader.at(key as number) !== key);
      if (other === undefined) {
        keys.push(key);
        for (const [at, reader] of readers.entries()) counts[at]?.push(reader.count);
        key = first?.at(key - 1);
      } else {
        const next = other.at(key);
        key = next === undefined ? undefined : first?.at(next);
      }
    }
    return { keys, counts };
  }

  /** Block by block. */
  #holdersOf(term: string, limit: number): Holders {
    const reader = new Reader(this.#run, term, this.#term(term)?.['youngest']);
    const [keys, counts]: [number[], number[]] = [[], []];
    for (let block: Places | undefined = reader.block; block !== undefined && keys.length < limit; block = reader.next()) {
      const least = Math.max(0, block.keys.length - (limit - keys.length));
      for (let at = block.keys.length - 1; at >= least; at--) {
        keys.push(block.keys[at] ?? 0);
        counts.push(block.counts[at] ?? 0);
      }
    }
    return { keys, counts: [counts] };
  }

  #term(term: string): Columns | undefined {
    return this.#run('select entries, youngest from term where term = ?', (statement) => statement.get(term));
  }

  #write(term: string, { added, removed }: Change): void {
    const row = this.#term(term);
    let youngest = placesOf(row?.['youngest']);
    let entries = Number(row?.['entries'] ?? 0);
    if (removed !== null) {
      const left = without(youngest, removed);
      entries -= youngest.keys.length - left.keys.length + this.#removeOlder(term, removed);
      youngest = left;
    }
    assert(added.keys.length === 0 || (youngest.keys.at(-1) ?? -1) < (added.keys[0] ?? 0), 'W2 what comes is younger');
    const { keys, counts } = youngest;
    for (const key of added.keys) keys.push(key);
    for (const count of added.counts) counts.push(count);
    entries += added.keys.length;
    let from = 0;
    for (; keys.length - from > BLOCK_PLACES; from += BLOCK_PLACES) {
      const block = pack({ keys, counts }, from, from + BLOCK_PLACES);
      this.#run('insert into older values (?, ?, ?)', (statement) => statement.run(term, keys[from] ?? 0, block));
    }
    if (entries === 0) this.#run('delete from term where term = ?', (statement) => statement.run(term));
    else {
      const block = pack({ keys, counts }, from);
      this.#run('insert or replace into term values (?, ?, ?)', (statement) => statement.run(term, entries, block));
    }
  }

  /** @returns how many places went. */
  #removeOlder(term: string, removed: ReadonlySet<number>): number {
    let gone = 0;
    let left = Array.from(removed).toSorted((one, other) => other - one);
    while (left.length > 0) {
      const block = this.#run('select since, places from older where term = ? and since <= ? order by since desc limit 1', (statement) =>
        statement.get(term, left[0] ?? 0),
      );
      if (block === undefined) break;
      const since = Number(block['since']);
      const before = placesOf(block['places']);
      const after = without(before, removed);
      gone += before.keys.length - after.keys.length;
      if (after.keys.length === 0) this.#run('delete from older where term = ? and since = ?', (statement) => statement.run(term, since));
      else if (after.keys.length < before.keys.length)
        this.#run('update older set places = ? where term = ? and since = ?', (statement) => statement.run(pack(after), term, since));
      left = left.filter((key) => key < since);
    }
    return gone;
  }
}

/** Goes through the places of a term, the youngest first. */
class Reader {
  readonly #run: Run;
  readonly #term: string;
  #block: Places;
  #at: number;
  /** Blocks that were read, the younger first, and where the oldest that was read begins. */
  #blocks: Columns[] = [];
  #since = Number.MAX_SAFE_INTEGER;
  #readMax = 1;

  constructor(run: Run, term: string, youngest: unknown) {
    this.#run = run;
    this.#term = term;
    this.#block = placesOf(youngest);
    this.#at = this.#block.keys.length - 1;
  }

  /** The youngest place at or before a key that is not after the one asked for last. */
  at(key: number): number | undefined {
    for (;;) {
      const { keys } = this.#block;
      while (this.#at >= 0 && (keys[this.#at] ?? 0) > key) this.#at--;
      if (this.#at >= 0) return keys[this.#at];
      if (this.next(key) === undefined) return undefined;
    }
  }

  get block(): Places {
    return this.#block;
  }

  /** The block before, or the youngest one before that with a place at or before a key. */
  next(key = Number.MAX_SAFE_INTEGER): Places | undefined {
    const row = this.#next(key);
    if (row === undefined) return undefined;
    this.#block = placesOf(row['places']);
    this.#at = this.#block.keys.length - 1;
    return this.#block;
  }

  /** How often it stands at the place that `at` gave. */
  get count(): number {
    return this.#block.counts[this.#at] ?? 0;
  }

  #next(key: number): Columns | undefined {
    for (;;) {
      for (let block = this.#blocks.shift(); block !== undefined; block = this.#blocks.shift())
        if (Number(block['since']) <= key) return block;
      const before = Math.min(this.#since - 1, key);
      this.#blocks = this.#run('select since, places from older where term = ? and since <= ? order by since desc limit ?', (statement) =>
        statement.all(this.#term, before, this.#readMax),
      );
      const oldest = this.#blocks.at(-1);
      if (oldest === undefined) return undefined;
      this.#since = Number(oldest['since']);
      this.#readMax = Math.min(READ_MAX, 2 * this.#readMax);
    }
  }
}

type Columns = Record<string, unknown>;

const placesOf = (bytes: unknown): Places => unpack(bytes instanceof Uint8Array ? bytes : new Uint8Array());

function without({ keys, counts }: Places, removed: ReadonlySet<number>): Places {
  return { keys: keys.filter((key) => !removed.has(key)), counts: counts.filter((_, at) => !removed.has(keys[at] ?? -1)) };
}

function countsOf(terms: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const term of terms.split(' ')) if (term !== '') counts.set(term, (counts.get(term) ?? 0) + 1);
  return counts;
}
