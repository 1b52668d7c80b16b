import { checkRange, NervaError, toWellFormed, utf8Bytes, type JsonObject, type World } from '../core/index.ts';
import type { EndpointOptions } from './endpoint.ts';
import { askJson, type Endpoint, type Exchange } from './exchange.ts';
import { garbage } from './failure.ts';
import type { Usage } from './message.ts';
import type { Price } from './model.ts';

/** Turns texts into vectors. It makes as many requests as the texts need, one after the other, and never repeats one by itself. */
export interface Embedder {
  /** `provider/model`. Vectors of two names must not be compared. */
  readonly name: string;
  /** Length of its vectors; the model's own when absent. */
  readonly dimensions?: number;
  /** Texts of one request. */
  readonly textsMax: number;
  /** Of input tokens; unknown when absent. */
  readonly price?: Price;
  /**
   * Contract: one vector a text, in the order of the texts, all of one length; what fails fails as a whole.
   * @throws MODEL_REFUSED for an empty text, before anything is sent; MODEL_*, CONTEXT_TOO_LONG, HTTP_*, CANCELLED.
   */
  embed(texts: readonly string[], options: EmbedOptions): Promise<Embedding>;
}

/** What an embedder is given beside the texts. */
export interface EmbedOptions {
  readonly world: World;
  readonly signal?: AbortSignal;
  /** What the texts are for, where the model tells a question from what is searched. */
  readonly kind?: 'query' | 'document';
}

/** What texts became. Plain JSON. */
export interface Embedding {
  readonly vectors: readonly (readonly number[])[];
  /** Of all requests together; null when one did not say. */
  readonly usage: Usage;
  /** What the wire had no place for. */
  readonly notSent?: readonly string[];
}

/** What every embedder takes. */
export interface EmbedderOptions extends Omit<EndpointOptions, 'contextTokensMax' | 'capabilities'> {
  /** Asks for vectors of this length, where the model can cut them. Default: the model's own. */
  readonly dimensions?: number;
  /** Texts of one request, 1 up to what the provider allows, which is the default. */
  readonly textsMax?: number;
  /** Members of the request body that have no option here. */
  readonly extra?: JsonObject;
}

/** How one provider is asked for vectors. */
export interface EmbedWire {
  /** What an answer is called in errors: `an embedding of Cohere`. */
  readonly what: string;
  readonly path: string;
  /** What the provider allows in one request. */
  readonly textsMax: number;
  /** UTF-8 bytes of one request's texts together: no token is shorter than one, so this keeps bounds on tokens. A longer text goes alone. */
  readonly bytesMax?: number;
  /** Whether it tells questions from documents. */
  readonly hasKind: boolean;
  readonly body: (texts: readonly string[], kind: EmbedOptions['kind']) => Readonly<Record<string, unknown>>;
  /** What an answer holds; what is missing or malformed may be of any type. Contract: throws nothing. */
  readonly read: (answer: unknown) => { readonly vectors: unknown; readonly inputTokens: unknown };
}

const DIMENSIONS_MAX = 65_536;

/** An embedder behind HTTP. @throws OPTION_INVALID */
export function httpEmbedder(
  wire: EmbedWire,
  endpoint: Endpoint,
  { dimensions, textsMax = wire.textsMax, extra, price }: EmbedderOptions,
): Embedder {
  checkRange('textsMax', textsMax, 1, wire.textsMax);
  if (dimensions !== undefined) checkRange('dimensions', dimensions, 1, DIMENSIONS_MAX);
  return {
    name: endpoint.name,
    ...(dimensions === undefined ? {} : { dimensions }),
    textsMax,
    ...(price === undefined ? {} : { price }),
    async embed(texts, { world, signal, kind }) {
      refuseEmpty(endpoint.name, texts);
      const by: Exchange = { endpoint, world, signal, what: wire.what };
      const vectors: (readonly number[])[] = [];
      let inputTokens: number | null = 0;
      for (const batch of batches(texts, textsMax, wire.bytesMax ?? Infinity)) {
        const body = JSON.stringify({ ...wire.body(batch, kind), ...extra });
        // Vectors of one length, whatever request they came with.
        const expected = { count: batch.length, length: dimensions ?? vectors[0]?.length };
        const made = await askJson({ path: wire.path, body }, by, (answer) => checked(wire, answer, expected));
        vectors.push(...made.vectors);
        inputTokens = inputTokens === null || made.inputTokens === null ? null : inputTokens + made.inputTokens;
      }
      const isKindLost = kind !== undefined && !wire.hasKind;
      return { vectors, usage: { inputTokens, outputTokens: 0 }, ...(isKindLost ? { notSent: ['kind'] } : {}) };
    },
  };
}

function refuseEmpty(name: string, texts: readonly string[]): void {
  const index = texts.findIndex((text) => typeof text !== 'string' || text.trim() === '');
  if (index < 0) return;
  throw new NervaError('MODEL_REFUSED', `Text ${index + 1} of ${texts.length} for ${name} is empty. Nothing was sent. Leave it out.`, {
    details: { index },
  });
}

function batches(texts: readonly string[], textsMax: number, bytesMax: number): readonly (readonly string[])[] {
  const made: string[][] = [];
  let bytes = 0;
  for (const given of texts) {
    // Half a surrogate pair is no text to a provider.
    const text = toWellFormed(given);
    const size = bytesMax === Infinity ? 0 : utf8Bytes(text);
    const batch = made.at(-1);
    if (batch === undefined || batch.length === textsMax || bytes + size > bytesMax) {
      made.push([text]);
      bytes = size;
    } else {
      batch.push(text);
      bytes += size;
    }
  }
  return made;
}

function checked(
  wire: EmbedWire,
  answer: unknown,
  expected: { readonly count: number; readonly length: number | undefined },
): { readonly vectors: readonly (readonly number[])[]; readonly inputTokens: number | null } {
  const { vectors, inputTokens } = wire.read(answer);
  if (!Array.isArray(vectors)) throw garbage(wire.what, 'it has no list of vectors', answer);
  if (vectors.length !== expected.count) throw garbage(wire.what, `it has ${vectors.length} vectors for ${expected.count} texts`, answer);
  if (!vectors.every(isVector)) throw garbage(wire.what, 'a vector is not a list of numbers', answer);
  const length = expected.length ?? vectors[0]?.length;
  if (!vectors.every((vector) => vector.length === length)) throw garbage(wire.what, `a vector is not ${length} long`, answer);
  const isCount = typeof inputTokens === 'number' && Number.isSafeInteger(inputTokens) && inputTokens >= 0;
  return { vectors, inputTokens: isCount ? inputTokens : null };
}

function isVector(vector: unknown): vector is readonly number[] {
  return Array.isArray(vector) && vector.length > 0 && vector.every(Number.isFinite);
}
