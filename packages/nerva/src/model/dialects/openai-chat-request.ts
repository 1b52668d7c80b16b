import { assert, type Json, type JsonObject } from '../../core/index.ts';
import { cannotCarry, kindOf, notSent, promptedOutput, resultText, sourceOf } from '../content.ts';
import type { FilePart, Message, Part, ToolCallPart, ToolResultPart, ToolSpec } from '../message.ts';
import type { ModelParams, ModelRequest } from '../model.ts';
import { rolling } from '../rolling.ts';
import type { Encoded } from '../wire.ts';

/** What endpoints of this dialect differ in. What is absent is as OpenAI has it. */
export interface ChatQuirks {
  /** How the limit of output tokens is named. */
  readonly maxTokensField?: 'max_completion_tokens' | 'max_tokens';
  /** How a JSON answer is asked for: by schema, as any JSON object with the schema in the prompt, or in the prompt alone. */
  readonly output?: 'schema' | 'object' | 'prompt';
  /** Whether a stream's usage must be asked for. Default true. */
  readonly streamUsage?: boolean;
  /** The word for "some tool must be called". */
  readonly required?: 'required' | 'any';
  /** Parameters that the endpoint refuses; they are left out and named in `notSent`. */
  readonly without?: readonly (keyof ModelParams)[];
  /** Under which name reasoning goes back with a turn that called tools; absent: not at all. */
  readonly reasoningField?: 'reasoning_content' | 'reasoning';
  /** How thinking is asked for: OpenAI's `reasoning_effort`, an object `thinking` that switches it on and off, or not at all. */
  readonly effort?: 'reasoning_effort' | 'thinking' | 'none';
  /** Which files a user message may hold. Default images, documents and sounds as OpenAI has them. */
  readonly files?: 'all' | 'images' | 'none';
  /** Path of the endpoint. Default `/chat/completions`. */
  readonly path?: string;
}

/** Encodes requests for one model of one endpoint, and remembers the texts that it made. */
export class ChatEncoder {
  readonly #name: string;
  readonly #model: string;
  readonly #quirks: ChatQuirks;
  /** JSON of what stands before `messages`; by the identity of the tools, since a session hands in the same list each time. */
  readonly #heads = new WeakMap<readonly ToolSpec[], Head>();
  readonly #history = rolling<string, null>('', (state, message) => flat(`${state}${state === '' ? '' : ','}${this.#message(message)}`));

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
    const { output = 'schema', path = '/chat/completions', without = [], reasoningField } = this.#quirks;
    const { params } = request;
    const instructions = output === 'schema' ? request.instructions : promptedOutput(request.instructions, params.outputSchema);
    const system = instructions === '' ? '' : JSON.stringify({ role: 'system', content: instructions });
    const messages = this.#history(request.messages, null);
    return {
      path,
      body: `${this.#head(request, isStream)}"messages":[${system}${system === '' || messages === '' ? '' : ','}${messages}]}`,
      notSent: notSent(request, { by: this.#name, params: without, keepsReasoning: reasoningField !== undefined }),
    };
  }

  #head({ tools, params }: ModelRequest, isStream: boolean): string {
    const known = this.#heads.get(tools);
    if (known?.params === params && known.isStream === isStream) return known.text;
    const text = `${JSON.stringify(this.#headOf(tools, params, isStream)).slice(0, -1)},`;
    this.#heads.set(tools, { params, isStream, text });
    return text;
  }

