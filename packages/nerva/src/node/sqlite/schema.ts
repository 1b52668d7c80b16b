import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { NervaError } from '../../core/index.ts';
import { isUnopened, storeError } from './errors.ts';
import { APPLICATION_ID, kindOf } from './identity.ts';
import { writeBackAtStart } from './write-back.ts';

/** Raised by one whenever an older release could no longer read or write the file. */
export const SCHEMA_VERSION = 1;

/** How long a connection waits for another one's lock. */
const BUSY_MS = 5000;

/** Of the write-ahead log, after a checkpoint found no reader in its way. */
const WAL_BYTES_MAX = 8 * 1024 * 1024;

/**
 * `ev.data` is the events as readable JSON; `g` is the commit order of the whole store; what repeats is a number of `word`.
 * `ev.cause` is a seq when the cause lies in the same session, else `sid:seq`. What follows from the session's row (tenant, trace)
 * is not in `ev` at all. `session.segments` is `[[s, from, upto], …]`: the logs that hold a fork's inherited events, oldest first;
 * `fork` finds them the other way round. `session.gone` is 1 when pruned (`data` is then a digest) and 2 for a tombstone.
 */
const SCHEMA = `
create table meta(key text primary key, value text) without rowid;
create table word(id integer primary key, text text not null unique);
create table session(
  s integer primary key, sid text not null unique, tenant integer not null, agent integer, status integer not null, head integer not null,
  base integer not null, created_ms integer not null, at_ms integer not null, wake_at_ms integer, ready_ms integer, epoch integer not null,
  attempts integer not null, bytes integer not null, hash blob, trace text, parent text, parent_at integer, segments text, gone integer
);
create index session_ready on session(tenant, ready_ms) where status = 0;
create index session_wake on session(wake_at_ms) where wake_at_ms is not null;
create table fork(holder integer not null, s integer not null, primary key (holder, s)) without rowid;
create table ev(
  g integer primary key, s integer not null, seq integer not null, count integer not null, id text not null, at_ms integer not null,
  epoch integer not null, writer integer not null, by integer not null, cause numeric, fact integer, hash blob not null, data text not null
);
create unique index ev_seq on ev(s, seq);
create unique index ev_fact on ev(s, id) where fact = 1;
create table blob(
  b integer primary key, ref text not null, tenant integer not null, subject text not null, bytes integer not null, put_ms integer not null,
  content blob not null, unique (ref, tenant, subject)
);
create table blob_use(ref text not null, s integer not null, primary key (ref, s)) without rowid;
create table snapshot(s integer not null, key text not null, seq integer not null, state text not null, unique (s, key, seq));
create table row(space text not null, key text not null, value text not null, primary key (space, key)) without rowid;
`;

/** Refuses what is another program's, before anything is opened or made beside it. @throws STORE_CORRUPT */
export function refuseForeign(path: string): void {
  guarded(path, () => kindOf(path));
}

/**
 * Creates the file when it is absent or empty, else checks that it is a store this release knows. The caller holds the lock. From
 * here on the file has a write-ahead log, so that a reader holds it from its first look until it is closed.
 */
export function prepareStore(path: string, incarnation: () => string): void {
  guarded(path, () => {
    if (kindOf(path) !== 'empty') rollBack(path);
    if (isEmpty(path)) create(path, incarnation());
    const found = inspect(path, path);
    const mode = found.prepare('pragma journal_mode').get()?.['journal_mode'];
    found.close();
    if (mode !== 'wal') startLog(path);
  });
}

function startLog(path: string): void {
  const database = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    database.exec('pragma synchronous=full; pragma journal_mode=wal');
  } finally {
    database.close();
  }
}

/** Undoes what a crash left half-way in the making of the store: a connection that only reads cannot, and would say read-only. */
function rollBack(path: string): void {
  if (statSync(`${path}-journal`, { throwIfNoEntry: false }) === undefined) return;
  const database = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    database.prepare('pragma schema_version').get();
  } finally {
    database.close();
  }
}

/**
 * The connection that writes a prepared store. There is one, and its holder's process holds the lock and another connection, which
 * keeps SQLite from writing the log back when this one is closed.
 */
export function openWriter(path: string): DatabaseSync {
  return guarded(path, () => {
    const database = new DatabaseSync(path, { timeout: BUSY_MS });
    try {
      // Auto-checkpoint would swallow a failed fsync of the main file; the engine checkpoints itself and looks at the result.
      database.exec(
        `pragma synchronous=full; pragma wal_autocheckpoint=0; pragma journal_size_limit=${WAL_BYTES_MAX}; pragma cache_size=-16000`,
      );
      writeBackAtStart(database, path, BUSY_MS);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  });
}

/**
 * A connection that reads, beside a writer of this or another process. Checks that the file is a store this release knows.
 * @throws STORE_CORRUPT (no store, truncated, damaged), STORE_VERSION (a newer release wrote it), STORE_READONLY (cannot be opened).
 */
export function openReader(path: string): DatabaseSync {
  return guarded(path, () => {
    kindOf(path);
    try {
      return inspect(path, path);
    } catch (error) {
      if (!isUnopened(error) || statSync(`${path}-wal`, { throwIfNoEntry: false }) !== undefined) throw error;
      // On a read-only disk no shared memory can be made beside the file; without a log it is not needed.
      if (statSync(path, { throwIfNoEntry: false }) === undefined) throw error;
      return inspect(path, `${pathToFileURL(path).href}?immutable=1`);
    }
  });
}

function guarded<T>(path: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    throw storeError(error, 'open', path);
  }
}

function isEmpty(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined || found.size === 0;
}

function create(path: string, incarnation: string): void {
  const database = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    // One transaction with a rollback journal: a crash half-way leaves an empty file, which is created again.
    database.exec(
      `pragma synchronous=full; begin exclusive; pragma application_id=${APPLICATION_ID}; pragma user_version=${SCHEMA_VERSION};${SCHEMA}`,
    );
    database.prepare('insert into meta values (?, ?)').run('incarnation', incarnation);
    database.exec('commit');
  } finally {
    database.close();
  }
}

function inspect(path: string, location: string): DatabaseSync {
  const database = new DatabaseSync(location, { readOnly: true, timeout: BUSY_MS });
  try {
    const application = numberOf(database, 'application_id');
    if (application !== APPLICATION_ID) {
      throw new NervaError(
        'STORE_CORRUPT',
        `${path} is an SQLite database but no Nerva store (application_id ${application}). It was left as it is.`,
        { details: { path } },
      );
    }
    const version = numberOf(database, 'user_version');
    if (version > SCHEMA_VERSION) {
      const message = `${path} has schema version ${version}, this release knows up to ${SCHEMA_VERSION}. Use the release that wrote it. It was left as it is.`;
      throw new NervaError('STORE_VERSION', message, { details: { path, version, known: SCHEMA_VERSION } });
    }
    const tables = database.prepare("select count(*) as tables from sqlite_schema where name in ('meta', 'session', 'ev')").get();
    if (tables?.['tables'] !== 3) {
      const message = `${path} has a Nerva store's application_id but not its tables. It was left as it is.`;
      throw new NervaError('STORE_CORRUPT', message, { details: { path } });
    }
    database.prepare("select value from meta where key = 'incarnation'").get();
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function numberOf(database: DatabaseSync, pragma: string): number {
  const row = database.prepare(`pragma ${pragma}`).get();
  return Number(row === undefined ? Number.NaN : Object.values(row)[0]);
}
