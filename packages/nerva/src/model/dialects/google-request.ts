import { assert, type JsonObject } from '../../core/index.ts';
import { notSent, promptedOutput } from '../content.ts';
import type { ToolSpec } from '../message.ts';
import type { ModelParams, ModelRequest } from '../model.ts';
import type { Encoded } from '../wire.ts';
import { joined } from './encoding.ts';
import { GoogleHistory } from './google-history.ts';
import { quirksOf, type GoogleQuirks } from './google-quirks.ts';
import { narrowed } from './google-schema.ts';

/** How requests are made beside their content. */
export interface GoogleSettings {
  /** Whether thoughts are shown. Default: when `params.reasoning` asks for thinking. */
  readonly includeThoughts?: boolean;
  /** Google's own tools, such as `{googleSearch: {}}`, sent beside the agent's. */
  readonly tools?: readonly JsonObject[];
  readonly quirks: GoogleQuirks;
}

/** Google's own table for `reasoning_effort` (https://ai.google.dev/gemini-api/docs/openai, "Thinking"), read 2026-11. */
const BUDGETS = { low: 1024, medium: 8192, high: 24_576 } as const;

/** Encodes requests of generateContent (https://ai.google.dev/api/generate-content) for one model, and remembers the texts that it made. */
export class GoogleEncoder {
  readonly #name: string;
  readonly #path: string;
  readonly #settings: GoogleSettings;
  readonly #quirks: Required<GoogleQuirks>;
  readonly #heads = new WeakMap<readonly ToolSpec[], Head>();
  readonly #history: GoogleHistory;

  /** @param name `provider/model`, `model` as the endpoint names it: `gemini-…`, or a resource such as `tunedModels/…`. */
  constructor(name: string, model: string, settings: GoogleSettings) {
    this.#name = name;
    const resource = model.includes('/') ? model : `models/${model}`;
    this.#path = `/${resource.split('/').map(encodeURIComponent).join('/')}`;
    this.#settings = settings;
    this.#quirks = { ...quirksOf(model), ...settings.quirks };
    this.#history = new GoogleHistory(name, this.#quirks.isSigned);
  }

