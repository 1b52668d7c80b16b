import { explore } from 'nerva/sim';
import { REFERENCE, PACKS } from './scenarios/index.ts';
const mode = process.argv[2] ?? 'singles'; const n = Number(process.argv[3] ?? 300); const only = process.argv[4]; const from = Number(process.argv[5] ?? 1);
for (const s of [...REFERENCE, ...PACKS]) {
  if (only !== undefined && s.name !== only) continue;
  if (mode !== 'seeds' && PACKS.includes(s)) continue;
  const t = performance.now();
  const r = await explore(s, mode === 'seeds' ? { type: 'seeds', count: n, from } : { type: 'exhaustive', pairs: mode === 'pairs' }, { failuresMax: 5, isTwice: mode !== 'pairs' });
  const ms = performance.now() - t;
  console.log(s.name.padEnd(16), r.runs, 'runs', (r.runs / ms * 1000).toFixed(0), '/s', r.failures.length === 0 ? 'ok' : '');
  for (const f of r.failures) console.log('  !!', f.invariant, '|', f.message.slice(0, 300), '|', JSON.stringify(f.report.plan), 'seed', f.report.seed, 'steps', JSON.stringify(f.scenario.steps)?.length);
}
