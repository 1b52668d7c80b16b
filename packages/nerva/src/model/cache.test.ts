import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { testWorld } from '../testing/index.ts';
import { withCache, type CacheOptions } from './cache.ts';
import { ask, heldModel, outcomeOf, textOf } from './call-scene.test.ts';
import type { Delta, Model, ModelAnswer, ModelRequest } from './model.ts';
import { scriptedModel } from './scripted.ts';
import { answerUsd } from './wrap.ts';

const MB = 1024 ** 2;
const HIT = { cache: 'hit', ageMs: 0, usd: 0 };

function counting(options: CacheOptions = { bytesMax: MB }) {
  const world = testWorld();
  const inner = scriptedModel((_request, n) => ({ text: `answer ${n}`, usage: { inputTokens: 100, outputTokens: 20 } }), {
    price: { inputUsd: 1, outputUsd: 1 },
  });
  const model = withCache(inner, options);
  const get = async (request: ModelRequest): Promise<string> => {
    const [part] = (await model.call(request, { world })).parts;
    return part?.type === 'text' ? part.text : '';
  };
  return { world, inner, model, get };
}

test('the same request again makes no call; it has the usage of the answer and costs nothing', async () => {
  const { world, inner, model } = counting();
  const first = await model.call(ask('a'), { world });
  await world.advance(5_000);
  const again = await model.call(ask('a'), { world });
  assert.equal(inner.callCount, 1);
  assert.equal(first.via, undefined);
  assert.deepEqual(again, { ...first, via: [{ cache: 'hit', ageMs: 5_000, usd: 0 }] });
  assert.deepEqual([answerUsd(first, inner.price), answerUsd(again, inner.price)], [0.000_12, 0]);
});

const BASE = ask('a', {
  instructions: 'i',
  params: { temperature: 0 },
  tools: [{ name: 't', description: 'd', inputSchema: { type: 'object' } }],
});
const OTHERS: Readonly<Record<string, ModelRequest>> = {
  instructions: { ...BASE, instructions: 'j' },
  'a parameter': { ...BASE, params: { temperature: 1 } },
  'another parameter': { ...BASE, params: { temperature: 0, seed: 1 } },
  'a parameter of the provider’s own': { ...BASE, params: { temperature: 0, extra: { x: 1 } } },
  'the name of a tool': { ...BASE, tools: [{ ...BASE.tools[0]!, name: 'u' }] },
  'the schema of a tool': { ...BASE, tools: [{ ...BASE.tools[0]!, inputSchema: { type: 'array' } }] },
  'no tools': { ...BASE, tools: [] },
  'a message': { ...BASE, messages: ask('b').messages },
  'one more message': { ...BASE, messages: [...BASE.messages, ...BASE.messages] },
  'the origin of a message': { ...BASE, messages: [{ ...BASE.messages[0]!, origin: 'system' }] },
};

for (const [what, other] of Object.entries(OTHERS))
  test(`a request that differs in ${what} is another`, async () => {
    const { get } = counting();
    assert.deepEqual(
      [await get(BASE), await get(other), await get(structuredClone(BASE)), await get(structuredClone(other))],
      ['answer 0', 'answer 1', 'answer 0', 'answer 1'],
    );
  });

test('two models answer the same request each for itself', async () => {
  const world = testWorld();
  const models = ['p/a', 'p/b'].map((name) => withCache(scriptedModel([name], { name }), { bytesMax: MB }));
  for (let n = 0; n < 2; n++)
    for (const model of models) assert.deepEqual((await model.call(ask('a'), { world })).parts, [{ type: 'text', text: model.name }]);
});

test('a hit is streamed to who streams, and a streamed answer is a hit for who does not', async () => {
  const { world, model, inner } = counting();
  const streamed: Delta[] = [];
  await model.call(ask('a'), { world, onDelta: () => undefined });
  const whole = await model.call(ask('a'), { world });
  await model.call(ask('a'), { world, onDelta: (delta) => streamed.push(delta) });
  assert.deepEqual([inner.callCount, whole.via, textOf(streamed)], [1, [HIT], 'answer 0']);
});

test('an answer is kept for its time', async () => {
  const { world, get } = counting({ bytesMax: MB, ttlMs: 1_000 });
  await get(ask('a'));
  await world.advance(999);
  assert.equal(await get(ask('a')), 'answer 0');
  await world.advance(1);
  assert.equal(await get(ask('a')), 'answer 1', 'a hit does not make it younger');
  assert.equal(await get(ask('a')), 'answer 1');
});

