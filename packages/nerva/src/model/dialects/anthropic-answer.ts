import type { Json, JsonObject } from '../../core/index.ts';
import { garbage } from '../failure.ts';
import type { WireEvent } from '../framing.ts';
import type { Citation, FinishReason, Usage } from '../message.ts';
import type { CallOptions, ModelAnswer } from '../model.ts';
import { isObject, type Loose } from '../object.ts';
import { PartsBuilder } from '../parts.ts';
import type { Decoder } from '../wire.ts';

/** What an answer is called in errors. */
export const MESSAGE = 'a message of the Messages API';

/** The tool by which an answer of a schema comes where there is no other way; of one that is no object, inside of `value`. */
export const ANSWER_TOOL = 'nerva_answer';
/** See `ANSWER_TOOL`. */
export const ANSWER_VALUE_TOOL = 'nerva_answer_value';

const FINISHES: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  refusal: 'content_filter',
};

/** A content block as it grows. */
interface Block {
  readonly type: string;
  readonly start: Loose;
  signature: string;
  /** Pieces of the arguments of a call. */
  json: string;
  readonly citations: Json[];
}

/**
 * Builds an answer from a whole message or from the events of a streamed one ("Streaming messages", read 2026-11): the same code reads both.
 * Thinking keeps its signature as an echo. What is sealed (`redacted_thinking`) or ran at the provider (`server_tool_use` and its results)
 * becomes reasoning without a text whose echo is the block: only so does it go back in its place.
 * Contract: throws MODEL_GARBAGE for what is not the protocol.
 */
export class AnthropicDecoder implements Decoder {
  readonly #parts: PartsBuilder;
  readonly #open = new Map<number, Block>();
  readonly #usage: Record<string, number> = {};
  readonly #meta: Record<string, Json> = {};
  #stop: string | null = null;
  #model: string | null = null;
  #hasCalls = false;
  isDone = false;

  /** @param by name of the model. */
  constructor(by: string, onDelta?: CallOptions['onDelta']) {
    this.#parts = new PartsBuilder(by, onDelta);
  }

  get isFinished(): boolean {
    return this.#stop !== null;
  }

  whole(value: unknown): void {
    const message = object(value, 'answer');
    const content = message['content'];
    if (!Array.isArray(content)) throw unexpected('content is not a list', value);
    this.#envelope(message);
    (content as readonly unknown[]).forEach((block, index) => {
      this.#start(index, object(block, 'content block'));
      this.#end(index);
    });
    this.#finish(message);
  }

  /** Events of other types may come, and are skipped ("Versions", 2026-11). */
  event({ value }: WireEvent): void {
    const event = object(value, 'event');
    const { type } = event;
    if (type === 'message_start') this.#envelope(object(event['message'], 'message'));
    else if (type === 'content_block_start') this.#start(indexOf(event), object(event['content_block'], 'content_block'));
    else if (type === 'content_block_delta') this.#delta(indexOf(event), object(event['delta'], 'delta'));
    else if (type === 'content_block_stop') this.#end(indexOf(event));
    else if (type === 'message_delta') this.#finish({ ...event, ...object(event['delta'], 'delta') });
    else if (type === 'message_stop') this.isDone = true;
    else if (typeof type !== 'string') throw unexpected('an event has no type', value);
  }

