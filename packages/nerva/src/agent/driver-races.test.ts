import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import type { Store } from '../log/index.ts';
import { scriptedModel } from '../model/index.ts';
import { fromFunction } from '../policy/index.ts';
import { tool } from '../tool/index.ts';
import { call, has, staged, turns } from './hooked-scene.test.ts';
import { all, ANY, gate, until } from './session-scene.test.ts';

test('a message that comes in between a decision and its append is kept, and the decision made anew', async () => {
  const { session, hooks, foreign, runtime, types } = staged({ model: scriptedModel(['one', 'two', 'three']) });
  await session.send('first').result;
  let isDone = false;
  hooks.append = async (frame) => {
    if (isDone || !has(frame, 'turn.ended')) return;
    isDone = true;
    await foreign('between');
  };
  assert.equal((await session.send('second').result).text, 'two');
  await runtime.idle();
  assert.equal((await session.at()).last?.text, 'three');
  assert.equal((await types()).filter((type) => type === 'turn.ended').length, 3);
});

test('a session that is let go stays ready where somebody wrote at the last moment', async () => {
  const { session, hooks, once, foreign, below } = staged({ model: scriptedModel(['one']) }, { idleMax: 0 });
  hooks.release = once(async () => void (await foreign('late')));
  await session.send('first').result;
  await until(async () => (await below.info('s')).head > 6);
  await turns();
  assert.equal((await below.info('s')).status, 'ready');
  const claimed = await below.claim({ owner: 'next', countMax: 1, leaseMs: 1 });
  assert.equal(claimed[0]?.info.sid, 's', 'nobody holds it');
});

test('a session that somebody took over at the last moment is not given back', async () => {
  const { session, hooks, once, below } = staged({ model: scriptedModel(['one']) }, { idleMax: 0 });
  let epoch = 0;
  hooks.release = once(async () => {
    epoch = (await below.takeOver('s', 'other')).epoch;
  });
  await session.send('first').result;
  await until(() => epoch > 0);
  await turns();
  assert.deepEqual(await below.claim({ owner: 'next', countMax: 1, leaseMs: 1 }), []);
  assert.equal(await below.renew('s', { epoch }, 1), true);
});

test('a session that is ready for nothing is set to rest by who looks', async () => {
  const { session, below, second } = staged({ model: scriptedModel(['one']) });
  await session.send('first').result;
  await below.append({ id: 'note', sid: 's', expected: 'fact', events: [{ type: 'note.taken', data: {} }] });
  const { epoch, head } = await below.info('s');
  assert.equal((await below.info('s')).status, 'ready');
  await below.release('s', { epoch }, { expected: head, status: 'ready', wakeAtMs: null });
  const other = second();
  await other.start();
  await other.idle();
  assert.equal((await below.info('s')).status, 'idle');
});

test('a session that is handed out again to the runtime that has it goes on under the new fence', async () => {
  const { session, below, runtime } = staged({ model: scriptedModel(['one', 'other', 'two']) });
  await runtime.start();
  await session.send('first').result;
  await runtime.idle();
  const { epoch } = await below.takeOver('s', 'gone');
  await below.release('s', { epoch }, { expected: await below.head('s'), status: 'ready', wakeAtMs: null });
  const created = [
    { type: 'session.created', data: { agent: 'a' } },
    { type: 'message.received', origin: 'person', data: { text: 'go' } },
  ] as const;
  await below.append({ id: 'f', sid: 't', expected: 0, events: created, then: { status: 'ready', agent: 'a' } });
  await until(async () => (await below.info('t')).status === 'idle');
  assert.equal((await session.send('second').result).status, 'answered');
});

test('input to a session at work says nothing of its row', async () => {
  const open = gate<string>();
  const { session, frames } = staged({ model: scriptedModel((_request, n) => (n === 0 ? open.opened : 'two')) });
  const first = session.send('first');
  await first.accepted;
  const second = session.send('second');
  await second.accepted;
  open.open('one');
  assert.deepEqual([(await first.result).text, (await second.result).text], ['one', 'two']);
  const told = frames.filter((frame) => has(frame, 'message.received')).map(({ then }) => then?.status);
  assert.deepEqual(told, ['ready', undefined]);
});

