import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { EntryRow, Holders, Kept, KeptRows, Witness } from '../../memory/index.ts';
import { indexError, isDamage, openFile, owedScrub, oweScrub, removeFiles, scrub, type FileKind, type Remade, type Scrub } from './file.ts';
import { Words, WORDS_SCHEMA } from './words.ts';

const KIND: FileKind = {
  /** "NrvI". */
  applicationId: 0x4e727649,
  /** Raised too when words are cut to stems otherwise. */
  version: 4,
  schema: `
create table kept(head integer not null, hash text not null, entries integer not null, pieces integer not null, length integer not null);
insert into kept values (0, '', 0, 0, 0);
create table rest(rest text);
insert into rest values (null);
create table entry(key integer primary key, text text not null, more text not null, terms text not null, day integer not null, subject text);
create index entry_day on entry(day);
create index entry_subject on entry(subject) where subject is not null;
create table witness(subject text primary key, seq integer not null, is_read integer not null) without rowid;
create table tangled(subject text primary key) without rowid;
${WORDS_SCHEMA}`,
};

/**
 * Rows of one memory in a file of its own.
 * Invariants: F1 `Words` holds the terms of `entry` and nothing else · F2 a transaction is there as a whole or not at all · F3 what is deleted
 * is overwritten, and gone from the write-ahead log after `scrub`.
 */
export class SqliteRows implements KeptRows {
  readonly #path: string;
  readonly #tell: (why: Remade) => void;
  readonly #prepared = new Map<string, StatementSync>();
  readonly #words = new Words((sql, work) => this.#guarded(() => work(this.#sql(sql))));
  #database: DatabaseSync | null = null;
  #scrubDue: Scrub = null;

  constructor(path: string, tell: (why: Remade) => void) {
    this.#path = path;
    this.#tell = tell;
  }

  /** @throws STORE_* */
  open(): void {
    this.#guarded(() => this.#opened());
    this.#scrubRest();
  }

  close(): void {
    this.#prepared.clear();
    const database = this.#database;
    this.#database = null;
    if (database?.isOpen === true) database.close();
  }

