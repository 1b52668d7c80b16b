import { createRuntime, type Agent, type Facet, type Runtime } from '../agent/index.ts';
import { NervaError, type Transport, type World } from '../core/index.ts';
import { eraseSubject, type KeyPort } from '../log/index.ts';
import { Audit } from './audit.ts';
import type { FaultKind, Plan } from './faults.ts';
import { Hub } from './hub.ts';
import { simServer } from './model-server.ts';
import { SimNetwork } from './net.ts';
import { simTransport, type SimServer } from './net-http.ts';
import { People, type Desk } from './people.ts';
import { PAUSE_MS, SimProcess, type Supervisor } from './process.ts';
import type { Scenario } from './scenario.ts';
import { SimStore, type Written } from './store.ts';
import { START_MS } from './trace.ts';
import { judge, type Judged } from './verdict.ts';
import { wrapAgent, type Deploy } from './wrap.ts';

const RESTART_MS = 1_000;
const OPERATOR_MS = 5_000;
const LEASE_MS = 31_000;
const GRACE_MS = 5_000;
const ROUNDS_MAX = 50;
const SKEW_MS = 600_000;
const HOUR_MS = 3_600_000;

/** Bounds of one run. */
export interface RunLimits {
  /** Default 200,000. */
  readonly eventsMax: number;
  /** Simulated ms. Default 30 days. */
  readonly simulatedMs: number;
}

/** How closely a run is looked at. It does the same, and has the same hash, however closely. */
export interface Looks {
  /** Keeps a line for everything that happened. Default false. */
  readonly isTraced: boolean;
  /** Looks at every law. A second run of one seed can do without those that cost: its hash tells. Default true. */
  readonly isJudged: boolean;
}

/** One life of a scenario under one seed and one plan. */
export class Simulation implements Supervisor, Judged {
  readonly hub: Hub;
  readonly audit: Audit;
  readonly people: People;
  readonly store: SimStore;
  readonly scenario: Scenario;
  readonly #isJudged: boolean;
  readonly #agents: readonly Agent[];
  readonly #tenants: readonly (string | null)[];
  readonly #facets: readonly Facet<unknown>[];
  readonly #keys: KeyPort | undefined;
  readonly #desks: { readonly process: SimProcess; readonly runtimes: ReadonlyMap<string | null, Runtime> }[] = [];
  #waiting: (() => void)[] = [];
  #started = 0;
  #isStarting = false;
  #deploy: Deploy = 'same';
  readonly #world: World;
  /** Whoever runs commands on the store. */
  readonly #operator: SimProcess;
  readonly #network: SimNetwork;
  readonly #servers: readonly SimServer[];

