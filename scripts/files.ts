import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the repository. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

const SKIPPED = new Set(['node_modules', 'dist', '.git', '.nerva', '.db', 'results']);
const TEXT = /\.(ts|mts|cts|mjs|cjs|js|md|json|jsonc|sh)$/;

/** The text files of the repository by path, and its folders that hold no file at all. */
export function readTree(root: string = ROOT): { readonly files: ReadonlyMap<string, string>; readonly emptyFolders: readonly string[] } {
  const files = new Map<string, string>();
  const emptyFolders: string[] = [];
  const visit = (folder: string): void => {
    const entries = readdirSync(path.join(root, folder), { withFileTypes: true });
    if (entries.length === 0) emptyFolders.push(folder);
    for (const entry of entries) {
      const file = path.posix.join(folder, entry.name);
      if (entry.isDirectory() && !SKIPPED.has(entry.name)) visit(file);
      else if (entry.isFile()) files.set(file, TEXT.test(entry.name) ? readFileSync(path.join(root, file), 'utf8') : '');
    }
  };
  visit('');
  return { files, emptyFolders };
}
