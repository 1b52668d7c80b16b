import { checkOptions, checkRange, NervaError } from 'nerva/core';
import type { ChunkOptions } from './pieces.ts';

/** Bounds of one ingestion. What is beyond one is listed, and the rest is ingested. */
export interface IngestLimits {
  /** Of a file; a larger one is not read. Default 50 MB, at most 1 GB. */
  readonly fileBytesMax: number;
  /** Files. Default 100,000. */
  readonly filesMax: number;
  /** Folders below the one that was named. Default 64. */
  readonly depthMax: number;
  /** Of the text of one document. Default 5,000,000. */
  readonly textCharactersMax: number;
  /** Of one document. Default 10,000. */
  readonly chunksMax: number;
  /** What a packed file (DOCX, PDF) may become. Default 200 MB. */
  readonly unpackedBytesMax: number;
  /** How long reading a packed file may take; then it is ended. Default 60,000, at most an hour. */
  readonly unpackTimeoutMs: number;
}

/** How files are ingested. */
export interface IngestOptions {
  /** Leave out what `.gitignore` files name, those of the folders above in a repository too. Default true. */
  readonly gitignore?: boolean;
  /** `skip` symbolic links, or follow those that lead to something `inside` what is ingested. Default `skip`. */
  readonly links?: 'skip' | 'inside';
  /** What files are read as that are neither UTF-8 nor have a byte order mark; without it each is a problem. */
  readonly encoding?: 'windows-1252';
  readonly chunks?: ChunkOptions;
  /**
   * Whose personal data the files hold: what is written of them is sealed under that subject's key, and gone when it is erased. A document that
   * has one keeps it where none is given here.
   */
  readonly subject?: string;
  /** Documents that are at least so much alike (0.5–1) count as one; .85 is a good start. Default: only those that say the same. */
  readonly nearDuplicates?: number;
  readonly limits?: Partial<IngestLimits>;
  /** Is told of each file, after what it led to was acknowledged. */
  readonly onProgress?: (progress: Progress) => void;
  /** Ends after the file that is under way, or in the midst of one that is packed; the same again goes on from there. */
  readonly signal?: AbortSignal;
}

/** How far it is. */
export interface Progress {
  readonly path: string;
  readonly outcome: 'added' | 'changed' | 'unchanged' | 'duplicate' | 'skipped' | 'failed';
  /** Files done, of `total`. */
  readonly done: number;
  readonly total: number;
}

const LIMITS: Readonly<Record<keyof IngestLimits, readonly [usual: number, least: number, most: number]>> = {
  fileBytesMax: [50_000_000, 1, 1_000_000_000],
  filesMax: [100_000, 1, 10_000_000],
  depthMax: [64, 0, 1_000],
  textCharactersMax: [5_000_000, 1, 100_000_000],
  chunksMax: [10_000, 1, 100_000],
  unpackedBytesMax: [200_000_000, 1, 1_000_000_000],
  unpackTimeoutMs: [60_000, 1, 3_600_000],
};
const NAMES = Object.keys(LIMITS) as (keyof IngestLimits)[];

/** The limits that were given over the usual ones. @throws OPTION_UNKNOWN, OPTION_INVALID */
export function ingestLimits(given: Partial<IngestLimits> = {}): IngestLimits {
  checkOptions(given, NAMES, 'ingest limits');
  const all = NAMES.map((name) => {
    const [usual, least, most] = LIMITS[name];
    return [name, checkRange(`limits.${name}`, given[name] ?? usual, least, most)] as const;
  });
  return Object.fromEntries(all) as unknown as IngestLimits;
}

/** @throws OPTION_UNKNOWN, OPTION_INVALID */
export function checkIngest(options: IngestOptions): void {
  checkOptions(
    options,
    ['gitignore', 'links', 'encoding', 'chunks', 'subject', 'nearDuplicates', 'limits', 'onProgress', 'signal'],
    'ingest',
  );
  checkOptions(options.chunks ?? {}, ['by', 'limits'], 'ingest chunks');
  oneOf('links', options.links ?? 'skip', ['skip', 'inside']);
  oneOf('encoding', options.encoding ?? 'windows-1252', ['windows-1252']);
  oneOf('chunks.by', options.chunks?.by ?? 'auto', ['auto', 'fixed', 'semantic']);
  const { subject } = options;
  if (subject !== undefined && (typeof subject !== 'string' || subject === ''))
    throw new NervaError(
      'OPTION_INVALID',
      `subject says whose data it is, in a word at least; ${JSON.stringify(subject)} came. Nothing was done.`,
    );
  if (options.nearDuplicates !== undefined) checkRange('nearDuplicates', options.nearDuplicates, 0.5, 1);
}

function oneOf(name: string, value: string, known: readonly string[]): void {
  if (!known.includes(value))
    throw new NervaError('OPTION_INVALID', `${name} must be one of ${known.join(', ')}; ${JSON.stringify(value)} came. Nothing was done.`);
}
