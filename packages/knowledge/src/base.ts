import { checkOptions, checkRange, NervaError, toWellFormed, type JsonObject, type World } from 'nerva/core';
import { eventsOf, twice, type EventDraft, type EventId, type LogEvent, type Seq, type Sid, type Store } from 'nerva/log';
import { recallIndex, type RecallIndex } from 'nerva/memory';
import { addition, type NewDocument } from './addition.ts';
import { idOf, type Place } from './events.ts';
import { KnowledgeFold, sayingOf, type KnownDocument } from './fold.ts';
import type { DocumentType } from './detect.ts';

/** What `openKnowledge` takes. */
export interface KnowledgeOptions {
  readonly store: Store;
  readonly world: World;
  /** 1–100 of `A-Za-z0-9_.-`. Its log is the session `scope:knowledge:` and this. */
  readonly name: string;
  /** Is told what happens, after it did. What it throws is a bug of its own. */
  readonly onEvent?: (event: KnowledgeEvent) => void;
}

/** What a knowledge base tells its listener. Of one query: `retrieval.started`, then `cache.hit` or `cache.missed`, then `retrieval.completed`. */
export type KnowledgeEvent =
  | { readonly type: 'document.added' | 'document.processed' | 'document.removed'; readonly id: EventId; readonly path: string }
  | { readonly type: 'retrieval.started'; readonly query: string; readonly text: string }
  | { readonly type: 'cache.hit' | 'cache.missed'; readonly query: string }
  | { readonly type: 'retrieval.completed'; readonly query: string; readonly found: number };

/** What to look for. */
export interface QueryOptions {
  /** 1–100, default 5. */
  readonly limit?: number;
  /** Only in this file or folder, absolute. */
  readonly under?: string;
  readonly types?: readonly DocumentType[];
  /** Only in documents that have all of these. */
  readonly tags?: readonly string[];
}

/** Where something was found. */
export interface Citation {
  readonly path: string;
  readonly title: string | null;
  readonly place: Place;
  /** SHA-256 of the file as it was when it was ingested. */
  readonly hash: string;
  /** Other files that say the same. */
  readonly also: readonly string[];
}

/** A piece of a document that was found. */
export interface Found {
  /** The event that recorded it. */
  readonly id: EventId;
  readonly text: string;
  /** Headings that it stands under, outermost first. */
  readonly context: readonly string[];
  readonly citation: Citation;
  /** Higher is better; comparable within one query only. */
  readonly score: number;
}

/** What a query found. */
export interface Answer {
  /** The id of the query, as its events say it. */
  readonly query: string;
  /** Up to where the log of the base had been read. */
  readonly head: Seq;
  readonly found: readonly Found[];
}

/** What was written of a document. */
export interface Written {
  /** `unchanged`: nothing was written. */
  readonly outcome: 'added' | 'changed' | 'unchanged';
  readonly chunksWritten: number;
  readonly chunksKept: number;
  readonly chunksRemoved: number;
}

/** Appends tried when others write at the same time. */
const ATTEMPTS_MAX = 1_000;
/** Bytes of JSON and events of a frame, roughly: larger documents come in several. */
const FRAME_BYTES = 1_000_000;
/** Queries that are remembered. */
const CACHE_MAX = 100;
const UNCHANGED: Written = { outcome: 'unchanged', chunksWritten: 0, chunksKept: 0, chunksRemoved: 0 };

/** Opens a knowledge base: reads its log. Nothing is written before something is ingested. @throws OPTION_UNKNOWN, OPTION_INVALID, MEMORY_DENIED, LOG_PRUNED, SESSION_DELETED. */
export async function openKnowledge(options: KnowledgeOptions): Promise<Knowledge> {
  checkOptions(options, ['store', 'world', 'name', 'onEvent'], 'openKnowledge');
  if (typeof options.name !== 'string' || !/^[A-Za-z0-9_.-]{1,100}$/.test(options.name))
    throw new NervaError(
      'OPTION_INVALID',
      `The name of a knowledge base has 1 to 100 of A-Za-z0-9_.-; ${String(JSON.stringify(options.name)).slice(0, 110)} came. Nothing was read.`,
    );
  const base = new Knowledge(options);
  await base.refresh();
  return base;
}

