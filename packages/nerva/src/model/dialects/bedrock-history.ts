import type { JsonObject } from '../../core/index.ts';
import { cannotCarry, kindOf, resultText } from '../content.ts';
import type { Message, Part, TextPart, ToolCallPart, ToolResultPart } from '../message.ts';
import { objectInput } from './anthropic-history.ts';
import { CallIds } from './anthropic-ids.ts';
import { bedrockFile } from './bedrock-files.ts';
import { checkPlace, flat } from './encoding.ts';

/** A content block as JSON. */
interface Block {
  readonly text: string;
  readonly type: 'thinking' | 'call' | 'other';
}

/** How a conversation of one model is written. */
export interface BedrockHistoryHow {
  /** Name of the model, the only one whose echoes go out. */
  readonly by: string;
  readonly citesDocuments: boolean;
  /** Whether results say by themselves that they are errors. */
  readonly hasStatus: boolean;
  readonly ids: 'plain' | 'nine';
}

/**
 * A conversation as JSON of Converse, made message by message. Roles must alternate there: consecutive messages of one role become one, so the
 * results of a step stand together and first. It is kept open behind its last block, for the mark of the cache.
 */
export class BedrockHistory {
  readonly #how: BedrockHistoryHow;
  readonly #ids: CallIds;
  readonly #documents = new Map<string, number>();
  readonly #names = new Set<string>();
  #text = '';
  #role: 'user' | 'assistant' | null = null;
  #opening: Block['type'] = 'other';
  #hasOpenCalls = false;
  #reasoningLeft = 0;
  #echoesLeft = 0;
  #citationsLeft = 0;

  constructor(how: BedrockHistoryHow) {
    this.#how = how;
    this.#ids = new CallIds(how.ids);
  }

  /** Adds a message. What throws does so before anything is kept. @throws MODEL_REFUSED for content that the wire cannot carry. */
  add(message: Message): void {
    const { role, parts } = message;
    for (const part of parts) checkPlace(role, part);
    if (role === 'user') this.#append('user', this.#said(parts));
    else if (role === 'tool') this.#append('user', this.#results(parts));
    else this.#append('assistant', this.#answered(parts));
  }

  /** The list of messages, with `mark` as a last block where it is not empty. */
  json(mark: string): string {
    return this.#role === null ? '[]' : `[${this.#text}${mark === '' ? '' : `,${mark}`}]}]`;
  }

  get isEmpty(): boolean {
    return this.#role === null;
  }

