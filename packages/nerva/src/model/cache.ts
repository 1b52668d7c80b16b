import { checkOptions, checkRange, freeze, NervaError, utf8Bytes, type World } from '../core/index.ts';
import { requestDigest } from './digest.ts';
import type { CallOptions, Delta, Model, ModelAnswer, ModelRequest } from './model.ts';
import { streamParts } from './scripted.ts';
import { attempt, like, perWorld, withVia, type Attempt } from './wrap.ts';

/** How much is kept, and for how long. */
export interface CacheOptions {
  /** Of the answers kept, as JSON, 0 – 64 GB; the one unused for longest goes first. 0: only calls under way are shared. */
  readonly bytesMax: number;
  /** Default: as long as there is room. */
  readonly ttlMs?: number;
}

/**
 * A model that gives an answer again to the same request: same instructions, messages, tools and parameters, whether streamed or not. Each model
 * that is wrapped has a cache of its own.
 * A hit makes no request. It has the usage of the answer as it was made, so that the size of the conversation is known, and says
 * `{cache: 'hit', ageMs, usd: 0}` in `via`: tokens are counted as if spent, money is not.
 * Equal calls under way share one request. Each may be aborted alone, and the request is when all are; the first that is still there has the
 * answer as its own, the others say `{cache: 'shared', usd: 0}`. Failures are shared and never kept, nor are answers cut by a filter.
 * A model that samples gives one sample for ever: that is what this is for, and why nothing is cached unless asked.
 * State is held for each process and lost with it.
 * @throws OPTION_UNKNOWN, OPTION_INVALID at once.
 */
export function withCache(model: Model, options: CacheOptions): Model {
  checkOptions(options, ['bytesMax', 'ttlMs'], 'withCache');
  const bytesMax = checkRange('bytesMax', options.bytesMax, 0, 64 * 1024 ** 3);
  const ttlMs = options.ttlMs === undefined ? Infinity : checkRange('ttlMs', options.ttlMs, 1, Number.MAX_SAFE_INTEGER);
  const states = perWorld(({ clock }) => ({ kept: new Kept(clock, bytesMax, ttlMs), flights: new Map<string, Flight>() }));
  return like(model, (request, call) => {
    const { signal, world, onDelta } = call;
    if (signal?.aborted === true) return Promise.reject(cancelled(model.name, signal.reason));
    const { kept, flights } = states(world);
    const key = requestDigest(request, world.digest);
    const hit = kept.get(key);
    if (hit !== undefined) {
      if (onDelta !== undefined) streamParts(hit.answer.parts, onDelta);
      return Promise.resolve(withVia(hit.answer, { cache: 'hit', ageMs: hit.ageMs, usd: 0 }));
    }
    let flight = flights.get(key);
    if (flight === undefined) {
      const fresh = new Flight(model, request, call);
      flights.set(key, (flight = fresh));
      fresh.begin((answer) => {
        if (flights.get(key) === fresh) flights.delete(key);
        if (answer !== null) kept.put(key, answer);
      });
    }
    return flight.join(call);
  });
}

const cancelled = (name: string, cause: unknown): NervaError =>
  new NervaError('CANCELLED', `The call of ${name} was aborted. No answer was taken.`, { cause });

/** Somebody who waits for a flight. */
interface Passenger {
  readonly onDelta: CallOptions['onDelta'];
  readonly land: (answer: ModelAnswer) => void;
  readonly fail: (error: unknown) => void;
}

/** One request that several equal calls share. */
class Flight {
  readonly #model: Model;
  readonly #request: ModelRequest;
  readonly #world: World;
  readonly #passengers = new Set<Passenger>();
  /** What has come so far, for who joins late; null when it is not streamed. */
  readonly #deltas: Delta[] | null;
  #attempt: Attempt | null = null;
  #over: (answer: ModelAnswer | null) => void = () => undefined;

  constructor(model: Model, request: ModelRequest, { world, onDelta }: CallOptions) {
    this.#model = model;
    this.#request = request;
    this.#world = world;
    this.#deltas = onDelta === undefined ? null : [];
  }

  /** Makes the request. `over` is told when nobody may join any more, before anybody else; null: there is no answer. */
  begin(over: (answer: ModelAnswer | null) => void): void {
    this.#over = over;
    const deltas = this.#deltas;
    const onDelta = deltas === null ? {} : { onDelta: (delta: Delta) => (deltas.push(delta), this.#tell(delta)) };
    this.#attempt = attempt(this.#model, this.#request, { world: this.#world, ...onDelta });
    this.#attempt.answer.then(
      (answer) => (over(answer), this.#land(answer)),
      (error: unknown) => {
        over(null);
        for (const { fail } of this.#passengers) fail(error);
      },
    );
  }

  join({ signal, onDelta }: CallOptions): Promise<ModelAnswer> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        passenger.fail(cancelled(this.#model.name, signal?.reason));
        if (this.#passengers.size > 0) return;
        this.#over(null);
        this.#attempt?.stop(cancelled(this.#model.name, signal?.reason));
      };
      const end = (): void => {
        this.#passengers.delete(passenger);
        signal?.removeEventListener('abort', leave);
      };
      const passenger: Passenger = {
        onDelta,
        land: (answer) => (end(), resolve(answer)),
        fail: (error) => (end(), reject(error as Error)),
      };
      this.#passengers.add(passenger);
      signal?.addEventListener('abort', leave, { once: true });
      for (const delta of this.#deltas ?? []) heard(passenger, () => onDelta?.(delta));
    });
  }

  #tell(delta: Delta): void {
    for (const passenger of this.#passengers) heard(passenger, () => passenger.onDelta?.(delta));
  }

  #land(answer: ModelAnswer): void {
    const shared = withVia(answer, { cache: 'shared', usd: 0 });
    let isFirst = true;
    for (const passenger of this.#passengers) {
      const { onDelta } = passenger;
      if (this.#deltas === null && onDelta !== undefined && !heard(passenger, () => streamParts(answer.parts, onDelta))) continue;
      passenger.land(isFirst ? answer : shared);
      isFirst = false;
    }
  }
}

/** A listener that throws ends its own call and nobody else's. */
function heard({ fail }: Passenger, tell: () => void): boolean {
  try {
    tell();
    return true;
  } catch (error) {
    fail(error);
    return false;
  }
}

interface Entry {
  readonly answer: ModelAnswer;
  readonly atMs: number;
  readonly bytes: number;
}

/** Answers by key, the one unused for longest first. */
class Kept {
  readonly #clock: World['clock'];
  readonly #bytesMax: number;
  readonly #ttlMs: number;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(clock: World['clock'], bytesMax: number, ttlMs: number) {
    this.#clock = clock;
    this.#bytesMax = bytesMax;
    this.#ttlMs = ttlMs;
  }

  get(key: string): { readonly answer: ModelAnswer; readonly ageMs: number } | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#drop(key, entry);
    const ageMs = Math.max(0, this.#clock.nowMs() - entry.atMs);
    if (ageMs >= this.#ttlMs) return undefined;
    this.#add(key, entry);
    return { answer: entry.answer, ageMs };
  }

  put(key: string, answer: ModelAnswer): void {
    if (!KEPT.has(answer.finish)) return;
    const bytes = utf8Bytes(JSON.stringify(answer)) + key.length;
    if (bytes > this.#bytesMax) return;
    this.#add(key, { answer: freeze(answer), atMs: this.#clock.nowMs(), bytes });
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#drop(oldest, entry);
    }
  }

  #add(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}

/** Reasons to stop that the same request has again. */
const KEPT: ReadonlySet<string> = new Set(['stop', 'tool_calls', 'length']);
