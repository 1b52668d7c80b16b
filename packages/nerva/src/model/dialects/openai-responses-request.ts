import { assert, type JsonObject } from '../../core/index.ts';
import { notSent } from '../content.ts';
import type { Message, ToolSpec } from '../message.ts';
import type { ModelParams, ModelRequest } from '../model.ts';
import { rolling } from '../rolling.ts';
import type { Encoded } from '../wire.ts';
import { flat, joined } from './encoding.ts';
import { isStrict } from './openai-chat-request.ts';
import { itemsOf, type Items } from './openai-responses-items.ts';

/** How a Responses endpoint is asked. What is absent is left to the provider. */
export interface ResponsesOptions {
  /** Whether the provider keeps answers. Default false: each call carries the whole history, and nothing stays there. */
  readonly store?: boolean;
  /** Whether reasoning is asked for in sealed form, so that it can go back. Default: by the model's name; models that do not reason refuse it. */
  readonly sealedReasoning?: boolean;
  /** Asks for a summary of the reasoning; some accounts must be verified for it. */
  readonly reasoningSummary?: 'auto' | 'concise' | 'detailed';
  readonly verbosity?: 'low' | 'medium' | 'high';
  /** Tools that run at the provider, such as `{type: 'web_search'}`, as it describes them. What they did stays in `echo` and goes back. */
  readonly hostedTools?: readonly JsonObject[];
  /** What else the answer should contain. */
  readonly include?: readonly string[];
  /** With `store`: how many stored answers are remembered, the newest; what is forgotten is sent whole. Default 10,000. */
  readonly storedMax?: number;
  /** Path of the endpoint. Default `/responses`. */
  readonly path?: string;
}

/** Goes on from a stored answer: only the messages from `from` on are sent. */
export interface Continuation {
  readonly previousId: string;
  readonly from: number;
}

/** Parameters that this wire has no place for. */
const PLACELESS = ['seed', 'stop', 'tokenIds'] as const;

/**
 * Encodes requests for one model of OpenAI's Responses API, by its reference at developers.openai.com/api/reference/resources/responses
 * and the types of openai-node of 2026-08-21. A message becomes items; an item that this model made goes back as it came, with its id.
 */
