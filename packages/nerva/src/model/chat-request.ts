import { canonicalJson, checkJson, NervaError, toWellFormed, type Json, type JsonObject } from '../core/index.ts';
import type { FilePart, Part, ToolSpec } from './message.ts';
import type { ModelParams } from './model.ts';
import { isObject, type Loose } from './object.ts';

/** A chat completion request as somebody else's client wrote it. */
export interface ChatRequest {
  readonly model: string;
  readonly isStream: boolean;
  /** The system and developer messages at its beginning, joined by an empty line. */
  readonly instructions: string;
  /** The others, in order. */
  readonly messages: readonly ChatMessage[];
  /** Functions; tools of another kind stand in `params.extra`. */
  readonly tools: readonly ToolSpec[];
  /** All other members of the body: what has an option, and the rest in the words of the wire. How the answer travels is left out. */
  readonly params: ModelParams;
}

/** One message of such a request. */
export interface ChatMessage {
  readonly role: 'user' | 'system' | 'assistant' | 'tool';
  /** Its text; several parts are joined by a line feed. */
  readonly text: string;
  readonly files: readonly FilePart[];
  /** Of a tool message: the provider's id of the call. */
  readonly callId: string;
  /** Whether `text` and `files` are all there is to it. */
  readonly isPlain: boolean;
  /** As it came. */
  readonly wire: JsonObject;
  /** Equal for messages of equal content, however a client writes them: JSON of arguments in any order, reasoning left out, spaces around a text. */
  readonly key: string;
}

/** @throws SCHEMA_MISMATCH when it is no chat completion request; the message says what is missing. */
export function readChatRequest(body: string): ChatRequest {
  const value = jsonOf(body);
  if (value === undefined) throw mismatch('is not JSON, or JSON that no log can hold');
  if (!isObject(value)) throw mismatch('is no JSON object');
  const { model, messages, tools, stream, stream_options: _, ...rest } = value;
  if (typeof model !== 'string') throw mismatch('names no model');
  if (!Array.isArray(messages) || messages.length === 0 || !messages.every(isMessage)) throw mismatch('has no list of messages with roles');
  const all = messages.map(messageOf);
  const first = all.findIndex(({ role }) => role !== 'system');
  const heads = first < 0 ? all : all.slice(0, first);
  const given = Array.isArray(tools) ? (tools as readonly unknown[]) : [];
  const others = given.filter((tool) => specOf(tool) === null);
  return {
    model,
    isStream: stream === true,
    instructions: heads.map(({ text }) => text).join('\n\n'),
    messages: all.slice(heads.length),
    tools: given.map(specOf).filter((spec) => spec !== null),
    params: paramsOf({ ...rest, ...(others.length === 0 ? {} : { tools: others }) }),
  };
}

const isNumber = (value: unknown): value is number => typeof value === 'number';

/** Members whose meaning is an option's; one of another type than the option's stays as it is. */
function paramsOf(body: Loose): ModelParams {
  const { temperature, top_p: topP, seed, tool_choice: choice, max_completion_tokens: tokens, max_tokens: old = tokens, ...rest } = body;
  const named = isObject(choice) && isObject(choice['function']) ? choice['function']['name'] : undefined;
  const known: ModelParams = {
    ...(isNumber(temperature) ? { temperature } : {}),
    ...(isNumber(topP) ? { topP } : {}),
    ...(isNumber(seed) ? { seed } : {}),
    ...(isNumber(tokens ?? old) ? { maxOutputTokens: (tokens ?? old) as number } : {}),
    ...(choice === 'none' || choice === 'required' ? { toolChoice: choice } : {}),
    ...(typeof named === 'string' ? { toolChoice: { tool: named } } : {}),
  };
  const extra = {
    ...rest,
    ...(known.temperature === undefined ? { temperature } : {}),
    ...(known.topP === undefined ? { top_p: topP } : {}),
    ...(known.seed === undefined ? { seed } : {}),
    ...(known.maxOutputTokens === undefined ? { max_tokens: old } : {}),
    // `auto` is what absence means.
    ...(known.toolChoice === undefined && choice !== 'auto' ? { tool_choice: choice } : {}),
  };
  const given = Object.entries(extra).filter(([, member]) => member !== undefined);
  return given.length === 0 ? known : { ...known, extra: Object.fromEntries(given) as JsonObject };
}

/** The key of a message that a model made: that which its client will send back. */
export function answerKey(parts: readonly Part[]): string {
  const text = parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
  const calls = parts.flatMap((part) => (part.type === 'tool_call' ? [[part.id, part.name, inputKey(part.input)]] : []));
  return canonicalJson(['assistant', text.trim(), calls]);
}

