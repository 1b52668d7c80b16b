import type { JsonObject } from '../core/index.ts';

/** A session's id: 32 hex digits, or a name chosen by the caller (1–128 of `A-Za-z0-9_.:-`). */
export type Sid = string;
/** Position of an event in its session, from 0. */
export type Seq = number;
/** `sid:seq` of the log that holds the event. An inherited event keeps it. */
export type EventId = `${Sid}:${Seq}`;

/** Who an event's content comes from. Absent in storage means `system`. Only `person` and `system` content is trusted. */
export type Origin = 'person' | 'model' | 'tool' | 'system';

/** An event as its author hands it in. */
export interface EventDraft {
  /** `noun.past`, e.g. `tool.returned`. */
  readonly type: string;
  /** Version of the type, 1 when absent. */
  readonly v?: number;
  /** When true, a release that does not know this type or version must not drive the session. */
  readonly critical?: boolean;
  /** Whose personal data it is: sealed under this subject's key where the store has a key port. */
  readonly subject?: string;
  readonly origin?: Origin;
  readonly data: JsonObject;
}

/** An event as it is read: the draft and where it stands. */
export interface LogEvent extends EventDraft {
  readonly sid: Sid;
  readonly seq: Seq;
  readonly v: number;
  readonly origin: Origin;
  /** Time of its frame, ms since 1970, never decreasing in a session. */
  readonly atMs: number;
  /** The epoch of the writer that appended it. */
  readonly epoch: number;
  /** True when the subject's key is gone; `data` is then `{}`. */
  readonly erased?: boolean;
}

/** A value that stands in an event in place of large content. */
export interface BlobRef {
  /** SHA-256 of the content, 64 hex digits. */
  readonly ref: string;
  readonly bytes: number;
  readonly mediaType: string;
}

/** True for a JSON value that is a blob reference. */
export function isBlobRef(value: unknown): value is BlobRef {
  return typeof value === 'object' && value !== null && 'ref' in value && 'bytes' in value && 'mediaType' in value;
}
