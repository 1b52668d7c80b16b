#!/usr/bin/env node
// npm run -s bench:inflight [-- --calls 10000 --sockets 256 --think 50 --rounds 3]
// Many calls at once to one origin: how long until the last is answered, and how much memory this process takes, beside node:http with a pool
// of the same size. Each measurement is a fresh process; contenders alternate. A wrong answer, or more connections than the pool, fails it.
// It does not measure: streams (bench/stream.mjs), or a provider that limits the rate. That a pool is never exceeded is also a law of the
// model's contract.
import { fork } from 'node:child_process';
import http from 'node:http';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { openaiChat } from '../packages/nerva/src/model/index.ts';
import { nodeWorld } from '../packages/nerva/src/node/index.ts';

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '10000' },
    sockets: { type: 'string', default: '256' },
    think: { type: 'string', default: '50' },
    rounds: { type: 'string', default: '3' },
    // Of the processes that this one starts.
    as: { type: 'string', default: '' },
    url: { type: 'string', default: '' },
  },
});
const [CALLS, SOCKETS, THINK_MS, ROUNDS] = [values.calls, values.sockets, values.think, values.rounds].map(Number);
const MEGABYTE = 1024 * 1024;

/** Answers each question with itself after a while; says how many connections there were. */
function serve() {
  let [count, open, openMax] = [0, 0, 0];
  const server = http.createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (piece) => (text += piece));
    request.on('end', () => {
      const { messages } = JSON.parse(text);
      const message = { role: 'assistant', content: `re: ${messages.at(-1).content}` };
      const body = JSON.stringify({
        id: 'c',
        object: 'chat.completion',
        created: 0,
        model: 'mock',
        choices: [{ index: 0, message, finish_reason: 'stop' }],
      });
      setTimeout(() => response.writeHead(200, { 'content-type': 'application/json' }).end(body), THINK_MS);
    });
  });
  server.on('connection', (socket) => {
    count++;
    openMax = Math.max(openMax, ++open);
    socket.on('close', () => open--);
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => process.send({ url: `http://127.0.0.1:${server.address().port}/v1` }));
  process.on('message', () => process.send({ count, openMax }));
}

function bareCaller(url) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: SOCKETS });
  return (text) => {
    const body = JSON.stringify({ model: 'mock', messages: [{ role: 'user', content: text }] });
    return new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      const request = http.request(`${url}/chat/completions`, { method: 'POST', agent, headers }, (response) => {
        const pieces = [];
        response.on('data', (piece) => pieces.push(piece));
        response.on('error', reject);
        response.on('end', () => resolve(JSON.parse(Buffer.concat(pieces).toString()).choices[0].message.content));
      });
      request.on('error', reject).end(body);
    });
  };
}

function nervaCaller(url) {
  const world = nodeWorld({ http: { socketsMax: SOCKETS } });
  const model = openaiChat({ model: 'mock', baseUrl: url });
  return async (text) => {
    const messages = [{ role: 'user', origin: 'person', parts: [{ type: 'text', text }] }];
    const { parts } = await model.call({ instructions: '', tools: [], params: {}, messages }, { world });
    return parts[0].text;
  };
}

/** All calls at once. */
async function call(ask) {
  for (let n = 0; n < 200; n++) await ask(`warm ${n}`);
  const [startMs, before] = [performance.now(), process.cpuUsage()];
  const answers = await Promise.all(Array.from({ length: CALLS }, (_, n) => ask(`call ${n}`)));
  const wrong = answers.filter((answer, n) => answer !== `re: call ${n}`).length;
  const { user, system } = process.cpuUsage(before);
  process.send({
    makespanMs: performance.now() - startMs,
    cpuMs: (user + system) / 1000,
    rssMb: process.resourceUsage().maxRSS / 1024,
    heapMb: process.memoryUsage().heapUsed / MEGABYTE,
    wrong,
  });
}

const told = (child) =>
  new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`a process ended with code ${code}`)));
  });
const start = (...args) => fork(import.meta.filename, [...process.argv.slice(2), ...args], { execArgv: process.execArgv });
const median = (all) => all.toSorted((x, y) => x - y)[all.length >> 1];

async function measure() {
  const figures = { 'node:http': [], nerva: [] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of round % 2 === 0 ? Object.keys(figures) : Object.keys(figures).toReversed()) {
      const server = start('--as', 'server');
      const { url } = await told(server);
      const client = start('--as', name, '--url', url);
      const figure = await told(client);
      server.send('count');
      const { openMax } = await told(server);
      client.removeAllListeners('exit').kill();
      server.removeAllListeners('exit').kill();
      figures[name].push({ ...figure, openMax });
    }
  }
  console.log(
    `${CALLS} calls at once over ${SOCKETS} sockets, ${THINK_MS} ms each, ${ROUNDS} rounds, node ${process.version}, load ${loadavg()[0].toFixed(1)}`,
  );
  console.log(`no faster than ${Math.ceil(CALLS / SOCKETS) * THINK_MS} ms`);
  for (const [name, rounds] of Object.entries(figures)) {
    const [makespan, cpu, rss] = ['makespanMs', 'cpuMs', 'rssMb'].map((key) => median(rounds.map((round) => round[key])));
    const sockets = Math.max(...rounds.map(({ openMax }) => openMax));
    const isBroken = sockets > SOCKETS || rounds.some(({ wrong }) => wrong > 0);
    if (isBroken) process.exitCode = 1;
    console.log(
      `${name.padEnd(10)} makespan ${makespan.toFixed(0)} ms  cpu ${cpu.toFixed(0)} ms  peak RSS ${rss.toFixed(0)} MB  sockets ${sockets}${isBroken ? '  BROKEN' : ''}`,
    );
  }
}

if (values.as === 'server') serve();
else if (values.as === '') await measure();
else await call((values.as === 'nerva' ? nervaCaller : bareCaller)(values.url));
