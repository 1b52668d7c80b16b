import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diceOf } from './dice.ts';
import { isDistinct, kindsAt, type Plan } from './faults.ts';
import { mutated, randomPlan, seconds, singles } from './plans.ts';

const VISITS = { 'store.append': 4, 'model.call': 2, 'tool.pay': 1, 'snapshots.put': 3 };
const count = (point: string): number => kindsAt(point).length;

test('the singles are every kind at every visit, each once', () => {
  const all = singles({ visits: VISITS });
  assert.equal(all.length, 4 * count('store.append') + 2 * count('model.call') + count('tool.pay'));
  assert.equal(new Set(all.map((fault) => JSON.stringify(fault))).size, all.length);
  for (const { point, kind, occurrence } of all) {
    assert.ok(kindsAt(point).includes(kind));
    assert.ok(occurrence >= 1 && occurrence <= (VISITS[point as 'store.append'] ?? 0));
  }
});

test('the pairs of two places are every unordered pair of kinds, each once', () => {
  const order = ['store.append', 'model.call', 'tool.pay', 'store.append'];
  const visits = { 'store.append': 2, 'model.call': 1, 'tool.pay': 1 };
  const firsts = singles({ visits }).filter(({ kind }) => isDistinct(kind));
  const pairs = firsts.flatMap((first) => seconds({ plan: [first], order }));
  const key = (plan: Plan): string =>
    plan
      .map(({ point, kind, occurrence }) => `${point}#${occurrence} ${kind}`)
      .sort()
      .join(' + ');
  assert.equal(new Set(pairs.map(key)).size, pairs.length, 'no pair twice');
  // With the same order of visits in each run these are all sets of two.
  assert.equal(pairs.length, (firsts.length * (firsts.length - 1)) / 2);
});

test('a second fault strikes at the first one’s visit or later', () => {
  const order = ['store.append', 'model.call', 'store.append', 'store.append'];
  const plans = seconds({ plan: [{ point: 'store.append', kind: 'store.error', occurrence: 2 }], order });
  assert.ok(plans.length > 0);
  for (const plan of plans) {
    const second = plan[1];
    assert.equal(plan.length, 2);
    assert.ok(second?.point === 'store.append' && second.occurrence >= 2, JSON.stringify(second));
  }
  assert.deepEqual(seconds({ plan: [], order }), []);
});

test('the plan of a seed is the same whenever it is asked for, and seeds differ', () => {
  const plans = Array.from({ length: 300 }, (_, seed) => randomPlan(seed, VISITS));
  const again = Array.from({ length: 300 }, (_, seed) => randomPlan(299 - seed, VISITS)).reverse();
  assert.deepEqual(again, plans);
  assert.ok(new Set(plans.map((plan) => JSON.stringify(plan))).size > 250);
});

test('any random plan holds up to six faults that can happen, and together they know every kind', () => {
  const kinds = new Set<string>();
  for (let seed = 0; seed < 2_000; seed++) {
    const plan = randomPlan(seed, VISITS);
    assert.ok(plan.length <= 6);
    for (const { point, kind, occurrence } of plan) {
      kinds.add(kind);
      assert.ok(point in VISITS && kindsAt(point).includes(kind));
      assert.ok(Number.isInteger(occurrence) && occurrence >= 1);
    }
  }
  const possible = new Set(Object.keys(VISITS).flatMap((point) => kindsAt(point)));
  assert.deepEqual(kinds, possible);
});

test('where nothing can be struck the plan is empty', () => {
  assert.deepEqual(randomPlan(1, {}), []);
  assert.deepEqual(randomPlan(1, { 'snapshots.put': 5 }), []);
});

test('a neighbour differs by one fault, and all four ways to differ come up', () => {
  const plan: Plan = [
    { point: 'model.call', kind: 'model.reset', occurrence: 2 },
    { point: 'tool.pay', kind: 'tool.hang', occurrence: 1 },
  ];
  const lengths = new Set<number>();
  for (let seed = 0; seed < 300; seed++) {
    const next = mutated(plan, diceOf(seed, 'mutate'), VISITS);
    lengths.add(next.length);
    const kept = plan.filter((fault) => next.some((other) => JSON.stringify(other) === JSON.stringify(fault)));
    assert.ok(kept.length >= 1, JSON.stringify(next));
    for (const { point, kind, occurrence } of next) assert.ok(kindsAt(point).includes(kind) && occurrence >= 1);
  }
  assert.deepEqual(
    [...lengths].sort((a, b) => a - b),
    [1, 2, 3],
  );
});
