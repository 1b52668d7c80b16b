import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scriptedModel } from '../model/index.ts';
import { fromFunction } from '../policy/index.ts';
import { tool } from '../tool/index.ts';
import { createAgent, createRuntime } from './index.ts';
import { all, ANY, gate, scene, until } from './session-scene.test.ts';

const call = (name: string) => ({ name, input: {} }) as const;
const pay = tool({ name: 'pay', inputSchema: ANY, needsApproval: true, execute: () => 'paid' });

async function read(stream: AsyncIterable<string>): Promise<string> {
  return (await all(stream)).join('');
}

test('a fork is at rest after a turn and waits in the middle of one, and says who made it', async () => {
  const { session, store } = scene({ tools: [pay], script: ['one', { calls: [call('pay')] }, 'done'] });
  await session.send('one').result;
  const end = (await store.head('s')) - 1;
  await session.send('two').result;
  const middle = (await store.head('s')) - 1;
  for (const [seq, status, options, by] of [
    [end, 'idle', {}, 'user'],
    [middle, 'waiting', { by: 'user:ada' }, 'user:ada'],
    [1, 'waiting', {}, 'user'],
  ] as const) {
    const fork = await session.fork(seq, options);
    assert.equal((await store.info(fork.sid)).status, status, `${seq}`);
    const own = (await all(fork.frames())).at(-1);
    assert.deepEqual([own?.by, own?.events[0]?.type], [by, 'session.forked']);
  }
});

test('a fork has the id that is asked for, asks a person by default, and keeps the subject of its parent', async () => {
  const { session } = scene({ script: ['one'] });
  await session.send('one').result;
  const fork = await session.fork(2, { sid: 'named' });
  assert.equal(fork.sid, 'named');
  const last = (await all(fork.log())).at(-1);
  assert.deepEqual(last?.data, { parent: 's', at: 2, effects: 'ask' });
});

test('frames and events are given from the first to the last, over pages', async () => {
  const { session, store } = scene({ script: ['one'] });
  await session.send('one').result;
  for (let index = 0; index < 300; index++)
    await store.append({ id: `f${index}`, sid: 's', expected: 'fact', events: [{ type: 'note.taken', data: {} }] });
  const head = await store.head('s');
  const seqs = (await all(session.frames())).flatMap((frame) => frame.events.map((_, index) => frame.seq + index));
  assert.deepEqual(
    seqs,
    Array.from({ length: head }, (_, seq) => seq),
  );
  assert.deepEqual(
    (await all(session.log())).map(({ seq }) => seq),
    seqs,
  );
});

test('a cancel and a denial that give no reason say so', async () => {
  const { session, of } = scene({ tools: [pay], script: [{ calls: [call('pay')] }, 'fine', { calls: [call('pay')] }] });
  const [asked] = (await session.send('one').result).pending;
  await session.respond(asked?.id ?? 's:-1', { decision: 'deny' }).result;
  assert.deepEqual(
    (await of('approval.denied')).map(({ data, origin }) => [data.why, origin]),
    [['denied', 'person']],
  );
  await session.send('two').result;
  await session.cancel();
  assert.deepEqual(
    (await of('cancel.requested')).map(({ data, origin }) => [data.why, origin]),
    [['cancelled', 'person']],
  );
  await until(async () => (await of('turn.ended')).length === 2);
  await session.cancel();
  assert.equal((await of('cancel.requested')).length, 1, 'there is nothing to cancel');
});

test('an answer to an approval resolves with the turn that it belongs to', async () => {
  const { session } = scene({ tools: [pay], script: [{ calls: [call('pay')] }, 'paid', 'next'] });
  const [asked] = (await session.send('one').result).pending;
  assert.deepEqual([asked?.type, asked?.tool, asked?.input, asked?.why], ['approval', 'pay', {}, 'needs approval']);
  assert.match(asked?.digest ?? '', /^[0-9a-f]{64}$/);
  const run = session.respond(asked?.id ?? 's:-1', { decision: 'approve' });
  const { seq } = await run.accepted;
  const granted = (await all(session.log())).find(({ type }) => type === 'approval.granted');
  assert.equal(seq, granted?.seq);
  assert.equal((await run.result).text, 'paid');
});

test('a turn that waits says that it does, and how many steps it made', async () => {
  const usage = { inputTokens: 3, outputTokens: 4 };
  const { session } = scene({ tools: [pay], script: [{ calls: [call('pay')], usage }] });
  const { pending, ...waiting } = await session.send('one').result;
  assert.equal(pending.length, 1);
  assert.deepEqual(waiting, {
    sid: 's',
    status: 'waiting',
    text: '',
    output: null,
    reason: null,
    why: '',
    finish: null,
    steps: 1,
    usage,
  });
});

