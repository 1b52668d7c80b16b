import { Buffer } from 'node:buffer';

/** `ChatRequest`, `Message` and `Options` of api/types.go, github.com/ollama/ollama, 2026-08-21. The server ignores other names in silence, which hides mistakes. */
const FIELDS = words('model messages stream format keep_alive tools options think truncate shift logprobs top_logprobs');
const MESSAGE_FIELDS: Readonly<Record<string, ReadonlySet<string>>> = {
  system: words('role content'),
  user: words('role content images'),
  assistant: words('role content thinking images tool_calls'),
  tool: words('role content images tool_name tool_call_id'),
};
const OPTIONS = words(
  'num_keep seed num_predict top_k top_p min_p typical_p repeat_last_n temperature repeat_penalty presence_penalty frequency_penalty stop num_ctx num_batch num_gpu ' +
    'main_gpu use_mmap num_thread draft_num_predict',
);
const LEVELS: readonly unknown[] = [true, false, 'low', 'medium', 'high', 'max'];

type Loose = Readonly<Record<string, unknown>>;

/** Why Ollama would refuse this request, or would do something else than it says; null when it would not. */
export function ollamaFaultOf(request: {
  readonly method: string;
  readonly path: string;
  readonly contentType: string;
  readonly body: Loose | undefined;
}): string | null {
  if (request.method !== 'POST' || request.path !== '/api/chat') return '404 page not found';
  if (!request.contentType.startsWith('application/json')) return `unsupported content-type '${request.contentType}'`;
  const { body } = request;
  if (body === undefined) return 'missing request body';
  return fieldFault(body) ?? optionsFault(body['options']) ?? toolsFault(body['tools']) ?? messagesFault(body['messages']);
}

function fieldFault(body: Loose): string | null {
  const { model, stream, format, think, top_logprobs: top, logprobs } = body;
  if (typeof model !== 'string' || model === '') return 'model is required';
  if (typeof stream !== 'boolean') return 'stream is not said: the default is a stream';
  if (format !== undefined && format !== 'json' && !isObject(format))
    return `invalid format: ${JSON.stringify(format)}; expected "json" or a valid JSON Schema object`;
  if (think !== undefined && !LEVELS.includes(think))
    return `invalid think value: ${JSON.stringify(think)} (must be "high", "medium", "low", "max", true, or false)`;
  if (top !== undefined && (logprobs !== true || !(typeof top === 'number' && top >= 0 && top <= 20)))
    return 'top_logprobs must be between 0 and 20';
  if (isObject(format) && body['tools'] !== undefined) return 'a format leaves no room for tool calls';
  return unknownIn(body, FIELDS, 'the request');
}

function optionsFault(options: unknown): string | null {
  if (options === undefined) return null;
  return isObject(options) ? unknownIn(options, OPTIONS, 'options') : 'invalid options';
}

function toolsFault(tools: unknown): string | null {
  if (tools === undefined) return null;
  if (!Array.isArray(tools) || tools.length === 0) return 'invalid tools';
  for (const tool of tools as readonly unknown[]) {
    const given = isObject(tool) && tool['type'] === 'function' ? tool['function'] : undefined;
    if (!isObject(given) || typeof given['name'] !== 'string' || given['name'] === '') return 'invalid tools[].function';
    if (!isObject(given['parameters']) || given['parameters']['type'] !== 'object') return `invalid parameters of tool ${given['name']}`;
  }
  return null;
}

/** Results follow their calls at once and in their order: most templates look at nothing else. */
function messagesFault(messages: unknown): string | null {
  if (!Array.isArray(messages) || messages.length === 0) return 'messages is empty: that only loads the model';
  let open: Loose[] = [];
  for (const [index, message] of (messages as readonly unknown[]).entries()) {
    const at = `messages[${index}]`;
    const fault = messageFault(message, at);
    if (fault !== null) return fault;
    const { role, tool_calls: calls, tool_name: name, tool_call_id: id } = message as Loose;
    if (role === 'tool') {
      const call = open.shift();
      if (call === undefined) return `${at} answers no call`;
      if (name !== (call['function'] as Loose)['name'] || id !== call['id']) return `${at} answers another call than ${String(call['id'])}`;
    } else if (open.length > 0) return `${at} stands before the results of ${open.length} calls`;
    else open = [...((calls ?? []) as readonly Loose[])];
    if (role === 'system' && index > 0) return `${at}: instructions stand first`;
  }
  return open.length > 0 ? `${open.length} calls have no result` : null;
}

function messageFault(message: unknown, at: string): string | null {
  if (!isObject(message)) return `invalid ${at}`;
  const { role, content, images, tool_calls: calls, thinking } = message;
  const fields = MESSAGE_FIELDS[String(role)];
  if (fields === undefined) return `invalid role: ${String(role)}`;
  if (typeof content !== 'string' || (thinking !== undefined && typeof thinking !== 'string'))
    return `json: cannot unmarshal ${at}.content into Go struct field`;
  if (images !== undefined && !(Array.isArray(images) && images.length > 0 && images.every(isBase64)))
    return `illegal base64 data in ${at}.images`;
  if (calls !== undefined) {
    if (!Array.isArray(calls) || calls.length === 0) return `invalid ${at}.tool_calls`;
    for (const call of calls as readonly unknown[]) {
      const given = isObject(call) ? call['function'] : undefined;
      if (!isObject(given) || typeof given['name'] !== 'string' || !isObject(given['arguments']))
        return `invalid ${at}.tool_calls[].function: arguments are an object`;
    }
  }
  return unknownIn(message, fields, at);
}

function isBase64(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && Buffer.from(value, 'base64').toString('base64') === value;
}

function unknownIn(object: Loose, fields: ReadonlySet<string>, where: string): string | null {
  const unknown = Object.keys(object).find((name) => !fields.has(name));
  return unknown === undefined ? null : `unknown field "${unknown}" in ${where}`;
}

function words(text: string): ReadonlySet<string> {
  return new Set(text.split(' '));
}

function isObject(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
