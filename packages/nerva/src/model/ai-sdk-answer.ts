import { checkJson, type Json, type JsonObject } from '../core/index.ts';
import { garbage } from './failure.ts';
import type { FinishReason, Usage } from './message.ts';
import type { CallOptions, ModelAnswer } from './model.ts';
import { isObject, type Loose } from './object.ts';
import { PartsBuilder } from './parts.ts';

const WHAT = 'an answer of an AI SDK model';
const FINISHES: Readonly<Record<string, FinishReason>> = {
  stop: 'stop',
  length: 'length',
  'tool-calls': 'tool_calls',
  'content-filter': 'content_filter',
};

/** The answer that `doGenerate` gave. @throws MODEL_GARBAGE */
export function answerFrom(result: unknown, by: string): ModelAnswer {
  if (!isObject(result) || !Array.isArray(result['content'])) throw garbage(WHAT, 'it has no content', result);
  const reader = new StreamReader(by);
  result['content'].forEach((part: unknown, index) => reader.content(part, index));
  reader.part({ ...result, type: 'finish' });
  if (isObject(result['response'])) reader.part({ ...result['response'], type: 'response-metadata' });
  return reader.answer();
}

/** Reads the parts of `doStream`, and those of a whole answer by the same code. */
export class StreamReader {
  readonly #parts: PartsBuilder;
  #finish: FinishReason | null = null;
  #usage: Usage = { inputTokens: null, outputTokens: null };
  #model: string | null = null;
  readonly #meta: Record<string, Json> = {};
  readonly #calls = new Set<unknown>();
  #lastText = '';

  /** @param by name of the model. */
  constructor(by: string, onDelta?: CallOptions['onDelta']) {
    this.#parts = new PartsBuilder(by, onDelta);
  }

  /** Whether the part came that says why it stopped. */
  get isFinished(): boolean {
    return this.#finish !== null;
  }

  /** One part of a stream. @throws MODEL_GARBAGE, and what an `error` part holds. */
  part(value: unknown): void {
    if (!isObject(value)) throw garbage(WHAT, 'a part is no object', value);
    const { type, id, delta } = value;
    switch (type) {
      case 'text-start':
      case 'text-delta':
      case 'text-end':
        return this.#grow('text', `text ${String(id)}`, { delta, metadata: value['providerMetadata'] });
      case 'reasoning-start':
      case 'reasoning-delta':
      case 'reasoning-end':
        return this.#grow('reasoning', `reasoning ${String(id)}`, { delta, metadata: value['providerMetadata'] });
      case 'tool-input-start':
        if (value['providerExecuted'] === true) return;
        return this.#parts.call(`call ${String(id)}`, { id: String(id), name: String(value['toolName']) });
      case 'tool-input-delta':
        if (this.#parts.has(`call ${String(id)}`)) this.#parts.input(`call ${String(id)}`, String(delta));
        return;
      case 'finish':
        return this.#finished(value);
      case 'response-metadata':
        if (typeof value['modelId'] === 'string') this.#model = value['modelId'];
        if (typeof value['id'] === 'string') this.#meta['id'] = value['id'];
        return;
      case 'error':
        throw value['error'];
      default:
        return this.content(value, 0);
    }
  }

  /** A whole piece of content. */
  content(value: unknown, index: number): void {
    if (!isObject(value)) throw garbage(WHAT, 'a part is no object', value);
    const key = `${String(value['type'])} whole ${index}`;
    switch (value['type']) {
      case 'text':
      case 'reasoning':
        return this.#grow(value['type'], key, { delta: value['text'], metadata: value['providerMetadata'] });
      case 'tool-call':
        return this.#call(value);
      case 'source':
        return this.#cite(value);
      case 'custom':
        // Anthropic's package repeats the head of a stream in one; a whole answer has none.
        if (value['kind'] !== 'anthropic.message_start') this.#keep('providerContent', { type: 'custom', kind: String(value['kind']) });
        return;
      case 'tool-result':
      case 'file':
      case 'reasoning-file':
      case 'tool-approval-request':
        // Made and answered at the provider's: no part of the conversation that tools here take part in.
        return this.#keep('providerContent', { type: value['type'] });
      default:
        return;
    }
  }

  /** The answer. Called once, at the end. @throws MODEL_GARBAGE where it did not finish. */
  answer(): ModelAnswer {
    const parts = this.#parts.parts();
    if (parts === null || this.#finish === null) throw garbage(WHAT, 'it did not finish', null);
    return {
      parts,
      finish: this.#finish,
      usage: this.#usage,
      model: this.#model,
      ...(Object.keys(this.#meta).length === 0 ? {} : { meta: this.#meta }),
    };
  }

  #grow(type: 'text' | 'reasoning', key: string, { delta, metadata }: { readonly delta: unknown; readonly metadata: unknown }): void {
    if (typeof delta === 'string') this.#parts.text(type, key, delta);
    if (type === 'text') this.#lastText = key;
    if (isObject(metadata)) this.#parts.echo(type, key, plain(metadata));
  }

  #call(value: Loose): void {
    const { toolCallId: id, toolName: name, input, providerMetadata } = value;
    if (value['providerExecuted'] === true) return this.#keep('providerContent', { type: 'tool-call', name: String(name) });
    const key = `call ${String(id)}`;
    // Streamed before, it comes once more as a whole.
    if (!this.#calls.has(id) && this.#parts.textOf(key) === '') {
      this.#parts.call(key, { id: String(id), name: String(name) });
      this.#parts.input(key, typeof input === 'string' ? input : JSON.stringify(input ?? {}));
    }
    this.#calls.add(id);
    if (isObject(providerMetadata)) this.#parts.echo('tool_call', key, plain(providerMetadata));
  }

  #cite({ url, title }: Loose): void {
    if (typeof url === 'string') this.#parts.cite(this.#lastText, { url, ...(typeof title === 'string' ? { title } : {}) });
  }

  #keep(name: string, value: JsonObject): void {
    this.#meta[name] = [...((this.#meta[name] ?? []) as readonly Json[]), value];
  }

  #finished({ finishReason, usage, warnings }: Loose): void {
    const reason = isObject(finishReason) ? finishReason['unified'] : finishReason;
    const finish = FINISHES[String(reason)] ?? 'other';
    this.#finish = finish === 'stop' && this.#parts.hasCalls ? 'tool_calls' : finish;
    if (isObject(usage)) this.#usage = usageOf(usage);
    if (Array.isArray(warnings) && warnings.length > 0) this.#meta['warnings'] = plain({ warnings })['warnings'] ?? [];
  }
}

/** v2 counts in plain numbers, later versions in objects; both are totals that include what was cached. */
function usageOf({ inputTokens: input, outputTokens: output, cachedInputTokens, reasoningTokens }: Loose): Usage {
  const [read, write, thought] = [
    count(isObject(input) ? input['cacheRead'] : cachedInputTokens),
    count(isObject(input) ? input['cacheWrite'] : undefined),
    count(isObject(output) ? output['reasoning'] : reasoningTokens),
  ];
  return {
    inputTokens: count(isObject(input) ? input['total'] : input),
    outputTokens: count(isObject(output) ? output['total'] : output),
    ...(read === null ? {} : { cachedInputTokens: read }),
    ...(write === null ? {} : { cacheWriteTokens: write }),
    ...(thought === null ? {} : { reasoningTokens: thought }),
  };
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

/** As the log can hold it: dates and the like become what JSON makes of them. */
function plain(value: object): JsonObject {
  return checkJson(JSON.parse(JSON.stringify(value)) as Json) as JsonObject;
}
