import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeBrain, findBrain } from './brain.ts';
import { runContender, type Run } from './contender.ts';
import { birdstrikesPath, InputProblem, loadReports } from './data.ts';
import { sample, type Job } from './job.ts';
import { readLedger, tally } from './ledger.ts';
import { parseOptions, USAGE, type Options } from './options.ts';
import { planKills } from './plan.ts';
import { killPrograms, startBank, type BankProcess } from './processes.ts';
import { formatResult, type Result, type Side } from './result.ts';
import { decide, loadRules, numberColumns } from './rules.ts';

const IN_FLIGHT = 256;
/** With `--wait`: slow enough to find the pid and kill a few times. */
const WAIT = { reportsPerSecond: 250, answerDelayMs: 250 } as const;

interface Files {
  readonly dir: string;
  readonly ledger: string;
  readonly store: string;
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** Settles, prints, and returns the exit code. */
async function main(commandLine: readonly string[]): Promise<number> {
  const options = parseOptions(commandLine);
  if (options.help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const result = await settle(options);
  process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : `${formatResult(result)}\n`);
  return result.ok ? 0 : 1;
}

async function settle(options: Options): Promise<Result> {
  const dataPath = resolve(options.dataPath ?? birdstrikesPath());
  const rulesPath = resolve(options.rulesPath ?? fileURLToPath(new URL('rules.json', import.meta.url)));
  say(`Settling ${dataPath}`);
  const rules = loadRules(rulesPath);
  const reports = sample(loadReports(dataPath, numberColumns(rules)), options.count);
  const decisions = reports.map((report) => ({ report: report.id, type: decide(rules, report).type }));
  const due = new Set(decisions.filter(({ type }) => type === 'pay').map(({ report }) => report));
  const split = { close: 0, pay: 0, approve: 0, unclear: 0 };
  for (const { type } of decisions) split[type] += 1;
  const brain = await findBrain(options.modelMax);
  const files = openFiles(options);
  say(`${reports.length.toLocaleString('en-US')} reports, one session each; ${describeBrain(brain)}.`);
  say(`Everything of this run is in ${files.dir}`);

  const plan = options.wait ? [] : planKills({ seed: options.seed, kills: options.kills, due: due.size, total: reports.length });
  const bank = await startBank(files.ledger, options.wait ? WAIT.answerDelayMs : 0);
  say(`The bank is process ${bank.pid} at ${bank.url}`);
  const job: Omit<Job, 'contender'> = {
    bankUrl: bank.url,
    dataPath,
    rulesPath,
    count: options.count,
    store: files.store,
    checkpointPath: join(files.dir, 'checkpoint.json'),
    inFlight: IN_FLIGHT,
    reportsPerSecond: options.wait ? WAIT.reportsPerSecond : 0,
    brain,
  };
  const shared = { bank, plan, personKills: options.wait, total: reports.length, dir: files.dir };
  const runs = { nerva: await runSide({ ...job, contender: 'nerva' }, shared), loop: await runSide({ ...job, contender: 'loop' }, shared) };
  await bank.stop();

  const lines = readLedger(files.ledger);
  const side = ({ kills, killsBetween, wallMs }: Run, contender: string): Side => ({
    ...tally(lines, contender, due),
    kills,
    killsBetween,
    wallMs,
  });
  const [nerva, loop] = [side(runs.nerva, 'nerva'), side(runs.loop, 'loop')];
  const { answered = 0, waiting = 0 } = runs.nerva.statuses as Readonly<Partial<Record<string, number>>>;
  const replay = runs.nerva.replay ?? { sessions: 0, decisions: 0, diverged: 0, ms: 0 };
  const isWaitingRight = brain.type === 'model' || waiting === split.approve + split.unclear;
  return {
    ok:
      nerva.paidTwice === 0 &&
      nerva.lost === 0 &&
      replay.diverged === 0 &&
      replay.sessions === reports.length &&
      answered + waiting === reports.length &&
      isWaitingRight,
    reports: reports.length,
    seed: options.seed,
    decided: describeBrain(brain),
    rules: split,
    nerva,
    loop,
    sessions: runs.nerva.statuses,
    replay,
    files: { ledger: files.ledger, store: files.store },
  };
}

interface Shared {
  readonly bank: BankProcess;
  readonly plan: ReturnType<typeof planKills>;
  readonly personKills: boolean;
  readonly total: number;
  readonly dir: string;
}

function runSide(job: Job, shared: Shared): Promise<Run> {
  const name = job.contender === 'nerva' ? 'Nerva' : 'The hand-written loop';
  say(`${name} starts.`);
  let said = 0;
  const onSettled = (settled: number): void => {
    const fifths = Math.floor((settled * 5) / shared.total);
    if (fifths <= said) return;
    said = fifths;
    say(`  ${settled.toLocaleString('en-US')} of ${shared.total.toLocaleString('en-US')}`);
  };
  return runContender({
    job,
    jobPath: join(shared.dir, `${job.contender}.job.json`),
    bank: shared.bank,
    kills: shared.plan,
    personKills: shared.personKills,
    say: (line) => say(`  ${line}`),
    onSettled,
  });
}

/** Makes the folder and takes it for this run: the ledger must not exist, so two runs in one folder cannot happen. */
function openFiles(options: Options): Files {
  if (options.dir !== null) mkdirSync(options.dir, { recursive: true });
  const dir = options.dir === null ? mkdtempSync(join(tmpdir(), 'nerva-settle-')) : resolve(options.dir);
  const files = { dir, ledger: join(dir, 'bank.ledger.jsonl'), store: options.store ?? `file:${join(dir, 'nerva.db')}` };
  const storePath = files.store.startsWith('file:') ? files.store.slice('file:'.length) : null;
  if (storePath !== null && existsSync(storePath)) {
    throw new InputProblem(
      `The store ${files.store} exists: its sessions are settled or belong to another run. Give another --store or --dir.`,
    );
  }
  try {
    closeSync(openSync(files.ledger, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw new InputProblem(`Cannot write in ${dir}: ${(error as Error).message}`);
    throw new InputProblem(`${dir} holds another run (bank.ledger.jsonl exists). Give another --dir, or none for a new temporary folder.`);
  }
  return files;
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.once(signal, () => {
    killPrograms();
    process.exit(code);
  });
}
process.stdout.on('error', () => process.exit(1));

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const isInput = error instanceof InputProblem;
  say(isInput ? `${error.message}\nnpm start -- --help lists the options.` : `The job failed: ${(error as Error).stack}`);
  process.exitCode = isInput ? 2 : 1;
} finally {
  killPrograms();
}
