import type { World } from '../core/index.ts';
import type { LogEvent } from './event.ts';
import type { ProjectionRows, Rows } from './projection-rows.ts';
import type { Cursor, Store } from './store.ts';
import type { Upcasters } from './upcast.ts';

/** Something derived from all sessions: a fold with a cursor. */
export interface Projection {
  /** `[a-z0-9_-]+`, unique. */
  readonly name: string;
  /** Change it whenever `apply` changes: the projection is rebuilt beside and then swapped in. */
  readonly version: number;
  /** Only frames with these types are given; all when absent. */
  readonly types?: readonly string[];
  /** Contract: synchronous; writes only through `rows`. One that throws is tried again, then the event is set aside. */
  apply(rows: Rows, event: LogEvent): void;
}

/** Where a projection stands. */
export interface ProjectionStatus {
  readonly name: string;
  /** The version being served: the former one while a new one is built. */
  readonly version: number;
  /** `degraded`: complete but for the events set aside. */
  readonly status: 'current' | 'building' | 'degraded';
  readonly cursor: Cursor;
  /** Events set aside, with the reason. */
  readonly aside: readonly { readonly event: string; readonly why: string }[];
}

/** Options of `projections`. */
export interface ProjectionOptions {
  readonly store: Store;
  readonly rows: ProjectionRows;
  readonly world: Pick<World, 'clock'>;
  readonly list: readonly Projection[];
  readonly upcasters?: Upcasters;
  /** Tries of one event before it is set aside. Default 3. */
  readonly triesMax?: number;
}
