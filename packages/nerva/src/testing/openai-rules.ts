/** The fields of a chat completion request, by "Create chat completion" of OpenAI's API reference. Unknown ones are refused there, too. */
const FIELDS = new Set(
  (
    'model messages audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens metadata modalities n parallel_tool_calls ' +
    'prediction presence_penalty prompt_cache_key prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier stop store stream ' +
    'stream_options temperature tool_choice tools top_logprobs top_p user verbosity web_search_options'
  ).split(' '),
);
const MESSAGE_FIELDS: Readonly<Record<string, readonly string[]>> = {
  system: ['role', 'content', 'name'],
  developer: ['role', 'content', 'name'],
  user: ['role', 'content', 'name'],
  assistant: ['role', 'content', 'name', 'refusal', 'audio', 'tool_calls', 'function_call'],
  tool: ['role', 'content', 'tool_call_id'],
};
const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const NUMBERS: readonly (readonly [field: string, min: number, max: number])[] = [
  ['temperature', 0, 2],
  ['top_p', 0, 1],
  ['max_tokens', 1, Infinity],
  ['max_completion_tokens', 1, Infinity],
];

type Loose = Readonly<Record<string, unknown>>;

/** Why OpenAI would refuse this request as malformed, or null when it would not. */
export function faultOf(request: {
  readonly method: string;
  readonly path: string;
  readonly contentType: string;
  readonly text: string;
}): string | null {
  if (request.method !== 'POST' || request.path !== '/v1/chat/completions') return `Invalid URL (${request.method} ${request.path})`;
  if (!request.contentType.startsWith('application/json')) return `Unsupported content-type '${request.contentType}'`;
  let body: unknown;
  try {
    body = JSON.parse(request.text);
  } catch {
    return 'We could not parse the JSON body of your request.';
  }
  if (!isObject(body)) return 'The body is not an object.';
  return fieldFault(body) ?? toolsFault(body) ?? messagesFault(body['messages']);
}

function fieldFault(body: Loose): string | null {
  for (const name of Object.keys(body)) if (!FIELDS.has(name)) return `Unknown parameter: '${name}'.`;
  if (typeof body['model'] !== 'string' || body['model'] === '') return 'you must provide a model parameter';
  for (const [field, min, max] of NUMBERS) {
    const value = body[field];
    if (value !== undefined && !(typeof value === 'number' && value >= min && value <= max))
      return `Invalid '${field}': ${JSON.stringify(value)}.`;
  }
  if (body['stream_options'] !== undefined && body['stream'] !== true)
    return "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
  const format = body['response_format'];
  if (format === undefined) return null;
  if (!isObject(format) || format['type'] !== 'json_schema' || !isObject(format['json_schema'])) return "Invalid 'response_format'.";
  const { name, schema } = format['json_schema'];
  return typeof name === 'string' && NAME.test(name) && isObject(schema) ? null : "Invalid 'response_format.json_schema'.";
}

function toolsFault(body: Loose): string | null {
  const { tools, tool_choice: choice } = body;
  if (tools === undefined) return choice === undefined ? null : "'tool_choice' is only allowed when 'tools' are specified.";
  if (!Array.isArray(tools) || tools.length === 0) return `Invalid 'tools': empty or not an array.`;
  const names = new Set<unknown>();
  for (const tool of tools as unknown[]) {
    if (!isObject(tool) || tool['type'] !== 'function' || !isObject(tool['function']))
      return "Missing required parameter: 'tools[].function'.";
    const { name, parameters } = tool['function'];
    if (typeof name !== 'string' || !NAME.test(name)) return `Invalid 'tools[].function.name': ${JSON.stringify(name)}.`;
    if (names.has(name)) return `Tool names must be unique: ${name}.`;
    names.add(name);
    if (parameters !== undefined && (!isObject(parameters) || parameters['type'] !== 'object'))
      return `Invalid schema for function '${name}': schema must be of type 'object'.`;
  }
  return choice === undefined || ['auto', 'none', 'required'].includes(String(choice)) || isObject(choice)
    ? null
    : `Invalid 'tool_choice': ${String(choice)}.`;
}

