import { NervaError, utf8Bytes, type World } from '../core/index.ts';
import { ITEM_CHARS_MAX, ITEMS_MAX, type Derivation, type DerivedItem } from './derived.ts';
import { datesOf } from './extract-dates.ts';
import { peopleOf } from './extract-people.ts';
import { commitmentsOf, preferencesOf, quantitiesOf } from './extract-statements.ts';

/** Of a text that something is made of. */
export const EXTRACT_BYTES_MAX = 100_000;
/** Raise the version with any change of what comes out: what the older made is then made anew. */
const RULES = 'rules@1';
const NOTE_CHARS = 50;
const YEAR_CHARS = 4;

/** What is to be made of a text. */
export type Extracted = Omit<Derivation, 'by'>;

/** Makes items of texts: by rules, or by asking a model (`modelExtractor`). */
export interface Extractor {
  /** Name and version, `model@1`: what a higher version makes takes the place of what a lower one made. */
  readonly by: string;
  /**
   * Contract: what it gives may be of any kind and is checked. It says `isLater` where it could not be asked now and may be later.
   * `nowMs`: the time from which the text was said.
   */
  extract(text: string, options: ExtractOptions): Promise<Extracted & { readonly isLater?: boolean }>;
}

/** How a text is looked at. */
export interface ExtractOptions {
  readonly world: World;
  readonly nowMs: number;
  readonly signal?: AbortSignal;
}

/**
 * What rules find in a text: people, dates (seen from `nowMs`), quantities with units, preferences and commitments, in the order of the text, 50
 * at most. The rules are for English and rather miss something than say what is not there. Pure. O(length).
 * @throws MEMORY_TOO_LARGE over 100,000 bytes.
 */
export function extract(text: string, nowMs: number): readonly DerivedItem[] {
  const bytes = utf8Bytes(text);
  if (bytes > EXTRACT_BYTES_MAX)
    throw new NervaError(
      'MEMORY_TOO_LARGE',
      `A text of ${bytes} bytes came to be taken apart; ${EXTRACT_BYTES_MAX} is the limit. Nothing was made of it.`,
    );
  const amounts = quantitiesOf(text);
  // "After 2000 km" names no year, and "5 years ago" no quantity.
  const dates = datesOf(text, nowMs).filter(
    (date) => (date.end ?? 0) - (date.start ?? 0) > YEAR_CHARS || !amounts.some((one) => overlaps(one, date)),
  );
  const found = [
    ...peopleOf(text),
    ...dates,
    ...amounts.filter((one) => !dates.some((date) => overlaps(one, date))),
    ...preferencesOf(text),
    ...commitmentsOf(text, dates),
  ].filter(({ name }) => name.length <= ITEM_CHARS_MAX);
  return distinct(found.toSorted((one, other) => (one.start ?? 0) - (other.start ?? 0) || (one.end ?? 0) - (other.end ?? 0))).slice(
    0,
    ITEMS_MAX,
  );
}

/** What rules make of a text: what `extract` finds, or, where that is nothing or cannot be had, a note. Throws nothing. */
export function byRules(text: string, nowMs: number): Derivation {
  try {
    const items = extract(text, nowMs);
    return { by: RULES, items: items.length === 0 ? [noteOf(text)] : items, relations: [], failure: null };
  } catch (error) {
    return { by: RULES, ...onlyNote(text, error) };
  }
}

/** The rules as an extractor. */
export const rulesExtractor: Extractor = {
  by: RULES,
  extract: (text, { nowMs }) => {
    const { items, relations, failure } = byRules(text, nowMs);
    return Promise.resolve({ items, relations, failure });
  },
};

/** Where nothing can be made of a text, a note says how it begins. */
export function noteOf(text: string): DerivedItem {
  const begin = Array.from(text.trim().slice(0, 2 * NOTE_CHARS))
    .slice(0, NOTE_CHARS)
    .join('');
  return { type: 'note', name: `Note: ${begin}`, start: null, end: null, confidence: 0.5 };
}

/** A note, and why there is no more. */
export function onlyNote(text: string, error: unknown): Extracted {
  return { items: [noteOf(text)], relations: [], failure: NervaError.is(error) ? error.code : 'unknown' };
}

/** The same once: of two that are called alike, the first. */
export function distinct(items: readonly DerivedItem[]): readonly DerivedItem[] {
  const seen = new Set<string>();
  return items.filter(({ type, name, who = '' }) => {
    const key = JSON.stringify([type, name.normalize('NFC').toLowerCase(), who]);
    return seen.size < seen.add(key).size;
  });
}

function overlaps(one: DerivedItem, other: DerivedItem): boolean {
  return (one.start ?? 0) < (other.end ?? 0) && (one.end ?? 0) > (other.start ?? 0);
}
