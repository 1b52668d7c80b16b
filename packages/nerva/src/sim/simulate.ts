import type { Agent } from '../agent/index.ts';
import { checkOptions, checkRange, NervaError, type Json } from '../core/index.ts';
import { faultLine, planText, stepLine, stepsOf } from './case-text.ts';
import { blaming, checkScenario, isAgent, SCENARIO_PARTS } from './check.ts';
import { explore, type Failure } from './explore.ts';
import { parsePlan, type FaultKind, type Plan } from './faults.ts';
import type { Violation } from './hub.ts';
import { guarded } from './poison.ts';
import { randomPlan } from './plans.ts';
import { runOnce, type RunOptions, type SimReport } from './run.ts';
import type { Scenario, Step } from './scenario.ts';
import { shrink } from './shrink.ts';
import type { RunLimits } from './simulation.ts';

/** What is simulated and how. The parts of a scenario may be spread into it: `simulate({ ...scenario, seeds: 500 })`. */
export interface SimulateOptions extends Partial<Omit<Scenario, 'steps'>>, Partial<RunLimits> {
  /** The agent, in place of `agents`. */
  readonly agent?: Agent;
  /** What is sent to it, once, in a session of its own. */
  readonly input?: string;
  /** What people do, in place of `input`. */
  readonly steps?: Scenario['steps'];
  /** The first seed. Default 1. */
  readonly seed?: number;
  /** How many seeds, each run twice. Default 100; 1 with a plan; not with `exhaustive`. */
  readonly seeds?: number;
  /** `random` (default): each seed has its own plan · `exhaustive`: every single fault once · `none` · or a plan for all seeds. */
  readonly faults?: Plan | 'none' | 'random' | 'exhaustive';
}

/** What held. */
export interface Simulated {
  readonly scenario: string;
  /** Runs, not counting the second one of each that compares the hashes. */
  readonly runs: number;
  readonly simulatedMs: number;
  /** Events that were appended to logs. */
  readonly events: number;
  /** How often each kind of fault took place. A kind that is absent was not tried. */
  readonly fired: Readonly<Partial<Record<FaultKind, number>>>;
  /** Different situations that were seen: states of a session at a place. */
  readonly states: number;
}

const OPTIONS = [...SCENARIO_PARTS, 'agent', 'input', 'seed', 'seeds', 'faults', 'eventsMax', 'simulatedMs'];
const SEEDS = 100;
const SEED_MAX = 0xffff_ffff;

/**
 * Runs agents in a simulated world in which processes die, disks fail, models and tools misbehave and people change their minds,
 * and checks every invariant. For test files: `await simulate({ agent, input: 'Pay invoice 7', seeds: 200 })`.
 * @throws SIM_VIOLATION with the smallest case found: in the message for people, in `details` for programs.
 * SIM_INVALID, OPTION_INVALID, OPTION_UNKNOWN before anything is run.
 */
export async function simulate(options: SimulateOptions): Promise<Simulated> {
  const { scenario, seed, seeds, faults, limits } = readOptions(options);
  return blaming(scenario, async () => {
    if (faults !== 'random' && faults !== 'exhaustive') return planned(scenario, { seed, seeds, faults, limits });
    const search = faults === 'random' ? { type: 'seeds' as const, from: seed, count: seeds } : { type: faults, pairs: false };
    const { failures, states, ...summary } = await explore(scenario, search, limits);
    if (failures[0] !== undefined) throw violation(scenario, failures[0]);
    const { runs, simulatedMs, events, fired } = summary;
    return { scenario: scenario.name, runs, simulatedMs, events, fired, states: states.size };
  });
}

interface Read {
  readonly scenario: Scenario;
  readonly seed: number;
  readonly seeds: number;
  readonly faults: NonNullable<SimulateOptions['faults']>;
  readonly limits: Partial<RunLimits>;
}

function readOptions(options: SimulateOptions): Read {
  checkOptions(options, OPTIONS, 'simulate');
  const { agent, agents, input, steps, faults = 'random', seed = 1, seeds, eventsMax, simulatedMs, ...rest } = options;
  checkWork(options);
  const plan = typeof faults === 'string' ? readWord(faults) : parsePlan(faults as unknown as Json);
  if (plan === 'exhaustive' && seeds !== undefined) throw wrong('has no seeds to count when faults are exhaustive');
  const scenario: Scenario = {
    name: agent?.name ?? 'simulation',
    ...rest,
    agents: agents ?? (agent === undefined ? [] : [agent]),
    steps: steps ?? [{ type: 'send', atMs: 10, sid: 'sim', text: input ?? '' }],
  };
  checkScenario(scenario);
  checkRange('seed', seed, 1, SEED_MAX);
  if (seeds !== undefined) checkRange('seeds', seeds, 1, SEED_MAX);
  return { scenario, seed, seeds: seeds ?? (plan === 'random' ? SEEDS : 1), faults: plan, limits: limitsOf(eventsMax, simulatedMs) };
}

