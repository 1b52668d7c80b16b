import { resolve } from 'node:path';
import { checkOptions, checkRange, NervaError } from '../../core/index.ts';
import type { IndexTold, KeptRows, MemoryIndex, VectorKeeper } from '../../memory/index.ts';
import { SqliteRows } from './rows.ts';
import { SqliteVectors } from './vectors.ts';

/** What `sqliteIndex` takes beside its folder. */
export interface SqliteIndexOptions {
  /** Told when an index is made anew, or fails and is left. */
  readonly tell?: (told: IndexTold) => void;
  /** Files that are open at once; the one that was opened first is closed, and opened again when it is needed. Default 64. */
  readonly openMax?: number;
}

/** An index in files, one a memory, and one more for its vectors where it has an embedder. */
export interface SqliteIndex extends MemoryIndex, VectorKeeper {
  /** Closes the files; whatever is used afterwards opens its own again. */
  close(): void;
}

/**
 * An index for the memories of one store, in SQLite files in a folder of its own, made when missing. It holds what the memories hold, readable,
 * also where the store seals it, and vectors tell much of a text: keep it where the keys may be. Losing it, or parts of it, loses nothing.
 * @throws OPTION_INVALID. A file that cannot be opened is told when a memory opens it.
 */
export function sqliteIndex(folder: string, options: SqliteIndexOptions = {}): SqliteIndex {
  checkOptions(options, ['tell', 'openMax'], 'sqliteIndex');
  if (typeof folder !== 'string' || folder === '')
    throw new NervaError('OPTION_INVALID', 'sqliteIndex takes the path of a folder. Nothing was opened.');
  const openMax = checkRange('openMax', options.openMax ?? 64, 1, 10_000);
  const known = new Map<string, SqliteRows>();
  const vectors = new Map<string, SqliteVectors>();
  const tell = (told: IndexTold): void => options.tell?.(told);
  return {
    tell,
    open(name): KeptRows {
      const rows = known.get(name) ?? new SqliteRows(resolve(folder, `${name}.db`), (why) => tell({ type: 'rebuilt', name, why }));
      keepLast(known, { name, rows, most: openMax });
      rows.open();
      return rows;
    },
    vectors(name) {
      const rows =
        vectors.get(name) ?? new SqliteVectors(resolve(folder, `${name}.vectors.db`), (why) => tell({ type: 'rebuilt', name, why }));
      keepLast(vectors, { name, rows, most: openMax });
      return rows;
    },
    close() {
      for (const all of [known, vectors]) {
        for (const rows of all.values()) rows.close();
        all.clear();
      }
    },
  };
}

/** What is closed may be held by a memory still: it opens its file again when it is used. */
function keepLast<T extends { close(): void }>(
  open: Map<string, T>,
  { name, rows, most }: { readonly name: string; readonly rows: T; readonly most: number },
): void {
  open.delete(name);
  open.set(name, rows);
  for (const [other, oldest] of open) {
    if (open.size <= most) return;
    open.delete(other);
    oldest.close();
  }
}
