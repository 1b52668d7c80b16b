import type { LogEvent, Seq } from 'nerva/log';
import { placeOf, read, type Chunk, type DocumentData, type KnowledgeData, type Place } from './events.ts';

/** A document as it stands. */
export interface KnownDocument extends DocumentData {
  /** The event that added this version. */
  readonly id: Seq;
  readonly addedMs: number;
  /** Whose personal data it is; absent where it is nobody's. */
  readonly subject?: string | undefined;
  /** Its pieces in their order; a text that stands there twice is one piece with two places. */
  readonly chunks: readonly { readonly chunk: Seq; readonly place: Place }[];
}

/** A version that is not whole yet. */
interface Pending {
  readonly id: Seq;
  readonly data: DocumentData;
  readonly addedMs: number;
  readonly subject: string | undefined;
  readonly chunks: Set<Seq>;
}

/** What an event changed of what can be found: `added` are new, or are found by something else now. */
export interface Changed {
  readonly added: readonly Seq[];
  readonly removed: readonly Seq[];
}

const NOTHING: Changed = { added: [], removed: [] };

/**
 * What the log of a knowledge base folds to, event by event. Total: what does not fit changes nothing but the head.
 * Invariants: K1 a document has one version, the last that was processed · K2 each piece belongs to one document, or to a version that is not whole yet.
 */
export class KnowledgeFold {
  head: Seq = 0;
  /** The log does not begin like that of a knowledge base. */
  isForeign = false;
  readonly documents = new Map<string, KnownDocument>();
  readonly pending = new Map<string, Pending>();
  readonly chunks = new Map<Seq, Chunk & { readonly path: string; readonly subject: string | undefined }>();
  /** The first document that says this, by `sayingOf`: what is one subject's is no copy of another's. */
  readonly saying = new Map<string, string>();
  /** The documents that say the same as this one. */
  readonly same = new Map<string, Set<string>>();
  /** The path of each version that stands or is pending, by its id. */
  readonly paths = new Map<Seq, string>();

  /** Folds the next event. */
  apply(event: LogEvent): Changed {
    this.head = event.seq + 1;
    if (event.seq === 0) this.isForeign = event.type !== 'knowledge.opened';
    const added = read(event, 'document.added');
    if (added !== null) this.#begin(event, added);
    const recorded = read(event, 'chunk.recorded');
    if (recorded !== null) this.#record(event.seq, recorded);
    const processed = read(event, 'document.processed');
    if (processed !== null) return this.#process(processed);
    const removed = read(event, 'documents.removed');
    return removed === null ? NOTHING : { added: [], removed: removed.paths.flatMap((path) => this.#remove(path)) };
  }

  /** Whether anything in it is a subject's. O(documents). */
  holds(subject: string): boolean {
    for (const known of [this.documents, this.pending]) for (const one of known.values()) if (one.subject === subject) return true;
    return false;
  }

  #begin({ seq, atMs, subject }: LogEvent, data: DocumentData): void {
    const before = this.pending.get(data.path);
    const chunks = new Set<Seq>();
    // What was recorded of a version that never became whole may serve this one.
    for (const chunk of before?.chunks ?? []) chunks.add(chunk);
    if (before !== undefined) this.paths.delete(before.id);
    this.paths.set(seq, data.path);
    this.pending.set(data.path, { id: seq, data, addedMs: atMs, subject, chunks });
  }

  #record(seq: Seq, { document, text, context }: KnowledgeData['chunk.recorded']): void {
    const pending = this.#pendingOf(document);
    if (pending === undefined) return;
    pending.chunks.add(seq);
    this.chunks.set(seq, { text, context, path: pending.data.path, subject: pending.subject });
  }

  #process({ document, chunks }: KnowledgeData['document.processed']): Changed {
    const pending = this.#pendingOf(document);
    if (pending === undefined) return NOTHING;
    const { id, data, addedMs, subject } = pending;
    const before = this.documents.get(data.path);
    const old = new Set(before?.chunks.map(({ chunk }) => chunk));
    const placed = chunks.filter(([chunk]) => this.chunks.get(chunk)?.path === data.path);
    const its = new Set(placed.map(([chunk]) => chunk));
    const removed = Array.from(old).filter((chunk) => !its.has(chunk));
    for (const chunk of [...removed, ...Array.from(pending.chunks).filter((one) => !its.has(one))]) this.chunks.delete(chunk);
    this.pending.delete(data.path);
    this.#leave(data.path);
    this.documents.set(data.path, {
      ...data,
      id,
      addedMs,
      subject,
      chunks: placed.map(([chunk, row]) => ({ chunk, place: placeOf(row) })),
    });
    const { duplicateOf, textHash, path } = data;
    const saying = sayingOf(textHash, subject);
    if (duplicateOf !== null) this.same.set(duplicateOf.path, (this.same.get(duplicateOf.path) ?? new Set()).add(path));
    else if (!this.saying.has(saying)) this.saying.set(saying, path);
    // What is found by its title is found by another one now.
    const isRenamed = before?.title !== data.title;
    return { added: Array.from(its).filter((chunk) => isRenamed || !old.has(chunk)), removed };
  }

  #remove(path: string): readonly Seq[] {
    const document = this.documents.get(path);
    const removed = new Set([...(document?.chunks.map(({ chunk }) => chunk) ?? []), ...(this.pending.get(path)?.chunks ?? [])]);
    for (const chunk of removed) this.chunks.delete(chunk);
    this.#leave(path);
    const pending = this.pending.get(path);
    if (pending !== undefined) this.paths.delete(pending.id);
    this.documents.delete(path);
    this.pending.delete(path);
    return Array.from(removed);
  }

  #pendingOf(document: Seq): Pending | undefined {
    const pending = this.pending.get(this.paths.get(document) ?? '');
    return pending?.id === document ? pending : undefined;
  }

  /** The version that stood says nothing any more. */
  #leave(path: string): void {
    const before = this.documents.get(path);
    if (before === undefined) return;
    this.paths.delete(before.id);
    const saying = sayingOf(before.textHash, before.subject);
    if (this.saying.get(saying) === path) this.saying.delete(saying);
    if (before.duplicateOf !== null) this.same.get(before.duplicateOf.path)?.delete(path);
  }
}

/** What a text is known by among those of a subject. */
export const sayingOf = (textHash: string, subject: string | undefined): string => JSON.stringify([textHash, subject ?? null]);
