// A process of its own for one planted bug: searches the scenarios of a sandbox and prints what it found as one line of JSON.
//   node --conditions=nerva-source tests/mutants/child.ts FOLDER BUDGET_MS
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Sim from 'nerva/sim';
import type * as Scenarios from '../scenarios/index.ts';
import type * as Extra from './scenarios.ts';
import { ROOT } from './sandbox.ts';
import type { Found } from './hunt.ts';

type Loaded = Pick<typeof Sim, 'explore' | 'runOnce'> & Pick<typeof Scenarios, 'REFERENCE' | 'PACKS'>;

/** What a failing case may have at most to count as small. */
const FAULTS_MAX = 3;
/** Each pass tries one part of the single faults of every scenario. */
const PARTS = 6;
const SEEDS_A_PASS = 8;
/** Each pass tries the pairs of one or two first faults of every small scenario; a prime, so that the steps come to all. */
const PAIR_PARTS = 101;
const PAIR_STEP = 37;
/** A run of a scenario takes a few hundred; one that goes on for ever is stopped early. */
const LIMITS = { eventsMax: 30_000, failuresMax: 1 };

async function load(root: string): Promise<Loaded> {
  const url = (file: string): string => pathToFileURL(path.join(root, file)).href;
  const sim = (await import(url('packages/nerva/src/sim/index.ts'))) as typeof Sim;
  const { REFERENCE, PACKS } = (await import(url('tests/scenarios/index.ts'))) as typeof Scenarios;
  const { EXTRA } = (await import(url('tests/mutants/scenarios.ts'))) as typeof Extra;
  return { explore: sim.explore, runOnce: sim.runOnce, REFERENCE: [...REFERENCE, ...EXTRA], PACKS };
}

/** The searches in their order: no fault and single faults on every small scenario, then in turn random plans on all and some pairs of faults. */
function* searches({
  REFERENCE,
  PACKS,
}: Loaded): Generator<{ readonly scenario: Sim.Scenario; readonly search: Sim.Search; readonly isTwice: boolean }> {
  for (let part = 0; part < PARTS; part++)
    for (const scenario of REFERENCE)
      yield { scenario, search: { type: 'exhaustive', pairs: false, parts: PARTS, part }, isTwice: part === 0 };
  for (let pass = 0; ; pass++) {
    for (const scenario of [...PACKS, ...REFERENCE])
      yield { scenario, search: { type: 'seeds', from: 1 + pass * SEEDS_A_PASS, count: SEEDS_A_PASS }, isTwice: false };
    for (const scenario of REFERENCE)
      yield {
        scenario,
        search: { type: 'exhaustive', pairs: true, parts: PAIR_PARTS, part: (pass * PAIR_STEP) % PAIR_PARTS },
        isTwice: false,
      };
  }
}

/** Whether the sources as they are break the same law in the same case: then it is not the planted bug that was found. */
async function isOld({ REFERENCE, PACKS, runOnce }: Loaded, failure: Sim.Failure, name: string): Promise<boolean> {
  const scenario = [...REFERENCE, ...PACKS].find((one) => one.name === name);
  if (scenario === undefined) return false;
  const { seed, plan } = failure.report;
  const { violations } = await runOnce({ ...scenario, steps: failure.scenario.steps }, { seed, faults: plan, eventsMax: LIMITS.eventsMax });
  return violations.length > 0;
}

async function hunt(folder: string, budgetMs: number): Promise<Found> {
  const startMs = performance.now();
  const elapsedMs = (): number => Math.round(performance.now() - startMs);
  const [mutated, sound] = [await load(folder), await load(ROOT)];
  let runs = 0;
  let largest: Found | null = null;
  const excused = new Set<string>();
  for (const { scenario, search, isTwice } of searches(mutated)) {
    if (elapsedMs() > budgetMs) break;
    const summary = await mutated.explore(scenario, search, { ...LIMITS, isTwice });
    runs += summary.runs;
    for (const failure of summary.failures) {
      if (failure.invariant !== 'same seed, same bytes' && (await isOld(sound, failure, scenario.name))) {
        excused.add(`${scenario.name}: ${failure.invariant}`);
        continue;
      }
      const { seed, plan } = failure.report;
      const { steps } = failure.scenario;
      const found: Found = {
        isFound: true,
        scenario: scenario.name,
        invariant: failure.invariant,
        message: failure.message.slice(0, 300),
        plan,
        seed,
        steps: typeof steps === 'function' ? null : steps.length,
        runs,
        ms: elapsedMs(),
      };
      if (plan.length <= FAULTS_MAX) return found;
      largest ??= found;
    }
  }
  if (largest?.isFound === true) {
    const { invariant, scenario, seed, plan } = largest;
    return { isFound: false, why: `only with ${plan.length} faults: ${invariant} (${scenario}, seed ${seed})`, runs, ms: elapsedMs() };
  }
  const why = `${runs} runs broke nothing${excused.size === 0 ? '' : `, but for what is broken without it: ${[...excused].join('; ')}`}`;
  return { isFound: false, why, runs, ms: elapsedMs() };
}

const [folder = '', budgetMs = '50000'] = process.argv.slice(2);
console.log(JSON.stringify(await hunt(folder, Number(budgetMs))));
process.exit(0);
