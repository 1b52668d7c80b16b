import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { scriptedModel } from '../model/index.ts';
import { fromFunction } from '../policy/index.ts';
import { tool } from '../tool/index.ts';
import { call, has, staged, turns } from './hooked-scene.test.ts';
import { all, ANY, gate, until } from './session-scene.test.ts';

// What happens between the moment a frame is written and the moment its driver hears of it.

test('a message that comes while the end of a turn is being acknowledged is answered', async () => {
  const { session, hooks } = staged({ model: scriptedModel(['one', 'two']) });
  let second: ReturnType<typeof session.send> | null = null;
  hooks.appended = async (frame) => {
    if (second !== null || !has(frame, 'turn.ended')) return;
    second = session.send('second');
    await second.accepted;
  };
  assert.equal((await session.send('first').result).text, 'one');
  await until(() => second !== null);
  assert.equal((await (second as unknown as ReturnType<typeof session.send>).result).text, 'two');
});

test('a message that somebody else appends while the end of a turn is being acknowledged is answered', async () => {
  const { session, hooks, once, foreign, runtime, below } = staged({ model: scriptedModel(['one', 'two']) });
  await runtime.start();
  const write = once(async () => void (await foreign('second')));
  hooks.appended = (frame) => (has(frame, 'turn.ended') ? write(null) : undefined);
  assert.equal((await session.send('first').result).text, 'one');
  await until(async () => (await session.at()).last?.text === 'two');
  await runtime.idle();
  assert.equal((await below.info('s')).status, 'idle');
});

test('a session that becomes ready while a claim is being answered is claimed', async () => {
  const { session, hooks, once, foreign, runtime, below } = staged({ model: scriptedModel(['one', 'two']) }, { idleMax: 0 });
  await session.send('first').result;
  await runtime.idle();
  await turns();
  hooks.claimed = once(async () => void (await foreign('second')));
  await runtime.start();
  await until(async () => (await session.at()).last?.text === 'two');
  await runtime.idle();
  await turns();
  assert.equal((await below.info('s')).status, 'idle');
});

test('a first frame that is acknowledged after somebody took the session over starts nothing here', async () => {
  let paid = 0;
  const pay = tool({ name: 'pay', effect: 'irreversible', inputSchema: ANY, execute: () => ++paid });
  const policy = fromFunction('payer', ({ calls }) =>
    calls.length === 0 ? { type: 'call', calls: [{ tool: 'pay', input: {} }] } : { type: 'answer', text: 'paid' },
  );
  const { session, hooks, below, world } = staged({ policy, tools: [pay] });
  hooks.appended = async (frame) => {
    if (!has(frame, 'tool.called')) return;
    await below.takeOver('s', 'somebody');
    await world.advance(40_000);
  };
  assert.deepEqual(await session.send('go').accepted, { sid: 's', seq: 1 });
  await turns();
  assert.equal(paid, 0);
});

test('answers that come in another order than their frames leave a session at rest as idle', async () => {
  const { session, hooks, runtime, below } = staged({ model: scriptedModel(['one']) });
  const answered = gate();
  let isCancelled = false;
  hooks.appended = async (frame) => {
    if (has(frame, 'cancel.requested')) isCancelled = true;
    if (!has(frame, 'turn.ended')) return;
    void session.cancel();
    await until(() => isCancelled);
    await turns();
    answered.open();
  };
  assert.equal((await session.send('go').result).text, 'one');
  await answered.opened;
  await runtime.idle();
  await turns();
  assert.equal((await below.info('s')).status, 'idle');
});

test('a call that is cancelled while its intent is being acknowledged is never made', async () => {
  let made = 0;
  const look = tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => ++made });
  const { session, hooks, types } = staged({ model: scriptedModel([{ calls: [call('look')] }]), tools: [look] });
  hooks.appended = async (frame) => {
    if (has(frame, 'tool.called')) await session.cancel();
  };
  assert.equal((await session.send('go').result).status, 'cancelled');
  assert.deepEqual([made, (await types()).includes('tool.called')], [0, true]);
});

