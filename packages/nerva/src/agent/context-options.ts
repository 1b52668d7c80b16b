import { checkOptions, checkRange, NervaError, type JsonObject } from '../core/index.ts';
import { fromAiSdk, isAiSdkModel, type AiSdkModel, type Model } from '../model/index.ts';

/** What becomes of the beginning of a conversation that gets too long for its model. */
export const STRATEGIES = ['summary', 'structured', 'observations', 'drop'] as const;
/**
 * `summary`: a model tells what happened, anew each time, from its last summary and what came since · `structured`: the same in seven fields, with quotes
 * that are checked to be words of the conversation · `observations`: a list of notes that grows, and is condensed once it is full ·
 * `drop`: nothing stands in its place; no model is asked.
 */
export type ContextStrategy = (typeof STRATEGIES)[number];

/** How an agent keeps its conversation within what its model takes. What is left out of the prompt stays in the log. */
export interface ContextOptions {
  /** Of a request and its answer. Default: what the model takes. */
  readonly tokensMax?: number;
  /** From this share of `tokensMax` on the beginning is compacted, 0.1–1. Default 0.8. */
  readonly compactAt?: number;
  /** How much of the end stays word by word, as a share of `tokensMax`, 0–0.9 and below `compactAt`. Default 0.3. */
  readonly keep?: number;
  /** More turns than this since it was last compacted are compacted too, and the newer half stays; 1–10,000. Default: as many as fit. */
  readonly turnsMax?: number;
  /** Default `summary`. */
  readonly strategy?: ContextStrategy;
  /** Of what stands in place of what was left out, 20–100,000. Default a tenth of `tokensMax`, at most 2,000. */
  readonly summaryTokensMax?: number;
  /** Who summarises. Default: the agent's model. */
  readonly model?: Model | AiSdkModel;
}

/** The same with nothing open. */
export interface Context extends Required<Omit<ContextOptions, 'model' | 'tokensMax' | 'turnsMax'>> {
  readonly tokensMax: number;
  readonly turnsMax: number;
  readonly model: Model;
}

const OPTIONS = ['tokensMax', 'compactAt', 'keep', 'turnsMax', 'strategy', 'summaryTokensMax', 'model'] as const;

/** Checks the option. @throws OPTION_UNKNOWN, OPTION_INVALID, AGENT_INVALID (no model, or nobody says how much it takes). */
export function checkContext(agent: string, given: ContextOptions | undefined, model: Model | undefined): Context | undefined {
  if (given === undefined) return undefined;
  checkOptions(given, OPTIONS, 'createAgent: context');
  if (model === undefined)
    throw new NervaError(
      'AGENT_INVALID',
      `createAgent: agent "${agent}" has a context and no model; a policy reads no prompt. Leave it out.`,
    );
  const { strategy = 'summary' } = given;
  if (!STRATEGIES.includes(strategy))
    throw new NervaError(
      'OPTION_INVALID',
      `context.strategy must be one of ${STRATEGIES.join(', ')}; ${String(JSON.stringify(strategy)).slice(0, 80)} came. Nothing was made.`,
    );
  const { turnsMax, tokensMax = model.contextTokensMax ?? (turnsMax === undefined ? undefined : Infinity) } = given;
  if (tokensMax === undefined)
    throw new NervaError(
      'AGENT_INVALID',
      `createAgent: nobody says how much ${model.name} takes. Give context.tokensMax or context.turnsMax to agent "${agent}", or contextTokensMax to the model.`,
    );
  const compactAt = checkRange('context.compactAt', given.compactAt ?? 0.8, 0.1, 1);
  return {
    tokensMax: tokensMax === Infinity ? tokensMax : checkRange('context.tokensMax', tokensMax, 100, 100_000_000),
    compactAt,
    keep: checkRange('context.keep', given.keep ?? Math.min(0.3, compactAt / 2), 0, Math.min(0.9, compactAt)),
    turnsMax: turnsMax === undefined ? Infinity : checkRange('context.turnsMax', turnsMax, 1, 10_000),
    strategy,
    summaryTokensMax: checkRange(
      'context.summaryTokensMax',
      given.summaryTokensMax ?? Math.min(2_000, Math.max(20, Math.floor(tokensMax / 10))),
      20,
      100_000,
    ),
    model: given.model === undefined ? model : isAiSdkModel(given.model) ? fromAiSdk(given.model) : given.model,
  };
}

/** As a part of the definition. What has no bound is absent. */
export function contextJson({ model, tokensMax, turnsMax, ...rest }: Context): JsonObject {
  const bounds = Object.entries({ tokensMax, turnsMax }).filter(([, max]) => max !== Infinity);
  return { ...rest, ...Object.fromEntries(bounds), model: model.name };
}
