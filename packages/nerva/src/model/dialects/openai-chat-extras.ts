import type { Json, JsonObject } from '../../core/index.ts';
import type { Citation, Usage } from '../message.ts';
import { isObject, type Loose } from '../object.ts';

// What endpoints of this dialect put beside what OpenAI has.

/** Usage in OpenAI's words, or in those of DeepSeek (`prompt_cache_hit_tokens`), Moonshot (`cached_tokens`) and Perplexity (`reasoning_tokens`). */
export function chatUsage(usage: Loose): Usage {
  const [input, output] = [usage['prompt_tokens_details'], usage['completion_tokens_details']];
  const cached = count(isObject(input) ? input['cached_tokens'] : (usage['prompt_cache_hit_tokens'] ?? usage['cached_tokens']));
  const reasoning = count(isObject(output) ? output['reasoning_tokens'] : usage['reasoning_tokens']);
  const written = count(isObject(input) ? input['cache_write_tokens'] : undefined);
  return {
    inputTokens: count(usage['prompt_tokens']),
    outputTokens: count(usage['completion_tokens']),
    ...(cached === null ? {} : { cachedInputTokens: cached }),
    ...(written === null ? {} : { cacheWriteTokens: written }),
    ...(reasoning === null ? {} : { reasoningTokens: reasoning }),
  };
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

/** Sources of a whole answer: `search_results` of Perplexity, or the addresses under `citations` there and at xAI. */
export function sourcesOf({ search_results: results, citations }: Loose): readonly Citation[] {
  const given: readonly unknown[] = Array.isArray(results) && results.length > 0 ? results : Array.isArray(citations) ? citations : [];
  return given.flatMap((source): Citation[] => {
    const { url, title } = isObject(source) ? source : { url: source };
    return typeof url === 'string' ? [{ url, ...(typeof title === 'string' ? { title } : {}) }] : [];
  });
}

/**
 * OpenRouter's `reasoning_details` as they come. Pieces of a stream that have the same index and type are one entry: their texts are joined, of
 * their other members the last stands. A piece costs what it brings, however long the list is.
 */
export class ReasoningDetails {
  /** Grows in place. */
  readonly list: JsonObject[] = [];
  readonly #places = new Map<string, number>();

  /** Adds a list, whole or a piece of a stream; what is no object in it is dropped. */
  add(more: readonly unknown[]): void {
    for (const piece of more) {
      if (!isObject(piece)) continue;
      const key = typeof piece['index'] === 'number' ? `${piece['index']} ${String(piece['type'])}` : null;
      const at = key === null ? undefined : this.#places.get(key);
      if (at === undefined) {
        if (key !== null) this.#places.set(key, this.list.length);
        this.list.push(piece as JsonObject);
      } else {
        const known = this.list[at] as JsonObject;
        this.list[at] = { ...known, ...withoutNulls(piece), ...joinedTexts(known, piece) };
      }
    }
  }
}

const TEXTS = ['text', 'summary', 'data'] as const;

function joinedTexts(one: JsonObject, two: Loose): Record<string, Json> {
  return Object.fromEntries(
    TEXTS.filter((name) => typeof one[name] === 'string' && typeof two[name] === 'string').map((name) => [
      name,
      `${String(one[name])}${String(two[name])}`,
    ]),
  );
}

function withoutNulls(piece: Loose): JsonObject {
  return Object.fromEntries(Object.entries(piece).filter(([, value]) => value !== null && value !== undefined)) as JsonObject;
}

const SEVERITIES = ['safe', 'low', 'medium', 'high'];

/** Azure's verdicts on an answer by category; of the verdicts on the pieces of a stream, the strictest of each stands for the whole. */
export function strictest(known: Json | undefined, more: JsonObject): JsonObject {
  const all: Record<string, Json> = { ...(isObject(known) ? (known as JsonObject) : {}) };
  for (const [category, verdict] of Object.entries(more)) {
    const before = all[category];
    if (before === undefined || rank(verdict) >= rank(before)) all[category] = verdict;
  }
  return all;
}

function rank(verdict: Json): number {
  if (!isObject(verdict)) return 0;
  return (
    (verdict['filtered'] === true ? 10 : 0) +
    (verdict['detected'] === true ? 5 : 0) +
    Math.max(0, SEVERITIES.indexOf(String(verdict['severity'])))
  );
}
