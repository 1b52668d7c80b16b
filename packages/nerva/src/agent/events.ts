import type { Json, JsonObject } from '../core/index.ts';
import type { BlobRef, EventDraft, LogEvent, Origin, Seq, Sid } from '../log/index.ts';
import type { ToldEntry } from '../memory/index.ts';
import type { FinishReason, Part, Usage } from '../model/index.ts';
import type { SentFile } from './files.ts';
import type { Action } from '../policy/index.ts';
import type { ToolEffect } from '../tool/index.ts';

/** How input joins a session that is busy: as its next turn, at the next model call, or at once in place of the open turn. */
export type Deliver = 'queue' | 'steer' | 'interrupt';
/** How a fork treats calls that are not `read`: ask a person for each, run them, or pretend. */
export type ForkEffects = 'ask' | 'live' | 'simulated';
/** Why a turn ended. */
export type EndReason = 'answer' | 'steps' | 'cancelled' | 'budget' | 'error';
/** Worst case set aside before a model call. */
export interface Reserve {
  readonly tokens: number;
  readonly usd: number | null;
}

/** The data of each event type that the agent writes and folds. */
export interface EventData {
  'session.created': { readonly agent: string; readonly subject?: string; readonly tokens?: number };
  'session.configured': { readonly from: string; readonly to: string };
  'session.forked': { readonly parent: Sid; readonly at: Seq; readonly effects: ForkEffects };
  'session.closed': { readonly why: string };
  'message.received': {
    readonly text?: string;
    readonly data?: Json;
    readonly files?: readonly SentFile[];
    readonly deliver?: Deliver;
  };
  'cancel.requested': { readonly why: string };
  'turn.started': { readonly takes: readonly Seq[]; readonly definition: BlobRef };
  'turn.ended': { readonly reason: EndReason; readonly why?: string; readonly output?: Json };
  'output.rejected': { readonly answer: Seq; readonly message: string };
  'model.called': { readonly digest: string; readonly takes?: readonly Seq[]; readonly reserve?: Reserve };
  'model.answered': {
    readonly call: Seq;
    readonly parts: readonly Part[];
    readonly finish?: FinishReason;
    readonly usage: Usage;
    readonly model: string | null;
    readonly usd?: number;
    readonly meta?: JsonObject;
    readonly via?: readonly JsonObject[];
  };
  'model.failed': {
    readonly call: Seq;
    readonly why: 'error' | 'lost';
    readonly code?: string;
    readonly message?: string;
    readonly retry?: boolean;
    readonly retryAfterMs?: number;
    readonly partial?: true;
  };
  'model.interrupted': { readonly call: Seq; readonly parts: readonly Part[] };
  'context.called': { readonly messages: number; readonly digest: string; readonly reserve?: Reserve };
  'context.compacted': {
    readonly messages: number;
    readonly call?: Seq;
    readonly summary?: Json;
    readonly usage?: Usage;
    readonly model?: string | null;
    readonly usd?: number;
  };
  'context.failed': {
    readonly call: Seq;
    readonly why: 'error' | 'lost' | 'cancelled';
    readonly code?: string;
    readonly message?: string;
  };
  'memory.called': { readonly memories?: number };
  'memory.recalled': {
    readonly call: Seq;
    readonly log: Sid;
    readonly upto: Seq;
    readonly notes: number;
    readonly blocks: number;
    readonly deep?: boolean;
    readonly variations?: number;
  };
  'memory.told': { readonly fixed?: string; readonly core?: string; readonly entries?: readonly ToldEntry[] };
  'memory.failed': {
    readonly call: Seq;
    readonly why: 'error' | 'lost' | 'cancelled';
    readonly log?: Sid;
    readonly code?: string;
    readonly message?: string;
  };
  'policy.decided': { readonly policy: string; readonly action: Action; readonly why: string; readonly propensity?: number };
  'tool.called': {
    readonly answer: Seq;
    readonly part: number;
    readonly effect: ToolEffect;
    readonly dedupe?: string;
    readonly again?: Seq;
    readonly why?: 'crash' | 'reconcile';
  };
  'tool.returned': {
    readonly call?: Seq;
    readonly answer?: Seq;
    readonly part?: number;
    readonly output: Json;
    readonly truncatedBytes?: number;
    readonly by?: 'reconcile' | 'person' | 'late' | 'dedupe' | 'simulated';
  };
  'tool.failed': {
    readonly call?: Seq;
    readonly answer?: Seq;
    readonly part?: number;
    readonly why: string;
    readonly message: string;
    readonly by?: 'reconcile' | 'person' | 'late';
    readonly attempt?: number;
  };
  'tool.in_doubt': { readonly call: Seq; readonly why: string; readonly message?: string; readonly attempt?: number };
  'reconcile.called': { readonly call: Seq };
  'reconcile.returned': {
    readonly call: Seq;
    readonly status: 'not-done' | 'unknown';
    readonly message?: string;
    readonly attempt?: number;
  };
  'subject.erased': { readonly subject: string };
  'timer.set': { readonly atMs: number; readonly why: 'retry'; readonly again?: Seq };
  'timer.fired': { readonly timer: Seq };
  'approval.requested': { readonly answer: Seq; readonly part: number; readonly digest: string };
  'approval.granted': { readonly approval: Seq; readonly digest: string; readonly answer?: Json; readonly by?: string };
  'approval.denied': { readonly approval: Seq; readonly why: string; readonly by?: string };
}

