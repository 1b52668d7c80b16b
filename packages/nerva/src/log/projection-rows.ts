/** The rows of one space, sorted by key (by UTF-16 code unit order of ASCII keys; keep keys ASCII). Values are text. */
export interface Rows {
  get(key: string): string | null;
  put(key: string, value: string): void;
  delete(key: string): void;
  /** Rows whose key begins with `prefix` and is greater than `after`, ascending, at most `limit` (default: all). */
  scan(options?: {
    readonly prefix?: string;
    readonly after?: string;
    readonly limit?: number;
  }): readonly { readonly key: string; readonly value: string }[];
  /** Deletes every row of the space. */
  clear(): void;
}

/**
 * Where projections keep their output and their cursors, so that both commit together.
 * Adapters share `projectionRowsContract`.
 */
export interface ProjectionRows {
  /**
   * Runs `work` in one transaction over any number of spaces: all its writes or, when it throws, none; the error is passed on.
   * `work` is synchronous and sees its own writes. Transactions run one after the other.
   */
  transaction<T>(work: (space: (name: string) => Rows) => T): Promise<T>;
}
