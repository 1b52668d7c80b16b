import { Parser } from 'htmlparser2';
import { sectionsOf, type Heading } from '../headings.ts';
import type { Extracted, ExtractLimits } from './extracted.ts';
import { checkDepth, Writer } from './writer.ts';

/** Their content is nothing that a reader of the page sees. */
const UNSEEN: ReadonlySet<string> = new Set(['script', 'style', 'noscript', 'template', 'svg', 'head', 'iframe', 'object', 'canvas']);
const BLOCKS: ReadonlySet<string> = new Set(
  'address article aside blockquote body br caption dd details dialog div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre section summary table td th tr ul'.split(
    ' ',
  ),
);
const PARAGRAPHS: ReadonlySet<string> = new Set('blockquote h1 h2 h3 h4 h5 h6 ol p pre section table ul'.split(' '));

/** What a page shows, with its headings, and where in the file each piece of it stands. */
export function extractHtml(source: string, { textCharactersMax }: Pick<ExtractLimits, 'textCharactersMax'>): Extracted {
  const page = new Page(textCharactersMax);
  const parser = new Parser(
    {
      onopentag: (name) => page.open(name),
      ontext: (text) => page.say(text, parser.startIndex, parser.endIndex + 1),
      onclosetag: (name) => page.close(name),
    },
    { decodeEntities: true },
  );
  parser.end(source);
  return page.extracted();
}

/** Where a run of the text comes from; one that has the length of its source stands there letter by letter. */
interface Run {
  readonly at: number;
  readonly length: number;
  readonly start: number;
  readonly end: number;
}

class Page {
  readonly #writer: Writer;
  #title = '';
  readonly #runs: Run[] = [];
  readonly #headings: Heading[] = [];
  readonly #open: string[] = [];
  #unseen = 0;
  #pre = 0;
  #headingAt = -1;

  constructor(max: number) {
    this.#writer = new Writer(max);
  }

  open(name: string): void {
    checkDepth(this.#open.push(name));
    if (UNSEEN.has(name)) this.#unseen++;
    if (name === 'pre') this.#pre++;
    this.#leave(name);
    if (/^h[1-6]$/.test(name)) this.#headingAt = this.#writer.next;
  }

  close(name: string): void {
    this.#open.pop();
    if (UNSEEN.has(name)) this.#unseen--;
    if (name === 'pre') this.#pre--;
    if (/^h[1-6]$/.test(name) && this.#headingAt !== -1) {
      const text = this.#writer.since(this.#headingAt).trim().replaceAll(/\s+/g, ' ');
      if (text !== '') this.#headings.push({ at: this.#headingAt, level: Number(name[1]), text: text.slice(0, 120).toWellFormed() });
      this.#headingAt = -1;
    }
    this.#leave(name);
  }

  say(said: string, start: number, end: number): void {
    if (this.#open.at(-1) === 'title' && this.#open.at(-2) === 'head' && this.#title.length < TITLE_MAX) this.#title += said;
    if (this.#unseen > 0) return;
    if (this.#pre > 0) {
      this.#add(said, start, end);
      return;
    }
    // White space is one space, and none where a line begins.
    const isExactly = said.length === end - start;
    for (const { 0: part, index } of said.matchAll(/\s+|\S+/g))
      if (part.trim() === '') this.#writer.leave(' ');
      else if (isExactly) this.#add(part, start + index, start + index + part.length);
      else this.#add(part, start, end);
  }

  extracted(): Extracted {
    const runs = this.#runs;
    const title = this.#title.trim().replaceAll(/\s+/g, ' ').slice(0, TITLE_MAX).toWellFormed();
    return {
      type: 'html',
      language: null,
      text: String(this.#writer),
      title: title === '' ? (this.#headings[0]?.text ?? null) : title,
      tags: [],
      sections: sectionsOf(this.#headings),
      pages: [],
      inFile: (start, end) => [sourceOf(runs, start, false), sourceOf(runs, end, true)],
    };
  }

  #add(text: string, start: number, end: number): void {
    const last = this.#runs.at(-1);
    const { gap } = this.#writer;
    const at = this.#writer.add(text);
    const isExactly = text.length === end - start;
    // What goes on where the last run ended, or one space after it, is the same run.
    if (last !== undefined && isExact(last) && isExactly && last.end + gap.length === start)
      this.#runs[this.#runs.length - 1] = { ...last, length: at + text.length - last.at, end };
    else this.#runs.push({ at, length: text.length, start, end });
  }

  #leave(name: string): void {
    if (this.#unseen > 0 || !BLOCKS.has(name)) return;
    this.#writer.leave(PARAGRAPHS.has(name) ? '\n\n' : name === 'td' || name === 'th' ? '\t' : '\n');
  }
}

const TITLE_MAX = 200;
const isExact = ({ length, start, end }: Run): boolean => length === end - start;

/** The place in the file of an offset of the text; at an end, of what is before it. */
function sourceOf(runs: readonly Run[], offset: number, isEnd: boolean): number {
  let [low, high] = [0, runs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const run = runs[middle] as Run;
    if (isEnd ? run.at < offset : run.at + run.length <= offset) low = middle + 1;
    else high = middle;
  }
  const run = runs[isEnd ? low - 1 : low];
  if (run === undefined) return isEnd ? 0 : (runs.at(-1)?.end ?? 0);
  const inside = Math.min(Math.max(offset - run.at, 0), run.length);
  if (isExact(run)) return run.start + inside;
  return inside === 0 ? run.start : isEnd || inside === run.length ? run.end : run.start;
}
