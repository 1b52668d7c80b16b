import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { similarity, sketchOf, Sketches } from './near.ts';

const text = (from: number, count: number): string => Array.from({ length: count }, (_, index) => `word${from + index}`).join(' ');

/** How much of the runs of five words of either are in both. */
function jaccard(one: string, other: string): number {
  const runs = (from: string): Set<string> => {
    const words = from.split(' ');
    return new Set(words.map((_, at) => words.slice(at, at + 5).join(' ')).slice(0, Math.max(1, words.length - 4)));
  };
  const [a, b] = [runs(one), runs(other)];
  const both = Array.from(a).filter((run) => b.has(run)).length;
  return both / (a.size + b.size - both);
}

test('any two texts have sketches about as alike as the texts are', () =>
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 600 }), fc.integer({ min: 0, max: 600 }), (count, shift) => {
      const [one, other] = [text(0, count), text(shift, count)];
      const [told, is] = [similarity(sketchOf(one), sketchOf(other)), jaccard(one, other)];
      assert(Math.abs(told - is) < 0.17, `${told} told, ${is} is`);
    }),
    { numRuns: 60 },
  ));

test('the nearest is found among many, when it is near enough', () => {
  const sketches = new Sketches();
  for (let at = 0; at < 50; at++) sketches.set(`/${at}`, sketchOf(text(at * 1_000, 300)));
  const near = sketchOf(`${text(7_000, 290)} and another end of it`);
  assert.equal(sketches.nearest('/new', near, 0.85)?.path, '/7');
  assert.equal(sketches.nearest('/new', near, 1), null);
  assert.equal(sketches.nearest('/7', near, 0.85), null);
  sketches.delete('/7');
  assert.equal(sketches.nearest('/new', near, 0.85), null);
});

test('a text of fewer than five words has a sketch, and so has none', () => {
  assert.equal(similarity(sketchOf('two words'), sketchOf('two  WORDS')), 1);
  assert.equal(similarity(sketchOf('two words'), sketchOf('other words')) < 0.2, true);
  assert.equal(sketchOf('').length, 1_024);
});
