import { hash } from 'node:crypto';
import { NervaError, type Transport, type World } from '../core/index.ts';
import { diceOf, hex32 } from './dice.ts';
import type { FaultKind, Point } from './faults.ts';
import type { Hub } from './hub.ts';

/** How a request to the simulated outside goes: how long it takes, and what it does when it arrives. */
export interface Request<T> {
  /** Ms until it takes effect. Null: it never does, and is never answered. */
  readonly latencyMs: number | null;
  /** Ms from its effect to its answer. Default 0. */
  readonly answerMs?: number | null;
  /** True: once sent it arrives, also when who sent it is dead by then. */
  readonly isExternal?: boolean;
  /** Takes effect. */
  readonly serve: () => T | Promise<T>;
}

/** What the supervisor of a run does when a fault strikes a process. */
export interface Supervisor {
  crash(process: SimProcess, why: FaultKind): void;
  pause(process: SimProcess): void;
  /** An fsync failed: nobody may trust the store until all have reopened it. */
  poisoned(): void;
}

/** How long a pause lasts: past every lease. */
export const PAUSE_MS = 90_000;

/**
 * One process of a simulation: everything it asks of the outside comes back as an event of the scheduler. Once dead, nothing ever
 * comes back, so that its code never goes on; what it had sent before may still arrive.
 */
export class SimProcess {
  readonly n: number;
  readonly world: World;
  /** Resolves when it dies. */
  readonly died: Promise<void>;
  isDead = false;
  pausedUntilMs = 0;
  /** Ms by which its clock is ahead. */
  skewMs = 0;
  readonly #hub: Hub;
  readonly #supervisor: Supervisor;
  #tellDied: () => void = () => undefined;

  // oxlint-disable-next-line max-params -- made in one place
  constructor(n: number, hub: Hub, supervisor: Supervisor, transport: (process: SimProcess) => Transport) {
    this.n = n;
    this.#hub = hub;
    this.#supervisor = supervisor;
    this.died = new Promise((resolve) => (this.#tellDied = resolve));
    this.world = this.#world(transport(this));
  }

  /** Its own clock: whole ms since 1970. */
  nowMs(): number {
    return Math.floor(this.#hub.scheduler.nowMs) + this.skewMs;
  }

  /** Dies at once. Idempotent. */
  die(): void {
    if (this.isDead) return;
    this.isDead = true;
    this.#tellDied();
  }

  /** Asks something of the outside at `point`. `plan` is told which faults strike and says how the request goes. */
  ask<T>(point: Point, plan: (due: readonly FaultKind[]) => Request<T>): Promise<T> {
    if (this.isDead) return never();
    const hub = this.#hub;
    const due = hub.visit(point);
    if (hub.due(due, ['process.crash']) !== null) {
      this.#supervisor.crash(this, 'process.crash');
      return never();
    }
    if (hub.due(due, ['process.pause']) !== null) this.#supervisor.pause(this);
    const { latencyMs, answerMs = 0, isExternal = false, serve } = plan(due);
    if (latencyMs === null) return never();
    return new Promise((resolve, reject) => {
      const arrive = (): void => {
        if (this.isDead && !isExternal) return;
        if (!isExternal && this.pausedUntilMs > hub.scheduler.nowMs) return void hub.scheduler.in(this.#pausedMs(), arrive);
        hub.trace.note(`${point} p${this.n}`, hub.scheduler.nowMs);
        const answered = (settle: () => void): void => {
          if (hub.due(due, ['process.crash-after']) !== null) this.#supervisor.crash(this, 'process.crash-after');
          if (answerMs === null) return;
          if (answerMs > 0) hub.scheduler.in(answerMs, () => this.deliver(settle));
          else this.deliver(settle);
        };
        served(
          serve,
          (value) => answered(() => resolve(value)),
          (error) => answered(() => reject(error as Error)),
        );
      };
      hub.scheduler.in(latencyMs, arrive);
    });
  }

  /** Lets something happen in the process: not when it is dead, and later when it stands still. */
  deliver(happen: () => void): void {
    if (this.isDead) return;
    if (this.pausedUntilMs > this.#hub.scheduler.nowMs) this.#hub.scheduler.in(this.#pausedMs(), () => this.deliver(happen));
    else happen();
  }

  #pausedMs(): number {
    return this.pausedUntilMs - this.#hub.scheduler.nowMs;
  }

  #world(transport: Transport): World {
    const { scheduler, seed } = this.#hub;
    const dice = diceOf(seed, `process ${this.n}`);
    const words = diceOf(seed, `ids ${this.n}`);
    const word = (): string => hex32(words.below(0x1_0000_0000));
    let count = 0;
    const later = (ms: number, task: () => void): (() => void) => scheduler.in(ms, () => this.deliver(task));
    return {
      clock: {
        nowMs: () => this.nowMs(),
        timer: later,
        sleep: (ms, { signal } = {}) =>
          new Promise((resolve, reject) => {
            const cancelled = (): void => reject(new NervaError('CANCELLED', 'The sleep was aborted by its signal.'));
            if (signal?.aborted === true) return cancelled();
            const stop = later(ms, () => {
              signal?.removeEventListener('abort', abort);
              resolve();
            });
            const abort = (): void => (stop(), cancelled());
            signal?.addEventListener('abort', abort, { once: true });
          }),
      },
      dice: { roll: dice.roll },
      ids: { random: () => word() + word() + word() + word(), next: () => `p${this.n}.${(count++).toString(36)}` },
      transport,
      digest: (data) => hash('sha256', data, 'hex'),
      defer: (task) => void later(0, task),
    };
  }
}

/** What a dead process gets. */
export function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}

/** Calls `serve`; at once when it answers at once. */
function served<T>(serve: () => T | Promise<T>, done: (value: T) => void, failed: (error: unknown) => void): void {
  try {
    const value = serve();
    if (value instanceof Promise) void value.then(done, failed);
    else done(value);
  } catch (error) {
    failed(error);
  }
}
