import { checkOptions, checkRange, NervaError, type Json, type World } from '../core/index.ts';
import type { EventId, Seq, Sid, Store } from '../log/index.ts';
import { blockOf, removeBlock, renderCore, setBlock, type BlockChange, type Core } from './blocks.ts';
import { Consolidator, type Consolidated, type Consolidating, type Derivers } from './consolidate.ts';
import { edited, type Edit } from './edit.ts';
import { seqOf, type Entry } from './entries.ts';
import type { MemoryFold } from './fold.ts';
import type { Looking } from './forms.ts';
import { checkQuestion, FINDERS, Hybrid, type Finders, type Search } from './hybrid.ts';
import type { MemoryIndex } from './kept-rows.ts';
import { Items, workingLimits } from './items.ts';
import { counted, listed, type CountQuery, type ListQuery } from './listing.ts';
import { LogReader, type Made } from './log-reader.ts';
import { LogWriter, type Write } from './log-writer.ts';
import { fitsOf, RECALLED, SEARCHED, type RecallQuery, type SearchQuery } from './query.ts';
import type { Why } from './recall.ts';
import { checkFlag, Recorder, type Ended, type Remembered, type Repeatable, type Updated } from './recorder.ts';
import { checkRights, MEMORY_RIGHTS, withRights, type Granting, type MemoryRight, type Rights, type RightsData } from './rights.ts';
import { rightsHistory, type RightHeld } from './rights-history.ts';
import type { Suggestion } from './suggest.ts';
import { TENDING, Tender, type Standing, type Tended, type Tending } from './tend.ts';
import type { VectorKeeper } from './vector-rows.ts';
import { WORKING_LIMITS, type NewItem, type WorkingLimits } from './working.ts';

/** What `openMemory` takes. */
export interface MemoryOptions extends Finders, Derivers {
  readonly store: Store;
  readonly world: World;
  /** Whose memory it is: `user:ada`, `team:support`, `agent:clerk`, 1–120 of `A-Za-z0-9_.:-`. Its log is the session `scope:` and this. */
  readonly scope: string;
  /** Whose personal data it holds: sealed under that subject's key, and gone when it is erased. */
  readonly subject?: string;
  /** As it stood after this event of its log, with that event's time as now; then it takes no change. */
  readonly upto?: Seq;
  /** Keeps what was read of the log, and vectors, for whoever opens it next (`sqliteIndex` of `nerva/node`); not with `upto`. Absent: all is read each time. */
  readonly index?: MemoryIndex & Partial<VectorKeeper>;
  readonly working?: Partial<WorkingLimits>;
  /** Of a text to remember. Default 100,000. */
  readonly textBytesMax?: number;
}

/** An entry that was found. */
export interface Recalled {
  readonly entry: Entry;
  readonly score: number;
  readonly why: Why;
}

const DERIVERS = ['extract', 'extractor', 'evolver'];

/** Opens the memory of a scope: reads its log, or with an `index` what is new in it. Nothing is written before something is kept. @throws OPTION_UNKNOWN, OPTION_INVALID, LOG_PRUNED, SESSION_DELETED. */
export async function openMemory(options: MemoryOptions): Promise<Memory> {
  checkOptions(
    options,
    ['store', 'world', 'scope', 'subject', 'upto', 'index', 'working', 'textBytesMax', ...FINDERS, ...DERIVERS],
    'openMemory',
  );
  checkOptions(options.working ?? {}, Object.keys(WORKING_LIMITS), 'openMemory working');
  // What is no string would make one: `undefined` is a scope that all who forgot theirs would share.
  if (typeof options.scope !== 'string' || !/^[A-Za-z0-9_.:-]{1,120}$/.test(options.scope))
    throw new NervaError(
      'OPTION_INVALID',
      `scope has 1 to 120 of A-Za-z0-9_.:-; ${String(JSON.stringify(options.scope)).slice(0, 130)} came. Nothing was read.`,
    );
  const memory = new Memory(options);
  await memory.refresh();
  return memory;
}

/**
 * What a scope keeps: blocks that an agent always has before it, items for a while, and entries for good, found again by `recall`. It is a
 * projection of one log: what is acknowledged is there for whoever opens it next, and each change says when it was made.
 * Two that write at once are told apart by the head of the log: each change is decided on what stands. Now is never before the last event,
 * so what one clock recorded is there for a slower one too.
 * Each change throws SESSION_FULL, SESSION_CLOSED, SUBJECT_ERASED, and MEMORY_DENIED where `upto` was given or the log belongs to a session.
 */
