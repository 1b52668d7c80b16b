import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Agent } from '../agent/index.ts';
import { nearestOf, NervaError, type Json } from '../core/index.ts';
import {
  blaming,
  checkScenario,
  checkSteps,
  isAgent,
  parsePlan,
  planOfSeed,
  simModel,
  type Plan,
  type Profile,
  type Scenario,
  type Search,
  type Step,
} from '../sim/index.ts';
import { load } from './agents.ts';
import { UsageError } from './arguments.ts';
import type { Context } from './context.ts';

/** What `nerva sim` is to do. */
export interface Work {
  readonly scenario: Scenario;
  /** What to type again for the same scenario: the reference and the flags that shape it. */
  readonly words: readonly string[];
  readonly how: Search | Exactly;
  /** In a search by time: for how long. */
  readonly ms: number | null;
}

/** One case, run as it is. */
export interface Exactly {
  readonly type: 'exactly';
  readonly seed: number;
  readonly faults: Plan;
}

/** A failing case as a file. `steps` is null when they are those of the scenario. */
export interface CaseFile {
  readonly scenario: string;
  readonly seed: number;
  readonly faults: Plan;
  readonly steps: readonly Step[] | null;
}

const MODES = ['seeds', 'exhaustive', 'minutes', 'seed', 'case'] as const;
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  from: ['seeds', ''],
  pairs: ['exhaustive'],
  faults: ['seed'],
  trace: ['seed', 'case'],
};
const SEEDS = 100;
/** Seeds are 32 bits: beyond them they only repeat. */
const SEED_MAX = 0xffff_ffff;
const PROFILES: readonly string[] = ['obedient', 'chatty', 'malformed', 'adversarial'];
const HELLO = 'Hello.';

/** @throws UsageError for whatever keeps it from being run: flags that do not go together, a file that does not fit. */
export async function readWork(context: Context): Promise<Work> {
  const { flags, positionals } = context;
  const [reference = ''] = positionals;
  const given = MODES.filter((mode) => flags.has(mode));
  if (given.length > 1) throw new UsageError(`--${given.join(' and --')} do not go together.`, 'sim');
  const mode = given[0] ?? '';
  for (const [flag, needed] of Object.entries(NEEDS))
    if (flags.has(flag) && !needed.includes(mode)) throw new UsageError(`--${flag} needs --${needed[0] ?? ''}.`, 'sim');
  if (flags.has('store')) throw new UsageError('sim opens no store; --out FILE says where the sessions of a failing run go.', 'sim');
  try {
    const scenario = shaped(await loadScenario(reference, flags.text('input')), flags.text('profile'));
    const words = ['input', 'profile'].flatMap((flag) => (flags.has(flag) ? [`--${flag}`, flags.text(flag) ?? ''] : []));
    return { words: [reference, ...words], ms: null, ...(await howOf(context, scenario, mode)) };
  } catch (error) {
    if (NervaError.is(error)) throw new UsageError(error.message, 'sim');
    throw error;
  }
}

async function howOf({ flags }: Context, scenario: Scenario, mode: string): Promise<Pick<Work, 'scenario' | 'how'> & Partial<Work>> {
  switch (mode) {
    case 'exhaustive':
      return { scenario, how: { type: 'exhaustive', pairs: flags.has('pairs') } };
    case 'minutes': {
      const minutes = Number(flags.text('minutes'));
      if (!(minutes > 0 && minutes <= 100_000))
        throw new UsageError(`--minutes takes a number above 0; "${flags.text('minutes')}" came.`, 'sim');
      return { scenario, how: { type: 'guided', isOver: () => false }, ms: minutes * 60_000 };
    }
    case 'seed': {
      const seed = withinSeeds(flags.number('seed', 1) ?? 1, 'seed');
      const faults = flags.json('faults');
      if (faults !== undefined) return { scenario, how: { type: 'exactly', seed, faults: parsePlan(faults) } };
      if (!flags.has('trace')) return { scenario, how: { type: 'seeds', from: seed, count: 1 } };
      return { scenario, how: { type: 'exactly', seed, faults: await blaming(scenario, () => planOfSeed(scenario, seed)) } };
    }
    case 'case': {
      const { seed, faults, steps } = readCase(flags.text('case') ?? '', scenario);
      return { scenario: steps === null ? scenario : { ...scenario, steps }, how: { type: 'exactly', seed, faults } };
    }
    default:
      return { scenario, how: seedsFrom(flags.number('from', 1) ?? 1, flags.number('seeds', 1) ?? SEEDS) };
  }
}

function seedsFrom(from: number, count: number): Search {
  withinSeeds(from + count - 1, 'from');
  return { type: 'seeds', from, count };
}

function withinSeeds(seed: number, flag: string): number {
  if (seed > SEED_MAX) throw new UsageError(`--${flag} asks for seed ${seed}; seeds go from 1 to ${SEED_MAX}.`, 'sim');
  return seed;
}

