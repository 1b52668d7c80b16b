import { NervaError, type ErrorCode } from '../../core/index.ts';

/** Where an SQLite call failed: `work` is before COMMIT was asked for, so nothing of the transaction can be in the file. */
export type Phase = 'open' | 'read' | 'work' | 'commit' | 'close';

/** Primary result codes of SQLite (https://sqlite.org/rescode.html); the low byte of an extended code. */
const SQLITE = { busy: 5, locked: 6, readonly: 8, ioerr: 10, corrupt: 11, full: 13, cantopen: 14, notadb: 26 } as const;

const IOERR_FSYNC: ReadonlySet<number> = new Set([10 | (4 << 8), 10 | (5 << 8), 10 | (23 << 8)]);

/** The shared memory beside the file could not grow: in practice a full disk. */
const IOERR_SHMSIZE = 10 | (19 << 8);

/**
 * After these a COMMIT has left nothing: no lock was to be had, or the log could not take its last page. The shared memory is grown only
 * once all of the log is written and synced, so it is not among them: a later life may find the transaction there.
 */
const NOTHING_COMMITTED: ReadonlySet<number> = new Set([5, 6, 13]);

/** An error of the catalogue that can cross a thread. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** The extended SQLite result code of an error thrown by `node:sqlite`, or null for any other error. */
export function sqliteCode(error: unknown): number | null {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : null;
}

/** True when SQLite could not lock the file because another connection holds it. */
export function isBusy(error: unknown): boolean {
  const code = (sqliteCode(error) ?? 0) & 0xff;
  return code === SQLITE.busy || code === SQLITE.locked;
}

/** True when the disk was full: SQLite can roll back and go on. */
export function isFull(error: unknown): boolean {
  const code = sqliteCode(error) ?? 0;
  return code === IOERR_SHMSIZE || (code & 0xff) === SQLITE.full;
}

/** True when what was opened has not the header of an SQLite database. */
export function isNoDatabase(error: unknown): boolean {
  return ((sqliteCode(error) ?? 0) & 0xff) === SQLITE.notadb;
}

/** True when SQLite could not open or create a file it needs. */
export function isUnopened(error: unknown): boolean {
  return ((sqliteCode(error) ?? 0) & 0xff) === SQLITE.cantopen;
}

/** The catalogue's error for whatever `node:sqlite` threw. A NervaError passes through; a bug (no SQLite code) is thrown again. */
export function storeError(error: unknown, phase: Phase, path: string): NervaError {
  if (NervaError.is(error)) return error;
  const extended = sqliteCode(error);
  if (extended === null) throw error;
  const text = error instanceof Error ? error.message : String(error);
  const { code, says } = meaning(extended, phase);
  return new NervaError(code, `${path}: ${says} (SQLite ${extended}: ${text}).`, { cause: error, details: { path, sqlite: extended } });
}

function meaning(extended: number, phase: Phase): { readonly code: ErrorCode; readonly says: string } {
  if (phase === 'commit' && !NOTHING_COMMITTED.has(extended & 0xff)) return { code: 'LOG_UNKNOWN_RESULT', says: unknownSays(extended) };
  switch (extended === IOERR_SHMSIZE ? SQLITE.full : extended & 0xff) {
    case SQLITE.full:
      return { code: 'STORE_FULL', says: FULL_SAYS[phase] };
    case SQLITE.readonly:
      return {
        code: 'STORE_READONLY',
        says: 'the file cannot be written; open it with readOnly, or make the file and its directory writable',
      };
    case SQLITE.cantopen:
      return {
        code: 'STORE_READONLY',
        says: 'the file or its directory cannot be opened or created; check that the directory exists and is writable',
      };
    case SQLITE.corrupt:
    case SQLITE.notadb:
      return { code: 'STORE_CORRUPT', says: 'the file is damaged or no Nerva store; it was left as it is, restore a backup' };
    case SQLITE.busy:
    case SQLITE.locked:
      return { code: 'STORE_LOCKED', says: 'another connection holds the file; nothing was written' };
    default:
      return { code: 'STORE_FAILED', says: REFUSED_SAYS[phase] };
  }
}

const FULL_FRAME = 'the disk is full, nothing of the frame was written; free space and append the frame again';
const FULL_FILE = 'the disk is full, so the file could not be opened or read; free space and try again';
const LEFT = 'what was acknowledged stands in the file and its -wal together: keep both, it is written back when the store is opened again';
const FULL_SAYS = {
  open: FULL_FILE,
  read: FULL_FILE,
  work: FULL_FRAME,
  commit: FULL_FRAME,
  close: `the disk is full, so the log was not written back; ${LEFT}`,
} as const satisfies Record<Phase, string>;
const REFUSED = 'the disk refused an operation, nothing of the frame was written';
const REFUSED_SAYS = {
  open: 'the disk refused an operation; nothing was opened',
  read: 'the disk refused to be read; nothing was changed',
  work: REFUSED,
  commit: REFUSED,
  close: `the disk refused an operation, so the log was not written back; ${LEFT}`,
} as const satisfies Record<Phase, string>;

function unknownSays(extended: number): string {
  const again = 'append the same frame id again';
  if (extended === IOERR_SHMSIZE)
    return `the disk was full at the end of the commit, so it is not known whether the frame was written; free space and ${again}`;
  const what = IOERR_FSYNC.has(extended) ? 'an fsync failed' : 'the commit failed half-way';
  return `${what}, so it is not known whether the frame was written; close, reopen and ${again}`;
}

/** The part of an error that survives a message between threads. A bug becomes STORE_FAILED with its text. */
export function toFailure(error: unknown): Failure {
  if (NervaError.is(error)) return { code: error.code, message: error.message, details: error.details };
  return { code: 'STORE_FAILED', message: `The store met a bug and wrote nothing: ${String(error)}`, details: {} };
}

/** The error a failure stands for. */
export function fromFailure(failure: Failure): NervaError {
  return new NervaError(failure.code, failure.message, { details: failure.details });
}