function limitsOf(eventsMax: number | undefined, simulatedMs: number | undefined): Partial<RunLimits> {
  if (eventsMax !== undefined) checkRange('eventsMax', eventsMax, 1, Number.MAX_SAFE_INTEGER);
  if (simulatedMs !== undefined) checkRange('simulatedMs', simulatedMs, 1, Number.MAX_SAFE_INTEGER);
  return { ...(eventsMax === undefined ? {} : { eventsMax }), ...(simulatedMs === undefined ? {} : { simulatedMs }) };
}

function checkWork({ agent, agents, input, steps }: SimulateOptions): void {
  if ((agent === undefined) === (agents === undefined)) throw wrong('takes either agent or agents');
  if ((input === undefined) === (steps === undefined)) throw wrong('takes either input or steps');
  if (agent !== undefined && !isAgent(agent)) throw wrong('takes as agent what createAgent() returns');
  if (input !== undefined && typeof input !== 'string') throw wrong('takes a text as input');
}

function readWord(word: string): 'none' | 'random' | 'exhaustive' {
  if (word === 'none' || word === 'random' || word === 'exhaustive') return word;
  throw wrong(`takes as faults "none", "random", "exhaustive" or a plan; "${word}" came`);
}

function wrong(what: string): NervaError {
  return new NervaError('OPTION_INVALID', `simulate ${what}. Nothing was run.`);
}

/** One plan, or none, under each seed. */
async function planned(scenario: Scenario, { seed: from, seeds, faults, limits }: Read | Omit<Read, 'scenario'>): Promise<Simulated> {
  const plan = Array.isArray(faults) ? (faults as Plan) : [];
  const fired: Partial<Record<FaultKind, number>> = {};
  const states = new Set<number>();
  let [runs, simulatedMs, events] = [0, 0, 0];
  for (let seed = from; seed < from + seeds; seed++) {
    const { report, broken } = await runTwice(scenario, { ...limits, seed, faults: plan });
    if (broken !== null) throw violation(scenario, await made(scenario, { report, broken, limits }));
    runs++;
    simulatedMs += report.simulatedMs;
    events += report.events;
    for (const [kind, count] of Object.entries(report.fired)) fired[kind as FaultKind] = (fired[kind as FaultKind] ?? 0) + count;
    for (const state of report.states) states.add(state);
  }
  return { scenario: scenario.name, runs, simulatedMs, events, fired, states: states.size };
}

async function made(
  scenario: Scenario,
  { report, broken, limits }: { readonly report: SimReport; readonly broken: Violation; readonly limits: Partial<RunLimits> },
): Promise<Failure> {
  const small = report.violations.length === 0 ? { scenario, report, runs: 0 } : await shrink(scenario, report, limits);
  return { ...small, ...(small.report.violations[0] ?? broken), found: { seed: report.seed, plan: report.plan } };
}

/** A case run twice: what it broke first, be it only that the two runs differ. */
export async function runTwice(
  scenario: Scenario,
  options: RunOptions,
): Promise<{ readonly report: SimReport; readonly broken: Violation | null }> {
  return guarded(async () => {
    const report = await runOnce(scenario, options);
    if (report.violations[0] !== undefined) return { report, broken: report.violations[0] };
    const { hash } = await runOnce(scenario, { ...options, isTraced: false, isJudged: false });
    if (hash === report.hash) return { report, broken: null };
    const message = `Two runs of one seed have the hashes ${report.hash} and ${hash}: something outlives a run, e.g. a variable beside the agents.`;
    return { report, broken: { invariant: 'same seed, same bytes', message } };
  });
}

/** The plan that a search gives a seed. Costs an undisturbed run. */
export async function planOfSeed(scenario: Scenario, seed: number, limits: Partial<RunLimits> = {}): Promise<Plan> {
  return randomPlan(seed, (await runOnce(scenario, { ...limits, seed: 1 })).visits);
}

/** The steps that are left in a failure, or null when they are those of the scenario. */
export function stepsLeft(scenario: Scenario, { scenario: small, report }: Pick<Failure, 'scenario' | 'report'>): readonly Step[] | null {
  const left = stepsOf(small, report.seed);
  return JSON.stringify(left) === JSON.stringify(stepsOf(scenario, report.seed)) ? null : left;
}

function violation(scenario: Scenario, failure: Failure): NervaError {
  const { invariant, message, report, found } = failure;
  const { seed, plan } = report;
  const left = stepsLeft(scenario, failure);
  const steps = stepsOf(failure.scenario, seed);
  const again = `simulate({ …, seed: ${seed}, seeds: 1, faults: ${planText(plan)}${left === null ? '' : `, steps: ${JSON.stringify(left)}`} })`;
  const text = [
    `"${invariant}" does not hold: ${message}`,
    `  seed ${seed}, ${plan.length === 0 ? 'no fault is needed' : `${plan.length} fault${plan.length === 1 ? '' : 's'}:`}`,
    ...plan.map((fault) => `    ${faultLine(fault)}`),
    `  ${steps.length} step${steps.length === 1 ? '' : 's'}:`,
    ...steps.map((step) => `    ${stepLine(step)}`),
    `  again: ${again}`,
  ];
  return new NervaError('SIM_VIOLATION', text.join('\n'), {
    details: { scenario: scenario.name, invariant, message, seed, plan, steps, again, found },
  });
}
