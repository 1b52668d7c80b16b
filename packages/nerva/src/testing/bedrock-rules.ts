import { isObject, unknownOf } from './anthropic-rules-messages.ts';
import { messagesFault, thinkingFault } from './bedrock-rules-messages.ts';
import { signatureFault } from './bedrock-signature.ts';

/** The fields of a request, by "Converse" of the Bedrock API reference (2026-11). */
const FIELDS = (
  'messages system inferenceConfig toolConfig guardrailConfig additionalModelRequestFields additionalModelResponseFieldPaths promptVariables ' +
  'requestMetadata performanceConfig serviceTier outputConfig'
).split(' ');
const PATH = /^\/model\/([^/]+)\/converse(-stream)?$/;
const NAME = /^[a-zA-Z0-9_-]{1,64}$/;
const BREAKPOINTS_MAX = 4;

type Loose = Readonly<Record<string, unknown>>;

/** Why Bedrock would refuse this request, or null when it would not. */
export function bedrockFault(request: {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly body: Loose | undefined;
}): string | null {
  const { method, path, headers, body } = request;
  const model = PATH.exec(path)?.[1];
  if (method !== 'POST' || model === undefined) return `Unable to determine service/operation name to be authorized (${method} ${path})`;
  const isBearer = String(headers['authorization']).startsWith('Bearer ');
  const signature = isBearer ? null : signatureFault(request);
  if (signature !== null) return signature;
  if (!String(headers['content-type']).startsWith('application/json')) return 'Unsupported content-type';
  if (body === undefined) return 'Unexpected token: the body is no JSON object';
  const extra = unknownOf(body, FIELDS);
  if (extra !== undefined) return `extraneous key [${extra}] is not permitted`;
  const isClaude = /claude/.test(model);
  return (
    configFault(body) ??
    toolsFault(body) ??
    cacheFault(body, isClaude || /nova/.test(model)) ??
    messagesFault(body) ??
    thinkingFault(body, isClaude)
  );
}

function configFault({ inferenceConfig: config = {}, system = [] }: Loose): string | null {
  if (!isObject(config)) return 'inferenceConfig: is no object';
  const extra = unknownOf(config, ['maxTokens', 'temperature', 'topP', 'stopSequences']);
  if (extra !== undefined) return `inferenceConfig: extraneous key [${extra}] is not permitted`;
  const { maxTokens = 1, temperature = 0, topP = 0 } = config;
  if (!(Number.isSafeInteger(maxTokens) && (maxTokens as number) >= 1)) return 'inferenceConfig.maxTokens: must be at least 1';
  for (const value of [temperature, topP])
    if (!(typeof value === 'number' && value >= 0 && value <= 1)) return 'inferenceConfig: must be 0..1';
  if (!Array.isArray(system)) return 'system: is no list';
  return (system as readonly unknown[]).map(systemFault).find((fault) => fault !== null) ?? null;
}

function systemFault(block: unknown): string | null {
  if (!isObject(block) || Object.keys(block).length !== 1) return 'system: a block is a union of one member';
  if ('cachePoint' in block || 'guardContent' in block) return null;
  return typeof block['text'] === 'string' && block['text'].trim() !== '' ? null : 'The text field in the ContentBlock object is blank.';
}

function toolsFault({ toolConfig: config }: Loose): string | null {
  if (config === undefined) return null;
  if (!isObject(config) || !Array.isArray(config['tools'])) return 'toolConfig.tools: is required';
  const extra = unknownOf(config, ['tools', 'toolChoice']);
  if (extra !== undefined) return `toolConfig: extraneous key [${extra}] is not permitted`;
  const names = new Set<unknown>();
  for (const tool of config['tools'] as readonly unknown[]) {
    if (!isObject(tool) || Object.keys(tool).length !== 1) return 'toolConfig.tools: a tool is a union of one member';
    if ('cachePoint' in tool) continue;
    const fault = specFault(tool['toolSpec'], names);
    if (fault !== null) return fault;
  }
  if (names.size === 0) return 'toolConfig.tools: must hold at least 1 tool';
  const { toolChoice: choice } = config;
  if (choice === undefined) return null;
  if (!isObject(choice) || Object.keys(choice).length !== 1) return 'toolConfig.toolChoice: is a union of one member';
  const { auto, any, tool } = choice;
  if (isObject(tool)) return names.has(tool['name']) ? null : `The tool ${String(tool['name'])} of toolChoice is not defined`;
  return isObject(auto) || isObject(any) ? null : 'toolConfig.toolChoice: is of an unknown kind';
}

function specFault(spec: unknown, names: Set<unknown>): string | null {
  if (!isObject(spec)) return 'toolConfig.tools: unknown union member';
  const { name, description = 'a', inputSchema } = spec;
  const extra = unknownOf(spec, ['name', 'description', 'inputSchema', 'strict']);
  if (extra !== undefined) return `toolSpec: extraneous key [${extra}] is not permitted`;
  if (typeof name !== 'string' || !NAME.test(name)) return `toolSpec.name: ${String(name)} failed to satisfy [a-zA-Z0-9_-]+`;
  if (names.has(name)) return `Duplicate tool name ${name}`;
  names.add(name);
  if (description === '') return 'toolSpec.description: has a minimum length of 1';
  if (!isObject(inputSchema) || !isObject(inputSchema['json'])) return 'toolSpec.inputSchema.json: is required';
  return inputSchema['json']['type'] === 'object' ? null : 'toolSpec.inputSchema.json.type must be one of the following: object';
}

function cacheFault({ system = [], toolConfig, messages = [] }: Loose, canCache: boolean): string | null {
  const tools = isObject(toolConfig) ? toolConfig['tools'] : [];
  const contents = (messages as readonly unknown[]).map((message) => isObject(message) && message['content']);
  const points = [system, tools, ...contents]
    .filter(Array.isArray)
    .flat()
    .filter((block: unknown): block is Loose => isObject(block) && 'cachePoint' in block);
  if (points.length > 0 && !canCache) return 'You invoked an unsupported model or your request did not allow prompt caching.';
  if (points.length > BREAKPOINTS_MAX) return `A maximum of ${BREAKPOINTS_MAX} cache points may be provided. Found ${points.length}.`;
  const isPlain = points.every(({ cachePoint }) => isObject(cachePoint) && cachePoint['type'] === 'default');
  return isPlain ? null : "cachePoint.type: must be one of 'default'";
}
