// npm run test:kill -- --kills 200 --seed 1
import { parseArgs } from 'node:util';
import { killRun } from '../kill/run.ts';

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' }, json: { type: 'boolean', default: false } },
});
const [kills, seed] = [Number(values.kills), Number(values.seed)];
let problems = 0;
for (const reconcile of [true, false]) {
  for (const writer of ['inline', 'thread'] as const) {
    const share = Math.ceil(kills / 4);
    const report = await killRun({
      kills: share,
      seed,
      reconcile,
      writer,
      onKill: (count) =>
        process.stderr.isTTY && process.stderr.write(`\r${writer}${reconcile ? ', reconcile' : ''}: ${count}/${share} kills `),
    });
    problems += report.problems.length;
    if (values.json) console.log(JSON.stringify({ writer, reconcile, seed, ...report }));
    else {
      console.log(
        `writer ${writer}, ${reconcile ? 'with' : 'without'} reconcile: ${report.kills} kills, ${report.sessions} sessions, ${report.effects} effects, ` +
          `${report.repeats} repeated reads or idempotent calls, ${report.doubts} in doubt, ${report.problems.length} problems`,
      );
      for (const problem of report.problems.slice(0, 20)) console.log(`  ${problem}`);
    }
  }
}
process.exitCode = problems === 0 ? 0 : 1;
