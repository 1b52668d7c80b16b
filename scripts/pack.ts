import { cpSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './files.ts';

/** What `nerva` takes from the root of the repository when it is packed. */
const TAKEN: readonly string[] = ['README.md', 'LICENSE', 'CHANGELOG.md', 'docs'];
/** The manifest as it stands in the checkout, kept while it is packed. */
const KEPT = '.package.json';

/**
 * Makes the folder of a package ready for `npm pack`: copies the pages, and takes the `nerva-source` condition out of the manifest, because the
 * sources are not shipped and a user whose own bundler has a condition of that name would be sent to files that are not there. `taken`: names at the root of the repository.
 * Doing it twice changes nothing more. `afterPack` undoes it.
 */
export function beforePack(folder: string, taken: readonly string[] = TAKEN): void {
  afterPack(folder, taken);
  for (const name of taken)
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
export function afterPack(folder: string, taken: readonly string[] = TAKEN): void {
  if (existsSync(path.join(folder, KEPT))) renameSync(path.join(folder, KEPT), path.join(folder, 'package.json'));
  for (const name of taken) rmSync(path.join(folder, name), { recursive: true, force: true });
}

function withoutSource(target: unknown): unknown {
  if (typeof target !== 'object' || target === null) return target;
  return Object.fromEntries(Object.entries(target).filter(([condition]) => condition !== 'nerva-source'));
}

const [, , when, ...named] = process.argv;
const given = named.length === 0 ? TAKEN : named;
if (when === 'before') beforePack(process.cwd(), given);
if (when === 'after') afterPack(process.cwd(), given);
