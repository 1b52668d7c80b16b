import type { LogEvent, Seq } from '../../log/index.ts';
import { decideCalls } from '../calls.ts';
import { toolCalls } from '../messages.ts';
import { known, type AgentEvent, type EventData } from '../events.ts';
import type { Calls, Facet, Slot } from '../state.ts';

/** Proposed calls, their intents, outcomes and doubts. The first outcome of a call stands. */
export const toolFacet: Facet<Calls> & { readonly name: 'tool' } = {
  name: 'tool',
  version: 1,
  types: [
    'model.answered',
    'policy.decided',
    'approval.requested',
    'approval.granted',
    'approval.denied',
    'tool.called',
    'tool.returned',
    'tool.failed',
    'tool.in_doubt',
    'reconcile.called',
    'reconcile.returned',
    'session.forked',
    'turn.ended',
  ],
  initial: { slots: [], doubts: [], resolvedBy: -1, ended: [], deduped: new Map(), count: 0 },
  evolve(slice, raw, state) {
    const event = known(raw);
    if (event === null) return slice;
    switch (event.type) {
      case 'model.answered':
        return state.model.settledBy === raw.seq ? { ...slice, slots: proposals(event) } : slice;
      case 'policy.decided':
        // An opinion of a driver that was fenced may come too late: then it is not followed.
        return state.turn.open?.phase === 'next' ? { ...slice, slots: proposals(event) } : slice;
      case 'approval.requested':
        return changed(
          slice,
          (slot) => at(slot, event.data),
          () => ({ status: 'asking' }),
        );
      case 'approval.granted':
      case 'approval.denied': {
        const approval = state.approval.get(event.data.approval);
        if (approval?.settledBy !== raw.seq) return slice;
        const settled = event.type === 'approval.granted' ? granted : denied(event.data.why);
        return changed(slice, (slot) => slot.status === 'asking' && slot.asker === approval.asker && slot.part === approval.part, settled);
      }
      case 'session.forked':
        return { ...slice, slots: slice.slots.map(detached), doubts: [] };
      case 'turn.ended':
        return {
          ...slice,
          slots: [],
          ended: slice.slots,
          doubts: [...slice.doubts, ...slice.slots.filter((slot) => slot.status === 'doubt')],
        };
      default:
        return evolveCall(slice, event, raw);
    }
  },
  decide: decideCalls,
};

/** Intents and outcomes. */
function evolveCall(slice: Calls, event: AgentEvent, raw: LogEvent): Calls {
  switch (event.type) {
    case 'tool.called':
      return called(slice, event.data, raw);
    case 'tool.returned':
    case 'tool.failed':
      return settled(slice, event, raw);
    case 'tool.in_doubt':
      return changed(
        slice,
        (slot) =>
          slot.status === 'open' &&
          (raw.erased === true ? slot.effect === 'irreversible' : slot.call === event.data.call && !isPast(slot, event.data)),
        () => ({ status: 'doubt', why: event.data.why ?? 'erased', epoch: -1 }),
      );
    case 'reconcile.called':
      return changed(
        slice,
        (slot) => slot.call === event.data.call && slot.status === 'doubt',
        () => ({ epoch: raw.epoch }),
      );
    case 'reconcile.returned':
      if (event.data.status !== 'not-done') return slice;
      return changed(
        slice,
        (slot) => slot.call === event.data.call && slot.status === 'doubt' && !isPast(slot, event.data),
        () => ({ status: 'again' }),
      );
    default:
      return slice;
  }
}

function called(slice: Calls, data: EventData['tool.called'], raw: LogEvent): Calls {
  const next = changed(
    withAsked(slice, data),
    (slot) => at(slot, data) && slot.status !== 'done',
    (slot) => ({
      status: 'open',
      call: slot.call ?? raw.seq,
      epoch: raw.epoch,
      attempt: slot.attempt + 1,
      effect: slot.effect ?? data.effect,
      dedupe: data.dedupe ?? slot.dedupe,
    }),
  );
  return data.again === undefined ? { ...next, count: next.count + 1 } : next;
}

