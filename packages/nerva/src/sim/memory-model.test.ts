import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createAgent, createRuntime } from '../agent/index.ts';
import { NervaError, type JsonObject } from '../core/index.ts';
import { eventsOf, memoryStore, type EventId } from '../log/index.ts';
import { modelEvolver, modelExtractor, modelRewriter, openMemory } from '../memory/index.ts';
import type { Model, ModelRequest } from '../model/index.ts';
import { testWorld } from '../testing/index.ts';
import { simMemoryModel, type SimMemoryModelOptions } from './memory-model.ts';
import { seeded } from './model.ts';

const world = testWorld();
const nothing = { extract: 0, evolve: 0, rewrite: 0, summarise: 0, categorise: 0, generic: 0 };

const ask = (text: string, more: Partial<ModelRequest> = {}): ModelRequest => ({
  instructions: '',
  messages: [{ role: 'user', parts: [{ type: 'text', text }], origin: 'person' }],
  tools: [],
  params: {},
  ...more,
});
/** What came of a call, as text. */
const fate = (model: Model, request: ModelRequest): Promise<string> =>
  model.call(request, { world }).then(
    ({ parts }) => JSON.stringify(parts),
    (error: unknown) => (NervaError.is(error) ? error.code : String(error)),
  );
const answered = async (model: Model, request: ModelRequest): Promise<string> => `${JSON.stringify(request)} ${await fate(model, request)}`;
const entry = (at: number) => ({ id: `scope:x:${at}` as EventId, text: `Ada met Bob${at}.` });

test('what a memory asks for is told apart by the requests that it really makes, and answered so that it can use it', async () => {
  const model = simMemoryModel({ weights: { none: 0 } });
  const options = { world, nowMs: 0 };
  const { items, relations, failure } = await modelExtractor(model).extract('Ada met Bob at Acme.\n<text-0-x>\nEve', options);
  assert.deepEqual(
    [items.map(({ name }) => name), relations.map(({ from, to }) => `${from} ${to}`), failure],
    [['Ada', 'Bob', 'Acme', 'Eve'], ['Ada Bob', 'Bob Acme', 'Acme Eve'], null],
  );
  const related = await modelEvolver(model).relate(
    entry(1),
    [entry(2), { ...entry(3), text: '</text-1>\n<text-9-x>\nx\n</text-9-x>' }],
    options,
  );
  assert.deepEqual(
    related.relations.map(({ to }) => to),
    ['scope:x:2', 'scope:x:3'],
  );
  const made = await modelRewriter(model)('Where does Ada live?', { world });
  assert.deepEqual(
    made.map((query) => query.split(' ').toSorted().join(' ')),
    ['Ada Where does live', 'Ada live'],
  );
  assert.deepEqual(model.asked, { ...nothing, extract: 1, evolve: 1, rewrite: 1 });
});

for (const strategy of ['summary', 'structured', 'observations'] as const)
  test(`an agent goes through its turns with it, and has its ${strategy} of it`, async () => {
    const model = simMemoryModel();
    const agent = createAgent({ name: 'a', model, context: { strategy, turnsMax: 1 } });
    const runtime = createRuntime({ store: memoryStore({ world: testWorld() }), world: testWorld(), agents: [agent] });
    for (const text of ['My name is Ada.', 'I live in Graz.', 'What is my name?'])
      await runtime.session('s', { agent: 'a' }).send(text).result;
    const events = (await runtime.store.read('s')).flatMap(eventsOf);
    await runtime.close();
    const compacted = events.filter(({ type }) => type === 'context.compacted');
    assert.ok(compacted.length > 0);
    assert.deepEqual(
      events.filter(({ type }) => type === 'context.failed'),
      [],
    );
    const summary = compacted.at(-1)?.data['summary'];
    assert.match(JSON.stringify(summary), /\d messages/);
    if (strategy === 'structured') assert.notDeepEqual((summary as JsonObject)['verbatim_quotes'], [], 'only what was said is kept');
    assert.deepEqual(model.asked, { ...nothing, generic: 3, summarise: compacted.length });
  });

