import type { Usage } from './message.ts';
import type { Model } from './model.ts';

/** Input and output tokens together; null when either is not known. */
export function totalTokens(usage: Usage): number | null {
  return usage.inputTokens === null || usage.outputTokens === null ? null : usage.inputTokens + usage.outputTokens;
}

/** What a call cost by our price list, in USD; null when the price or a count is unknown. Cached tokens have a price of their own where one is known. */
export function costUsd(usage: Usage, price: Model['price']): number | null {
  if (price === undefined || usage.inputTokens === null || usage.outputTokens === null) return null;
  const { inputUsd, outputUsd, cachedInputUsd = inputUsd, cacheWriteUsd = inputUsd } = price;
  const { cachedInputTokens = 0, cacheWriteTokens = 0 } = usage;
  const plain = Math.max(0, usage.inputTokens - cachedInputTokens - cacheWriteTokens);
  return (
    (plain * inputUsd + cachedInputTokens * cachedInputUsd + cacheWriteTokens * cacheWriteUsd + usage.outputTokens * outputUsd) /
    TOKENS_PRICED
  );
}

/** Prices are per million tokens. */
const TOKENS_PRICED = 1_000_000;
