import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { isBlobRef, memoryStore } from '../log/index.ts';
import type { Model, ModelAnswer, Part } from '../model/index.ts';
import { scriptedModel } from '../model/index.ts';
import { memoryKeys, testWorld } from '../testing/index.ts';
import { notDone, tool, type Reconciled, type ToolContext } from '../tool/index.ts';
import { createAgent, createRuntime } from './index.ts';
import { all, ANY, gate, scene, until } from './session-scene.test.ts';

const call = (name: string, id?: string) => ({ name, input: {}, ...(id === undefined ? {} : { id }) }) as const;

/** A model that gives these answers as they are. */
function given(...answers: readonly unknown[]): Model {
  let count = 0;
  return { name: 'own', call: () => Promise.resolve(answers[count++] as ModelAnswer) };
}

const usage = { inputTokens: 1, outputTokens: 2 };
const said = (text: string): readonly Part[] => [{ type: 'text', text }];

test('a tool is told who calls, in which call and attempt, when, and what a person answered', async () => {
  const seen: ToolContext[] = [];
  const ask = tool({
    name: 'ask',
    effect: 'idempotent',
    inputSchema: ANY,
    needsApproval: true,
    execute: (_input, context) => {
      seen.push(context);
      return 'ok';
    },
  });
  const { session: asking, store, of } = scene({ tools: [ask], script: [{ calls: [call('ask')] }, { calls: [call('ask')] }, 'done'] });
  const [first] = (await asking.send('go').result).pending;
  const [second] = (await asking.respond(first?.id ?? 's:-1', { decision: 'approve', answer: { n: 1 } }).result).pending;
  await asking.respond(second?.id ?? 's:-1', { decision: 'approve' }).result;
  const intents = await of('tool.called');
  const expected = intents.map(({ seq, atMs }) => ({
    callId: `s:${seq}`,
    idempotencyKey: `${store.incarnation}:s:${seq}`,
    attempt: 1,
    session: { sid: 's', tenant: 'default', agent: 'a' },
    now: { atMs },
  }));
  assert.deepEqual(
    seen.map(({ callId, idempotencyKey, attempt, session, now }) => ({ callId, idempotencyKey, attempt, session, now })),
    expected,
  );
  assert.deepEqual([seen[0]?.approval?.answer, Object.hasOwn(seen[1]?.approval ?? {}, 'answer')], [{ n: 1 }, false]);
});

test('a tool that needed no approval is told of none, and one of a tenant knows its tenant', async () => {
  let seen: ToolContext | undefined;
  const look = tool({
    name: 'look',
    effect: 'read',
    inputSchema: ANY,
    execute: (_input, context) => {
      seen = context;
      return 1;
    },
  });
  const world = testWorld();
  const store = memoryStore({ world }).scope('red');
  const model = scriptedModel([{ calls: [call('look')] }, 'done']);
  const runtime = createRuntime({ store, world, agents: [createAgent({ name: 'a', model, tools: [look] })] });
  await runtime.session('s', { agent: 'a' }).send('go').result;
  assert.deepEqual([seen?.session.tenant, seen !== undefined && Object.hasOwn(seen, 'approval')], ['red', false]);
});

test('a large output of a session of a subject is a blob that goes with the subject’s key, and says what was cut', async () => {
  const world = testWorld();
  const keys = memoryKeys();
  const store = memoryStore({ world, keys });
  const long = tool({ name: 'long', effect: 'read', inputSchema: ANY, execute: () => 'x'.repeat(200_000) });
  const model = scriptedModel([{ calls: [call('long')] }, 'done']);
  const agent = createAgent({ name: 'a', model, tools: [long], outputBytesMax: 100_000 });
  const session = createRuntime({ store, world, agents: [agent] }).session('s', { agent: 'a', subject: 'ada' });
  await session.send('go').result;
  const returned = (await all(session.log())).find((event) => event.type === 'tool.returned');
  assert.ok(returned?.type === 'tool.returned');
  const { output, truncatedBytes } = returned.data;
  assert.ok(isBlobRef(output) && (truncatedBytes ?? 0) > 0, JSON.stringify(returned.data));
  const ref = output as unknown as { readonly ref: string; readonly mediaType: string; readonly bytes: number };
  assert.equal(ref.mediaType, 'application/json');
  assert.equal((await store.blobs.get(ref.ref)).length, ref.bytes);
  keys.destroy('ada');
  await assert.rejects(store.blobs.get(ref.ref), (error) => NervaError.is(error, 'BLOB_UNKNOWN'));
});

