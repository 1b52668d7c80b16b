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
  /** How many there are, tried or not. */
  readonly mutants: number;
  /** How many tests ran. */
  readonly tests: number;
  readonly results: readonly Result[];
}

/** Why a survivor is no gap in the tests; found by file, operator and text, for lines move. */
interface Verdict extends Pick<Mutant, 'file' | 'operator' | 'from' | 'to' | 'at'> {
  /** `equivalent`: no test can tell. `accepted`: a test could, and is not worth its keep. */
  readonly kind: 'equivalent' | 'accepted';
  readonly why: string;
}

const VERDICTS = new URL('equivalent.json', import.meta.url);
const PAGE = path.join(ROOT, 'docs/mutation-testing.md');

/** What names each mutant from one run to the next: all but its position, and a count where that is not unique. */
export function keysOf(mutants: readonly Mutant[]): string[] {
  const counts = new Map<string, number>();
  return mutants.map((mutant) => {
    const key = keyOf(mutant);
    // Samples differ in what they hold, so the place in its line is part of the name, and the count only tells equal lines apart.
    const nth = (counts.get(key) ?? 0) + 1;
    counts.set(key, nth);
    return `${key}\n${nth}`;
  });
}

function keyOf({ file, operator, from, to, at }: Pick<Mutant, 'file' | 'operator' | 'from' | 'to' | 'at'>): string {
  return [file, operator, from, to, at].join('\n');
}

/** Writes docs/mutation-testing.md. */
export function writeReport(results: Results): void {
  writeFileSync(PAGE, page(results, JSON.parse(readFileSync(VERDICTS, 'utf8')) as readonly Verdict[]));
}

/** The page: a row a file, a row an operator, and every survivor with its reason. */
export function page({ date, command, mutants, results }: Results, verdicts: readonly Verdict[]): string {
  const known = new Map(verdicts.map((verdict) => [keyOf(verdict), verdict]));
  const verdictOf = (result: Result): Verdict | undefined => known.get(keyOf(result));
  const survivors = results.filter((result) => !isKilled(result));
  const lines = survivors.map((result) => {
    const verdict = verdictOf(result);
    const why = verdict === undefined ? (result.status === 'uncovered' ? 'no test runs it' : 'open') : `${verdict.kind}: ${verdict.why}`;
    return `| ${short(result.file)}:${result.line} | ${result.operator} | ${code(result.from)} | ${code(result.to)} | ${why} |`;
  });
  const isEquivalent = (result: Result): boolean => !isKilled(result) && verdictOf(result)?.kind === 'equivalent';
  return `<!-- Made by \`node scripts/mutation/run.ts --report\`. -->
# Mutation testing

Which small changes of \`log\` and \`agent\` the unit tests of these folders notice. Made ${date} by \`${command}\`: ${results.length} of ${mutants} mutants were tried,
the same share of every file. A mutant is killed when a test fails or does not end. The score is killed / (tried − equivalent); an equivalent mutant does what the
original does, by the reason given.

Not mutated: types, imports, comments, messages and details of errors, texts with a blank and template literals (for people), \`assert\`, the table of help of the events.

${table('file', results, isEquivalent, ({ file }) => short(file))}

${table('operator', results, isEquivalent, ({ operator }) => operator)}

## Survivors

| place | operator | from | to | reason |
|---|---|---|---|---|
${lines.join('\n')}
`;
}

function table(
  name: string,
  results: readonly Result[],
  isEquivalent: (result: Result) => boolean,
  by: (result: Result) => string,
): string {
  const row = (title: string, group: readonly Result[]): string => {
    const killed = group.filter(isKilled).length;
    const equivalent = group.filter(isEquivalent).length;
    const real = group.length - equivalent;
    const score = real === 0 ? '–' : `${((100 * killed) / real).toFixed(1)} %`;
    return `| ${title} | ${group.length} | ${killed} | ${group.length - killed - equivalent} | ${equivalent} | ${score} |`;
  };
  const rows = [...Map.groupBy(results, by)].sort(([one], [other]) => (one < other ? -1 : 1)).map(([title, group]) => row(title, group));
  return `| ${name} | tried | killed | survived | equivalent | score |\n|---|---|---|---|---|---|\n${[...rows, row('**all**', results)].join('\n')}`;
}

/** Whether a test failed or did not end. */
export function isKilled({ status }: Result): boolean {
  return status === 'killed' || status === 'timeout';
}

const short = (file: string): string => file.replace('packages/nerva/src/', '');

const TEXT_MAX = 70;

function code(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  const cut = line.length > TEXT_MAX ? `${line.slice(0, TEXT_MAX)}…` : line;
  return line === '' ? 'nothing' : `\`${cut.replaceAll('|', '\\|').replaceAll('`', "'")}\``;
}
