import { checkOptions, checkRange, NervaError, toWellFormed, utf8Bytes, type Json } from '../core/index.ts';
import type { EventDraft } from '../log/index.ts';
import { TIME_MAX } from './entries.ts';
import type { Write } from './log-writer.ts';
import {
  appended,
  itemAt,
  itemOf,
  overAt,
  raised,
  withItem,
  WORKING_LIMITS,
  type Item,
  type NewItem,
  type Working,
  type WorkingLimits,
} from './working.ts';

/** The memory that items are of. */
export interface ItemsGround {
  readonly working: () => Working;
  readonly nowMs: () => number;
  readonly write: Write;
  readonly limits: WorkingLimits;
}

/** All bounds, checked: what is no number bounds nothing. @throws OPTION_INVALID */
export function workingLimits(some: Partial<WorkingLimits>): WorkingLimits {
  const limits = { ...WORKING_LIMITS, ...some };
  for (const name of ['bytesMax', 'itemBytesMax', 'itemsMax', 'keyBytesMax'] as const)
    checkRange(`working.${name}`, limits[name], 0, Infinity);
  for (const name of ['ttlMs', 'ttlMsMax'] as const) checkRange(`working.${name}`, limits[name], 1, TIME_MAX);
  return limits;
}

/** What a memory keeps for a while, and how that is changed: each change is decided on what stands, and is an event. */
export class Items {
  readonly #ground: ItemsGround;

  constructor(ground: ItemsGround) {
    this.#ground = ground;
  }

  /** The value under a key, while it is there. */
  at(key: string): Json | undefined {
    const { working, nowMs } = this.#ground;
    return itemAt(working(), key, nowMs())?.value;
  }

  /** @throws MEMORY_FULL, MEMORY_TOO_LARGE, OPTION_INVALID */
  async set(item: NewItem): Promise<void> {
    checkOptions(item, ['key', 'value', 'ttlMs'], 'setItem');
    const { nowMs, write, limits } = this.#ground;
    await write({}, () => [this.#put(itemOf(item, nowMs(), limits))]);
  }

  /** @returns what it is now. @throws MEMORY_EDIT for what is no number */
  async raise(key: string, by: number): Promise<number> {
    checkRange('by', by, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    return this.#add(key, (working, nowMs) => raised(working, { key, by }, nowMs));
  }

  /** @returns what it is now. @throws MEMORY_EDIT for what is no text */
  async append(key: string, more: string): Promise<string> {
    if (typeof more !== 'string')
      throw new NervaError('OPTION_INVALID', `What is appended is a text; ${typeof more} came. Nothing was changed.`);
    const text = toWellFormed(more) as string;
    return this.#add(key, (working, nowMs) => appended(working, { key, text }, nowMs));
  }

  /** @returns false when it is not there. */
  async touch(key: string, ttlMs: number = this.#ground.limits.ttlMs): Promise<boolean> {
    const { working, nowMs, write, limits } = this.#ground;
    checkRange('ttlMs', ttlMs, 1, limits.ttlMsMax);
    const seq = await write({}, () => {
      const item = itemAt(working(), key, nowMs());
      return item === undefined ? [] : [this.#put({ ...item, expiresMs: touchedMs(item, ttlMs, nowMs()) })];
    });
    return seq !== null;
  }

  /** @returns false when it was not there. */
  async delete(key: string): Promise<boolean> {
    return (await this.#remove(() => (this.#isThere(key) ? [key] : []))).length > 0;
  }

  /** Removes what is over. @returns how many that were. */
  async sweep(): Promise<number> {
    const { working, nowMs } = this.#ground;
    let count = 0;
    for (;;) {
      const { length } = await this.#remove(() => overAt(working(), nowMs()));
      if (length === 0) return count;
      count += length;
    }
  }

  /** Removes all that is kept when it begins, frame by frame. @returns how many were there. */
  async clear(): Promise<number> {
    const { working } = this.#ground;
    let [count, first]: [number, readonly string[] | null] = [0, null];
    for (;;) {
      let there = 0;
      const keys = await this.#remove(() => {
        const { items } = working();
        // What others set meanwhile under new keys stays, so that this ends.
        first ??= Array.from(items.keys());
        const page = pageOfKeys(first.filter((key) => items.has(key)));
        there = page.filter((key) => this.#isThere(key)).length;
        return page;
      });
      if (keys.length === 0) return count;
      count += there;
    }
  }

  #isThere(key: string): boolean {
    const { working, nowMs } = this.#ground;
    return itemAt(working(), key, nowMs()) !== undefined;
  }

  /** One frame. @returns which keys it removed. */
  async #remove(decide: () => readonly string[]): Promise<readonly string[]> {
    let keys: readonly string[] = [];
    await this.#ground.write({}, () => {
      keys = pageOfKeys(decide());
      return keys.length === 0 ? [] : [{ type: 'memory.items.removed', data: { keys } }];
    });
    return keys;
  }

  /** Adds to what is there, which is kept no shorter for it. */
  async #add<T extends Json>(key: string, change: (working: Working, nowMs: number) => T): Promise<T> {
    const { working, nowMs, write, limits } = this.#ground;
    let value: T | undefined;
    await write({}, () => {
      const now = nowMs();
      value = change(working(), now);
      const [before, item] = [itemAt(working(), key, now), itemOf({ key, value }, now, limits)];
      return [this.#put(before === undefined ? item : { ...item, expiresMs: touchedMs(before, limits.ttlMs, now) })];
    });
    return value as T;
  }

  #put(item: Item): EventDraft {
    const { working, nowMs, limits } = this.#ground;
    withItem(working(), item, nowMs(), limits);
    return { type: 'memory.item.set', data: { ...item } };
  }
}

/** Until when an item is kept that is touched or added to: longer, never shorter. */
const touchedMs = (item: Item, ttlMs: number, nowMs: number): number => Math.max(item.expiresMs, nowMs + ttlMs);

/** The first of some keys, as many as one event may name. */
export function pageOfKeys(keys: readonly string[]): readonly string[] {
  let bytes = 0;
  const end = keys.findIndex((key, at) => at === PAGE_KEYS_MAX || (bytes += utf8Bytes(key)) > PAGE_BYTES_MAX);
  return end < 0 ? keys : keys.slice(0, Math.max(1, end));
}

const PAGE_KEYS_MAX = 1_000;
const PAGE_BYTES_MAX = 256 * 1024;
