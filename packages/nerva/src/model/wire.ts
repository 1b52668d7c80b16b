import { NervaError, type HttpAnswer, type HttpLimits, type HttpRequest, type World } from '../core/index.ts';
import type { Capabilities } from './capability.ts';
import { failureOf, garbage, redact, reportedFailure, type Who } from './failure.ts';
import type { Framing, WireEvent } from './framing.ts';
import type { CallOptions, Model, ModelAnswer, ModelRequest, Price } from './model.ts';
import { isObject } from './object.ts';
import { streamParts } from './scripted.ts';

/** How one model is spoken to: a dialect bound to the model's name and to the endpoint's quirks. Pure; it may remember what it encoded. */
export interface Wire {
  /** What an answer is called in errors: `a chat completion`. */
  readonly what: string;
  readonly framing: Framing;
  /**
   * The request as this wire has it. `notSent` names what it has no place for: nothing is dropped in silence.
   * @throws MODEL_REFUSED for content that the wire cannot carry, naming it; then nothing was sent.
   */
  encode(request: ModelRequest, how: { readonly isStream: boolean }): Encoded;
  decoder(onDelta?: CallOptions['onDelta']): Decoder;
}

/** An encoded request: the path is added to the endpoint's URL. */
export interface Encoded {
  readonly path: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly notSent?: readonly string[];
}

/** Builds an answer from a whole one, or from the events of a stream. Contract: throws MODEL_GARBAGE for what is not its protocol. */
export interface Decoder {
  whole(value: unknown): void;
  event(event: WireEvent): void;
  /** The mark of the end came: what follows is not read. */
  readonly isDone: boolean;
  /** A reason to stop came: a stream that ends now is complete. */
  readonly isFinished: boolean;
  /** The answer. Called once, at the end. */
  answer(): ModelAnswer;
}

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

const ERROR_BYTES_MAX = 64 * 1024;

/** A model behind HTTP. It streams exactly when `onDelta` is given. One request a call; what fails is for the caller to repeat. */
export function httpModel(wire: Wire, endpoint: Endpoint): Model {
  const { name, contextTokensMax, price, capabilities } = endpoint;
  return {
    name,
    ...(contextTokensMax === undefined ? {} : { contextTokensMax }),
    ...(price === undefined ? {} : { price }),
    ...(capabilities === undefined ? {} : { capabilities }),
    call: (request, options) => call({ wire, endpoint, options }, request),
  };
}

interface Calling {
  readonly wire: Wire;
  readonly endpoint: Endpoint;
  readonly options: CallOptions;
}

async function call(calling: Calling, request: ModelRequest): Promise<ModelAnswer> {
  const { wire, endpoint, options } = calling;
  const { world, signal, onDelta } = options;
  const encoded = wire.encode(request, { isStream: onDelta !== undefined });
  const plain: HttpRequest = {
    method: 'POST',
    url: endpoint.baseUrl + encoded.path,
    headers: { 'content-type': 'application/json', ...endpoint.headers, ...encoded.headers },
    body: encoded.body,
    ...(signal === undefined ? {} : { signal }),
    ...(endpoint.limits === undefined ? {} : { limits: endpoint.limits }),
  };
  const answer = await world.transport.request(endpoint.sign === undefined ? plain : endpoint.sign(plain, world));
  if (answer.status !== 200) throw failureOf(answer, await errorBody(answer), whoOf(calling));
  try {
    const made = await read(answer, calling);
    return encoded.notSent === undefined || encoded.notSent.length === 0
      ? made
      : { ...made, meta: { ...made.meta, notSent: encoded.notSent } };
  } catch (error) {
    throw NervaError.is(error, 'MODEL_GARBAGE') ? redacted(error, calling) : error;
  }
}

async function read(answer: HttpAnswer, calling: Calling): Promise<ModelAnswer> {
  // Nobody asked for a stream, so the answer is whole, whatever it calls itself; looking at its headers costs.
  if (calling.options.onDelta === undefined) return readWhole(await answer.text(), answer, calling);
  const mediaType = mediaTypeOf(answer);
  const { framing, what } = calling.wire;
  if (mediaType.includes(framing.mediaType)) return readStream(answer, calling);
  // An endpoint that was asked to stream may answer in one piece.
  if (mediaType.includes('json')) return readWhole(await answer.text(), answer, calling);
  throw garbage(what, `its content-type is ${mediaType}`, await errorBody(answer));
}

/** An answer in one piece; its parts are reported at once. */
function readWhole(text: string, from: HttpAnswer, calling: Calling): ModelAnswer {
  const { wire, options } = calling;
  const value = parsed(text, { what: wire.what, of: () => mediaTypeOf(from) });
  const failure = failureIn(value);
  if (failure !== null) throw reportedFailure(failure, whoOf(calling));
  const decoder = wire.decoder();
  decoder.whole(value);
  const answer = decoder.answer();
  if (options.onDelta !== undefined) streamParts(answer.parts, options.onDelta);
  return answer;
}

/** Reads to the mark of the end. Cut off before a reason to stop, an answer is no answer: half a tool call must never run. */
async function readStream(answer: HttpAnswer, calling: Calling): Promise<ModelAnswer> {
  const { wire, endpoint, options } = calling;
  const decoder = wire.decoder(options.onDelta);
  const parser = wire.framing.parser((event) => {
    if (decoder.isDone) return;
    const failure = failureIn(event.value);
    if (failure !== null) throw reportedFailure(failure, whoOf(calling));
    decoder.event(event);
  }, wire.what);
  for await (const bytes of answer.bytes()) {
    parser.push(bytes);
    if (decoder.isDone) break;
  }
  if (!decoder.isDone) parser.end();
  if (!decoder.isDone && !decoder.isFinished) {
    throw new NervaError(
      'MODEL_TRUNCATED',
      `The stream of ${endpoint.name} ended before the answer did. What had come was dropped; call again.`,
    );
  }
  return decoder.answer();
}

/** A failure that stands in an answer of status 200: all wires put it under `error`. */
function failureIn(value: unknown): unknown {
  const error = isObject(value) ? value['error'] : null;
  return isObject(error) || (typeof error === 'string' && error !== '') ? error : null;
}

function whoOf({ endpoint, options, wire }: Calling): Who {
  return { name: endpoint.name, secrets: endpoint.secrets ?? [], world: options.world, what: wire.what };
}

const mediaTypeOf = ({ headers }: HttpAnswer): string => headers['content-type'] ?? 'application/json';

/** JSON of a whole answer. @throws MODEL_GARBAGE */
function parsed(text: string, { what, of }: { readonly what: string; readonly of: () => string }): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw garbage(what, `${of()} is not JSON`, text);
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

function redacted(error: NervaError, { endpoint }: Calling): NervaError {
  return new NervaError(error.code, `${endpoint.name}: ${redact(error.message, endpoint.secrets ?? [])}`, { details: error.details });
}
