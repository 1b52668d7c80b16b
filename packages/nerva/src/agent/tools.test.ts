import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { scriptedModel, type Part } from '../model/index.ts';
import { isBlobRef } from '../log/index.ts';
import { requestProblem } from '../testing/index.ts';
import { notDone, tool, type ToolEffect } from '../tool/index.ts';
import { ANY, gate, scene, until, type Gate } from './session-scene.test.ts';

const LOOK = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false } as const;
const call = (name: string, input: object = {}): { name: string; input: never } => ({ name, input: input as never });
/** What the tools' message of a request says, by call. */
const results = (parts: readonly Part[]): unknown[] =>
  parts.map((part) => (part.type === 'tool_result' ? [part.name, part.output, part.isError === true] : part));

test('two parallel calls run at once, and their results stand in call order though the second ends first', async () => {
  const [one, two] = [gate<string>(), gate<string>()];
  const model = scriptedModel([{ calls: [call('one'), call('two')] }, 'done']);
  const { session, of } = scene({
    model,
    tools: [
      tool({ name: 'one', effect: 'read', inputSchema: ANY, execute: () => one.opened }),
      tool({ name: 'two', effect: 'read', inputSchema: ANY, execute: () => two.opened }),
    ],
  });
  const { result } = session.send('go');
  await until(async () => (await of('tool.called')).length === 2);
  two.open('second');
  await until(async () => (await of('tool.returned')).length === 1);
  one.open('first');
  assert.equal((await result).text, 'done');
  assert.deepEqual(
    (await of('tool.returned')).map(({ data }) => data.output),
    ['second', 'first'],
  );
  const last = model.requests[1]?.messages.at(-1);
  assert.deepEqual(results(last?.parts ?? []), [
    ['one', 'first', false],
    ['two', 'second', false],
  ]);
});

test('any number of calls completing in any order answers the model in call order', async () => {
  const orders = fc
    .integer({ min: 1, max: 6 })
    .chain((count) => fc.shuffledSubarray([...Array(count).keys()], { minLength: count, maxLength: count }));
  await fc.assert(
    fc.asyncProperty(orders, async (order) => {
      const gates = new Map<number, Gate<number>>(order.map((n) => [n, gate<number>()]));
      const model = scriptedModel([{ calls: order.map((_, n) => call('wait', { n })) }, 'done']);
      const wait = tool({
        name: 'wait',
        effect: 'read',
        inputSchema: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] },
        execute: ({ n }) => gates.get(n)?.opened,
      });
      const { session, of } = scene({ model, tools: [wait] });
      const { result } = session.send('go');
      await until(async () => (await of('tool.called')).length === order.length);
      for (const n of order) gates.get(n)?.open(n);
      await result;
      assert.deepEqual(
        results(model.requests[1]?.messages.at(-1)?.parts ?? []),
        order.map((_, n) => ['wait', n, false]),
      );
      assert.equal(requestProblem(model.requests[1] ?? { messages: [] }), null);
    }),
    { numRuns: 20 },
  );
});

test('bad arguments never reach the function and go back to the model in words it can act on', async () => {
  let executed = 0;
  const model = scriptedModel([{ calls: [call('look', { city: 5 }), call('look'), call('look', { city: 'Rome', zoom: 1 })] }, 'done']);
  const look = tool({ name: 'look', inputSchema: LOOK, execute: () => executed++ });
  const { session, of } = scene({ model, tools: [look] });
  assert.equal((await session.send('go').result).status, 'answered');
  assert.equal(executed, 0);
  assert.deepEqual(await of('tool.called'), []);
  const told = (await of('tool.failed')).map(({ data }) => [data.why, data.message]);
  assert.deepEqual(
    told.map(([why]) => why),
    ['bad input', 'bad input', 'bad input'],
  );
  assert.match(String(told[0]?.[1]), /\$\.city.*string/);
  assert.match(String(told[1]?.[1]), /lacks "city"/);
  assert.match(String(told[2]?.[1]), /zoom/);
  assert.deepEqual(
    results(model.requests[1]?.messages.at(-1)?.parts ?? []).map((one) => (one as unknown[])[2]),
    [true, true, true],
  );
});

test('arguments that are not JSON are told so, and the function is not called', async () => {
  let executed = 0;
  const parts: readonly Part[] = [{ type: 'tool_call', id: 'c', name: 'look', input: '{"city": "Ro', malformed: true }];
  const model = scriptedModel([{ parts }, 'done']);
  const { session, of } = scene({ model, tools: [tool({ name: 'look', inputSchema: ANY, execute: () => executed++ })] });
  await session.send('go').result;
  assert.equal(executed, 0);
  assert.match((await of('tool.failed'))[0]?.data.message ?? '', /look are not JSON/);
});

