import { checkOptions, NervaError, type Json, type JsonObject, type Schema } from '../core/index.ts';
import { checkName, invalid, tool, TOOL_OPTIONS } from './tool.ts';
import type { Tool, ToolContext } from './types.ts';

/** A plain object or a tool of the AI SDK. Its functions are given what `tool()` gives and, beside it, `toolCallId`, `abortSignal` and `messages` (empty). */
export interface PlainTool {
  readonly name?: string | undefined;
  readonly description?: unknown;
  /** Zod and other Standard Schemas, `jsonSchema(…)` of the AI SDK, or JSON Schema. */
  readonly inputSchema: unknown;
  readonly execute?: ((input: never, options: never) => unknown) | undefined;
  readonly needsApproval?: boolean | ((input: never, options: never) => unknown) | undefined;
}

/** Tools as a list, or by name. */
export type ToolInput = readonly (Tool | PlainTool)[] | Readonly<Record<string, Tool | PlainTool>>;

/** Of the AI SDK, without a meaning here and harmless to leave out: they are hints for a provider or a screen. */
const HINTS = ['type', 'title', 'strict', 'inputExamples', 'providerOptions', 'metadata'];

/**
 * Normalises tools: those of `tool()` stay as they are; plain objects and AI SDK tools are converted, `irreversible` unless they say otherwise.
 * In a record the key is the name. The order is kept, as the model sees the tools in it.
 * @throws TOOL_INVALID (a name that is bad or taken, no `execute`, something of the AI SDK that would be ignored), OPTION_UNKNOWN, SCHEMA_UNSUPPORTED.
 */
export function toTools(input: ToolInput): readonly Tool[] {
  if (typeof input !== 'object' || (input as unknown) === null) {
    throw new NervaError('TOOL_INVALID', `Tools are a list, or an object by name; a ${typeof input} came. No tool was made.`);
  }
  const named: [string | undefined, unknown][] = Array.isArray(input)
    ? input.map((item: unknown) => [undefined, item])
    : Object.entries(input);
  const tools = named.map(([key, item]) => toTool(key, item));
  const taken = new Set<string>();
  for (const { name } of tools) {
    if (taken.has(name)) throw invalid(name, 'the name is taken by an earlier tool of the list');
    taken.add(name);
  }
  return Object.freeze(tools);
}

function toTool(key: string | undefined, item: unknown): Tool {
  if (typeof item !== 'object' || item === null) {
    throw new NervaError(
      'TOOL_INVALID',
      `A tool is an object; ${item === null ? 'null' : `a ${typeof item}`} came${key === undefined ? '' : ` as "${key}"`}. No tool was made.`,
    );
  }
  const given = item as Readonly<Record<string, unknown>>;
  const name = key ?? given['name'];
  checkName(name);
  if (key !== undefined && given['name'] !== undefined && given['name'] !== key)
    throw invalid(key, `it is listed as "${key}" but names itself ${JSON.stringify(given['name'])}`);
  if (isTool(item)) return item;
  refuseIgnored(name, given);
  checkOptions(given, [...TOOL_OPTIONS, ...HINTS], `tool "${name}"`);
  return fromPlain(name, given);
}

function isTool(item: object): item is Tool {
  return 'parseInput' in item && typeof item.parseInput === 'function' && 'inputJsonSchema' in item && 'execute' in item;
}

/** What the AI SDK would do and Nerva would not must not be dropped in silence. */
function refuseIgnored(name: string, given: Readonly<Record<string, unknown>>): void {
  const { type } = given;
  if (type === 'provider' || type === 'provider-defined')
    throw invalid(name, 'it is run by the provider; only tools with an execute function can be called here');
  if (given['execute'] === undefined) throw invalid(name, 'it has no execute function');
  for (const option of ['toModelOutput', 'onInputStart', 'onInputDelta', 'onInputAvailable', 'contextSchema']) {
    if (given[option] !== undefined) throw invalid(name, `its ${option} would never be used here; remove it`);
  }
}

function fromPlain(name: string, given: Readonly<Record<string, unknown>>): Tool {
  const { description, needsApproval, execute } = given;
  const known = Object.fromEntries(TOOL_OPTIONS.filter((option) => given[option] !== undefined).map((option) => [option, given[option]]));
  if (typeof execute !== 'function') throw invalid(name, 'execute must be a function');
  // The AI SDK allows a description that depends on its context, which does not exist here.
  if (typeof description === 'function') throw invalid(name, 'description must be text, not a function');
  return tool({
    ...known,
    name,
    ...schemaOf(name, given['inputSchema']),
    ...(typeof needsApproval === 'function' && {
      needsApproval: (input: unknown) => needsApproval.call(given, input, { toolCallId: '', messages: [] }) as boolean,
    }),
    execute: (input: unknown, context: ToolContext) => {
      const output: unknown = execute.call(given, input, {
        ...context,
        toolCallId: context.callId,
        messages: [],
        abortSignal: context.signal,
      });
      return isStream(output) ? lastOf(output, context.signal) : output;
    },
  });
}

/** The AI SDK's own schemas carry the JSON Schema and perhaps a check; all else is for `tool` to judge. */
function schemaOf(name: string, schema: unknown): { readonly inputSchema: Schema; readonly inputJsonSchema?: JsonObject } {
  if (schema === undefined) throw invalid(name, 'it has no inputSchema');
  if (typeof schema !== 'object' || schema === null || '~standard' in schema || !('jsonSchema' in schema) || !('validate' in schema)) {
    return { inputSchema: schema as Schema };
  }
  const { jsonSchema, validate } = schema;
  if (typeof jsonSchema !== 'object' || jsonSchema === null || jsonSchema instanceof Promise)
    throw invalid(name, 'its JSON Schema comes later (a promise); give it as data');
  const { $schema: _, ...inputJsonSchema } = jsonSchema as JsonObject;
  if (typeof validate !== 'function') return { inputSchema: inputJsonSchema };
  return {
    inputJsonSchema,
    inputSchema: { '~standard': { version: 1, vendor: 'ai', validate: (value) => aiResult(validate.call(schema, value)) } },
  };
}

type AiResult = { readonly success: true; readonly value: unknown } | { readonly success: false; readonly error: Error };
type Standard = { readonly value: unknown } | { readonly issues: readonly { readonly message: string }[] };

function aiResult(result: AiResult | PromiseLike<AiResult>): Standard | Promise<Standard> {
  if ('then' in result) return Promise.resolve(result).then(aiResult);
  return result.success ? { value: result.value } : { issues: [{ message: result.error.message }] };
}

function isStream(output: unknown): output is AsyncIterable<Json> {
  return typeof output === 'object' && output !== null && Symbol.asyncIterator in output;
}

/** The AI SDK's tools may yield preliminary results; the last one is the output. */
async function lastOf(stream: AsyncIterable<unknown>, signal: AbortSignal): Promise<unknown> {
  let last: unknown;
  for await (const part of stream) {
    if (signal.aborted) throw new NervaError('CANCELLED', 'The call was aborted before its last result came.');
    last = part;
  }
  return last;
}
