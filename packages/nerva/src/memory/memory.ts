import { checkOptions, checkRange, NervaError, toWellFormed, utf8Bytes, type Json, type World } from '../core/index.ts';
import { eventsOf, type EventDraft, type EventId, type Seq, type Sid, type Store } from '../log/index.ts';
import { blockOf, removeBlock, renderCore, setBlock, type BlockChange, type Core } from './blocks.ts';
import { edited, type Edit } from './edit.ts';
import { ENTRY_KINDS, holdsAt, nameOf, type Entry, type EntryKind, type Moment } from './entries.ts';
import { MemoryFold, type MemoryData } from './fold.ts';
import { recallIndex, type RecallIndex, type Why } from './recall.ts';
import { itemAt, itemOf, raised, touchedMs, withItem, WORKING_LIMITS, type NewItem, type WorkingLimits } from './working.ts';

/** What `openMemory` takes. */
export interface MemoryOptions {
  readonly store: Store;
  readonly world: World;
  /** Whose memory it is: `user:ada`, `team:support`, `agent:clerk`, 1–120 of `A-Za-z0-9_.:-`. Its log is the session `scope:` and this. */
  readonly scope: string;
  /** Whose personal data it holds: sealed under that subject's key, and gone when it is erased. */
  readonly subject?: string;
  /** As it stood after this event of its log; then it takes no change. */
  readonly upto?: Seq;
  readonly working?: Partial<WorkingLimits>;
  /** Of a text to remember. Default 100,000. */
  readonly textBytesMax?: number;
}

/** How a change is made safe to repeat. */
export interface Repeatable {
  /** The same change under the same key again is made once, and gives the same result; recognised among the last 10,000. 1–1,000 characters. */
  readonly key?: string;
}

/** What is said of a text that is remembered. */
export interface Remembered extends Repeatable {
  /** Default `note`. */
  readonly kind?: EntryKind;
  readonly tags?: readonly string[];
  /** 0–1, default 0.5. */
  readonly importance?: number;
  /** Since when it holds, ms since 1970; default now. */
  readonly validMs?: number;
  /** The entry whose place it takes, from `validMs` on. */
  readonly supersedes?: EventId;
  /** The event that it comes from. */
  readonly source?: EventId;
}

/** What to look for. */
export interface RecallQuery {
  /** 1–100, default 10. */
  readonly limit?: number;
  /** What held then, ms since 1970; default now. */
  readonly validAtMs?: number;
  /** As far as it was recorded by then; default now. */
  readonly knownAtMs?: number;
  /** Only entries that have all of these. */
  readonly tags?: readonly string[];
  readonly kinds?: readonly EntryKind[];
}

/** An entry that was found. */
export interface Recalled {
  readonly entry: Entry;
  readonly score: number;
  readonly why: Why;
}

/** Appends tried when others write at the same time. */
const ATTEMPTS_MAX = 20;
/** Frames of keyed changes that are recognised when they are repeated. */
const KEYS_MAX = 10_000;
const KEYED = 'key:';

/** Opens the memory of a scope: reads its log. Nothing is written before something is kept. @throws OPTION_UNKNOWN, OPTION_INVALID. */
export async function openMemory(options: MemoryOptions): Promise<Memory> {
  checkOptions(options, ['store', 'world', 'scope', 'subject', 'upto', 'working', 'textBytesMax'], 'openMemory');
  checkOptions(options.working ?? {}, Object.keys(WORKING_LIMITS), 'openMemory working');
  if (!/^[A-Za-z0-9_.:-]{1,120}$/.test(options.scope))
    throw new NervaError(
      'OPTION_INVALID',
      `scope has 1 to 120 of A-Za-z0-9_.:-; ${JSON.stringify(options.scope.slice(0, 130))} came. Nothing was read.`,
    );
  const memory = new Memory(options);
  await memory.refresh();
  return memory;
}

/**
 * What a scope keeps: blocks that an agent always has before it, items for a while, and entries for good, found again by `recall`. It is a
 * projection of one log: what is acknowledged is there for whoever opens it next, and each change says when it was made.
 * Two that write at once are told apart by the head of the log: each change is decided on what stands.
 */
export class Memory {
  readonly sid: Sid;
  readonly #store: Store;
  readonly #world: World;
  readonly #scope: string;
  readonly #subject: string | undefined;
  readonly #upto: Seq | undefined;
  readonly #limits: WorkingLimits;
  readonly #textBytesMax: number;
  readonly #fold = new MemoryFold();
  readonly #index: RecallIndex = recallIndex();
  /** Where the frames of keyed changes begin, oldest first. */
  readonly #keyed = new Map<string, Seq>();
  #reading: Promise<void> | null = null;

  /** Use `openMemory`. */
  constructor({ store, world, scope, subject, upto, working, textBytesMax = 100_000 }: MemoryOptions) {
    this.sid = `scope:${scope}`;
    this.#store = store;
    this.#world = world;
    this.#scope = scope;
    this.#subject = subject;
    this.#upto = upto;
    this.#limits = { ...WORKING_LIMITS, ...working };
    this.#textBytesMax = checkRange('textBytesMax', textBytesMax, 1, 1_000_000);
  }

