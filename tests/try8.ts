import { runOnce } from 'nerva/sim';
import { writeSync } from 'node:fs';
import { randomPlan } from '../packages/nerva/src/sim/plans.ts';
import { REFERENCE, PACKS } from './scenarios/index.ts';
const s = [...REFERENCE, ...PACKS].find(({ name }) => name === process.argv[2])!;
const { visits } = await runOnce(s);
for (let seed = Number(process.argv[3]); seed < Number(process.argv[4]); seed++) { writeSync(1, `${seed} ${JSON.stringify(randomPlan(seed, visits))}\n`); const r = await runOnce(s, { seed, faults: randomPlan(seed, visits) }); if (r.violations.length) console.log(r.violations[0]); }
