import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NervaError } from '../core/index.ts';
import { memoryStore } from '../log/index.ts';
import type { Embedder } from '../model/index.ts';
import { testWorld } from '../testing/index.ts';
import { openMemory, type Finders, type Form, type Fusion, type Memory, type Search, type SearchQuery } from './index.ts';
import { words } from './words.ts';

const FUSIONS: readonly Fusion[] = ['rank', 'weighted', 'add', 'multiply', 'blend'];
const FORMS: readonly Form[] = ['parallel', 'sequential', 'feedback'];
const EACH = FORMS.flatMap((form) => FUSIONS.map((fusion) => ({ form, fusion })));

/** An embedder that knows what it is told by heart. */
const knowing = (vectorOf: (text: string) => readonly number[]): Embedder => ({
  name: 'test/known',
  textsMax: 10,
  embed: (texts) => Promise.resolve({ vectors: texts.map(vectorOf), usage: { inputTokens: 0, outputTokens: 0 } }),
});
const down: Embedder = { ...knowing(() => []), embed: () => Promise.reject(new NervaError('MODEL_UNAVAILABLE', 'down')) };

async function stage(texts: readonly string[], finders: Finders = {}) {
  const world = testWorld();
  const store = memoryStore({ world });
  const open = (more: Finders = {}): Promise<Memory> => openMemory({ store, world, scope: 'user:ada', ...finders, ...more });
  const memory = await open();
  for (const text of texts) await memory.remember(text);
  return { open, memory };
}

/** By words a, b, c; to the question d 1, c .8, b .6, a 0, e −.6. */
const KNOWN: Readonly<Record<string, readonly [number, number]>> = {
  'tea tea tea': [0, 1],
  'tea tea pot': [0.6, 0.8],
  'tea pot lid': [0.8, 0.6],
  'one red cup': [1, 0],
  'snow on ice': [-0.6, 0.8],
  tea: [1, 0],
};
const NAMES: Readonly<Record<string, string>> = {
  'tea tea tea': 'a',
  'tea tea pot': 'b',
  'tea pot lid': 'c',
  'one red cup': 'd',
  'snow on ice': 'e',
};
const golden = () => stage(Object.keys(NAMES), { embed: knowing((text) => KNOWN[text] ?? [0, 0]) });
const shown = ({ found }: Pick<Search, 'found'>): string =>
  found.map(({ entry, score }) => `${NAMES[entry.text] ?? '?'} ${score.toFixed(4)}`).join(', ');

test('each form finds what its lists say, by rank', async () => {
  const { memory } = await golden();
  assert.equal(
    memory
      .recall('tea')
      .map(({ entry }) => NAMES[entry.text])
      .join(''),
    'abc',
  );
  // Vectors: d, c, b, a, e. a 1/61 + 1/64, b 1/62 + 1/63, c 1/63 + 1/62, d 1/61, e 1/65.
  assert.equal(shown(await memory.search('tea')), 'a 0.0320, b 0.0320, c 0.0320, d 0.0164, e 0.0154');
  // Of what words find: c .8, b .6, a 0. 1/61, 1/62, 1/63.
  assert.equal(shown(await memory.search('tea', { form: 'sequential' })), 'c 0.0164, b 0.0161, a 0.0159');
  // The best three are a, b, c, their mean (.4667, .8); (1, 0) and .75 of it is (1.35, .6), to which c .975, d .914, b .873, a .406, e −.223.
  // c 1/63 + 1/61, a 1/61 + 1/64, b 1/62 + 1/63, d 1/62, e 1/65.
  assert.equal(shown(await memory.search('tea', { form: 'feedback' })), 'c 0.0323, a 0.0320, b 0.0320, d 0.0161, e 0.0154');
});

