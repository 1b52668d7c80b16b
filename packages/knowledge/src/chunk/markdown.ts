import type { Heading } from './sections.ts';

/** The headings of a Markdown text, `#` and underlined ones, without those in fences, and where its front matter ends (0 without one). */
export function markdownOutline(text: string): { readonly headings: readonly Heading[]; readonly frontMatterEnd: number } {
  const frontMatterEnd = /^---[ \t]*\r?\n[^]*?^(?:---|\.\.\.)[ \t]*(?:\r?\n|$)/m.exec(text.startsWith('---') ? text : '')?.[0].length ?? 0;
  const headings: Heading[] = [];
  let fence = '';
  let before: { readonly at: number; readonly line: string } | null = null;
  for (let at = frontMatterEnd; at < text.length;) {
    const next = text.indexOf('\n', at);
    const end = next === -1 ? text.length : next + 1;
    const line = text.slice(at, end).trimEnd();
    const [, mark = ''] = /^ {0,3}(`{3,}|~{3,})/.exec(line) ?? [];
    if (fence !== '') {
      if (mark.startsWith(fence) && line.trim() === mark) fence = '';
      before = null;
    } else if (mark !== '') {
      fence = mark;
      before = null;
    } else before = headingOf(line, { at, before, headings });
    at = end;
  }
  return { headings, frontMatterEnd };
}

interface Line {
  readonly at: number;
  readonly before: { readonly at: number; readonly line: string } | null;
  readonly headings: Heading[];
}

/** @returns the line, when a line under it may make it a heading. */
function headingOf(line: string, { at, before, headings }: Line): { readonly at: number; readonly line: string } | null {
  const [, marks, text = ''] = /^ {0,3}(#{1,6})(?:[ \t]+(.*?))??(?:[ \t]+#+)?$/.exec(line) ?? [];
  if (marks !== undefined) {
    headings.push({ at, level: marks.length, text: plain(text) });
    return null;
  }
  if (before !== null && /^ {0,3}(?:=+|-+)$/.test(line)) {
    headings.push({ at: before.at, level: line.trim().startsWith('=') ? 1 : 2, text: plain(before.line) });
    return null;
  }
  // A list, a quotation or a table is no heading, whatever is under it.
  return line.trim() === '' || /^\s*(?:[-*+>|]|\d+[.)])/.test(line) ? null : { at, line };
}

const HEADING_MAX = 120;

/** A heading without the marks of links and emphasis. */
function plain(text: string): string {
  return text
    .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/[*`]/g, '')
    .trim()
    .slice(0, HEADING_MAX)
    .toWellFormed();
}
