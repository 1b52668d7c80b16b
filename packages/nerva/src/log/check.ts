import { NervaError, utf8Bytes, type World } from '../core/index.ts';
import { blobsNamed, encodeEvents } from './encode.ts';
import type { EventDraft } from './event.ts';
import type { KeyPort } from './sealed.ts';
import type { Append, StoreLimits, Then } from './store.ts';

/** Levels of nesting that an event's data may have. */
const DEPTH_MAX = 100;
const SID = /^[A-Za-z0-9_.:-]{1,128}$/;
const FRAME_ID = /^[\x20-\x7e]{1,64}$/;
const TYPE = /^[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+$/;
/** A sid and a seq: in another form a store could not tell it from the short form in which it keeps a cause. */
const EVENT_ID = /^[A-Za-z0-9_.:-]{1,128}:(?:0|[1-9][0-9]{0,14})$/;
const TENANT = /^[A-Za-z0-9_.:-]{1,64}$/;
const TYPE_LENGTH_MAX = 64;
const NAME_LENGTH_MAX = 256;
const SALT_LENGTH = 16;
const ORIGINS: ReadonlySet<unknown> = new Set(['person', 'model', 'tool', 'system']);

/** A frame that passed: what is stored for it, made once. */
export interface Checked {
  /** The stored text of the events, salted and sealed. */
  readonly text: string;
  /** Of `text` as UTF-8. */
  readonly bytes: number;
  /** Digests of the blobs that the events name, read before sealing. */
  readonly blobs: readonly string[];
}

/** What `checkAppend` needs of a store. */
export interface CheckContext {
  readonly world: World;
  readonly limits: Pick<StoreLimits, 'frameBytesMax'>;
  readonly keys?: KeyPort | undefined;
}

/**
 * Checks everything about a frame that does not depend on the log, and encodes its events: the salt is 64 random bits of the
 * world. Fields of a draft that the contract does not name are not stored.
 * @throws FRAME_INVALID naming the field; SUBJECT_ERASED from the keys.
 */
export function checkAppend(
  frame: Pick<Append, 'id' | 'sid' | 'events'> & Partial<Append>,
  { world, limits, keys }: CheckContext,
): Checked {
  if (typeof frame.id !== 'string' || !FRAME_ID.test(frame.id)) refuse('id', frame.id, '1–64 printable ASCII characters');
  checkSid(frame.sid);
  const { expected, atMs, fence } = frame;
  if (expected !== undefined && expected !== 'fact' && !isCount(expected)) refuse('expected', expected, 'a count of events or "fact"');
  if (atMs !== undefined && !isCount(atMs)) refuse('atMs', atMs, 'whole ms since 1970');
  if (fence !== undefined && !isCount(fence.epoch)) refuse('fence.epoch', fence.epoch, 'a whole number');
  if (frame.by !== undefined && !isName(frame.by)) refuse('by', frame.by, 'a principal such as runtime or user:…, 1–256 characters');
  if (frame.cause !== undefined && !(typeof frame.cause === 'string' && EVENT_ID.test(frame.cause)))
    refuse('cause', frame.cause, 'the id of an event, sid:seq');
  if (frame.then !== undefined) checkThen(frame.then);
  checkEvents(frame.events);
  const text = encodeEvents(frame.events, world.ids.random().slice(0, SALT_LENGTH), keys);
  const bytes = utf8Bytes(text);
  if (bytes > limits.frameBytesMax)
    refuse('events', `${bytes} bytes`, `at most ${limits.frameBytesMax} (frameBytesMax); put large values into blobs`);
  // Only sealing hides the references from the text.
  const blobs = keys === undefined ? blobsNamed(text) : frame.events.flatMap((event) => blobsNamed(JSON.stringify(event.data)));
  return { text, bytes, blobs };
}

function checkThen({ status, ifHead, wakeAtMs, agent, trace, owner }: Then): void {
  if (status !== undefined && typeof status !== 'string') refuse('then.status', status, 'a status');
  if (ifHead !== undefined && !isCount(ifHead)) refuse('then.ifHead', ifHead, 'a count of events');
  if (wakeAtMs !== undefined && wakeAtMs !== null && !isCount(wakeAtMs)) refuse('then.wakeAtMs', wakeAtMs, 'whole ms since 1970, or null');
  if (agent !== undefined && !isName(agent)) refuse('then.agent', agent, '1–256 characters');
  if (trace !== undefined) checkSid(trace, 'then.trace');
  if (owner !== undefined && !isName(owner)) refuse('then.owner', owner, '1–256 characters');
}

/** @throws FRAME_INVALID when it is not a session's id. */
export function checkSid(sid: unknown, field = 'sid'): void {
  if (typeof sid !== 'string' || !SID.test(sid)) refuse(field, sid, '1–128 of A-Z a-z 0-9 _ . : -');
}

/** @throws OPTION_INVALID when it is not a tenant's name. */
export function checkTenant(tenant: unknown): void {
  if (typeof tenant === 'string' && TENANT.test(tenant)) return;
  throw new NervaError('OPTION_INVALID', `The tenant is ${show(tenant)}; expected 1–64 of A-Z a-z 0-9 _ . : -`, {
    details: { option: 'tenant' },
  });
}

/** At least one draft, each well-formed with plain JSON data. @throws FRAME_INVALID */
export function checkEvents(events: readonly EventDraft[]): void {
  if (!Array.isArray(events) || events.length === 0) refuse('events', events, 'at least one event');
  for (let index = 0; index < events.length; index++) checkDraft(events[index] as EventDraft, `events[${index}]`);
}

function checkDraft(event: EventDraft, at: string): void {
  if (typeof event !== 'object' || event === null) refuse(at, event, 'an event draft');
  const { type, v, critical, subject, origin, data } = event;
  if (!isType(type)) refuse(`${at}.type`, type, 'noun.past in lower case, at most 64 characters');
  if (v !== undefined && (!isCount(v) || v === 0)) refuse(`${at}.v`, v, 'a whole number from 1');
  if (critical !== undefined && typeof critical !== 'boolean') refuse(`${at}.critical`, critical, 'true or false');
  if (origin !== undefined && !ORIGINS.has(origin)) refuse(`${at}.origin`, origin, 'person, model, tool or system');
  if (subject !== undefined && !isName(subject)) refuse(`${at}.subject`, subject, '1–256 characters');
  if (typeof data !== 'object' || data === null || Array.isArray(data)) refuse(`${at}.data`, data, 'a JSON object');
  const problem = jsonProblem(data, 0);
  if (problem !== null) refuse(`${at}.data${problem.path}`, problem.value, 'plain JSON');
}

/** A vocabulary is small; each of its types is read letter by letter once. */
const seenTypes = new Set<string>();
const SEEN_TYPES_MAX = 1000;

function isType(type: unknown): boolean {
  if (typeof type !== 'string') return false;
  if (seenTypes.has(type)) return true;
  const isFine = type.length <= TYPE_LENGTH_MAX && TYPE.test(type);
  if (isFine && seenTypes.size < SEEN_TYPES_MAX) seenTypes.add(type);
  return isFine;
}

/** Text that every store gives back as it came: half a surrogate pair has no UTF-8, and at a zero some stores end a text. */
const isName = (name: unknown): boolean =>
  typeof name === 'string' && name !== '' && name.length <= NAME_LENGTH_MAX && name.isWellFormed() && !name.includes('\0');

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

/** Where a value stops being plain JSON, or null when it is. A cycle is found as a value that is too deep. */
export function jsonProblem(value: unknown, depth: number): { readonly path: string; readonly value: unknown } | null {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return null;
  if (typeof value === 'number') return Number.isFinite(value) ? null : { path: '', value };
  if (typeof value !== 'object' || depth > DEPTH_MAX) return { path: '', value };
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const inner = jsonProblem(value[index], depth + 1);
      if (inner !== null) return { path: `[${index}]${inner.path}`, value: inner.value };
    }
    return null;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return { path: '', value };
  const keys = Object.keys(value);
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index] as string;
    const inner = jsonProblem((value as Readonly<Record<string, unknown>>)[key], depth + 1);
    if (inner !== null) return { path: `.${key}${inner.path}`, value: inner.value };
  }
  return null;
}

function refuse(field: string, came: unknown, expected: string): never {
  throw new NervaError('FRAME_INVALID', `The frame's ${field} is ${show(came)}; expected ${expected}. Nothing was written.`, {
    details: { field },
  });
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60));
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? `an array of ${value.length}` : 'an object';
  return typeof value === 'function' ? 'a function' : String(value);
}
