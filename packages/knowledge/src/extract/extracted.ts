import type { DocumentType } from '../detect.ts';
import type { Section } from '../headings.ts';

/** What a file says, as text that can be cut. */
export interface Extracted {
  readonly type: DocumentType;
  /** Of code. */
  readonly language: string | null;
  readonly text: string;
  readonly title: string | null;
  /** Of the front matter. */
  readonly tags: readonly string[];
  /** Where parts of it begin: under headings, or pages. */
  readonly sections: readonly Section[];
  /** Where each page begins; none for what has no pages. */
  readonly pages: readonly number[];
  /** Where in the file a piece of the text stands; null where that cannot be said, for the file is packed. */
  readonly inFile: ((start: number, end: number) => readonly [start: number, end: number]) | null;
}

/** Bounds of what is made of one file. */
export interface ExtractLimits {
  /** Characters of text. */
  readonly textCharactersMax: number;
  /** Bytes that a packed file may become. */
  readonly unpackedBytesMax: number;
}
