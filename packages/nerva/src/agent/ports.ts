import type { World } from '../core/index.ts';
import type { Seq, Sid, Store } from '../log/index.ts';
import type { Delta } from '../model/index.ts';
import type { Agent } from './definition.ts';
import type { Driver } from './driver.ts';
import type { Facet } from './state.ts';

/** What a session handle reaches of its runtime. */
export interface SessionPorts {
  readonly store: Store;
  readonly world: World;
  readonly facets: readonly Facet<unknown>[];
  readonly fileBytesMax: number;
  readonly driver: (sid: Sid) => Promise<Driver>;
  readonly agent: (name: string) => Agent;
  readonly watch: (sid: Sid, watcher: (driver: Driver) => void) => () => void;
  readonly listen: (sid: Sid, listener: (call: Seq, delta: Delta | 'reset') => void) => () => void;
}