test('a clock that is set back makes no answer older than it is', async () => {
  const { world, inner, model } = counting({ bytesMax: MB, ttlMs: 1_000 });
  let skewMs = 0;
  const skewed = { ...world, clock: { ...world.clock, nowMs: () => world.clock.nowMs() + skewMs } };
  await model.call(ask('a'), { world: skewed });
  skewMs = -3_600_000;
  assert.deepEqual((await model.call(ask('a'), { world: skewed })).via, [HIT]);
  assert.equal(inner.callCount, 1);
});

test('what is unused for longest goes first, and never more is kept than bytesMax', async () => {
  const { world, model } = counting();
  await model.call(ask('a'), { world });
  const bytes = Buffer.byteLength(JSON.stringify(await scriptedModel(['answer 0']).call(ask('a'), { world }))) + 64 + 20;
  const { get } = counting({ bytesMax: 2 * bytes + 10 });
  assert.deepEqual([await get(ask('a')), await get(ask('b'))], ['answer 0', 'answer 1']);
  assert.equal(await get(ask('a')), 'answer 0');
  assert.equal(await get(ask('c')), 'answer 2');
  assert.equal(await get(ask('a')), 'answer 0', 'it was used lately');
  assert.equal(await get(ask('b')), 'answer 3', 'it was not');
  assert.equal(await get(ask('a')), 'answer 0');
  const small = counting({ bytesMax: 100 });
  assert.deepEqual([await small.get(ask('a')), await small.get(ask('a'))], ['answer 0', 'answer 1'], 'what is larger than all is not kept');
  const mixed = scriptedModel((_request, n) => (n === 1 ? 'large '.repeat(1_000) : `answer ${n}`));
  const bounded = withCache(mixed, { bytesMax: 1_000 });
  for (const words of ['a', 'b', 'a']) await bounded.call(ask(words), { world });
  assert.equal(mixed.callCount, 2, 'and takes no room from others');
  const none = counting({ bytesMax: 0 });
  assert.deepEqual([await none.get(ask('a')), await none.get(ask('a'))], ['answer 0', 'answer 1']);
});

test('a long run of other requests keeps memory bounded and hits right', async () => {
  const { get } = counting({ bytesMax: 5_000 });
  for (let n = 0; n < 200; n++) assert.equal(await get(ask(`q${n}`)), `answer ${n}`);
  assert.equal(await get(ask('q199')), 'answer 199');
  assert.equal(await get(ask('q0')), 'answer 200');
});

test('failures and answers that a filter cut are not kept', async () => {
  const world = testWorld();
  const inner = scriptedModel([
    { error: { code: 'MODEL_UNAVAILABLE', message: 'down' } },
    { text: 'cut', finish: 'content_filter' },
    { text: 'odd', finish: 'other' },
    { text: 'long', finish: 'length' },
  ]);
  const model = withCache(inner, { bytesMax: MB });
  await assert.rejects(model.call(ask('a'), { world }), { code: 'MODEL_UNAVAILABLE' });
  for (let n = 0; n < 4; n++) await model.call(ask('a'), { world });
  assert.equal(inner.callCount, 4);
});

test('equal calls under way share one, and the first has it as its own', async () => {
  const world = testWorld();
  const inner = heldModel();
  const model = withCache(inner, { bytesMax: MB });
  const calls = [1, 2, 3].map(() => model.call(ask('a'), { world }));
  const other = model.call(ask('b'), { world });
  assert.equal(inner.calls.length, 2);
  await inner.calls[0]!.answer({ via: [{ member: 'x' }] });
  await inner.calls[1]!.answer();
  const shared = [{ cache: 'shared', usd: 0 }, { member: 'x' }];
  assert.deepEqual(
    (await Promise.all(calls)).map(({ via }) => via),
    [[{ member: 'x' }], shared, shared],
  );
  assert.equal((await other).via, undefined);
  assert.deepEqual((await model.call(ask('a'), { world })).via, [HIT, { member: 'x' }]);
});

test('a shared failure is everybody’s, and the next call asks again', async () => {
  const world = testWorld();
  const inner = heldModel();
  const model = withCache(inner, { bytesMax: MB });
  const ended = [1, 2].map(() => outcomeOf(model.call(ask('a'), { world })));
  await inner.calls[0]!.fail(new NervaError('MODEL_UNAVAILABLE', 'down'));
  assert.deepEqual(await Promise.all(ended), ['MODEL_UNAVAILABLE', 'MODEL_UNAVAILABLE']);
  void model.call(ask('a'), { world });
  assert.equal(inner.calls.length, 2);
});

