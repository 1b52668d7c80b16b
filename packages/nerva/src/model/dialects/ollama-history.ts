import { cannotCarry, kindOf, resultText, sourceOf } from '../content.ts';
import type { FilePart, Message, Part, ToolCallPart, ToolResultPart } from '../message.ts';
import { rolling } from '../rolling.ts';
import { checkPlace, flat, joined } from './encoding.ts';
import { answered, answersOf, type OpenCall } from './steps.ts';

/** The messages of a conversation. */
export interface OllamaMessages {
  /** Their JSON, without brackets. */
  readonly text: string;
  /** Texts and calls with an echo of another model. */
  readonly foreignCount: number;
}

interface History extends OllamaMessages {
  /** Their results are not in `text` yet. */
  readonly calls: readonly OpenCall[];
}

/** Encodes conversations for one model; each message's JSON is made once in its life. */
export class OllamaHistory {
  readonly #name: string;
  readonly #history = rolling<History, null>({ text: '', foreignCount: 0, calls: [] }, (state, message) => this.#add(state, message));

  constructor(name: string) {
    this.#name = name;
  }

  of(messages: readonly Message[]): OllamaMessages {
    const history = this.#history(messages, null);
    return { ...history, text: closed(history) };
  }

  /** Most templates ignore the ids of results, so these stand in the order of their calls. */
  #add(state: History, message: Message): History {
    for (const part of message.parts) checkPlace(message.role, part);
    if (message.role === 'tool') return { ...state, calls: answered(state.calls, message.parts as readonly ToolResultPart[], answerText) };
    const text = flat(joined(closed(state), message.role === 'user' ? this.#user(message.parts) : this.#assistant(message.parts)));
    const calls = message.parts.flatMap((part) => (part.type === 'tool_call' ? [openCall(part)] : []));
    const foreign = message.parts.filter(
      (part) => (part.type === 'text' || part.type === 'tool_call') && part.echo !== undefined && part.echo.by !== this.#name,
    );
    return { text, calls, foreignCount: state.foreignCount + foreign.length };
  }

  #user(parts: readonly Part[]): string {
    const images = parts.flatMap((part) => (part.type === 'file' ? [this.#image(part)] : []));
    const content = JSON.stringify(textOf(parts, '\n'));
    return `{"role":"user","content":${content}${images.length === 0 ? '' : `,"images":${JSON.stringify(images)}`}}`;
  }

  /** Thinking goes back to its maker: what of it the model sees is for its template to say. */
  #assistant(parts: readonly Part[]): string {
    const own = parts.flatMap((part) => (part.type === 'reasoning' && part.echo?.by === this.#name ? [part.text] : []));
    const thinking = own.length === 0 ? '' : `,"thinking":${JSON.stringify(own.join(''))}`;
    const calls = parts.flatMap((part) => (part.type === 'tool_call' ? [callText(part)] : []));
    const content = JSON.stringify(textOf(parts, ''));
    return `{"role":"assistant","content":${content}${thinking}${calls.length === 0 ? '' : `,"tool_calls":[${calls.join(',')}]`}}`;
  }

  #image(part: FilePart): string {
    const source = sourceOf(part);
    if (kindOf(part) !== 'image')
      throw cannotCarry(this.#name, `${kindOf(part)} (${part.mediaType})`, 'Give its text, or choose a model that takes it.');
    if ('url' in source) throw cannotCarry(this.#name, 'image by address', 'Give its bytes in base64.');
    return source.base64;
  }
}

function textOf(parts: readonly Part[], between: string): string {
  return parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join(between);
}

function openCall({ id, name }: ToolCallPart): OpenCall {
  return { id, name, wireId: id, answer: undefined };
}

/** Arguments are an object here; others (another model's) stand in one. */
function callText({ id, name, input }: ToolCallPart): string {
  const isObject = typeof input === 'object' && input !== null && !Array.isArray(input);
  return JSON.stringify({ id, function: { name, arguments: isObject ? input : { input } } });
}

/** A model cannot tell an error from a result by itself here, so an error says so. */
function answerText(result: ToolResultPart, { name }: Pick<OpenCall, 'name'>): string {
  return JSON.stringify({ role: 'tool', content: resultText(result, true), tool_name: name, tool_call_id: result.id });
}

function closed({ text, calls }: History): string {
  return joined(text, answersOf(calls));
}
