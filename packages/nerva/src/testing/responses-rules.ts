/** The fields of a request, by "Create a model response" of OpenAI's API reference and the types of openai-node of 2026-08-21. */
const FIELDS = new Set(
  (
    'background context_management conversation include input instructions max_output_tokens max_tool_calls metadata model moderation parallel_tool_calls ' +
    'previous_response_id prompt prompt_cache_key prompt_cache_options prompt_cache_retention reasoning safety_identifier service_tier store stream ' +
    'stream_options temperature text tool_choice tools top_logprobs top_p truncation user'
  ).split(' '),
);
const INCLUDES = new Set(
  (
    'file_search_call.results web_search_call.results web_search_call.action.sources message.input_image.image_url ' +
    'computer_call_output.output.image_url code_interpreter_call.outputs reasoning.encrypted_content message.output_text.logprobs'
  ).split(' '),
);
/** Fields of items that a client makes or gives back; items of hosted tools are taken as they are. */
const ITEM_FIELDS: Readonly<Record<string, readonly string[]>> = {
  message: ['type', 'id', 'role', 'status', 'content', 'phase'],
  function_call: ['type', 'id', 'call_id', 'name', 'arguments', 'status'],
  function_call_output: ['type', 'id', 'call_id', 'output', 'status'],
  reasoning: ['type', 'id', 'summary', 'content', 'encrypted_content', 'status'],
};
const CONTENT: Readonly<Record<string, readonly string[]>> = {
  user: ['input_text', 'input_image', 'input_file'],
  system: ['input_text', 'input_image', 'input_file'],
  developer: ['input_text', 'input_image', 'input_file'],
  assistant: ['output_text', 'refusal'],
};
const CONTENT_FIELDS: Readonly<Record<string, readonly string[]>> = {
  input_text: ['text'],
  input_image: ['image_url', 'file_id', 'detail'],
  input_file: ['file_data', 'file_id', 'file_url', 'filename', 'detail'],
  output_text: ['text', 'annotations', 'logprobs'],
  refusal: ['refusal'],
};
const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const NUMBERS: readonly (readonly [field: string, min: number, max: number])[] = [
  ['temperature', 0, 2],
  ['top_p', 0, 1],
  ['top_logprobs', 0, 20],
  ['max_output_tokens', 16, Infinity],
];

type Loose = Readonly<Record<string, unknown>>;

/** What the mock keeps of an answer that it stored. */
export interface StoredAnswer {
  /** Ids of the calls in the conversation that ends with it and have no output yet. */
  readonly openCalls: readonly string[];
}

/** What the provider knows when a request comes. */
export interface Known {
  readonly stored: ReadonlyMap<string, StoredAnswer>;
  /** Where the endpoint is, such as `/v1/responses`. */
  readonly isPath: (path: string) => boolean;
  /** Whether sealed reasoning was made by this model here. */
  readonly isSealedFor: (model: string, sealed: string) => boolean;
}

/** Why OpenAI would refuse this request as malformed, or null when it would not. */
export function responsesFault(
  request: { readonly method: string; readonly path: string; readonly contentType: string; readonly body: Loose | undefined },
  known: Known,
): string | null {
  const { body } = request;
  if (request.method !== 'POST' || !known.isPath(request.path)) return `Invalid URL (${request.method} ${request.path})`;
  if (!request.contentType.startsWith('application/json')) return `Unsupported content-type '${request.contentType}'`;
  if (body === undefined) return 'We could not parse the JSON body of your request.';
  return fieldFault(body) ?? textFault(body['text']) ?? toolsFault(body) ?? inputFault(body, known);
}

function fieldFault(body: Loose): string | null {
  if ('response_format' in body)
    return "Unsupported parameter: 'response_format'. In the Responses API, this parameter has moved to 'text.format'.";
  for (const name of Object.keys(body)) if (!FIELDS.has(name)) return `Unknown parameter: '${name}'.`;
  const { model, store } = body;
  if (typeof model !== 'string' || model === '') return "Missing required parameter: 'model'.";
  if (body['stream_options'] !== undefined && body['stream'] !== true)
    return "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
  if (store !== undefined && typeof store !== 'boolean') return "Invalid type for 'store'.";
  return numbersFault(body) ?? includeFault(body);
}

