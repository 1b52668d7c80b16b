import type { JsonObject } from '../../core/index.ts';
import { cannotCarry, kindOf, resultText, sourceOf } from '../content.ts';
import type { FilePart, Message, Part, ToolCallPart, ToolResultPart } from '../message.ts';
import { rolling } from '../rolling.ts';
import { checkPlace, flat, joined } from './encoding.ts';
import { answered, answersOf, type OpenCall } from './steps.ts';

/**
 * Stands where a signature cannot be had, for calls that another model made: "dummy signatures" in
 * https://ai.google.dev/gemini-api/docs/thought-signatures (FAQs); so does @ai-sdk/google 4.0.121.
 */
export const NO_SIGNATURE = 'skip_thought_signature_validator';

/** The contents of a conversation. */
export interface GoogleContents {
  /** Their JSON, without brackets. */
  readonly text: string;
  /** Texts and calls with an echo of another model. */
  readonly foreignCount: number;
  /** Calls that were sent without a signature of their own. */
  readonly unsignedCount: number;
}

interface History extends GoogleContents {
  /** Their results are not in `text` yet. */
  readonly calls: readonly OpenCall[];
}

/** Encodes conversations for one model; each message's JSON is made once in its life. */
export class GoogleHistory {
  readonly #name: string;
  readonly #isSigned: boolean;
  readonly #history = rolling<History, null>({ text: '', calls: [], foreignCount: 0, unsignedCount: 0 }, (state, message) =>
    this.#add(state, message),
  );

  /** @param isSigned whether the first call of a step must have a signature. */
  constructor(name: string, isSigned: boolean) {
    this.#name = name;
    this.#isSigned = isSigned;
  }

  of(messages: readonly Message[]): GoogleContents {
    const history = this.#history(messages, null);
    return { ...history, text: closed(history) };
  }

  /**
   * The history with one message more. Results wait until the step is over: "the number of function response parts is equal to the number
   * of function call parts", all in one content.
   */
  #add(state: History, message: Message): History {
    for (const part of message.parts) checkPlace(message.role, part);
    if (message.role === 'tool') return { ...state, calls: answered(state.calls, message.parts as readonly ToolResultPart[], answerText) };
    let { foreignCount, unsignedCount } = state;
    const calls: OpenCall[] = [];
    let content = '';
    for (const part of message.parts) {
      const own = this.#echo(part);
      if (own === null && (part.type === 'text' || part.type === 'tool_call') && part.echo !== undefined) foreignCount++;
      if (part.type === 'tool_call') {
        const isUnsigned = this.#isSigned && calls.length === 0 && signatureOf(own) === undefined;
        if (isUnsigned) unsignedCount++;
        const wireId = typeof own?.['id'] === 'string' ? own['id'] : undefined;
        calls.push({ id: part.id, name: part.name, wireId, answer: undefined });
        content = joined(content, callText(part, wireId, isUnsigned ? NO_SIGNATURE : signatureOf(own)));
      } else content = joined(content, this.#part(part, own));
    }
    // A message of nothing but what is not sent is none: Gemini refuses a content without parts.
    const role = message.role === 'assistant' ? 'model' : 'user';
    const text = content === '' ? closed(state) : joined(closed(state), `{"role":"${role}","parts":[${content}]}`);
    return { text: flat(text), calls, foreignCount, unsignedCount };
  }

  /** What this very model wants back with a part; null when it is not its maker. */
  #echo(part: Part): JsonObject | null {
    const echo = part.type === 'file' || part.type === 'tool_result' ? undefined : part.echo;
    return echo?.by === this.#name ? echo.data : null;
  }

  #part(part: Part, own: JsonObject | null): string {
    if (part.type === 'file') return this.#file(part);
    if (part.type === 'reasoning') {
      if (own === null) return '';
      return own['part'] === undefined ? textPart(part.text, own, ',"thought":true') : JSON.stringify(own['part']);
    }
    return part.type === 'text' ? textPart(part.text, own, '') : '';
  }

  #file(part: FilePart): string {
    const source = sourceOf(part);
    const mimeType = part.mediaType;
    if (kindOf(part) === 'document' && !/^text\/|^application\/(?:pdf|json|rtf|x-javascript|x-python)$/.test(mimeType))
      throw cannotCarry(this.#name, mimeType, 'Give its text, or a PDF.');
    return JSON.stringify(
      'url' in source ? { fileData: { mimeType, fileUri: source.url } } : { inlineData: { mimeType, data: source.base64 } },
    );
  }
}

function signatureOf(own: JsonObject | null): string | undefined {
  const signature = own?.['thoughtSignature'];
  return typeof signature === 'string' ? signature : undefined;
}

const signed = (signature: string | undefined): string =>
  signature === undefined ? '' : `,"thoughtSignature":${JSON.stringify(signature)}`;

/** An empty text is sent only where a signature stands on it. */
function textPart(text: string, own: JsonObject | null, thought: string): string {
  const signature = signatureOf(own);
  return text === '' && signature === undefined ? '' : `{"text":${JSON.stringify(text)}${thought}${signed(signature)}}`;
}

/** Arguments must be an object here; others (another model's) stand in one. */
function callText({ name, input }: ToolCallPart, wireId: string | undefined, signature: string | undefined): string {
  const isObject = typeof input === 'object' && input !== null && !Array.isArray(input);
  const args = JSON.stringify(isObject ? input : { input });
  return `{"functionCall":{${idText(wireId)}"name":${JSON.stringify(name)},"args":${args}}${signed(signature)}}`;
}

const idText = (id: string | undefined): string => (id === undefined ? '' : `"id":${JSON.stringify(id)},`);

/** "Use `output` key to specify function output and `error` key to specify error details" (FunctionResponse). */
function answerText(result: ToolResultPart, { name, wireId }: Pick<OpenCall, 'name' | 'wireId'>): string {
  const text = resultText(result, false);
  // `$ref` in a response is Google's reference to a file beside it: as text it stays what it is.
  const value = typeof result.output === 'string' || text.includes('"$ref"') ? JSON.stringify(text) : text;
  const response = `{"${result.isError === true ? 'error' : 'output'}":${value}}`;
  return `{"functionResponse":{${idText(wireId)}"name":${JSON.stringify(name)},"response":${response}}}`;
}

/** The contents with the answers of the newest step, in the order of its calls. */
function closed({ text, calls }: History): string {
  const answers = answersOf(calls);
  return answers === '' ? text : joined(text, `{"role":"user","parts":[${answers}]}`);
}
