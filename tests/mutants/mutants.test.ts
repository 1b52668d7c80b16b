import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { hunt, huntSound } from './hunt.ts';
import { MUTANTS, planted } from './mutants.ts';
import { ROOT } from './sandbox.ts';

/** Found without a fault or by a case that ever failed: the whole table is `npm run -s test:mutants`. */
const SAMPLE = ['created-twice', 'effect-before-intent', 'irreversible-repeated', 'denied-is-granted', 'key-of-session'];
/** Enough for every scenario without a fault, every case that ever failed and some of the single faults. */
const SOUND_MS = 10_000;
/** Small scenarios once, large ones under three seeds. */
const CALM_RUNS = 100;

test('each planted bug still fits the sources, and no two are the same', () => {
  for (const mutant of MUTANTS) planted(mutant, readFileSync(path.join(ROOT, 'packages/nerva/src', mutant.file), 'utf8'));
  assert.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length);
  assert.ok(MUTANTS.length >= 25);
});

test('planted bugs are found, each with at most three faults', async () => {
  const chosen = MUTANTS.filter(({ name }) => SAMPLE.includes(name));
  assert.equal(chosen.length, SAMPLE.length);
  for (const { mutant, found } of await hunt(chosen, { budgetMs: 50_000, workers: 2 })) {
    assert.ok(found.isFound, `${mutant.name} was not found`);
    assert.ok(found.plan.length <= 3, `${mutant.name} needs ${found.plan.length} faults`);
  }
});

test('the same search finds nothing in the sources as they are', async () => {
  const found = await huntSound(SOUND_MS);
  assert.ok(!found.isFound, JSON.stringify(found));
  assert.ok(found.runs > CALM_RUNS, found.why);
});
