import type { Json } from '../core/index.ts';
import type { EventId } from '../log/index.ts';
import type { FinishReason, Message, Usage } from '../model/index.ts';
import { items } from './list.ts';
import type { EndReason } from './events.ts';
import type { AgentState, Ended, Slot } from './state.ts';

/** Something that waits for a person. Answer it with `session.respond(id, …)`. */
export interface Pending {
  /** `sid:seq` of the request, or of the call in doubt. */
  readonly id: EventId;
  readonly type: 'approval' | 'doubt';
  readonly tool: string;
  readonly input: Json;
  /** Of what is shown here; give it back with the answer to be sure that it is still what is asked. */
  readonly digest: string;
  readonly why: string;
}

/** How a turn stands: ended, or waiting for a person. */
export interface RunResult {
  readonly sid: string;
  readonly status: 'answered' | 'waiting' | 'stopped' | 'cancelled' | 'failed';
  readonly text: string;
  /** The answer as JSON: of the output schema, or of a policy. Null when there is none. */
  readonly output: Json;
  /** Why the turn ended; null while it waits. */
  readonly reason: EndReason | null;
  /** For people; begins with an error code when the turn failed. */
  readonly why: string;
  readonly finish: FinishReason | null;
  readonly steps: number;
  readonly usage: Usage;
  readonly pending: readonly Pending[];
}

/** What matters of a session to its user: the same for a run that was cut anywhere and one that was not. */
export interface Outcome {
  readonly messages: readonly Message[];
  readonly last: Omit<Ended, 'seq' | 'takes'> | null;
  readonly pending: readonly Omit<Pending, 'id'>[];
  readonly waiting: number;
}

const STATUS = { answer: 'answered', steps: 'stopped', budget: 'stopped', cancelled: 'cancelled', error: 'failed' } as const;

/** The result of a turn that ended. */
export function ended(state: AgentState, last: Ended): RunResult {
  const { reason, why, text, output, finish, steps } = last;
  return { sid: state.sid, status: STATUS[reason], text, output, reason, why, finish, steps, usage: usageOf(state), pending: [] };
}

/** The result of a turn that waits. */
export function waiting(state: AgentState): RunResult {
  const { open } = state.turn;
  return {
    sid: state.sid,
    status: 'waiting',
    text: '',
    output: null,
    reason: null,
    why: '',
    finish: null,
    steps: open?.steps ?? 0,
    usage: usageOf(state),
    pending: pendingOf(state),
  };
}

function usageOf({ budget }: AgentState): Usage {
  const { inputTokens, outputTokens, unknown } = budget.turn;
  return unknown > 0 ? { inputTokens: null, outputTokens: null } : { inputTokens, outputTokens };
}

/** What waits for a person, in call order; then calls of earlier turns that are still in doubt. */
export function pendingOf({ sid, tool, approval }: AgentState): Pending[] {
  const pending: Pending[] = [];
  for (const slot of [...tool.slots, ...tool.doubts]) {
    const { name, input, status, asker, part, call, why } = slot;
    if (status === 'doubt') pending.push({ id: `${sid}:${call ?? 0}`, type: 'doubt', tool: name, input, digest: doubtDigest(slot), why });
    if (status !== 'asking') continue;
    const asked = [...approval.values()].findLast((one) => one.asker === asker && one.part === part);
    if (asked !== undefined)
      pending.push({ id: `${sid}:${asked.seq}`, type: 'approval', tool: name, input, digest: asked.digest, why: 'needs approval' });
  }
  return pending;
}

/** Which attempt is in doubt: who looked at an earlier one cannot know. */
export const doubtDigest = ({ attempt }: Pick<Slot, 'attempt'>): string => `attempt-${attempt}`;

/** The outcome of a session. Ids and positions are left out: a cut run has other ones. */
export function outcome(state: AgentState): Outcome {
  const { last } = state.turn;
  const kept =
    last === null
      ? null
      : { reason: last.reason, why: last.why, text: last.text, output: last.output, finish: last.finish, steps: last.steps };
  return {
    messages: items(state.turn.messages).map(withoutIds),
    last: kept,
    pending: pendingOf(state).map(({ type, tool, input, digest, why }) => ({ type, tool, input, digest, why })),
    waiting: state.turn.inbox.length,
  };
}

/** A policy's call ids hold positions. */
function withoutIds(message: Message): Message {
  if (message.origin !== 'system' && message.role !== 'tool') return message;
  return { ...message, parts: message.parts.map((part) => ('id' in part ? { ...part, id: part.id.replace(/^\d+\./, '') } : part)) };
}
