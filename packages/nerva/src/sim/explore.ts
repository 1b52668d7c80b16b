import { diceOf } from './dice.ts';
import { isDistinct, type FaultKind, type Plan, type Point } from './faults.ts';
import { mutated, randomPlan, seconds, singles } from './plans.ts';
import { guarded } from './poison.ts';
import { runOnce, type RunOptions, type SimReport } from './run.ts';
import type { Scenario } from './scenario.ts';
import { shrink, type Shrunk } from './shrink.ts';

/** How a scenario is searched. */
export type Search =
  /** Each seed with its own random plan: `count` of them, `every` so many from `from` on. */
  | { readonly type: 'seeds'; readonly count: number; readonly from?: number; readonly every?: number }
  /** Every single fault, and with `pairs` every pair, on the machine of seed 1. Split over `parts`, of which this is `part`. */
  | { readonly type: 'exhaustive'; readonly pairs: boolean; readonly parts?: number; readonly part?: number }
  /** Random plans, bred from those that reached something new, for as long as `isOver` says no. */
  | { readonly type: 'guided'; readonly from?: number; readonly isOver: () => boolean };

/** Options of a search. */
export interface ExploreOptions extends Omit<RunOptions, 'seed' | 'faults' | 'isTraced' | 'isJudged'> {
  /** Runs everything twice and compares the hashes. Default true. */
  readonly isTwice?: boolean;
  /** Ends after so many different broken invariants. Default 1. */
  readonly failuresMax?: number;
  /** Called after each run, also while a case is made small. What it throws ends the search, with the case that is at hand kept. */
  readonly onRun?: (summary: Summary) => void;
}

/** What a search did. */
export interface Summary {
  readonly scenario: string;
  runs: number;
  simulatedMs: number;
  steps: number;
  events: number;
  readonly fired: Partial<Record<FaultKind, number>>;
  /** (kind × point) pairs that struck. */
  readonly struck: Set<string>;
  readonly states: Set<number>;
  /** Hash over the hashes of all runs, in order. */
  hash: number;
  /** The smallest case for each broken invariant. */
  readonly failures: Failure[];
}

/** A broken invariant, made small. */
export interface Failure extends Shrunk {
  readonly invariant: string;
  readonly message: string;
  /** As it was found. */
  readonly found: { readonly seed: number; readonly plan: Plan };
}

/** Searches one scenario for runs that break an invariant, and makes what it finds small. */
export function explore(scenario: Scenario, search: Search, options: ExploreOptions = {}): Promise<Summary> {
  return guarded(() => new Explorer(scenario, options).search(search));
}

class Explorer {
  readonly #scenario: Scenario;
  readonly #options: ExploreOptions;
  readonly #summary: Summary;

