import type { Json, JsonObject } from '../core/index.ts';
import type { EventId, LogEvent, Seq } from '../log/index.ts';
import { memoryArchive, type Archive } from './archive.ts';
import { blockOf, removeBlock, setBlock, type BlockChange, type Core } from './blocks.ts';
import { HIGH, type Derivation, type Evolution } from './derived.ts';
import { readDerivation, readEvolution } from './derived-read.ts';
import { endedAt, TIME_MAX, type Ending, type Entry } from './entries.ts';
import type { Witness } from './kept-rows.ts';
import { isNewer, withNewer } from './makers.ts';
import { TEXT_MAX } from './recall.ts';
import { withRights, type Rights, type RightsData } from './rights.ts';
import { TierFold, type FrozenTiers, type TierData } from './tier-fold.ts';
import { itemBytes, type Item, type Working } from './working.ts';

/** What a memory's log says, by type. */
export interface MemoryData extends TierData, RightsData {
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
  /** These are all forgotten; at most CLEARED_MAX. */
  'memory.cleared': { readonly ids: readonly EventId[] };
  /** From then on an entry holds no more, and nothing takes its place. */
  'memory.ended': { readonly id: EventId; readonly atMs: number };
  /** What was made of an entry's text. */
  'memory.derived': Derivation & { readonly of: EventId };
  /** How an entry stands to others. */
  'memory.evolved': Evolution & { readonly from: EventId };
}

/** What its archive is told. */
const OF_ENTRIES: ReadonlySet<keyof MemoryData> = new Set([
  'memory.recorded',
  'memory.ended',
  'memory.forgotten',
  'memory.cleared',
  'memory.derived',
  'memory.evolved',
]);

/** Entries that one event may clear. */
export const CLEARED_MAX = 1_000;

/** What `freeze` gives: all of a fold but its archive. */
interface Frozen {
  readonly head: Seq;
  readonly atMs: number;
  readonly isForeign: boolean;
  readonly core: Core;
  readonly items: readonly Item[];
  readonly itemsMax: number;
  readonly witnesses: readonly (readonly [string, Witness])[];
  readonly beside: readonly string[];
  readonly tiers: FrozenTiers;
  readonly rights: Rights;
}

/**
 * What a memory's log folds to, event by event; one that is older is folded anew. Total: what is unknown or erased, and what does not fit
 * the limits of today any more, changes nothing but the head. O(1) an event, but for blocks, which are few.
 * Invariant M1: each entry stands under the event that recorded it, and an entry is superseded by one at most.
 */
export class MemoryFold {
  readonly archive: Archive;
  head = 0;
  /** Of the last event. */
  atMs = 0;
  /** The log does not begin like that of a memory: it belongs to a session. */
  isForeign = false;
  /** The blocks that were set. */
  core: Core = [];
  /** Where entries stand. */
  tiers = new TierFold();
  /** Of agents, through their tools. */
  rights: Rights = {};
  readonly #items = new Map<string, Item>();
  #itemBytes = 0;
  /** So many items are looked through for what is over. */
  #itemsMax = SWEEP_MIN;
  readonly #witnesses = new Map<string, Witness>();
  /** Subjects with something among the blocks and items, or of whose entries it is known where they stand. */
  readonly #beside = new Set<string>();

  /** `archive`: where its entries are kept. */
  constructor(archive: Archive = memoryArchive()) {
    this.archive = archive;
  }

  /** The fold that `freeze` gave the text of, on the archive of the same log. */
  static thaw(archive: Archive, text: string): MemoryFold {
    const { items, witnesses, beside, itemsMax, tiers, ...plain } = JSON.parse(text) as Frozen;
    const fold = Object.assign(new MemoryFold(archive), plain);
    fold.tiers = TierFold.thaw(tiers);
    for (const item of items) fold.#keep(item, -Infinity);
    fold.#itemsMax = itemsMax;
    for (const [subject, witness] of witnesses) fold.#witnesses.set(subject, witness);
    for (const subject of beside) fold.#beside.add(subject);
    return fold;
  }

