import type { Capabilities } from './capability.ts';
import type { Price } from './model.ts';

/** What is known of a model. What is absent is unknown, never zero. */
export interface ModelInfo {
  /** `provider/model`, as in `Model.name`. */
  readonly name: string;
  /** Tokens of request and answer together at `price`: where longer requests cost more, this is the length up to which they do not. */
  readonly contextTokensMax?: number;
  readonly outputTokensMax?: number;
  readonly price?: Price;
  readonly capabilities: Capabilities;
  /** `YYYY-MM-DD`: the day on which the source is known to have said so. */
  readonly asOf: string;
  /** Where it is said. */
  readonly source: string;
}

/**
 * Well-known models, as their providers describe them. Prices change: each row says of which day it is, and `modelsWith` puts yours in its place.
 *
 * Prices in USD per million tokens at the standard rate. Where one is known for a time only, or by the hour, the higher one stands here, so that
 * budgets hold. Where requests beyond a length cost more, `contextTokensMax` ends at that length (272,000 at OpenAI, 200,000 at Google and xAI).
 *
 * Strengths follow one rule: 3, the page lists it as supported, or names it among what the model is for; 4, the page calls the model its best or
 * most capable at it; 0, the page says that it is not supported. What a page does not speak of is absent. Nobody measured anything here.
 */
