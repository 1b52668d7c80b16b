import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NervaError } from '../core/index.ts';
import { eraseSubject, memoryStore } from '../log/index.ts';
import type { Embedder } from '../model/index.ts';
import { memoryKeys, testWorld } from '../testing/index.ts';
import { openMemory, type Finders, type Memory, type MemoryOptions, type Reranker, type Search } from './index.ts';
import { words } from './words.ts';

/** What words mean the same: a vector counts them, and has a little of each other word. */
const MEANINGS = [
  ['sea', 'ocean', 'beach', 'shore'],
  ['car', 'vehicle', 'drives'],
  ['dog', 'puppy'],
  ['cook', 'recipe', 'soup'],
];

/** An embedder that knows these meanings. `asked` has what it was given, a request a row. */
function meanings(more: Partial<Embedder> = {}) {
  const asked: { readonly texts: readonly string[]; readonly kind: string | undefined }[] = [];
  const embed: Embedder = {
    name: 'test/meanings',
    textsMax: 2,
    embed: (texts, { kind }) => {
      asked.push({ texts, kind });
      return Promise.resolve({ vectors: texts.map(vectorOf), usage: { inputTokens: 0, outputTokens: 0 } });
    },
    ...more,
  };
  return { embed, asked };
}
function vectorOf(text: string): readonly number[] {
  const said = words(text);
  return [...MEANINGS.map((meaning) => said.filter((word) => meaning.includes(word)).length), 0.1 + said.length / 1_000];
}

const TEXTS = ['The ocean was cold.', 'My vehicle is red.', 'A puppy came.', 'We ate a recipe of hers.', 'The sea of names.'];

/** A memory with `TEXTS` and these finders. */
async function stage(finders: Finders = {}, texts: readonly string[] = TEXTS, more: Partial<MemoryOptions> = {}) {
  const world = testWorld();
  const keys = memoryKeys();
  const store = memoryStore({ world, keys });
  const open = (options: Partial<MemoryOptions> = {}): Promise<Memory> =>
    openMemory({ store, world, scope: 'user:ada', ...finders, ...more, ...options });
  const memory = await open();
  for (const text of texts) await memory.remember(text);
  return { world, store, keys, open, memory };
}
const textsOf = ({ found }: Search): readonly string[] => found.map(({ entry }) => entry.text);

test('what is meant is found beside what is said, fused by rank, and each says how it was found', async () => {
  const { embed, asked } = meanings();
  const { memory } = await stage({ embed });
  assert.deepEqual(
    memory.recall('sea').map(({ entry }) => entry.text),
    ['The sea of names.'],
  );
  const [search, same] = await Promise.all([memory.search('sea', { limit: 2 }), memory.search('sea', { limit: 2 })]);
  assert.deepEqual(search, same);
  assert.deepEqual(textsOf(search), ['The sea of names.', 'The ocean was cold.']);
  const [said, meant] = search.found;
  // Of two equally near, the newer had its vector first.
  assert.deepEqual([said?.score, meant?.score], [1 / 61 + 1 / 61, 1 / 62]);
  assert.equal(said?.why.words?.words, 1);
  assert.equal(meant?.why.words, null);
  assert.ok((meant?.why.similarity ?? 0) > 0.99);
  assert.deepEqual(search.vectors, { name: 'test/meanings', missing: 0, failure: null });
  assert.deepEqual(
    asked.map(({ texts, kind }) => `${texts.length} ${kind}`),
    ['2 document', '2 document', '1 document', '1 query', '1 query'],
    'each text gets its vector once',
  );
});

test('how lists are fused is chosen, and changes what is first', async () => {
  const first = async (fusion: Finders['fusion']): Promise<string | undefined> => {
    const finders = { embed: meanings().embed, ...(fusion === undefined ? {} : { fusion }) };
    const { memory } = await stage(finders, ['Names, names and tables.', 'The beach and the shore.']);
    return textsOf(await memory.search('ocean names', { limit: 2 }))[0];
  };
  for (const fusion of [undefined, 'rank', 'add', 'multiply'] as const)
    assert.equal(await first(fusion), 'Names, names and tables.', fusion);
  assert.equal(await first('weighted'), 'The beach and the shore.', 'vectors have .7');
  await assert.rejects(stage({ fusion: 'best' as never }), { code: 'OPTION_INVALID' });
});

