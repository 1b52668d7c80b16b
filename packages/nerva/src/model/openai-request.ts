import { assert, type Json, type JsonObject } from '../core/index.ts';
import { isBlobRef } from '../log/index.ts';
import type { Message, ToolCallPart, ToolResultPart, ToolSpec } from './message.ts';
import type { ModelParams, ModelRequest } from './model.ts';
import { rolling } from './rolling.ts';

/** What an endpoint differs in. */
export interface WireOptions {
  readonly model: string;
  /** How it names the limit of output tokens. */
  readonly maxTokensField: 'max_completion_tokens' | 'max_tokens';
  readonly stream: boolean;
}

/** JSON of the parameters that stand before `messages`; `tools` by identity, since a session hands in the same list each time. */
const heads = new WeakMap<readonly ToolSpec[], { readonly key: readonly unknown[]; readonly text: string }>();
const history = rolling<string, null>('', (state, message) => flat(`${state}${state === '' ? '' : ','}${messageText(message)}`));

/**
 * The body of a chat completion request. The history comes last, and each message's JSON is made once in its life:
 * a conversation that grew costs its new messages and one copy of text.
 */
export function requestBody(request: ModelRequest, options: WireOptions): string {
  const system = request.instructions === '' ? '' : JSON.stringify({ role: 'system', content: request.instructions });
  const messages = history(request.messages, null);
  return `${headText(request, options)}"messages":[${system}${system === '' || messages === '' ? '' : ','}${messages}]}`;
}

function headText({ tools, params }: ModelRequest, options: WireOptions): string {
  const key = [params, options.model, options.maxTokensField, options.stream];
  const known = heads.get(tools);
  if (known !== undefined && key.every((value, index) => value === known.key[index])) return known.text;
  const text = `${JSON.stringify(headOf(tools, params, options)).slice(0, -1)},`;
  heads.set(tools, { key, text });
  return text;
}

function headOf(tools: readonly ToolSpec[], params: ModelParams, options: WireOptions): Record<string, unknown> {
  const head: Record<string, unknown> = { model: options.model };
  if (tools.length > 0) {
    head['tools'] = tools.map(({ name, description, inputSchema }) => ({
      type: 'function',
      function: { name, description, parameters: inputSchema },
    }));
    if (params.toolChoice !== undefined) head['tool_choice'] = params.toolChoice;
  }
  if (params.maxOutputTokens !== undefined) head[options.maxTokensField] = params.maxOutputTokens;
  if (params.temperature !== undefined) head['temperature'] = params.temperature;
  if (params.topP !== undefined) head['top_p'] = params.topP;
  if (params.seed !== undefined) head['seed'] = params.seed;
  if (params.stop !== undefined) head['stop'] = params.stop;
  if (params.outputSchema !== undefined) head['response_format'] = responseFormat(params.outputSchema);
  if (options.stream) {
    head['stream'] = true;
    head['stream_options'] = { include_usage: true };
  }
  for (const [name, value] of Object.entries(params.extra ?? {})) {
    assert(!(name in head) && name !== 'messages', `M1 params.extra does not name "${name}", which has an option of its own`);
    head[name] = value;
  }
  return head;
}

/** `strict` only where the schema keeps the rules of strict mode; a provider refuses it otherwise. */
function responseFormat(schema: JsonObject): JsonObject {
  return { type: 'json_schema', json_schema: { name: 'answer', schema, strict: isStrict(schema) } };
}

/** Strict mode wants every object closed and all its properties required (platform.openai.com, Structured Outputs, "Supported schemas"). */
function isStrict(schema: Json | undefined): boolean {
  if (Array.isArray(schema)) return (schema as readonly Json[]).every(isStrict);
  if (typeof schema !== 'object' || schema === null) return true;
  const object = schema as JsonObject;
  const properties = object['properties'];
  if (object['type'] === 'object' || properties !== undefined) {
    const required = Array.isArray(object['required']) ? (object['required'] as readonly Json[]) : [];
    if (object['additionalProperties'] !== false) return false;
    if (!Object.keys((properties ?? {}) as JsonObject).every((name) => required.includes(name))) return false;
    if (!Object.values((properties ?? {}) as JsonObject).every(isStrict)) return false;
  }
  return ['items', 'anyOf', '$defs', 'definitions'].every((name) => isStrictBelow(object[name], name));
}

function isStrictBelow(value: Json | undefined, name: string): boolean {
  return name.startsWith('$') || name === 'definitions' ? Object.values((value ?? {}) as JsonObject).every(isStrict) : isStrict(value);
}

/**
 * The JSON of one message for the wire, or of one a result. Reasoning stays home: this protocol has no place for it.
 * Written by hand around `JSON.stringify` of its texts: building objects for it to walk takes twice as long.
 */
function messageText({ role, parts }: Message): string {
  let text = '';
  let textCount = 0;
  let rest = '';
  for (const part of parts) {
    assert(part.type === 'tool_result' ? role === 'tool' : role !== 'tool', `M2 a message of role ${role} holds no ${part.type}`);
    assert(part.type === 'text' || role !== 'user', `M3 a user message holds text only, not ${part.type}`);
    if (part.type === 'tool_call') rest += `${rest === '' ? '' : ','}${callText(part)}`;
    else if (part.type === 'tool_result') rest += `${rest === '' ? '' : ','}${resultText(part)}`;
    else if (part.type === 'text') text += `${textCount++ === 0 ? '' : '},{"type":"text","text":'}${JSON.stringify(part.text)}`;
  }
  if (role === 'tool') return rest;
  const content = textCount > 1 ? `[{"type":"text","text":${text}}]` : text;
  if (rest === '') return `{"role":"${role}","content":${content === '' ? '""' : content}}`;
  return `{"role":"assistant","content":${content === '' ? 'null' : content},"tool_calls":[${rest}]}`;
}

function callText({ id, name, input, malformed }: ToolCallPart): string {
  const text = malformed === true && typeof input === 'string' ? input : JSON.stringify(input);
  return `{"id":${JSON.stringify(id)},"type":"function","function":{"name":${JSON.stringify(name)},"arguments":${JSON.stringify(text)}}}`;
}

/** A model cannot tell an error from a result by itself here, so an error says so. */
function resultText({ id, output, isError }: ToolResultPart): string {
  assert(!isBlobRef(output as Json), 'M4 blobs are resolved before a request is made');
  const text = typeof output === 'string' ? output : JSON.stringify(output);
  const content = isError === true && !/^error/i.test(text) ? `Error: ${text}` : text;
  return `{"role":"tool","tool_call_id":${JSON.stringify(id)},"content":${JSON.stringify(content)}}`;
}

/** Makes V8 copy a concatenation into one piece now. Left as a chain, a body of 50 steps is walked piece by piece at every call. */
function flat(text: string): string {
  text.codePointAt(0);
  return text;
}
