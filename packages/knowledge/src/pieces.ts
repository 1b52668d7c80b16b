import {
  codeChunks,
  csvChunks,
  fixedChunks,
  indexAfter,
  jsonChunks,
  sectionChunks,
  semanticChunks,
  type ChunkLimits,
  type Span,
} from './chunk/index.ts';
import { byteOffsets, type Decoded } from './decode.ts';
import type { Chunk, Place } from './events.ts';
import type { Extracted } from './extract/index.ts';

/** How texts are cut. */
export interface ChunkOptions {
  /** `auto`: by what a document is; `fixed`: windows; `semantic`: paragraphs and sentences. Default `auto`. */
  readonly by?: 'auto' | 'fixed' | 'semantic';
  /** In place of those of the chunker. */
  readonly limits?: Partial<ChunkLimits>;
}

/** The pieces of a document without what is blank, and where each stands. */
export function pieces(
  { extracted, decoded }: { readonly extracted: Extracted; readonly decoded: Decoded | null },
  options: ChunkOptions,
): readonly (Chunk & { readonly place: Place })[] {
  const { text, inFile, pages } = extracted;
  const spans = spansOf(extracted, options).flatMap((span) => trimmed(text, span));
  const ranges = spans.map(({ start, end }): readonly [number, number] => inFile?.(start, end) ?? [start, end]);
  const within = decoded?.text ?? text;
  const lines = lineAt(
    within,
    ranges.flatMap(([start, end]) => [start, Math.max(start, end - 1)]),
  );
  const bytes = decoded === null ? null : bytesAt(decoded, ranges.flat());
  return spans.map(({ start, end, context }, index) => {
    const [from = start, upto = end] = ranges[index] ?? [];
    const place: Place = {
      of: decoded === null ? 'text' : 'file',
      start: from,
      end: upto,
      line: lines.get(from) ?? 1,
      lineEnd: lines.get(Math.max(from, upto - 1)) ?? 1,
      byte: bytes?.get(from) ?? null,
      byteEnd: bytes?.get(upto) ?? null,
      page: pages.length === 0 ? null : indexAfter(pages, start),
    };
    return { text: text.slice(start, end), context, place };
  });
}

function spansOf({ type, language, text, sections }: Extracted, { by = 'auto', limits }: ChunkOptions): readonly Span[] {
  if (by === 'fixed') return fixedChunks(text, limits);
  if (by === 'semantic') return semanticChunks(text, limits);
  if (type === 'code') return codeChunks(text, language, limits);
  if (type === 'csv') return csvChunks(text, undefined, limits);
  if (type === 'json') return jsonChunks(text, limits);
  return sections.length === 0 ? semanticChunks(text, limits) : sectionChunks(text, sections, limits);
}

function trimmed(text: string, span: Span): readonly Span[] {
  const piece = text.slice(span.start, span.end);
  const start = span.start + piece.length - piece.trimStart().length;
  const end = span.start + piece.trimEnd().length;
  return end > start ? [{ ...span, start, end }] : [];
}

/** The line of each offset, from 1. O(length + offsets · log). */
function lineAt(text: string, offsets: readonly number[]): ReadonlyMap<number, number> {
  const lines = new Map<number, number>();
  let [line, next] = [1, text.indexOf('\n')];
  for (const offset of ascending(offsets)) {
    while (next !== -1 && next < offset) {
      line++;
      next = text.indexOf('\n', next + 1);
    }
    lines.set(offset, line);
  }
  return lines;
}

function bytesAt(decoded: Decoded, offsets: readonly number[]): ReadonlyMap<number, number> {
  const sorted = ascending(offsets);
  const bytes = byteOffsets(decoded, sorted);
  return new Map(sorted.map((offset, index) => [offset, bytes[index] ?? 0]));
}

const ascending = (offsets: readonly number[]): readonly number[] => Array.from(new Set(offsets)).sort((one, other) => one - other);