test('an unknown tool is answered with the names of the known ones', async () => {
  const model = scriptedModel([{ calls: [call('lok')] }, 'done']);
  const read = (name: string) => tool({ name, inputSchema: ANY, execute: () => 1 });
  const { session, of } = scene({ model, tools: [read('look'), read('pay')] });
  await session.send('go').result;
  const [failed] = await of('tool.failed');
  assert.equal(failed?.data.why, 'unknown tool');
  assert.equal(failed?.data.message, 'There is no tool named "lok". The tools are: look, pay.');
});

const circular: Record<string, unknown> = {};
circular['self'] = circular;
const strange: Readonly<Record<string, () => unknown>> = {
  'throws an error': () => {
    throw new Error('no route '.repeat(5_000));
  },
  'throws something that is no error': () => {
    // oxlint-disable-next-line typescript/only-throw-error -- that is what is tested
    throw { code: 7 } as never;
  },
  rejects: () => Promise.reject(new Error('later')),
  'returns a circle': () => circular,
  'returns NaN': () => Number.NaN,
  'returns a function': () => () => 1,
  'returns an instance': () => new Map([[1, 2]]),
  'returns a bigint': () => Promise.resolve(10n),
  'returns nothing': () => undefined,
  'returns 100 MB': () => 'x'.repeat(100_000_000),
};

for (const [name, execute] of Object.entries(strange)) {
  test(`a tool that ${name} has exactly one outcome event, and a small one`, async () => {
    const { session, events } = scene({
      script: [{ calls: [call('odd')] }, 'done'],
      tools: [tool({ name: 'odd', effect: 'read', inputSchema: ANY, execute })],
    });
    const { status, text } = await session.send('go').result;
    assert.deepEqual([status, text], ['answered', 'done']);
    const ended = (await events()).filter(({ type }) => type === 'tool.returned' || type === 'tool.failed' || type === 'tool.in_doubt');
    assert.equal(ended.length, 1);
    assert.ok(JSON.stringify(ended[0]?.data).length <= 16 * 1024 + 200, `${JSON.stringify(ended[0]?.data).length} bytes`);
  });
}

test('an output above 16 KB is a blob in the log and whole in the next request', async () => {
  const whole = { rows: Array.from({ length: 4_000 }, (_, n) => `row ${n}`) };
  const model = scriptedModel([{ calls: [call('big'), call('small')] }, 'done', 'again']);
  const { session, of, store } = scene({
    model,
    tools: [
      tool({ name: 'big', effect: 'read', inputSchema: ANY, execute: () => whole }),
      tool({ name: 'small', effect: 'read', inputSchema: ANY, execute: () => 'x'.repeat(16 * 1024 - 2) }),
    ],
  });
  await session.send('go').result;
  await session.send('more').result;
  const outputs = (await of('tool.returned')).map(({ data }) => data.output);
  const [big, small] = [outputs.find(isBlobRef), outputs.find((output) => typeof output === 'string')];
  assert.ok(isBlobRef(big));
  assert.equal(small?.length, 16 * 1024 - 2);
  assert.deepEqual(JSON.parse(new TextDecoder().decode(await store.blobs.get(big.ref))), whole);
  for (const request of model.requests.slice(1)) {
    const given = request.messages.find(({ role }) => role === 'tool')?.parts[0];
    assert.deepEqual(given?.type === 'tool_result' && given.output, whole);
  }
});

test('what is above outputBytesMax is cut, says so, and the rest of the turn goes on', async () => {
  const { session, of } = scene({
    script: [{ calls: [call('big')] }, 'done'],
    outputBytesMax: 1024,
    tools: [tool({ name: 'big', effect: 'read', inputSchema: ANY, execute: () => 'ab'.repeat(5_000) })],
  });
  await session.send('go').result;
  const [returned] = await of('tool.returned');
  assert.ok(String(returned?.data.output).length <= 1024);
  assert.match(String(returned?.data.output), /bytes cut\]$/);
  assert.ok((returned?.data.truncatedBytes ?? 0) > 8_000);
});

for (const [effect, type, why] of [
  ['read', 'tool.failed', 'timeout'],
  ['idempotent', 'tool.failed', 'timeout'],
  ['irreversible', 'tool.in_doubt', 'timeout'],
] as const) {
  test(`a ${effect} tool that hangs and does not hear its signal ends after timeout and grace as ${type}`, async () => {
    const { session, world, events, of } = scene({
      script: [{ calls: [call('hang')] }, 'done'],
      runtime: { graceMs: 500 },
      tools: [tool({ name: 'hang', effect, timeoutMs: 1_000, inputSchema: ANY, execute: () => new Promise(() => undefined) })],
    });
    const { result } = session.send('go');
    await until(async () => (await of('tool.called')).length === 1);
    await world.advance(1_499);
    assert.equal((await events()).at(-1)?.type, 'tool.called');
    await world.advance(1);
    const { status } = await result;
    assert.equal(status, effect === 'irreversible' ? 'waiting' : 'answered');
    const ended = (await events()).filter((event) => event.type === 'tool.failed' || event.type === 'tool.in_doubt');
    assert.deepEqual(
      ended.map((event) => [event.type, event.data.why]),
      [[type, why]],
    );
  });
}

