import type { Json } from '../core/index.ts';
import { wireMock, type MockAnswer, type MockDialect, type MockRequest, type WireMock, type WireMockOptions } from './wire-mock.ts';

/** Whose embeddings a mock serves. */
export type EmbeddingProvider = 'openai' | 'google' | 'cohere' | 'voyage' | 'ollama';

type Loose = Readonly<Record<string, unknown>>;

interface Rules {
  readonly path: RegExp;
  readonly basePath: string;
  readonly fields: readonly string[];
  readonly textsMax: number;
  readonly key: string;
  /** The texts of a request; null when it does not hold texts as it should. */
  readonly texts: (body: Loose) => unknown;
  readonly fault?: (body: Loose) => string | null;
  readonly dimensions: (body: Loose) => unknown;
  readonly answer: (vectors: readonly (readonly number[])[], tokens: number | null) => Json;
  readonly failure: (status: number, message: string) => Json;
}

const ordered = (vectors: readonly (readonly number[])[]): Json =>
  vectors.map((embedding, index) => ({ object: 'embedding', embedding: [...embedding], index }));
const plainError = (_: number, message: string): Json => ({ error: message });

/** By the pages that tests/wire/embeddings/README.md names. */
const PROVIDERS: Readonly<Record<EmbeddingProvider, Rules>> = {
  openai: {
    path: /^\/v1\/embeddings$/,
    basePath: '/v1',
    fields: ['model', 'input', 'encoding_format', 'dimensions', 'user'],
    textsMax: 2048,
    key: 'authorization',
    texts: ({ input }) => input,
    dimensions: ({ dimensions }) => dimensions,
    answer: (vectors, tokens) => ({
      object: 'list',
      data: ordered(vectors),
      model: 'm',
      ...(tokens === null ? {} : { usage: { prompt_tokens: tokens, total_tokens: tokens } }),
    }),
    failure: (_, message) => ({ error: { message, type: 'invalid_request_error', param: null, code: null } }),
  },
  google: {
    path: /^\/v1beta\/models\/[^/]+:batchEmbedContents$/,
    basePath: '/v1beta',
    fields: ['requests'],
    textsMax: 100,
    key: 'x-goog-api-key',
    texts: ({ requests }) => (Array.isArray(requests) ? requests.map(googleText) : undefined),
    fault: ({ requests }) => firstFault((requests as readonly Loose[]).map(googleFault)),
    dimensions: ({ requests }) => (requests as readonly Loose[])[0]?.['outputDimensionality'],
    answer: (vectors) => ({ embeddings: vectors.map((values) => ({ values: [...values] })) }),
    failure: (code, message) => ({ error: { code, message, status: 'INVALID_ARGUMENT' } }),
  },
  cohere: {
    path: /^\/v2\/embed$/,
    basePath: '/v2',
    fields: ['model', 'texts', 'input_type', 'embedding_types', 'truncate', 'output_dimension', 'max_tokens'],
    textsMax: 96,
    key: 'authorization',
    texts: ({ texts }) => texts,
    fault: ({ input_type: type, embedding_types: types }) =>
      ['search_document', 'search_query', 'classification', 'clustering'].includes(String(type)) && Array.isArray(types)
        ? null
        : 'input_type and embedding_types must be provided',
    dimensions: ({ output_dimension: dimensions }) => dimensions,
    answer: (vectors, tokens) => ({
      id: 'x',
      embeddings: { float: vectors.map((vector) => [...vector]) },
      meta: tokens === null ? {} : { billed_units: { input_tokens: tokens } },
    }),
    failure: (_, message) => ({ message }),
  },
  voyage: {
    path: /^\/v1\/embeddings$/,
    basePath: '/v1',
    fields: ['model', 'input', 'input_type', 'truncation', 'output_dimension', 'output_dtype', 'encoding_format'],
    textsMax: 128,
    key: 'authorization',
    texts: ({ input }) => input,
    fault: ({ input_type: type }) =>
      type === undefined || type === 'query' || type === 'document' ? null : "Argument 'input_type' is invalid",
    dimensions: ({ output_dimension: dimensions }) => dimensions,
    answer: (vectors, tokens) => ({
      object: 'list',
      data: ordered(vectors),
      model: 'm',
      ...(tokens === null ? {} : { usage: { total_tokens: tokens } }),
    }),
    failure: (_, detail) => ({ detail }),
  },
  ollama: {
    path: /^\/api\/embed$/,
    basePath: '',
    fields: ['model', 'input', 'truncate', 'dimensions', 'keep_alive', 'options'],
    textsMax: Infinity,
    key: 'authorization',
    texts: ({ input }) => input,
    dimensions: ({ dimensions }) => dimensions,
    answer: (vectors, tokens) => ({
      model: 'm',
      embeddings: vectors.map((vector) => [...vector]),
      ...(tokens === null ? {} : { prompt_eval_count: tokens }),
    }),
    failure: plainError,
  },
};