test('who joins late hears what has come so far and then the rest; who streams in a call that does not hears it at the end', async () => {
  const world = testWorld();
  const inner = heldModel();
  const model = withCache(inner, { bytesMax: MB });
  const heard: Delta[][] = [[], []];
  const calls = [model.call(ask('a'), { world, onDelta: (delta) => heard[0]!.push(delta) })];
  inner.calls[0]!.say('o');
  calls.push(model.call(ask('a'), { world, onDelta: (delta) => heard[1]!.push(delta) }), model.call(ask('a'), { world }));
  assert.equal(textOf(heard[1]!), 'o');
  inner.calls[0]!.say('k');
  await inner.calls[0]!.answer();
  await Promise.all(calls);
  assert.deepEqual(heard.map(textOf), ['ok', 'ok']);
  const late: Delta[] = [];
  const whole = [model.call(ask('b'), { world }), model.call(ask('b'), { world, onDelta: (delta) => late.push(delta) })];
  await inner.calls[1]!.answer();
  await Promise.all(whole);
  assert.equal(textOf(late), 'ok');
});

test('each of equal calls is aborted alone; the request is when all are', async () => {
  const world = testWorld();
  const inner = heldModel({ price: { inputUsd: 1, outputUsd: 1 } });
  const model = withCache(inner, { bytesMax: MB });
  const controllers = [1, 2, 3].map(() => new AbortController());
  const heard: Delta[] = [];
  const calls = controllers.map(({ signal }) => outcomeOf(model.call(ask('a'), { world, signal, onDelta: (delta) => heard.push(delta) })));
  controllers[0]!.abort();
  assert.equal(await calls[0], 'CANCELLED');
  assert.equal(inner.calls[0]!.signal.aborted, false);
  inner.calls[0]!.say('x');
  assert.equal(heard.length, 2);
  await inner.calls[0]!.answer();
  assert.deepEqual(
    (await Promise.all(calls.slice(1))).map((answer) => (answer as ModelAnswer).via?.[0]?.['usd']),
    [undefined, 0],
    'somebody pays',
  );
  assert.ok(controllers.every(({ signal }) => getEventListeners(signal, 'abort').length === 0));

  const all = [1, 2].map(() => new AbortController());
  const gone = all.map(({ signal }) => outcomeOf(model.call(ask('b'), { world, signal })));
  for (const controller of all) controller.abort();
  assert.equal(inner.calls[1]!.signal.aborted, true);
  const fresh = model.call(ask('b'), { world });
  assert.deepEqual(await Promise.all(gone), ['CANCELLED', 'CANCELLED']);
  const joined = model.call(ask('b'), { world });
  assert.equal(inner.calls.length, 3, 'who comes then does not join what was given up, but what began since');
  await inner.calls[1]!.answer({ parts: [] });
  await inner.calls[2]!.answer();
  assert.deepEqual([(await fresh).parts.length, (await joined).parts.length], [1, 1]);
  assert.deepEqual([await outcomeOf(model.call(ask('c'), { world, signal: AbortSignal.abort() })), inner.calls.length], ['CANCELLED', 3]);
});

test('a listener that throws ends its own call and nobody else’s', async () => {
  const world = testWorld();
  const inner = heldModel();
  const model = withCache(inner, { bytesMax: MB });
  const throwing = (): void => {
    throw new NervaError('JSON_INVALID', 'no');
  };
  const bad = outcomeOf(model.call(ask('a'), { world, onDelta: throwing }));
  const good = model.call(ask('a'), { world, onDelta: () => undefined });
  inner.calls[0]!.say('o');
  await inner.calls[0]!.answer();
  assert.equal(await bad, 'JSON_INVALID');
  assert.equal((await good).via, undefined, 'the one that is left has the answer as its own');
});

test('what is kept cannot be changed by who got it', async () => {
  const { world, model } = counting();
  const answer = await model.call(ask('a'), { world });
  assert.throws(() => (answer.parts as unknown[]).push(1), TypeError);
});

test('each process has its own', async () => {
  const { world, model, inner } = counting();
  await model.call(ask('a'), { world });
  await model.call(ask('a'), { world: testWorld() });
  assert.equal(inner.callCount, 2);
});

test('a model that throws is a call that failed', async () => {
  const broken: Model = {
    name: 'own/broken',
    call: () => {
      throw new NervaError('MODEL_GARBAGE', 'no');
    },
  };
  const model = withCache(broken, { bytesMax: MB });
  const world = testWorld();
  assert.deepEqual(
    [await outcomeOf(model.call(ask('a'), { world })), await outcomeOf(model.call(ask('a'), { world }))],
    ['MODEL_GARBAGE', 'MODEL_GARBAGE'],
  );
});

test('malformed options are refused by name', () => {
  const inner = heldModel();
  assert.throws(() => withCache(inner, { bytesMax: -1 }), { code: 'OPTION_INVALID' });
  assert.throws(() => withCache(inner, {} as CacheOptions), { code: 'OPTION_INVALID', message: /bytesMax/ });
  assert.throws(() => withCache(inner, { bytesMax: 1, ttlMS: 1 } as CacheOptions), { code: 'OPTION_UNKNOWN' });
});
