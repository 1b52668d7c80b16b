// npm run test:mutants -- [--only NAME]… [--budget-ms 150000] [--workers 2] [--json] [--keep FILE]
//   --keep FILE   what was found is written there, a line of JSON each; a bug that stands there unchanged is not searched again
// Exit 1 when a bug was not found that should be, or when one was found that is said to be equivalent or a gap, or when the sources as they are break a law.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { BUDGET_MS, hunt, huntSound, type Found, type Hunted } from './hunt.ts';
import type { Mutant } from './mutant.ts';
import { MUTANTS } from './mutants.ts';
import { reportOf } from './report.ts';
import { ROOT } from './sandbox.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    'budget-ms': { type: 'string', default: String(BUDGET_MS) },
    workers: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
    keep: { type: 'string' },
  },
});
const { only, json, keep } = values;
const [budgetMs, workers] = [Number(values['budget-ms']), Number(values.workers)];
const chosen = MUTANTS.filter(({ name }) => only === undefined || only.includes(name));
if (only !== undefined && chosen.length < only.length) {
  console.error(`Unknown: ${only.filter((name) => !MUTANTS.some((mutant) => mutant.name === name)).join(', ')}. Nothing was run.`);
  process.exit(2);
}
setPriority(10);

interface Line {
  readonly mutant: Omit<Mutant, 'says' | 'unfound'>;
  readonly found: Found;
}

const kept =
  keep === undefined || !existsSync(keep)
    ? []
    : readFileSync(keep, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Line);
const keptOf = ({ name, file, find, replace }: Mutant): Found | undefined =>
  kept.findLast(({ mutant }) => mutant.name === name && mutant.file === file && mutant.find === find && mutant.replace === replace)?.found;

function told({ mutant, found }: Hunted): void {
  const { name, file, find, replace } = mutant;
  if (keep !== undefined) appendFileSync(keep, `${JSON.stringify({ mutant: { name, file, find, replace }, found } satisfies Line)}\n`);
  if (json) console.log(JSON.stringify({ name, ...found }));
  else if (found.isFound)
    console.log(
      `${name}: ${found.invariant} (${found.scenario}, ${found.way}, ${found.plan.length} faults, ${found.runs} runs, ${Math.round(found.ms / 1000)} s)`,
    );
  else console.log(`${name}: NOT FOUND, ${found.why}`);
}

const startMs = performance.now();
const sound: Found = only === undefined ? await huntSound(budgetMs) : { isFound: false, why: 'not searched', runs: 0, ms: 0 };
if (!json && only === undefined) console.log(`as it is: ${sound.isFound ? `BREAKS ${sound.invariant} (${sound.scenario})` : sound.why}`);
const fresh = await hunt(
  chosen.filter((mutant) => keptOf(mutant) === undefined),
  { budgetMs, workers, onFound: told },
);
const hunted = chosen.flatMap((mutant): readonly Hunted[] => {
  const found = keptOf(mutant);
  return found === undefined ? fresh.filter((one) => one.mutant === mutant) : [{ mutant, found }];
});
const ms = performance.now() - startMs;
if (only === undefined) writeFileSync(path.join(ROOT, 'docs/mutants.md'), reportOf({ hunted, sound, budgetMs, workers, date: new Date() }));
const count = hunted.filter(({ found }) => found.isFound).length;
const wrong = hunted.filter(({ mutant, found }) => found.isFound !== (mutant.unfound === undefined));
if (!json) console.log(`${count} of ${hunted.length} found in ${Math.round(ms / 1000)} s`);
for (const { mutant } of wrong)
  console.error(mutant.unfound === undefined ? `${mutant.name} was not found.` : `${mutant.name} was found, and is said not to be.`);
// A search that did not run found nothing either.
const isSound = !sound.isFound && (only !== undefined || sound.runs > 0);
process.exitCode = wrong.length === 0 && isSound ? 0 : 1;
