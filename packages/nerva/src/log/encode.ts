import type { EventDraft } from './event.ts';
import type { KeyPort } from './sealed.ts';

/** An event as it is decoded: a draft, or the shell of one whose subject was erased. */
export type StoredEvent = EventDraft & { readonly erased?: boolean };

/**
 * The JSON text that is stored for a frame's events: an array of readable objects and, last, the salt of the payload's digest.
 * Defaults are left out (`v` 1, origin `system`, critical false). With `keys`, the data of an event that names a subject is
 * stored as `sealed`. The events must have passed `checkEvents`: types are written unescaped.
 */
export function encodeEvents(events: readonly EventDraft[], salt: string, keys?: KeyPort): string {
  let text = '[';
  for (let index = 0; index < events.length; index++) {
    text += encodeEvent(events[index] as EventDraft, keys) + ',';
  }
  return text + '"' + salt + '"]';
}

function encodeEvent(event: EventDraft, keys: KeyPort | undefined): string {
  let text = '{"type":"' + event.type + '"';
  if (event.v !== undefined && event.v !== 1) text += ',"v":' + String(event.v);
  if (event.critical === true) text += ',"critical":true';
  if (event.origin !== undefined && event.origin !== 'system') text += ',"origin":"' + event.origin + '"';
  const data = JSON.stringify(event.data);
  if (event.subject === undefined) return text + ',"data":' + data + '}';
  text += ',"subject":' + JSON.stringify(event.subject);
  if (keys === undefined) return text + ',"data":' + data + '}';
  return text + ',"sealed":' + JSON.stringify(keys.seal(event.subject, data)) + '}';
}

/**
 * The events of a stored text, fresh at every call. An event whose seal cannot be opened (its key is gone, or no keys were
 * given) comes back `erased` with `data: {}`.
 */
export function decodeEvents(text: string, keys?: KeyPort): StoredEvent[] {
  const items = JSON.parse(text) as (StoredEvent & { readonly sealed?: string })[];
  items.pop();
  for (let index = 0; index < items.length; index++) {
    const item = items[index] as StoredEvent & { readonly sealed?: string };
    if (item.sealed === undefined) continue;
    const { sealed, ...rest } = item;
    const opened = keys?.open(rest.subject ?? '', sealed) ?? null;
    items[index] = opened === null ? { ...rest, data: {}, erased: true } : { ...rest, data: JSON.parse(opened) as EventDraft['data'] };
  }
  return items;
}

/** The digests of the blobs that unsealed JSON text names. May name more than there are; never fewer. */
export function blobsNamed(text: string): string[] {
  if (!text.includes('"ref":"')) return [];
  return Array.from(text.matchAll(/"ref":"([0-9a-f]{64})"/g), (match) => match[1] as string);
}
