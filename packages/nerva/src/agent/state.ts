import type { Json } from '../core/index.ts';
import type { EventId, LogEvent, Seq, Sid } from '../log/index.ts';
import type { FinishReason, Message } from '../model/index.ts';
import type { ToolEffect } from '../tool/index.ts';
import type { Bound } from './definition.ts';
import type { Deliver, Draft, EndReason, ForkEffects, Reserve } from './events.ts';
import type { List } from './list.ts';

/** The fold of a session: one slice a facet. Immutable. */
export interface AgentState {
  readonly sid: Sid;
  /** Count of events folded. */
  readonly head: Seq;
  /** Time of the last event: the only now that `decide` knows. */
  readonly nowMs: number;
  readonly session: SessionSlice;
  readonly approval: Approvals;
  readonly model: ModelCalls;
  readonly context: Contexts;
  readonly memory: Memories;
  readonly tool: Calls;
  readonly timer: Timers;
  readonly turn: Turns;
  readonly budget: Budgets;
  /** Slices of facets that were added to these. */
  readonly more: Readonly<Record<string, unknown>>;
}

/**
 * A part of the agent's state with its own events, fold and wishes. Memory and teams add theirs without editing the others.
 * Contract: `evolve` is pure, total (also over erased and unknown data) and amortised O(1); `decide` is pure and O(open work).
 */
export interface Facet<S> {
  readonly name: string;
  /** Raised when the fold changes its meaning. */
  readonly version: number;
  /** The event types that it folds. */
  readonly types: readonly string[];
  readonly initial: S;
  /** `state` holds the slices that earlier facets already made of this event. */
  evolve(slice: S, event: LogEvent, state: AgentState): S;
  /** The next drafts of one frame, or an evaluation, or null when this facet wants nothing, or 'wait' when nobody after it may go on. */
  decide?(state: AgentState, bound: Bound, epoch: number): Wish;
}

/** What a facet wants next. */
export type Wish = null | 'wait' | 'policy' | readonly Draft[];

/** Who the session is. */
export interface SessionSlice {
  /** Name of its agent; empty before `session.created`. */
  readonly agent: string;
  /** Digest of the definition last in force. */
  readonly definition: string;
  readonly subject: string | null;
  readonly parent: { readonly sid: Sid; readonly at: Seq } | null;
  readonly effects: ForkEffects;
  readonly isClosed: boolean;
  /** Its own subject was erased: it takes no more input, and nothing that is said in it is kept. */
  readonly isErased: boolean;
  /** By which version tokens are estimated and conversations cut. */
  readonly tokens: number;
}

/** One question to a person. The first answer stands. */
export interface Approval {
  readonly seq: Seq;
  /** The proposed call: seq of what asks for it, and its index there. */
  readonly asker: Seq;
  readonly part: number;
  /** Of tool, schema and input as they were shown. */
  readonly digest: string;
  readonly status: 'open' | 'granted' | 'denied';
  /** Seq of the event that settled it. */
  readonly settledBy: Seq | null;
  readonly by: string;
  readonly answer?: Json;
  readonly why: string;
}

/** The approvals of the open turn, by seq of their request. */
export type Approvals = ReadonlyMap<Seq, Approval>;

/** The open model call, if any. */
export interface ModelCalls {
  readonly open: { readonly seq: Seq; readonly epoch: number; readonly digest: string; readonly reserve: Reserve | null } | null;
  /** Seq of the first outcome of the last call; null while it is open. */
  readonly settledBy: Seq | null;
  /** Of the session, all outcomes. */
  readonly count: number;
}

/** What stands in place of the messages that were left out of the prompt. */
export interface Summary {
  /** A text, or an object of a structured summary; empty where nobody summarised. */
  readonly text: Json;
  /** How many it stands for. */
  readonly messages: number;
}

/** How the conversation is kept within what the model takes. */
export interface Contexts {
  readonly open: { readonly seq: Seq; readonly epoch: number; readonly messages: number } | null;
  /** Seq of the last event that took messages away, or told that nothing came of it. */
  readonly settledBy: Seq | null;
  /** How many it took. */
  readonly taken: number;
  readonly summary: Summary | null;
  /** Messages at the beginning of the prompt that are no part of the conversation: the summary, and what the memories say. */
  readonly notes: number;
  /** Turns of which the question is in the prompt still. */
  readonly turns: number;
  /** Since the last answer: the summary failed · it was compacted · the provider said that it was too long. */
  readonly hasFailed: boolean;
  readonly isFresh: boolean;
  readonly hasOverflowed: boolean;
}

/** What the agent was told of its memories. */
export interface Memories {
  /** How many memories are read, and of how many the outcome is to come. */
  readonly open: { readonly seq: Seq; readonly epoch: number; readonly count: number; readonly left: number } | null;
  readonly settledBy: Seq | null;
  /** The turn in which they were read last. */
  readonly turn: Seq;
  /** Which memory the last outcome was of, and how many notes it puts into the prompt. */
  readonly at: number;
  readonly notes: number;
  /** In the order of the agent's memories. */
  readonly parts: readonly MemoryPart[];
  /** Entries that stand in the prompt. */
  readonly told: ReadonlySet<EventId>;
  /** The last event that put a note into the prompt. */
  readonly notedBy: Seq | null;
  /** Whose words there ever were, and in notes of which scope. */
  readonly owners: readonly { readonly scope: string | null; readonly subject: string }[];
}

