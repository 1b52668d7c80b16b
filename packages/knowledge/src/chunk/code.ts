import { cut, indexAfter, limitsOf, type ChunkLimits, type Span } from './cut.ts';
import { ends } from './text.ts';

/** Definitions of a source file. */
export const CODE: ChunkLimits = { sizeMax: 2_500, overlap: 0, sizeMin: 200 };

/** How a definition begins, in a line, by language; what is not here goes by lines that begin at the margin after an empty one. */
const DEFINITIONS: Readonly<Record<string, RegExp>> = {
  python: /^(?:async\s+def|def|class)\s/,
  javascript:
    /^(?:export\s|(?:async\s+)?function\b|(?:abstract\s+)?class\s|(?:const|let|var|interface|type|enum|declare|namespace|module)\s)/,
  java: /^(?: {0,4}|\t)(?:(?:public|private|protected|static|final|abstract|sealed|synchronized|default)\s|(?:class|interface|enum|record|@interface)\s)/,
  c: /^(?:(?:struct|enum|union|typedef|static|inline|extern|class|namespace|template)\b|[A-Za-z_][\w:<>,*& \t]*\([^;]*$)/,
};
/** Comments, decorators and annotations: they belong to what stands under them. */
const ABOVE = /^\s*(?:\/\/|\/\*|\*|#(?!include|define|if|endif|pragma)|@)/;
const LINE_MAX = 120;

/** Pieces that end where a top-level definition does, else at an empty line, a line, a word. @throws OPTION_INVALID */
export function codeChunks(text: string, language: string | null, limits: Partial<ChunkLimits> = {}): readonly Span[] {
  const all = limitsOf(CODE, limits);
  const found = definitions(text, language);
  const starts = found.map(({ at }) => at);
  const breaks = [starts, ends(text, /\n[ \t]*(?:\r?\n)+/g), ends(text, /\n/g), ends(text, /\s+/g)];
  return cut(text, { start: 0, end: text.length, limits: all, breaks }).map((span) => {
    const open = found[indexAfter(starts, span.start) - 1];
    // The piece that holds the line itself need not be told it.
    return open === undefined || open.lineEnd > span.start ? span : { ...span, context: [open.line] };
  });
}

interface Definition {
  /** Where its comments and decorators begin. */
  readonly at: number;
  readonly line: string;
  readonly lineEnd: number;
}

function definitions(text: string, language: string | null): readonly Definition[] {
  const pattern = language === null ? undefined : DEFINITIONS[language];
  const found: Definition[] = [];
  let above = -1;
  let isAfterEmpty = true;
  for (let at = 0; at < text.length;) {
    const next = text.indexOf('\n', at);
    const end = next === -1 ? text.length : next + 1;
    const line = text.slice(at, Math.min(end, at + 400)).trimEnd();
    const isDefinition = pattern === undefined ? isAfterEmpty && /^[^\s})\]]/.test(line) && !ABOVE.test(line) : pattern.test(line);
    if (isDefinition)
      found.push({ at: above === -1 ? at : above, line: line.trim().slice(0, LINE_MAX).toWellFormed(), lineEnd: at + line.length });
    if (!isDefinition && ABOVE.test(line)) above = above === -1 ? at : above;
    else above = -1;
    // A comment at the margin opens what stands under it.
    isAfterEmpty = line === '' || (isAfterEmpty && ABOVE.test(line));
    at = end;
  }
  return found;
}
