import { checkOptions, checkRange, NervaError, type ErrorCode, type JsonObject, type World } from '../core/index.ts';
import type { Capabilities } from './capability.ts';
import { ordered, STRATEGIES, type Strategy } from './group-order.ts';
import type { CallOptions, Model, ModelAnswer, ModelRequest, Price } from './model.ts';
import { answerUsd, attempt, codeOf, perWorld, PROVIDER_TROUBLE, waitOf, withVia } from './wrap.ts';

/** What a group is made of. */
export interface GroupOptions {
  /** As in `Model.name`, e.g. `group/main`; the definition of an agent names the group and not its members. */
  readonly name: string;
  /** 1–100 models. One that holds a group, a breaker or a limit of its own is a member like any other. */
  readonly models: readonly Model[];
  /** In which order members are asked. Default `failover`. */
  readonly strategy?: Strategy;
  /** How long a member that failed is asked last, unless its failure says how long to wait. Default 30,000. */
  readonly restMs?: number;
}

const MS_MAX = 86_400_000;

/**
 * Several models as one. A call goes to the member that the strategy puts first; while none of the answer has reached the caller, a failure
 * that another member may not have goes on to the next. Members that failed lately, or refused because their breaker is open, come last.
 * The answer's `via` says `{group, member, failures?, usd?}`: who answered, who failed before and why, and the cost by that member's price.
 *
 * What holds for any member holds for the group: its price is the highest of each kind and unknown if one is unknown (so that budgets hold),
 * its context the smallest that is known, its capabilities what all are known to have.
 * What only its maker can read of an answer (signatures, sealed reasoning) is bound to the member's name: another member is not sent it, and
 * its dialect names that in `meta.notSent`. Strategies that change the member at each call also give up the provider's prompt cache.
 * @throws (on call) what the member threw when no other may help; when all failed, one error with the code of the first failure that
 * may pass, and all of them in `details.failures`. OPTION_UNKNOWN, OPTION_INVALID at once.
 */
export function modelGroup(options: GroupOptions): Model {
  const { name, models, strategy = 'failover' } = checked(options);
  const restMs = checkRange('restMs', options.restMs ?? 30_000, 0, MS_MAX);
  const healths = perWorld(() => new Health(restMs));
  return {
    ...bounds(models),
    name,
    call: (request, call) => {
      const health = healths(call.world);
      const members = ordered({ strategy, group: name, models, request, world: call.world, turns: health.turns });
      return firstAnswer({ group: name, members: health.sorted(members, call.world), health, request }, call);
    },
  };
}

interface Asking {
  readonly group: string;
  readonly members: readonly Model[];
  readonly health: Health;
  readonly request: ModelRequest;
}

interface Failure {
  readonly member: Model;
  readonly error: unknown;
}

async function firstAnswer({ group, members, health, request }: Asking, call: CallOptions): Promise<ModelAnswer> {
  const { world, signal, onDelta } = call;
  const failures: Failure[] = [];
  let hasSpoken = false;
  const listen = onDelta === undefined ? {} : { onDelta: (delta: Parameters<typeof onDelta>[0]) => ((hasSpoken = true), onDelta(delta)) };
  for (const member of members) {
    if (!mayHelp(member, failures)) continue;
    health.asked(member);
    try {
      const answer = await attempt(member, request, { ...call, ...listen }).answer;
      health.answered(member);
      return withVia(answer, entryOf(group, member, { failures, usd: answerUsd(answer, member.price) }));
    } catch (error) {
      if (signal?.aborted === true) throw error;
      failures.push({ member, error });
      health.failed(member, error, world);
      if (hasSpoken || !isElsewhere(error)) throw failureOf(group, failures, error);
    }
  }
  throw failureOf(group, failures, null);
}

function entryOf(
  group: string,
  member: Model,
  { failures, usd }: { readonly failures: readonly Failure[]; readonly usd: number | null },
): JsonObject {
  return {
    group,
    member: member.name,
    ...(failures.length === 0 ? {} : { failures: failures.map(({ member: { name }, error }) => ({ member: name, code: codeOf(error) })) }),
    ...(usd === null ? {} : { usd }),
  };
}

/** Failures of one member that the next may not have. Not those of the caller, of the script of a test, or of a request that is wrong for all. */
const ELSEWHERE: ReadonlySet<ErrorCode> = new Set([
  ...PROVIDER_TROUBLE,
  'MODEL_AUTH',
  'MODEL_BREAKER_OPEN',
  'MODEL_QUEUE_FULL',
  'CONTEXT_TOO_LONG',
]);

/**
 * A request that was refused goes elsewhere only when this wire cannot carry its content (then nothing was sent) or the model is gone.
 * Any other refusal is the provider's opinion of the request: asking around until somebody takes it is not for a group to do.
 */
function isElsewhere(error: unknown): boolean {
  return ELSEWHERE.has(codeOf(error)) || isUncarried(error) || isGone(error);
}

const isUncarried = (error: unknown): boolean => NervaError.is(error, 'MODEL_REFUSED') && typeof error.details['content'] === 'string';
const isGone = (error: unknown): boolean =>
  NervaError.is(error, 'MODEL_REFUSED') && (error.details['status'] === 404 || error.details['status'] === 410);