export class Memory {
  readonly sid: Sid;
  readonly #store: Store;
  readonly #world: World;
  /** Whose personal data it holds. */
  readonly subject: string | undefined;
  readonly #upto: Seq | undefined;
  readonly #items: Items;
  readonly #write: Write;
  readonly #recorder: Recorder;
  readonly #reader: LogReader;
  readonly #hybrid: Hybrid;
  readonly #consolidator: Consolidator;
  readonly #tender: Tender;
  #reading: Promise<void> = Promise.resolve();
  /** A read that has not begun. */
  #next: Promise<void> | null = null;

  /** Use `openMemory`. */
  constructor({ store, world, scope, subject, upto, index, working, textBytesMax = 100_000, ...more }: MemoryOptions) {
    this.sid = `scope:${scope}`;
    const name = world.digest(this.sid).slice(0, 32);
    this.#reader = new LogReader({ store, sid: this.sid, upto, index, name, dropped: () => this.#hybrid.clear() });
    this.#store = store;
    this.#world = world;
    this.subject = subject;
    this.#upto = upto;
    const [fold, nowMs] = [() => this.#fold, () => this.#nowMs()];
    const made = (frame: string): Made | undefined => this.#reader.made(frame);
    const { sid } = this;
    this.#write = new LogWriter({ store, world, sid, scope, subject, upto, fold, made, refresh: () => this.refresh() }).write;
    this.#items = new Items({ working: () => this.#fold.working, nowMs, write: this.#write, limits: workingLimits(working ?? {}) });
    const isKept = index !== undefined && upto === undefined;
    this.#hybrid = new Hybrid(world, more, isKept ? { keeper: index, name, tell: (told) => index.tell(told) } : null);
    this.#consolidator = new Consolidator(world, more);
    this.#tender = new Tender({
      sid,
      store,
      fold,
      entry: (id) => this.#reader.look((archive) => archive.get(id)),
      entries: () => this.#reader.archive.values(),
      nowMs,
      write: (decide, key) => this.#write({ key, mark: 'memory.accessed ' }, decide),
    });
    this.#recorder = new Recorder({
      sid,
      head: () => this.head,
      nowMs,
      textBytesMax: checkRange('textBytesMax', textBytesMax, 1, 1_000_000),
      isTakenApart: checkFlag('extract', more.extract ?? false),
      look: (work) => this.#reader.look(work),
      entry: (id) => this.entry(id),
      refresh: () => this.refresh(),
      write: this.#write,
    });
  }

  get #fold(): MemoryFold {
    return this.#reader.fold;
  }

  /** Events of its log. */
  get head(): Seq {
    return this.#fold.head;
  }

  /** The blocks that were set, and as such the entries that `tend` promoted, as long as they hold. */
  get core(): Core {
    return this.#tender.core();
  }

  /** The blocks as they stand in a prompt. */
  render(): string {
    return renderCore(this.core);
  }

  /** Reads what others wrote before it was called. */
  refresh(): Promise<void> {
    // One that is under way may have looked before that.
    this.#next ??= this.#reading.then(async () => {
      this.#next = null;
      await this.#reader.read();
      this.#hybrid.sweep(() => this.#reader.archive.values());
    });
    this.#reading = this.#next.catch(() => undefined);
    return this.#next;
  }

  /** Sets a block. @throws MEMORY_FULL, MEMORY_TOO_LARGE, OPTION_INVALID; nothing was written. */
  async setBlock(change: BlockChange): Promise<void> {
    checkOptions(change, ['label', 'type', 'text', 'description', 'bytesMax', 'isReadOnly', 'importance'], 'setBlock');
    await this.#write({}, () => {
      setBlock(this.#fold.core, change);
      return [{ type: 'memory.block.set', data: { ...change } }];
    });
  }

  /**
   * Edits the text of a block, as a model does: not one that is read-only, and with `version` only as long as it has that.
   * @throws MEMORY_UNKNOWN, MEMORY_DENIED, MEMORY_CHANGED, MEMORY_EDIT, MEMORY_FULL, MEMORY_TOO_LARGE; nothing was written.
   */
  async editBlock(label: string, edit: Edit, options: { readonly version?: number } & Repeatable = {}): Promise<void> {
    checkOptions(options, ['version', 'key'], 'editBlock');
    await this.#write({ key: options.key, mark: `memory.block.set ${label}` }, () => {
      const block = blockOf(this.core, label);
      if (block.isReadOnly)
        throw new NervaError('MEMORY_DENIED', `Block ${label} is read-only. Nothing was changed.`, { details: { label } });
      if (options.version !== undefined && options.version !== block.version)
        throw new NervaError(
          'MEMORY_CHANGED',
          `Block ${label} has version ${block.version}, not ${options.version}: read it again. Nothing was changed.`,
          {
            details: { label, version: block.version },
          },
        );
      const change = { label, text: edited(block.text, edit) };
      setBlock(this.#fold.core, change);
      return [{ type: 'memory.block.set', data: change }];
    });
  }

  /** Also an entry that was promoted: it stays in the archive, and is not promoted again before it is asked for again. @throws MEMORY_UNKNOWN */
  async removeBlock(label: string): Promise<void> {
    await this.#write({}, () => {
      const removal = this.#tender.removal(label);
      if (removal !== null) return removal;
      removeBlock(this.#fold.core, label);
      return [{ type: 'memory.block.removed', data: { label } }];
    });
  }

  /** Keeps a value for a while. @throws MEMORY_FULL, MEMORY_TOO_LARGE, OPTION_INVALID; nothing was written. */
  setItem(item: NewItem): Promise<void> {
    return this.#items.set(item);
  }

  /** The value kept under a key, or undefined when none is, or when its time is over. */
  item(key: string): Json | undefined {
    return this.#items.at(key);
  }

  /** Adds to a number, from 0 where there is none, and touches it. @returns what it is now. @throws MEMORY_EDIT for what is no number; MEMORY_FULL. */
  raiseItem(key: string, by = 1): Promise<number> {
    return this.#items.raise(key, by);
  }

  /** Adds to the end of a text, where there is none to an empty one, and touches it. @returns what it is now. @throws MEMORY_EDIT for what is no text; MEMORY_FULL, MEMORY_TOO_LARGE. */
  appendItem(key: string, text: string): Promise<string> {
    return this.#items.append(key, text);
  }

  /** Keeps an item for `ttlMs` from now, or as long as it was to be kept, whichever is longer. @returns false when it is not there. */
  touchItem(key: string, ttlMs?: number): Promise<boolean> {
    return this.#items.touch(key, ttlMs);
  }

  /** @returns false when it was not there. */
  deleteItem(key: string): Promise<boolean> {
    return this.#items.delete(key);
  }

  /** Removes from the log's state what is over: it is not there for anybody either way, and counts no more. @returns how many it removed. */
  sweepItems(): Promise<number> {
    return this.#items.sweep();
  }

  /**
   * Keeps a text for good, as it is. What `supersedes` names holds until `validMs`, and this from then on.
   * @throws OPTION_INVALID, MEMORY_TOO_LARGE, MEMORY_UNKNOWN (what it supersedes), MEMORY_CHANGED (that was superseded already); nothing was written.
   */
  remember(text: string, options: Remembered = {}): Promise<Entry> {
    return this.#recorder.remember(text, options);
  }

  /**
   * Says what is other about an entry from `validMs` on, by one that takes its place: what is not said is as it was, and whose data it is too.
   * @throws as `remember` does; nothing was written.
   */
  update(id: EventId, change: Updated): Promise<Entry> {
    return this.#recorder.update(id, change);
  }

  /**
   * Says that an entry holds until before `atMs` (ms since 1970) only, and nothing takes its place; as when something superseded it, what it had superseded
   * ends then too where that is sooner, and as of before it is found. At the same time again changes nothing. @returns it as it is now.
   * @throws MEMORY_UNKNOWN, MEMORY_CHANGED (it ended sooner already), OPTION_INVALID; nothing was written.
   */
  end(id: EventId, atMs: number, options: Ended = {}): Promise<Entry> {
    return this.#recorder.end(id, atMs, options);
  }

  /** The entries that answer a question best, best first. @throws OPTION_UNKNOWN, OPTION_INVALID, and STORE_* where an index fails: after a `refresh` it is found without. */
  recall(query: string, options: RecallQuery = {}): readonly Recalled[] {
    checkOptions(options, RECALLED, 'recall');
    checkQuestion(query);
    const limit = checkRange('limit', options.limit ?? 10, 1, 100);
    return this.#byWords(query, limit, options);
  }

  /**
   * The entries that answer a question best, by words and by whatever else this memory was opened with: vectors of an embedder, the question in
   * other words, a reranker. What of these fails is left out and named in the result; without any it finds what `recall` finds.
   * @throws OPTION_UNKNOWN, OPTION_INVALID; what an adapter throws when `signal` aborted.
   */
  async search(query: string, options: SearchQuery = {}): Promise<Search> {
    checkOptions(options, SEARCHED, 'search');
    checkQuestion(query);
    return this.#hybrid.search(query, options, this.#looking(options));
  }

  /** Makes vectors of entries that have none, the newest first; `max` 1–100,000, default 1,000. @returns how many have none now. @throws what the embedder throws; what was made stays. */
  async embed(options: { readonly max?: number; readonly signal?: AbortSignal } = {}): Promise<number> {
    checkOptions(options, ['max', 'signal'], 'embed');
    const max = checkRange('max', options.max ?? 1_000, 1, 100_000);
    return this.#hybrid.fill(this.#looking({}), { max, signal: options.signal });
  }

  /**
   * Makes what is not made yet of entries, the oldest first: items by rules, and by `extractor`; and how each stands to those before it, by rules
   * or by `evolver`. Meant for the background, again and again: what is left is seen from the log, and two that run at once make each thing once.
   * What cannot be asked is left for a later run; after three failures there is a note, or no relation. O(entries) beside what is made.
   * @throws OPTION_UNKNOWN, OPTION_INVALID, and as each change does.
   */
  async consolidate(options: Consolidating = {}): Promise<Consolidated> {
    checkOptions(options, ['limit', 'signal'], 'consolidate');
    await this.refresh();
    const look = this.#reader;
    return this.#consolidator.run(
      {
        entries: () => look.archive.values(),
        entry: (id) => look.look((archive) => archive.get(id)),
        like: (entry, limit) => this.#like(entry, limit),
        write: (decide) => this.#write({}, decide),
      },
      options,
    );
  }

  /**
   * Decides which entries stand among the blocks: what matters and is asked for comes in, what is not goes out, and stays in the archive. What was
   * asked for is read from the logs of `sessions`, and what `noteAccess` said. Meant for the background, again and again: two that run at once
   * count and decide each thing once, and without anything new nothing is written. O(entries).
   * @throws OPTION_UNKNOWN, OPTION_INVALID, and as each change does.
   */
  async tend(options: Tending = {}): Promise<Tended> {
    checkOptions(options, TENDING, 'tend');
    await this.refresh();
    return this.#tender.tend(options);
  }

  /** Notes that 1–1,000 entries were told now, by a program that asked for them without a session. @throws MEMORY_UNKNOWN, OPTION_INVALID */
  async noteAccess(ids: readonly EventId[], options: Repeatable = {}): Promise<void> {
    checkOptions(options, ['key'], 'noteAccess');
    await this.#tender.note(ids, options.key);
  }

  /** How an entry is drawn on, and how far it has come. @throws MEMORY_UNKNOWN */
  standing(id: EventId): Standing {
    return this.#tender.standing(this.entry(id));
  }

  /** What the accesses of the last seven days suggest about the kinds of entries, from a hundred on. Nothing is done about it. */
  suggestions(): readonly Suggestion[] {
    return this.#tender.suggestions();
  }

  /** Lets an agent do this through tools that are guarded (`memoryTools`). @throws OPTION_INVALID, MEMORY_FULL; nothing was written. */
  async grant(agent: string, rights: readonly MemoryRight[], options: Granting = {}): Promise<void> {
    checkOptions(options, ['by'], 'grant');
    await this.#changeRights('memory.granted', { agent, rights, ...options });
  }

  /** Takes rights of an agent back, default all; its next call is refused. @throws OPTION_INVALID; nothing was written. */
  async revoke(agent: string, rights: readonly MemoryRight[] = MEMORY_RIGHTS, options: Granting = {}): Promise<void> {
    checkOptions(options, ['by'], 'revoke');
    await this.#changeRights('memory.revoked', { agent, rights, ...options });
  }

  /** What each agent may do through tools that are guarded. */
  get rights(): Rights {
    return this.#fold.rights;
  }

  /** Each right that an agent had, who granted and who revoked it, and when; as the log says up to event `upto`. O(events): it is read anew. @throws OPTION_INVALID, LOG_PRUNED */
  async rightsHistory(options: { readonly upto?: Seq } = {}): Promise<readonly RightHeld[]> {
    checkOptions(options, ['upto'], 'rightsHistory');
    const last = Math.min(options.upto ?? Infinity, this.#upto ?? Infinity);
    return rightsHistory(this.#store, this.sid, last === Infinity ? undefined : last);
  }

  async #changeRights(type: keyof RightsData, { by, ...plain }: RightsData[keyof RightsData]): Promise<void> {
    const data = by === undefined ? plain : { ...plain, by };
    await this.#write({}, () => {
      checkRights(type === 'memory.granted' ? this.rights : {}, data);
      return withRights(this.rights, type, { ...data }) === this.rights ? [] : [{ type, data }];
    });
  }

  /** By words: those before it that hold when it begins, or now. */
  #like(entry: Entry, limit: number): readonly { readonly entry: Entry; readonly share: number }[] {
    const nowMs = this.#nowMs();
    const [holdsNow, heldThen] = [fitsOf({}, nowMs), fitsOf({ validAtMs: entry.validMs }, nowMs)];
    const at = seqOf(entry.id);
    const isBefore = (one: Entry): boolean => seqOf(one.id) < at && (holdsNow(one) || heldThen(one));
    const found = this.#reader.look((archive) => archive.search({ query: entry.text, limit, fits: isBefore, tags: [] }));
    return found.map(({ entry: one, score }) => ({ entry: one, share: score / (found[0]?.score ?? 1) }));
  }

  #byWords(query: string, limit: number, options: RecallQuery): readonly Recalled[] {
    const fits = fitsOf(options, this.#nowMs());
    const found = this.#reader.look((archive) => archive.search({ query, limit, fits, tags: options.tags ?? [] }));
    return found.map(({ entry, score, why }) => ({ entry, score, why }));
  }

  #looking(options: RecallQuery): Looking {
    const fits = fitsOf(options, this.#nowMs());
    const entry = (id: string): Entry | undefined => this.#reader.look((archive) => archive.get(id as EventId));
    return {
      fits: (id) => {
        const found = entry(id);
        return found !== undefined && fits(found);
      },
      recall: (asked, limit) => this.#byWords(asked, limit, options),
      head: () => this.head,
      entries: (from) => (from === 0 ? this.#reader.archive.values() : this.#since(from)),
      entry,
    };
  }

  *#since(from: Seq): Iterable<Entry> {
    for (let seq = from; seq < this.head; seq++) {
      const entry = this.#reader.look((archive) => archive.get(`${this.sid}:${seq}`));
      if (entry !== undefined) yield entry;
    }
  }

  /** Leaves an entry out of recall from now on; `knownAtMs` before that finds it still. @throws MEMORY_UNKNOWN */
  forget(id: EventId, options: Repeatable = {}): Promise<void> {
    return this.#recorder.forget(id, options);
  }

  /**
   * Forgets all that was recorded before it begins, whether it holds or not: the record stays, and is found as of before (to leave nothing of a person, erase
   * the subject). In frames of at most 1,000 entries, each an event that names them; what was cut is gone on with by the next. @returns how many it forgot.
   */
  clear(): Promise<number> {
    return this.#recorder.clear();
  }

  /** Clears, and removes the blocks and items that are there: what is left says nothing to an agent. What agents may do (`rights`) stays. @returns how many of each went. */
  async reset(): Promise<{ readonly entries: number; readonly blocks: number; readonly items: number }> {
    const entries = await this.clear();
    let [blocks, first]: [number, ReadonlySet<string> | null] = [0, null];
    await this.#write({}, () => {
      // What others add meanwhile stays, as entries and items of theirs do.
      const before = (first ??= new Set(this.#fold.core.map(({ label }) => label)));
      const drafts = this.#fold.core
        .filter(({ label }) => before.has(label))
        .map(({ label }) => ({ type: 'memory.block.removed', data: { label } }));
      blocks = drafts.length;
      return drafts;
    });
    return { entries, blocks, items: await this.#items.clear() };
  }

  /** @throws MEMORY_UNKNOWN */
  entry(id: EventId): Entry {
    const entry = this.#reader.look((archive) => archive.get(id));
    if (entry === undefined)
      throw new NervaError('MEMORY_UNKNOWN', `There is no entry ${JSON.stringify(id)} in ${this.sid}.`, { details: { id } });
    return entry;
  }

  /** Entries, oldest first and page by page: those that hold now, unless the query says otherwise. Whatever is written between two pages, what holds all the while is in one of them, once. @throws OPTION_UNKNOWN, OPTION_INVALID */
  list(query: ListQuery = {}): readonly Entry[] {
    return this.#reader.look((archive) => listed(archive, query, { sid: this.sid, nowMs: this.#nowMs() }));
  }

  /** How many entries there are: those that hold now, unless the query says otherwise. @throws OPTION_UNKNOWN, OPTION_INVALID */
  count(query: CountQuery = {}): number {
    return this.#reader.look((archive) => counted(archive, query, this.#nowMs()));
  }

  /** All entries, the forgotten and superseded too, oldest first. */
  entries(): readonly Entry[] {
    return this.#reader.look((archive) => Array.from(archive.values()));
  }

  /** Never before what is recorded, for clocks differ and jump; and of a memory as it once stood, its own time. */
  #nowMs(): number {
    return this.#upto === undefined ? Math.max(this.#world.clock.nowMs(), this.#fold.atMs) : this.#fold.atMs;
  }
}
