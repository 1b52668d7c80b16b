import type { Citation } from '../message.ts';
import { isObject, type Loose } from '../object.ts';

/** A text of an answer, under the key of its part. */
export interface CitedText {
  readonly key: string;
  readonly text: string;
}

interface Found {
  readonly key: string;
  readonly citation: Citation;
}

/**
 * Citations of `groundingMetadata`: each support names a piece of text and the chunks behind it; a chunk that no support names stands
 * behind the whole. `Segment` counts in UTF-8 bytes of a part of the wire, which a stream cuts anywhere, so the piece is looked for by
 * its words as well (https://ai.google.dev/api/generate-content#GroundingMetadata, read 2026-11).
 */
export function citationsOf(chunks: unknown, supports: unknown, texts: readonly CitedText[]): readonly Found[] {
  const last = texts.at(-1);
  if (!Array.isArray(chunks) || last === undefined) return [];
  const sources = (chunks as readonly unknown[]).map(sourceOf);
  const found: Found[] = [];
  const named = new Set<unknown>();
  for (const support of Array.isArray(supports) ? (supports as readonly unknown[]) : []) {
    if (!isObject(support) || !Array.isArray(support['groundingChunkIndices'])) continue;
    const { key, ...range } = placeOf(isObject(support['segment']) ? support['segment'] : {}, texts) ?? { key: last.key };
    for (const index of support['groundingChunkIndices'] as readonly unknown[]) {
      const source = sources[Number(index)];
      named.add(index);
      if (source !== undefined && source !== null) found.push({ key, citation: { ...source, ...range } });
    }
  }
  sources.forEach((source, index) => {
    if (source !== null && !named.has(index)) found.push({ key: last.key, citation: source });
  });
  return found;
}

/** Citations of `citationMetadata`: what the model recited, and from where. */
export function recitationsOf(sources: readonly unknown[], texts: readonly CitedText[]): readonly Found[] {
  const last = texts.at(-1);
  if (last === undefined) return [];
  return sources.flatMap((source) => {
    if (!isObject(source) || typeof source['uri'] !== 'string') return [];
    const { key, ...range } = placeOf(source, texts) ?? { key: last.key };
    const title = typeof source['title'] === 'string' ? { title: source['title'] } : {};
    return [{ key, citation: { url: source['uri'], ...title, ...range } }];
  });
}

/** Only web pages and retrieved texts have a form here; maps and images stay in `meta`. */
function sourceOf(chunk: unknown): Citation | null {
  if (!isObject(chunk)) return null;
  const source = chunk['web'] ?? chunk['retrievedContext'] ?? chunk['maps'];
  if (!isObject(source)) return null;
  const { uri, title, text } = source;
  return {
    ...(typeof uri === 'string' ? { url: uri } : {}),
    ...(typeof title === 'string' ? { title } : {}),
    ...(typeof text === 'string' && isObject(chunk['retrievedContext']) ? { quote: text } : {}),
  };
}

function placeOf(
  segment: Loose,
  texts: readonly CitedText[],
): { readonly key: string; readonly start: number; readonly end: number } | undefined {
  const words = typeof segment['text'] === 'string' && segment['text'] !== '' ? segment['text'] : undefined;
  const { startIndex = 0, endIndex } = segment;
  if (typeof startIndex === 'number' && typeof endIndex === 'number') {
    for (const { key, text } of texts) {
      const start = unitsOf(text, startIndex);
      const end = unitsOf(text, endIndex);
      if (start !== null && end !== null && (words === undefined || text.slice(start, end) === words)) return { key, start, end };
    }
  }
  if (words === undefined) return undefined;
  for (const { key, text } of texts) {
    const start = text.indexOf(words);
    if (start >= 0) return { key, start, end: start + words.length };
  }
  return undefined;
}

/** The UTF-16 offset of a UTF-8 offset; null inside a character or behind the end. */
function unitsOf(text: string, bytes: number): number | null {
  let units = 0;
  let seen = 0;
  for (const character of text) {
    if (seen >= bytes) break;
    const code = character.codePointAt(0) as number;
    seen += code < 0x80 ? 1 : code < 0x8_00 ? 2 : code < 0x1_00_00 ? 3 : 4;
    units += character.length;
  }
  return seen === bytes ? units : null;
}
