import type { Json, JsonObject } from '../../core/index.ts';
import { garbage } from '../failure.ts';
import { SSE, type Framing, type WireEvent } from '../framing.ts';
import type { FinishReason, Usage } from '../message.ts';
import type { CallOptions, ModelAnswer } from '../model.ts';
import { isObject, type Loose } from '../object.ts';
import { PartsBuilder } from '../parts.ts';
import type { Decoder } from '../wire.ts';

/** What an answer is called in errors. */
export const RESPONSE = 'a response of the Responses API';

/** Server-Sent Events; what reports a failure in a stream is brought into the one form that all wires have. */
export const RESPONSES_SSE: Framing = {
  mediaType: SSE.mediaType,
  parser: (onEvent, what) => SSE.parser((event) => onEvent(withFailure(event)), what),
};

/** `error` events hold the error itself or have it under `error`; `response.failed` has it in its response. */
function withFailure(event: WireEvent): WireEvent {
  const { value } = event;
  if (!isObject(value)) return event;
  const response = value['response'];
  const failure =
    value['type'] === 'error'
      ? isObject(value['error'])
        ? value['error']
        : value
      : value['type'] === 'response.failed' && isObject(response)
        ? response['error']
        : undefined;
  if (failure === undefined) return event;
  return { event: event.event, value: { error: isObject(failure) ? failure : { message: 'the response failed' } } };
}

/**
 * Builds an answer from a response object or from the events of a streamed one: both lead each item through the same code, so both give
 * the same answer. Contract: throws MODEL_GARBAGE for what is not the protocol.
 */
export class ResponsesDecoder implements Decoder {
  readonly #parts: PartsBuilder;
  /** Of each part: which section of it came last, how many citations came. */
  readonly #sections = new Map<string, string>();
  readonly #cited = new Map<string, number>();
  readonly #logprobs = new Map<string, Json[]>();
  #finish: FinishReason | null = null;
  #isRefused = false;
  #usage: Usage = { inputTokens: null, outputTokens: null };
  #model: string | null = null;
  readonly #meta: Record<string, Json> = {};

  /** @param by name of the model. */
  constructor(by: string, onDelta?: CallOptions['onDelta']) {
    this.#parts = new PartsBuilder(by, onDelta);
  }

  get isDone(): boolean {
    return this.#finish !== null;
  }

  get isFinished(): boolean {
    return this.isDone;
  }

  whole(value: unknown): void {
    const response = object(value, 'answer');
    if (!Array.isArray(response['output'])) throw unexpected('output is not a list', value);
    this.#ended(response);
  }

  event({ value }: WireEvent): void {
    if (value === '[DONE]') return;
    const event = object(value, 'event');
    const index = event['output_index'];
    if (typeof index === 'number') this.#inItem(event, index);
    else if (isObject(event['response'])) this.#inResponse(String(event['type']), event['response']);
  }

