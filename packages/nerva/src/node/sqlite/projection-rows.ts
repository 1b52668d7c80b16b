import type { ProjectionRows, Rows } from '../../log/index.ts';
import type { GroupCommit } from './group-commit.ts';
import type { Reader } from './reader.ts';
import type { RowWrite } from './upkeep.ts';

/** One space during a transaction: what is stored, and over it what the transaction wrote. */
interface Overlay {
  cleared: boolean;
  readonly written: Map<string, string | null>;
}

/**
 * Projections' rows in the store's own file. A transaction reads what is committed, keeps its writes in memory and hands them
 * to the writer as one operation, so that it works the same with the writer in another thread.
 */
export function sqliteRows(reader: Reader, submit: GroupCommit['submit']): ProjectionRows {
  let last: Promise<unknown> = Promise.resolve();
  return {
    transaction(work) {
      const run = async (): Promise<ReturnType<typeof work>> => {
        const overlays = new Map<string, Overlay>();
        const result = work((name) => rowsOf(reader, name, overlays));
        const writes = writesOf(overlays);
        if (writes.length > 0) await submit({ name: 'putRows', args: writes });
        return result;
      };
      const next = last.then(run, run);
      last = next;
      return next;
    },
  };
}

function rowsOf(reader: Reader, space: string, overlays: Map<string, Overlay>): Rows {
  const overlay: Overlay = overlays.get(space) ?? { cleared: false, written: new Map() };
  overlays.set(space, overlay);
  return {
    get(key) {
      const written = overlay.written.get(key);
      if (written !== undefined) return written;
      return overlay.cleared ? null : reader.row(space, key);
    },
    put: (key, value) => void overlay.written.set(key, value),
    delete: (key) => void overlay.written.set(key, null),
    scan({ prefix = '', after = null, limit = Number.MAX_SAFE_INTEGER } = {}) {
      const fits = (key: string): boolean => key.startsWith(prefix) && (after === null || key > after);
      // Deleted rows are among the stored: so many more are fetched that they cannot hide the others.
      const wanted = Math.min(Number.MAX_SAFE_INTEGER, limit + overlay.written.size);
      const stored = overlay.cleared
        ? []
        : reader.scan(space, { from: prefix, after, limit: wanted }).filter(({ key }) => key.startsWith(prefix));
      const merged = new Map(stored.map(({ key, value }) => [key, value]));
      for (const [key, value] of overlay.written) {
        if (value === null) merged.delete(key);
        else if (fits(key)) merged.set(key, value);
      }
      return Array.from(merged, ([key, value]) => ({ key, value }))
        .sort(byKey)
        .slice(0, limit);
    },
    clear() {
      overlay.cleared = true;
      overlay.written.clear();
    },
  };
}

function byKey(a: { readonly key: string }, b: { readonly key: string }): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}

function writesOf(overlays: ReadonlyMap<string, Overlay>): RowWrite[] {
  const writes: RowWrite[] = [];
  for (const [space, { cleared, written }] of overlays) {
    if (cleared) writes.push({ space, key: null, value: null });
    for (const [key, value] of written) writes.push({ space, key, value });
  }
  return writes;
}