test('a blend says how good each is: .7 of how near it is, .3 of its rank as a share of the best, and from .3 on', async () => {
  const { memory } = await golden();
  // .56 + .3 · .032002/.032018 = .8598, .7 + .3 · .5120 = .8536, .42 + .2998, 0 + .3; e 0 + .3 · .4805 = .1441 is left out.
  assert.equal(shown(await memory.search('tea', { fusion: 'blend' })), 'c 0.8598, d 0.8536, b 0.7198, a 0.3000');
  assert.equal(shown(await memory.search('tea', { fusion: 'blend', scoreMin: 0 })), 'c 0.8598, d 0.8536, b 0.7198, a 0.3000, e 0.1441');
  assert.equal(shown(await memory.search('tea', { fusion: 'blend', scoreMin: 0.8 })), 'c 0.8598, d 0.8536');
  // .56 + .3, .42 + .3 · 61/62; a 0 + .3 · 61/63 = .2905 is left out.
  assert.equal(shown(await memory.search('tea', { form: 'sequential', fusion: 'blend' })), 'c 0.8600, b 0.7152');
  // Of the best, c: d .7 + .3 · (1/62)/(1/63 + 1/61), b .42 + .3 · (1/62 + 1/63)/(1/63 + 1/61); a 0 + .2977 is left out.
  assert.equal(shown(await memory.search('tea', { form: 'feedback', fusion: 'blend' })), 'c 0.8600, d 0.8500, b 0.7175');
});

test('scores that are joined are shares of the best of their list', async () => {
  const { memory } = await golden();
  const [a = 0, b = 0, c = 0] = memory.recall('tea').map(({ score }) => score);
  const near = { a: 0, b: 0.6, c: 0.8, d: 1, e: 0 };
  const said = { a: 1, b: b / a, c: c / a, d: 0, e: 0 };
  const expected: Readonly<Record<string, (name: keyof typeof near) => number>> = {
    weighted: (name) => 0.7 * near[name] + 0.3 * said[name],
    add: (name) => near[name] + said[name],
    multiply: (name) => (1 + near[name]) * (1 + said[name]) - 1,
  };
  for (const [fusion, scoreOf] of Object.entries(expected)) {
    const { found } = await memory.search('tea', { fusion: fusion as Fusion });
    assert.equal(found.length, 5);
    for (const { entry, score } of found)
      assert.ok(Math.abs(score - scoreOf(NAMES[entry.text] as keyof typeof near)) < 1e-6, `${fusion} ${entry.text} ${score}`);
  }
  // Vectors alone order what words chose: their share of .8.
  const { found } = await memory.search('tea', { form: 'sequential', fusion: 'weighted' });
  assert.deepEqual(
    found.map(({ entry, score }) => [NAMES[entry.text], score.toFixed(3)]),
    [
      ['c', '1.000'],
      ['b', '0.750'],
      ['a', '0.000'],
    ],
  );
});

test('what has no vector counts as half near in a blend, and stands last where vectors order', async () => {
  const { memory } = await stage(Object.keys(NAMES), {
    embed: {
      ...knowing((text) => KNOWN[text] ?? [0, 0]),
      embed: (texts, options) =>
        texts.includes('tea tea pot')
          ? Promise.reject(new NervaError('CONTEXT_TOO_LONG', 'too long'))
          : knowing((text) => KNOWN[text] ?? [0, 0]).embed(texts, options),
    },
  });
  assert.equal(shown(await memory.search('tea', { form: 'sequential' })), 'c 0.0164, a 0.0161, b 0.0159');
  // .56 + .3, .35 + .3 · 61/63, 0 + .3 · 61/62 is left out.
  const { found } = await memory.search('tea', { form: 'sequential', fusion: 'blend' });
  assert.equal(shown({ found }), 'c 0.8600, b 0.6405');
  assert.deepEqual(
    found.map(({ why }) => why.similarity?.toFixed(1) ?? null),
    ['0.8', null],
  );
});

