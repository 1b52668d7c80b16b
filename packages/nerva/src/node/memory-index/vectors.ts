import { existsSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import type { VectorRows } from '../../memory/index.ts';
import { indexError, isDamage, openFile, owedScrub, oweScrub, removeFiles, scrub, type FileKind, type Remade, type Scrub } from './file.ts';

const KIND: FileKind = {
  /** "NrvV". */
  applicationId: 0x4e727656,
  version: 1,
  schema: 'create table vector(maker text not null, key text not null, numbers blob not null, unique (key, maker))',
};

/**
 * Vectors of one memory in a file of its own, 32 bits a number, in the order of bytes of the machine that made them: a file is not carried about.
 * Invariants: G1 no file before something is put · G2 what is deleted is overwritten, and gone from the write-ahead log.
 */
export class SqliteVectors implements VectorRows {
  readonly #path: string;
  readonly #tell: (why: Remade) => void;
  #database: DatabaseSync | null = null;
  #scrubDue: Scrub = null;

  constructor(path: string, tell: (why: Remade) => void) {
    this.#path = path;
    this.#tell = tell;
  }

  close(): void {
    const database = this.#database;
    this.#database = null;
    if (database?.isOpen === true) database.close();
  }

  some(maker: string, keys: readonly string[]): ReadonlyMap<string, Float32Array> {
    const found = new Map<string, Float32Array>();
    if (!this.#isThere()) return found;
    const rows = this.#guarded((database) =>
      database
        .prepare('select key, numbers from vector where maker = ? and key in (select value from json_each(?))')
        .all(maker, JSON.stringify(keys)),
    );
    for (const { key, numbers } of rows)
      // What has no whole numbers, or what is no number, was not written here.
      if (numbers instanceof Uint8Array && numbers.length > 0 && numbers.length % 4 === 0) {
        const vector = new Float32Array(numbers.slice().buffer);
        if (vector.every(Number.isFinite)) found.set(String(key), vector);
      }
    return found;
  }

  put(maker: string, vectors: ReadonlyMap<string, Float32Array>): void {
    if (vectors.size === 0) return;
    this.#transaction((database) => {
      const insert = database.prepare('insert or replace into vector values (?, ?, ?)');
      for (const [key, { buffer, byteOffset, byteLength }] of vectors)
        insert.run(maker, key, new Uint8Array(buffer, byteOffset, byteLength));
    });
    this.#scrub();
  }

  keepOnly(keys: ReadonlySet<string>, maker?: string): void {
    if (!this.#isThere()) return;
    this.#transaction((database) => {
      const others = maker === undefined ? 0 : Number(database.prepare('delete from vector where maker <> ?').run(maker).changes);
      const removed = database
        .prepare('delete from vector where key not in (select value from json_each(?))')
        .run(JSON.stringify(Array.from(keys)));
      if (others + Number(removed.changes) === 0) return;
      oweScrub(database);
      this.#scrubDue = 'whole';
    });
    this.#scrub();
  }

  #scrub(): void {
    this.#guarded((database) => {
      if (this.#scrubDue !== null) this.#scrubDue = scrub(database, this.#scrubDue);
    });
  }

  #isThere(): boolean {
    return this.#database !== null || existsSync(this.#path);
  }

  #transaction(work: (database: DatabaseSync) => void): void {
    this.#guarded((database) => {
      database.exec('begin immediate');
      try {
        work(database);
        database.exec('commit');
      } catch (error) {
        if (database.isTransaction) database.exec('rollback');
        throw error;
      }
    });
  }

  #guarded<T>(work: (database: DatabaseSync) => T): T {
    try {
      return work(this.#opened());
    } catch (error) {
      this.close();
      if (!isDamage(error)) throw indexError(error, this.#path);
      removeFiles(this.#path);
      this.#tell('damaged');
      try {
        return work(this.#opened());
      } catch (again) {
        throw indexError(again, this.#path);
      }
    }
  }

  #opened(): DatabaseSync {
    if (this.#database === null) {
      this.#database = openFile(this.#path, KIND, this.#tell);
      this.#scrubDue = owedScrub(this.#database);
    }
    return this.#database;
  }
}
