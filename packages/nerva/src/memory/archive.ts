import type { EventId, Seq } from '../log/index.ts';
import { seqOf, type Entry } from './entries.ts';
import { recallIndex, type Hit } from './recall.ts';

/** What is looked for. */
export interface ArchiveQuery {
  readonly query: string;
  readonly limit: number;
  /** Which entries are looked at. */
  readonly fits: (entry: Entry) => boolean;
  /** Tags that all of those have. */
  readonly tags: readonly string[];
}

/** An entry that was found. */
export interface Found extends Hit {
  readonly entry: Entry;
}

/** The entries of a memory: by id, and found by their words. What it gives out is a value and does not change. */
export interface Archive {
  readonly size: number;
  get(id: EventId): Entry | undefined;
  /** All, or those that were recorded after a place, in the order of the log. */
  values(after?: Seq): Iterable<Entry>;
  /** Keeps an entry that is new, or as it is now. `subject`: whose data the event is that says so. Its text and its times never change. */
  put(entry: Entry, subject: string | undefined): void;
  /** The best for a question, best first; what does not fit is left out before anything is ranked. */
  search(asked: ArchiveQuery): readonly Found[];
  /** Leaves nothing of what a subject's events said. @returns false, and nothing is changed, where that can only be had from the log anew. */
  erase(subject: string): boolean;
}

/** An archive that lives and dies with its process, and is made from the log each time. O(entries) of memory. */
export function memoryArchive(): Archive {
  const entries = new Map<EventId, Entry>();
  const ids: EventId[] = [];
  const subjects = new Set<string>();
  const index = recallIndex();
  return {
    get size() {
      return entries.size;
    },
    get: (id) => entries.get(id),
    *values(after = -1) {
      for (let at = firstAfter(ids, after); at < ids.length; at++) {
        const entry = entries.get(ids[at] as EventId);
        if (entry !== undefined) yield entry;
      }
    },
    put(entry, subject) {
      if (!entries.has(entry.id)) {
        ids.push(entry.id);
        index.add({ id: entry.id, text: entry.text, atMs: entry.validMs });
      }
      entries.set(entry.id, entry);
      if (subject !== undefined) subjects.add(subject);
    },
    search({ query, limit, fits }) {
      const only = (id: string): boolean => {
        const entry = entries.get(id as EventId);
        return entry !== undefined && fits(entry);
      };
      return withEntries(index.search(query, { limit, only }), (id) => entries.get(id));
    },
    erase: (subject) => !subjects.has(subject),
  };
}

/** Hits with their entries. */
export function withEntries(hits: readonly Hit[], entry: (id: EventId) => Entry | undefined): readonly Found[] {
  return hits.flatMap((hit) => {
    const found = entry(hit.id as EventId);
    return found === undefined ? [] : [{ ...hit, entry: found }];
  });
}

/** Where the first id is that stands after a place in the log; they are in its order. */
function firstAfter(ids: readonly EventId[], after: Seq): number {
  let [from, to] = [0, ids.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (seqOf(ids[middle] as EventId) <= after) from = middle + 1;
    else to = middle;
  }
  return from;
}
