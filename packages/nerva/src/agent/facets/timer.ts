import { known } from '../events.ts';
import type { Facet, Timers } from '../state.ts';

/** Timers that are set. A process that dies takes its sleep with it: the next one sets it again, for the same time. */
export const timerFacet: Facet<Timers> & { readonly name: 'timer' } = {
  name: 'timer',
  version: 1,
  types: ['timer.set', 'timer.fired', 'turn.ended', 'session.forked'],
  initial: { open: [], firedBy: -1 },
  evolve(slice, raw) {
    const event = known(raw);
    switch (event?.type) {
      case 'timer.set': {
        const { again, atMs } = event.data;
        const timer = { seq: again ?? raw.seq, atMs, epoch: raw.epoch };
        return { ...slice, open: [...slice.open.filter(({ seq }) => seq !== timer.seq), timer] };
      }
      case 'timer.fired': {
        const open = slice.open.filter(({ seq }) => seq !== event.data.timer);
        return open.length === slice.open.length ? slice : { open, firedBy: raw.seq };
      }
      // They are the open turn's, and never a fork's.
      case 'turn.ended':
      case 'session.forked':
        return slice.open.length === 0 ? slice : { ...slice, open: [] };
      default:
        return slice;
    }
  },
  decide(state, _bound, epoch) {
    const { open } = state.timer;
    if (open.length === 0 || state.turn.open?.cancel !== null) return null;
    const lost = open.find((timer) => timer.epoch !== epoch);
    return lost === undefined ? 'wait' : [{ type: 'timer.set', data: { atMs: lost.atMs, why: 'retry', again: lost.seq } }];
  },
};
