import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scriptedModel, type Message } from '../model/index.ts';
import { tool } from '../tool/index.ts';
import { ANY, all, gate, scene, until } from './session-scene.test.ts';

const echo = () => scriptedModel(({ messages }) => `to ${textOf(messages.at(-1))}`);
const textOf = (message: Message | undefined): string =>
  (message?.parts ?? []).map((part) => (part.type === 'text' ? part.text : '')).join('');

test('sending again under one id is the same run with the same result: at once, after other turns, and in another process', async () => {
  const model = echo();
  const { session, second, runtime, of } = scene({ model });
  const first = session.send('one', { id: 'm1' });
  const again = session.send('one', { id: 'm1' });
  assert.deepEqual(await again.accepted, await first.accepted);
  assert.equal((await again.result).text, 'to one');
  for (const n of [2, 3]) await session.send(`text ${n}`, { id: `m${n}` }).result;
  for (const [n, text] of [
    [1, 'one'],
    [2, 'text 2'],
    [3, 'text 3'],
  ] as const)
    assert.equal((await session.send('whatever', { id: `m${n}` }).result).text, `to ${text}`);
  await runtime.close();
  const other = second();
  for (const [n, text] of [
    [1, 'one'],
    [2, 'text 2'],
    [3, 'text 3'],
  ] as const)
    assert.equal((await other.session('s').send('whatever', { id: `m${n}` }).result).text, `to ${text}`);
  assert.deepEqual([model.callCount, (await of('message.received')).length, (await of('turn.started')).length], [3, 3, 3]);
});

test('the result of an older turn is that turn’s: its usage and steps, not the last one’s', async () => {
  const model = scriptedModel((_request, n) => ({ text: `answer ${n}`, usage: { inputTokens: 10 * (n + 1), outputTokens: n } }));
  const { session } = scene({ model });
  const first = await session.send('one', { id: 'm1' }).result;
  await session.send('two').result;
  assert.deepEqual(await session.send('one', { id: 'm1' }).result, first);
});

test('two sends at once on a new session create it once and are both answered', async () => {
  for (const ids of [
    ['a', 'b'],
    ['same', 'same'],
    [undefined, undefined],
  ] as const) {
    const model = echo();
    const { session, runtime, of } = scene({ model });
    const handles = [session, runtime.session('s', { agent: 'a' })];
    const runs = handles.map((handle, n) => handle.send(ids[0] === 'same' ? 'same' : `m${n}`, ids[n] === undefined ? {} : { id: ids[n] }));
    const results = await Promise.all(runs.map((run) => run.result));
    assert.equal((await of('session.created')).length, 1);
    assert.deepEqual(
      results.map(({ text }) => text),
      ids[0] === 'same' ? ['to same', 'to same'] : ['to m0', 'to m1'],
    );
    assert.equal(model.callCount, ids[0] === 'same' ? 1 : 2);
  }
});

test('two runtimes that create one session at once make one session, and every message is answered once', async () => {
  const model = echo();
  const { session, second, of, store } = scene({ model });
  const other = second().session('s', { agent: 'a' });
  const runs = [session.send('here', { id: 'here' }), other.send('there', { id: 'there' })];
  await Promise.all(runs.map((run) => run.accepted));
  await Promise.allSettled(runs.map((run) => run.result));
  const later = second();
  await later.start();
  await later.idle();
  const answers = await Promise.all(['here', 'there'].map(async (id) => (await later.session('s').send(id, { id }).result).text));
  assert.deepEqual([answers, (await of('session.created')).length, (await of('turn.ended')).length], [['to here', 'to there'], 1, 2]);
  assert.equal((await store.verify('s')).ok, true);
});

test('a session that does not exist needs an agent to be created, and asking writes nothing', async () => {
  const { runtime, store } = scene({ script: ['ok'] });
  const nobody = runtime.session('nobody');
  const refusals = [
    nobody.send('hello').accepted,
    nobody.send('hello').result,
    nobody.cancel(),
    nobody.resume().result,
    nobody.at(),
    nobody.info(),
    nobody.replay(),
    nobody.respond('nobody:1', { decision: 'approve' }).accepted,
  ];
  for (const [n, refused] of refusals.entries()) await assert.rejects(refused, { code: 'SESSION_UNKNOWN' }, `refusal ${n}`);
  assert.deepEqual(await store.list(), []);
});

