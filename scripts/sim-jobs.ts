import { explore, parsePlan, runTwice, stepsLeft, type Failure, type Plan, type Scenario, type Step } from 'nerva/sim';
import { PACKS, PAIRED, REFERENCE } from '../tests/scenarios/index.ts';

/** A piece of work for one thread. */
export type Job =
  | { readonly type: 'case'; readonly scenario: string; readonly seed: number; readonly faults: Plan }
  | { readonly type: 'seeds'; readonly scenario: string; readonly from: number; readonly count: number; readonly every?: number }
  | { readonly type: 'exhaustive'; readonly scenario: string; readonly pairs: boolean; readonly part: number; readonly parts: number }
  | { readonly type: 'guided'; readonly scenario: string; readonly from: number; readonly ms: number };

/** A broken invariant as data. `steps` is null when they are those of the scenario. */
export interface Broken {
  readonly scenario: string;
  readonly invariant: string;
  readonly message: string;
  readonly seed: number;
  readonly faults: Plan;
  readonly steps: readonly Step[] | null;
}

/** What a job did. */
export interface Done {
  readonly runs: number;
  readonly simulatedMs: number;
  readonly steps: number;
  readonly events: number;
  readonly fired: Readonly<Partial<Record<string, number>>>;
  readonly states: ReadonlySet<number>;
  readonly hash: number;
  readonly broken: readonly Broken[];
}

/** All scenarios, the small ones first. */
export const SCENARIOS: readonly Scenario[] = [...REFERENCE, ...PACKS];

/** Seeds of one job, all of the same scenario: an undisturbed run is needed once for all of them. */
const BLOCK = 50;
/** Pieces of an exhaustive search of pairs. */
const PARTS = 16;
const SLICE_MS = 60_000;

/** What is asked for. `seeds` is 0 for none. */
export interface Wanted {
  readonly only: string | null;
  readonly seeds: number;
  readonly from: number;
  /** Single faults on every scenario and pairs on the small ones; `some`: single faults on the small ones and pairs on a few. */
  readonly exhaustive: 'all' | 'some' | 'none';
  readonly ms: number | null;
  readonly threads: number;
}

/** The work in the order in which it is handed out. What ever failed comes first. */
export function jobsFor({ only, seeds, from, exhaustive, ms, threads }: Wanted, everFailed: readonly Job[]): readonly Job[] {
  const chosen = SCENARIOS.filter(({ name }) => only === null || name === only);
  const first = everFailed.filter(({ scenario }) => only === null || scenario === only);
  const every = chosen.flatMap((scenario) => exhaustiveJobs(scenario, exhaustive));
  const random = ms === null ? seedJobs(chosen, from, seeds) : guidedJobs(chosen, from, ms * threads);
  return [...first, ...every, ...random];
}

function exhaustiveJobs(scenario: Scenario, how: Wanted['exhaustive']): readonly Job[] {
  if (how === 'none' || (how === 'some' && !REFERENCE.includes(scenario))) return [];
  const pairs = (how === 'some' ? PAIRED : REFERENCE).includes(scenario);
  const parts = pairs ? PARTS : 1;
  return Array.from({ length: parts }, (_, part) => ({ type: 'exhaustive', scenario: scenario.name, pairs, part, parts }));
}

/** Seed S runs scenario (S − 1) modulo their number, so that as many seeds as there are scenarios run each of them. */
function seedJobs(chosen: readonly Scenario[], from: number, seeds: number): readonly Job[] {
  const every = chosen.length;
  return Array.from({ length: Math.min(every, seeds) }, (_, offset): readonly Job[] => {
    const first = from + offset;
    const scenario = chosen[(first - 1) % every]?.name ?? '';
    const whole = Math.ceil((seeds - offset) / every);
    return Array.from({ length: Math.ceil(whole / BLOCK) }, (_block, block) => ({
      type: 'seeds',
      scenario,
      from: first + block * BLOCK * every,
      count: Math.min(BLOCK, whole - block * BLOCK),
      every,
    }));
  }).flat();
}

/** Round robin over the scenarios, about a minute each time. */
function guidedJobs(chosen: readonly Scenario[], from: number, wholeMs: number): readonly Job[] {
  const rounds = Math.max(1, Math.floor(wholeMs / (SLICE_MS * chosen.length)));
  const ms = wholeMs / (rounds * chosen.length);
  return Array.from({ length: rounds }, (_, round) =>
    chosen.map(({ name }): Job => ({ type: 'guided', scenario: name, from: from + round * 1_000_000, ms })),
  ).flat();
}

/**
 * Reads the list of seeds that ever failed: `<scenario> <seed> [plan as JSON]` a line, `#` begins a comment.
 * @throws Error naming the line.
 */
export function readSeeds(text: string): readonly Job[] {
  return text.split('\n').flatMap((line, index): Job[] => {
    const found = /^(\S+)\s+(\d+)(?:\s+(\[.*\]))?\s*$/.exec(line.replace(/(^|\s)#.*$/, '').trim());
    if (found === null && line.replace(/#.*$/, '').trim() === '') return [];
    const [, scenario = '', seed = '', plan] = found ?? [];
    if (found === null || Number(seed) < 1) throw new Error(`seeds.txt:${index + 1}: expected <scenario> <seed> [plan as JSON]: ${line}`);
    if (!SCENARIOS.some(({ name }) => name === scenario)) throw new Error(`seeds.txt:${index + 1}: there is no scenario "${scenario}"`);
    if (plan === undefined) return [{ type: 'seeds', scenario, from: Number(seed), count: 1 }];
    return [{ type: 'case', scenario, seed: Number(seed), faults: parsePlan(JSON.parse(plan)) }];
  });
}

/** Does a job, here. Seeds and cases run twice and must give equal hashes; of exhaustive searches only the single faults do. */
export async function perform(job: Job): Promise<Done> {
  const scenario = SCENARIOS.find(({ name }) => name === job.scenario);
  if (scenario === undefined) throw new Error(`There is no scenario "${job.scenario}".`);
  if (job.type === 'case') return performCase(scenario, job);
  const startMs = performance.now();
  const search = job.type === 'guided' ? { type: job.type, from: job.from, isOver: () => performance.now() - startMs > job.ms } : job;
  const { failures, ...summary } = await explore(scenario, search, { isTwice: job.type !== 'exhaustive' || !job.pairs });
  const { runs, simulatedMs, steps, events, fired, states, hash } = summary;
  return { runs, simulatedMs, steps, events, fired, states, hash, broken: failures.map((failure) => brokenOf(scenario, failure)) };
}

function brokenOf(scenario: Scenario, failure: Failure): Broken {
  const { invariant, message, report } = failure;
  return {
    scenario: scenario.name,
    invariant,
    message,
    seed: report.seed,
    faults: report.plan,
    steps: stepsLeft(scenario, failure),
  };
}

async function performCase(scenario: Scenario, { seed, faults }: Job & { readonly type: 'case' }): Promise<Done> {
  const { report, broken } = await runTwice(scenario, { seed, faults });
  const { simulatedMs, steps, events, fired, states } = report;
  const found = broken === null ? [] : [{ scenario: scenario.name, ...broken, seed, faults, steps: null }];
  return { runs: 1, simulatedMs, steps, events, fired, states, hash: Number.parseInt(report.hash.slice(0, 8), 16), broken: found };
}