/**
 * The scenario that `file.ts` or `file.ts#export` names. Of an agent one is made: three messages in two sessions.
 * @throws AGENT_INVALID, SIM_INVALID
 */
export async function loadScenario(reference: string, input?: string): Promise<Scenario> {
  const at = reference.lastIndexOf('#');
  const [file, wanted] = at < 0 ? [reference, null] : [reference.slice(0, at), reference.slice(at + 1)];
  const path = resolve(file);
  if (!existsSync(path)) throw invalid(`There is no file ${path}.`);
  const exported = Object.entries(await load(path)).flatMap(([name, value]) =>
    (Array.isArray(value) ? (value as readonly unknown[]) : [value]).map((one) => ({ name, value: one })),
  );
  const all = exported.filter(({ value }) => isAgent(value) || looksLikeScenario(value));
  const names = all.map(({ name, value }) => `${file}#${isIn(exported, name) ? name : (value as Agent).name}`);
  if (wanted !== null) {
    const found = all.find(({ name, value }) => name === wanted || (value as Agent).name === wanted);
    if (found !== undefined) return made(found.value, input);
    if (exported.some(({ name }) => name === wanted))
      throw invalid(`${reference} is neither a scenario {name, agents, steps} nor an agent.`);
    const nearest = nearestOf(
      wanted,
      exported.map(({ name }) => name),
    );
    throw invalid(
      `${file} exports no "${wanted}".${nearest === null ? '' : ` Did you mean "${nearest}"?`} It exports ${names.join(', ') || 'no scenario and no agent'}.`,
    );
  }
  const scenarios = all.filter(({ value }) => !isAgent(value));
  const [first, second] = scenarios.length > 0 ? scenarios : all;
  if (first === undefined) throw invalid(`${file} exports neither a scenario {name, agents, steps} nor an agent.`);
  if (second !== undefined) throw invalid(`${file} exports several; say which: ${names.join(', ')}.`);
  return made(first.value, input);
}

/** Whether an export is there once: one of a list is known by its own name. */
function isIn(exported: readonly { readonly name: string }[], name: string): boolean {
  return exported.filter((one) => one.name === name).length === 1;
}

function looksLikeScenario(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'steps' in value && 'agents' in value;
}

function made(value: unknown, input?: string): Scenario {
  if (!isAgent(value)) {
    if (input !== undefined) throw invalid('--input is for an agent; a scenario has steps of its own.');
    return checkScenario(value);
  }
  const text = input ?? HELLO;
  return {
    name: value.name,
    agents: [value],
    steps: [
      { type: 'send', atMs: 10, sid: 'sim-1', text },
      { type: 'send', atMs: 20, sid: 'sim-2', text },
      { type: 'send', atMs: 60_000, sid: 'sim-1', text },
    ],
  };
}

/** The scenario with a simulated model in its agents that have one. */
function shaped(scenario: Scenario, profile: string | undefined): Scenario {
  if (profile === undefined) return scenario;
  if (!PROFILES.includes(profile)) throw new UsageError(`--profile is one of ${PROFILES.join(', ')}; "${profile}" came.`, 'sim');
  const { agents } = scenario;
  const model = simModel({ profile: profile as Profile });
  const swap = (all: readonly Agent[]): readonly Agent[] => all.map((agent) => (agent.model === undefined ? agent : { ...agent, model }));
  return { ...scenario, agents: typeof agents === 'function' ? (outside) => swap(agents(outside)) : swap(agents) };
}

function readCase(file: string, { name }: Scenario): CaseFile {
  if (!existsSync(file)) throw invalid(`There is no case file ${resolve(file)}.`);
  let read: unknown;
  try {
    read = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw invalid(`${file} is no JSON: ${(error as Error).message}.`);
  }
  const { scenario, seed, faults, steps = null } = (read ?? {}) as Readonly<Record<string, Json>>;
  if (scenario !== name) throw invalid(`${file} is a case of scenario ${JSON.stringify(scenario ?? null)}, not of "${name}".`);
  if (!Number.isSafeInteger(seed) || (seed as number) < 1) throw invalid(`${file} has no seed of at least 1.`);
  if ((seed as number) > SEED_MAX) throw invalid(`${file} has the seed ${String(seed)}; seeds go from 1 to ${SEED_MAX}.`);
  const plan = parsePlan(faults ?? null);
  if (steps === null) return { scenario: name, seed: seed as number, faults: plan, steps };
  const left: unknown = steps;
  if (!Array.isArray(left) || left.length > 0) checkSteps(file, left, null);
  return { scenario: name, seed: seed as number, faults: plan, steps: left as readonly Step[] };
}

function invalid(what: string): NervaError {
  return new NervaError('SIM_INVALID', `${what} Nothing was run.`);
}