export class ResponsesEncoder {
  readonly #name: string;
  readonly #model: string;
  readonly #options: ResponsesOptions;
  readonly #heads = new WeakMap<readonly ToolSpec[], Head>();
  readonly #history = rolling<Items, null>({ text: '', left: 0 }, (state, message) => {
    const items = itemsOf(message, this.#name);
    return { text: flat(joined(state.text, items.text)), left: state.left + items.left };
  });

  /** @param name `provider/model`, `model` as the endpoint names it. */
  constructor(name: string, model: string, options: ResponsesOptions) {
    this.#name = name;
    this.#model = model;
    this.#options = options;
  }

  /** The history comes last, and each message's JSON is made once in its life. */
  encode(request: ModelRequest, isStream: boolean, continued?: Continuation): Encoded {
    const { path = '/responses' } = this.#options;
    const { text, left } = continued === undefined ? this.#history(request.messages, null) : this.#since(request.messages, continued.from);
    const instructions = request.instructions === '' ? '' : `"instructions":${JSON.stringify(request.instructions)},`;
    const previous = continued === undefined ? '' : `"previous_response_id":${JSON.stringify(continued.previousId)},`;
    const told = notSent(request, { by: this.#name, params: PLACELESS, keepsReasoning: true });
    return {
      path,
      body: `${this.#head(request, isStream)}${previous}${instructions}"input":[${text}]}`,
      notSent: left === 0 ? told : [...told, `reasoning of ${left} earlier ${left === 1 ? 'part' : 'parts'} that cannot stand alone`],
    };
  }

  /** The items of one message, for whoever must know what was sent. */
  textOf(message: Message): string {
    return itemsOf(message, this.#name).text;
  }

  #since(messages: readonly Message[], from: number): Items {
    let text = '';
    let left = 0;
    for (const message of messages.slice(from)) {
      const items = itemsOf(message, this.#name);
      text = joined(text, items.text);
      left += items.left;
    }
    return { text, left };
  }

  #head({ tools, params }: ModelRequest, isStream: boolean): string {
    const known = this.#heads.get(tools);
    if (known?.params === params && known.isStream === isStream) return known.text;
    const text = `${JSON.stringify(this.#headOf(tools, params, isStream)).slice(0, -1)},`;
    this.#heads.set(tools, { params, isStream, text });
    return text;
  }

  #headOf(tools: readonly ToolSpec[], params: ModelParams, isStream: boolean): Record<string, unknown> {
    const { store = false } = this.#options;
    const head: Record<string, unknown> = { model: this.#model, store, ...this.#include(params), ...this.#toolsOf(tools, params) };
    if (params.maxOutputTokens !== undefined) head['max_output_tokens'] = params.maxOutputTokens;
    if (params.temperature !== undefined) head['temperature'] = params.temperature;
    if (params.topP !== undefined) head['top_p'] = params.topP;
    if (params.logprobs !== undefined && params.logprobs > 0) head['top_logprobs'] = params.logprobs;
    Object.assign(head, this.#text(params.outputSchema), this.#reasoning(params.reasoning));
    if (isStream) head['stream'] = true;
    for (const [name, value] of Object.entries(params.extra ?? {})) {
      assert(!(name in head) && !HERE.includes(name), `M1 params.extra does not name "${name}", which has an option of its own`);
      head[name] = value;
    }
    return head;
  }

  #include({ logprobs }: ModelParams): Record<string, unknown> {
    const { include = [], sealedReasoning = reasons(this.#model) } = this.#options;
    const all = new Set(include);
    if (sealedReasoning) all.add('reasoning.encrypted_content');
    if (logprobs !== undefined) all.add('message.output_text.logprobs');
    return all.size === 0 ? {} : { include: [...all] };
  }

  #toolsOf(tools: readonly ToolSpec[], { toolChoice, parallelToolCalls }: ModelParams): Record<string, unknown> {
    const { hostedTools = [] } = this.#options;
    if (tools.length + hostedTools.length === 0) return {};
    return {
      // Left out, `strict` is true here, and schemas that do not keep its rules are refused.
      tools: [
        ...tools.map(({ name, description, inputSchema }) => ({
          type: 'function',
          name,
          description,
          parameters: inputSchema,
          strict: false,
        })),
        ...hostedTools,
      ],
      ...(toolChoice === undefined
        ? {}
        : { tool_choice: typeof toolChoice === 'object' ? { type: 'function', name: toolChoice.tool } : toolChoice }),
      ...(parallelToolCalls === undefined ? {} : { parallel_tool_calls: parallelToolCalls }),
    };
  }

  #text(schema: JsonObject | undefined): Record<string, unknown> {
    const { verbosity } = this.#options;
    if (schema === undefined && verbosity === undefined) return {};
    const format = schema === undefined ? {} : { format: { type: 'json_schema', name: 'answer', schema, strict: isStrict(schema) } };
    return { text: { ...format, ...(verbosity === undefined ? {} : { verbosity }) } };
  }

  #reasoning(effort: ModelParams['reasoning']): Record<string, unknown> {
    const { reasoningSummary: summary } = this.#options;
    if (effort === undefined && summary === undefined) return {};
    return { reasoning: { ...(effort === undefined ? {} : { effort }), ...(summary === undefined ? {} : { summary }) } };
  }
}

interface Head {
  readonly params: ModelParams;
  readonly isStream: boolean;
  readonly text: string;
}

/** Members of the body that stand outside its head. */
const HERE: readonly string[] = ['input', 'instructions', 'previous_response_id'];

/**
 * Models that do not reason refuse to be asked for sealed reasoning, so names of old ones are told apart; what is not known reasons.
 */
function reasons(model: string): boolean {
  return !/(?:^|\/)(?:ft:)?(?:gpt-[34]|chatgpt-|gpt-5(?:\.\d)?-chat)/.test(model);
}