function numbersFault(body: Loose): string | null {
  for (const [field, min, max] of NUMBERS) {
    const value = body[field];
    if (value !== undefined && !(typeof value === 'number' && value >= min && value <= max))
      return `Invalid '${field}': ${JSON.stringify(value)}.`;
  }
  return null;
}

function includeFault({ model, include = [], reasoning }: Loose): string | null {
  if (!Array.isArray(include) || !include.every((name) => INCLUDES.has(String(name))))
    return `Invalid value in 'include': ${JSON.stringify(include)}.`;
  if (include.includes('reasoning.encrypted_content') && /^gpt-[34]/.test(String(model)))
    return 'Encrypted content is not supported with this model.';
  if (reasoning !== undefined && !(isObject(reasoning) && Object.keys(reasoning).every((name) => ['effort', 'summary'].includes(name))))
    return "Invalid 'reasoning'.";
  return null;
}

function textFault(text: unknown): string | null {
  if (text === undefined) return null;
  if (!isObject(text)) return "Invalid type for 'text'.";
  for (const name of Object.keys(text)) if (!['format', 'verbosity'].includes(name)) return `Unknown parameter: 'text.${name}'.`;
  const { format } = text;
  if (format === undefined) return null;
  if (!isObject(format)) return "Invalid type for 'text.format'.";
  if (format['type'] === 'text' || format['type'] === 'json_object') return null;
  const isSchema =
    format['type'] === 'json_schema' && typeof format['name'] === 'string' && NAME.test(format['name']) && isObject(format['schema']);
  if (!isSchema) return "Invalid 'text.format'.";
  return format['strict'] === true && (format['schema'] as Loose)['additionalProperties'] !== false
    ? "Invalid schema for response_format 'answer': 'additionalProperties' is required to be supplied and to be false."
    : null;
}

function toolsFault({ tools, tool_choice: choice }: Loose): string | null {
  if (tools === undefined) return choice === undefined ? null : "'tool_choice' is only allowed when 'tools' are specified.";
  if (!Array.isArray(tools) || tools.length === 0) return "Invalid 'tools': empty or not an array.";
  const names = new Set<unknown>();
  for (const [index, tool] of (tools as unknown[]).entries()) {
    const fault = toolFault(tool, `tools[${index}]`, names);
    if (fault !== null) return fault;
  }
  if (choice === undefined || ['auto', 'none', 'required'].includes(String(choice))) return null;
  return isObject(choice) && choice['type'] === 'function' && names.has(choice['name']) ? null : "Invalid 'tool_choice'.";
}

function toolFault(tool: unknown, at: string, names: Set<unknown>): string | null {
  if (!isObject(tool)) return `Invalid type for '${at}'.`;
  if (tool['type'] !== 'function') return typeof tool['type'] === 'string' ? null : `Missing required parameter: '${at}.type'.`;
  for (const name of Object.keys(tool))
    if (!['type', 'name', 'description', 'parameters', 'strict'].includes(name)) return `Unknown parameter: '${at}.${name}'.`;
  const { name, parameters, strict } = tool;
  if (typeof name !== 'string' || !NAME.test(name)) return `Missing required parameter: '${at}.name'.`;
  if (names.has(name)) return `Tool names must be unique: ${name}.`;
  names.add(name);
  if (!isObject(parameters) || parameters['type'] !== 'object')
    return `Invalid schema for function '${name}': schema must be of type 'object'.`;
  // Absent, it is true.
  return strict !== false && parameters['additionalProperties'] !== false
    ? `Invalid schema for function '${name}': In context=(), 'additionalProperties' is required to be supplied and to be false.`
    : null;
}

/** Calls and outputs are paired over the whole conversation, reasoning is followed by what it led to. */
function inputFault(body: Loose, known: Known): string | null {
  const { input, previous_response_id: previous } = body;
  const before = previous === undefined ? { openCalls: [] } : known.stored.get(String(previous));
  if (before === undefined) return `Previous response with id '${String(previous)}' not found.`;
  if (typeof input === 'string' && input !== '') return before.openCalls.length === 0 ? null : noOutput(before.openCalls);
  if (!Array.isArray(input) || input.length === 0) return "Invalid 'input': empty or not an array.";
  const items = input as readonly unknown[];
  const open = new Set(before.openCalls);
  for (const [index, item] of items.entries()) {
    const fault = isObject(item)
      ? itemFault(item, `input[${index}]`, { body, open, known, next: items.slice(index + 1) })
      : `Invalid type for 'input[${index}]'.`;
    if (fault !== null) return fault;
  }
  return open.size === 0 ? null : noOutput([...open]);
}

