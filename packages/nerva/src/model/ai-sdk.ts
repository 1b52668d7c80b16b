import { excerpt, NervaError } from '../core/index.ts';
import { promptOf } from './ai-sdk-prompt.ts';
import { answerFrom, StreamReader } from './ai-sdk-answer.ts';
import type { Capabilities } from './capability.ts';
import { notSent } from './content.ts';
import { failureOf, redact } from './failure.ts';
import type { CallOptions, Model, ModelAnswer, ModelRequest, Price } from './model.ts';
import { isObject } from './object.ts';

/** A `LanguageModel` of the AI SDK (`@ai-sdk/provider`), specification v2, v3 or v4, by its shape: Nerva depends on none of its packages. */
export interface AiSdkModel {
  readonly specificationVersion: string;
  readonly provider: string;
  readonly modelId: string;
  doGenerate(options: never): PromiseLike<unknown>;
  doStream(options: never): PromiseLike<unknown>;
}

/** What the AI SDK does not tell of a model. */
export interface AiSdkOptions {
  readonly contextTokensMax?: number;
  readonly price?: Price;
  readonly capabilities?: Capabilities;
  /** Sent as `providerOptions` with each call. */
  readonly providerOptions?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const VERSIONS = ['v2', 'v3', 'v4'];

/** Whether this is a language model of the AI SDK, of whatever version. */
export function isAiSdkModel(value: unknown): value is AiSdkModel {
  return (
    isObject(value) &&
    typeof value['specificationVersion'] === 'string' &&
    typeof value['doGenerate'] === 'function' &&
    typeof value['doStream'] === 'function'
  );
}

/**
 * A model of the AI SDK as it is. Its own retries are not used: one `call` is one `doGenerate` or `doStream`. What it makes opaque
 * (`providerMetadata` of parts: signatures, ids of items) goes back to it as `providerOptions`, byte for byte.
 * Its requests go past the World: in a simulation use `simModel` in its place.
 * @throws OPTION_INVALID for a specification that is not known here.
 */
export function fromAiSdk(model: AiSdkModel, options: AiSdkOptions = {}): Model {
  if (!VERSIONS.includes(model.specificationVersion)) {
    throw new NervaError(
      'OPTION_INVALID',
      `The AI SDK model ${model.modelId} has specification "${model.specificationVersion}"; known are ${VERSIONS.join(', ')}. Update nerva, or the provider package.`,
    );
  }
  const name = `${model.provider.replaceAll('/', '-')}/${model.modelId}`;
  const { contextTokensMax, price, capabilities } = options;
  return {
    name,
    ...(contextTokensMax === undefined ? {} : { contextTokensMax }),
    ...(price === undefined ? {} : { price }),
    ...(capabilities === undefined ? {} : { capabilities }),
    call: (request, callOptions) => call({ model, name, options }, request, callOptions),
  };
}

interface Asking {
  readonly model: AiSdkModel;
  readonly name: string;
  readonly options: AiSdkOptions;
}

async function call({ model, name, options }: Asking, request: ModelRequest, callOptions: CallOptions): Promise<ModelAnswer> {
  const { signal, onDelta, world } = callOptions;
  const isOld = model.specificationVersion !== 'v4';
  const given = {
    ...promptOf(request, { by: name, isOld }),
    ...(signal === undefined ? {} : { abortSignal: signal }),
    ...(options.providerOptions === undefined ? {} : { providerOptions: options.providerOptions }),
  } as never;
  try {
    const answer =
      onDelta === undefined ? answerFrom(await model.doGenerate(given), name) : await streamed(await model.doStream(given), name, onDelta);
    const left = notSent(request, { by: name, params: isOld ? ['reasoning', ...PLACELESS] : PLACELESS, keepsReasoning: true });
    return left.length === 0 ? answer : { ...answer, meta: { ...answer.meta, notSent: left } };
  } catch (error) {
    if (signal?.aborted === true) throw new NervaError('CANCELLED', `The call of ${name} was aborted.`, { cause: error });
    throw NervaError.is(error) ? error : failed(error, { name, world });
  }
}

/** Parameters that the AI SDK has no place for. */
const PLACELESS = ['parallelToolCalls', 'logprobs', 'tokenIds', 'extra'] as const;

async function streamed(result: unknown, name: string, onDelta: NonNullable<CallOptions['onDelta']>): Promise<ModelAnswer> {
  const stream = isObject(result) ? result['stream'] : undefined;
  if (!isStream(stream)) throw new NervaError('MODEL_GARBAGE', `${name}: doStream gave no stream.`);
  const reader = new StreamReader(name, onDelta);
  for await (const part of stream) reader.part(part);
  if (!reader.isFinished)
    throw new NervaError('MODEL_TRUNCATED', `The stream of ${name} ended before the answer did. What had come was dropped; call again.`);
  return reader.answer();
}

function isStream(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

/** An `APICallError` says the status; anything else is a failure of the way there. */
function failed(error: unknown, { name, world }: { readonly name: string; readonly world: CallOptions['world'] }): NervaError {
  const { statusCode, responseBody, responseHeaders } = (isObject(error) ? error : {}) as {
    readonly statusCode?: unknown;
    readonly responseBody?: unknown;
    readonly responseHeaders?: unknown;
  };
  const message = error instanceof Error ? error.message : String(error);
  if (typeof statusCode === 'number' && statusCode >= 400) {
    const headers = (isObject(responseHeaders) ? responseHeaders : {}) as Readonly<Record<string, string>>;
    const body = typeof responseBody === 'string' && responseBody !== '' ? responseBody : JSON.stringify({ error: { message } });
    return failureOf({ status: statusCode, headers }, body, { name, secrets: [], world, what: 'an answer' });
  }
  const isGarbage =
    isObject(error) &&
    /JSONParse|TypeValidation|InvalidResponse|EmptyResponse|NoContent/.test(String((error as { readonly name?: unknown }).name));
  return new NervaError(
    isGarbage ? 'MODEL_GARBAGE' : 'MODEL_UNAVAILABLE',
    `${name} gave no answer: ${excerpt(redact(message, []), MESSAGE_LENGTH)}`,
    {
      cause: error,
    },
  );
}

const MESSAGE_LENGTH = 500;
