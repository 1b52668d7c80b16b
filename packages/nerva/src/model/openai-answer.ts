import { checkJson, excerpt, NervaError, toWellFormed, type Json } from '../core/index.ts';
import type { FinishReason, Part, Usage } from './message.ts';
import type { CallOptions, ModelAnswer } from './model.ts';

/** A piece of an answer as it is built. */
type Slot =
  | { readonly type: 'text' | 'reasoning'; text: string }
  | { readonly type: 'tool_call'; id: string; name: string; text: string; isAnnounced: boolean };
type CallSlot = Extract<Slot, { type: 'tool_call' }>;

/** An object of the wire whose members nobody has checked yet. */
interface Wire {
  readonly [name: string]: unknown;
}

const FINISHES: Readonly<Record<string, FinishReason>> = {
  stop: 'stop',
  length: 'length',
  tool_calls: 'tool_calls',
  function_call: 'tool_calls',
  content_filter: 'content_filter',
};

/**
 * Builds an answer from a chat completion or from the chunks of a streamed one: the same code reads both, so both give the same answer.
 * Contract: `chunk` and `completion` throw MODEL_GARBAGE for what is not the protocol, `answer` too when a call has no name.
 */
export class Assembly {
  readonly #onDelta: CallOptions['onDelta'];
  readonly #slots: Slot[] = [];
  readonly #calls = new Map<number, CallSlot>();
  #lastCall: CallSlot | undefined;
  #finish: string | null = null;
  #usage: Usage = { inputTokens: null, outputTokens: null };
  #model: string | null = null;
  #isRefused = false;
  /** A whole answer lists each call once. */
  #isWhole = false;
  readonly #meta: Record<string, Json> = {};
  readonly #logprobs: Json[] = [];

  constructor(onDelta?: CallOptions['onDelta']) {
    this.#onDelta = onDelta;
  }

  /** True once a reason to stop came. */
  get isFinished(): boolean {
    return this.#finish !== null;
  }

  /** Takes a whole answer. */
  completion(value: unknown): void {
    const wire = object(value, 'answer');
    const choices = this.#envelope(wire);
    if (choices.length === 0) throw garbage('choices is empty', value);
    this.#isWhole = true;
    this.#choice(choices, 'message', value);
  }

  /** Takes one chunk of a stream. */
  chunk(value: unknown): void {
    this.#choice(this.#envelope(object(value, 'chunk')), 'delta', value);
  }

