import { checkOptions, checkRange, NervaError, type World } from '../core/index.ts';
import type { Seq, SessionInfo, Sid, Store } from '../log/index.ts';
import type { Delta } from '../model/index.ts';
import { bind, type Agent, type Bound } from './definition.ts';
import { Driver, type DriverPorts } from './driver.ts';
import { LEASE_MS, surrender } from './row.ts';
import { performModel, performTimer, type Performers } from './perform.ts';
import { performMemory } from './perform-memory.ts';
import { performContext } from './perform-context.ts';
import { performReconcile, performTool } from './perform-tool.ts';
import type { SessionPorts } from './ports.ts';
import { Session } from './session.ts';
import type { Facet } from './state.ts';

/** What `createRuntime` takes. */
export interface RuntimeOptions {
  readonly store: Store;
  readonly agents: readonly Agent[];
  readonly world: World;
  /** Sessions resumed at a time by `start`, 1–100,000. Default 100. */
  readonly resumeMax?: number;
  /** Sessions at rest that are kept folded, 0–100,000. Default 256. */
  readonly idleMax?: number;
  /** How long aborted effects may take before they are given up, 0–600,000. Default 5,000. */
  readonly graceMs?: number;
  /** Of a file sent with a message, in bytes, 0–1 GiB. Default 20 MiB. */
  readonly fileBytesMax?: number;
  /** Parts of the agent's state that are added to the built-in ones, and performers of their intents. */
  readonly facets?: readonly Facet<unknown>[];
  readonly performers?: Performers;
}

const OPTIONS = ['store', 'agents', 'world', 'resumeMax', 'idleMax', 'graceMs', 'fileBytesMax', 'facets', 'performers'] as const;

/** Runs sessions of the agents it knows, on one store. */
export interface Runtime {
  readonly store: Store;
  readonly world: World;
  /** The session with this id, or a new one with a random id. Nothing is written until something is sent. */
  session(sid?: Sid, options?: { readonly agent?: string; readonly subject?: string }): Session;
  /** Takes up what an earlier process left, at most `resumeMax` at a time, and whatever becomes ready from now on. Resolves when the first pass has begun. */
  start(): Promise<void>;
  /** Resolves when nothing runs and nothing is to be taken up. */
  idle(): Promise<void>;
  /** Starts nothing more, lets effects end within `graceMs`, aborts the rest, gives the sessions back. The store stays open. */
  close(): Promise<void>;
}

/**
 * Makes a runtime. Performs nothing: `start()` does, or the first `send`.
 * @throws OPTION_UNKNOWN, OPTION_INVALID, AGENT_INVALID (two agents of one name).
 */
export function createRuntime(options: RuntimeOptions): Runtime {
  checkOptions(options, OPTIONS, 'createRuntime');
  return new Engine(options);
}

class Engine implements Runtime {
  readonly store: Store;
  readonly world: World;
  readonly #agents: ReadonlyMap<string, Agent>;
  readonly #bounds = new Map<string, Promise<Bound>>();
  readonly #drivers = new Map<Sid, Promise<Driver>>();
  /** Drivers at rest, oldest first. */
  readonly #resting = new Map<Sid, Driver>();
  /** Drivers that write what came late; they may have been let go. */
  readonly #late = new Set<Driver>();
  readonly #watchers = new Map<Sid, Set<(driver: Driver) => void>>();
  readonly #listeners = new Map<Sid, Set<(call: Seq, delta: Delta | 'reset') => void>>();
  readonly #limits: { readonly resumeMax: number; readonly idleMax: number; readonly graceMs: number; readonly fileBytesMax: number };
  readonly #facets: readonly Facet<unknown>[];
  readonly #performers: Performers;
  readonly #owner: string;
  #unhint: (() => void) | null = null;
  #claiming: Promise<void> | null = null;
  /** A session was given back, or lost, after a failure: the store hands out one such of a tenant at a time, so it may wait for another that is at work here. */
  #isSomeLeft = false;
  #isClaimDue = false;
  #resumed = 0;
  /** Sessions that failed and are about to be handed back. */
  #returning = 0;
  readonly #closing = new AbortController();
  #isClosed = false;
  #idlers: (() => void)[] = [];

