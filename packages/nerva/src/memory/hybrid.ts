import { checkRange, NervaError, type World } from '../core/index.ts';
import type { Seq } from '../log/index.ts';
import type { Embedder } from '../model/index.ts';
import { needsDeep, variationsOf, type Rewriter } from './deep.ts';
import type { Entry } from './entries.ts';
import { checkOneOf, idsOf, joiningOf, looked, SEMANTIC, type Joining, type Looked, type Looking } from './forms.ts';
import { blended, fused, type Ranked } from './fuse.ts';
import type { Why } from './recall.ts';
import { embeddedText, VectorShelf, type ShelfOptions } from './vector-shelf.ts';
import type { VectorIndex } from './vectors.ts';

/** What finds beside words, each where it is given. None of them can make a search fail: what fails is left out, and the result says so. */
export interface Finders extends Joining {
  /** Its vectors are made when they are first needed, and kept as long as the memory is open, or with an `index` that keeps them for good. */
  readonly embed?: Embedder;
  /** Says a question in other words: `modelRewriter(model)`. */
  readonly rewrite?: Rewriter;
  /** Orders the best anew. */
  readonly rerank?: Reranker;
  /** Texts that get a vector for one search, the newest first; the rest is found by words alone until a later one. Default 256. */
  readonly embedMax?: number;
  /** Of memory for vectors, about 4 bytes a number and 300 for each. What has no room is found by words alone. Default 300,000,000. */
  readonly vectorBytesMax?: number;
}
/** Names of what `Finders` has. */
export const FINDERS = ['embed', 'rewrite', 'rerank', 'embedMax', 'vectorBytesMax', 'fusion', 'form', 'scoreMin'];

/** Says how well texts answer a question. */
export interface Reranker {
  readonly name: string;
  /** Contract: a finite number for each text, in their order, more being better; what is anything else is as if it had not been asked. */
  rerank(
    query: string,
    texts: readonly string[],
    options: { readonly world: World; readonly signal?: AbortSignal },
  ): Promise<readonly number[]>;
}

/** How to search; what is not said of `fusion`, `form` and `scoreMin` is as the memory was opened with. */
export interface Searching extends Joining {
  /** 1–100, default 10. */
  readonly limit?: number;
  /** Whether to say the question in other words: where it may need it (`auto`, the default), or not. Without `rewrite` never. */
  readonly deep?: 'auto' | 'always' | 'never';
  readonly signal?: AbortSignal;
}
const DEEP = ['auto', 'always', 'never'];

/** What a search found. */
export interface Search {
  readonly found: readonly Found[];
  /** Whether it was chosen to say the question in other words, by `deep` or, where that is `auto`, by rule; null where there was no choice: without `rewrite`. */
  readonly isDeep: boolean | null;
  /** As which questions it was looked for, the given one first; with that one alone the search was not a deep one, whatever was chosen. */
  readonly variations: readonly string[];
  /** null without an embedder. `missing`: entries that could have been found and have no vector yet. `failure`: the code of why none counted. */
  readonly vectors: { readonly name: string; readonly missing: number; readonly failure: string | null } | null;
}

/** An entry that was found. */
export interface Found {
  readonly entry: Entry;
  /** Higher is better; comparable within one search only, but by `blend`, which gives 0–1. */
  readonly score: number;
  readonly why: FoundWhy;
}

/** Where a score comes from. */
export interface FoundWhy {
  /** By words of the question as it was given; null when they did not find it. */
  readonly words: Why | null;
  /** Cosine to the question as it was given; null when it has no vector, or when vectors failed. */
  readonly similarity: number | null;
  /** How many of the variations found it. */
  readonly variations: number;
  /** What the reranker said; null without one. */
  readonly rerank: number | null;
}

/** A vector for each variation, or why there is none; null twice when there is nothing to compare. */
interface Asked {
  readonly vectors: readonly (readonly number[])[] | null;
  readonly failure: string | null;
}

/** So many are ranked before the limit is cut off. */
const POOL_MIN = 20;
const POOL_MAX = 100;
const RERANK_MAX = 50;

/**
 * Finds by words, vectors and other words together. Vectors are derived: they are in no log.
 * Invariants: H1 what does not fit has no part in a ranking · H2 without embedder, rewriter and reranker, or when they fail, what is found is what
 * words find, in that order, and with those scores but for `blend`, which has its own · H3 a text whose record is gone has no vector.
 */
export class Hybrid {
  readonly #world: World;
  readonly #finders: Finders;
  readonly #embedMax: number;
  readonly #shelf: VectorShelf;
  /** Entries that the model refused. */
  #refused = new Set<string>();
  /** Of the entries up to `#seen`, those that had no vector when they were looked at, in the order of the log. */
  #without = new Set<string>();
  #seen: Seq = 0;
  #filling: Promise<unknown> = Promise.resolve();

