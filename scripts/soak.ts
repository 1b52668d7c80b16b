import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { NervaError } from '../packages/nerva/src/core/index.ts';
import type { Model } from '../packages/nerva/src/model/index.ts';
import { nodeWorld } from '../packages/nerva/src/node/index.ts';
import { modelSubjects, wireMock, type MockAnswer, type MockRequest } from '../packages/nerva/src/testing/index.ts';

/**
 * `npm run -s soak -- --minutes 10 --streams 200`: many streams at once, of each dialect, over real connections, against the strict mocks in a
 * thread of their own. Each call asks for its fate, so its one right outcome is known. Exit 1 when an outcome is wrong or missing, a piece comes
 * after it, a rejection is unhandled, or the heap grows: it is measured between rounds, after a collection, when nothing is in flight.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    streams: { type: 'string', default: '200' },
    'heap-kb-per-minute-max': { type: 'string', default: '512' },
  },
});
const [MINUTES, STREAMS, SLOPE_MAX] = [Number(values.minutes), Number(values.streams), Number(values['heap-kb-per-minute-max'])];
const ROUND_MS = 10_000;
/** A call that takes longer will never end. */
const STUCK_MS = 60_000;
const SAMPLES_MIN = 4;
/** Far above what a busy machine adds to an answer that comes. */
const LIMIT_MS = 10_000;
const KEY = 'sk-soak-0123456789';
const TEXT = 'a piece of an answer, with ä and 🌍, '.repeat(20);

/** What becomes of a call: how often of a hundred, and the code it fails with; null for an answer. */
const FATES: Readonly<Record<string, { readonly share: number; readonly code: string | null }>> = {
  slow: { share: 50, code: null },
  fast: { share: 20, code: null },
  abort: { share: 8, code: 'CANCELLED' },
  reset: { share: 4, code: 'HTTP_BROKEN' },
  'reset-early': { share: 4, code: 'HTTP_BROKEN' },
  truncated: { share: 4, code: 'MODEL_TRUNCATED' },
  silent: { share: 1, code: 'HTTP_TIMEOUT' },
  stalled: { share: 1, code: 'HTTP_TIMEOUT' },
  limited: { share: 4, code: 'MODEL_RATE_LIMITED' },
  page: { share: 4, code: 'MODEL_GARBAGE' },
};

/** The mock's side: the fate stands in the request. */
function answerTo({ body }: MockRequest): MockAnswer {
  const fate = /#fate=([a-z-]+)/.exec(JSON.stringify(body))?.[1] ?? 'fast';
  const answer: MockAnswer = { text: TEXT };
  if (fate === 'limited') return { raw: { status: 429, body: '{"error":{"message":"slow down"}}', headers: { 'retry-after': '1' } } };
  if (fate === 'page') return { raw: { body: '<html></html>', headers: { 'content-type': 'text/html' } } };
  if (fate === 'slow') return { ...answer, send: slowly };
  if (fate === 'fast') return answer;
  return { ...answer, fault: fate === 'abort' ? 'stalled' : (fate as NonNullable<MockAnswer['fault']>) };
}

/** Twenty pieces in a second or so. */
const slowly: NonNullable<MockAnswer['send']> = (outgoing, { mediaType, bytes }) => {
  outgoing.writeHead(200, { 'content-type': mediaType });
  const step = Math.ceil(bytes.length / 20);
  let at = 0;
  const beat = setInterval(() => {
    outgoing.write(bytes.subarray(at, (at += step)));
    if (at < bytes.length) return;
    clearInterval(beat);
    outgoing.end();
  }, 50);
};

async function serve(): Promise<void> {
  const mocks = await Promise.all(
    modelSubjects().map(({ mock, apiKey = KEY }) => wireMock(mock(), { apiKey, answer: (request) => Promise.resolve(answerTo(request)) })),
  );
  parentPort?.on('message', () => {
    // What was seen is not needed here, and would fill this thread's memory.
    for (const { requests } of mocks) (requests as MockRequest[]).length = 0;
    parentPort?.postMessage(mocks.flatMap(({ refusals }) => refusals));
  });
  parentPort?.postMessage(mocks.map(({ baseUrl }) => baseUrl));
}

const broken: string[] = [];
const counts = new Map<string, number>();

function pickFate(): string {
  let left = Math.random() * 100;
  for (const [fate, { share }] of Object.entries(FATES)) if ((left -= share) < 0) return fate;
  return 'fast';
}

