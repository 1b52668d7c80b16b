import { checkRange, NervaError } from '../core/index.ts';

/** A vector that was found. */
export interface Near {
  readonly id: string;
  /** Cosine of the angle between the two: -1 to 1. */
  readonly similarity: number;
}

/**
 * Vectors by which ids are found, exactly: each is looked at. All are of one length, that of the first.
 * Invariants: V1 what is found is what comparing with each would find, nearest first, of equals the older · V2 what was removed is not found.
 */
export interface VectorIndex {
  readonly size: number;
  /** Of its vectors; null before the first. Once known it stays. */
  readonly dimensions: number | null;
  has(id: string): boolean;
  /** Adds a vector; one of the same id goes. O(dimensions). @throws OPTION_INVALID for another length, for zeros only, for what is no number. Nothing was changed. */
  add(id: string, vector: readonly number[]): void;
  /** The vector of an id as it is kept, of length 1; not to be changed. */
  unit(id: string): Float32Array | undefined;
  /** Adds one that `unit` gave, to the bit. @throws OPTION_INVALID for another length. */
  addUnit(id: string, unit: Float32Array): void;
  /** @returns false when there is none with this id. O(dimensions). */
  remove(id: string): boolean;
  /** The nearest, `limit` 1–1,000, default 10; what `only` refuses is not looked at. O(size · dimensions). @throws OPTION_INVALID as `add` does. */
  search(vector: readonly number[], options?: { readonly limit?: number; readonly only?: (id: string) => boolean }): readonly Near[];
}

/** Makes an empty index. Numbers are kept with 32 bits: 4 bytes each. */
export function vectorIndex(): VectorIndex {
  return new ExactVectors();
}

interface Row {
  readonly id: string;
  /** Of length 1, so that a product is a cosine. */
  readonly unit: Float32Array;
}

class ExactVectors implements VectorIndex {
  dimensions: number | null = null;
  /** A map keeps the order in which they came. */
  readonly #rows = new Map<string, Row>();

  get size(): number {
    return this.#rows.size;
  }

  has(id: string): boolean {
    return this.#rows.has(id);
  }

  add(id: string, vector: readonly number[]): void {
    this.addUnit(id, this.#unit(vector));
  }

  unit(id: string): Float32Array | undefined {
    return this.#rows.get(id)?.unit;
  }

  addUnit(id: string, unit: Float32Array): void {
    this.#checkLength(unit.length);
    this.dimensions = unit.length;
    this.#rows.delete(id);
    this.#rows.set(id, { id, unit });
  }

  remove(id: string): boolean {
    return this.#rows.delete(id);
  }

  search(vector: readonly number[], options: { readonly limit?: number; readonly only?: (id: string) => boolean } = {}): readonly Near[] {
    const limit = checkRange('limit', options.limit ?? 10, 1, 1_000);
    const asked = this.#unit(vector);
    const found: Near[] = [];
    for (const { id, unit } of this.#rows.values()) {
      const similarity = product(asked, unit);
      const last = found[limit - 1];
      if (last !== undefined && last.similarity >= similarity) continue;
      if (options.only?.(id) === false) continue;
      let at = found.length;
      while (at > 0 && (found[at - 1] as Near).similarity < similarity) at--;
      found.splice(at, 0, { id, similarity });
      if (found.length > limit) found.pop();
    }
    return found;
  }

  #unit(vector: readonly number[]): Float32Array {
    this.#checkLength(vector.length);
    // The greatest first: a square of it may be more than a number can be.
    const most = vector.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
    if (!(most > 0 && most < Infinity) || !vector.every(Number.isFinite))
      throw new NervaError('OPTION_INVALID', 'A vector has finite numbers, and one at least that is not 0. Nothing was changed.');
    const size = Math.sqrt(vector.reduce((sum, one) => sum + (one / most) ** 2, 0));
    return Float32Array.from(vector, (one) => one / most / size);
  }

  #checkLength(length: number): void {
    if (length > 0 && (this.dimensions === null || length === this.dimensions)) return;
    throw new NervaError(
      'OPTION_INVALID',
      `A vector of ${length} numbers came; ${this.dimensions ?? 'at least 1'} was expected. Nothing was changed.`,
      { details: { length, dimensions: this.dimensions } },
    );
  }
}

/** Four sums at a time: each addition need not wait for the one before it. */
function product(one: Float32Array, other: Float32Array): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = one.length - (one.length % 4);
  for (let at = 0; at < whole; at += 4) {
    a += (one[at] as number) * (other[at] as number);
    b += (one[at + 1] as number) * (other[at + 1] as number);
    c += (one[at + 2] as number) * (other[at + 2] as number);
    d += (one[at + 3] as number) * (other[at + 3] as number);
  }
  for (let at = whole; at < one.length; at++) a += (one[at] as number) * (other[at] as number);
  return Math.max(-1, Math.min(1, a + b + c + d));
}
