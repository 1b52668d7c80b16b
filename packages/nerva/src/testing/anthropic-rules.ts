import { isObject, messagesFault, unknownOf } from './anthropic-rules-messages.ts';

/** The fields of a request, by "Create a Message" of the API reference (2026-11). Unknown ones are refused: "Extra inputs are not permitted". */
const FIELDS = new Set(
  (
    'model messages max_tokens system metadata stop_sequences stream temperature top_k top_p tools tool_choice thinking output_config service_tier ' +
    'cache_control container inference_geo'
  ).split(' '),
);
const NAME = /^[a-zA-Z0-9_-]{1,128}$/;
const BREAKPOINTS_MAX = 4;

type Loose = Readonly<Record<string, unknown>>;

/** Why Anthropic would refuse this request as malformed, or null when it would not. */
export function anthropicFault(request: {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Loose | undefined;
}): string | null {
  const { method, path, headers, body } = request;
  if (method !== 'POST' || path !== '/v1/messages') return `Not found (${method} ${path})`;
  if (!String(headers['content-type']).startsWith('application/json')) return 'content-type: must be application/json';
  if (headers['anthropic-version'] !== '2023-06-01') return 'anthropic-version: header is required';
  if (body === undefined) return 'The request body is not valid JSON';
  return (
    fieldFault(body) ??
    samplingFault(body) ??
    thinkingFault(body) ??
    toolsFault(body) ??
    outputFault(body) ??
    cacheFault(body) ??
    messagesFault(body)
  );
}

function fieldFault(body: Loose): string | null {
  for (const name of Object.keys(body)) if (!FIELDS.has(name)) return `${name}: Extra inputs are not permitted`;
  if (typeof body['model'] !== 'string' || body['model'] === '') return 'model: Field required';
  const limit = body['max_tokens'];
  if (typeof limit !== 'number' || !Number.isSafeInteger(limit) || limit < 1) return 'max_tokens: Field required';
  const { system, stop_sequences: stops = [] } = body;
  if (!Array.isArray(stops) || !stops.every((stop) => typeof stop === 'string' && stop.trim() !== ''))
    return 'stop_sequences: each stop sequence must contain non-whitespace';
  return systemFault(system);
}

function systemFault(system: unknown): string | null {
  if (system === undefined || typeof system === 'string') return null;
  if (!Array.isArray(system) || system.length === 0) return 'system: Input should be a valid string or list';
  for (const block of system as readonly unknown[]) {
    if (!isObject(block) || block['type'] !== 'text') return "system.0.type: Input should be 'text'";
    if (typeof block['text'] !== 'string' || block['text'].trim() === '') return 'system: text content blocks must be non-empty';
    const extra = unknownOf(block, ['type', 'text', 'cache_control', 'citations']);
    if (extra !== undefined) return `system.0.${extra}: Extra inputs are not permitted`;
  }
  return null;
}

function samplingFault({ model, temperature, top_p: topP, thinking }: Loose): string | null {
  for (const [name, value] of [
    ['temperature', temperature],
    ['top_p', topP],
  ] as const) {
    if (value !== undefined && !(typeof value === 'number' && value >= 0 && value <= 1)) return `${name}: range: 0..1`;
  }
  const isThinking = isObject(thinking) && thinking['type'] !== 'disabled';
  if (isThinking && temperature !== undefined && temperature !== 1)
    return '`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.';
  if (temperature !== undefined && topP !== undefined && /-4-[1-9](?!\d)/.test(String(model)))
    return '`temperature` and `top_p` cannot both be specified for this model. Please use only one.';
  if ((temperature !== undefined || topP !== undefined) && isRecent(model)) return '`temperature` is not supported for this model.';
  return null;
}

/** 4.7 and later: no sampling, no budget for thinking. */
const isRecent = (model: unknown): boolean => /claude-[a-z]+-(4-[789](?!\d)|[5-9])/.test(String(model));
const isAdaptive = (model: unknown): boolean => isRecent(model) || /claude-(opus|sonnet)-4-6(?!\d)/.test(String(model));

function thinkingFault({ model, thinking, max_tokens: limit, tool_choice: choice }: Loose): string | null {
  if (thinking === undefined) return null;
  if (!isObject(thinking)) return 'thinking: Input should be an object';
  const { type, budget_tokens: budget, display } = thinking;
  const extra = unknownOf(thinking, type === 'enabled' ? ['type', 'budget_tokens', 'display'] : ['type', 'display']);
  if (extra !== undefined) return `thinking.${String(type)}.${extra}: Extra inputs are not permitted`;
  if (display !== undefined && display !== 'summarized' && display !== 'omitted')
    return 'thinking.display: Input should be summarized or omitted';
  if (type === 'disabled') return /fable|mythos/.test(String(model)) ? '"thinking.type.disabled" is not supported for this model' : null;
  if (type === 'adaptive' && !isAdaptive(model)) return 'adaptive thinking is not supported on this model';
  if (type !== 'enabled' && type !== 'adaptive') return `thinking.type: ${String(type)} is unknown`;
  const fault = type === 'enabled' ? budgetFault(model, budget, limit) : null;
  if (fault !== null) return fault;
  return isObject(choice) && (choice['type'] === 'any' || choice['type'] === 'tool')
    ? 'Thinking may not be enabled when tool_choice forces tool use.'
    : null;
}

