import type { Agent } from '../agent/index.ts';
import { checkOptions, NervaError, type Json } from '../core/index.ts';
import type { Scenario, Step } from './scenario.ts';

// A record and not a list: a part that is added to Scenario and not to this table does not compile.
const PARTS: Readonly<Record<keyof Scenario, true>> = {
  name: true,
  agents: true,
  steps: true,
  answer: true,
  invariants: true,
  limits: true,
  keys: true,
  isWired: true,
  servers: true,
  network: true,
  processes: true,
  idleMax: true,
  resumeMax: true,
};

/** What a scenario may say. */
export const SCENARIO_PARTS: readonly string[] = Object.keys(PARTS);

type Loose = Readonly<Record<string, unknown>>;

/**
 * The scenario that a value is.
 * @throws SIM_INVALID naming the part that is missing or does not fit; OPTION_UNKNOWN for a part that no scenario has.
 */
export function checkScenario(value: unknown): Scenario {
  checkOptions(value, SCENARIO_PARTS, 'A scenario');
  const { name, agents, steps, invariants = [], processes = 1 } = value as Loose;
  if (typeof name !== 'string' || name === '') throw invalid('a scenario', 'needs a name');
  const where = `scenario "${name}"`;
  if (typeof agents !== 'function') checkAgents(where, agents);
  if (typeof steps !== 'function') checkSteps(where, steps, Array.isArray(agents) ? (agents as readonly Agent[]) : null);
  if (!Array.isArray(invariants)) throw invalid(where, 'has invariants that are no list');
  for (const [index, one] of (invariants as readonly Loose[]).entries())
    if (typeof one?.['name'] !== 'string' || typeof one['check'] !== 'function')
      throw invalid(where, `has an invariant (number ${index}) that is no {name, check}`);
  if (!Number.isInteger(processes) || (processes as number) < 1 || (processes as number) > 8)
    throw invalid(where, `has ${show(processes)} processes: 1 to 8`);
  return value as Scenario;
}

/** Whether a value is what createAgent() returns. */
export function isAgent(value: unknown): value is Agent {
  if (typeof value !== 'object' || value === null) return false;
  const { name, tools, stepsMax, model, policy } = value as Loose;
  return typeof name === 'string' && Array.isArray(tools) && typeof stepsMax === 'number' && (model !== undefined || policy !== undefined);
}

/** @throws SIM_INVALID unless a list of agents with different names. */
export function checkAgents(where: string, agents: unknown): void {
  if (!Array.isArray(agents) || agents.length === 0) throw invalid(where, 'needs agents: a list of them, or a function that makes it');
  const names = new Set<string>();
  for (const [index, agent] of (agents as readonly unknown[]).entries()) {
    if (!isAgent(agent)) throw invalid(where, `has an agent (number ${index}) that createAgent() did not make`);
    if (names.has(agent.name)) throw invalid(where, `has two agents that are named "${agent.name}"`);
    names.add(agent.name);
  }
}

/**
 * Checks a workload. `agents`: those it may name, null when they are not known yet.
 * @throws SIM_INVALID naming the step.
 */
export function checkSteps(where: string, steps: unknown, agents: readonly Agent[] | null): asserts steps is readonly Step[] {
  if (!Array.isArray(steps) || steps.length === 0)
    throw invalid(where, 'needs steps: a list with at least one, or a function of the seed that makes it');
  for (const [index, step] of (steps as readonly unknown[]).entries()) {
    const wrong = problemOf(step, agents);
    if (wrong !== null) throw invalid(where, `has a step (number ${index}) that ${wrong}: ${show(step)}`);
  }
}

const TYPES: Readonly<Record<Step['type'], readonly string[]>> = {
  send: ['sid'],
  cancel: ['sid'],
  close: ['sid'],
  watch: ['sid'],
  fork: ['sid', 'as', 'effects', 'text'],
  erase: ['subject'],
  crash: [],
  restart: [],
};

function problemOf(step: unknown, agents: readonly Agent[] | null): string | null {
  if (typeof step !== 'object' || step === null) return 'is no object';
  const given = step as Loose;
  const { type, atMs } = given;
  if (typeof type !== 'string' || !Object.hasOwn(TYPES, type)) return `has no type of ${Object.keys(TYPES).join(', ')}`;
  if (typeof atMs !== 'number' || !(atMs >= 0) || atMs === Infinity) return 'has no atMs, the ms after the start';
  for (const part of TYPES[type as Step['type']]) if (typeof given[part] !== 'string') return `has no ${part}`;
  if (type === 'send') return problemOfSend(given, agents);
  if (type === 'fork' && (typeof given['at'] !== 'number' || !(given['at'] >= 0 && given['at'] <= 1))) return 'has no at from 0 to 1';
  return null;
}

function problemOfSend({ text, data, agent, process = 0 }: Loose, agents: readonly Agent[] | null): string | null {
  if (text === undefined && data === undefined) return 'sends neither text nor data';
  if (!Number.isInteger(process) || (process as number) < 0) return 'has a process that is no number from 0';
  if (agent !== undefined && agents !== null && !agents.some(({ name }) => name === agent)) return 'names an agent that is not there';
  return null;
}

/**
 * Runs something of a scenario. What its own code threw while a run was set up is told as what it is: not a bug of the simulator.
 * @throws SIM_INVALID with the cause.
 */
export async function blaming<T>({ name }: Pick<Scenario, 'name'>, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (NervaError.is(cause)) throw cause;
    const what = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    throw new NervaError('SIM_INVALID', `The scenario "${name}" threw while a run was set up (its agents, steps or keys): ${what}`, {
      cause,
    });
  }
}

function invalid(where: string, what: string): NervaError {
  return new NervaError('SIM_INVALID', `${where} ${what}. Nothing was run.`);
}

function show(value: unknown): string {
  return (JSON.stringify(value as Json) ?? typeof value).slice(0, 200);
}
