import type { Json, JsonObject } from '../../core/index.ts';

/**
 * What `responseJsonSchema` takes, by its description in the reference of `GenerationConfig`
 * (https://ai.google.dev/api/generate-content#GenerationConfig, as in googleapis/js-genai of 2026-08-21): "not all features are supported".
 */
const KEYWORDS = new Set(
  (
    '$id $defs $ref $anchor type format title description enum items prefixItems minItems maxItems minimum maximum anyOf oneOf properties ' +
    'additionalProperties required propertyOrdering'
  ).split(' '),
);
/** Say nothing about values. */
const SILENT = new Set(['$schema', '$comment']);

/** A schema that Gemini takes, and the keywords of the given one that it has no place for: those are for the caller to check. */
export function narrowed(schema: JsonObject): { readonly schema: JsonObject; readonly dropped: readonly string[] } {
  const dropped = new Set<string>();
  return { schema: object(schema, dropped), dropped: [...dropped].toSorted() };
}

function object(schema: JsonObject, dropped: Set<string>): JsonObject {
  const made: Record<string, Json> = {};
  const isReference = typeof schema['$ref'] === 'string';
  for (const [given, value] of Object.entries(schema)) {
    const keyword = given === 'definitions' ? '$defs' : given;
    // "If `$ref` is set on a sub-schema, no other properties, except for than those starting as a `$`, may be set."
    if (isReference && !keyword.startsWith('$')) dropped.add(`${keyword} beside $ref`);
    else if (keyword === 'const' && (typeof value === 'string' || typeof value === 'number')) made['enum'] = [value];
    else if (KEYWORDS.has(keyword)) made[keyword] = below(keyword, value as Json, dropped);
    else if (!SILENT.has(keyword)) dropped.add(keyword);
  }
  return made;
}

function below(keyword: string, value: Json, dropped: Set<string>): Json {
  if (keyword === '$ref' && typeof value === 'string') return value.replace(/^#\/definitions\//, '#/$defs/');
  if (keyword === 'properties' || keyword === '$defs')
    return isObject(value)
      ? Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, schemaOf(entry as Json, dropped)]))
      : value;
  if (!['items', 'prefixItems', 'anyOf', 'oneOf', 'additionalProperties'].includes(keyword)) return value;
  return Array.isArray(value) ? (value as readonly Json[]).map((entry) => schemaOf(entry, dropped)) : schemaOf(value, dropped);
}

/** `true` and `false` are schemas too. */
function schemaOf(value: Json, dropped: Set<string>): Json {
  return isObject(value) ? object(value, dropped) : value;
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
