import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { setPriority, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { readTree, ROOT } from '../files.ts';
import { Judge } from './judge.ts';
import { mutantsOf, oneLine, type Mutant } from './operators.ts';
import { folderOf, isKilled, keysOf, writeReport, type Result, type Results } from './report.ts';
import { instrumented } from './schemata.ts';
import { Tester } from './tester.ts';

/**
 * Mutation testing: changes the sources in one small way at a time, in a copy, and asks whether a test notices.
 *
 *   npm run test:mutants-of-code -- [--files GLOB]… [--tests GLOB]… [--sample 30%] [--seed 7] [--json FILE] [--again FILE] [--quick MS] [--cold]
 *   npm run test:mutants-of-code -- --report FILE…
 *
 * `--again` takes what was killed from earlier results and tries only the rest, as after adding tests. `--quick` leaves out tests that take
 * longer: what it kills is killed, what it does not may be. `--cold` tries each mutant in a
 * process of its own: slow, and right for sources that keep something between tests. `--report` only
 * writes docs/mutation-testing.md, from the results of runs.
 */
const { values } = parseArgs({
  options: {
    files: { type: 'string', multiple: true, default: ['packages/nerva/src/{log,agent}/**/*.ts'] },
    tests: { type: 'string', multiple: true, default: ['packages/nerva/src/{log,agent}/*.test.ts'] },
    sample: { type: 'string', default: '100%' },
    seed: { type: 'string', default: '7' },
    json: { type: 'string', default: 'node_modules/.cache/mutation.json' },
    again: { type: 'string' },
    quick: { type: 'string', default: 'Infinity' },
    cold: { type: 'boolean', default: false },
    report: { type: 'string', multiple: true },
  },
});

const EACH = 100;

setPriority(5);
const startMs = performance.now();
const folder = mkdtempSync(path.join(tmpdir(), 'nerva-mutation-'));
const made = (): Tester => new Tester(path.join(folder, 'copy'), path.join(folder, 'compiled'));
const testers = { warm: made(), cold: made() };
try {
  if (values.report === undefined) await main();
  else writeReport(values.report);
} finally {
  await Promise.all([testers.warm.end(), testers.cold.end()]);
  rmSync(folder, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const root = copied(path.join(folder, 'copy'));
  const tree = readTree(root).files;
  const chosen = (globs: readonly string[]): string[] =>
    [...tree.keys()].filter((file) => globs.some((glob) => path.posix.matchesGlob(file, glob)));
  const all: Mutant[] = [];
  for (const file of chosen(values.files)) {
    if (/\.(test|contract)\.ts$/.test(file)) continue;
    const text = tree.get(file) ?? '';
    const mutants = mutantsOf(file, text);
    writeFileSync(path.join(root, file), instrumented(text, mutants, all.length + 1));
    all.push(...mutants);
  }
  const tests = chosen(values.tests).map((file) => path.join(root, file));
  const judge = new Judge(testers, tests, all);
  const { tests: measured, failed } = await judge.measure(Number(values.quick));
  const testsMs = Math.round(measured.reduce((sum, { ms }) => sum + ms, 0));
  console.log(`${measured.length} tests in ${testsMs} ms; left out, for they fail or take too long without any mutant: ${failed.length}`);
  for (const each of failed) console.log(`  ${each}`);
  const mutants = sampled(all, Number.parseFloat(values.sample) / 100, Number(values.seed));
  console.log(`${all.length} mutants, ${mutants.length} tried (${values.sample}, seed ${values.seed})`);
  const share = values.sample === '100%' ? [] : [`--sample ${values.sample} --seed ${values.seed}`];
  const command = ['npm run test:mutants-of-code --', ...values.files.map((glob) => `--files '${glob}'`), ...share].join(' ');
  const keep = (results: readonly Result[]): void => {
    const counts = Object.fromEntries([...Map.groupBy(all, folderOf)].map(([name, group]) => [name, group.length]));
    const kept: Results = { date: new Date().toISOString().slice(0, 10), command, mutants: counts, tests: measured.length, results };
    writeFileSync(values.json, JSON.stringify(kept, null, 1));
  };
  const results = await judged(judge, { all, mutants, keep });
  keep(results);
  console.log(`${results.filter(isKilled).length} of ${results.length} killed in ${seconds()} s; results in ${values.json}`);
}

/** A copy of what unit tests read, with this repository's dependencies. */
function copied(root: string): string {
  for (const part of ['packages', 'tests/wire', 'package.json'])
    cpSync(path.join(ROOT, part), path.join(root, part), {
      recursive: true,
      filter: (file) => !/node_modules|\/dist$/.test(path.relative(ROOT, file)),
    });
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(root, 'node_modules'));
  return root;
}

/** The same share of every file, drawn by mulberry32 (Tommy Ettinger, public domain), so that a seed gives the same mutants again. */
function sampled(all: readonly Mutant[], share: number, seed: number): Mutant[] {
  if (share >= 1) return [...all];
  let state = seed >>> 0;
  const roll = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return [...Map.groupBy(all, ({ file }) => file).values()].flatMap((mutants) => {
    const drawn = mutants.map((mutant) => ({ mutant, at: roll() })).sort((one, other) => one.at - other.at);
    return drawn
      .slice(0, Math.ceil(mutants.length * share))
      .map(({ mutant }) => mutant)
      .sort((one, other) => one.start - other.start);
  });
}

interface Work {
  readonly all: readonly Mutant[];
  readonly mutants: readonly Mutant[];
  /** Writes what is known so far: a run that is cut off is gone on with by `--again`. */
  readonly keep: (results: readonly Result[]) => void;
}

/** Tries every mutant. What `--again` knows as killed is not tried again. */
async function judged(judge: Judge, { all, mutants, keep }: Work): Promise<Result[]> {
  const known = new Map<string, Result>();
  if (values.again !== undefined) {
    const earlier = (JSON.parse(readFileSync(values.again, 'utf8')) as Results).results;
    for (const [index, key] of keysOf(earlier).entries()) known.set(key, earlier[index] as Result);
  }
  const numbers = new Map(all.map((mutant, index) => [mutant, index + 1]));
  const keys = keysOf(mutants);
  const results: Result[] = [];
  for (const [index, mutant] of mutants.entries()) {
    const before = known.get(keys[index] ?? '');
    const { status, by } =
      before !== undefined && isKilled(before) ? before : await judge.judge(numbers.get(mutant) ?? 0, mutant, values.cold);
    results.push({ ...mutant, status, by });
    if (status !== 'killed')
      console.log(`${status} ${mutant.file}:${mutant.line} ${mutant.operator}: ${mutant.from} → ${oneLine(mutant.to)}`);
    if (index % EACH !== EACH - 1) continue;
    keep(results);
    console.log(`${index + 1} of ${mutants.length}, ${results.filter(isKilled).length} killed, ${seconds()} s`);
  }
  return results;
}

function seconds(): number {
  return Math.round((performance.now() - startMs) / 1000);
}
