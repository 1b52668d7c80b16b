import path from 'node:path';
import { EDGE_LAYER, FORBIDDEN_GLOBALS, LAYERS, ROOT_LAYER, SIDEWAYS } from './layers.ts';
import { readSource, type Source } from './source.ts';

/** Files by path from the root of the repository, with `/`. */
export type Files = ReadonlyMap<string, string>;

const SRC = 'packages/nerva/src/';
/** Values a folder's index may export; types are not counted, they cost a reader nothing until they are needed. */
const INDEX_VALUES_MAX = 40;
/** Values a file may export. */
const FILE_VALUES_MAX = 10;

/** The folder of a file of src; '' for src/index.ts. */
function folderOf(file: string): string {
  const parts = file.slice(SRC.length).split('/');
  return parts.length === 1 ? '' : String(parts[0]);
}

function layerOf(folder: string): number | undefined {
  return folder === '' ? ROOT_LAYER : LAYERS[folder];
}

const isTest = (file: string): boolean => /\.(test|bench|sim)\.ts$/.test(file);
const isIndex = (file: string): boolean => file.endsWith('/index.ts');

/** The sources of a package, by default of `nerva`, parsed. @throws Error for a file that does not parse. */
export function parseSources(files: Files, src = SRC): ReadonlyMap<string, Source> {
  const sources = [...files].filter(([file]) => file.startsWith(src) && file.endsWith('.ts'));
  return new Map(sources.map(([file, text]) => [file, readSource(file, text)]));
}

/** Layers: imports point down and go through index.ts; no dependency; `node:*` only at the edge; no unknown folder. */
export function checkLayers(sources: ReadonlyMap<string, Source>): string[] {
  const problems: string[] = [];
  for (const [file, source] of sources) {
    const folder = folderOf(file);
    if (layerOf(folder) === undefined) problems.push(`${file}: folder "${folder}" is not in the table of scripts/layers.ts`);
    for (const { from, line } of source.imports) {
      const why = from.startsWith('.') ? refuseRelative(file, from) : refuseBare(file, from);
      if (why !== undefined) problems.push(`${file}:${line}: imports ${from}: ${why}`);
    }
  }
  return problems;
}

function refuseBare(file: string, from: string): string | undefined {
  if (isTest(file)) return undefined;
  if (!from.startsWith('node:')) return 'the package has no dependencies, and names its own folders by relative paths';
  return (layerOf(folderOf(file)) ?? 0) < EDGE_LAYER || folderOf(file) === '' ? 'only the edge may use node:*' : undefined;
}

function refuseRelative(file: string, from: string): string | undefined {
  const target = path.posix.join(path.posix.dirname(file), from);
  if (!target.endsWith('.ts')) return 'a relative import ends in .ts';
  if (!target.startsWith(SRC)) return isTest(file) ? undefined : 'this leaves the package';
  const [folder, wanted] = [folderOf(file), folderOf(target)];
  if (folder === wanted) return undefined;
  if (wanted === '') return 'src/index.ts is for users of the package';
  if (!/^[^/]+\/index\.ts$/.test(target.slice(SRC.length))) return `go through ${wanted}/index.ts`;
  if (isTest(file)) return undefined;
  const [layer, below] = [layerOf(folder) ?? -1, layerOf(wanted)];
  if (below === undefined || below < layer || SIDEWAYS.includes(`${folder}>${wanted}`)) return undefined;
  return `${folder} (layer ${layer}) may not use ${wanted} (layer ${below})`;
}

/** A package beside `nerva` names it as its users do, and else only what its manifest has and what lies in itself. Tests may use more. */
export function checkPackage(sources: ReadonlyMap<string, Source>, src: string, dependencies: readonly string[]): string[] {
  const known = ['nerva', ...dependencies];
  const problems: string[] = [];
  for (const [file, { imports }] of sources) {
    if (isTest(file) || file.endsWith('/samples.ts')) continue;
    for (const { from, line } of imports) {
      const target = path.posix.join(path.posix.dirname(file), from);
      const isOwn = from.startsWith('.') && target.startsWith(src) && target.endsWith('.ts');
      if (isOwn || from.startsWith('node:') || known.some((name) => from === name || from.startsWith(`${name}/`))) continue;
      problems.push(
        `${file}:${line}: imports ${from}: ${from.startsWith('.') ? 'this leaves the package' : 'its manifest does not have it'}`,
      );
    }
  }
  return problems;
}

/** No cycle of imports, types included. Tests are left out. @returns each cycle once, as `a → b → a`. */
export function checkCycles(sources: ReadonlyMap<string, Source>): string[] {
  const problems: string[] = [];
  const isDone = new Set<string>();
  const visit = (file: string, trail: readonly string[]): void => {
    const at = trail.indexOf(file);
    if (at >= 0) problems.push(`cycle: ${[...trail.slice(at), file].map((each) => each.slice(SRC.length)).join(' → ')}`);
    if (at >= 0 || isDone.has(file)) return;
    for (const { from } of sources.get(file)?.imports ?? []) {
      if (from.startsWith('.')) visit(path.posix.join(path.posix.dirname(file), from), [...trail, file]);
    }
    isDone.add(file);
  };
  for (const file of sources.keys()) if (!isTest(file)) visit(file, []);
  return problems;
}

