import type { Json, JsonObject } from '../../core/index.ts';
import { garbage } from '../failure.ts';
import type { WireEvent } from '../framing.ts';
import type { Citation, FinishReason, Usage } from '../message.ts';
import type { CallOptions, ModelAnswer } from '../model.ts';
import { isObject, type Loose } from '../object.ts';
import { PartsBuilder } from '../parts.ts';
import type { Decoder } from '../wire.ts';
import { chatUsage, ReasoningDetails, sourcesOf, strictest } from './openai-chat-extras.ts';
import type { ChatQuirks } from './openai-chat-quirks.ts';

/** OpenAI's words, and those of others: `eos` of Together, `model_length` of Mistral, `sensitive` of Zhipu. */
const FINISHES: Readonly<Record<string, FinishReason>> = {
  stop: 'stop',
  eos: 'stop',
  length: 'length',
  model_length: 'length',
  sensitive: 'content_filter',
  tool_calls: 'tool_calls',
  function_call: 'tool_calls',
  content_filter: 'content_filter',
};

/** What an answer is called in errors. */
export const CHAT_COMPLETION = 'a chat completion';

/**
 * Builds an answer from a chat completion or from the chunks of a streamed one: the same code reads both, so both give the same answer.
 * Contract: throws MODEL_GARBAGE for what is not the protocol, `answer` too when a call has no name.
 */
export class ChatDecoder implements Decoder {
  readonly #parts: PartsBuilder;
  readonly #reasoningField: ChatQuirks['reasoningField'];
  /** Keys of the calls by their index, and the key of the newest. */
  readonly #calls = new Map<number, CallKey>();
  readonly #byId = new Map<string, CallKey>();
  #lastCall: CallKey | undefined;
  #finish: string | null = null;
  #usage: Usage = { inputTokens: null, outputTokens: null };
  #model: string | null = null;
  #isRefused = false;
  /** A whole answer lists each call once. */
  #isWhole = false;
  isDone = false;
  readonly #meta: Record<string, Json> = {};
  readonly #logprobs: Json[] = [];
  /** Null: none were given. */
  #tokenIds: number[] | null = null;
  /** Sources of the whole answer; a stream repeats them in each chunk. */
  #sources: readonly Citation[] = [];
  readonly #reasoningDetails = new ReasoningDetails();

  /** @param by name of the model. */
  constructor(by: string, onDelta?: CallOptions['onDelta'], { reasoningField }: Pick<ChatQuirks, 'reasoningField'> = {}) {
    this.#parts = new PartsBuilder(by, onDelta);
    this.#reasoningField = reasoningField;
  }

  get isFinished(): boolean {
    return this.#finish !== null;
  }

  whole(value: unknown): void {
    this.#isWhole = true;
    const choices = this.#envelope(object(value, 'answer'));
    if (choices.length === 0) throw unexpected('choices is empty', value);
    this.#choice(choices, 'message', value);
  }

  event({ value }: WireEvent): void {
    if (value === '[DONE]') this.isDone = true;
    else this.#choice(this.#envelope(object(value, 'chunk')), 'delta', value);
  }