  // oxlint-disable-next-line max-params -- a case, and how it is looked at
  constructor(scenario: Scenario, seed: number, plan: Plan, { isTraced, isJudged }: Looks) {
    this.scenario = scenario;
    this.hub = new Hub(seed, plan, isTraced);
    this.#isJudged = isJudged;
    this.audit = new Audit(this.hub, isJudged);
    this.#agents = typeof scenario.agents === 'function' ? scenario.agents(this.audit.ledger) : scenario.agents;
    this.audit.know(this.#agents);
    this.#keys = scenario.keys?.();
    this.store = new SimStore(this.hub, this, this, { limits: scenario.limits ?? {}, keys: this.#keys });
    this.#facets = [this.audit.folds.facet(isJudged)];
    this.#operator = new SimProcess(-1, this.hub, this, () => NO_NETWORK);
    this.#world = this.#operator.world;
    this.#network = new SimNetwork(this.hub, scenario.network);
    this.#servers = [...(scenario.servers ?? []), simServer((name) => this.agent(name)?.model)];
    const steps = typeof scenario.steps === 'function' ? scenario.steps(seed) : scenario.steps;
    this.#tenants = [
      ...new Set([...steps.map((step) => ('tenant' in step ? (step.tenant ?? null) : null)), ...(steps.length === 0 ? [null] : [])]),
    ];
    this.people = new People({
      hub: this.hub,
      audit: this.audit,
      scenario,
      desk: (tenant, place) => this.#desk(tenant, place),
      inspected: () => this.store.inspected,
      erase: (subject) => this.#erase(subject),
      stop: (how) => this.#stop(how),
    });
    for (const step of steps) this.people.schedule(step);
  }

  /** Lives to the end and is judged. */
  async run(limits: RunLimits): Promise<void> {
    const { hub } = this;
    let isOver = false;
    let failure: unknown = null;
    void this.#startAll();
    const whole = this.#rest().then(
      () => (isOver = true),
      (error: unknown) => {
        failure = error;
        isOver = true;
      },
    );
    const stopped = await hub.scheduler.run(() => isOver, { eventsMax: limits.eventsMax, untilMs: START_MS + limits.simulatedMs });
    if (stopped !== 'done') {
      hub.violated('eventually quiet', `It did not come to rest: ${REASONS[stopped]} ${this.#standing()}`);
      return;
    }
    await whole;
    if (failure !== null) throw failure as Error;
    for (const { process } of this.#desks) this.audit.recordedAll(process, Infinity);
    if (this.#isJudged) await judge(this);
  }

  /** The agents by name, as they were given. */
  agent(name: string): Agent | undefined {
    return this.#agents.find((agent) => agent.name === name);
  }

  /** Whether the definition was changed in this run. */
  get isDeployed(): boolean {
    return this.#deploy !== 'same';
  }

  /** A world for whoever judges: it computes digests and does nothing else. */
  get world(): World {
    return this.#world;
  }

  get facets(): readonly Facet<unknown>[] {
    return this.#facets;
  }

  appended(written: Written, due: readonly FaultKind[]): void {
    this.audit.appended(written);
    if (written.result.ok && due.length > 0) this.#interfere(written, due);
  }

  forked(...given: Parameters<Audit['forked']>): void {
    this.audit.forked(...given);
  }

  stored(ref: string): void {
    this.audit.stored(ref);
  }

  crash(process: SimProcess, _why: FaultKind): void {
    if (process.isDead) return;
    process.die();
    this.#forget(process);
    this.hub.trace.note(`p${process.n} died`, this.hub.scheduler.nowMs);
    this.hub.scheduler.in(
      RESTART_MS,
      () => void (this.#desks.length === 0 ? this.#startAll() : this.store.expire((owner) => owner.isDead)),
    );
  }

  pause(process: SimProcess): void {
    process.pausedUntilMs = this.hub.scheduler.nowMs + PAUSE_MS;
    this.hub.scheduler.in(LEASE_MS, () => {
      if (process.isDead) return;
      void this.store.expire((owner) => owner === process).then(() => this.#start());
    });
  }

  poisoned(): void {
    this.hub.scheduler.in(OPERATOR_MS, () => {
      for (const { process } of this.#desks.slice()) this.crash(process, 'store.fsync');
    });
  }

  /** Faults that strike when a frame is in the log. */
  #interfere({ process, tenant, frame: { sid } }: Written, due: readonly FaultKind[]): void {
    const { hub } = this;
    const person = hub.due(due, ['people.queue', 'people.steer', 'people.interrupt', 'people.cancel']);
    if (person !== null) this.people.interfere(person.slice('people.'.length) as 'queue', sid, tenant);
    if (hub.due(due, ['clock.forward']) !== null) process.skewMs += HOUR_MS;
    if (hub.due(due, ['clock.back']) !== null) process.skewMs -= HOUR_MS;
    if (hub.due(due, ['clock.leap']) !== null) process.skewMs -= 1_000;
    if (hub.due(due, ['process.restart']) !== null) hub.scheduler.in(0, () => void this.#restart(process));
    if (hub.due(due, ['process.anarchy']) !== null) hub.scheduler.in(0, () => void this.#start());
    const deploy = hub.due(due, ['deploy.instructions', 'deploy.tool-gone', 'deploy.approval']);
    if (deploy === null) return;
    this.#deploy = deploy.slice('deploy.'.length) as Deploy;
    this.crash(process, deploy);
  }

  #stop(how: 'crash' | 'restart'): void {
    const process = this.#desks.at(-1)?.process;
    if (process === undefined) return;
    if (how === 'crash') this.crash(process, 'process.crash');
    else void this.#restart(process);
  }

  async #restart(process: SimProcess): Promise<void> {
    const desk = this.#desks.find((one) => one.process === process);
    if (desk === undefined) return;
    // What comes after the grace is given up.
    const untilMs = this.hub.scheduler.nowMs + GRACE_MS - 1;
    await Promise.race([Promise.allSettled([...desk.runtimes.values()].map((runtime) => runtime.close())), process.died]);
    // A disk that stays full for longer than the grace has nothing recorded, and what it refuses after that is not tried again.
    const { fired, scheduler } = this.hub;
    const isRefused = fired.has('store.full') || (fired.has('store.error') && scheduler.nowMs > untilMs);
    if (!isRefused) this.audit.recordedAll(process, untilMs);
    this.crash(process, 'process.restart');
  }

  async #startAll(): Promise<void> {
    const { processes = 1 } = this.scenario;
    for (let count = 0; count < processes; count++) await this.#start();
  }

  async #start(): Promise<void> {
    if (this.#isStarting) return;
    this.#isStarting = true;
    const { hub, store } = this;
    try {
      if (this.#desks.length === 0) {
        await store.reopen();
        await this.audit.recovered(store.inspected);
      }
      const process = new SimProcess(this.#started++, hub, this, (one) => this.#transport(one));
      hub.trace.note(`p${process.n} starts`, hub.scheduler.nowMs);
      if (hub.due(hub.visit('process.start'), ['clock.skew']) !== null) process.skewMs = -SKEW_MS;
      const runtimes = new Map(this.#tenants.map((tenant) => [tenant, this.#runtime(process, tenant)]));
      this.#desks.push({ process, runtimes });
      this.#isStarting = false;
      await Promise.race([Promise.all([...runtimes.values()].map((runtime) => runtime.start())), process.died]);
    } catch (error) {
      if (!NervaError.is(error)) return hub.violated('only typed failures', `Starting a process threw ${String(error)}.`);
      // As a supervisor does: what cannot start is started again.
      const latest = this.#desks.at(-1);
      if (latest !== undefined) this.crash(latest.process, 'process.crash');
    } finally {
      this.#isStarting = false;
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  /** An operator erases a subject, as soon as there is a store that can be written. */
  async #erase(subject: string): Promise<void> {
    if (this.#keys === undefined) return;
    for (;;) {
      await this.#desk(this.#tenants[0] ?? null);
      if (!this.store.isPoisoned) break;
      await this.hub.sleep(RESTART_MS);
    }
    const { inspected } = this.store;
    for (const sid of this.audit.kept.keys()) await inspected.snapshots.put(sid, SNAPSHOT, 0, subject);
    const { sids } = await eraseSubject({ store: this.store.operated(this.#operator), keys: this.#keys, world: this.world, subject });
    for (const sid of sids)
      if ((await inspected.snapshots.get(sid, SNAPSHOT, 0)) !== null)
        this.hub.violated('an erased subject leaves no byte', `A snapshot of ${sid} from before the erasure is still there.`);
  }

  #runtime(process: SimProcess, tenant: string | null): Runtime {
    const wrapping = {
      hub: this.hub,
      audit: this.audit,
      process,
      supervisor: this,
      graceMs: GRACE_MS,
      isWired: this.scenario.isWired === true,
    };
    const { idleMax, resumeMax } = this.scenario;
    return createRuntime({
      store: this.store.handle(process, tenant),
      world: process.world,
      agents: this.#agents.map((agent) => wrapAgent(agent, this.#deploy, wrapping)),
      facets: this.#facets,
      graceMs: GRACE_MS,
      ...(idleMax === undefined ? {} : { idleMax }),
      ...(resumeMax === undefined ? {} : { resumeMax }),
    });
  }

  #transport(process: SimProcess): Transport {
    if (this.scenario.isWired !== true) return NO_NETWORK;
    return simTransport(this.hub, process, this.#network, this.#servers);
  }

  #forget(process: SimProcess): void {
    const index = this.#desks.findIndex((desk) => desk.process === process);
    if (index >= 0) this.#desks.splice(index, 1);
  }

  async #desk(tenant: string | null, place = Infinity): Promise<Desk> {
    for (;;) {
      const desk = this.#desks[Math.min(place, this.#desks.length - 1)];
      const runtime = desk?.runtimes.get(tenant);
      if (desk !== undefined && runtime !== undefined) return { process: desk.process, runtime };
      await new Promise<void>((wake) => this.#waiting.push(wake));
    }
  }

  /** Everybody is heard, everything runs dry, everything asked is answered: first with faults, then without. */
  async #rest(): Promise<void> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      await this.people.settled();
      await this.#idle();
      if (this.people.isBusy || this.#desks.length === 0) continue;
      if ((await this.people.answerAll()) > 0) continue;
      if (this.people.isBusy || this.#desks.length === 0) continue;
      if (!this.hub.isFaulty) break;
      this.hub.isFaulty = false;
    }
    this.people.leave();
  }

  async #idle(): Promise<void> {
    await this.#desk(this.#tenants[0] ?? null);
    // What was just let go may be just being taken up.
    await this.hub.sleep(PAUSE_MS + LEASE_MS);
    for (const { process, runtimes } of this.#desks.slice()) {
      for (const runtime of runtimes.values()) await Promise.race([runtime.idle(), process.died]);
    }
  }

  #standing(): string {
    const open = [...this.audit.kept.values()]
      .filter(({ book }) => book.turn !== null)
      .map(({ book }) => `${book.sid} at ${book.events.length} (${book.events.at(-1)?.type ?? ''})`);
    return `Processes: ${this.#desks.map(({ process }) => process.n).join(', ') || 'none'}. Open turns: ${open.join(', ') || 'none'}.`;
  }
}

const REASONS = {
  empty: 'nothing more can happen, yet something is awaited.',
  events: 'it goes on and on.',
  time: 'it takes longer than any limit.',
} as const;

/** Whose meaning nobody knows. */
const SNAPSHOT = 'from before';

const NO_NETWORK = {
  request: (request: { readonly url: string }) =>
    Promise.reject(new NervaError('HTTP_UNREACHABLE', `This simulation has no network: ${request.url}`)),
  close: () => Promise.resolve(),
};
