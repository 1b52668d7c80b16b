import { checkRange, NervaError, toWellFormed, type JsonObject, type World } from '../core/index.ts';
import { twice, type AppendResult, type EventDraft, type Seq, type Sid, type Store } from '../log/index.ts';
import type { MemoryFold } from './fold.ts';
import { KEYED, OPENED, type Made } from './log-reader.ts';
import { refused, reused } from './refusals.ts';

/** Which change it is. */
export interface Keyed {
  readonly key?: string | undefined;
  /** The type of its event and what it is about; what was made under the same key must have the same. */
  readonly mark?: string | undefined;
}

/** Makes a change of a memory. @returns where it stands, or null when there was nothing to write. */
export type Write = (keyed: Keyed, decide: () => readonly EventDraft[]) => Promise<Seq | null>;

/** What is written. */
export interface LogWriterOptions {
  readonly store: Store;
  readonly world: World;
  readonly sid: Sid;
  readonly scope: string;
  /** Of each event that says no other. */
  readonly subject: string | undefined;
  /** Where given, nothing is. */
  readonly upto: Seq | undefined;
  readonly fold: () => MemoryFold;
  /** What a keyed change made. */
  readonly made: (frame: string) => Made | undefined;
  /** Reads to the end of the log. */
  readonly refresh: () => Promise<void>;
}

/** Appends tried when others write at the same time: each that fails means that another's came through. */
const ATTEMPTS_MAX = 1_000;

/**
 * Writes a memory's log. Each change is decided on what stands, and decided anew when somebody else wrote in between; one handle makes its changes
 * one after the other.
 * @throws SESSION_FULL, SESSION_CLOSED, SUBJECT_ERASED, MEMORY_DENIED, MEMORY_CHANGED, and what a decision throws; nothing was written.
 */
export class LogWriter {
  readonly #options: LogWriterOptions;
  /** Ends with the last change that was asked for. */
  #writing: Promise<unknown> = Promise.resolve();

  constructor(options: LogWriterOptions) {
    this.#options = options;
  }

  /** Makes a change, after those that were asked for before on this handle. */
  readonly write: Write = ({ key, mark }, decide) => {
    const written = this.#writing.then(() => this.#written({ key, mark }, decide));
    this.#writing = written.catch(() => undefined);
    return written;
  };

  /** Decides on what stands, writes it there, and decides anew when somebody wrote in between. What a key says was made is not made again. */
  async #written({ key, mark }: Keyed, decide: () => readonly EventDraft[]): Promise<Seq | null> {
    const { sid, upto, scope, world, fold, refresh } = this.#options;
    if (upto !== undefined) throw new NervaError('MEMORY_DENIED', `This is ${sid} as it stood after event ${upto}: it takes no change.`);
    if (key !== undefined) checkRange('characters of key', key.length, 1, 1_000);
    const id = key === undefined ? world.ids.next() : this.#frameOf(key);
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      await refresh();
      if (fold().isForeign)
        throw new NervaError('MEMORY_DENIED', `${sid} is the log of something else than a memory. Nothing was changed.`);
      const made = this.#options.made(id);
      if (made !== undefined && made.mark !== null && made.mark !== mark) throw reused(key);
      if (made !== undefined) return made.seq;
      const isNew = fold().head === 0;
      const drafts = decide();
      if (drafts.length === 0) return null;
      const result = await this.#append(id, isNew ? [{ type: OPENED, data: { scope } }, ...drafts] : drafts);
      if (result.ok) {
        await refresh();
        return result.seq === 0 ? 1 : result.seq;
      }
      if (result.why !== 'conflict') throw refused(sid, result.why);
    }
    throw new NervaError('MEMORY_CHANGED', `Others wrote ${sid} ${ATTEMPTS_MAX} times in between. Nothing was changed; try again.`);
  }

  /** The frame of a keyed change; a key may be longer than an id. */
  #frameOf(key: string): string {
    return KEYED + this.#options.world.digest(key).slice(0, 48);
  }

  async #append(id: string, drafts: readonly EventDraft[]): Promise<AppendResult> {
    const { store, sid, fold } = this.#options;
    const events = drafts.map((event) => {
      const whole = { ...event, data: toWellFormed(event.data) as JsonObject };
      const subject = event.subject ?? this.#options.subject;
      return subject === undefined || event.type === OPENED ? whole : { ...whole, subject };
    });
    const frame = { id, sid, expected: fold().head, events, then: { status: 'idle' } } as const;
    return twice(() => store.append(frame));
  }
}
