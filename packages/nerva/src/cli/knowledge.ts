import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { relative, resolve, sep } from 'node:path';
import { pathToFileURL, fileURLToPath } from 'node:url';
import { NervaError, type World } from '../core/index.ts';
import type { Store } from '../log/index.ts';
import { load } from './agents.ts';
import { UsageError } from './arguments.ts';
import type { CommandName } from './commands.ts';
import type { Context } from './context.ts';

/** A file that is not in a base as it is now, and why. */
export interface FileProblem {
  readonly path: string;
  readonly code: string;
  readonly message: string;
}

/** What one ingestion did. */
export interface IngestReport {
  readonly added: number;
  readonly changed: number;
  readonly unchanged: number;
  readonly removed: number;
  readonly duplicates: number;
  readonly chunksWritten: number;
  readonly bytes: number;
  readonly ignored: number;
  readonly skipped: readonly FileProblem[];
  readonly failed: readonly FileProblem[];
  readonly stopped: boolean;
}

/** How far an ingestion is. */
export interface IngestProgress {
  readonly path: string;
  readonly outcome: string;
  readonly done: number;
  readonly total: number;
}

/** What the commands give of `ingest`'s options. */
export interface IngestGiven {
  readonly gitignore?: boolean;
  readonly links?: 'skip' | 'inside';
  readonly encoding?: 'windows-1252';
  readonly nearDuplicates?: number;
  readonly subject?: string;
  readonly limits?: Readonly<Record<string, number>>;
  readonly onProgress?: (progress: IngestProgress) => void;
}

/** A passage that was found, and where it stands. */
export interface FoundPassage {
  readonly id: string;
  readonly text: string;
  readonly context: readonly string[];
  readonly score: number;
  readonly citation: {
    readonly path: string;
    readonly title: string | null;
    readonly place: { readonly line: number; readonly lineEnd: number; readonly page: number | null };
    readonly also: readonly string[];
  };
}

/** A knowledge base, as far as the commands use it. */
export interface KnowledgeBase {
  readonly head: number;
  documents(): readonly unknown[];
  query(
    text: string,
    options: { readonly limit: number; readonly under?: string },
  ): { readonly query: string; readonly found: readonly FoundPassage[] };
}

/** What the commands use of the package `@nerva/knowledge`, which they load when they are called: this one has no dependencies. */
export interface KnowledgePackage<Base extends KnowledgeBase = KnowledgeBase> {
  openKnowledge(options: { readonly store: Store; readonly world: World; readonly name: string }): Promise<Base>;
  ingest(base: Base, paths: readonly string[], options: IngestGiven & { readonly signal: AbortSignal }): Promise<IngestReport>;
  watch(
    base: Base,
    paths: readonly string[],
    options: IngestGiven & { readonly signal: AbortSignal; readonly onRound: (report: IngestReport) => void },
  ): Promise<void>;
}

const NAME = '@nerva/knowledge';

/** The package: of the project in the working directory, else the one beside this. @throws UsageError that says how to install it. */
export async function knowledgePackage(command: CommandName): Promise<KnowledgePackage> {
  // In a checkout the sources are meant, for `dist` may be older or absent.
  const sources = fileURLToPath(new URL('../../../knowledge/src/index.ts', import.meta.url));
  const path = import.meta.url.endsWith('.ts') && existsSync(sources) ? sources : installed();
  if (path === null)
    throw new UsageError(`${command} needs the package ${NAME}, which is not installed here: npm install ${NAME}`, command);
  return (await load(path)) as unknown as KnowledgePackage;
}

function installed(): string | null {
  for (const from of [pathToFileURL(resolve('package.json')), import.meta.url])
    try {
      return createRequire(from).resolve(NAME);
    } catch {
      continue;
    }
  return null;
}

/** The name of the base that `--base` gives, and the store of `--tenant`. */
export function baseOf({ flags }: Pick<Context, 'flags'>, whole: Store): { readonly name: string; readonly store: Store } {
  const tenant = flags.text('tenant');
  return { name: flags.text('base') ?? 'default', store: tenant === undefined ? whole : whole.scope(tenant) };
}

/** A path as it is typed here, when it lies below the working directory. */
export function shortPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short === '' || short.startsWith(`..${sep}`) || short === '..' ? path : short;
}

/** There is no such base. */
export function unknownBase(name: string): NervaError {
  return new NervaError(
    'MEMORY_UNKNOWN',
    `Nothing was ingested into the base ${JSON.stringify(name)} of this store: nerva ingest DIR --base ${name}`,
    {
      details: { base: name },
    },
  );
}
