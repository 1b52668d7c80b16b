import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryIndexContract, type IndexHarness } from '../testing/index.ts';
import { sqliteIndex } from './memory-index/index.ts';

const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

memoryIndexContract('memories without an index', () => ({ index: undefined, reopen: () => undefined, cleanup: () => undefined }));

memoryIndexContract('memories with an SQLite index', (): IndexHarness => {
  const folder = mkdtempSync(join(base, 'nerva-index-'));
  let index = sqliteIndex(folder);
  return {
    index,
    reopen: () => {
      index.close();
      return (index = sqliteIndex(folder));
    },
    cleanup: () => {
      index.close();
      rmSync(folder, { recursive: true });
    },
  };
});
