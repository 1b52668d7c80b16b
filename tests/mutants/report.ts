import type { Hunted } from './hunt.ts';

/** docs/mutants.md. */
export function reportOf(hunted: readonly Hunted[], { ms, date }: { readonly ms: number; readonly date: Date }): string {
  const found = hunted.filter((one) => one.found.isFound);
  const missed = hunted.filter((one) => !one.found.isFound);
  return `# Planted bugs

Does the simulator find bugs? \`npm run test:mutants\` plants one bug at a time in a copy of the kernel and searches it: every single fault on every reference scenario,
then random plans on all scenarios, until an invariant breaks. The smallest case is tried on the sources as they are too: a law that breaks there as well does not count. A bug
counts as found when its smallest case has at most three faults. This page is written by that command; \`--only NAME\` tries one and writes nothing.

${date.toISOString().slice(0, 10)}, Node ${process.versions.node}, 2 processes at a time: **${found.length} of ${hunted.length} found** in ${Math.round(ms / 1000)} s. “Runs” and “seconds” are until it was found and made small.

| bug | what is broken | law that broke | scenario | runs | seconds | smallest plan | seed |
|---|---|---|---|---:|---:|---|---:|
${found.map(rowOf).join('\n')}
${missed.length === 0 ? '' : `\n## Not found\n\n| bug | what is broken | why |\n|---|---|---|\n${missed.map(missedRow).join('\n')}\n`}`;
}

function rowOf({ mutant: { name, file, says }, found }: Hunted): string {
  if (!found.isFound) return '';
  const { invariant, scenario, runs, ms, plan, seed } = found;
  const faults = plan.map(({ point, kind, occurrence }) => `${kind} at visit ${occurrence} of ${point}`).join('; ');
  return `| ${name} (\`${file}\`) | ${says} | ${invariant} | ${scenario} | ${runs} | ${(ms / 1000).toFixed(1)} | ${faults === '' ? 'no fault' : faults} | ${seed} |`;
}

function missedRow({ mutant: { name, file, says }, found }: Hunted): string {
  return `| ${name} (\`${file}\`) | ${says} | ${found.isFound ? '' : found.why.replaceAll('|', '/').replaceAll('\n', ' ')} |`;
}
