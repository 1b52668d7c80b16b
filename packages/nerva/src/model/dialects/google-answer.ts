import { checkJson, toWellFormed, type Json, type JsonObject } from '../../core/index.ts';
import { garbage } from '../failure.ts';
import type { WireEvent } from '../framing.ts';
import type { FinishReason, Usage } from '../message.ts';
import type { CallOptions, ModelAnswer } from '../model.ts';
import { isObject, type Loose } from '../object.ts';
import { PartsBuilder } from '../parts.ts';
import type { Decoder } from '../wire.ts';
import { citationsOf, recitationsOf, type CitedText } from './google-citations.ts';

/** `FinishReason` of https://ai.google.dev/api/generate-content; what is not here is `other`, and stands in `meta.finishReason` as it came. */
const FINISHES: Readonly<Record<string, FinishReason>> = {
  STOP: 'stop',
  MAX_TOKENS: 'length',
  CONTINUATION: 'length',
  SAFETY: 'content_filter',
  RECITATION: 'content_filter',
  BLOCKLIST: 'content_filter',
  PROHIBITED_CONTENT: 'content_filter',
  SPII: 'content_filter',
  IMAGE_SAFETY: 'content_filter',
  IMAGE_PROHIBITED_CONTENT: 'content_filter',
  IMAGE_RECITATION: 'content_filter',
};

/** What an answer is called in errors. */
export const GENERATED_CONTENT = 'a generated content';

/**
 * Builds an answer from a GenerateContentResponse or from the many of a stream: the same code reads both, so both give the same answer.
 * A signature stays on the part that it came on: texts of one kind are joined only up to the first that is signed
 * (https://ai.google.dev/gemini-api/docs/thought-signatures, read 2026-11: signed parts are not merged with others).
 */
export class GoogleDecoder implements Decoder {
  readonly #parts: PartsBuilder;
  /** The text that the next piece is added to; null behind a call and behind a signature. */
  #open: { readonly kind: 'text' | 'reasoning'; readonly key: string } | null = null;
  readonly #textKeys: string[] = [];
  #count = 0;
  #hasCandidate = false;
  #finish: string | null = null;
  #blockReason: string | null = null;
  #usage: Usage = { inputTokens: null, outputTokens: null };
  #model: string | null = null;
  #grounding: Loose = {};
  #recited: readonly unknown[] = [];
  readonly #meta: Record<string, Json> = {};
  readonly #logprobs: Json[] = [];
  readonly #tokenIds: number[] = [];
  /** No mark stands at the end of these streams. */
  readonly isDone = false;

  /** @param by name of the model. */
  constructor(by: string, onDelta?: CallOptions['onDelta']) {
    this.#parts = new PartsBuilder(by, onDelta);
  }

  get isFinished(): boolean {
    return this.#finish !== null || this.#blockReason !== null;
  }

