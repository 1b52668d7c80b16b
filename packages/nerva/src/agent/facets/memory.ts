import type { Sid } from '../../log/index.ts';
import { known, type AgentEvent } from '../events.ts';
import type { Facet, Memories, MemoryPart } from '../state.ts';
import { isDue } from './context.ts';

const FIRST: Memories = {
  open: null,
  settledBy: null,
  turn: -1,
  at: 0,
  notes: 0,
  parts: [],
  told: new Set(),
  notedBy: null,
  owners: [],
};

const UNREAD: MemoryPart = { scope: null, blocks: 0, fixed: '', core: '', subject: null };

/** What the agent was told of its memories, and in which turn they were read last. A reading that is lost with its process is made anew. */
export const memoryFacet: Facet<Memories> & { readonly name: 'memory' } = {
  name: 'memory',
  version: 1,
  types: ['memory.called', 'memory.recalled', 'memory.told', 'memory.failed', 'subject.erased', 'context.compacted', 'session.forked'],
  initial: FIRST,
  evolve(slice, raw, state) {
    const event = known(raw);
    switch (event?.type) {
      case 'memory.called':
        return called(slice, event, state.turn.open?.seq ?? -1);
      case 'memory.recalled':
        return recalled(slice, event);
      case 'memory.told':
        return slice.settledBy === raw.seq - 1 ? told(slice, event) : slice;
      case 'memory.failed':
        return failed(slice, event);
      case 'subject.erased':
        return { ...slice, parts: slice.parts.map((part) => (part.subject === event.data.subject ? wordless(part) : part)) };
      case 'context.compacted':
        // What a summary that came late stands for is still in the prompt.
        return isDue(state.context, event) ? { ...slice, told: FIRST.told } : slice;
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

/** What was told of a memory, by its place among the agent's and its scope. What another was told that had the place before says nothing of it. */
export function partAt({ parts }: Memories, at: number, scope: string | null): MemoryPart {
  const part = parts[at];
  return part === undefined || part.scope !== scope ? { ...UNREAD, scope } : part;
}

/** The scope of a memory's log among others; null where it is the only one. */
export const scopeAmong = (log: Sid, count: number): string | null => (count === 1 ? null : `${log}`.replace(/^scope:/, ''));

const wordless = (part: MemoryPart): MemoryPart => ({ ...part, fixed: '', core: '' });

/** Memories that the agent has no more say nothing from here on. */
function called(slice: Memories, { seq, epoch, data }: AgentEvent & { readonly type: 'memory.called' }, turn: number): Memories {
  const { memories: count = 1 } = data;
  return { ...slice, open: { seq, epoch, count, left: count }, turn, parts: slice.parts.slice(0, count) };
}

/** One outcome more; the last ends the reading. */
function settled(slice: Memories, open: NonNullable<Memories['open']>, seq: number): Memories {
  const left = open.left - 1;
  return { ...slice, open: left > 0 ? { ...open, left } : null, settledBy: seq, at: open.count - open.left, notes: 0 };
}

function recalled(slice: Memories, { seq, data }: AgentEvent & { readonly type: 'memory.recalled' }): Memories {
  if (slice.open?.seq !== data.call) return slice;
  const next = settled(slice, slice.open, seq);
  const part = partAt(slice, next.at, scopeAmong(data.log, slice.open.count));
  return { ...next, notes: data.notes, parts: placed(slice.parts, next.at, { ...part, blocks: data.blocks }) };
}

/** Of one whose words are erased it is not known which reading it is of: only those of who began this one count. */
function failed(slice: Memories, event: AgentEvent & { readonly type: 'memory.failed' }): Memories {
  const { open } = slice;
  if (open === null) return slice;
  if (event.erased === true) return event.epoch === open.epoch ? settled(slice, open, event.seq) : slice;
  if (event.data.call !== open.seq) return slice;
  return event.data.why === 'lost' ? { ...slice, open: null, settledBy: event.seq, notes: 0, turn: -1 } : settled(slice, open, event.seq);
}

/** What is in a memory. Of one whose subject was erased only that something was told is known. */
function told(slice: Memories, event: AgentEvent & { readonly type: 'memory.told' }): Memories {
  const { at, owners } = slice;
  const subject = event.subject ?? null;
  const part = { ...(slice.parts[at] ?? UNREAD), subject };
  const isKnown = subject === null || owners.some((owner) => owner.subject === subject && owner.scope === part.scope);
  const next = {
    ...slice,
    ...(slice.notes > 0 ? { notedBy: event.seq } : {}),
    owners: isKnown ? owners : [...owners, { scope: part.scope, subject }],
  };
  if (event.erased === true) return { ...next, parts: placed(slice.parts, at, wordless(part)) };
  const { fixed = part.fixed, core = part.core, entries = [] } = event.data;
  return {
    ...next,
    parts: placed(slice.parts, at, { ...part, fixed, core }),
    told: new Set([...slice.told, ...entries.map(({ id }) => id)]),
  };
}

/** Places before it that nothing was read of stay unread. */
function placed(parts: readonly MemoryPart[], at: number, part: MemoryPart): readonly MemoryPart[] {
  return Array.from({ length: Math.max(parts.length, at + 1) }, (_, index) => (index === at ? part : (parts[index] ?? UNREAD)));
}
