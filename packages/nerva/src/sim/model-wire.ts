import type { Json, JsonObject } from '../core/index.ts';
import type { Message, ModelAnswer, ModelRequest, Part, ToolCallPart, ToolSpec } from '../model/index.ts';
import { requestProblem } from './request.ts';

/** A chat completion request as a server read it. */
export interface Asked {
  readonly model: string;
  readonly isStream: boolean;
  readonly request: ModelRequest;
}

type Wire = Readonly<Record<string, unknown>>;

/** Reads the body of a chat completion request. @returns what a provider would refuse in it, as text. */
export function askedOf(body: string): Asked | string {
  const wire = jsonOf(body);
  if (!isObject(wire)) return 'the body is no JSON object';
  const { model, stream, messages: given, tools: offered = [] } = wire;
  if (typeof model !== 'string' || model === '') return 'it names no model';
  if (!Array.isArray(given) || given.length === 0) return 'messages is empty or no list';
  if (!Array.isArray(offered) || !offered.every(isTool)) return 'a tool has no name or no schema';
  const names = offered.map((tool) => tool.function.name);
  if (new Set(names).size < names.length) return 'two tools have one name';
  const [instructions, messages] = messagesOf(given as readonly unknown[]);
  if (typeof messages === 'string') return messages;
  const tools: ToolSpec[] = offered.map((tool) => ({
    name: tool.function.name,
    description: tool.function.description ?? '',
    inputSchema: tool.function.parameters,
  }));
  const request = { instructions, messages, tools, params: {} };
  return requestProblem(request) ?? { model, isStream: stream === true, request };
}

/** An answer in one piece. */
export function completionOf(answer: ModelAnswer, model: string): string {
  const { text, reasoning, calls } = piecesOf(answer);
  const message = {
    role: 'assistant',
    content: text === '' ? null : text,
    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls.map(callOf) }),
  };
  const choice = { index: 0, message, finish_reason: answer.finish };
  return JSON.stringify({ ...frame(model, 'chat.completion'), choices: [choice], usage: usageOf(answer) });
}

/** The most chunks that a text is streamed in. */
const CHUNKS_MAX = 24;

/** The same answer as Server-Sent Events. */
export function streamOf(answer: ModelAnswer, model: string): string {
  const { text, reasoning, calls } = piecesOf(answer);
  const deltas: JsonObject[] = [{ role: 'assistant', content: '' }];
  for (const piece of cut(reasoning)) deltas.push({ reasoning_content: piece });
  for (const piece of cut(text)) deltas.push({ content: piece });
  calls.forEach((call, index) => {
    const { id, type, function: given } = callOf(call);
    deltas.push({ tool_calls: [{ index, id, type, function: { name: given.name, arguments: '' } }] });
    for (const piece of cut(given.arguments)) deltas.push({ tool_calls: [{ index, function: { arguments: piece } }] });
  });
  const event = (rest: JsonObject): string => `data: ${JSON.stringify({ ...frame(model, 'chat.completion.chunk'), ...rest })}\n\n`;
  const body = deltas.map((delta) => event({ choices: [{ index: 0, delta, finish_reason: null }] })).join('');
  const end = event({ choices: [{ index: 0, delta: {}, finish_reason: answer.finish }] });
  return `${body}${end}${event({ choices: [], usage: usageOf(answer) })}data: [DONE]\n\n`;
}

/** The instructions, and the conversation or what is wrong with it. Results that follow each other are one message. */
function messagesOf(given: readonly unknown[]): [string, Message[] | string] {
  const first = given[0];
  const system = isObject(first) && first['role'] === 'system' ? textOf(first['content']) : null;
  const messages: (Message & { readonly parts: Part[] })[] = [];
  const names = new Map<string, string>();
  for (const wire of system === null ? given : given.slice(1)) {
    const message = isObject(wire) ? messageOf(wire, names) : null;
    if (message === null) return ['', `a message is malformed: ${JSON.stringify(wire).slice(0, 200)}`];
    const last = messages.at(-1);
    if (message.role === 'tool' && last?.role === 'tool') last.parts.push(...message.parts);
    else messages.push(message);
  }
  return [system ?? '', messages];
}