  /** The answer so far. Call it once, at the end. */
  answer(): ModelAnswer {
    const parts: Part[] = [];
    for (const slot of this.#slots) {
      if (slot.type === 'tool_call') parts.push(callPart(slot));
      else parts.push({ type: slot.type, text: toWellFormed(slot.text) });
    }
    if (this.#logprobs.length > 0) this.#meta['logprobs'] = this.#logprobs;
    if (this.#isRefused) this.#meta['refusal'] = true;
    let finish = FINISHES[this.#finish ?? ''] ?? 'other';
    if (this.#isRefused) finish = 'content_filter';
    // Some endpoints say `stop` after tool calls.
    else if (finish === 'stop' && this.#calls.size > 0) finish = 'tool_calls';
    return { parts, finish, usage: this.#usage, model: this.#model, ...(Object.keys(this.#meta).length === 0 ? {} : { meta: this.#meta }) };
  }

  #envelope(wire: Wire): readonly unknown[] {
    if (typeof wire['model'] === 'string' && wire['model'] !== '') this.#model = wire['model'];
    if (typeof wire['system_fingerprint'] === 'string') this.#meta['systemFingerprint'] = wire['system_fingerprint'];
    if (typeof wire['service_tier'] === 'string') this.#meta['serviceTier'] = wire['service_tier'];
    if (isObject(wire['usage'])) this.#usage = usageOf(wire['usage']);
    const choices = wire['choices'];
    if (!Array.isArray(choices)) throw garbage('choices is not a list', wire);
    return choices;
  }

  #choice(choices: readonly unknown[], field: 'message' | 'delta', whole: unknown): void {
    if (choices[0] === undefined) return;
    const choice = object(choices[0], 'choices[0]');
    const message = choice[field];
    if (isObject(message)) this.#message(message, whole);
    else if (field === 'message' || (message !== undefined && message !== null))
      throw garbage(`choices[0].${field} is not an object`, whole);
    const logprobs = choice['logprobs'];
    if (isObject(logprobs) && Array.isArray(logprobs['content']))
      for (const entry of logprobs['content']) this.#logprobs.push(entry as Json);
    const finish = choice['finish_reason'];
    if (typeof finish === 'string' && finish !== '') this.#finish = finish;
  }

  #message(message: Wire, whole: unknown): void {
    this.#text('reasoning', message['reasoning_content'] ?? message['reasoning'], whole);
    this.#text('text', message['content'], whole);
    const refusal = message['refusal'];
    if (typeof refusal === 'string' && refusal !== '') this.#isRefused = true;
    this.#text('text', refusal, whole);
    const calls = message['tool_calls'];
    if (calls === undefined || calls === null) return;
    if (!Array.isArray(calls)) throw garbage('tool_calls is not a list', whole);
    calls.forEach((call, index) => this.#call(object(call, 'tool_calls'), index, whole));
  }

  #text(type: 'text' | 'reasoning', content: unknown, whole: unknown): void {
    const text = textOf(content);
    if (text === undefined) {
      // Some endpoints put an object under `reasoning`; only what is text is reasoning.
      if (type === 'text') throw garbage('content is neither text nor a list of text parts', whole);
      return;
    }
    if (text === '') return;
    let index = this.#slots.findIndex((slot) => slot.type === type);
    if (index < 0) index = this.#slots.push({ type, text: '' }) - 1;
    (this.#slots[index] as Slot).text += text;
    this.#onDelta?.({ type, index, text });
  }

  #call(call: Wire, position: number, whole: unknown): void {
    const { id, index } = call;
    const given = call['function'];
    if (!isObject(given)) throw garbage('a tool call has no function', whole);
    const slot = this.#slotOf(typeof index === 'number' ? index : undefined, typeof id === 'string' ? id : '', position);
    if (slot.name === '' && typeof given['name'] === 'string') slot.name = given['name'];
    const at = this.#slots.indexOf(slot);
    if (!slot.isAnnounced && slot.name !== '') {
      slot.isAnnounced = true;
      if (slot.id === '') slot.id = `call_${at}`;
      this.#onDelta?.({ type: 'tool_call', index: at, id: slot.id, name: slot.name });
    }
    const input = given['arguments'] ?? '';
    const text = typeof input === 'string' ? input : isObject(input) ? JSON.stringify(input) : undefined;
    if (text === undefined) throw garbage('the arguments of a tool call are not text', whole);
    if (text === '') return;
    if (!slot.isAnnounced) throw garbage('arguments came before the name of their tool', whole);
    slot.text += text;
    this.#onDelta?.({ type: 'tool_input', index: at, text });
  }

  /** The call a piece belongs to: by its index; by its id where an endpoint counts wrongly or not at all; else the last one. */
  #slotOf(index: number | undefined, id: string, position: number): CallSlot {
    const key = index ?? (id === '' ? undefined : this.#calls.size);
    const known = index !== undefined ? this.#calls.get(index) : this.#isWhole ? undefined : this.#withId(id);
    if (known !== undefined && (id === '' || known.id === id || known.id === '')) {
      if (known.id === '') known.id = id;
      return known;
    }
    const other = this.#withId(id);
    if (other !== undefined && !this.#isWhole && !(index !== undefined && isComplete(other))) return other;
    if (key === undefined && this.#lastCall !== undefined && position === 0) return this.#lastCall;
    const slot: CallSlot = { type: 'tool_call', id, name: '', text: '', isAnnounced: false };
    this.#slots.push(slot);
    this.#calls.set(key ?? this.#calls.size, slot);
    this.#lastCall = slot;
    return slot;
  }

  #withId(id: string): CallSlot | undefined {
    return id === '' ? undefined : (this.#slots.find((slot) => slot.type === 'tool_call' && slot.id === id) as CallSlot | undefined);
  }
}

/** MODEL_GARBAGE with an excerpt of what came. */
export function garbage(what: string, came: unknown): NervaError {
  const text = typeof came === 'string' ? came : (JSON.stringify(came) ?? String(came));
  const message = `The answer is not a chat completion: ${what}. It was dropped. What came: ${excerpt(text, EXCERPT_LENGTH)}`;
  return new NervaError('MODEL_GARBAGE', message);
}

const EXCERPT_LENGTH = 200;

/** Arguments that are not JSON, or not JSON that a log can hold, stay text: the model is told and tries again. */
function callPart({ id, name, text }: CallSlot): Part {
  if (name === '') throw garbage('a tool call has no name', { id, arguments: text });
  if (text.trim() === '') return { type: 'tool_call', id, name, input: {} };
  try {
    return { type: 'tool_call', id, name, input: checkJson(toWellFormed(JSON.parse(text) as Json)) };
  } catch {
    return { type: 'tool_call', id, name, input: toWellFormed(text), malformed: true };
  }
}

/** Whether nothing more is to come: a piece under the same id and another index is a second call then. */
function isComplete({ text }: CallSlot): boolean {
  try {
    return typeof JSON.parse(text) === 'object';
  } catch {
    return false;
  }
}

function textOf(content: unknown): string | undefined {
  if (content === undefined || content === null) return '';
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return undefined;
  let text = '';
  for (const part of content) {
    if (!isObject(part) || typeof part['text'] !== 'string') return undefined;
    text += part['text'];
  }
  return text;
}

function usageOf(usage: Wire): Usage {
  const cached = isObject(usage['prompt_tokens_details']) ? count(usage['prompt_tokens_details']['cached_tokens']) : null;
  const reasoning = isObject(usage['completion_tokens_details']) ? count(usage['completion_tokens_details']['reasoning_tokens']) : null;
  return {
    inputTokens: count(usage['prompt_tokens']),
    outputTokens: count(usage['completion_tokens']),
    ...(cached === null ? {} : { cachedInputTokens: cached }),
    ...(reasoning === null ? {} : { reasoningTokens: reasoning }),
  };
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

/** True for a JSON object. */
export function isObject(value: unknown): value is Wire {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function object(value: unknown, what: string): Wire {
  if (!isObject(value)) throw garbage(`${what} is not an object`, value);
  return value;
}
