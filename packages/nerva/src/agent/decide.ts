import type { Bound } from './definition.ts';
import { FACETS } from './fold.ts';
import type { AgentState, Facet, Wish } from './state.ts';

/**
 * What the session wants next: drafts of one frame, the policy's opinion, to wait, or nothing. Pure, and O(open work).
 * `epoch` is that of the driver that asks: what an earlier one left open is lost.
 */
export function decide(state: AgentState, bound: Bound, epoch: number, added: readonly Facet<unknown>[] = []): Wish {
  return firstWish(FACETS, state, bound, epoch) ?? firstWish(added, state, bound, epoch);
}

function firstWish(facets: readonly Pick<Facet<unknown>, 'decide'>[], state: AgentState, bound: Bound, epoch: number): Wish {
  for (const facet of facets) {
    const wish = facet.decide?.(state, bound, epoch) ?? null;
    if (wish !== null) return wish;
  }
  return null;
}
