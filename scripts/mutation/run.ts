import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { setPriority, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { readTree, ROOT } from '../files.ts';
import { measured, runTests, type Outcome, type TestFile } from './coverage.ts';
import { mutantsOf, oneLine, type Mutant } from './operators.ts';
import { keysOf, writeReport, type Result, type Results } from './report.ts';

/**
 * Mutation testing: changes the sources in one small way at a time, in copies, and asks whether a test notices.
 *
 *   node scripts/mutation/run.ts [--files GLOB]… [--tests GLOB]… [--sample 30%] [--seed 7] [--json FILE] [--again FILE] [--from DIR] [--report]
 *
 * `--again` takes what was killed from earlier results and tries only the rest, as after adding tests. `--report` writes
 * docs/mutation.md. Each mutant is given the test files that run its place, those that killed most first.
 */
const { values } = parseArgs({
  options: {
    files: { type: 'string', multiple: true, default: ['packages/nerva/src/{log,agent}/**/*.ts'] },
    tests: { type: 'string', multiple: true, default: ['packages/nerva/src/{log,agent}/*.test.ts'] },
    sample: { type: 'string', default: '100%' },
    seed: { type: 'string', default: '7' },
    json: { type: 'string', default: 'node_modules/.cache/mutation.json' },
    again: { type: 'string' },
    from: { type: 'string', default: ROOT },
    report: { type: 'boolean', default: false },
  },
});

const WORKERS = 2;
/** A first process with the likeliest killers, a second one with the rest. */
const FIRST_FILES = 2;
const TIMEOUT_BASE_MS = 8_000;
const TIMEOUT_FACTOR = 4;

setPriority(10);
const startMs = performance.now();
const folder = mkdtempSync(path.join(tmpdir(), 'nerva-mutation-'));
const kills = new Map<string, number>();
try {
  const roots = Array.from({ length: WORKERS }, (_, index) => copied(path.join(folder, String(index))));
  const tree = readTree(roots[0]).files;
  const tests = await covered(roots, chosen(tree, values.tests));
  const all = chosen(tree, values.files)
    .filter((file) => !/\.(test|contract)\.ts$/.test(file))
    .flatMap((file) => mutantsOf(file, tree.get(file) ?? ''));
  const mutants = sampled(all, Number.parseFloat(values.sample) / 100, Number(values.seed));
  console.log(`${all.length} mutants, ${mutants.length} tried (${values.sample}, seed ${values.seed})`);
  const results = await judged(roots, mutants, { tests, keep: (done) => keep(done, all.length) });
  const written = keep(results, all.length);
  const killed = results.filter(({ status }) => status === 'killed' || status === 'timeout').length;
  console.log(`${killed} of ${results.length} killed in ${Math.round((performance.now() - startMs) / 1000)} s; results in ${values.json}`);
  if (values.report) writeReport(written);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Writes what is known so far: a run that is cut off is gone on with by `--again`. */
function keep(results: readonly Result[], mutants: number): Results {
  const command = `node scripts/mutation/run.ts --sample ${values.sample} --seed ${values.seed}`;
  const written = { date: new Date().toISOString().slice(0, 10), command, mutants, results };
  writeFileSync(values.json, JSON.stringify(written, null, 1));
  return written;
}

/** A copy of what unit tests read, with this repository's dependencies. */
function copied(root: string): string {
  for (const part of ['packages', 'tests/wire', 'package.json'])
    cpSync(path.join(values.from, part), path.join(root, part), {
      recursive: true,
      filter: (file) => !/node_modules|\/dist$/.test(path.relative(values.from, file)),
    });
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(root, 'node_modules'));
  return root;
}

function chosen(tree: ReadonlyMap<string, string>, globs: readonly string[]): string[] {
  return [...tree.keys()].filter((file) => globs.some((glob) => path.posix.matchesGlob(file, glob)));
}

async function covered(roots: readonly string[], files: readonly string[]): Promise<TestFile[]> {
  const found: TestFile[] = [];
  const queue = [...files];
  await Promise.all(
    roots.map(async (root) => {
      for (let file = queue.shift(); file !== undefined; file = queue.shift()) found.push(await measured(root, file, 120_000));
    }),
  );
  return found;
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

/** Tries every mutant, one at a time in each copy. What `--again` knows as killed is not tried again. */
async function judged(
  roots: readonly string[],
  mutants: readonly Mutant[],
  { tests, keep: keepSome }: { readonly tests: readonly TestFile[]; readonly keep: (results: readonly Result[]) => void },
): Promise<Result[]> {
  const known = new Map<string, Result>();
  if (values.again !== undefined) {
    const earlier = (JSON.parse(readFileSync(values.again, 'utf8')) as Results).results;
    for (const [index, key] of keysOf(earlier).entries()) known.set(key, earlier[index] as Result);
  }
  const results: Result[] = [];
  const keys = keysOf(mutants);
  let next = 0;
  await Promise.all(
    roots.map(async (root) => {
      for (let index = next++; index < mutants.length; index = next++) {
        const mutant = mutants[index] as Mutant;
        const before = known.get(keys[index] ?? '');
        const isKnown = before?.status === 'killed' || before?.status === 'timeout';
        const result = { ...mutant, ...(isKnown ? { status: before.status, by: before.by } : await judge(root, mutant, tests)) };
        results[index] = result;
        if (result.by === '')
          console.log(`${result.status} ${mutant.file}:${mutant.line} ${mutant.operator}: ${mutant.from} → ${oneLine(mutant.to)}`);
        if (index % 50 === 49) keepSome(results.filter((each) => each !== undefined));
        if (index % 50 === 49) console.log(`${index + 1} of ${mutants.length}, ${Math.round((performance.now() - startMs) / 1000)} s`);
      }
    }),
  );
  return results;
}

async function judge(root: string, mutant: Mutant, tests: readonly TestFile[]): Promise<Pick<Result, 'status' | 'by'>> {
  const relevant = tests.filter(({ covers }) => covers(mutant.file, mutant.probe));
  if (relevant.length === 0) return { status: 'uncovered', by: '' };
  const order = relevant.map((test) => ({ test, worth: worth(mutant.file, test) })).sort((one, other) => other.worth - one.worth);
  const sorted = order.map(({ test }) => test);
  const file = path.join(root, mutant.file);
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.slice(0, mutant.start) + mutant.to + text.slice(mutant.end));
  try {
    for (const part of [sorted.slice(0, FIRST_FILES), sorted.slice(FIRST_FILES)]) {
      if (part.length === 0) continue;
      const outcome = await tried(root, part);
      if (outcome.kind === 'passed') continue;
      const by = outcome.by === '' ? (part[0]?.file ?? '') : outcome.by;
      for (const key of [by, `${mutant.file} ${by}`]) kills.set(key, (kills.get(key) ?? 0) + 1);
      return { status: outcome.kind === 'timeout' ? 'timeout' : 'killed', by };
    }
    return { status: 'survived', by: '' };
  } finally {
    writeFileSync(file, text);
  }
}

function tried(root: string, tests: readonly TestFile[]): Promise<Outcome> {
  const timeoutMs = TIMEOUT_BASE_MS + TIMEOUT_FACTOR * tests.reduce((sum, { ms }) => sum + ms, 0);
  const files = tests.map(({ file }) => file);
  return runTests(root, files, timeoutMs, { NODE_COMPILE_CACHE: path.join(folder, 'compiled') });
}

/** Kills to expect for the time it takes: of this source file first, then of any. */
function worth(source: string, { file, ms }: TestFile): number {
  const isNamesake = path.basename(file, '.test.ts') === path.basename(source, '.ts') ? 20 : 0;
  const isNeighbour = path.dirname(source).startsWith(path.dirname(file)) ? 2 : 0;
  return (1 + isNamesake + isNeighbour + 4 * (kills.get(`${source} ${file}`) ?? 0) + (kills.get(file) ?? 0) / 20) / ms;
}
