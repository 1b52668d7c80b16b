import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { NervaError } from '../core/index.ts';
import { blaming, explore, runTwice, stepsLeft, type Failure, type Search, type SimReport, type Summary } from '../sim/index.ts';
import { UsageError } from './arguments.ts';
import type { Context, ExitCode } from './context.ts';
import { onInterrupt } from './drive.ts';
import { keepCase, keepSessions, lookAt } from './sim-keep.ts';
import { Progress, tellFailure, tellSummary, tellTrace } from './sim-tell.ts';
import { readWork, type Exactly, type Work } from './sim-work.ts';

/** `nerva sim`: a scenario in a simulated world. */
export async function sim(context: Context): Promise<ExitCode> {
  const out = context.flags.text('out');
  if (out !== undefined && existsSync(out)) throw new UsageError(`${out} is there already; --out takes a new file.`, 'sim');
  const work = await readWork(context);
  try {
    return await blaming(work.scenario, () =>
      work.how.type === 'exactly' ? exactly(context, work, work.how) : search(context, work, work.how),
    );
  } catch (error) {
    if (NervaError.is(error, 'SIM_INVALID')) throw new UsageError(error.message, 'sim');
    throw error;
  }
}

async function search(context: Context, work: Work, how: Search): Promise<ExitCode> {
  const { out, flags } = context;
  const { scenario, ms } = work;
  let isInterrupted = false;
  const stop = onInterrupt(() => {
    isInterrupted = true;
    if (!out.isJson) out.note('\nEnding with what was found so far. Press Ctrl-C again to stop at once.');
  });
  const isTwice = !flags.has('once');
  const progress = new Progress(out, ms);
  let latest: Summary | null = null;
  const onRun = (summary: Summary): void => {
    latest = summary;
    progress.ran(summary);
    if (isInterrupted) throw new NervaError('CANCELLED', 'The search was interrupted.');
  };
  const bounded = ms === null ? how : { type: 'guided' as const, isOver: () => progress.ms > ms };
  try {
    latest = await explore(scenario, bounded, { isTwice, onRun });
  } catch (error) {
    if (!NervaError.is(error, 'CANCELLED')) throw error;
  } finally {
    stop();
    progress.end(latest);
  }
  if (latest === null) return 130;
  const { failures, runs } = latest as Summary;
  const [failure] = failures;
  tellSummary(out, latest, { seeds: seedsOf(how, runs), isTwice, ms: progress.ms, isInterrupted });
  if (failure !== undefined) return broken(context, work, failure);
  return isInterrupted ? 130 : 0;
}

async function exactly(context: Context, work: Work, { seed, faults }: Exactly): Promise<ExitCode> {
  const { out, flags } = context;
  const { scenario } = work;
  const { report, broken: violation } = await runTwice(scenario, { seed, faults, isTraced: flags.has('trace') });
  if (flags.has('trace')) tellTrace(out, report.lines, Infinity);
  if (violation === null) {
    tellSummary(out, summaryOf(report), { seeds: [seed, seed], isTwice: true, ms: null, isInterrupted: false });
    return 0;
  }
  return broken(context, work, { ...violation, scenario, report, runs: 0, found: { seed, plan: faults } });
}

/** Each run has the next seed; single faults are tried on the plain machine. */
function seedsOf(how: Search, runs: number): readonly [number, number] {
  const from = how.type === 'exhaustive' ? 1 : (how.from ?? 1);
  return [from, how.type === 'exhaustive' ? from : from + runs - 1];
}

function summaryOf(report: SimReport): Summary {
  return {
    ...report,
    runs: 1,
    struck: new Set(),
    states: new Set(report.states),
    hash: Number.parseInt(report.hash.slice(0, 8), 16),
    failures: [],
  };
}

/** Tells a failure, and writes its sessions and its case. */
async function broken(context: Context, work: Work, failure: Failure): Promise<ExitCode> {
  const { flags } = context;
  const { seed, plan } = failure.report;
  const { scenario } = failure;
  const { report, sessions } = await lookAt(scenario, { seed, faults: plan });
  const store = flags.text('out') ?? `.nerva/sim/${scenario.name.replaceAll(/[^\w.-]+/g, '-')}-${seed}.db`;
  const file = `${store.replace(/\.db$/, '')}.json`;
  const left = flags.has('case') ? failure.scenario.steps : stepsLeft(work.scenario, failure);
  let why: string | null = null;
  let isCase = false;
  try {
    mkdirSync(dirname(store), { recursive: true });
    keepCase(file, { scenario: scenario.name, seed, faults: plan, steps: Array.isArray(left) ? left : null });
    isCase = true;
    await keepSessions(store, sessions);
  } catch (error) {
    why = error instanceof Error ? error.message : String(error);
  }
  const kept = { store, file, why, isCase, sids: sessions.map(({ info }) => info.sid), isWhole: left === null };
  tellFailure(context, { failure, lines: report.lines, kept, words: work.words });
  return 1;
}
