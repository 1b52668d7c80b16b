import { NervaError, type World } from '../core/index.ts';
import type { Embedder } from '../model/index.ts';
import type { Entry } from './entries.ts';
import type { IndexTold } from './kept-rows.ts';
import { vectorIndex, type Near, type VectorIndex } from './vectors.ts';
import type { VectorKeeper, VectorRows } from './vector-rows.ts';

/** Where the vectors of a memory are kept. */
export interface ShelfOptions {
  readonly keeper: Partial<VectorKeeper>;
  /** Of the memory's rows. */
  readonly name: string;
  readonly tell: (told: IndexTold) => void;
}

/** Keys of one look into the rows. */
const PAGE = 500;
/** Of a text that gets a vector; models refuse what is longer than they can read. */
const EMBED_CHARS_MAX = 8_000;
/** Of what is found, beside the question. Rocchio's, as the literature has it. */
const FEEDBACK = 0.75;
/** Beside its numbers, a vector in memory: measured, see decision 0024. */
const BESIDE_BYTES = 300;

/** What of an entry gets a vector. */
export const embeddedText = ({ text }: Entry): string => text.slice(0, EMBED_CHARS_MAX);

/**
 * The vectors of a memory's entries in this process, and beside them, where there is a place, rows that outlive it: a text has its vector made once
 * by an embedder. Rows that fail are left, and told of; the memory goes on without.
 * Invariants: S1 no more than `bytesMax` of memory · S2 after `sweep` the rows have nothing of a text that no entry has.
 */
export class VectorShelf {
  readonly #world: World;
  readonly #maker: string | null;
  readonly #bytesMax: number;
  readonly #kept: ShelfOptions | null;
  #rows: VectorRows | null;
  #index: VectorIndex = vectorIndex();
  #isLoaded = false;
  #isSweepDue = false;

  constructor(
    world: World,
    embed: Embedder | undefined,
    { bytesMax, kept }: { readonly bytesMax: number; readonly kept: ShelfOptions | null },
  ) {
    this.#world = world;
    this.#maker = embed === undefined ? null : JSON.stringify([embed.name, embed.dimensions ?? null]);
    this.#bytesMax = bytesMax;
    this.#kept = kept;
    this.#rows = kept?.keeper.vectors === undefined ? null : this.#safely(() => kept.keeper.vectors?.(kept.name) ?? null, null);
  }

  /** What is in memory; another one once all was let go. */
  get index(): VectorIndex {
    return this.#index;
  }

  /** So many more vectors have room. */
  get room(): number {
    const each = 4 * (this.#index.dimensions ?? 0) + BESIDE_BYTES;
    return Math.max(0, Math.floor(this.#bytesMax / each) - this.#index.size);
  }

  search(vector: readonly number[], limit: number, only: (id: string) => boolean): readonly Near[] {
    return this.#index.search(vector, { limit, only });
  }

  /** Of these ids those that have a vector, 1,000 at most, nearest first, of equals in their order. O(ids · dimensions). */
  among(vector: readonly number[], ids: readonly string[]): readonly Near[] {
    const few = vectorIndex();
    for (const id of ids) {
      const unit = this.#index.unit(id);
      if (unit !== undefined) few.addUnit(id, unit);
    }
    return few.size === 0 ? [] : few.search(vector, { limit: 1_000 });
  }

  /**
   * A vector drawn towards those of these ids: of length 1 before, and then with so much of their mean added. J. J. Rocchio, "Relevance feedback in
   * information retrieval", 1971, without what is not wanted; as the mean has less than it, nothing can make it zero.
   */
  towards(vector: readonly number[], ids: readonly string[]): readonly number[] {
    const asked = vectorIndex();
    asked.add('', vector);
    const units = ids.flatMap((id) => this.#index.unit(id) ?? []);
    const part = FEEDBACK / Math.max(1, units.length);
    return Array.from(asked.unit('') ?? [], (one, at) => units.reduce((sum, unit) => sum + part * (unit[at] ?? 0), one));
  }

  /** Takes from the rows what entries have there, once, the newest first; the rows keep nothing else. O(entries) the first time. */
  load(entries: () => Iterable<Entry>): void {
    if (this.#isLoaded) return;
    this.#isLoaded = true;
    const maker = this.#maker;
    if (this.#rows === null || maker === null) return;
    const keyed = this.#keyed(entries());
    for (let end = keyed.length; end > 0 && this.room > 0; end -= PAGE) {
      const page = keyed.slice(Math.max(0, end - PAGE), end).toReversed();
      const found = this.#onRows((rows) =>
        rows.some(
          maker,
          page.map(({ key }) => key),
        ),
      );
      for (const { id, key } of page) {
        const unit = found?.get(key);
        if (unit !== undefined && this.room > 0 && unit.length === (this.#index.dimensions ?? unit.length)) this.#index.addUnit(id, unit);
      }
    }
    this.#isSweepDue = false;
    this.#onRows((rows) => rows.keepOnly(new Set(keyed.map(({ key }) => key)), maker));
  }

  /** Keeps the vectors that were made for entries, in `into`; and beside it when that is what still counts. @throws OPTION_INVALID as `VectorIndex.add`. */
  add(into: VectorIndex, entries: readonly Entry[], vectors: readonly (readonly number[])[]): void {
    const units = new Map<string, Float32Array>();
    for (const [at, entry] of entries.entries()) {
      into.add(entry.id, vectors[at] ?? []);
      const unit = into.unit(entry.id);
      if (unit !== undefined) units.set(this.#keyOf(entry), unit);
    }
    const maker = this.#maker;
    if (into === this.#index && maker !== null) this.#onRows((rows) => rows.put(maker, units));
  }

  /** Lets go what is in memory: a text may not be there any more. The rows are swept when the log has been read. */
  clear(): void {
    this.#index = vectorIndex();
    this.#isLoaded = false;
    this.#isSweepDue = true;
  }

  /** Lets all go, for the embedder gives others now. */
  discard(): void {
    this.clear();
    this.#onRows((rows) => rows.keepOnly(new Set()));
  }

  /** After `clear`: the rows keep what these entries have and nothing else. O(entries) then, else O(1). */
  sweep(entries: () => Iterable<Entry>): void {
    if (!this.#isSweepDue) return;
    if (this.#rows !== null) {
      const keys = new Set(this.#keyed(entries()).map(({ key }) => key));
      this.#onRows((rows) => rows.keepOnly(keys));
    }
    this.#isSweepDue = false;
  }

  #keyed(entries: Iterable<Entry>): readonly { readonly id: string; readonly key: string }[] {
    return Array.from(entries, (entry) => ({ id: entry.id, key: this.#keyOf(entry) }));
  }

  #keyOf(entry: Entry): string {
    return this.#world.digest(embeddedText(entry)).slice(0, 32);
  }

  #onRows<T>(work: (rows: VectorRows) => T): T | null {
    const rows = this.#rows;
    return rows === null ? null : this.#safely(() => work(rows), null);
  }

  #safely<T>(work: () => T, otherwise: T): T {
    try {
      return work();
    } catch (error) {
      if (!NervaError.is(error)) throw error;
      this.#rows = null;
      this.#kept?.tell({ type: 'failed', name: `${this.#kept.name} vectors`, error });
      return otherwise;
    }
  }
}
