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
  /** Why nobody outside can tell the difference. It is searched all the same: when it is found, the reason is wrong. */
  readonly equivalent?: string;
}
