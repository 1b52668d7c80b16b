import { known } from '../events.ts';
import type { Facet, SessionSlice } from '../state.ts';

/** Identity, definition in force, fork and close. Before any effect of an open turn a changed definition is recorded. */
export const sessionFacet: Facet<SessionSlice> & { readonly name: 'session' } = {
  name: 'session',
  version: 1,
  types: ['session.created', 'session.configured', 'session.forked', 'session.closed', 'turn.started', 'subject.erased'],
  initial: { agent: '', definition: '', subject: null, parent: null, effects: 'live', isClosed: false, isErased: false, tokens: 1 },
  evolve(slice, raw) {
    const event = known(raw);
    switch (event?.type) {
      case 'session.created':
        return { ...slice, agent: event.data.agent, subject: event.data.subject ?? null, tokens: event.data.tokens ?? 1 };
      case 'turn.started':
        return slice.definition === event.data.definition.ref ? slice : { ...slice, definition: event.data.definition.ref };
      case 'session.configured':
        return { ...slice, definition: event.data.to };
      case 'session.forked':
        return { ...slice, parent: { sid: event.data.parent, at: event.data.at }, effects: event.data.effects };
      case 'subject.erased':
        return slice.subject !== null && slice.subject === event.data.subject ? { ...slice, isErased: true } : slice;
      case 'session.closed':
        return { ...slice, isClosed: true };
      default:
        return slice;
    }
  },
  decide(state, bound) {
    if (state.turn.open === null || state.session.definition === bound.digest) return null;
    return [{ type: 'session.configured', data: { from: state.session.definition, to: bound.digest } }];
  },
};
