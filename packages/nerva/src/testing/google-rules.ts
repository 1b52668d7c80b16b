import { contentsFault } from './google-rules-contents.ts';
import { GOOGLE_NAME, isObject, isSigned, unknownIn, type Loose } from './google-rules-fields.ts';

const LEVELS = ['minimal', 'low', 'medium', 'high'];

/** The model and the method that a path names, or null. */
export function targetOf(path: string): { readonly model: string; readonly isStream: boolean } | null {
  const match = /^\/v1beta\/(models|tunedModels)\/([^/:?]+):(generateContent|streamGenerateContent)(\?alt=sse)?$/.exec(path);
  if (match === null) return null;
  const isStream = match[3] === 'streamGenerateContent';
  // Without it a stream is a JSON list, which grows; the key belongs into a header.
  return isStream === (match[4] !== undefined) ? { model: decodeURIComponent(match[2] as string), isStream } : null;
}

/** Why Google would refuse this request as malformed, or null when it would not. */
export function googleFaultOf(request: {
  readonly method: string;
  readonly path: string;
  readonly contentType: string;
  readonly body: Loose | undefined;
}): string | null {
  const target = targetOf(request.path);
  if (request.method !== 'POST' || target === null) return `The requested URL ${request.path} was not found on this server.`;
  if (!request.contentType.startsWith('application/json')) return `Unsupported content-type '${request.contentType}'`;
  const { body } = request;
  if (body === undefined) return 'Invalid JSON payload received.';
  return (
    unknownIn(body, '') ??
    configFault(body, target.model) ??
    toolsFault(body) ??
    systemFault(body['systemInstruction']) ??
    contentsFault(body['contents'], target.model)
  );
}

function configFault(body: Loose, model: string): string | null {
  const config = body['generationConfig'];
  if (config === undefined) return null;
  if (!isObject(config)) return 'Invalid value at generation_config.';
  const { responseMimeType: mime, responseJsonSchema, responseSchema } = config;
  if ((responseJsonSchema !== undefined || responseSchema !== undefined) && mime !== 'application/json')
    return "response_mime_type must be 'application/json' when a response schema is set.";
  if (mime === 'application/json' && !isSigned(model) && declarationsOf(body).length > 0)
    return "Function calling with a response mime type: 'application/json' is unsupported";
  if (config['logprobs'] !== undefined && config['responseLogprobs'] !== true) return 'logprobs is set, but response_logprobs is not.';
  return unknownIn(config, 'generationConfig') ?? thinkingFault(config['thinkingConfig'], model);
}

function thinkingFault(thinking: unknown, model: string): string | null {
  if (thinking === undefined) return null;
  if (!isObject(thinking)) return 'Invalid value at generation_config.thinking_config.';
  const { thinkingBudget: budget, thinkingLevel: level } = thinking;
  if (budget !== undefined && level !== undefined) return 'You can only set only one of thinking budget and thinking level.';
  if (level !== undefined && !isSigned(model)) return 'Thinking level is not supported for this model.';
  if (level !== undefined && !LEVELS.includes(String(level))) return `Invalid value at thinking_config.thinking_level: ${String(level)}`;
  if (budget !== undefined && !Number.isInteger(budget)) return 'Invalid value at thinking_config.thinking_budget.';
  return unknownIn(thinking, 'thinkingConfig');
}

function declarationsOf(body: Loose): readonly unknown[] {
  const tools = Array.isArray(body['tools']) ? (body['tools'] as readonly unknown[]) : [];
  return tools.flatMap((tool) =>
    isObject(tool) && Array.isArray(tool['functionDeclarations']) ? (tool['functionDeclarations'] as unknown[]) : [],
  );
}

function toolsFault(body: Loose): string | null {
  const { tools } = body;
  if (tools !== undefined && (!Array.isArray(tools) || tools.length === 0)) return 'Invalid value at tools.';
  for (const tool of (tools ?? []) as readonly unknown[]) {
    if (!isObject(tool) || Object.keys(tool).length === 0) return 'Invalid value at tools[].';
    const unknown = unknownIn(tool, 'tool');
    if (unknown !== null) return unknown;
  }
  const names = new Set<unknown>();
  for (const declaration of declarationsOf(body)) {
    const fault = declarationFault(declaration, names);
    if (fault !== null) return fault;
  }
  return callingFault(body['toolConfig'], names);
}

/** Adds the name of the function to `names`. */
function declarationFault(declaration: unknown, names: Set<unknown>): string | null {
  if (!isObject(declaration)) return 'Invalid value at tools[].function_declarations[].';
  const { name, parameters, parametersJsonSchema: schema } = declaration;
  if (typeof name !== 'string' || !GOOGLE_NAME.test(name)) return `Invalid function name ${JSON.stringify(name)}.`;
  if (names.has(name)) return `Duplicate function declaration found: ${name}`;
  names.add(name);
  if (parameters !== undefined && schema !== undefined) return 'parameters and parameters_json_schema are mutually exclusive.';
  if (schema !== undefined && (!isObject(schema) || schema['type'] !== 'object'))
    return `parameters schema of ${name} should be of type OBJECT`;
  return unknownIn(declaration, 'functionDeclaration');
}

function callingFault(toolConfig: unknown, names: ReadonlySet<unknown>): string | null {
  if (toolConfig === undefined) return null;
  const calling = isObject(toolConfig) ? (toolConfig['functionCallingConfig'] ?? {}) : null;
  if (!isObject(toolConfig) || !isObject(calling)) return 'Invalid value at tool_config.';
  if (names.size === 0) return 'Function calling config is set without function_declarations.';
  const { mode, allowedFunctionNames: allowed } = calling;
  if (mode !== undefined && !['AUTO', 'ANY', 'NONE', 'VALIDATED'].includes(String(mode))) return `Invalid value at mode: ${String(mode)}`;
  if (allowed !== undefined && (mode !== 'ANY' || !Array.isArray(allowed) || !allowed.every((name) => names.has(name))))
    return 'allowed_function_names should only be set when mode is ANY, and name declared functions.';
  return unknownIn(toolConfig, 'toolConfig') ?? unknownIn(calling, 'functionCallingConfig');
}

function systemFault(system: unknown): string | null {
  if (system === undefined) return null;
  if (!isObject(system) || !Array.isArray(system['parts']) || system['parts'].length === 0) return 'Invalid value at system_instruction.';
  const isTexts = (system['parts'] as readonly unknown[]).every(
    (part) => isObject(part) && typeof part['text'] === 'string' && part['text'] !== '',
  );
  return isTexts ? unknownIn(system, 'content') : 'system_instruction holds texts only.';
}
