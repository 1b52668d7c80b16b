import { Parser } from 'htmlparser2';
import { sectionsOf, type Heading } from '../headings.ts';
import { FileProblem } from '../problem.ts';
import type { Extracted, ExtractLimits } from './extracted.ts';
import { checkDepth, Writer } from './writer.ts';
import { unzip } from './zip.ts';

const DOCUMENT = 'word/document.xml';
const WANTED = /^(?:word\/(?:document|styles|footnotes|endnotes)\.xml|docProps\/core\.xml)$/;
/** Their text is not shown, or shown already: what was deleted, instructions of fields, and what is there for older programs. */
const UNSEEN: ReadonlySet<string> = new Set(['w:del', 'w:moveFrom', 'w:instrText', 'mc:Fallback', 'w:pPrChange', 'w:rPrChange']);

/**
 * The text of a Word document: paragraphs, tables, headings by their style, notes at the end.
 * @throws FileProblem `broken`, `bomb`, `encrypted`, `binary` for another archive, `text-too-long`.
 */
export function extractDocx(bytes: Uint8Array, path: string, limits: ExtractLimits): Extracted {
  // A document with a password is not a ZIP archive at all, but a compound file.
  if (bytes[0] === 0xd0 && bytes[1] === 0xcf)
    throw new FileProblem(
      'encrypted',
      'It has a password, or is of Word before 2007. Save it as DOCX without one. Nothing of it was taken.',
    );
  const files = unzip(bytes, WANTED, limits.unpackedBytesMax);
  const document = files.get(DOCUMENT);
  if (document === undefined) {
    if (/\.docx$/i.test(path)) throw new FileProblem('broken', `It has no ${DOCUMENT}: it is no DOCX. Nothing of it was taken.`);
    throw new FileProblem('binary', 'It is an archive. Nothing was read of it.');
  }
  const body = new Body(limits.textCharactersMax, levelsOf(files.get('word/styles.xml')));
  walk(document, body);
  for (const notes of ['word/footnotes.xml', 'word/endnotes.xml']) walk(files.get(notes), body);
  const { text, headings } = body;
  return {
    type: 'docx',
    language: null,
    text,
    title: titleOf(files.get('docProps/core.xml')) ?? headings[0]?.text ?? null,
    tags: [],
    sections: sectionsOf(headings),
    pages: [],
    inFile: null,
  };
}

interface Handler {
  open(name: string, attributes: Readonly<Record<string, string>>): void;
  say(text: string): void;
  close(name: string): void;
}

function walk(xml: Uint8Array | undefined, handler: Handler): void {
  if (xml === undefined) return;
  let depth = 0;
  const parser = new Parser(
    {
      onopentag: (name, attributes) => {
        checkDepth(++depth);
        handler.open(name, attributes);
      },
      ontext: (text) => handler.say(text),
      onclosetag: (name) => {
        depth--;
        handler.close(name);
      },
    },
    { xmlMode: true, decodeEntities: true },
  );
  parser.end(new TextDecoder().decode(xml));
}

class Body implements Handler {
  readonly headings: Heading[] = [];
  readonly #writer: Writer;
  readonly #levels: ReadonlyMap<string, number>;
  #unseen = 0;
  #isText = false;
  /** Cells that are open: a table may stand in one. */
  #cells = 0;
  #paragraph = { at: 0, level: 0 };

  constructor(max: number, levels: ReadonlyMap<string, number>) {
    this.#writer = new Writer(max);
    this.#levels = levels;
  }

  get text(): string {
    return String(this.#writer);
  }

  open(name: string, attributes: Readonly<Record<string, string>>): void {
    if (UNSEEN.has(name)) this.#unseen++;
    if (this.#unseen > 0) return;
    if (name === 'w:t') this.#isText = true;
    else if (name === 'w:tc') this.#cells++;
    else if (name === 'w:p') this.#paragraph = { at: this.#writer.next, level: 0 };
    else if (name === 'w:pStyle') this.#paragraph.level = this.#levels.get(attributes['w:val'] ?? '') ?? 0;
    else if (name === 'w:tab') this.#writer.leave('\t');
    else if (name === 'w:br' || name === 'w:cr') this.#writer.leave('\n');
    else if (name === 'w:noBreakHyphen') this.#writer.add('-');
  }

  say(text: string): void {
    if (this.#unseen === 0 && this.#isText && text !== '') this.#writer.add(text);
  }

  close(name: string): void {
    if (UNSEEN.has(name)) this.#unseen--;
    if (this.#unseen > 0) return;
    if (name === 'w:t') this.#isText = false;
    else if (name === 'w:p') this.#endParagraph();
    else if (name === 'w:tc') {
      this.#cells--;
      this.#writer.leave('\t');
    } else if (name === 'w:tr') this.#writer.leave('\n');
    else if (name === 'w:tbl' && this.#cells === 0) this.#writer.leave('\n\n');
  }

  #endParagraph(): void {
    const { at, level } = this.#paragraph;
    if (this.#writer.length <= at) return;
    const text = level === 0 ? '' : this.#writer.since(at).trim();
    if (text !== '') this.headings.push({ at, level, text: text.slice(0, 120).toWellFormed() });
    // The cells of a row stand in one line.
    this.#writer.leave(this.#cells > 0 ? '\t' : '\n\n');
  }
}

/** The level of each style that is one of a heading: by its name, which is English in every language, or by its place in the outline. */
function levelsOf(xml: Uint8Array | undefined): ReadonlyMap<string, number> {
  const levels = new Map<string, number>([1, 2, 3, 4, 5, 6].map((level) => [`Heading${level}`, level]));
  let style = '';
  walk(xml, {
    open: (name, attributes) => {
      if (name === 'w:style') style = attributes['w:styleId'] ?? '';
      const value = attributes['w:val'] ?? '';
      const level =
        name === 'w:name' ? /^heading ([1-9])$/i.exec(value)?.[1] : name === 'w:outlineLvl' ? String(Number(value) + 1) : undefined;
      if (level !== undefined && /^[1-9]$/.test(level)) levels.set(style, Number(level));
      if (name === 'w:name' && /^title$/i.test(value)) levels.set(style, 1);
    },
    say: () => undefined,
    close: () => undefined,
  });
  return levels;
}

function titleOf(xml: Uint8Array | undefined): string | null {
  let title = '';
  let isTitle = false;
  walk(xml, {
    open: (name) => void (isTitle = name === 'dc:title'),
    say: (text) => void (isTitle && title.length < 200 && (title += text)),
    close: () => void (isTitle = false),
  });
  return title.trim() === '' ? null : title.trim().slice(0, 200).toWellFormed();
}
