import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../files.ts';
import type { Mutant } from './operators.ts';

/** What became of a mutant. `uncovered`: no test runs its place. */
export interface Result extends Mutant {
  readonly status: 'killed' | 'timeout' | 'survived' | 'uncovered';
  /** The test that killed it, after the name of its file. */
  readonly by: string;
}

/** What a run leaves. */
export interface Results {
  readonly date: string;
  readonly command: string;
  /** How many there are of each folder, tried or not. */
  readonly mutants: Readonly<Record<string, number>>;
  /** How many tests ran. */
  readonly tests: number;
  readonly results: readonly Result[];
}

/** Why survivors are no gap in the tests; found by text, for lines move. A field that is absent fits all. */
interface Verdict extends Partial<Pick<Mutant, 'file' | 'operator' | 'from' | 'to' | 'at'>> {
  /** `equivalent`: no test can tell. `accepted`: a test could, and is not worth its keep. */
  readonly kind: 'equivalent' | 'accepted';
  readonly why: string;
}

const VERDICTS = new URL('verdicts.json', import.meta.url);
const PAGE = path.join(ROOT, 'docs/mutation-testing.md');
const FIELDS = ['file', 'operator', 'from', 'to', 'at'] as const;

/** What names each mutant from one run to the next: all but its position, and a count where that is not unique. */
export function keysOf(mutants: readonly Mutant[]): string[] {
  const counts = new Map<string, number>();
  return mutants.map((mutant) => {
    const key = FIELDS.map((field) => mutant[field]).join('\n');
    const nth = (counts.get(key) ?? 0) + 1;
    counts.set(key, nth);
    return `${key}\n${nth}`;
  });
}

/** Whether a test failed or did not end. */
export function isKilled({ status }: Pick<Result, 'status'>): boolean {
  return status === 'killed' || status === 'timeout';
}

/** Writes docs/mutation-testing.md from the results of runs, the later ones last. */
export function writeReport(files: readonly string[]): void {
  const runs = files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Results);
  writeFileSync(PAGE, page(runs, JSON.parse(readFileSync(VERDICTS, 'utf8')) as readonly Verdict[]));
}

/** The page: how it was made, the figures, and every survivor with its reason. */
function page(runs: readonly Results[], verdicts: readonly Verdict[]): string {
  // Of a mutant that was tried again, as in a process of its own, the later result counts.
  const results = [
    ...new Map(runs.flatMap((run) => keysOf(run.results).map((key, index) => [key, run.results[index] as Result]))).values(),
  ];
  // A run of some files of a folder knows of these only.
  const total = new Map<string, number>();
  for (const [folder, count] of runs.flatMap(({ mutants }) => Object.entries(mutants)))
    total.set(folder, Math.max(total.get(folder) ?? 0, count));
  const judged = new Map(results.map((result) => [result, isKilled(result) ? null : (verdicts.find((one) => fits(one, result)) ?? null)]));
  const survivors = results.filter((result) => !isKilled(result));
  const made = runs.map(({ date, command, tests }) => `- ${date}, ${tests} tests: \`${command}\``).join('\n');
  return `<!-- Made by \`npm run test:mutants-of-code -- --report FILE…\` from the results of runs. -->
# Mutation testing

Which small changes of \`log\` and \`agent\` their own unit tests notice: \`packages/nerva/src/{log,agent}/*.test.ts\`, without the simulator, the e2e
tests and the tests of other folders. A mutant is killed when a test fails or does not end.

${made}

${folders(results, total, judged)}

A score is killed / (tried − equivalent); an equivalent mutant does what the original does, by the reason given below. Where not all were tried,
the same share of every file was drawn by the seed, and the range holds the score of all mutants with 95 % confidence (Wilson).
A sample counts as it was found: tests that were written for its survivors afterwards show in later samples only, and samples that tests were
written against before are not counted.

## The command

\`npm run test:mutants-of-code\` tries all: a run for the night. \`-- --sample 15% --seed 9\` tries a share, \`--files GLOB\` some files, \`--again FILE\` only what survived in
earlier results, \`--report FILE\` writes this page. It compiles all mutants of a file into one, each behind a switch, loads the tests once, sees what each test visits, and runs for a
mutant only the tests that visit it, the likeliest and fastest first, up to the first that fails. A test has 2 s and eight times what it took; a promise that
nothing can settle any more is found at once. A test that fails is run again without the mutant: when it still fails, the process is replaced and the mutant tried anew.
What runs while modules are loaded is tried in a process of its own, with the tests that run anything of its file.

Not mutated: types, imports, comments, messages and details of errors, texts with a blank and template literals (for people), \`assert\`, the table of help of the events.

## By file

${table('file', results, judged, ({ file }) => short(file))}

## By kind of change

${table('change', results, judged, ({ operator }) => operator)}

## Survivors

${survivorsBy(survivors, judged)}`;
}

