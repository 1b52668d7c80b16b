import { Parser } from 'htmlparser2';
import { sectionsOf, type Heading } from '../chunk/index.ts';
import { FileProblem } from '../problem.ts';
import type { Extracted, ExtractLimits } from './extracted.ts';

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
  readonly #max: number;
  #text = '';
  #title = '';
  readonly #runs: Run[] = [];
  readonly #headings: Heading[] = [];
  readonly #open: string[] = [];
  #unseen = 0;
  #pre = 0;
  #headingAt = -1;

  constructor(max: number) {
    this.#max = max;
  }

  open(name: string): void {
    this.#open.push(name);
    if (UNSEEN.has(name)) this.#unseen++;
    if (name === 'pre') this.#pre++;
    this.#break(name);
    if (/^h[1-6]$/.test(name)) this.#headingAt = this.#text.length;
  }

  close(name: string): void {
    if (this.#open.pop() !== name) return;
    if (UNSEEN.has(name)) this.#unseen--;
    if (name === 'pre') this.#pre--;
    if (/^h[1-6]$/.test(name) && this.#headingAt !== -1) {
      const text = this.#text.slice(this.#headingAt).trim().replaceAll(/\s+/g, ' ');
      if (text !== '') this.#headings.push({ at: this.#headingAt, level: Number(name[1]), text: text.slice(0, 120).toWellFormed() });
      this.#headingAt = -1;
    }
    this.#break(name);
  }

  say(said: string, start: number, end: number): void {
    if (this.#open.at(-1) === 'title' && this.#open.at(-2) === 'head') this.#title += said;
    if (this.#unseen > 0) return;
    if (this.#pre > 0) this.#add(said, start, end);
    // White space is one space, and none where a line begins.
    else
      for (const part of said.matchAll(/\s+|\S+/g)) {
        const isSpace = part[0].trim() === '';
        if (isSpace && (this.#text === '' || /\s$/.test(this.#text))) continue;
        const from = said.length === end - start ? [start + part.index, start + part.index + part[0].length] : [start, end];
        this.#add(isSpace ? ' ' : part[0], from[0] ?? start, from[1] ?? end);
      }
    if (this.#text.length > this.#max)
      throw new FileProblem(
        'text-too-long',
        `It holds more than ${this.#max} characters of text (textCharactersMax). Nothing of it was taken.`,
      );
  }

  extracted(): Extracted {
    const runs = this.#runs;
    const title = this.#title.trim().replaceAll(/\s+/g, ' ').slice(0, 200).toWellFormed();
    return {
      type: 'html',
      language: null,
      text: this.#text,
      title: title === '' ? (this.#headings[0]?.text ?? null) : title,
      tags: [],
      sections: sectionsOf(this.#headings),
      pages: [],
      inFile: (start, end) => [sourceOf(runs, start, false), sourceOf(runs, end, true)],
    };
  }

  #add(text: string, start: number, end: number): void {
    const last = this.#runs.at(-1);
    // Runs that go on where the last one ended are one.
    if (
      last !== undefined &&
      last.end === start &&
      last.at + last.length === this.#text.length &&
      isExact(last) &&
      text.length === end - start
    )
      this.#runs[this.#runs.length - 1] = { ...last, length: last.length + text.length, end };
    else this.#runs.push({ at: this.#text.length, length: text.length, start, end });
    this.#text += text;
  }

  /** A break stands nowhere in the file. */
  #break(name: string): void {
    if (this.#unseen > 0 || !BLOCKS.has(name) || this.#text === '') return;
    const wanted = PARAGRAPHS.has(name) ? 2 : name === 'td' || name === 'th' ? 0 : 1;
    if (wanted === 0) {
      if (!/\s$/.test(this.#text)) this.#text += '\t';
      return;
    }
    const there = /\n*$/.exec(this.#text.slice(-2))?.[0].length ?? 0;
    this.#text += '\n'.repeat(Math.max(0, wanted - there));
  }
}

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
