#!/usr/bin/env node
// npm run -s bench:memory -- FILE.jsonl [--conversations 4-5] [--json] [--ablate]
// How often the memory finds what answers a question, without a model: for each question of each conversation its turns are ranked, and
// recall@k is the share of the evidence among the first k, averaged over questions; `session` the same with sessions in place of turns.
// A line of FILE is {id, speakers, sessions: [{n, at}], turns: [[session, id, speaker, text, caption?], …], qa: [{q, cat, ev: [turn, …]}]}.
// Without `sessions`, or without a time, nothing is dated; evidence is a turn's place or its id; a question without any is not counted.
// Beside it SQLite's FTS5 and MiniSearch in the same run, each with the same terms (stems, no stop words) as well as by itself.
// It does not measure: whether an answer would be right, or embeddings. Exit 2 when the file cannot be read as that.
import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import MiniSearch from 'minisearch';
import { recallIndex } from '../packages/nerva/src/memory/index.ts';
import { terms } from '../packages/nerva/src/memory/words.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { conversations: { type: 'string' }, json: { type: 'boolean', default: false }, ablate: { type: 'boolean', default: false } },
});
const DEPTH = 50;

/** Conversations of the files, or exit 2 with the line that is not one. */
function read() {
  const lines = positionals.flatMap((file) => {
    try {
      return readFileSync(file, 'utf8')
        .split('\n')
        .map((line, at) => ({ line, where: `${file}:${at + 1}` }));
    } catch (error) {
      return refuse(`${file} cannot be read: ${error.message}`);
    }
  });
  const all = lines.filter(({ line }) => line.trim() !== '').map(({ line, where }) => conversation(line, where));
  if (all.length === 0)
    refuse('No conversation came. Usage: npm run -s bench:memory -- FILE.jsonl [--conversations 4-5] [--json] [--ablate]');
  const [from = 1, to = from] = values.conversations?.split('-').map(Number) ?? [1, all.length];
  return all.slice(from - 1, to);
}

function conversation(line, where) {
  try {
    const { turns, sessions, qa } = JSON.parse(line);
    if (!Array.isArray(turns) || !turns.every(Array.isArray) || !Array.isArray(qa))
      refuse(`${where} is no conversation: {sessions, turns, qa} was expected.`);
    const byId = new Map(turns.map(([, id], at) => [id, at]));
    const placeOf = (turn) => (Number.isInteger(turn) && turn in turns ? turn : byId.get(turn));
    const asked = qa
      .map(({ q, cat, ev }) => ({
        q,
        cat,
        ev: [ev ?? []]
          .flat()
          .map(placeOf)
          .filter((place) => place !== undefined),
      }))
      .filter(({ q, ev }) => typeof q === 'string' && ev.length > 0);
    return { turns, atMs: [sessions ?? []].flat().map((session) => timeOf(session?.at)), qa: asked };
  } catch (error) {
    return refuse(`${where} is no JSON: ${error.message}`);
  }
}

function refuse(message) {
  console.error(message);
  process.exit(2);
}

/** `1:56 pm on 8 May, 2023`, or whatever Date reads, or ms since 1970; undefined when none of them. */
function timeOf(text) {
  if (Number.isFinite(text)) return text;
  const [, hour, minute, half, date] = /^(\d+):(\d+) (am|pm) on (.*)$/.exec(text) ?? [];
  const atMs = Date.parse(date === undefined ? text : `${date.replace(',', '')} ${(hour % 12) + (half === 'pm' ? 12 : 0)}:${minute} UTC`);
  return Number.isNaN(atMs) ? undefined : atMs;
}

const textOf = ([, , , text, caption]) => [text, caption].filter((part) => typeof part === 'string').join(' ');

/** Each takes a conversation and gives a search: turns by number, best first. */
const nerva = (shares) => (talk) => {
  const index = recallIndex({ kind: 'conversation', ...(shares === undefined ? {} : { shares }) });
  for (const [at, turn] of talk.turns.entries()) {
    const atMs = talk.atMs[turn[0]];
    index.add({
      id: String(at),
      text: textOf(turn),
      author: String(turn[2] ?? ''),
      group: String(turn[0]),
      ...(atMs === undefined ? {} : { atMs }),
    });
  }
  return (query) => index.search(query, { limit: DEPTH }).map(({ id }) => Number(id));
};

const fts5 = (tokenizer, wordsOf) => (talk) => {
  const db = new DatabaseSync(':memory:');
  db.exec(`CREATE VIRTUAL TABLE t USING fts5(x, tokenize = '${tokenizer}')`);
  const add = db.prepare('INSERT INTO t(rowid, x) VALUES (?, ?)');
  db.exec('BEGIN');
  for (const [at, turn] of talk.turns.entries()) add.run(at + 1, wordsOf(textOf(turn)).join(' '));
  db.exec('COMMIT');
  const find = db.prepare(`SELECT rowid FROM t WHERE t MATCH ? ORDER BY rank LIMIT ${DEPTH}`);
  return (query) => {
    const asked = [...new Set(wordsOf(query))];
    return asked.length === 0 ? [] : find.all(asked.map((word) => `"${word}"`).join(' OR ')).map(({ rowid }) => rowid - 1);
  };
};

