#!/usr/bin/env node
// npm run -s bench:memory-scale -- [--entries 1000000] [--folder DIR] [--json]
// A memory of many entries with its index in SQLite: how fast it takes them in, finds, changes, is opened and is made anew from its log, and
// what that takes. Texts are generated from a seed: 8 to 30 words of a vocabulary of 60,000, as often as Zipf says. A question has two to four
// words of one entry and one of any; a common one only words among the hundred most frequent. Beside it bare FTS5 over the same texts (porter,
// all words joined by OR, best ten by rank), and up to 100,000 entries the index in memory. Openings and questions are timed in a process of
// their own, whose memory is then only theirs. It does not measure: how good the answers are (bench:memory), several processes, a cold disk.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openMemory, recallIndex } from '../packages/nerva/src/memory/index.ts';
import { fileKeys, nodeWorld, openSqlite, sqliteIndex } from '../packages/nerva/src/node/index.ts';

const { values } = parseArgs({
  options: {
    entries: { type: 'string', default: '1000000' },
    folder: { type: 'string' },
    json: { type: 'boolean', default: false },
    child: { type: 'string' },
  },
});
const COUNT = Number(values.entries);
if (!Number.isSafeInteger(COUNT) || COUNT < 1_000) {
  console.error(`--entries takes a whole number of at least 1000; "${values.entries}" came.`);
  process.exit(2);
}
const SCOPE = 'bench';
const FRAME = 200;
const QUESTIONS = 400;
const SUBJECT = 'the-one';