test('so many texts get a vector for one search, the newest first; the rest is found by words', async () => {
  const { embed, asked } = meanings();
  const { memory } = await stage({ embed, embedMax: 3 });
  const first = await memory.search('beach');
  assert.deepEqual(
    asked.slice(0, 2).flatMap(({ texts }) => texts),
    TEXTS.toReversed().slice(0, 3),
  );
  assert.deepEqual([first.vectors?.missing, textsOf(first).includes('The ocean was cold.')], [2, false]);
  assert.equal(await memory.embed({ max: 1 }), 1);
  assert.equal(await memory.embed(), 0);
  assert.ok(textsOf(await memory.search('beach')).includes('The ocean was cold.'));
});

test('when vectors fail, what is found is what words find, and the next search tries again', async () => {
  let isDown = true;
  const { embed } = meanings();
  const { memory } = await stage({
    embed: {
      ...embed,
      embed: (texts, options) => (isDown ? Promise.reject(new NervaError('MODEL_UNAVAILABLE', 'down')) : embed.embed(texts, options)),
    },
  });
  const search = await memory.search('sea of names');
  assert.deepEqual(
    search.found.map(({ entry, score, why }) => ({ entry, score, why: why.words })),
    memory.recall('sea of names'),
  );
  assert.deepEqual(search.vectors, { name: 'test/meanings', missing: 5, failure: 'MODEL_UNAVAILABLE' });
  await assert.rejects(memory.embed(), { code: 'MODEL_UNAVAILABLE' });
  isDown = false;
  assert.equal((await memory.search('beach')).vectors?.failure, null);
});

test('vectors that cannot be compared are a failure of the embedder', async () => {
  const cases: readonly (readonly (readonly number[])[])[] = [
    [],
    [[1, 2]],
    [
      [1, 2],
      [1, 3],
      [1, 4],
    ],
    [
      [1, 2],
      [0, 0],
    ],
    [
      [1, 0],
      [1, 0, 0],
    ],
  ];
  const failureOf = async (vectorsOf: (kind: string | undefined) => readonly (readonly number[])[]): Promise<string | null | undefined> => {
    const { embed } = meanings({
      embed: (_texts, { kind }) => Promise.resolve({ vectors: vectorsOf(kind), usage: { inputTokens: 0, outputTokens: 0 } }),
    });
    const { memory } = await stage({ embed }, TEXTS.slice(3));
    const search = await memory.search('sea');
    assert.deepEqual(textsOf(search), ['The sea of names.']);
    return search.vectors?.failure;
  };
  for (const vectors of cases) assert.equal(await failureOf(() => vectors), 'MODEL_GARBAGE', JSON.stringify(vectors));
  for (const question of [[], [[1]], [[0, 0]]])
    assert.equal(
      await failureOf((kind) =>
        kind === 'query'
          ? question
          : [
              [1, 2],
              [2, 1],
            ],
      ),
      'MODEL_GARBAGE',
    );
});

test('a text that a model refuses keeps no other from its vector', async () => {
  const { embed, asked } = meanings();
  const { memory } = await stage({
    embed: {
      ...embed,
      textsMax: 5,
      embed: (texts, options) =>
        texts.includes('A puppy came.') ? Promise.reject(new NervaError('CONTEXT_TOO_LONG', 'too long')) : embed.embed(texts, options),
    },
  });
  assert.equal(await memory.embed(), 0);
  assert.deepEqual(asked.flatMap(({ texts }) => texts).toSorted(), TEXTS.filter((text) => text !== 'A puppy came.').toSorted());
  assert.deepEqual(textsOf(await memory.search('puppy', { limit: 1 })), ['A puppy came.'], 'by its words');
});

test('an aborted search rejects, and a memory goes on', async () => {
  const stop = new AbortController();
  const { embed } = meanings();
  const { memory } = await stage({
    embed: {
      ...embed,
      embed: (texts, options) => {
        stop.abort();
        return options.signal?.aborted === true ? Promise.reject(new NervaError('CANCELLED', 'stopped')) : embed.embed(texts, options);
      },
    },
  });
  await assert.rejects(memory.search('sea', { signal: stop.signal }), { code: 'CANCELLED' });
  assert.equal((await memory.search('beach')).vectors?.failure, null);
});