  /** Events of its log. */
  get head(): Seq {
    return this.#fold.head;
  }

  get core(): Core {
    return this.#fold.core;
  }

  /** The blocks as they stand in a prompt. */
  render(): string {
    return renderCore(this.core);
  }

  /** Reads what others wrote meanwhile. */
  async refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => (this.#reading = null));
    await this.#reading;
  }

  /** Sets a block. @throws MEMORY_FULL, MEMORY_TOO_LARGE, OPTION_INVALID; nothing was written. */
  async setBlock(change: BlockChange): Promise<void> {
    await this.#write(undefined, () => {
      setBlock(this.core, change);
      return [{ type: 'memory.block.set', data: { ...change } }];
    });
  }

  /**
   * Edits the text of a block, as a model does: not one that is read-only, and with `version` only as long as it has that.
   * @throws MEMORY_UNKNOWN, MEMORY_DENIED, MEMORY_CHANGED, MEMORY_EDIT, MEMORY_FULL, MEMORY_TOO_LARGE; nothing was written.
   */
  async editBlock(label: string, edit: Edit, options: { readonly version?: number } & Repeatable = {}): Promise<void> {
    checkOptions(options, ['version', 'key'], 'editBlock');
    await this.#write(options.key, () => {
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
      setBlock(this.core, change);
      return [{ type: 'memory.block.set', data: change }];
    });
  }

  /** @throws MEMORY_UNKNOWN */
  async removeBlock(label: string): Promise<void> {
    await this.#write(undefined, () => {
      removeBlock(this.core, label);
      return [{ type: 'memory.block.removed', data: { label } }];
    });
  }

  /** Keeps a value for a while. @throws MEMORY_FULL, MEMORY_TOO_LARGE, OPTION_INVALID; nothing was written. */
  async setItem(item: NewItem): Promise<void> {
    await this.#write(undefined, () => [this.#itemSet(item)]);
  }

  /** The value kept under a key, or undefined when none is, or when its time is over. */
  item(key: string): Json | undefined {
    return itemAt(this.#fold.working, key, this.#nowMs())?.value;
  }

  /** Adds to a number, from 0 where there is none; its time begins anew. @returns what it is now. @throws MEMORY_EDIT for what is no number. */
  async raiseItem(key: string, by = 1): Promise<number> {
    let value = 0;
    await this.#write(undefined, () => {
      const item = raised(this.#fold.working, { key, by }, this.#nowMs());
      value = item.value;
      return [this.#itemSet(item)];
    });
    return value;
  }

  /** Keeps an item for `ttlMs` from now, or as long as it was to be kept, whichever is longer. @returns false when it is not there. */
  async touchItem(key: string, ttlMs: number = this.#limits.ttlMs): Promise<boolean> {
    return this.#write(undefined, () => {
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
  }

  /** @returns false when it was not there. */
  async deleteItem(key: string): Promise<boolean> {
    return this.#write(undefined, () =>
      itemAt(this.#fold.working, key, this.#nowMs()) === undefined ? [] : [{ type: 'memory.items.removed', data: { keys: [key] } }],
    );
  }

  /**
   * Keeps a text for good, as it is. What `supersedes` names holds until `validMs`, and this from then on.
   * @throws OPTION_INVALID, MEMORY_TOO_LARGE, MEMORY_UNKNOWN (what it supersedes), MEMORY_CHANGED (that was superseded already); nothing was written.
   */
  async remember(text: string, options: Remembered = {}): Promise<Entry> {
    checkOptions(options, ['kind', 'tags', 'importance', 'validMs', 'supersedes', 'source', 'key'], 'remember');
    const { kind = 'note', tags = [], importance = 0.5, supersedes, source } = options;
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
    let seq = -1;
    await this.#write(options.key, (head) => {
      const validMs = checkRange('validMs', options.validMs ?? this.#nowMs(), 0, Number.MAX_SAFE_INTEGER);
      if (supersedes !== undefined) this.#current(supersedes);
      seq = head;
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
      return [{ type: 'memory.recorded', data: { ...data } }];
    });
    const first = options.key === undefined ? seq : this.#repeated(options.key, seq);
    return this.entry(`${this.sid}:${first}`);
  }

  /** The entries that answer a question best, best first. @throws OPTION_UNKNOWN, OPTION_INVALID. */
  recall(query: string, options: RecallQuery = {}): readonly Recalled[] {
    checkOptions(options, ['limit', 'validAtMs', 'knownAtMs', 'tags', 'kinds'], 'recall');
    const { tags = [], kinds } = options;
    const nowMs = this.#nowMs();
    const moment: Moment = { validAtMs: options.validAtMs ?? nowMs, knownAtMs: options.knownAtMs ?? nowMs };
    const fits = (id: string): boolean => {
      const entry = this.#fold.entries.get(id as EventId);
      return (
        entry !== undefined &&
        holdsAt(entry, moment) &&
        (kinds === undefined || kinds.includes(entry.kind)) &&
        tags.every((tag) => entry.tags.includes(tag))
      );
    };
    const limit = checkRange('limit', options.limit ?? 10, 1, 100);
    return this.#index.search(query, { limit, only: fits }).map(({ id, score, why }) => ({ entry: this.entry(id as EventId), score, why }));
  }

  /** Leaves an entry out of recall from now on; `knownAtMs` before that finds it still. @throws MEMORY_UNKNOWN */
  async forget(id: EventId, options: Repeatable = {}): Promise<void> {
    checkOptions(options, ['key'], 'forget');
    await this.#write(options.key, () => (this.entry(id).forgottenMs === null ? [{ type: 'memory.forgotten', data: { id } }] : []));
  }

  /** @throws MEMORY_UNKNOWN */
  entry(id: EventId): Entry {
    const entry = this.#fold.entries.get(id);
    if (entry === undefined)
      throw new NervaError('MEMORY_UNKNOWN', `There is no entry ${JSON.stringify(id)} in ${this.sid}.`, { details: { id } });
    return entry;
  }

  /** All entries, the forgotten and superseded too, oldest first. */
  entries(): readonly Entry[] {
    return Array.from(this.#fold.entries.values());
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

  #nowMs(): number {
    return this.#world.clock.nowMs();
  }

  async #read(): Promise<void> {
    if (this.#fold.head === 0 && (await this.#store.head(this.sid)) === 0) return;
    for (;;) {
      const range = this.#upto === undefined ? {} : { upto: this.#upto };
      const frames = await this.#store.read(this.sid, { after: this.head - 1, ...range });
      if (frames.length === 0) return;
      for (const frame of frames) {
        if (frame.id.startsWith(KEYED)) this.#keep(frame.id, frame.seq);
        for (const event of eventsOf(frame)) {
          const entry = event.seq < this.head ? null : this.#fold.apply(event);
          if (entry !== null) this.#index.add({ id: entry.id, text: entry.text, atMs: entry.validMs });
        }
      }
    }
  }

  /** The frame of a keyed change; a key may be longer than an id. */
  #frameOf(key: string): string {
    return KEYED + this.#world.digest(key).slice(0, 48);
  }

  #keep(id: string, seq: Seq): void {
    this.#keyed.set(id, seq);
    const [oldest] = this.#keyed.keys();
    if (this.#keyed.size > KEYS_MAX && oldest !== undefined) this.#keyed.delete(oldest);
  }

  /** Where the entry of a keyed change stands: behind `scope.opened` when that is in the same frame. */
  #repeated(key: string, seq: Seq): Seq {
    const first = this.#keyed.get(this.#frameOf(key)) ?? seq;
    return first === 0 ? 1 : first;
  }

  /**
   * Decides on what stands, writes it there, and decides anew when somebody wrote in between. What a key says was made is not made again.
   * @returns whether there was anything to write.
   */
  async #write(key: string | undefined, decide: (head: Seq) => readonly EventDraft[]): Promise<boolean> {
    if (this.#upto !== undefined)
      throw new NervaError('MEMORY_DENIED', `This is ${this.sid} as it stood after event ${this.#upto}: it takes no change.`);
    if (key !== undefined) checkRange('characters of key', key.length, 1, 1_000);
    const id = key === undefined ? this.#world.ids.next() : this.#frameOf(key);
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      await this.refresh();
      if (this.#keyed.has(id)) return false;
      const isNew = this.head === 0;
      const drafts = decide(isNew ? 1 : this.head);
      if (drafts.length === 0) return false;
      const opened: EventDraft = { type: 'scope.opened', data: { scope: this.#scope } };
      const events = (isNew ? [opened, ...drafts] : drafts).map((event) =>
        this.#subject === undefined || event === opened ? event : { ...event, subject: this.#subject },
      );
      const frame = { id, sid: this.sid, expected: this.head, events, then: { status: 'idle' } } as const;
      const result = await this.#store.append(frame).catch((error: unknown) => {
        if (!NervaError.is(error, 'LOG_UNKNOWN_RESULT')) throw error;
        return this.#store.append(frame); // the same frame again: it is there once
      });
      if (result.ok) {
        await this.refresh();
        return true;
      }
      if (result.why !== 'conflict') throw refused(this.sid, result.why);
    }
    throw new NervaError('MEMORY_CHANGED', `Others wrote ${this.sid} ${ATTEMPTS_MAX} times in between. Nothing was changed; try again.`);
  }
}

function refused(sid: Sid, why: 'fenced' | 'closed' | 'limit'): NervaError {
  if (why === 'limit')
    return new NervaError('SESSION_FULL', `${sid} reached the limit of its log. Nothing was changed.`, { details: { sid } });
  return new NervaError('SESSION_CLOSED', `${sid} is ${why}. Nothing was changed.`, { details: { sid } });
}
