import type { Json, JsonObject } from '../../core/index.ts';
import { garbage } from '../failure.ts';
import type { WireEvent } from '../framing.ts';
import type { Citation, FinishReason, Usage } from '../message.ts';
import type { CallOptions, ModelAnswer } from '../model.ts';
import { isObject, type Loose } from '../object.ts';
import { PartsBuilder } from '../parts.ts';
import type { Decoder } from '../wire.ts';
import { ANSWER_TOOL, ANSWER_VALUE_TOOL, answerJson } from './anthropic-answer.ts';

/** What an answer is called in errors. */
export const CONVERSE = 'an answer of Converse';

const FINISHES: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  guardrail_intervened: 'content_filter',
  content_filtered: 'content_filter',
};
/** Those that `finish` says in full. */
const PLAIN = new Set(['end_turn', 'stop_sequence', 'max_tokens', 'tool_use', 'content_filtered']);

/** A content block as it grows. */
interface Block {
  signature: string;
  readonly redacted: string[];
  readonly citations: Loose[];
  /** Of the tool by which the answer comes, its name; else null. */
  answer: string | null;
  json: string;
  sealed: Sealed | null;
}

/** A block that is kept as it is. */
interface Sealed {
  readonly kind: string;
  readonly members: Record<string, unknown>;
}

/**
 * Builds an answer from a whole one of Converse or from the events of ConverseStream ("ContentBlock", "ConverseStreamOutput", Bedrock API
 * reference, read 2026-11): the same code reads both. Reasoning keeps its signature, or what is sealed of it, as an echo.
 * Contract: throws MODEL_GARBAGE for what is not the protocol.
 */
export class BedrockDecoder implements Decoder {
  readonly #parts: PartsBuilder;
  readonly #open = new Map<number, Block>();
  readonly #meta: Record<string, Json> = {};
  #usage: Usage = { inputTokens: null, outputTokens: null };
  #stop: string | null = null;
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
    const answer = object(value, 'answer');
    const { output } = answer;
    const message = isObject(output) ? output['message'] : undefined;
    const content = isObject(message) ? message['content'] : undefined;
    if (!Array.isArray(content)) throw unexpected('it has no list at output.message.content', value);
    (content as readonly unknown[]).forEach((block, index) => {
      this.#block(index, object(block, 'content block'));
      this.#end(index);
    });
    this.#finish(answer);
    this.#metadata(answer);
  }

  /** Events of other types are skipped. */
  event({ event, value }: WireEvent): void {
    const data = object(value, event);
    if (event === 'contentBlockStart') {
      const start = data['start'];
      if (isObject(start)) this.#start(indexOf(data), start);
    } else if (event === 'contentBlockDelta') this.#delta(indexOf(data), object(data['delta'], 'delta', data));
    else if (event === 'contentBlockStop') this.#end(indexOf(data));
    else if (event === 'messageStop') this.#finish(data);
    else if (event === 'metadata') {
      this.#metadata(data);
      this.isDone = true;
    }
  }

  answer(): ModelAnswer {
    for (const index of this.#open.keys()) this.#end(index);
    const parts = this.#parts.parts();
    if (parts === null) throw unexpected('a tool call has no name', null);
    if (this.#stop !== null && !PLAIN.has(this.#stop)) this.#meta['stopReason'] = this.#stop;
    let finish = FINISHES[this.#stop ?? ''] ?? 'other';
    // The only call was the answer.
    if (finish === 'tool_calls' && !this.#hasCalls) finish = 'stop';
    return { parts, finish, usage: this.#usage, model: null, ...(Object.keys(this.#meta).length === 0 ? {} : { meta: this.#meta }) };
  }

  #finish({ stopReason, additionalModelResponseFields: fields }: Loose): void {
    if (typeof stopReason === 'string') this.#stop = stopReason;
    if (isObject(fields) && Object.keys(fields).length > 0) this.#meta['additionalModelResponseFields'] = fields as JsonObject;
  }

  #metadata({ usage, trace, serviceTier }: Loose): void {
    if (isObject(usage)) this.#usage = usageOf(usage);
    if (isObject(trace)) this.#meta['trace'] = trace as JsonObject;
    if (isObject(serviceTier) && typeof serviceTier['type'] === 'string') this.#meta['serviceTier'] = serviceTier['type'];
  }

  /** A block of a whole answer, as the one start and the deltas that it stands for. */
  #block(index: number, block: Loose): void {
    const { text, toolUse, reasoningContent, citationsContent } = block;
    if (text !== undefined) this.#delta(index, { text });
    else if (isObject(toolUse) && toolUse['type'] === undefined) {
      this.#start(index, { toolUse });
      const { input } = toolUse;
      if (isObject(input) && Object.keys(input).length > 0) this.#delta(index, { toolUse: { input: JSON.stringify(input) } });
    } else if (isObject(reasoningContent)) {
      const { reasoningText, redactedContent } = reasoningContent;
      if (isObject(reasoningText)) this.#delta(index, { reasoningContent: reasoningText });
      if (redactedContent !== undefined) this.#delta(index, { reasoningContent: { redactedContent } });
    } else if (isObject(citationsContent)) {
      for (const piece of listOf(citationsContent['content'])) this.#delta(index, piece);
      for (const citation of listOf(citationsContent['citations'])) this.#delta(index, { citation });
    } else this.#parts.echo('reasoning', index, { block: block as JsonObject });
  }

  /** A start of another kind begins a block of what ran at the provider, or of what this dialect does not read: it is kept as it is. */
  #start(index: number, start: Loose): void {
    const block = this.#at(index);
    const [[kind, given] = []] = Object.entries(start);
    if (kind !== 'toolUse' || !isObject(given) || given['type'] !== undefined) {
      if (kind !== undefined && isObject(given)) block.sealed = { kind, members: { ...given } };
      return;
    }
    const { name, toolUseId: id } = given;
    if (typeof name !== 'string' || name === '') throw unexpected('a tool call has no name', given);
    if (name === ANSWER_TOOL || name === ANSWER_VALUE_TOOL) block.answer = name;
    else {
      this.#hasCalls = true;
      this.#parts.call(index, { name, ...(typeof id === 'string' && id !== '' ? { id } : {}) });
    }
  }

  #delta(index: number, delta: Loose): void {
    const block = this.#at(index);
    const { text, toolUse, reasoningContent, citation } = delta;
    if (text !== undefined) this.#parts.text('text', index, textIn(delta, 'text'));
    else if (isObject(toolUse)) {
      const piece = textIn(toolUse, 'input');
      if (block.answer !== null || block.sealed !== null) block.json += piece;
      else if (!this.#parts.input(index, piece)) throw unexpected('arguments came before the name of their tool', delta);
    } else if (isObject(reasoningContent)) {
      this.#parts.text('reasoning', index, textIn(reasoningContent, 'text'));
      block.signature += textIn(reasoningContent, 'signature');
      const redacted = textIn(reasoningContent, 'redactedContent');
      if (redacted !== '') block.redacted.push(redacted);
    } else if (isObject(citation)) block.citations.push(citation);
    else if (block.sealed !== null) addSealed(block.sealed, delta);
  }

  #end(index: number): void {
    const block = this.#open.get(index);
    if (block === undefined) return;
    this.#open.delete(index);
    if (block.sealed !== null) this.#parts.echo('reasoning', index, { block: sealedOf(block.sealed, block.json) });
    if (block.answer !== null) this.#parts.text('text', index, answerJson(block.answer, block.json));
    if (block.signature !== '') this.#parts.echo('reasoning', index, { signature: block.signature });
    if (block.redacted.length > 0) this.#parts.echo('reasoning', index, { redacted: base64Of(block.redacted) });
    for (const citation of block.citations) this.#parts.cite(index, citationOf(citation));
  }

  /** A text has no start of its own: its first piece is one. */
  #at(index: number): Block {
    const known = this.#open.get(index);
    if (known !== undefined) return known;
    const block: Block = { signature: '', redacted: [], citations: [], answer: null, json: '', sealed: null };
    this.#open.set(index, block);
    return block;
  }
}

