import { assert, type Json, type JsonObject } from '../../core/index.ts';
import { notSent, promptedOutput } from '../content.ts';
import type { ToolSpec } from '../message.ts';
import type { ModelParams, ModelRequest } from '../model.ts';
import type { Encoded } from '../wire.ts';
import { joined } from './encoding.ts';
import { OllamaHistory } from './ollama-history.ts';

/** How requests are made beside their content. */
export interface OllamaSettings {
  /** `num_ctx`, `num_predict`, `top_k` …: what the server's Modelfile calls parameters. */
  readonly options?: JsonObject;
  /** How long the model stays loaded: `10m`, seconds, -1 for ever, 0 for not at all. */
  readonly keepAlive?: string | number;
  /** How thinking is asked for: by level, or on and off, as servers before 2026 take it from models other than gpt-oss. */
  readonly think?: 'level' | 'switch';
  /** Whether the server may leave out old messages, or forget while it writes, when the window is full. Default false: then it refuses. */
  readonly mayForget?: boolean;
}

/**
 * Encodes requests of Ollama's /api/chat for one model, and remembers the texts that it made
 * (docs/api.md, docs/capabilities and api/types.go of github.com/ollama/ollama, 2026-08-21).
 */
export class OllamaEncoder {
  readonly #name: string;
  readonly #model: string;
  readonly #settings: OllamaSettings;
  readonly #heads = new WeakMap<readonly ToolSpec[], Head>();
  readonly #history: OllamaHistory;

  /** @param name `provider/model`, `model` as the server names it. */
  constructor(name: string, model: string, settings: OllamaSettings) {
    this.#name = name;
    this.#model = model;
    this.#settings = settings;
    this.#history = new OllamaHistory(name);
  }

  /** The history comes last, and each message's JSON is made once in its life. */
  encode(request: ModelRequest, isStream: boolean): Encoded {
    const { text, foreignCount } = this.#history.of(request.messages);
    const head = this.#head(request, isStream);
    return {
      path: '/api/chat',
      body: `${head.text}"messages":[${joined(head.lead, text)}]}`,
      notSent: [
        ...notSent(request, { by: this.#name, params: ['parallelToolCalls', 'tokenIds'], keepsReasoning: true }),
        ...head.notSent,
        ...(foreignCount === 0
          ? []
          : [`signatures and ids of ${foreignCount} earlier ${foreignCount === 1 ? 'part' : 'parts'} of other models`]),
      ],
    };
  }

  #head({ instructions, tools, params }: ModelRequest, isStream: boolean): Head {
    const known = this.#heads.get(tools);
    if (known?.params === params && known.instructions === instructions && known.isStream === isStream) return known;
    const left: string[] = [];
    // A format binds the whole answer, so a model that must keep one cannot call a tool.
    const isPrompted = params.outputSchema !== undefined && tools.length > 0 && params.toolChoice !== 'none';
    const system = isPrompted ? promptedOutput(instructions, params.outputSchema) : instructions;
    const head = this.#headOf(tools, params, { isStream, isPrompted, left });
    const made = {
      instructions,
      params,
      isStream,
      text: `${JSON.stringify(head).slice(0, -1)},`,
      lead: system === '' ? '' : JSON.stringify({ role: 'system', content: system }),
      notSent: left,
    };
    this.#heads.set(tools, made);
    return made;
  }

  #headOf(tools: readonly ToolSpec[], params: ModelParams, { isStream, isPrompted, left }: HeadContext): Record<string, unknown> {
    const { keepAlive, mayForget = false } = this.#settings;
    const head: Record<string, unknown> = { model: this.#model, stream: isStream };
    if (tools.length > 0 && params.toolChoice !== 'none')
      head['tools'] = tools.map(({ name, description, inputSchema }) => ({
        type: 'function',
        function: { name, description, parameters: inputSchema },
      }));
    if (params.toolChoice !== undefined && params.toolChoice !== 'none' && params.toolChoice !== 'auto') left.push('params.toolChoice');
    if (params.outputSchema !== undefined && !isPrompted) head['format'] = params.outputSchema;
    if (params.reasoning !== undefined) head['think'] = this.#think(params.reasoning, left);
    if (params.logprobs !== undefined)
      Object.assign(head, { logprobs: true, ...(params.logprobs > 0 ? { top_logprobs: params.logprobs } : {}) });
    // Without these, the server drops the oldest messages in silence.
    if (!mayForget) Object.assign(head, { truncate: false, shift: false });
    if (keepAlive !== undefined) head['keep_alive'] = keepAlive;
    const options = this.#options(params);
    for (const [name, value] of Object.entries(params.extra ?? {})) {
      if (name === 'options') for (const [option, entry] of Object.entries(value as JsonObject)) set(options, option, entry);
      else set(head, name, value);
    }
    if (Object.keys(options).length > 0) head['options'] = options;
    return head;
  }

  #think(reasoning: NonNullable<ModelParams['reasoning']>, left: string[]): Json {
    if (reasoning === 'none') return false;
    if (this.#settings.think !== 'switch') return reasoning;
    left.push(`params.reasoning: it can be switched on and off only; sent as true`);
    return true;
  }

  /** What the request says goes before what the model was made with. */
  #options({ maxOutputTokens, temperature, topP, seed, stop }: ModelParams): Record<string, unknown> {
    return {
      ...this.#settings.options,
      ...(maxOutputTokens === undefined ? {} : { num_predict: maxOutputTokens }),
      ...(temperature === undefined ? {} : { temperature }),
      ...(topP === undefined ? {} : { top_p: topP }),
      ...(seed === undefined ? {} : { seed }),
      ...(stop === undefined ? {} : { stop }),
    };
  }
}

interface HeadContext {
  readonly isStream: boolean;
  readonly isPrompted: boolean;
  readonly left: string[];
}

interface Head {
  readonly instructions: string;
  readonly params: ModelParams;
  readonly isStream: boolean;
  readonly text: string;
  /** The system message. */
  readonly lead: string;
  readonly notSent: readonly string[];
}

function set(object: Record<string, unknown>, name: string, value: unknown): void {
  assert(!(name in object) && name !== 'messages', `M1 params.extra does not name "${name}", which has an option of its own`);
  object[name] = value;
}
