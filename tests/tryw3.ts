import { runOnce } from 'nerva/sim';
import * as packs from './scenarios/wired.ts';
const scenario = (packs as any)[process.argv[2] as string];
const r = await runOnce(scenario, { seed: Number(process.argv[4] ?? 1), faults: JSON.parse(process.argv[3] ?? '[]'), isTraced: true });
console.log(r.lines.map((l) => l.slice(0, 300)).join('\n'));
console.log(r.violations);