function budgetFault(model: unknown, budget: unknown, limit: unknown): string | null {
  if (isRecent(model)) return '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive".';
  if (typeof budget !== 'number' || !Number.isSafeInteger(budget) || budget < 1024)
    return 'thinking.enabled.budget_tokens: Input should be greater than or equal to 1024';
  if (budget >= (limit as number)) return '`max_tokens` must be greater than `thinking.budget_tokens`.';
  return null;
}

function toolsFault({ tools, tool_choice: choice }: Loose): string | null {
  if (tools === undefined) return choice === undefined ? null : 'tool_choice: may only be specified while providing tools.';
  if (!Array.isArray(tools)) return 'tools: Input should be a valid list';
  const names = new Set<unknown>();
  for (const [index, tool] of (tools as readonly unknown[]).entries()) {
    const at = `tools.${index}`;
    if (!isObject(tool)) return `${at}: Input should be an object`;
    const { name, type } = tool;
    if (typeof name !== 'string' || !NAME.test(name)) return `${at}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'`;
    if (names.has(name)) return 'tools: Tool names must be unique.';
    names.add(name);
    if (type !== undefined && type !== 'custom') continue;
    const schema = tool['input_schema'];
    if (!isObject(schema) || schema['type'] !== 'object') return `${at}.custom.input_schema.type: Field required`;
    const extra = unknownOf(tool, ['name', 'type', 'description', 'input_schema', 'cache_control', 'strict', 'eager_input_streaming']);
    if (extra !== undefined) return `${at}.custom.${extra}: Extra inputs are not permitted`;
  }
  return choice === undefined ? null : choiceFault(choice, names);
}

function choiceFault(choice: unknown, names: ReadonlySet<unknown>): string | null {
  if (!isObject(choice)) return 'tool_choice: Input should be an object';
  const { type, name } = choice;
  if (!['auto', 'any', 'tool', 'none'].includes(String(type))) return `tool_choice.type: ${String(type)} is unknown`;
  const allowed = type === 'tool' ? ['type', 'name', 'disable_parallel_tool_use'] : ['type', 'disable_parallel_tool_use'];
  const extra = unknownOf(choice, type === 'none' ? ['type'] : allowed);
  if (extra !== undefined) return `tool_choice.${String(type)}.${extra}: Extra inputs are not permitted`;
  return type === 'tool' && !names.has(name) ? `Tool '${String(name)}' not found in provided tools` : null;
}

function outputFault({ output_config: config }: Loose): string | null {
  if (config === undefined) return null;
  if (!isObject(config)) return 'output_config: Input should be an object';
  const { effort, format } = config;
  const extra = unknownOf(config, ['effort', 'format']);
  if (extra !== undefined) return `output_config.${extra}: Extra inputs are not permitted`;
  if (effort !== undefined && !['low', 'medium', 'high', 'xhigh', 'max'].includes(String(effort)))
    return `output_config.effort: ${String(effort)} is unknown`;
  if (format === undefined) return null;
  if (!isObject(format) || format['type'] !== 'json_schema' || !isObject(format['schema'])) return 'output_config.format: is malformed';
  return openObject(format['schema']);
}

/** "For 'object' type, 'additionalProperties' must be explicitly set to false". */
function openObject(schema: unknown): string | null {
  if (Array.isArray(schema)) return schema.map(openObject).find((fault) => fault !== null) ?? null;
  if (!isObject(schema)) return null;
  if (schema['type'] === 'object' && schema['additionalProperties'] !== false)
    return "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false";
  for (const name of ['minimum', 'maximum', 'minLength', 'maxLength', 'maxItems', 'multipleOf'])
    if (name in schema) return `output_config.format.schema: property '${name}' is not supported`;
  return (
    Object.values(schema)
      .map(openObject)
      .find((fault) => fault !== null) ?? null
  );
}

/** Every mark for the cache, wherever it stands. */
function cacheFault(body: Loose): string | null {
  const blocks = [
    body['system'],
    body['tools'],
    ...((body['messages'] ?? []) as readonly unknown[]).map((message) => isObject(message) && message['content']),
  ]
    .filter(Array.isArray)
    .flat() as readonly unknown[];
  const marked = blocks.filter((block): block is Loose => isObject(block) && block['cache_control'] !== undefined);
  if (marked.length > BREAKPOINTS_MAX)
    return `A maximum of ${BREAKPOINTS_MAX} blocks with cache_control may be provided. Found ${marked.length}.`;
  for (const { type, cache_control: control } of marked) {
    if (type === 'thinking' || type === 'redacted_thinking') return `${type}.cache_control: Extra inputs are not permitted`;
    if (!isObject(control) || control['type'] !== 'ephemeral') return "cache_control.type: Input should be 'ephemeral'";
  }
  return null;
}
