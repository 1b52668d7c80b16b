import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { NervaError } from '../../core/index.ts';
import { sqliteCode, storeError } from '../sqlite/errors.ts';

/** Why a file was made anew. */
export type Remade = 'version' | 'damaged';

/** What a file is for. */
export interface FileKind {
  readonly applicationId: number;
  /** Raised by one whenever what is kept changes: a file of another version is made anew. */
  readonly version: number;
  readonly schema: string;
}

/** How long a connection waits for another one's lock. */
const BUSY_MS = 5_000;

/** Opens the file of an index, or makes it; one of another version, or that is damaged, is made anew. @throws what `node:sqlite` throws, STORE_READONLY. */
export function openFile(path: string, kind: FileKind, tell: (why: Remade) => void): DatabaseSync {
  makeFolder(path);
  try {
    const database = opened(path, kind);
    if (database !== null) return database;
    tell('version');
  } catch (error) {
    if (!isDamage(error)) throw error;
    tell('damaged');
  }
  removeFiles(path);
  const database = opened(path, kind);
  if (database === null)
    throw new NervaError('STORE_FAILED', `${path}: the file was made anew and is not what was made. Look who else writes it.`);
  return database;
}

/** The file with its write-ahead log. */
export function removeFiles(path: string): void {
  for (const end of ['', '-wal', '-shm', '-journal']) rmSync(path + end, { force: true });
}

/** True when SQLite found that the file is none of its own, or is damaged. */
export function isDamage(error: unknown): boolean {
  const code = (sqliteCode(error) ?? 0) & 0xff;
  return code === 11 || code === 26;
}

/** The catalogue's error for what `node:sqlite` threw at an index; a bug is thrown again. */
export function indexError(error: unknown, path: string): NervaError {
  if (NervaError.is(error)) return error;
  const { code, details } = storeError(error, 'work', path);
  const says = `${path}: the index of a memory failed (SQLite ${sqliteCode(error)}: ${error instanceof Error ? error.message : ''}). The memory's log is whole, and the memory goes on from it; make room or delete the file, and open the memory again.`;
  return new NervaError(code, says, { cause: error, details });
}

/** What is to be done until nothing of what was removed is in the files. */
export type Scrub = 'whole' | 'log' | null;

/** Notes, in the transaction that removes something, that a scrub is due: who opens the file after a kill makes up for it. */
export function oweScrub(database: DatabaseSync): void {
  database.exec('insert or ignore into scrub values (1)');
}

/** What a file owes that was opened. */
export const owedScrub = (database: DatabaseSync): Scrub => (database.prepare('select 1 from scrub').get() === undefined ? null : 'whole');

/**
 * Leaves nothing of what was removed in the files: all is written anew, for SQLite overwrites what it deletes (`secure_delete`), but not the
 * copies that it left in a page when rows moved to another. O(file). @returns what is still due where somebody who reads is in the way: again
 * after the next write.
 */
export function scrub(database: DatabaseSync, due: Scrub = 'whole'): Scrub {
  if (due === 'whole') database.exec('vacuum');
  if (database.prepare('pragma wal_checkpoint(truncate)').get()?.['busy'] !== 0) return 'log';
  database.exec('delete from scrub');
  return null;
}

const numberOf = (database: DatabaseSync, pragma: string): number =>
  Number(Object.values(database.prepare(`pragma ${pragma}`).get() ?? {})[0]);

/** Null when it is of another version. */
function opened(path: string, kind: FileKind): DatabaseSync | null {
  const database = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    // Losing the last commits in a power cut loses nothing: they are read from the log again.
    database.exec('pragma journal_mode=wal; pragma synchronous=normal; pragma secure_delete=on; pragma cache_size=-16000');
    const number = (pragma: string): number => numberOf(database, pragma);
    if (number('page_count') <= 1 && number('application_id') === 0) make(database, kind);
    const isKnown = number('application_id') === kind.applicationId && number('user_version') === kind.version;
    if (isKnown) {
      database.exec('create table if not exists scrub(due integer primary key)');
      return database;
    }
  } catch (error) {
    database.close();
    throw error;
  }
  database.close();
  return null;
}

/** Two that make it at once do it one after the other. */
function make(database: DatabaseSync, { applicationId, version, schema }: FileKind): void {
  database.exec('begin immediate');
  const isMade = numberOf(database, 'application_id') !== 0;
  if (!isMade) database.exec(`${schema}; pragma application_id=${applicationId}; pragma user_version=${version}`);
  database.exec('commit');
}

function makeFolder(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch (cause) {
    throw new NervaError(
      'STORE_READONLY',
      `The folder of ${path} cannot be made: ${(cause as Error).message}. The memory goes on without an index.`,
      {
        cause,
        details: { path },
      },
    );
  }
}
