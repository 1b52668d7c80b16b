import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Sim from 'nerva/sim';
import type * as Plans from '../../packages/nerva/src/sim/plans.ts';
import type * as Poison from '../../packages/nerva/src/sim/poison.ts';
import type * as Shrink from '../../packages/nerva/src/sim/shrink.ts';
import type * as Scenarios from '../scenarios/index.ts';
import type * as Extra from './scenarios.ts';

/** A simulator and its scenarios, loaded from one copy of the sources. */
export interface Loaded {
  readonly sim: Pick<typeof Sim, 'runOnce'> &
    Pick<typeof Plans, 'randomPlan' | 'seconds' | 'singles'> &
    Pick<typeof Poison, 'guarded'> &
    Pick<typeof Shrink, 'shrink'>;
  /** Small ones: every single fault is tried on them, and pairs. */
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

/** Runs a case. @returns what it reached, or null when something broke in it. */
type Try = (one: Case, way: Way, isTwice: boolean) => Promise<Sim.SimReport | null>;

/** Each pass tries one part of what is enumerated on large scenarios, and of the pairs on small ones: primes, so that the steps come to all. */
const PARTS = 101;
const PART_STEP = 37;
const SEEDS_A_PASS = 8;
const CALM_SEEDS = 3;

/** A run of a scenario takes a few hundred scheduled events; one that goes on for ever is stopped early. */
export const LIMITS = { eventsMax: 30_000 } as const;

/** Loads what a copy of the sources holds. */
export async function load(root: string): Promise<Loaded> {
  const from = async (file: string): Promise<unknown> => import(pathToFileURL(path.join(root, file)).href);
  const inSim = (file: string): Promise<unknown> => from(`packages/nerva/src/sim/${file}.ts`);
  const { runOnce, parsePlan } = (await inSim('index')) as typeof Sim;
  const { randomPlan, seconds, singles } = (await inSim('plans')) as typeof Plans;
  const { guarded } = (await inSim('poison')) as typeof Poison;
  const { shrink } = (await inSim('shrink')) as typeof Shrink;
  const { REFERENCE, PACKS } = (await from('tests/scenarios/index.ts')) as typeof Scenarios;
  const { EXTRA } = (await from('tests/mutants/scenarios.ts')) as typeof Extra;
  const small = [...REFERENCE, ...EXTRA];
  const ever = readFileSync(path.join(root, 'tests/scenarios/seeds.txt'), 'utf8')
    .split('\n')
    .flatMap((line): Case[] => {
      const [, name, seed, plan] = /^(\S+) (\d+) (\[.*\])$/.exec(line) ?? [];
      const scenario = [...small, ...PACKS].find((one) => one.name === name);
      return scenario === undefined || plan === undefined ? [] : [{ scenario, seed: Number(seed), plan: parsePlan(JSON.parse(plan)) }];
    });
  return { sim: { runOnce, randomPlan, seconds, singles, guarded, shrink }, small, large: PACKS, ever };
}

/**
 * The whole search, until `isOver`: what ever failed and runs without faults; every single fault on the small scenarios; then, in turn and
 * without end, random plans on all scenarios, some of the pairs on the small ones and some of the single faults on the large ones.
 * All but the pairs are run twice, and their hashes compared.
 */
export async function searchAll({ sim, small, large, ever }: Loaded, attempt: Try, isOver: () => boolean): Promise<void> {
  const calm = new Map<Sim.Scenario, Sim.SimReport>();
  for (const scenario of [...small, ...large])
    for (let seed = 1; seed <= (large.includes(scenario) ? CALM_SEEDS : 1) && !isOver(); seed++) {
      const report = await attempt({ scenario, seed, plan: [] }, 'no fault', true);
      if (seed === 1 && report !== null) calm.set(scenario, report);
    }
  for (const one of ever) if (!isOver()) await attempt(one, 'ever failed', true);

  const each = async (scenario: Sim.Scenario, part: number | null, then?: (report: Sim.SimReport) => Promise<void>): Promise<void> => {
    const report = calm.get(scenario);
    const all = report === undefined ? [] : sim.singles(report);
    for (let index = part ?? 0; index < all.length && !isOver(); index += part === null ? 1 : PARTS) {
      const reached = await attempt({ scenario, seed: 1, plan: all.slice(index, index + 1) }, 'single fault', then === undefined);
      if (reached !== null) await then?.(reached);
    }
  };
  const pairs = async (scenario: Sim.Scenario, { plan, order }: Sim.SimReport): Promise<void> => {
    for (const both of sim.seconds({ plan, order }))
      if (!isOver()) await attempt({ scenario, seed: 1, plan: both }, 'pair of faults', false);
  };
  for (const scenario of small) await each(scenario, null);
  for (let pass = 0; !isOver(); pass++) {
    for (const [scenario, { visits }] of calm)
      for (let seed = 1 + pass * SEEDS_A_PASS; seed <= (pass + 1) * SEEDS_A_PASS && !isOver(); seed++)
        await attempt({ scenario, seed, plan: sim.randomPlan(seed, visits) }, 'random plan', true);
    const part = (pass * PART_STEP) % PARTS;
    for (const scenario of small) await each(scenario, part, (report) => pairs(scenario, report));
    for (const scenario of large) await each(scenario, part);
  }
}
