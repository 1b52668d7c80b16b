import { NervaError, type World } from '../core/index.ts';

/** Failures of a store after which nothing was written and the same write may succeed. */
const PASSING: ReadonlySet<string> = new Set(['STORE_FAILED', 'STORE_FULL', 'STORE_QUEUE_FULL', 'LOG_UNKNOWN_RESULT']);
const WAIT_MS = 100;
const WAIT_MS_MAX = 30_000;

/**
 * Writes until the store takes it: what an effect came to must not be lost to a full disk. Waits 0.1 s, then twice as long each time, up
 * to 30 s; the first time that nobody can say what became of the write it asks again at once. Contract: `write` may be repeated.
 * @throws what `write` throws for good, or at once when `signal` aborts.
 */
export async function again<T>(
  write: () => Promise<T>,
  { world, signal }: { readonly world: World; readonly signal: AbortSignal },
): Promise<T> {
  let waitMs = 0;
  for (;;) {
    try {
      return await write();
    } catch (error) {
      if (!NervaError.is(error) || !PASSING.has(error.code) || signal.aborted) throw error;
      if (waitMs > 0 || error.code !== 'LOG_UNKNOWN_RESULT')
        await world.clock.sleep(Math.max(waitMs, WAIT_MS), { signal }).catch(() => undefined);
      if (signal.aborted) throw error;
      waitMs = Math.min(Math.max(waitMs * 2, WAIT_MS), WAIT_MS_MAX);
    }
  }
}