/** What the agent was told of one memory. */
export interface MemoryPart {
  /** By what its words are told apart from those of others; null where it was the only one. */
  readonly scope: string | null;
  /** How many blocks `core` holds; known also where its words are erased. */
  readonly blocks: number;
  /** Blocks that nobody but people may change, of the types `system` and `persona`: they follow the instructions. */
  readonly fixed: string;
  /** The other blocks, as they were told last. */
  readonly core: string;
  /** Whose its words are. */
  readonly subject: string | null;
}

/**
 * A call that a model or a policy asked for.
 * `proposed` → (`asking` → `granted`) → `open` → `done`; `open` → `doubt` → `again` | `done`; `detached` in a fork.
 */
export interface Slot {
  /** Seq of the `model.answered` or `policy.decided` that asks for it. */
  readonly asker: Seq;
  readonly part: number;
  /** The asker's own id of the call. */
  readonly id: string;
  readonly name: string;
  readonly input: Json;
  readonly malformed: boolean;
  readonly status: 'proposed' | 'asking' | 'granted' | 'open' | 'doubt' | 'again' | 'detached' | 'done';
  /** Seq of the first intent: the call's id. */
  readonly call: Seq | null;
  /** Writer of the newest intent, of a call or of a reconciliation. */
  readonly epoch: number;
  readonly attempt: number;
  /** As it was recorded with the first intent. */
  readonly effect: ToolEffect | null;
  readonly dedupe: string | null;
  readonly output: Json;
  readonly isError: boolean;
  /** Why it failed or is in doubt. */
  readonly why: string;
}

/** The calls of the open step, and what older turns left in doubt. */
export interface Calls {
  readonly slots: readonly Slot[];
  readonly doubts: readonly Slot[];
  /** Seq of the last outcome that ended a doubt of an older turn; -1 before the first. */
  readonly resolvedBy: Seq;
  /** The calls of the step in which the last turn ended. */
  readonly ended: readonly Slot[];
  /** Results by dedupe text. */
  readonly deduped: ReadonlyMap<string, Json>;
  /** All intents of the session, further attempts not counted. */
  readonly count: number;
}

/** Timers of the open turn. */
export interface Timers {
  readonly open: readonly { readonly seq: Seq; readonly atMs: number; readonly epoch: number }[];
  /** Seq of the last `timer.fired` that ended one; -1 before the first. */
  readonly firedBy: Seq;
}

/** Input that no turn has taken yet. */
export interface Waiting {
  readonly seq: Seq;
  readonly deliver: Deliver;
  readonly text: string;
  readonly data: Json;
  readonly message: Message;
}

/** A finished call of the turn, as policies see it. */
export interface DoneCall {
  readonly name: string;
  readonly input: Json;
  readonly output: Json;
  readonly isError: boolean;
}

/** The open turn. */
export interface Turn {
  readonly seq: Seq;
  readonly takes: readonly Seq[];
  readonly startedMs: number;
  readonly input: { readonly text: string; readonly data: Json };
  /** `next`: decide what to do · `ask`: a policy wants the model · `model`, `tools`: something is open · `final`: an answer is there. */
  readonly phase: 'next' | 'ask' | 'model' | 'tools' | 'final';
  /** Model calls and policy decisions made so far. */
  readonly steps: number;
  /** Answers rejected by the output schema so far. */
  readonly rejections: number;
  readonly cancel: { readonly why: string } | null;
  readonly failure: ModelFailure | null;
  /** Failures of the call that is to be made, in a row. */
  readonly failures: number;
  readonly answer: { readonly seq: Seq; readonly text: string; readonly output?: Json; readonly finish: FinishReason } | null;
  readonly calls: readonly DoneCall[];
}

/** Why a model call gave no answer, and whether it is worth asking again. */
export interface ModelFailure {
  /** `sid:seq` of the event that says so; in a fork that of the parent. */
  readonly id: string;
  readonly code: string;
  readonly message: string;
  readonly retry: boolean;
  readonly retryAfterMs: number | null;
  /** Pieces of an answer had reached somebody. */
  readonly isPartial: boolean;
}

/** How a turn ended. */
export interface Ended {
  readonly seq: Seq;
  readonly takes: readonly Seq[];
  readonly reason: EndReason;
  readonly why: string;
  readonly text: string;
  readonly output: Json;
  readonly finish: FinishReason | null;
  readonly steps: number;
}

/** The conversation and the turn that is open. */
export interface Turns {
  readonly messages: List<Message>;
  readonly inbox: readonly Waiting[];
  /** Whose words, beside those of people, were ever in the prompt: names of tools, and `memory`. In order of the alphabet. */
  readonly sources: readonly string[];
  /** Late outcomes of earlier turns, told at the next model call. */
  readonly notes: readonly string[];
  readonly open: Turn | null;
  readonly last: Ended | null;
  readonly count: number;
  /** Steps of the whole session. */
  readonly steps: number;
}

/** What was spent and what is set aside. Tokens are input and output together. */
export interface Tally {
  readonly tokens: number;
  readonly usd: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Model calls whose usage nobody reported: then the two counts above are not the whole. */
  readonly unknown: number;
}

/** Counts of the session and of the open turn. Promise: spent + reserved ≤ limit, on our count. */
export interface Budgets {
  readonly session: Tally;
  readonly turn: Tally;
  /** Of the open model call. */
  readonly reserved: { readonly seq: Seq; readonly tokens: number; readonly usd: number } | null;
  /** What the provider counted last, and how many messages that covers: the base of the next bound. */
  readonly seen: { readonly tokens: number; readonly messages: number };
  readonly startedMs: number;
}