/** The order of calls and results is what a runtime gets wrong after a restart or a cancel: every call is followed by its results before anything else. */
function messagesFault(messages: unknown): string | null {
  if (!Array.isArray(messages) || messages.length === 0) return "Invalid 'messages': empty or not an array.";
  let open = new Set<unknown>();
  for (const [index, message] of (messages as unknown[]).entries()) {
    const at = `messages[${index}]`;
    if (!isObject(message)) return `Invalid type for '${at}'.`;
    const role = String(message['role']);
    const fields = MESSAGE_FIELDS[role];
    if (fields === undefined) return `Invalid value for '${at}.role': '${role}'.`;
    for (const name of Object.keys(message)) if (!fields.includes(name)) return `Unknown parameter: '${at}.${name}'.`;
    const fault = contentFault(message, role, at);
    if (fault !== null) return fault;
    if (role === 'tool') {
      if (!open.delete(message['tool_call_id']))
        return `Invalid parameter: '${at}' with role 'tool' must be a response to a preceding message with 'tool_calls'.`;
      continue;
    }
    if (open.size > 0) return missing(open);
    const calls = callIds(message, at);
    if (typeof calls === 'string') return calls;
    open = calls;
  }
  return open.size > 0 ? missing(open) : null;
}

function contentFault(message: Loose, role: string, at: string): string | null {
  const { content } = message;
  if (typeof content === 'string') return null;
  if (content === null || content === undefined)
    return role === 'assistant' && message['tool_calls'] !== undefined
      ? null
      : `Invalid value for '${at}.content': expected a string, got null.`;
  const isParts =
    Array.isArray(content) &&
    content.length > 0 &&
    (content as unknown[]).every(
      (part) => isObject(part) && ((part['type'] === 'text' && typeof part['text'] === 'string') || (role === 'user' && isFile(part))),
    );
  return isParts ? null : `Invalid type for '${at}.content'.`;
}

/** Images by address or as data, sounds and documents as data. */
function isFile({ type, image_url: image, input_audio: audio, file }: Loose): boolean {
  if (type === 'image_url')
    return isObject(image) && /^(?:https?:\/\/.|data:image\/[a-z+.-]+;base64,[A-Za-z0-9+/]+=*$)/.test(String(image['url']));
  if (type === 'input_audio')
    return isObject(audio) && /^[A-Za-z0-9+/]+=*$/.test(String(audio['data'])) && /^(?:wav|mp3)$/.test(String(audio['format']));
  if (type !== 'file' || !isObject(file)) return false;
  return (
    typeof file['file_id'] === 'string' ||
    (typeof file['filename'] === 'string' && /^data:application\/pdf;base64,./.test(String(file['file_data'])))
  );
}

function callIds(message: Loose, at: string): Set<unknown> | string {
  const calls = message['tool_calls'];
  if (calls === undefined) return new Set();
  if (!Array.isArray(calls) || calls.length === 0) return `Invalid '${at}.tool_calls': empty array.`;
  const ids = new Set<unknown>();
  for (const call of calls as unknown[]) {
    if (!isObject(call) || call['type'] !== 'function' || !isObject(call['function'])) return `Invalid '${at}.tool_calls'.`;
    const { name, arguments: input } = call['function'];
    if (typeof call['id'] !== 'string' || call['id'] === '' || ids.has(call['id']))
      return `Invalid '${at}.tool_calls[].id': ${JSON.stringify(call['id'])}.`;
    if (typeof name !== 'string' || !NAME.test(name) || typeof input !== 'string') return `Invalid '${at}.tool_calls[].function'.`;
    ids.add(call['id']);
  }
  return ids;
}

function missing(open: ReadonlySet<unknown>): string {
  return `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. Missing: ${[...open].join(', ')}`;
}

function isObject(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