test('a policy that takes its time is waited for in each step and each turn', async () => {
  const look = tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => 1 });
  const steps: number[] = [];
  const policy = fromFunction('slow', async ({ calls, step }) => {
    steps.push(step);
    await new Promise((resolve) => setImmediate(resolve));
    return calls.length < 2 ? { type: 'call', calls: [{ tool: 'look', input: {} }] } : { type: 'answer', text: `after ${step}` };
  });
  const { session, runtime, types } = staged({ policy, tools: [look] });
  for (let turn = 0; turn < 2; turn++) assert.equal((await session.send('go').result).text, 'after 2');
  await runtime.idle();
  assert.deepEqual(steps, [0, 1, 2, 0, 1, 2]);
  assert.equal((await types()).filter((type) => type === 'policy.decided').length, 6);
});

test('an opinion that was asked for before somebody steered is not followed', async () => {
  const asked: { readonly count: number; readonly open: (text: string) => void }[] = [];
  const policy = fromFunction('slow', ({ messages }) => {
    const { opened, open } = gate<string>();
    asked.push({ count: messages.length, open });
    return opened.then((text) => ({ type: 'answer', text }));
  });
  const { session } = staged({ policy });
  const run = session.send('go');
  await until(() => asked.length === 1);
  const other = session.send('rather', { deliver: 'interrupt' });
  assert.equal((await run.result).status, 'cancelled');
  await until(() => asked.length === 2);
  asked[0]?.open('too late');
  await turns();
  asked[1]?.open('in time');
  assert.equal((await other.result).text, 'in time');
});

test('an opinion that was asked for before a result was acknowledged is not followed where somebody steered in between', async () => {
  let asked = 0;
  const policy = fromFunction('slow', ({ step }) => {
    asked++;
    return Promise.resolve(
      step === 0 ? { type: 'call', calls: [{ tool: 'look', input: {} }] } : { type: 'answer', text: 'an old opinion' },
    );
  });
  const look = tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => 1 });
  const { session, hooks, once, below, types } = staged({ policy, model: scriptedModel(['I was steered.']), tools: [look], stopWhen: [] });
  const data = { text: 'rather', deliver: 'steer' };
  hooks.append = async (frame) => {
    if (has(frame, 'tool.returned')) await steer(null);
  };
  const steer = once<null>(async () => {
    await below.append({ id: 'f', sid: 's', expected: 'fact', events: [{ type: 'message.received', origin: 'person', data }] });
  });
  const { text } = await session.send('go').result;
  assert.deepEqual((await types()).slice(5, 9), ['message.received', 'tool.returned', 'model.called', 'model.answered']);
  assert.deepEqual([text, asked], ['I was steered.', 2]);
  assert.equal((await session.replay()).divergence, null);
});

test('a bug aborts what else runs in its session, and the next process goes on from the log', async () => {
  let isAborted = false;
  const running = gate();
  const slow = tool({
    name: 'slow',
    effect: 'read',
    inputSchema: ANY,
    execute: (_input, { signal }) => {
      running.open();
      return new Promise(() => signal.addEventListener('abort', () => (isAborted = true)));
    },
  });
  const fail = tool({ name: 'fail', effect: 'idempotent', inputSchema: ANY, execute: () => running.opened.then(() => 1) });
  const { session, hooks, below } = staged({ model: scriptedModel([{ calls: [call('slow'), call('fail')] }]), tools: [slow, fail] });
  hooks.append = (frame) => {
    if (has(frame, 'tool.returned')) throw new NervaError('LOG_CORRUPT', 'The page is damaged.');
  };
  await assert.rejects(session.send('go').result, (error) => NervaError.is(error, 'LOG_CORRUPT'));
  await turns();
  assert.equal(isAborted, true);
  assert.equal((await below.info('s')).status, 'ready');
});

test('a refusal of the store that is not in doubt is told to the sender at once, and nothing was sent', async () => {
  const { session, hooks, below, runtime } = staged({ model: scriptedModel(['one', 'two']) });
  await session.send('first').result;
  let tries = 0;
  hooks.append = (frame) => {
    if (!has(frame, 'message.received')) return;
    tries++;
    throw new NervaError('STORE_FULL', 'The disk is full.');
  };
  await assert.rejects(session.send('second').accepted, (error) => NervaError.is(error, 'STORE_FULL'));
  assert.equal(tries, 1);
  delete hooks.append;
  await runtime.idle();
  assert.equal((await session.send('third').result).text, 'two');
  assert.equal((await below.info('s')).status, 'idle');
});