/**
 * Documents, cut into pieces that are found by their words. It is a projection of one log: a version of a document is there as a whole or not
 * at all, and what is acknowledged is there for whoever opens the base next. One handle writes one change after the other.
 */
export class Knowledge {
  readonly sid: Sid;
  readonly name: string;
  readonly #store: Store;
  readonly #world: World;
  readonly #tell: (event: KnowledgeEvent) => void;
  #fold = new KnowledgeFold();
  /** Made when something is first looked for: who only ingests needs none. */
  #index: RecallIndex | null = null;
  readonly #answers = new Map<string, readonly Found[]>();
  #answersHead: Seq = 0;
  #reading: Promise<void> = Promise.resolve();
  #writing: Promise<unknown> = Promise.resolve();

  /** Use `openKnowledge`. */
  constructor({ store, world, name, onEvent }: KnowledgeOptions) {
    this.name = name;
    this.sid = `scope:knowledge:${name}`;
    this.#store = store;
    this.#world = world;
    this.#tell = onEvent ?? (() => undefined);
  }

  /** Events of its log. */
  get head(): Seq {
    return this.#fold.head;
  }

  /** SHA-256, as the world gives it. */
  digest(data: string | Uint8Array): string {
    return this.#world.digest(data);
  }

  /** Reads what others wrote before it was called. */
  refresh(): Promise<void> {
    const read = this.#reading.then(() => this.#read());
    this.#reading = read.catch(() => undefined);
    return read;
  }

  /** Its documents, by path. */
  documents(): readonly KnownDocument[] {
    return Array.from(this.#fold.documents.values()).sort((one, other) => (one.path < other.path ? -1 : 1));
  }

  /** The document of a file, or undefined. */
  document(path: string): KnownDocument | undefined {
    return this.#fold.documents.get(path);
  }

  /** The first document of a subject, or of nobody, that says the same, or undefined. */
  documentSaying(textHash: string, subject?: string): KnownDocument | undefined {
    return this.#fold.documents.get(this.#fold.saying.get(sayingOf(textHash, subject)) ?? '');
  }

  /** The pieces of a document in their order, each place apart. */
  chunks(
    path: string,
  ): readonly { readonly id: EventId; readonly text: string; readonly context: readonly string[]; readonly place: Place }[] {
    return (this.#fold.documents.get(path)?.chunks ?? []).map(({ chunk, place }) => {
      const { text = '', context = [] } = this.#fold.chunks.get(chunk) ?? {};
      return { id: idOf(this.sid, chunk), text, context, place };
    });
  }

