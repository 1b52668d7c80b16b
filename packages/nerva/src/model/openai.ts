import { NervaError, type HttpAnswer, type HttpLimits, type World } from '../core/index.ts';
import type { CallOptions, Model, ModelAnswer, ModelRequest } from './model.ts';
import { Assembly, garbage, isObject } from './openai-answer.ts';
import { failureOf, redact, reportedFailure } from './openai-errors.ts';
import { requestBody } from './openai-request.ts';
import { streamParts } from './scripted.ts';
import { sseParser } from './sse.ts';

/** An endpoint that speaks OpenAI's chat completions. */
export interface OpenAiOptions {
  readonly model: string;
  /** Up to and including `/v1`. Default `https://api.openai.com/v1`. */
  readonly baseUrl?: string;
  /** Sent as a bearer token, kept out of every error. Local servers need none. */
  readonly apiKey?: string;
  /** Sent with each request; names in lower case. Their values are kept out of errors too. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The part of the model's name before the slash. Default `openai`. */
  readonly provider?: string;
  readonly contextTokensMax?: number;
  readonly price?: Model['price'];
  /** How the endpoint names the output limit. Default `max_completion_tokens` at api.openai.com, elsewhere `max_tokens`, which all others know. */
  readonly maxTokensField?: 'max_completion_tokens' | 'max_tokens';
  readonly limits?: Partial<HttpLimits>;
}

const OPENAI_URL = 'https://api.openai.com/v1';
const ERROR_BYTES_MAX = 64 * 1024;

/**
 * A model behind OpenAI's chat completions protocol: OpenAI itself, vLLM, Ollama, llama.cpp, gateways.
 * It streams exactly when `onDelta` is given. One HTTP request a call; what fails is for the caller to repeat.
 * @throws OPTION_INVALID for an empty model name or a malformed URL.
 */
export function openaiChat(options: OpenAiOptions): Model {
  const endpoint = endpointOf(options);
  return {
    name: endpoint.name,
    ...(options.contextTokensMax === undefined ? {} : { contextTokensMax: options.contextTokensMax }),
    ...(options.price === undefined ? {} : { price: options.price }),
    call: (request, callOptions) => call(endpoint, request, callOptions),
  };
}

interface Endpoint {
  readonly name: string;
  readonly model: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
  readonly maxTokensField: 'max_completion_tokens' | 'max_tokens';
  readonly limits: Partial<HttpLimits> | undefined;
}

type Context = Endpoint & { readonly world: World };

function endpointOf(options: OpenAiOptions): Endpoint {
  const { model, apiKey, baseUrl = OPENAI_URL } = options;
  if (model.trim() === '') throw new NervaError('OPTION_INVALID', 'model is empty; give the name that the provider uses.');
  const parsed = URL.parse(baseUrl);
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    throw new NervaError(
      'OPTION_INVALID',
      `baseUrl is "${redact(baseUrl.slice(0, 200), [])}"; give an http or https URL such as ${OPENAI_URL}.`,
    );
  }
  const headers: Record<string, string> = { 'content-type': 'application/json', ...options.headers };
  if (apiKey !== undefined && apiKey !== '') headers['authorization'] = `Bearer ${apiKey}`;
  return {
    name: `${options.provider ?? 'openai'}/${model}`,
    model,
    url: `${baseUrl.replace(/\/+$/, '')}/chat/completions`,
    headers,
    secrets: [...(apiKey === undefined ? [] : [apiKey]), ...Object.values(options.headers ?? {})],
    maxTokensField: options.maxTokensField ?? (parsed.hostname === 'api.openai.com' ? 'max_completion_tokens' : 'max_tokens'),
    limits: options.limits,
  };
}

async function call(endpoint: Endpoint, request: ModelRequest, { world, signal, onDelta }: CallOptions): Promise<ModelAnswer> {
  const context: Context = { ...endpoint, world };
  const answer = await world.transport.request({
    method: 'POST',
    url: endpoint.url,
    headers: endpoint.headers,
    body: requestBody(request, { model: endpoint.model, maxTokensField: endpoint.maxTokensField, stream: onDelta !== undefined }),
    ...(signal === undefined ? {} : { signal }),
    ...(endpoint.limits === undefined ? {} : { limits: endpoint.limits }),
  });
  if (answer.status !== 200) throw failureOf(answer, await errorBody(answer), context);
  try {
    // Nobody asked for a stream, so the answer is whole, whatever it calls itself; looking at its headers costs.
    if (onDelta === undefined) return readWhole(await answer.text(), answer, { context, onDelta });
    const mediaType = mediaTypeOf(answer);
    if (mediaType.includes('json')) return readWhole(await answer.text(), answer, { context, onDelta });
    return await readStream(answer, mediaType, { context, onDelta });
  } catch (error) {
    throw NervaError.is(error, 'MODEL_GARBAGE') ? redacted(error, context) : error;
  }
}

interface Reading {
  readonly context: Context;
  readonly onDelta: CallOptions['onDelta'];
}

/** An endpoint that was asked to stream may answer in one piece; then its parts are reported at once. */
function readWhole(text: string, from: HttpAnswer, { context, onDelta }: Reading): ModelAnswer {
  const value = parsed(text, () => mediaTypeOf(from));
  if (isObject(value) && isObject(value['error'])) throw reportedFailure(value['error'], context);
  const assembly = new Assembly();
  assembly.completion(value);
  const answer = assembly.answer();
  if (onDelta !== undefined) streamParts(answer.parts, onDelta);
  return answer;
}

/** Reads to the mark of the end. Cut off before a reason to stop, an answer is no answer: half a tool call must never run. */
async function readStream(answer: HttpAnswer, mediaType: string, { context, onDelta }: Reading): Promise<ModelAnswer> {
  if (!mediaType.includes('event-stream')) throw garbage(`its content-type is ${mediaType}`, await errorBody(answer));
  const assembly = new Assembly(onDelta);
  let isDone = false;
  const parser = sseParser(({ data }) => {
    if (isDone) return;
    if (data === '[DONE]') {
      isDone = true;
      return;
    }
    const chunk = parsed(data, () => 'a chunk');
    if (isObject(chunk) && isObject(chunk['error'])) throw reportedFailure(chunk['error'], context);
    assembly.chunk(chunk);
  });
  for await (const bytes of answer.bytes()) {
    parser.push(bytes);
    if (isDone) break;
  }
  if (!isDone && !assembly.isFinished) {
    throw new NervaError(
      'MODEL_TRUNCATED',
      `The stream of ${context.name} ended before the answer did. What had come was dropped; call again.`,
    );
  }
  return assembly.answer();
}

const mediaTypeOf = ({ headers }: HttpAnswer): string => headers['content-type'] ?? 'application/json';

function parsed(text: string, what: () => string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw garbage(`${what()} is not JSON`, text);
  }
}

/** The reason in an answer that failed, as far as it can be read. */
async function errorBody(answer: HttpAnswer): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const bytes of answer.bytes()) {
      text += decoder.decode(bytes, { stream: true });
      if (text.length > ERROR_BYTES_MAX) break;
    }
  } catch (error) {
    if (NervaError.is(error, 'CANCELLED')) throw error;
    // The status says enough; its explanation broke off.
  }
  return text;
}

function redacted(error: NervaError, context: Context): NervaError {
  return new NervaError(error.code, `${context.name}: ${redact(error.message, context.secrets)}`, { details: error.details });
}