test('a message whose append nobody can tell of is sent again under its id, and counts once', async () => {
  const { session, hooks, types } = staged({ model: scriptedModel(['one', 'two']) });
  await session.send('first').result;
  let isDone = false;
  hooks.appended = (frame) => {
    if (isDone || !has(frame, 'message.received')) return;
    isDone = true;
    throw new NervaError('LOG_UNKNOWN_RESULT', 'The line broke.');
  };
  assert.equal((await session.send('second').result).text, 'two');
  assert.equal((await types()).filter((type) => type === 'message.received').length, 2);
});

test('an outcome that nobody knows the fate of is appended once', async () => {
  const look = tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => Promise.resolve(1) });
  const { session, hooks, types } = staged({ model: scriptedModel([{ calls: [call('look')] }, 'done']), tools: [look] });
  let isDone = false;
  hooks.appended = (frame) => {
    if (isDone || !has(frame, 'tool.returned')) return;
    isDone = true;
    throw new NervaError('LOG_UNKNOWN_RESULT', 'The line broke.');
  };
  assert.equal((await session.send('go').result).text, 'done');
  assert.equal((await types()).filter((type) => type === 'tool.returned').length, 1);
});

test('a session that was closed or taken over in the middle of a turn stops here with the reason', async () => {
  for (const [end, code] of [
    [
      async (below: Store) =>
        void (await below.append({
          id: 'x',
          sid: 's',
          expected: await below.head('s'),
          events: [{ type: 'session.closed', data: { why: 'x' } }],
          then: { status: 'closed' },
        })),
      'SESSION_CLOSED',
    ],
    [async (below: Store) => void (await below.takeOver('s', 'other')), 'SESSION_FENCED'],
  ] as const) {
    const open = gate<string>();
    const { session, below, frames } = staged({ model: scriptedModel(() => open.opened) });
    const run = session.send('go');
    await until(() => frames.some((frame) => has(frame, 'model.called')));
    await end(below);
    open.open('one');
    await assert.rejects(run.result, (error) => {
      assert.deepEqual(NervaError.is(error) ? error.details['sid'] : null, 's');
      return NervaError.is(error) && error.code === code;
    });
  }
});

test('what a fenced driver had come to is recorded all the same, and it starts nothing more', async () => {
  const open = gate<string>();
  const { session, below, frames, types } = staged({ model: scriptedModel(() => open.opened) });
  const run = session.send('go');
  await until(() => frames.some((frame) => has(frame, 'model.called')));
  await below.takeOver('s', 'other');
  open.open('one');
  await assert.rejects(run.result, (error) => NervaError.is(error, 'SESSION_FENCED'));
  assert.deepEqual((await types()).slice(-1), ['model.answered']);
  assert.equal(frames.at(-1)?.then?.progress, true);
});

test('a call that is cancelled before it is acknowledged hears of it at once', async () => {
  const heard: boolean[] = [];
  const look = tool({
    name: 'look',
    effect: 'read',
    inputSchema: ANY,
    execute: async (_input, { signal }) => {
      await Promise.resolve();
      heard.push(signal.aborted);
      return 1;
    },
  });
  const { session, hooks, below, types } = staged({ model: scriptedModel([{ calls: [call('look')] }]), tools: [look] });
  let isDone = false;
  hooks.append = async (frame) => {
    if (isDone || !has(frame, 'tool.called')) return;
    isDone = true;
    await below.append({
      id: 'cancel',
      sid: 's',
      expected: 'fact',
      events: [{ type: 'cancel.requested', origin: 'person', data: { why: 'stop' } }],
    });
  };
  assert.equal((await session.send('go').result).status, 'cancelled');
  assert.deepEqual([heard, (await types()).includes('tool.called')], [[], false], 'it was never made');
});