/** What was asked for may be erased: the call was made all the same, and is to be answered for. */
function withAsked(slice: Calls, data: EventData['tool.called']): Calls {
  if (slice.slots.some((slot) => at(slot, data))) return slice;
  const slot: Slot = {
    ...NEW,
    asker: data.answer,
    part: data.part,
    id: `${data.answer}.${data.part}`,
    name: '[erased]',
    input: null,
    malformed: false,
  };
  return { ...slice, slots: [...slice.slots, slot] };
}

function settled(slice: Calls, event: AgentEvent & { readonly type: 'tool.returned' | 'tool.failed' }, raw: LogEvent): Calls {
  const { data } = event;
  const firstOpen = raw.erased === true ? slice.slots.find((slot) => slot.status !== 'done') : undefined;
  const isIt = (slot: Slot): boolean =>
    slot.status !== 'done' &&
    !isPast(slot, data) &&
    (slot === firstOpen || (data.call === undefined ? slot.asker === data.answer && slot.part === data.part : slot.call === data.call));
  const outcome =
    event.type === 'tool.returned'
      ? ({ status: 'done', output: raw.erased === true ? '[erased]' : event.data.output, isError: false } as const)
      : ({ status: 'done', output: event.data.message, isError: true, why: event.data.why } as const);
  const slot = slice.slots.find(isIt) ?? slice.doubts.find(isIt);
  const next = changed(slice, isIt, () => outcome);
  const isDoubt = slice.doubts.some(isIt);
  const doubts = isDoubt ? slice.doubts.filter((doubt) => !isIt(doubt)) : slice.doubts;
  // Also what a doubt of an older turn turned out to be: an equal call must not be made again.
  const isKept = slot !== undefined && slot.dedupe !== null && !outcome.isError;
  return {
    ...next,
    doubts,
    resolvedBy: isDoubt ? raw.seq : slice.resolvedBy,
    deduped: isKept ? new Map(slice.deduped).set(slot.dedupe, outcome.output) : slice.deduped,
  };
}

/** An attempt that was given up says nothing of the one that followed it: only that it happened counts for both. */
const isPast = (slot: Slot, data: object): boolean => 'attempt' in data && Number(data.attempt) < slot.attempt;

const granted = (): Partial<Slot> => ({ status: 'granted' });
const denied = (why: string) => (): Partial<Slot> => ({
  status: 'done',
  isError: true,
  why: 'denied',
  output: `A person did not allow this call: ${why}`,
});
const at = (slot: Slot, data: { readonly answer: Seq; readonly part: number }): boolean =>
  slot.asker === data.answer && slot.part === data.part;

/** An open call stays the parent's: reads are proposed anew, the rest is closed as `forked`. What was never called is proposed anew. */
function detached(slot: Slot): Slot {
  if (slot.status === 'done' || slot.status === 'proposed') return slot;
  const isAskedAnew = slot.status === 'granted' || (slot.status === 'open' && slot.effect === 'read');
  return isAskedAnew ? { ...slot, status: 'proposed', call: null, attempt: 0, effect: null } : { ...slot, status: 'detached' };
}

function changed(slice: Calls, isIt: (slot: Slot) => boolean, change: (slot: Slot) => Partial<Slot>): Calls {
  const index = slice.slots.findIndex(isIt);
  if (index < 0) return slice;
  const slots = [...slice.slots];
  slots[index] = { ...(slots[index] as Slot), ...change(slots[index] as Slot) };
  return { ...slice, slots };
}

const NEW = {
  status: 'proposed',
  call: null,
  epoch: -1,
  attempt: 0,
  effect: null,
  dedupe: null,
  output: null,
  isError: false,
  why: '',
} as const;

function proposals(event: AgentEvent & { readonly type: 'model.answered' | 'policy.decided' }): Slot[] {
  if (event.type === 'model.answered') {
    return toolCalls(event.data.parts ?? []).map(({ id, name, input, malformed }, part) => ({
      ...NEW,
      asker: event.seq,
      part,
      id,
      name,
      input,
      malformed: malformed === true,
    }));
  }
  if (event.erased === true || event.data.action.type !== 'call') return [];
  return event.data.action.calls.map(({ tool, input }, part) => ({
    ...NEW,
    asker: event.seq,
    part,
    id: `${event.seq}.${part}`,
    name: tool,
    input,
    malformed: false,
  }));
}
