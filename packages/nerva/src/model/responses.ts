import { checkRange, NervaError } from '../core/index.ts';
import { RESPONSE, RESPONSES_SSE, ResponsesDecoder } from './dialects/openai-responses-answer.ts';
import { ResponsesEncoder, type ResponsesOptions } from './dialects/openai-responses-request.ts';
import { endpointOf, type EndpointOptions } from './endpoint.ts';
import type { Endpoint } from './exchange.ts';
import type { Message } from './message.ts';
import type { CallOptions, Model, ModelAnswer, ModelRequest } from './model.ts';
import { rolling } from './rolling.ts';
import { httpModel, type Wire } from './wire.ts';

/** An endpoint that speaks OpenAI's Responses API. */
export interface OpenAiResponsesOptions extends EndpointOptions, Omit<ResponsesOptions, 'path'> {}

const OPENAI_URL = 'https://api.openai.com/v1';

/**
 * A model behind OpenAI's Responses API. Reasoning comes sealed and goes back with the next call, so that the model goes on where it was.
 * Nothing is kept at the provider unless `store` is true; then a call that goes on from a stored answer sends only what is new, and when
 * that answer is gone the whole history is sent in the same call (`via` says so).
 * @throws OPTION_INVALID for an empty model name or a malformed URL.
 */
export function openaiResponses(options: OpenAiResponsesOptions): Model {
  return responsesModel(endpointOf(options, { provider: 'openai', baseUrl: OPENAI_URL }), options);
}

/** The same behind an endpoint that is made already. */
export function responsesModel(endpoint: Endpoint, options: ResponsesOptions & { readonly model: string }): Model {
  const encoder = new ResponsesEncoder(endpoint.name, options.model, options);
  const wire: Wire = {
    what: RESPONSE,
    framing: RESPONSES_SSE,
    encode: (request, { isStream }) => encoder.encode(request, isStream),
    decoder: (onDelta) => new ResponsesDecoder(endpoint.name, onDelta),
  };
  const whole = httpModel(wire, endpoint);
  return options.store === true
    ? {
        ...whole,
        call: storedCall({
          encoder,
          wire,
          endpoint,
          whole,
          storedMax: checkRange('storedMax', options.storedMax ?? STORED_MAX, 0, Infinity),
        }),
      }
    : whole;
}

interface Stored {
  readonly encoder: ResponsesEncoder;
  readonly wire: Wire;
  readonly endpoint: Endpoint;
  readonly whole: Model;
  readonly storedMax: number;
}

const STORED_MAX = 10_000;

/**
 * Remembers by a digest of the conversation up to and with an answer under which id the provider keeps it: only a conversation that is
 * the same, item by item, goes on from it. Process-local, and a cache: without it everything is sent.
 */
function storedCall({ encoder, wire, endpoint, whole, storedMax }: Stored): Model['call'] {
  const ids = new Map<string, string>();
  const digest = (before: string, message: Message, world: CallOptions['world']): string =>
    world.digest(`${before}\n${encoder.textOf(message)}`);
  const chain = rolling<readonly string[], CallOptions['world']>([], (all, message, world) => [
    ...all,
    digest(all.at(-1) ?? '', message, world),
  ]);
  const remember = (request: ModelRequest, answer: ModelAnswer, world: CallOptions['world']): void => {
    const { id } = answer.meta ?? {};
    if (typeof id !== 'string') return;
    const before = chain(request.messages, world).at(-1) ?? '';
    ids.set(digest(before, { role: 'assistant', origin: 'model', parts: answer.parts }, world), id);
    const oldest = ids.size > storedMax ? ids.keys().next().value : undefined;
    if (oldest !== undefined) ids.delete(oldest);
  };
  const continued = async (request: ModelRequest, options: CallOptions): Promise<ModelAnswer | Gone | null> => {
    const known = chain(request.messages, options.world);
    const at = known.findLastIndex((digested, index) => index < known.length - 1 && ids.has(digested));
    const key = known[at] ?? '';
    const previousId = ids.get(key);
    if (previousId === undefined) return null;
    const encode: Wire['encode'] = (asked, { isStream }) => encoder.encode(asked, isStream, { previousId, from: at + 1 });
    try {
      return await httpModel({ ...wire, encode }, endpoint).call(request, options);
    } catch (error) {
      if (!isGone(error)) throw error;
      ids.delete(key);
      return { gone: previousId };
    }
  };
  return async (request, options) => {
    const first = await continued(request, options);
    let answer = first !== null && !('gone' in first) ? first : await whole.call(request, options);
    remember(request, answer, options.world);
    if (first !== null && 'gone' in first)
      answer = { ...answer, via: [{ type: 'stored_answer', id: first.gone, outcome: 'gone' }, ...(answer.via ?? [])] };
    return answer;
  };
}

interface Gone {
  readonly gone: string;
}

/** "Previous response with id '…' not found." (code `previous_response_not_found`); the provider says so before it answers anything. */
function isGone(error: unknown): boolean {
  if (!NervaError.is(error, 'MODEL_REFUSED')) return false;
  return error.details['providerCode'] === 'previous_response_not_found' || /previous.?response.*not.?found/i.test(error.message);
}
