import type { Dirent } from 'node:fs';
import { lstat, readdir, readFile as readText, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { NervaError } from 'nerva/core';
import { makeIgnore, type Ignored } from './ignored.ts';
import type { Problem, ProblemCode } from './problem.ts';

/** What is looked for. */
export interface WalkOptions {
  /** Leave out what `.gitignore` names. */
  readonly isIgnoring: boolean;
  /** Follow symbolic links that lead to something below what is ingested. */
  readonly isFollowing: boolean;
  readonly filesMax: number;
  readonly depthMax: number;
  readonly signal?: AbortSignal | undefined;
}

/** What was found. */
export interface Walked {
  /** Absolute, with `/`, in their order. */
  readonly files: readonly string[];
  /** Of `files`, those that were named themselves. */
  readonly named: ReadonlySet<string>;
  /** Folders that were looked into. */
  readonly folders: readonly string[];
  /** What was to be looked into, and below which what is not in `files` is gone. */
  readonly roots: readonly string[];
  /** Files and folders that could not be looked at: what is known of them, and of what is in them, stays. */
  readonly problems: readonly Problem[];
  /** So many files and folders were left out as `.gitignore` says. */
  readonly ignored: number;
}

/** Never looked into: the insides of Git and of Nerva. */
const INSIDES: ReadonlySet<string> = new Set(['.git', '.nerva']);

/**
 * Finds the files below folders, and those named themselves, in an order that depends on their names alone.
 * @throws OPTION_INVALID for a path that is not there: nothing was done.
 */
export async function walk(paths: readonly string[], options: WalkOptions): Promise<Walked> {
  const walker = new Walker(options);
  for (const one of paths) await walker.start(path.resolve(one));
  return walker.walked();
}

/** A path as it is recorded. */
export const slashed = (name: string): string => (path.sep === '/' ? name : name.split(path.sep).join('/'));

interface Folder {
  readonly name: string;
  readonly depth: number;
  readonly ignored: Ignored;
  /** What is ingested, as it really lies. */
  readonly root: string;
}

class Walker {
  readonly #options: WalkOptions;
  readonly #files = new Set<string>();
  readonly #named = new Set<string>();
  readonly #folders = new Set<string>();
  readonly #roots: string[] = [];
  readonly #problems: Problem[] = [];
  /** Real paths of folders that were looked into: a link back to one ends there. */
  readonly #seen = new Set<string>();
  #ignored = 0;
  #isFull = false;

  constructor(options: WalkOptions) {
    this.#options = options;
  }

  async start(root: string): Promise<void> {
    let isFolder = false;
    try {
      isFolder = (await stat(root)).isDirectory();
    } catch (error) {
      const { code = 'unknown' } = error as NodeJS.ErrnoException;
      throw new NervaError(
        'OPTION_INVALID',
        `${root} cannot be ingested (${code}): name a file or a folder that is there. Nothing was done.`,
        {
          cause: error,
          details: { path: root, code },
        },
      );
    }
    if (!isFolder) {
      this.#named.add(slashed(root));
      this.#take(root);
      return;
    }
    this.#roots.push(slashed(root));
    const real = await realpath(root);
    await this.#enter(
      { name: root, depth: 0, ignored: this.#options.isIgnoring ? await ignoredAbove(root) : makeIgnore(), root: real },
      real,
    );
  }

  walked(): Walked {
    const files = Array.from(this.#files).sort();
    return {
      files,
      named: this.#named,
      folders: Array.from(this.#folders),
      roots: this.#roots,
      problems: this.#problems,
      ignored: this.#ignored,
    };
  }

  async #enter(folder: Folder, real: string): Promise<void> {
    this.#options.signal?.throwIfAborted();
    if (this.#isFull || this.#seen.has(real)) return;
    this.#seen.add(real);
    const { name, depth } = folder;
    if (depth > this.#options.depthMax)
      return this.#refuse(
        name,
        'too-deep',
        `It lies ${depth} folders deep; ${this.#options.depthMax} is the limit (depthMax). It was not looked into.`,
      );
    let entries: Dirent[];
    try {
      entries = await readdir(name, { withFileTypes: true });
    } catch (error) {
      const { code = 'unknown' } = error as NodeJS.ErrnoException;
      return this.#refuse(name, 'unreadable', `The folder cannot be read (${code}). Check its permissions; what was known of it stays.`);
    }
    this.#folders.add(name);
    const hasRules = this.#options.isIgnoring && entries.some((entry) => entry.name === '.gitignore' && entry.isFile());
    const ignored = hasRules ? folder.ignored.under(name, await rulesOf(path.join(name, '.gitignore'))) : folder.ignored;
    entries.sort((one, other) => (one.name < other.name ? -1 : 1));
    for (const entry of entries) await this.#meet(entry, { ...folder, ignored });
  }

  async #meet(entry: Dirent, folder: Folder): Promise<void> {
    const name = path.join(folder.name, entry.name);
    if (INSIDES.has(entry.name)) return;
    const isFolder = entry.isDirectory();
    if (folder.ignored.has(name, isFolder)) {
      this.#ignored++;
      return;
    }
    if (entry.isSymbolicLink()) return this.#follow(name, folder);
    if (isFolder) return this.#enter({ ...folder, name, depth: folder.depth + 1 }, await realpath(name).catch(() => name));
    if (entry.isFile()) this.#take(name);
    else this.#refuse(name, 'kind', 'It is no regular file. Nothing was read of it.');
  }

  async #follow(name: string, folder: Folder): Promise<void> {
    if (!this.#options.isFollowing)
      return this.#refuse(name, 'link', 'It is a symbolic link, which are not followed (links). Nothing was read of it.');
    try {
      const real = await realpath(name);
      const isInside = real === folder.root || real.startsWith(folder.root + path.sep);
      if (!isInside)
        return this.#refuse(name, 'link', `It leads out of what is ingested, to ${real}. Ingest that by itself; nothing was read of it.`);
      const { isFile, isDirectory } = await kindOf(real);
      if (isDirectory) await this.#enter({ ...folder, name, depth: folder.depth + 1 }, real);
      else if (isFile) this.#take(name);
    } catch (error) {
      if (this.#options.signal?.aborted === true) throw error;
      const { code = 'unknown' } = error as NodeJS.ErrnoException;
      this.#refuse(name, 'link', `It is a symbolic link that leads nowhere (${code}).`);
    }
  }

  #take(name: string): void {
    if (this.#isFull) return;
    if (this.#files.size < this.#options.filesMax) this.#files.add(slashed(name));
    else {
      this.#isFull = true;
      this.#refuse(
        name,
        'too-many',
        `More than ${this.#options.filesMax} files were found (filesMax). This one and the rest were left out; what is known of them stays.`,
      );
    }
  }

  #refuse(name: string, code: ProblemCode, message: string): void {
    this.#problems.push({ path: slashed(name), code, message });
  }
}

async function kindOf(real: string): Promise<{ readonly isFile: boolean; readonly isDirectory: boolean }> {
  const found = await lstat(real);
  return { isFile: found.isFile(), isDirectory: found.isDirectory() };
}

const RULES_MAX = 1_000_000;

async function rulesOf(file: string): Promise<string> {
  try {
    return (await lstat(file)).size > RULES_MAX ? '' : await readText(file, 'utf8');
  } catch {
    return '';
  }
}

/** The rules of the folders above, up to the repository's; those that leave out the folder itself do not count, for it was named. */
async function ignoredAbove(root: string): Promise<Ignored> {
  const above: string[] = [];
  for (let folder = path.dirname(root); ; folder = path.dirname(folder)) {
    above.unshift(folder);
    if ((await readdir(folder).catch((): string[] => [])).includes('.git')) break;
    if (path.dirname(folder) === folder) return makeIgnore();
  }
  let ignored = makeIgnore();
  for (const folder of above) {
    const next = ignored.under(folder, await rulesOf(path.join(folder, '.gitignore')));
    if (!next.has(root, true)) ignored = next;
  }
  return ignored;
}
