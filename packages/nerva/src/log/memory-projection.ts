import type { ProjectionRows, Rows } from './projection-rows.ts';

/** Rows of projections in memory. A transaction that throws restores what it touched. */
export function memoryProjectionRows(): ProjectionRows {
  const spaces = new Map<string, Map<string, string>>();
  return {
    transaction: async (work) => {
      const undo: (() => void)[] = [];
      try {
        return work((name) => {
          const rows = spaces.get(name) ?? new Map<string, string>();
          spaces.set(name, rows);
          return rowsOf(rows, undo);
        });
      } catch (error) {
        for (const step of undo.reverse()) step();
        throw error;
      }
    },
  };
}

function rowsOf(rows: Map<string, string>, undo: (() => void)[]): Rows {
  const remember = (key: string): void => {
    const before = rows.get(key);
    undo.push(() => void (before === undefined ? rows.delete(key) : rows.set(key, before)));
  };
  return {
    get: (key) => rows.get(key) ?? null,
    put(key, value) {
      remember(key);
      rows.set(key, value);
    },
    delete(key) {
      remember(key);
      rows.delete(key);
    },
    scan({ prefix = '', after, limit = Infinity } = {}) {
      const keys = Array.from(rows.keys()).filter((key) => key.startsWith(prefix) && (after === undefined || key > after));
      return keys
        .sort()
        .slice(0, limit)
        .map((key) => ({ key, value: rows.get(key) ?? '' }));
    },
    clear() {
      for (const key of Array.from(rows.keys())) this.delete(key);
    },
  };
}
