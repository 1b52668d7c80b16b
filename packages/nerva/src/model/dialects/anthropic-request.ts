import { assert, type JsonObject } from '../../core/index.ts';
import { cannotCarry } from '../content.ts';
import type { Message, ToolSpec } from '../message.ts';
import type { ModelParams, ModelRequest } from '../model.ts';
import { rolling } from '../rolling.ts';
import type { Encoded } from '../wire.ts';
import { ANSWER_TOOL, ANSWER_VALUE_TOOL } from './anthropic-answer.ts';
import { History } from './anthropic-history.ts';
import { isNativeSchema, samplingLeft, thinkingOf, type ClaudeRules } from './anthropic-rules.ts';

/** How requests of one model are written. */
export interface AnthropicHow {
  readonly rules: ClaudeRules;
  /** `auto`: tools, instructions and the last message are marked for the provider's cache. */
  readonly cache: 'auto' | 'off';
  /** Whether documents are sent so that the model cites them. */
  readonly citesDocuments: boolean;
  /** Whether thinking is shown. Models that decide themselves how much to think seal it by default: there the default is that it is. */
  readonly display?: 'summarized' | 'omitted';
  /** Tools that run at the provider, as its documentation has them. */
  readonly serverTools: readonly JsonObject[];
}

const MARK = ',"cache_control":{"type":"ephemeral"}';
const CACHE_CONTROL = { cache_control: { type: 'ephemeral' } };
/** What this wire has no place for. */
const WITHOUT = ['seed', 'logprobs', 'tokenIds'] as const;

/**
 * Encodes requests of the Messages API for one model ("Create a Message", "Prompt caching", "Tool use", read 2026-11), and remembers the texts
 * that it made. The history comes last: a conversation that grew costs its new messages and one copy of text, also when its last block is
 * marked for the cache.
 */
export class AnthropicEncoder {
  readonly #name: string;
  readonly #model: string;
  readonly #how: AnthropicHow;
  readonly #heads = new WeakMap<readonly ToolSpec[], Head>();
  readonly #history: (messages: readonly Message[], context: null) => History | null;

  /** @param name `provider/model`, `model` as the endpoint names it. */
  constructor(name: string, model: string, how: AnthropicHow) {
    this.#name = name;
    this.#model = model;
    this.#how = how;
    this.#history = rolling<History | null, null>(null, (known, message) => {
      const history = known ?? new History(name, how.citesDocuments);
      history.add(message);
      return history;
    });
  }

  /** @throws MODEL_REFUSED for content that the wire cannot carry. */
  encode(request: ModelRequest, isStream: boolean): Encoded {
    const history = this.#history(request.messages, null);
    if (history === null || history.isEmpty) throw cannotCarry(this.#name, 'conversation without a word', 'Send a message first.');
    const mark = this.#how.cache === 'auto' ? MARK : '';
    const { instructions } = request;
    const system = instructions.trim() === '' ? '' : `"system":[{"type":"text","text":${JSON.stringify(instructions)}${mark}}],`;
    const head = this.#head(request, {
      isStream,
      isThoughtless: this.#how.rules.thinking === 'budget' && history.isThoughtless,
      names: request.tools.length === 0 ? history.names : [],
    });
    return {
      path: '/messages',
      body: `${head.text}${system}"messages":${history.json(mark)}}`,
      notSent: [...head.left, ...history.left],
    };
  }

  #head({ tools, params }: ModelRequest, situation: Situation): Head {
    const known = this.#heads.get(tools);
    const key = `${situation.isStream} ${situation.isThoughtless} ${situation.names.join(' ')}`;
    if (known?.params === params && known.key === key) return known;
    const { head, left } = this.#headOf(tools, params, situation);
    const text = `${JSON.stringify(head).slice(0, -1)},`;
    const made: Head = { params, key, text, left };
    this.#heads.set(tools, made);
    return made;
  }

  #headOf(
    tools: readonly ToolSpec[],
    params: ModelParams,
    { isStream, isThoughtless, names }: Situation,
  ): { readonly head: Readonly<Record<string, unknown>>; readonly left: readonly string[] } {
    const { rules, display } = this.#how;
    const { outputSchema: schema, temperature, topP, toolChoice } = params;
    const isByTool = schema !== undefined && (rules.output === 'tool' || !isNativeSchema(schema));
    const isForced = isByTool || toolChoice === 'required' || typeof toolChoice === 'object';
    const { thinking, effort, isOn, isLeft } = thinkingOf(rules, params, isThoughtless || isForced);
    const sampling = samplingLeft(rules, params, isOn);
    const format = schema === undefined || isByTool ? undefined : { type: 'json_schema', schema };
    // Members that are undefined are not written.
    const head: Record<string, unknown> = {
      model: this.#model,
      max_tokens: params.maxOutputTokens ?? rules.maxOutputTokens,
      thinking: isOn ? { ...thinking, display: rules.thinking === 'adaptive' ? (display ?? 'summarized') : display } : thinking,
      output_config: effort === undefined && format === undefined ? undefined : { effort, format },
      ...this.#toolsOf(tools, params, isByTool ? schema : undefined, names),
      temperature: sampling.includes('temperature') ? undefined : temperature,
      top_p: sampling.includes('topP') ? undefined : topP,
      stop_sequences: params.stop,
      stream: isStream ? true : undefined,
    };
    addExtra(head, params.extra, ['messages', 'system']);
    const left = [...WITHOUT, ...sampling].filter((name) => params[name] !== undefined);
    return { head, left: [...left, ...(isLeft ? ['reasoning'] : [])].map((name) => `params.${name}`) };
  }

  /**
   * `names` are the tools that a history called though none are offered now: "requests which include `tool_use` or `tool_result` blocks must
   * define tools", so they are named, and forbidden.
   */
  #toolsOf(
    tools: readonly ToolSpec[],
    { toolChoice, parallelToolCalls }: ModelParams,
    schema: JsonObject | undefined,
    names: readonly string[],
  ): Record<string, unknown> {
    checkNames(tools);
    const answer = schema === undefined ? {} : answerTool(schema);
    const { serverTools, cache } = this.#how;
    const isNamedOnly = schema === undefined && tools.length === 0 && serverTools.length === 0;
    const all: JsonObject[] = [
      ...serverTools,
      ...tools.map(({ name, description, inputSchema }) => ({
        name,
        ...(description === '' ? {} : { description }),
        input_schema: inputSchema,
      })),
      ...(schema === undefined ? [] : [answer]),
      ...(isNamedOnly ? names.map((name) => ({ name, input_schema: { type: 'object' } })) : []),
    ];
    const last = all.at(-1);
    if (last === undefined) return {};
    if (cache === 'auto') all.splice(-1, 1, { ...last, ...CACHE_CONTROL });
    if (isNamedOnly) return { tools: all, tool_choice: { type: 'none' } };
    const choice = schema === undefined ? choiceOf(toolChoice) : answerChoice(toolChoice, answer, tools.length > 0);
    if (parallelToolCalls !== false || choice?.['type'] === 'none')
      return { tools: all, ...(choice === null ? {} : { tool_choice: choice }) };
    return { tools: all, tool_choice: { ...(choice ?? { type: 'auto' }), disable_parallel_tool_use: true } };
  }
}

