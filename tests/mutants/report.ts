import type { Found, Hunted } from './hunt.ts';
import type { Mutant } from './mutant.ts';

/** What a report is made of. */
export interface Told {
  readonly hunted: readonly Hunted[];
  /** Of the table, those of which nothing is known yet. */
  readonly unsearched: readonly Mutant[];
  /** The same search in the sources as they are. */
  readonly sound: Found | undefined;
  readonly budgetMs: number;
  readonly workers: number;
  readonly date: Date;
}

/** docs/mutants.md. */
export function reportOf({ hunted, unsearched, sound, budgetMs, workers, date }: Told): string {
  const found = hunted.filter((one) => one.found.isFound);
  const missed = hunted.filter((one) => !one.found.isFound);
  const equivalent = missed.filter(({ mutant }) => mutant.equivalent !== undefined);
  const gaps = missed.filter((one) => !equivalent.includes(one));
  const searchedMs = hunted.reduce((all, one) => all + one.found.ms, 0);
  const processes = `${workers} process${workers === 1 ? '' : 'es'} at a time`;
  return `<!-- Made by \`npm run test:mutants\`. Change tests/mutants, not this page. -->
# Planted bugs

Does the simulator find bugs? One bug at a time is planted in a copy of the kernel, and the copy is searched until an invariant breaks:

1. no fault: each scenario of \`tests/scenarios\` and \`tests/mutants/scenarios.ts\` undisturbed; and every case of \`tests/scenarios/seeds.txt\`;
2. every single fault on the small scenarios;
3. then in turn, until ${budgetMs / 1000} s of the processor are over: on one small scenario after the other the near pairs of faults (the second strikes within three visits of the first),
   random plans on all scenarios, some of the single faults on the large ones.

All but the pairs are run twice (those of 2 for the second time after the first turn of 3), and two different hashes are a broken law too. What breaks is made small: fewer faults, fewer steps, the plain machine. A case in which the sources as they
are break a law does not count, and the search goes on. A bug counts as found when its smallest case has at most three faults.

${date.toISOString().slice(0, 10)}, Node ${process.versions.node}, ${processes}, ${Math.round(searchedMs / 1000)} s of search: **${found.length} of ${hunted.length} found**, ${equivalent.length} change nothing that anybody can see, ${gaps.length} are gaps.
The same search in the sources as they are, with nothing excused: ${soundText(sound)}.

Again: \`npm run -s test:mutants\` (all, and writes this page; with \`--keep FILE\` in pieces) · \`npm run -s test:mutants -- --only NAME\` (one; writes nothing). “Runs” and “seconds” (of the processor) are until it was found;
second runs of a case and those that make it small are not counted.

## Found

| bug | what is broken | law that broke | scenario | found by | runs | seconds | smallest plan | seed |
|---|---|---|---|---|---:|---:|---|---:|
${found.map(rowOf).join('\n')}
${section('Equivalent', 'Nobody outside can tell the difference. They are searched all the same.', equivalent)}${section('Gaps', 'No law and no scenario tells yet.', gaps)}${
    unsearched.length === 0 ? '' : `\n## Not searched yet\n\n${unsearched.map(({ name }) => name).join(', ')}.\n`
  }`;
}

function soundText(sound: Found | undefined): string {
  if (sound === undefined) return 'not searched yet';
  if (sound.isFound) return `**it breaks “${sound.invariant}” in ${sound.scenario}**`;
  return `${sound.why}, in ${Math.round(sound.ms / 1000)} s`;
}

function rowOf({ mutant: { name, file, says }, found }: Hunted): string {
  if (!found.isFound) return '';
  const { invariant, scenario, way, runs, ms, plan, seed } = found;
  const faults = plan.map(({ point, kind, occurrence }) => `${kind} at visit ${occurrence} of ${point}`).join('; ');
  return `| ${name} (\`${file}\`) | ${says} | ${invariant} | ${scenario} | ${way} | ${runs} | ${(ms / 1000).toFixed(1)} | ${faults === '' ? 'no fault' : faults} | ${seed} |`;
}

function section(title: string, intro: string, hunted: readonly Hunted[]): string {
  if (hunted.length === 0) return '';
  return `\n## ${title}\n\n${intro}\n\n| bug | what is changed | why it is not found | search |\n|---|---|---|---|\n${hunted.map(missedRow).join('\n')}\n`;
}

function missedRow({ mutant: { name, file, says, equivalent = 'not known yet' }, found }: Hunted): string {
  return `| ${name} (\`${file}\`) | ${says} | ${cell(equivalent)} | ${found.isFound ? '' : `${cell(found.why)}, in ${Math.round(found.ms / 1000)} s`} |`;
}

const cell = (text: string): string => text.replaceAll('|', '/').replaceAll('\n', ' ');
