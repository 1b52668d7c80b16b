import { NervaError, type World } from '../core/index.ts';
import type { LogEvent } from './event.ts';
import { eventsOf, type Frame } from './frame.ts';
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

/** What is kept of a projection in the `projections` space, in the same transactions as its rows. */
interface Meta {
  /** Space being served; '' before the first build is complete. */
  readonly serving: string;
  readonly servingVersion: number;
  /** Space being written: the served one, or the one being built. */
  readonly writing: string;
  readonly version: number;
  /** Counts builds, so that each has a space of its own. */
  readonly build: number;
  readonly cursor: Cursor;
  readonly aside: readonly { readonly event: string; readonly why: string }[];
}

const META = 'projections';

/**
 * Projections over a store. Invariants: P1 a projection's rows and its cursor commit together · P2 an event is applied once
 * or set aside, never skipped silently · P3 what is served is one complete build.
 */
export function projections(options: ProjectionOptions): Projections {
  const keepers = new Map(options.list.map((projection) => [projection.name, keeper(projection, options)]));
  const named = (name: string): Keeper => {
    const found = keepers.get(name);
    if (found !== undefined) return found;
    throw new NervaError('PROJECTION_UNKNOWN', `No projection ${JSON.stringify(name)} is registered; known are ${Array.from(keepers.keys()).join(', ') || 'none'}.`, { details: { name } });
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
        options.world.clock.sleep(timeoutMs, { signal: stop.signal, background: true }).then(() => false, () => false),
      ]);
      stop.abort();
      return { passed, cursor: (await found.status()).cursor };
    },
  };
}

interface Keeper {
  catchUp(): Promise<void>;
  read<T>(work: (rows: Rows) => T): Promise<T>;
  status(): Promise<ProjectionStatus>;
  rebuild(): Promise<void>;
}

function keeper(projection: Projection, { store, rows, upcasters, triesMax = 3 }: ProjectionOptions): Keeper {
  const { name, version } = projection;
  let last: Promise<unknown> = Promise.resolve();
  let queued: Promise<void> | undefined;

  const load = (space: (name: string) => Rows): Meta => {
    const text = space(META).get(name);
    const meta = text === null ? null : (JSON.parse(text) as Meta);
    return meta?.version === version ? meta : started(meta, version);
  };
  const save = (space: (name: string) => Rows, meta: Meta): void => space(META).put(name, JSON.stringify(meta));

  /** Begins a new build beside what is served; a build that was under way is dropped. */
  function started(meta: Meta | null, next: number): Meta {
    const build = (meta?.build ?? 0) + 1;
    return { serving: meta?.serving ?? '', servingVersion: meta?.servingVersion ?? next, writing: `${name}@${build}`, version: next, build, cursor: '', aside: [] };
  }

  /** One frame in one transaction (P1), without the events in `aside`. */
  const applyFrame = (frame: Frame, cursor: Cursor, aside: Meta['aside']): Promise<boolean> =>
    rows.transaction((space) => {
      const meta = load(space);
      let erases = false;
      for (const event of eventsOf(frame)) {
        if (aside.some((each) => each.event === `${event.sid}:${event.seq}`)) continue;
        erases ||= event.type === 'subject.erased';
        applyEvent(space(meta.writing), event);
      }
      save(space, { ...meta, cursor, aside: [...meta.aside, ...aside] });
      return erases;
    });

  function applyEvent(into: Rows, event: LogEvent): void {
    try {
      const lifted = upcasters === undefined ? event : upcasters.lift(event);
      if (lifted !== null) projection.apply(into, lifted);
    } catch (cause) {
      throw new Poison(`${event.sid}:${event.seq}`, cause);
    }
  }

  /** Applies a frame, setting aside what fails `triesMax` times (P2). */
  async function pass(frame: Frame, cursor: Cursor): Promise<boolean> {
    const aside: { readonly event: string; readonly why: string }[] = [];
    let tries = 0;
    let failing = '';
    for (;;) {
      try {
        return await applyFrame(frame, cursor, aside);
      } catch (error) {
        if (!(error instanceof Poison)) throw error;
        tries = error.event === failing ? tries + 1 : 1;
        failing = error.event;
        if (tries >= triesMax) aside.push({ event: failing, why: String(error.cause) });
      }
    }
  }

  async function run(): Promise<void> {
    const { cursor, writing } = await rows.transaction((space) => {
      const meta = load(space);
      if (meta.cursor === '') space(meta.writing).clear();
      save(space, meta);
      return meta;
    });
    const types = projection.types === undefined ? {} : { types: [...projection.types, 'subject.erased'] };
    let erased = false;
    for await (const entry of store.feed({ ...types, after: cursor })) {
      const erases = await pass(entry.frame, entry.cursor);
      // A build from zero saw only shells; what is served may hold what was erased.
      erased ||= erases && cursor !== '';
    }
    if (erased) {
      await restart();
      return run();
    }
    await rows.transaction((space) => {
      const meta = load(space);
      if (meta.serving === meta.writing || meta.writing !== writing) return;
      if (meta.serving !== '') space(meta.serving).clear();
      save(space, { ...meta, serving: meta.writing, servingVersion: version });
    });
  }

  const restart = (): Promise<void> =>
    rows.transaction((space) => {
      const meta = load(space);
      if (meta.writing !== meta.serving) space(meta.writing).clear();
      save(space, started(meta, version));
    });

  /** Runs after everything asked for before, whether that failed or not: nothing changes builds during a run (P3). */
  const exclusive = (task: () => Promise<void>): Promise<void> => {
    const done = last.then(task, task);
    last = done;
    return done;
  };

  /** A call during a run waits for one that begins after it; calls that wait share it. */
  const catchUp = (): Promise<void> => {
    queued ??= exclusive(() => {
      queued = undefined;
      return run();
    });
    return queued;
  };

  return {
    catchUp,
    read: (work) => rows.transaction((space) => work(space(load(space).serving || `${name}@0`))),
    status: async () => {
      const meta = await rows.transaction(load);
      const status = meta.serving !== meta.writing ? 'building' : meta.aside.length > 0 ? 'degraded' : 'current';
      return { name, version: meta.servingVersion, status, cursor: meta.cursor, aside: meta.aside };
    },
    rebuild: async () => {
      await exclusive(restart);
      await catchUp();
    },
  };
}

/** An event that `apply` threw at; never leaves this file. */
class Poison extends Error {
  readonly event: string;

  constructor(event: string, cause: unknown) {
    super(event, { cause });
    this.event = event;
  }
}
