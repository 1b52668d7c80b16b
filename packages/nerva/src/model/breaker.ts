import { checkOptions, checkRange, ERRORS, NervaError, nearestOf, type ErrorCode } from '../core/index.ts';
import type { Model } from './model.ts';
import { attempt, codeOf, like, perWorld, PROVIDER_TROUBLE, withVia } from './wrap.ts';

/** When a breaker opens and closes. */
export interface BreakerOptions {
  /** Failures in a row that open it, 1–10,000. Default 5. */
  readonly failuresMax?: number;
  /** How long it refuses before it lets a test request through. Default 60,000. */
  readonly openMs?: number;
  /** After so long without any call it is as new; a test request that took so long is given up. Default 300,000. */
  readonly idleResetMs?: number;
  /** What counts as a failure. Default: what says that the provider is in trouble, from an unreachable host to a rate limit. */
  readonly counts?: readonly ErrorCode[];
}

/** A day: no breaker is meant to outlast it. */
const MS_MAX = 86_400_000;
/** Nobody knows when a test request will be over; asking costs nothing. */
const TEST_WAIT_MS = 5_000;

/**
 * A model behind a circuit breaker (Michael Nygard, Release It!, 2007). CLOSED: calls go through; `failuresMax` failures in a row open it.
 * OPEN: calls are refused without a request. After `openMs`, HALF-OPEN: one call goes through as a test and others are refused meanwhile;
 * its success closes, its failure opens again, and anything else (cancelled, refused as malformed, a code that does not count) says nothing
 * of the provider and leaves the place of the test to the next call. An answer that closed the breaker says `{breaker: 'closed'}` in `via`.
 * Calls that began before the last change of state change nothing any more. State is held for each process and lost with it.
 * @throws (on call) MODEL_BREAKER_OPEN with `details.retryAfterMs`; OPTION_UNKNOWN, OPTION_INVALID at once.
 */
export function withBreaker(model: Model, options: BreakerOptions = {}): Model {
  const rules = rulesOf(options);
  const breakers = perWorld(() => new Breaker(rules));
  return like(model, async (request, call) => {
    const { clock } = call.world;
    const breaker = breakers(call.world);
    const pass = breaker.enter(clock.nowMs());
    if ('retryAfterMs' in pass) throw refusal(model, pass);
    try {
      const answer = await attempt(model, request, call).answer;
      breaker.leave(pass, 'success', clock.nowMs());
      return pass.isTest ? withVia(answer, { breaker: 'closed' }) : answer;
    } catch (error) {
      breaker.leave(pass, rules.counts.has(codeOf(error)) ? 'failure' : 'nothing', clock.nowMs());
      throw error;
    }
  });
}

interface Rules {
  readonly failuresMax: number;
  readonly openMs: number;
  readonly idleResetMs: number;
  readonly counts: ReadonlySet<ErrorCode>;
}

/** Leave to make one call. */
interface Pass {
  readonly isTest: boolean;
  readonly generation: number;
  readonly startedMs: number;
}

interface Refused {
  readonly state: 'open' | 'half-open';
  readonly retryAfterMs: number;
}

/**
 * The states of one breaker.
 * Invariants: K1 half-open, at most one test is under way that is younger than `idleResetMs`; K2 open, nothing passes;
 * K3 only passes of this generation, which every change of state begins anew, change anything.
 */
class Breaker {
  readonly #rules: Rules;
  #state: 'closed' | 'open' | 'half-open' = 'closed';
  #generation = 0;
  #failures = 0;
  #openedMs = 0;
  #lastMs = -Infinity;
  #test: Pass | null = null;

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  enter(nowMs: number): Pass | Refused {
    const { openMs, idleResetMs } = this.#rules;
    // The comparison comes first: a call that counted as activity before it would never find the breaker idle.
    const idleMs = nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    if (idleMs >= idleResetMs) this.#become('closed');
    if (this.#state === 'open') {
      // A clock that was set back must not keep it open for longer.
      this.#openedMs = Math.min(this.#openedMs, nowMs);
      const leftMs = this.#openedMs + openMs - nowMs;
      if (leftMs > 0) return { state: 'open', retryAfterMs: leftMs };
      this.#become('half-open');
    }
    const isTest = this.#state === 'half-open';
    if (isTest && this.#test !== null && nowMs - this.#test.startedMs < idleResetMs)
      return { state: 'half-open', retryAfterMs: Math.min(openMs, TEST_WAIT_MS) };
    const pass: Pass = { isTest, generation: this.#generation, startedMs: nowMs };
    if (isTest) this.#test = pass;
    return pass;
  }

  leave(pass: Pass, outcome: 'success' | 'failure' | 'nothing', nowMs: number): void {
    this.#lastMs = nowMs;
    if (pass.generation !== this.#generation || (pass.isTest && pass !== this.#test)) return;
    // Whatever it ended with, the place is free: a test that ended without a verdict must not block the breaker for ever.
    this.#test = null;
    if (outcome === 'nothing') return;
    if (outcome === 'success') {
      this.#failures = 0;
      if (pass.isTest) this.#become('closed');
      return;
    }
    this.#failures++;
    if (!pass.isTest && this.#failures < this.#rules.failuresMax) return;
    this.#become('open');
    this.#openedMs = nowMs;
  }

  #become(state: 'closed' | 'open' | 'half-open'): void {
    this.#state = state;
    this.#generation++;
    this.#failures = 0;
    this.#test = null;
  }
}

function refusal({ name }: Model, { state, retryAfterMs }: Refused): NervaError {
  const why = state === 'open' ? 'failed too often in a row' : 'is being tested by another call after it failed';
  return new NervaError('MODEL_BREAKER_OPEN', `${name} ${why}. Nothing was sent; call again in ${retryAfterMs} ms.`, {
    details: { state, retryAfterMs },
  });
}

function rulesOf(options: BreakerOptions): Rules {
  checkOptions(options, ['failuresMax', 'openMs', 'idleResetMs', 'counts'], 'withBreaker');
  const { counts = PROVIDER_TROUBLE } = options;
  for (const code of counts) {
    if (code in ERRORS && code !== 'CANCELLED') continue;
    const nearest = nearestOf(code, Object.keys(ERRORS));
    const hint =
      code === 'CANCELLED'
        ? 'A call that its caller gave up says nothing of the provider.'
        : `Did you mean "${nearest ?? 'HTTP_TIMEOUT'}"?`;
    throw new NervaError('OPTION_INVALID', `withBreaker: counts holds "${code}". ${hint} Nothing was made.`, { details: { code } });
  }
  return {
    failuresMax: checkRange('failuresMax', options.failuresMax ?? 5, 1, 10_000),
    openMs: checkRange('openMs', options.openMs ?? 60_000, 1, MS_MAX),
    idleResetMs: checkRange('idleResetMs', options.idleResetMs ?? 300_000, 1, MS_MAX),
    counts: new Set(counts),
  };
}