test('an agent that is not registered is refused by name before anything is written', () => {
  const { runtime } = scene({ script: ['ok'] });
  assert.throws(() => runtime.session(undefined, { agent: 'bookkeeper' }), {
    code: 'AGENT_UNKNOWN',
    message: /"bookkeeper".*there are: a\./,
  });
  assert.throws(() => runtime.session(undefined, { agnet: 'a' } as object), { code: 'OPTION_UNKNOWN' });
});

test('the log gives events from and to a position, and at() the session as it was there', async () => {
  const { session, events } = scene({ model: echo() });
  await session.send('one').result;
  const after = (await events()).length - 1;
  await session.send('two').result;
  assert.deepEqual((await all(session.log({ after }))).map(({ seq }) => seq)[0], after + 1);
  assert.deepEqual(
    (await all(session.log({ after: 1, upto: 3 }))).map(({ seq }) => seq),
    [2, 3],
  );
  const view = await session.at(after);
  assert.deepEqual([view.sid, view.seq, view.messages.map(textOf), view.last?.text], ['s', after, ['one', 'to one'], 'to one']);
  assert.equal(view.atMs, (await events())[after]?.atMs);
  assert.deepEqual((await session.at()).messages.map(textOf), ['one', 'to one', 'two', 'to two']);
  for (const seq of [99, -2, 1.5]) await assert.rejects(session.at(seq), { code: 'LOG_RANGE' }, `at ${seq}`);
});

test('a closed session takes nothing more and says how to go on; closing again is fine', async () => {
  const { session, events } = scene({ model: echo() });
  await session.send('one').result;
  await session.close('done');
  const before = (await events()).length;
  await assert.rejects(session.send('two').accepted, { code: 'SESSION_CLOSED', message: /fork it to go on/ });
  await session.close();
  assert.deepEqual([(await events()).length, (await session.info()).status], [before, 'closed']);
});

test('a session that was closed is closed by its row too', async () => {
  const { session, runtime } = scene({ model: echo() });
  await session.send('one').result;
  await session.close();
  assert.equal((await session.info()).status, 'closed');
  await runtime.idle();
  assert.equal((await session.info()).status, 'closed');
});

test('closing in the middle of a turn cancels it first', async () => {
  const wait = tool({
    name: 'wait',
    effect: 'read',
    inputSchema: ANY,
    execute: (_input, { signal }) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
  });
  const { session, of, events } = scene({ script: [{ calls: [{ name: 'wait', input: {} }] }, 'never'], tools: [wait] });
  const { result } = session.send('go');
  await until(async () => (await of('tool.called')).length === 1);
  await session.close();
  assert.equal((await result).status, 'cancelled');
  assert.equal((await events()).at(-1)?.type, 'session.closed');
});

test('JSON that is sent is data of the turn; what is no JSON is refused before anything is written', async () => {
  const { session, of, store } = scene({ model: echo() });
  for (const bad of [Number.NaN, { at: new Date(0) }, undefined]) assert.throws(() => session.send(bad as never), { code: 'JSON_INVALID' });
  assert.equal(await store.head('s'), 0);
  assert.equal((await session.send({ order: 7 }).result).text, 'to {"order":7}');
  assert.deepEqual((await of('message.received'))[0]?.data, { data: { order: 7 } });
});

test('nobody has to look at a run: what fails there strikes nobody', async () => {
  const { runtime } = scene({ script: ['ok'] });
  const seen: unknown[] = [];
  const note = (error: unknown): void => void seen.push(error);
  process.on('unhandledRejection', note);
  runtime.session('nobody').send('hello');
  await new Promise((resolve) => setTimeout(resolve, 5));
  process.off('unhandledRejection', note);
  assert.deepEqual(seen, []);
});

test('messages sent while the model thinks are answered in the order they were accepted', async () => {
  const open = gate();
  const model = scriptedModel(async ({ messages }) => {
    await open.opened;
    return `to ${textOf(messages.at(-1))}`;
  });
  const { session } = scene({ model });
  const runs = ['one', 'two', 'three', 'four'].map((text) => session.send(text));
  const accepted = await Promise.all(runs.map((run) => run.accepted));
  open.open();
  const results = await Promise.all(runs.map((run) => run.result));
  assert.deepEqual(
    accepted.map(({ seq }) => seq),
    accepted.map(({ seq }) => seq).toSorted((a, b) => a - b),
  );
  assert.deepEqual(
    results.map(({ text }) => text),
    ['to one', 'to two', 'to three', 'to four'],
  );
});
