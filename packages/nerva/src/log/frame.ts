import type { EventDraft, EventId, LogEvent, Origin, Seq, Sid } from './event.ts';

/** A frame's own id, unique in its session: 1–64 printable ASCII characters. Appending it again returns the first result. */
export type FrameId = string;

/** Which process wrote a frame. */
export interface Writer {
  /** Of the store: changes when it is created, restored or imported. 32 hex digits. */
  readonly incarnation: string;
  /** Of the driver of this session: one more at every take-over. */
  readonly epoch: number;
  /** Version of the Nerva that wrote it. */
  readonly release: string;
}

/** The columns around the events of one append: one transaction, one row. Fixed from v1. */
export interface Envelope {
  readonly id: FrameId;
  readonly sid: Sid;
  /** Of its first event. */
  readonly seq: Seq;
  /** How many events it holds, at least 1. */
  readonly count: number;
  readonly atMs: number;
  readonly writer: Writer;
  /** The principal that caused it: `runtime`, `user:…`, `cli:…`. */
  readonly by: string;
  readonly tenant: string;
  readonly cause?: EventId;
  /** The root session of the work this frame belongs to. */
  readonly trace: Sid;
  /** True for a fact: it was taken at whatever head there was. */
  readonly fact: boolean;
  /** Chain over the previous frame's hash, this envelope and a salted digest of the payload: 48 hex digits. */
  readonly hash: string;
}

/** A frame as it is read. In a fork, the frame that holds the fork point is cut: `events` may be fewer than `count`. */
export interface Frame extends Envelope {
  readonly events: readonly EventDraft[];
}

/** The events of a frame, each with its position. */
export function eventsOf(frame: Frame): LogEvent[] {
  const events: LogEvent[] = [];
  for (let index = 0; index < frame.events.length; index++) {
    events.push(placed(frame.events[index] as EventDraft, frame.sid, frame.seq + index, frame.atMs, frame.writer.epoch));
  }
  return events;
}

/** A draft at a position. */
// oxlint-disable-next-line max-params -- on the hottest path; an options object costs an allocation an event
export function placed(draft: EventDraft & { readonly erased?: boolean }, sid: Sid, seq: Seq, atMs: number, epoch: number): LogEvent {
  const origin: Origin = draft.origin ?? 'system';
  return { ...draft, sid, seq, v: draft.v ?? 1, origin, atMs, epoch };
}

/**
 * The part of a frame whose events lie in `after < seq ≤ upto`. A cut at the front moves `seq` and lowers `count`, so that
 * every event keeps its id; a cut at the back only shortens `events`. The hash stays that of the whole frame.
 */
export function cutFrame(frame: Frame, after: Seq, upto: Seq): Frame {
  const skipped = Math.max(0, after + 1 - frame.seq);
  const kept = Math.min(frame.events.length, upto + 1 - frame.seq);
  if (skipped === 0 && kept === frame.events.length) return frame;
  return { ...frame, seq: frame.seq + skipped, count: frame.count - skipped, events: frame.events.slice(skipped, kept) };
}
