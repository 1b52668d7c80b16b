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

/** The sum of two usages. Unknown and known is unknown: a sum that hides a gap would look exact. */
export function addUsage(a: Usage, b: Usage): Usage {
  const cachedInputTokens = optionalSum(a.cachedInputTokens, b.cachedInputTokens);
  const reasoningTokens = optionalSum(a.reasoningTokens, b.reasoningTokens);
  return {
    inputTokens: sum(a.inputTokens, b.inputTokens),
    outputTokens: sum(a.outputTokens, b.outputTokens),
    ...(cachedInputTokens === undefined ? {} : { cachedInputTokens }),
    ...(reasoningTokens === undefined ? {} : { reasoningTokens }),
  };
}

/** Prices are per million tokens. */
const TOKENS_PRICED = 1_000_000;

function sum(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b;
}

/** These two are detail inside the totals: one side's is a lower bound and still worth showing. */
function optionalSum(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : a + (b ?? 0);
}