/** A member whose context is known to be no larger than that of one that found the conversation too long is not asked. */
function mayHelp({ contextTokensMax = Infinity }: Model, failures: readonly Failure[]): boolean {
  return failures.every(({ member, error }) => codeOf(error) !== 'CONTEXT_TOO_LONG' || contextTokensMax > (member.contextTokensMax ?? 0));
}

/** One failure stands as it is; several become one with the code of the first that may pass. `last` is what ended it early, or null. */
function failureOf(group: string, failures: readonly Failure[], last: unknown): unknown {
  const [first] = failures;
  if (failures.length === 1 || first === undefined) return first?.error;
  const passing = failures.filter(({ error }) => !NervaError.is(error) || error.retry);
  const chosen = last ?? (passing[0] ?? first).error;
  const waits = passing.map(({ error }) => waitOf(error));
  // Before one of unknown length has passed, nobody can say when to come again.
  const waitMs = last === null && waits.length > 0 && !waits.includes(undefined) ? Math.min(...(waits as number[])) : waitOf(last);
  const list = failures.map(({ member, error }) => `${member.name}: ${error instanceof Error ? error.message : String(error)}`).join(' · ');
  return new NervaError(codeOf(chosen), `${group}: ${failures.length} members failed. ${list}`, {
    details: {
      failures: failures.map(({ member, error }) => ({ member: member.name, code: codeOf(error) })),
      ...(waitMs === undefined ? {} : { retryAfterMs: waitMs }),
    },
    cause: chosen,
  });
}

/** What one process knows of its members. */
class Health {
  /** When each was asked last, in turns. */
  readonly turns = new Map<Model, number>();
  readonly #restMs: number;
  readonly #restsUntilMs = new Map<Model, number>();
  #turn = 0;

  constructor(restMs: number) {
    this.#restMs = restMs;
  }

  /** Those that rest come last, the one that is well first before the others. */
  sorted(members: readonly Model[], { clock }: World): readonly Model[] {
    if (this.#restsUntilMs.size === 0) return members;
    const nowMs = clock.nowMs();
    const untilOf = (member: Model): number => Math.max(nowMs, this.#restsUntilMs.get(member) ?? nowMs);
    return members.toSorted((a, b) => untilOf(a) - untilOf(b));
  }

  asked(member: Model): void {
    this.turns.set(member, ++this.#turn);
  }

  answered(member: Model): void {
    this.#restsUntilMs.delete(member);
  }

  /** What is wrong with the request is nothing against the member. */
  failed(member: Model, error: unknown, { clock }: World): void {
    if (codeOf(error) === 'CONTEXT_TOO_LONG' || !isElsewhere(error) || isUncarried(error)) return;
    this.#restsUntilMs.set(member, clock.nowMs() + (waitOf(error) ?? this.#restMs));
  }
}

/** What holds whichever member answers. */
function bounds(models: readonly Model[]): Pick<Model, 'contextTokensMax' | 'price' | 'capabilities'> {
  const contexts = models.flatMap(({ contextTokensMax }) => contextTokensMax ?? []);
  const price = highest(models);
  const capabilities = common(models);
  return {
    ...(contexts.length === 0 ? {} : { contextTokensMax: Math.min(...contexts) }),
    ...(price === null ? {} : { price }),
    ...(capabilities === null ? {} : { capabilities }),
  };
}

/** The highest price of each kind; a kind that a member has no price for is charged as its plain input. null: one is unknown. */
function highest(models: readonly Model[]): Price | null {
  const prices: Price[] = [];
  for (const { price } of models) {
    if (price === undefined) return null;
    prices.push(price);
  }
  const max = (of: (price: Price) => number): number => Math.max(...prices.map(of));
  return {
    inputUsd: max((price) => price.inputUsd),
    outputUsd: max((price) => price.outputUsd),
    cachedInputUsd: max((price) => price.cachedInputUsd ?? price.inputUsd),
    cacheWriteUsd: max((price) => price.cacheWriteUsd ?? price.inputUsd),
  };
}

/** The least strength in what is known of all. null: nothing is. */
function common(models: readonly Model[]): Capabilities | null {
  const [first, ...others] = models;
  const least: Record<string, number> = { ...first?.capabilities };
  for (const { capabilities = {} } of others)
    for (const name of Object.keys(least) as (keyof Capabilities)[]) {
      const strength = capabilities[name];
      if (strength === undefined) delete least[name];
      else least[name] = Math.min(least[name] as number, strength);
    }
  return Object.keys(least).length === 0 ? null : (least as Capabilities);
}

function checked(options: GroupOptions): GroupOptions {
  checkOptions(options, ['name', 'models', 'strategy', 'restMs'], 'modelGroup');
  const { name, models, strategy = 'failover' } = options;
  const isFine = typeof strategy === 'function' || STRATEGIES.includes(strategy);
  const wrong =
    typeof name !== 'string' || name.trim() === ''
      ? 'name is empty'
      : !Array.isArray(models) || models.length < 1 || models.length > 100
        ? 'models must be a list of 1–100 models'
        : isFine
          ? null
          : `strategy is "${String(strategy)}"; give one of ${STRATEGIES.join(', ')}, or a function`;
  if (wrong !== null) throw new NervaError('OPTION_INVALID', `modelGroup: ${wrong}. Nothing was made.`);
  return options;
}