/**
 * The embeddings' side of each provider: unknown fields, empty texts, too many of them, a wrong kind and a wrong path are refused. A text's
 * vector is made from the text alone, 4 long unless it is asked otherwise; tokens are one a text.
 */
export const embeddingMocks: Readonly<Record<EmbeddingProvider, MockDialect>> = {
  openai: dialectOf(PROVIDERS.openai),
  google: dialectOf(PROVIDERS.google),
  cohere: dialectOf(PROVIDERS.cohere),
  voyage: dialectOf(PROVIDERS.voyage),
  ollama: dialectOf(PROVIDERS.ollama),
};

/** A strict loopback server of one provider's embeddings. `usage: null` in an answer leaves the count out. */
export function embeddingMock(provider: EmbeddingProvider, options: WireMockOptions): Promise<WireMock> {
  return wireMock(embeddingMocks[provider], options);
}

/** The vector that the mocks give for a text. */
export function mockVector(text: string, dimensions = 4): number[] {
  let state = text.length;
  for (let index = 0; index < text.length; index++) state = (state * 31 + text.charCodeAt(index)) % 9973;
  return Array.from({ length: dimensions }, (_, index) => ((state + index * 7) % 101) / 101);
}

function dialectOf(rules: Rules): MockDialect {
  const whole = ({ body }: MockRequest, { usage }: MockAnswer): Json => {
    const texts = rules.texts(body) as readonly string[];
    const dimensions = rules.dimensions(body);
    const vectors = texts.map((text) => mockVector(text, typeof dimensions === 'number' ? dimensions : 4));
    return rules.answer(vectors, usage === null ? null : texts.length);
  };
  return {
    basePath: rules.basePath,
    fault: ({ method, path, headers, body }) => {
      if (method !== 'POST' || !rules.path.test(path)) return `not found: ${method} ${path}`;
      if (!String(headers['content-type']).startsWith('application/json')) return 'unsupported content-type';
      return body === undefined ? 'the body is not JSON' : faultOf(rules, body);
    },
    keyOf: (headers) => {
      const given = headers[rules.key];
      return typeof given === 'string' ? given.replace(/^Bearer /, '') : undefined;
    },
    failure: rules.failure,
    isStream: () => false,
    whole,
    stream: (request, answer) => ({ mediaType: 'application/json', body: JSON.stringify(whole(request, answer)) }),
  };
}

function faultOf(rules: Rules, body: Loose): string | null {
  const unknown = Object.keys(body).find((name) => !rules.fields.includes(name));
  if (unknown !== undefined) return `unknown field '${unknown}'`;
  if (rules.fields.includes('model') && (typeof body['model'] !== 'string' || body['model'] === '')) return 'model is required';
  const texts = rules.texts(body);
  if (!Array.isArray(texts) || texts.length === 0) return 'there are no texts';
  if (texts.length > rules.textsMax) return `at most ${rules.textsMax} texts are taken, not ${texts.length}`;
  if (!texts.every((text) => typeof text === 'string' && text !== '')) return 'a text is empty or none';
  const dimensions = rules.dimensions(body);
  if (dimensions !== undefined && !(Number.isInteger(dimensions) && Number(dimensions) > 0))
    return `invalid dimensions: ${JSON.stringify(dimensions)}`;
  return rules.fault?.(body) ?? null;
}

function googleText(request: unknown): unknown {
  const content = isObject(request) ? request['content'] : undefined;
  const parts = isObject(content) ? content['parts'] : undefined;
  return Array.isArray(parts) && parts.length === 1 && isObject(parts[0]) ? parts[0]['text'] : undefined;
}

function googleFault(request: Loose): string | null {
  const unknown = Object.keys(request).find((name) => !['model', 'content', 'taskType', 'title', 'outputDimensionality'].includes(name));
  if (unknown !== undefined) return `Invalid JSON payload received. Unknown name "${unknown}"`;
  if (!/^models\/./.test(String(request['model']))) return `Invalid model: ${String(request['model'])}`;
  const { taskType: task } = request;
  return task === undefined || ['RETRIEVAL_QUERY', 'RETRIEVAL_DOCUMENT'].includes(String(task))
    ? null
    : `Invalid value at task_type: ${String(task)}`;
}

function firstFault(faults: readonly (string | null)[]): string | null {
  return faults.find((fault) => fault !== null) ?? null;
}

function isObject(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
