import type { Json } from '../../core/index.ts';
import type { Message, Part, ToolResultPart } from '../../model/index.ts';
import type { Action } from '../../policy/index.ts';
import { known, type AgentEvent, type EventData } from '../events.ts';
import { items, listOf, push } from '../list.ts';
import { isNoteOf, isQuestion, memoryNote, summaryMessage, taken, textOf, toolCalls, userMessage } from '../messages.ts';
import { decideTurn } from '../turns.ts';
import type { AgentState, DoneCall, Facet, Slot, Turn, Turns, Waiting } from '../state.ts';

/**
 * The conversation: input, the open turn and the messages of the prompt.
 * T1 a call and its result are never split · T2 results stand in call order · T3 every call in the prompt has a result, also after a cancel.
 */
export const turnFacet: Facet<Turns> & { readonly name: 'turn' } = {
  name: 'turn',
  version: 1,
  types: [
    'message.received',
    'cancel.requested',
    'turn.started',
    'turn.ended',
    'output.rejected',
    'model.called',
    'model.answered',
    'model.failed',
    'model.interrupted',
    'context.compacted',
    'memory.told',
    'policy.decided',
    'approval.denied',
    'tool.returned',
    'tool.failed',
    'session.forked',
    'timer.fired',
    'subject.erased',
  ],
  initial: { messages: listOf([]), sources: [], inbox: [], notes: [], open: null, last: null, count: 0, steps: 0 },
  evolve(slice, raw, state) {
    const event = known(raw);
    if (event === null) return slice;
    switch (event.type) {
      case 'message.received':
        return received(slice, event);
      case 'cancel.requested':
        return inTurn(slice, (turn) => ({ cancel: turn.cancel ?? { why: event.data.why ?? 'cancelled' } }));
      case 'turn.started':
        return started(slice, event);
      case 'turn.ended':
        return ended(slice, event, state);
      case 'tool.returned':
      case 'tool.failed':
      case 'approval.denied':
        return outcome(slice, event, state);
      case 'subject.erased':
        return erased(slice, event, state);
      case 'timer.fired':
        return state.timer.firedBy === raw.seq ? askedAnew(slice) : slice;
      case 'context.compacted':
      case 'memory.told':
        return prompted(slice, event, state);
      case 'session.forked':
        return slice.open?.phase === 'model' ? askedAnew(slice) : slice;
      default:
        return slice.open === null ? slice : stepped(slice, event, state);
    }
  },
  decide: decideTurn,
};

function inTurn(slice: Turns, change: (turn: Turn) => Partial<Turn>): Turns {
  return slice.open === null ? slice : { ...slice, open: { ...slice.open, ...change(slice.open) } };
}

/** What changes the prompt beside the conversation. */
function prompted(slice: Turns, event: AgentEvent & { readonly type: 'context.compacted' | 'memory.told' }, state: AgentState): Turns {
  const { context, memory } = state;
  if (event.type === 'context.compacted') return context.settledBy === event.seq ? compacted(slice, state) : slice;
  if (memory.notedBy !== event.seq) return slice;
  const { core = '', entries = [] } = event.data;
  return noted(slice, memoryNote(event.erased === true ? null : { core, entries }, memory.parts[memory.at]?.scope ?? null));
}

/** The first messages make room for a note. A call that was too long for the model is made again. */
function compacted(slice: Turns, { context: { taken, summary }, memory }: AgentState): Turns {
  const kept = slice.messages.shared.slice(taken, slice.messages.count);
  const notes = [
    ...(summary === null ? [] : [summaryMessage(summary)]),
    ...memory.parts
      .filter(({ blocks }) => blocks > 0)
      .map(({ core, scope }) => memoryNote(core === '' ? null : { core, entries: [] }, scope)),
  ];
  const next = { ...slice, messages: listOf([...notes, ...kept]) };
  return slice.open?.failure?.code === 'CONTEXT_TOO_LONG' ? askedAnew(next) : next;
}

/** What a memory says stands before the question, as what is known before it is asked. */
function noted(slice: Turns, note: Message): Turns {
  const all = items(slice.messages);
  let place = all.length;
  while (place > 0 && isQuestion(all[place - 1] as Message)) place--;
  return fed({ ...slice, messages: listOf([...all.slice(0, place), note, ...all.slice(place)]) }, ['memory']);
}

/** Nothing more is said to a session whose subject is gone; what a memory of such a subject said has no words any more. */
function erased(slice: Turns, { data }: AgentEvent & { readonly type: 'subject.erased' }, { session, memory }: AgentState): Turns {
  const gone = memory.owners.filter(({ subject }) => subject === data.subject);
  const without = (message: Message): Message => {
    const owner = gone.find(({ scope }) => isNoteOf(message, scope));
    return owner === undefined ? message : memoryNote(null, owner.scope);
  };
  const kept = gone.length === 0 ? slice : { ...slice, messages: listOf(items(slice.messages).map(without)) };
  return session.isErased ? inTurn({ ...kept, inbox: [] }, (turn) => ({ cancel: turn.cancel ?? { why: 'erased' } })) : kept;
}

