import { NervaError } from '../core/index.ts';
import { keeper, type Keeper } from './projection-keeper.ts';
import type { ProjectionOptions, ProjectionStatus } from './projection-options.ts';
import type { Rows } from './projection-rows.ts';
import type { Cursor } from './store.ts';

/** Keeps projections. Every method throws PROJECTION_UNKNOWN for a name that is not in the list. */
export interface Projections {
  /** Catches up with everything acknowledged before the call: one projection, or all. */
  catchUp(name?: string): Promise<void>;
  /** Reads the rows being served, in one transaction. */
  read<T>(name: string, work: (rows: Rows) => T): Promise<T>;
  status(name: string): Promise<ProjectionStatus>;
  /**
   * Waits until the projection has passed everything acknowledged before the call, at most `timeoutMs`.
   * @returns whether it has, and the cursor it stands at.
   */
  waitFor(name: string, timeoutMs: number): Promise<{ readonly passed: boolean; readonly cursor: Cursor }>;
  /** Builds it again from the beginning, beside what is served, and swaps. */
  rebuild(name: string): Promise<void>;
}

/**
 * Projections over a store. Invariants: P1 a projection's rows and its cursor commit together · P2 an event is applied once
 * or set aside, never skipped silently · P3 what is served is one complete build.
 */
export function projections(options: ProjectionOptions): Projections {
  const keepers = new Map(options.list.map((projection) => [projection.name, keeper(projection, options)]));
  const named = (name: string): Keeper => {
    const found = keepers.get(name);
    if (found !== undefined) return found;
    throw new NervaError(
      'PROJECTION_UNKNOWN',
      `No projection ${JSON.stringify(name)} is registered; known are ${Array.from(keepers.keys()).join(', ') || 'none'}.`,
      { details: { name } },
    );
  };
  return {
    catchUp: async (name) => {
      await Promise.all((name === undefined ? Array.from(keepers.values()) : [named(name)]).map((each) => each.catchUp()));
    },
    read: async (name, work) => named(name).read(work),
    status: async (name) => named(name).status(),
    rebuild: async (name) => named(name).rebuild(),
    waitFor: async (name, timeoutMs) => {
      const found = named(name);
      const stop = new AbortController();
      const passed = await Promise.race([
        found.catchUp().then(() => true),
        options.world.clock.sleep(timeoutMs, { signal: stop.signal, background: true }).then(
          () => false,
          () => false,
        ),
      ]);
      stop.abort();
      return { passed, cursor: (await found.status()).cursor };
    },
  };
}