/** A list in a delta continues its content; other members are the block's. */
function addSealed({ kind, members }: Sealed, delta: Loose): void {
  const more = delta[kind];
  if (Array.isArray(more)) members['content'] = [...listOf(members['content']), ...listOf(more)];
  else if (isObject(more)) Object.assign(members, more);
}

function sealedOf({ kind, members }: Sealed, json: string): JsonObject {
  const input = json === '' ? {} : { input: parsed(json) };
  return { [kind]: { ...members, ...input } } as JsonObject;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return {};
  }
}

/** Bytes that came in several pieces, each encoded by itself. */
function base64Of(pieces: readonly string[]): string {
  return pieces.length === 1 ? (pieces[0] ?? '') : btoa(pieces.map((piece) => atob(piece)).join(''));
}

function citationOf({ title, source, location, sourceContent }: Loose): Citation {
  const web = isObject(location) ? location['web'] : undefined;
  const url = isObject(web) ? web['url'] : undefined;
  const quote = listOf(sourceContent)
    .map(({ text }) => (typeof text === 'string' ? text : ''))
    .join('');
  const name = typeof title === 'string' ? title : source;
  return {
    ...(typeof url === 'string' ? { url } : {}),
    ...(typeof name === 'string' ? { title: name } : {}),
    ...(quote === '' ? {} : { quote }),
  };
}

/** `inputTokens` counts only what no cache read or wrote ("Prompt caching", Bedrock user guide, 2026-11). */
function usageOf(usage: Loose): Usage {
  const [input, output, read, written] = ['inputTokens', 'outputTokens', 'cacheReadInputTokens', 'cacheWriteInputTokens'].map((name) =>
    count(usage[name]),
  ) as [number | null, number | null, number | null, number | null];
  return {
    inputTokens: input === null ? null : input + (read ?? 0) + (written ?? 0),
    outputTokens: output,
    ...(read === null ? {} : { cachedInputTokens: read }),
    ...(written === null ? {} : { cacheWriteTokens: written }),
  };
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

function listOf(value: unknown): readonly Loose[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function indexOf(event: Loose): number {
  const { contentBlockIndex: index } = event;
  if (typeof index !== 'number' || !Number.isSafeInteger(index)) throw unexpected('an event has no contentBlockIndex', event);
  return index;
}

function textIn(from: Loose, name: string): string {
  const text = from[name] ?? '';
  if (typeof text !== 'string') throw unexpected(`${name} is not text`, from);
  return text;
}

function object(value: unknown, what: string, came = value): Loose {
  if (!isObject(value)) throw unexpected(`${what} is not an object`, came);
  return value;
}

/** MODEL_GARBAGE of this dialect. */
function unexpected(why: string, came: unknown): Error {
  return garbage(CONVERSE, why, came);
}
