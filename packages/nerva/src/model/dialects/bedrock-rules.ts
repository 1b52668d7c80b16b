import type { JsonObject } from '../../core/index.ts';
import type { ModelParams } from '../model.ts';
import { claudeRules, samplingLeft, thinkingOf, type ClaudeRules } from './anthropic-rules.ts';

/** What models behind Converse differ in. */
export interface BedrockRules {
  /** Of Claude models; null for all others. */
  readonly claude: ClaudeRules | null;
  /** How others are told to think: `nova` by `reasoningConfig`, `effort` by `reasoning_effort`, or not at all. */
  readonly reasoning: 'nova' | 'effort' | 'none';
  /** What may be marked for the cache. */
  readonly cache: 'all' | 'system and messages' | 'none';
  /** How an answer of a schema is asked for: by a tool that must be called, by any tool that must be called, or in the prompt. */
  readonly output: 'tool' | 'any' | 'prompt';
  /** Whether a result can say by itself that it is an error. */
  readonly hasStatus: boolean;
  /** The form of call ids: Mistral's have nine letters and digits. */
  readonly ids: 'plain' | 'nine';
}

/**
 * The rules of a model by its id, also of an inference profile (`us.anthropic.claude-…`) or an ARN that names it. From "Supported models and
 * model features", "Prompt caching", "ToolChoice" and "ToolResultBlock" of the Bedrock user guide and API reference, and "Extended thinking"
 * of the Nova 2 user guide, read 2026-11.
 */
export function bedrockRules(model: string): BedrockRules {
  if (/claude/i.test(model))
    return { claude: claudeRules(model), reasoning: 'none', cache: 'all', output: 'tool', hasStatus: true, ids: 'plain' };
  const isNova = /nova/i.test(model);
  return {
    claude: null,
    reasoning: /nova-2/i.test(model) ? 'nova' : /gpt-oss/i.test(model) ? 'effort' : 'none',
    cache: isNova ? 'system and messages' : 'none',
    output: isNova ? 'tool' : /mistral/i.test(model) ? 'any' : 'prompt',
    hasStatus: isNova,
    ids: /mistral/i.test(model) ? 'nine' : 'plain',
  };
}

/** How a request is sampled, and how long the model thinks. */
export interface Sampling {
  readonly inferenceConfig: JsonObject;
  readonly additional: JsonObject;
  /** Parameters that are left out. */
  readonly left: readonly (keyof ModelParams)[];
}

/** @param isBlocked something else in the request forbids thinking. */
export function samplingOf(rules: BedrockRules, params: ModelParams, isBlocked: boolean): Sampling {
  const { claude } = rules;
  const told = claude === null ? otherThinking(rules, params) : claudeThinking(claude, params, isBlocked);
  const without = claude === null ? [] : samplingLeft(claude, params, told.isOn);
  const config: Record<string, unknown> = {
    // A budget for thinking is a part of a limit, so there must be one.
    maxTokens: params.maxOutputTokens ?? (claude?.thinking === 'budget' && told.isOn ? claude.maxOutputTokens : undefined),
    temperature: without.includes('temperature') ? undefined : params.temperature,
    topP: without.includes('topP') ? undefined : params.topP,
    stopSequences: params.stop,
  };
  return {
    inferenceConfig: Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined)) as JsonObject,
    additional: told.additional,
    left: [...without.filter((name) => params[name] !== undefined), ...(told.isLeft ? (['reasoning'] as const) : [])],
  };
}

interface Told {
  readonly additional: JsonObject;
  readonly isOn: boolean;
  readonly isLeft: boolean;
}

function claudeThinking(claude: ClaudeRules, params: ModelParams, isBlocked: boolean): Told {
  const { thinking, effort, isOn, isLeft } = thinkingOf(claude, params, isBlocked);
  return {
    additional: { ...(thinking === undefined ? {} : { thinking }), ...(effort === undefined ? {} : { output_config: { effort } }) },
    isOn,
    isLeft,
  };
}

function otherThinking({ reasoning: how }: BedrockRules, { reasoning, maxOutputTokens }: ModelParams): Told {
  if (reasoning === undefined) return { additional: {}, isOn: false, isLeft: false };
  const isOn = reasoning !== 'none';
  if (how === 'effort' && isOn) return { additional: { reasoning_effort: reasoning }, isOn, isLeft: false };
  if (how !== 'nova') return { additional: {}, isOn: false, isLeft: true };
  if (!isOn) return { additional: { reasoningConfig: { type: 'disabled' } }, isOn, isLeft: false };
  // At its highest effort it takes no limit of tokens; the limit is worth more.
  const isLowered = reasoning === 'high' && maxOutputTokens !== undefined;
  return {
    additional: { reasoningConfig: { type: 'enabled', maxReasoningEffort: isLowered ? 'medium' : reasoning } },
    isOn,
    isLeft: isLowered,
  };
}
