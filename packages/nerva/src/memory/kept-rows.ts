import type { Seq } from '../log/index.ts';

/** An entry as an index keeps it. */
export interface EntryRow {
  /** Its place in the log and, below, how long it is: `256 × seq + min(terms, 255)`. Rows of a higher key are younger. */
  readonly key: number;
  readonly text: string;
  /** All else of the entry, as JSON. */
  readonly more: string;
  /** What it is found by, a space between each. */
  readonly terms: string;
  /** Since which day it holds, from 1970-01-01. */
  readonly day: number;
  readonly subject: string | null;
}

/** Rows that hold some terms, youngest first. */
export interface Holders {
  readonly keys: readonly number[];
  /** Of each term, how often it stands in each of the rows. */
  readonly counts: readonly (readonly number[])[];
}

/** The first event of a subject that was read. */
export interface Witness {
  readonly seq: Seq;
  /** It could be read: what it said is kept. */
  readonly isRead: boolean;
}

/** How far an index is, written together with its rows. */
export interface Kept {
  /** Events of the log that are in it. */
  readonly head: Seq;
  /** Hash of the frame with the last of them. */
  readonly hash: string;
  /** Entries, pieces that they are cut in, and terms. */
  readonly entries: number;
  readonly pieces: number;
  readonly length: number;
}

/**
 * The rows that an index keeps of one log: what an adapter of a database gives. All of it is synchronous, and throws NervaError `STORE_*` when
 * the disk fails; what was not committed has then not been written.
 * What is inserted and removed is seen by `held` and `holders` once its transaction is over.
 * Invariants: N1 a transaction is there as a whole or not at all, after a kill too · N2 of a row that was removed no byte is left in any file
 * after `scrub`.
 */
export interface KeptRows {
  /** Runs `work`; what it wrote is committed when it returns and taken back when it throws. Nobody else writes meanwhile. */
  write<T>(work: () => T): T;
  /** Runs `work`, whose reads are all of one moment. */
  read<T>(work: () => T): T;
  kept(): Kept;
  keep(kept: Kept): void;
  /** What else a memory keeps of its log, up to a place at or before the head; null: nothing. */
  rest(): string | null;
  keepRest(rest: string | null): void;
  /** The row of a place in the log. */
  row(seq: Seq): EntryRow | undefined;
  /** The rows of these keys that are there, in any order. */
  some(keys: readonly number[]): readonly Pick<EntryRow, 'key' | 'text' | 'more' | 'terms'>[];
  /** All, or those of a subject, or of a higher key, by key. */
  rows(subject?: string, after?: number): Iterable<EntryRow>;
  /** Contract: its key is higher than that of any row. */
  insert(row: EntryRow): void;
  /** Sets what is said beside the text of a row that is there. */
  update(key: number, more: string): void;
  remove(row: EntryRow): void;
  /** The youngest rows that hold all of these terms. */
  holders(terms: readonly string[], limit: number): Holders;
  /** Keys of the oldest rows of a day. */
  ofDay(day: number, limit: number): readonly number[];
  /** Days that rows have, perhaps also some that none has any more. */
  days(): Iterable<number>;
  /** How many rows hold a term. */
  held(term: string): number;
  /** Notes that a subject has to do with rows of others. */
  tangle(subject: string): void;
  isTangled(subject: string): boolean;
  /** Notes the first event of a subject, where none is noted. */
  witness(subject: string, witness: Witness): void;
  witnesses(): ReadonlyMap<string, Witness>;
  dropWitness(subject: string): void;
  /** Removes all. */
  clear(): void;
  /** Leaves nothing of what was removed in the files. */
  scrub(): void;
}

/** What an index tells of itself. */
export type IndexTold =
  | {
      /** It is made anew from the log: another release wrote it, it is damaged, its log is another, or what was erased cannot be taken out alone. */
      readonly type: 'rebuilt';
      readonly name: string;
      readonly why: 'version' | 'damaged' | 'stale' | 'erased';
    }
  | {
      /** It cannot be read or written: the memory goes on from the log, in this process's memory, until it is opened again. */
      readonly type: 'failed';
      readonly name: string;
      readonly error: Error;
    };

/** Where memories keep what they have read of their logs, so that whoever opens one next need not read it all. Losing it loses nothing. */
export interface MemoryIndex {
  /** The rows of a log. `name`: 32 hex digits. @throws STORE_* */
  open(name: string): KeptRows;
  tell(told: IndexTold): void;
}