test('an opinion that was asked for in a frame whose turn was superseded meanwhile is not recorded', async () => {
  const policy = fromFunction('quick', ({ input }) => Promise.resolve({ type: 'answer', text: `to ${input.text}` }));
  const { session, hooks, once, types, runtime } = staged({ policy });
  assert.equal((await session.send('first').result).text, 'to first');
  await runtime.idle();
  let rather: ReturnType<typeof session.send> | null = null;
  const interrupt = once(async () => {
    rather = session.send('rather', { deliver: 'interrupt' });
    await rather.accepted;
  });
  hooks.appended = (frame) => (has(frame, 'turn.started') ? interrupt(null) : undefined);
  assert.equal((await session.send('second').result).status, 'cancelled');
  await until(() => rather !== null);
  assert.equal((await (rather as unknown as ReturnType<typeof session.send>).result).text, 'to rather');
  assert.equal((await types()).filter((type) => type === 'policy.decided').length, 2);
});

for (const how of ['late', 'twice'] as const)
  test(`what was taken over before its acknowledgement came ${how} is not performed here`, async () => {
    let made = 0;
    const pay = tool({ name: 'pay', effect: 'irreversible', inputSchema: ANY, execute: () => ++made });
    const { session, hooks, below, world } = staged({ model: scriptedModel([{ calls: [call('pay')] }]), tools: [pay] });
    let isDone = false;
    hooks.appended = async (frame) => {
      if (isDone || !has(frame, 'tool.called')) return;
      isDone = true;
      await below.takeOver('s', 'other');
      if (how === 'twice') throw new NervaError('LOG_UNKNOWN_RESULT', 'The line broke.');
      await world.advance(101);
    };
    const run = session.send('go');
    await assert.rejects(run.result, (error) => {
      assert.deepEqual(NervaError.is(error, 'SESSION_FENCED') ? error.details : null, { sid: 's', head: 6, why: 'fenced' });
      return true;
    });
    assert.deepEqual([isDone, made], [true, 0]);
  });

test('a late acknowledgement of a session that is still ours is followed', async () => {
  const look = tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => 1 });
  const { session, hooks, world } = staged({ model: scriptedModel([{ calls: [call('look')] }, 'done']), tools: [look] });
  hooks.appended = async (frame) => {
    if (has(frame, 'tool.called')) await world.advance(101);
  };
  assert.equal((await session.send('go').result).text, 'done');
});

test('a session that somebody else created meanwhile is taken over, and both messages are answered', async () => {
  const { session, hooks, below, once, runtime } = staged({ model: scriptedModel(({ messages }) => `${messages.length}`) });
  const theirs = [
    { type: 'session.created', data: { agent: 'a' } },
    { type: 'message.received', origin: 'person', data: { text: 'theirs' } },
  ] as const;
  hooks.append = once(async () => {
    await below.append({ id: 'f', sid: 's', expected: 0, events: theirs, then: { status: 'ready', agent: 'a', owner: 'gone' } });
  });
  assert.equal((await session.send('mine').result).text, '3');
  await runtime.idle();
  assert.equal((await below.info('s')).status, 'idle');
  assert.equal((await below.info('s')).epoch, 1, 'taken over once');
});

test('the time a policy is told is the time of the frame that holds its decision, however long the store takes', async () => {
  const policy = fromFunction('clock', ({ nowMs }) => ({ type: 'answer', text: `${nowMs}` }));
  const { session, hooks, world } = staged({ policy });
  hooks.append = () => world.advance(5_000);
  for (const text of ['first', 'second']) {
    const { text: told } = await session.send(text).result;
    const decided = (await all(session.log())).findLast(({ type }) => type === 'policy.decided');
    assert.equal(told, `${decided?.atMs}`);
  }
  assert.equal((await session.replay()).divergence, null);
});

test('a frame of facts alone asks for no place and no right; a decision is made at one head, by one driver', async () => {
  const gates = { one: gate<string>(), two: gate<string>() };
  const tools = (['one', 'two'] as const).map((name) =>
    tool({ name, effect: 'read', inputSchema: ANY, execute: () => gates[name].opened }),
  );
  const { session, frames } = staged({ model: scriptedModel([{ calls: [call('one'), call('two')] }, 'done']), tools });
  const run = session.send('go');
  await until(() => frames.some((frame) => has(frame, 'tool.called')));
  gates.one.open('1');
  await until(() => frames.some((frame) => has(frame, 'tool.returned')));
  gates.two.open('2');
  await run.result;
  const shapes = frames.slice(1).map(({ events, expected, fence }) => [events.length, expected, fence?.epoch]);
  // The answer and its two calls · the first result · the second and the next call · the answer and the end.
  assert.deepEqual(shapes, [
    [3, 4, 0],
    [1, 'fact', undefined],
    [2, 8, 0],
    [2, 10, 0],
  ]);
});