const miniSearch = (wordsOf) => (talk) => {
  const index = new MiniSearch({ fields: ['x'], ...(wordsOf === undefined ? {} : { tokenize: wordsOf, processTerm: (term) => term }) });
  index.addAll(talk.turns.map((turn, id) => ({ id, x: textOf(turn) })));
  return (query) =>
    index
      .search(query)
      .slice(0, DEPTH)
      .map(({ id }) => id);
};

const plain = (text) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

/** @returns the figures of one system over all conversations. */
function measured(talks, made) {
  const sums = { r1: 0, r5: 0, r10: 0, r25: 0, mrr: 0, sessionR5: 0, sessionR10: 0 };
  const times = [];
  const built = [];
  const byCategory = {};
  for (const talk of talks) {
    const startMs = performance.now();
    const search = made(talk);
    built.push(performance.now() - startMs);
    for (const { q, cat, ev } of talk.qa) {
      const askedMs = performance.now();
      const found = search(q);
      times.push((performance.now() - askedMs) * 1_000);
      const share = (list, wanted, k) => wanted.filter((one) => list.slice(0, k).includes(one)).length / wanted.length;
      const evidence = [...new Set(ev)];
      for (const k of [1, 5, 10, 25]) sums[`r${k}`] += share(found, evidence, k);
      const first = found.findIndex((turn) => evidence.includes(turn));
      sums.mrr += first < 0 ? 0 : 1 / (first + 1);
      const sessionOf = (turn) => talk.turns[turn][0];
      const [sessions, wanted] = [[...new Set(found.map(sessionOf))], [...new Set(evidence.map(sessionOf))]];
      for (const k of [5, 10]) sums[`sessionR${k}`] += share(sessions, wanted, k);
      const category = (byCategory[cat ?? '-'] ??= { sum: 0, count: 0 });
      category.sum += share(found, evidence, 10);
      category.count++;
    }
  }
  const figures = Object.fromEntries(
    Object.entries(sums).map(([name, sum]) => [name, round((name === 'mrr' ? 1 : 100) * (sum / times.length), name === 'mrr' ? 3 : 1)]),
  );
  const r10ByCategory = Object.fromEntries(
    Object.entries(byCategory).map(([name, { sum, count }]) => [name, round((100 * sum) / count, 1)]),
  );
  return { ...figures, queryUs: round(median(times), 0), indexMs: round(median(built), 1), questions: times.length, r10ByCategory };
}

/** null when there was nothing to measure. */
const round = (value, digits) => (Number.isFinite(value) ? Number(value.toFixed(digits)) : null);
const median = (list) => list.toSorted((one, other) => one - other)[list.length >> 1];

const talks = read();
measured(talks.slice(0, 2), nerva()); // warm, as a process that serves is
const own = measured(talks, nerva());
const beside = {
  'FTS5, unicode61': measured(talks, fts5('unicode61', plain)),
  'FTS5, our terms': measured(talks, fts5('unicode61', terms)),
  MiniSearch: measured(talks, miniSearch()),
  'MiniSearch, our terms': measured(talks, miniSearch(terms)),
};
const FEATURES = {
  near: ['near'],
  group: ['group'],
  date: ['date'],
  author: ['author'],
  user: ['user'],
  time: ['time'],
  tells: ['tells'],
  kin: ['kin'],
  alike: ['alike'],
  neighbours: ['asked', 'before', 'secondBefore', 'thirdBefore', 'behind'],
};
const without = values.ablate
  ? Object.fromEntries(
      Object.entries(FEATURES).map(([name, list]) => [name, measured(talks, nerva(Object.fromEntries(list.map((one) => [one, 0]))))]),
    )
  : {};

if (values.json) console.log(JSON.stringify({ ...own, beside, ...(values.ablate ? { without } : {}) }));
else {
  const columns = ['r1', 'r5', 'r10', 'r25', 'mrr', 'sessionR5', 'sessionR10', 'queryUs', 'indexMs'];
  const row = (name, figures) => `| ${name} | ${columns.map((column) => figures[column]).join(' | ')} |`;
  console.log(`${talks.length} conversations, ${own.questions} questions; recall in percent, medians of times\n`);
  console.log(`| | ${columns.join(' | ')} |\n|---|${columns.map(() => '--:').join('|')}|`);
  console.log(row('nerva', own));
  for (const [name, figures] of Object.entries(beside)) console.log(row(name, figures));
  for (const [name, figures] of Object.entries(without)) console.log(row(`nerva without ${name}`, figures));
}
