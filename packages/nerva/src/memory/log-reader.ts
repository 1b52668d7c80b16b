import { NervaError } from '../core/index.ts';
import { eventsOf, type Frame, type LogEvent, type Seq, type Sid, type Store } from '../log/index.ts';
import type { Archive } from './archive.ts';
import { MemoryFold } from './fold.ts';
import { KeptArchive } from './kept-archive.ts';
import type { IndexTold, MemoryIndex, Witness } from './kept-rows.ts';

/** What the last keyed changes made. */
export interface Made {
  readonly seq: Seq;
  /** The type of its event and what it is about; null where that is not known any more. */
  readonly mark: string | null;
}

/** Frames of keyed changes that are recognised when they are repeated. */
const KEYS_MAX = 10_000;
/** How their ids begin. */
export const KEYED = 'key:';
/** The type of a memory's first event. */
export const OPENED = 'scope.opened';
/** What is kept beside an index's rows is written every so many events; whoever opens it reads those since anew. */
const REST_EVERY = 500;
const PAGE = 2_000;

/** What is read. */
export interface LogReaderOptions {
  readonly store: Store;
  readonly sid: Sid;
  readonly upto: Seq | undefined;
  /** Absent: all is read from the log, and kept in memory. */
  readonly index: MemoryIndex | undefined;
  /** Of the index's rows for this log. */
  readonly name: string;
  /** Called when what a subject said is dropped. */
  readonly dropped: () => void;
}

/**
 * Reads a memory's log, from where its index is. What an index holds is believed only as long as its last frame is in the log; an index that
 * fails is left, and all is read from the log.
 * Invariant M2: nothing of what a subject said is kept once the log says that it was erased, and it was.
 */
export class LogReader {
  readonly #options: LogReaderOptions;
  #fold = new MemoryFold();
  /** The fold's archive, when it outlives the process. */
  #kept: KeptArchive | null = null;
  #isBegun = false;
  /** The index failed in a search: it is left before anything is read. */
  #lost: Lost | null = null;
  #restHead: Seq = 0;
  /** Subjects whose first event the index knows. */
  readonly #witnessed = new Set<string>();
  /** By frame, oldest first. */
  readonly #keyed = new Map<string, Made>();

  constructor(options: LogReaderOptions) {
    this.#options = options;
  }

  get fold(): MemoryFold {
    return this.#fold;
  }

  get archive(): Archive {
    return this.#fold.archive;
  }

  /** What the change in a frame made, or undefined where it is not among the last. */
  made(frame: string): Made | undefined {
    return this.#keyed.get(frame);
  }

