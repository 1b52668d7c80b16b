#!/usr/bin/env node
// npm run -s bench:sim [-- --rounds 5 --ms 2000]
// What the simulator costs: random plans, scheduled events and simulated hours, beside two baselines measured in the same rounds:
// the scheduler with handlers that do nothing, and the runtime with the same agent and no simulation around it.
// It does not measure: finding anything (no plan here breaks a law), and scenarios of other shapes.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { createRuntime } from 'nerva/agent';
import { memoryStore } from 'nerva/log';
import { nodeWorld } from 'nerva/node';
import { explore } from 'nerva/sim';
import { Scheduler } from '../packages/nerva/src/sim/scheduler.ts';
import { smallest } from '../tests/scenarios/pay.ts';
import { twenty } from '../tests/scenarios/days.ts';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' }, ms: { type: 'string', default: '2000' } } });
const ROUNDS = Number(values.rounds);
const ROUND_MS = Number(values.ms);
const CORES = availableParallelism();
const HOUR_MS = 3_600_000;

/** Does `work` until the time of a round is over. @returns what was counted, in a second of wall time and in one of this thread's processor. */
async function rate(work) {
  const [startMs, before] = [performance.now(), process.threadCpuUsage()];
  const counts = {};
  while (performance.now() - startMs < ROUND_MS)
    for (const [name, count] of Object.entries(await work())) counts[name] = (counts[name] ?? 0) + count;
  const { user, system } = process.threadCpuUsage(before);
  return { counts, wallSeconds: (performance.now() - startMs) / 1_000, cpuSeconds: (user + system) / 1_000_000 };
}

/** Twenty chains of events that do nothing but ask for the next. */
async function emptyHandlers() {
  const scheduler = new Scheduler(1, 0);
  const next = () => void scheduler.in(1, next);
  for (let chain = 0; chain < 20; chain++) next();
  await scheduler.run(() => false, { eventsMax: 50_000, untilMs: Infinity });
  return { events: scheduler.count };
}

/** The agent and the message of the smallest scenario, on a store in memory: no plan, no laws, no second run. */
async function kernelAlone() {
  const outside = { executions: [], kept: new Map(), happened: () => false };
  const world = nodeWorld();
  const runtime = createRuntime({ store: memoryStore({ world }), world, agents: smallest.agents(outside) });
  const [{ text }] = smallest.steps;
  for (let run = 0; run < 50; run++) await runtime.session(`s${run}`, { agent: 'payer' }).send(text).result;
  await runtime.close();
  await world.transport.close();
  return { runs: 50 };
}

let seed = 1;
/** Random plans, each run twice: what took place in both runs is counted. */
const searched = (scenario, count) => async () => {
  const { runs, steps, events, simulatedMs, failures } = await explore(
    scenario,
    { type: 'seeds', from: (seed += count), count },
    { failuresMax: Infinity },
  );
  for (const { invariant } of failures) broken.add(`${scenario.name}: ${invariant}`);
  return { plans: runs, events: 2 * steps, appended: 2 * events, hours: simulatedMs / HOUR_MS };
};
const broken = new Set();

/** The same search on every core, as `npm run sim` does it. */
async function onAllCores() {
  const workers = Array.from({ length: CORES }, () => new Worker(new URL('../scripts/sim-worker.ts', import.meta.url)));
  const ask = (worker, from, count) =>
    new Promise((resolve, reject) => {
      worker.once('message', ({ done, error }) => (done === undefined ? reject(new Error(error)) : resolve(done)));
      worker.postMessage({ type: 'seeds', scenario: 'smallest', from, count });
    });
  await Promise.all(workers.map((worker, n) => ask(worker, 1 + n * 200, 200)));
  const startMs = performance.now();
  let plans = 0;
  const drive = async (worker) => {
    while (performance.now() - startMs < ROUND_MS * 2) plans += (await ask(worker, (seed += 50), 50)).runs;
  };
  await Promise.all(workers.map(drive));
  const wallSeconds = (performance.now() - startMs) / 1_000;
  await Promise.all(workers.map((worker) => worker.terminate()));
  return plans / wallSeconds;
}

const ROWS = {
  'scheduler, empty handlers': emptyHandlers,
  'runtime alone, no simulation': kernelAlone,
  'smallest, random plans twice': searched(smallest, 25),
  'twenty agents, random plans twice': searched(twenty, 1),
};

const median = (list) => list.toSorted((one, other) => one - other)[list.length >> 1];
const taken = Object.fromEntries(Object.keys(ROWS).map((name) => [name, []]));
for (const work of Object.values(ROWS)) await rate(work); // warm
for (let round = 0; round < ROUNDS; round++) for (const [name, work] of Object.entries(ROWS)) taken[name].push(await rate(work));

const show = (value) => (value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2));
console.log(`| ${ROUNDS} rounds of ${ROUND_MS} ms, medians | in a second | in a second of one processor |\n|---|--:|--:|`);
for (const [name, rounds] of Object.entries(taken))
  for (const unit of Object.keys(rounds[0].counts)) {
    const of = (seconds) => median(rounds.map((one) => one.counts[unit] / one[seconds]));
    console.log(
      `| ${name}: ${unit === 'hours' ? 'simulated hours in an hour' : unit} | ${show(of('wallSeconds') * (unit === 'hours' ? 3600 : 1))} | ${show(of('cpuSeconds') * (unit === 'hours' ? 3600 : 1))} |`,
    );
  }
console.log(`| smallest, random plans twice, on ${CORES} threads: plans | ${show(await onAllCores())} | |`);
const each = (name, unit) => taken[name].map(({ counts, cpuSeconds }) => counts[unit] / cpuSeconds);
const ratio = (one, other) => show(median(one.map((value, round) => value / other[round])));
const runs = each('runtime alone, no simulation', 'runs');
console.log(
  `\na simulated run, with all its laws and its faults, takes ${ratio(
    runs,
    each('smallest, random plans twice', 'plans').map((plans) => 2 * plans),
  )} times the processor time of the runtime alone`,
);
console.log(
  `an event of it takes ${ratio(each('scheduler, empty handlers', 'events'), each('smallest, random plans twice', 'events'))} times that of an empty one`,
);
console.log(broken.size === 0 ? 'held: every invariant' : `broken: ${[...broken].join(', ')}`);
