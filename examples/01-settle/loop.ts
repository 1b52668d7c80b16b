/**
 * The same job by hand, as one writes it on the first day: a loop, a checkpoint file, an atomic rename after every report.
 * It is kind to the loop: nothing is written in batches, and a torn checkpoint cannot happen.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { openJob, pacer, reporter } from './job.ts';
import { bankClient } from './payments.ts';
import { decide } from './rules.ts';

const { job, rules, reports } = openJob(process.argv[2] ?? '');
const bank = bankClient(job.bankUrl, 'loop');
const progress = reporter();
const pace = pacer(job.reportsPerSecond);

const done = new Set<number>(existsSync(job.checkpointPath) ? (JSON.parse(readFileSync(job.checkpointPath, 'utf8')) as number[]) : []);
let next = 0;

async function work(): Promise<void> {
  while (next < reports.length) {
    const index = next++;
    const report = reports[index];
    if (report === undefined || done.has(index)) continue;
    await pace();
    const decision = decide(rules, report);
    const asking = { key: `loop:${report.id}`, attempt: 1, by: decision.row };
    if (decision.type === 'close') await bank.close(report.id, asking);
    if (decision.type === 'pay') await bank.pay({ report: report.id, to: decision.to, amountUsd: decision.amountUsd }, asking);
    done.add(index);
    writeFileSync(`${job.checkpointPath}.new`, JSON.stringify([...done]));
    renameSync(`${job.checkpointPath}.new`, job.checkpointPath);
    progress({ settled: done.size });
  }
}

progress({ settled: done.size });
await Promise.all(Array.from({ length: job.inFlight }, work));
progress({ settled: done.size, finished: true });
process.exit(0);