  constructor(world: World, finders: Finders, kept: ShelfOptions | null = null) {
    const bytesMax = checkRange('vectorBytesMax', finders.vectorBytesMax ?? 300_000_000, 0, 100_000_000_000);
    this.#shelf = new VectorShelf(world, finders.embed, { bytesMax, kept });
    this.#world = world;
    this.#finders = finders;
    this.#embedMax = checkRange('embedMax', finders.embedMax ?? 256, 1, 100_000);
    checkRange('scoreMin', finders.scoreMin ?? 0, 0, 1);
    joiningOf({}, finders);
  }

  /** Lets all vectors go: a text may not be there any more. */
  clear(): void {
    this.#shelf.clear();
    this.#begin();
  }

  /** After the log was read: of a text that is not there any more nothing is kept on the disk either. */
  sweep(entries: () => Iterable<Entry>): void {
    this.#shelf.sweep(entries);
  }

  /** @throws OPTION_INVALID; CANCELLED, or whatever an adapter throws, when `signal` aborts. */
  async search(query: string, searching: Searching, looking: Looking): Promise<Search> {
    const { deep = 'auto', signal } = searching;
    checkOneOf('deep', deep, DEEP);
    const limit = checkRange('limit', searching.limit ?? 10, 1, 100);
    const joining = joiningOf(searching, this.#finders);
    const options = { world: this.#world, ...(signal === undefined ? {} : { signal }) };
    const { rewrite, rerank, embed } = this.#finders;
    const isDeep = deep === 'always' || (deep === 'auto' && needsDeep(query));
    const variations = isDeep && rewrite !== undefined ? await variationsOf(query, rewrite, options) : [query];
    const asked = embed === undefined ? null : await this.#asked(embed, variations, { looking, signal });
    const vectors = asked?.vectors ?? null;
    // From here on nothing waits: all lists are of one moment.
    const look = { looking, shelf: this.#shelf, pool: Math.min(POOL_MAX, Math.max(POOL_MIN, 2 * limit)), form: joining.form };
    const seen = variations.map((variation, at) => looked({ query: variation, vector: vectors?.[at] ?? null }, look));
    const [vector = null] = vectors ?? [];
    const ids = idsOf(seen.flatMap(({ lists }) => lists));
    const near = new Map((vector === null ? [] : this.#shelf.among(vector, ids)).map(({ id, similarity }) => [id, similarity]));
    const found = joined(seen, near, joining).flatMap(({ id, score }): readonly Found[] => {
      const entry = looking.entry(id);
      const words = seen[0]?.words.get(id) ?? null;
      const count = seen.filter((one) => one.ids.has(id)).length;
      return entry === undefined
        ? []
        : [{ entry, score, why: { words, similarity: near.get(id) ?? null, variations: count, rerank: null } }];
    });
    const best =
      rerank === undefined ? found : await reranked(rerank, { query, found: found.slice(0, Math.max(limit, RERANK_MAX)) }, options);
    return {
      found: best.slice(0, limit),
      isDeep: rewrite === undefined ? null : isDeep,
      variations,
      vectors: embed === undefined ? null : { name: embed.name, missing: this.#missing(looking).length, failure: asked?.failure ?? null },
    };
  }

  /** Makes vectors of what has none, the newest first, `max` at most. @returns how many have none now. @throws what the embedder throws; what was made stays. */
  async fill(looking: Looking, { max, signal }: { readonly max: number; readonly signal?: AbortSignal | undefined }): Promise<number> {
    const { embed } = this.#finders;
    if (embed === undefined) return 0;
    // One after the other, or each would make the same.
    const filled = this.#filling.then(async () => {
      this.#shelf.load(() => looking.entries(0));
      const into = this.#shelf.index;
      const missing = this.#missing(looking).slice(0, max);
      // They may be let go meanwhile, and then the rest of the texts is not to be sent.
      for (let at = 0; at < missing.length && into === this.#shelf.index && this.#shelf.room > 0; at += embed.textsMax)
        await this.#embed(embed, missing.slice(at, at + Math.min(embed.textsMax, this.#shelf.room)), { into, signal });
    });
    this.#filling = filled.catch(() => undefined);
    await filled;
    return this.#missing(looking).length;
  }

  #begin(): void {
    this.#refused = new Set();
    this.#without = new Set();
    this.#seen = 0;
  }

  /** The newest first. All entries are looked at once; then what is new, and what had no vector: a search does not go through all of a memory. */
  #missing({ head, entries, entry, fits }: Looking): readonly Entry[] {
    if (head() < this.#seen) this.#seen = 0;
    for (const { id } of entries(this.#seen)) this.#without.add(id);
    this.#seen = head();
    const missing: Entry[] = [];
    for (const id of this.#without) {
      if (this.#shelf.index.has(id)) this.#without.delete(id);
      else if (!this.#refused.has(id) && fits(id)) {
        const found = entry(id);
        if (found !== undefined) missing.push(found);
      }
    }
    return missing.toReversed();
  }

  /** A text that the model refuses keeps no other from its vector. */
  async #embed(
    embed: Embedder,
    entries: readonly Entry[],
    { into, signal }: { readonly into: VectorIndex; readonly signal: AbortSignal | undefined },
  ): Promise<void> {
    const texts = entries.map(embeddedText);
    try {
      const { vectors } = await embed.embed(texts, { world: this.#world, kind: 'document', ...(signal === undefined ? {} : { signal }) });
      this.#check(embed, vectors, { count: entries.length, into });
      this.#shelf.add(into, entries, vectors);
    } catch (error) {
      const isRefused = NervaError.is(error) && (error.code === 'CONTEXT_TOO_LONG' || error.code === 'MODEL_REFUSED');
      if (!isRefused || signal?.aborted === true) throw error;
      if (into !== this.#shelf.index) return;
      const [only] = entries;
      const middle = entries.length >> 1;
      if (entries.length === 1 && only !== undefined) this.#refused.add(only.id);
      else for (const half of [entries.slice(0, middle), entries.slice(middle)]) await this.#embed(embed, half, { into, signal });
    }
  }

  /** Vectors of the questions, when there is anything to compare them with. */
  async #asked(
    embed: Embedder,
    variations: readonly string[],
    { looking, signal }: { readonly looking: Looking; readonly signal: AbortSignal | undefined },
  ): Promise<Asked> {
    try {
      await this.fill(looking, { max: this.#embedMax, signal });
      if (this.#shelf.index.size === 0 || variations.some((one) => one.trim() === '')) return { vectors: null, failure: null };
      const { vectors } = await embed.embed(variations, { world: this.#world, kind: 'query', ...(signal === undefined ? {} : { signal }) });
      this.#check(embed, vectors, { count: variations.length, into: this.#shelf.index });
      return { vectors, failure: null };
    } catch (error) {
      if (signal?.aborted === true) throw error;
      return { vectors: null, failure: NervaError.is(error) ? error.code : 'unknown' };
    }
  }

  /** Vectors that are sound, but of another length than those that are kept, come of an embedder that changed under its name: those go. */
  #check(embed: Embedder, vectors: Vectors, { count, into }: { readonly count: number; readonly into: VectorIndex }): void {
    const length = vectors[0]?.length ?? 0;
    if (into === this.#shelf.index && into.dimensions !== null && length !== into.dimensions && areVectors(vectors, count, length)) {
      this.#begin();
      this.#shelf.discard();
    }
    if (areVectors(vectors, count, into.dimensions ?? length)) return;
    throw new NervaError(
      'MODEL_GARBAGE',
      `${embed.name} gave what are not ${count} vectors of ${into.dimensions ?? length} numbers with a direction each. They were left out.`,
    );
  }
}

/** What all looks found, as one list. Scores of words that nothing is joined to stay as they are. */
function joined(seen: readonly Looked[], near: ReadonlyMap<string, number>, { fusion, scoreMin }: Required<Joining>): Ranked['hits'] {
  if (fusion === 'blend') {
    const lists = seen.flatMap(({ lists }) => lists);
    return blended(lists, { near, share: SEMANTIC }).filter(({ score }) => score >= scoreMin);
  }
  const each = seen.map(({ lists, isByVector }) => (isByVector ? fused(lists, fusion) : (lists[0]?.hits ?? [])));
  const [only = []] = each;
  return each.length === 1
    ? only
    : fused(
        each.map((hits) => ({ hits, weight: 1 })),
        'rank',
      );
}

async function reranked(
  rerank: Reranker,
  { query, found }: { readonly query: string; readonly found: readonly Found[] },
  options: { readonly world: World; readonly signal?: AbortSignal },
): Promise<readonly Found[]> {
  if (found.length === 0) return found;
  try {
    const scores: readonly unknown[] = await rerank.rerank(
      query,
      found.map(({ entry }) => entry.text),
      options,
    );
    if (scores.length !== found.length || !scores.every(Number.isFinite)) return found;
    return found
      .map((one, at) => ({ ...one, score: scores[at] as number, why: { ...one.why, rerank: scores[at] as number } }))
      .toSorted((one, other) => other.score - one.score);
  } catch (error) {
    if (options.signal?.aborted === true) throw error;
    return found;
  }
}

/** @throws OPTION_INVALID for what is no string. */
export function checkQuestion(query: unknown): void {
  if (typeof query !== 'string')
    throw new NervaError('OPTION_INVALID', `What is looked for is a string; ${typeof query} came. Nothing was looked for.`);
}

type Vectors = readonly (readonly number[])[];

/** Adapters check what a wire said; an embedder of one's own may say anything. */
function areVectors(vectors: Vectors, count: number, length: number): boolean {
  return (
    vectors.length === count &&
    vectors.every((vector) => vector.length === length && vector.every(Number.isFinite) && vector.some((one) => one !== 0))
  );
}