test('a call in doubt waits under its own id with why it is in doubt, and nothing to compare an answer with', async () => {
  const lose = tool({ name: 'lose', inputSchema: ANY, execute: () => Promise.reject(new Error('dead')) });
  const { session, of } = scene({ tools: [lose], script: [{ calls: [call('lose')] }, 'told'] });
  const { pending } = await session.send('one').result;
  const [intent] = await of('tool.called');
  assert.deepEqual(pending, [{ id: `s:${intent?.seq}`, type: 'doubt', tool: 'lose', input: {}, digest: 'attempt-1', why: 'threw' }]);
  const told = await session.respond(pending[0]?.id ?? 's:-1', { decision: 'failed' }).result;
  assert.equal(told.text, 'told');
  assert.deepEqual((await of('tool.failed'))[0]?.data, {
    call: intent?.seq,
    why: 'not done',
    message: 'A person found that it did not happen.',
    by: 'person',
  });
});

test('a session that is resumed where nothing is open gives its last answer', async () => {
  const { session, second } = scene({ script: ['one'] });
  await session.send('go').result;
  assert.equal((await second().session('s').resume().result).text, 'one');
});

test('a stream that is asked for with an aborted signal ends at once', async () => {
  const { session } = scene({ script: ['one'] });
  await session.send('go').result;
  assert.deepEqual(await all(session.stream({ signal: AbortSignal.abort() })), []);
});

test('a stream ends when its signal aborts while it waits, and leaves no listener on it', async () => {
  const { session, store } = scene({ script: ['one'] });
  await session.send('go').result;
  const stop = new AbortController();
  const seen: number[] = [];
  const reading = (async () => {
    for await (const item of session.stream({ signal: stop.signal })) if (item.type === 'event') seen.push(item.event.seq);
  })();
  const head = await store.head('s');
  await until(() => seen.length === head);
  stop.abort();
  await reading;
});

test('the text of a policy’s answer and of a model’s come as one stream, without what the model only thought', async () => {
  const rules = scene({ policy: fromFunction('rules', () => ({ type: 'answer', text: 'by rule' })) });
  assert.equal(await read(rules.session.send('go').textStream), 'by rule');
  const thinks = scene({ script: [{ reasoning: 'hm', text: 'said' }] });
  assert.equal(await read(thinks.session.send('go').textStream), 'said');
});

test('a session that waits for a tool closes after the tool heard of it', async () => {
  let heard = false;
  const running = gate();
  const slow = tool({
    name: 'slow',
    effect: 'read',
    inputSchema: ANY,
    execute: (_input, { signal }) => {
      running.open();
      return new Promise((resolve) =>
        signal.addEventListener('abort', () => {
          heard = true;
          resolve('late');
        }),
      );
    },
  });
  const { session, store } = scene({ tools: [slow], script: [{ calls: [call('slow')] }, 'done'] });
  void session.send('go');
  await running.opened;
  await session.close('enough');
  assert.deepEqual([heard, (await store.info('s')).status], [true, 'closed']);
  const closed = (await all(session.log())).at(-1);
  assert.deepEqual([closed?.type, closed?.data], ['session.closed', { why: 'enough' }]);
});

test('a session that waits for a person in another process’s turn is closed from here', async () => {
  const { session, second, store } = scene({ tools: [pay], script: [{ calls: [call('pay')] }] });
  await session.send('go').result;
  await second().session('s').close();
  assert.equal((await store.info('s')).status, 'closed');
});

test('a session of the runtime’s own choice has a subject only where one is given', async () => {
  const { runtime, store } = scene({ script: ['one', 'two'] });
  const plain = runtime.session(undefined, { agent: 'a' });
  const owned = runtime.session(undefined, { agent: 'a', subject: 'ada' });
  for (const session of [plain, owned]) await session.send('go').result;
  const first = async (sid: string) => (await store.read(sid))[0]?.events[0]?.data;
  assert.deepEqual(
    [await first(plain.sid), await first(owned.sid)],
    [
      { agent: 'a', tokens: 3 },
      { agent: 'a', subject: 'ada', tokens: 3 },
    ],
  );
});

test('facets that are added are folded, asked and shown by a look into the past', async () => {
  const world = scene({ script: ['one'] });
  const counter = {
    name: 'counter',
    version: 1,
    types: ['message.received'],
    initial: 0,
    evolve: (count: number) => count + 1,
  };
  const runtime = createRuntime({
    store: world.store,
    world: world.world,
    agents: [createAgent({ name: 'a', model: scriptedModel(['one', 'two']) })],
    facets: [counter as never, { ...counter, name: 'other', types: ['turn.ended'] } as never],
  });
  const session = runtime.session('s', { agent: 'a' });
  await session.send('one').result;
  await session.send('two').result;
  assert.deepEqual((await session.at()).state.more, { counter: 2, other: 2 });
  assert.deepEqual((await session.at(0)).state.more, { counter: 0, other: 0 });
  assert.equal((await session.replay()).divergence, null);
});
