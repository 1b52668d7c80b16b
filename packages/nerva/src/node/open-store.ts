import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { NervaError, type World } from '../core/index.ts';
import { memoryStore, type Store } from '../log/index.ts';
import { openSqlite, type SqliteOptions } from './sqlite/index.ts';

/**
 * Opens the store that a URL names: `memory:`, or `file:PATH` for a SQLite file that is made, with its folder, when missing.
 * @throws OPTION_INVALID, STORE_LOCKED (another process writes it), STORE_READONLY, STORE_CORRUPT, STORE_VERSION.
 */
export async function openStore(url: string, options: { readonly world: World } & Omit<SqliteOptions, 'world'>): Promise<Store> {
  if (url === 'memory:') return memoryStore({ world: options.world });
  if (!url.startsWith('file:') || url.length === 'file:'.length) {
    throw new NervaError(
      'OPTION_INVALID',
      `A store is "memory:" or "file:PATH", e.g. file:.nerva/nerva.db; ${JSON.stringify(url)} came. Nothing was opened.`,
    );
  }
  const path = url.slice('file:'.length).replace(/^\/\/(?=\/)/, '');
  if (options.readOnly !== true) makeFolder(dirname(path));
  return openSqlite(path, options);
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    throw new NervaError(
      'STORE_READONLY',
      `The folder ${folder} cannot be made: ${cause instanceof Error ? cause.message : String(cause)}. Nothing was opened.`,
      { cause },
    );
  }
}
