// A process of its own for one planted bug: searches the scenarios of a copy of the sources and prints what it found as the last line of JSON.
// Each case stands on a line before it is run: one that never ends, and starves this process, is known by it.
//   node --conditions=nerva-source tests/mutants/child.ts BUDGET_MS MUTATED [SOUND]
import type * as Sim from 'nerva/sim';
import { FAULTS_MAX, type Found, type Tried } from './hunt.ts';
import { LIMITS, load, searchAll, type Case, type Loaded, type Trier, type Way } from './search.ts';

/** The law that two runs of one case are the same. */
const SAME = 'same seed, same bytes';

type Hit = Extract<Found, { readonly isFound: true }>;

class Hunter implements Trier {
  readonly #mutated: Loaded;
  /** The sources as they are; null when it is they that are searched. */
  readonly #sound: Loaded | null;
  readonly #budgetMs: number;
  readonly #excused = new Map<string, number>();
  #runs = 0;
  #found: Hit | null = null;
  /** Of those that are not small enough, the smallest. */
  #large: Hit | null = null;

  constructor(mutated: Loaded, sound: Loaded | null, budgetMs: number) {
    this.#mutated = mutated;
    this.#sound = sound;
    this.#budgetMs = budgetMs;
  }

  async hunt(): Promise<Found> {
    await searchAll(this.#mutated, this);
    if (this.#found !== null) return this.#found;
    const reasons = [`${this.#runs} runs broke nothing`];
    if (this.#large !== null) {
      const { invariant, scenario, seed, plan } = this.#large;
      reasons[0] = `only with ${plan.length} faults: ${invariant} (${scenario}, seed ${seed})`;
    }
    for (const [what, count] of this.#excused) reasons.push(`broken without it too, ${count} times: ${what}`);
    return { isFound: false, why: reasons.join('; '), runs: this.#runs, ms: this.#elapsedMs() };
  }

  get isOver(): boolean {
    return this.#found !== null || this.#elapsedMs() > this.#budgetMs;
  }

  async repeat(one: Case, hash: string): Promise<void> {
    if ((await again(this.#mutated, one)) !== hash) await this.#differs(one, 'single fault');
  }

  async attempt(one: Case, way: Way, isTwice: boolean): Promise<Sim.SimReport | null> {
    this.#runs++;
    const { scenario, seed, plan } = one;
    console.log(
      JSON.stringify({ isFound: null, scenario: scenario.name, seed, plan, way, runs: this.#runs, ms: this.#elapsedMs() } satisfies Tried),
    );
    const report = await run(this.#mutated, one);
    const [violation] = report.violations;
    if (violation !== undefined) await this.#broken(one, report, way);
    else if (!isTwice || (await again(this.#mutated, one)) === report.hash) return report;
    else await this.#differs(one, way);
    return null;
  }

  /** A law broke. What breaks any law in the sources as they are is not the planted bug, and the search goes on. */
  async #broken(one: Case, report: Sim.SimReport, way: Way): Promise<void> {
    const ms = this.#elapsedMs();
    const { invariant = '', message = '' } = report.violations[0] ?? {};
    if (await this.#isOld(one)) return this.#excuse(one, invariant);
    const small = await this.#mutated.sim.shrink(one.scenario, report, LIMITS);
    const smallest = { scenario: small.scenario, seed: small.report.seed, plan: small.report.plan };
    // Making it small may have led to another cause.
    const kept = (await this.#isOld(smallest)) ? one : smallest;
    this.#hit(kept, { way, invariant, message, ms });
  }

  /** Two runs of one case differ: faults are left out one by one as long as they do. */
  async #differs(one: Case, way: Way): Promise<void> {
    const ms = this.#elapsedMs();
    const isDifferent = async (loaded: Loaded, given: Case): Promise<boolean> =>
      (await again(loaded, given)) !== (await again(loaded, given));
    if (this.#sound !== null && (await isDifferent(this.#sound, one))) return this.#excuse(one, SAME);
    let { plan } = one;
    for (const fault of plan) {
      const fewer = plan.filter((other) => other !== fault);
      if (await isDifferent(this.#mutated, { ...one, plan: fewer })) plan = fewer;
    }
    this.#hit({ ...one, plan }, { way, invariant: SAME, message: 'Two runs of one case have different hashes.', ms });
  }

  #hit({ scenario, seed, plan }: Case, told: Pick<Hit, 'way' | 'invariant' | 'message' | 'ms'>): void {
    const { steps, name } = scenario;
    const hit: Hit = {
      isFound: true,
      scenario: name,
      ...told,
      message: told.message.slice(0, 300),
      plan,
      seed,
      steps: typeof steps === 'function' ? null : steps.length,
      runs: this.#runs,
    };
    if (plan.length <= FAULTS_MAX) this.#found = hit;
    else if (this.#large === null || plan.length < this.#large.plan.length) this.#large = hit;
  }

  #excuse({ scenario }: Case, invariant: string): void {
    const what = `${invariant} (${scenario.name})`;
    this.#excused.set(what, (this.#excused.get(what) ?? 0) + 1);
  }

  async #isOld(one: Case): Promise<boolean> {
    if (this.#sound === null) return false;
    const { small, large } = this.#sound;
    const scenario = [...small, ...large].find(({ name }) => name === one.scenario.name);
    if (scenario === undefined) return false;
    return (await run(this.#sound, { ...one, scenario: { ...scenario, steps: one.scenario.steps } })).violations.length > 0;
  }

  /** Of the processor, so that who else works here changes little. */
  #elapsedMs(): number {
    const { user, system } = process.cpuUsage();
    return Math.round((user + system) / 1_000);
  }
}

function run({ sim }: Loaded, { scenario, seed, plan }: Case): Promise<Sim.SimReport> {
  return sim.runOnce(scenario, { ...LIMITS, seed, faults: plan });
}

/** The hash of a run whose laws are not looked at. */
async function again({ sim }: Loaded, { scenario, seed, plan }: Case): Promise<string> {
  return (await sim.runOnce(scenario, { ...LIMITS, seed, faults: plan, isJudged: false })).hash;
}

const [budgetMs = '', folder = '', soundFolder] = process.argv.slice(2);
const mutated = await load(folder);
const sound = soundFolder === undefined ? null : await load(soundFolder);
console.log(JSON.stringify(await mutated.sim.guarded(() => new Hunter(mutated, sound, Number(budgetMs)).hunt())));
process.exit(0);