test('a large file of a session of a subject goes with the subject’s key', async () => {
  const world = testWorld();
  const keys = memoryKeys();
  const store = memoryStore({ world, keys });
  const runtime = createRuntime({ store, world, agents: [createAgent({ name: 'a', model: scriptedModel(['seen']) })] });
  const data = new Uint8Array(50_000).fill(7);
  await runtime.session('s', { agent: 'a', subject: 'ada' }).send('see', { files: [{ mediaType: 'image/png', data }] }).result;
  assert.equal((await store.blobs.get(world.digest(data))).length, data.length);
  keys.destroy('ada');
  await assert.rejects(store.blobs.get(world.digest(data)), (error) => NervaError.is(error, 'BLOB_UNKNOWN'));
});

test('an output of exactly 16 KB stands in the log, and one byte more beside it', async () => {
  const sizes = [16 * 1024 - 2, 16 * 1024 - 1];
  const tools = sizes.map((size, index) => tool({ name: `t${index}`, effect: 'read', inputSchema: ANY, execute: () => 'x'.repeat(size) }));
  const { session, of } = scene({ tools, script: [{ calls: [call('t0'), call('t1')] }, 'done'] });
  await session.send('go').result;
  const outputs = (await of('tool.returned')).map(({ data }) => data);
  assert.deepEqual(
    outputs.map(({ output }) => isBlobRef(output)),
    [false, true],
  );
  assert.deepEqual(
    outputs.map((data) => Object.hasOwn(data, 'truncatedBytes')),
    [false, false],
  );
});

test('what a tool finds out about its doubt is followed: done with its output, not done, or nobody knows', async () => {
  const big = 'x'.repeat(20_000);
  const found: readonly [() => Reconciled | Promise<Reconciled>, (event: { readonly type: string; readonly data: unknown }) => void][] = [
    [
      () => ({ status: 'done', output: { paid: 1 } }),
      ({ data }) => assert.deepEqual(data, { call: 6, output: { paid: 1 }, by: 'reconcile' }),
    ],
    [() => ({ status: 'done' }) as Reconciled, ({ data }) => assert.deepEqual(data, { call: 6, output: null, by: 'reconcile' })],
    [
      () => ({ status: 'done', output: big }),
      ({ data }) => assert.ok(isBlobRef((data as { readonly output: null }).output), 'beside the log'),
    ],
    [() => ({ status: 'unknown' }), ({ data }) => assert.deepEqual(data, { call: 6, status: 'unknown', attempt: 1 })],
    [
      () => ({ status: 'maybe' }) as unknown as Reconciled,
      ({ data }) => assert.deepEqual(data, { call: 6, status: 'unknown', attempt: 1 }),
    ],
    [
      () => Promise.reject(new Error('line down')),
      ({ data }) => assert.deepEqual(data, { call: 6, status: 'unknown', message: 'threw: line down', attempt: 1 }),
    ],
  ];
  for (const [reconcile, check] of found) {
    const pay = tool({
      name: 'pay',
      effect: 'irreversible',
      inputSchema: ANY,
      reconcile,
      execute: () => Promise.reject(new Error('broke')),
    });
    const { session, events } = scene({ tools: [pay], script: [{ calls: [call('pay')] }, 'done'] });
    await session.send('go').result;
    const told = (await events()).find(
      ({ type, data }) => type === 'reconcile.returned' || (type === 'tool.returned' && 'by' in data && data.by === 'reconcile'),
    );
    assert.ok(told !== undefined);
    check({ type: told.type, data: { ...told.data, ...('call' in told.data ? { call: 6 } : {}) } });
  }
});

test('a call that did not happen is made again after its tool found that out', async () => {
  let tries = 0;
  const pay = tool({
    name: 'pay',
    effect: 'irreversible',
    inputSchema: ANY,
    reconcile: () => ({ status: 'not-done' }),
    execute: () => {
      if (++tries === 1) throw new Error('broke');
      return 'paid';
    },
  });
  const { session, of } = scene({ tools: [pay], script: [{ calls: [call('pay')] }, 'done'] });
  assert.equal((await session.send('go').result).text, 'done');
  assert.deepEqual([tries, (await of('tool.called')).at(-1)?.data.why], [2, 'reconcile']);
});

