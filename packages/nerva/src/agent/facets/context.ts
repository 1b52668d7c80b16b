import { known, type AgentEvent } from '../events.ts';
import { isQuestion } from '../messages.ts';
import type { AgentState, Contexts, Facet } from '../state.ts';

/** What was left out of the prompt, and what stands in its place. One summary at a time; one whose process is gone is asked for anew. */
export const contextFacet: Facet<Contexts> & { readonly name: 'context' } = {
  name: 'context',
  version: 1,
  types: ['turn.started', 'model.answered', 'model.failed', 'context.called', 'context.compacted', 'context.failed', 'session.forked'],
  initial: {
    open: null,
    settledBy: null,
    taken: 0,
    summary: null,
    notes: 0,
    turns: 0,
    hasFailed: false,
    isFresh: false,
    hasOverflowed: false,
  },
  evolve(slice, raw, state) {
    const event = known(raw);
    switch (event?.type) {
      case 'turn.started':
        return { ...slice, turns: slice.turns + 1 };
      case 'model.answered':
        return state.model.settledBy === raw.seq ? answered(slice) : slice;
      case 'model.failed':
        return state.model.settledBy === raw.seq && raw.erased !== true && event.data.code === 'CONTEXT_TOO_LONG'
          ? { ...slice, hasOverflowed: true }
          : slice;
      case 'context.called':
        return { ...slice, open: { seq: raw.seq, epoch: raw.epoch, messages: event.data.messages } };
      case 'context.compacted':
        return compacted(slice, event, state);
      case 'context.failed':
        return failed(slice, event);
      case 'session.forked':
        return slice.open === null ? slice : { ...slice, open: null };
      default:
        return slice;
    }
  },
  decide(state, _bound, epoch) {
    const { open } = state.context;
    if (open === null) return null;
    if (open.epoch !== epoch) return [{ type: 'context.failed', data: { call: open.seq, why: 'lost' } }];
    return 'wait';
  },
};

/** From here on another summary may be asked for. */
function answered(slice: Contexts): Contexts {
  const isPlain = !slice.hasFailed && !slice.isFresh && !slice.hasOverflowed;
  return isPlain ? slice : { ...slice, hasFailed: false, isFresh: false, hasOverflowed: false };
}

function failed(slice: Contexts, event: AgentEvent & { readonly type: 'context.failed' }): Contexts {
  const isErased = event.erased === true;
  if (slice.open === null || (!isErased && event.data.call !== slice.open.seq)) return slice;
  const hasFailed = slice.hasFailed || isErased || event.data.why === 'error';
  return { ...slice, open: null, settledBy: event.seq, taken: 0, hasFailed };
}

/** Whether a summary is waited for: one that came late changes nothing. Of one without words the call is not known: it is that of the open one. */
export function isDue({ open }: Contexts, event: AgentEvent & { readonly type: 'context.compacted' }): boolean {
  const isErased = event.erased === true;
  const call = isErased ? open?.seq : event.data.call;
  return call === undefined ? !isErased && open === null : call === open?.seq;
}

/** A summary that came late stands for messages that are not there any more; it changes nothing. */
function compacted(slice: Contexts, event: AgentEvent & { readonly type: 'context.compacted' }, { turn, memory }: AgentState): Contexts {
  const { open, summary, notes } = slice;
  const isErased = event.erased === true;
  if (!isDue(slice, event)) return slice;
  const taken = Math.min(isErased ? (open?.messages ?? 0) : event.data.messages, turn.messages.count);
  if (!(taken > 0)) return { ...slice, open: null, settledBy: event.seq, taken: 0 };
  const text = isErased ? '[erased]' : (event.data.summary ?? summary?.text ?? '');
  const kept = turn.messages.shared.slice(taken, turn.messages.count);
  return {
    open: null,
    settledBy: event.seq,
    taken,
    summary: { text, messages: (summary?.messages ?? 0) + taken - notes },
    notes: 1 + memory.parts.filter(({ blocks }) => blocks > 0).length,
    turns: kept.filter(isQuestion).length,
    hasFailed: slice.hasFailed,
    isFresh: true,
    hasOverflowed: false,
  };
}
