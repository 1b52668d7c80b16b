#!/usr/bin/env node
// npm run -s bench:stream [-- --rounds 7 --runs 40 --concurrency 10]
// What a chunk of a streamed answer costs: processor time of this process for one answer of 400 chunks, each written by itself by a mock in
// another process. Base: node:http, the lines and JSON.parse by hand (`bare:http` of the contenders). Beside it the model alone (`onDelta`) and
// an agent whose `textStream` is read (W3). Rounds alternate; the ratio is the median of ratios within a round.
// It does not measure: TLS, the time of a real provider, or how soon the first chunk comes (a law of the model's contract says that it is
// reported while the provider holds back the next).
import http from 'node:http';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { openaiChat } from '../packages/nerva/src/model/index.ts';
import { createAgent, nodeWorld } from '../packages/nerva/src/node/index.ts';
import { startMock } from './lib/mock.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    runs: { type: 'string', default: '40' },
    concurrency: { type: 'string', default: '10' },
  },
});
const [ROUNDS, RUNS, CONCURRENCY] = [values.rounds, values.runs, values.concurrency].map(Number);
const CHUNKS = 400;
const GOAL = { ratio: 1.3, usPerChunk: 20 };

const mock = await startMock();
const world = nodeWorld();
const model = openaiChat({ model: 'mock', baseUrl: `${mock.url}/v1`, apiKey: 'x' });
const agent = createAgent({ name: 'a', model, instructions: 'Answer.' });
const httpAgent = new http.Agent({ keepAlive: true });
const prompt = (run) => `Go. #bench{run=${run} steps=0 chunks=${CHUNKS}}`;

function bare(run) {
  const messages = [
    { role: 'system', content: 'Answer.' },
    { role: 'user', content: prompt(run) },
  ];
  const body = JSON.stringify({ model: 'mock', messages, stream: true, stream_options: { include_usage: true } });
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', authorization: 'Bearer x', 'content-length': Buffer.byteLength(body) };
    const request = http.request(`${mock.url}/v1/chat/completions`, { method: 'POST', agent: httpAgent, headers }, (response) => {
      let [rest, text] = ['', ''];
      response.setEncoding('utf8');
      response.on('error', reject);
      response.on('data', (piece) => {
        const lines = (rest + piece).split('\n');
        rest = lines.pop();
        for (const line of lines) {
          if (!line.startsWith('data: ') || line === 'data: [DONE]') continue;
          text += JSON.parse(line.slice(6)).choices[0]?.delta.content ?? '';
        }
      });
      response.on('end', () => resolve(text));
    });
    request.on('error', reject).end(body);
  });
}

async function alone(run) {
  let text = '';
  const messages = [{ role: 'user', origin: 'person', parts: [{ type: 'text', text: prompt(run) }] }];
  const onDelta = (delta) => void (delta.type === 'text' && (text += delta.text));
  await model.call({ instructions: 'Answer.', tools: [], params: {}, messages }, { world, onDelta });
  return text;
}

async function asAgent(run) {
  let text = '';
  for await (const piece of agent.stream(prompt(run)).textStream) text += piece;
  return text;
}

let next = 1;

/** Microseconds of this process's processors for one chunk. */
async function usPerChunk(work) {
  const before = process.cpuUsage();
  let left = RUNS;
  const worker = async () => {
    while (left-- > 0) {
      const run = next++;
      const text = await work(run);
      if (!text.startsWith(`DONE run=${run} `) || text.split(' ').length !== CHUNKS + 1)
        throw new Error(`${work.name}: wrong answer ${text.slice(0, 60)}`);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / (RUNS * CHUNKS);
}

const median = (all) => all.toSorted((x, y) => x - y)[all.length >> 1];
const CONTENDERS = { 'bare:http': bare, 'model.call': alone, 'agent (W3)': asAgent };
const names = Object.keys(CONTENDERS);
const figures = Object.fromEntries(names.map((name) => [name, []]));
for (let round = -2; round < ROUNDS; round++) {
  for (const name of round % 2 === 0 ? names : names.toReversed()) {
    const us = await usPerChunk(CONTENDERS[name]);
    // The first two rounds warm up.
    if (round >= 0) figures[name].push(us);
  }
}
console.log(
  `${RUNS} answers of ${CHUNKS} chunks, ${CONCURRENCY} at a time, ${ROUNDS} rounds, node ${process.version}, load ${loadavg()[0].toFixed(1)}`,
);
for (const name of names) {
  const ratio = median(figures[name].map((us, round) => us / figures['bare:http'][round]));
  const us = median(figures[name]);
  const verdict =
    name === 'bare:http'
      ? ''
      : `  ${ratio <= GOAL.ratio ? 'within' : 'ABOVE'} ${GOAL.ratio} x, ${us <= GOAL.usPerChunk ? 'within' : 'ABOVE'} ${GOAL.usPerChunk} us`;
  console.log(`${name.padEnd(12)} ${us.toFixed(1).padStart(6)} us/chunk  ${ratio.toFixed(2)} x${verdict}`);
}
httpAgent.destroy();
await world.transport.close();
await mock.stop();