test('an answer is recorded with its usage, price, model and what else the provider said, and without what it did not', async () => {
  const full = {
    parts: said('hi'),
    finish: 'length',
    usage: { inputTokens: 1_000_000, outputTokens: 2_000_000, cachedTokens: 3 },
    model: 'm-1',
    meta: { id: 'x' },
    via: [{ name: 'group', member: 'm' }],
  };
  const priced: Model = { ...given(full), price: { inputUsd: 1, outputUsd: 2 } };
  const one = scene({ model: priced });
  await one.session.send('go').result;
  const [answer] = await one.of('model.answered');
  assert.deepEqual(answer?.data, { call: 3, ...full, usd: 5 });
  const plain = scene({ model: given({ parts: said('hi'), finish: 'stop', usage, model: 7, meta: {} }) });
  await plain.session.send('go').result;
  assert.deepEqual((await plain.of('model.answered'))[0]?.data, { call: 3, parts: said('hi'), usage, model: null });
});

test('counts that are none are unknown', async () => {
  for (const [count, kept] of [
    [0, 0],
    [-1, null],
    [Infinity, null],
    ['3', null],
  ] as const) {
    const { session, of } = scene({
      model: given({ parts: said('hi'), finish: 'stop', usage: { inputTokens: count, outputTokens: 1 }, model: null }),
    });
    await session.send('go').result;
    const [answer, failed] = [(await of('model.answered'))[0], (await of('model.failed'))[0]];
    if (count === Infinity) assert.equal(failed?.data.code, 'JSON_INVALID', 'it is no JSON');
    else assert.equal(answer?.data.usage.inputTokens, kept, String(count));
  }
});

test('calls of one answer under one id are told apart, and those that differ keep their ids', async () => {
  const look = tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => 1 });
  const { session, of } = scene({
    tools: [look],
    script: [{ calls: [call('look', 'x'), call('look', 'x'), call('look', 'y'), call('look', 'x')] }, 'done'],
  });
  await session.send('go').result;
  const parts = (await of('model.answered'))[0]?.data.parts ?? [];
  assert.deepEqual(
    parts,
    ['x', 'x-2', 'y', 'x-3'].map((id) => ({ type: 'tool_call', id, name: 'look', input: {} })),
  );
});

test('what a model gives that is no answer is one failure, with what came in it', async () => {
  const fine = { parts: said('hi'), finish: 'stop', usage, model: null };
  const bad: readonly unknown[] = [
    undefined,
    null,
    { ...fine, parts: 'hi' },
    { ...fine, usage: null },
    { ...fine, finish: undefined },
    { ...fine, parts: [null] },
    { ...fine, parts: [{ type: 'image' }] },
    { ...fine, parts: [{ type: 'text', text: 7 }] },
    { ...fine, parts: [{ type: 'tool_call', id: 'x', name: 'y' }] },
    { ...fine, parts: [{ type: 'tool_call', id: 'x', input: {} }] },
    { ...fine, parts: [{ type: 'tool_call', name: 'y', input: {} }] },
    { ...fine, parts: [{ type: 'file', data: 'AAAA' }] },
    { ...fine, parts: [{ type: 'file', mediaType: 'image/png' }] },
  ];
  for (const answer of bad) {
    const { session, of } = scene({ model: given(answer), retry: false });
    assert.equal((await session.send('go').result).status, 'failed');
    assert.deepEqual(
      (await of('model.failed')).map(({ data }) => [data.call, data.why, data.code]),
      [[3, 'error', 'MODEL_GARBAGE']],
      JSON.stringify(answer),
    );
  }
  const image = { type: 'file', mediaType: 'image/png', data: 'AAAA' };
  const { session } = scene({ model: given({ ...fine, parts: [{ type: 'reasoning', text: '' }, image, ...said('hi')] }) });
  assert.equal((await session.send('go').result).text, 'hi');
});

