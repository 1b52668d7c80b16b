import type { Seq } from '../../log/index.ts';
import { known } from '../events.ts';
import type { Approval, Approvals, Facet } from '../state.ts';

/** Folds questions and answers. What is asked, and when, is decided with the call (tool facet). */
export const approvalFacet: Facet<Approvals> & { readonly name: 'approval' } = {
  name: 'approval',
  version: 1,
  types: ['approval.requested', 'approval.granted', 'approval.denied', 'session.forked', 'turn.started'],
  initial: new Map(),
  evolve(slice, raw) {
    const event = known(raw);
    switch (event?.type) {
      case 'approval.requested': {
        const { answer, part, digest } = event.data;
        return new Map(slice).set(raw.seq, { seq: raw.seq, asker: answer, part, digest, status: 'open', settledBy: null, by: '', why: '' });
      }
      case 'approval.granted':
      case 'approval.denied': {
        const asked = slice.get(event.data.approval);
        if (asked?.status !== 'open') return slice;
        const answered = { ...asked, settledBy: raw.seq, by: event.data.by ?? '' };
        const settled: Approval =
          event.type === 'approval.granted'
            ? { ...answered, status: 'granted', ...(event.data.answer === undefined ? {} : { answer: event.data.answer }) }
            : { ...answered, status: 'denied', why: event.data.why };
        return new Map(slice).set(asked.seq, settled);
      }
      // A grant in one log never counts in another; a new turn asks anew.
      case 'session.forked':
      case 'turn.started':
        return slice.size === 0 ? slice : new Map();
      default:
        return slice;
    }
  },
};

/** The newest question about a proposed call. */
export function approvalOf(approvals: Approvals, asker: Seq, part: number): Approval | null {
  let found: Approval | null = null;
  for (const approval of approvals.values()) if (approval.asker === asker && approval.part === part) found = approval;
  return found;
}
