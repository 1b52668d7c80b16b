import type { JsonObject } from '../../core/index.ts';
import { cannotCarry, kindOf, resultText, sourceOf } from '../content.ts';
import type { FilePart, Message, Part, ReasoningPart, ToolCallPart, ToolResultPart } from '../message.ts';
import { fittingId } from './call-ids.ts';
import { checkPlace } from './encoding.ts';
import type { ChatQuirks } from './openai-chat-quirks.ts';

/** Writes messages for one model of one endpoint. */
export interface ChatMessages {
  /** `provider/model`. */
  readonly name: string;
  readonly quirks: ChatQuirks;
}

/**
 * The JSON of one message for the wire, or of one a result. Written by hand around `JSON.stringify` of its texts: building objects for
 * it to walk takes twice as long.
 * @throws MODEL_REFUSED for a file that the endpoint does not take.
 */
export function chatMessage(message: Message, wire: ChatMessages): string {
  const { role, parts } = message;
  let text = '';
  let textCount = 0;
  let rest = '';
  for (const part of parts) {
    checkPlace(role, part);
    if (part.type === 'tool_call') rest += `${rest === '' ? '' : ','}${callText(part, wire)}`;
    else if (part.type === 'tool_result') rest += `${rest === '' ? '' : ','}${answerText(part, wire)}`;
    else if (part.type === 'file') return withFiles(parts, wire);
    else if (part.type === 'text') text += `${textCount++ === 0 ? '' : '},{"type":"text","text":'}${JSON.stringify(part.text)}`;
  }
  if (role === 'tool') return rest;
  const thought = role === 'assistant' ? thinkingChunk(parts, wire) : '';
  const content = textCount > 1 || thought !== '' ? `[${thought}${listed(text, thought)}]` : text;
  const reasoning = role === 'assistant' ? reasoningMember(parts, rest !== '', wire) : '';
  if (role === 'user' || rest === '') return `{"role":"${role}","content":${content === '' ? '""' : content}${reasoning}}`;
  return `{"role":"assistant","content":${content === '' ? 'null' : content}${reasoning},"tool_calls":[${rest}]}`;
}

/** Texts as items of a list, behind what stands there already. */
function listed(text: string, before: string): string {
  return text === '' ? '' : `${before === '' ? '' : ','}{"type":"text","text":${text}}`;
}

function ownReasoning(parts: readonly Part[], { name }: ChatMessages): readonly ReasoningPart[] {
  return parts.filter((part) => part.type === 'reasoning' && part.echo?.by === name) as ReasoningPart[];
}

/** Reasoning goes back only where the endpoint wants it, and only to its maker. */
function reasoningMember(parts: readonly Part[], hasCalls: boolean, wire: ChatMessages): string {
  const { reasoningField, needsReasoning = false } = wire.quirks;
  if (reasoningField === undefined || reasoningField === 'thinking') return '';
  const own = ownReasoning(parts, wire);
  if (reasoningField === 'reasoning_details') {
    const details = own.flatMap(({ echo }) => (echo?.data['reasoning_details'] ?? []) as readonly JsonObject[]);
    if (details.length > 0) return `,"reasoning_details":${JSON.stringify(details)}`;
    return own.length === 0 ? '' : `,"reasoning":${JSON.stringify(textOf(own))}`;
  }
  if (own.length === 0 && !(needsReasoning && hasCalls)) return '';
  return `,"${reasoningField}":${JSON.stringify(textOf(own))}`;
}

function thinkingChunk(parts: readonly Part[], wire: ChatMessages): string {
  if (wire.quirks.reasoningField !== 'thinking') return '';
  const own = textOf(ownReasoning(parts, wire));
  return own === '' ? '' : `{"type":"thinking","thinking":[{"type":"text","text":${JSON.stringify(own)}}]}`;
}

const textOf = (parts: readonly ReasoningPart[]): string => parts.map(({ text }) => text).join('');

function callText({ id, name, input, malformed }: ToolCallPart, wire: ChatMessages): string {
  const text = malformed === true && typeof input === 'string' ? input : JSON.stringify(input);
  return `{"id":${JSON.stringify(idOf(id, wire))},"type":"function","function":{"name":${JSON.stringify(name)},"arguments":${JSON.stringify(text)}}}`;
}

/** A model cannot tell an error from a result by itself here, so an error says so. */
function answerText(part: ToolResultPart, wire: ChatMessages): string {
  return `{"role":"tool","tool_call_id":${JSON.stringify(idOf(part.id, wire))},"content":${JSON.stringify(resultText(part, true))}}`;
}

const NINE = /^[A-Za-z0-9]{9}$/;

function idOf(id: string, { quirks: { callIds = 'any' } }: ChatMessages): string {
  return callIds === 'nine' ? fittingId(id, 9, NINE) : id;
}

function withFiles(parts: readonly Part[], wire: ChatMessages): string {
  const content = parts.map((part) => (part.type === 'text' ? { type: 'text', text: part.text } : fileOf(part as FilePart, wire)));
  return JSON.stringify({ role: 'user', content });
}

function fileOf(part: FilePart, { name, quirks: { files = 'all' } }: ChatMessages): unknown {
  const kind = kindOf(part);
  const source = sourceOf(part);
  if (files === 'none' || (files === 'images' && kind !== 'image'))
    throw cannotCarry(name, `${kind} (${part.mediaType})`, 'Give its text, or choose a model that takes it.');
  if (kind === 'image')
    return { type: 'image_url', image_url: { url: 'url' in source ? source.url : `data:${part.mediaType};base64,${source.base64}` } };
  if ('url' in source) throw cannotCarry(name, `${kind} by address`, 'Give its bytes in base64.');
  if (kind === 'audio') {
    const format = AUDIO[part.mediaType];
    if (format === undefined) throw cannotCarry(name, part.mediaType, 'Give audio/wav or audio/mpeg.');
    return { type: 'input_audio', input_audio: { data: source.base64, format } };
  }
  if (part.mediaType !== 'application/pdf') throw cannotCarry(name, part.mediaType, 'Give its text, or a PDF.');
  return { type: 'file', file: { filename: part.name ?? 'document.pdf', file_data: `data:application/pdf;base64,${source.base64}` } };
}

const AUDIO: Readonly<Record<string, 'wav' | 'mp3'>> = {
  'audio/wav': 'wav',
  'audio/x-wav': 'wav',
  'audio/mpeg': 'mp3',
  'audio/mp3': 'mp3',
};
