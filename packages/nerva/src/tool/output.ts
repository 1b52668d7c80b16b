import { excerpt, NervaError, utf8Bytes, type Json, type JsonObject } from '../core/index.ts';

/** What a tool's output becomes in the log. */
export interface Output {
  readonly output: Json;
  /** How many bytes were cut, when the output was larger than allowed. */
  readonly truncatedBytes?: number;
}

const DEPTH_MAX = 128;

/**
 * Copies what a tool returned as JSON, so that it may change its own objects afterwards. As `JSON.stringify` would:
 * `toJSON` is called (dates, URLs), members that are undefined are left out, undefined elsewhere is null. Unlike it, nothing else is lost in silence.
 * Lone surrogates become U+FFFD. More than `bytesMax` as JSON becomes an excerpt of its JSON text, written no further than needed;
 * a text is measured by, and cut in, its own bytes.
 * @throws JSON_INVALID for NaN, functions, symbols, bigint, class instances without `toJSON`, cycles.
 */
export function toOutput(value: unknown, bytesMax: number): Output {
  if (typeof value === 'string') return cutText(value.toWellFormed(), bytesMax);
  const copy: Copy = { bytes: 0 };
  const output = copied(value, 0, copy) ?? null;
  if (copy.bytes <= bytesMax) return { output };
  return excerptOf(output, copy.bytes, bytesMax);
}

/** Bytes of what was copied so far, as JSON text. */
interface Copy {
  bytes: number;
}

function cutText(text: string, bytesMax: number): Output {
  if (text.length * 3 <= bytesMax) return { output: text };
  const bytes = utf8Bytes(text);
  if (bytes <= bytesMax) return { output: text };
  const output = excerpt(text, bytesMax);
  return { output, truncatedBytes: bytes - utf8Bytes(withoutNote(output)) };
}

/** What `excerpt` kept: its note stands after the last `… [`. */
function withoutNote(cut: string): string {
  const at = cut.lastIndexOf('… [');
  return at < 0 ? cut : cut.slice(0, at);
}

/** undefined stays undefined for the caller to drop or replace. */
function copied(given: unknown, depth: number, copy: Copy): Json | undefined {
  const value = hasToJson(given) ? given.toJSON() : given;
  switch (typeof value) {
    case 'string':
      return countText(value.toWellFormed(), copy);
    case 'number':
      if (!Number.isFinite(value)) throw refused(`the number ${value}`);
      copy.bytes += String(value).length;
      return value;
    case 'boolean':
      copy.bytes += value ? 4 : 5;
      return value;
    case 'undefined':
      return undefined;
    case 'object':
      if (value === null) {
        copy.bytes += 4;
        return null;
      }
      if (depth >= DEPTH_MAX) throw refused(`more than ${DEPTH_MAX} levels, or a value that contains itself`);
      return Array.isArray(value) ? copiedArray(value, depth, copy) : copiedObject(value, depth, copy);
    default:
      throw refused(`a ${typeof value}`);
  }
}

function copiedArray(value: readonly unknown[], depth: number, copy: Copy): Json {
  copy.bytes += 2 + Math.max(0, value.length - 1);
  // `Array.from` visits holes, which `map` would keep.
  return Array.from(value, (item) => {
    const member = copied(item, depth + 1, copy);
    if (member === undefined) copy.bytes += 4;
    return member ?? null;
  });
}

function copiedObject(value: object, depth: number, copy: Copy): JsonObject {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw refused(`an instance of ${(value.constructor as { name?: string } | undefined)?.name ?? 'a class'}`);
  }
  const out: Record<string, Json> = {};
  copy.bytes += 2;
  const before = copy.bytes;
  for (const key of Object.keys(value)) {
    if (key === '__proto__') throw refused('an object with the key "__proto__"');
    const member = copied((value as Record<string, unknown>)[key], depth + 1, copy);
    if (member === undefined) continue;
    out[countText(key.toWellFormed(), copy)] = member;
    copy.bytes += 2;
  }
  // A colon and a comma for each member, but no comma for the first.
  if (copy.bytes > before) copy.bytes -= 1;
  return out;
}

function countText(text: string, copy: Copy): string {
  copy.bytes += text.length < 256 ? utf8Bytes(JSON.stringify(text)) : longBytes(text);
  return text;
}

/** As above for long texts, without a second text: escapes count 1 more, control characters 5. */
function longBytes(text: string): number {
  if (!UNPLAIN.test(text)) return text.length + 2;
  let bytes = utf8Bytes(text) + 2;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 0x22 || unit === 0x5c) bytes += 1;
    else if (unit < 0x20) bytes += unit >= 8 && unit <= 13 && unit !== 11 ? 1 : 5;
  }
  return bytes;
}

/** What JSON escapes, and what takes more than a byte in UTF-8: found by compiled code. */
const UNPLAIN = /[^ !#-[\]-~]/;

/** The beginning of a value's JSON text, written only as far as it will be kept. */
function excerptOf(value: Json, bytes: number, bytesMax: number): Required<Output> {
  const parts: string[] = [];
  write(value, parts, { left: bytesMax });
  // The note must state the rest of the value, not of what was written, so room is left for the longer number.
  const noteBytes = 40;
  const head = withoutNote(excerpt(parts.join(''), Math.max(0, bytesMax - noteBytes)));
  const truncatedBytes = bytes - utf8Bytes(head);
  return { output: bytesMax > noteBytes ? `${head}… [${truncatedBytes} bytes cut]` : head, truncatedBytes };
}

function write(value: Json, parts: string[], room: { left: number }): void {
  if (room.left <= 0) return;
  if (Array.isArray(value)) {
    put('[', parts, room);
    for (const [i, item] of (value as readonly Json[]).entries()) {
      if (room.left <= 0) return;
      if (i > 0) put(',', parts, room);
      write(item, parts, room);
    }
    return put(']', parts, room);
  }
  if (typeof value !== 'object' || value === null)
    return put(JSON.stringify(typeof value === 'string' ? value.slice(0, room.left) : value), parts, room);
  put('{', parts, room);
  for (const [i, key] of Object.keys(value).entries()) {
    if (room.left <= 0) return;
    put(`${i > 0 ? ',' : ''}${JSON.stringify(key.slice(0, room.left))}:`, parts, room);
    write((value as JsonObject)[key] ?? null, parts, room);
  }
  put('}', parts, room);
}

function put(text: string, parts: string[], room: { left: number }): void {
  parts.push(text);
  room.left -= text.length;
}

function hasToJson(value: unknown): value is { toJSON(): unknown } {
  return typeof value === 'object' && value !== null && 'toJSON' in value && typeof value.toJSON === 'function';
}

function refused(came: string): NervaError {
  return new NervaError('JSON_INVALID', `The output holds ${came}; plain JSON was expected.`);
}
