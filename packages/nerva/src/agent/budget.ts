import type { Model, Price } from '../model/index.ts';
import { overFixed } from './context-options.ts';
import type { Bound } from './definition.ts';
import type { EndReason, Reserve } from './events.ts';
import { boundTokens, estimateTokens, fixedTokens } from './context.ts';
import type { AgentState, Tally } from './state.ts';

/** Why the next step may not start, or null. B1: Σ(spent + reserved) + the worst case of the next call ≤ limit. */
export function refusal(state: AgentState, bound: Bound): Refusal | null {
  const tooLong = contextRefusal(state, bound);
  if (tooLong !== null) return { reason: 'error', why: tooLong };
  return timeRefusal(state, bound) ?? spendRefusal(state, bound, reserveFor(state, bound));
}

/** Why a turn ends in place of its next step. */
interface Refusal {
  readonly reason: EndReason;
  readonly why: string;
}

/** The time or the steps are over. */
export function timeRefusal(state: AgentState, bound: Bound): Refusal | null {
  const { budget } = bound.agent;
  if (budget === undefined) return null;
  const over = (why: string): Refusal => ({ reason: 'budget', why });
  const { startedMs } = state.budget;
  const turnMs = state.nowMs - (state.turn.open?.startedMs ?? state.nowMs);
  if (budget.turnMs !== undefined && turnMs >= budget.turnMs) return over(`turnMs ${budget.turnMs}`);
  if (budget.sessionMs !== undefined && state.nowMs - startedMs >= budget.sessionMs) return over(`sessionMs ${budget.sessionMs}`);
  if (budget.sessionStepsMax !== undefined && state.turn.steps >= budget.sessionStepsMax)
    return over(`sessionStepsMax ${budget.sessionStepsMax}`);
  return null;
}

/** The worst case of a call would be more than what is left. */
export function spendRefusal(
  { budget: { turn, session } }: AgentState,
  { agent: { budget } }: Bound,
  worst: Reserve | null,
): Refusal | null {
  if (worst === null || budget === undefined) return null;
  return (
    spent(turn, worst, { tokens: budget.turnTokensMax, usd: budget.turnUsdMax, name: 'turn' }) ??
    spent(session, worst, { tokens: budget.sessionTokensMax, usd: budget.sessionUsdMax, name: 'session' })
  );
}

function spent(
  tally: Tally,
  worst: Reserve,
  max: { readonly tokens: number | undefined; readonly usd: number | undefined; readonly name: string },
): Refusal | null {
  if (max.tokens !== undefined && tally.tokens + worst.tokens > max.tokens) {
    return { reason: 'budget', why: `${max.name}TokensMax ${max.tokens}: ${tally.tokens} spent, the next call may take ${worst.tokens}` };
  }
  if (max.usd !== undefined && (worst.usd === null || tally.usd + worst.usd > max.usd)) {
    return {
      reason: 'budget',
      why: `${max.name}UsdMax ${max.usd}: ${tally.usd} spent, the next call may take ${worst.usd ?? 'an unknown sum'}`,
    };
  }
  return null;
}

/** The worst case of the next model call, or null when no budget asks for it. A token is at least one byte: bytes bound what the provider has not counted yet. */
export function reserveFor(state: AgentState, bound: Bound): Reserve | null {
  const { model, params } = bound.agent;
  return model === undefined
    ? null
    : worstOf(bound, model, () => ({ input: boundTokens(state, bound), output: params.maxOutputTokens ?? 0 }));
}

/** What a call of a model may take at most, or null when no budget asks for it. */
export function worstOf(
  { agent: { budget } }: Bound,
  { price }: Model,
  tokens: () => { readonly input: number; readonly output: number },
): Reserve | null {
  const isBounded = budget?.turnTokensMax ?? budget?.sessionTokensMax ?? budget?.turnUsdMax ?? budget?.sessionUsdMax;
  if (isBounded === undefined) return null;
  const { input, output } = tokens();
  const usd = price === undefined ? null : (input * dearest(price) + output * price.outputUsd) / 1_000_000;
  return { tokens: input + output, usd };
}

/** What a token of input costs at most: writing to a cache may cost more than plain input. */
const dearest = ({ inputUsd, cacheWriteUsd = 0 }: Price): number => Math.max(inputUsd, cacheWriteUsd);

/** The conversation does not fit: counted by what the provider said last, and by an estimate for what came since. */
function contextRefusal(state: AgentState, bound: Bound): string | null {
  const fixed = fixedRefusal(state, bound);
  if (fixed !== null) return `CONTEXT_TOO_LONG: ${fixed}`;
  const tokensMax = bound.agent.context?.tokensMax ?? bound.agent.model?.contextTokensMax;
  if (tokensMax === undefined) return null;
  const tokens = estimateTokens(state, bound) + (bound.agent.params.maxOutputTokens ?? 0);
  return tokens > tokensMax ? `CONTEXT_TOO_LONG: about ${tokens} tokens, the model takes ${tokensMax}` : null;
}

/** What no compaction takes away does not fit alone, or null. With a memory it may grow after the agent was made. */
export function fixedRefusal(state: AgentState, bound: Bound): string | null {
  const { context, params } = bound.agent;
  return context === undefined ? null : overFixed(context, fixedTokens(state, bound), params.maxOutputTokens ?? 0);
}
