import { excerpt, utf8Bytes, type Json, type JsonObject } from '../core/index.ts';
import { isBlobRef } from '../log/index.ts';
import type { Message, ModelParams, Part, ToolResultPart, ToolSpec } from '../model/index.ts';
import { fileTokens } from './files.ts';
import type { List } from './list.ts';
import { tokenEstimator, tokenFamily, type TokenCounter } from './tokens.ts';

/** What a message costs beside its words: marks of its role and of its end. */
const MESSAGE_TOKENS = 5;
/** What a call or a result costs beside its words. */
const PART_TOKENS = 8;
/** Content beside the log cannot be looked at while it is decided: it is counted at this, and where a window is known, denser content is cut to it when it is sent. */
const BLOB_BYTES_A_TOKEN = 2;
/** Sealed reasoning comes back as base64 of unknown content. */
const ECHO_BYTES_A_TOKEN = 4;

/** Counts what a definition's requests take of the window, and cuts the results of tools to their section. What was counted once is remembered. */
export interface Meter {
  readonly text: TokenCounter;
  message(message: Message): number;
  /** Of all of them; a conversation that grew costs its new messages. */
  messages(messages: List<Message>): number;
  /** What no compaction takes away: instructions, tools, and the schema of the answer. */
  fixed(instructions: string): number;
  /** The message as it is sent: results of a step that take more than `sections.results` are cut, each with a note. The same object each time. */
  shown(message: Message): Message;
  /** The same for content that stood beside the log and is at hand now; `message` is the one that names it. Where a window is known it never takes more than was counted for it. */
  shownBlob(message: Message, output: Json): Json;
}

/** The meter of a definition. */
export function meterOf({ model, countTokens, resultsMax, specs, params }: Metered): Meter {
  const text = counterOf(model, countTokens);
  const cutOf = remembered((message: Message) => cutResults(message, resultsMax, text));
  const message = (given: Message): number =>
    resultsMax === Infinity || given.role !== 'tool' ? messageTokens(given, Infinity, text) : cutOf(given).tokens;
  const tools = specs.length === 0 ? 0 : text(JSON.stringify(specs));
  const answer = params.outputSchema === undefined ? 0 : text(JSON.stringify(params.outputSchema));
  let last = { instructions: '', tokens: 0 };
  return {
    text,
    message,
    messages: summed(message),
    fixed(instructions) {
      if (last.instructions !== instructions) last = { instructions, tokens: text(instructions) };
      return last.tokens + tools + answer;
    },
    shown: (given) => (resultsMax === Infinity || given.role !== 'tool' ? given : cutOf(given).shown),
    shownBlob(named, output) {
      if (resultsMax === Infinity) return output;
      return cutOutput(output, Math.min(blobTokens(utf8Bytes(JSON.stringify(output))), cutOf(named).max), text);
    },
  };
}

function remembered<K extends object, V>(make: (key: K) => V): (key: K) => V {
  const made = new WeakMap<K, V>();
  return (key) => {
    let value = made.get(key);
    if (value === undefined) made.set(key, (value = make(key)));
    return value;
  };
}

/** A sum over a list that goes on from where it came to: what a list shares with the one that it grew from never changes. */
function summed(tokensOf: (message: Message) => number): (messages: List<Message>) => number {
  const sums = new WeakMap<readonly Message[], { readonly count: number; readonly tokens: number }>();
  return ({ count, shared }) => {
    const kept = sums.get(shared);
    let { count: index, tokens } = kept === undefined || kept.count > count ? NO_MESSAGES : kept;
    for (; index < count; index++) tokens += tokensOf(shared[index] as Message);
    if (count > FEW) sums.set(shared, { count, tokens });
    return tokens;
  };
}

const NO_MESSAGES = { count: 0, tokens: 0 };
/** So few are counted anew each time: what an old WeakMap holds outlives V8's young collections, and most conversations are short. */
const FEW = 4;

/** What of a definition a meter needs. */
export interface Metered {
  readonly model: string;
  readonly countTokens: TokenCounter | undefined;
  /** Tokens of the results of one step; Infinity where nobody knows the window. */
  readonly resultsMax: number;
  readonly specs: readonly ToolSpec[];
  readonly params: ModelParams;
}

/** The tokenizer that was given, or an estimate. One that throws (some do, at marks of their own in a text) or gives no count must not end a session: what it cannot count is estimated. */
function counterOf(model: string, given: TokenCounter | undefined): TokenCounter {
  const estimate = tokenEstimator(tokenFamily(model));
  if (given === undefined) return estimate;
  return (text) => {
    try {
      const tokens = given(text);
      return tokens >= 0 && tokens < Infinity ? Math.ceil(tokens) : estimate(text);
    } catch {
      return estimate(text);
    }
  };
}

