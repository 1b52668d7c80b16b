import type { JsonObject } from '../../core/index.ts';
import { cannotCarry, kindOf, resultText, sourceOf } from '../content.ts';
import type { FilePart, Message, Part, TextPart, ToolCallPart, ToolResultPart } from '../message.ts';
import { CallIds } from './anthropic-ids.ts';
import { checkPlace, flat } from './encoding.ts';

/** A content block as JSON. */
interface Block {
  readonly text: string;
  readonly type: 'thinking' | 'other';
}

/**
 * A conversation as JSON of this wire, made message by message. Consecutive messages of one role become one: so the results of a step stand
 * together and first in a user message, before what the user says next.
 * It is kept open: the last block lacks its closing brace, for the mark of the cache.
 */
export class History {
  readonly #by: string;
  readonly #citesDocuments: boolean;
  readonly #ids = new CallIds();
  #text = '';
  #role: 'user' | 'assistant' | null = null;
  #opening: Block['type'] = 'other';
  #hasOpenCalls = false;
  readonly #names = new Set<string>();
  #reasoningLeft = 0;
  #echoesLeft = 0;
  #citationsLeft = 0;

  /** @param by name of the model, the only one whose echoes go out. */
  constructor(by: string, citesDocuments: boolean) {
    this.#by = by;
    this.#citesDocuments = citesDocuments;
  }

  /** Adds a message. What throws does so before anything is kept. @throws MODEL_REFUSED for content that the wire cannot carry. */
  add(message: Message): void {
    const { role, parts } = message;
    for (const part of parts) checkPlace(role, part);
    if (role === 'user') this.#append('user', this.#said(parts));
    else if (role === 'tool') this.#append('user', this.#results(parts));
    else this.#append('assistant', this.#answered(parts));
  }

  /** The list of messages; `mark` is put into its last block, which is never one of thinking: those cannot be marked. */
  json(mark: string): string {
    return this.#role === null ? '[]' : `[${this.#text}${mark}}]}]`;
  }

  get isEmpty(): boolean {
    return this.#role === null;
  }