test('how to join is said when a memory is opened, and otherwise in one search', async () => {
  const { open } = await golden();
  const memory = await open({ fusion: 'blend', form: 'sequential', scoreMin: 0.8 });
  assert.equal(shown(await memory.search('tea')), 'c 0.8600');
  assert.equal(shown(await memory.search('tea', { scoreMin: 0.7 })), 'c 0.8600, b 0.7152');
  assert.equal(shown(await memory.search('tea', { form: 'parallel' })), 'c 0.8598, d 0.8536');
  assert.equal(shown(await memory.search('tea', { fusion: 'rank' })), 'c 0.0164, b 0.0161, a 0.0159');
  for (const wrong of [
    { fusion: 'best' },
    { fusion: '' },
    { form: 'serial' },
    { form: null },
    { fusion: 'blend', scoreMin: 1.1 },
    { fusion: 'blend', scoreMin: '0' },
    { fusion: 'rank', scoreMin: 0.5 },
    { limit: 101 },
    { limit: 0 },
    { deep: 'yes' },
  ])
    await assert.rejects(memory.search('tea', wrong as never), { code: 'OPTION_INVALID' }, JSON.stringify(wrong));
  await assert.rejects((await open()).search('tea', { scoreMin: 0.5 }), { code: 'OPTION_INVALID' }, 'scores of ranks have no least');
  await assert.rejects(memory.search('tea', { k: 5 } as never), { code: 'OPTION_UNKNOWN' });
  for (const wrong of [{ form: 'serial' }, { fusion: 'best' }, { scoreMin: 2 }, { fusion: '' }])
    await assert.rejects(open(wrong as never), { code: 'OPTION_INVALID' }, JSON.stringify(wrong));
});

test('in any form other words are looked for too, and count as deep only when there are more than one', async () => {
  const { open } = await golden();
  const memory = await open({ embed: down, rewrite: () => Promise.resolve(['tea', 'cup', 'snow']) });
  for (const { form, fusion } of EACH) {
    const search = await memory.search('What tea?', { form, fusion });
    assert.deepEqual(search.variations, ['What tea?', 'tea', 'cup']);
    const times = search.found.map(({ entry, why }) => `${NAMES[entry.text] ?? '?'}${why.variations}`);
    assert.deepEqual(times.toSorted(), ['a2', 'b2', 'c2', 'd1'], `${form} ${fusion}`);
  }
  const same = await open({ rewrite: (query) => Promise.resolve([query, ' ', query]) });
  assert.deepEqual((await same.search('What tea?', { deep: 'always' })).variations, ['What tea?']);
});

test('what vectors alone find in other words counts as found by those, and is as near as it is to the question', async () => {
  const { open } = await golden();
  const memory = await open({ rewrite: () => Promise.resolve(['one red cup']) });
  const { found } = await memory.search('tea', { deep: 'always', fusion: 'blend', scoreMin: 0 });
  assert.deepEqual(new Set(found.map(({ why }) => why.variations)), new Set([2]));
  const near = found.map(({ entry, why }) => `${NAMES[entry.text] ?? '?'} ${why.similarity?.toFixed(1) ?? 'null'}`);
  assert.deepEqual(near.toSorted(), ['a 0.0', 'b 0.6', 'c 0.8', 'd 1.0', 'e -0.6']);
});

test('vectors order a hundred of what words find, also where one is asked for', async () => {
  const last = 'tea stands here among many other words';
  const { memory } = await stage([...Array.from({ length: 60 }, (_, at) => `tea tea ${at}`), last], {
    embed: knowing((text) => (text === last || text === 'tea' ? [1, 0] : [0, 1])),
  });
  assert.equal(memory.recall('tea', { limit: 100 }).at(-1)?.entry.text, last);
  assert.deepEqual(
    (await memory.search('tea', { form: 'sequential', limit: 1 })).found.map(({ entry }) => entry.text),
    [last],
  );
});

const MEANINGS = [
  ['sea', 'ocean', 'beach'],
  ['car', 'vehicle'],
  ['dog', 'puppy'],
];
const meant = knowing((text) => {
  const said = words(text);
  return [...MEANINGS.map((meaning) => said.filter((word) => meaning.includes(word)).length), 0.1];
});
const ENTRY = fc.record({
  said: fc.array(fc.constantFrom('sea', 'ocean', 'beach', 'car', 'vehicle', 'dog', 'puppy', 'name'), { minLength: 3, maxLength: 3 }),
  isHidden: fc.boolean(),
});
const ENTRIES = fc.array(ENTRY, { maxLength: 14 });
const JOINING = fc.constantFrom(...EACH);

