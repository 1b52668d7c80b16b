import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAgent } from '../agent/index.ts';
import type { LogEvent } from '../log/index.ts';
import { fromFunction } from '../policy/index.ts';
import { stepLine } from './case-text.ts';
import { diceOf } from './dice.ts';
import type { Plan } from './faults.ts';
import { simModel } from './model.ts';
import { runOnce } from './run.ts';
import type { Scenario } from './scenario.ts';
import { START_MS } from './trace.ts';

test('something that is awaited and never comes is «eventually quiet»', async () => {
  const forgetful = fromFunction('forgetful', () => new Promise(() => undefined));
  const { violations } = await runOnce({
    name: 'lost wake-up',
    agents: () => [createAgent({ name: 'waiter', policy: forgetful, model: simModel() })],
    steps: [{ type: 'send', atMs: 10, sid: 's1', text: 'Hello.' }],
  });
  assert.deepEqual(
    violations.map(({ invariant }) => invariant),
    ['eventually quiet'],
  );
  assert.match(violations[0]?.message ?? '', /nothing more can happen.*Open turns: s1/);
});

test('a run that goes on and on, or takes longer than its limit, is «eventually quiet» too', async () => {
  const talker: Scenario = {
    name: 'talker',
    agents: () => [createAgent({ name: 'talker', model: simModel({ script: () => 'Hello.' }) })],
    steps: Array.from({ length: 20 }, (_, n) => ({ type: 'send', atMs: n * 3_600_000, sid: 's1', text: 'Hello.' })),
  };
  for (const [limits, says] of [
    [{ eventsMax: 20 }, /goes on and on/],
    [{ simulatedMs: 3_600_000 }, /longer than any limit/],
  ] as const) {
    const { violations } = await runOnce(talker, limits);
    assert.equal(violations[0]?.invariant, 'eventually quiet');
    assert.match(violations[0]?.message ?? '', says);
  }
  assert.deepEqual((await runOnce(talker)).violations, []);
});

test('a step stops the newest process, in peace or at once, and a message is told to the one it names', async () => {
  for (const type of ['crash', 'restart'] as const) {
    const { lines, violations, visits } = await runOnce(
      {
        name: 'stopped',
        agents: () => [createAgent({ name: 'talker', model: simModel({ script: () => 'Hello.' }) })],
        steps: [
          { type, atMs: 10 },
          { type, atMs: 20 },
          { type: 'send', atMs: 60_000, sid: 's1', text: 'Hello.', process: 0 },
          { type: 'send', atMs: 120_000, sid: 's2', text: 'Hello.' },
        ],
        processes: 2,
      },
      { isTraced: true },
    );
    assert.deepEqual(violations, []);
    // Another pair is started only when both are gone.
    assert.equal(visits['process.start'], 4);
    const written = lines.filter((line) => line.includes('store.append p')).map((line) => line.at(-1));
    assert.deepEqual([...new Set(written)], ['2', '3'], lines.join('\n'));
    assert.equal(stepLine({ type, atMs: 10 }), `10 ms: ${type} the newest process`);
  }
  assert.equal(stepLine({ type: 'send', atMs: 1, sid: 's1', text: 'x', process: 0 }), '1 ms: send to s1 at process 0: "x"');
});

test('two bytes that change on the disk of two processes are both put back', async () => {
  const { violations, fired } = await runOnce(
    {
      name: 'twice corrupt',
      agents: () => [createAgent({ name: 'clerk', model: simModel({ script: () => 'Noted.' }) })],
      steps: [10, 60_000].map((atMs) => ({ type: 'send', atMs, sid: 's1', text: 'Hello.' })),
    },
    {
      faults: [
        { point: 'store.append', kind: 'process.anarchy', occurrence: 1 },
        { point: 'store.append', kind: 'store.corrupt', occurrence: 2 },
        { point: 'store.append', kind: 'store.corrupt', occurrence: 4 },
      ],
    },
  );
  assert.equal(fired['store.corrupt'], 2);
  assert.deepEqual(violations, []);
});