  whole(value: unknown): void {
    this.#chunk(value);
    if (!this.#hasCandidate && this.#blockReason === null) throw unexpected('it has no candidate', value);
  }

  event({ value }: WireEvent): void {
    this.#chunk(value);
  }

  answer(): ModelAnswer {
    this.#cite();
    const parts = this.#parts.parts();
    if (parts === null) throw unexpected('a function call has no name', null);
    if (this.#logprobs.length > 0) this.#meta['logprobs'] = this.#logprobs;
    if (this.#tokenIds.length > 0) this.#meta['tokenIds'] = this.#tokenIds;
    let finish: FinishReason = this.#blockReason === null ? (FINISHES[this.#finish ?? ''] ?? 'other') : 'content_filter';
    if (finish === 'stop' && this.#parts.hasCalls) finish = 'tool_calls';
    else if (finish !== 'stop' && finish !== 'length' && this.#finish !== null) this.#meta['finishReason'] = this.#finish;
    return { parts, finish, usage: this.#usage, model: this.#model, ...(Object.keys(this.#meta).length === 0 ? {} : { meta: this.#meta }) };
  }

  #chunk(value: unknown): void {
    const wire = object(value, 'it');
    if (typeof wire['modelVersion'] === 'string') this.#model = wire['modelVersion'];
    if (typeof wire['responseId'] === 'string') this.#meta['id'] = wire['responseId'];
    if (isObject(wire['usageMetadata'])) this.#usage = usageOf(wire['usageMetadata']);
    const feedback = wire['promptFeedback'];
    if (isObject(feedback) && typeof feedback['blockReason'] === 'string' && !feedback['blockReason'].endsWith('_UNSPECIFIED')) {
      this.#blockReason = feedback['blockReason'];
      this.#meta['blockReason'] = this.#blockReason;
      this.#keep(feedback, 'safetyRatings');
    }
    const candidates = wire['candidates'];
    if (candidates === undefined || candidates === null) return;
    if (!Array.isArray(candidates)) throw unexpected('candidates is not a list', value);
    if (candidates.length > 0) this.#candidate(object(candidates[0], 'candidates[0]'), value);
  }

  #candidate(candidate: Loose, whole: unknown): void {
    const { content, finishReason, logprobsResult, groundingMetadata, citationMetadata } = candidate;
    if (isObject(content) || typeof finishReason === 'string') this.#hasCandidate = true;
    if (content !== undefined && content !== null) {
      const { parts = [] } = object(content, 'content');
      if (!Array.isArray(parts)) throw unexpected('content.parts is not a list', whole);
      for (const part of parts) this.#part(object(part, 'a part'));
    }
    if (typeof finishReason === 'string' && !finishReason.endsWith('_UNSPECIFIED')) this.#finish = finishReason;
    if (isObject(groundingMetadata)) this.#grounding = { ...this.#grounding, ...groundingMetadata };
    if (isObject(citationMetadata)) {
      const sources = citationMetadata['citationSources'] ?? citationMetadata['citations'];
      if (Array.isArray(sources)) this.#recited = sources;
    }
    if (isObject(logprobsResult)) this.#logprob(logprobsResult);
    for (const name of ['finishMessage', 'safetyRatings', 'urlContextMetadata', 'avgLogprobs', 'continuationToken'])
      this.#keep(candidate, name);
  }

  #keep(from: Loose, name: string): void {
    if (from[name] !== undefined && from[name] !== null) this.#meta[name] = json(from[name]);
  }

  #part(part: Loose): void {
    const { text, functionCall, thought, thoughtSignature } = part;
    const signature = typeof thoughtSignature === 'string' && thoughtSignature !== '' ? thoughtSignature : undefined;
    if (isObject(functionCall)) this.#call(functionCall, signature);
    else if (typeof text === 'string') this.#text(thought === true ? 'reasoning' : 'text', text, signature);
    else if (Object.keys(part).every((name) => name === 'thought' || name === 'thoughtSignature'))
      this.#text(thought === true ? 'reasoning' : 'text', '', signature);
    else this.#sealed(part);
  }

  #text(kind: 'text' | 'reasoning', text: string, signature: string | undefined): void {
    if (text === '' && signature === undefined) return;
    const key = this.#open?.kind === kind ? this.#open.key : this.#key();
    if (this.#open?.key !== key && kind === 'text') this.#textKeys.push(key);
    this.#parts.text(kind, key, text);
    if (kind === 'reasoning' || signature !== undefined)
      this.#parts.echo(kind, key, signature === undefined ? {} : { thoughtSignature: signature });
    this.#open = signature === undefined ? { kind, key } : null;
  }

  #call({ id, name, args }: Loose, signature: string | undefined): void {
    if (typeof name !== 'string' || name === '') throw unexpected('a function call has no name', { id, name, args });
    const key = this.#key();
    this.#open = null;
    const wireId = typeof id === 'string' && id !== '' ? id : undefined;
    this.#parts.call(key, { name, ...(wireId === undefined ? {} : { id: wireId }) });
    const text =
      args === undefined || args === null ? '{}' : typeof args === 'string' ? args : isObject(args) ? JSON.stringify(args) : undefined;
    if (text === undefined) throw unexpected('the arguments of a function call are not an object', { id, name, args });
    this.#parts.input(key, text);
    if (wireId !== undefined || signature !== undefined)
      this.#parts.echo('tool_call', key, {
        ...(wireId === undefined ? {} : { id: wireId }),
        ...(signature === undefined ? {} : { thoughtSignature: signature }),
      });
  }

  /** Code that Google ran, images that it drew, its own tools: nothing here can show them, but they go back to it as they are. */
  #sealed(part: Loose): void {
    this.#open = null;
    this.#parts.echo('reasoning', this.#key(), { part: json(part) });
  }

  #key(): string {
    return `part ${this.#count++}`;
  }

  #cite(): void {
    const texts: CitedText[] = this.#textKeys.map((key) => ({ key, text: toWellFormed(this.#parts.textOf(key)) }));
    const { groundingChunks, groundingSupports, ...rest } = this.#grounding;
    for (const { key, citation } of [...citationsOf(groundingChunks, groundingSupports, texts), ...recitationsOf(this.#recited, texts)])
      this.#parts.cite(key, citation);
    const kept = texts.length === 0 ? this.#grounding : rest;
    if (Object.keys(kept).length > 0) this.#meta['grounding'] = json(kept);
  }

  /** In the form that OpenAI and Ollama have, so that one reader does for all. */
  #logprob({ chosenCandidates, topCandidates }: Loose): void {
    if (!Array.isArray(chosenCandidates)) return;
    (chosenCandidates as readonly unknown[]).forEach((chosen, index) => {
      const entry = logprobOf(chosen);
      if (entry === null) return;
      const top: unknown = Array.isArray(topCandidates) ? (topCandidates as readonly unknown[])[index] : undefined;
      const others = isObject(top) && Array.isArray(top['candidates']) ? (top['candidates'] as readonly unknown[]) : [];
      this.#logprobs.push({
        ...entry,
        ...(others.length === 0 ? {} : { top_logprobs: others.map(logprobOf).filter((other) => other !== null) }),
      });
      if (isObject(chosen) && Number.isSafeInteger(chosen['tokenId'])) this.#tokenIds.push(chosen['tokenId'] as number);
    });
  }
}