  answer(): ModelAnswer {
    for (const index of this.#open.keys()) this.#end(index);
    const parts = this.#parts.parts();
    if (parts === null) throw unexpected('a tool call has no name', null);
    const known = FINISHES[this.#stop ?? ''];
    if (known === undefined && this.#stop !== null) this.#meta['stopReason'] = this.#stop;
    let finish = known ?? 'other';
    // The only call was the answer.
    if (finish === 'tool_calls' && !this.#hasCalls) finish = 'stop';
    return {
      parts,
      finish,
      usage: usageOf(this.#usage),
      model: this.#model,
      ...(Object.keys(this.#meta).length === 0 ? {} : { meta: this.#meta }),
    };
  }

  #envelope(message: Loose): void {
    const { id, model, usage } = message;
    if (typeof model === 'string' && model !== '') this.#model = model;
    if (typeof id === 'string') this.#meta['id'] = id;
    this.#count(usage);
  }

  #finish(delta: Loose): void {
    const { stop_reason: reason, stop_sequence: sequence, stop_details: details } = delta;
    if (typeof reason === 'string') this.#stop = reason;
    if (reason === 'refusal') this.#meta['refusal'] = true;
    if (reason === 'model_context_window_exceeded') this.#meta['stopReason'] = reason;
    if (typeof sequence === 'string') this.#meta['stopSequence'] = sequence;
    if (isObject(details)) this.#meta['stopDetails'] = details as JsonObject;
    this.#count(delta['usage']);
  }

  /** Counts are of the whole answer so far: a later one replaces an earlier one. */
  #count(usage: unknown): void {
    if (!isObject(usage)) return;
    for (const [name, value] of Object.entries(usage)) {
      if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) this.#usage[name] = value;
    }
    const { service_tier: tier, server_tool_use: served, output_tokens_details: details } = usage;
    if (typeof tier === 'string') this.#meta['serviceTier'] = tier;
    if (isObject(served)) this.#meta['serverToolUse'] = served as JsonObject;
    if (isObject(details) && typeof details['thinking_tokens'] === 'number') this.#usage['thinking_tokens'] = details['thinking_tokens'];
  }

  #start(index: number, start: Loose): void {
    const { type } = start;
    if (typeof type !== 'string') throw unexpected('a content block has no type', start);
    const block: Block = { type, start, signature: '', json: '', citations: [] };
    this.#open.set(index, block);
    if (type === 'text') {
      this.#parts.text('text', index, textIn(start, 'text'));
      const { citations } = start;
      if (Array.isArray(citations)) block.citations.push(...(citations as Json[]));
    } else if (type === 'thinking') {
      this.#parts.text('reasoning', index, textIn(start, 'thinking'));
      if (typeof start['signature'] === 'string') block.signature = start['signature'];
    } else if (type === 'tool_use' && !isAnswer(start)) {
      const { id, name } = start;
      if (typeof name !== 'string' || name === '') throw unexpected('a tool call has no name', start);
      this.#hasCalls = true;
      this.#parts.call(index, { name, ...(typeof id === 'string' && id !== '' ? { id } : {}) });
    }
  }

  #delta(index: number, delta: Loose): void {
    const block = this.#open.get(index);
    if (block === undefined) throw unexpected('a delta belongs to no open block', delta);
    const { type } = delta;
    if (type === 'text_delta') this.#parts.text('text', index, textIn(delta, 'text'));
    else if (type === 'thinking_delta') this.#parts.text('reasoning', index, textIn(delta, 'thinking'));
    else if (type === 'signature_delta') block.signature = textIn(delta, 'signature');
    else if (type === 'citations_delta') block.citations.push(delta['citation'] as Json);
    else if (type === 'input_json_delta') {
      const piece = textIn(delta, 'partial_json');
      block.json += piece;
      if (block.type === 'tool_use' && !isAnswer(block.start)) this.#parts.input(index, piece);
    }
  }

  #end(index: number): void {
    const block = this.#open.get(index);
    if (block === undefined) return;
    this.#open.delete(index);
    const { type, start } = block;
    if (type === 'text') this.#cite(index, block.citations);
    else if (type === 'thinking') {
      if (block.signature !== '') this.#parts.echo('reasoning', index, { signature: block.signature });
    } else if (type !== 'tool_use') this.#parts.echo('reasoning', index, { block: sealedOf(block) });
    else if (isAnswer(start)) this.#parts.text('text', index, answerText(block));
    else if (block.json === '' && isObject(start['input']) && Object.keys(start['input']).length > 0)
      this.#parts.input(index, JSON.stringify(start['input']));
  }

  #cite(index: number, citations: readonly Json[]): void {
    if (citations.length === 0) return;
    for (const citation of citations) if (isObject(citation)) this.#parts.cite(index, citationOf(citation));
    this.#parts.echo('text', index, { citations });
  }
}

const isAnswer = ({ name }: Loose): boolean => name === ANSWER_TOOL || name === ANSWER_VALUE_TOOL;

/** The answer that came as arguments, as one text: in whichever spacing it was streamed, it is the same. */
function answerText({ start, json }: Block): string {
  return answerJson(start['name'], json === '' ? start['input'] : json);
}

/** JSON of what `ANSWER_TOOL` was called with; text that is no JSON stays as it is, for whoever checks the answer. */
export function answerJson(name: unknown, input: unknown): string {
  let value = input;
  if (typeof input === 'string') {
    try {
      value = JSON.parse(input);
    } catch {
      return input;
    }
  }
  if (name === ANSWER_VALUE_TOOL && isObject(value) && 'value' in value) value = value['value'];
  return JSON.stringify(value ?? {});
}

function sealedOf({ start, json }: Block): JsonObject {
  if (json === '') return start as JsonObject;
  try {
    return { ...(start as JsonObject), input: JSON.parse(json) as Json };
  } catch {
    return { ...(start as JsonObject), input: {} };
  }
}

function citationOf({ url, source, title, document_title: document, cited_text: quote }: Loose): Citation {
  const address = typeof url === 'string' ? url : source;
  const name = typeof title === 'string' ? title : document;
  return {
    ...(typeof address === 'string' ? { url: address } : {}),
    ...(typeof name === 'string' ? { title: name } : {}),
    ...(typeof quote === 'string' ? { quote } : {}),
  };
}

/** `input_tokens` counts only what no cache read or wrote ("Prompt caching", tracking, 2026-11). */
function usageOf(counts: Readonly<Record<string, number>>): Usage {
  const { input_tokens: input, output_tokens: output, cache_read_input_tokens: read, cache_creation_input_tokens: written } = counts;
  return {
    inputTokens: input === undefined ? null : input + (read ?? 0) + (written ?? 0),
    outputTokens: output ?? null,
    ...(read === undefined ? {} : { cachedInputTokens: read }),
    ...(written === undefined ? {} : { cacheWriteTokens: written }),
    ...(counts['thinking_tokens'] === undefined ? {} : { reasoningTokens: counts['thinking_tokens'] }),
  };
}

function indexOf(event: Loose): number {
  const { index } = event;
  if (typeof index !== 'number' || !Number.isSafeInteger(index)) throw unexpected('an event has no index', event);
  return index;
}

function textIn(from: Loose, name: string): string {
  const text = from[name] ?? '';
  if (typeof text !== 'string') throw unexpected(`${name} is not text`, from);
  return text;
}

function object(value: unknown, what: string): Loose {
  if (!isObject(value)) throw unexpected(`${what} is not an object`, value);
  return value;
}

/** MODEL_GARBAGE of this dialect. */
function unexpected(why: string, came: unknown): Error {
  return garbage(MESSAGE, why, came);
}
