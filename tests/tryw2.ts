import { explore } from 'nerva/sim';
import * as pay from './scenarios/wired.ts';
const name = process.argv[2] ?? 'smallest';
const scenario = (pay as any)[name];
const t = performance.now();
const mode = process.argv[3] ?? 'singles';
const s = await explore(
  scenario,
  mode === 'seeds' ? { type: 'seeds', count: Number(process.argv[4] ?? 500) } : { type: 'exhaustive', pairs: mode === 'pairs' },
  { failuresMax: 8, isTwice: false },
);
console.log({ ...s, states: s.states.size, struck: s.struck.size, failures: 0, ms: performance.now() - t });
for (const f of s.failures)
  console.log(f.invariant, '|', f.message.slice(0, 600), '|', JSON.stringify(f.report.plan), 'seed', f.report.seed);
