import type { JsonObject } from '../../core/index.ts';
import { cannotCarry, promptedOutput } from '../content.ts';
import type { Message, ToolSpec } from '../message.ts';
import type { ModelParams, ModelRequest } from '../model.ts';
import { rolling } from '../rolling.ts';
import type { Encoded } from '../wire.ts';
import { addExtra, answerSchema, checkNames } from './anthropic-request.ts';
import { BedrockHistory } from './bedrock-history.ts';
import { samplingOf, type BedrockRules } from './bedrock-rules.ts';

/** How requests of one model are written. */
export interface BedrockHow {
  readonly rules: BedrockRules;
  readonly citesDocuments: boolean;
}

const MARK = '{"cachePoint":{"type":"default"}}';
const CACHE_POINT = { cachePoint: { type: 'default' } };
/** What this wire has no place for. */
const WITHOUT = ['seed', 'logprobs', 'tokenIds', 'parallelToolCalls'] as const;

/**
 * Encodes requests of Converse for one model ("Converse", Bedrock API reference, and "Prompt caching", Bedrock user guide, read 2026-11), and
 * remembers the texts that it made. The history comes last: a conversation that grew costs its new messages and one copy of text.
 */
export class BedrockEncoder {
  readonly #name: string;
  readonly #path: string;
  readonly #how: BedrockHow;
  readonly #heads = new WeakMap<readonly ToolSpec[], Head>();
  readonly #history: (messages: readonly Message[], context: null) => BedrockHistory | null;

  /** @param name `provider/model`, `model` an id or an ARN: it is a part of the path. */
  constructor(name: string, model: string, how: BedrockHow) {
    this.#name = name;
    this.#path = `/model/${encodeURIComponent(model)}`;
    this.#how = how;
    const { hasStatus, ids } = how.rules;
    this.#history = rolling<BedrockHistory | null, null>(null, (known, message) => {
      const history = known ?? new BedrockHistory({ by: name, citesDocuments: how.citesDocuments, hasStatus, ids });
      history.add(message);
      return history;
    });
  }

  /** @throws MODEL_REFUSED for content that the wire cannot carry. */
  encode(request: ModelRequest, isStream: boolean): Encoded {
    const history = this.#history(request.messages, null);
    if (history === null || history.isEmpty) throw cannotCarry(this.#name, 'conversation without a word', 'Send a message first.');
    const { rules } = this.#how;
    const isPrompted = rules.output === 'prompt';
    const words = isPrompted ? promptedOutput(request.instructions, request.params.outputSchema) : request.instructions;
    const mark = rules.cache === 'none' ? '' : MARK;
    const system = words.trim() === '' ? '' : `"system":[{"text":${JSON.stringify(words)}}${mark === '' ? '' : `,${mark}`}],`;
    const head = this.#head(request, { isThoughtless: rules.claude?.thinking === 'budget' && history.isThoughtless, names: history.names });
    return {
      path: `${this.#path}/${isStream ? 'converse-stream' : 'converse'}`,
      body: `${head.text}${system}"messages":${history.json(mark)}}`,
      notSent: [...head.left, ...history.left],
    };
  }

  #head({ tools, params }: ModelRequest, situation: Situation): Head {
    // Names matter only where no tools are offered, or none may be called.
    const names = tools.length === 0 || params.toolChoice === 'none' ? situation.names : [];
    const key = `${situation.isThoughtless} ${names.join(' ')}`;
    const known = this.#heads.get(tools);
    if (known?.params === params && known.key === key) return known;
    const { head, left } = this.#headOf(tools, params, { ...situation, names });
    const inner = JSON.stringify(head).slice(0, -1);
    const made: Head = { params, key, text: inner === '{' ? inner : `${inner},`, left };
    this.#heads.set(tools, made);
    return made;
  }

  #headOf(
    tools: readonly ToolSpec[],
    params: ModelParams,
    { isThoughtless, names }: Situation,
  ): { readonly head: Readonly<Record<string, unknown>>; readonly left: readonly string[] } {
    const { rules } = this.#how;
    const { outputSchema, toolChoice } = params;
    const schema = rules.output === 'prompt' ? undefined : outputSchema;
    const isForced = schema !== undefined || toolChoice === 'required' || typeof toolChoice === 'object';
    const { inferenceConfig, additional, left } = samplingOf(rules, params, isThoughtless || isForced);
    const isNone = toolChoice === 'none' && schema === undefined;
    const head: Record<string, unknown> = {
      inferenceConfig: Object.keys(inferenceConfig).length === 0 ? undefined : inferenceConfig,
      additionalModelRequestFields: Object.keys(additional).length === 0 ? undefined : additional,
      toolConfig: this.#toolsOf(isNone && names.length === 0 ? [] : tools, params, schema, names),
    };
    addExtra(head, params.extra, ['messages', 'system']);
    const lost = [...WITHOUT.filter((name) => params[name] !== undefined), ...left];
    // Nothing here says that no tool may be called, and tools that a history has must be defined.
    const isUnsaid = isNone && tools.length > 0 && names.length > 0;
    return { head, left: [...lost, ...(isUnsaid ? ['toolChoice'] : [])].map((name) => `params.${name}`) };
  }

  /**
   * `names` are the tools that a history called though none are offered now: "the toolConfig field must be defined when using toolUse and
   * toolResult content blocks", so they are named.
   */
  #toolsOf(
    tools: readonly ToolSpec[],
    { toolChoice }: ModelParams,
    schema: JsonObject | undefined,
    names: readonly string[],
  ): Record<string, unknown> | undefined {
    checkNames(tools);
    const { output, cache } = this.#how.rules;
    const answer = schema === undefined ? undefined : answerSchema(schema);
    const specs: JsonObject[] = tools.map(({ name, description, inputSchema }) => ({
      name,
      ...(description === '' ? {} : { description }),
      inputSchema: { json: inputSchema },
    }));
    if (answer !== undefined)
      specs.push({ name: answer.name, description: 'Gives the final answer.', inputSchema: { json: answer.parameters } });
    if (specs.length === 0) {
      const gone = 'Not available any more; do not call it.';
      specs.push(...names.map((name) => ({ name, description: gone, inputSchema: { json: { type: 'object' } } })));
    }
    if (specs.length === 0) return undefined;
    const list: JsonObject[] = [...specs.map((toolSpec) => ({ toolSpec })), ...(cache === 'all' ? [CACHE_POINT] : [])];
    if (tools.length === 0 && answer === undefined) return { tools: list };
    const choice =
      answer === undefined ? choiceOf(toolChoice) : answerChoice(answer.name, toolChoice, output === 'tool' && tools.length === 0);
    return { tools: list, toolChoice: choice };
  }
}

interface Situation {
  readonly isThoughtless: boolean;
  readonly names: readonly string[];
}

interface Head {
  readonly params: ModelParams;
  readonly key: string;
  readonly text: string;
  readonly left: readonly string[];
}

function choiceOf(choice: ModelParams['toolChoice']): JsonObject | undefined {
  if (typeof choice === 'object') return { tool: { name: choice.tool } };
  return choice === 'auto' ? { auto: {} } : choice === 'required' ? { any: {} } : undefined;
}

/** The answer comes by a tool: beside other tools one of all must be called. */
function answerChoice(name: string, choice: ModelParams['toolChoice'], isAlone: boolean): JsonObject {
  if (typeof choice === 'object') return { tool: { name: choice.tool } };
  return isAlone ? { tool: { name } } : { any: {} };
}
