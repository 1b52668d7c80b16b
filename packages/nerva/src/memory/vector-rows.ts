/**
 * Vectors that outlive the process, of one memory: what an adapter of a database gives. All of it is synchronous, and throws NervaError `STORE_*`
 * when the disk fails. Losing them loses nothing but what it costs to make them.
 * Invariants: R1 a vector comes back under the maker and the key that it was put under, and no other · R2 of what was removed no byte is left in
 * any file when the call returns, unless somebody else reads just then: after the next one.
 */
export interface VectorRows {
  /** Those of a maker that are there, by key. */
  some(maker: string, keys: readonly string[]): ReadonlyMap<string, Float32Array>;
  /** Puts vectors of a maker, each in the place of one before. */
  put(maker: string, vectors: ReadonlyMap<string, Float32Array>): void;
  /** Removes all whose key is not among these, and all of other makers where one is named. */
  keepOnly(keys: ReadonlySet<string>, maker?: string): void;
}

/** Where memories keep their vectors. */
export interface VectorKeeper {
  /** Those of a log. `name`: 32 hex digits. Contract: nothing is made before something is put. */
  vectors(name: string): VectorRows;
}
