// npm run test:mutants -- [--only NAME]… [--budget-ms 150000] [--json]
import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { BUDGET_MS, hunt, type Hunted } from './hunt.ts';
import { MUTANTS } from './mutants.ts';
import { reportOf } from './report.ts';
import { ROOT } from './sandbox.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    'budget-ms': { type: 'string', default: String(BUDGET_MS) },
    json: { type: 'boolean', default: false },
  },
});
const { only, json } = values;
const chosen = MUTANTS.filter(({ name }) => only === undefined || only.includes(name));
if (only !== undefined && chosen.length < only.length) {
  console.error(`Unknown: ${only.filter((name) => !MUTANTS.some((mutant) => mutant.name === name)).join(', ')}. Nothing was run.`);
  process.exit(2);
}
setPriority(10);
const startMs = performance.now();
const told = ({ mutant: { name }, found }: Hunted): void => {
  if (json) console.log(JSON.stringify({ name, ...found }));
  else if (found.isFound)
    console.log(
      `${name}: ${found.invariant} (${found.scenario}, ${found.plan.length} faults, ${found.runs} runs, ${Math.round(found.ms / 1000)} s)`,
    );
  else console.log(`${name}: NOT FOUND, ${found.why}`);
};
const hunted = await hunt(chosen, { budgetMs: Number(values['budget-ms']), workers: 2, onFound: told });
const missed = hunted.filter(({ found }) => !found.isFound).length;
if (only === undefined)
  writeFileSync(path.join(ROOT, 'docs/mutants.md'), reportOf(hunted, { ms: performance.now() - startMs, date: new Date() }));
if (!json) console.log(`${hunted.length - missed} of ${hunted.length} found in ${Math.round((performance.now() - startMs) / 1000)} s`);
process.exitCode = missed === 0 ? 0 : 1;