/** Somebody who is no person said something. What he said is gone from the prompt some day; what it led to is not. */
function fed(slice: Turns, names: readonly string[]): Turns {
  const fresh = names.filter((name) => !slice.sources.includes(name));
  return fresh.length === 0 ? slice : { ...slice, sources: [...new Set([...slice.sources, ...fresh])].toSorted() };
}

const namesOf = ({ parts }: Message): readonly string[] => parts.flatMap((part) => (part.type === 'tool_result' ? [part.name] : []));

function received(slice: Turns, event: AgentEvent & { readonly type: 'message.received' }): Turns {
  const text = event.erased === true ? '[erased]' : (event.data.text ?? JSON.stringify(event.data.data ?? null));
  const origin = event.origin === 'system' ? 'system' : 'person';
  const deliver = event.data.deliver ?? 'queue';
  const message = userMessage(text, origin, event.data.files ?? []);
  const waiting: Waiting = { seq: event.seq, deliver, text, data: event.data.data ?? null, message };
  const next = { ...slice, inbox: [...slice.inbox, waiting] };
  return deliver === 'interrupt' ? inTurn(next, (turn) => ({ cancel: turn.cancel ?? { why: 'superseded' } })) : next;
}

function started(slice: Turns, event: AgentEvent & { readonly type: 'turn.started' }): Turns {
  const { takes } = event.data;
  const first = slice.inbox.find(({ seq }) => takes.includes(seq));
  const open: Turn = {
    seq: event.seq,
    takes,
    startedMs: event.atMs,
    input: { text: first?.text ?? '', data: first?.data ?? null },
    phase: 'next',
    steps: 0,
    rejections: 0,
    cancel: null,
    failure: null,
    failures: 0,
    answer: null,
    calls: [],
  };
  return { ...taken(slice, takes), open, count: slice.count + 1 };
}

/** Model calls, policies and what they gave. */
function stepped(slice: Turns, event: AgentEvent, state: AgentState): Turns {
  switch (event.type) {
    case 'model.called': {
      const next = taken(slice, event.data.takes ?? [], true);
      return inTurn({ ...next, steps: next.steps + 1 }, (turn) => ({
        phase: 'model',
        steps: turn.steps + 1,
        answer: null,
        takes: [...turn.takes, ...(event.data.takes ?? [])],
      }));
    }
    case 'model.answered':
      return isOutcome(event, state) ? answered(slice, event) : slice;
    case 'model.failed':
      if (!isOutcome(event, state)) return slice;
      if (event.data.why === 'lost') return askedAnew(slice);
      return failed(slice, event);
    case 'model.interrupted': {
      if (!isOutcome(event, state)) return slice;
      const text: readonly Part[] =
        event.erased === true ? [] : event.data.parts.filter((part) => part.type === 'text' && part.text !== '');
      const kept =
        text.length === 0 ? slice : { ...slice, messages: push(slice.messages, { role: 'assistant', parts: text, origin: 'model' }) };
      return inTurn(kept, () => ({ phase: 'next' }));
    }
    case 'policy.decided':
      return slice.open?.phase === 'next' ? decided(slice, event) : slice;
    case 'output.rejected': {
      const messages = push(slice.messages, userMessage(event.erased === true ? '[erased]' : event.data.message, 'system'));
      return inTurn({ ...slice, messages }, (turn) => ({ phase: 'ask', rejections: turn.rejections + 1, answer: null }));
    }
    default:
      return slice;
  }
}

/** The first outcome of the open call; a second one, or one of an earlier call that came late, changes nothing. */
const isOutcome = (event: AgentEvent, { model }: AgentState): boolean => model.settledBy === event.seq;

/** The call gave nothing and is made again: it is no step, and the policy that wanted it is not asked twice. */
function askedAnew(slice: Turns): Turns {
  return inTurn({ ...slice, steps: slice.steps - 1 }, (turn) => ({ phase: 'ask', steps: turn.steps - 1, failure: null }));
}

function failed(slice: Turns, { data, erased, sid, seq }: AgentEvent & { readonly type: 'model.failed' }): Turns {
  const { code = '', message = '', retry = false, retryAfterMs = null, partial = false } = erased === true ? {} : data;
  const failure = { id: `${sid}:${seq}`, code, message, retry, retryAfterMs, isPartial: partial };
  return inTurn(slice, (turn) => ({ phase: 'next', failure, failures: turn.failures + 1 }));
}

function answered(slice: Turns, event: AgentEvent & { readonly type: 'model.answered' }): Turns {
  const parts: readonly Part[] = event.erased === true ? [{ type: 'text', text: '[erased]' }] : event.data.parts;
  const messages = parts.length === 0 ? slice.messages : push(slice.messages, { role: 'assistant', parts, origin: 'model' });
  if (toolCalls(parts).length > 0) return inTurn({ ...slice, messages }, () => ({ phase: 'tools', failures: 0 }));
  return inTurn({ ...slice, messages }, () => ({
    phase: 'final',
    failures: 0,
    answer: { seq: event.seq, text: textOf(parts), finish: event.data.finish ?? 'stop' },
  }));
}