  constructor(scenario: Scenario, options: ExploreOptions) {
    this.#scenario = scenario;
    this.#options = options;
    this.#summary = {
      scenario: scenario.name,
      runs: 0,
      simulatedMs: 0,
      steps: 0,
      events: 0,
      fired: {},
      struck: new Set(),
      states: new Set(),
      hash: 0,
      failures: [],
    };
  }

  async search(search: Search): Promise<Summary> {
    switch (search.type) {
      case 'seeds':
        await this.#seeds(search);
        break;
      case 'exhaustive':
        await this.#exhaustive(search);
        break;
      default:
        await this.#guided(search);
    }
    return this.#summary;
  }

  async #seeds({ from = 1, count, every = 1 }: Search & { readonly type: 'seeds' }): Promise<void> {
    const { visits } = await this.#calm();
    for (let n = 0; n < count && !this.#isOver; n++) {
      const seed = from + n * every;
      await this.#run(seed, randomPlan(seed, visits));
    }
  }

  async #exhaustive({ pairs, parts = 1, part = 0 }: Search & { readonly type: 'exhaustive' }): Promise<void> {
    const calm = await this.#run(1, []);
    if (calm === null) return;
    const all = singles(calm);
    for (let index = 0; index < all.length; index++) {
      if (this.#isOver) return;
      const first = all[index];
      if (first === undefined || index % parts !== part) continue;
      const report = await this.#run(1, [first]);
      if (!pairs || report === null || !isDistinct(first.kind)) continue;
      for (const plan of seconds(report)) {
        if (this.#isOver) return;
        await this.#run(1, plan);
      }
    }
  }

  async #guided({ from = 1, isOver }: Search & { readonly type: 'guided' }): Promise<void> {
    const { visits } = await this.#calm();
    const known: Plan[] = [];
    let points: Readonly<Record<Point, number>> = visits;
    for (let seed = from; !isOver() && !this.#isOver; seed++) {
      const dice = diceOf(seed, 'guided');
      const parent = known.length > 0 && dice.chance(0.7) ? known[Math.floor(known.length * (1 - dice.roll() ** 2))] : undefined;
      const plan = parent === undefined ? randomPlan(seed, points) : mutated(parent, dice, points);
      const before = this.#summary.states.size;
      const report = await this.#run(seed, plan);
      if (report === null || this.#summary.states.size === before) continue;
      known.push(plan);
      points = { ...points, ...report.visits };
    }
  }

  get #isOver(): boolean {
    return this.#summary.failures.length >= (this.#options.failuresMax ?? 1);
  }

  /** An undisturbed run: what there is to strike. */
  #calm(): Promise<SimReport> {
    return runOnce(this.#scenario, { ...this.#options, seed: 1 });
  }

  /** @returns null when it broke something. */
  async #run(seed: number, faults: Plan): Promise<SimReport | null> {
    const { isTwice = true, onRun, ...limits } = this.#options;
    const report = await runOnce(this.#scenario, { ...limits, seed, faults });
    this.#count(report);
    if (report.violations.length === 0 && isTwice) {
      const again = await runOnce(this.#scenario, { ...limits, seed, faults, isJudged: false });
      if (again.hash !== report.hash)
        this.#fail({ scenario: this.#scenario, report, runs: 0 }, report, {
          invariant: 'same seed, same bytes',
          message: `Two runs of one seed have the hashes ${report.hash} and ${again.hash}.`,
        });
    }
    const [violation] = report.violations;
    const isNew = violation !== undefined && !this.#summary.failures.some(({ invariant }) => invariant === violation.invariant);
    if (isNew) {
      let thrown: { readonly error: unknown } | null = null;
      const isOver = (): boolean => {
        try {
          onRun?.(this.#summary);
        } catch (error) {
          thrown = { error };
        }
        return thrown !== null;
      };
      const small = await shrink(this.#scenario, report, { ...limits, isOver });
      this.#fail(small, report, small.report.violations[0] ?? violation);
      if (thrown !== null) throw (thrown as { readonly error: Error }).error;
    }
    onRun?.(this.#summary);
    return violation === undefined ? report : null;
  }

  // oxlint-disable-next-line max-params -- a case, where it comes from and what it is
  #fail(small: Shrunk, found: SimReport, { invariant, message }: { readonly invariant: string; readonly message: string }): void {
    this.#summary.failures.push({ ...small, invariant, message, found: { seed: found.seed, plan: found.plan } });
  }

  #count(report: SimReport): void {
    const summary = this.#summary;
    summary.runs++;
    summary.simulatedMs += report.simulatedMs;
    summary.steps += report.steps;
    summary.events += report.events;
    summary.hash = (Math.imul(summary.hash, 31) + Number.parseInt(report.hash.slice(0, 8), 16)) | 0;
    for (const [kind, count] of Object.entries(report.fired))
      summary.fired[kind as FaultKind] = (summary.fired[kind as FaultKind] ?? 0) + count;
    for (const { kind, point } of report.plan) if (report.fired[kind] !== undefined) summary.struck.add(`${kind} ${point}`);
    for (const state of report.states) summary.states.add(state);
  }
}
