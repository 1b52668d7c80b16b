import { checkJson, NervaError, toWellFormed, type Json, type World } from '../core/index.ts';
import { CHAT_COMPLETION, ChatDecoder } from './dialects/openai-chat-answer.ts';
import { failureOf, garbage, redact, reportedFailure, type Who } from './failure.ts';
import { SSE, type FrameParser } from './framing.ts';
import type { Part } from './message.ts';
import type { ModelAnswer } from './model.ts';
import { isObject, type Loose } from './object.ts';

/** The head of an answer that is read along. */
export interface ChatReaderOptions {
  /** Who answers, for errors and echoes. */
  readonly name: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Kept out of errors. */
  readonly secrets: readonly string[];
  readonly world: World;
}

/** What came of a call. `isPartial`: some of an answer had come. */
export type ChatOutcome = { readonly answer: ModelAnswer } | { readonly error: NervaError; readonly isPartial: boolean };

/**
 * Reads an answer of chat completions beside somebody who gets its bytes: whole or streamed, or the failure that it is.
 * Contract: nothing throws; what is wrong with the answer is its outcome. Of several choices the first is the answer, the others stand in `meta.choices`.
 */
export class ChatReader {
  readonly #who: Who;
  readonly #head: ChatReaderOptions;
  readonly #choices = new Map<number, ChatDecoder>();
  /** Null: the answer comes in one piece, as text. */
  readonly #parser: FrameParser | null;
  readonly #decoder = new TextDecoder();
  #text = '';
  #id: string | null = null;
  #failure: NervaError | null = null;
  #isDone = false;

  constructor(head: ChatReaderOptions) {
    this.#head = head;
    this.#who = { name: head.name, secrets: head.secrets, world: head.world, what: CHAT_COMPLETION };
    const isStream = head.status === 200 && (head.headers['content-type'] ?? '').includes(SSE.mediaType);
    this.#parser = isStream ? SSE.parser(({ value }) => this.#event(value), CHAT_COMPLETION) : null;
  }

  /** Whether it is a stream. */
  get isStream(): boolean {
    return this.#parser !== null;
  }

