import { NervaError } from '../core/index.ts';

/** Writes; when nobody can say whether it was written, once more. Contract: `write` may be repeated, as an append may under the same frame id. */
export async function twice<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (!NervaError.is(error, 'LOG_UNKNOWN_RESULT')) throw error;
    return write();
  }
}
