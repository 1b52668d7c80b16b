import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Sim from 'nerva/sim';
import type * as Faults from '../../packages/nerva/src/sim/faults.ts';
import type * as Plans from '../../packages/nerva/src/sim/plans.ts';
import type * as Poison from '../../packages/nerva/src/sim/poison.ts';
import type * as Shrink from '../../packages/nerva/src/sim/shrink.ts';
import type * as Scenarios from '../scenarios/index.ts';
import type * as Extra from './scenarios.ts';

/** A simulator and its scenarios, loaded from one copy of the sources. */
export interface Loaded {
  readonly sim: Pick<typeof Sim, 'runOnce'> &
    Pick<typeof Faults, 'isDistinct'> &
    Pick<typeof Plans, 'randomPlan' | 'seconds' | 'singles'> &
    Pick<typeof Poison, 'guarded'> &
    Pick<typeof Shrink, 'shrink'>;
  /** Small ones: every single fault is tried on them, and near pairs, in this order. */
  readonly small: readonly Sim.Scenario[];
  /** Larger ones, in which the seed chooses what people do. */
  readonly large: readonly Sim.Scenario[];
  /** Cases that ever failed in this repository. */
  readonly ever: readonly Case[];
}

/** One run that is to be tried. */
export interface Case {
  readonly scenario: Sim.Scenario;
  readonly seed: number;
  readonly plan: Sim.Plan;
}

/** How a case was come by. */
export type Way = 'no fault' | 'ever failed' | 'single fault' | 'random plan' | 'pair of faults';

/** Who runs cases, and compares what the same case comes to twice. */
export interface Trier {
  /** Runs a case. @returns what it reached, or null when something broke in it. */
  attempt(one: Case, way: Way, isTwice: boolean): Promise<Sim.SimReport | null>;
  /** Runs a case again, long after it came to `hash`. */
  repeat(one: Case, hash: string): Promise<void>;
  readonly isOver: boolean;
}

/** Each turn tries one part of the single faults on large scenarios: a prime, so that the steps come to all. */
const PARTS = 101;
const PART_STEP = 37;
/** Within so many visits the second fault of a pair strikes: what is broken by two is mostly broken by the second while the first is dealt with. */
const NEAR_VISITS = 3;
const SEEDS_A_TURN = 4;
const CALM_SEEDS = 3;

/** A run of a scenario takes a few hundred scheduled events; one that goes on for ever is stopped early. */
export const LIMITS = { eventsMax: 30_000 } as const;

/** Loads what a copy of the sources holds. */
export async function load(root: string): Promise<Loaded> {
  const from = async (file: string): Promise<unknown> => import(pathToFileURL(path.join(root, file)).href);
  const inSim = (file: string): Promise<unknown> => from(`packages/nerva/src/sim/${file}.ts`);
  const { runOnce, parsePlan } = (await inSim('index')) as typeof Sim;
  const { isDistinct } = (await inSim('faults')) as typeof Faults;
  const { randomPlan, seconds, singles } = (await inSim('plans')) as typeof Plans;
  const { guarded } = (await inSim('poison')) as typeof Poison;
  const { shrink } = (await inSim('shrink')) as typeof Shrink;
  const { NARROW, PAIRED, REFERENCE, PACKS } = (await from('tests/scenarios/index.ts')) as typeof Scenarios;
  const { EXTRA } = (await from('tests/mutants/scenarios.ts')) as typeof Extra;
  const small = [...new Set([...PAIRED, ...REFERENCE, ...NARROW, ...EXTRA])];
  const large = PACKS.filter((scenario) => !NARROW.includes(scenario));
  const ever = readFileSync(path.join(root, 'tests/scenarios/seeds.txt'), 'utf8')
    .split('\n')
    .flatMap((line): Case[] => {
      const [, name, seed, plan] = /^(\S+) (\d+) (\[.*\])$/.exec(line) ?? [];
      const scenario = [...small, ...large].find((one) => one.name === name);
      return scenario === undefined || plan === undefined ? [] : [{ scenario, seed: Number(seed), plan: parsePlan(JSON.parse(plan)) }];
    });
  return { sim: { runOnce, isDistinct, randomPlan, seconds, singles, guarded, shrink }, small, large, ever };
}

