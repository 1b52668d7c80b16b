import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Store } from '../log/index.ts';
import { projectionRowsContract, storeContract, testWorld, type MakeStore } from '../testing/index.ts';
import { openSqlite, type SqliteOptions } from './sqlite/index.ts';

// The laws are about meaning, not about the disk: in memory they take a tenth of the time.
const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** A store in a directory of its own; `scoped` gives a tenant's handle of it. */
function sqlite(writer: 'inline' | 'thread'): MakeStore {
  return async (options) => {
    const directory = mkdtempSync(join(base, 'nerva-'));
    const path = join(directory, 'store.db');
    const world = testWorld();
    const open: SqliteOptions = { ...options, world, writer };
    let store = await openSqlite(path, open);
    return {
      store,
      world,
      reopen: async (): Promise<Store> => {
        await store.close();
        store = await openSqlite(path, open);
        return store;
      },
      tamper: async (sid, seq) => {
        const database = new DatabaseSync(path);
        database
          .prepare(`update ev set data = replace(data, '":', '": ') where s = (select s from session where sid = ?) and seq = ?`)
          .run(sid, seq);
        database.close();
      },
      cleanup: async () => {
        await store.close();
        rmSync(directory, { recursive: true });
      },
    };
  };
}

storeContract('an SQLite store that commits inline', sqlite('inline'));

for (const writer of ['inline', 'thread'] as const) {
  projectionRowsContract(`rows of projections in an SQLite store that commits ${writer}`, async () => {
    const directory = mkdtempSync(join(base, 'nerva-'));
    const store = await openSqlite(join(directory, 'store.db'), { world: testWorld(), writer });
    return {
      rows: store.rows,
      cleanup: async () => {
        await store.close();
        rmSync(directory, { recursive: true });
      },
    };
  });
}
