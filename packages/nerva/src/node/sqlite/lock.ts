import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { DatabaseSync } from 'node:sqlite';
import { NervaError } from '../../core/index.ts';
import { isBusy, storeError } from './errors.ts';

/** The right to write one store, held by this process until `release`. */
export interface Lock {
  /** Idempotent. */
  release(): void;
}

/**
 * Takes the writer's lock of a store: `BEGIN EXCLUSIVE` on `<path>.lock`, a second SQLite file, which the kernel frees when
 * the process dies however it dies. `<path>.pid` names the holder for people; nobody decides by it (a pid lies in containers).
 * @throws STORE_LOCKED naming the holder, STORE_READONLY when the directory is not writable.
 */
export function takeLock(path: string): Lock {
  const file = `${path}.lock`;
  const pidFile = `${path}.pid`;
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(file, { timeout: 0 });
    // A rollback journal in memory: the lock file itself never gets a page.
    database.exec('pragma journal_mode=memory; begin exclusive');
    writeFileSync(pidFile, JSON.stringify({ pid: process.pid, host: hostname() }));
  } catch (error) {
    database?.close();
    if (isBusy(error)) throw locked(path, pidFile, error);
    if (isRefused(error) && error.code === 'ENOSPC')
      throw new NervaError('STORE_FULL', `${path}: the disk is full, so the store was not opened; free space and open it again.`, {
        cause: error,
        details: { path },
      });
    if (isRefused(error)) {
      throw new NervaError(
        'STORE_READONLY',
        `${path}: the directory is not writable (${error.message}). Open with readOnly, or make it writable.`,
        {
          cause: error,
          details: { path },
        },
      );
    }
    throw storeError(error, 'open', path);
  }
  const held = database;
  let released = false;
  return {
    release() {
      if (released) return;
      released = true;
      rmSync(pidFile, { force: true });
      held.close();
    },
  };
}

function isRefused(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}

function locked(path: string, pidFile: string, cause: unknown): NervaError {
  const holder = holderOf(pidFile);
  const who = holder === null ? 'another process' : `process ${holder.pid} on ${holder.host}`;
  return new NervaError('STORE_LOCKED', `${path} is written by ${who}. Close it there, or open with readOnly. Nothing was changed.`, {
    cause,
    details: { path, ...holder },
  });
}

function holderOf(pidFile: string): { readonly pid: number; readonly host: string } | null {
  try {
    const holder: unknown = JSON.parse(readFileSync(pidFile, 'utf8'));
    if (typeof holder !== 'object' || holder === null || !('pid' in holder) || !('host' in holder)) return null;
    return typeof holder.pid === 'number' && typeof holder.host === 'string' ? { pid: holder.pid, host: holder.host } : null;
  } catch {
    return null;
  }
}
