import { NervaError, type HttpAnswer } from '../core/index.ts';
import { errorBody, exchange, keepingSecrets, mediaTypeOf, throwFailureIn, wholeJson, type Endpoint, type Exchange } from './exchange.ts';
import { garbage } from './failure.ts';
import type { Framing, WireEvent } from './framing.ts';
import type { CallOptions, Model, ModelAnswer, ModelRequest } from './model.ts';
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

/** A model behind HTTP. It streams exactly when `onDelta` is given. One request a call; what fails is for the caller to repeat. */
export function httpModel(wire: Wire, endpoint: Endpoint): Model {
  const { name, contextTokensMax, price, capabilities } = endpoint;
  return {
    name,
    ...(contextTokensMax === undefined ? {} : { contextTokensMax }),
    ...(price === undefined ? {} : { price }),
    ...(capabilities === undefined ? {} : { capabilities }),
    call: (request, { world, signal, onDelta }) => call({ wire, endpoint, world, signal, onDelta, what: wire.what }, request),
  };
}

interface Calling extends Exchange {
  readonly wire: Wire;
  readonly onDelta: CallOptions['onDelta'];
}

async function call(calling: Calling, request: ModelRequest): Promise<ModelAnswer> {
  const encoded = calling.wire.encode(request, { isStream: calling.onDelta !== undefined });
  const answer = await exchange(encoded, calling);
  return keepingSecrets(calling, async () => {
    const made = await read(answer, calling);
    return encoded.notSent === undefined || encoded.notSent.length === 0
      ? made
      : { ...made, meta: { ...made.meta, notSent: encoded.notSent } };
  });
}

async function read(answer: HttpAnswer, calling: Calling): Promise<ModelAnswer> {
  // Nobody asked for a stream, so the answer is whole, whatever it calls itself; looking at its headers costs.
  if (calling.onDelta === undefined) return readWhole(await answer.text(), answer, calling);
  const mediaType = mediaTypeOf(answer);
  const { framing, what } = calling.wire;
  if (mediaType.includes(framing.mediaType)) return readStream(answer, calling);
  // An endpoint that was asked to stream may answer in one piece.
  if (mediaType.includes('json')) return readWhole(await answer.text(), answer, calling);
  throw garbage(what, `its content-type is ${mediaType}`, await errorBody(answer));
}

/** An answer in one piece; its parts are reported at once. */
function readWhole(text: string, from: HttpAnswer, calling: Calling): ModelAnswer {
  const decoder = calling.wire.decoder();
  decoder.whole(wholeJson(text, from, calling));
  const answer = decoder.answer();
  if (calling.onDelta !== undefined) streamParts(answer.parts, calling.onDelta);
  return answer;
}

/** Reads to the mark of the end. Cut off before a reason to stop, an answer is no answer: half a tool call must never run. */
async function readStream(answer: HttpAnswer, calling: Calling): Promise<ModelAnswer> {
  const { wire, endpoint, onDelta } = calling;
  const decoder = wire.decoder(onDelta);
  const parser = wire.framing.parser((event) => {
    if (decoder.isDone) return;
    throwFailureIn(event.value, calling);
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
