import type { Json, JsonObject } from '../../core/index.ts';
import type { ModelParams } from '../model.ts';

/** What Claude models differ in, from model to model. */
export interface ClaudeRules {
  /** `adaptive`: it decides how much to think; `budget`: it is given a number of tokens; `none`: it does not think. */
  readonly thinking: 'adaptive' | 'budget' | 'none';
  /** Whether thinking can be switched off. */
  readonly canStopThinking: boolean;
  /** Which of `temperature` and `topP` it takes: both, one of them, or none. */
  readonly sampling: 'both' | 'one' | 'none';
  /** How an answer of a schema is asked for: natively, or by a tool that it must call. */
  readonly output: 'native' | 'tool';
  /** Sent when the request has no limit of its own: the wire demands one. */
  readonly maxOutputTokens: number;
}

/**
 * The rules of a model by its name, also with what Bedrock puts around it. An unknown name counts as the newest.
 * From "Extended thinking", "Adaptive thinking", "Structured outputs" and "Models overview" of Anthropic's documentation, and
 * "Adaptive thinking" of the Bedrock user guide, read 2026-11.
 */
export function claudeRules(model: string): ClaudeRules {
  const generation = generationOf(model);
  return {
    thinking: generation < 3.7 ? 'none' : generation < 4.6 ? 'budget' : 'adaptive',
    canStopThinking: !/fable|mythos/i.test(model),
    sampling: generation < 4.1 ? 'both' : generation < 4.7 ? 'one' : 'none',
    output: generation < 4.5 ? 'tool' : 'native',
    maxOutputTokens: generation < 3.5 ? 4096 : generation < 3.7 ? 8192 : 32_000,
  };
}

/** `claude-3-7-sonnet-…` is 3.7, `claude-opus-4-6` is 4.6, `claude-sonnet-4-20250514` is 4; a date is no minor version. */
function generationOf(model: string): number {
  const match = /claude-(?:[a-z]+-)?(\d)(?:[-.](\d)(?!\d))?/i.exec(model);
  return match === null ? Number.POSITIVE_INFINITY : Number(`${match[1] ?? ''}.${match[2] ?? '0'}`);
}

/** How a request asks for thinking. */
export interface Thinking {
  readonly thinking?: JsonObject;
  readonly effort?: string;
  /** Whether the model thinks by this request: then it cannot be told how to sample. */
  readonly isOn: boolean;
  /** Whether the wish could not be met. */
  readonly isLeft: boolean;
}

const BUDGET_TOKENS_MIN = 1024;
/** Of the output limit, which thinking counts into. */
const BUDGET_SHARES = { low: 0.2, medium: 0.5, high: 0.8 } as const;

/** @param isBlocked something else in the request forbids thinking: a tool that must be called, or a history that did not think. */
export function thinkingOf(
  rules: ClaudeRules,
  { reasoning, maxOutputTokens = rules.maxOutputTokens }: ModelParams,
  isBlocked: boolean,
): Thinking {
  const off = rules.thinking === 'adaptive' && rules.canStopThinking ? { thinking: { type: 'disabled' } } : {};
  if (reasoning === undefined) return { isOn: false, isLeft: false };
  if (reasoning === 'none') return { ...off, isOn: false, isLeft: rules.thinking === 'adaptive' && !rules.canStopThinking };
  if (isBlocked || rules.thinking === 'none') return { ...off, isOn: false, isLeft: true };
  if (rules.thinking === 'adaptive') return { thinking: { type: 'adaptive' }, effort: reasoning, isOn: true, isLeft: false };
  const budget = Math.max(BUDGET_TOKENS_MIN, Math.floor(maxOutputTokens * BUDGET_SHARES[reasoning]));
  if (budget >= maxOutputTokens) return { isOn: false, isLeft: true };
  return { thinking: { type: 'enabled', budget_tokens: budget }, isOn: true, isLeft: false };
}

/** Which of `temperature` and `topP` are left out. */
export function samplingLeft(rules: ClaudeRules, params: ModelParams, isThinking: boolean): readonly ('temperature' | 'topP')[] {
  if (isThinking || rules.sampling === 'none') return ['temperature', 'topP'];
  return rules.sampling === 'one' && params.temperature !== undefined ? ['topP'] : [];
}

const KEYWORDS = new Set(
  'type properties required additionalProperties items enum const anyOf default format description title $schema minItems pattern'.split(
    ' ',
  ),
);

/**
 * Whether native structured output takes a schema as it is ("Structured outputs", JSON Schema limitations, 2026-11): objects are closed, and
 * no keyword that it refuses. References are left to the tool: they may recur.
 */
export function isNativeSchema(schema: Json | undefined): boolean {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return false;
  const object = schema as JsonObject;
  if (Object.keys(object).some((name) => !KEYWORDS.has(name))) return false;
  const { type, properties, items, anyOf, minItems = 0 } = object;
  if ((type === 'object' || properties !== undefined) && object['additionalProperties'] !== false) return false;
  if (minItems !== 0 && minItems !== 1) return false;
  return (
    Object.values((properties ?? {}) as JsonObject).every(isNativeSchema) &&
    ((anyOf ?? []) as readonly Json[]).every(isNativeSchema) &&
    (items === undefined || isNativeSchema(items))
  );
}
