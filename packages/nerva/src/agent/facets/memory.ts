import { known, type AgentEvent } from '../events.ts';
import { memoryNote } from '../messages.ts';
import type { Facet, Memories } from '../state.ts';

const FIRST: Memories = {
  open: null,
  settledBy: null,
  turn: -1,
  notes: 0,
  blocks: 0,
  fixed: '',
  core: '',
  told: new Set(),
  note: null,
  notedBy: null,
  subject: null,
};

/** What the agent was told of its memory, and in which turn it was read last. A reading that is lost with its process is made anew. */
export const memoryFacet: Facet<Memories> & { readonly name: 'memory' } = {
  name: 'memory',
  version: 1,
  types: ['memory.called', 'memory.recalled', 'memory.told', 'memory.failed', 'subject.erased', 'context.compacted', 'session.forked'],
  initial: FIRST,
  evolve(slice, raw, state) {
    const event = known(raw);
    switch (event?.type) {
      case 'memory.called':
        return { ...slice, open: { seq: raw.seq, epoch: raw.epoch }, turn: state.turn.open?.seq ?? -1 };
      case 'memory.recalled':
        if (slice.open?.seq !== event.data.call) return slice;
        return { ...slice, open: null, settledBy: raw.seq, notes: event.data.notes, blocks: event.data.blocks };
      case 'memory.told':
        return slice.settledBy === raw.seq - 1 ? told(slice, event) : slice;
      case 'memory.failed':
        if (slice.open === null || (raw.erased !== true && event.data.call !== slice.open.seq)) return slice;
        return { ...slice, open: null, settledBy: raw.seq, notes: 0, turn: event.data.why === 'lost' ? -1 : slice.turn };
      case 'subject.erased':
        return event.data.subject === slice.subject ? { ...slice, fixed: '', core: '', note: memoryNote(null), notedBy: raw.seq } : slice;
      case 'context.compacted':
        return { ...slice, told: FIRST.told };
      case 'session.forked':
        return slice.open === null ? slice : { ...slice, open: null, turn: -1 };
      default:
        return slice;
    }
  },
  decide(state, _bound, epoch) {
    const { open } = state.memory;
    if (open === null) return null;
    return open.epoch === epoch ? 'wait' : [{ type: 'memory.failed', data: { call: open.seq, why: 'lost' } }];
  },
};

/** What is in the memory. Of one whose subject was erased only that something was told is known. */
function told(slice: Memories, event: AgentEvent & { readonly type: 'memory.told' }): Memories {
  const subject = event.subject ?? null;
  const noted = slice.notes > 0 ? { notedBy: event.seq } : {};
  if (event.erased === true) return { ...slice, ...noted, fixed: '', core: '', note: memoryNote(null), subject };
  const { fixed = slice.fixed, core = slice.core, entries = [] } = event.data;
  return {
    ...slice,
    ...noted,
    fixed,
    core,
    told: new Set([...slice.told, ...entries.map(({ id }) => id)]),
    note: memoryNote({ core: event.data.core ?? '', entries }),
    subject,
  };
}
