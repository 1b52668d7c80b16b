import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAgent } from '../agent/index.ts';
import { tool, type Tool } from '../tool/index.ts';
import { explore, type Summary } from './explore.ts';
import { randomPlan, seconds, singles } from './plans.ts';
import { simModel } from './model.ts';
import { isDistinct } from './faults.ts';
import { runOnce } from './run.ts';
import type { Scenario } from './scenario.ts';

const scenarioWith = (look: Tool, name: string): Scenario => ({
  name,
  agents: () => [
    createAgent({
      name: 'looker',
      tools: [look],
      model: simModel({
        script: ({ messages }) => (messages.at(-1)?.role === 'tool' ? 'Seen.' : { calls: [{ name: 'look', input: {} }] }),
      }),
    }),
  ],
  steps: [{ type: 'send', atMs: 10, sid: 's1', text: '«s1» Look.' }],
});
const looking = scenarioWith(tool({ name: 'look', inputSchema: { type: 'object' }, effect: 'read', execute: () => 'seen' }), 'looking');

test('a run is its seed and its plan: the same twice, another for another seed', async () => {
  const { visits } = await runOnce(looking);
  const hashes = new Set<string>();
  for (let seed = 1; seed <= 30; seed++) {
    const faults = randomPlan(seed, visits);
    const first = await runOnce(looking, { seed, faults });
    const again = await runOnce(looking, { seed, faults, isTraced: true });
    assert.equal(again.hash, first.hash);
    assert.deepEqual(again.order, first.order);
    assert.deepEqual(again.logs, first.logs);
    hashes.add(first.hash);
  }
  assert.ok(hashes.size >= 29);
});

test('a search by seeds gives the same hash twice, and another for other seeds', async () => {
  const hashOf = async (from: number): Promise<number> => (await explore(looking, { type: 'seeds', count: 40, from })).hash;
  const first = await hashOf(1);
  assert.equal(await hashOf(1), first);
  assert.notEqual(await hashOf(100), first);
});

test('a search by seeds may take every third: the seeds that it names and no others', async () => {
  const seen: number[] = [];
  const noted: Scenario = {
    ...looking,
    steps: (seed) => (seen.push(seed), [{ type: 'send', atMs: 10, sid: 's1', text: '«s1» Look.' }]),
  };
  const { runs } = await explore(noted, { type: 'seeds', from: 5, count: 3, every: 3 }, { isTwice: false });
  assert.equal(runs, 3);
  assert.deepEqual(new Set(seen), new Set([1, 5, 8, 11]), 'and the undisturbed run of the plain machine');
});

test('runs that go on beside each other do not disturb each other', async () => {
  const seeds = [1, 2, 3, 4, 5, 6];
  const alone: string[] = [];
  for (const seed of seeds) alone.push((await runOnce(looking, { seed })).hash);
  const together = await Promise.all(seeds.map((seed) => runOnce(looking, { seed })));
  assert.deepEqual(
    together.map(({ hash }) => hash),
    alone,
  );
});

test('a tool that keeps something between runs is found: the same seed does not give the same bytes', async () => {
  let count = 0;
  const counting = tool({ name: 'look', inputSchema: { type: 'object' }, effect: 'read', execute: () => ({ count: count++ }) });
  const { failures } = await explore(scenarioWith(counting, 'counting'), { type: 'seeds', count: 3 });
  assert.equal(failures[0]?.invariant, 'same seed, same bytes');
  const single = await explore(scenarioWith(counting, 'counting'), { type: 'seeds', count: 3 }, { isTwice: false });
  assert.deepEqual(single.failures, [], 'who runs once cannot know');
});

test('an exhaustive search runs nothing, each fault and, if asked, each pair, and parts make the whole', async () => {
  const calm = await runOnce(looking);
  const expected = 1 + singles(calm).length;
  const options = { isTwice: false };
  assert.equal((await explore(looking, { type: 'exhaustive', pairs: false }, options)).runs, expected);
  let runs = 0;
  for (let part = 0; part < 3; part++) runs += (await explore(looking, { type: 'exhaustive', pairs: false, parts: 3, part }, options)).runs;
  assert.equal(runs, expected + 2, 'each part looks at the undisturbed run itself');
});

test('pairs are the seconds of each distinct fault', async () => {
  const options = { isTwice: false };
  const calm = await runOnce(looking);
  const all = singles(calm);
  const parts = all.length;
  for (const kind of ['store.slow', 'tool.slow'] as const) {
    const part = all.findLastIndex((fault) => fault.kind === kind);
    const first = await runOnce(looking, { faults: all.slice(part, part + 1) });
    const expected = 2 + (isDistinct(kind) ? seconds(first).length : 0);
    assert.equal((await explore(looking, { type: 'exhaustive', pairs: true, parts, part }, options)).runs, expected);
  }
  assert.deepEqual([isDistinct('store.slow'), isDistinct('tool.slow')], [true, false]);
});

test('a guided search breeds from what reached something new, by its seed alone', async () => {
  const guided = async (): Promise<readonly number[]> => {
    let left = 40;
    const { runs, hash, states } = await explore(looking, { type: 'guided', isOver: () => left-- <= 0 }, { isTwice: false });
    return [runs, hash, states.size];
  };
  const first = await guided();
  assert.equal(first[0], 40);
  assert.deepEqual(await guided(), first);
});

test('a search ends at as many different broken laws as it was told to', async () => {
  const broken: Scenario = {
    ...looking,
    invariants: [
      { name: 'law A', check: () => 'It never holds.' },
      { name: 'law B', check: () => 'Nor does this.' },
    ],
  };
  const { failures, runs } = await explore(broken, { type: 'seeds', count: 10 });
  assert.equal(runs, 1);
  assert.deepEqual(
    failures.map(({ invariant, report }) => [invariant, report.plan, report.seed]),
    [['law A', [], 1]],
  );
});

test('a search that is told to end while it makes a case small keeps the case as it is by then', async () => {
  const broken: Scenario = { ...looking, invariants: [{ name: 'law', check: () => 'It never holds.' }] };
  const told: Summary[] = [];
  const onRun = (summary: Summary): void => {
    if (told.push(summary) === 2) throw new Error('enough');
  };
  await assert.rejects(explore(broken, { type: 'seeds', from: 2, count: 10 }, { onRun }), /enough/);
  const { runs, failures } = told[0] ?? assert.fail('it was told of no run');
  assert.equal(runs, 1);
  assert.deepEqual(
    failures.map(({ invariant, runs: tried }) => [invariant, tried]),
    [['law', 1]],
  );
});

test('a search of short runs lets the event loop in, so that a Ctrl-C is heard', async () => {
  let turns = 0;
  let isOver = false;
  const turn = (): void => {
    turns++;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  const { runs, steps } = await explore(looking, { type: 'seeds', count: 100 });
  isOver = true;
  assert.ok(steps / runs < 200, 'each of them is shorter than the time between two turns');
  assert.ok(turns >= Math.floor((2 * steps) / 600), `${turns} turns of the event loop in ${2 * steps} events`);
});