  /** The history comes last, and each message's JSON is made once in its life. */
  encode(request: ModelRequest, isStream: boolean): Encoded {
    const history = this.#history.of(request.messages);
    const head = this.#head(request);
    const { foreignCount, unsignedCount } = history;
    return {
      path: `${this.#path}:${isStream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
      body: `${head.text}"contents":[${joined(head.lead, history.text)}]}`,
      notSent: [
        ...notSent(request, { by: this.#name, params: ['parallelToolCalls'], keepsReasoning: true }),
        ...head.notSent,
        ...(foreignCount === 0 ? [] : [`signatures and ids of ${foreignCount} earlier ${parts(foreignCount)} of other models`]),
        ...(unsignedCount === 0
          ? []
          : [`signatures of ${unsignedCount} earlier ${unsignedCount === 1 ? 'step' : 'steps'}, which have none`]),
      ],
    };
  }

  #head({ instructions, tools, params }: ModelRequest): Head {
    const known = this.#heads.get(tools);
    if (known?.params === params && known.instructions === instructions) return known;
    const made = this.#headOf(instructions, tools, params);
    this.#heads.set(tools, made);
    return made;
  }

  #headOf(given: string, tools: readonly ToolSpec[], params: ModelParams): Head {
    const isNative = this.#isOutputNative(tools, params);
    const instructions = isNative ? given : promptedOutput(given, params.outputSchema);
    const left: string[] = [];
    const head: Record<string, unknown> = {};
    const system = { parts: [{ text: instructions }] };
    const isMessage = this.#quirks.instructions === 'message';
    if (instructions !== '' && !isMessage) head['systemInstruction'] = system;
    Object.assign(head, this.#toolsOf(tools, params));
    const config = this.#config(params, isNative, left);
    for (const [name, value] of Object.entries(params.extra ?? {})) {
      if (name === 'generationConfig') for (const [field, entry] of Object.entries(value as JsonObject)) set(config, field, entry);
      else set(head, name, value);
    }
    if (Object.keys(config).length > 0) head['generationConfig'] = config;
    const text = JSON.stringify(head).slice(0, -1);
    return {
      instructions: given,
      params,
      text: text === '{' ? text : `${text},`,
      lead: instructions !== '' && isMessage ? JSON.stringify({ role: 'user', ...system }) : '',
      notSent: left,
    };
  }

  /** "Gemini 3 lets you combine Structured Outputs with built-in tools and function calling" (…/docs/structured-output); before, it is refused. */
  #isOutputNative(tools: readonly ToolSpec[], { toolChoice, outputSchema }: ModelParams): boolean {
    if (outputSchema === undefined || (tools.length === 0 && this.#settings.tools === undefined)) return true;
    return this.#quirks.outputWithTools && toolChoice !== 'required' && typeof toolChoice !== 'object';
  }

  #toolsOf(tools: readonly ToolSpec[], { toolChoice }: ModelParams): Record<string, unknown> {
    const own = this.#settings.tools ?? [];
    if (tools.length === 0) return own.length === 0 ? {} : { tools: own };
    const functionDeclarations = tools.map(({ name, description, inputSchema }) => ({
      name,
      description,
      parametersJsonSchema: inputSchema,
    }));
    return {
      tools: [{ functionDeclarations }, ...own],
      ...(toolChoice === undefined ? {} : { toolConfig: { functionCallingConfig: modeOf(toolChoice) } }),
    };
  }

  #config(params: ModelParams, isOutputNative: boolean, left: string[]): Record<string, unknown> {
    const config: Record<string, unknown> = {};
    if (params.maxOutputTokens !== undefined) config['maxOutputTokens'] = params.maxOutputTokens;
    if (params.temperature !== undefined) config['temperature'] = params.temperature;
    if (params.topP !== undefined) config['topP'] = params.topP;
    if (params.seed !== undefined) config['seed'] = params.seed;
    if (params.stop !== undefined) config['stopSequences'] = params.stop;
    // Token ids come with the log-probabilities only.
    if (params.logprobs !== undefined || params.tokenIds === true) config['responseLogprobs'] = true;
    if (params.logprobs !== undefined && params.logprobs > 0) config['logprobs'] = params.logprobs;
    if (params.outputSchema !== undefined && isOutputNative) {
      const { schema, dropped } = narrowed(params.outputSchema);
      Object.assign(config, { responseMimeType: 'application/json', responseJsonSchema: schema });
      if (dropped.length > 0) left.push(`params.outputSchema: ${dropped.join(', ')}`);
    }
    const thinking = this.#thinking(params.reasoning, left);
    if (thinking !== null) config['thinkingConfig'] = thinking;
    return config;
  }

  /** Thinking that cannot be switched off is set to its least, and said so. */
  #thinking(reasoning: ModelParams['reasoning'], left: string[]): Record<string, unknown> | null {
    const { thinking, thinkingLeast } = this.#quirks;
    const { includeThoughts = reasoning !== undefined && reasoning !== 'none' } = this.#settings;
    const shown = includeThoughts ? { includeThoughts } : {};
    if (thinking === 'none') {
      if (reasoning !== undefined && reasoning !== 'none') left.push('params.reasoning');
      return null;
    }
    if (reasoning === undefined) return includeThoughts ? shown : null;
    if (reasoning === 'none' && thinkingLeast !== 0) left.push(`params.reasoning: it always thinks; sent as ${thinkingLeast}`);
    if (thinking === 'level') return { thinkingLevel: reasoning === 'none' ? thinkingLeast : reasoning, ...shown };
    return { thinkingBudget: reasoning === 'none' ? thinkingLeast : BUDGETS[reasoning], ...shown };
  }
}

interface Head {
  readonly instructions: string;
  readonly params: ModelParams;
  readonly text: string;
  /** A first content, where instructions have no place of their own. */
  readonly lead: string;
  readonly notSent: readonly string[];
}

function set(object: Record<string, unknown>, name: string, value: unknown): void {
  assert(!(name in object) && name !== 'contents', `M1 params.extra does not name "${name}", which has an option of its own`);
  object[name] = value;
}

const parts = (count: number): string => (count === 1 ? 'part' : 'parts');

function modeOf(choice: NonNullable<ModelParams['toolChoice']>): Record<string, unknown> {
  if (typeof choice === 'object') return { mode: 'ANY', allowedFunctionNames: [choice.tool] };
  return { mode: choice === 'required' ? 'ANY' : choice === 'none' ? 'NONE' : 'AUTO' };
}
