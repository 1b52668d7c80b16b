import { rollOf } from './dice.ts';
import type { FaultKind, Plan, Point } from './faults.ts';
import { Scheduler } from './scheduler.ts';
import { START_MS, Trace } from './trace.ts';

/** What a run broke. */
export interface Violation {
  /** Stable name of the invariant: what shrinking keeps. */
  readonly invariant: string;
  readonly message: string;
}

/** Parts of a run that the seed alone chooses, so that different seeds explore different machines. */
export interface Knobs {
  /** Reads of the store take their time, instead of answering at once as SQLite does. */
  readonly isReadSlow: boolean;
  /** Tools answer synchronously where no fault is due. */
  readonly isToolSync: boolean;
  /** Tools stop when they are told to, as long as nothing happened. */
  readonly isToolPolite: boolean;
  /** After a crash the store is rebuilt from the bytes on the disk, also when nothing was lost. */
  readonly isRebuilt: boolean;
  /** Frames of one page when a process reads a log and does not say. */
  readonly pageFrames: number;
  /** Latencies are multiplied by this. */
  readonly pace: number;
}

/** What all parts of one run share: its time, its randomness by name, the plan of its faults and its trace. */
export class Hub {
  readonly seed: number;
  readonly scheduler: Scheduler;
  readonly trace: Trace;
  readonly knobs: Knobs;
  readonly violations: Violation[] = [];
  /** How often each kind of fault took place. */
  readonly fired = new Map<FaultKind, number>();
  /** False once the faults stopped: whatever was broken must now come to rest. */
  isFaulty = true;
  /** By place and visit. */
  readonly #due = new Map<Point, Map<number, FaultKind[]>>();

  constructor(seed: number, plan: Plan, isKept: boolean) {
    this.seed = seed;
    this.scheduler = new Scheduler(seed, START_MS);
    this.trace = new Trace(isKept);
    this.knobs = knobsOf(seed);
    for (const { point, kind, occurrence } of plan) {
      const visits = this.#due.get(point) ?? new Map<number, FaultKind[]>();
      this.#due.set(point, visits);
      const kinds = visits.get(occurrence);
      if (kinds === undefined) visits.set(occurrence, [kind]);
      else if (!kinds.includes(kind)) kinds.push(kind);
    }
  }

  /** Somebody comes to a place. @returns the faults that are due there now. */
  visit(point: Point): readonly FaultKind[] {
    const visit = this.trace.visit(point);
    return this.isFaulty ? (this.#due.get(point)?.get(visit) ?? NONE) : NONE;
  }

  /** Whether no fault is due at the next visit of a place. */
  isQuietAt(point: Point): boolean {
    return !this.isFaulty || this.#due.get(point)?.has((this.trace.visits.get(point) ?? 0) + 1) !== true;
  }

  /** A fault took place. */
  fire(kind: FaultKind): void {
    this.fired.set(kind, (this.fired.get(kind) ?? 0) + 1);
    this.trace.note(kind, this.scheduler.nowMs);
  }

  /** The first of `kinds` that is due, which then takes place. */
  due<K extends FaultKind>(due: readonly FaultKind[], kinds: readonly K[]): K | null {
    if (due === NONE) return null;
    const found = kinds.find((kind) => due.includes(kind)) ?? null;
    if (found !== null) this.fire(found);
    return found;
  }

  /** A number in [0, 1) for a name: the same in every run of this seed, whatever else happened before. */
  roll(key: string, n = 0): number {
    return rollOf(this.seed, key, n);
  }

  /** Something that must never be. A run ends at its first one. */
  violated(invariant: string, message: string): void {
    this.violations.push({ invariant, message });
  }

  /** Resolves to `late` in `ms`, unless it was stopped. */
  timeout(ms: number): { readonly promise: Promise<'late'>; readonly stop: () => void } {
    let stop = (): void => undefined;
    const promise = new Promise<'late'>((resolve) => (stop = this.scheduler.in(ms, () => resolve('late'))));
    return { promise, stop };
  }

  /** Resolves in `ms` of simulated time. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.scheduler.in(ms, resolve));
  }
}

const NONE: readonly FaultKind[] = [];

/** Seed 1 is the plain machine: fast reads, asynchronous tools. */
function knobsOf(seed: number): Knobs {
  const roll = (key: string): number => rollOf(seed, `knob.${key}`);
  if (seed === 1) return { isReadSlow: false, isToolSync: false, isToolPolite: true, isRebuilt: false, pageFrames: 2, pace: 1 };
  return {
    isReadSlow: roll('read') < 0.3,
    isToolSync: roll('sync') < 0.2,
    isToolPolite: roll('polite') < 0.7,
    isRebuilt: roll('rebuilt') < 0.3,
    pageFrames: [1, 2, 3, 256][Math.floor(roll('page') * 4)] ?? 256,
    pace: [0.1, 1, 1, 10][Math.floor(roll('pace') * 4)] ?? 1,
  };
}