interface Around {
  readonly body: Loose;
  readonly open: Set<string>;
  readonly known: Known;
  /** The items behind it. */
  readonly next: readonly unknown[];
}

function itemFault(item: Loose, at: string, around: Around): string | null {
  const type = String(item['type'] ?? (item['role'] === undefined ? undefined : 'message'));
  const fields = ITEM_FIELDS[type];
  if (fields === undefined) return typeof item['id'] === 'string' ? null : `Invalid value: '${type}' at '${at}.type'.`;
  for (const name of Object.keys(item)) if (!fields.includes(name)) return `Unknown parameter: '${at}.${name}'.`;
  if (type === 'message') return messageFault(item, at);
  return type === 'reasoning' ? reasoningFault(item, around) : callFault(item, at, around.open);
}

function messageFault(item: Loose, at: string): string | null {
  const { content } = item;
  const role = String(item['role']);
  const types = CONTENT[role];
  if (types === undefined) return `Invalid value: '${role}' at '${at}.role'.`;
  if (typeof content === 'string') return null;
  if (!Array.isArray(content) || content.length === 0) return `Invalid '${at}.content'.`;
  for (const part of content as readonly unknown[]) {
    const type = isObject(part) ? String(part['type']) : '';
    if (!types.includes(type)) return `Invalid value: '${type}'. Supported values are: ${types.map((name) => `'${name}'`).join(', ')}.`;
    for (const name of Object.keys(part as Loose))
      if (name !== 'type' && CONTENT_FIELDS[type]?.includes(name) !== true) return `Unknown parameter: '${at}.content.${name}'.`;
    if (/text$|^refusal$/.test(type) && typeof (part as Loose)[type === 'refusal' ? 'refusal' : 'text'] !== 'string')
      return `Invalid '${at}.content'.`;
    if (type === 'output_text' && item['id'] !== undefined && !Array.isArray((part as Loose)['annotations']))
      return `Missing required parameter: '${at}.content[0].annotations'.`;
  }
  return null;
}

function callFault(item: Loose, at: string, open: Set<string>): string | null {
  const { type, call_id: id, name, arguments: input, output } = item;
  if (typeof id !== 'string' || id === '') return `Missing required parameter: '${at}.call_id'.`;
  if (id.length > 64) return `Invalid '${at}.call_id': string too long. Expected a string with maximum length 64.`;
  if (type === 'function_call_output') {
    if (!open.delete(id)) return `No tool call found for function call output with call_id ${id}.`;
    return typeof output === 'string' || Array.isArray(output) ? null : `Invalid type for '${at}.output'.`;
  }
  if (open.has(id)) return `Duplicate item found with call_id ${id}.`;
  open.add(id);
  return typeof name === 'string' && NAME.test(name) && typeof input === 'string' ? null : `Invalid '${at}'.`;
}

function reasoningFault({ id, summary, encrypted_content: sealed, content }: Loose, { body, next, known }: Around): string | null {
  if (typeof id !== 'string' || !Array.isArray(summary)) return "Missing required parameter: 'id' or 'summary' of a reasoning item.";
  const follower = next.find((item) => isObject(item) && item['type'] !== 'reasoning') as Loose | undefined;
  if (follower === undefined || follower['id'] === undefined || follower['type'] === 'function_call_output')
    return `Item '${id}' of type 'reasoning' was provided without its required following item.`;
  if (typeof sealed === 'string')
    return known.isSealedFor(String(body['model']), sealed) ? null : `The encrypted content ${sealed.slice(0, 8)}… could not be verified.`;
  return body['store'] === true || Array.isArray(content)
    ? null
    : `Item with id '${id}' not found. Items are not persisted when \`store\` is set to false.`;
}

function noOutput(open: readonly string[]): string {
  return `No tool output found for function call ${open[0] ?? ''}.`;
}

function isObject(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
