import { assert, type Json, type JsonObject } from '../../core/index.ts';
import { cannotCarry, notSent, promptedOutput } from '../content.ts';
import type { ToolSpec } from '../message.ts';
import type { ModelParams, ModelRequest } from '../model.ts';
import { rolling } from '../rolling.ts';
import type { Encoded } from '../wire.ts';
import { flat, joined } from './encoding.ts';
import { chatMessage } from './openai-chat-messages.ts';
import type { ChatQuirks } from './openai-chat-quirks.ts';

/** Encodes requests for one model of one endpoint, and remembers the texts that it made. */
export class ChatEncoder {
  readonly #name: string;
  readonly #model: string;
  readonly #quirks: ChatQuirks;
  /** JSON of what stands before `messages`; by the identity of the tools, since a session hands in the same list each time. */
  readonly #heads = new WeakMap<readonly ToolSpec[], Head>();
  readonly #history = rolling<string, null>('', (state, message) =>
    flat(joined(state, chatMessage(message, { name: this.#name, quirks: this.#quirks }))),
  );

  /** @param name `provider/model`, `model` as the endpoint names it. */
  constructor(name: string, model: string, quirks: ChatQuirks) {
    this.#name = name;
    this.#model = model;
    this.#quirks = quirks;
  }

  /**
   * The history comes last, and each message's JSON is made once in its life: a conversation that grew costs its new messages and one
   * copy of text.
   */
  encode(request: ModelRequest, isStream: boolean): Encoded {
    const { output = 'schema', path = '/chat/completions', reasoningField } = this.#quirks;
    const { params, tools } = request;
    if (this.#quirks.tools === false && tools.length > 0) throw cannotCarry(this.#name, 'tools', 'Choose a model that takes them.');
    const instructions = output === 'schema' ? request.instructions : promptedOutput(request.instructions, params.outputSchema);
    const system = instructions === '' ? '' : JSON.stringify({ role: 'system', content: instructions });
    const messages = this.#history(request.messages, null);
    return {
      path,
      body: `${this.#head(request, isStream)}"messages":[${joined(system, messages)}]}`,
      notSent: notSent(request, { by: this.#name, params: this.#left(params), keepsReasoning: reasoningField !== undefined }),
    };
  }

  /** Parameters that are left out: those that the endpoint refuses, and values that it has no word for. */
  #left(params: ModelParams): readonly (keyof ModelParams)[] {
    const { without = [], toolChoices, effort, efforts } = this.#quirks;
    const { toolChoice, reasoning } = params;
    const left = [...without];
    const kind = typeof toolChoice === 'object' ? 'tool' : toolChoice;
    if (kind !== undefined && toolChoices?.includes(kind) === false) left.push('toolChoice');
    if (reasoning !== undefined && (effort === 'none' || efforts?.[reasoning] === null)) left.push('reasoning');
    return left;
  }

  #head({ tools, params }: ModelRequest, isStream: boolean): string {
    const known = this.#heads.get(tools);
    if (known?.params === params && known.isStream === isStream) return known.text;
    const text = `${JSON.stringify(this.#headOf(tools, params, isStream)).slice(0, -1)},`;
    this.#heads.set(tools, { params, isStream, text });
    return text;
  }

  #headOf(tools: readonly ToolSpec[], given: ModelParams, isStream: boolean): Record<string, unknown> {
    const { maxTokensField = 'max_completion_tokens', seedField = 'seed', streamUsage = true, logprobs = 'flag', body } = this.#quirks;
    const left = this.#left(given);
    const params = Object.fromEntries(Object.entries(given).filter(([name]) => !left.includes(name as keyof ModelParams))) as ModelParams;
    const head: Record<string, unknown> = { model: this.#model, ...this.#toolsOf(tools, params) };
    if (params.maxOutputTokens !== undefined) head[maxTokensField] = params.maxOutputTokens;
    if (params.temperature !== undefined) head['temperature'] = params.temperature;
    if (params.topP !== undefined) head['top_p'] = params.topP;
    if (params.seed !== undefined) head[seedField] = params.seed;
    if (params.stop !== undefined) head['stop'] = params.stop;
    Object.assign(head, this.#output(params.outputSchema), this.#effort(params.reasoning));
    if (params.logprobs !== undefined)
      Object.assign(head, logprobs === 'count' ? { logprobs: Math.max(1, params.logprobs) } : flagged(params.logprobs));
    if (params.tokenIds === true) head['return_token_ids'] = true;
    if (isStream) Object.assign(head, { stream: true }, streamUsage ? { stream_options: { include_usage: true } } : {});
    for (const [name, value] of Object.entries(params.extra ?? {})) {
      assert(!(name in head) && name !== 'messages', `M1 params.extra does not name "${name}", which has an option of its own`);
      head[name] = value;
    }
    return { ...body, ...head };
  }

  #toolsOf(tools: readonly ToolSpec[], { toolChoice, parallelToolCalls }: ModelParams): Record<string, unknown> {
    if (tools.length === 0) return {};
    const { required = 'required' } = this.#quirks;
    return {
      tools: tools.map(({ name, description, inputSchema }) => ({
        type: 'function',
        function: { name, description, parameters: inputSchema },
      })),
      ...(toolChoice === undefined
        ? {}
        : {
            tool_choice:
              typeof toolChoice === 'object'
                ? { type: 'function', function: { name: toolChoice.tool } }
                : toolChoice === 'required'
                  ? required
                  : toolChoice,
          }),
      ...(parallelToolCalls === undefined ? {} : { parallel_tool_calls: parallelToolCalls }),
    };
  }

  /** `strict` only where the schema keeps the rules of strict mode; a provider refuses it otherwise. */
  #output(schema: JsonObject | undefined): Record<string, unknown> {
    if (schema === undefined) return {};
    const { output = 'schema' } = this.#quirks;
    if (output === 'prompt') return {};
    if (output === 'object') return { response_format: { type: 'json_object' } };
    return { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema, strict: isStrict(schema) } } };
  }

  #effort(reasoning: ModelParams['reasoning']): Record<string, unknown> {
    const { effort = 'reasoning_effort', efforts } = this.#quirks;
    if (reasoning === undefined || effort === 'none') return {};
    const word = efforts?.[reasoning] ?? reasoning;
    const thinking = { thinking: { type: reasoning === 'none' ? 'disabled' : 'enabled' } };
    if (effort === 'thinking') return thinking;
    if (effort === 'thinking_effort') return reasoning === 'none' ? thinking : { ...thinking, reasoning_effort: word };
    return effort === 'reasoning' ? { reasoning: { effort: word } } : { reasoning_effort: word };
  }
}

