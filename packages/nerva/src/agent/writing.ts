import { NervaError, type World } from '../core/index.ts';
import { erasureNote, twice, type Append, type AppendResult, type EventDraft, type Sid, type Store } from '../log/index.ts';
import { again } from './again.ts';
import { stamped } from './personal.ts';
import { Standing } from './row.ts';
import type { AgentState } from './state.ts';

/** What writing needs of the driver that writes. */
export interface WritingScene {
  readonly sid: Sid;
  readonly store: Store;
  readonly world: World;
  /** Aborts when what the store refuses is not tried again. */
  readonly leaving: AbortSignal;
  /** Whom the session belongs to, as far as the driver has read. */
  readonly session: () => AgentState['session'];
  /** Called when a frame is in the log without words that were to be in it. */
  readonly onErased: () => Promise<void>;
}

/** How the frames of one driver come into the log: each once, under one id, and without the words of whoever was erased. */
export class Writing {
  /** How the session's row stands by what was written. */
  readonly row: Standing = new Standing();
  readonly #scene: WritingScene;
  /** Frames whose answer has not come. */
  readonly #appending = new Set<Promise<AppendResult>>();
  /** Subjects of others, of memories, whose key may be gone: what belongs to them is recorded without content. */
  readonly #gone = new Set<string>();

  constructor(scene: WritingScene) {
    this.#scene = scene;
  }

  get isBusy(): boolean {
    return this.#appending.size > 0;
  }

  /** Resolves when every frame has its answer. */
  async settled(): Promise<void> {
    while (this.isBusy) await Promise.allSettled(this.#appending);
  }

  /** Appends; when nobody can say whether it was written, asks again with the same frame id. `isOurs`: nobody else could try again. */
  async append(given: Omit<Append, 'sid'>, isOurs = false): Promise<AppendResult> {
    const appending = this.#written(given, isOurs);
    this.#appending.add(appending);
    try {
      return await appending;
    } finally {
      this.#appending.delete(appending);
    }
  }

  async #written(given: Omit<Append, 'sid'>, isOurs: boolean): Promise<AppendResult> {
    const { sid, store, world, leaving, session, onErased } = this.#scene;
    const frame = { ...given, sid };
    const write = (): Promise<AppendResult> => store.append({ ...frame, events: stamped(given.events, session(), this.#gone) });
    const append = isOurs ? (): Promise<AppendResult> => this.#despiteErasure(write, given.events) : write;
    const result = await (isOurs ? again(append, { world, signal: leaving }) : twice(append));
    if (!result.ok) return result;
    this.row.wrote(frame.then, result);
    if (given.events.some(({ subject = '' }) => this.#gone.has(subject))) await onErased();
    return result;
  }

  /**
   * The key of the session's subject is gone: the log says so, and what happened is recorded without content. The note may be missing: it
   * is on its way, or this is a fork at a place before it.
   */
  async #despiteErasure(write: () => Promise<AppendResult>, events: readonly EventDraft[]): Promise<AppendResult> {
    try {
      return await write();
    } catch (error) {
      const { sid, store, world, session, onErased } = this.#scene;
      const { subject, isErased } = session();
      if (!NervaError.is(error, 'SUBJECT_ERASED')) throw error;
      const others = events.flatMap((event) => (event.subject === undefined || event.subject === subject ? [] : [event.subject]));
      if (others.some((other) => !this.#gone.has(other))) {
        others.forEach((other) => this.#gone.add(other));
        return this.#despiteErasure(write, events);
      }
      if (isErased || subject === null) throw error;
      await store.append({ ...erasureNote(sid, subject, world), by: 'runtime' });
      await onErased();
      return write();
    }
  }
}
