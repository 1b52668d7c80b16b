/**
 * Why a file is not in a knowledge base. `skipped` are those of which nothing was expected (`binary`, `link`, `empty`, `kind`); the rest
 * failed, and what was known of the file before stays as it was.
 */
export type ProblemCode =
  /** Larger than `fileBytesMax`; it was not read. */
  | 'too-large'
  /** More text than `textCharactersMax`. */
  | 'text-too-long'
  /** More files than `filesMax`, or folders deeper than `depthMax`. */
  | 'too-many'
  | 'too-deep'
  /** Unpacks to far more than it is, or takes far more memory. */
  | 'bomb'
  /** Reading it took longer than `unpackTimeoutMs`. */
  | 'too-slow'
  | 'encrypted'
  /** Not what its name or its first bytes say. */
  | 'broken'
  /** Not UTF-8, nor UTF-16 with a byte order mark. */
  | 'encoding'
  /** Somebody wrote it while it was read. */
  | 'changing'
  | 'unreadable'
  | 'binary'
  | 'link'
  | 'empty'
  /** A device, a socket, a pipe. */
  | 'kind';

/** A file, and why it is not there. */
export interface Problem {
  readonly path: string;
  readonly code: ProblemCode;
  /** What came, what was expected, what to do. */
  readonly message: string;
}

/** Thrown where a file is read or taken apart; `ingest` lists it and goes on with the next one. */
export class FileProblem extends Error {
  readonly code: ProblemCode;

  constructor(code: ProblemCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

const SKIPPED: ReadonlySet<ProblemCode> = new Set<ProblemCode>(['binary', 'link', 'empty', 'kind']);

/** Whether nothing was expected of such a file, when it was found in a folder. */
export const isSkipped = (code: ProblemCode): boolean => SKIPPED.has(code);