export const MODELS: readonly ModelInfo[] = [
  // platform.claude.com/docs/en/models/…/overview, read in the copies of 2026-09 and later; tools and streaming by the Messages API.
  {
    name: 'anthropic/claude-opus-5-5',
    contextTokensMax: 1_000_000,
    outputTokensMax: 128_000,
    price: { inputUsd: 4, outputUsd: 20 },
    capabilities: claude({ reasoning: 4, premium: 4 }),
    asOf: '2026-09-28',
    source: 'https://platform.claude.com/docs/en/models/opus-5-5/overview',
  },
  {
    name: 'anthropic/claude-sonnet-5-5',
    contextTokensMax: 1_000_000,
    outputTokensMax: 128_000,
    price: { inputUsd: 2, outputUsd: 10, cachedInputUsd: 0.2, cacheWriteUsd: 2.5 },
    capabilities: claude({ reasoning: 3, standard: 4, efficient: 3, code: 3 }),
    asOf: '2026-09-28',
    source: 'https://platform.claude.com/docs/en/models/sonnet-5-5/overview',
  },
  {
    // “From $0.10 / $0.50”: what a call costs beyond that is not said, so the price is unknown.
    name: 'anthropic/claude-haiku-5-5',
    contextTokensMax: 1_000_000,
    outputTokensMax: 128_000,
    capabilities: claude({ reasoning: 3, inexpensive: 4 }),
    asOf: '2026-10-15',
    source: 'https://platform.claude.com/docs/about-claude/models/whats-new-opus-5',
  },
  {
    name: 'anthropic/claude-opus-5',
    contextTokensMax: 1_000_000,
    outputTokensMax: 128_000,
    price: { inputUsd: 5, outputUsd: 25, cachedInputUsd: 0.5, cacheWriteUsd: 6.25 },
    capabilities: claude({ reasoning: 3, premium: 3 }),
    asOf: '2026-10-15',
    source: 'https://platform.claude.com/docs/about-claude/models/whats-new-opus-5',
  },
  {
    name: 'anthropic/claude-haiku-4-5',
    contextTokensMax: 200_000,
    outputTokensMax: 64_000,
    price: { inputUsd: 1, outputUsd: 5, cachedInputUsd: 0.1, cacheWriteUsd: 1.25 },
    capabilities: claude({ reasoning: 3, efficient: 4, inexpensive: 3 }),
    asOf: '2026-07-29',
    source: 'https://www.anthropic.com/pricing#api',
  },
  {
    name: 'openai/gpt-6.2-sol',
    contextTokensMax: 272_000,
    outputTokensMax: 128_000,
    price: { inputUsd: 2, outputUsd: 10, cachedInputUsd: 0.1, cacheWriteUsd: 2.5 },
    capabilities: gpt({ standard: 4, code: 3 }),
    asOf: '2026-10-31',
    source: 'https://developers.openai.com/api/docs/models/gpt-6.2-sol',
  },
  {
    // 4 / 20 “at least until November 21, 2026”; this is the price before.
    name: 'openai/gpt-5.6-sol',
    contextTokensMax: 272_000,
    outputTokensMax: 128_000,
    price: { inputUsd: 5, outputUsd: 30, cachedInputUsd: 0.5, cacheWriteUsd: 6.25 },
    capabilities: gpt({ premium: 4, code: 4, science: 3, analysis: 3 }),
    asOf: '2026-08-02',
    source: 'https://developers.openai.com/api/docs/models/gpt-5.6-sol',
  },
  {
    name: 'openai/gpt-5.6-terra',
    contextTokensMax: 272_000,
    outputTokensMax: 128_000,
    price: { inputUsd: 2, outputUsd: 12, cachedInputUsd: 0.2, cacheWriteUsd: 2.5 },
    capabilities: gpt({ standard: 3 }),
    asOf: '2026-08-02',
    source: 'https://developers.openai.com/api/docs/models/gpt-5.6-terra',
  },
  {
    name: 'openai/gpt-5.6-luna',
    contextTokensMax: 272_000,
    outputTokensMax: 128_000,
    price: { inputUsd: 0.2, outputUsd: 1.2, cachedInputUsd: 0.02, cacheWriteUsd: 0.25 },
    capabilities: gpt({ inexpensive: 4, efficient: 3 }),
    asOf: '2026-08-02',
    source: 'https://developers.openai.com/api/docs/models/gpt-5.6-luna',
  },
  {
    name: 'openai/gpt-5.5',
    contextTokensMax: 272_000,
    outputTokensMax: 128_000,
    price: { inputUsd: 5, outputUsd: 30, cachedInputUsd: 0.5 },
    capabilities: gpt({ premium: 3, code: 4, analysis: 3 }),
    asOf: '2026-04-24',
    source: 'https://developers.openai.com/api/docs/pricing',
  },
  {
    name: 'openai/gpt-5-mini',
    contextTokensMax: 400_000,
    outputTokensMax: 128_000,
    price: { inputUsd: 0.25, outputUsd: 2, cachedInputUsd: 0.025 },
    capabilities: gpt({ inexpensive: 3, efficient: 3 }),
    asOf: '2025-11-13',
    source: 'https://developers.openai.com/api/docs/pricing',
  },
  {
    name: 'openai/gpt-4.1',
    contextTokensMax: 1_000_000,
    price: { inputUsd: 2, outputUsd: 8, cachedInputUsd: 0.5 },
    capabilities: { streaming: 3, vision: 3, tool_use: 3, json_output: 3, reasoning: 0, audio: 0 },
    asOf: '2025-07-04',
    source: 'https://platform.openai.com/docs/pricing',
  },
  {
    name: 'openai/gpt-4o-mini',
    contextTokensMax: 128_000,
    price: { inputUsd: 0.15, outputUsd: 0.6, cachedInputUsd: 0.075 },
    capabilities: { streaming: 3, vision: 3, tool_use: 3, json_output: 3, reasoning: 0, audio: 0, inexpensive: 3 },
    asOf: '2025-07-04',
    source: 'https://platform.openai.com/docs/pricing',
  },
  {
    // 0.75 / 3.75 until 2026-12-31; this is the price after.
    name: 'google/gemini-3.8-flash',
    contextTokensMax: 1_000_000,
    outputTokensMax: 65_535,
    price: { inputUsd: 1.5, outputUsd: 7.5 },
    capabilities: { reasoning: 3, efficient: 3 },
    asOf: '2026-10-07',
    source: 'https://ai.google.dev/gemini-api/docs/pricing',
  },
  {
    name: 'google/gemini-3.5-flash',
    contextTokensMax: 1_048_576,
    outputTokensMax: 65_536,
    price: { inputUsd: 1.5, outputUsd: 9, cachedInputUsd: 0.15 },
    capabilities: gemini({ efficient: 3, code: 3 }),
    asOf: '2026-09-20',
    source: 'https://ai.google.dev/gemini-api/docs/models/gemini-3.5-flash',
  },
  {
    name: 'google/gemini-3.5-flash-lite',
    contextTokensMax: 1_000_000,
    price: { inputUsd: 0.3, outputUsd: 2.5, cachedInputUsd: 0.03 },
    capabilities: { inexpensive: 3 },
    asOf: '2026-07-22',
    source: 'https://ai.google.dev/gemini-api/docs/pricing',
  },
  {
    name: 'google/gemini-3.1-pro-preview',
    contextTokensMax: 200_000,
    price: { inputUsd: 2, outputUsd: 12, cachedInputUsd: 0.2 },
    capabilities: { reasoning: 3, code: 3, analysis: 3, creative: 3, premium: 3 },
    asOf: '2026-09-20',
    source: 'https://ai.google.dev/gemini-api/docs/pricing',
  },
  {
    name: 'google/gemini-2.5-pro',
    contextTokensMax: 200_000,
    price: { inputUsd: 1.25, outputUsd: 10, cachedInputUsd: 0.125 },
    capabilities: gemini({ code: 3, math: 3, science: 3, analysis: 3 }),
    asOf: '2026-09-20',
    source: 'https://ai.google.dev/gemini-api/docs/pricing',
  },
  {
    // Sound costs 1.00; a call with sound in it is priced too low by this row.
    name: 'google/gemini-2.5-flash',
    price: { inputUsd: 0.3, outputUsd: 2.5, cachedInputUsd: 0.03 },
    capabilities: gemini({ code: 3, math: 3, science: 3, efficient: 3, inexpensive: 3 }),
    asOf: '2026-09-20',
    source: 'https://ai.google.dev/gemini-api/docs/pricing',
  },
  {
    // The price of the peak hours; outside them it is half.
    name: 'deepseek/deepseek-v4-pro',
    contextTokensMax: 1_000_000,
    price: { inputUsd: 1.32, outputUsd: 3.96, cachedInputUsd: 0.044 },
    capabilities: { streaming: 3, tool_use: 3, json_output: 3, reasoning: 3, vision: 0, audio: 0 },
    asOf: '2026-10-27',
    source: 'https://api-docs.deepseek.com/quick_start/pricing',
  },
  {
    name: 'deepseek/deepseek-flash',
    price: { inputUsd: 0.3, outputUsd: 1.2, cachedInputUsd: 0.006 },
    capabilities: { streaming: 3, tool_use: 3, json_output: 3, reasoning: 3, vision: 0, audio: 0, efficient: 3, inexpensive: 3 },
    asOf: '2026-10-27',
    source: 'https://api-docs.deepseek.com/quick_start/pricing',
  },
  {
    name: 'xai/grok-4.5',
    contextTokensMax: 200_000,
    price: { inputUsd: 2, outputUsd: 6, cachedInputUsd: 0.5 },
    capabilities: { reasoning: 3, code: 3, vision: 3, premium: 3, tool_use: 3 },
    asOf: '2026-07-13',
    source: 'https://docs.x.ai/developers/grok-4-5',
  },
  {
    name: 'xai/grok-4.3',
    contextTokensMax: 200_000,
    price: { inputUsd: 1.25, outputUsd: 2.5, cachedInputUsd: 0.2 },
    capabilities: { reasoning: 3, vision: 3, standard: 3 },
    asOf: '2026-07-13',
    source: 'https://docs.x.ai/developers/models',
  },
  {
    name: 'groq/openai/gpt-oss-120b',
    contextTokensMax: 131_072,
    outputTokensMax: 65_536,
    price: { inputUsd: 0.15, outputUsd: 0.6 },
    capabilities: { streaming: 3, reasoning: 3, tool_use: 3, efficient: 3, inexpensive: 3, vision: 0 },
    asOf: '2026-05-19',
    source: 'https://console.groq.com/docs/models',
  },
  {
    name: 'mistral/mistral-large-2512',
    price: { inputUsd: 0.5, outputUsd: 1.5, cachedInputUsd: 0.05 },
    capabilities: {},
    asOf: '2026-06-09',
    source: 'https://mistral.ai/pricing#api-pricing',
  },
  {
    name: 'mistral/mistral-small-2603',
    price: { inputUsd: 0.15, outputUsd: 0.6, cachedInputUsd: 0.015 },
    capabilities: { inexpensive: 3 },
    asOf: '2026-06-09',
    source: 'https://mistral.ai/pricing#api-pricing',
  },
];

/** What all current models of Anthropic have: text and images in, tools, streams; documents as PDF. No sound. */
function claude(more: Capabilities): Capabilities {
  return { streaming: 3, vision: 3, tool_use: 3, documents: 3, audio: 0, ...more };
}

/** What OpenAI lists for each model of the GPT-5 and GPT-6 families. */
function gpt(more: Capabilities): Capabilities {
  return { streaming: 3, vision: 3, tool_use: 3, json_output: 3, reasoning: 3, audio: 0, ...more };
}

/** What Google lists for each Gemini model of its generation. */
function gemini(more: Capabilities): Capabilities {
  return { streaming: 3, vision: 3, audio: 3, documents: 3, tool_use: 3, json_output: 3, reasoning: 3, ...more };
}
