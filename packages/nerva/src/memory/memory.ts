import { checkOptions, checkRange, NervaError, toWellFormed, utf8Bytes, type Json, type JsonObject, type World } from '../core/index.ts';
import { twice, type AppendResult, type EventDraft, type EventId, type Seq, type Sid, type Store } from '../log/index.ts';
import { blockOf, removeBlock, renderCore, setBlock, type BlockChange, type Core } from './blocks.ts';
import { Consolidator, type Consolidated, type Consolidating, type Derivers } from './consolidate.ts';
import { edited, type Edit } from './edit.ts';
import { nameOf, TIME_MAX, type Entry } from './entries.ts';
import { byRules } from './extract.ts';
import type { MemoryData, MemoryFold } from './fold.ts';
import type { Looking } from './forms.ts';
import { checkQuestion, FINDERS, Hybrid, type Finders, type Search } from './hybrid.ts';
import type { MemoryIndex } from './kept-rows.ts';
import { ENTRY_KINDS, type EntryKind } from './kinds.ts';
import { KEYED, LogReader, OPENED } from './log-reader.ts';
import { fitsOf, isTags, RECALLED, SEARCHED, TAG_CHARS_MAX, TAGS_MAX, type RecallQuery, type SearchQuery } from './query.ts';
import type { Why } from './recall.ts';
import { refused, reused } from './refusals.ts';
import { checkRights, MEMORY_RIGHTS, withRights, type Granting, type MemoryRight, type Rights, type RightsData } from './rights.ts';
import { rightsHistory, type RightHeld } from './rights-history.ts';
import type { Suggestion } from './suggest.ts';
import { TENDING, Tender, type Standing, type Tended, type Tending } from './tend.ts';
import type { VectorKeeper } from './vector-rows.ts';
import { itemAt, itemOf, raised, touchedMs, withItem, WORKING_LIMITS, type NewItem, type WorkingLimits } from './working.ts';

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

/** How a change is made safe to repeat. */
export interface Repeatable {
  /** The same change under the same key again is made once, and gives the same result, and another is refused; recognised among the last 10,000. 1–1,000 characters. */
  readonly key?: string;
}

/** What is said of a text that is remembered. */
export interface Remembered extends Repeatable {
  /** Default `note`. */
  readonly kind?: EntryKind;
  readonly tags?: readonly string[];
  /** 0–1, default 0.5. */
  readonly importance?: number;
  /** Since when it holds, ms since 1970, which may be before it; default now. */
  readonly validMs?: number;
  /** The entry whose place it takes, from `validMs` on. */
  readonly supersedes?: EventId;
  /** The event that it comes from. */
  readonly source?: EventId;
  /** Whose personal data it is, where that is not whose the memory's is: it goes when they are erased. */
  readonly subject?: string;
  /** Whether rules take it apart at once: people, dates, quantities, preferences, commitments. Default as the memory was opened. */
  readonly extract?: boolean;
}

/** An entry that was found. */
export interface Recalled {
  readonly entry: Entry;
  readonly score: number;
  readonly why: Why;
}

