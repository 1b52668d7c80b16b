import { checkOptions, checkRange, NervaError, type JsonObject } from '../core/index.ts';
import { fromAiSdk, isAiSdkModel, type AiSdkModel, type Model, type ModelParams } from '../model/index.ts';
import type { Meter } from './meter.ts';
import type { TokenCounter } from './tokens.ts';

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
  /** How much of `tokensMax` what is no conversation may take. Default: as much as there is; of a memory, a quarter of what instructions, tools and the answer leave. */
  readonly sections?: ContextSections;
  /** The model's own tokenizer. Default: an estimate by the model's family. What the provider counted last goes before either. */
  readonly countTokens?: TokenCounter;
}

/** Shares of `tokensMax`, each 0.01–1, their sum at most 1. What they leave is the conversation's. */
export interface ContextSections {
  /** Of instructions, tools, the schema of an answer and the blocks of a memory that follow the instructions. They are never cut: more than this is an error. */
  readonly fixed?: number;
  /**
   * Of what a memory puts before a question: its blocks are cut to this, and entries recalled as far as there is room beside what it said before.
   * Default: a quarter of what instructions, tools, the blocks that follow them and the answer leave.
   */
  readonly memory?: number;
  /** Of the results of one step's calls together: longer ones are cut, small ones whole, the log has all of them. */
  readonly results?: number;
}

/** The same with nothing open. */
export interface Context extends Required<Omit<ContextOptions, 'model' | 'tokensMax' | 'turnsMax' | 'countTokens'>> {
  readonly tokensMax: number;
  readonly turnsMax: number;
  readonly countTokens: TokenCounter | undefined;
  readonly model: Model;
}

/** No window is larger. */
const WINDOW_MAX = 100_000_000;
const OPTIONS = ['tokensMax', 'compactAt', 'keep', 'turnsMax', 'strategy', 'summaryTokensMax', 'model', 'sections', 'countTokens'] as const;
const SECTIONS = ['fixed', 'memory', 'results'] as const;

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
    tokensMax: tokensMax === Infinity ? tokensMax : checkRange('context.tokensMax', tokensMax, 100, WINDOW_MAX),
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
    sections: checkSections(agent, given.sections, tokensMax),
    countTokens: checkCounter(given.countTokens),
  };
}

function checkSections(agent: string, given: ContextSections = {}, tokensMax: number): ContextSections {
  checkOptions(given, SECTIONS, 'createAgent: context.sections');
  const shares = SECTIONS.flatMap((name) =>
    given[name] === undefined ? [] : [checkRange(`context.sections.${name}`, given[name], 0.01, 1)],
  );
  const sum = shares.reduce((all, share) => all + share, 0);
  // Shares such as 0.7 and 0.3 may add up to a little more than 1.
  if (sum > 1 + Number.EPSILON * SECTIONS.length)
    throw new NervaError(
      'OPTION_INVALID',
      `context.sections of agent "${agent}" add up to ${sum}; they are shares of one window, so give at most 1 together. Nothing was made.`,
    );
  if (shares.length > 0 && tokensMax === Infinity)
    throw new NervaError(
      'AGENT_INVALID',
      `createAgent: context.sections of agent "${agent}" are shares of a window that nobody knows. Give context.tokensMax, or contextTokensMax to the model.`,
    );
  return given;
}

function checkCounter(given: TokenCounter | undefined): TokenCounter | undefined {
  if (given === undefined || typeof given === 'function') return given;
  throw new NervaError(
    'OPTION_INVALID',
    `context.countTokens must be a function from a text to its number of tokens; a ${typeof given} came. Nothing was made.`,
  );
}

/** Refuses an agent none of whose requests would fit. @throws AGENT_INVALID */
export function checkFixed(
  context: Context,
  { name, instructions, params }: { readonly name: string; readonly instructions: string; readonly params: ModelParams },
  meter: Meter,
): void {
  const over = overFixed(context, meter.fixed(instructions), params.maxOutputTokens ?? 0);
  if (over !== null) throw new NervaError('AGENT_INVALID', `createAgent: agent "${name}": ${over} Nothing was made.`);
}

/** How many tokens a section may take. Without one as many as any window has, and Infinity where the window is not known: only there is nothing bounded. */
export function sectionMax(context: Context | undefined, name: keyof ContextSections): number {
  if (context === undefined || context.tokensMax === Infinity) return Infinity;
  return Math.min(WINDOW_MAX, Math.floor((context.sections[name] ?? Infinity) * context.tokensMax));
}

/** What to say when the parts of a request that are never left out take more than they may; null when they fit. */
export function overFixed({ tokensMax, sections: { fixed }, countTokens }: Context, tokens: number, outputTokens: number): string | null {
  const max = Math.min(Math.floor((fixed ?? 1) * tokensMax), tokensMax - outputTokens);
  if (tokens <= max) return null;
  const limit =
    fixed === undefined
      ? `context.tokensMax ${tokensMax} and params.maxOutputTokens ${outputTokens} leave`
      : `context.sections.fixed ${fixed} of ${tokensMax} tokens allows`;
  const exact = countTokens === undefined ? ', or give context.countTokens, which counts exactly' : '';
  return `instructions, tools and what follows the instructions take about ${tokens} tokens; ${limit} ${max}. Shorten them, raise the limit${exact}.`;
}

/** As a part of the definition. What has no bound is absent; a function stands by its source text. */
export function contextJson({ model, tokensMax, turnsMax, sections, countTokens, ...rest }: Context): JsonObject {
  const bounds = Object.entries({ tokensMax, turnsMax }).filter(([, max]) => max !== Infinity);
  return {
    ...rest,
    ...Object.fromEntries(bounds),
    ...(Object.keys(sections).length === 0 ? {} : { sections: { ...sections } }),
    ...(countTokens === undefined ? {} : { countTokens: String(countTokens) }),
    model: model.name,
  };
}
