export { fromBase64, toBase64 } from './base64.ts';
export { civilDate, daysSince1970, type CivilDate } from './calendar.ts';
export { assert, ERRORS, NervaError, type ErrorCode, type ErrorKind } from './errors.ts';
export { canonicalJson, checkJson, freeze, toWellFormed, type Json, type JsonObject } from './json.ts';
export { checkOptions, checkRange, nearestOf } from './options.ts';
export { compileSchema, type CompiledSchema, type Infer, type Parsed, type Schema } from './schema.ts';
export { excerpt, formatPath, utf8Bytes } from './text.ts';
export type { HttpAnswer, HttpLimits, HttpRequest, Transport } from './transport.ts';
export type { World } from './world.ts';
