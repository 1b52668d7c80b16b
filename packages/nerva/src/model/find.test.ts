import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CAPABILITIES, type Capabilities } from './capability.ts';
import { findModels, modelInfo, modelsWith, pickModel, unmetNeeds, type ModelQuery } from './find.ts';
import { MODELS, type ModelInfo } from './models.ts';

const row = (name: string, capabilities: Capabilities, usd?: number): ModelInfo => ({
  name,
  capabilities,
  asOf: '2026-01-01',
  source: 'https://example.org',
  ...(usd === undefined ? {} : { price: { inputUsd: usd, outputUsd: usd * 4 } }),
});
const models = [
  row('a/eyes', { vision: 3, tool_use: 3, code: 2 }, 5),
  row('a/blind', { vision: 0, tool_use: 4, code: 4, reasoning: 3 }, 1),
  row('b/weak-eyes', { vision: 1, tool_use: 3 }, 2),
  row('b/unknown', { tool_use: 3 }, 0.1),
  row('c/free-of-price', { vision: 4, tool_use: 4 }),
  row('c/cheap-eyes', { vision: 2, tool_use: 3, multilingual: 3 }, 0.5),
];

const QUERIES: readonly (readonly [ModelQuery, readonly string[]])[] = [
  [{ needs: { vision: 2, tool_use: 3 } }, ['c/cheap-eyes', 'a/eyes', 'c/free-of-price']],
  [{ needs: { vision: 3 } }, ['a/eyes', 'c/free-of-price']],
  [{ needs: { vision: 4 } }, ['c/free-of-price']],
  [{ needs: { vision: 2 }, providers: ['a'] }, ['a/eyes']],
  [{ needs: { vision: 1 }, providers: ['a', 'b'] }, ['b/weak-eyes', 'a/eyes']],
  [{ needs: { vision: 0 } }, ['b/unknown', 'c/cheap-eyes', 'a/blind', 'b/weak-eyes', 'a/eyes', 'c/free-of-price']],
  [{ needs: { legal: 1 } }, []],
  [{ providers: ['a'] }, ['a/blind', 'a/eyes']],
  [{ providers: [] }, []],
];

for (const [query, names] of QUERIES)
  test(`a query ${JSON.stringify(query)} finds ${names.length}, the cheapest first`, () =>
    assert.deepEqual(
      findModels({ ...query, models }).map(({ name }) => name),
      names,
    ));

test('cheap is counted by what is read and what is written; equals stand by name', () => {
  const rows = [
    { ...row('z/reads-dear', {}), price: { inputUsd: 3, outputUsd: 8 } },
    { ...row('z/writes-dear', {}), price: { inputUsd: 1, outputUsd: 10 } },
    row('b/same', {}, 9),
    row('a/same', {}, 9),
  ];
  assert.deepEqual(
    findModels({ models: rows }).map(({ name }) => name),
    ['z/writes-dear', 'z/reads-dear', 'a/same', 'b/same'],
  );
});

test('a capability or a strength that does not exist is refused', () => {
  assert.throws(() => findModels({ needs: { sight: 2 } as Capabilities }), { code: 'OPTION_INVALID', message: /known are inexpensive,/ });
  assert.throws(() => findModels({ needs: { vision: 5 } as unknown as Capabilities }), { code: 'OPTION_INVALID', message: /vision: 5/ });
  assert.throws(() => findModels({ needs: { vision: undefined } as unknown as Capabilities }), { code: 'OPTION_INVALID' });
});

test('there are 23 capabilities to ask for, and documents and audio', () => {
  assert.equal(new Set(CAPABILITIES).size, 23);
  for (const name of [...CAPABILITIES, 'documents', 'audio'] as const) findModels({ needs: { [name]: 4 } });
});

test('how far a model is from what is needed: unknown is nearer than too weak', () => {
  const needs: Capabilities = { code: 3, vision: 2 };
  assert.deepEqual(
    [{ code: 3, vision: 2 }, { code: 4 }, { code: 2, vision: 2 }, {}, undefined, { code: 0, vision: 0 }].map((given) =>
      unmetNeeds(given as Capabilities, needs),
    ),
    [0, 1, 2, 2, 2, 4],
  );
});

