/** What went wrong, for supervisors: decide on this and on `retry`, never on the text. */
export type ErrorKind = 'invalid' | 'conflict' | 'limit' | 'unavailable' | 'corrupt' | 'denied' | 'cancelled';

interface Entry {
  readonly kind: ErrorKind;
  readonly retry: boolean;
  /** One sentence for docs/errors.md: when it happens and what to do. */
  readonly help: string;
}

const entry = (kind: ErrorKind, retry: boolean, help: string): Entry => ({ kind, retry, help });

/** The one catalogue of failures. Codes are permanent; a test holds docs/errors.md equal to it. */
export const ERRORS = {
  CANCELLED: entry('cancelled', false, 'The caller aborted the operation. Nothing to do.'),
  JSON_INVALID: entry(
    'invalid',
    false,
    'A value is not plain JSON (undefined, NaN, a function, a cycle, a class instance, too deep). Send plain data.',
  ),
  SCHEMA_UNSUPPORTED: entry(
    'invalid',
    false,
    'A JSON Schema uses a keyword that Nerva does not check. Remove the keyword, or give a Standard Schema.',
  ),
  SCHEMA_MISMATCH: entry('invalid', false, 'A value does not fit its schema. The message names the path, what came and what was expected.'),
  OPTION_UNKNOWN: entry('invalid', false, 'An option has an unknown name. The message gives the nearest known one.'),
  OPTION_INVALID: entry('invalid', false, 'An option has a value outside its range. The message gives the range.'),
  SESSION_UNKNOWN: entry('invalid', false, 'No session has this id in this store. `nerva sessions` lists those that exist.'),
  SESSION_DELETED: entry('invalid', false, 'The session was deleted; only its tombstone is left.'),
  SESSION_CLOSED: entry('conflict', false, 'The session is closed and takes no more input. Fork it to go on.'),
  SESSION_READONLY: entry(
    'unavailable',
    false,
    'The log holds a critical event that this release does not know. Use the release that wrote it.',
  ),
  SESSION_QUARANTINED: entry(
    'unavailable',
    false,
    'The session failed to make progress too often and is set aside. Look at it with `nerva show`, then release it.',
  ),
  SESSION_BUSY: entry('conflict', true, 'A turn of the session is open. Answer what waits or let it end first.'),
  SESSION_FENCED: entry('conflict', true, 'Another driver took the session over. What this one had done is recorded; the other goes on.'),
  SESSION_FULL: entry('limit', false, 'The log reached eventsMax or bytesMax. Continue in a new session.'),
  SESSION_HAS_FORKS: entry(
    'conflict',
    false,
    'Other sessions are forks of this one and read its events. Delete them first, or delete with cascade.',
  ),
  AGENT_UNKNOWN: entry(
    'invalid',
    false,
    'The session belongs to an agent that is not registered here. Pass it to createRuntime({agents}).',
  ),
  AGENT_INVALID: entry('invalid', false, 'An agent definition is incomplete or contradicts itself. The message names the option.'),
  APPROVAL_UNKNOWN: entry('invalid', false, 'No approval or call with this id is in the session.'),
  APPROVAL_SETTLED: entry('conflict', false, 'This approval was already answered. The first answer stands.'),
  APPROVAL_CHANGED: entry('conflict', false, 'The digest given is not that of what is asked now. Look again before you answer.'),
  LOG_PRUNED: entry('unavailable', false, 'The events asked for were pruned; their envelopes and chain are left.'),
  LOG_CORRUPT: entry(
    'corrupt',
    false,
    'The log does not verify. Keep the file, restore a backup; `nerva verify` names the first bad frame.',
  ),
  LOG_RANGE: entry('invalid', false, 'The position asked for lies outside the log.'),
  LOG_UNKNOWN_RESULT: entry(
    'unavailable',
    true,
    'The store failed before it could say whether the frame was written. Append the same frame id again.',
  ),
  FRAME_INVALID: entry('invalid', false, 'A frame is empty, too large, or has a malformed field. Nothing was written.'),
  STATUS_ILLEGAL: entry('conflict', false, 'A session cannot move between these two statuses.'),
  TENANT_DENIED: entry('denied', false, 'This handle belongs to another tenant.'),
  BLOB_UNKNOWN: entry('unavailable', false, 'No blob with this digest is in the store (for this tenant and subject).'),
  PROJECTION_UNKNOWN: entry('invalid', false, 'No projection with this name is registered.'),
  PROJECTION_DEGRADED: entry('unavailable', true, 'A projection set events aside after repeated failures; its output is incomplete.'),
  SUBJECT_ERASED: entry('unavailable', false, 'The key of this subject was destroyed; nothing can be sealed under it again.'),
  STORE_LOCKED: entry('conflict', true, 'Another process writes this store. The message names its pid. Readers are still allowed.'),
  STORE_READONLY: entry('denied', false, 'The store was opened for reading, or its directory is not writable.'),
  STORE_CORRUPT: entry('corrupt', false, 'The file is not a Nerva store, is truncated or damaged. It was left as it is.'),
  STORE_VERSION: entry('unavailable', false, 'The file was written by a newer release. It was left as it is.'),
  STORE_FULL: entry('limit', true, 'The disk is full. Nothing of the frame was written; free space and try again.'),
  STORE_FAILED: entry('unavailable', true, 'The disk refused a write. The frame was not written.'),
  STORE_POISONED: entry('unavailable', false, 'An fsync failed, so nothing more is acknowledged by this handle. Close, reopen and verify.'),
  STORE_QUEUE_FULL: entry('limit', true, 'More than queueMax frames wait for the disk. Slow down and send again.'),
  STORE_CLOSED: entry('unavailable', false, 'The store was closed.'),
  HTTP_UNREACHABLE: entry('unavailable', true, 'No connection could be made (refused, DNS, TLS).'),
  HTTP_TIMEOUT: entry('unavailable', true, 'The peer was too slow; details.phase is connect, first-byte, first-part, idle or total.'),
  HTTP_TOO_LARGE: entry('limit', false, 'The answer is larger than bytesMax.'),
  HTTP_BROKEN: entry('unavailable', true, 'The connection broke before the answer was complete.'),
  MODEL_AUTH: entry('denied', false, 'The provider refused the key. Check the environment variable that holds it.'),
  MODEL_REFUSED: entry('invalid', false, 'The provider refused the request as malformed. The message quotes its reason.'),
  MODEL_RATE_LIMITED: entry('limit', true, 'The provider limits the rate; details.retryAfterMs says how long to wait, when it told.'),
  MODEL_UNAVAILABLE: entry('unavailable', true, 'The provider answered with a server error.'),
  MODEL_GARBAGE: entry('corrupt', true, 'The provider answered something that is not its own protocol. The message has an excerpt.'),
  MODEL_TRUNCATED: entry('unavailable', true, 'The stream ended before the answer was complete.'),
  MODEL_BREAKER_OPEN: entry(
    'unavailable',
    true,
    'The model failed too often in a row and is left alone for a while; details.retryAfterMs says how long. Nothing was sent.',
  ),
  MODEL_QUEUE_FULL: entry('limit', true, 'More than queueMax calls wait for this model. Nothing was sent; slow down and call again.'),
  MODEL_SCRIPT_ENDED: entry('invalid', false, 'A scripted or replayed model was asked for more answers than it has.'),
  CONTEXT_TOO_LONG: entry('limit', false, 'The conversation does not fit the model. Nothing was sent.'),
  REPLAY_DIVERGED: entry(
    'conflict',
    false,
    'A replay decided differently from the record. The message names the first event and both sides.',
  ),
  TOOL_INVALID: entry('invalid', false, 'A tool definition is incomplete or its name is taken.'),
  TOOL_NOT_DONE: entry('unavailable', true, 'Thrown by a tool to say: the effect did not happen and will not.'),
  MEMORY_UNKNOWN: entry('invalid', false, 'The memory has no block or entry of this name. The message says which there are.'),
  MEMORY_FULL: entry('limit', false, 'A memory has no room for this. Shorten or remove something; nothing was changed.'),
  MEMORY_TOO_LARGE: entry('limit', false, 'A block, item or text is larger than its own limit. Nothing was changed.'),
  MEMORY_EDIT: entry('conflict', false, 'An edit does not fit what stands there. The message says why; nothing was changed.'),
  MEMORY_CHANGED: entry('conflict', true, 'Somebody changed it meanwhile. Read it again; nothing was changed.'),
  MEMORY_DENIED: entry(
    'denied',
    false,
    'A block is read-only, a memory is shown as it once was, or the log is that of a session. Nothing was changed.',
  ),
  POLICY_INVALID: entry('invalid', false, 'A policy or a rule is malformed. The message names the row.'),
  SIM_LEAK: entry(
    'invalid',
    false,
    'Simulated code reached past its World: for the clock, dice, files or the network. The message names it.',
  ),
  SIM_INVALID: entry('invalid', false, 'A scenario is incomplete or contradicts itself. The message names the part; nothing was run.'),
  SIM_VIOLATION: entry(
    'invalid',
    false,
    'A simulation broke an invariant. The message has the smallest plan found and how to run it again.',
  ),
  NODE_TOO_OLD: entry('unavailable', false, 'This Node.js is too old. Use Node.js 24 or newer.'),
} as const satisfies Readonly<Record<string, Entry>>;

/** A code of the catalogue. */
export type ErrorCode = keyof typeof ERRORS;

/** A failure. Bugs are assertions and outcomes are events; neither is a NervaError. */
export class NervaError extends Error {
  override readonly name = 'NervaError';
  readonly code: ErrorCode;
  readonly kind: ErrorKind;
  /** Whether the same call may succeed later. */
  readonly retry: boolean;
  /** Facts for programs: plain JSON values, no secrets. */
  readonly details: Readonly<Record<string, unknown>>;

  /** @param message says what came, what was expected, what to do, and what was left unchanged. */
  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly details?: Readonly<Record<string, unknown>>; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.kind = ERRORS[code].kind;
    this.retry = ERRORS[code].retry;
    this.details = options.details ?? {};
  }

  /** True for a NervaError (with this code, if given), also one made by another copy of this package. */
  static is(error: unknown, code?: ErrorCode): error is NervaError {
    return error instanceof Error && error.name === 'NervaError' && 'code' in error && (code === undefined || error.code === code);
  }
}

/** Stops the program on a bug. `invariant` begins with its number: `L1 dense seq`. */
export function assert(condition: unknown, invariant: string): asserts condition {
  if (!condition) throw new Error(`Invariant broken: ${invariant}`);
}