// mulberry32, Tommy Ettinger, public domain.
function dice(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const SYLLABLES = 'ba ce di fo gu ha ke li mo nu pa re si to vu wa ze dra kli mor tan bel gos rin'.split(' ');
const VOCABULARY = Array.from({ length: 60_000 }, (_, at) => {
  let word = '';
  for (let rest = at + 600; rest > 0; rest = Math.floor(rest / SYLLABLES.length)) word += SYLLABLES[rest % SYLLABLES.length];
  return word;
});
const SUMS = new Float64Array(VOCABULARY.length);
for (let at = 0, sum = 0; at < SUMS.length; at++) SUMS[at] = sum += 1 / (at + 3);

function wordOf(roll) {
  const wanted = roll() * SUMS[SUMS.length - 1];
  let [low, high] = [0, SUMS.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (SUMS[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return VOCABULARY[low];
}

function textOf(at) {
  const roll = dice(at + 1);
  return Array.from({ length: 8 + Math.floor(roll() * 23) }, () => wordOf(roll)).join(' ');
}

function questionsOf(seed) {
  const roll = dice(seed);
  return Array.from({ length: QUESTIONS }, () => {
    const words = textOf(Math.floor(roll() * COUNT)).split(' ');
    const some = Array.from({ length: 2 + Math.floor(roll() * 3) }, () => words[Math.floor(roll() * words.length)]);
    return `What of ${[...some, wordOf(roll)].join(' and ')}?`;
  });
}

function commonOf(seed) {
  const roll = dice(seed);
  return Array.from({ length: QUESTIONS / 4 }, () => Array.from({ length: 4 }, () => VOCABULARY[Math.floor(roll() * 100)]).join(' '));
}

const round = (value, digits = 1) => Number(value.toFixed(digits));
const quantile = (list, share) => list.toSorted((one, other) => one - other)[Math.min(list.length - 1, Math.floor(share * list.length))];

/** Milliseconds of each call, the first tenth left out: a process that serves is warm. */
function timed(list, work) {
  const times = list.map((one) => {
    const startMs = performance.now();
    work(one);
    return performance.now() - startMs;
  });
  const warm = times.slice(list.length / 10);
  return { p50: round(quantile(warm, 0.5), 2), p99: round(quantile(warm, 0.99), 2) };
}

async function timedEach(list, work) {
  const times = [];
  for (const one of list) {
    const startMs = performance.now();
    await work(one);
    times.push(performance.now() - startMs);
  }
  return { p50: round(quantile(times, 0.5), 2), p99: round(quantile(times, 0.99), 2) };
}

const bytesOf = (folder) => readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
const rssMb = () => round(process.memoryUsage().rss / 1e6, 0);

async function stage(folder) {
  const world = nodeWorld();
  const keys = fileKeys(join(folder, 'keys'));
  const store = await openSqlite(join(folder, 'store.db'), {
    world,
    keys,
    limits: { eventsMax: 2 * COUNT + 10_000, bytesMax: 10_000_000_000 },
  });
  const index = sqliteIndex(join(folder, 'index'));
  const open = (more = {}) => openMemory({ store, world, scope: SCOPE, index, ...more });
  const close = async () => {
    index.close();
    await store.close();
    keys.close();
    await world.transport.close();
  };
  return { world, store, index, open, close };
}

async function fill({ store }) {
  await store.append({
    id: 'o',
    sid: `scope:${SCOPE}`,
    expected: 0,
    events: [{ type: 'scope.opened', data: { scope: SCOPE } }],
    then: { status: 'idle' },
  });
  const startMs = performance.now();
  for (let from = 0; from < COUNT; from += FRAME) {
    const events = Array.from({ length: Math.min(FRAME, COUNT - from) }, (_, at) => {
      const text = textOf(from + at);
      return {
        type: 'memory.recorded',
        data: { text, name: text.slice(0, 40), kind: 'note', tags: [], importance: 0.5, validMs: 1_700_000_000_000 + (from + at) * 60_000 },
      };
    });
    await store.append({ id: `f${from}`, sid: `scope:${SCOPE}`, expected: from + 1, events, then: { status: 'idle' } });
  }
  return performance.now() - startMs;
}

/** In a process of its own: opens what is there, and asks. */
async function child(folder) {
  const before = rssMb();
  const staged = await stage(folder);
  const startMs = performance.now();
  const memory = await staged.open();
  const openMs = performance.now() - startMs;
  const questions = timed(questionsOf(7), (query) => memory.recall(query));
  const common = timed(commonOf(8), (query) => memory.recall(query));
  console.log(JSON.stringify({ openMs: round(openMs), questions, common, rssMb: rssMb(), rssBeforeMb: before }));
  await staged.close();
}

function inProcess(folder) {
  const args = [
    '--conditions=nerva-source',
    '--no-warnings',
    fileURLToPath(import.meta.url),
    '--entries',
    String(COUNT),
    '--child',
    folder,
  ];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

async function measured(folder) {
  const staged = await stage(folder);
  const logMs = await fill(staged);
  let startMs = performance.now();
  await staged.open();
  const buildMs = performance.now() - startMs;
  await staged.close();
  const asked = inProcess(folder);
  const indexBytes = bytesOf(join(folder, 'index'));
  const again = await stage(folder);
  const memory = await again.open();
  const own = await again.open({ subject: SUBJECT });
  const list = Array.from({ length: 300 }, (_, at) => at);
  const remember = await timedEach(list, (at) => memory.remember(textOf(COUNT + at)));
  const some = memory.recall(questionsOf(9)[0], { limit: 10 });
  const supersede = await timedEach(some.slice(0, 5), ({ entry }) => memory.remember(`${entry.text} no more`, { supersedes: entry.id }));
  const forget = await timedEach(some.slice(5), ({ entry }) => memory.forget(entry.id));
  for (const at of list.slice(0, 100)) await own.remember(textOf(COUNT + 1_000 + at));
  await memory.refresh();
  await again.store.eraseSubject(SUBJECT);
  startMs = performance.now();
  await memory.refresh();
  const eraseMs = performance.now() - startMs;
  await again.close();
  rmSync(join(folder, 'index'), { recursive: true });
  const anew = await stage(folder);
  startMs = performance.now();
  await anew.open();
  const rebuildMs = performance.now() - startMs;
  await anew.close();
  return {
    entries: COUNT,
    logPerSecond: round(COUNT / (logMs / 1000), 0),
    indexPerSecond: round(COUNT / (buildMs / 1000), 0),
    rebuildS: round(rebuildMs / 1000),
    ...asked,
    remember,
    supersede,
    forget,
    erase100Ms: round(eraseMs),
    storeMb: round(statSync(join(folder, 'store.db')).size / 1e6),
    indexMb: round(indexBytes / 1e6),
  };
}

function bareFts5(folder) {
  const path = join(folder, 'bare.db');
  const db = new DatabaseSync(path);
  db.exec("pragma journal_mode=wal; pragma synchronous=normal; create virtual table t using fts5(x, tokenize = 'porter unicode61')");
  const add = db.prepare('insert into t(rowid, x) values (?, ?)');
  const startMs = performance.now();
  for (let from = 0; from < COUNT; from += 2_000) {
    db.exec('begin');
    for (let at = from; at < Math.min(COUNT, from + 2_000); at++) add.run(at + 1, textOf(at));
    db.exec('commit');
  }
  const buildMs = performance.now() - startMs;
  const find = db.prepare('select rowid, x from t where t match ? order by rank limit 10');
  const ask = (query) =>
    find.all(
      (query.match(/[a-z]+/gi) ?? [])
        .filter((word) => !/^(what|of|and)$/i.test(word))
        .map((word) => `"${word}"`)
        .join(' OR '),
    );
  const figures = { questions: timed(questionsOf(7), ask), common: timed(commonOf(8).slice(0, 40), ask) };
  db.close();
  return { indexPerSecond: round(COUNT / (buildMs / 1000), 0), ...figures, indexMb: round(statSync(path).size / 1e6) };
}

function inMemory() {
  if (COUNT > 100_000) return null;
  const before = rssMb();
  const index = recallIndex();
  const startMs = performance.now();
  for (let at = 0; at < COUNT; at++) index.add({ id: String(at), text: textOf(at) });
  const buildMs = performance.now() - startMs;
  const figures = {
    questions: timed(questionsOf(7), (query) => index.search(query)),
    common: timed(commonOf(8), (query) => index.search(query)),
  };
  return { indexPerSecond: round(COUNT / (buildMs / 1000), 0), ...figures, rssMb: rssMb() - before };
}

if (values.child !== undefined) await child(values.child);
else {
  const folder = mkdtempSync(join(values.folder ?? tmpdir(), 'nerva-scale-'));
  try {
    const report = { nerva: await measured(folder), bareFts5: bareFts5(folder), inMemory: inMemory() };
    console.log(values.json ? JSON.stringify(report) : JSON.stringify(report, null, 2));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