const plain = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** `outputMax`: of a result that stands beside the log, and is cut once it is at hand. */
const messageTokens = (message: Message, outputMax: number, text: TokenCounter): number =>
  message.parts.reduce((sum, part) => sum + partTokens(part, text, outputMax), MESSAGE_TOKENS + fileTokens(message));

function partTokens(part: Part, text: TokenCounter, outputMax: number): number {
  if (part.type === 'file') return 0; // counted as files are
  const echo = 'echo' in part ? Math.ceil(JSON.stringify(part.echo).length / ECHO_BYTES_A_TOKEN) : 0;
  if (part.type === 'tool_call') return text(part.name) + text(plain(part.input)) + PART_TOKENS + echo;
  if (part.type === 'tool_result') return text(part.name) + Math.min(outputTokens(part, text), outputMax) + PART_TOKENS;
  return text(part.text) + echo;
}

const outputTokens = ({ output }: ToolResultPart, text: TokenCounter): number =>
  isBlobRef(output) ? blobTokens(output.bytes) : text(plain(output));

const blobTokens = (bytes: number): number => Math.ceil(bytes / BLOB_BYTES_A_TOKEN);

/** How much each may take so that all together take no more than `max`: what small ones leave is for the large ones. */
function level(sizes: readonly number[], max: number): number {
  let left = max;
  const sorted = sizes.toSorted((a, b) => a - b);
  for (const [index, size] of sorted.entries()) {
    const share = Math.floor(left / (sorted.length - index));
    if (size > share) return share;
    left -= size;
  }
  return Infinity;
}

/** A message of results as it is sent, what it takes then, and how much each of them may take. */
interface Cut {
  readonly shown: Message;
  readonly tokens: number;
  readonly max: number;
}

function cutResults(message: Message, resultsMax: number, text: TokenCounter): Cut {
  const sizes = message.parts.map((part) => (part.type === 'tool_result' ? outputTokens(part, text) : 0));
  const max = level(sizes, resultsMax);
  const parts = message.parts.map((part, index) => {
    if (part.type !== 'tool_result' || isBlobRef(part.output) || (sizes[index] ?? 0) <= max) return part;
    return { ...part, output: cutOutput(part.output, max, text) };
  });
  const shown = max === Infinity ? message : { ...message, parts };
  return { shown, tokens: messageTokens(shown, max, text), max };
}

function cutOutput(output: Json, max: number, text: TokenCounter): Json {
  const whole = plain(output);
  const kept = cutText(whole, max, text);
  return kept === whole ? output : kept;
}

/** Messages whose words take no more than `tokensMax` together: where they would, the longest parts are cut, each with a note. */
export function cutMessages(messages: readonly Message[], tokensMax: number, text: TokenCounter): readonly Message[] {
  const parts = messages.flatMap((message) => message.parts);
  const words = new Map(parts.map((part) => [part, text(wordsOf(part))]));
  const beside = parts.reduce(
    (sum, part) => sum + ('name' in part && part.type !== 'file' ? text(part.name) + PART_TOKENS : 0),
    MESSAGE_TOKENS * messages.length,
  );
  // Each counts, also where two are one object: what is folded anew has no object twice.
  const sizes = parts.map((part) => words.get(part) ?? 0);
  const max = level(sizes, Math.max(0, tokensMax - beside));
  const fits = (part: Part): boolean => (words.get(part) ?? 0) <= max;
  return messages.map((message) =>
    message.parts.every(fits)
      ? message
      : { ...message, parts: message.parts.map((part) => (fits(part) ? part : cutPart(part, max, text))) },
  );
}

function wordsOf(part: Part): string {
  if (part.type === 'tool_call') return plain(part.input);
  if (part.type === 'tool_result') return plain(part.output);
  return part.type === 'text' ? part.text : '';
}

function cutPart(part: Part, max: number, text: TokenCounter): Part {
  const kept = cutText(wordsOf(part), max, text);
  if (part.type === 'tool_call') return { ...part, input: kept };
  return part.type === 'tool_result' ? { ...part, output: kept } : part.type === 'text' ? { ...part, text: kept } : part;
}

/** The beginning of a text in at most `tokensMax` tokens, with a note of how much was cut; as it is where it fits. */
export function cutText(whole: string, tokensMax: number, text: TokenCounter): string {
  if (text(whole) <= tokensMax) return whole;
  let low = 0;
  let high = utf8Bytes(whole) - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (text(excerpt(whole, middle)) <= tokensMax) low = middle;
    else high = middle - 1;
  }
  return excerpt(whole, low);
}

/** What is sent of the tools of a definition. */
export const specsOf = (
  tools: readonly { readonly name: string; readonly description: string; readonly inputJsonSchema: JsonObject }[],
): readonly ToolSpec[] => tools.map(({ name, description, inputJsonSchema: inputSchema }) => ({ name, description, inputSchema }));
