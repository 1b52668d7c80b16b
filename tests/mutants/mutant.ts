/** A bug that is planted in the kernel to see whether the simulator finds it. */
export interface Mutant {
  /** Kebab-case, unique. */
  readonly name: string;
  /** Below packages/nerva/src. */
  readonly file: string;
  /** Exact source text; occurs once in the file. */
  readonly find: string;
  readonly replace: string;
  /** What is broken then. */
  readonly says: string;
  /** Why the search is expected not to find it. It is searched all the same: when it is found, the reason is wrong. */
  readonly unfound?: Unfound;
}

/** Why a planted bug is not found. */
export type Unfound =
  /** Nobody outside can tell the difference: why. */
  | { readonly equivalent: string }
  /** The law or the scenario that is missing. */
  | { readonly gap: string };
