import { NervaError } from './errors.ts';
import { describeIssues, show } from './issues.ts';
import { compileJsonSchema } from './json-schema.ts';
import { checkJson, freeze, type JsonObject } from './json.ts';
import { formatPath } from './text.ts';

/**
 * What describes a value: a Standard Schema v1 (zod, valibot, arktype and others implement it, https://standardschema.dev)
 * or a JSON Schema as plain data. Write the latter with `as const` to have its type inferred.
 */
export type Schema<T = unknown> = StandardSchema<T> | JsonObject;

/** Standard Schema v1 and Standard JSON Schema, written out so that nothing need be installed. */
export interface StandardSchema<T = unknown> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly types?: { readonly input: unknown; readonly output: T } | undefined;
    readonly validate: (value: unknown) => StandardResult<T> | Promise<StandardResult<T>>;
    readonly jsonSchema?: { readonly input: (options: { readonly target: string }) => Readonly<Record<string, unknown>> } | undefined;
  };
}

type StandardResult<T> =
  | { readonly value: T; readonly issues?: undefined }
  | {
      readonly issues: readonly {
        readonly message: string;
        readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
      }[];
    };

/** The type a schema stands for: the output of a Standard Schema, a modest reading of a JSON Schema `as const`, else unknown. */
export type Infer<S> = S extends { readonly '~standard': { readonly types?: infer T } }
  ? NonNullable<T> extends { readonly output: infer O }
    ? O
    : unknown
  : FromJsonSchema<S>;

type FromJsonSchema<S> = S extends { readonly const: infer C }
  ? C
  : S extends { readonly enum: readonly (infer E)[] }
    ? E
    : S extends { readonly anyOf: readonly (infer A)[] }
      ? FromJsonSchema<A>
      : S extends { readonly type: 'object'; readonly properties: infer P }
        ? FromProperties<P, S extends { readonly required: readonly (infer R)[] } ? R : never>
        : S extends { readonly type: 'array'; readonly items: infer I }
          ? readonly FromJsonSchema<I>[]
          : S extends { readonly type: keyof Scalars }
            ? Scalars[S['type']]
            : unknown;

interface Scalars {
  readonly string: string;
  readonly number: number;
  readonly integer: number;
  readonly boolean: boolean;
  readonly null: null;
}

type FromProperties<P, R> = { readonly [K in keyof P as K extends R ? K : never]: FromJsonSchema<P[K]> } & {
  readonly [K in keyof P as K extends R ? never : K]?: FromJsonSchema<P[K]>;
};

/** A value that fits, or why it does not: lines a model can act on. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly issues: string };

/** A schema ready for use. */
export interface CompiledSchema<T> {
  /** Never throws. A promise only when a Standard Schema validates asynchronously. A JSON Schema returns the value itself: `default` is not applied. */
  parse(value: unknown): Parsed<T> | Promise<Parsed<T>>;
  /** What a model is shown: of the input, when a Standard Schema transforms. @throws SCHEMA_UNSUPPORTED when its library cannot say. */
  readonly jsonSchema: JsonObject;
}

/**
 * Makes a schema ready, once, at definition time.
 * @throws SCHEMA_UNSUPPORTED for a JSON Schema with a keyword that is not checked, or for what is no schema.
 */
export function compileSchema<const S extends Schema>(schema: S): CompiledSchema<Infer<S>> {
  if (isStandard(schema)) return compileStandard(schema) as CompiledSchema<Infer<S>>;
  if (typeof schema !== 'object' || (schema as unknown) === null || Array.isArray(schema)) {
    throw new NervaError(
      'SCHEMA_UNSUPPORTED',
      `A schema is a Standard Schema or a JSON Schema object; ${show(schema)} came. Nothing was made.`,
    );
  }
  const check = compileJsonSchema(schema as JsonObject);
  const copy = freeze(structuredCopy(schema as JsonObject));
  return {
    parse: (value) => {
      const issues = check(value);
      return issues === null ? { ok: true, value: value as Infer<S> } : { ok: false, issues };
    },
    jsonSchema: copy,
  };
}

function isStandard(schema: unknown): schema is StandardSchema {
  // arktype's schemas are functions.
  if ((typeof schema !== 'object' && typeof schema !== 'function') || schema === null || !('~standard' in schema)) return false;
  const standard = schema['~standard'];
  return typeof standard === 'object' && standard !== null && 'validate' in standard && typeof standard.validate === 'function';
}

function compileStandard(schema: StandardSchema): CompiledSchema<unknown> {
  const standard = schema['~standard'];
  let jsonSchema: JsonObject | null = null;
  return {
    parse: (value) => {
      try {
        const result = standard.validate(value);
        return result instanceof Promise ? result.then((settled) => parsedOf(settled, value), failed) : parsedOf(result, value);
      } catch (error) {
        return failed(error);
      }
    },
    get jsonSchema() {
      return (jsonSchema ??= standardJsonSchema(standard));
    },
  };
}

function parsedOf(result: StandardResult<unknown>, came: unknown): Parsed<unknown> {
  if (result.issues === undefined) return { ok: true, value: result.value };
  const lines = result.issues.map((issue) => {
    const path = (issue.path ?? []).map((segment) => plainKey(typeof segment === 'object' ? segment.key : segment));
    return `${formatPath(path)}: ${issue.message} (came ${show(at(came, path))})`;
  });
  return { ok: false, issues: describeIssues(lines) };
}

function failed(error: unknown): Parsed<unknown> {
  return { ok: false, issues: `$: the schema itself failed: ${error instanceof Error ? error.message : String(error)}` };
}

function plainKey(key: PropertyKey): string | number {
  return typeof key === 'symbol' ? String(key) : key;
}

function at(value: unknown, path: readonly (string | number)[]): unknown {
  let here = value;
  for (const key of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, key)) return undefined;
    here = (here as Readonly<Record<string | number, unknown>>)[key];
  }
  return here;
}

function standardJsonSchema(standard: StandardSchema['~standard']): JsonObject {
  if (standard.jsonSchema === undefined) {
    throw new NervaError(
      'SCHEMA_UNSUPPORTED',
      `The schema library "${standard.vendor}" cannot write JSON Schema. Give the JSON Schema beside it.`,
    );
  }
  try {
    const { $schema: _, ...written } = standard.jsonSchema.input({ target: 'draft-2020-12' });
    return freeze(structuredCopy(checkJson(written) as JsonObject));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new NervaError('SCHEMA_UNSUPPORTED', `The schema library "${standard.vendor}" cannot write this schema as JSON Schema: ${why}`, {
      cause,
    });
  }
}

/** The caller may go on changing what it gave. */
function structuredCopy(schema: JsonObject): JsonObject {
  return JSON.parse(JSON.stringify(schema)) as JsonObject;
}
