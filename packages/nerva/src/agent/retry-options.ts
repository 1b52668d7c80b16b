import { checkOptions, checkRange } from '../core/index.ts';

/** How often and when a model call that failed is made again. What cannot be helped by another attempt (a wrong key, a malformed request) never is. */
export interface Retry {
  /** Attempts after the first, 0–100. Default 3. */
  readonly retriesMax?: number;
  /** Before the first of them. Default 1,000. */
  readonly initialMs?: number;
  /** What each wait is multiplied by, 1–10. Default 2. */
  readonly factor?: number;
  /** The longest wait of our own. Default 60,000. */
  readonly delayMsMax?: number;
  /** A wait is off by up to this share of itself, 0–1. Default 0.1. */
  readonly jitter?: number;
  /** A provider that says when to come back is heeded up to this long; beyond, the turn ends. Default 600,000. */
  readonly retryAfterMsMax?: number;
}

const OPTIONS = ['retriesMax', 'initialMs', 'factor', 'delayMsMax', 'jitter', 'retryAfterMsMax'] as const;
const HOUR_MS = 3_600_000;

/** Checks the option; `false` means never. @throws OPTION_UNKNOWN, OPTION_INVALID */
export function checkRetry(given: Retry | false | undefined): Required<Retry> {
  const retry = given === false ? { retriesMax: 0 } : (given ?? {});
  checkOptions(retry, OPTIONS, 'createAgent: retry');
  return {
    retriesMax: checkRange('retry.retriesMax', retry.retriesMax ?? 3, 0, 100),
    initialMs: checkRange('retry.initialMs', retry.initialMs ?? 1_000, 0, HOUR_MS),
    factor: checkRange('retry.factor', retry.factor ?? 2, 1, 10),
    delayMsMax: checkRange('retry.delayMsMax', retry.delayMsMax ?? 60_000, 0, 24 * HOUR_MS),
    jitter: checkRange('retry.jitter', retry.jitter ?? 0.1, 0, 1),
    retryAfterMsMax: checkRange('retry.retryAfterMsMax', retry.retryAfterMsMax ?? 600_000, 0, 24 * HOUR_MS),
  };
}