test('what is erased has no vector, also when it goes while one is made, and is not sent any more', async () => {
  const { embed, asked } = meanings();
  let during = (): Promise<unknown> => Promise.resolve();
  const slow: Embedder = {
    ...embed,
    embed: async (texts, options) => {
      await during();
      return embed.embed(texts, options);
    },
  };
  const { memory, store, keys, world, open } = await stage({ embed: slow }, TEXTS, { subject: 'ada' });
  const other = await open();
  await other.embed();
  asked.length = 0;
  during = async () => {
    during = () => Promise.resolve();
    await eraseSubject({ store, keys, world, subject: 'ada' });
    await memory.refresh();
  };
  assert.deepEqual((await memory.search('beach')).found, []);
  assert.equal(asked.map(({ texts }) => texts.length).join(), '2', 'what was under way');
  await other.refresh();
  for (const one of [memory, other]) assert.deepEqual([await one.embed(), (await one.search('beach')).found], [0, []]);
  assert.equal(asked.length, 1, 'there is nothing to compare a question with');
});

test('what goes while a model refuses it is not sent again', async () => {
  const { embed, asked } = meanings();
  let refuse = (): Promise<unknown> => Promise.resolve();
  const strict: Embedder = {
    ...embed,
    embed: async (texts, options) => {
      await refuse();
      return embed.embed(texts, options);
    },
  };
  const { memory, store, keys, world } = await stage({ embed: strict }, TEXTS, { subject: 'ada' });
  refuse = async () => {
    refuse = () => Promise.resolve();
    await eraseSubject({ store, keys, world, subject: 'ada' });
    await memory.refresh();
    throw new NervaError('CONTEXT_TOO_LONG', 'too long');
  };
  await memory.search('beach');
  assert.deepEqual(asked, []);
});

test('what is forgotten is sent nowhere', async () => {
  const { embed, asked } = meanings();
  const { memory } = await stage({ embed });
  const [first] = memory.entries();
  await memory.forget(first?.id ?? 'x:0');
  assert.equal((await memory.search('beach')).vectors?.missing, 0);
  const sent = asked.filter(({ kind }) => kind === 'document').flatMap(({ texts }) => texts);
  assert.deepEqual(sent.toSorted(), TEXTS.slice(1).toSorted());
});

test('a question is said in other words where it may need it, and what that finds is fused', async () => {
  const asked: string[] = [];
  const rewrite = (query: string) => {
    asked.push(query);
    return Promise.resolve(['ocean', 'recipe']);
  };
  const { memory } = await stage({ rewrite });
  assert.deepEqual((await memory.search('show the sea')).variations, ['show the sea']);
  const chosen = async (query: string, deep?: 'never' | 'always') =>
    (await memory.search(query, deep === undefined ? {} : { deep })).isDeep;
  assert.deepEqual([await chosen('sea'), await chosen('What of the sea?', 'never')], [false, false]);
  assert.deepEqual(asked, [], '“show” is not “how”');
  const search = await memory.search('What of the sea?');
  assert.deepEqual(search.variations, ['What of the sea?', 'ocean', 'recipe']);
  assert.deepEqual([search.isDeep, await chosen('sea', 'always')], [true, true]);
  assert.equal((await (await stage({})).memory.search('What of the sea?', { deep: 'always' })).isDeep, null, 'there is no choice');
  assert.deepEqual(textsOf(search), ['The sea of names.', 'The ocean was cold.', 'We ate a recipe of hers.']);
  assert.deepEqual(
    search.found.map(({ score, why }) => [score, why.variations, why.words === null]),
    [
      [1 / 61, 1, false],
      [1 / 61, 1, true],
      [1 / 61, 1, true],
    ],
  );
  assert.deepEqual((await memory.search('What of the sea?', { deep: 'never' })).variations, ['What of the sea?']);
  assert.equal((await memory.search('sea', { deep: 'always' })).variations.length, 3);
  await assert.rejects(memory.search('sea', { deep: 'yes' as never }), { code: 'OPTION_INVALID' });
});

const BROKEN = fc.oneof(
  fc.anything(),
  fc.constant('reject'),
  fc.array(fc.oneof(fc.string(), fc.integer()), { minLength: 1 }).filter((list) => list.some((one) => typeof one !== 'string')),
);

