import type { EventId, Seq, Sid } from '../log/index.ts';
import type { Delta } from '../model/index.ts';
import type { AgentEvent } from './events.ts';
import type { RunResult } from './outcome.ts';

/** What a reader of a session gets: exact events with ids, and between them pieces of answers in the making (best effort, not in the log). */
export type StreamItem =
  | { readonly type: 'event'; readonly id: EventId; readonly event: AgentEvent }
  | { readonly type: 'delta'; readonly call: EventId; readonly index: number; readonly delta: Delta }
  /** The attempt that sent the deltas of this call is lost; forget them. */
  | { readonly type: 'reset'; readonly call: EventId };

/** A message on its way: accepted, worked on, answered. Reading it or not changes nothing. */
export interface Run extends AsyncIterable<StreamItem> {
  /** Resolves when the message is durable. */
  readonly accepted: Promise<{ readonly sid: Sid; readonly seq: Seq }>;
  /** Resolves when the turn that takes the message ended, or waits for a person. Rejects with what stopped the session here. */
  readonly result: Promise<RunResult>;
  /** The answer's text as it comes. */
  readonly textStream: AsyncIterable<string>;
}