test('the result of a turn is there when the turn ends, also while the next one is at work', async () => {
  const open = gate<string>();
  const { session } = staged({ model: scriptedModel((_request, n) => (n === 0 ? 'one' : open.opened)) });
  const first = session.send('first');
  const second = session.send('second');
  assert.equal((await first.result).text, 'one');
  open.open('two');
  assert.equal((await second.result).text, 'two');
});

/** A call that is given up after a second, and what it comes to later. */
function givenUp() {
  const late = gate<string>();
  const pay = tool({ name: 'pay', timeoutMs: 1_000, inputSchema: ANY, execute: () => late.opened });
  const model = scriptedModel(({ messages }) => (messages.length === 1 ? { calls: [call('pay')] } : 'done'));
  return { late, stage: staged({ model, tools: [pay] }) };
}

test('a close waits for an outcome that is on its way into the log', async () => {
  const { late, stage } = givenUp();
  const { session, hooks, frames, world, runtime, types } = stage;
  const sent = session.send('go');
  await until(() => frames.some((frame) => has(frame, 'tool.called')));
  await world.advance(1_000);
  assert.equal((await sent.result).status, 'waiting');
  await runtime.idle();
  const written = gate();
  let isAsked = false;
  hooks.append = async (frame) => {
    if (!has(frame, 'tool.returned')) return;
    isAsked = true;
    await written.opened;
  };
  late.open('paid');
  await until(() => isAsked);
  let isClosed = false;
  const closed = runtime.close().then(() => (isClosed = true));
  await turns();
  assert.equal(isClosed, false);
  written.open();
  await closed;
  assert.equal((await types()).at(-1), 'tool.returned');
});

test('an outcome that its turn goes on from makes the session ready, should this process die at once', async () => {
  const { late, stage } = givenUp();
  const { session, frames, hooks, world, runtime, below } = stage;
  const sent = session.send('go', { id: 'm' });
  await until(() => frames.some((frame) => has(frame, 'tool.called')));
  await world.advance(1_000);
  assert.equal((await sent.result).status, 'waiting');
  await runtime.idle();
  const statuses: string[] = [];
  hooks.appended = async (frame) => {
    if (has(frame, 'tool.returned')) statuses.push((await below.info('s')).status);
  };
  late.open('paid');
  await until(() => statuses.length === 1);
  assert.deepEqual(statuses, ['ready']);
  assert.equal((await session.send('go', { id: 'm' }).result).text, 'done');
});

test('an outcome that comes after its turn leaves the session at rest, and says that it came by itself', async () => {
  const { late, stage } = givenUp();
  const { session, frames, world, runtime, below } = stage;
  const sent = session.send('go');
  await until(() => frames.some((frame) => has(frame, 'tool.called')));
  await world.advance(1_000);
  await sent.result;
  await session.cancel();
  await runtime.idle();
  late.open('paid');
  await until(() => frames.some((frame) => has(frame, 'tool.returned')));
  const frame = frames.find((one) => has(one, 'tool.returned'));
  assert.deepEqual([frame?.then?.status, frame?.by, frame?.expected], ['idle', 'runtime', 'fact']);
  await turns();
  assert.equal((await below.info('s')).status, 'idle');
});

test('a driver that could not record what came late is let go, and the next message has a new one', async () => {
  const { late, stage } = givenUp();
  const { session, hooks, frames, world, runtime } = stage;
  const sent = session.send('go');
  await until(() => frames.some((frame) => has(frame, 'tool.called')));
  await world.advance(1_000);
  await sent.result;
  await session.cancel();
  await runtime.idle();
  let tries = 0;
  hooks.append = (frame) => {
    if (!has(frame, 'tool.returned')) return;
    tries++;
    throw new NervaError('LOG_CORRUPT', 'The page is damaged.');
  };
  late.open('paid');
  await until(() => tries === 1);
  await turns();
  delete hooks.append;
  assert.equal((await session.send('more').result).text, 'done');
});

test('a performer that rejects is a bug: whoever waits for the turn is told, also where it rejects at once', async () => {
  for (const [when, fail] of [
    ['at once', () => Promise.reject(new Error('a bug'))],
    ['later', () => turns().then(() => Promise.reject(new Error('a bug')))],
  ] as const) {
    const { session, below } = staged({ model: scriptedModel(['one']) }, { performers: { 'model.called': fail } });
    await assert.rejects(session.send('go').result, /a bug/, when);
    assert.equal((await below.info('s')).status, 'ready', 'the next process goes on');
  }
});