/** One call, and whether its outcome is the one that was asked for. */
async function callOnce(model: Model, world: ReturnType<typeof nodeWorld>): Promise<void> {
  const fate = pickFate();
  const { code } = FATES[fate] ?? { code: null };
  const controller = new AbortController();
  let [text, isOver] = ['', false];
  const onDelta = (delta: { readonly type: string; readonly text?: string }): void => {
    if (isOver) broken.push(`${model.name} ${fate}: a piece came after the outcome`);
    text += delta.text ?? '';
    if (fate === 'abort') controller.abort();
  };
  const messages = [{ role: 'user', origin: 'person', parts: [{ type: 'text', text: `Go. #fate=${fate} .` }] }] as const;
  const stuck = setTimeout(() => broken.push(`${model.name} ${fate}: no outcome after ${STUCK_MS} ms`), STUCK_MS);
  try {
    await model.call({ instructions: 'be brief', tools: [], params: {}, messages }, { world, onDelta, signal: controller.signal });
    if (code !== null || text !== TEXT) broken.push(`${model.name} ${fate}: an answer of ${text.length} characters`);
  } catch (error) {
    const came = NervaError.is(error) ? error.code : String(error);
    if (came !== code) broken.push(`${model.name} ${fate}: ${came} ${error instanceof Error ? error.message : ''}`);
  } finally {
    isOver = true;
    clearTimeout(stuck);
    counts.set(fate, (counts.get(fate) ?? 0) + 1);
  }
}

/** Kilobytes a minute by least squares. */
function slopeOf(samples: readonly { readonly minute: number; readonly kb: number }[]): number {
  const mean = (of: (sample: (typeof samples)[number]) => number): number =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const [minute, kb] = [mean((sample) => sample.minute), mean((sample) => sample.kb)];
  return mean((sample) => (sample.minute - minute) * (sample.kb - kb)) / mean((sample) => (sample.minute - minute) ** 2);
}

async function soak(): Promise<void> {
  setFlagsFromString('--expose-gc');
  // Code that was thrown away because it is old would look like memory that was given back.
  setFlagsFromString('--no-flush-bytecode');
  const collect = runInNewContext('gc') as () => void;
  process.on('unhandledRejection', (reason) => broken.push(`unhandled rejection: ${String(reason)}`));
  process.on('uncaughtException', (error) => broken.push(`uncaught: ${String(error)}`));
  const worker = new Worker(new URL(import.meta.url), { argv: process.argv.slice(2) });
  const told = <T>(): Promise<T> => new Promise((resolve) => worker.once('message', resolve));
  const urls = await told<readonly string[]>();
  const limits = { firstByteMs: LIMIT_MS, idleMs: LIMIT_MS };
  const models = modelSubjects().map(({ make, apiKey = KEY }, index) => make(urls[index] ?? '', { apiKey, limits }));
  const world = nodeWorld();
  const samples: { readonly minute: number; readonly kb: number }[] = [];
  const startMs = performance.now();
  const endMs = startMs + MINUTES * 60_000;
  console.log(
    `${STREAMS} streams of ${models.length} models for ${MINUTES} minutes, node ${process.version}, load ${(loadavg()[0] ?? 0).toFixed(1)}`,
  );
  let next = 0;
  while (performance.now() < endMs && broken.length < 20) {
    const untilMs = Math.min(performance.now() + ROUND_MS, endMs);
    const stream = async (): Promise<void> => {
      while (performance.now() < untilMs) await callOnce(models[next++ % models.length] as Model, world);
    };
    await Promise.all(Array.from({ length: STREAMS }, stream));
    worker.postMessage('rest');
    broken.push(...(await told<readonly string[]>()).map((why) => `the mock refused: ${why}`));
    // Sockets and timers that ended are let go of in later turns.
    await new Promise((resolve) => setTimeout(resolve, 50));
    collect();
    samples.push({ minute: (performance.now() - startMs) / 60_000, kb: process.memoryUsage().heapUsed / 1024 });
  }
  await world.transport.close();
  await worker.terminate();
  report(samples);
}

function report(samples: readonly { readonly minute: number; readonly kb: number }[]): void {
  // Code and shapes are still made in the first rounds.
  const late = samples.slice(Math.max(2, Math.floor(samples.length / 4)));
  const slope = late.length < SAMPLES_MIN ? null : slopeOf(late);
  if (slope !== null && slope > SLOPE_MAX)
    broken.push(`the heap grows by ${slope.toFixed(0)} KB a minute, at most ${SLOPE_MAX} are allowed`);
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  console.log(`${total} calls: ${[...counts].map(([fate, count]) => `${fate} ${count}`).join(', ')}`);
  console.log(
    `heap after gc, MB: ${samples.map(({ kb }) => (kb / 1024).toFixed(1)).join(' ')}; ${slope === null ? 'too short to judge' : `slope ${slope.toFixed(0)} KB a minute`}`,
  );
  console.log(broken.length === 0 ? 'nothing broke' : `BROKEN ${broken.length}: \n${broken.slice(0, 20).join('\n')}`);
  process.exitCode = broken.length === 0 ? 0 : 1;
}

await (isMainThread ? soak() : serve());
