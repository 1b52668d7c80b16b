import { NervaError, type ErrorCode } from '../core/index.ts';

/**
 * A failure that the simulation brings about, without a stack: its message says whose it is, where in the simulator it was made tells nobody
 * anything, and to take a stack costs more than the rest of a refused write.
 */
export function stackless(code: ErrorCode, message: string, details: Readonly<Record<string, unknown>> = {}): NervaError {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return new NervaError(code, message, { details });
  } finally {
    Error.stackTraceLimit = before;
  }
}
