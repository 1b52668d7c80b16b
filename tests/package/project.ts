import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforePack } from '../../scripts/pack.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PACKAGE = path.join(ROOT, 'packages/nerva');

/** What the packages hold beside what they take from the root when they are packed. */
const PACKAGES = {
  nerva: { parts: ['dist', 'bin', 'package.json'], taken: undefined },
  knowledge: { parts: ['dist', 'README.md', 'package.json'], taken: ['LICENSE'] },
} as const;

/** The package as npm packs it. */
export interface Packed {
  readonly tarball: string;
  readonly bytes: number;
  readonly files: readonly string[];
  /** Holds the tarball and the projects made beside it. Removed by `remove`. */
  readonly folder: string;
  remove(): void;
}

/** Packs a copy of a built package, so that the checkout stays as it is. @throws Error when it is not built. */
export function pack(name: keyof typeof PACKAGES = 'nerva'): Packed {
  const source = path.join(ROOT, 'packages', name);
  if (!existsSync(path.join(source, 'dist/index.js'))) throw new Error(`packages/${name}/dist is not there: npm run build`);
  const folder = mkdtempSync(path.join(tmpdir(), 'nerva-package-'));
  const staged = path.join(folder, 'staged');
  mkdirSync(staged);
  const { parts, taken } = PACKAGES[name];
  for (const part of parts) cpSync(path.join(source, part), path.join(staged, part), { recursive: true });
  beforePack(staged, taken);
  const said = run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], staged);
  const parsed = JSON.parse(said) as unknown;
  const [result] = (Array.isArray(parsed) ? parsed : Object.values(parsed as object)) as [
    { readonly size: number; readonly files: readonly { readonly path: string }[] },
  ];
  const tarball = path.join(folder, readdirSync(folder).find((file) => file.endsWith('.tgz')) ?? '');
  return {
    tarball,
    folder,
    bytes: result.size,
    files: result.files.map((file) => file.path),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** A user's project with the tarball installed, without the network; `links` are packages of this checkout put beside it. */
export function project(packed: Packed, name: string, files: Readonly<Record<string, string>>, links: readonly string[] = []): string {
  const folder = path.join(packed.folder, name);
  mkdirSync(folder);
  for (const [file, text] of Object.entries(files)) writeFileSync(path.join(folder, file), text);
  run('npm', ['install', '--offline', '--no-save', '--ignore-scripts', '--loglevel=error', packed.tarball], folder);
  for (const link of links) {
    const target = path.join(folder, 'node_modules', link);
    mkdirSync(path.dirname(target), { recursive: true });
    symlinkSync(installed(link), target, 'junction');
  }
  return folder;
}

/** The folder of a tool of this checkout: next to these tests when npm put it there, else at the root. */
export function installed(name: string): string {
  const nested = path.join(ROOT, 'tests/package/node_modules', name);
  return existsSync(nested) ? nested : path.join(ROOT, 'node_modules', name);
}

/** The subpaths the package offers to code, as a user writes them: `nerva`, `nerva/log`, … */
export function subpaths(): readonly string[] {
  const { exports: entries } = JSON.parse(readFileSync(path.join(PACKAGE, 'package.json'), 'utf8')) as {
    readonly exports: Readonly<Record<string, unknown>>;
  };
  return Object.keys(entries)
    .filter((key) => !key.endsWith('.json'))
    .map((key) => `nerva${key.slice(1)}`);
}

/** Runs a program to its end. @returns what it printed. @throws Error with both outputs when it fails. */
export function run(program: string, args: readonly string[], cwd: string): string {
  try {
    // The Node that runs this stands first in the path, also when the host's own is older.
    const env = { ...process.env, PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env['PATH'] ?? ''}` };
    const shell = process.platform === 'win32' && program !== process.execPath;
    return execFileSync(program, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], shell });
  } catch (cause) {
    const { stdout, stderr } = cause as { readonly stdout?: string; readonly stderr?: string };
    throw new Error(`${program} ${args.join(' ')} failed in ${cwd}\n${stdout ?? ''}\n${stderr ?? ''}`, { cause });
  }
}
