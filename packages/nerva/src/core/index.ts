export { assert, ERRORS, NervaError, type ErrorCode, type ErrorKind } from './errors.ts';
export type { Json, JsonObject } from './json.ts';
export type { HttpAnswer, HttpLimits, HttpRequest, Transport } from './transport.ts';
export type { Clock, Dice, Ids, World } from './world.ts';
