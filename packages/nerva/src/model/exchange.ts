import { NervaError, type HttpAnswer, type HttpLimits, type HttpRequest, type World } from '../core/index.ts';
import type { Capabilities } from './capability.ts';
import { failureOf, garbage, redact, reportedFailure, type Who } from './failure.ts';
import type { Price } from './model.ts';
import { isObject } from './object.ts';

/** Where a wire leads, and who is behind it. */
export interface Endpoint {
  /** `provider/model`. */
  readonly name: string;
  /** Without a slash at its end. */
  readonly baseUrl: string;
  /** Sent with each request; names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Kept out of every error. */
  readonly secrets?: readonly string[];
  readonly limits?: Partial<HttpLimits>;
  readonly contextTokensMax?: number;
  readonly price?: Price;
  readonly capabilities?: Capabilities;
  /** Adds what must be made anew for each request, such as a signature over it. */
  readonly sign?: (request: HttpRequest, world: World) => HttpRequest;
}

/** One request to an endpoint and how its answer is spoken of: what models, embedders and lists of models have in common. */
export interface Exchange {
  readonly endpoint: Endpoint;
  readonly world: World;
  readonly signal?: AbortSignal | undefined;
  /** What an answer is called in errors: `a chat completion`. */
  readonly what: string;
}

/** What is asked: the path is added to the endpoint's URL; without a body it is a GET. */
export interface Asked {
  readonly path: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const ERROR_BYTES_MAX = 64 * 1024;

/**
 * Sends a request and resolves with an answer of status 200, unread.
 * @throws MODEL_*, CONTEXT_TOO_LONG for other statuses, with the reason that the provider gave; HTTP_*, CANCELLED.
 */
export async function exchange({ path, body, headers }: Asked, by: Exchange): Promise<HttpAnswer> {
  const { endpoint, world, signal } = by;
  const plain: HttpRequest = {
    method: body === undefined ? 'GET' : 'POST',
    url: endpoint.baseUrl + path,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...endpoint.headers, ...headers },
    ...(body === undefined ? {} : { body }),
    ...(signal === undefined ? {} : { signal }),
    ...(endpoint.limits === undefined ? {} : { limits: endpoint.limits }),
  };
  const answer = await world.transport.request(endpoint.sign === undefined ? plain : endpoint.sign(plain, world));
  if (answer.status !== 200) throw failureOf(answer, await errorBody(answer), whoOf(by));
  return answer;
}

/** The JSON of a whole answer. @throws MODEL_GARBAGE when it is none; the failure that stands in it, when one does. */
export function wholeJson(text: string, from: HttpAnswer, by: Exchange): unknown {
  let value: unknown;
  try {
    // Some gateways begin with a byte order mark, which JSON does not know (RFC 8259, 8.1: a parser may ignore it).
    value = JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  } catch {
    throw garbage(by.what, `${mediaTypeOf(from)} is not JSON`, text);
  }
  throwFailureIn(value, by);
  return value;
}

/** A failure that stands in an answer of status 200: all wires put it under `error`. */
export function throwFailureIn(value: unknown, by: Exchange): void {
  const error = isObject(value) ? value['error'] : null;
  if (isObject(error) || (typeof error === 'string' && error !== '')) throw reportedFailure(error, whoOf(by));
}

/** Asks and reads the JSON of the answer. What is not what it should be is for the caller to say, by `garbage` inside `read`. */
export async function askJson<T>(asked: Asked, by: Exchange, read: (value: unknown) => T): Promise<T> {
  const answer = await exchange(asked, by);
  const text = await answer.text();
  return keepingSecrets(by, () => read(wholeJson(text, answer, by)));
}

/** Runs `body`; what it throws as MODEL_GARBAGE names the endpoint and holds none of its secrets. */
export async function keepingSecrets<T>({ endpoint }: Exchange, body: () => T | Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    if (!NervaError.is(error, 'MODEL_GARBAGE')) throw error;
    throw new NervaError(error.code, `${endpoint.name}: ${redact(error.message, endpoint.secrets ?? [])}`, { details: error.details });
  }
}

/** The content type of an answer; JSON when it does not say. */
export function mediaTypeOf({ headers }: HttpAnswer): string {
  return headers['content-type'] ?? 'application/json';
}

/** The reason in an answer that failed, as far as it can be read. */
export async function errorBody(answer: HttpAnswer): Promise<string> {
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

function whoOf({ endpoint, world, what }: Exchange): Who {
  return { name: endpoint.name, secrets: endpoint.secrets ?? [], world, what };
}
