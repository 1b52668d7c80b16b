import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scriptedModel } from '../model/index.ts';
import { testWorld } from '../testing/index.ts';
import { modelRewriter, needsDeep, variationsOf, type Rewriter } from './deep.ts';

const world = testWorld();

test('a question needs other words by a whole word of it, never by a part of one', () => {
  for (const query of ['How is she?', 'yesterday', 'Something SIMILAR', 'what’s new', 'all regarding Graz', 'the week in Oslo'])
    assert.ok(needsDeep(query), query);
  for (const query of ['show the list', 'likely late', 'somewhat whole', 'Graz', 'weekly report', 'a whoop', '', 'unlinked'])
    assert.ok(!needsDeep(query), query);
});

/** Words of the four kinds: what asks, relates, tells a time, or compares. */
const DEEP_WORDS =
  `who what when where why how related about regarding involving connected yesterday today last recent before after week month year
similar like connections associated linked`.split(/\s+/);

test('each word of a question that may need other words is one by itself, in capitals too, and none within another word', () => {
  assert.equal(DEEP_WORDS.length, 25);
  for (const word of DEEP_WORDS) {
    for (const query of [`Graz ${word} tea`, `${word.toUpperCase()}?`, `(${word})`]) assert.ok(needsDeep(query), query);
    for (const query of [`Graz x${word} tea`, `${word}ly`, `un${word}x`]) assert.ok(!needsDeep(query), query);
  }
});

test('variations are the question and what was made of it, each once, three at most', async () => {
  const from = (made: unknown): Promise<readonly string[]> => variationsOf('q', (() => Promise.resolve(made)) as Rewriter, { world });
  assert.deepEqual(await from(['a', 'b', 'c']), ['q', 'a', 'b']);
  assert.deepEqual(await from([' a ', 'q', '', 'a', 'c']), ['q', 'a', 'c']);
  for (const made of [null, undefined, 'a', { queries: ['a'] }, ['a', 5], ['x'.repeat(501)], [], [null]])
    assert.deepEqual(await from(made), ['q'], JSON.stringify(made));
  assert.deepEqual(await variationsOf('q', () => Promise.reject(new Error('down')), { world }), ['q']);
  const signal = AbortSignal.abort();
  await assert.rejects(
    variationsOf('q', () => Promise.reject(new Error('stopped')), { world, signal }),
    /stopped/,
  );
});

test('a model says a question in other words; what is no such answer is none', async () => {
  const good = scriptedModel(['{"queries": ["Ada home", "Ada address"]}']);
  assert.deepEqual(await variationsOf('Where does Ada live?', modelRewriter(good), { world }), [
    'Where does Ada live?',
    'Ada home',
    'Ada address',
  ]);
  assert.deepEqual(good.requests[0]?.messages.at(-1)?.parts, [{ type: 'text', text: 'Where does Ada live?' }]);
  const bad = scriptedModel([
    'no JSON',
    '[]',
    'null',
    '{"queries": "x"}',
    '{"queries": [1]}',
    { calls: [{ name: 'x', input: {} }] },
    { error: { code: 'MODEL_UNAVAILABLE', message: 'down' } },
  ]);
  for (let n = 0; n < 7; n++) assert.deepEqual(await variationsOf('q', modelRewriter(bad), { world }), ['q'], String(n));
  assert.equal(bad.callCount, 7);
});
