import { FileProblem } from '../problem.ts';

/** What stands between two texts: nothing, a space, a cell's end, a line's end, a paragraph's. */
export type Gap = '' | ' ' | '\t' | '\n' | '\n\n';
const STRENGTH: Readonly<Record<Gap, number>> = { '': 0, ' ': 1, '\t': 2, '\n': 3, '\n\n': 4 };

/** Puts a text together. A gap is written when something follows it, and of several the strongest. O(1) a piece. */
export class Writer {
  readonly #max: number;
  readonly #parts: string[] = [];
  #length = 0;
  #gap: Gap = '';

  /** @param max characters; more are refused. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Where the next text will stand. */
  get next(): number {
    return this.#length + this.#gap.length;
  }

  /** What stands before the next text. */
  get gap(): Gap {
    return this.#gap;
  }

  /** How many characters there are, without a gap that nothing follows. */
  get length(): number {
    return this.#length;
  }

  /** There is none where nothing is before it. */
  leave(gap: Gap): void {
    if (this.#length > 0 && STRENGTH[gap] > STRENGTH[this.#gap]) this.#gap = gap;
  }

  /** @returns where it stands. @throws FileProblem `text-too-long` */
  add(text: string): number {
    const at = this.next;
    this.#parts.push(this.#gap, text);
    this.#length = at + text.length;
    this.#gap = '';
    if (this.#length > this.#max)
      throw new FileProblem(
        'text-too-long',
        `It holds more than ${this.#max} characters of text (textCharactersMax). Split it, or raise the limit. Nothing of it was taken.`,
      );
    return at;
  }

  /** From an offset on. */
  since(at: number): string {
    let [index, length] = [this.#parts.length, this.#length];
    while (index > 0 && length > at) length -= (this.#parts[--index] as string).length;
    return this.#parts
      .slice(index)
      .join('')
      .slice(Math.max(0, at - length));
  }

  toString(): string {
    return this.#parts.join('');
  }
}

/** Deeper than any page or document that a person made. */
const DEPTH_MAX = 5_000;

/** @throws FileProblem `broken` */
export function checkDepth(depth: number): void {
  if (depth > DEPTH_MAX) throw new FileProblem('broken', `Its elements are nested more than ${DEPTH_MAX} deep. Nothing of it was taken.`);
}
