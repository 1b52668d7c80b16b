import { NervaError } from '../core/index.ts';
import { httpEmbedder, type Embedder, type EmbedderOptions, type EmbedWire } from './embed.ts';
import { endpointOf } from './endpoint.ts';
import { GOOGLE_URL } from './google.ts';
import { isObject, type Loose } from './object.ts';
import { OLLAMA_URL } from './ollama.ts';

const EMBEDDERS = { openai, google, cohere, voyage, ollama } as const;

/** Whose embeddings there are. */
export type EmbedderProvider = keyof typeof EMBEDDERS;

/**
 * The embeddings of a provider; `baseUrl` names another server that speaks like it.
 *
 * | provider | texts of one request | tokens of one request | `kind` | a text that is too long |
 * |---|---|---|---|---|
 * | `openai` | 2048 | 300,000 | has no place | is refused |
 * | `google` | 100 | | told | is cut, and nobody says so |
 * | `cohere` | 96 | | told; without one they are documents | is refused |
 * | `voyage` | 128 | 120,000 | told | is refused |
 * | `ollama` | 2048 | | has no place | is refused |
 * @throws OPTION_INVALID
 */
export function embedder(provider: EmbedderProvider, options: EmbedderOptions): Embedder {
  if (!Object.hasOwn(EMBEDDERS, provider))
    throw new NervaError(
      'OPTION_INVALID',
      `There are no embeddings of "${String(provider)}"; there are: ${Object.keys(EMBEDDERS).join(', ')}.`,
    );
  return EMBEDDERS[provider](options);
}

/**
 * OpenAI's embeddings, and those of whoever speaks like it ("Create embeddings", platform.openai.com: at most 2048 texts and 300,000
 * tokens a request). It has no place for `kind`.
 */
function openai(options: EmbedderOptions): Embedder {
  const { model, dimensions } = options;
  const wire: EmbedWire = {
    what: 'an embedding of OpenAI',
    path: '/embeddings',
    textsMax: 2048,
    bytesMax: 300_000,
    hasKind: false,
    body: (input) => ({ model, input, encoding_format: 'float', dimensions }),
    read: (answer) => ({ vectors: byIndex(at(answer, 'data')), inputTokens: at(answer, 'usage', 'prompt_tokens') }),
  };
  return httpEmbedder(wire, endpointOf(options, { provider: 'openai', baseUrl: 'https://api.openai.com/v1' }), options);
}

/**
 * Google's embeddings ("Embeddings", ai.google.dev: at most 100 texts a request). Google cuts a text that is too long and does not say so;
 * it counts no tokens for most models.
 */
function google(options: EmbedderOptions): Embedder {
  const { model: given, dimensions } = options;
  const model = given.includes('/') ? given : `models/${given}`;
  const wire: EmbedWire = {
    what: 'an embedding of Google',
    path: `/${model.split('/').map(encodeURIComponent).join('/')}:batchEmbedContents`,
    textsMax: 100,
    hasKind: true,
    body: (texts, kind) => ({
      requests: texts.map((text) => ({
        model,
        content: { role: 'user', parts: [{ text }] },
        taskType: kind === undefined ? undefined : kind === 'query' ? 'RETRIEVAL_QUERY' : 'RETRIEVAL_DOCUMENT',
        outputDimensionality: dimensions,
      })),
    }),
    read: (answer) => ({
      vectors: mapped(at(answer, 'embeddings'), (embedding) => embedding['values']),
      inputTokens: at(answer, 'usageMetadata', 'promptTokenCount'),
    }),
  };
  const authorize = (apiKey: string): Record<string, string> => ({ 'x-goog-api-key': apiKey });
  return httpEmbedder(wire, endpointOf(options, { provider: 'google', baseUrl: GOOGLE_URL, authorize }), options);
}

/**
 * Cohere's embeddings ("Embed API (v2)", docs.cohere.com: at most 96 texts a request). `kind` is required there; without one the texts are
 * documents. A text that is too long is refused, not cut.
 */
function cohere(options: EmbedderOptions): Embedder {
  const { model, dimensions } = options;
  const wire: EmbedWire = {
    what: 'an embedding of Cohere',
    path: '/embed',
    textsMax: 96,
    hasKind: true,
    body: (texts, kind) => ({
      model,
      embedding_types: ['float'],
      texts,
      input_type: kind === 'query' ? 'search_query' : 'search_document',
      truncate: 'NONE',
      output_dimension: dimensions,
    }),
    read: (answer) => ({ vectors: at(answer, 'embeddings', 'float'), inputTokens: at(answer, 'meta', 'billed_units', 'input_tokens') }),
  };
  return httpEmbedder(wire, endpointOf(options, { provider: 'cohere', baseUrl: 'https://api.cohere.com/v2' }), options);
}

/**
 * Voyage's embeddings ("Text embedding models", docs.voyageai.com: at most 128 texts, of 1,000 for newer models, and 120,000 tokens a
 * request). A text that is too long is refused, not cut.
 */
function voyage(options: EmbedderOptions): Embedder {
  const { model, dimensions } = options;
  const wire: EmbedWire = {
    what: 'an embedding of Voyage',
    path: '/embeddings',
    textsMax: 128,
    bytesMax: 120_000,
    hasKind: true,
    body: (input, kind) => ({ model, input, input_type: kind, truncation: false, output_dimension: dimensions }),
    read: (answer) => ({ vectors: byIndex(at(answer, 'data')), inputTokens: at(answer, 'usage', 'total_tokens') }),
  };
  return httpEmbedder(wire, endpointOf(options, { provider: 'voyage', baseUrl: 'https://api.voyageai.com/v1' }), options);
}

/**
 * Embeddings of an Ollama server (/api/embed; docs/capabilities/embeddings.mdx, 2026-08-21). A text that is too long is refused, not cut.
 * It has no place for `kind`.
 */
function ollama(options: EmbedderOptions): Embedder {
  const { model, dimensions } = options;
  const wire: EmbedWire = {
    what: 'an embedding of Ollama',
    path: '/api/embed',
    // It has no bound of its own and works on all texts at once.
    textsMax: 2048,
    hasKind: false,
    body: (input) => ({ model, input, truncate: false, dimensions }),
    read: (answer) => ({ vectors: at(answer, 'embeddings'), inputTokens: at(answer, 'prompt_eval_count') }),
  };
  return httpEmbedder(wire, endpointOf(options, { provider: 'ollama', baseUrl: OLLAMA_URL }), options);
}

/** The value under these names; undefined where there is none. */
function at(value: unknown, ...names: readonly string[]): unknown {
  return names.reduce((found, name) => (isObject(found) ? found[name] : undefined), value);
}

function mapped(list: unknown, read: (entry: Loose) => unknown): unknown {
  return Array.isArray(list) ? list.map((entry: unknown) => (isObject(entry) ? read(entry) : undefined)) : undefined;
}

/** Vectors in the order of their `index`, which is each number once. */
function byIndex(list: unknown): unknown {
  if (!Array.isArray(list)) return undefined;
  const vectors: unknown[] = Array.from({ length: list.length });
  for (const entry of list as readonly unknown[]) if (isObject(entry)) vectors[Number(entry['index'])] = entry['embedding'];
  return vectors;
}
