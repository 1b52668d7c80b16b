import { fold, type Seq, type Sid, type Store } from '../log/index.ts';
import type { Message } from '../model/index.ts';
import { items } from './list.ts';
import { pendingOf, type Pending } from './outcome.ts';
import { reducerOf } from './reducer.ts';
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
export async function foldAt(
  store: Store,
  sid: Sid,
  options: { readonly upto?: Seq; readonly facets?: readonly Facet<unknown>[] } = {},
): Promise<View> {
  const { state } = await fold(store, sid, reducerOf(options.facets ?? NONE), options.upto === undefined ? {} : { upto: options.upto });
  return viewOf(state);
}

const NONE: readonly Facet<unknown>[] = [];

/** What a state shows. */
export function viewOf(state: AgentState): View {
  const { sid, head, nowMs, turn } = state;
  return { sid, seq: head - 1, atMs: nowMs, messages: items(turn.messages).slice(), last: turn.last, pending: pendingOf(state), state };
}