function logprobOf(candidate: unknown): JsonObject | null {
  if (!isObject(candidate) || typeof candidate['token'] !== 'string' || typeof candidate['logProbability'] !== 'number') return null;
  return { token: candidate['token'], logprob: candidate['logProbability'] };
}

/**
 * Totals inclusive: `totalTokenCount` "is the sum of prompt_token_count, candidates_token_count, tool_use_prompt_token_count, and
 * thoughts_token_count" (UsageMetadata), the prompt's count includes what was cached. JSON of protobuf leaves out what is zero.
 */
function usageOf(usage: Loose): Usage {
  const prompt = count(usage['promptTokenCount']);
  const input = prompt === null ? null : prompt + (count(usage['toolUsePromptTokenCount']) ?? 0);
  const thoughts = count(usage['thoughtsTokenCount']);
  const candidates = count(usage['candidatesTokenCount']);
  const total = count(usage['totalTokenCount']);
  const summed = candidates === null && thoughts === null ? null : (candidates ?? 0) + (thoughts ?? 0);
  const cached = count(usage['cachedContentTokenCount']);
  return {
    inputTokens: input,
    outputTokens: summed ?? (total === null || input === null ? null : Math.max(0, total - input)),
    ...(cached === null ? {} : { cachedInputTokens: cached }),
    ...(thoughts === null ? {} : { reasoningTokens: thoughts }),
  };
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
  return garbage(GENERATED_CONTENT, why, came);
}

function object(value: unknown, what: string): Loose {
  if (!isObject(value)) throw unexpected(`${what} is not an object`, value);
  return value;
}