const mismatch = (why: string): NervaError => new NervaError('SCHEMA_MISMATCH', `The body is no chat completion request: it ${why}.`);

const isMessage = (value: unknown): value is Loose => isObject(value) && typeof value['role'] === 'string';

const ROLES: Readonly<Record<string, ChatMessage['role']>> = {
  user: 'user',
  system: 'system',
  developer: 'system',
  assistant: 'assistant',
  tool: 'tool',
  function: 'tool',
};

function messageOf(wire: Loose): ChatMessage {
  const known = ROLES[String(wire['role'])];
  const role = known ?? 'user';
  const content = wire['content'] ?? wire['refusal'] ?? null;
  const { texts, files, isPlain } = contentOf(content);
  const text = texts.join('\n');
  const id = wire['tool_call_id'] ?? (role === 'tool' ? wire['name'] : undefined);
  const callId = typeof id === 'string' ? id : '';
  return {
    role,
    text,
    files,
    callId,
    isPlain: isPlain && known !== undefined && role !== 'assistant',
    wire: wire as JsonObject,
    key: canonicalJson(
      role === 'assistant'
        ? ['assistant', text.trim(), callKeys(wire)]
        : [role, callId, isPlain && files.length === 0 ? text.trim() : (content as Json)],
    ),
  };
}

function contentOf(content: unknown): {
  readonly texts: readonly string[];
  readonly files: readonly FilePart[];
  readonly isPlain: boolean;
} {
  if (content === null) return { texts: [], files: [], isPlain: true };
  if (typeof content === 'string') return { texts: [content], files: [], isPlain: true };
  if (!Array.isArray(content)) return { texts: [], files: [], isPlain: false };
  const texts: string[] = [];
  const files: FilePart[] = [];
  let isPlain = true;
  for (const part of content as readonly unknown[]) {
    const file = isObject(part) ? fileOf(part) : null;
    if (isObject(part) && typeof part['text'] === 'string') texts.push(part['text']);
    else if (file !== null) files.push(file);
    else isPlain = false;
  }
  return { texts, files, isPlain };
}

/** An image, a sound or a document whose bytes or address stand in the message. */
function fileOf({ image_url: image, input_audio: audio, file }: Loose): FilePart | null {
  const url = isObject(image) ? image['url'] : image;
  if (typeof url === 'string') return fromUrl(url, 'image/*');
  if (isObject(audio) && typeof audio['data'] === 'string') {
    return { type: 'file', mediaType: audio['format'] === 'mp3' ? 'audio/mpeg' : `audio/${String(audio['format'])}`, data: audio['data'] };
  }
  if (!isObject(file) || typeof file['file_data'] !== 'string') return null;
  const made = fromUrl(file['file_data'], 'application/octet-stream');
  return made === null || typeof file['filename'] !== 'string' ? made : { ...made, name: file['filename'] };
}

function fromUrl(url: string, otherwise: string): FilePart | null {
  const data = /^data:([\w.+-]+\/[\w.+-]+)[^,]*;base64,(.*)$/s.exec(url);
  if (data !== null) return { type: 'file', mediaType: data[1] as string, data: data[2] as string };
  return /^https?:/.test(url) ? { type: 'file', mediaType: otherwise, data: { url } } : null;
}

function callKeys({ tool_calls: calls, function_call: old }: Loose): Json {
  const given = Array.isArray(calls) ? (calls as readonly unknown[]) : isObject(old) ? [{ id: '', function: old }] : [];
  return given.map((call) => {
    const { id, function: called } = isObject(call) ? call : {};
    const { name, arguments: input } = isObject(called) ? called : {};
    return [String(id ?? ''), String(name ?? ''), typeof input === 'string' ? inputKey(parsed(input)) : inputKey((input ?? {}) as Json)];
  });
}

/** As the decoder of answers reads arguments: none are an empty object, what is no JSON that a log can hold stays text. */
function parsed(text: string): Json {
  return text.trim() === '' ? {} : (jsonOf(text) ?? text);
}

/** Undefined for what is no JSON that a log can hold. Deeply nested JSON is none: walking it would end the stack. */
function jsonOf(text: string): Json | undefined {
  try {
    return checkJson(toWellFormed(JSON.parse(text) as Json), { bytesMax: Infinity });
  } catch {
    return undefined;
  }
}

const inputKey = (input: Json): string => (typeof input === 'string' ? input.trim() : canonicalJson(input));

function specOf(tool: unknown): ToolSpec | null {
  const called = isObject(tool) ? tool['function'] : undefined;
  if (!isObject(called) || typeof called['name'] !== 'string') return null;
  const { name, description, parameters } = called;
  return {
    name,
    description: typeof description === 'string' ? description : '',
    inputSchema: (isObject(parameters) ? parameters : {}) as JsonObject,
  };
}