/** An event type of the vocabulary. */
export type EventType = keyof EventData;

/** An event of the vocabulary, its data typed. */
export type AgentEvent = {
  [K in EventType]: Omit<LogEvent, 'type' | 'data'> & { readonly type: K; readonly data: EventData[K] };
}[EventType];

/** An event that is yet to be appended, its data typed. */
export type Draft = {
  [K in EventType]: { readonly type: K; readonly data: EventData[K]; readonly origin?: Origin; readonly subject?: string };
}[EventType];

/**
 * The first event of a session. How its tokens are estimated and how its conversation is cut is decided by, so it keeps the version of the day to its end: what was decided is decided
 * again alike, whatever a later release estimates.
 */
export const createdDraft = (agent: string, subject: string | undefined): Draft => ({
  type: 'session.created',
  data: { agent, ...(subject === undefined ? {} : { subject }), tokens: TOKENS_VERSION },
});

/** 2: by the family of the model. 3: what was recalled for a question stays before it when the conversation is cut. */
const TOKENS_VERSION = 3;

interface Row {
  /** A decision is appended at an expected head; a fact at whatever head there is. */
  readonly kind: 'decision' | 'fact';
  readonly origin: Origin;
  readonly help: string;
  /** Each field of `data` in one line. */
  readonly data: Readonly<Record<string, string>>;
}

const decision = (help: string, data: Readonly<Record<string, string>>): Row => ({ kind: 'decision', origin: 'system', help, data });
const fact = (origin: Origin, help: string, data: Readonly<Record<string, string>>): Row => ({ kind: 'fact', origin, help, data });
const SLOT = { answer: 'seq of the `model.answered` or `policy.decided` that asks for it', part: 'index of the call there' };