  #headOf(tools: readonly ToolSpec[], given: ModelParams, isStream: boolean): Record<string, unknown> {
    const { maxTokensField = 'max_completion_tokens', without = [], streamUsage = true } = this.#quirks;
    const params = Object.fromEntries(
      Object.entries(given).filter(([name]) => !without.includes(name as keyof ModelParams)),
    ) as ModelParams;
    const head: Record<string, unknown> = { model: this.#model, ...this.#toolsOf(tools, params) };
    if (params.maxOutputTokens !== undefined) head[maxTokensField] = params.maxOutputTokens;
    if (params.temperature !== undefined) head['temperature'] = params.temperature;
    if (params.topP !== undefined) head['top_p'] = params.topP;
    if (params.seed !== undefined) head['seed'] = params.seed;
    if (params.stop !== undefined) head['stop'] = params.stop;
    Object.assign(head, this.#output(params.outputSchema), this.#effort(params.reasoning));
    if (params.logprobs !== undefined)
      Object.assign(head, { logprobs: true, ...(params.logprobs > 0 ? { top_logprobs: params.logprobs } : {}) });
    if (params.tokenIds === true) head['return_token_ids'] = true;
    if (isStream) Object.assign(head, { stream: true }, streamUsage ? { stream_options: { include_usage: true } } : {});
    for (const [name, value] of Object.entries(params.extra ?? {})) {
      assert(!(name in head) && name !== 'messages', `M1 params.extra does not name "${name}", which has an option of its own`);
      head[name] = value;
    }
    return head;
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
    const { effort = 'reasoning_effort' } = this.#quirks;
    if (reasoning === undefined || effort === 'none') return {};
    if (effort === 'thinking') return { thinking: { type: reasoning === 'none' ? 'disabled' : 'enabled' } };
    return { reasoning_effort: reasoning };
  }

  /**
   * The JSON of one message for the wire, or of one a result. Written by hand around `JSON.stringify` of its texts: building objects for
   * it to walk takes twice as long.
   */
  #message(message: Message): string {
    const { role, parts } = message;
    let text = '';
    let textCount = 0;
    let rest = '';
    for (const part of parts) {
      checkPlace(role, part);
      if (part.type === 'tool_call') rest += `${rest === '' ? '' : ','}${callText(part)}`;
      else if (part.type === 'tool_result') rest += `${rest === '' ? '' : ','}${answerText(part)}`;
      else if (part.type === 'file') return this.#withFiles(parts);
      else if (part.type === 'text') text += `${textCount++ === 0 ? '' : '},{"type":"text","text":'}${JSON.stringify(part.text)}`;
    }
    if (role === 'tool') return rest;
    const content = textCount > 1 ? `[{"type":"text","text":${text}}]` : text;
    if (role === 'user' || rest === '') return `{"role":"${role}","content":${content === '' ? '""' : content}${this.#reasoning(parts)}}`;
    return `{"role":"assistant","content":${content === '' ? 'null' : content}${this.#reasoning(parts)},"tool_calls":[${rest}]}`;
  }

  /** Reasoning goes back only where the endpoint wants it, and only to its maker. */
  #reasoning(parts: readonly Part[]): string {
    const { reasoningField } = this.#quirks;
    if (reasoningField === undefined) return '';
    const own = parts.flatMap((part) => (part.type === 'reasoning' && part.echo?.by === this.#name ? [part.text] : []));
    return own.length === 0 ? '' : `,"${reasoningField}":${JSON.stringify(own.join(''))}`;
  }

  #withFiles(parts: readonly Part[]): string {
    const content = parts.map((part) => (part.type === 'text' ? { type: 'text', text: part.text } : this.#file(part as FilePart)));
    return JSON.stringify({ role: 'user', content });
  }

  #file(part: FilePart): unknown {
    const { files = 'all' } = this.#quirks;
    const kind = kindOf(part);
    const source = sourceOf(part);
    if (files === 'none' || (files === 'images' && kind !== 'image'))
      throw cannotCarry(this.#name, `${kind} (${part.mediaType})`, 'Give its text, or choose a model that takes it.');
    if (kind === 'image')
      return { type: 'image_url', image_url: { url: 'url' in source ? source.url : `data:${part.mediaType};base64,${source.base64}` } };
    if ('url' in source) throw cannotCarry(this.#name, `${kind} by address`, 'Give its bytes in base64.');
    if (kind === 'audio') {
      const format =
        part.mediaType === 'audio/wav' || part.mediaType === 'audio/x-wav'
          ? 'wav'
          : part.mediaType === 'audio/mpeg' || part.mediaType === 'audio/mp3'
            ? 'mp3'
            : null;
      if (format === null) throw cannotCarry(this.#name, part.mediaType, 'Give audio/wav or audio/mpeg.');
      return { type: 'input_audio', input_audio: { data: source.base64, format } };
    }
    if (part.mediaType !== 'application/pdf') throw cannotCarry(this.#name, part.mediaType, 'Give its text, or a PDF.');
    return { type: 'file', file: { filename: part.name ?? 'document.pdf', file_data: `data:application/pdf;base64,${source.base64}` } };
  }
}

interface Head {
  readonly params: ModelParams;
  readonly isStream: boolean;
  readonly text: string;
}

function checkPlace(role: Message['role'], { type }: Part): void {
  assert((type === 'tool_result') === (role === 'tool'), `M2 a message of role ${role} holds no ${type}`);
  assert(role !== 'user' || type === 'text' || type === 'file', `M3 a user message holds text and files only, not ${type}`);
}

function callText({ id, name, input, malformed }: ToolCallPart): string {
  const text = malformed === true && typeof input === 'string' ? input : JSON.stringify(input);
  return `{"id":${JSON.stringify(id)},"type":"function","function":{"name":${JSON.stringify(name)},"arguments":${JSON.stringify(text)}}}`;
}

/** A model cannot tell an error from a result by itself here, so an error says so. */
function answerText(part: ToolResultPart): string {
  return `{"role":"tool","tool_call_id":${JSON.stringify(part.id)},"content":${JSON.stringify(resultText(part, true))}}`;
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

/** Makes V8 copy a concatenation into one piece now. Left as a chain, a body of 50 steps is walked piece by piece at every call. */
function flat(text: string): string {
  text.codePointAt(0);
  return text;
}
