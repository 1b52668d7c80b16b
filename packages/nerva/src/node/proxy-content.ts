import type { Draft } from '../agent/index.ts';
import { fromBase64, utf8Bytes, type Json, type JsonObject } from '../core/index.ts';
import type { Sid, Store } from '../log/index.ts';
import type { ChatMessage, FilePart } from '../model/index.ts';

/** Larger values are kept beside the log. */
const INLINE_BYTES = 16 * 1024;

/** Where content is kept. */
interface Place {
  readonly store: Store;
  readonly sid: Sid;
}

/**
 * A message that the client put into a request, as input. What a model or a tool is said to have said is no answer of a call made here: it
 * stands as the client wrote it, with its origin.
 */
export async function received(message: ChatMessage, place: Place, isSteering: boolean): Promise<Draft> {
  const { role, text, files, isPlain, wire } = message;
  const origin = role === 'assistant' ? 'model' : role === 'tool' ? 'tool' : role === 'system' ? 'system' : 'person';
  const deliver = isSteering ? ({ deliver: 'steer' } as const) : {};
  if (!isPlain || role === 'tool') return { type: 'message.received', origin, data: { ...(await keptData(wire, place)), ...deliver } };
  const kept = await Promise.all(files.map((file) => keptFile(file, place)));
  const isLong = utf8Bytes(text) > INLINE_BYTES;
  const long = isLong ? [{ mediaType: 'text/plain', name: 'message.txt', data: await blobOf(text, 'text/plain', place) }] : [];
  const all = [...long, ...kept];
  return { type: 'message.received', origin, data: { text: isLong ? '' : text, ...(all.length === 0 ? {} : { files: all }), ...deliver } };
}

/** What the client says that a tool gave back. */
export async function outputOf({ text, isPlain, files, wire }: ChatMessage, place: Place): Promise<Json> {
  const output: Json = isPlain && files.length === 0 ? text.toWellFormed() : (wire['content'] ?? null);
  const json = JSON.stringify(output);
  if (utf8Bytes(json) <= INLINE_BYTES) return output;
  const isText = typeof output === 'string';
  return (await blobOf(isText ? output : json, isText ? 'text/plain' : 'application/json', place)) as unknown as JsonObject;
}

async function keptData(
  wire: JsonObject,
  place: Place,
): Promise<{ readonly data: Json } | { readonly text: string; readonly files: readonly Omit<FilePart, 'type'>[] }> {
  const json = JSON.stringify(wire);
  if (utf8Bytes(json) <= INLINE_BYTES) return { data: wire };
  return {
    text: '',
    files: [{ mediaType: 'application/json', name: 'message.json', data: await blobOf(json, 'application/json', place) }],
  };
}

async function keptFile({ mediaType, name, data }: FilePart, place: Place): Promise<Omit<FilePart, 'type'>> {
  const named = { mediaType, ...(name === undefined ? {} : { name }) };
  if (typeof data !== 'string' || data.length <= INLINE_BYTES) return { ...named, data };
  const bytes = fromBase64(data);
  return { ...named, data: await blobOf(bytes ?? data, mediaType, place) };
}

function blobOf(content: string | Uint8Array, mediaType: string, { store, sid }: Place) {
  return store.blobs.put(typeof content === 'string' ? new TextEncoder().encode(content) : content, { mediaType, sid });
}
