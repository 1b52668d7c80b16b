import { createHash } from 'node:crypto';
import { decode } from './decode.ts';
import type { Citation } from './base.ts';
import { extract } from './extract/index.ts';
import { ingestLimits, type IngestLimits } from './options.ts';
import { readFile } from './read-file.ts';

/** What stands in a file where a citation points. */
export interface Opened {
  /** Of a page in HTML, with its marks. */
  readonly text: string;
  /** False when the file is another than the one that was ingested: then it may be anything. */
  readonly isCurrent: boolean;
}

/** How a citation is opened: as its file was ingested. */
export interface OpenOptions {
  readonly encoding?: 'windows-1252';
  readonly limits?: Partial<IngestLimits>;
}

/** Opens the file of a citation at the place that it names. @throws FileProblem, OPTION_INVALID. */
export async function openCitation({ path, place, hash }: Citation, { encoding, limits }: OpenOptions = {}): Promise<Opened> {
  const all = ingestLimits(limits);
  const bytes = await readFile(path, { bytesMax: all.fileBytesMax, isFollowed: true });
  const isCurrent = createHash('sha256').update(bytes).digest('hex') === hash;
  const text = place.of === 'file' ? decode(bytes, encoding).text : (await extract(path, bytes, { ...all, encoding })).extracted.text;
  return { text: text.slice(place.start, place.end).toWellFormed(), isCurrent };
}