const DURING = 40;
const AFTER = 10;
const BETWEEN_MS = 120_000;
/** A send that is accepted makes two appends, one that is refused one: these are used up before the last of them. */
const STRUCK = 2 * DURING;
/** A caller that was refused comes again after a second. */
const FIRST_TRY_MS = 900;

const counter: Scenario = {
  name: 'counter',
  agents: () => [createAgent({ name: 'clerk', model: simModel({ script: () => 'Noted.' }) })],
  steps: Array.from({ length: DURING + AFTER }, (_, n) => ({
    type: 'send',
    atMs: 1_000 + n * BETWEEN_MS,
    sid: `s${n}`,
    text: `Note ${n}.`,
  })),
};

/** Half of the appends fail. */
function halfOf(seed: number): Plan {
  const dice = diceOf(seed, 'half of the appends');
  return Array.from({ length: STRUCK }, (_, index) => index + 1)
    .filter(() => dice.chance(0.5))
    .map((occurrence) => ({ point: 'store.append', kind: 'store.error', occurrence }));
}

/** How long each message took from when it was sent to its answer. */
function answerMs(logs: ReadonlyMap<string, readonly LogEvent[]>): readonly number[] {
  return Array.from(
    { length: DURING + AFTER },
    (_, n) => (logs.get(`s${n}`)?.at(-1)?.atMs ?? Infinity) - START_MS - (1_000 + n * BETWEEN_MS),
  );
}

const meanOf = (all: readonly number[]): number => all.reduce((sum, one) => sum + one, 0) / all.length;

test('while half of the appends fail at least 45 % of sends are accepted at the first try and all in the end; after that each at once', async (t) => {
  let firstTries = 0;
  let struck = 0;
  let [slowest, widest] = [0, 0];
  const seeds = Array.from({ length: 20 }, (_, index) => index + 1);
  for (const seed of seeds) {
    const { logs, violations, fired, visits } = await runOnce(counter, { seed, faults: halfOf(seed) });
    assert.deepEqual(violations, [], `seed ${seed}`);
    assert.ok((visits['store.append'] ?? 0) > STRUCK, 'the faults are over before the end');
    struck += fired['store.error'] ?? 0;
    const took = answerMs(logs).slice(0, DURING);
    const sorted = took.toSorted((one, other) => one - other);
    const calm = answerMs((await runOnce(counter, { seed })).logs).slice(0, DURING);
    slowest = Math.max(slowest, meanOf(took) / meanOf(calm));
    widest = Math.max(widest, (sorted.at(-1) ?? Infinity) / (sorted[DURING / 2] ?? 0));
    const waits = Array.from({ length: DURING + AFTER }, (_, n) => {
      const log: readonly LogEvent[] = logs.get(`s${n}`) ?? [];
      assert.equal(log.at(-1)?.data['reason'], 'answer', `seed ${seed}: s${n} was answered`);
      const received = log.find(({ type }) => type === 'message.received');
      return (received?.atMs ?? Infinity) - START_MS - (1_000 + n * BETWEEN_MS);
    });
    firstTries += waits.slice(0, DURING).filter((ms) => ms < FIRST_TRY_MS).length;
    for (const ms of waits.slice(DURING))
      assert.ok(ms < FIRST_TRY_MS, `seed ${seed}: accepted after ${ms} ms, though nothing failed any more`);
  }
  assert.ok(struck > 0.4 * STRUCK * seeds.length, `${struck} appends failed`);
  const share = firstTries / (DURING * seeds.length);
  assert.ok(share >= 0.45, `${Math.round(share * 100)} % were accepted at the first try`);
  t.diagnostic(
    `of ${seeds.length} seeds the worst: an answer took ${slowest.toFixed(2)} times as long as undisturbed, the slowest ${widest.toFixed(2)} times the median`,
  );
});
