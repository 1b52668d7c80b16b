import { checkRange, NervaError, utf8Bytes, type Json } from '../core/index.ts';

/** What is kept for a while. */
export interface Item {
  readonly key: string;
  readonly value: Json;
  /** Of key and value as JSON. */
  readonly bytes: number;
  /** It is there as long as the clock stands before this, ms since 1970. */
  readonly expiresMs: number;
}

/** Items by key. Invariant W1: `bytes` is the sum of theirs, also of those that are over and not yet swept. */
export interface Working {
  readonly items: ReadonlyMap<string, Item>;
  readonly bytes: number;
}

/** Bounds of a working memory. */
export interface WorkingLimits {
  /** Of all items, keys included. Default 1 MiB. */
  readonly bytesMax: number;
  /** Of one. Default 64 KiB. */
  readonly itemBytesMax: number;
  /** Default 1,000. */
  readonly itemsMax: number;
  /** Default 256. */
  readonly keyBytesMax: number;
  /** Of an item that does not say. Default an hour. */
  readonly ttlMs: number;
  /** Default seven days. */
  readonly ttlMsMax: number;
}

const HOUR_MS = 3_600_000;
/** What holds where nothing else is said. */
export const WORKING_LIMITS: WorkingLimits = {
  bytesMax: 1024 * 1024,
  itemBytesMax: 64 * 1024,
  itemsMax: 1_000,
  keyBytesMax: 256,
  ttlMs: HOUR_MS,
  ttlMsMax: 7 * 24 * HOUR_MS,
};

/** An item to set, and how long it is kept. */
export interface NewItem {
  readonly key: string;
  readonly value: Json;
  readonly ttlMs?: number;
}

/**
 * The item as it would be kept from `nowMs` on; nothing is kept yet.
 * @throws MEMORY_TOO_LARGE (the key, or the item), OPTION_INVALID (its time).
 */
export function itemOf({ key, value, ttlMs }: NewItem, nowMs: number, limits: WorkingLimits = WORKING_LIMITS): Item {
  if (typeof key !== 'string' || value === undefined)
    throw new NervaError('OPTION_INVALID', 'An item has a key, which is a string, and a value, which is JSON. Nothing was changed.');
  const keyBytes = utf8Bytes(key);
  if (key === '' || keyBytes > limits.keyBytesMax)
    throw new NervaError('MEMORY_TOO_LARGE', `A key has 1 to ${limits.keyBytesMax} bytes; ${keyBytes} came. Nothing was changed.`);
  const bytes = countable(key, value);
  if (bytes > limits.itemBytesMax)
    throw new NervaError(
      'MEMORY_TOO_LARGE',
      `${JSON.stringify(key)} would have ${bytes} bytes; ${limits.itemBytesMax} is the limit. Nothing was changed.`,
    );
  return { key, value, bytes, expiresMs: nowMs + checkRange('ttlMs', ttlMs ?? limits.ttlMs, 1, limits.ttlMsMax) };
}

/** @throws OPTION_INVALID for what is no JSON. */
function countable(key: string, value: Json): number {
  try {
    if (JSON.stringify(value) !== undefined) return itemBytes(key, value);
  } catch {
    // A cycle, a big integer, or levels without end.
  }
  throw new NervaError('OPTION_INVALID', `The value of ${JSON.stringify(key)} is no JSON. Nothing was changed.`);
}

/** What an item counts: its key, and its value as JSON. */
export const itemBytes = (key: string, value: Json): number => utf8Bytes(key) + utf8Bytes(JSON.stringify(value));

/** With an item set, and without what is over by then: the dead make room first. @throws MEMORY_FULL; nothing was changed. */
export function withItem(working: Working, item: Item, nowMs: number, limits: WorkingLimits = WORKING_LIMITS): Working {
  const { items } = swept(working, nowMs);
  const next = new Map(items);
  next.delete(item.key);
  next.set(item.key, item);
  const bytes = bytesOf(next);
  if (next.size > limits.itemsMax || bytes > limits.bytesMax)
    throw new NervaError(
      'MEMORY_FULL',
      `Working memory would hold ${next.size} items of ${bytes} bytes; ${limits.itemsMax} of ${limits.bytesMax} are its limits. Delete some; nothing was changed.`,
      { details: { items: next.size, bytes } },
    );
  return { items: next, bytes };
}

/** The item while it is there. */
export function itemAt(working: Working, key: string, nowMs: number): Item | undefined {
  const item = working.items.get(key);
  return item !== undefined && item.expiresMs > nowMs ? item : undefined;
}

/** Without these keys. */
export function withoutItems(working: Working, keys: readonly string[]): Working {
  const next = new Map(working.items);
  for (const key of keys) next.delete(key);
  return next.size === working.items.size ? working : { items: next, bytes: bytesOf(next) };
}

/** Without what is over. */
export function swept(working: Working, nowMs: number): Working {
  return withoutItems(working, overAt(working, nowMs));
}

/** Keys of what is over and not yet swept. */
export function overAt(working: Working, nowMs: number): readonly string[] {
  return Array.from(working.items.values(), ({ key }) => key).filter((key) => itemAt(working, key, nowMs) === undefined);
}

/** The number under a key, raised; one that is not there counts from 0. @throws MEMORY_EDIT when it is no number. */
export function raised(working: Working, { key, by }: { readonly key: string; readonly by: number }, nowMs: number): number {
  const item = itemAt(working, key, nowMs);
  const before = item === undefined ? 0 : item.value; // null is no number
  if (typeof before !== 'number') throw new NervaError('MEMORY_EDIT', `${JSON.stringify(key)} holds no number. Nothing was changed.`);
  return before + by;
}

/** The text under a key with more at its end; one that is not there is empty. @throws MEMORY_EDIT when it is no text. */
export function appended(working: Working, { key, text }: { readonly key: string; readonly text: string }, nowMs: number): string {
  const item = itemAt(working, key, nowMs);
  const before = item === undefined ? '' : item.value;
  if (typeof before !== 'string') throw new NervaError('MEMORY_EDIT', `${JSON.stringify(key)} holds no text. Nothing was changed.`);
  return before + text;
}

const bytesOf = (items: ReadonlyMap<string, Item>): number => {
  let sum = 0;
  for (const { bytes } of items.values()) sum += bytes;
  return sum;
};
