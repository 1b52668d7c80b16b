import type { ProjectionRows, Rows } from '../log/index.ts';

/** Rows whose writes reach the store in groups. */
export interface GroupedRows extends ProjectionRows {
  /** Writes what is held back, in one transaction. Without it the last group is lost: the next catch-up reads those events again. */
  flush(): Promise<void>;
}

/** What is held back of one space: `null` deletes the row; with `isCleared` nothing that is stored counts any more. */
interface Held {
  isCleared: boolean;
  readonly written: Map<string, string | null>;
}

/**
 * Groups up to `groupMax` transactions over `rows` into one: a sync of the disk for every frame would make a first build some
 * twenty times slower. Whole transactions are grouped, so rows and cursor still commit together (P1).
 */
export function groupedRows(rows: ProjectionRows, groupMax: number): GroupedRows {
  const held = new Map<string, Held>();
  let last: Promise<unknown> = Promise.resolve();
  let count = 0;

  const write = (): Promise<void> =>
    rows.transaction((space) => {
      for (const [name, { isCleared, written }] of held) {
        const stored = space(name);
        if (isCleared) stored.clear();
        for (const [key, value] of written) {
          if (value === null) stored.delete(key);
          else stored.put(key, value);
        }
      }
    });
  const flush = async (): Promise<void> => {
    await write();
    held.clear();
    count = 0;
  };
  const inTurn = <T>(task: () => Promise<T>): Promise<T> => {
    const done = last.then(task, task);
    last = done;
    return done;
  };
  return {
    flush: () => inTurn(flush),
    transaction: (work) =>
      inTurn(async () => {
        const now = new Map<string, Held>();
        const result = await rows.transaction((space) => work((name) => rowsOver(space(name), copyInto(now, name, held.get(name)))));
        for (const [name, one] of now) held.set(name, one);
        if (++count >= groupMax) await flush();
        return result;
      }),
  };
}

/** A transaction that throws must leave what is held as it was, so it works on a copy; a group's worth of rows at most. */
function copyInto(now: Map<string, Held>, name: string, before: Held | undefined): Held {
  const copy = now.get(name) ?? { isCleared: before?.isCleared ?? false, written: new Map(before?.written) };
  now.set(name, copy);
  return copy;
}

function rowsOver(stored: Rows, held: Held): Rows {
  return {
    get(key) {
      const written = held.written.get(key);
      if (written !== undefined) return written;
      return held.isCleared ? null : stored.get(key);
    },
    put: (key, value) => void held.written.set(key, value),
    delete: (key) => void held.written.set(key, null),
    scan({ prefix = '', after, limit = Infinity } = {}) {
      const found = held.isCleared ? [] : stored.scan({ prefix, ...(after === undefined ? {} : { after }) });
      const merged = new Map(found.map(({ key, value }) => [key, value]));
      for (const [key, value] of held.written) {
        if (value === null) merged.delete(key);
        else if (key.startsWith(prefix) && (after === undefined || key > after)) merged.set(key, value);
      }
      return Array.from(merged, ([key, value]) => ({ key, value }))
        .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
        .slice(0, limit);
    },
    clear() {
      held.isCleared = true;
      held.written.clear();
    },
  };
}
