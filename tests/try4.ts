import { runOnce } from 'nerva/sim';
import * as packs from './scenarios/pay.ts';
import { singles, seconds } from '../packages/nerva/src/sim/plans.ts';
import { guarded } from '../packages/nerva/src/sim/poison.ts';
await guarded(async () => {
  for (const s of Object.values(packs) as any[]) {
    if (!s?.steps) continue;
    const calm = await runOnce(s);
    const one = singles(calm);
    let pairs = 0;
    for (const f of one) {
      const r = await runOnce(s, { faults: [f] });
      pairs += seconds(r).length;
    }
    console.log(s.name, calm.violations, 'visits', calm.order.length, 'singles', one.length, 'pairs', pairs);
    const t = performance.now();
    let n = 0;
    while (performance.now() - t < 3000) {
      await runOnce(s, { faults: [one[n % one.length]!] });
      n++;
    }
    console.log((n / 3).toFixed(0), 'runs/s');
  }
});
