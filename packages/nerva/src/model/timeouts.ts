import { checkOptions, checkRange, NervaError, type HttpRequest, type World } from '../core/index.ts';
import type { CallOptions, Model, ModelAnswer, ModelRequest } from './model.ts';
import { attempt, like } from './wrap.ts';

/** Bounds of one call, in ms. What is absent is not bounded here. */
export interface TimeoutOptions {
  /** Until a connection stands. Given to the requests that the model makes over HTTP; a model that makes none has none. */
  readonly connectMs?: number;
  /** Until the first piece of a streamed answer. A call that does not stream shows no pieces: only `totalMs` bounds it. */
  readonly firstPartMs?: number;
  /** Between two pieces of a streamed answer, and from the last to the end. */
  readonly idleMs?: number;
  /** The whole call. */
  readonly totalMs?: number;
}

const MS_MAX = 86_400_000;
const PHASES = ['connectMs', 'firstPartMs', 'idleMs', 'totalMs'] as const;

/**
 * A model whose calls are bounded in each phase. A call that takes longer is aborted and rejects at once, whether the model listens or not;
 * what comes of it later is dropped. It adds nothing to `via`.
 * @throws (on call) HTTP_TIMEOUT; `details.phase` is `connect`, `first-part`, `idle` or `total`. OPTION_UNKNOWN, OPTION_INVALID at once.
 */
export function withTimeouts(model: Model, options: TimeoutOptions): Model {
  checkOptions(options, PHASES, 'withTimeouts');
  for (const phase of PHASES) if (options[phase] !== undefined) checkRange(phase, options[phase], 1, MS_MAX);
  const connecting = connectingWithin(options.connectMs);
  return like(model, (request, call) => bounded(model, { request, call: { ...call, world: connecting(call.world) }, options }));
}

interface Bounded {
  readonly request: ModelRequest;
  readonly call: CallOptions;
  readonly options: TimeoutOptions;
}

async function bounded(model: Model, { request, call, options }: Bounded): Promise<ModelAnswer> {
  const { world, onDelta } = call;
  const { firstPartMs, idleMs, totalMs } = options;
  const stops: (() => void)[] = [];
  let silence: Silence | null = null;
  const listen = onDelta === undefined ? {} : { onDelta: (delta: Parameters<typeof onDelta>[0]) => (silence?.broken(), onDelta(delta)) };
  const { answer, stop } = attempt(model, request, { ...call, ...listen });
  const expire = (phase: string, ms: number): void =>
    stop(
      new NervaError('HTTP_TIMEOUT', `${model.name} took longer than ${ms} ms (${phase}). The call was aborted; its answer is dropped.`, {
        details: { phase, ms },
      }),
    );
  if (totalMs !== undefined) stops.push(world.clock.timer(totalMs, () => expire('total', totalMs)));
  if (onDelta !== undefined && (firstPartMs ?? idleMs) !== undefined) {
    silence = new Silence({ clock: world.clock, firstPartMs, idleMs, expire });
    stops.push(() => silence?.end());
  }
  try {
    return await answer;
  } finally {
    for (const end of stops) end();
  }
}

/** Watches for silence in a stream. A piece costs a look at the clock; the timer is set anew only when it fires. */
class Silence {
  readonly #clock: World['clock'];
  readonly #idleMs: number | undefined;
  readonly #expire: (phase: string, ms: number) => void;
  #cancel: () => void = () => undefined;
  #lastMs = 0;
  #isHeard = false;
  #isFirst = true;

  constructor({
    clock,
    firstPartMs,
    idleMs,
    expire,
  }: {
    readonly clock: World['clock'];
    readonly firstPartMs: number | undefined;
    readonly idleMs: number | undefined;
    readonly expire: (phase: string, ms: number) => void;
  }) {
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#expire = expire;
    if (firstPartMs !== undefined) this.#cancel = clock.timer(firstPartMs, () => expire('first-part', firstPartMs));
  }

  /** A piece came. */
  broken(): void {
    if (this.#idleMs === undefined && !this.#isFirst) return;
    this.#lastMs = this.#clock.nowMs();
    this.#isHeard = true;
    if (!this.#isFirst) return;
    this.#isFirst = false;
    this.#cancel();
    if (this.#idleMs !== undefined) this.#arm(this.#idleMs);
  }

  end(): void {
    this.#cancel();
  }

  #arm(ms: number): void {
    this.#isHeard = false;
    this.#cancel = this.#clock.timer(ms, () => this.#due());
  }

  #due(): void {
    const idleMs = this.#idleMs as number;
    if (!this.#isHeard) return this.#expire('idle', idleMs);
    // The wall clock may have jumped: then the whole time again, rather than an end that is too early.
    const leftMs = this.#lastMs + idleMs - this.#clock.nowMs();
    this.#arm(leftMs > 0 && leftMs <= idleMs ? leftMs : idleMs);
  }
}

/** A world whose requests have so long to connect; each world has one, so that what is kept by world is found again. */
function connectingWithin(connectMs: number | undefined): (world: World) => World {
  if (connectMs === undefined) return (world) => world;
  const known = new WeakMap<World, World>();
  return (world) => {
    let bound = known.get(world);
    if (bound === undefined) {
      const request = (given: HttpRequest): ReturnType<World['transport']['request']> =>
        world.transport.request({ ...given, limits: { ...given.limits, connectMs } });
      known.set(world, (bound = { ...world, transport: { request, close: () => world.transport.close() } }));
    }
    return bound;
  };
}