test('a tool that hears its signal ends at its timeout without the grace', async () => {
  const { session, world, of } = scene({
    script: [{ calls: [call('hang')] }, 'done'],
    tools: [
      tool({
        name: 'hang',
        effect: 'read',
        timeoutMs: 1_000,
        inputSchema: ANY,
        execute: (_input, { signal }) =>
          new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
      }),
    ],
  });
  const { result } = session.send('go');
  await until(async () => (await of('tool.called')).length === 1);
  await world.advance(1_000);
  assert.equal((await result).text, 'done');
  assert.deepEqual(
    (await of('tool.failed')).map(({ data }) => data.why),
    ['timeout'],
  );
});

test('an irreversible call that throws waits in doubt, is not called again, and a person says what became of it', async () => {
  for (const answer of [
    { decision: 'returned', output: { paid: 7 } },
    { decision: 'failed', message: 'the bank never saw it' },
  ] as const) {
    let executed = 0;
    const model = scriptedModel([{ calls: [call('pay')] }, 'done']);
    const pay = tool({
      name: 'pay',
      inputSchema: ANY,
      execute: () => {
        executed++;
        throw new Error('socket hang up');
      },
    });
    const { session, of } = scene({ model, tools: [pay] });
    const waiting = await session.send('go').result;
    const [doubt] = waiting.pending;
    assert.deepEqual([waiting.status, doubt?.type, doubt?.tool, doubt?.why], ['waiting', 'doubt', 'pay', 'threw']);
    assert.equal(model.callCount, 1);
    const answered = await session.respond(doubt?.id ?? 's:0', answer).result;
    assert.deepEqual([answered.status, answered.text, executed, (await of('tool.called')).length], ['answered', 'done', 1, 1]);
    const told = results(model.requests[1]?.messages.at(-1)?.parts ?? []);
    assert.deepEqual(told, [answer.decision === 'returned' ? ['pay', { paid: 7 }, false] : ['pay', 'the bank never saw it', true]]);
    await assert.rejects(session.respond(doubt?.id ?? 's:0', answer).accepted, { code: 'APPROVAL_SETTLED' });
  }
});

test('an approval answer is refused for a call in doubt and leaves it waiting', async () => {
  const pay = tool({ name: 'pay', inputSchema: ANY, execute: () => Promise.reject(new Error('lost')) });
  const { session, events } = scene({ script: [{ calls: [call('pay')] }, 'done'], tools: [pay] });
  const [doubt] = (await session.send('go').result).pending;
  const before = (await events()).length;
  await assert.rejects(session.respond(doubt?.id ?? 's:0', { decision: 'approve' }).accepted, { code: 'OPTION_INVALID' });
  assert.equal((await events()).length, before);
});

for (const effect of ['read', 'idempotent', 'irreversible'] as const satisfies readonly ToolEffect[]) {
  test(`“not done” of a ${effect} tool is a plain failure that the model reads`, async () => {
    const model = scriptedModel([{ calls: [call('pay')] }, 'done']);
    const pay = tool({
      name: 'pay',
      effect,
      inputSchema: ANY,
      execute: () => {
        throw notDone('The account is empty.');
      },
    });
    const { session, of } = scene({ model, tools: [pay] });
    assert.equal((await session.send('go').result).text, 'done');
    assert.deepEqual(
      (await of('tool.failed')).map(({ data }) => [data.why, data.message]),
      [['not done', 'The account is empty.']],
    );
    assert.deepEqual(await of('tool.in_doubt'), []);
  });
}

test('a value returned after its timeout ends the doubt, as a late outcome', async () => {
  const late = gate<{ readonly paid: number }>();
  const model = scriptedModel([{ calls: [call('pay')] }, 'done']);
  const pay = tool({ name: 'pay', timeoutMs: 1_000, inputSchema: ANY, execute: () => late.opened });
  const { session, world, of } = scene({ model, tools: [pay], runtime: { graceMs: 100 } });
  const waiting = session.send('go');
  await until(async () => (await of('tool.called')).length === 1);
  await world.advance(1_100);
  assert.equal((await waiting.result).status, 'waiting');
  late.open({ paid: 7 });
  await until(async () => (await of('turn.ended')).length === 1);
  assert.deepEqual(
    (await of('tool.returned')).map(({ data }) => [data.by, data.output]),
    [['late', { paid: 7 }]],
  );
  assert.deepEqual(results(model.requests[1]?.messages.at(-1)?.parts ?? []), [['pay', { paid: 7 }, false]]);
});

