import { readFileSync } from 'node:fs';
import { loadReports, type Report } from './data.ts';
import type { Brain } from './brain.ts';
import { loadRules, numberColumns, type Rules } from './rules.ts';

/** What a worker process is told: the one argument of `worker.ts` and `loop.ts` is the path of a file that holds it. */
export interface Job {
  readonly contender: 'nerva' | 'loop';
  readonly bankUrl: string;
  readonly dataPath: string;
  readonly rulesPath: string;
  /** How many reports: an evenly spread sample when the file has more. */
  readonly count: number | null;
  /** The Nerva store, `file:/…`. */
  readonly store: string;
  /** The loop's checkpoint file. */
  readonly checkpointPath: string;
  /** Reports worked on at the same time. */
  readonly inFlight: number;
  /** Slows the work down so that a person can do the killing; 0 is as fast as it goes. */
  readonly reportsPerSecond: number;
  readonly brain: Brain;
}

/** A line that a worker prints: how many reports are settled or wait, over all its lives. The last one says `finished`. */
export interface Progress {
  readonly settled: number;
  readonly finished?: true;
  /** Sessions by status, with the last line of the Nerva side. */
  readonly statuses?: Readonly<Record<string, number>>;
  /** What replaying every session showed, with the last line of the Nerva side. */
  readonly replay?: Replay;
}

/** Every decision made again from the record, without a live call. */
export interface Replay {
  readonly sessions: number;
  readonly decisions: number;
  readonly diverged: number;
  readonly ms: number;
}

/** Reads the job file and what it names. */
export function openJob(path: string): { readonly job: Job; readonly rules: Rules; readonly reports: readonly Report[] } {
  const job = JSON.parse(readFileSync(path, 'utf8')) as Job;
  const rules = loadRules(job.rulesPath);
  return { job, rules, reports: sample(loadReports(job.dataPath, numberColumns(rules)), job.count) };
}

/** `count` reports spread evenly over the file; all of them when it has no more. */
export function sample(reports: readonly Report[], count: number | null): readonly Report[] {
  if (count === null || count >= reports.length) return reports;
  return Array.from({ length: count }, (_, index) => reports[Math.floor((index * reports.length) / count)] as Report);
}

/** Prints progress now and then (every 50 reports, and at the end), and exits when the parent is gone. */
export function reporter(): (progress: Progress) => void {
  process.stdin.resume().once('end', () => process.exit(1));
  let last = -1;
  return (progress) => {
    if (progress.finished !== true && progress.settled - last < 50 && last >= 0) return;
    last = progress.settled;
    process.stdout.write(`${JSON.stringify(progress)}\n`);
  };
}

/** Waits so that no more than `perSecond` passages happen in a second. */
export function pacer(perSecond: number): () => Promise<void> {
  if (perSecond <= 0) return () => Promise.resolve();
  let nextMs = performance.now();
  return () => {
    nextMs = Math.max(nextMs, performance.now()) + 1000 / perSecond;
    return new Promise((resolve) => setTimeout(resolve, nextMs - performance.now()));
  };
}