function decided(slice: Turns, event: AgentEvent & { readonly type: 'policy.decided' }): Turns {
  const action: Action = event.erased === true ? { type: 'answer', text: '[erased]' } : event.data.action;
  // To leave it to the model is no step: its call is.
  if (action.type === 'model') return inTurn(slice, () => ({ phase: 'ask' }));
  const steps = slice.steps + 1;
  if (action.type === 'call') {
    const parts = action.calls.map(({ tool, input }, index): Part => ({
      type: 'tool_call',
      id: `${event.seq}.${index}`,
      name: tool,
      input,
    }));
    const messages = push(slice.messages, { role: 'assistant', parts, origin: 'system' });
    return inTurn({ ...slice, steps, messages }, (turn) => ({ phase: 'tools', steps: turn.steps + 1 }));
  }
  const text = action.text ?? (action.output === undefined ? '' : JSON.stringify(action.output));
  const messages = push(slice.messages, { role: 'assistant', parts: [{ type: 'text', text }], origin: 'system' });
  const answer = { seq: event.seq, text, finish: 'stop' as const, ...(action.output === undefined ? {} : { output: action.output }) };
  return inTurn({ ...slice, steps, messages }, (turn) => ({ phase: 'final', steps: turn.steps + 1, answer }));
}

/** When the last call of the step has its outcome, all results join the conversation in call order (T1, T2). */
function outcome(
  slice: Turns,
  event: AgentEvent & { readonly type: 'tool.returned' | 'tool.failed' | 'approval.denied' },
  state: AgentState,
): Turns {
  const { slots } = state.tool;
  if (event.type !== 'approval.denied' && state.tool.resolvedBy === event.seq) return lateNote(slice, event.data);
  if (slice.open?.phase !== 'tools' || slots.length === 0 || slots.some((slot) => slot.status !== 'done')) return slice;
  const calls = slots.map(({ name, input, output, isError }): DoneCall => ({ name, input, output, isError }));
  const next = fed(
    { ...slice, messages: push(slice.messages, results(slots)) },
    slots.map(({ name }) => name),
  );
  return inTurn(next, (turn) => ({
    phase: 'next',
    calls: [...turn.calls, ...calls],
  }));
}

function lateNote(slice: Turns, data: EventData['tool.returned'] | EventData['tool.failed']): Turns {
  const what = 'output' in data ? `returned ${JSON.stringify(data.output)}` : `failed: ${data.message}`;
  return { ...slice, notes: [...slice.notes, `A call of an earlier turn, whose outcome was unknown, ${what}`] };
}

type Result = Pick<Slot, 'id' | 'name' | 'status' | 'output' | 'isError'>;

/** One message with a result for each call; a call without outcome says so. */
function results(slots: readonly Result[]): Message {
  const parts = slots.map((slot): ToolResultPart => {
    const { id, name, status, output, isError } = slot;
    if (status === 'done') return { type: 'tool_result', id, name, output, ...(isError ? { isError: true } : {}) };
    return { type: 'tool_result', id, name, output: 'The outcome of this call is unknown.', isError: true };
  });
  return { role: 'tool', parts, origin: 'tool' };
}

function ended(slice: Turns, event: AgentEvent & { readonly type: 'turn.ended' }, state: AgentState): Turns {
  const { open } = slice;
  if (open === null) return slice;
  // The tool facet has let go of the step by now: what it left in doubt is answered for in the prompt (T3).
  const unanswered = open.phase === 'tools' ? openCalls(slice, state) : null;
  // Only an answer carries content that is sealed.
  const { reason, why } = event.erased === true ? { reason: 'answer' as const, why: '' } : event.data;
  const last = {
    seq: event.seq,
    takes: open.takes,
    reason,
    why: why ?? '',
    text: open.answer?.text ?? '',
    output: (event.erased === true ? '[erased]' : (event.data.output ?? null)) as Json,
    finish: open.answer?.finish ?? null,
    steps: open.steps,
  };
  const over = { ...slice, open: null, last };
  return unanswered === null ? over : fed({ ...over, messages: push(slice.messages, unanswered) }, namesOf(unanswered));
}

/** Results for the calls of the last assistant message of a turn that ended in their middle. */
function openCalls(slice: Turns, state: AgentState): Message | null {
  const asked = slice.messages.shared[slice.messages.count - 1];
  if (asked?.role !== 'assistant') return null;
  const byId = new Map(state.tool.ended.map((slot) => [slot.id, slot]));
  const slots = toolCalls(asked.parts).map(
    ({ id, name }): Result => byId.get(id) ?? { id, name, status: 'open', output: null, isError: true },
  );
  return slots.length === 0 ? null : results(slots);
}
