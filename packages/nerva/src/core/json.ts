import { NervaError } from './errors.ts';
import { formatPath } from './text.ts';

/** A JSON value, immutable. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** A JSON object, immutable. */
export interface JsonObject {
  readonly [key: string]: Json;
}

/** Bounds of `checkJson`. */
export interface JsonLimits {
  /** Objects and arrays inside one another. Default 128. */
  readonly depthMax?: number;
  /** Of the value as JSON text in UTF-8. Default 67,108,864 (64 MB). */
  readonly bytesMax?: number;
}

/**
 * Takes a value for JSON if it is: the same value comes back, nothing is copied, dropped or converted.
 * Refused, with its path: undefined (holes too), NaN and infinities, functions, symbols, bigint, class instances, cycles,
 * an own key `__proto__` (a copy would set the prototype) and lone surrogates (UTF-8 cannot carry them; `toWellFormed` mends them).
 * @throws JSON_INVALID
 */
export function checkJson(value: unknown, limits: JsonLimits = {}): Json {
  const { depthMax = 128, bytesMax = 67_108_864 } = limits;
  visit(value, { path: [], parents: [], bytes: 0, depthMax, bytesMax });
  return value as Json;
}

/**
 * One text per value: keys in order of UTF-16 code units, no spaces, numbers as ECMAScript writes them (RFC 8785).
 * For digests and for comparing. Equal values give equal text whatever the order of their keys.
 * @throws JSON_INVALID for a value that is not JSON.
 */
export function canonicalJson(value: Json): string {
  if (typeof value === 'string') return quoted(value);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value);
  if (typeof value !== 'object')
    throw new NervaError('JSON_INVALID', `Only JSON has a canonical text; a ${typeof value} (${String(value)}) came.`);
  let out = '';
  if (Array.isArray(value)) {
    for (const item of value as readonly Json[]) out += out === '' ? canonicalJson(item) : `,${canonicalJson(item)}`;
    return `[${out}]`;
  }
  const object = value as JsonObject;
  for (const key of Object.keys(object).sort()) {
    const member = `${quoted(key)}:${canonicalJson(object[key] as Json)}`;
    out += out === '' ? member : `,${member}`;
  }
  return `{${out}}`;
}

/**
 * Freezes a value and everything in it, in place, and returns it.
 * What is frozen already is taken to be frozen throughout, so freezing a list again after adding to it costs only the new part.
 */
export function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const member of Object.values(value)) freeze(member);
  return value;
}

/** The value with each lone surrogate in its texts and keys replaced by U+FFFD; the same value when there is none. */
export function toWellFormed<T extends Json>(value: T): T {
  return isWellFormed(value) ? value : (mended(value) as T);
}

interface Walk {
  readonly path: (string | number)[];
  readonly parents: object[];
  bytes: number;
  readonly depthMax: number;
  readonly bytesMax: number;
}

function visit(value: unknown, walk: Walk): void {
  switch (typeof value) {
    case 'string':
      return count(walk, textBytes(value, walk));
    case 'number':
      if (!Number.isFinite(value)) refuse(walk, `the number ${value}`);
      return count(walk, Number.isInteger(value) && value >= 0 && value < 10 ? 1 : String(value).length);
    case 'boolean':
      return count(walk, value ? 4 : 5);
    case 'object':
      if (value === null) return count(walk, 4);
      return Array.isArray(value) ? visitArray(value, walk) : visitObject(value, walk);
    default:
      return refuse(walk, typeof value === 'undefined' ? 'undefined' : `a ${typeof value}`);
  }
}

function visitArray(value: readonly unknown[], walk: Walk): void {
  enter(value, walk);
  // By index: a hole in a sparse array is undefined, and `for of` over a subclass could be overridden.
  for (let i = 0; i < value.length; i++) {
    walk.path.push(i);
    visit(value[i], walk);
    walk.path.pop();
  }
  walk.parents.pop();
}

function visitObject(value: object, walk: Walk): void {
  const prototype: unknown = Object.getPrototypeOf(value);
  // A prototype without a prototype is Object.prototype, of this realm or of another one.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) refuse(walk, `an instance of ${className(value)}`);
  enter(value, walk);
  for (const key of Object.keys(value)) {
    if (key === '__proto__') refuse(walk, 'an object with the key "__proto__"');
    walk.path.push(key);
    count(walk, textBytes(key, walk) + 2);
    visit((value as Record<string, unknown>)[key], walk);
    walk.path.pop();
  }
  walk.parents.pop();
}

function enter(value: object, walk: Walk): void {
  count(walk, 2);
  if (walk.parents.length >= walk.depthMax) {
    // Only here can there be a cycle, so only here is it looked for.
    const cyclic = walk.parents.includes(value) || new Set(walk.parents).size < walk.parents.length;
    refuse(walk, cyclic ? 'a value that contains itself' : `more than ${walk.depthMax} levels`);
  }
  walk.parents.push(value);
}

function textBytes(text: string, walk: Walk): number {
  if (walk.bytes + text.length > walk.bytesMax) return text.length;
  if (!UNPLAIN.test(text)) return text.length + 2;
  if (!text.isWellFormed()) refuse(walk, 'text with a lone surrogate (half of a character)');
  let bytes = text.length + 2;
  for (let i = 0; i < text.length; i++) bytes += extraBytes(text.charCodeAt(i));
  return bytes;
}

/** What JSON escapes, and what takes more than a byte in UTF-8. */
const UNPLAIN = /[^ !#-[\]-~]/;

function quoted(text: string): string {
  return UNPLAIN.test(text) ? JSON.stringify(text) : `"${text}"`;
}

/** Bytes beyond the first that a UTF-16 unit takes in JSON text. Half a pair is 2 of 4 bytes. */
function extraBytes(unit: number): number {
  if (unit === 0x22 || unit === 0x5c) return 1;
  if (unit < 0x20) return unit === 8 || unit === 9 || unit === 10 || unit === 12 || unit === 13 ? 1 : 5;
  if (unit < 0x80) return 0;
  return unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 1 : 2;
}

function count(walk: Walk, bytes: number): void {
  walk.bytes += bytes;
  if (walk.bytes > walk.bytesMax) refuse(walk, `more than ${walk.bytesMax} bytes in all`);
}

function refuse(walk: Walk, came: string): never {
  const path = formatPath(walk.path.length > 12 ? walk.path.slice(0, 12) : walk.path) + (walk.path.length > 12 ? '…' : '');
  throw new NervaError('JSON_INVALID', `${path} is ${came}; plain JSON was expected. Nothing was taken.`, { details: { path, came } });
}

function className(value: object): string {
  const made: unknown = (value as { constructor?: unknown }).constructor;
  return typeof made === 'function' && made.name !== '' ? made.name : 'a class';
}

function isWellFormed(value: Json): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return (value as readonly Json[]).every(isWellFormed);
  return Object.keys(value).every((key) => key.isWellFormed() && isWellFormed((value as JsonObject)[key] as Json));
}

function mended(value: Json): Json {
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return (value as readonly Json[]).map(mended);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key.toWellFormed(), mended(member as Json)]));
}