test('any rewriter or reranker that fails or answers nonsense finds exactly what the fast search finds', async () => {
  const { embed } = meanings();
  const { open } = await stage({ embed });
  const fast = await (await open()).search('What sea is it?', { limit: 3 });
  await fc.assert(
    fc.asyncProperty(
      // Neither questions nor a number for each text that was found.
      BROKEN.filter(
        (answer) =>
          !Array.isArray(answer) ||
          (answer.some((one) => typeof one !== 'string') && (answer.length !== TEXTS.length || !answer.every(Number.isFinite))),
      ),
      async (answer) => {
        const fails = () => (answer === 'reject' ? Promise.reject(new Error('down')) : Promise.resolve(answer as never));
        const memory = await open({ rewrite: fails, rerank: { name: 'test/none', rerank: fails } });
        assert.deepEqual(await memory.search('What sea is it?', { limit: 3 }), { ...fast, isDeep: true });
      },
    ),
    { numRuns: 60 },
  );
});

test('a reranker orders the best anew', async () => {
  const rerank: Reranker = { name: 'test/length', rerank: (_query, texts) => Promise.resolve(texts.map(({ length }) => -length)) };
  const { memory } = await stage({ rerank }, ['A sea of names and tables.', 'The sea, the sea.', 'No sea?']);
  const search = await memory.search('sea', { limit: 2 });
  assert.deepEqual(textsOf(search), ['No sea?', 'The sea, the sea.']);
  assert.deepEqual([search.found[0]?.score, search.found[0]?.why.rerank], [-7, -7]);
});

test('what a filter, a time or tags leave out has no part in what is found', async () => {
  const { embed } = meanings();
  const { memory } = await stage({ embed }, []);
  const at = (day: number): number => 86_400_000 * day;
  await memory.remember('The sea in May.', { tags: ['a'], validMs: at(1), importance: 0.9 });
  await memory.remember('The ocean in June.', { tags: ['b'], validMs: at(2) });
  await memory.remember('The sea in July.', { tags: ['a', 'b'], validMs: at(3), kind: 'event' });
  const found = async (options: Parameters<Memory['search']>[1]): Promise<string> => {
    const search = await memory.search('sea', options);
    const recalled = memory.recall('sea', options as Parameters<Memory['recall']>[1]).map(({ entry }) => entry.text);
    assert.ok(recalled.every((text) => textsOf(search).includes(text)));
    return textsOf(search)
      .map((text) => text.slice(-5, -1).trim())
      .toSorted()
      .join(' ');
  };
  assert.equal(await found({}), 'July June May');
  assert.equal(await found({ since: { fromMs: at(1), untilMs: at(2) } }), 'May', 'the end is out of it');
  assert.equal(await found({ since: { fromMs: at(2) } }), 'July June');
  assert.equal(await found({ filter: { $or: [{ importance: { $gt: 0.5 } }, { kind: 'event' }] } }), 'July May');
  assert.equal(await found({ filter: { tags: { $contains: 'b' }, $not: { kind: 'event' } } }), 'June');
  const [june] = (await memory.search('sea', { filter: { text: { $contains: 'June' } } })).found;
  assert.equal(june?.score, 1 / 61, 'first where nothing else may be seen');
  await assert.rejects(memory.search('sea', { filter: { age: 5 } }), { code: 'OPTION_UNKNOWN' });
  assert.throws(() => memory.recall('sea', { filter: { kind: { $regex: 'x' } as never } }), { code: 'OPTION_UNKNOWN' });
  assert.throws(() => memory.recall('sea', { since: { from: 5 } as never }), { code: 'OPTION_UNKNOWN' });
});

const ENTRY = fc.record({
  said: fc.array(fc.constantFrom('sea', 'car', 'dog', 'cook', 'ocean', 'name'), { minLength: 1, maxLength: 5 }),
  importance: fc.constantFrom(0, 0.5, 1),
  tag: fc.constantFrom('a', 'b'),
});

test('any filter leaves of a ranking what passes, in its order, whatever the limit', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(ENTRY, { maxLength: 12 }),
      fc.integer({ min: 1, max: 5 }),
      fc.constantFrom('a', 'b'),
      async (entries, limit, tag) => {
        const { memory } = await stage({}, []);
        for (const { said, importance, tag: its } of entries) await memory.remember(said.join(' '), { importance, tags: [its] });
        const all = memory.recall('sea car', { limit: 100 }).map(({ entry }) => entry);
        const filter = { importance: { $gte: 0.5 }, tags: { $contains: tag } };
        const expected = all.filter((entry) => entry.importance >= 0.5 && entry.tags.includes(tag)).map(({ id }) => id);
        assert.deepEqual(
          memory.recall('sea car', { filter, limit }).map(({ entry }) => entry.id),
          expected.slice(0, limit),
        );
      },
    ),
    { numRuns: 50 },
  );
});
