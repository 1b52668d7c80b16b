import { assert, type Json, type JsonObject } from '../../core/index.ts';
import { cannotCarry, kindOf, resultText, sourceOf } from '../content.ts';
import type { FilePart, Message, Part, ReasoningPart, TextPart, ToolCallPart } from '../message.ts';
import { fittingId } from './call-ids.ts';
import { checkPlace } from './encoding.ts';

/** Items as the wire has them, joined by commas; `left` counts the parts of own reasoning that are not among them. */
export interface Items {
  readonly text: string;
  readonly left: number;
}

/** Longest id of a call that is taken. */
const CALL_ID_LENGTH_MAX = 64;

/** The items of one message. What the model named `by` made goes back as it came. @throws MODEL_REFUSED for a file that the wire cannot carry. */
export function itemsOf({ role, parts }: Message, by: string): Items {
  for (const part of parts) checkPlace(role, part);
  if (role === 'tool') return { text: parts.map(resultItem).join(','), left: 0 };
  if (role === 'user') return { text: userItem(parts, by), left: 0 };
  return answerItems(parts, by);
}

function resultItem(part: Part): string {
  assert(part.type === 'tool_result', 'M2 a message of role tool holds results');
  const id = fittingId(part.id, CALL_ID_LENGTH_MAX);
  return `{"type":"function_call_output","call_id":${JSON.stringify(id)},"output":${JSON.stringify(resultText(part, true))}}`;
}

function userItem(parts: readonly Part[], by: string): string {
  if (parts.length === 0) return '';
  const content = parts.map((part) => (part.type === 'text' ? { type: 'input_text', text: part.text } : fileOf(part as FilePart, by)));
  return JSON.stringify({ role: 'user', content });
}

/** Which files are taken: "File inputs", developers.openai.com/api/docs/guides/file-inputs, read in November 2026. Sounds are not. */
function fileOf(part: FilePart, by: string): unknown {
  const kind = kindOf(part);
  const source = sourceOf(part);
  if (kind === 'audio' || kind === 'video')
    throw cannotCarry(by, `${kind} (${part.mediaType})`, 'Give its text, or choose a model that takes it.');
  const url = 'url' in source ? source.url : `data:${part.mediaType};base64,${source.base64}`;
  if (kind === 'image') return { type: 'input_image', image_url: url };
  if ('url' in source) return { type: 'input_file', file_url: url };
  return {
    type: 'input_file',
    filename: part.name ?? (part.mediaType === 'application/pdf' ? 'document.pdf' : 'document'),
    file_data: url,
  };
}

/**
 * What the model made before, in its order. Own reasoning is sent only with what it led to: at the end, or without its sealed content, it
 * is refused there ("reasoning was provided without its required following item", github.com/openai/openai-node/issues/1567). Then what
 * stands behind it goes without ids, which bind it to that reasoning.
 */
function answerItems(parts: readonly Part[], by: string): Items {
  const items: string[] = [];
  let left = 0;
  const lastOutput = parts.findLastIndex((part) => part.type !== 'reasoning' || (isOwn(part, by) && isHosted(part.echo?.data)));
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index] as Part;
    const own = isOwn(part, by) ? (part.echo?.data ?? null) : null;
    if (part.type === 'reasoning') {
      if (own === null) continue;
      const item = index > lastOutput ? null : reasoningItem(part, own);
      if (item === null) left++;
      else items.push(item);
    } else if (part.type === 'text' && own !== null && left === 0) {
      let end = index + 1;
      while (isSameItem(parts[end], part)) end++;
      items.push(messageItem(parts.slice(index, end) as TextPart[], own));
      index = end - 1;
    } else items.push(part.type === 'text' ? plainItem(part) : callItem(part as ToolCallPart, left === 0 ? own : null));
  }
  return { text: items.join(','), left };
}

function isOwn(part: Part, by: string): part is Part & { readonly echo: { readonly data: JsonObject } } {
  return 'echo' in part && part.echo?.by === by;
}

/** What ran at the provider is kept whole in the echo of an empty part. */
const isHosted = (data: JsonObject | undefined): boolean => typeof (data?.['item'] as Json | undefined) === 'object';

function reasoningItem({ text }: ReasoningPart, own: JsonObject): string | null {
  if (isHosted(own)) return JSON.stringify(own['item']);
  if (own['encrypted_content'] === undefined && own['content'] === undefined) return null;
  const { summary = text === '' ? [] : [{ type: 'summary_text', text }] } = own;
  return JSON.stringify({ ...own, type: 'reasoning', summary });
}

/** A message that this model made; its parts are those that share its id. */
function messageItem(parts: readonly TextPart[], { id, phase, status = 'completed' }: JsonObject): string {
  const content = parts.map(({ text, echo }) =>
    echo?.data['refusal'] === true ? { type: 'refusal', refusal: text } : { type: 'output_text', text, annotations: [] },
  );
  return JSON.stringify({ type: 'message', id, role: 'assistant', status, ...(phase === undefined ? {} : { phase }), content });
}

function isSameItem(part: Part | undefined, { echo }: TextPart): boolean {
  return part?.type === 'text' && part.echo?.by === echo?.by && part.echo?.data['id'] === echo?.data['id'];
}

/** What another model said. */
function plainItem({ text }: TextPart): string {
  return `{"role":"assistant","content":[{"type":"output_text","text":${JSON.stringify(text)}}]}`;
}

function callItem({ id, name, input, malformed }: ToolCallPart, own: JsonObject | null): string {
  const text = malformed === true && typeof input === 'string' ? input : JSON.stringify(input);
  const itemId = typeof own?.['id'] === 'string' ? `"id":${JSON.stringify(own['id'])},` : '';
  return `{"type":"function_call",${itemId}"call_id":${JSON.stringify(fittingId(id, CALL_ID_LENGTH_MAX))},"name":${JSON.stringify(name)},"arguments":${JSON.stringify(text)}}`;
}