  /** Looks into the archive. @throws STORE_* of an index that fails; after the next `read` all is found from the log. */
  look<T>(work: (archive: Archive) => T): T {
    try {
      return work(this.archive);
    } catch (error) {
      if (this.#kept !== null && NervaError.is(error)) this.#lost = new Lost(error);
      throw error;
    }
  }

  /** Reads to the end of the log, or up to `upto`. */
  async read(): Promise<void> {
    const { store, sid } = this.#options;
    try {
      if (this.#fold.head === 0 && (await store.head(sid)) === 0) return await this.#forgetDeleted();
      if (this.#lost !== null) throw this.#lost;
      if (!this.#isBegun) await this.#begin();
      this.#isBegun = true;
      await this.#catchUp();
    } catch (error) {
      if (NervaError.is(error, 'SESSION_DELETED')) await this.#forgetDeleted().catch(() => undefined); // the first is the one to tell
      if (!(error instanceof Lost)) throw error;
      this.#leave(error);
      await this.#catchUp();
    }
  }

  /** Of a log that was deleted an index keeps nothing either. */
  async #forgetDeleted(): Promise<void> {
    const { store, sid, index, upto, name } = this.#options;
    if (index === undefined || upto !== undefined) return;
    try {
      await store.info(sid);
    } catch (error) {
      if (!NervaError.is(error, 'SESSION_DELETED')) return;
      this.#kept ??= onIndex(() => new KeptArchive(index.open(name)));
      if (this.#kept.head > 0) this.#anew('stale');
    }
  }

  async #begin(): Promise<void> {
    const { index, upto, name } = this.#options;
    if (index === undefined || upto !== undefined) return;
    const kept = (this.#kept = onIndex(() => new KeptArchive(index.open(name))));
    if (kept.head > 0 && !(await this.#isOfLog(kept))) this.#anew('stale');
    else this.#thaw(kept);
    await this.#catchUp();
    const unread: string[] = [];
    for (const [subject, { seq, isRead }] of onIndex(() => kept.witnesses())) {
      const isReadable = await this.#isReadable(seq);
      if (isReadable && !isRead) return this.#anew('stale'); // it was read without the keys
      if (isRead && !isReadable) unread.push(subject);
    }
    // Erased, where the log could not take the note of it.
    if (unread.length > 0) this.#drop(unread);
  }

  #thaw(kept: KeptArchive): void {
    const rest = onIndex(() => kept.rest);
    this.#fold = new MemoryFold(kept);
    if (rest === null) return;
    const { fold, keyed } = JSON.parse(rest) as { readonly fold: string; readonly keyed: readonly (readonly [string, Made])[] };
    this.#fold = MemoryFold.thaw(kept, fold);
    for (const [frame, made] of keyed) this.#keyed.set(frame, made);
    this.#restHead = this.#fold.head;
  }

  async #catchUp(): Promise<void> {
    const { store, sid, upto } = this.#options;
    for (;;) {
      const range = upto === undefined ? {} : { upto };
      const frames = await store.read(sid, { after: this.#fold.head - 1, limit: PAGE, ...range });
      if (frames.length === 0) return;
      const gone = await this.#goneIn(frames);
      if (gone.length > 0 && this.#drop(gone)) continue;
      if (this.#kept === null) this.#take(frames, 0);
      else this.#commit(this.#kept, frames);
    }
  }

  #commit(kept: KeptArchive, frames: readonly Frame[]): void {
    onIndex(() =>
      kept.commit((head) => {
        if (head < this.#fold.head) {
          // Somebody else began it anew.
          this.#restart(kept);
          return null;
        }
        this.#take(frames, head);
        for (const [subject, witness] of this.#fold.witnesses) this.#noteWitness(kept, subject, witness);
        const isDue = this.#fold.head - this.#restHead >= REST_EVERY;
        if (this.#fold.head <= head && !isDue) return null;
        if (isDue) this.#restHead = this.#fold.head;
        return { head: this.#fold.head, hash: frames.at(-1)?.hash ?? '', rest: isDue ? this.#rest() : undefined };
      }),
    );
  }

  #noteWitness(kept: KeptArchive, subject: string, witness: Witness): void {
    if (this.#witnessed.has(subject)) return;
    kept.witness(subject, witness);
    this.#witnessed.add(subject);
  }

  #rest(): string {
    return JSON.stringify({ fold: this.#fold.freeze(), keyed: Array.from(this.#keyed) });
  }

  #take(frames: readonly Frame[], archived: Seq): void {
    for (const frame of frames) {
      const events = eventsOf(frame);
      if (frame.id.startsWith(KEYED)) this.#keep(frame.id, frame.seq, events);
      for (const event of events) if (event.seq >= this.#fold.head) this.#fold.apply(event, event.seq < archived);
    }
  }

  #keep(id: string, first: Seq, events: readonly LogEvent[]): void {
    const change = events.find(({ type }) => type !== OPENED);
    this.#keyed.set(id, {
      seq: change?.seq ?? first,
      mark:
        change === undefined || change.erased === true ? null : `${change.type} ${String(change.data['label'] ?? change.data['id'] ?? '')}`,
    });
    const [oldest] = this.#keyed.keys();
    if (this.#keyed.size > KEYS_MAX && oldest !== undefined) this.#keyed.delete(oldest);
  }

  /** Subjects whose erasure these frames note, and of which something had been read that cannot be read any more. */
  async #goneIn(frames: readonly Frame[]): Promise<readonly string[]> {
    const gone: string[] = [];
    for (const { type, data } of frames.flatMap(eventsOf)) {
      const subject = type === 'subject.erased' ? String(data['subject']) : '';
      if (subject === '') continue;
      const witnesses = onIndex(() => this.#kept?.witnesses()) ?? this.#fold.witnesses;
      const witness = witnesses.get(subject);
      if (witness?.isRead === true && !(await this.#isReadable(witness.seq))) gone.push(subject);
    }
    return gone;
  }

  /** Drops what subjects said. @returns true where reading goes on from the beginning. */
  #drop(subjects: readonly string[]): boolean {
    const kept = this.#kept;
    this.#options.dropped();
    const isBeside = subjects.some((subject) => this.#fold.holds(subject));
    for (const subject of subjects) {
      const isDone = kept === null ? this.archive.erase(subject) : onIndex(() => kept.erase(subject));
      if (!isDone) {
        this.#anew('erased');
        return true;
      }
      this.#fold.dropWitness(subject);
    }
    if (kept !== null) onIndex(() => kept.scrub());
    this.#restHead = -REST_EVERY; // it is written with the next page
    if (isBeside) this.#restart(this.archive);
    return isBeside;
  }

  /** All but the archive is read anew. */
  #restart(archive: Archive): void {
    this.#fold = new MemoryFold(archive);
    this.#keyed.clear();
    this.#witnessed.clear();
  }

  #anew(why: Extract<IndexTold, { type: 'rebuilt' }>['why']): void {
    const { index, name } = this.#options;
    const kept = this.#kept;
    this.#keyed.clear();
    this.#witnessed.clear();
    this.#restHead = 0;
    this.#fold = kept === null ? new MemoryFold() : new MemoryFold(kept);
    if (kept === null) return;
    index?.tell({ type: 'rebuilt', name, why });
    onIndex(() => kept.clear());
  }

  /** Goes on without the index. */
  #leave({ cause }: Lost): void {
    const { index, name } = this.#options;
    index?.tell({ type: 'failed', name, error: cause });
    this.#lost = null;
    this.#kept = null;
    this.#isBegun = true;
    this.#restart(new MemoryFold().archive);
  }

  /** Whether the last frame that is in the index is in the log, and so all before it. */
  async #isOfLog({ head, hash }: KeptArchive): Promise<boolean> {
    const { store, sid } = this.#options;
    const [frame] = await store.read(sid, { after: head - 2, upto: head - 1, limit: 1 });
    return frame?.hash === hash;
  }

  async #isReadable(seq: Seq): Promise<boolean> {
    const [frame] = await this.#options.store.read(this.#options.sid, { after: seq - 1, upto: seq, limit: 1 });
    const [event] = frame === undefined ? [] : eventsOf(frame);
    return event !== undefined && event.erased !== true;
  }
}

/** The index failed, and not the store. */
class Lost extends Error {
  override readonly cause: NervaError;

  constructor(cause: NervaError) {
    super(cause.message);
    this.cause = cause;
  }
}

function onIndex<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw NervaError.is(error) ? new Lost(error) : error;
  }
}
