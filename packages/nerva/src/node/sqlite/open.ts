import { resolve } from 'node:path';
import { checkOptions, checkRange, NervaError, type World } from '../../core/index.ts';
import { STORE_LIMITS, type KeyPort, type StoreLimits } from '../../log/index.ts';
import { inlineCommitter } from './engine.ts';
import { storeError } from './errors.ts';
import { GroupCommit, type Committer } from './group-commit.ts';
import { takeLock, type Lock } from './lock.ts';
import { Reader } from './reader.ts';
import { openReader, prepareStore, refuseForeign } from './schema.ts';
import { sqliteStore, type Shared, type SqliteStore } from './store.ts';
import { threadCommitter } from './thread.ts';
import { Watch } from './watch.ts';

/** Options of `openSqlite`. */
export interface SqliteOptions {
  readonly world: World;
  readonly limits?: Partial<StoreLimits>;
  /** With keys, events and blobs that name a subject are sealed. Keep them outside the store: see `fileKeys`. */
  readonly keys?: KeyPort;
  /** `inline` (default) commits on this thread: fastest over all, blocks the event loop for each fsync. `thread` keeps it free. */
  readonly writer?: 'inline' | 'thread';
  /** Takes no lock and writes nothing; allowed beside a writer in another process. */
  readonly readOnly?: boolean;
}

const OPTIONS: readonly (keyof SqliteOptions)[] = ['world', 'limits', 'keys', 'writer', 'readOnly'];

/**
 * Opens the store in the file `path`, or creates it, and takes the writer's lock unless `readOnly`. Performs nothing else.
 * The handle is the operator's; close it to release the lock.
 * @throws STORE_LOCKED (names the holder), STORE_READONLY, STORE_CORRUPT, STORE_VERSION: the file is as it was. OPTION_*.
 */
export async function openSqlite(path: string, options: SqliteOptions): Promise<SqliteStore> {
  return openWith(path, options, (engine) =>
    options.writer === 'thread' ? threadCommitter(engine) : inlineCommitter({ ...engine, digest: options.world.digest }),
  );
}

/** The same with a committer of the caller's choice. */
export async function openWith(
  path: string,
  options: SqliteOptions,
  committer: (engine: Parameters<typeof threadCommitter>[0]) => Committer,
): Promise<SqliteStore> {
  checkOptions(options, OPTIONS, 'openSqlite');
  const { world, keys, readOnly = false, writer = 'inline' } = options;
  if (writer !== 'inline' && writer !== 'thread') {
    throw new NervaError(
      'OPTION_INVALID',
      `openSqlite: writer is ${JSON.stringify(writer)}; expected inline or thread. Nothing was opened.`,
      { details: { option: 'writer' } },
    );
  }
  const limits = limitsOf(options.limits ?? {});
  const file = resolve(path);
  refuseForeign(file);
  const lock = readOnly ? null : takeLock(file);
  try {
    if (lock !== null) prepareStore(file, () => world.ids.random());
    return assemble({ file, lock, world, limits, keys, committer });
  } catch (error) {
    lock?.release();
    throw storeError(error, 'open', file);
  }
}

interface Parts {
  readonly file: string;
  readonly lock: Lock | null;
  readonly world: World;
  readonly limits: StoreLimits;
  readonly keys: KeyPort | undefined;
  readonly committer: (engine: Parameters<typeof threadCommitter>[0]) => Committer;
}

function assemble({ file, lock, world, limits, keys, committer }: Parts): SqliteStore {
  const database = openReader(file);
  const reader = new Reader(database, { path: file, keys, digest: world.digest });
  try {
    const incarnation = String(database.prepare("select value from meta where key = 'incarnation'").get()?.['value']);
    const writer =
      lock === null ? null : new GroupCommit(committer({ path: file, limits, incarnation }), { world, queueMax: limits.queueMax });
    const shared: Shared = {
      path: file,
      world,
      limits,
      keys,
      incarnation,
      reader,
      writer,
      lock,
      watch: new Watch(world, lock === null),
      closing: null,
    };
    return sqliteStore(shared);
  } catch (error) {
    reader.close();
    throw error;
  }
}

function limitsOf(given: Partial<StoreLimits>): StoreLimits {
  checkOptions(given, Object.keys(STORE_LIMITS), 'openSqlite limits');
  for (const [name, value] of Object.entries(given)) checkRange(name, value, 1, Number.MAX_SAFE_INTEGER);
  return { ...STORE_LIMITS, ...given };
}
