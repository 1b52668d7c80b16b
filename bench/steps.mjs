// What a step costs in time, and how long the event loop is held up.
//   node bench/steps.mjs [--rounds 3] [--cells latency,loop] [--only bare:http,nerva,nerva+sqlite]
// Latency: W4, one run at a time, 20 ms model: from one tool call to the next, less the model's 20 ms.
// Loop: W4, 1,000 sessions in flight, 1 s model: event-loop delay (perf_hooks, 1 ms resolution) after a warm-up of all of them.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startMock } from './lib/mock.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const { values: given } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    cells: { type: 'string', default: 'latency,loop' },
    only: { type: 'string', default: 'bare:http,nerva,bare+sqlite,nerva+sqlite,nerva+sqlite-thread' },
  },
});
const contenders = JSON.parse(readFileSync(join(here, 'contenders.json')));
const CELLS = [
  { name: 'latency', runs: 60, warm: 20, concurrency: 1, thinkMs: 20, show: ['stepP50Ms', 'stepP99Ms'] },
  {
    name: 'loop',
    runs: 2000,
    warm: 1000,
    concurrency: 1000,
    thinkMs: 1000,
    show: ['loopP50Ms', 'loopP99Ms', 'loopMaxMs', 'cpuMsPerRun', 'rssPeakMB'],
  },
];
const CALLS_PER_RUN = 10;
const median = (all) => all.toSorted((x, y) => x - y)[all.length >> 1];

async function measure(name, cell) {
  const { dir: folder, store = 'none', variant = '' } = contenders[name],
    dir = join(here, '.db', `steps-${process.pid}`),
    file = join(dir, 'probe.json');
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const mock = await startMock();
  const args = [
    '--expose-gc',
    '--import',
    join(here, 'lib/probe.mjs'),
    join(here, 'contenders', folder, 'run.mjs'),
    '--workload',
    'W4',
    '--runs',
    cell.runs,
    '--warmup',
    cell.warm,
    '--concurrency',
    cell.concurrency,
    '--think',
    cell.thinkMs,
    '--base-url',
    mock.url + '/v1',
    '--store',
    store,
    '--variant',
    variant,
    '--dir',
    join(dir, 'store'),
  ];
  const env = {
    ...process.env,
    PROBE_FILE: file,
    PROBE_WARM_CALLS: cell.warm * CALLS_PER_RUN,
    PROBE_CALLS_PER_RUN: CALLS_PER_RUN,
    PROBE_THINK_MS: cell.thinkMs,
  };
  const child = spawn(process.execPath, args.map(String), { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (text) => (out += text));
  const code = await new Promise((resolve) => child.on('close', resolve));
  await mock.stop();
  if (code !== 0) throw new Error(`${name} failed with ${code}`);
  const row = { ...JSON.parse(out.trim().split('\n').at(-1)), ...JSON.parse(readFileSync(file)) };
  rmSync(dir, { recursive: true, force: true });
  return row;
}

const names = given.only.split(',');
for (const cell of CELLS.filter(({ name }) => given.cells.split(',').includes(name))) {
  const rows = new Map(names.map((name) => [name, []]));
  for (let round = 0; round < Number(given.rounds); round++)
    for (const name of round % 2 ? names.toReversed() : names) rows.get(name).push(await measure(name, cell));
  console.log(
    `\n### ${cell.name} (median of ${given.rounds})\n\n| contender | ${cell.show.join(' | ')} |\n|---|${cell.show.map(() => '--:').join('|')}|`,
  );
  for (const name of names)
    console.log(`| ${name} | ${cell.show.map((key) => median(rows.get(name).map((row) => row[key])).toFixed(2)).join(' | ')} |`);
}
