// npm run test:mutants -- [--only NAME]… [--budget-ms 150000] [--workers 2] [--json] [--keep FILE] [--page]
//   --keep FILE   what became of each bug is written there; one that stands there unchanged is not searched again
//   --page        with --keep: searches nothing, and writes docs/mutants.md of what stands there
// Exit 1 when a bug was not found that should be, or when one was found that is said to be equivalent, or when the sources as they are break a law.
import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { BUDGET_MS, hunt, huntSound, type Hunted } from './hunt.ts';
import { keepIn, keptOf } from './keep.ts';
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
    page: { type: 'boolean', default: false },
  },
});
const { only, json, page } = values;
const [budgetMs, workers] = [Number(values['budget-ms']), Number(values.workers)];
const chosen = MUTANTS.filter(({ name }) => only === undefined || only.includes(name));
if (only !== undefined && chosen.length < only.length) {
  console.error(`Unknown: ${only.filter((name) => !MUTANTS.some((mutant) => mutant.name === name)).join(', ')}. Nothing was run.`);
  process.exit(2);
}
setPriority(5);
const keep = keepIn(values.keep);

function told({ mutant, found }: Hunted): void {
  keep.add(mutant, found);
  if (json) return console.log(JSON.stringify({ name: mutant.name, ...found }));
  if (!found.isFound) return console.log(`${mutant.name}: NOT FOUND, ${found.why}`);
  const { invariant, scenario, way, plan, runs, ms } = found;
  console.log(`${mutant.name}: ${invariant} (${scenario}, ${way}, ${plan.length} faults, ${runs} runs, ${Math.round(ms / 1000)} s)`);
}

let sound = keep.of(null);
if (only === undefined && !page && sound === undefined) {
  sound = await huntSound(budgetMs);
  keep.add(null, sound);
}
const before = keptOf(keep, chosen);
const left = page ? [] : chosen.filter((mutant) => !before.some((one) => one.mutant === mutant));
const hunted = [...before, ...(await hunt(left, { budgetMs, workers, onFound: told }))].toSorted(
  (one, other) => chosen.indexOf(one.mutant) - chosen.indexOf(other.mutant),
);
if (only === undefined) {
  const unsearched = chosen.filter((mutant) => !hunted.some((one) => one.mutant === mutant));
  writeFileSync(path.join(ROOT, 'docs/mutants.md'), reportOf({ hunted, unsearched, sound, budgetMs, workers, date: new Date() }));
}
const wrong = hunted.filter(({ mutant, found }) => found.isFound !== (mutant.equivalent === undefined));
if (!json) console.log(`${hunted.filter(({ found }) => found.isFound).length} of ${hunted.length} found`);
for (const { mutant } of wrong)
  console.error(mutant.equivalent === undefined ? `${mutant.name} was not found.` : `${mutant.name} was found, and is said not to be.`);
// A search that did not run found nothing either.
const isSound = only !== undefined || (sound?.isFound === false && sound.runs > 0);
if (!isSound) console.error(`The sources as they are: ${sound === undefined ? 'not searched' : JSON.stringify(sound)}`);
process.exitCode = wrong.length === 0 && isSound ? 0 : 1;
