import { garbage } from '../failure.ts';
import type { Framing, WireEvent } from '../framing.ts';

const PRELUDE_BYTES = 12;
const CRC_BYTES = 4;
/** "The maximum payload is 16 MB", and headers of at most 128 KB. */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024 + 128 * 1024 + PRELUDE_BYTES + CRC_BYTES;

/** The status that an exception in a stream would have had before it ("ConverseStreamOutput", Bedrock API reference, read 2026-11). */
const STATUS: Readonly<Record<string, number>> = {
  throttlingException: 429,
  validationException: 400,
  accessDeniedException: 403,
  modelStreamErrorException: 424,
  internalServerException: 500,
  serviceUnavailableException: 503,
  modelTimeoutException: 408,
};

/**
 * Messages of `application/vnd.amazon.eventstream` whose payload is JSON ("Event stream encoding", Amazon Transcribe and Lex developer guides,
 * read 2026-11). Both checksums of each are checked. An exception becomes an event whose value has `error`, as all wires have it.
 */
export const EVENT_STREAM: Framing = {
  mediaType: 'vnd.amazon.eventstream',
  parser: (onEvent, what) => {
    let pieces: Uint8Array[] = [];
    let size = 0;
    let needed = PRELUDE_BYTES;
    return {
      push(bytes) {
        pieces.push(bytes);
        size += bytes.length;
        // What comes in many pieces is put together once there is enough of it.
        if (size < needed) return;
        const all = pieces.length === 1 ? bytes : concatenated(pieces, size);
        let at = 0;
        for (;;) {
          const left = all.length - at;
          needed = left < PRELUDE_BYTES ? PRELUDE_BYTES : lengthOf(all.subarray(at, at + PRELUDE_BYTES), what);
          if (left < needed) break;
          onEvent(messageOf(all.subarray(at, at + needed), what));
          at += needed;
        }
        pieces = at === all.length ? [] : [all.slice(at)];
        size = all.length - at;
      },
      end: () => undefined,
    };
  },
};

function concatenated(pieces: readonly Uint8Array[], size: number): Uint8Array {
  const all = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** How long a message is, by its prelude. */
function lengthOf(prelude: Uint8Array, what: string): number {
  const view = viewOf(prelude);
  if (crc32(prelude.subarray(0, 8)) !== view.getUint32(8)) throw garbage(what, 'the checksum of a prelude is wrong', hex(prelude));
  const length = view.getUint32(0);
  const headers = view.getUint32(4);
  if (length > MESSAGE_BYTES_MAX || headers + PRELUDE_BYTES + CRC_BYTES > length)
    throw garbage(what, 'a message has an impossible length', hex(prelude));
  return length;
}

function messageOf(message: Uint8Array, what: string): WireEvent {
  const view = viewOf(message);
  const end = message.length - CRC_BYTES;
  if (crc32(message.subarray(0, end)) !== view.getUint32(end)) throw garbage(what, 'the checksum of a message is wrong', hex(message));
  const payloadAt = PRELUDE_BYTES + view.getUint32(4);
  const headers = headersOf(message.subarray(PRELUDE_BYTES, payloadAt), what);
  const text = new TextDecoder().decode(message.subarray(payloadAt, end));
  const type = headers.get(':message-type') ?? 'event';
  if (type === 'event') return { event: headers.get(':event-type') ?? 'message', value: json(text, what) };
  const named = headers.get(':exception-type') ?? headers.get(':error-code') ?? type;
  return { event: named, value: { error: failed(named, headers.get(':error-message') ?? text) } };
}

/** An exception in the form of `failureIn`: `code` is a status, as if it had come before the stream. */
function failed(type: string, text: string): { readonly code: number; readonly type: string; readonly message: string } {
  let message = text;
  let status = STATUS[type.charAt(0).toLowerCase() + type.slice(1)] ?? 500;
  try {
    const said = JSON.parse(text) as {
      readonly message?: unknown;
      readonly originalStatusCode?: unknown;
      readonly originalMessage?: unknown;
    };
    message = [said.message, said.originalMessage].filter((part) => typeof part === 'string').join(': ') || text;
    if (typeof said.originalStatusCode === 'number' && said.originalStatusCode >= 400) status = said.originalStatusCode;
  } catch {
    // Plain words are a message as well.
  }
  return { code: status, type, message };
}

/** How many bytes a value has, by its type; 6 and 7 say it themselves. */
const VALUE_BYTES: Readonly<Record<number, number>> = { 0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16 };
const TEXT_TYPE = 7;

/** Those whose value is text; others are stepped over. */
function headersOf(bytes: Uint8Array, what: string): ReadonlyMap<string, string> {
  const view = viewOf(bytes);
  const decoder = new TextDecoder();
  const headers = new Map<string, string>();
  let at = 0;
  const step = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw garbage(what, 'a header is longer than its message', hex(bytes));
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const name = decoder.decode(step(step(1)[0] ?? 0));
    const type = step(1)[0] ?? 0;
    let length = VALUE_BYTES[type];
    if (length === undefined) {
      if (type !== 6 && type !== TEXT_TYPE) throw garbage(what, `a header has the unknown type ${type}`, name);
      step(2);
      length = view.getUint16(at - 2);
    }
    const value = step(length);
    if (type === TEXT_TYPE) headers.set(name, decoder.decode(value));
  }
  return headers;
}

let table: Uint32Array | undefined;

/** CRC-32 as gzip has it (RFC 1952, section 8). */
export function crc32(bytes: Uint8Array): number {
  table ??= Uint32Array.from({ length: 256 }, (_, index) => {
    let value = index;
    for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    return value;
  });
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes.subarray(0, 64), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function json(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw garbage(what, 'a payload is not JSON', text);
  }
}
