import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAgent } from '../agent/index.ts';
import type { LogEvent } from '../log/index.ts';
import { tool } from '../tool/index.ts';
import type { Fault, Plan } from './faults.ts';
import { simModel } from './model.ts';
import { runOnce } from './run.ts';
import type { Ended, Scenario, Step } from './scenario.ts';
import { shrink } from './shrink.ts';

const looking: Omit<Scenario, 'name' | 'steps'> = {
  agents: () => [
    createAgent({
      name: 'looker',
      tools: [tool({ name: 'look', inputSchema: { type: 'object' }, effect: 'read', execute: () => 'seen' })],
      model: simModel({
        script: ({ messages }) => (messages.at(-1)?.role === 'tool' ? 'Seen.' : { calls: [{ name: 'look', input: {} }] }),
      }),
    }),
  ],
};
const send = (n: number): Step => ({ type: 'send', atMs: 10 + n * 100_000, sid: `s${n}`, text: `«s${n}» Look.` });

const eventsIn = ({ logs }: Ended): readonly LogEvent[] => [...logs.values()].flat();
const wasTurnedDown = (ended: Ended): boolean => eventsIn(ended).some(({ type }) => type === 'tool.failed');
const wasInterrupted = (ended: Ended): boolean => eventsIn(ended).some(({ data }) => data['text'] === '«s0» And another thing.');

const GUILTY: readonly [Fault, Fault] = [
  { point: 'tool.look', kind: 'tool.not-done', occurrence: 2 },
  { point: 'store.append', kind: 'people.queue', occurrence: 1 },
];
const INNOCENT: Plan = [
  { point: 'store.append', kind: 'store.slow', occurrence: 1 },
  { point: 'store.append', kind: 'clock.leap', occurrence: 2 },
  { point: 'store.append', kind: 'store.slow', occurrence: 3 },
  { point: 'blobs.put', kind: 'store.slow', occurrence: 1 },
];

/** Breaks its law where both things happened. */
const both: Scenario = {
  ...looking,
  name: 'both',
  steps: [send(0)],
  invariants: [{ name: 'not both', check: (ended) => (wasTurnedDown(ended) && wasInterrupted(ended) ? 'Both happened.' : null) }],
};

test('a law that two faults of six break together is shrunk to exactly those two', async () => {
  const [turnedDown, interrupted] = GUILTY;
  const plan = [INNOCENT[0], turnedDown, INNOCENT[1], INNOCENT[2], interrupted, INNOCENT[3]] as Plan;
  const failing = await runOnce(both, { faults: plan });
  assert.deepEqual(
    failing.violations.map(({ invariant }) => invariant),
    ['not both'],
  );
  const { report } = await shrink(both, failing);
  assert.deepEqual(report.plan, GUILTY);
  assert.equal(report.violations[0]?.invariant, 'not both');
});

test('neither of the two is enough alone', async () => {
  for (const fault of GUILTY) assert.deepEqual((await runOnce(both, { faults: [fault, ...INNOCENT] })).violations, []);
});

test('steps that are not needed are left out, and what is returned fails again as it says', async () => {
  const busy: Scenario = {
    ...looking,
    name: 'busy',
    steps: Array.from({ length: 6 }, (_, n) => send(n)),
    invariants: [{ name: 'not s2 and s4', check: ({ logs }) => (logs.has('s2') && logs.has('s4') ? 'Both are there.' : null) }],
  };
  const small = await shrink(busy, await runOnce(busy, { seed: 3, faults: INNOCENT }));
  assert.deepEqual(small.scenario.steps, [send(2), send(4)]);
  assert.deepEqual(small.report.plan, [], 'a law that needs no fault is shown without any');
  assert.equal(small.report.seed, 1, 'nor another machine than the plain one');
  const again = await runOnce(small.scenario, { seed: small.report.seed, faults: small.report.plan });
  assert.equal(again.hash, small.report.hash);
  assert.deepEqual(again.violations, small.report.violations);
});

test('steps that the seed chooses are shrunk as those of that seed', async () => {
  const chosen: Scenario = {
    ...looking,
    name: 'chosen',
    steps: (seed) => [send(seed), send(seed + 1)],
    invariants: [{ name: 'no s5', check: ({ logs }) => (logs.has('s5') ? 'It is there.' : null) }],
  };
  const { scenario } = await shrink(chosen, await runOnce(chosen, { seed: 4 }));
  assert.deepEqual(scenario.steps, [send(5)]);
});

test('another law that breaks on the way is not taken for the one that was found', async () => {
  const two: Scenario = {
    ...both,
    name: 'two',
    invariants: [
      ...(both.invariants ?? []),
      // What is left when one of the two faults is taken away breaks this one.
      { name: 'not one alone', check: (ended) => (wasTurnedDown(ended) !== wasInterrupted(ended) ? 'One happened.' : null) },
    ],
  };
  const { report } = await shrink(two, await runOnce(two, { faults: [...GUILTY, ...INNOCENT] }));
  assert.deepEqual(report.plan, GUILTY);
  assert.deepEqual(
    report.violations.map(({ invariant }) => invariant),
    ['not both'],
  );
});

test('a fault that only puts off the one that breaks is left out, and the other strikes as much earlier', async () => {
  const scenario: Scenario = {
    ...looking,
    name: 'twice',
    steps: [send(0)],
    invariants: [
      {
        name: 'once',
        check: (ended) => (eventsIn(ended).some(({ data }) => data['again'] !== undefined) ? 'A call was made again.' : null),
      },
    ],
  };
  const putOff: Fault = { point: 'model.call', kind: 'model.unavailable', occurrence: 1 };
  const breaking = (occurrence: number): Fault => ({ point: 'store.append', kind: 'store.unsynced', occurrence });
  assert.deepEqual((await runOnce(scenario, { faults: [breaking(5)] })).violations, []);
  const failing = await runOnce(scenario, { faults: [putOff, breaking(5)] });
  assert.deepEqual(
    failing.violations.map(({ invariant }) => invariant),
    ['once'],
  );
  assert.deepEqual((await shrink(scenario, failing)).report.plan, [breaking(3)]);
});
