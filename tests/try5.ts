import { runOnce } from 'nerva/sim';
import { smallest } from './scenarios/pay.ts';
import { guarded } from '../packages/nerva/src/sim/poison.ts';
await guarded(async () => {
  for (let k = 0; k < 3; k++) {
    const t = performance.now();
    let ev = 0;
    for (let i = 0; i < 3000; i++) ev += (await runOnce(smallest, { seed: 2 + i })).steps;
    const s = (performance.now() - t) / 1000;
    console.log((3000 / s).toFixed(0), 'runs/s', (ev / s).toFixed(0), 'steps/s', process.cpuUsage().user / 1e6);
  }
});
