import { checkOptions, checkRange, type Json } from '../core/index.ts';
import type { EventDraft } from '../log/index.ts';
import type { Write } from './log-writer.ts';
import { itemAt, itemOf, raised, touchedMs, withItem, type NewItem, type Working, type WorkingLimits } from './working.ts';

/** The memory that items are of. */
export interface ItemsGround {
  readonly working: () => Working;
  readonly nowMs: () => number;
  readonly write: Write;
  readonly limits: WorkingLimits;
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
    await this.#ground.write({}, () => [this.#set(item)]);
  }

  /** @returns what it is now. @throws MEMORY_EDIT for what is no number */
  async raise(key: string, by: number): Promise<number> {
    checkRange('by', by, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    const { working, nowMs, write } = this.#ground;
    let value = 0;
    await write({}, () => {
      const item = raised(working(), { key, by }, nowMs());
      value = item.value;
      return [this.#set(item)];
    });
    return value;
  }

  /** @returns false when it is not there. */
  async touch(key: string, ttlMs: number = this.#ground.limits.ttlMs): Promise<boolean> {
    const { working, nowMs, write, limits } = this.#ground;
    const seq = await write({}, () => {
      const now = nowMs();
      const item = itemAt(working(), key, now);
      if (item === undefined) return [];
      const untilMs = touchedMs(item, checkRange('ttlMs', ttlMs, 1, limits.ttlMsMax), now);
      return [this.#set({ key, value: item.value, ttlMs: untilMs - now })];
    });
    return seq !== null;
  }

  /** @returns false when it was not there. */
  async delete(key: string): Promise<boolean> {
    const { working, nowMs, write } = this.#ground;
    const seq = await write({}, () =>
      itemAt(working(), key, nowMs()) === undefined ? [] : [{ type: 'memory.items.removed', data: { keys: [key] } }],
    );
    return seq !== null;
  }

  #set(item: NewItem): EventDraft {
    const { working, nowMs, limits } = this.#ground;
    const now = nowMs();
    const kept = itemOf(item, now, limits);
    withItem(working(), kept, now, limits);
    return { type: 'memory.item.set', data: { ...kept } };
  }
}