  /** Names of the tools that were called. */
  get names(): readonly string[] {
    return [...this.#names];
  }

  /** Whether results wait for an answer in a turn that began without thinking, which a model with a budget for it refuses. */
  get isThoughtless(): boolean {
    return this.#hasOpenCalls && this.#opening !== 'thinking';
  }

  /** What of the conversation is not sent, in words. */
  get left(): readonly string[] {
    return [
      ...counted('reasoning', this.#reasoningLeft),
      ...counted('echoes', this.#echoesLeft),
      ...counted('citations', this.#citationsLeft),
    ];
  }

  #append(role: 'user' | 'assistant', blocks: readonly Block[]): void {
    const [first] = blocks;
    if (first === undefined) return;
    const joined = blocks.map(({ text }) => text).join(',');
    const isNew = role !== this.#role;
    if (this.#role === null && role === 'assistant')
      throw cannotCarry(this.#by, 'conversation that begins with the assistant', 'Begin with a message of the user.');
    const open = this.#role === null ? '' : isNew ? `${this.#text}}]},` : `${this.#text}},`;
    this.#text = flat(`${open}${isNew ? `{"role":"${role}","content":[` : ''}${joined.slice(0, -1)}`);
    if (role === 'assistant' && isNew) {
      this.#opening = first.type;
      this.#hasOpenCalls = false;
    }
    if (role === 'assistant' && blocks.some((block) => block.text.startsWith('{"type":"tool_use"'))) this.#hasOpenCalls = true;
    this.#role = role;
  }

  #said(parts: readonly Part[]): Block[] {
    return parts.flatMap((part) => {
      if (part.type === 'file') return other(fileBlock(part, { by: this.#by, cites: this.#citesDocuments }));
      return part.type === 'text' ? this.#texts(part) : [];
    });
  }

  #results(parts: readonly Part[]): Block[] {
    const results = parts as readonly ToolResultPart[];
    const texts = results.map((part) => resultText(part, false));
    return results.flatMap((part, index) => other(resultBlock(part, this.#ids.result(part.id), texts[index] ?? '')));
  }

  #answered(parts: readonly Part[]): Block[] {
    const blocks = parts.flatMap((part): readonly Block[] => {
      if (part.type === 'text') return this.#texts(part);
      if (part.type === 'reasoning') return this.#reasoning(part.text, this.#own(part));
      const call = part as ToolCallPart;
      if (call.echo !== undefined && call.echo.by !== this.#by) this.#echoesLeft++;
      this.#names.add(call.name);
      return other(callBlock(call, this.#ids.call(call.id)));
    });
    // "The final block in an assistant message cannot be `thinking`": one that was cut off while it thought.
    while (blocks.at(-1)?.type === 'thinking') {
      blocks.pop();
      this.#reasoningLeft++;
    }
    return blocks;
  }

  #own({ echo }: Part & { readonly echo?: TextPart['echo'] }): JsonObject | null {
    return echo?.by === this.#by ? echo.data : null;
  }

  /** Blank texts are refused, and say nothing. */
  #texts(part: TextPart): readonly Block[] {
    const own = this.#own(part);
    if (own === null && part.echo !== undefined) this.#echoesLeft++;
    if (own?.['citations'] === undefined && part.citations !== undefined) this.#citationsLeft++;
    if (part.text.trim() === '') return [];
    const citations = own?.['citations'] === undefined ? '' : `,"citations":${JSON.stringify(own['citations'])}`;
    return other(`{"type":"text","text":${JSON.stringify(part.text)}${citations}}`);
  }

  #reasoning(text: string, own: JsonObject | null): readonly Block[] {
    if (own?.['block'] !== undefined) {
      const isThinking = (own['block'] as JsonObject)['type'] === 'redacted_thinking';
      return [{ type: isThinking ? 'thinking' : 'other', text: JSON.stringify(own['block']) }];
    }
    if (typeof own?.['signature'] !== 'string') {
      this.#reasoningLeft++;
      return [];
    }
    const signature = JSON.stringify(own['signature']);
    return [{ type: 'thinking', text: `{"type":"thinking","thinking":${JSON.stringify(text)},"signature":${signature}}` }];
  }
}

const other = (text: string): readonly Block[] => [{ type: 'other', text }];

function counted(what: string, count: number): readonly string[] {
  return count === 0 ? [] : [`${what} of ${count} earlier ${count === 1 ? 'part' : 'parts'}`];
}

/** The wire takes objects only: what is none, or was no JSON, goes inside of one. */
function callBlock({ name, input, malformed }: ToolCallPart, id: string): string {
  return `{"type":"tool_use","id":${JSON.stringify(id)},"name":${JSON.stringify(name)},"input":${JSON.stringify(objectInput(input, malformed))}}`;
}

/** Arguments as an object, for wires that take nothing else. */
export function objectInput(input: ToolCallPart['input'], malformed: true | undefined): JsonObject {
  if (malformed === true) return { malformed: input };
  return typeof input === 'object' && input !== null && !Array.isArray(input) ? (input as JsonObject) : { value: input };
}

function resultBlock({ isError }: ToolResultPart, id: string, text: string): string {
  // "content cannot be empty if is_error is true".
  const content = isError === true && text === '' ? 'Error' : text;
  const flag = isError === true ? ',"is_error":true' : '';
  return `{"type":"tool_result","tool_use_id":${JSON.stringify(id)},"content":${JSON.stringify(content)}${flag}}`;
}

const IMAGES = ['image/jpeg', 'image/png', 'image/gif', 'image/webp'];

function fileBlock(part: FilePart, { by, cites }: { readonly by: string; readonly cites: boolean }): string {
  const kind = kindOf(part);
  const given = sourceOf(part);
  const { mediaType, name } = part;
  const bytes = 'url' in given ? { type: 'url', url: given.url } : { type: 'base64', media_type: mediaType, data: given.base64 };
  if (kind === 'image') {
    if (!('url' in given) && !IMAGES.includes(mediaType)) throw cannotCarry(by, mediaType, `Give one of ${IMAGES.join(', ')}.`);
    return JSON.stringify({ type: 'image', source: bytes });
  }
  if (kind !== 'document') throw cannotCarry(by, `${kind} (${mediaType})`, 'Give its text, or choose a model that takes it.');
  const isText = mediaType.startsWith('text/');
  if (isText && 'url' in given) throw cannotCarry(by, `${mediaType} by address`, 'Give its text.');
  if (!isText && mediaType !== 'application/pdf') throw cannotCarry(by, mediaType, 'Give its text, or a PDF.');
  const source = isText && 'base64' in given ? { type: 'text', media_type: 'text/plain', data: utf8Of(given.base64) } : bytes;
  const title = name === undefined ? {} : { title: name };
  return JSON.stringify({ type: 'document', source, ...title, ...(cites ? { citations: { enabled: true } } : {}) });
}

function utf8Of(base64: string): string {
  return new TextDecoder().decode(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)));
}
