/**
 * Nerva's side of the job: one session per report. Started again after a kill, it feeds the same reports under the same ids: what was taken before is
 * taken once, what was open is resumed, and a payment whose result was lost is asked after at the bank before anything else.
 */
import { createRuntime } from 'nerva';
import { settler } from './agent.ts';
import { openBrain } from './brain.ts';
import { openJob, pacer, reporter, type Replay } from './job.ts';
import { bankClient } from './payments.ts';
import { decide, factsOf } from './rules.ts';

const { job, rules, reports } = openJob(process.argv[2] ?? '');
const progress = reporter();
const pace = pacer(job.reportsPerSecond);

const decisions = new Map(reports.map((report) => [report.id, decide(rules, report).type]));
const having = (type: string): readonly string[] => reports.flatMap(({ id }) => (decisions.get(id) === type ? [id] : []));
// The first unclear reports may go to the model, up to its limit: in the order of the file, so that every life of this process says the same.
const forModel = new Set(job.brain.type === 'model' ? having('unclear').slice(0, job.brain.reportsMax) : []);

const model = await openBrain(job.brain);
const agent = settler({
  rules,
  bank: bankClient(job.bankUrl, 'nerva'),
  ruled: new Set(having('pay')),
  ...(model === undefined ? {} : { model }),
});
const nerva = await createRuntime({ store: job.store, agents: [agent], resumeMax: job.inFlight });
// What the life before left open comes first; then the reports that nobody has looked at yet.
await nerva.start();

const statuses: Record<string, number> = {};
let settled = 0;
let next = 0;

async function feed(): Promise<void> {
  while (next < reports.length) {
    const report = reports[next++];
    if (report === undefined) return;
    await pace();
    const message = { ...factsOf(rules, report), mayAskModel: forModel.has(report.id) };
    const { status } = await nerva.session(report.id, { agent: 'settler' }).send(message, { id: 'report' }).result;
    statuses[status] = (statuses[status] ?? 0) + 1;
    settled += 1;
    progress({ settled });
  }
}

/** Decides every session again from its log. Calls neither the bank nor a model. */
async function replayAll(): Promise<Replay> {
  const startedMs = performance.now();
  const found = { sessions: 0, decisions: 0, diverged: 0 };
  for (const { id } of reports) {
    const { decisions: made, divergence } = await nerva.session(id).replay();
    found.sessions += 1;
    found.decisions += made;
    if (divergence !== null) found.diverged += 1;
  }
  return { ...found, ms: performance.now() - startedMs };
}

progress({ settled: 0 });
await Promise.all(Array.from({ length: job.inFlight }, feed));
const replay = await replayAll();
await nerva.close();
progress({ settled, finished: true, statuses, replay });
process.exit(0);
