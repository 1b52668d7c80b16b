import {
  checkJson,
  checkOptions,
  checkRange,
  compileSchema,
  freeze,
  NervaError,
  type CompiledSchema,
  type Infer,
  type JsonObject,
  type Schema,
} from '../core/index.ts';
import type { Reconciled, Tool, ToolContext, ToolEffect } from './types.ts';

/** What `tool` takes. `I` is what the input schema stands for. */
export interface ToolOptions<S extends Schema, I, O> {
  /** 1–64 of `A-Za-z0-9_-`, which is what providers take. */
  readonly name: string;
  /** For the model: what the tool does and when to use it. */
  readonly description?: string;
  readonly inputSchema: S;
  /** What the model is shown, for a Standard Schema whose library cannot write JSON Schema. */
  readonly inputJsonSchema?: JsonObject;
  /** What `execute` returns must fit; what it parses to is the output. */
  readonly outputSchema?: Schema;
  /** Default `irreversible`: whoever has not thought about it must not be called twice. */
  readonly effect?: ToolEffect;
  /** Whether a person must agree first. Contract: pure; throwing means yes. Default false. */
  readonly needsApproval?: boolean | ((input: I) => boolean);
  /** Calls of one session with an equal text are one call. Contract: pure. */
  readonly dedupe?: (input: I) => string;
  /** Finds out what became of a call whose outcome was lost. */
  readonly reconcile?: (input: I, context: ToolContext) => Promise<Reconciled> | Reconciled;
  /** 1–2,147,483,647. Default 60,000. */
  readonly timeoutMs?: number;
  /** Contract: stops soon after `context.signal` aborts. Returns JSON; throws `notDone(…)` when nothing happened. */
  readonly execute: (input: I, context: ToolContext) => O | Promise<O>;
}

/** The names of `ToolOptions`. */
export const TOOL_OPTIONS: readonly string[] =
  'name description inputSchema inputJsonSchema outputSchema effect needsApproval dedupe reconcile timeoutMs execute'.split(' ');

const EFFECTS: readonly unknown[] = ['read', 'idempotent', 'irreversible'];

/**
 * Defines a tool. The input's type comes from the schema: a Standard Schema, or a JSON Schema written in place.
 * @throws TOOL_INVALID, OPTION_UNKNOWN, OPTION_INVALID, SCHEMA_UNSUPPORTED. Nothing is registered anywhere.
 */
export function tool<const S extends Schema, O>(options: ToolOptions<S, Infer<S>, O>): Tool<Infer<S>, O> {
  checkOptions(options, TOOL_OPTIONS, 'tool');
  checkShape(options as unknown as Readonly<Record<string, unknown>>);
  const { name, description = '', effect = 'irreversible', needsApproval = false, dedupe, reconcile, execute } = options;
  const timeoutMs = checkRange(`timeoutMs of tool "${name}"`, options.timeoutMs ?? 60_000, 1, 2_147_483_647);
  const input = compiled(name, 'inputSchema', options.inputSchema);
  const inputJsonSchema = options.inputJsonSchema === undefined ? jsonSchemaOf(name, input) : copyOf(options.inputJsonSchema);
  if (inputJsonSchema['type'] !== 'object') throw invalid(name, 'inputSchema must be of type object, as models give arguments by name');
  const output = options.outputSchema === undefined ? undefined : compiled(name, 'outputSchema', options.outputSchema);
  return Object.freeze({
    name,
    description,
    effect,
    inputJsonSchema,
    definition: freeze({ name, description, effect, inputSchema: inputJsonSchema }),
    parseInput: (value) => input.parse(value) as ReturnType<Tool<Infer<S>, O>['parseInput']>,
    ...(output !== undefined && {
      parseOutput: (value: unknown) => output.parse(value) as ReturnType<NonNullable<Tool<Infer<S>, O>['parseOutput']>>,
    }),
    needsApproval: (value) => asks(needsApproval, value),
    ...(dedupe !== undefined && { dedupe }),
    ...(reconcile !== undefined && { reconcile }),
    timeoutMs,
    execute,
  } satisfies Tool<Infer<S>, O>);
}

/** Thrown by a tool to say that the effect did not happen and will not: also an irreversible call may then be made again. */
export function notDone(message: string, options: { readonly cause?: unknown } = {}): NervaError {
  return new NervaError('TOOL_NOT_DONE', message, options);
}

/** @throws TOOL_INVALID for a name that some provider would refuse. */
export function checkName(name: unknown): asserts name is string {
  if (typeof name === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(name)) return;
  const came = typeof name === 'string' ? JSON.stringify(name.slice(0, 100)) : name === undefined ? 'nothing' : `a ${typeof name}`;
  throw new NervaError('TOOL_INVALID', `A tool's name must be 1–64 of A-Z a-z 0-9 _ -; ${came} came. No tool was made.`, {
    details: { name: String(name) },
  });
}

/** The error for a malformed tool. */
export function invalid(name: string, why: string, cause?: unknown): NervaError {
  return new NervaError('TOOL_INVALID', `Tool "${name}": ${why}. No tool was made.`, {
    details: { name },
    ...(cause !== undefined && { cause }),
  });
}

/** What types say and plain JavaScript may not. */
function checkShape({ name, description, effect, needsApproval, execute, ...others }: Readonly<Record<string, unknown>>): void {
  checkName(name);
  if (description !== undefined && typeof description !== 'string') throw invalid(name, 'description must be text');
  if (effect !== undefined && !EFFECTS.includes(effect))
    throw invalid(name, `effect must be ${EFFECTS.join(', ')}; ${JSON.stringify(effect)} came`);
  if (typeof execute !== 'function') throw invalid(name, 'execute must be a function');
  for (const key of ['dedupe', 'reconcile']) {
    if (others[key] !== undefined && typeof others[key] !== 'function') throw invalid(name, `${key} must be a function`);
  }
  if (needsApproval !== undefined && typeof needsApproval !== 'boolean' && typeof needsApproval !== 'function') {
    throw invalid(name, 'needsApproval must be true, false or a function');
  }
}

function asks<I>(rule: boolean | ((input: I) => boolean), input: I): boolean {
  if (typeof rule === 'boolean') return rule;
  try {
    // Only a plain false is a no: a promise, or nothing, is a rule that did not decide.
    return rule(input) !== false;
  } catch {
    return true;
  }
}

function compiled<S extends Schema>(name: string, option: string, schema: S): CompiledSchema<Infer<S>> {
  try {
    return compileSchema(schema);
  } catch (error) {
    if (!NervaError.is(error, 'SCHEMA_UNSUPPORTED')) throw error;
    throw new NervaError('SCHEMA_UNSUPPORTED', `Tool "${name}", ${option}: ${error.message}`, {
      details: { ...error.details, name },
      cause: error,
    });
  }
}

/** The caller's own object is neither kept nor frozen. */
function copyOf(schema: JsonObject): JsonObject {
  return JSON.parse(JSON.stringify(checkJson(schema))) as JsonObject;
}

function jsonSchemaOf(name: string, schema: CompiledSchema<unknown>): JsonObject {
  try {
    return schema.jsonSchema;
  } catch (cause) {
    throw new NervaError('SCHEMA_UNSUPPORTED', `Tool "${name}", inputSchema: ${String(cause)} Give inputJsonSchema.`, {
      details: { name },
      cause,
    });
  }
}