  /** Names of the tools that were called. */
  get names(): readonly string[] {
    return [...this.#names];
  }

  /** Whether results wait for an answer in a turn that began without thinking. */
  get isThoughtless(): boolean {
    return this.#hasOpenCalls && this.#opening !== 'thinking';
  }

  /** What of the conversation is not sent, in words. */
  get left(): readonly string[] {
    const counts = { reasoning: this.#reasoningLeft, echoes: this.#echoesLeft, citations: this.#citationsLeft };
    return Object.entries(counts).flatMap(([what, count]) =>
      count === 0 ? [] : [`${what} of ${count} earlier ${count === 1 ? 'part' : 'parts'}`],
    );
  }

  #append(role: 'user' | 'assistant', blocks: readonly Block[]): void {
    const [first] = blocks;
    if (first === undefined) return;
    if (this.#role === null && role === 'assistant')
      throw cannotCarry(this.#how.by, 'conversation that begins with the assistant', 'Begin with a message of the user.');
    const isNew = role !== this.#role;
    const open = this.#role === null ? '' : isNew ? `${this.#text}]},` : `${this.#text},`;
    this.#text = flat(`${open}${isNew ? `{"role":"${role}","content":[` : ''}${blocks.map(({ text }) => text).join(',')}`);
    if (role === 'assistant' && isNew) {
      this.#opening = first.type;
      this.#hasOpenCalls = false;
    }
    if (blocks.some(({ type }) => type === 'call')) this.#hasOpenCalls = true;
    this.#role = role;
  }

  #said(parts: readonly Part[]): Block[] {
    const hasDocument = parts.some((part) => part.type === 'file' && kindOf(part) === 'document');
    if (hasDocument && !parts.some((part) => part.type === 'text' && part.text.trim() !== ''))
      throw cannotCarry(this.#how.by, 'document without a word', 'Say in the same message what to do with it.');
    const names: string[] = [];
    const how = {
      by: this.#how.by,
      citesDocuments: this.#how.citesDocuments,
      nameOf: (name: string) => {
        const count = (this.#documents.get(name) ?? 0) + names.filter((other) => other === name).length;
        names.push(name);
        return count === 0 ? name : `${name} (${count + 1})`;
      },
    };
    const blocks = parts.flatMap((part) => {
      if (part.type === 'file') return block('other', bedrockFile(part, how));
      return part.type === 'text' ? this.#texts(part) : [];
    });
    for (const name of names) this.#documents.set(name, (this.#documents.get(name) ?? 0) + 1);
    return blocks;
  }

  #results(parts: readonly Part[]): Block[] {
    const { hasStatus } = this.#how;
    const results = parts as readonly ToolResultPart[];
    const texts = results.map((part) => resultText(part, !hasStatus));
    return results.flatMap((part, index) => block('other', resultBlock(part, this.#ids.result(part.id), texts[index] ?? '', hasStatus)));
  }

  #answered(parts: readonly Part[]): Block[] {
    const blocks = parts.flatMap((part): readonly Block[] => {
      if (part.type === 'text') return this.#texts(part);
      if (part.type === 'reasoning') return this.#reasoning(part.text, this.#own(part));
      const call = part as ToolCallPart;
      if (call.echo !== undefined && call.echo.by !== this.#how.by) this.#echoesLeft++;
      this.#names.add(call.name);
      return block('call', callBlock(call, this.#ids.call(call.id)));
    });
    // A message that ends in a thought is refused, as at Anthropic.
    while (blocks.at(-1)?.type === 'thinking') {
      blocks.pop();
      this.#reasoningLeft++;
    }
    return blocks;
  }

  #own({ echo }: Part & { readonly echo?: TextPart['echo'] }): JsonObject | null {
    return echo?.by === this.#how.by ? echo.data : null;
  }

  /** Blank texts are refused, and say nothing. */
  #texts(part: TextPart): readonly Block[] {
    if (part.echo !== undefined && part.echo.by !== this.#how.by) this.#echoesLeft++;
    if (part.citations !== undefined) this.#citationsLeft++;
    return part.text.trim() === '' ? [] : block('other', `{"text":${JSON.stringify(part.text)}}`);
  }

  /** Only what is signed or sealed goes back: models that do neither refuse their thoughts, or do not miss them. */
  #reasoning(text: string, own: JsonObject | null): readonly Block[] {
    if (own?.['block'] !== undefined) return block('other', JSON.stringify(own['block']));
    if (typeof own?.['redacted'] === 'string')
      return block('thinking', `{"reasoningContent":{"redactedContent":${JSON.stringify(own['redacted'])}}}`);
    if (typeof own?.['signature'] !== 'string') {
      this.#reasoningLeft++;
      return [];
    }
    const signed = `{"text":${JSON.stringify(text)},"signature":${JSON.stringify(own['signature'])}}`;
    return block('thinking', `{"reasoningContent":{"reasoningText":${signed}}}`);
  }
}

const block = (type: Block['type'], text: string): readonly Block[] => [{ type, text }];

function callBlock({ name, input, malformed }: ToolCallPart, id: string): string {
  const given = JSON.stringify(objectInput(input, malformed));
  return `{"toolUse":{"toolUseId":${JSON.stringify(id)},"name":${JSON.stringify(name)},"input":${given}}}`;
}

/** An empty text is refused: then the result says that it is one. */
function resultBlock({ isError }: ToolResultPart, id: string, text: string, hasStatus: boolean): string {
  const content = text.trim() === '' ? `{"json":{"result":${JSON.stringify(text)}}}` : `{"text":${JSON.stringify(text)}}`;
  const status = isError === true && hasStatus ? ',"status":"error"' : '';
  return `{"toolResult":{"toolUseId":${JSON.stringify(id)},"content":[${content}]${status}}}`;
}
