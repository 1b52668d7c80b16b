import type { Bound } from './definition.ts';
import type { AgentState, Turn } from './state.ts';

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