test('a failure of the model is recorded with its code, whether to try again and how long to wait', async () => {
  const failures: readonly [unknown, object][] = [
    [
      new NervaError('HTTP_TIMEOUT', 'slow', { details: { retryAfterMs: 5 } }),
      { code: 'HTTP_TIMEOUT', message: 'slow', retry: true, retryAfterMs: 5 },
    ],
    [new NervaError('MODEL_REFUSED', 'no'), { code: 'MODEL_REFUSED', message: 'no', retry: false }],
    [new Error('own'), { code: 'MODEL_UNAVAILABLE', message: 'own', retry: true }],
    ['text', { code: 'MODEL_UNAVAILABLE', message: '"text"', retry: true }],
    [undefined, { code: 'MODEL_UNAVAILABLE', message: 'undefined', retry: true }],
  ];
  for (const [error, data] of failures)
    for (const fail of [() => Promise.reject(error as Error), () => raise(error)]) {
      const { session, of } = scene({ model: { name: 'm', call: fail }, retry: false });
      await session.send('go').result;
      assert.deepEqual((await of('model.failed'))[0]?.data, { call: 3, why: 'error', ...data });
    }
});

function raise(error: unknown): never {
  throw error;
}

test('a call of the model has what its turn has left, and no more', async () => {
  const slow = (delayMs: number) => scriptedModel(() => ({ text: 'done', delayMs }));
  const ended = async (delayMs: number) => {
    const made = scene({ model: slow(delayMs), budget: { turnMs: 10_000 }, retry: false });
    const { result } = made.session.send('go');
    await until(async () => (await made.of('model.called')).length === 1);
    for (let ms = 0; ms < 20_000; ms += 500) await made.world.advance(500);
    return (await result).status;
  };
  assert.equal(await ended(9_500), 'answered');
  assert.equal(await ended(10_500), 'failed');
});

test('what tools say is theirs in the log, what a person says of their doubts is a person’s', async () => {
  const look = tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => 1 });
  const fail = tool({ name: 'fail', effect: 'read', inputSchema: ANY, execute: () => raise(new Error('x')) });
  const pay = tool({ name: 'pay', inputSchema: ANY, execute: () => raise(new Error('x')) });
  const { session, of } = scene({
    tools: [look, fail, pay],
    script: [{ calls: [call('look'), call('fail'), call('pay'), call('pay')] }, 'done'],
  });
  const [first, second] = (await session.send('go').result).pending;
  await session.respond(first?.id ?? 's:-1', { decision: 'returned', output: 1 }).accepted;
  await session.respond(second?.id ?? 's:-1', { decision: 'failed' }).result;
  const origins = async (type: 'tool.returned' | 'tool.failed') => (await of(type)).map(({ origin }) => origin);
  assert.deepEqual(
    [await origins('tool.returned'), await origins('tool.failed')],
    [
      ['tool', 'person'],
      ['tool', 'person'],
    ],
  );
  assert.deepEqual([(await of('model.answered'))[0]?.origin, (await of('tool.in_doubt'))[0]?.origin], ['model', 'system']);
});

test('a tool that finds out about its doubt after its time says nothing any more', async () => {
  const late = gate<Reconciled>();
  const pay = tool({
    name: 'pay',
    timeoutMs: 1_000,
    inputSchema: ANY,
    reconcile: () => late.opened,
    execute: () => raise(new Error('x')),
  });
  const made = scene({ tools: [pay], script: [{ calls: [call('pay')] }, 'done'], runtime: { graceMs: 0 } });
  const { result } = made.session.send('go');
  await until(async () => (await made.of('reconcile.called')).length === 1);
  await made.world.advance(1_000);
  assert.equal((await result).status, 'waiting');
  late.open({ status: 'done', output: 'paid' });
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual((await made.events()).map(({ type }) => type).slice(-2), ['reconcile.called', 'reconcile.returned']);
});

test('an irreversible call is in doubt with what happened to it, and a call that never began is not', async () => {
  const why = async (execute: () => unknown, effect: 'read' | 'irreversible' = 'irreversible') => {
    const { session, events } = scene({
      tools: [tool({ name: 't', effect, inputSchema: ANY, execute })],
      script: [{ calls: [call('t')] }, 'done'],
    });
    await session.send('go').result;
    const end = (await events()).find(({ type }) => type === 'tool.failed' || type === 'tool.in_doubt');
    return [end?.type, end !== undefined && 'why' in end.data ? end.data.why : ''];
  };
  assert.deepEqual(await why(() => raise(new Error('x'))), ['tool.in_doubt', 'threw']);
  assert.deepEqual(await why(() => raise(new Error('x')), 'read'), ['tool.failed', 'threw']);
  assert.deepEqual(await why(() => raise(notDone('x'))), ['tool.failed', 'not done']);
  assert.deepEqual(await why(() => () => 1), ['tool.failed', 'bad output']);
});
