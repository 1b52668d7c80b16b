import { known } from '../events.ts';
import type { Facet, ModelCalls } from '../state.ts';

/** One model call at a time. A call whose process is gone is lost, never taken up by another. */
export const modelFacet: Facet<ModelCalls> & { readonly name: 'model' } = {
  name: 'model',
  version: 1,
  types: ['model.called', 'model.answered', 'model.failed', 'model.interrupted', 'session.forked'],
  initial: { open: null, settledBy: null, count: 0 },
  evolve(slice, raw) {
    const event = known(raw);
    switch (event?.type) {
      case 'model.called':
        return {
          open: { seq: raw.seq, epoch: raw.epoch, digest: event.data.digest, reserve: event.data.reserve ?? null },
          settledBy: null,
          count: slice.count + 1,
        };
      case 'model.answered':
      case 'model.failed':
      case 'model.interrupted':
        return slice.open !== null && (raw.erased === true || event.data.call === slice.open.seq)
          ? { ...slice, open: null, settledBy: raw.seq }
          : slice;
      case 'session.forked':
        return slice.open === null ? slice : { ...slice, open: null };
      default:
        return slice;
    }
  },
  decide(state, _bound, epoch) {
    const { open } = state.model;
    if (open === null) return null;
    if (open.epoch !== epoch) return [{ type: 'model.failed', data: { call: open.seq, why: 'lost' } }];
    return 'wait';
  },
};