test('an error thrown after its timeout tells nothing, so the doubt stays', async () => {
  const late = gate<number>();
  const pay = tool({ name: 'pay', timeoutMs: 1_000, inputSchema: ANY, execute: () => late.opened });
  const { session, world, of, runtime } = scene({ script: [{ calls: [call('pay')] }, 'done'], tools: [pay], runtime: { graceMs: 100 } });
  const waiting = session.send('go');
  await until(async () => (await of('tool.called')).length === 1);
  await world.advance(1_100);
  await waiting.result;
  late.fail(new Error('reset'));
  await new Promise((resolve) => setImmediate(resolve));
  await runtime.idle();
  assert.equal((await session.at()).pending.length, 1);
  assert.deepEqual(await of('tool.failed'), []);
});

test('of a late outcome and a person’s answer the first stands and the second changes nothing', async () => {
  const late = gate<string>();
  const pay = tool({ name: 'pay', timeoutMs: 1_000, inputSchema: ANY, execute: () => late.opened });
  const model = scriptedModel([{ calls: [call('pay')] }, 'done', 'more']);
  const { session, world, of } = scene({ model, tools: [pay], runtime: { graceMs: 100 } });
  const sent = session.send('go');
  await until(async () => (await of('tool.called')).length === 1);
  await world.advance(1_100);
  const [doubt] = (await sent.result).pending;
  await session.respond(doubt?.id ?? 's:0', { decision: 'returned', output: 'by hand' }).result;
  late.open('by machine');
  await until(async () => (await of('tool.returned')).length === 2);
  await session.send('more').result;
  assert.deepEqual(results(model.requests[2]?.messages.find(({ role }) => role === 'tool')?.parts ?? []), [['pay', 'by hand', false]]);
});

test('equal calls under dedupe are executed once, in one answer and in later turns', async () => {
  const executed: unknown[] = [];
  const model = scriptedModel([
    { calls: [call('book', { seat: 1 }), call('book', { seat: 1, hint: 'again' }), call('book', { seat: 2 })] },
    'done',
    { calls: [call('book', { seat: 1 })] },
    'done again',
  ]);
  const book = tool({
    name: 'book',
    inputSchema: { type: 'object', properties: { seat: { type: 'integer' }, hint: { type: 'string' } }, required: ['seat'] },
    dedupe: ({ seat }) => String(seat),
    execute: async ({ seat }) => {
      executed.push(seat);
      return Promise.resolve({ seat, ticket: executed.length });
    },
  });
  const { session, of } = scene({ model, tools: [book] });
  await session.send('go').result;
  await session.send('and again').result;
  assert.deepEqual(executed, [1, 2]);
  assert.deepEqual((await of('tool.returned')).map(({ data }) => data.by ?? 'call').sort(), ['call', 'call', 'dedupe', 'dedupe']);
  const last = model.requests[3]?.messages.at(-1)?.parts ?? [];
  assert.deepEqual(results(last), [['book', { seat: 1, ticket: 1 }, false]]);
});

test('a call that failed is not what dedupe repeats', async () => {
  let tries = 0;
  const book = tool({
    name: 'book',
    inputSchema: ANY,
    dedupe: () => 'one',
    execute: () => {
      if (tries++ === 0) throw notDone('sold out');
      return 'seat';
    },
  });
  const { session, of } = scene({ script: [{ calls: [call('book')] }, { calls: [call('book')] }, 'done'], tools: [book] });
  await session.send('go').result;
  assert.deepEqual([tries, (await of('tool.returned')).map(({ data }) => data.output)], [2, ['seat']]);
});

test('doubts of several turns all stay, and each is answered by itself', async () => {
  const pay = tool({ name: 'pay', inputSchema: ANY, execute: () => Promise.reject(new Error('lost')) });
  const { session } = scene({ script: [{ calls: [call('pay')] }, { calls: [call('pay')] }, 'done'], tools: [pay] });
  for (const text of ['one', 'two']) {
    await session.send(text).result;
    await session.cancel();
    await session.resume().result;
  }
  const { pending } = await session.at();
  assert.deepEqual(
    pending.map(({ type }) => type),
    ['doubt', 'doubt'],
  );
  for (const [n, { id }] of pending.entries()) {
    await session.respond(id, { decision: 'returned', output: n }).accepted;
    assert.equal((await session.at()).pending.length, 1 - n);
  }
});
