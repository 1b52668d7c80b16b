import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createRuntime, EVENTS, REDUCER_VERSION } from '../../packages/nerva/src/agent/index.ts';
import { eventsOf } from '../../packages/nerva/src/log/index.ts';
import { testWorld } from '../../packages/nerva/src/testing/index.ts';
import { folder, foldedNow, framesOf, recorded, type Expected } from './golden.ts';
import { GOLDENS } from './sessions.ts';

const releases = readdirSync(new URL('./', import.meta.url)).filter((one) => /^\d+\.\d+$/.test(one));
const goldens = releases.flatMap((release) => readdirSync(folder(release)).filter((file) => file.endsWith('.jsonl')).map((file) => ({ release, name: file.slice(0, -'.jsonl'.length) })));
const expectedOf = (release: string, name: string) => JSON.parse(readFileSync(new URL(`${name}.json`, folder(release)), 'utf8')) as Expected;

test('every session of the goldens has a log, and every log is of one of them', () => {
  assert.deepEqual([...new Set(goldens.map(({ name }) => name))].sort(), Object.keys(GOLDENS).sort());
});

test('the goldens hold every event type that an agent writes', () => {
  const seen = new Set(goldens.flatMap(({ release, name }) => framesOf(new URL(`${name}.jsonl`, folder(release))).flatMap(eventsOf).map(({ type }) => type)));
  assert.deepEqual(Object.keys(EVENTS).filter((type) => !seen.has(type)), []);
});

for (const { release, name } of goldens) {
  const frames = framesOf(new URL(`${name}.jsonl`, folder(release)));
  const expected = expectedOf(release, name);

  test(`the log ${release}/${name} folds to what was recorded`, async () => {
    const { events, outcome, digest } = await foldedNow(frames, expected.sid);
    assert.equal(events, expected.events);
    assert.deepEqual(outcome, expected.outcome, 'An old log came to another outcome: that breaks what users stored.');
    const known = expected.states[REDUCER_VERSION];
    assert.ok(known !== undefined, `No state of ${name} is recorded under reducer version ${REDUCER_VERSION}: run tests/golden/write.ts.`);
    assert.equal(digest, known, `${name} folds to another state under the unchanged reducer version ${REDUCER_VERSION}: snapshots of it would be wrong. Raise REDUCER_VERSION in agent/fold.ts, then run tests/golden/write.ts.`);
  });

  test(`the log ${release}/${name} is decided again without divergence`, async () => {
    const agent = GOLDENS[name]?.agent();
    assert.ok(agent !== undefined);
    const runtime = createRuntime({ store: recorded(frames, expected.sid), world: testWorld(), agents: [agent] });
    const report = await runtime.session(expected.sid).replay();
    assert.equal(report.divergence, null);
    assert.ok(report.decisions > 0 && report.events === expected.events);
  });
}
