import type { LogEvent, Sid } from '../log/index.ts';
import type { FaultKind, Plan, Point } from './faults.ts';
import type { Violation } from './hub.ts';
import { poisoned } from './poison.ts';
import type { Scenario } from './scenario.ts';
import { Simulation, type Looks, type RunLimits } from './simulation.ts';
import { START_MS } from './trace.ts';

/** One run. Equal seeds and plans give equal reports. */
export interface SimReport {
  readonly scenario: string;
  readonly seed: number;
  readonly plan: Plan;
  /** What broke, in the order in which it was found; empty when all invariants hold. */
  readonly violations: readonly Violation[];
  /** Of everything that happened: 16 hex digits. */
  readonly hash: string;
  /** Scheduled events that took place. */
  readonly steps: number;
  /** Events that were appended to logs. */
  readonly events: number;
  readonly simulatedMs: number;
  readonly fired: Readonly<Partial<Record<FaultKind, number>>>;
  /** How often each point was visited: where a plan could strike. */
  readonly visits: Readonly<Record<Point, number>>;
  /** The points in the order of the visits. */
  readonly order: readonly Point[];
  /** (state × place) pairs that were seen, as numbers. */
  readonly states: ReadonlySet<number>;
  /** What happened, a line each; empty unless asked for. */
  readonly lines: readonly string[];
  readonly logs: ReadonlyMap<Sid, readonly LogEvent[]>;
}

/** How a run is bounded and told. */
export interface RunOptions extends Partial<RunLimits>, Partial<Looks> {
  /** Default 1. */
  readonly seed?: number;
  /** Default none. */
  readonly faults?: Plan;
}

const EVENTS_MAX = 200_000;
const SIMULATED_MS = 30 * 86_400_000;

/** Runs a scenario once. Never throws for what the scenario does: that is a violation of the report. */
export async function runOnce(scenario: Scenario, options: RunOptions = {}): Promise<SimReport> {
  const { seed = 1, faults = [], isTraced = false, isJudged = true, eventsMax = EVENTS_MAX, simulatedMs = SIMULATED_MS } = options;
  const simulation = new Simulation(scenario, seed, faults, { isTraced, isJudged });
  const { hub, audit } = simulation;
  try {
    await poisoned(
      (leak) => hub.violated('nothing reaches past the World', leak.message),
      () => simulation.run({ eventsMax, simulatedMs }),
    );
  } catch (error) {
    hub.violated('nothing throws what is no failure', error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  return {
    scenario: scenario.name,
    seed,
    plan: faults,
    violations: hub.violations,
    hash: hub.trace.hash(),
    steps: hub.scheduler.count,
    events: audit.events,
    simulatedMs: hub.scheduler.nowMs - START_MS,
    fired: Object.fromEntries(hub.fired),
    visits: Object.fromEntries(hub.trace.visits),
    order: hub.trace.order,
    states: hub.trace.states,
    lines: hub.trace.lines,
    logs: new Map([...audit.kept].map(([sid, { book }]) => [sid, book.events])),
  };
}
