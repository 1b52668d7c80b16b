import type { Plan } from './faults.ts';
import { runOnce, type RunOptions, type SimReport } from './run.ts';
import type { Scenario, Step } from './scenario.ts';

/** The smallest failing case that was found. */
export interface Shrunk {
  readonly scenario: Scenario;
  readonly report: SimReport;
  /** How often it was run on the way. */
  readonly runs: number;
}

const RUNS_MAX = 400;
/** A fault that is got over costs a few visits: a failure recorded, a timer set and fired. */
const EARLIER_MAX = 4;

/** How a failing run is made smaller. */
export interface ShrinkOptions extends Omit<RunOptions, 'seed' | 'faults'> {
  /** Asked before each run: once it says yes, the smallest case so far is given. Default: never. */
  readonly isOver?: () => boolean;
}

/**
 * Makes a failing run smaller: fewer faults, then fewer steps, then the plain machine of seed 1, then faults that strike earlier in place of
 * those that only put them off, as long as the same invariant breaks.
 * Delta debugging (Zeller and Hildebrandt, ddmin, IEEE TSE 2002); the empty list is tried too.
 */
export async function shrink(scenario: Scenario, failing: SimReport, options: ShrinkOptions = {}): Promise<Shrunk> {
  const { isOver = () => false, ...limits } = options;
  const invariant = failing.violations[0]?.invariant;
  let best = { scenario, report: failing };
  let runs = 0;
  const fails = async (given: Scenario, how: { readonly seed: number; readonly faults: SimReport['plan'] }): Promise<boolean> => {
    if (runs >= RUNS_MAX || isOver()) return false;
    runs++;
    const report = await runOnce(given, { ...limits, ...how });
    if (report.violations[0]?.invariant !== invariant) return false;
    best = { scenario: given, report };
    return true;
  };
  const { seed } = failing;
  await ddmin(failing.plan, (faults) => fails(best.scenario, { seed, faults }));
  const steps = typeof scenario.steps === 'function' ? scenario.steps(seed) : scenario.steps;
  await ddmin(steps, (fewer: readonly Step[]) => fails({ ...scenario, steps: fewer }, { seed, faults: best.report.plan }));
  await ddmin(best.report.plan, (faults) => fails(best.scenario, { seed, faults }));
  if (seed !== 1) await fails(best.scenario, { seed: 1, faults: best.report.plan });
  while (await someEarlier(best.report.plan, (faults) => fails(best.scenario, { seed: best.report.seed, faults })));
  return { ...best, runs };
}

/** Leaves out a fault that only made others strike later: without it they strike as many visits earlier. @returns whether one was left out. */
async function someEarlier(plan: Plan, fails: (fewer: Plan) => Promise<boolean>): Promise<boolean> {
  for (const [index, left] of plan.entries())
    for (let by = 1; by <= EARLIER_MAX && plan.length > 1; by++) {
      const fewer = plan
        .filter((fault) => fault !== left)
        .map((fault, at) => (at < index || fault.occurrence <= by ? fault : { ...fault, occurrence: fault.occurrence - by }));
      if (fewer.some((fault) => !plan.includes(fault)) && (await fails(fewer))) return true;
    }
  return false;
}

/** Leaves out as many items as it can while `fails` holds. */
async function ddmin<T>(items: readonly T[], fails: (fewer: readonly T[]) => Promise<boolean>): Promise<void> {
  let kept = items;
  if (kept.length === 0 || (await fails([]))) return;
  for (let size = Math.ceil(kept.length / 2); ;) {
    let isSmaller = false;
    for (let start = 0; start < kept.length && kept.length > 1; start += size) {
      const fewer = [...kept.slice(0, start), ...kept.slice(start + size)];
      if (fewer.length === 0 || !(await fails(fewer))) continue;
      kept = fewer;
      isSmaller = true;
      start -= size;
    }
    if (!isSmaller && size === 1) return;
    size = isSmaller ? Math.max(1, Math.min(size, Math.ceil(kept.length / 2))) : Math.ceil(size / 2);
  }
}
