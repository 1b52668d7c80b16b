import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { NervaError } from '../../core/index.ts';
import { sqliteCode, storeError } from '../sqlite/errors.ts';

/** Why a file was made anew. */
export type Remade = 'version' | 'damaged';

/** "NrvI". */
const APPLICATION_ID = 0x4e727649;
/** Raised by one whenever what is kept, or how words are cut to stems, changes: the index is then made anew. */
const VERSION = 3;
/** How long a connection waits for another one's lock. */
const BUSY_MS = 5_000;

const SCHEMA = `
create table kept(head integer not null, hash text not null, entries integer not null, pieces integer not null, length integer not null);
insert into kept values (0, '', 0, 0, 0);
create table rest(rest text);
insert into rest values (null);
create table entry(key integer primary key, text text not null, more text not null, terms text not null, day integer not null, subject text);
create index entry_day on entry(day);
create index entry_subject on entry(subject) where subject is not null;
create table term(term text primary key, entries integer not null) without rowid;
create table witness(subject text primary key, seq integer not null, is_read integer not null) without rowid;
create table tangled(subject text primary key) without rowid;
create virtual table words using fts5(terms, content='entry', content_rowid='key', tokenize='ascii', detail=none);
insert into words(words, rank) values ('secure-delete', 1);
`;

/** Opens the file of an index, or makes it; one of another version, or that is damaged, is made anew. @throws what `node:sqlite` throws, STORE_READONLY. */
export function openFile(path: string, tell: (why: Remade) => void): DatabaseSync {
  makeFolder(path);
  try {
    const database = opened(path);
    if (database !== null) return database;
    tell('version');
  } catch (error) {
    if (!isDamage(error)) throw error;
    tell('damaged');
  }
  removeFiles(path);
  const database = opened(path);
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

/** Null when it is of another version. */
function opened(path: string): DatabaseSync | null {
  const database = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    // Losing the last commits in a power cut loses nothing: they are read from the log again.
    database.exec('pragma journal_mode=wal; pragma synchronous=normal; pragma secure_delete=on; pragma cache_size=-16000');
    const number = (pragma: string): number => Number(Object.values(database.prepare(`pragma ${pragma}`).get() ?? {})[0]);
    if (number('page_count') <= 1 && number('application_id') === 0) make(database);
    const isKnown = number('application_id') === APPLICATION_ID && number('user_version') === VERSION;
    if (isKnown) return database;
  } catch (error) {
    database.close();
    throw error;
  }
  database.close();
  return null;
}

/** Two that make it at once do it one after the other. */
function make(database: DatabaseSync): void {
  database.exec('begin immediate');
  const isMade = database.prepare("select count(*) as tables from sqlite_schema where name = 'kept'").get()?.['tables'] === 1;
  if (!isMade) database.exec(`${SCHEMA}; pragma application_id=${APPLICATION_ID}; pragma user_version=${VERSION}`);
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