  /** The pieces that answer a question best, best first. @throws OPTION_UNKNOWN, OPTION_INVALID. */
  query(text: string, options: QueryOptions = {}): Answer {
    checkOptions(options, ['limit', 'under', 'types', 'tags'], 'query');
    const limit = checkRange('limit', options.limit ?? 5, 1, 100);
    if (typeof text !== 'string')
      throw new NervaError('OPTION_INVALID', `What is looked for is a string; ${typeof text} came. Nothing was looked for.`);
    const query = this.#world.ids.next();
    this.#tell({ type: 'retrieval.started', query, text });
    if (this.#answersHead !== this.head) this.#answers.clear();
    this.#answersHead = this.head;
    const key = JSON.stringify([text, limit, options.under ?? null, options.types ?? null, options.tags ?? null]);
    const known = this.#answers.get(key);
    this.#tell({ type: known === undefined ? 'cache.missed' : 'cache.hit', query });
    const found = known ?? this.#search(text, { ...options, limit });
    this.#answers.delete(key);
    this.#answers.set(key, found);
    const [oldest] = this.#answers.keys();
    if (this.#answers.size > CACHE_MAX && oldest !== undefined) this.#answers.delete(oldest);
    this.#tell({ type: 'retrieval.completed', query, found: found.length });
    return { query, head: this.head, found };
  }

  /**
   * Makes this the version of the document: its pieces that are there already stay, new ones are written, the others go. Written at once or not
   * at all for readers; a kill in the midst leaves the version before, and the same again goes on where it ended.
   * @throws SESSION_FULL, SESSION_CLOSED, MEMORY_DENIED, FRAME_INVALID, SUBJECT_ERASED.
   */
  put(document: NewDocument): Promise<Written> {
    return this.#write(async () => {
      let written: Written | null = null;
      await this.#decide(`put ${document.data.path} ${document.data.hash} ${document.data.made} ${document.subject ?? ''}`, () => {
        const { drafts, ...rest } = addition(this.#fold, document);
        // What comes in several frames is decided on anew before each; the first time says what it is all in all.
        written ??= rest;
        return drafts;
      });
      return written ?? UNCHANGED;
    });
  }

  /** Takes documents out of it. @returns how many were there. @throws as `put`. */
  remove(paths: readonly string[]): Promise<number> {
    return this.#write(async () => {
      let count = 0;
      await this.#decide(`remove ${paths.join('\n')}`, () => {
        const there = paths.filter((path) => this.#fold.documents.has(path) || this.#fold.pending.has(path));
        count = Math.max(count, there.length);
        // A path may say of whom a file is: it is sealed as what it held was.
        const bySubject = Map.groupBy(there, (path) => (this.#fold.documents.get(path) ?? this.#fold.pending.get(path))?.subject);
        return Array.from(bySubject, ([subject, its]) => ({
          type: 'documents.removed',
          data: { paths: its },
          ...(subject === undefined ? {} : { subject }),
        }));
      });
      return count;
    });
  }

  #search(text: string, { limit = 5, under, types, tags = [] }: QueryOptions): readonly Found[] {
    const only = (id: string): boolean => {
      const document = this.#fold.documents.get(this.#fold.chunks.get(Number(id))?.path ?? '');
      if (document === undefined) return false;
      const isUnder = under === undefined || document.path === under || document.path.startsWith(under.endsWith('/') ? under : `${under}/`);
      return isUnder && (types === undefined || types.includes(document.type)) && tags.every((tag) => document.tags.includes(tag));
    };
    const hasFilter = under !== undefined || types !== undefined || tags.length > 0;
    return this.#indexed()
      .search(text, { limit, ...(hasFilter ? { only } : {}) })
      .flatMap(({ id, score }) => this.#found(Number(id), score));
  }

  #found(seq: Seq, score: number): readonly Found[] {
    const chunk = this.#fold.chunks.get(seq);
    const document = this.#fold.documents.get(chunk?.path ?? '');
    const place = document?.chunks.find((one) => one.chunk === seq)?.place;
    if (chunk === undefined || document === undefined || place === undefined) return [];
    const { path, title, hash } = document;
    const citation: Citation = { path, title, place, hash, also: Array.from(this.#fold.same.get(path) ?? []).sort() };
    return [{ id: idOf(this.sid, seq), text: chunk.text, context: chunk.context, citation, score }];
  }

  #indexed(): RecallIndex {
    if (this.#index !== null) return this.#index;
    this.#index = recallIndex({ kind: 'documents' });
    for (const { chunks } of this.documents()) this.#add(chunks.map(({ chunk }) => chunk));
    return this.#index;
  }

  #add(chunks: readonly Seq[]): void {
    for (const seq of chunks) {
      const chunk = this.#fold.chunks.get(seq);
      if (chunk === undefined) continue;
      const title = this.#fold.documents.get(chunk.path)?.title ?? '';
      // The names of the file and of its folder say what it is about; those above it say where somebody put it.
      const named = chunk.path.split('/').slice(-2).join(' ');
      this.#index?.add({ id: String(seq), text: [named, title, ...chunk.context, chunk.text].join('\n'), group: chunk.path });
    }
  }

  async #read(): Promise<void> {
    if (this.#fold.head === 0 && (await this.#store.head(this.sid)) === 0) return;
    let isAnew = false;
    for (;;) {
      const frames = await this.#store.read(this.sid, { after: this.head - 1 });
      if (frames.length === 0) return;
      const events = frames.flatMap(eventsOf).filter(({ seq }) => seq >= this.head);
      // Once only: where nothing was sealed the same would be read again.
      if (!isAnew && events.some((event) => this.#isErasure(event))) {
        isAnew = true;
        this.#forget();
        continue;
      }
      for (const event of events) this.#apply(event);
      if (this.#fold.isForeign)
        throw new NervaError('MEMORY_DENIED', `${this.sid} is the log of something else than a knowledge base. Nothing was changed.`);
    }
  }

  /** Of a subject whose documents, or texts of them, are here. */
  #isErasure({ type, data }: LogEvent): boolean {
    return type === 'subject.erased' && this.#fold.holds(String(data['subject']));
  }

  /** All is read anew, without what cannot be read any more. */
  #forget(): void {
    this.#fold = new KnowledgeFold();
    this.#index = null;
    this.#answers.clear();
  }

  #apply(event: LogEvent): void {
    const { added, removed } = this.#fold.apply(event);
    if (this.#index === null) return;
    for (const seq of removed) this.#index.remove(String(seq));
    this.#add(added);
  }

  #write<T>(change: () => Promise<T>): Promise<T> {
    const written = this.#writing.then(change);
    this.#writing = written.catch(() => undefined);
    return written;
  }

  /** Writes what is decided on what stands, a frame after the other, until nothing is left to write; decides anew when somebody wrote in between. */
  async #decide(what: string, decide: () => readonly EventDraft[]): Promise<void> {
    const key = this.#world.digest(what).slice(0, 40);
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      await this.refresh();
      const drafts = decide();
      if (drafts.length === 0) return;
      const events = firstFrame(this.head === 0 ? [{ type: 'knowledge.opened', data: { name: this.name } }, ...drafts] : drafts);
      const isAll = events.length === drafts.length + (this.head === 0 ? 1 : 0);
      // The same change at the same head is the same frame, whoever makes it.
      const frame = { id: `${key}:${this.head}`, sid: this.sid, expected: this.head, events, then: { status: 'idle' } } as const;
      const result = await twice(() => this.#store.append(frame));
      if (!result.ok && result.why !== 'conflict') throw refused(this.sid, result.why);
      if (result.ok) {
        attempt = -1;
        await this.refresh();
        this.#announce(events, result.seq);
        if (isAll) return;
      }
    }
    throw new NervaError('MEMORY_CHANGED', `Others wrote ${this.sid} ${ATTEMPTS_MAX} times in between. Nothing was changed; try again.`);
  }

  #announce(events: readonly EventDraft[], first: Seq): void {
    for (const [index, { type, data }] of events.entries()) {
      const id = idOf(this.sid, first + index);
      if (type === 'document.added') this.#tell({ type, id, path: String(data['path']) });
      if (type === 'document.processed') this.#tell({ type, id, path: this.#fold.paths.get(Number(data['document'])) ?? '' });
      if (type === 'documents.removed')
        for (const path of data['paths'] as readonly string[]) this.#tell({ type: 'document.removed', id, path });
    }
  }
}

/** As many as go into one frame, at least one. */
function firstFrame(drafts: readonly EventDraft[]): readonly EventDraft[] {
  const events: EventDraft[] = [];
  let bytes = 0;
  for (const draft of drafts) {
    const whole = toWellFormed(draft.data) as JsonObject;
    bytes += JSON.stringify(whole).length;
    if (events.length > 0 && bytes > FRAME_BYTES) break;
    events.push({ ...draft, data: whole });
  }
  return events;
}

function refused(sid: Sid, why: 'fenced' | 'closed' | 'limit'): NervaError {
  if (why === 'limit')
    return new NervaError('SESSION_FULL', `${sid} reached the limit of its log. What was processed is there; nothing more was written.`, {
      details: { sid },
    });
  return new NervaError('SESSION_CLOSED', `${sid} is ${why}. Nothing was changed.`, { details: { sid } });
}