  /** A reason to stop came for every choice: of the content nothing more follows. */
  get isFinished(): boolean {
    const all = [...this.#choices.values()];
    return this.#failure === null && all.length > 0 && all.every(({ isFinished }) => isFinished);
  }

  push(bytes: Uint8Array): void {
    if (this.#parser === null) this.#text += this.#decoder.decode(bytes, { stream: true });
    else this.#guarded(() => this.#parser?.push(bytes));
  }

  /** The parts so far; empty where they cannot be made out. */
  parts(): readonly Part[] {
    try {
      const parts = this.#first()?.answer().parts ?? [];
      return isUnkeepable(parts) ? [] : parts;
    } catch {
      return [];
    }
  }

  /** What came of it, given that no more bytes come. */
  outcome(): ChatOutcome {
    const made = this.#outcome();
    return 'error' in made ? { ...made, error: withoutExcerpt(made.error, this.#who.secrets) } : made;
  }

  #outcome(): ChatOutcome {
    const { status, headers } = this.#head;
    if (status !== 200) return { error: this.#refusal({ status, headers }), isPartial: false };
    if (this.#parser === null) this.#guarded(() => this.#whole());
    const isPartial = this.#choices.size > 0 && this.isStream;
    if (this.#failure === null && this.isStream && !this.#isDone && !this.isFinished) {
      const message = `The stream of ${this.#who.name} ended before the answer did.`;
      this.#failure = new NervaError('MODEL_TRUNCATED', message);
    }
    if (this.#failure !== null) return { error: this.#failure, isPartial };
    try {
      return { answer: this.#answer() };
    } catch (error) {
      return { error: asFailure(error), isPartial };
    }
  }

  #refusal(head: Pick<ChatReaderOptions, 'status' | 'headers'>): NervaError {
    try {
      return failureOf(head, this.#text, this.#who);
    } catch (error) {
      return asFailure(error);
    }
  }

  #whole(): void {
    let value: unknown;
    try {
      value = JSON.parse(this.#text);
    } catch {
      throw garbage(CHAT_COMPLETION, 'it is not JSON', this.#text);
    }
    const choices = this.#envelope(value);
    if (choices.length === 0) throw garbage(CHAT_COMPLETION, 'choices is empty', value);
    for (const choice of choices) this.#of(choice).whole({ ...(value as Loose), choices: [choice] });
  }

  #event(value: unknown): void {
    if (value === '[DONE]') this.#isDone = true;
    if (this.#isDone) return;
    const choices = this.#envelope(value);
    for (const choice of choices) this.#of(choice).event({ event: 'message', value: { ...(value as Loose), choices: [choice] } });
    // Usage comes in a chunk without choices, and belongs to the whole.
    if (choices.length === 0) this.#of(null).event({ event: 'message', value });
  }

  #envelope(value: unknown): readonly unknown[] {
    if (!isObject(value)) throw garbage(CHAT_COMPLETION, 'it is no JSON object', value);
    const { error, id, choices } = value;
    if (isObject(error) || (typeof error === 'string' && error !== '')) throw reportedFailure(error, this.#who);
    if (typeof id === 'string' && id !== '') this.#id = id;
    if (!Array.isArray(choices)) throw garbage(CHAT_COMPLETION, 'choices is not a list', value);
    return choices;
  }

  #of(choice: unknown): ChatDecoder {
    const given = isObject(choice) ? choice['index'] : undefined;
    const index = typeof given === 'number' ? given : 0;
    let decoder = this.#choices.get(index);
    if (decoder === undefined) this.#choices.set(index, (decoder = new ChatDecoder(this.#who.name)));
    return decoder;
  }

  #first(): ChatDecoder | undefined {
    return this.#choices.get(Math.min(...this.#choices.keys()));
  }

  #answer(): ModelAnswer {
    const first = this.#first();
    if (first === undefined) throw garbage(CHAT_COMPLETION, 'it has no choice', this.#text);
    const made = first.answer();
    const answer = { ...made, parts: made.parts.map(withoutTwins) };
    const others = [...this.#choices].filter(([, decoder]) => decoder !== first);
    const choices = others.map(([index, decoder]) => ({ index, ...picked(decoder.answer()) }) as unknown as Json);
    const meta = { ...answer.meta, ...(this.#id === null ? {} : { responseId: this.#id }), ...(choices.length === 0 ? {} : { choices }) };
    const all = Object.keys(meta).length === 0 ? answer : { ...answer, meta: toWellFormed(meta) };
    if (isUnkeepable(all)) throw garbage(CHAT_COMPLETION, 'no log can hold it', '');
    return all;
  }

  #guarded(body: () => void): void {
    if (this.#failure !== null) return;
    try {
      body();
    } catch (error) {
      this.#failure = asFailure(error);
    }
  }
}

/** Asked for its parts twice, a decoder names the sources of the whole answer twice. */
function withoutTwins(part: Part): Part {
  if (part.type !== 'text' || part.citations === undefined) return part;
  return { ...part, citations: [...new Map(part.citations.map((citation) => [JSON.stringify(citation), citation])).values()] };
}

const picked = ({ parts, finish }: ModelAnswer): Pick<ModelAnswer, 'parts' | 'finish'> => ({ parts, finish });

/** What decoders throw is typed; a value that is nested so deeply that walking it ends the stack is none of theirs. Anything else is a bug and goes up. */
function asFailure(error: unknown): NervaError {
  if (NervaError.is(error)) return error;
  if (error instanceof RangeError) return garbage(CHAT_COMPLETION, 'it is nested too deeply', '');
  throw error;
}

function isUnkeepable(value: unknown): boolean {
  try {
    checkJson(value, { bytesMax: Infinity });
    return false;
  } catch {
    return true;
  }
}

/** An excerpt may end in the middle of a key, where it is not known for one; and the answer was not dropped: whoever asked has it. */
function withoutExcerpt(error: NervaError, secrets: readonly string[]): NervaError {
  if (error.code !== 'MODEL_GARBAGE') return error;
  return new NervaError(error.code, redact(error.message.replace(/ It was dropped\. What came: .*$/s, ''), secrets), {
    details: error.details,
  });
}