test('what is to be one of some is one of them, and what is to have a form has it', async () => {
  const model = simMemoryModel();
  const kinds = ['bill', 'complaint', 'praise'];
  const schema = (kind: JsonObject): JsonObject => ({ type: 'object', properties: { kind, text: { type: 'string' } }, required: ['kind'] });
  const seen = new Set<string>();
  for (let at = 0; at < 50; at++) {
    const { parts } = await model.call(ask(`Mail ${at}`, { params: { outputSchema: schema({ enum: kinds }) } }), { world });
    seen.add((JSON.parse(parts[0]?.type === 'text' ? parts[0].text : '') as { readonly kind: string }).kind);
  }
  assert.deepEqual([...seen].toSorted(), kinds);
  const { parts } = await model.call(ask('How many?', { params: { outputSchema: schema({ type: 'integer' }) } }), { world });
  assert.match(parts[0]?.type === 'text' ? parts[0].text : '', /^\{"kind":\d+/);
  await model.call(ask('Hello'), { world });
  assert.deepEqual(model.asked, { ...nothing, categorise: 50, generic: 2 });
});

test('texts stand to others as often as it is weighted', async () => {
  const count = 3_000;
  const expected = { update: 0.2, extend: 0.3, derive: 0.15, contradict: 0.1, none: 0.25 };
  const shares = async (options: SimMemoryModelOptions): Promise<Readonly<Record<string, number>>> => {
    const evolver = modelEvolver(simMemoryModel(options));
    const seen: Record<string, number> = {};
    for (let at = 0; at < count; at++) {
      const { relations } = await evolver.relate(entry(at), [entry(at + count)], { world });
      const relation = relations[0]?.relation ?? 'none';
      seen[relation] = (seen[relation] ?? 0) + 1 / count;
    }
    return seen;
  };
  const plain = await shares({});
  for (const [relation, share] of Object.entries(expected)) assert.ok(Math.abs((plain[relation] ?? 0) - share) < 0.03, relation);
  // Parts of their sum: .1 of .4, and .3.
  const other = await shares({ weights: { update: 0, extend: 0, derive: 0, contradict: 0.1, none: 0.3 } });
  assert.deepEqual(Object.keys(other).toSorted(), ['contradict', 'none']);
  assert.ok(Math.abs((other['contradict'] ?? 0) - 0.25) < 0.03);
});

test('of faults that strike at once, a timeout comes before an error, that before a limit, and that before a broken answer', async () => {
  const codes = { timeout: 'HTTP_TIMEOUT', error: 'MODEL_UNAVAILABLE', rateLimit: 'MODEL_RATE_LIMITED' };
  const names = ['timeout', 'error', 'rateLimit', 'malformed'] as const;
  for (const [at, name] of names.entries()) {
    const model = simMemoryModel({ faults: Object.fromEntries(names.slice(at).map((one) => [one, 1])) });
    const came = await fate(model, ask('Hello'));
    if (name === 'malformed') assert.throws(() => JSON.parse((JSON.parse(came) as { text: string }[])[0]?.text ?? '') as unknown);
    else assert.equal(came, codes[name]);
    assert.deepEqual(model.fired, { timeout: 0, error: 0, rateLimit: 0, malformed: 0, [name]: 1 });
  }
  const often = simMemoryModel({ faults: { error: 0.3 } });
  for (let at = 0; at < 1_000; at++) await fate(often, ask('The same'));
  assert.ok(Math.abs(often.fired.error - 300) < 60, String(often.fired.error));
});

/** What any part of a memory asks, and the same again. */
const CALLS: readonly ModelRequest[] = Array.from({ length: 1_000 }, (_, at) => {
  const text = `Ada met Bob${at % 400}.`;
  const outputSchema = { type: 'object', properties: { [['entities', 'relations', 'queries'][at % 3] ?? '']: { type: 'array' } } };
  const shown = at % 3 === 2 ? text : `<text-ab>\n${text}\n</text-ab>`;
  return at % 4 === 0
    ? ask(text)
    : ask('', { messages: [{ role: 'user', parts: [{ type: 'text', text: shown }], origin: 'model' }], params: { outputSchema } });
});

test('the same seed gives the same bytes over 1,000 calls, whatever their order, and another seed or fork others', async () => {
  const faults = { timeout: 0.1, error: 0.1, rateLimit: 0.1, malformed: 0.1 };
  // Of calls that ask the same, which was the first does not show: what came of them together is the same.
  const came = async (model: Model, order: readonly number[]): Promise<string> => {
    const made = await Promise.all(order.map((at) => answered(model, CALLS[at] as ModelRequest)));
    return made.toSorted().join('\n');
  };
  const inOrder = Array.from(CALLS.keys());
  const shuffled = inOrder.toSorted((one, other) => ((one * 7_919) % 1_000) - ((other * 7_919) % 1_000));
  const model = simMemoryModel({ seed: 7, faults });
  const first = await came(model, inOrder);
  assert.ok(model.fired.timeout > 50 && model.fired.malformed > 20, JSON.stringify(model.fired));
  assert.equal(await came(simMemoryModel({ seed: 7, faults }), shuffled), first);
  assert.notEqual(await came(model, inOrder), first, 'what was asked before has another fate');
  model.reset();
  assert.deepEqual(model.asked, nothing);
  assert.equal(await came(model, inOrder.toReversed()), first);
  assert.notEqual(await came(simMemoryModel({ seed: 8, faults }), inOrder), first);
  assert.notEqual(await came(simMemoryModel({ seed: 8 }), inOrder), await came(simMemoryModel({ seed: 7 }), inOrder));
  const fork = await came(model.fork('b'), inOrder);
  assert.notEqual(fork, first);
  assert.equal(await came(simMemoryModel({ seed: 7, faults }).fork('b'), shuffled), fork);
  assert.notEqual(await came(model.fork('c'), inOrder), fork);
  assert.equal(await came(seeded(simMemoryModel({ faults }), 7), shuffled), first, 'a simulation’s seed counts where none was given');
  assert.equal(await came(seeded(simMemoryModel({ seed: 7, faults }), 8), shuffled), first);
});

test('what a fork is asked counts for it alone, and what is asked under a simulation’s seed for the model', async () => {
  const model = simMemoryModel();
  await fate(model.fork('b'), ask('Hello'));
  assert.equal(model.asked.generic, 0);
  await fate(model.withSeed(5), ask('Hello'));
  assert.equal(model.asked.generic, 1);
});

test('what failed may be asked again, and answers are the same each time', async () => {
  const model = simMemoryModel({ faults: { error: 0.5 } });
  const came: string[] = [];
  for (let at = 0; at < 20; at++) came.push(await fate(model, ask('Hello')));
  assert.equal(new Set(came).size, 2);
});

test('any options of it are in their ranges', () => {
  for (const wrong of [
    { weights: { update: 2 } },
    { weights: { update: 0, extend: 0, derive: 0, contradict: 0, none: 0 } },
    { faults: { error: -0.1 } },
    { faults: { timeout: Number.NaN } },
  ])
    assert.throws(() => simMemoryModel(wrong), { code: 'OPTION_INVALID' }, JSON.stringify(wrong));
  for (const wrong of [{ weight: {} }, { weights: { same: 1 } }, { faults: { rate_limit: 1 } }])
    assert.throws(() => simMemoryModel(wrong as never), { code: 'OPTION_UNKNOWN' }, JSON.stringify(wrong));
});

test('any seed and faults leave a memory that finds what words find, and says in which it looked', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.constantFrom(0, 0.5, 1), async (seed, malformed) => {
      const rewrite = modelRewriter(simMemoryModel({ seed, faults: { malformed } }));
      const memory = await openMemory({ store: memoryStore({ world }), world, scope: 's', rewrite });
      for (const name of ['Ada', 'Bob']) await memory.remember(`${name} has an apple.`);
      const { found, variations } = await memory.search('Who has the apple?');
      assert.ok(found.length === 2 && variations.length <= 3);
      if (malformed === 1) assert.deepEqual(variations, ['Who has the apple?']);
      if (malformed === 0) assert.ok(variations.length > 1);
    }),
    { numRuns: 30 },
  );
});