test('a verdict on a doubt is given anew when something came in between, and makes the session ready', async () => {
  const pay = tool({ name: 'pay', effect: 'irreversible', inputSchema: ANY, execute: () => Promise.reject(new Error('broke')) });
  const { session, hooks, below, frames, types } = staged({ model: scriptedModel([{ calls: [call('pay')] }, 'done']), tools: [pay] });
  const [doubt] = (await session.send('go').result).pending;
  let isDone = false;
  const statuses: string[] = [];
  hooks.append = async (frame) => {
    if (isDone || !has(frame, 'tool.returned')) return;
    isDone = true;
    await below.append({ id: 'note', sid: 's', expected: 'fact', events: [{ type: 'note.taken', data: {} }], then: { status: 'waiting' } });
  };
  hooks.appended = async (frame) => {
    if (has(frame, 'tool.returned')) statuses.push((await below.info('s')).status);
  };
  const run = session.respond(doubt?.id ?? 's:-1', { decision: 'returned', output: 'paid' });
  assert.equal((await run.result).text, 'done');
  const { seq } = await run.accepted;
  assert.equal((await all(session.log({ after: seq - 1 })))[0]?.type, 'tool.returned');
  assert.equal((await types()).filter((type) => type === 'tool.returned').length, 1);
  assert.equal(frames.filter((frame) => has(frame, 'tool.returned')).length, 2);
  assert.equal(statuses.at(-1), 'ready');
});

test('a verdict on a doubt that another runtime settled in between is refused', async () => {
  const pay = tool({ name: 'pay', effect: 'irreversible', inputSchema: ANY, execute: () => Promise.reject(new Error('broke')) });
  const { session, hooks, below, types } = staged({ model: scriptedModel([{ calls: [call('pay')] }, 'done']), tools: [pay] });
  const [doubt] = (await session.send('go').result).pending;
  const call5 = Number(doubt?.id.split(':')[1]);
  hooks.append = async (frame) => {
    if (!has(frame, 'tool.returned')) return;
    delete hooks.append;
    await below.append({
      id: 'other',
      sid: 's',
      expected: 'fact',
      events: [{ type: 'tool.failed', origin: 'person', data: { call: call5, why: 'not done', message: 'no', by: 'person' } }],
    });
  };
  const late = session.respond(doubt?.id ?? 's:-1', { decision: 'returned', output: 'paid' });
  await assert.rejects(late.accepted, (error) => NervaError.is(error, 'APPROVAL_SETTLED'));
  assert.equal((await types()).includes('tool.returned'), false);
});

test('a refusal says of which session it is, where that stands and why', async () => {
  const { session, below } = staged({ model: scriptedModel(['one']) });
  await session.send('go').result;
  const head = await below.head('s');
  await below.append({
    id: 'x',
    sid: 's',
    expected: head,
    events: [{ type: 'session.closed', data: { why: 'x' } }],
    then: { status: 'closed' },
  });
  await assert.rejects(session.send('more').accepted, (error) => {
    assert.deepEqual(NervaError.is(error) ? error.details : null, { sid: 's', head: head + 1, why: 'closed' });
    return true;
  });
});

test('a session that somebody took over is closed by who asks again', async () => {
  const { session, below, world, runtime } = staged({ model: scriptedModel(['one']) });
  await session.send('first').result;
  await below.takeOver('s', 'gone');
  await assert.rejects(session.close(), { code: 'SESSION_FENCED' });
  await session.close();
  assert.equal((await below.info('s')).status, 'closed');
  await world.advance(1_000);
  await runtime.close();
});

test('an outcome that came after somebody else had the session, and went, leaves nothing ready for nobody', async () => {
  const running = gate<string>();
  const slow = tool({ name: 'slow', inputSchema: ANY, execute: () => running.opened });
  const { session, below, world, runtime, types } = staged({ model: scriptedModel([{ calls: [call('slow')] }, 'done']), tools: [slow] });
  await runtime.start();
  const sent = session.send('go');
  await sent.accepted;
  await until(async () => (await types()).includes('tool.called'));
  await session.cancel();
  await turns();
  await world.advance(10_000);
  await sent.result;
  const { epoch } = await below.takeOver('s', 'gone');
  const note = { events: [{ type: 'note.taken', data: {} }], expected: 'fact', then: { status: 'idle' } } as const;
  await below.append({ id: 'n', sid: 's', ...note });
  await below.release('s', { epoch }, { expected: await below.head('s'), status: 'idle', wakeAtMs: null });
  running.open('late');
  await until(async () => (await types()).includes('tool.returned'));
  await until(async () => (await below.info('s')).status === 'idle');
  assert.ok((await below.info('s')).epoch > epoch, 'it was claimed anew');
});
