import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { FAULT_KINDS, type FaultKind } from 'nerva/sim';
import { ROOT } from './files.ts';
import { jobsFor, readSeeds, SCENARIOS, type Broken, type Done, type Job, type Wanted } from './sim-jobs.ts';

/**
 * `npm run -s sim`: the simulation of Nerva itself, over tests/scenarios. Without flags what CI runs: every seed that ever failed, every
 * single fault on the small scenarios, every pair of faults on a few of them, and 2,000 random seeds. Exit 1 when anything broke, 2 for wrong usage.
 */
const USAGE = `npm run -s sim -- [flags]
  --seeds N        so many random seeds (default with no other flag: 2000); seed S runs scenario (S - 1) modulo their number
  --from S         the first seed (default 1)
  --exhaustive     every single fault on every scenario, every pair on the small ones
  --minutes M      a guided search round robin over the scenarios
  --report FILE    with --minutes: what it found, as Markdown
  --scenario NAME  only this one
  --json           the summary as JSON
What is in tests/scenarios/seeds.txt always runs first.`;

const SEEDS = 2_000;
const THREADS_MAX = 4;
const EVERY_MS = 10_000;
const SEEDS_FILE = path.join(ROOT, 'tests/scenarios/seeds.txt');

interface Sample {
  readonly seconds: number;
  readonly runs: number;
  readonly states: number;
}

interface Flags {
  readonly wanted: Wanted;
  readonly isJson: boolean;
  readonly report: string | null;
}

function readFlags(): Flags {
  const text = { type: 'string' } as const;
  const toggle = { type: 'boolean' } as const;
  const { values } = parseArgs({
    options: { seeds: text, from: text, exhaustive: toggle, minutes: text, report: text, scenario: text, json: toggle, help: toggle },
  });
  if (values.help === true) throw new Error('');
  const isPlain = values.seeds === undefined && values.exhaustive !== true && values.minutes === undefined;
  const only = values.scenario ?? null;
  if (only !== null && !SCENARIOS.some(({ name }) => name === only))
    throw new Error(`There is no scenario "${only}"; there are: ${SCENARIOS.map(({ name }) => name).join(', ')}`);
  if (values.report !== undefined && values.minutes === undefined) throw new Error('--report needs --minutes');
  if (values.minutes !== undefined && values.seeds !== undefined) throw new Error('--minutes and --seeds do not go together');
  const wanted = {
    only,
    seeds: isPlain ? SEEDS : numberOf('seeds', values.seeds ?? '0', 0),
    from: numberOf('from', values.from ?? '1', 1),
    exhaustive: values.exhaustive === true ? ('all' as const) : isPlain ? ('some' as const) : ('none' as const),
    ms: values.minutes === undefined ? null : numberOf('minutes', values.minutes, 0) * 60_000,
    threads: Math.min(THREADS_MAX, availableParallelism()),
  };
  return { wanted, isJson: values.json === true, report: values.report ?? null };
}

function numberOf(name: string, text: string, min: number): number {
  const number = Number(text);
  if (text.trim() === '' || !(number >= min) || (name !== 'minutes' && !Number.isSafeInteger(number)))
    throw new Error(`--${name} takes a number of at least ${min}; "${text}" came`);
  return number;
}

/** The results of all jobs added up as they come. */
class Total {
  readonly results: (Done | undefined)[] = [];
  readonly samples: Sample[] = [];
  readonly states = new Set<number>();
  readonly startMs = performance.now();
  runs = 0;
  done = 0;

  get seconds(): number {
    return (performance.now() - this.startMs) / 1000;
  }

  add(index: number, result: Done): void {
    this.results[index] = result;
    this.done++;
    this.runs += result.runs;
    for (const state of result.states) this.states.add(state);
    this.samples.push({ seconds: Math.round(this.seconds * 10) / 10, runs: this.runs, states: this.states.size });
  }

  /** The same numbers for the same work, in whatever order it was done; only the rates differ. */
  summary(): Summary {
    const all = this.results.filter((result) => result !== undefined);
    const sum = (of: (done: Done) => number): number => all.reduce((total, done) => total + of(done), 0);
    const { seconds } = this;
    const simulatedHours = sum(({ simulatedMs }) => simulatedMs) / 3_600_000;
    const fired: Record<string, number> = {};
    for (const done of all) for (const [kind, count] of Object.entries(done.fired)) fired[kind] = (fired[kind] ?? 0) + (count ?? 0);
    const hash = all.reduce((total, done) => (Math.imul(total, 31) + done.hash) | 0, 0);
    const broken = new Map<string, Broken>();
    for (const one of all.flatMap((done) => done.broken)) {
      const key = `${one.scenario} ${one.invariant}`;
      if (!broken.has(key)) broken.set(key, one);
    }
    return {
      runs: this.runs,
      seconds: round(seconds),
      runsPerSecond: round(this.runs / seconds),
      simulatedHours: round(simulatedHours),
      simulatedHoursPerHour: Math.round((simulatedHours * 3600) / seconds),
      steps: sum(({ steps }) => steps),
      events: sum(({ events }) => events),
      eventsPerSecond: Math.round(sum(({ events }) => events) / seconds),
      fired: Object.fromEntries(Object.entries(fired).toSorted(([one], [other]) => (one < other ? -1 : 1))),
      neverFired: FAULT_KINDS.filter((kind) => !Object.hasOwn(fired, kind)),
      states: this.states.size,
      hash: (hash >>> 0).toString(16).padStart(8, '0'),
      violations: [...broken.values()].map((one) => ({ ...one, again: againOf(one) })),
    };
  }
}

