import type { EventId, LogEvent, Seq } from 'nerva/log';
import type { DocumentType } from './detect.ts';

/** What a document's first event says of it. */
export interface DocumentData {
  /** Of the file, absolute, with `/`. */
  readonly path: string;
  /** SHA-256 of the file. */
  readonly hash: string;
  /** Of its text without regard to white space: equal for documents that say the same. */
  readonly textHash: string;
  /** Of what the pieces depend on beside the file: how it was read and cut. */
  readonly made: string;
  readonly bytes: number;
  readonly type: DocumentType;
  readonly title: string | null;
  readonly tags: readonly string[];
  /** It says the same as this one, or nearly so; it has no pieces of its own. */
  readonly duplicateOf: { readonly path: string; readonly document: Seq; readonly similarity: number } | null;
  /** Its sketch, where near duplicates are looked for. */
  readonly sketch?: string;
}

/** Where a piece stands. */
export interface Place {
  /** What the numbers count in: the file itself, or, of what is packed (PDF, DOCX), the text that was taken out of it. */
  readonly of: 'file' | 'text';
  /** UTF-16 units from its beginning, `end` exclusive. */
  readonly start: number;
  readonly end: number;
  /** Lines from 1, both inclusive. */
  readonly line: number;
  readonly lineEnd: number;
  /** Bytes of the file, `byteEnd` exclusive; null of what is packed. */
  readonly byte: number | null;
  readonly byteEnd: number | null;
  /** From 1; null of what has no pages. */
  readonly page: number | null;
}

/** A place in few letters: of, start, end, line, lineEnd, byte, byteEnd, page. */
export type PlaceRow = readonly [0 | 1, number, number, number, number, number | null, number | null, number | null];

/** A piece of a document as it was recorded. */
export interface Chunk {
  readonly text: string;
  /** What it stands under, outermost first. */
  readonly context: readonly string[];
}

/** What the log of a knowledge base says, by type. */
export interface KnowledgeData {
  /** The first event. */
  'knowledge.opened': { readonly name: string };
  /** A version of a document begins; it is there once it is processed. */
  'document.added': DocumentData;
  /** A piece of it that is new. */
  'chunk.recorded': Chunk & { readonly document: Seq };
  /** The version takes the place of the one before: these are its pieces, new and old, and where they stand. */
  'document.processed': { readonly document: Seq; readonly chunks: readonly (readonly [chunk: Seq, place: PlaceRow])[] };
  /** The file is gone. */
  'documents.removed': { readonly paths: readonly string[] };
}

/** The numbers of a place. */
export function placeRow({ of, start, end, line, lineEnd, byte, byteEnd, page }: Place): PlaceRow {
  return [of === 'file' ? 0 : 1, start, end, line, lineEnd, byte, byteEnd, page];
}

/** The place of its numbers. */
export function placeOf([of, start, end, line, lineEnd, byte, byteEnd, page]: PlaceRow): Place {
  return { of: of === 0 ? 'file' : 'text', start, end, line, lineEnd, byte, byteEnd, page };
}

/** Of an event whose data is what its type says; whoever may write the log may write anything into it. */
export function read<T extends keyof KnowledgeData>(event: LogEvent, type: T): KnowledgeData[T] | null {
  return event.type === type && event.erased !== true && FITS[type](event.data) ? (event.data as unknown as KnowledgeData[T]) : null;
}

type Loose = Readonly<Record<string, unknown>>;
const isText = (value: unknown): boolean => typeof value === 'string';
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText);
const isSeq = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isRow = (value: unknown): boolean =>
  Array.isArray(value) && value.length === 8 && value.slice(0, 5).every(isSeq) && value.slice(5).every((one) => one === null || isSeq(one));

const FITS: Readonly<Record<keyof KnowledgeData, (data: Loose) => boolean>> = {
  'knowledge.opened': ({ name }) => isText(name),
  'document.added': ({ path, hash, textHash, made, bytes, type, title, tags, duplicateOf }) =>
    [path, hash, textHash, made, type].every(isText) &&
    isSeq(bytes) &&
    (title === null || isText(title)) &&
    isTexts(tags) &&
    (duplicateOf === null || (typeof duplicateOf === 'object' && isText((duplicateOf as Loose)['path']))),
  'chunk.recorded': ({ text, context, document }) => isText(text) && isTexts(context) && isSeq(document),
  'document.processed': ({ document, chunks }) =>
    isSeq(document) && Array.isArray(chunks) && chunks.every((one: unknown) => Array.isArray(one) && isSeq(one[0]) && isRow(one[1])),
  'documents.removed': ({ paths }) => isTexts(paths),
};

/** The id of an event of a log. */
export const idOf = (sid: string, seq: Seq): EventId => `${sid}:${seq}`;
