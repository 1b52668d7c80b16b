import { canonicalJson, ERRORS, NervaError, type ErrorCode, type Json, type JsonObject } from '../core/index.ts';
import type { Delta, ModelAnswer, ModelRequest } from './model.ts';
import { isObject } from './object.ts';
import { redact } from './failure.ts';
import { clean } from './secrets.ts';

/** A failure as a cassette keeps it. */
export interface CassetteError {
  readonly code: ErrorCode;
  readonly message: string;
  /** Whether the same call may succeed later, as it was known then. */
  readonly retry: boolean;
  readonly details: JsonObject;
}

/** One call: what was asked and what came of it, an answer or an error. */
export interface CassetteEntry {
  /** Instructions, messages, tools and parameters; keys sorted, secrets taken out. Whoever asked is not in it. */
  readonly request: ModelRequest;
  /** `requestDigest` of `request` as it stands here. */
  readonly digest: string;
  /** How many calls of the same digest began before, from 0. */
  readonly occurrence: number;
  readonly answer?: ModelAnswer;
  readonly error?: CassetteError;
  /** The pieces in which it came, when it was streamed. */
  readonly deltas?: readonly Delta[];
}

/** A request as cassettes hold and compare it: what differs only in the order of keys or in a secret is the same. */
export function normalRequest({ instructions, messages, tools, params }: ModelRequest, secrets: readonly string[] = []): ModelRequest {
  const plain = { secrets, isHeaders: false };
  return {
    instructions: redact(instructions, secrets),
    messages: clean(messages, plain),
    tools: clean(tools, plain),
    params: clean(params, { secrets, isHeaders: true }),
  } as unknown as ModelRequest;
}

/** An answer without secrets. */
export function normalAnswer({ parts, meta, ...rest }: ModelAnswer, secrets: readonly string[]): ModelAnswer {
  const more = meta === undefined ? {} : { meta: clean(meta, { secrets, isHeaders: true }) };
  return { ...(clean({ ...rest, parts }, { secrets, isHeaders: false }) as object), ...more } as ModelAnswer;
}

/** A failure without secrets. What is no NervaError stands for MODEL_UNAVAILABLE, as it does in the log. */
export function normalError(error: unknown, secrets: readonly string[]): CassetteError {
  const message = redact(error instanceof Error ? error.message : String(error), secrets);
  if (!NervaError.is(error)) return { code: 'MODEL_UNAVAILABLE', message, retry: true, details: {} };
  return { code: error.code, message, retry: error.retry, details: plainDetails(error.details, secrets) };
}

/** Details are for programs and should be JSON; those that are not are left out. */
function plainDetails(details: Readonly<Record<string, unknown>>, secrets: readonly string[]): JsonObject {
  try {
    return clean(JSON.parse(JSON.stringify(details)), { secrets, isHeaders: true }) as JsonObject;
  } catch {
    return {};
  }
}

/**
 * The pieces without secrets. A secret may be cut in two by them, so each part is judged as a whole: one that held a secret is told in one piece.
 * Where there is an answer there are none then: they are made of its parts.
 */
export function normalDeltas(deltas: readonly Delta[], secrets: readonly string[], hasAnswer: boolean): readonly Delta[] | undefined {
  const texts = new Map<number, string>();
  for (const delta of deltas) if ('text' in delta) texts.set(delta.index, (texts.get(delta.index) ?? '') + delta.text);
  const cleaned = new Map<number, string>();
  for (const [index, text] of texts) if (redact(text, secrets) !== text) cleaned.set(index, redact(text, secrets));
  if (cleaned.size === 0) return deltas;
  if (hasAnswer) return undefined;
  const told = new Set<number>();
  return deltas.flatMap((delta) => {
    const text = 'text' in delta ? cleaned.get(delta.index) : undefined;
    if (text === undefined) return [delta];
    if (told.has(delta.index)) return [];
    told.add(delta.index);
    return [{ ...delta, text } as Delta];
  });
}

/** An entry as its line: one text for one entry, without the line's end. */
export function cassetteLine(entry: CassetteEntry): string {
  return canonicalJson(entry as unknown as Json);
}

/**
 * Reads the lines of a cassette. A last line without its end was cut off by the death of its writer and counts as not there.
 * @param where names it in errors, e.g. its path.
 * @throws SCHEMA_MISMATCH naming the line and what is wrong with it.
 */
export function readCassette(text: string, where = 'the cassette'): readonly CassetteEntry[] {
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return lines.flatMap((line, index) => (line.trim() === '' ? [] : [entryOf(line, `${where}, line ${index + 1}`)]));
}

function entryOf(line: string, where: string): CassetteEntry {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw malformed(where, 'is not JSON', cause);
  }
  const wrong = wrongWith(value);
  if (wrong !== null) throw malformed(where, wrong);
  return value as CassetteEntry;
}

const malformed = (where: string, wrong: string, cause?: unknown): NervaError =>
  new NervaError('SCHEMA_MISMATCH', `${where} ${wrong}. Nothing was taken from it; record it anew.`, { cause });

function wrongWith(value: unknown): string | null {
  if (!isObject(value)) return 'is no JSON object';
  const { request, digest, occurrence, answer, error, deltas } = value;
  if (!isObject(request) || typeof request['instructions'] !== 'string') return 'has no request with instructions';
  if (!Array.isArray(request['messages']) || !Array.isArray(request['tools']) || !isObject(request['params']))
    return 'has a request without messages, tools and params';
  if (typeof digest !== 'string' || !/^[0-9a-f]{64}$/.test(digest)) return 'has no digest of 64 hex digits';
  if (!Number.isSafeInteger(occurrence)) return 'has no occurrence';
  if (deltas !== undefined && !Array.isArray(deltas)) return 'has deltas that are no list';
  if ((answer === undefined) === (error === undefined)) return 'has not exactly one of answer and error';
  return answer === undefined ? wrongError(error) : wrongAnswer(answer);
}

function wrongAnswer(answer: unknown): string | null {
  const isFine = isObject(answer) && Array.isArray(answer['parts']) && typeof answer['finish'] === 'string' && isObject(answer['usage']);
  return isFine ? null : 'has an answer without parts, finish and usage';
}

function wrongError(error: unknown): string | null {
  if (!isObject(error) || typeof error['message'] !== 'string' || !isObject(error['details']))
    return 'has an error without message and details';
  return Object.hasOwn(ERRORS, String(error['code']))
    ? null
    : `has the error code ${JSON.stringify(error['code'])}, which this release does not know`;
}