type Judged = ReadonlyMap<Result, Verdict | null>;

function fits(verdict: Verdict, result: Result): boolean {
  return FIELDS.every(
    (field) => verdict[field] === undefined || result[field] === verdict[field] || short(result[field]) === verdict[field],
  );
}

function folders(results: readonly Result[], total: ReadonlyMap<string, number>, judged: Judged): string {
  const rows = [...Map.groupBy(results, folderOf)].map(([folder, group]) => {
    const { killed, equivalent, real } = countsOf(group, judged);
    const all = total.get(folder) ?? group.length;
    const range = all === group.length ? 'all were tried' : wilson(killed, real);
    const raw = percent(killed / group.length);
    return `| \`${folder}\` | ${all} | ${group.length} | ${killed} | ${equivalent} | ${raw} | **${percent(killed / real)}** | ${range} |`;
  });
  return `| folder | mutants | tried | killed | equivalent | killed / tried | score | range |\n|---|---|---|---|---|---|---|---|\n${rows.join('\n')}`;
}

/** Survivors under their reason; those without one first. */
function survivorsBy(survivors: readonly Result[], judged: Judged): string {
  const titleOf = (result: Result): string => {
    const verdict = judged.get(result) ?? null;
    if (verdict !== null) return `${verdict.kind === 'equivalent' ? 'Equivalent' : 'Accepted'}: ${verdict.why}`;
    return result.status === 'uncovered' ? 'Open: no test runs it' : 'Open: no test notices';
  };
  const groups = [...Map.groupBy(survivors, titleOf)].sort(([one], [other]) => rank(one) - rank(other));
  return groups
    .map(([title, group]) => {
      const lines = group.map((result) => `- ${short(result.file)}:${result.line} ${code(result.from)} → ${code(result.to)}`);
      return `**${title}** (${group.length})\n\n${lines.join('\n')}\n`;
    })
    .join('\n');
}

const rank = (title: string): number => ['Open', 'Acce', 'Equi'].indexOf(title.slice(0, 4));

function table(name: string, results: readonly Result[], judged: Judged, by: (result: Result) => string): string {
  const row = (title: string, group: readonly Result[]): string => {
    const { killed, equivalent, real } = countsOf(group, judged);
    const score = real === 0 ? '–' : percent(killed / real);
    return `| ${title} | ${group.length} | ${killed} | ${real - killed} | ${equivalent} | ${score} |`;
  };
  const rows = [...Map.groupBy(results, by)].sort(([one], [other]) => (one < other ? -1 : 1)).map(([title, group]) => row(title, group));
  return `| ${name} | tried | killed | survived | equivalent | score |\n|---|---|---|---|---|---|\n${rows.join('\n')}`;
}

function countsOf(
  group: readonly Result[],
  judged: Judged,
): { readonly killed: number; readonly equivalent: number; readonly real: number } {
  const killed = group.filter(isKilled).length;
  const equivalent = group.filter((result) => judged.get(result)?.kind === 'equivalent').length;
  return { killed, equivalent, real: group.length - equivalent };
}

/** The score interval of a share (E. B. Wilson, 1927): holds for shares near one, where the plain one does not. */
function wilson(hits: number, tries: number): string {
  const z = 1.96;
  const share = hits / tries;
  const middle = (share + z ** 2 / (2 * tries)) / (1 + z ** 2 / tries);
  const half = (z / (1 + z ** 2 / tries)) * Math.sqrt((share * (1 - share)) / tries + z ** 2 / (4 * tries ** 2));
  return `${percent(middle - half)}–${percent(middle + half)}`;
}

/** The folder of a source file that figures are given for. */
export function folderOf({ file }: Pick<Mutant, 'file'>): string {
  return short(file).split('/')[0] ?? '';
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

const short = (file: string): string => file.replace('packages/nerva/src/', '');

const TEXT_MAX = 70;

function code(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  const cut = line.length > TEXT_MAX ? `${line.slice(0, TEXT_MAX)}…` : line;
  return line === '' ? 'nothing' : `\`${cut.replaceAll('`', "'")}\``;
}
