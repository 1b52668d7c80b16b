import type { LogEvent } from './event.ts';
import { eventsOf, type Frame } from './frame.ts';
import type { Projection, ProjectionOptions, ProjectionStatus } from './projection-options.ts';
import type { Rows } from './projection-rows.ts';
import type { Cursor } from './store.ts';

/** Keeps one projection; the methods are those of `Projections`. */
export interface Keeper {
  catchUp(): Promise<void>;
  read<T>(work: (rows: Rows) => T): Promise<T>;
  status(): Promise<ProjectionStatus>;
  rebuild(): Promise<void>;
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
  readonly aside: ProjectionStatus['aside'];
}

type Spaces = (name: string) => Rows;
type Kept = Pick<ProjectionOptions, 'store' | 'rows' | 'upcasters' | 'triesMax'> & { readonly projection: Projection };

const META = 'projections';

/** Makes the keeper of a projection. Nothing is read or written before the first call. */
export function keeper(projection: Projection, options: ProjectionOptions): Keeper {
  const kept: Kept = { ...options, projection };
  let last: Promise<unknown> = Promise.resolve();
  let queued: Promise<void> | undefined;

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
      return run(kept);
    });
    return queued;
  };

  return {
    catchUp,
    read: (work) => kept.rows.transaction((space) => work(space(load(kept, space).serving || `${projection.name}@0`))),
    status: async () => {
      const meta = await kept.rows.transaction((space) => load(kept, space));
      const status = meta.serving !== meta.writing ? 'building' : meta.aside.length > 0 ? 'degraded' : 'current';
      return { name: projection.name, version: meta.servingVersion, status, cursor: meta.cursor, aside: meta.aside };
    },
    rebuild: async () => {
      await exclusive(() => restart(kept));
      await catchUp();
    },
  };
}

/** Goes through the feed from the cursor to its end, then serves what was built. */
async function run(kept: Kept): Promise<void> {
  const { cursor } = await kept.rows.transaction((space) => {
    const before = stored(kept, space);
    const meta = load(kept, space);
    // A build of another version that was never served leaves nothing behind.
    if (before !== null && before.writing !== meta.writing && before.writing !== meta.serving) space(before.writing).clear();
    save(kept, space, meta);
    return meta;
  });
  const { types } = kept.projection;
  let erased = false;
  for await (const entry of kept.store.feed({ after: cursor, ...(types === undefined ? {} : { types: [...types, 'subject.erased'] }) })) {
    await pass(kept, entry.frame, entry.cursor);
    erased ||= entry.frame.events.some((event) => event.type === 'subject.erased');
  }
  // A build from zero saw only shells; one that went on may hold what was erased since.
  if (erased && cursor !== '') {
    await restart(kept);
    return run(kept);
  }
  await kept.rows.transaction((space) => {
    const meta = load(kept, space);
    if (meta.serving === meta.writing) return;
    if (meta.serving !== '') space(meta.serving).clear();
    save(kept, space, { ...meta, serving: meta.writing, servingVersion: meta.version });
  });
}

/** Applies a frame, setting aside what fails `triesMax` times (P2). */
async function pass(kept: Kept, frame: Frame, cursor: Cursor): Promise<void> {
  const aside: { readonly event: string; readonly why: string }[] = [];
  let tries = 0;
  let failing = '';
  for (;;) {
    try {
      await applyFrame(kept, { frame, cursor, aside });
      return;
    } catch (error) {
      if (!(error instanceof Poison)) throw error;
      tries = error.event === failing ? tries + 1 : 1;
      failing = error.event;
      if (tries >= (kept.triesMax ?? 3)) aside.push({ event: failing, why: String(error.cause) });
    }
  }
}

/** One frame in one transaction (P1), without the events in `aside`. */
function applyFrame(kept: Kept, { frame, cursor, aside }: Pick<Meta, 'cursor' | 'aside'> & { readonly frame: Frame }): Promise<void> {
  return kept.rows.transaction((space) => {
    const meta = load(kept, space);
    const rows = space(meta.writing);
    for (const event of eventsOf(frame)) {
      if (!aside.some((each) => each.event === idOf(event))) applyEvent(kept, rows, event);
    }
    save(kept, space, { ...meta, cursor, aside: [...meta.aside, ...aside] });
  });
}

function applyEvent({ projection, upcasters }: Kept, rows: Rows, event: LogEvent): void {
  try {
    const lifted = upcasters === undefined ? event : upcasters.lift(event);
    if (lifted !== null) projection.apply(rows, lifted);
  } catch (cause) {
    throw new Poison(idOf(event), cause);
  }
}

const idOf = ({ sid, seq }: LogEvent): string => `${sid}:${seq}`;

/** Begins a new build beside what is served; one that was under way is dropped. */
function restart(kept: Kept): Promise<void> {
  return kept.rows.transaction((space) => {
    const meta = load(kept, space);
    if (meta.writing !== meta.serving) space(meta.writing).clear();
    save(kept, space, begun(meta, kept.projection));
  });
}

function load(kept: Kept, space: Spaces): Meta {
  const meta = stored(kept, space);
  return meta?.version === kept.projection.version ? meta : begun(meta, kept.projection);
}

function stored({ projection }: Kept, space: Spaces): Meta | null {
  const text = space(META).get(projection.name);
  return text === null ? null : (JSON.parse(text) as Meta);
}

function begun(meta: Meta | null, { name, version }: Projection): Meta {
  const build = (meta?.build ?? 0) + 1;
  return {
    serving: meta?.serving ?? '',
    servingVersion: meta?.servingVersion ?? version,
    writing: `${name}@${build}`,
    version,
    build,
    cursor: '',
    aside: [],
  };
}

function save({ projection }: Kept, space: Spaces, meta: Meta): void {
  space(META).put(projection.name, JSON.stringify(meta));
}

/** An event that `apply` threw at; never leaves this file. */
class Poison extends Error {
  readonly event: string;

  constructor(event: string, cause: unknown) {
    super(event, { cause });
    this.event = event;
  }
}