  /** All but the archive, as JSON. O(blocks + items). */
  freeze(): string {
    const { head, atMs, isForeign, core, rights } = this;
    const frozen: Frozen = {
      head,
      atMs,
      isForeign,
      core,
      rights,
      items: Array.from(this.#items.values()),
      itemsMax: this.#itemsMax,
      witnesses: Array.from(this.#witnesses),
      beside: Array.from(this.#beside),
      tiers: this.tiers.freeze(),
    };
    return JSON.stringify(frozen);
  }

  /** Of each subject that the log names the first event. */
  get witnesses(): ReadonlyMap<string, Witness> {
    return this.#witnesses;
  }

  /** Whether blocks or items hold something of a subject. */
  holds(subject: string): boolean {
    return this.#beside.has(subject);
  }

  /** The archive holds nothing of a subject any more. */
  dropWitness(subject: string): void {
    this.#witnesses.delete(subject);
  }

  /** Folds the next event. `isArchived`: its archive has been told already. */
  apply(event: LogEvent, isArchived = false): void {
    this.head = event.seq + 1;
    this.atMs = event.atMs;
    if (event.seq === 0) this.isForeign = event.type !== 'scope.opened';
    const { data, atMs, subject, erased = false } = event;
    if (subject !== undefined && !this.#witnesses.has(subject)) this.#witnesses.set(subject, { seq: event.seq, isRead: !erased });
    if (erased) return;
    const type = event.type as keyof MemoryData;
    if (OF_ENTRIES.has(type)) {
      if (!isArchived) this.#applyToEntries(type, data, event);
      return;
    }
    if (subject !== undefined) this.#beside.add(subject);
    this.#applyBeside(type, data, atMs);
    this.tiers.apply(type, data, event);
    this.rights = withRights(this.rights, type, data);
  }

  #applyToEntries(type: keyof MemoryData, data: JsonObject, event: LogEvent): void {
    if (type === 'memory.recorded') this.#record(data, event);
    else if (type === 'memory.ended') this.#endAt(data, event);
    else if (type === 'memory.forgotten') this.#forget(data['id'], event);
    else if (type === 'memory.cleared' && isIds(data['ids'])) for (const id of data['ids']) this.#forget(id, event);
    else if (type === 'memory.derived') this.#derive(data, event);
    else if (type === 'memory.evolved') this.#evolve(data, event);
  }

  #applyBeside(type: keyof MemoryData, data: JsonObject, atMs: number): void {
    if (type === 'memory.block.set') this.core = orSame(this.core, (core) => setBlock(core, data as unknown as BlockChange));
    else if (type === 'memory.block.removed')
      this.core = orSame(this.core, (core) => removeBlock(core, blockOf(core, String(data['label'])).label));
    else if (type === 'memory.item.set') {
      if (isItem(data)) this.#keep(data, atMs);
    } else if (type === 'memory.items.removed' && Array.isArray(data['keys'])) for (const key of data['keys']) this.#drop(String(key));
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

  #record(data: JsonObject, { sid, seq, atMs, subject }: LogEvent): void {
    if (!isRecorded(data)) return;
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
      ...(subject === undefined ? {} : { subject }),
    };
    this.archive.put(entry, subject);
    if (supersedes !== null) this.#supersede(supersedes, entry, { atMs, subject });
  }

  /** The first that takes the place of another does. */
  #supersede(
    old: EventId,
    { id, validMs }: Entry,
    { atMs, subject }: { readonly atMs: number; readonly subject?: string | undefined },
  ): void {
    const entry = this.archive.get(old);
    if (entry === undefined) return;
    // Also where it changes nothing, for without an earlier one, which may be another's, it would.
    this.archive.put(entry.supersededBy === null ? { ...entry, supersededBy: { id, recordedMs: atMs } } : entry, subject);
    if (entry.supersededBy === null) this.#end(old, { atMs: validMs, recordedMs: atMs }, subject);
  }

  /**
   * What was superseded ends, and so does all in whose place that stood: what takes the place of a wrong correction may begin before it.
   * As far back as it ends sooner than was known: what is farther back ended before.
   */
  #end(id: EventId, ending: Ending, subject: string | undefined): void {
    for (let next: EventId | null = id; next !== null;) {
      const old: Entry | undefined = this.archive.get(next);
      const ended = old === undefined ? null : endedAt(old, ending);
      if (ended === null) return;
      this.archive.put(ended, subject);
      const before: Entry | undefined = ended.supersedes === null ? undefined : this.archive.get(ended.supersedes);
      next = before?.supersededBy?.id === next ? before.id : null;
    }
  }

  #derive(data: JsonObject, { subject }: LogEvent): void {
    const entry = this.#at(data['of']);
    const made = entry === undefined ? null : readDerivation(data, entry.text.length);
    if (entry !== undefined && made !== null) this.archive.put({ ...entry, derived: withNewer(entry.derived ?? [], made) }, subject);
  }

  /** What surely says what is so now, or against what is said, stands for the other from when it began on; both stay. */
  #evolve(data: JsonObject, event: LogEvent): void {
    const entry = this.#at(data['from']);
    const made = entry === undefined ? null : readEvolution(data, entry.id);
    if (entry === undefined || made === null || !isNewer(entry.evolved ?? [], made.by)) return;
    this.archive.put({ ...entry, evolved: withNewer(entry.evolved ?? [], made) }, event.subject);
    for (const { to, relation, confidence } of made.relations) {
      const other = this.#at(to);
      if (other === undefined || confidence < HIGH || (relation !== 'update' && relation !== 'contradict')) continue;
      // Of two that began at once the one that was recorded later.
      const [earlier, later] = other.validMs > entry.validMs ? [entry, other] : [other, entry];
      this.#supersede(earlier.id, later, event);
      // Also where another stands for it already: one that began sooner ends it sooner.
      this.#end(earlier.id, { atMs: later.validMs, recordedMs: event.atMs }, event.subject);
    }
  }

  #at(id: unknown): Entry | undefined {
    return typeof id === 'string' ? this.archive.get(id as EventId) : undefined;
  }

  /** As if something began then in its place, of which nothing is known. */
  #endAt({ id, atMs }: JsonObject, event: LogEvent): void {
    const entry = this.#at(id);
    if (entry === undefined || typeof atMs !== 'number' || !(Math.abs(atMs) <= TIME_MAX)) return;
    this.#end(entry.id, { atMs, recordedMs: event.atMs }, event.subject);
  }

  #forget(id: unknown, { atMs, subject }: LogEvent): void {
    const entry = this.#at(id);
    if (entry !== undefined) this.archive.put({ ...entry, forgottenMs: entry.forgottenMs ?? atMs }, subject);
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

function isIds(ids: unknown): ids is readonly unknown[] {
  return Array.isArray(ids) && ids.length <= CLEARED_MAX;
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