  answer(): ModelAnswer {
    for (const source of this.#sources) this.#parts.cite('text', source);
    // What goes back to its maker is marked as made by it.
    if (this.#reasoningField !== undefined && this.#parts.has('reasoning')) this.#parts.echo('reasoning', 'reasoning', {});
    const parts = this.#parts.parts();
    if (parts === null) throw unexpected('a tool call has no name', [...this.#calls.values()]);
    if (this.#logprobs.length > 0) this.#meta['logprobs'] = this.#logprobs;
    if (this.#tokenIds !== null) this.#meta['tokenIds'] = this.#tokenIds;
    if (this.#isRefused) this.#meta['refusal'] = true;
    let finish = FINISHES[this.#finish ?? ''] ?? 'other';
    if (this.#isRefused) finish = 'content_filter';
    // Some endpoints say `stop` after tool calls.
    else if (finish === 'stop' && this.#parts.hasCalls) finish = 'tool_calls';
    return { parts, finish, usage: this.#usage, model: this.#model, ...(Object.keys(this.#meta).length === 0 ? {} : { meta: this.#meta }) };
  }

  #envelope(wire: Loose): readonly unknown[] {
    if (typeof wire['model'] === 'string' && wire['model'] !== '') this.#model = wire['model'];
    if (typeof wire['system_fingerprint'] === 'string') this.#meta['systemFingerprint'] = wire['system_fingerprint'];
    if (typeof wire['service_tier'] === 'string') this.#meta['serviceTier'] = wire['service_tier'];
    if (isIds(wire['prompt_token_ids'])) this.#meta['promptTokenIds'] = [...wire['prompt_token_ids']];
    const usage = wire['usage'] ?? (isObject(wire['x_groq']) ? wire['x_groq']['usage'] : undefined);
    if (isObject(usage)) this.#usage = chatUsage(usage);
    if (Array.isArray(wire['prompt_filter_results'])) this.#meta['promptFilterResults'] = wire['prompt_filter_results'] as readonly Json[];
    const sources = sourcesOf(wire);
    if (sources.length > 0) this.#sources = sources;
    const choices = wire['choices'];
    if (!Array.isArray(choices)) throw unexpected('choices is not a list', wire);
    return choices;
  }

  #choice(choices: readonly unknown[], field: 'message' | 'delta', whole: unknown): void {
    if (choices[0] === undefined) return;
    const choice = object(choices[0], 'choices[0]');
    const message = choice[field];
    if (isObject(message)) this.#message(message, whole);
    else if (field === 'message' || (message !== undefined && message !== null))
      throw unexpected(`choices[0].${field} is not an object`, whole);
    const logprobs = choice['logprobs'];
    if (isObject(logprobs) && Array.isArray(logprobs['content']))
      for (const entry of logprobs['content']) this.#logprobs.push(entry as Json);
    // vLLM: `return_token_ids`.
    const ids = choice['token_ids'];
    if (isIds(ids)) for (const one of ids) (this.#tokenIds ??= []).push(one);
    // Moonshot puts it here in a stream.
    if (isObject(choice['usage'])) this.#usage = chatUsage(choice['usage']);
    const filtered = choice['content_filter_results'];
    if (isObject(filtered)) this.#meta['contentFilterResults'] = strictest(this.#meta['contentFilterResults'], filtered as JsonObject);
    const finish = choice['finish_reason'];
    if (typeof finish === 'string' && finish !== '') this.#finish = finish;
  }

  #message(message: Loose, whole: unknown): void {
    this.#text('reasoning', message['reasoning_content'] ?? message['reasoning'], whole);
    this.#details(message['reasoning_details']);
    this.#content(message['content'], whole);
    const refusal = message['refusal'];
    if (typeof refusal === 'string' && refusal !== '') this.#isRefused = true;
    this.#text('text', refusal, whole);
    this.#cite(message['annotations']);
    const calls = message['tool_calls'];
    if (calls === undefined || calls === null) return;
    if (!Array.isArray(calls)) throw unexpected('tool_calls is not a list', whole);
    calls.forEach((call, index) => this.#call(object(call, 'tool_calls'), index, whole));
  }

  /** Text, or a list of texts among which thinking stands (Mistral). */
  #content(content: unknown, whole: unknown): void {
    if (Array.isArray(content))
      for (const part of content as readonly unknown[])
        if (isObject(part) && part['type'] === 'thinking') this.#text('reasoning', part['thinking'], whole);
    this.#text('text', content, whole);
  }

  /** What OpenRouter wants back. It belongs to the reasoning, of which nothing may be shown. */
  #details(details: unknown): void {
    if (this.#reasoningField !== 'reasoning_details' || !Array.isArray(details) || details.length === 0) return;
    this.#reasoningDetails.add(details);
    this.#parts.echo('reasoning', 'reasoning', { reasoning_details: this.#reasoningDetails.list });
  }

  #text(type: 'text' | 'reasoning', content: unknown, whole: unknown): void {
    const text = textOf(content);
    if (text !== undefined) this.#parts.text(type, type, text);
    // Some endpoints put an object under `reasoning`; only what is text is reasoning.
    else if (type === 'text') throw unexpected('content is neither text nor a list of text parts', whole);
  }

  #cite(annotations: unknown): void {
    if (!Array.isArray(annotations)) return;
    for (const annotation of annotations as readonly unknown[]) {
      const cited = isObject(annotation) ? annotation['url_citation'] : undefined;
      if (!isObject(cited) || typeof cited['url'] !== 'string') continue;
      const { url, title, start_index: start, end_index: end } = cited;
      this.#parts.cite('text', {
        url,
        ...(typeof title === 'string' ? { title } : {}),
        ...(typeof start === 'number' && typeof end === 'number' ? { start, end } : {}),
      });
    }
  }

  #call(call: Loose, position: number, whole: unknown): void {
    const { id, index } = call;
    const given = call['function'];
    if (!isObject(given)) throw unexpected('a tool call has no function', whole);
    const key = this.#keyOf(typeof index === 'number' ? index : undefined, typeof id === 'string' ? id : '', position);
    const { name } = given;
    this.#parts.call(key.key, {
      ...(typeof id === 'string' && id !== '' ? { id } : {}),
      ...(typeof name === 'string' && name !== '' ? { name } : {}),
    });
    const input = given['arguments'] ?? '';
    const text = typeof input === 'string' ? input : isObject(input) ? JSON.stringify(input) : undefined;
    if (text === undefined) throw unexpected('the arguments of a tool call are not text', whole);
    if (text !== '' && !this.#parts.input(key.key, text)) throw unexpected('arguments came before the name of their tool', whole);
  }

  /** The call a piece belongs to: by its index; by its id where an endpoint counts wrongly or not at all; else the last one. */
  #keyOf(index: number | undefined, id: string, position: number): CallKey {
    const slot = index ?? (id === '' ? undefined : this.#calls.size);
    const withId = id === '' || this.#isWhole ? undefined : this.#byId.get(id);
    const known = index === undefined ? withId : this.#calls.get(index);
    if (known !== undefined && (id === '' || known.id === id || known.id === '')) {
      if (known.id === '' && id !== '') this.#named(known, id);
      return known;
    }
    // A whole call under another index is done: a second one may come under the same id.
    if (withId !== undefined && !(index !== undefined && isComplete(this.#parts.textOf(withId.key)))) return withId;
    if (slot === undefined && this.#lastCall !== undefined && position === 0) return this.#lastCall;
    const made: CallKey = { key: `call ${this.#parts.size}`, id: '' };
    if (id !== '') this.#named(made, id);
    this.#calls.set(slot ?? this.#calls.size, made);
    this.#lastCall = made;
    return made;
  }

  #named(call: CallKey, id: string): void {
    call.id = id;
    if (!this.#byId.has(id)) this.#byId.set(id, call);
  }
}

interface CallKey {
  readonly key: string;
  id: string;
}

/** MODEL_GARBAGE of this dialect. */
function unexpected(why: string, came: unknown): Error {
  return garbage(CHAT_COMPLETION, why, came);
}

function isComplete(text: string): boolean {
  try {
    return typeof JSON.parse(text) === 'object';
  } catch {
    return false;
  }
}

const isIds = (value: unknown): value is readonly number[] => Array.isArray(value) && value.every(Number.isSafeInteger);

function textOf(content: unknown): string | undefined {
  if (content === undefined || content === null) return '';
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return undefined;
  let text = '';
  for (const part of content) {
    if (!isObject(part)) return undefined;
    if (part['type'] === 'thinking') continue;
    if (typeof part['text'] !== 'string') return undefined;
    text += part['text'];
  }
  return text;
}

function object(value: unknown, what: string): Loose {
  if (!isObject(value)) throw unexpected(`${what} is not an object`, value);
  return value;
}