test('a prompt picks the cheapest model that is known to be good at its task', () => {
  const code = 'Write a Python function that sorts a list.';
  assert.deepEqual(pickModel(code, { models }), { task: 'code', model: models[1] });
  assert.deepEqual(pickModel('Hello!', { models })?.model.name, 'b/unknown');
  assert.deepEqual(pickModel('Translate this into French.', { models })?.model.name, 'c/cheap-eyes');
  assert.deepEqual(pickModel('Hello!', { models, needs: { vision: 3 } })?.model.name, 'a/eyes');
  const low = [row('x/low', { code: 1, reasoning: 4 }, 0.1), ...models];
  assert.equal(pickModel(code, { models: low, needs: { code: 1 } })?.model.name, 'a/blind', 'what the task needs is not lowered');
  assert.equal(pickModel(code, { models, needs: { reasoning: 4 } }), null);
  assert.equal(pickModel('Write a poem.', { models }), null);
});

test('a price is found by the name, with the date of a version or without, and is unknown rather than zero', () => {
  assert.deepEqual(modelInfo('anthropic/claude-haiku-4-5-20251001')?.price, {
    inputUsd: 1,
    outputUsd: 5,
    cachedInputUsd: 0.1,
    cacheWriteUsd: 1.25,
  });
  assert.equal(modelInfo('openai/gpt-5.6-luna-2026-07-09')?.price?.inputUsd, 0.2);
  assert.equal(modelInfo('openai/gpt-5.6-luna')?.price?.inputUsd, 0.2);
  assert.equal(modelInfo('openai/gpt-unheard-of')?.price, undefined);
  assert.equal(modelInfo('anthropic/claude-haiku-5-5')?.price, undefined);
  assert.equal(modelInfo('anthropic/claude-haiku-5-5')?.contextTokensMax, 1_000_000);
  assert.equal(modelInfo('gpt-5.6-luna'), undefined, 'the provider is part of the name: others charge other prices');
});

test('one’s own rows come first, member by member', () => {
  const own = modelsWith(
    [
      { name: 'a/eyes', price: { inputUsd: 0, outputUsd: 0 }, capabilities: { code: 4 } },
      { name: 'd/new', contextTokensMax: 10 },
    ],
    models,
  );
  assert.equal(own.length, models.length + 1);
  assert.deepEqual(modelInfo('a/eyes', own), {
    ...models[0],
    price: { inputUsd: 0, outputUsd: 0 },
    capabilities: { vision: 3, tool_use: 3, code: 4 },
  });
  assert.deepEqual(modelInfo('d/new', own), {
    name: 'd/new',
    contextTokensMax: 10,
    capabilities: {},
    asOf: '',
    source: 'given by the program',
  });
  assert.equal(modelInfo('d/new', own)?.price, undefined);
});

test('each row of the registry has a name of its own, a day, a page, and figures that can be', () => {
  assert.equal(new Set(MODELS.map(({ name }) => name)).size, MODELS.length);
  for (const info of MODELS) {
    const { name, asOf, source, price, contextTokensMax, outputTokensMax, capabilities } = info;
    assert.match(name, /^[a-z]+\/[\w./-]+$/);
    assert.match(asOf, /^20\d\d-[01]\d-[0-3]\d$/, name);
    assert.match(source, /^https:\/\//, name);
    for (const tokens of [contextTokensMax, outputTokensMax])
      assert.ok(tokens === undefined || (Number.isInteger(tokens) && tokens >= 1_000), name);
    for (const usd of Object.values(price ?? {}) as number[]) assert.ok(usd > 0 && usd < 1_000, name);
    if (price?.cachedInputUsd !== undefined) assert.ok(price.cachedInputUsd < price.inputUsd, name);
    if (price !== undefined) assert.ok(price.outputUsd >= price.inputUsd, name);
    findModels({ needs: capabilities });
  }
});
