import type { World } from '../../core/index.ts';
import type { Sid } from '../../log/index.ts';

/** Between two looks of a reader whose writer is another process. */
const LOOK_MS = 50;

/** Those who wait for new frames and for work in this process. */
export class Watch {
  readonly #world: World;
  /** True when the writer is elsewhere, so that nobody calls `changed`. */
  readonly #polls: boolean;
  readonly #sessions = new Map<Sid, Set<() => void>>();
  readonly #feed = new Set<() => void>();
  readonly #hints = new Set<{ readonly tenant: string | null; readonly hint: (sid: Sid) => void }>();

  constructor(world: World, polls: boolean) {
    this.#world = world;
    this.#polls = polls;
  }

  /** Wakes who waits for this session, and for the feed. */
  changed(sid: Sid): void {
    const waiters = this.#sessions.get(sid);
    if (waiters !== undefined) {
      this.#sessions.delete(sid);
      for (const wake of waiters) wake();
    }
    if (this.#feed.size === 0) return;
    const woken = Array.from(this.#feed);
    this.#feed.clear();
    for (const wake of woken) wake();
  }

  /** Tells the tenant's listeners, also those that come or go while it does. */
  work(sid: Sid, tenant: string): void {
    for (const listener of Array.from(this.#hints)) if (listener.tenant === null || listener.tenant === tenant) listener.hint(sid);
  }

  /** @returns unsubscribe; calling it twice is safe. */
  onWork(tenant: string | null, hint: (sid: Sid) => void): () => void {
    const listener = { tenant, hint };
    this.#hints.add(listener);
    return () => void this.#hints.delete(listener);
  }

  /** Resolves at the next change of the session (of any, without one), or when the signal aborts. Spurious wakes are harmless. */
  next(sid: Sid | null, signal: AbortSignal | undefined): Promise<void> {
    const waiters = sid === null ? this.#feed : (this.#sessions.get(sid) ?? new Set());
    if (sid !== null) this.#sessions.set(sid, waiters);
    return new Promise((resolve) => {
      const wake = (): void => {
        waiters.delete(wake);
        if (sid !== null && waiters.size === 0 && this.#sessions.get(sid) === waiters) this.#sessions.delete(sid);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      waiters.add(wake);
      signal?.addEventListener('abort', wake, { once: true });
      if (this.#polls) void this.#world.clock.sleep(LOOK_MS, { background: true }).then(wake, wake);
    });
  }

  /** Wakes everybody: the store was closed. */
  all(): void {
    for (const sid of Array.from(this.#sessions.keys())) this.changed(sid);
    for (const wake of Array.from(this.#feed)) wake();
  }
}
