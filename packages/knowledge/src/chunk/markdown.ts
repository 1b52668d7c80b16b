import type { Heading } from '../headings.ts';

/** The headings of a Markdown text, `#` and underlined ones, without those in fences, and where its front matter ends (0 without one). */
export function markdownOutline(text: string): { readonly headings: readonly Heading[]; readonly frontMatterEnd: number } {
  const frontMatterEnd = frontMatter(text);
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

/** Where the block between `---` and `---` at the beginning ends; 0 where there is none. */
function frontMatter(text: string): number {
  const [begin = ''] = /^---[ \t]{0,20}\r?\n/.exec(text.slice(0, 30)) ?? [];
  if (begin === '') return 0;
  const end = /^(?:---|\.\.\.)[ \t]*\r?$/m.exec(text.slice(begin.length));
  if (end === null) return 0;
  const at = begin.length + end.index + end[0].length;
  return text[at] === '\n' ? at + 1 : at;
}

interface Line {
  readonly at: number;
  readonly before: { readonly at: number; readonly line: string } | null;
  readonly headings: Heading[];
}

/** @returns the line, when a line under it may make it a heading. */
function headingOf(line: string, { at, before, headings }: Line): { readonly at: number; readonly line: string } | null {
  if (line.length > LINE_MAX) return null;
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
/** A longer line is no heading. */
const LINE_MAX = 1_000;

/** A heading without the marks of links and emphasis. */
function plain(text: string): string {
  return text
    .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/[*`]/g, '')
    .trim()
    .slice(0, HEADING_MAX)
    .toWellFormed();
}