const flagged = (count: number): Record<string, unknown> => ({ logprobs: true, ...(count > 0 ? { top_logprobs: count } : {}) });

interface Head {
  readonly params: ModelParams;
  readonly isStream: boolean;
  readonly text: string;
}

/** Strict mode wants every object closed and all its properties required (platform.openai.com, Structured Outputs, "Supported schemas"). */
export function isStrict(schema: Json | undefined): boolean {
  if (Array.isArray(schema)) return (schema as readonly Json[]).every(isStrict);
  if (typeof schema !== 'object' || schema === null) return true;
  const object = schema as JsonObject;
  const properties = object['properties'];
  if (object['type'] === 'object' || properties !== undefined) {
    const required = Array.isArray(object['required']) ? (object['required'] as readonly Json[]) : [];
    if (object['additionalProperties'] !== false) return false;
    if (!Object.keys((properties ?? {}) as JsonObject).every((name) => required.includes(name))) return false;
    if (!Object.values((properties ?? {}) as JsonObject).every(isStrict)) return false;
  }
  return ['items', 'anyOf', '$defs', 'definitions'].every((name) => isStrictBelow(object[name], name));
}

function isStrictBelow(value: Json | undefined, name: string): boolean {
  return name.startsWith('$') || name === 'definitions' ? Object.values((value ?? {}) as JsonObject).every(isStrict) : isStrict(value);
}