/** Appends tried when others write at the same time: each that fails means that another's came through. */
const ATTEMPTS_MAX = 1_000;
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
  readonly #scope: string;
  /** Whose personal data it holds. */
  readonly subject: string | undefined;
  readonly #upto: Seq | undefined;
  readonly #limits: WorkingLimits;
  readonly #textBytesMax: number;
  readonly #reader: LogReader;
  readonly #hybrid: Hybrid;
  readonly #consolidator: Consolidator;
  readonly #tender: Tender;
  readonly #extract: boolean;
  #reading: Promise<void> = Promise.resolve();
  /** A read that has not begun. */
  #next: Promise<void> | null = null;
  /** Ends with the last change that was asked for. */
  #writing: Promise<unknown> = Promise.resolve();

  /** Use `openMemory`. */
  constructor({ store, world, scope, subject, upto, index, working, textBytesMax = 100_000, ...more }: MemoryOptions) {
    this.sid = `scope:${scope}`;
    const name = world.digest(this.sid).slice(0, 32);
    this.#reader = new LogReader({ store, sid: this.sid, upto, index, name, dropped: () => this.#hybrid.clear() });
    this.#store = store;
    this.#world = world;
    this.#scope = scope;
    this.subject = subject;
    this.#upto = upto;
    this.#limits = { ...WORKING_LIMITS, ...working };
    const isKept = index !== undefined && upto === undefined;
    this.#hybrid = new Hybrid(world, more, isKept ? { keeper: index, name, tell: (told) => index.tell(told) } : null);
    this.#consolidator = new Consolidator(world, more);
    this.#tender = new Tender({
      sid: this.sid,
      store,
      fold: () => this.#fold,
      entry: (id) => this.#reader.look((archive) => archive.get(id)),
      entries: () => this.#reader.archive.values(),
      nowMs: () => this.#nowMs(),
      write: (decide, key) => this.#write({ key, mark: 'memory.accessed ' }, decide),
    });
    this.#extract = checkFlag('extract', more.extract ?? false);
    this.#textBytesMax = checkRange('textBytesMax', textBytesMax, 1, 1_000_000);
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
  async setItem(item: NewItem): Promise<void> {
    checkOptions(item, ['key', 'value', 'ttlMs'], 'setItem');
    await this.#write({}, () => [this.#itemSet(item)]);
  }

  /** The value kept under a key, or undefined when none is, or when its time is over. */
  item(key: string): Json | undefined {
    return itemAt(this.#fold.working, key, this.#nowMs())?.value;
  }

  /** Adds to a number, from 0 where there is none; its time begins anew. @returns what it is now. @throws MEMORY_EDIT for what is no number. */
  async raiseItem(key: string, by = 1): Promise<number> {
    checkRange('by', by, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    let value = 0;
    await this.#write({}, () => {
      const item = raised(this.#fold.working, { key, by }, this.#nowMs());
      value = item.value;
      return [this.#itemSet(item)];
    });
    return value;
  }

  /** Keeps an item for `ttlMs` from now, or as long as it was to be kept, whichever is longer. @returns false when it is not there. */
  async touchItem(key: string, ttlMs: number = this.#limits.ttlMs): Promise<boolean> {
    const seq = await this.#write({}, () => {
      const nowMs = this.#nowMs();
      const item = itemAt(this.#fold.working, key, nowMs);
      if (item === undefined) return [];
      return [
        this.#itemSet({
          key,
          value: item.value,
          ttlMs: touchedMs(item, checkRange('ttlMs', ttlMs, 1, this.#limits.ttlMsMax), nowMs) - nowMs,
        }),
      ];
    });
    return seq !== null;
  }

  /** @returns false when it was not there. */
  async deleteItem(key: string): Promise<boolean> {
    const seq = await this.#write({}, () =>
      itemAt(this.#fold.working, key, this.#nowMs()) === undefined ? [] : [{ type: 'memory.items.removed', data: { keys: [key] } }],
    );
    return seq !== null;
  }

  /**
   * Keeps a text for good, as it is. What `supersedes` names holds until `validMs`, and this from then on.
   * @throws OPTION_INVALID, MEMORY_TOO_LARGE, MEMORY_UNKNOWN (what it supersedes), MEMORY_CHANGED (that was superseded already); nothing was written.
   */
  async remember(text: string, options: Remembered = {}): Promise<Entry> {
    checkOptions(options, ['kind', 'tags', 'importance', 'validMs', 'supersedes', 'source', 'subject', 'extract', 'key'], 'remember');
    const { kind = 'note', tags = [], importance = 0.5, supersedes, source, subject } = options;
    if (typeof text !== 'string' || !isTags(tags) || !['string', 'undefined'].includes(typeof source))
      throw new NervaError(
        'OPTION_INVALID',
        `What is remembered is a string, its source too, and its tags a list of at most ${TAGS_MAX} strings of at most ${TAG_CHARS_MAX} characters. Nothing was changed.`,
      );
    const whole = toWellFormed(text) as string;
    const bytes = utf8Bytes(whole);
    if (whole.trim() === '')
      throw new NervaError('OPTION_INVALID', 'There is nothing to remember: the text is empty. Nothing was changed.');
    if (bytes > this.#textBytesMax)
      throw new NervaError(
        'MEMORY_TOO_LARGE',
        `A text of ${bytes} bytes came; ${this.#textBytesMax} is the limit. Remember it in parts; nothing was changed.`,
      );
    if (!ENTRY_KINDS.includes(kind))
      throw new NervaError(
        'OPTION_INVALID',
        `kind must be one of ${ENTRY_KINDS.join(', ')}; ${JSON.stringify(kind)} came. Nothing was changed.`,
      );
    checkRange('importance', importance, 0, 1);
    const isTakenApart = checkFlag('extract', options.extract ?? this.#extract);
    const seq = await this.#write({ key: options.key, mark: 'memory.recorded ' }, () => {
      const validMs = checkRange('validMs', options.validMs ?? this.#nowMs(), -TIME_MAX, TIME_MAX);
      if (supersedes !== undefined) this.#current(supersedes);
      const data: MemoryData['memory.recorded'] = {
        text: whole,
        name: nameOf(whole),
        kind,
        tags,
        importance,
        validMs,
        ...(supersedes === undefined ? {} : { supersedes }),
        ...(source === undefined ? {} : { source }),
      };
      const of = `${this.sid}:${this.head === 0 ? 1 : this.head}`; // after the event that opens the log
      const derived = isTakenApart ? [{ type: 'memory.derived', data: { of, ...byRules(whole, validMs) } as unknown as JsonObject }] : [];
      const drafts = [{ type: 'memory.recorded', data: { ...data } }, ...derived];
      return subject === undefined ? drafts : drafts.map((draft) => ({ ...draft, subject }));
    });
    const entry = this.entry(`${this.sid}:${seq ?? -1}`);
    if (entry.text !== whole) throw reused(options.key);
    return entry;
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
    return found.map(({ id, score }) => ({ entry: this.entry(id as EventId), share: score / (found[0]?.score ?? 1) }));
  }

  #byWords(query: string, limit: number, options: RecallQuery): readonly Recalled[] {
    const fits = fitsOf(options, this.#nowMs());
    const found = this.#reader.look((archive) => archive.search({ query, limit, fits, tags: options.tags ?? [] }));
    return found.map(({ id, score, why }) => ({ entry: this.entry(id as EventId), score, why }));
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
  async forget(id: EventId, options: Repeatable = {}): Promise<void> {
    checkOptions(options, ['key'], 'forget');
    await this.#write({ key: options.key, mark: `memory.forgotten ${id}` }, () =>
      this.entry(id).forgottenMs === null ? [{ type: 'memory.forgotten', data: { id } }] : [],
    );
  }

  /** @throws MEMORY_UNKNOWN */
  entry(id: EventId): Entry {
    const entry = this.#reader.look((archive) => archive.get(id));
    if (entry === undefined)
      throw new NervaError('MEMORY_UNKNOWN', `There is no entry ${JSON.stringify(id)} in ${this.sid}.`, { details: { id } });
    return entry;
  }

  /** All entries, the forgotten and superseded too, oldest first. */
  entries(): readonly Entry[] {
    return this.#reader.look((archive) => Array.from(archive.values()));
  }

  #current(id: EventId): void {
    const { supersededBy } = this.entry(id);
    if (supersededBy !== null)
      throw new NervaError('MEMORY_CHANGED', `${id} was superseded by ${supersededBy.id}: supersede that one. Nothing was changed.`, {
        details: { id, by: supersededBy.id },
      });
  }

  #itemSet(item: NewItem): EventDraft {
    const nowMs = this.#nowMs();
    const kept = itemOf(item, nowMs, this.#limits);
    withItem(this.#fold.working, kept, nowMs, this.#limits);
    return { type: 'memory.item.set', data: { ...kept } };
  }

  /** Never before what is recorded, for clocks differ and jump; and of a memory as it once stood, its own time. */
  #nowMs(): number {
    return this.#upto === undefined ? Math.max(this.#world.clock.nowMs(), this.#fold.atMs) : this.#fold.atMs;
  }

  /** The frame of a keyed change; a key may be longer than an id. */
  #frameOf(key: string): string {
    return KEYED + this.#world.digest(key).slice(0, 48);
  }

  /**
   * Makes a change, after those that were asked for before on this handle. `mark`: the type of its event and what it is about; what was
   * made under the same key must have the same. @returns where it stands, or null when there was nothing to write.
   */
  #write({ key, mark }: Keyed, decide: () => readonly EventDraft[]): Promise<Seq | null> {
    const written = this.#writing.then(() => this.#written({ key, mark }, decide));
    this.#writing = written.catch(() => undefined);
    return written;
  }

  /** Decides on what stands, writes it there, and decides anew when somebody wrote in between. What a key says was made is not made again. */
  async #written({ key, mark }: Keyed, decide: () => readonly EventDraft[]): Promise<Seq | null> {
    if (this.#upto !== undefined)
      throw new NervaError('MEMORY_DENIED', `This is ${this.sid} as it stood after event ${this.#upto}: it takes no change.`);
    if (key !== undefined) checkRange('characters of key', key.length, 1, 1_000);
    const id = key === undefined ? this.#world.ids.next() : this.#frameOf(key);
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      await this.refresh();
      if (this.#fold.isForeign)
        throw new NervaError('MEMORY_DENIED', `${this.sid} is the log of something else than a memory. Nothing was changed.`);
      const made = this.#reader.made(id);
      if (made !== undefined && made.mark !== null && made.mark !== mark) throw reused(key);
      if (made !== undefined) return made.seq;
      const isNew = this.head === 0;
      const drafts = decide();
      if (drafts.length === 0) return null;
      const result = await this.#append(id, isNew ? [{ type: OPENED, data: { scope: this.#scope } }, ...drafts] : drafts);
      if (result.ok) {
        await this.refresh();
        return result.seq === 0 ? 1 : result.seq;
      }
      if (result.why !== 'conflict') throw refused(this.sid, result.why);
    }
    throw new NervaError('MEMORY_CHANGED', `Others wrote ${this.sid} ${ATTEMPTS_MAX} times in between. Nothing was changed; try again.`);
  }

  async #append(id: string, drafts: readonly EventDraft[]): Promise<AppendResult> {
    const events = drafts.map((event) => {
      const whole = { ...event, data: toWellFormed(event.data) as JsonObject };
      const subject = event.subject ?? this.subject;
      return subject === undefined || event.type === OPENED ? whole : { ...whole, subject };
    });
    const frame = { id, sid: this.sid, expected: this.head, events, then: { status: 'idle' } } as const;
    return twice(() => this.#store.append(frame));
  }
}

const seqOf = (id: EventId): Seq => Number(id.slice(id.lastIndexOf(':') + 1));

function checkFlag(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new NervaError('OPTION_INVALID', `${name} is true or false; ${typeof value} came. Nothing was changed.`);
}

/** Which change it is. */
interface Keyed {
  readonly key?: string | undefined;
  readonly mark?: string | undefined;
}