  answer(): ModelAnswer {
    const parts = this.#parts.parts();
    if (parts === null) throw unexpected('a function call has no name', null);
    const logprobs = [...this.#logprobs.values()].flat();
    if (logprobs.length > 0) this.#meta['logprobs'] = logprobs;
    if (this.#isRefused) this.#meta['refusal'] = true;
    let finish = this.#finish ?? 'other';
    if (finish === 'stop' && this.#isRefused) finish = 'content_filter';
    else if (finish === 'stop' && this.#parts.hasCalls) finish = 'tool_calls';
    return { parts, finish, usage: this.#usage, model: this.#model, ...(Object.keys(this.#meta).length === 0 ? {} : { meta: this.#meta }) };
  }

  #inResponse(type: string, response: Loose): void {
    if (type === 'response.completed' || type === 'response.incomplete') this.#ended(response);
  }

  #inItem(event: Loose, index: number): void {
    const { type, delta, content_index: at } = event;
    const key = `${index}.${String(at)}`;
    switch (type) {
      case 'response.output_item.added':
        return this.#begun(object(event['item'], 'item'), index);
      case 'response.output_item.done':
        return this.#item(object(event['item'], 'item'), index);
      case 'response.content_part.added':
        // An empty one has its place too.
        if (isText(event['part'])) this.#parts.echo('text', key, {});
        return;
      case 'response.output_text.delta':
        if (Array.isArray(event['logprobs'])) this.#logprob(key, event['logprobs']);
        return this.#parts.text('text', key, text(delta, event));
      case 'response.refusal.delta':
        return this.#parts.text('text', key, text(delta, event));
      case 'response.output_text.annotation.added':
        return this.#cite(key, event['annotation']);
      case 'response.function_call_arguments.delta':
        if (!this.#parts.input(String(index), text(delta, event))) throw unexpected('arguments came before the name of their tool', event);
        return;
      case 'response.reasoning_summary_text.delta':
        return this.#reason(index, `summary ${String(event['summary_index'])}`, text(delta, event));
      case 'response.reasoning_text.delta':
        return this.#reason(index, `content ${String(at)}`, text(delta, event));
      default:
    }
  }

  /** What is known of an item when it begins. */
  #begun(item: Loose, index: number): void {
    if (item['type'] === 'function_call') this.#call(item, index);
  }

  /** A whole item; what of it came in pieces before is not taken twice. */
  #item(item: Loose, index: number): void {
    switch (item['type']) {
      case 'message':
        return this.#message(item, index);
      case 'function_call':
        return this.#call(item, index);
      case 'reasoning':
        return this.#reasoning(item, index);
      default:
        // What ran at the provider: its place among the other items matters to it when they come back.
        if (typeof item['type'] !== 'string') throw unexpected('an item has no type', item);
        this.#parts.echo('reasoning', String(index), { item: item as JsonObject });
    }
  }

  #message(item: Loose, index: number): void {
    const { content, id, phase, status } = item;
    if (!Array.isArray(content)) throw unexpected('the content of a message is not a list', item);
    content.forEach((given: unknown, at) => {
      const part = object(given, 'content');
      const key = `${index}.${at}`;
      const isRefusal = part['type'] === 'refusal';
      if (isRefusal) this.#isRefused = true;
      else if (part['type'] !== 'output_text') return;
      if (this.#parts.textOf(key) === '') this.#parts.text('text', key, text(part[isRefusal ? 'refusal' : 'text'], item));
      this.#parts.echo('text', key, {
        ...(typeof id === 'string' ? { id } : {}),
        ...(typeof phase === 'string' ? { phase } : {}),
        ...(typeof status === 'string' && status !== 'completed' ? { status } : {}),
        ...(isRefusal ? { refusal: true } : {}),
      });
      if (Array.isArray(part['annotations']))
        part['annotations'].slice(this.#cited.get(key) ?? 0).forEach((annotation) => this.#cite(key, annotation));
      // The deltas have them without bytes.
      if (Array.isArray(part['logprobs']) && part['logprobs'].length > 0) this.#logprobs.set(key, part['logprobs'] as Json[]);
    });
  }

  #call(item: Loose, index: number): void {
    const { id, call_id: callId, name, arguments: input } = item;
    const key = String(index);
    this.#parts.call(key, {
      ...(typeof callId === 'string' && callId !== '' ? { id: callId } : {}),
      ...(typeof name === 'string' && name !== '' ? { name } : {}),
    });
    if (typeof id === 'string') this.#parts.echo('tool_call', key, { id });
    const given = text(input ?? '', item);
    if (given !== '' && this.#parts.textOf(key) === '' && !this.#parts.input(key, given))
      throw unexpected('a function call has no name', item);
  }

  /** The text of the part is the summary, or the reasoning itself where it is open; the echo is the item, without what the text says already. */
  #reasoning(item: Loose, index: number): void {
    const { id, encrypted_content: sealed } = item;
    const [summary, content] = [sections(item['summary']), sections(item['content'])];
    const key = String(index);
    if (this.#parts.textOf(key) === '') {
      const shown = content.some((section) => section !== '') ? content : summary;
      shown.forEach((section, at) => this.#reason(index, `whole ${at}`, section));
    }
    this.#parts.echo('reasoning', key, {
      ...(typeof id === 'string' ? { id } : {}),
      ...(typeof sealed === 'string' ? { encrypted_content: sealed } : {}),
      ...(summary.length > 1 || content.length > 0 ? { summary: (item['summary'] ?? []) as Json } : {}),
      ...(content.length > 0 ? { content: item['content'] as Json } : {}),
    });
  }

  /** Adds to reasoning. Sections stand apart by an empty line; of summary and content, the one that comes first is shown. */
  #reason(index: number, section: string, more: string): void {
    if (more === '') return;
    const key = String(index);
    const last = this.#sections.get(key) ?? section;
    if (last.split(' ')[0] !== section.split(' ')[0]) return;
    if (last !== section) this.#parts.text('reasoning', key, '\n\n');
    this.#sections.set(key, section);
    this.#parts.text('reasoning', key, more);
  }

  #cite(key: string, annotation: unknown): void {
    this.#cited.set(key, (this.#cited.get(key) ?? 0) + 1);
    if (!isObject(annotation)) return;
    const { url, title, filename, file_id: file, start_index: start, end_index: end } = annotation;
    const name = [title, filename, file].find((given) => typeof given === 'string');
    if (typeof url !== 'string' && name === undefined) return;
    this.#parts.cite(key, {
      ...(typeof url === 'string' ? { url } : {}),
      ...(name === undefined ? {} : { title: String(name) }),
      ...(typeof start === 'number' && typeof end === 'number' ? { start, end } : {}),
    });
  }

  #logprob(key: string, entries: readonly unknown[]): void {
    if (entries.length === 0) return;
    const known = this.#logprobs.get(key) ?? [];
    this.#logprobs.set(key, known);
    for (const entry of entries) known.push(entry as Json);
  }

  #ended(response: Loose): void {
    const { output, status = 'completed', incomplete_details: details, id, model, usage } = response;
    // A stream repeats them at its end; from a server that told none of them before they are taken here.
    if (Array.isArray(output) && this.#parts.size === 0) output.forEach((item, index) => this.#item(object(item, 'item'), index));
    const reason = isObject(details) ? details['reason'] : undefined;
    if (status === 'completed') this.#finish = 'stop';
    else if (status === 'incomplete')
      this.#finish = reason === 'max_output_tokens' ? 'length' : reason === 'content_filter' ? 'content_filter' : 'other';
    else throw unexpected(`its status is ${String(status)}`, response);
    if (typeof id === 'string') this.#meta['id'] = id;
    if (typeof model === 'string' && model !== '') this.#model = model;
    if (typeof response['service_tier'] === 'string') this.#meta['serviceTier'] = response['service_tier'];
    if (Array.isArray(response['content_filters'])) this.#meta['contentFilters'] = response['content_filters'] as readonly Json[];
    if (isObject(usage)) this.#usage = usageOf(usage);
  }
}

