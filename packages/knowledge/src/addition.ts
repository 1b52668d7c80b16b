import type { EventDraft, Seq } from 'nerva/log';
import { placeRow, type Chunk, type DocumentData, type Place } from './events.ts';
import type { KnowledgeFold } from './fold.ts';

/** A version of a document that is to be. */
export interface NewDocument {
  readonly data: DocumentData;
  /** Whose personal data it is. */
  readonly subject?: string | undefined;
  /** In their order; none of a duplicate. */
  readonly chunks: readonly (Chunk & { readonly place: Place })[];
}

/** What is to be written for a document, at the head of the fold. */
export interface Addition {
  readonly drafts: readonly EventDraft[];
  readonly outcome: 'added' | 'changed' | 'unchanged';
  readonly chunksWritten: number;
  readonly chunksKept: number;
  readonly chunksRemoved: number;
}

/** Whether these are the same version. */
function isSame(known: NewVersion | undefined, { data: { hash, made, duplicateOf }, subject }: NewVersion): boolean {
  if (known === undefined || known.subject !== subject) return false;
  return known.data.hash === hash && known.data.made === made && known.data.duplicateOf?.document === duplicateOf?.document;
}
type NewVersion = Pick<NewDocument, 'data' | 'subject'>;

/** The events that make a version of a document the one that stands: what is recorded of it already is not recorded again. Pure. */
export function addition(fold: KnowledgeFold, { data, subject, chunks }: NewDocument): Addition {
  const before = fold.documents.get(data.path);
  const none = { drafts: [], outcome: 'unchanged', chunksWritten: 0, chunksKept: chunks.length, chunksRemoved: 0 } as const;
  const version = { data, subject };
  if (before !== undefined && isSame({ data: before, subject: before.subject }, version)) return none;
  const pending = fold.pending.get(data.path);
  const isBegun = pending !== undefined && isSame(pending, version);
  const drafts: EventDraft[] = isBegun ? [] : [{ type: 'document.added', data: { ...data } }];
  // A log that is empty yet begins with an event of its own.
  const first = fold.head === 0 ? 1 : fold.head;
  const document = isBegun ? pending.id : first;
  const known = new Map<string, Seq>();
  for (const seq of [...(pending?.chunks ?? []), ...(before?.chunks.map(({ chunk }) => chunk) ?? [])]) {
    const chunk = fold.chunks.get(seq);
    // What is sealed for one subject goes with that one's key.
    if (chunk !== undefined && chunk.subject === subject) known.set(keyOf(chunk), seq);
  }
  const kept = new Set<Seq>();
  const placed = chunks.map(({ text, context, place }) => {
    const there = known.get(keyOf({ text, context }));
    const seq = there ?? first + drafts.length;
    if (there === undefined) {
      drafts.push({ type: 'chunk.recorded', data: { document, text, context } });
      known.set(keyOf({ text, context }), seq);
    } else if (there < first) kept.add(there);
    return [seq, placeRow(place)] as const;
  });
  const chunksWritten = drafts.length - (isBegun ? 0 : 1);
  drafts.push({ type: 'document.processed', data: { document, chunks: placed } });
  const old = new Set(before?.chunks.map(({ chunk }) => chunk));
  const its = new Set(placed.map(([seq]) => seq));
  return {
    drafts: subject === undefined ? drafts : drafts.map((draft) => ({ ...draft, subject })),
    outcome: before === undefined ? 'added' : 'changed',
    chunksWritten,
    chunksKept: kept.size,
    chunksRemoved: Array.from(old).filter((seq) => !its.has(seq)).length,
  };
}

const keyOf = ({ text, context }: Chunk): string => JSON.stringify([context, text]);