/** One message; null when it is malformed. `names`: of the calls so far. */
function messageOf(
  { role, content, tool_calls: calls = [], tool_call_id: id }: Wire,
  names: Map<string, string>,
): (Message & { readonly parts: Part[] }) | null {
  const text = textOf(content);
  const said: Part[] = text === null ? [] : [{ type: 'text', text }];
  switch (role) {
    case 'user':
      return text === null ? null : { role, parts: said, origin: 'person' };
    case 'assistant':
      if (!Array.isArray(calls) || !calls.every(isCall) || (text === null && calls.length === 0)) return null;
      for (const call of calls) names.set(call.id, call.function.name);
      return { role, parts: [...said, ...calls.map(partOf)], origin: 'model' };
    case 'tool':
      if (typeof id !== 'string' || text === null) return null;
      return { role, parts: [{ type: 'tool_result', id, name: names.get(id) ?? '', ...outputOf(text) }], origin: 'tool' };
    default:
      return null;
  }
}

interface WireCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
}

function callOf({ id, name, input, malformed }: ToolCallPart): WireCall {
  const text = malformed === true && typeof input === 'string' ? input : JSON.stringify(input);
  return { id, type: 'function', function: { name, arguments: text } };
}

function partOf({ id, function: { name, arguments: text } }: WireCall): Part {
  const input = jsonOf(text);
  return input === undefined ? { type: 'tool_call', id, name, input: text, malformed: true } : { type: 'tool_call', id, name, input };
}

function outputOf(text: string): { readonly output: Json; readonly isError?: true } {
  return /^error/i.test(text) ? { output: text, isError: true } : { output: jsonOf(text) ?? text };
}

function textOf(content: unknown): string | null {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return null;
  return content.every((part): part is { readonly text: string } => isObject(part) && typeof part['text'] === 'string')
    ? content.map(({ text }) => text).join('')
    : null;
}

function piecesOf({ parts }: ModelAnswer): { readonly text: string; readonly reasoning: string; readonly calls: readonly ToolCallPart[] } {
  const said = (type: 'text' | 'reasoning'): string => parts.map((part) => (part.type === type ? part.text : '')).join('');
  return { text: said('text'), reasoning: said('reasoning'), calls: parts.filter((part) => part.type === 'tool_call') };
}

function usageOf({ usage: { inputTokens, outputTokens } }: ModelAnswer): JsonObject {
  return { prompt_tokens: inputTokens, completion_tokens: outputTokens, total_tokens: (inputTokens ?? 0) + (outputTokens ?? 0) };
}

function frame(model: string, object: string): JsonObject {
  return { id: 'chatcmpl-sim', object, created: 1_800_000_000, model };
}

function cut(text: string): string[] {
  const length = Math.max(3, Math.ceil(text.length / CHUNKS_MAX));
  return Array.from({ length: Math.ceil(text.length / length) }, (_, index) => text.slice(index * length, (index + 1) * length));
}

/** Undefined for what is no JSON. */
function jsonOf(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Wire {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCall(value: unknown): value is WireCall {
  if (!isObject(value) || typeof value['id'] !== 'string' || !isObject(value['function'])) return false;
  const { name, arguments: text } = value['function'];
  return value['type'] === 'function' && isName(name) && typeof text === 'string';
}

function isTool(value: unknown): value is {
  readonly function: { readonly name: string; readonly description?: string; readonly parameters: JsonObject };
} {
  if (!isObject(value) || !isObject(value['function'])) return false;
  const { name, parameters } = value['function'];
  return isName(name) && isObject(parameters) && parameters['type'] === 'object';
}

function isName(name: unknown): name is string {
  return typeof name === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(name);
}