/**
 * The whole search, until it is over: what ever failed and runs without faults; every single fault on the small scenarios; then, in turn and
 * without end, the near pairs of one small scenario, random plans on all scenarios and some of the single faults on the large ones.
 * All but the pairs are run twice, and their hashes compared; the single faults on small scenarios for the second time after the first turn.
 */
export async function searchAll(loaded: Loaded, trier: Trier): Promise<void> {
  const { small, large, ever } = loaded;
  const calm = new Map<Sim.Scenario, Sim.SimReport>();
  for (const scenario of [...small, ...large])
    for (let seed = 1; seed <= (large.includes(scenario) ? CALM_SEEDS : 1) && !trier.isOver; seed++) {
      const report = await trier.attempt({ scenario, seed, plan: [] }, 'no fault', true);
      if (seed === 1 && report !== null) calm.set(scenario, report);
    }
  for (const one of ever) if (!trier.isOver) await trier.attempt(one, 'ever failed', true);
  const first: { readonly one: Case; readonly hash: string }[] = [];
  for (const [scenario, report] of calm)
    for (const one of small.includes(scenario) ? singlesOf(loaded, scenario, report) : []) {
      if (trier.isOver) return;
      const reached = await trier.attempt(one, 'single fault', false);
      if (reached !== null) first.push({ one, hash: reached.hash });
    }
  for (let turn = 0; !trier.isOver; turn++) {
    await takeTurn(loaded, trier, { calm, turn });
    for (const { one, hash } of turn === 0 ? first : []) if (!trier.isOver) await trier.repeat(one, hash);
  }
}

/** One turn of what has no end. */
async function takeTurn(
  loaded: Loaded,
  trier: Trier,
  { calm, turn }: { readonly calm: ReadonlyMap<Sim.Scenario, Sim.SimReport>; readonly turn: number },
): Promise<void> {
  const { sim, small, large } = loaded;
  const paired = small[turn % small.length] as Sim.Scenario;
  for (const one of singlesOf(loaded, paired, calm.get(paired))) {
    const report = trier.isOver ? null : await trier.attempt(one, 'single fault', false);
    if (report !== null) await pairs(loaded, trier, { scenario: paired, report });
  }
  for (const [scenario, { visits }] of calm)
    for (let seed = 1 + turn * SEEDS_A_TURN; seed <= (turn + 1) * SEEDS_A_TURN && !trier.isOver; seed++)
      await trier.attempt({ scenario, seed, plan: sim.randomPlan(seed, visits) }, 'random plan', true);
  for (const scenario of large) {
    const singles = singlesOf(loaded, scenario, calm.get(scenario));
    for (let index = (turn * PART_STEP) % PARTS; index < singles.length && !trier.isOver; index += PARTS)
      await trier.attempt(singles[index] as Case, 'single fault', true);
  }
}

function singlesOf({ sim }: Loaded, scenario: Sim.Scenario, report: Sim.SimReport | undefined): readonly Case[] {
  return report === undefined ? [] : sim.singles(report).map((fault) => ({ scenario, seed: 1, plan: [fault] }));
}

/** The pairs that begin with the fault of a run. */
async function pairs(
  { sim }: Loaded,
  trier: Trier,
  { scenario, report }: { readonly scenario: Sim.Scenario; readonly report: Sim.SimReport },
): Promise<void> {
  if (!report.plan.every(({ kind }) => sim.isDistinct(kind))) return;
  for (const plan of sim.seconds({ plan: report.plan, order: near(report) }))
    if (!trier.isOver) await trier.attempt({ scenario, seed: 1, plan }, 'pair of faults', false);
}

/** The visits of a run up to a little after that at which its fault struck. */
function near({ plan, order }: Sim.SimReport): Sim.SimReport['order'] {
  const { point, occurrence } = plan[0] ?? { point: '', occurrence: 0 };
  let count = 0;
  const at = order.findIndex((one) => one === point && ++count === occurrence);
  return order.slice(0, at + 1 + NEAR_VISITS);
}
