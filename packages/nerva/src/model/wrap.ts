import { NervaError, type ErrorCode, type JsonObject, type World } from '../core/index.ts';
import type { CallOptions, Model, ModelAnswer, ModelRequest, Price } from './model.ts';
import { costUsd } from './usage.ts';

/** A model like another one, but for how it is called. */
export function like({ name, contextTokensMax, price, capabilities }: Model, call: Model['call']): Model {
  return {
    name,
    ...(contextTokensMax === undefined ? {} : { contextTokensMax }),
    ...(price === undefined ? {} : { price }),
    ...(capabilities === undefined ? {} : { capabilities }),
    call,
  };
}

/** A call under way. */
export interface Attempt {
  readonly answer: Promise<ModelAnswer>;
  /** Ends it with `reason`, and aborts it. Late calls do nothing. */
  readonly stop: (reason: NervaError) => void;
}

/**
 * Calls a model so that the call ends as soon as its signal aborts, whether the model listens or not, and so that nothing is heard of
 * it once it has ended.
 */
export function attempt(model: Model, request: ModelRequest, { world, signal, onDelta }: CallOptions): Attempt {
  const { promise: answer, resolve, reject } = Promise.withResolvers<ModelAnswer>();
  const inner = new AbortController();
  let isOver = false;
  const stop = (reason: NervaError): void => {
    if (isOver) return;
    end();
    reject(reason);
    inner.abort(reason);
  };
  const cancel = (): void =>
    stop(new NervaError('CANCELLED', `The call of ${model.name} was aborted. No answer was taken.`, { cause: signal?.reason }));
  const end = (): void => {
    isOver = true;
    signal?.removeEventListener('abort', cancel);
  };
  if (signal?.aborted === true) {
    cancel();
    return { answer, stop };
  }
  signal?.addEventListener('abort', cancel, { once: true });
  const listen = onDelta === undefined ? {} : { onDelta: (delta: Parameters<typeof onDelta>[0]) => (isOver ? undefined : onDelta(delta)) };
  try {
    model.call(request, { world, signal: inner.signal, ...listen }).then(
      (value) => (end(), resolve(value)),
      (error: unknown) => (end(), reject(error as Error)),
    );
  } catch (error) {
    end();
    reject(error as Error);
  }
  return { answer, stop };
}

/**
 * State of a wrapper, one for each process: a model is made without a world and may be used in several. Clocks tell them apart, because
 * a world may be handed on with something in it replaced.
 */
export function perWorld<S>(make: (world: World) => S): (world: World) => S {
  const states = new WeakMap<World['clock'], S>();
  return (world) => {
    let state = states.get(world.clock);
    if (state === undefined) states.set(world.clock, (state = make(world)));
    return state;
  };
}

/** The answer with `entry` as the outermost of what stood between. */
export function withVia(answer: ModelAnswer, entry: JsonObject): ModelAnswer {
  return { ...answer, via: [entry, ...(answer.via ?? [])] };
}

/**
 * What an answer cost in USD: what the outermost wrapper says that knows (`usd` of an entry of `via`: a group knows which member's price
 * applies, a cache that nothing was paid), else by `price`; null is unknown.
 */
export function answerUsd({ usage, via = [] }: Pick<ModelAnswer, 'usage' | 'via'>, price: Price | undefined): number | null {
  for (const { usd } of via) if (typeof usd === 'number') return usd;
  return costUsd(usage, price);
}

/** The code of what a model threw. One that is no NervaError stands for MODEL_UNAVAILABLE, as it does in the log. */
export function codeOf(error: unknown): ErrorCode {
  return NervaError.is(error) ? error.code : 'MODEL_UNAVAILABLE';
}

/** How long a failure says to wait, in ms; undefined when it does not. */
export function waitOf(error: unknown): number | undefined {
  const wait = NervaError.is(error) ? error.details['retryAfterMs'] : undefined;
  return typeof wait === 'number' && wait >= 0 ? wait : undefined;
}

/** The failures that say that a provider is in trouble, and not the request, the key or the caller. */
export const PROVIDER_TROUBLE: readonly ErrorCode[] = [
  'HTTP_UNREACHABLE',
  'HTTP_TIMEOUT',
  'HTTP_BROKEN',
  'MODEL_RATE_LIMITED',
  'MODEL_UNAVAILABLE',
  'MODEL_GARBAGE',
  'MODEL_TRUNCATED',
];