  write<T>(work: () => T): T {
    const done = this.#transaction('begin immediate', () => {
      const done = work();
      this.#words.flush();
      return done;
    });
    this.#scrubRest();
    return done;
  }

  read<T>(work: () => T): T {
    return this.#transaction('begin', work);
  }

  kept(): Kept {
    const row = this.#get('select head, hash, entries, pieces, length from kept');
    return {
      head: Number(row?.['head']),
      hash: String(row?.['hash']),
      entries: Number(row?.['entries']),
      pieces: Number(row?.['pieces']),
      length: Number(row?.['length']),
    };
  }

  keep({ head, hash, entries, pieces, length }: Kept): void {
    this.#run('update kept set head = ?, hash = ?, entries = ?, pieces = ?, length = ?', head, hash, entries, pieces, length);
  }

  rest(): string | null {
    const text = this.#get('select rest from rest')?.['rest'];
    return typeof text === 'string' ? text : null;
  }

  keepRest(rest: string | null): void {
    if (rest === null) this.#oweScrub();
    this.#run('update rest set rest = ?', rest);
  }

  row(seq: number): EntryRow | undefined {
    const found = this.#get('select * from entry where key between ? and ?', seq * 256, seq * 256 + 255);
    return found === undefined ? undefined : toRow(found);
  }

  some(keys: readonly number[]): ReturnType<KeptRows['some']> {
    const found = this.#all('select key, text, more, terms from entry where key in (select value from json_each(?))', `[${keys.join()}]`);
    return found.map(({ key, text, more, terms }) => ({
      key: Number(key),
      text: String(text),
      more: String(more),
      terms: String(terms),
    }));
  }

  *rows(subject?: string, from = -1): Iterable<EntryRow> {
    // Page by page: while rows are handed out others may be written.
    for (let after = from; ;) {
      const page =
        subject === undefined
          ? this.#all('select * from entry where key > ? order by key limit 500', after)
          : this.#all('select * from entry where subject = ? and key > ? order by key limit 500', subject, after);
      for (const columns of page) yield toRow(columns);
      const last = page.at(-1);
      if (last === undefined) return;
      after = Number(last['key']);
    }
  }

  insert({ key, text, more, terms, day, subject }: EntryRow): void {
    this.#run('insert into entry(key, text, more, terms, day, subject) values (?,?,?,?,?,?)', key, text, more, terms, day, subject);
    this.#words.note(key, terms, true);
  }

  update(key: number, more: string): void {
    this.#run('update entry set more = ? where key = ?', more, key);
  }

  remove({ key, terms }: EntryRow): void {
    this.#oweScrub();
    this.#run('delete from entry where key = ?', key);
    this.#words.note(key, terms, false);
  }

  holders(terms: readonly string[], limit: number): Holders {
    return this.#words.holders(terms, limit);
  }

  ofDay(day: number, limit: number): readonly number[] {
    return this.#all('select key from entry where day = ? order by key limit ?', day, limit).map(({ key }) => Number(key));
  }

  days(): Iterable<number> {
    // From each day to the next one in the index, and not over all rows.
    return this.#all(`with recursive d(day) as (select min(day) from entry union all select (select min(day) from entry where day > d.day)
      from d where d.day is not null) select day from d where day is not null`).map(({ day }) => Number(day));
  }

  held(term: string): number {
    return this.#words.held(term);
  }

  tangle(subject: string): void {
    this.#run('insert or ignore into tangled values (?)', subject);
  }

  isTangled(subject: string): boolean {
    return this.#get('select 1 from tangled where subject = ?', subject) !== undefined;
  }

  witness(subject: string, { seq, isRead }: Witness): void {
    this.#run('insert or ignore into witness values (?, ?, ?)', subject, seq, isRead ? 1 : 0);
  }

  witnesses(): ReadonlyMap<string, Witness> {
    const rows = this.#all('select subject, seq, is_read from witness');
    return new Map(rows.map(({ subject, seq, is_read: isRead }) => [String(subject), { seq: Number(seq), isRead: isRead === 1 }]));
  }

  dropWitness(subject: string): void {
    this.#run('delete from witness where subject = ?', subject);
  }

  clear(): void {
    this.#oweScrub();
    this.#words.clear();
    for (const table of ['entry', 'tangled', 'witness']) this.#run(`delete from ${table}`);
  }

  scrub(): void {
    this.#guarded(() => (this.#scrubDue = scrub(this.#opened())));
  }

  /** Somebody who read was in its way, or it was killed before. */
  #scrubRest(): void {
    if (this.#scrubDue !== null) this.#guarded(() => (this.#scrubDue = scrub(this.#opened(), this.#scrubDue)));
  }

  #oweScrub(): void {
    this.#guarded(() => oweScrub(this.#opened()));
  }

  #transaction<T>(begin: string, work: () => T): T {
    this.#guarded(() => this.#opened().exec(begin));
    try {
      const done = work();
      this.#guarded(() => this.#database?.exec('commit'));
      return done;
    } catch (error) {
      this.#words.forget();
      this.#rollBack();
      throw error;
    }
  }

  /** What went wrong first is the error to tell; a connection that cannot even roll back is not used again. */
  #rollBack(): void {
    try {
      if (this.#database?.isTransaction === true) this.#database.exec('rollback');
    } catch {
      this.close();
    }
  }

  #opened(): DatabaseSync {
    if (this.#database === null) {
      this.#database = openFile(this.#path, KIND, this.#tell);
      this.#scrubDue = owedScrub(this.#database);
    }
    return this.#database;
  }

  #get(sql: string, ...values: readonly Value[]): Columns | undefined {
    return this.#guarded(() => this.#sql(sql).get(...values));
  }

  #all(sql: string, ...values: readonly Value[]): readonly Columns[] {
    return this.#guarded(() => this.#sql(sql).all(...values));
  }

  #run(sql: string, ...values: readonly Value[]): void {
    this.#guarded(() => void this.#sql(sql).run(...values));
  }

  #sql(text: string): StatementSync {
    const database = this.#opened();
    const known = this.#prepared.get(text);
    if (known !== undefined) return known;
    const statement = database.prepare(text);
    this.#prepared.set(text, statement);
    return statement;
  }

  /** A damaged file goes at once, so that whoever opens it next makes it anew. */
  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (isDamage(error)) {
        this.close();
        removeFiles(this.#path);
      }
      throw indexError(error, this.#path);
    }
  }
}

type Value = string | number | null;
type Columns = Readonly<Record<string, unknown>>;

function toRow({ key, text, more, terms, day, subject }: Columns): EntryRow {
  return {
    key: Number(key),
    text: String(text),
    more: String(more),
    terms: String(terms),
    day: Number(day),
    subject: typeof subject === 'string' ? subject : null,
  };
}