/** The vocabulary, version 1. A test holds docs/events.md equal to it. */
export const EVENTS: Readonly<Record<EventType, Row>> = {
  'session.created': decision('The first event of a log.', {
    agent: 'name of the agent',
    subject: 'whose personal data the session holds; absent: nobody in particular',
    tokens: 'by which version tokens are estimated and conversations cut, to its end; absent: four bytes a token',
  }),
  'session.configured': decision('The definition changed under an open turn; comes before any effect under the new one.', {
    from: 'digest',
    to: 'digest',
  }),
  'session.forked': decision('The first own event of a fork. Every call and approval open here stays the parent’s.', {
    parent: 'sid',
    at: 'seq of the last shared event',
    effects: 'ask, live or simulated: what happens to calls that are not `read`',
  }),
  'session.closed': decision('The session takes no more input.', { why: 'for people' }),
  'message.received': fact('person', 'Input.', {
    text: 'what was said; absent when JSON was sent',
    data: 'the JSON that was sent',
    files: 'what was sent along: mediaType, name, and data as base64, a blob reference or {url}',
    deliver: 'queue (when absent), steer or interrupt',
  }),
  'cancel.requested': fact('person', 'Somebody cancels the open turn. Nothing starts after it.', { why: 'for people' }),
  'turn.started': decision('A turn begins.', {
    takes: 'seqs of the messages it answers',
    definition: 'blob of the definition in force; its digest is the definition’s',
  }),
  'turn.ended': decision('A turn ends.', {
    reason: 'answer, steps, cancelled, budget or error',
    why: 'for people; an error code for `error`',
    output: 'the answer as JSON, when the agent has an output schema or a policy gave one',
  }),
  'output.rejected': decision('The answer does not fit the output schema; the model is told and asked again.', {
    answer: 'seq of the `model.answered`',
    message: 'what the model is told',
  }),
  'model.called': decision('Intent to ask the model.', {
    digest: 'of the whole request, rolling over the messages: 24 hex digits',
    takes: 'seqs of steering messages that join here',
    reserve: 'worst case set aside: tokens, and USD when the price is known',
  }),
  'model.answered': fact('model', 'The model’s answer.', {
    call: 'seq of `model.called`',
    parts: 'text, reasoning and tool calls',
    finish: 'why it stopped; absent: tool_calls where the parts have calls, else stop',
    usage: 'tokens; null is unknown',
    model: 'version that the provider reports',
    usd: 'cost by the price known here',
    meta: 'what else the provider told: log-probabilities, token ids, service tier; `notSent`: what the wire had no place for',
    via: 'what stood between: the member of a group that answered, a cache that did; outermost first',
  }),
  'model.failed': fact('system', 'The call gave no answer.', {
    call: 'seq',
    why: 'error, or lost with the process that made it',
    code: 'error code',
    message: 'bounded excerpt',
    retry: 'whether the same call may succeed later',
    retryAfterMs: 'when the provider said so',
    partial: 'true when pieces of an answer had reached somebody: then it is not asked again by itself',
  }),
  'model.interrupted': fact('model', 'The call was cancelled; what had come is kept.', { call: 'seq', parts: 'partial parts' }),
  'context.called': decision('Intent to have the beginning of the conversation summarised, which is too long for the model.', {
    messages: 'how many of the prompt it takes, from the first; the summary of before counts as one',
    digest: 'of the request: 24 hex digits',
    reserve: 'worst case set aside: tokens, and USD when the price is known',
  }),
  'context.compacted': fact('model', 'The first messages of the prompt are left out from now on. They stay in the log.', {
    messages: 'how many, from the first',
    call: 'seq of `context.called`; absent when nobody was asked',
    summary: 'what stands in their place, a text or an object; absent: what stood there before',
    usage: 'tokens; null is unknown',
    model: 'version that the provider reports',
    usd: 'cost by the price known here',
  }),
  'context.failed': fact('system', 'No summary came.', {
    call: 'seq',
    why: 'error, cancelled, or lost with the process that asked for it',
    code: 'error code',
    message: 'bounded excerpt',
  }),
  'memory.called': decision('Intent to read the memory, once a turn and before the model is asked.', {
    memories: 'how many there are; absent: one. Each has one outcome, in the order in which the agent has them, all in one frame',
  }),
  'memory.recalled': fact('system', 'A memory was read. What was new in it follows as `memory.told`.', {
    call: 'seq of `memory.called`',
    log: 'sid of the memory’s log',
    upto: 'seq of the last event there that was read; -1 when there was none',
    notes: 'messages that this puts into the prompt: 0 or 1',
    blocks: 'blocks that are told among the messages from now on: where there are any, one message repeats them after a compaction',
    deep: 'whether the rule chose to say the question in other words too; absent: nothing was looked for, or the memory has no `rewrite`',
    variations: 'of a search that was to be deep: as how many questions it was looked for; 1: nothing came of it',
  }),
  'memory.told': fact(
    'tool',
    'What the memory says that it had not said before; belongs to the memory’s subject. Comes right after `memory.recalled`.',
    {
      fixed: 'blocks that follow the instructions, rendered; absent: as before',
      core: 'the other blocks, rendered; absent: as before',
      entries: 'what the question recalled: id, text and since when it holds; absent: nothing new',
    },
  ),
  'memory.failed': fact('system', 'A memory was not read; the turn goes on without.', {
    call: 'seq of `memory.called`',
    why: 'error, cancelled, or lost with the process that read it: then all of them',
    log: 'sid of the memory’s log, where it is known; not in logs of the first release',
    code: 'error code',
    message: 'bounded excerpt',
  }),
  'policy.decided': fact('system', 'A policy chose the next action.', {
    policy: 'which one, `chain/rules#row`',
    action: 'answer, call or model',
    why: 'for people',
    propensity: 'probability of this action, when drawn',
  }),
  'tool.called': decision('Intent to call a tool. It repeats nothing of the call itself.', {
    ...SLOT,
    effect: 'effect class at the time',
    dedupe: 'text under which equal calls are one',
    again: 'seq of the first intent, when this is a further attempt',
    why: 'crash or reconcile, for a further attempt',
  }),
  'tool.returned': fact('tool', 'A tool gave a result.', {
    call: 'seq of the first `tool.called`',
    ...SLOT,
    output: 'JSON or a blob reference',
    truncatedBytes: 'size of the whole when only an excerpt is kept',
    by: 'who says so, when not the call itself',
  }),
  'tool.failed': fact('tool', 'A call ended without a result, or was never made.', {
    call: 'seq of the first `tool.called`; absent when never made',
    ...SLOT,
    why: 'threw, timeout, cancelled, not done, bad input, bad output, unknown tool, denied, forked',
    message: 'bounded excerpt that the model reads',
    by: 'who says so, when not the call itself',
    attempt: 'which attempt says so, from 1: it settles no later one',
  }),
  'tool.in_doubt': fact('system', 'An irreversible call ended in a way that does not tell whether it happened. A state, not an outcome.', {
    call: 'seq of the first `tool.called`',
    why: 'threw, timeout, cancelled or crash',
    message: 'bounded excerpt',
    attempt: 'which attempt ended so, from 1: it puts no later one in doubt',
  }),
  'reconcile.called': decision('Intent to ask the tool what became of a call in doubt.', { call: 'seq of the first `tool.called`' }),
  'reconcile.returned': fact('tool', 'What the tool found, unless it was done (then `tool.returned`).', {
    call: 'seq',
    status: 'not-done (it is attempted again) or unknown',
    message: 'bounded excerpt',
    attempt: 'which attempt it speaks of, from 1: what became of a later one it cannot know; not in logs of the first release',
  }),
  'subject.erased': fact('system', 'The key of a subject was destroyed: what was sealed under it cannot be read any more.', {
    subject: 'whose; where it is the session’s own, the open turn ends and no other begins',
  }),
  'timer.set': decision('The session wants to be woken.', {
    atMs: 'not before, in ms since 1970',
    why: 'retry: a model call that failed is made again then',
    again: 'seq of the first `timer.set`, when its process is gone and another one sleeps',
  }),
  'timer.fired': fact('system', 'Its time has come.', { timer: 'seq of the first `timer.set`' }),
  'approval.requested': decision('A call waits for a person.', { ...SLOT, digest: 'of tool, schema and input: what the person is shown' }),
  'approval.granted': fact('person', 'A person allows the call.', {
    approval: 'seq of `approval.requested`',
    digest: 'of what was shown',
    answer: 'what the person answered, for tools that ask',
    by: 'who answered, as the caller named them; not in logs of the first release',
  }),
  'approval.denied': fact('person', 'The call is not made.', {
    approval: 'seq of `approval.requested`',
    why: 'for people and the model',
    by: 'who answered, as the caller named them; not in logs of the first release',
  }),
};

/** The event with its data typed when it is of the vocabulary (version 1), else null. */
export function known(event: LogEvent): AgentEvent | null {
  return event.v === 1 && Object.hasOwn(EVENTS, event.type) ? (event as unknown as AgentEvent) : null;
}

/** Drafts as the log takes them. Their data is plain JSON by type; an interface has no index signature to say so. */
export function asDrafts(drafts: readonly Draft[]): readonly EventDraft[] {
  return drafts as unknown as readonly EventDraft[];
}
