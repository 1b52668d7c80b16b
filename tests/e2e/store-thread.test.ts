import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Store } from '../../packages/nerva/src/log/index.ts';
import { openSqlite, type SqliteOptions } from '../../packages/nerva/src/node/index.ts';
import { storeContract, testWorld } from '../../packages/nerva/src/testing/index.ts';

// The laws are about meaning, not about the disk: in memory they take a tenth of the time.
const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

storeContract('an SQLite store that commits in a thread', async (options) => {
  const folder = mkdtempSync(join(base, 'nerva-'));
  const path = join(folder, 'store.db');
  const world = testWorld();
  const open: SqliteOptions = { ...options, world, writer: 'thread' };
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
      rmSync(folder, { recursive: true });
    },
  };
});
