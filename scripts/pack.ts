import { cpSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './files.ts';

/** What a package takes from the root of the repository when it is packed. */
const TAKEN = ['README.md', 'LICENSE', 'CHANGELOG.md', 'docs'];
/** The manifest as it stands in the checkout, kept while it is packed. */
const KEPT = '.package.json';

/**
 * Makes the folder of a package ready for `npm pack`: copies the pages, and takes the `nerva-source` condition out of the manifest, because the
 * sources are not shipped and a user whose own bundler has a condition of that name would be sent to files that are not there.
 * Doing it twice changes nothing more. `afterPack` undoes it.
 */
export function beforePack(folder: string): void {
  afterPack(folder);
  for (const name of TAKEN)
    if (existsSync(path.join(ROOT, name))) cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true });
  const manifest = path.join(folder, 'package.json');
  const text = readFileSync(manifest, 'utf8');
  const {
    scripts: _scripts,
    exports: entries,
    ...rest
  } = JSON.parse(text) as { readonly scripts?: unknown; readonly exports: Readonly<Record<string, unknown>> };
  const shipped = Object.fromEntries(Object.entries(entries).map(([name, target]) => [name, withoutSource(target)]));
  writeFileSync(path.join(folder, KEPT), text);
  writeFileSync(manifest, `${JSON.stringify({ ...rest, exports: shipped }, null, 2)}\n`);
}

/** Puts the folder back as `beforePack` found it. Harmless when there is nothing to undo. */
export function afterPack(folder: string): void {
  if (existsSync(path.join(folder, KEPT))) renameSync(path.join(folder, KEPT), path.join(folder, 'package.json'));
  for (const name of TAKEN) rmSync(path.join(folder, name), { recursive: true, force: true });
}

function withoutSource(target: unknown): unknown {
  if (typeof target !== 'object' || target === null) return target;
  return Object.fromEntries(Object.entries(target).filter(([condition]) => condition !== 'nerva-source'));
}

if (process.argv[2] === 'before') beforePack(process.cwd());
if (process.argv[2] === 'after') afterPack(process.cwd());
