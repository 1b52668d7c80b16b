import { checkOptions, checkRange } from '../core/index.ts';
import type { Bound } from './definition.ts';
import type { AgentState, Turn } from './state.ts';

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

/**
 * When the call that failed is made again, or null: never. Pure: the jitter comes from a digest of where it happened, so a replay waits
 * as the record did, and sessions that failed together do not come back together.
 * Not after the first piece of an answer reached somebody: it would be taken back before his eyes.
 */
export function retryAtMs(state: AgentState, open: Turn, { agent, hash }: Bound): number | null {
  const { failure } = open;
  const { retriesMax, initialMs, factor, delayMsMax, jitter, retryAfterMsMax } = agent.retry;
  if (failure === null || !failure.retry || failure.isPartial || open.failures > retriesMax) return null;
  if ((failure.retryAfterMs ?? 0) > retryAfterMsMax) return null;
  const plainMs = Math.min(delayMsMax, initialMs * factor ** (open.failures - 1));
  const share = Number.parseInt(hash(failure.id).slice(0, 8), 16) / 0x1_0000_0000;
  const ownMs = plainMs * (1 + jitter * (2 * share - 1));
  const atMs = state.nowMs + Math.ceil(Math.max(ownMs, failure.retryAfterMs ?? 0));
  const { turnMs = Infinity } = agent.budget ?? {};
  return atMs < open.startedMs + turnMs ? atMs : null;
}
