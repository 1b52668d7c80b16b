import { PACKS, REFERENCE } from './scenarios/index.ts';
import { Simulation } from '../packages/nerva/src/sim/simulation.ts';
import { writeSync } from 'node:fs';
const s = [...REFERENCE, ...PACKS].find(({ name }) => name === process.argv[2])!;
const sim = new Simulation(s, Number(process.argv[3]), JSON.parse(process.argv[4] ?? '[]'), true);
const lines = sim.hub.trace.lines; const push = lines.push.bind(lines);
lines.push = (l: string) => { writeSync(1, l.slice(0, 170) + '\n'); return push(l); };
await sim.run({ eventsMax: 200000, simulatedMs: 30 * 86400000, isJudged: true });
