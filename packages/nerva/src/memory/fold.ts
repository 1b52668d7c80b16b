import type { Json, JsonObject } from '../core/index.ts';
import type { EventId, LogEvent } from '../log/index.ts';
import { blockOf, removeBlock, setBlock, type BlockChange, type Core } from './blocks.ts';
import { endedAt, TIME_MAX, type Ending, type Entry } from './entries.ts';
import { TEXT_MAX } from './recall.ts';
import { itemBytes, type Item, type Working } from './working.ts';

/** What a memory's log says, by type. */
export interface MemoryData {
  /** The first event: whose memory it is. */
  'scope.opened': { readonly scope: string };
  'memory.block.set': BlockChange;
  'memory.block.removed': { readonly label: string };
  'memory.item.set': { readonly key: string; readonly value: Json; readonly bytes: number; readonly expiresMs: number };
  'memory.items.removed': { readonly keys: readonly string[] };
  'memory.recorded': Pick<Entry, 'text' | 'name' | 'kind' | 'tags' | 'importance' | 'validMs'> & {
    readonly supersedes?: EventId;
    readonly source?: EventId;
  };
  'memory.forgotten': { readonly id: EventId };
}

/**
 * What a memory's log folds to, event by event; one that is older is folded anew. Total: what is unknown or erased, and what does not fit
 * the limits of today any more, changes nothing but the head. O(1) an event, but for blocks, which are few.
 * Invariant M1: each entry stands under the event that recorded it, and an entry is superseded by one at most.
 */
export class MemoryFold {
  head = 0;
  /** Of the last event. */
  atMs = 0;
  /** The log does not begin like that of a memory: it belongs to a session. */
  isForeign = false;
  core: Core = [];
  readonly #items = new Map<string, Item>();
  #itemBytes = 0;
  /** So many items are looked through for what is over. */
  #itemsMax = SWEEP_MIN;
  readonly entries = new Map<EventId, Entry>();

  /** Folds the next event. @returns the entry that it recorded, when it did. */
  apply(event: LogEvent): Entry | null {
    this.head = event.seq + 1;
    this.atMs = event.atMs;
    if (event.seq === 0) this.isForeign = event.type !== 'scope.opened';
    if (event.erased === true) return null;
    const { data, atMs } = event;
    switch (event.type as keyof MemoryData) {
      case 'memory.block.set':
        this.core = orSame(this.core, (core) => setBlock(core, data as unknown as BlockChange));
        return null;
      case 'memory.block.removed':
        this.core = orSame(this.core, (core) => removeBlock(core, blockOf(core, String(data['label'])).label));
        return null;
      case 'memory.item.set':
        if (isItem(data)) this.#keep(data, atMs);
        return null;
      case 'memory.items.removed':
        if (Array.isArray(data['keys'])) for (const key of data['keys']) this.#drop(String(key));
        return null;
      case 'memory.recorded':
        return this.#record(data, event);
      case 'memory.forgotten':
        this.#change(data['id'] as EventId, ({ forgottenMs }) => ({ forgottenMs: forgottenMs ?? atMs }));
        return null;
      default:
        return null;
    }
  }

  /** Nothing is kept. */
  get isEmpty(): boolean {
    return this.core.length + this.#items.size + this.entries.size === 0;
  }

  /** What is kept for a while, as it is now: the next event changes it. */
  get working(): Working {
    return { items: this.#items, bytes: this.#itemBytes };
  }

  /** What is over goes when there are twice as many as were left the last time: a log may set an item often. */
  #keep({ key, value, expiresMs }: Item, nowMs: number): void {
    const bytes = itemBytes(key, value); // and not what the log says that it counts
    this.#drop(key);
    this.#items.set(key, { key, value, bytes, expiresMs });
    this.#itemBytes += bytes;
    if (this.#items.size <= this.#itemsMax) return;
    for (const { key, expiresMs } of this.#items.values()) if (expiresMs <= nowMs) this.#drop(key);
    this.#itemsMax = Math.max(SWEEP_MIN, 2 * this.#items.size);
  }

  #drop(key: string): void {
    this.#itemBytes -= this.#items.get(key)?.bytes ?? 0;
    this.#items.delete(key);
  }

  #record(data: JsonObject, { sid, seq, atMs }: LogEvent): Entry | null {
    if (!isRecorded(data)) return null;
    const id: EventId = `${sid}:${seq}`;
    const { text, name, kind, tags, importance, validMs, supersedes = null, source = null } = data;
    const known = { text, name, kind, tags, importance, validMs };
    const entry: Entry = {
      ...known,
      id,
      source,
      supersedes,
      invalidMs: null,
      recordedMs: atMs,
      supersededBy: null,
      endings: [],
      forgottenMs: null,
    };
    this.entries.set(id, entry);
    const old = supersedes === null ? undefined : this.entries.get(supersedes);
    if (old?.supersededBy === null) {
      this.entries.set(old.id, { ...old, supersededBy: { id, recordedMs: atMs } });
      this.#end(old.id, { atMs: validMs, recordedMs: atMs });
    }
    return entry;
  }

  /**
   * What was superseded ends, and so does all in whose place that stood: what takes the place of a wrong correction may begin before it.
   * As far back as it ends sooner than was known: what is farther back ended before.
   */
  #end(id: EventId, ending: Ending): void {
    for (let next: EventId | null = id; next !== null;) {
      const old: Entry | undefined = this.entries.get(next);
      const ended = old === undefined ? null : endedAt(old, ending);
      if (ended === null) return;
      this.entries.set(next, ended);
      const before: Entry | undefined = ended.supersedes === null ? undefined : this.entries.get(ended.supersedes);
      next = before?.supersededBy?.id === next ? before.id : null;
    }
  }

  #change(id: EventId, change: (entry: Entry) => Partial<Entry>): void {
    const entry = this.entries.get(id);
    if (entry !== undefined) this.entries.set(id, { ...entry, ...change(entry) });
  }
}

/** Whoever may write the log may write anything into it. */
function isRecorded(data: unknown): data is MemoryData['memory.recorded'] {
  const { text, name, kind, tags, importance, validMs } = data as Readonly<Record<string, unknown>>;
  return (
    typeof text === 'string' &&
    text.length <= TEXT_MAX &&
    typeof name === 'string' &&
    typeof kind === 'string' &&
    Array.isArray(tags) &&
    tags.every((tag) => typeof tag === 'string') &&
    typeof importance === 'number' &&
    typeof validMs === 'number' &&
    Math.abs(validMs) <= TIME_MAX
  );
}

function isItem(data: unknown): data is Item {
  const { key, value, expiresMs } = data as Readonly<Record<string, unknown>>;
  return typeof key === 'string' && value !== undefined && typeof expiresMs === 'number';
}

/** Fewer items than this are not worth a look. */
const SWEEP_MIN = 1_000;

/** It was checked when it was written, under the limits of then. */
function orSame<T>(before: T, change: (before: T) => T): T {
  try {
    return change(before);
  } catch {
    return before;
  }
}
