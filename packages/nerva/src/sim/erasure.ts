import type { AgentState } from '../agent/index.ts';
import type { Json } from '../core/index.ts';
import type { LogEvent, Sid } from '../log/index.ts';
import type { Audit } from './audit.ts';
import type { Hub } from './hub.ts';
import type { SimStore } from './store.ts';

/** A run in which somebody may have been erased. */
export interface Erasing {
  readonly hub: Hub;
  readonly audit: Audit;
  readonly store: SimStore;
}

/** A session at rest: what is stored of it, and what it folds to. */
export interface Rested {
  readonly sid: Sid;
  readonly log: readonly LogEvent[];
  readonly state: AgentState;
}

const LAW = 'an erased subject leaves no byte';
/** Whose values are words of the vocabulary or names of the definition, and nothing that anybody said. */
const WORDS: ReadonlySet<string> = new Set(['type', 'id', 'name', 'deliver', 'finish', 'mediaType', 'model', 'policy', 'ref']);
/** Shorter pieces are words that anybody may use. */
const PIECE_MIN = 8;
/** Of long contents the beginning tells. */
const PIECE_MAX = 200;
/** No escape of JSON and no other encoding changes these. */
const PIECES = new RegExp(`[A-Za-z0-9 .,:;-]{${PIECE_MIN},${PIECE_MAX}}`, 'g');

/** Of an erased subject no byte is left: not in its events, not in what they fold to, not in blobs, not on the disk. */
export async function judgeErasure({ hub, audit, store }: Erasing, sessions: readonly Rested[]): Promise<void> {
  const erased = erasedIn(audit);
  if (erased.size === 0) return;
  for (const { sid, log } of sessions)
    for (const { seq, type, subject, erased: isErased, data } of log)
      if (subject !== undefined && erased.has(subject) && (isErased !== true || Object.keys(data).length > 0))
        hub.violated(LAW, `Session ${sid}: ${type} ${seq} of ${subject} can still be read.`);
  const pieces = piecesOf(audit, erased);
  for (const { subject, ref, content } of store.sealed) {
    if (!erased.has(subject)) continue;
    const text = Buffer.from(content).toString('latin1');
    for (const piece of text.match(PIECES)?.slice(0, 1) ?? []) pieces.add(piece);
    const isOthers = store.sealed.some((other) => other.ref === ref && !erased.has(other.subject));
    const isThere = await store.inspected.blobs.get(ref, { start: 0, end: 1 }).then(
      () => true,
      () => false,
    );
    if (isThere && !isOthers) hub.violated(LAW, `A blob of ${subject} can still be read: ${ref}.`);
  }
  const disk = store.text();
  for (const { sid, state } of sessions) {
    const shown = JSON.stringify(state, (_key, value: unknown) =>
      value instanceof Map ? [...(value as ReadonlyMap<unknown, unknown>)] : value,
    );
    for (const piece of pieces) if (shown.includes(piece)) hub.violated(LAW, `The fold of ${sid} still holds ${JSON.stringify(piece)}.`);
  }
  for (const piece of pieces) if (disk.includes(piece)) hub.violated(LAW, `The disk still holds ${JSON.stringify(piece)}.`);
}

/** The first event of a log whose content is gone, or Infinity: what was decided from then on cannot be decided again. */
export function firstErased(log: readonly LogEvent[]): number {
  return log.find(({ erased }) => erased === true)?.seq ?? Infinity;
}

function erasedIn({ kept }: Audit): ReadonlySet<string> {
  const subjects = new Set<string>();
  for (const { book } of kept.values())
    for (const { type, data } of book.events) if (type === 'subject.erased') subjects.add(String(data['subject']));
  return subjects;
}

/** Pieces of text that only events of the erased held. */
function piecesOf({ kept }: Audit, erased: ReadonlySet<string>): Set<string> {
  const pieces = new Set<string>();
  let others = '';
  for (const { book } of kept.values()) {
    for (const { type, data, subject } of book.events) {
      if (subject !== undefined && erased.has(subject)) gather(data, pieces);
      else others += `${type} ${JSON.stringify(data)}\n`;
    }
  }
  for (const piece of pieces) if (others.includes(piece)) pieces.delete(piece);
  return pieces;
}

function gather(value: Json, pieces: Set<string>): void {
  if (typeof value === 'string') for (const piece of value.match(PIECES) ?? []) pieces.add(piece);
  if (typeof value !== 'object' || value === null) return;
  for (const [key, one] of Object.entries(value)) if (!WORDS.has(key)) gather(one as Json, pieces);
}