/** MODEL_GARBAGE of this dialect. */
function unexpected(why: string, came: unknown): Error {
  return garbage(RESPONSE, why, came);
}

/** The texts of a summary or of open reasoning. */
function sections(list: unknown): readonly string[] {
  return Array.isArray(list)
    ? list.map((section: unknown) => (isObject(section) && typeof section['text'] === 'string' ? section['text'] : ''))
    : [];
}

const isText = (part: unknown): boolean => isObject(part) && (part['type'] === 'output_text' || part['type'] === 'refusal');

function usageOf(usage: Loose): Usage {
  const input = isObject(usage['input_tokens_details']) ? usage['input_tokens_details'] : {};
  const output = isObject(usage['output_tokens_details']) ? usage['output_tokens_details'] : {};
  const [cached, written, thought] = [count(input['cached_tokens']), count(input['cache_write_tokens']), count(output['reasoning_tokens'])];
  return {
    inputTokens: count(usage['input_tokens']),
    outputTokens: count(usage['output_tokens']),
    ...(cached === null ? {} : { cachedInputTokens: cached }),
    ...(written === null ? {} : { cacheWriteTokens: written }),
    ...(thought === null ? {} : { reasoningTokens: thought }),
  };
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

function text(value: unknown, whole: unknown): string {
  if (typeof value !== 'string') throw unexpected('what should be text is not', whole);
  return value;
}

function object(value: unknown, what: string): Loose {
  if (!isObject(value)) throw unexpected(`${what} is not an object`, value);
  return value;
}
