import type { Seq } from '../../log/index.ts';
import { known, type AgentEvent, type Reserve } from '../events.ts';
import type { AgentState, Budgets, Facet, Tally } from '../state.ts';

const NOTHING: Tally = { tokens: 0, usd: 0, inputTokens: 0, outputTokens: 0, unknown: 0 };

/** Counts what was spent. A call that was lost or cut off keeps its reservation as spent: nobody knows what it took. */
export const budgetFacet: Facet<Budgets> & { readonly name: 'budget' } = {
  name: 'budget',
  version: 1,
  types: [
    'session.created',
    'turn.started',
    'model.called',
    'model.answered',
    'model.failed',
    'model.interrupted',
    'context.called',
    'context.compacted',
    'context.failed',
    'session.forked',
  ],
  initial: { session: NOTHING, turn: NOTHING, reserved: null, seen: { tokens: 0, messages: 0 }, startedMs: 0 },
  evolve(slice, raw, state) {
    const event = known(raw);
    switch (event?.type) {
      case 'session.created':
        return { ...slice, startedMs: raw.atMs };
      case 'turn.started':
        return { ...slice, turn: NOTHING };
      case 'model.called':
      case 'context.called':
        return reserved(slice, raw.seq, event.data.reserve);
      case 'model.answered':
        return answered(slice, event, state);
      case 'model.failed':
        if (event.erased === true) return state.model.settledBy === raw.seq ? keep(slice) : slice;
        return slice.reserved?.seq === event.data.call ? unanswered(slice, event.data.why === 'lost') : slice;
      case 'model.interrupted':
        // A late one is of a call that was given up, and paid for, before.
        return state.model.settledBy === raw.seq ? keep(slice) : slice;
      case 'context.compacted':
        return compacted(slice, event, state);
      case 'context.failed':
        return state.context.settledBy === raw.seq ? unanswered(slice, event.erased === true || event.data.why !== 'error') : slice;
      case 'session.forked':
        return slice.reserved === null ? slice : { ...slice, reserved: null }; // the parent's call is the parent's to pay
      default:
        return slice;
    }
  },
};

function reserved(slice: Budgets, seq: Seq, reserve: Reserve | undefined): Budgets {
  return reserve === undefined ? slice : { ...slice, reserved: { seq, tokens: reserve.tokens, usd: reserve.usd ?? 0 } };
}

const unanswered = (slice: Budgets, isPaid: boolean): Budgets => (isPaid ? keep(slice) : { ...slice, reserved: null });

/** What the provider counted before was of another prompt. */
function compacted(slice: Budgets, event: AgentEvent & { readonly type: 'context.compacted' }, state: AgentState): Budgets {
  const paid = event.erased !== true && event.data.call === undefined ? slice : answered(slice, event, state);
  return state.context.settledBy === event.seq ? { ...paid, seen: NONE_SEEN } : paid;
}

const NONE_SEEN: Budgets['seen'] = { tokens: 0, messages: 0 };

function answered(
  slice: Budgets,
  event: AgentEvent & { readonly type: 'model.answered' | 'context.compacted' },
  state: AgentState,
): Budgets {
  // A late answer of an earlier call is paid for too; it settles no other call's reservation and is no part of the conversation.
  const isLate = (event.type === 'model.answered' ? state.model : state.context).settledBy !== event.seq;
  if (event.erased === true) return isLate ? slice : keep(slice);
  const { inputTokens = null, outputTokens = null } = event.data.usage ?? {};
  const reserved = slice.reserved !== null && slice.reserved.seq === event.data.call ? slice.reserved : { tokens: 0, usd: 0 };
  const isKnown = inputTokens !== null && outputTokens !== null;
  const took: Tally = {
    tokens: isKnown ? inputTokens + outputTokens : reserved.tokens,
    usd: event.data.usd ?? reserved.usd,
    inputTokens: inputTokens ?? 0,
    outputTokens: outputTokens ?? 0,
    unknown: isKnown ? 0 : 1,
  };
  const seen = isKnown && !isLate ? { tokens: took.tokens, messages: state.turn.messages.count } : slice.seen;
  return { ...slice, session: add(slice.session, took), turn: add(slice.turn, took), reserved: isLate ? slice.reserved : null, seen };
}

const add = (a: Tally, b: Tally): Tally => ({
  tokens: a.tokens + b.tokens,
  usd: a.usd + b.usd,
  inputTokens: a.inputTokens + b.inputTokens,
  outputTokens: a.outputTokens + b.outputTokens,
  unknown: a.unknown + b.unknown,
});

function keep(slice: Budgets): Budgets {
  if (slice.reserved === null) return slice;
  const took: Tally = { tokens: slice.reserved.tokens, usd: slice.reserved.usd, inputTokens: 0, outputTokens: 0, unknown: 1 };
  return { ...slice, session: add(slice.session, took), turn: add(slice.turn, took), reserved: null };
}
