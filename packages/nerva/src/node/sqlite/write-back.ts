import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { NervaError } from '../../core/index.ts';
import { isFull, storeError } from './errors.ts';

/** How long a write-back waits for readers in other processes that are in the midst of a transaction. */
const READERS_WAIT_MS = 1000;

/**
 * Writes back what is in the log and lets go of the file: at the end of an open store that was not poisoned.
 * @param letGo Contract: closes this process's other connection of the file. Called once the log is in the file, and then the last
 * connection deletes it; before, that connection keeps SQLite from writing back by itself what failed here.
 * @throws STORE_LOCKED, STORE_FULL, STORE_FAILED: nothing is lost, but what was acknowledged stands in the file and its log together.
 */
export function writeBackAtEnd(path: string, letGo: () => void): void {
  const isInFile = logBytes(path) === 0;
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(path, { timeout: READERS_WAIT_MS });
    if (!emptied(database)) throw behindReader(path);
    letGo();
  } catch (error) {
    // With an empty log the file says all, whatever became of it meanwhile.
    if (!isInFile) throw storeError(error, 'close', path);
  } finally {
    database?.close();
  }
}

/**
 * Writes back what an earlier life left in the log, so that nothing is appended behind it: after a sync that failed, its pages may
 * never have reached the disk though the kernel shows them, and a later sync says nothing about them. On a full disk, and
 * behind a reader that keeps an old state, it stays.
 */
export function writeBackAtStart(database: DatabaseSync, path: string, timeoutMs: number): void {
  if (logBytes(path) === 0) return;
  database.exec(`pragma busy_timeout=${READERS_WAIT_MS}`);
  try {
    emptied(database);
  } catch (error) {
    if (!isFull(error)) throw error;
  }
  database.exec(`pragma busy_timeout=${timeoutMs}`);
}

/** @returns whether all of the log is in the file, synced. A reader of its newest state may keep the log from being cut. */
function emptied(database: DatabaseSync): boolean {
  database.exec('pragma synchronous=full');
  const result = database.prepare('pragma wal_checkpoint(truncate)').get();
  return result?.['log'] === result?.['checkpointed'];
}

function behindReader(path: string): NervaError {
  const message = `${path}: another connection reads an older state, so the log was not written back. The store is closed and nothing is lost; keep ${path}-wal beside the file until it was opened and closed again.`;
  return new NervaError('STORE_LOCKED', message, { details: { path } });
}

function logBytes(path: string): number {
  return statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
}
