import type { Section } from '../headings.ts';
import { cut, limitsOf, type ChunkLimits, type Span } from './cut.ts';
import { proseBreaks, SEMANTIC } from './text.ts';

/**
 * Pieces that lie in one section each, under its headings; sections smaller than `sizeMin` go together with the next one. Within a section
 * as `semanticChunks`. @throws OPTION_INVALID
 */
export function sectionChunks(text: string, sections: readonly Section[], limits: Partial<ChunkLimits> = {}): readonly Span[] {
  const all = limitsOf(SEMANTIC, limits);
  const breaks = proseBreaks(text);
  return joined(text, sections, all.sizeMin).flatMap(({ at, path }, index, parts) =>
    cut(text, { start: at, end: parts[index + 1]?.at ?? text.length, limits: all, breaks, context: path }),
  );
}

function joined(text: string, sections: readonly Section[], sizeMin: number): readonly Section[] {
  const parts: Section[] = [];
  const starts = sections[0]?.at === 0 ? sections : [{ at: 0, path: [] }, ...sections];
  for (const section of starts) {
    const last = parts.at(-1);
    const isSmall = last !== undefined && section.at - last.at < sizeMin;
    const holdsText = last !== undefined && text.slice(last.at, section.at).trim() !== '';
    if (last === undefined || (holdsText && (!isSmall || section.isApart === true))) parts.push(section);
    // A heading alone goes to the text under it, and that says best what both stand under.
    else parts[parts.length - 1] = { ...section, at: last.at, path: startsWith(section.path, last.path) ? section.path : last.path };
  }
  return parts;
}

const startsWith = (path: readonly string[], start: readonly string[]): boolean => start.every((heading, index) => path[index] === heading);
