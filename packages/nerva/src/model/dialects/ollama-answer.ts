import { checkJson, toWellFormed, type Json } from '../../core/index.ts';
import { garbage } from '../failure.ts';
import type { WireEvent } from '../framing.ts';
import type { FinishReason, Usage } from '../message.ts';
import type { CallOptions, ModelAnswer } from '../model.ts';
import { isObject, type Loose } from '../object.ts';
import { PartsBuilder } from '../parts.ts';
import type { Decoder } from '../wire.ts';

const FINISHES: Readonly<Record<string, FinishReason>> = { stop: 'stop', length: 'length' };
/** In nanoseconds. */
const DURATIONS = ['total_duration', 'load_duration', 'prompt_eval_duration', 'eval_duration'] as const;

/** What an answer is called in errors. */
export const CHAT_RESPONSE = 'a chat response of Ollama';

/**
 * Builds an answer from a chat response or from the lines of a streamed one: the same code reads both, so both give the same answer.
 * Contract: throws MODEL_GARBAGE for what is not the protocol.
 */
export class OllamaDecoder implements Decoder {
  readonly #parts: PartsBuilder;
  #callCount = 0;
  #reason: string | null = null;
  #usage: Usage = { inputTokens: null, outputTokens: null };
  #model: string | null = null;
  readonly #meta: Record<string, Json> = {};
  readonly #logprobs: Json[] = [];
  isDone = false;

  /** @param by name of the model. */
  constructor(by: string, onDelta?: CallOptions['onDelta']) {
    this.#parts = new PartsBuilder(by, onDelta);
  }

  get isFinished(): boolean {
    return this.isDone;
  }

  whole(value: unknown): void {
    this.#line(value);
    if (!this.isDone) throw unexpected('it is not done', value);
  }

  event({ value }: WireEvent): void {
    this.#line(value);
  }

  answer(): ModelAnswer {
    const parts = this.#parts.parts();
    if (parts === null) throw unexpected('a tool call has no name', null);
    if (this.#logprobs.length > 0) this.#meta['logprobs'] = this.#logprobs;
    // Servers before done_reason say only that it is done.
    let finish = this.#reason === null ? 'stop' : (FINISHES[this.#reason] ?? 'other');
    if (finish === 'other' && this.#reason !== null) this.#meta['finishReason'] = this.#reason;
    if (finish === 'stop' && this.#parts.hasCalls) finish = 'tool_calls';
    return { parts, finish, usage: this.#usage, model: this.#model, ...(Object.keys(this.#meta).length === 0 ? {} : { meta: this.#meta }) };
  }

  #line(value: unknown): void {
    const line = object(value, 'it');
    const { model, message, done, done_reason: reason, logprobs } = line;
    if (typeof model === 'string' && model !== '') this.#model = model;
    if (message !== undefined && message !== null) this.#message(object(message, 'message'), value);
    else if (done !== true) throw unexpected('it has no message', value);
    if (Array.isArray(logprobs)) for (const entry of logprobs) this.#logprobs.push(json(entry));
    if (done !== true) return;
    this.isDone = true;
    if (typeof reason === 'string' && reason !== '') this.#reason = reason;
    this.#usage = { inputTokens: count(line['prompt_eval_count']), outputTokens: count(line['eval_count']) };
    const durations = DURATIONS.filter((name) => count(line[name]) !== null);
    if (durations.length > 0) this.#meta['durationsNs'] = Object.fromEntries(durations.map((name) => [name, line[name] as number]));
  }

  #message({ thinking, content, tool_calls: calls }: Loose, whole: unknown): void {
    if (typeof thinking === 'string' && thinking !== '') {
      this.#parts.text('reasoning', 'reasoning', thinking);
      this.#parts.echo('reasoning', 'reasoning', {});
    }
    if (typeof content === 'string') this.#parts.text('text', 'text', content);
    else if (content !== undefined && content !== null) throw unexpected('message.content is not text', whole);
    if (calls === undefined || calls === null) return;
    if (!Array.isArray(calls)) throw unexpected('message.tool_calls is not a list', whole);
    for (const call of calls) this.#call(object(call, 'a tool call'), whole);
  }

  /** Calls come whole. Servers before 2026 give them no id. */
  #call({ id, function: given }: Loose, whole: unknown): void {
    const { name, arguments: input } = object(given, 'function');
    if (typeof name !== 'string' || name === '') throw unexpected('a tool call has no name', whole);
    const text =
      input === undefined || input === null
        ? '{}'
        : typeof input === 'string'
          ? input
          : isObject(input)
            ? JSON.stringify(input)
            : undefined;
    if (text === undefined) throw unexpected('the arguments of a tool call are not an object', whole);
    const key = `call ${this.#callCount++}`;
    this.#parts.call(key, { name, ...(typeof id === 'string' && id !== '' ? { id } : {}) });
    this.#parts.input(key, text);
  }
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

/** A value that a log can hold. */
function json(value: unknown): Json {
  try {
    return checkJson(toWellFormed(value as Json));
  } catch {
    throw unexpected('it holds what is no plain JSON', value);
  }
}

function unexpected(why: string, came: unknown): Error {
  return garbage(CHAT_RESPONSE, why, came);
}

function object(value: unknown, what: string): Loose {
  if (!isObject(value)) throw unexpected(`${what} is not an object`, value);
  return value;
}