interface Summary {
  readonly runs: number;
  readonly seconds: number;
  readonly runsPerSecond: number;
  readonly simulatedHours: number;
  readonly simulatedHoursPerHour: number;
  readonly steps: number;
  readonly events: number;
  readonly eventsPerSecond: number;
  readonly fired: Readonly<Record<string, number>>;
  readonly neverFired: readonly FaultKind[];
  readonly states: number;
  readonly hash: string;
  readonly violations: readonly (Broken & { readonly again: string })[];
}

const round = (value: number): number => Math.round(value * 10) / 10;

/** The command that runs a failing case again. Fewer steps than the scenario has are put into a case file. */
function againOf({ scenario, seed, faults, steps }: Broken): string {
  const command = `npm run -s nerva -- sim tests/scenarios/index.ts#${scenario}`;
  if (steps === null) return `${command} --seed ${seed} --faults '${JSON.stringify(faults)}'`;
  const file = `.nerva/sim/${scenario}-${seed}.json`;
  mkdirSync(path.join(ROOT, '.nerva/sim'), { recursive: true });
  writeFileSync(path.join(ROOT, file), `${JSON.stringify({ scenario, seed, faults, steps }, null, 2)}\n`);
  return `${command} --case ${file}`;
}

/** Hands the jobs out to threads. A job that throws is a violation of its own: nothing in a simulation may. */
async function performAll(jobs: readonly Job[], threads: number, onDone: (index: number, done: Done) => void): Promise<void> {
  let next = 0;
  const drive = async (): Promise<void> => {
    const worker = new Worker(new URL('sim-worker.ts', import.meta.url));
    try {
      for (let index = next++; index < jobs.length; index = next++) {
        const job = jobs[index] as Job;
        onDone(index, await ask(worker, job));
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(threads, jobs.length) }, drive));
}

function ask(worker: Worker, job: Job): Promise<Done> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', ({ done, error }: { readonly done?: Done; readonly error?: string }) => {
      worker.off('error', reject);
      resolve(done ?? threw(job, error ?? ''));
    });
    worker.postMessage(job);
  });
}

function threw(job: Job, message: string): Done {
  const seed = 'seed' in job ? job.seed : 'from' in job ? job.from : 1;
  const broken = { scenario: job.scenario, invariant: 'the simulator throws nothing', message, seed, faults: [], steps: null };
  return { runs: 0, simulatedMs: 0, steps: 0, events: 0, fired: {}, states: new Set(), hash: 0, broken: [broken] };
}

function tell({ violations, fired, neverFired, ...numbers }: Summary): void {
  for (const [name, value] of Object.entries(numbers)) console.log(`${name.padEnd(22)} ${value}`);
  console.log(
    `${'fired'.padEnd(22)} ${
      Object.entries(fired)
        .map(([kind, count]) => `${kind} ${count}`)
        .join(' · ') || 'nothing'
    }`,
  );
  console.log(`${'never fired'.padEnd(22)} ${neverFired.join(' · ') || 'none'}`);
  for (const { scenario, invariant, message, again } of violations)
    console.log(`\nbroken in ${scenario}: ${invariant}\n  ${message}\n  again: ${again}`);
  console.log(violations.length === 0 ? '\nheld: every invariant' : `\n${violations.length} broken`);
}

/** The report of a search by time, as Markdown. */
function reportOf({ violations, fired, neverFired, ...numbers }: Summary, samples: readonly Sample[]): string {
  const step = Math.max(1, Math.ceil(samples.length / 40));
  const shown = samples.filter((_, index) => (index + 1) % step === 0 || index === samples.length - 1);
  return `# A search by time

${Object.entries(numbers)
  .map(([name, value]) => `- ${name}: ${value}`)
  .join('\n')}

## What was seen when

| seconds | runs | situations |
|---|---|---|
${shown.map(({ seconds, runs, states }) => `| ${seconds} | ${runs} | ${states} |`).join('\n')}

## Faults that took place

| kind | times |
|---|---|
${Object.entries(fired)
  .map(([kind, count]) => `| ${kind} | ${count} |`)
  .join('\n')}

Never: ${neverFired.join(', ') || 'none'}.

## What broke

${violations.map(({ scenario, invariant, message, again }) => `- **${scenario}: ${invariant}**: ${message}\n  \`${again}\``).join('\n') || 'Nothing.'}
`;
}

async function main(): Promise<number> {
  let flags: Flags;
  let jobs: readonly Job[];
  try {
    flags = readFlags();
    jobs = jobsFor(flags.wanted, existsSync(SEEDS_FILE) ? readSeeds(readFileSync(SEEDS_FILE, 'utf8')) : []);
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`.trim());
    return (error as Error).message === '' ? 0 : 2;
  }
  const total = new Total();
  let toldMs = performance.now();
  await performAll(jobs, flags.wanted.threads, (index, done) => {
    total.add(index, done);
    for (const { scenario, invariant } of done.broken) process.stderr.write(`broken in ${scenario}: ${invariant}\n`);
    if (performance.now() - toldMs < (process.stderr.isTTY ? 200 : EVERY_MS)) return;
    toldMs = performance.now();
    const line = `${total.done} of ${jobs.length} jobs, ${total.runs} runs, ${total.states.size} situations, ${Math.round(total.seconds)} s`;
    process.stderr.write(process.stderr.isTTY ? `\r${line}\u001b[K` : `${line}\n`);
  });
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  const summary = total.summary();
  if (flags.isJson) console.log(JSON.stringify(summary));
  else tell(summary);
  if (flags.report !== null) writeFileSync(flags.report, reportOf(summary, total.samples));
  return summary.violations.length === 0 ? 0 : 1;
}

process.exitCode = await main();
