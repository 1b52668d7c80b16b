import { cut, limitsOf, type Breaks, type ChunkLimits, type Span } from './cut.ts';

/** Windows of one size. */
export const FIXED: ChunkLimits = { sizeMax: 1_000, overlap: 200, sizeMin: 0 };
/** Paragraphs and sentences. */
export const SEMANTIC: ChunkLimits = { sizeMax: 2_000, overlap: 200, sizeMin: 100 };

/** Windows of `sizeMax` that overlap, wherever that cuts. @throws OPTION_INVALID */
export function fixedChunks(text: string, limits: Partial<ChunkLimits> = {}): readonly Span[] {
  const all = limitsOf(FIXED, limits);
  return cut(text, { start: 0, end: text.length, limits: all, breaks: [] });
}

/** Pieces that end with a paragraph, else with a sentence, a line, a word. @throws OPTION_INVALID */
export function semanticChunks(text: string, limits: Partial<ChunkLimits> = {}): readonly Span[] {
  const all = limitsOf(SEMANTIC, limits);
  return cut(text, { start: 0, end: text.length, limits: all, breaks: proseBreaks(text) });
}

/** Ends of paragraphs, sentences, lines and words. O(length). */
export function proseBreaks(text: string): Breaks {
  return [
    ends(text, /\n[ \t]*(?:\r?\n[ \t]*)+/g),
    ends(text, /(?<=[.!?…]["'”’)\]]{0,3})\s+|[。！？]+/g),
    ends(text, /\n/g),
    ends(text, /\s+/g),
  ];
}

/** Where the matches of a pattern end. */
export function ends(text: string, pattern: RegExp): readonly number[] {
  return Array.from(text.matchAll(pattern), (match) => match.index + match[0].length);
}