/** What is hidden is hidden by its time and its importance. */
const SEEN: SearchQuery = { since: { fromMs: 10, untilMs: 20 }, filter: { importance: { $gte: 0.5 } } };
async function remembered(entries: readonly { readonly said: readonly string[]; readonly isHidden: boolean }[], finders: Finders) {
  const { memory, open } = await stage([], finders);
  for (const [at, { said, isHidden }] of entries.entries())
    await memory.remember(said.join(' '), {
      tags: [`n${at}`],
      validMs: isHidden ? 9 + 11 * (at % 2) : 10 + (at % 10),
      importance: isHidden && at % 3 === 0 ? 0.4 : 0.5,
    });
  return { memory, open };
}
const scoresOf = ({ found }: Search): ReadonlyMap<string, number> => new Map(found.map(({ entry, score }) => [entry.tags[0] ?? '', score]));

test('any form and fusion finds of what may be seen, each once, the better first, within the limit, and the same again', async () => {
  await fc.assert(
    fc.asyncProperty(ENTRIES, JOINING, fc.integer({ min: 1, max: 6 }), async (entries, joining, limit) => {
      const { memory, open } = await remembered(entries, { embed: meant });
      const search = await memory.search('sea dog', { ...joining, ...SEEN, limit });
      const numbers = search.found.map(({ entry }) => Number(entry.tags[0]?.slice(1)));
      assert.ok(numbers.every((at) => entries[at]?.isHidden === false));
      assert.equal(new Set(numbers).size, numbers.length);
      assert.ok(numbers.length <= limit);
      for (const [at, { score }] of search.found.entries()) assert.ok(at === 0 || score <= (search.found[at - 1]?.score ?? 0));
      assert.deepEqual(await memory.search('sea dog', { ...joining, ...SEEN, limit }), search);
      assert.deepEqual(await (await open()).search('sea dog', { ...joining, ...SEEN, limit }), search);
    }),
    { numRuns: 150 },
  );
});

test('any form and fusion finds what it would if what is hidden had never been, to the score', async () => {
  await fc.assert(
    fc.asyncProperty(ENTRIES, JOINING, async (entries, joining) => {
      // A question of one word, and texts of one length: how rare it is moves all scores of words alike.
      const asked = { ...joining, ...SEEN, limit: 50 };
      const scores = scoresOf(await (await remembered(entries, { embed: meant })).memory.search('sea', asked));
      const numbered = entries.map((entry, at) => ({ ...entry, at })).filter(({ isHidden }) => !isHidden);
      const alone = scoresOf(await (await remembered(numbered, { embed: meant })).memory.search('sea', asked));
      const expected = new Map<string, number>(
        numbered.flatMap(({ at }, index) => (alone.has(`n${index}`) ? [[`n${at}`, alone.get(`n${index}`) ?? 0] as const] : [])),
      );
      assert.deepEqual(new Set(scores.keys()), new Set(expected.keys()));
      for (const [name, score] of scores) assert.ok(Math.abs(score - (expected.get(name) ?? 0)) < 1e-9, name);
    }),
    { numRuns: 150 },
  );
});

test('any form and fusion finds what words find, in their order, when embedder and rewriter fail or are not there', async () => {
  await fc.assert(
    fc.asyncProperty(ENTRIES, JOINING, async (entries, joining) => {
      const { memory, open } = await remembered(entries, {});
      const recalled = memory.recall('what sea dog', { ...SEEN, limit: 100 });
      const asked = { ...joining, ...SEEN, limit: 100 };
      const fast = await memory.search('what sea dog', asked);
      const failing = await open({ embed: down, rewrite: () => Promise.reject(new Error('down')) });
      assert.deepEqual((await failing.search('what sea dog', asked)).found, fast.found);
      assert.deepEqual(
        fast.found.map(({ entry }) => entry.id),
        recalled.map(({ entry }) => entry.id),
      );
      for (const [at, { score }] of fast.found.entries()) {
        const expected = joining.fusion === 'blend' ? 0.35 + (0.3 * 61) / (61 + at) : recalled[at]?.score;
        assert.ok(Math.abs(score - (expected ?? 0)) < 1e-12);
      }
    }),
    { numRuns: 150 },
  );
});