interface Situation {
  readonly isStream: boolean;
  readonly isThoughtless: boolean;
  readonly names: readonly string[];
}

interface Head {
  readonly params: ModelParams;
  readonly key: string;
  readonly text: string;
  readonly left: readonly string[];
}

/** Adds `params.extra`. Invariant M1: it names nothing that has an option of its own. */
export function addExtra(head: Record<string, unknown>, extra: JsonObject = {}, taken: readonly string[] = []): void {
  for (const [name, value] of Object.entries(extra)) {
    const isTaken = head[name] !== undefined || taken.includes(name);
    assert(!isTaken, `M1 params.extra does not name "${name}", which has an option of its own`);
    head[name] = value;
  }
}

function choiceOf(choice: ModelParams['toolChoice']): JsonObject | null {
  if (choice === undefined) return null;
  if (typeof choice === 'object') return { type: 'tool', name: choice.tool };
  return { type: choice === 'required' ? 'any' : choice };
}

/** The answer comes by a tool: beside other tools one of all must be called. */
function answerChoice(choice: ModelParams['toolChoice'], { name }: JsonObject, hasTools: boolean): JsonObject {
  if (typeof choice === 'object') return { type: 'tool', name: choice.tool };
  return hasTools && choice !== 'none' ? { type: 'any' } : { type: 'tool', name: name ?? ANSWER_TOOL, disable_parallel_tool_use: true };
}

/** A tool whose arguments are the answer, as this wire has tools. Arguments are objects: what is none goes inside of one. */
function answerTool(schema: JsonObject): JsonObject {
  const { name, parameters } = answerSchema(schema);
  return { name, description: 'Gives the final answer.', input_schema: parameters };
}

/** Name and parameters of the tool by which an answer of this schema comes. */
export function answerSchema(schema: JsonObject): { readonly name: string; readonly parameters: JsonObject } {
  if (schema['type'] === 'object') return { name: ANSWER_TOOL, parameters: schema };
  const { $defs, ...value } = schema;
  const shared = $defs === undefined ? {} : { $defs };
  return { name: ANSWER_VALUE_TOOL, parameters: { type: 'object', properties: { value }, required: ['value'], ...shared } };
}

/** The names of the tool by which an answer comes are taken. */
export function checkNames(tools: readonly ToolSpec[]): void {
  const taken = tools.find(({ name }) => name === ANSWER_TOOL || name === ANSWER_VALUE_TOOL);
  assert(taken === undefined, `M6 no tool is called ${taken?.name ?? ''}: the name is taken`);
}
