import type { World } from '../core/index.ts';
import { CHAT_RESPONSE, OllamaDecoder } from './dialects/ollama-answer.ts';
import { OllamaEncoder, type OllamaSettings } from './dialects/ollama-request.ts';
import { endpointOf, type EndpointOptions } from './endpoint.ts';
import { askJson, type Exchange } from './exchange.ts';
import { garbage } from './failure.ts';
import { LINES } from './framing.ts';
import type { Model } from './model.ts';
import { isObject, type Loose } from './object.ts';
import { httpModel } from './wire.ts';

/** A model of a server that speaks Ollama's own protocol. */
export interface OllamaOptions extends EndpointOptions, OllamaSettings {
  /** Also sent as `num_ctx` unless `options` names it: the server's own default is far below what models can. */
  readonly contextTokensMax?: number;
}

/** Where Ollama listens unless it is told otherwise. */
export const OLLAMA_URL = 'http://127.0.0.1:11434';

/**
 * A model behind Ollama's /api/chat. It streams exactly when `onDelta` is given. A conversation that is too long is refused
 * (CONTEXT_TOO_LONG), not cut, unless `mayForget`.
 * @throws OPTION_INVALID for an empty model name or a malformed URL.
 */
export function ollama(options: OllamaOptions): Model {
  const endpoint = endpointOf(options, { provider: 'ollama', baseUrl: OLLAMA_URL });
  const { keepAlive, think, mayForget, contextTokensMax } = options;
  const encoder = new OllamaEncoder(endpoint.name, options.model, {
    options: { ...(contextTokensMax === undefined ? {} : { num_ctx: contextTokensMax }), ...options.options },
    ...(keepAlive === undefined ? {} : { keepAlive }),
    ...(think === undefined ? {} : { think }),
    ...(mayForget === undefined ? {} : { mayForget }),
  });
  return httpModel(
    {
      what: CHAT_RESPONSE,
      framing: LINES,
      encode: (request, { isStream }) => encoder.encode(request, isStream),
      decoder: (onDelta) => new OllamaDecoder(endpoint.name, onDelta),
    },
    endpoint,
  );
}

/** A model that an Ollama server has. */
export interface OllamaModel {
  /** As `ollama()` takes it. */
  readonly name: string;
  /** `completion`, `tools`, `vision`, `thinking`, `embedding` …, as the server says; null when it does not say. */
  readonly capabilities: readonly string[] | null;
  /** What it was trained for; the server may give it less. */
  readonly contextTokensMax: number | null;
  /** Of an embedding. */
  readonly dimensions: number | null;
  /** On disk. */
  readonly bytes: number | null;
}

/**
 * The models that an Ollama server has (GET /api/tags, and POST /api/show for what the list does not say), in its order.
 * @throws HTTP_UNREACHABLE when none runs there; MODEL_*.
 */
export async function ollamaModels(
  options: Partial<Pick<EndpointOptions, 'baseUrl' | 'apiKey' | 'headers' | 'limits'>>,
  { world, signal }: { readonly world: World; readonly signal?: AbortSignal },
): Promise<readonly OllamaModel[]> {
  const endpoint = endpointOf({ ...options, model: 'models' }, { provider: 'ollama', baseUrl: OLLAMA_URL });
  const by: Exchange = { endpoint, world, signal, what: "a list of Ollama's models" };
  const listed = await askJson({ path: '/api/tags' }, by, (value) => {
    const models = isObject(value) ? value['models'] : undefined;
    if (!Array.isArray(models) || !models.every((model) => isObject(model) && typeof model['name'] === 'string'))
      throw garbage(by.what, 'models is not a list of objects with names', value);
    return models as readonly Loose[];
  });
  const found: OllamaModel[] = [];
  for (const model of listed) found.push(await described(model, by));
  return found;
}

async function described(model: Loose, by: Exchange): Promise<OllamaModel> {
  const name = String(model['name']);
  const details = isObject(model['details']) ? model['details'] : {};
  const bytes = count(model['size']);
  if (Array.isArray(model['capabilities']) && count(details['context_length']) !== null)
    return {
      name,
      capabilities: texts(model['capabilities']),
      contextTokensMax: count(details['context_length']),
      dimensions: count(details['embedding_length']),
      bytes,
    };
  const shown = await askJson({ path: '/api/show', body: JSON.stringify({ model: name }) }, by, (value) => {
    if (!isObject(value)) throw garbage(by.what, `${name} is not described by an object`, value);
    return value;
  });
  const info = isObject(shown['model_info']) ? shown['model_info'] : {};
  const family = String(info['general.architecture']);
  return {
    name,
    capabilities: Array.isArray(shown['capabilities']) ? texts(shown['capabilities']) : null,
    contextTokensMax: count(info[`${family}.context_length`]),
    dimensions: count(info[`${family}.embedding_length`]),
    bytes,
  };
}

const texts = (list: readonly unknown[]): readonly string[] => list.filter((entry) => typeof entry === 'string');

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : null;
}
