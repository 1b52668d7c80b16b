import type { ErrorCode, NervaError } from '../core/index.ts';
import { stackless } from './stackless.ts';

/** What a call of a model failed with. Kind and retry are those of the code. */
export interface HttpShape {
  readonly code: ErrorCode;
  /** As it was recorded, but for the address. */
  readonly message: string;
  readonly details: Readonly<Record<string, string | number>>;
  /** Who noticed: the HTTP client, or the adapter that read its answer. */
  readonly layer: 'transport' | 'model';
}

const SHAPES = {
  refused: {
    code: 'HTTP_UNREACHABLE',
    layer: 'transport',
    message: 'No connection to https://model.invalid/v1/chat/completions: ECONNREFUSED. Nothing was sent.',
    details: { why: 'ECONNREFUSED' },
  },
  dns: {
    code: 'HTTP_UNREACHABLE',
    layer: 'transport',
    message: 'No connection to https://model.invalid/v1/chat/completions: ENOTFOUND. Nothing was sent.',
    details: { why: 'ENOTFOUND' },
  },
  'connect-timeout': {
    code: 'HTTP_TIMEOUT',
    layer: 'transport',
    message: 'https://model.invalid/v1/chat/completions was too slow: connect took more than 80 ms. The connection was closed.',
    details: { phase: 'connect', limitMs: 80 },
  },
  'reset-before-head': {
    code: 'HTTP_BROKEN',
    layer: 'transport',
    message:
      'The connection to https://model.invalid/v1/chat/completions broke before an answer: ECONNRESET. Whether the request was processed is unknown.',
    details: { why: 'ECONNRESET' },
  },
  'closed-before-head': {
    code: 'HTTP_BROKEN',
    layer: 'transport',
    message:
      'The connection to https://model.invalid/v1/chat/completions broke before an answer: ECONNRESET. Whether the request was processed is unknown.',
    details: { why: 'ECONNRESET' },
  },
  'reset-in-body': {
    code: 'HTTP_BROKEN',
    layer: 'transport',
    message: 'The answer of https://model.invalid/v1/chat/completions broke off: ECONNRESET. What had come was dropped.',
    details: {},
  },
  'half-open': {
    code: 'HTTP_TIMEOUT',
    layer: 'transport',
    message: 'https://model.invalid/v1/chat/completions was too slow: first-byte took more than 80 ms. The connection was closed.',
    details: { phase: 'first-byte', limitMs: 80 },
  },
  'stalled-stream': {
    code: 'HTTP_TIMEOUT',
    layer: 'transport',
    message: 'https://model.invalid/v1/chat/completions was too slow: idle took more than 80 ms. The connection was closed.',
    details: { phase: 'idle', limitMs: 80 },
  },
  'endless-stream': {
    code: 'HTTP_TIMEOUT',
    layer: 'transport',
    message: 'https://model.invalid/v1/chat/completions was too slow: total took more than 320 ms. The connection was closed.',
    details: { phase: 'total', limitMs: 320 },
  },
  'short-length': {
    code: 'HTTP_BROKEN',
    layer: 'transport',
    message: 'The answer of https://model.invalid/v1/chat/completions broke off: ECONNRESET. What had come was dropped.',
    details: {},
  },
  'open-chunks': {
    code: 'HTTP_BROKEN',
    layer: 'transport',
    message: 'The answer of https://model.invalid/v1/chat/completions broke off: ECONNRESET. What had come was dropped.',
    details: {},
  },
  'stream-without-end': {
    code: 'MODEL_TRUNCATED',
    layer: 'model',
    message: 'The stream of openai/m ended before the answer did. What had come was dropped; call again.',
    details: {},
  },
  'too-large': {
    code: 'HTTP_TOO_LARGE',
    layer: 'transport',
    message:
      'The answer of https://model.invalid/v1/chat/completions is too large: 2000 bytes are announced, at most 1000 are taken. The connection was closed.',
    details: { bytesMax: 1000 },
  },
  'tls-self-signed': {
    code: 'HTTP_UNREACHABLE',
    layer: 'transport',
    message: 'No connection to https://model.invalid/v1/chat/completions: DEPTH_ZERO_SELF_SIGNED_CERT. Nothing was sent.',
    details: { why: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
  },
  'tls-on-plain-port': {
    code: 'HTTP_UNREACHABLE',
    layer: 'transport',
    message: 'No connection to https://model.invalid/v1/chat/completions: EPROTO. Nothing was sent.',
    details: { why: 'EPROTO' },
  },
  'tls-alert': {
    code: 'HTTP_UNREACHABLE',
    layer: 'transport',
    message: 'No connection to https://model.invalid/v1/chat/completions: EPROTO. Nothing was sent.',
    details: { why: 'EPROTO' },
  },
  'rate-limited-wait': {
    code: 'MODEL_RATE_LIMITED',
    layer: 'model',
    message: 'openai/m limits the rate; wait and call again (HTTP 429): Slow down',
    details: { status: 429, providerCode: 'rate_limit_exceeded', retryAfterMs: 2000 },
  },
  'rate-limited': {
    code: 'MODEL_RATE_LIMITED',
    layer: 'model',
    message: 'openai/m limits the rate; wait and call again (HTTP 429): Slow down',
    details: { status: 429, providerCode: 'rate_limit_exceeded' },
  },
  'status-500': {
    code: 'MODEL_UNAVAILABLE',
    layer: 'model',
    message: 'openai/m could not answer (HTTP 500): Internal error',
    details: { status: 500, providerCode: 'server_error' },
  },
  'status-502': {
    code: 'MODEL_UNAVAILABLE',
    layer: 'model',
    message: 'openai/m could not answer (HTTP 502): <html>Bad Gateway</html>',
    details: { status: 502 },
  },
  'status-503': {
    code: 'MODEL_UNAVAILABLE',
    layer: 'model',
    message: 'openai/m could not answer (HTTP 503): Overloaded',
    details: { status: 503, providerCode: 'unavailable' },
  },
  'status-529': {
    code: 'MODEL_UNAVAILABLE',
    layer: 'model',
    message: 'openai/m could not answer (HTTP 529): Overloaded',
    details: { status: 529, providerCode: 'overloaded_error' },
  },
  'status-401': {
    code: 'MODEL_AUTH',
    layer: 'model',
    message: 'openai/m refused the key; check it and its account (HTTP 401): Incorrect API key',
    details: { status: 401, providerCode: 'invalid_api_key' },
  },
  'context-too-long': {
    code: 'CONTEXT_TOO_LONG',
    layer: 'model',
    message: "openai/m found the conversation too long; no answer was made (HTTP 400): This model's maximum context length is 8192 tokens",
    details: { status: 400, providerCode: 'context_length_exceeded' },
  },
  'failed-in-stream': {
    code: 'MODEL_UNAVAILABLE',
    layer: 'model',
    message: 'openai/m could not answer (HTTP 500): Overloaded',
    details: { status: 500, providerCode: 'server_error' },
  },
  'malformed-stream': {
    code: 'MODEL_GARBAGE',
    layer: 'model',
    message: 'openai/m: The answer is not a chat completion: a chunk is not JSON. It was dropped. What came: {"choices":[{',
    details: {},
  },
  'malformed-json': {
    code: 'MODEL_GARBAGE',
    layer: 'model',
    message: 'openai/m: The answer is not a chat completion: application/json is not JSON. It was dropped. What came: {"choices":[',
    details: {},
  },
  'wrong-content-type': {
    code: 'MODEL_GARBAGE',
    layer: 'model',
    message:
      'openai/m: The answer is not a chat completion: its content-type is text/html. It was dropped. What came: <html>Welcome</html>',
    details: {},
  },
  'no-choices': {
    code: 'MODEL_GARBAGE',
    layer: 'model',
    message: 'openai/m: The answer is not a chat completion: choices is empty. It was dropped. What came: {"choices":[]}',
    details: {},
  },
} as const satisfies Readonly<Record<string, HttpShape>>;

/** A way in which a peer fails. */
export type HttpShapeName = keyof typeof SHAPES;

/**
 * Every way in which a peer failed, and what a streamed call through the real HTTP client and OpenAI adapter gave.
 * Recorded from real sockets by `tests/e2e/http-shapes.test.ts` on 2026-11-24 (Node 24, Linux), which meets each of them again and compares the whole row.
 * The limits that were reached are those of that test.
 */
export const HTTP_SHAPES: Readonly<Record<HttpShapeName, HttpShape>> = SHAPES;

/** The error of a row, made anew: a simulated call that throws it fails as a real one does. */
export function shapeError(name: HttpShapeName): NervaError {
  const { code, message, details } = HTTP_SHAPES[name];
  return stackless(code, message, details);
}
