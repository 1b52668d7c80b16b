import type { EventDraft, Origin } from './event.ts';
import type { KeyPort } from './sealed.ts';

/** An event as it is decoded: a draft, or the shell of one whose subject was erased. */
export type StoredEvent = EventDraft & { readonly erased?: boolean };

/**
 * Who speaks in an event of these types unless it says otherwise: what stands here is left out of the stored text. Part of the
 * format, fixed from version 1: an entry may be added for a type that no release has written yet, and none may ever change.
 */
const ORIGINS: ReadonlyMap<string, Origin> = new Map<string, Origin>([
  ['message.received', 'person'],
  ['cancel.requested', 'person'],
  ['approval.granted', 'person'],
  ['approval.denied', 'person'],
  ['model.answered', 'model'],
  ['model.interrupted', 'model'],
  ['context.compacted', 'model'],
  ['memory.told', 'tool'],
  ['tool.returned', 'tool'],
  ['tool.failed', 'tool'],
  ['reconcile.returned', 'tool'],
]);

/**
 * The JSON text that is stored for a frame's events: an array of readable objects `{"<type>": data}` and, last, the salt of the
 * payload's digest. Beside the type an object may have `v`, `critical`, `origin`, `subject` and `sealed`; defaults are left out
 * (version 1, not critical, the origin that the type has by itself, else system). With `keys`, the data of an event that names a
 * subject is stored sealed. The events must have passed `checkEvents`: types are written unescaped, and a type holds a dot.
 */
export function encodeEvents(events: readonly EventDraft[], salt: string, keys?: KeyPort): string {
  let text = '[';
  for (let index = 0; index < events.length; index++) {
    text += encodeEvent(events[index] as EventDraft, keys) + ',';
  }
  return text + '"' + salt + '"]';
}

function encodeEvent(event: EventDraft, keys: KeyPort | undefined): string {
  const data = JSON.stringify(event.data);
  const isSealed = event.subject !== undefined && keys !== undefined;
  let text = '{"' + event.type + '":' + (isSealed ? JSON.stringify(keys.seal(event.subject as string, data)) : data);
  if (event.v !== undefined && event.v !== 1) text += ',"v":' + String(event.v);
  if (event.critical === true) text += ',"critical":true';
  const origin = event.origin ?? 'system';
  if (origin !== (ORIGINS.get(event.type) ?? 'system')) text += ',"origin":"' + origin + '"';
  if (event.subject !== undefined) text += ',"subject":' + JSON.stringify(event.subject);
  return isSealed ? text + ',"sealed":true}' : text + '}';
}

/** An event's object as it is stored. */
interface StoredObject {
  readonly v?: number;
  readonly critical?: boolean;
  readonly origin?: Origin;
  readonly subject?: string;
  readonly sealed?: boolean;
  readonly [type: string]: unknown;
}

/**
 * The events of a stored text, fresh at every call. An event whose seal cannot be opened (its key is gone, or no keys were
 * given) comes back `erased` with `data: {}`.
 */
export function decodeEvents(text: string, keys?: KeyPort): StoredEvent[] {
  const items = JSON.parse(text) as StoredObject[];
  items.pop();
  return items.map((item) => decodeEvent(item, keys));
}

function decodeEvent(item: StoredObject, keys: KeyPort | undefined): StoredEvent {
  // The type is written first, and no type looks like a number: it is the first key.
  const type = Object.keys(item)[0] as string;
  const { v, critical, subject, sealed } = item;
  const origin = item.origin ?? ORIGINS.get(type);
  const event: { -readonly [K in keyof StoredEvent]: StoredEvent[K] } = { type, data: item[type] as EventDraft['data'] };
  if (v !== undefined) event.v = v;
  if (critical !== undefined) event.critical = critical;
  if (origin !== undefined && origin !== 'system') event.origin = origin;
  if (subject !== undefined) event.subject = subject;
  if (sealed !== true) return event;
  const opened = keys?.open(subject ?? '', item[type] as string) ?? null;
  if (opened === null) event.erased = true;
  event.data = opened === null ? {} : (JSON.parse(opened) as EventDraft['data']);
  return event;
}

/** The digests of the blobs that unsealed JSON text names. May name more than there are; never fewer. */
export function blobsNamed(text: string): string[] {
  if (!text.includes('"ref":"')) return [];
  return Array.from(text.matchAll(/"ref":"([0-9a-f]{64})"/g), (match) => match[1] as string);
}
