import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { NervaError, type World } from '../../core/index.ts';
import type { StoreLimits } from '../../log/index.ts';
import { Appender, type AppendArgs, type ForkArgs } from './append.ts';
import { isBusy, isFull, storeError, toFailure, fromFailure, type Phase } from './errors.ts';
import type { Committer, GroupResult, Operation, Outcome } from './group-commit.ts';
import { openWriter } from './schema.ts';
import { SessionRows, Words } from './session-rows.ts';
import { Upkeep, type BeforeArgs, type DeleteArgs, type PutBlobArgs, type RowWrite, type SnapshotArgs } from './upkeep.ts';
import { Work, type ClaimArgs, type ReleaseArgs, type SessionArgs } from './work.ts';

/** Pages in the write-ahead log above which it is written back into the file. */
const WAL_PAGES = 1000;
/** Groups between two looks at the log's length. */
const LOOK_EVERY = 16;

/** What an engine needs; it can be sent to another thread but for `digest`. */
export interface EngineOptions {
  readonly path: string;
  readonly limits: StoreLimits;
  readonly incarnation: string;
  readonly digest: World['digest'];
}

/**
 * The writing side of a store on one connection: a group of operations is one transaction, durable when `commit` returns.
 * Invariants: E1 an operation that fails has written nothing · E2 after a rollback nothing kept in memory is believed ·
 * E3 after a commit that failed, but for a full disk, nothing more is written: the connection is closed at once, while the reader's
 * still holds the file, for whichever is closed last, or collected, would write the log back.
 */
export class Engine {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #rows: SessionRows;
  readonly #words: Words;
  readonly #work: Work;
  readonly #handlers: Readonly<Record<string, (args: never) => unknown>>;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #look: StatementSync;
  readonly #checkpoint: StatementSync;
  #groups = 0;
  #poisoned: string | null = null;

  /** @param database of `openWriter`; it becomes the engine's. */
  constructor({ path, limits, incarnation, digest }: EngineOptions, database: DatabaseSync) {
    this.#path = path;
    this.#database = database;
    const words = (this.#words = new Words(database));
    const rows = (this.#rows = new SessionRows(database, words));
    const work = (this.#work = new Work(database, rows, limits));
    const appender = new Appender({ database, rows, words, limits, incarnation, digest, own: (s, owner) => work.own(s, owner) });
    const upkeep = new Upkeep({ database, rows, words, digest, nextG: () => appender.nextG, forget: (s) => work.forget(s) });
    const flushed =
      <A, R>(run: (args: A) => R) =>
      (args: A): R => {
        rows.flush();
        return run(args);
      };
    this.#handlers = {
      append: (args: AppendArgs) => appender.append(args),
      fork: (args: ForkArgs) => appender.fork(args),
      claim: flushed((args: ClaimArgs) => work.claim(args)),
      takeOver: (args: SessionArgs) => work.takeOver(args),
      release: (args: ReleaseArgs) => work.release(args),
      unquarantine: (args: SessionArgs) => work.unquarantine(args),
      putBlob: flushed((args: PutBlobArgs) => upkeep.putBlob(args)),
      sweep: flushed((args: BeforeArgs) => upkeep.sweep(args)),
      putSnapshot: flushed((args: SnapshotArgs) => upkeep.putSnapshot(args)),
      prune: flushed((args: BeforeArgs) => upkeep.prune(args)),
      delete: flushed((args: DeleteArgs) => upkeep.delete(args)),
      purge: flushed((args: Parameters<Upkeep['purge']>[0]) => upkeep.purge(args)),
      putRows: (args: readonly RowWrite[]) => upkeep.putRows(args),
      // Not transactions: after its group, the log is emptied into the file, so that what was deleted is nowhere.
      truncate: () => null,
    };
    this.#begin = database.prepare('begin immediate');
    this.#commit = database.prepare('commit');
    this.#look = database.prepare('pragma wal_checkpoint(noop)');
    this.#checkpoint = database.prepare('pragma wal_checkpoint(passive)');
    // What is deleted is overwritten; a store deletes rarely.
    database.exec('pragma secure_delete=on');
  }

  /** Runs a group in one transaction. Never throws. */
  commit(group: readonly Operation[]): GroupResult {
    const outcomes: Outcome[] = [];
    let phase: Phase = 'work';
    try {
      this.#begin.run();
      for (const operation of group) outcomes.push(this.#run(operation));
      this.#rows.flush();
      phase = 'commit';
      this.#commit.run();
    } catch (error) {
      this.#work.settle(false);
      return this.#failed(group, error, phase);
    }
    this.#work.settle(true);
    this.#keepLogShort(group.some(({ name }) => name === 'truncate'));
    return { outcomes, poisoned: this.#poisoned };
  }

  /** Closes the connection. Contract: another one is open, for as the last of the file it would write the log back. */
  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #poison(why: string): void {
    this.#poisoned = why;
    try {
      this.close();
    } catch {
      // It is not used again, and how it ended is told with `why`.
    }
  }

  #run(operation: Operation): Outcome {
    try {
      const handler = this.#handlers[operation.name] as (args: unknown) => unknown;
      return { ok: true, value: handler(operation.args) };
    } catch (error) {
      // Its own failure, found before it wrote anything (E1). Anything else is the transaction's.
      if (NervaError.is(error)) return { ok: false, error };
      throw error;
    }
  }

  #failed(group: readonly Operation[], error: unknown, phase: Phase): GroupResult {
    const failure = this.#meaning(error, phase);
    this.#rows.reset();
    this.#words.reset();
    const rolledBack = this.#rollback();
    const survivable = isFull(error) || isBusy(error) || (phase === 'work' && failure.code === 'STORE_FAILED');
    if (!rolledBack || !survivable) this.#poison(failure.message);
    return { outcomes: group.map(() => ({ ok: false, error: failure })), poisoned: this.#poisoned };
  }

  #meaning(error: unknown, phase: Phase): NervaError {
    try {
      return storeError(error, phase, this.#path);
    } catch (bug) {
      return fromFailure(toFailure(bug));
    }
  }

  #rollback(): boolean {
    try {
      if (this.#database.isTransaction) this.#database.exec('rollback');
      return true;
    } catch {
      // The caller poisons the store: what failed is told with the first error.
      return false;
    }
  }

  #keepLogShort(truncate: boolean): void {
    this.#groups++;
    try {
      if (truncate) this.#database.exec('pragma wal_checkpoint(truncate)');
      if (this.#groups % LOOK_EVERY !== 0) return;
      const pages = Number(this.#look.get()?.['log'] ?? 0);
      if (pages > WAL_PAGES) this.#checkpoint.get();
    } catch (error) {
      // Full or busy: the log stays as it is and is tried again. A disk that refuses must not be trusted again.
      if (!isFull(error) && !isBusy(error)) this.#poison(this.#meaning(error, 'commit').message);
    }
  }
}

/** An engine on a connection of its own, which is closed when there cannot be one. */
export function openEngine(options: EngineOptions): Engine {
  const database = openWriter(options.path);
  try {
    return new Engine(options, database);
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Commits on this thread: simplest, and fastest over all; a commit blocks the event loop for one fsync. */
export function inlineCommitter(options: EngineOptions): Committer {
  const engine = openEngine(options);
  return {
    commit: (group, done) => done(engine.commit(group)),
    close: () => {
      engine.close();
      return Promise.resolve();
    },
  };
}