  constructor(options: RuntimeOptions) {
    this.store = options.store;
    this.world = options.world;
    this.#agents = byName(options.agents);
    this.#limits = {
      resumeMax: checkRange('resumeMax', options.resumeMax ?? 100, 1, 100_000),
      idleMax: checkRange('idleMax', options.idleMax ?? 256, 0, 100_000),
      graceMs: checkRange('graceMs', options.graceMs ?? 5_000, 0, 600_000),
      fileBytesMax: checkRange('fileBytesMax', options.fileBytesMax ?? 20 * 1024 * 1024, 0, 1024 * 1024 * 1024),
    };
    this.#facets = options.facets ?? [];
    this.#performers = {
      'model.called': performModel,
      'context.called': performContext,
      'memory.called': performMemory,
      'tool.called': performTool,
      'reconcile.called': performReconcile,
      'timer.set': performTimer,
      ...options.performers,
    };
    this.#owner = options.world.ids.random();
  }

  session(sid?: Sid, options: { readonly agent?: string; readonly subject?: string } = {}): Session {
    checkOptions(options, ['agent', 'subject'], 'session');
    if (options.agent !== undefined) this.#agent(options.agent);
    const ports: SessionPorts = {
      store: this.store,
      world: this.world,
      facets: this.#facets,
      fileBytesMax: this.#limits.fileBytesMax,
      driver: (id) => this.#driver(id, options.agent),
      agent: (name) => this.#agent(name),
      watch: (id, watcher) => subscribe(this.#watchers, id, watcher),
      listen: (id, listener) => subscribe(this.#listeners, id, listener),
    };
    return new Session(sid ?? this.world.ids.random(), ports, options.subject ?? null);
  }

  async start(): Promise<void> {
    this.#assertOpen();
    this.#unhint ??= this.store.onWork((sid) => this.#hinted(sid));
    this.#claim();
    await this.#claiming;
  }

  async idle(): Promise<void> {
    while (this.#isBusy()) await new Promise<void>((resolve) => this.#idlers.push(resolve));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#closing.abort();
    this.#unhint?.();
    await this.#claiming;
    const drivers = await Promise.allSettled(this.#drivers.values());
    const recorded = (): Promise<unknown> => Promise.all([...this.#late].map((driver) => driver.drain(this.#limits.graceMs)));
    await Promise.all([
      recorded(),
      ...drivers.map(async (opened) => {
        if (opened.status === 'rejected') return;
        await opened.value.drain(this.#limits.graceMs);
        await opened.value.release().catch(() => undefined); // a store that is gone has released it already
      }),
    ]);
    while (this.#late.size > 0) await recorded(); // what came meanwhile
    this.#drivers.clear();
    this.#resting.clear();
    this.#settle();
  }

  #agent(name: string): Agent {
    const agent = this.#agents.get(name);
    if (agent !== undefined) return agent;
    const names = [...this.#agents.keys()].join(', ');
    throw new NervaError(
      'AGENT_UNKNOWN',
      `No agent "${name}" is registered here; there are: ${names === '' ? 'none' : names}. Nothing was written.`,
      { details: { agent: name } },
    );
  }

  /** The definition is stored once, before the first turn that names it. */
  #bound(name: string, sid: Sid): Promise<Bound> {
    let bound = this.#bounds.get(name);
    if (bound === undefined) {
      const agent = this.#agent(name);
      const made = bind(agent, this.world.digest);
      bound = this.store.blobs.put(new TextEncoder().encode(made.content), { mediaType: made.body.mediaType, sid }).then(() => made);
      this.#bounds.set(name, bound);
      bound.catch(() => this.#bounds.delete(name));
    }
    return bound;
  }

  #driver(sid: Sid, agent: string | undefined, fence: { readonly epoch: number } | null = null): Promise<Driver> {
    this.#assertOpen();
    const known = this.#drivers.get(sid);
    if (known !== undefined) return fence === null ? known : known.then((driver) => (driver.adopt(fence), driver));
    const opening = this.#open(sid, agent, fence);
    this.#drivers.set(sid, opening);
    opening.then(
      // Not at once: whoever asked for it takes hold first, or it would be let go unused where few may rest.
      (driver) =>
        this.world.defer(() => {
          if (this.#drivers.get(sid) !== opening) return;
          // It took the session over, whatever for: from now on nobody else works on it.
          if (this.#unhint !== null) driver.kick();
          this.#changed(driver);
        }),
      () => {
        this.#drivers.delete(sid);
        this.#settle();
      },
    );
    return opening;
  }

  async #open(sid: Sid, agent: string | undefined, fence: { readonly epoch: number } | null): Promise<Driver> {
    const head = fence === null ? await this.store.head(sid) : 1;
    const name = head === 0 ? agent : (await this.store.info(sid)).agent;
    if (name === undefined || name === null) {
      throw new NervaError(
        'SESSION_UNKNOWN',
        `There is no session ${JSON.stringify(sid)}. Give {agent} to create it; nothing was written.`,
        { details: { sid } },
      );
    }
    const ports: DriverPorts = {
      store: this.store,
      world: this.world,
      bound: await this.#bound(name, sid),
      owner: this.#owner,
      facets: this.#facets,
      performers: this.#performers,
      graceMs: this.#limits.graceMs,
      deltas: (id) => this.#deltas(id),
      onChange: (driver) => this.#changed(driver),
      late: this.#late,
    };
    if (fence !== null || head === 0) return Driver.open(sid, ports, fence);
    const taken = await this.store.takeOver(sid, this.#owner);
    try {
      return await Driver.open(sid, ports, taken);
    } catch (error) {
      // Whoever wanted it is told. It would be nobody's for ever: taken over, and worked at by none.
      void this.#giveBack(error, () => surrender(this.store, sid, taken));
      throw error;
    }
  }

  #deltas(sid: Sid): ((call: Seq, delta: Delta | 'reset') => void) | null {
    const listeners = this.#listeners.get(sid);
    return listeners === undefined ? null : (call, delta) => listeners.forEach((listener) => listener(call, delta));
  }

  /** Tells who waits, and lets go of sessions at rest: the newest `idleMax` stay folded. */
  #changed(driver: Driver): void {
    if (driver.isReleased) return; // its session may have another driver by now
    for (const watcher of this.#watchers.get(driver.sid) ?? []) watcher(driver);
    if (driver.failure !== null) {
      this.#drivers.delete(driver.sid);
      this.#resting.delete(driver.sid);
      driver.isReleased = true;
      void this.#giveBack(driver.failure, () => driver.surrender());
    } else if (driver.isBusy) this.#resting.delete(driver.sid);
    else {
      this.#resting.delete(driver.sid);
      if (driver.isOutdated) this.#letGo(driver);
      else this.#resting.set(driver.sid, driver);
      this.#evict();
      if (this.#isSomeLeft && this.#unhint !== null) this.#claim();
    }
    this.#settle();
  }

  #evict(): void {
    for (const [sid, driver] of this.#resting) {
      if (this.#resting.size <= this.#limits.idleMax) return;
      this.#resting.delete(sid);
      if (!driver.isBusy) this.#letGo(driver);
    }
  }

  /** Gives a session at rest back, its row set right. */
  #letGo(driver: Driver): void {
    driver.isReleased = true;
    this.#drivers.delete(driver.sid);
    driver.release().then(
      // Who took it may be gone already, and what came late from here may have made it ready.
      (isGiven) => {
        if (!isGiven) this.#claimLeft();
      },
      (error: unknown) => void this.#giveBack(error, () => driver.surrender()),
    );
  }

  #hinted(sid: Sid): void {
    if (!this.#drivers.has(sid)) return this.#claim();
    // Told again until it looked, unless it is gone by then: then there may be something to claim.
    const poke = async (): Promise<boolean> => {
      const driver = await this.#drivers.get(sid);
      await driver?.poke();
      return driver === undefined;
    };
    poke().catch((error: unknown) => void this.#giveBack(error, poke));
  }

  /** One claim pass at a time; another is made when a hint came meanwhile or a resumed session came to rest. */
  #claim(): void {
    this.#isClaimDue = true;
    if (this.#claiming !== null || this.#isClosed) return;
    this.#claiming = this.#claimAll().finally(() => {
      this.#claiming = null;
      this.#settle();
    });
    // `start` reports the first; a store that refuses is asked again.
    this.#claiming.catch((error: unknown) => void this.#giveBack(error, () => Promise.resolve(true)));
  }

  /** What failed here may be had again; perhaps only when another that failed, and is at work here, moves. */
  #claimLeft(): void {
    if (this.#unhint === null) return;
    this.#isSomeLeft = true;
    this.#claim();
  }

  async #claimAll(): Promise<void> {
    while (this.#isClaimDue && !this.#isClosed) {
      this.#isClaimDue = false;
      const countMax = this.#limits.resumeMax - this.#resumed;
      if (countMax <= 0) return;
      const claimed = await this.store.claim({ owner: this.#owner, countMax, leaseMs: LEASE_MS, agents: [...this.#agents.keys()] });
      for (const { info, fence } of claimed) void this.#resume(info, fence);
      if (claimed.length === countMax) this.#isClaimDue = true;
      if (claimed.length === 0 && this.#drivers.size === this.#resting.size) this.#isSomeLeft = false;
    }
  }

  async #resume({ sid, attempts }: SessionInfo, fence: { readonly epoch: number }): Promise<void> {
    this.#resumed++;
    // Of sessions that were tried before, the store gives one at a time: when this one moves, the next may be had.
    const stop = attempts > 1 ? subscribe(this.#watchers, sid, () => this.#claim()) : (): void => undefined;
    try {
      const driver = await this.#driver(sid, undefined, fence);
      driver.kick();
      await this.#rested(driver);
    } catch (error) {
      void this.#giveBack(error, () => surrender(this.store, sid, fence));
    } finally {
      stop();
      this.#resumed--;
      if (this.#unhint !== null) this.#claim();
    }
  }

  /** Until it comes to rest, fails or is let go. Nothing that it tells is missed: a slot that is never given back would be one less for ever. */
  async #rested(driver: Driver): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = (): void => {
      if (!driver.isBusy || driver.isReleased || driver.failure !== null) resolve();
    };
    const stop = subscribe(this.#watchers, driver.sid, look);
    look();
    await promise;
    stop();
  }

  /**
   * What failed here is handed back after a while and, where this runtime takes up work, claimed again: with one attempt more,
   * so that one that always fails ends in quarantine. What another attempt cannot help stays as it is.
   */
  async #giveBack(failure: unknown, surrender: () => Promise<boolean>): Promise<void> {
    if (NervaError.is(failure, 'SESSION_FENCED')) {
      this.#claimLeft(); // who took it may be gone already: a hint that came meanwhile was for this driver
      return;
    }
    if (NervaError.is(failure) && !failure.retry) return;
    this.#returning++;
    for (let waitMs = BACK_MS; !this.#closing.signal.aborted; waitMs = Math.min(2 * waitMs, BACK_MS_MAX)) {
      try {
        await this.world.clock.sleep(waitMs, { background: true, signal: this.#closing.signal });
        if (await surrender()) this.#claimLeft();
        break;
      } catch (error) {
        if (!NervaError.is(error) || !error.retry) break;
      }
    }
    this.#returning--;
    this.#settle();
  }

  #isBusy(): boolean {
    return this.#returning > 0 || this.#claiming !== null || this.#resumed > 0 || this.#drivers.size > this.#resting.size;
  }

  #settle(): void {
    if (this.#isBusy() && !this.#isClosed) return;
    const idlers = this.#idlers;
    this.#idlers = [];
    for (const idler of idlers) idler();
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new NervaError('STORE_CLOSED', 'The runtime was closed. Make a new one; nothing was written.');
  }
}

const BACK_MS = 1_000;
const BACK_MS_MAX = 60_000;

function byName(agents: readonly Agent[]): ReadonlyMap<string, Agent> {
  const known = new Map<string, Agent>();
  for (const agent of agents) {
    if (known.has(agent.name))
      throw new NervaError('AGENT_INVALID', `createRuntime: two agents are named "${agent.name}". Nothing was made.`, {
        details: { agent: agent.name },
      });
    known.set(agent.name, agent);
  }
  return known;
}

/** Adds a listener under a key. @returns how to take it away; calling that twice is safe. */
function subscribe<T>(all: Map<Sid, Set<T>>, sid: Sid, listener: T): () => void {
  const listeners = all.get(sid) ?? new Set();
  all.set(sid, listeners);
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0 && all.get(sid) === listeners) all.delete(sid);
  };
}
