import { NervaError } from '../core/index.ts';
import { eventsOf, type Seq, type Sid, type Store } from '../log/index.ts';
import type { Message } from '../model/index.ts';
import { evolve, initial } from './fold.ts';
import { items } from './list.ts';
import { pendingOf, type Pending } from './outcome.ts';
import type { AgentState, Ended, Facet } from './state.ts';

/** A session at one point of its log. */
export interface View {
  readonly sid: Sid;
  /** The last event seen. */
  readonly seq: Seq;
  readonly atMs: number;
  readonly messages: readonly Message[];
  readonly last: Ended | null;
  readonly pending: readonly Pending[];
  readonly state: AgentState;
}

/** Folds a session up to and including `upto` (default: its end). O(events). @throws LOG_RANGE, SESSION_UNKNOWN, LOG_PRUNED */
export async function foldAt(store: Store, sid: Sid, options: { readonly upto?: Seq; readonly facets?: readonly Facet<unknown>[] } = {}): Promise<View> {
  const facets = options.facets ?? [];
  const { head } = await store.info(sid);
  const upto = options.upto ?? head - 1;
  if (!Number.isSafeInteger(upto) || upto < 0 || upto >= head) {
    throw new NervaError('LOG_RANGE', `Session ${sid} has events 0…${head - 1}; event ${String(upto)} was asked for.`, { details: { sid, head, seq: upto } });
  }
  let state = initial(sid, facets);
  while (state.head <= upto) {
    const frames = await store.read(sid, { after: state.head - 1, upto });
    if (frames.length === 0) break;
    for (const frame of frames) for (const event of eventsOf(frame)) if (event.seq >= state.head) state = evolve(state, event, facets);
  }
  return viewOf(state);
}

/** What a state shows. */
export function viewOf(state: AgentState): View {
  const { sid, head, nowMs, turn } = state;
  return { sid, seq: head - 1, atMs: nowMs, messages: items(turn.messages).slice(), last: turn.last, pending: pendingOf(state), state };
}
