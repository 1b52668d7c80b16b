import { checkOptions, checkRange, NervaError, type World } from '../core/index.ts';
import type { Model, ModelRequest } from './model.ts';
import { answerTokens, requestTokens } from './size.ts';
import { totalTokens } from './usage.ts';
import { attempt, like, perWorld, withVia } from './wrap.ts';

/** How much may go to a provider. What is absent is not limited; `queueMax` is, always. */
export interface LimitOptions {
  /** Calls under way at once, 1–100,000. */
  readonly concurrencyMax?: number;
  /** Calls that begin in any 60 s, 1–1,000,000. */
  readonly requestsPerMinuteMax?: number;
  /** Tokens of requests and answers that begin in any 60 s: estimated when a call begins, and as reported once it has ended. */
  readonly tokensPerMinuteMax?: number;
  /** Calls that may wait, 0–1,000,000; 0: none. */
  readonly queueMax: number;
}

const MINUTE_MS = 60_000;

/**
 * A model of which only so much is asked at once and in a minute; calls that come too early wait their turn, first come, first served.
 * A call that waited says `{limit: 'queue', waitedMs}` in `via`. An aborted call leaves the queue, or its place among those under way, at once.
 * A call that alone is estimated at more than `tokensPerMinuteMax` goes when nothing else counts: the estimate may be wrong, and waiting would not help.
 * @throws (on call) MODEL_QUEUE_FULL when `queueMax` calls wait. OPTION_UNKNOWN, OPTION_INVALID at once.
 */
export function withLimits(model: Model, options: LimitOptions): Model {
  return limiter(options)(model);
}

/** Limits that several models have in common, such as those of one account: wrap each with what this returns. @throws OPTION_UNKNOWN, OPTION_INVALID */
export function limiter(options: LimitOptions): (model: Model) => Model {
  const limits = checked(options);
  const queues = perWorld((world) => new Queue(world.clock, limits));
  return (model) =>
    like(model, async (request, call) => {
      const { signal } = call;
      if (signal?.aborted === true) throw cancelled(model.name, signal.reason);
      const queue = queues(call.world);
      const startMs = call.world.clock.nowMs();
      const waiting = queue.enter(model.name, request, signal);
      const place = waiting instanceof Promise ? await waiting : waiting;
      try {
        const waitedMs = Math.max(0, call.world.clock.nowMs() - startMs);
        const answer = await attempt(model, request, call).answer;
        place.tokens = totalTokens(answer.usage) ?? place.tokens;
        return waiting instanceof Promise ? withVia(answer, { limit: 'queue', waitedMs }) : answer;
      } finally {
        queue.leave();
      }
    });
}

const cancelled = (name: string, cause: unknown): NervaError =>
  new NervaError('CANCELLED', `The call of ${name} was aborted before it was its turn. Nothing was sent.`, { cause });

/** A call that began. It counts for a minute, and as under way until it ends. */
interface Place {
  atMs: number;
  tokens: number;
}

interface Waiter {
  readonly tokens: number;
  readonly go: (place: Place) => void;
}

interface Limits {
  readonly concurrencyMax: number;
  readonly requestsMax: number;
  readonly tokensMax: number;
  readonly queueMax: number;
}

/**
 * The calls of one process.
 * Invariants: Q1 no more are under way than `concurrencyMax`; Q2 no more begin in any minute than `requestsMax`; Q3 they begin in the order in
 * which they came; Q4 one that waits begins as soon as the limits let it.
 */
class Queue {
  readonly #clock: World['clock'];
  readonly #limits: Limits;
  readonly #waiters: Waiter[] = [];
  /** Calls that began in the last minute, oldest first. */
  readonly #places: Place[] = [];
  #running = 0;
  #alarm: AbortController | null = null;

