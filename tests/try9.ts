import { PACKS, REFERENCE } from './scenarios/index.ts';
import { runOnce } from 'nerva/sim';
import { readFileSync } from 'node:fs';
const v = JSON.parse(readFileSync('/tmp/sim3000.json', 'utf8')).violations[Number(process.argv[2])];
let s = [...REFERENCE, ...PACKS].find(({ name }) => name === v.scenario)!;
if (v.steps) s = { ...s, steps: v.steps };
const r = await runOnce(s, { seed: v.seed, faults: v.faults, isTraced: true, eventsMax: 3000 });
console.log(JSON.stringify(v.faults)); const L = r.lines.map((l) => l.slice(0, 150));
console.log(L.slice(0, 60).join('\n')); console.log('...'); console.log(L.slice(-20).join('\n')); console.log(r.violations.slice(0, 3));
