import { checkOptions, checkRange } from 'nerva/core';

/** A piece of a text: `text.slice(start, end)`, in UTF-16 units, and never half a code point. */
export interface Span {
  readonly start: number;
  readonly end: number;
  /** What it stands under: headings, the head of a table, the line that opens its function. Outermost first. */
  readonly context: readonly string[];
}

/** Bounds of the pieces, in UTF-16 units. */
export interface ChunkLimits {
  /** 4–100,000. */
  readonly sizeMax: number;
  /** How much of the end of a piece the next one begins with, at most; 0 to half of `sizeMax`. */
  readonly overlap: number;
  /** No piece is made smaller where that can be helped; 0 to half of `sizeMax`. */
  readonly sizeMin: number;
}

/** Where a text may be cut: offsets at which a new piece may begin, ascending; the better kinds first. */
export type Breaks = readonly (readonly number[])[];

/** The part of a text that is cut, and how. */
export interface Cut {
  readonly start: number;
  readonly end: number;
  readonly limits: ChunkLimits;
  readonly breaks: Breaks;
  readonly context?: readonly string[];
}

/** The limits that were given, over those that are usual, which go with a smaller `sizeMax`. @throws OPTION_UNKNOWN, OPTION_INVALID */
export function limitsOf(usual: ChunkLimits, given: Partial<ChunkLimits>): ChunkLimits {
  checkOptions(given, ['sizeMax', 'overlap', 'sizeMin'], 'limits of chunks');
  const sizeMax = checkRange('sizeMax', given.sizeMax ?? usual.sizeMax, 4, 100_000);
  const half = Math.floor(sizeMax / 2);
  return {
    sizeMax,
    overlap: checkRange('overlap', given.overlap ?? Math.min(usual.overlap, half), 0, half),
    sizeMin: checkRange('sizeMin', given.sizeMin ?? Math.min(usual.sizeMin, half), 0, half),
  };
}

/**
 * Cuts a range greedily, each piece at the best kind of break that lies in it, as late as it can. What is put together again without the
 * overlaps is the range. O(length · log).
 */
export function cut(text: string, { start: first, end: last, limits, breaks, context = [] }: Cut): readonly Span[] {
  const { sizeMax, overlap, sizeMin } = limits;
  const spans: Span[] = [];
  let start = first;
  while (last - start > sizeMax) {
    // What is left for the end is no crumb, where both can be had.
    const latest = Math.min(start + sizeMax, last - sizeMin);
    const earliest = start + Math.max(sizeMin, overlap + 1, 2);
    const end = endOf(text, earliest, Math.max(earliest, latest), breaks);
    spans.push({ start, end, context });
    start = overlap === 0 ? end : startOf(text, end - overlap, end, breaks);
  }
  if (last > start) spans.push({ start, end: last, context });
  return spans;
}

function endOf(text: string, earliest: number, latest: number, breaks: Breaks): number {
  for (const offsets of breaks) {
    const found = lastUpTo(offsets, latest);
    if (found >= earliest) return found;
  }
  return isInside(text, latest) ? latest - 1 : latest;
}

/** The first break of the finest kind from `from` on, so that an overlap begins with a whole word. */
function startOf(text: string, from: number, end: number, breaks: Breaks): number {
  const finest = breaks.at(-1);
  if (finest !== undefined) {
    const found = finest[indexAfter(finest, from - 1)];
    if (found !== undefined && found < end) return found;
  }
  return isInside(text, from) ? from + 1 : from;
}

/** Whether an offset lies between the halves of a surrogate pair. */
function isInside(text: string, offset: number): boolean {
  return (text.charCodeAt(offset) & 0xfc00) === 0xdc00 && (text.charCodeAt(offset - 1) & 0xfc00) === 0xd800;
}

/** The last of ascending offsets that is at most `limit`, or -1. */
export function lastUpTo(offsets: readonly number[], limit: number): number {
  return offsets[indexAfter(offsets, limit) - 1] ?? -1;
}

/** How many of ascending offsets are at most `limit`. */
export function indexAfter(offsets: readonly number[], limit: number): number {
  let [low, high] = [0, offsets.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((offsets[middle] as number) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
