import { writeFileSync } from 'node:fs';
import type { Job, Progress, Replay } from './job.ts';
import { bankClient } from './payments.ts';
import type { Kill } from './plan.ts';
import { startProgram, type BankProcess, type Program } from './processes.ts';

/** How a contender's run went; what it did to the money is in the bank's ledger. */
export interface Run {
  readonly kills: number;
  /** Kills between a payment's ledger line and its recorded result. */
  readonly killsBetween: number;
  readonly wallMs: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly replay: Replay | null;
}

export interface RunOptions {
  readonly job: Job;
  readonly jobPath: string;
  readonly bank: BankProcess;
  readonly kills: readonly Kill[];
  /** A person kills: any death by a signal is followed by a new process. */
  readonly personKills: boolean;
  readonly say: (line: string) => void;
  /** Hears of progress. */
  readonly onSettled: (settled: number) => void;
}

const FILES = { nerva: 'worker.ts', loop: 'loop.ts' } as const;
const LIVES_MAX = 1_000;

/**
 * Runs a contender's worker until it has finished, kills it as planned and starts a new process after every kill.
 * @throws Error when a worker ends in any other way.
 */
export async function runContender(options: RunOptions): Promise<Run> {
  const { job } = options;
  writeFileSync(options.jobPath, JSON.stringify(job));
  const left = {
    payments: options.kills.filter((kill) => kill.at === 'payment'),
    moments: options.kills.filter((kill) => kill.at === 'progress'),
  };
  const run = { kills: 0, killsBetween: 0, statuses: {} as Readonly<Record<string, number>> };
  const startedMs = performance.now();
  for (let life = 1; life <= LIVES_MAX; life++) {
    const next = left.payments[0];
    if (next?.at === 'payment') await bankClient(job.bankUrl, job.contender).hold(next.payment);
    const end = await live(startProgram(FILES[job.contender], [options.jobPath]), options, left);
    if (end.finished) {
      const { statuses = {}, replay = null } = end.finished;
      return { ...run, statuses, replay, wallMs: performance.now() - startedMs - (replay?.ms ?? 0) };
    }
    const wasKilled = end.why !== null || (options.personKills && end.signal !== null);
    if (!wasKilled) throw new Error(`The ${job.contender} worker ended by itself (${end.signal ?? `exit code ${end.code}`}); see above.`);
    run.kills += 1;
    if (end.why === 'payment') run.killsBetween += 1;
    options.say(
      `killed ${run.kills}: ${end.why === 'payment' ? 'after a payment, before its result was recorded' : 'at a random moment'}; a new process goes on`,
    );
  }
  throw new Error(`The ${job.contender} worker died ${LIVES_MAX} times; giving up.`);
}

interface End {
  readonly code: number | null;
  readonly signal: string | null;
  readonly finished: Progress | null;
  readonly why: Kill['at'] | null;
}

/** One life of a worker: until it ends, or is killed at the next moment of the plan. Takes that moment off the plan. */
async function live(program: Program, options: RunOptions, left: { payments: readonly Kill[]; moments: readonly Kill[] }): Promise<End> {
  let why: Kill['at'] | null = null;
  let finished: Progress | null = null;
  const kill = (at: Kill['at'], delayMs: number): void => {
    if (why === null) setTimeout(() => program.kill('SIGKILL'), delayMs);
    // A payment that is held while a random kill is under way makes it one between a payment and its result.
    why = why === 'payment' ? why : at;
  };
  options.bank.onHeld((contender) => {
    if (contender !== options.job.contender) return;
    const [held, ...others] = left.payments;
    left.payments = others;
    kill('payment', held?.delayMs ?? 0);
  });
  if (options.personKills) options.say(`the worker's pid is ${program.pid}: kill -9 ${program.pid}`);
  program.onLine((line) => {
    const progress = line as unknown as Progress;
    options.onSettled(progress.settled);
    if (progress.finished) finished = progress;
    const [moment, ...others] = left.moments;
    if (why !== null || progress.finished || moment?.at !== 'progress' || progress.settled < moment.settled) return;
    left.moments = others;
    kill('progress', moment.delayMs);
  });
  const { code, signal } = await program.ended;
  options.bank.onHeld(null);
  return { code, signal, finished, why };
}