/** Layers below the edge name no clock, dice, network or process. Math.random is read as text: it is a member of a pure global. */
export function checkGlobals(sources: ReadonlyMap<string, Source>, files: Files): string[] {
  const problems: string[] = [];
  for (const [file, source] of sources) {
    const folder = folderOf(file);
    if (isTest(file) || (folder !== '' && (layerOf(folder) ?? 0) >= EDGE_LAYER)) continue;
    for (const name of FORBIDDEN_GLOBALS) {
      const line = source.globals.get(name);
      if (line !== undefined) problems.push(`${file}:${line}: names ${name}; take a World`);
    }
    if (source.globals.has('Math') && /\bMath\s*\??\.?\s*(\.\s*random|\[\s*['"`]random)\b/.test(files.get(file) ?? '')) {
      problems.push(`${file}: names Math.random; take a World`);
    }
  }
  return problems;
}

/** Every exported symbol has a docstring; indexes name what they export; no default exports; not too many values in one place. */
export function checkExports(sources: ReadonlyMap<string, Source>): string[] {
  const problems: string[] = [];
  for (const [file, { exports }] of sources) {
    if (isTest(file)) continue;
    const values = exports.filter((each) => !each.isType);
    for (const { name, line, hasDocstring, isReexport } of exports) {
      if (name === '*') problems.push(`${file}:${line}: export * hides what is public; name each export`);
      else if (name === 'default') problems.push(`${file}:${line}: default exports have no name; name it`);
      else if (!hasDocstring) problems.push(`${file}:${line}: ${name} is exported without a docstring`);
      if (isReexport && !isIndex(file)) problems.push(`${file}:${line}: only index.ts re-exports (${name})`);
    }
    if (!isIndex(file) && values.length > FILE_VALUES_MAX)
      problems.push(`${file}: exports ${values.length} values, at most ${FILE_VALUES_MAX}`);
    if (isIndex(file) && values.length > INDEX_VALUES_MAX)
      problems.push(`${file}: exports ${values.length} values, at most ${INDEX_VALUES_MAX}`);
  }
  return problems;
}

/** Each test file is run by some npm script; none is narrowed with `only`, or skipped without saying why. */
export function checkTests(files: Files, scripts: Readonly<Record<string, string>>): string[] {
  const problems: string[] = [];
  const globs = Object.values(scripts).flatMap((script) => [...script.matchAll(/"([^"]+\.test\.ts)"/g)].map((match) => String(match[1])));
  for (const [file, text] of files) {
    if (!/\.(test|spec)\.[cm]?[jt]sx?$/.test(file)) continue;
    if (!globs.some((glob) => path.posix.matchesGlob(file, glob))) problems.push(`${file}: no npm script runs it (${globs.join(', ')})`);
    for (const [index, line] of text.split('\n').entries()) {
      const found = /\b(?:test|it|describe|suite)\.(only|skip|todo)\s*\(|\b(only|skip|todo): true\b|\bt\.(skip|todo)\(\s*\)/.exec(line);
      if (found) problems.push(`${file}:${index + 1}: "${found[0]}": remove it, or say why: { skip: 'the reason' }`);
    }
  }
  return problems;
}

/** What the house forbids in text: unfinished work without an issue, and names of merge conflicts. */
export function checkText(files: Files): string[] {
  const problems: string[] = [];
  for (const [file, text] of files) {
    if (!/\.(ts|mjs|md|json)$/.test(file) || file === 'package-lock.json') continue;
    for (const [index, line] of text.split('\n').entries()) {
      if (/\b(TODO|FIXME|XXX)\b(?!.*#\d+)(?!.* without)/.test(line) && /\.(ts|mjs)$/.test(file))
        problems.push(`${file}:${index + 1}: unfinished work without an issue number`);
      if (/^(<{7}|>{7}|={7}$)/.test(line)) problems.push(`${file}:${index + 1}: a merge conflict`);
    }
  }
  return problems;
}

/** Relative links of Markdown pages lead to files or folders that exist. `docs/x.md#part` is checked without its part. */
export function checkLinks(files: Files): string[] {
  const problems: string[] = [];
  const paths = [...files.keys()];
  for (const [file, text] of files) {
    if (!file.endsWith('.md')) continue;
    for (const match of text.matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)[^)]*\)/g)) {
      const target = path.posix.join(path.posix.dirname(file), String(match[1])).replace(/\/$/, '');
      if (!paths.some((each) => each === target || each.startsWith(`${target}/`)))
        problems.push(`${file}: the link to ${match[1]} leads nowhere`);
    }
  }
  return problems;
}

/** Decision records are numbered without gaps and have their four parts; each dev dependency is named in one. */
export function checkDecisions(files: Files, dependencies: readonly string[]): string[] {
  const problems: string[] = [];
  const records = [...files]
    .filter(([file]) => /^docs\/decisions\/\d{4}-.+\.md$/.test(file))
    .sort(([one], [other]) => (one < other ? -1 : 1));
  for (const [index, [file, text]] of records.entries()) {
    if (Number(path.posix.basename(file).slice(0, 4)) !== index + 1) problems.push(`${file}: expected number ${index + 1}`);
    for (const part of ['Context', 'Decision', 'Evidence', 'Consequences']) {
      if (!text.includes(`\n## ${part}\n`)) problems.push(`${file}: has no part "${part}"`);
    }
  }
  const all = records.map(([, text]) => text).join('\n');
  for (const name of dependencies)
    if (!all.includes(`\`${name}\``)) problems.push(`package.json: no decision record gives the reason for ${name}`);
  return problems;
}

/** A promise names the tests that hold it: each name in quotation marks is the name of a test or law. */
export function checkPromises(files: Files): string[] {
  const tests = [...files].filter(([file]) => /\.(test|contract)\.ts$/.test(file)).map(([, text]) => text.replaceAll("\\'", "'"));
  const names = [...(files.get('docs/promises.md') ?? '').matchAll(/"([^"\n]+)"/g)].map((match) => String(match[1]));
  return names.filter((name) => !tests.some((text) => text.includes(name))).map((name) => `docs/promises.md: no test is named "${name}"`);
}
