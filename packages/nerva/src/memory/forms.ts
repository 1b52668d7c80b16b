import { checkRange, NervaError } from '../core/index.ts';
import type { Seq } from '../log/index.ts';
import type { Entry } from './entries.ts';
import { fused, FUSIONS, type Fusion, type Ranked } from './fuse.ts';
import type { Why } from './recall.ts';
import type { VectorShelf } from './vector-shelf.ts';

/** How words and vectors look. */
export type Form = (typeof FORMS)[number];
const FORMS = ['parallel', 'sequential', 'feedback'] as const;

/** How what words find and what vectors find goes together. Without vectors each of it finds what words find, in their order. */
export interface Joining {
  /** How lists become one. Default `rank`; of `weighted` and of `blend`, vectors have .7. */
  readonly fusion?: Fusion;
  /**
   * `parallel`: both look at everything · `sequential`: words choose, a hundred at most, and vectors order those · `feedback`: the best three of a
   * first look draw the question towards them, and what is near that is found. Default `parallel`.
   */
  readonly form?: Form;
  /** With `blend`: what has less is left out; 0–1, default .3. */
  readonly scoreMin?: number;
}

/** What is looked through. */
export interface Looking {
  /** By words, best first. Contract: what does not fit is not in it. */
  readonly recall: (query: string, limit: number) => readonly { readonly entry: Entry; readonly score: number; readonly why: Why }[];
  readonly fits: (id: string) => boolean;
  /** Events of the log that were read. */
  readonly head: () => Seq;
  /** In the order of the log, those that were recorded at this place in it or later. O(events since), of all O(entries). */
  readonly entries: (from: Seq) => Iterable<Entry>;
  readonly entry: (id: string) => Entry | undefined;
}

/** What one look found. */
export interface Looked {
  /** To be made one. */
  readonly lists: readonly Ranked[];
  readonly ids: ReadonlySet<string>;
  readonly isByVector: boolean;
  readonly words: ReadonlyMap<string, Why>;
}

/** Of words, before vectors order them. */
const FILTERED_MAX = 100;
const FEEDBACK_BEST = 3;
/** Of vectors beside words. */
export const SEMANTIC = 0.7;
const SCORE_MIN = 0.3;

/** What counts: what was asked for, and where nothing was, what the memory was opened with. @throws OPTION_INVALID */
export function joiningOf(asked: Joining, opened: Joining): Required<Joining> {
  const { fusion = opened.fusion ?? 'rank', form = opened.form ?? 'parallel' } = asked;
  checkOneOf('fusion', fusion, FUSIONS);
  checkOneOf('form', form, FORMS);
  if (asked.scoreMin !== undefined && fusion !== 'blend')
    throw new NervaError(
      'OPTION_INVALID',
      `scoreMin goes with fusion "blend": what "${fusion}" gives says which is better, and not how good it is. Nothing was done.`,
    );
  const scoreMin = fusion === 'blend' ? (asked.scoreMin ?? opened.scoreMin ?? SCORE_MIN) : 0;
  return { fusion, form, scoreMin: checkRange('scoreMin', scoreMin, 0, 1) };
}

/** @throws OPTION_INVALID for what is none of them. */
export function checkOneOf(name: string, value: unknown, all: readonly string[]): void {
  if (typeof value === 'string' && all.includes(value)) return;
  const named = all.map((one) => `"${one}"`);
  throw new NervaError(
    'OPTION_INVALID',
    `${name} must be ${named.slice(0, -1).join(', ')} or ${named.at(-1) ?? ''}; ${JSON.stringify(value)} came. Nothing was done.`,
  );
}

/** Looks for a question by its words, and by its vector where it has one. What does not fit has no part in it. */
export function looked(
  question: { readonly query: string; readonly vector: readonly number[] | null },
  { looking, shelf, pool, form }: { readonly looking: Looking; readonly shelf: VectorShelf; readonly pool: number; readonly form: Form },
): Looked {
  const { query, vector } = question;
  const isFilter = form === 'sequential' && vector !== null;
  const found = looking.recall(query, isFilter ? FILTERED_MAX : pool);
  const byWords: Ranked = { hits: found.map(({ entry, score }) => ({ id: entry.id, score })), weight: 1 - SEMANTIC };
  const near = (of: readonly number[]): Ranked => ranked(shelf.search(of, pool, looking.fits));
  const lists = (): readonly Ranked[] => {
    if (vector === null) return [byWords];
    if (isFilter) return [ordered(byWords, ranked(shelf.among(vector, idsOf([byWords]))))];
    const first = [byWords, near(vector)];
    if (form === 'parallel') return first;
    const best = fused(first, 'rank').slice(0, FEEDBACK_BEST);
    return [byWords, near(shelf.towards(vector, idsOf([{ hits: best, weight: 1 }])))];
  };
  const made = lists();
  return {
    lists: made,
    ids: new Set(idsOf(made)),
    isByVector: vector !== null,
    words: new Map(found.map(({ entry, why }) => [entry.id, why])),
  };
}

/** The hits of all lists, each once. */
export function idsOf(lists: readonly Ranked[]): readonly string[] {
  return Array.from(new Set(lists.flatMap(({ hits }) => hits.map(({ id }) => id))));
}

const ranked = (near: readonly { readonly id: string; readonly similarity: number }[]): Ranked => ({
  hits: near.map(({ id, similarity }) => ({ id, score: similarity })),
  weight: SEMANTIC,
});

/** What was chosen, in the order of what is known of it; of what nothing is known, last, as it stood. */
function ordered(chosen: Ranked, by: Ranked): Ranked {
  const known = new Set(by.hits.map(({ id }) => id));
  return { hits: [...by.hits, ...chosen.hits.filter(({ id }) => !known.has(id)).map(({ id }) => ({ id, score: 0 }))], weight: 1 };
}