  constructor(clock: World['clock'], limits: Limits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** A place at once, or a promise of one. @throws MODEL_QUEUE_FULL */
  enter(name: string, request: ModelRequest, signal: AbortSignal | undefined): Place | Promise<Place> {
    const tokens = this.#limits.tokensMax === Infinity ? 0 : requestTokens(request) + answerTokens(request);
    if (this.#waiters.length === 0 && this.#waitMs(tokens) === 0) return this.#begin(tokens);
    const { queueMax } = this.#limits;
    if (this.#waiters.length >= queueMax)
      throw new NervaError('MODEL_QUEUE_FULL', `${queueMax} calls wait for ${name} already. Nothing was sent; call again later.`, {
        details: { queueMax },
      });
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(
          new NervaError('CANCELLED', `The call of ${name} was aborted while it waited. Nothing was sent.`, { cause: signal?.reason }),
        );
        this.#pump();
      };
      const waiter: Waiter = { tokens, go: (place) => (signal?.removeEventListener('abort', leave), resolve(place)) };
      this.#waiters.push(waiter);
      signal?.addEventListener('abort', leave, { once: true });
      if (this.#waiters.length === 1) this.#pump();
    });
  }

  /** A call ended, however it did. */
  leave(): void {
    this.#running--;
    this.#pump();
  }

  #begin(tokens: number): Place {
    const place = { atMs: this.#clock.nowMs(), tokens };
    this.#running++;
    if (this.#limits.requestsMax !== Infinity || this.#limits.tokensMax !== Infinity) this.#places.push(place);
    return place;
  }

  /** Lets begin whoever may, and wakes when the next may. */
  #pump(): void {
    this.#alarm?.abort();
    this.#alarm = null;
    for (let waiter = this.#waiters[0]; waiter !== undefined; waiter = this.#waiters[0]) {
      const waitMs = this.#waitMs(waiter.tokens);
      if (waitMs > 0) return this.#wakeIn(waitMs);
      this.#waiters.shift();
      waiter.go(this.#begin(waiter.tokens));
    }
  }

  /** A sleep and no timer: whoever waits for it may be all that keeps the process alive. */
  #wakeIn(ms: number): void {
    if (ms === Infinity) return;
    const alarm = new AbortController();
    this.#alarm = alarm;
    this.#clock.sleep(ms, { signal: alarm.signal }).then(
      () => this.#pump(),
      () => undefined,
    );
  }

  /** How long a call of so many tokens has to wait from now; infinity: until another ends. */
  #waitMs(tokens: number): number {
    const { concurrencyMax, requestsMax, tokensMax } = this.#limits;
    if (this.#running >= concurrencyMax) return Infinity;
    const nowMs = this.#clock.nowMs();
    this.#forget(nowMs);
    const count = this.#places.length;
    let untilMs = count < requestsMax ? nowMs : (this.#places[count - requestsMax] as Place).atMs + MINUTE_MS;
    if (tokensMax === Infinity) return untilMs - nowMs;
    let sum = tokens;
    for (const place of this.#places) sum += place.tokens;
    for (const place of this.#places) {
      if (sum <= tokensMax) break;
      sum -= place.tokens;
      untilMs = Math.max(untilMs, place.atMs + MINUTE_MS);
    }
    return untilMs - nowMs;
  }

  /** Drops what is older than a minute. A clock that was set back counts as one that stood still. */
  #forget(nowMs: number): void {
    let count = 0;
    while (count < this.#places.length && (this.#places[count] as Place).atMs + MINUTE_MS <= nowMs) count++;
    if (count > 0) this.#places.splice(0, count);
    const last = this.#places.at(-1);
    if (last !== undefined && last.atMs > nowMs) for (const place of this.#places) place.atMs = Math.min(place.atMs, nowMs);
  }
}

function checked(options: LimitOptions): Limits {
  checkOptions(options, ['concurrencyMax', 'requestsPerMinuteMax', 'tokensPerMinuteMax', 'queueMax'], 'withLimits');
  const { concurrencyMax, requestsPerMinuteMax, tokensPerMinuteMax, queueMax } = options;
  const whole = (name: string, value: number | undefined, min: number, max: number): number =>
    value === undefined ? Infinity : Math.floor(checkRange(name, value, min, max));
  return {
    concurrencyMax: whole('concurrencyMax', concurrencyMax, 1, 100_000),
    requestsMax: whole('requestsPerMinuteMax', requestsPerMinuteMax, 1, 1_000_000),
    tokensMax: whole('tokensPerMinuteMax', tokensPerMinuteMax, 1, Number.MAX_SAFE_INTEGER),
    queueMax: Math.floor(checkRange('queueMax', queueMax, 0, 1_000_000)),
  };
}
