import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import test from 'node:test';
import { NervaError, type World } from '../core/index.ts';
import { requestDigest } from './digest.ts';
import type { Message } from './message.ts';
import type { Delta, ModelRequest } from './model.ts';
import { replayModel } from './replay.ts';
import { scriptedModel } from './scripted.ts';

const slept: number[] = [];
const world: World = {
  clock: {
    nowMs: () => 0,
    sleep: (ms) => {
      slept.push(ms);
      return Promise.resolve();
    },
    timer: () => () => undefined,
  },
  dice: { roll: () => 0 },
  ids: { random: () => '', next: () => '' },
  transport: { request: () => Promise.reject(new Error('no network')), close: () => Promise.resolve() },
  digest: (data) => hash('sha256', data, 'hex'),
  defer: (task) => void setImmediate(task),
};
const say = (text: string): Message => ({ role: 'user', parts: [{ type: 'text', text }], origin: 'person' });
const ask = (text: string): ModelRequest => ({ instructions: '', tools: [], params: {}, messages: [say(text)] });

test('a script answers in order, records what it was asked, and ends with an error', async () => {
  const model = scriptedModel(['one', { calls: [{ name: 'add', input: { a: 1 } }], usage: { inputTokens: 3, outputTokens: 4 } }]);
  const request = ask('a');
  const first = await model.call(request, { world });
  assert.deepEqual(first, {
    parts: [{ type: 'text', text: 'one' }],
    finish: 'stop',
    usage: { inputTokens: null, outputTokens: null },
    model: 'scripted/model',
  });
  const second = await model.call(ask('b'), { world });
  assert.deepEqual(second.parts, [{ type: 'tool_call', id: 'call_1_0', name: 'add', input: { a: 1 } }]);
  assert.deepEqual([second.finish, second.usage.outputTokens], ['tool_calls', 4]);
  await assert.rejects(model.call(ask('c'), { world }), { code: 'MODEL_SCRIPT_ENDED' });
  (request.messages as Message[]).push(say('later'));
  assert.deepEqual(
    model.requests.map(({ messages }) => messages.length),
    [1, 1, 1],
  );
  assert.equal(model.callCount, 3);
});

test('a script can be a function of the request and its number', async () => {
  const model = scriptedModel((request, n) => `${n}:${request.messages.length}`);
  await model.call(ask('a'), { world });
  assert.deepEqual((await model.call(ask('a'), { world })).parts, [{ type: 'text', text: '1:1' }]);
});

test('a step can wait and can fail', async () => {
  const model = scriptedModel([
    { delayMs: 250, error: { code: 'MODEL_RATE_LIMITED', message: 'slow down' } },
    { error: new NervaError('MODEL_AUTH', 'no') },
  ]);
  await assert.rejects(model.call(ask('a'), { world }), { code: 'MODEL_RATE_LIMITED', message: 'slow down', retry: true });
  assert.deepEqual(slept, [250]);
  await assert.rejects(model.call(ask('a'), { world }), { code: 'MODEL_AUTH' });
});

test('an aborted call is cancelled and uses no answer up', async () => {
  const controller = new AbortController();
  const model = scriptedModel(['one']);
  controller.abort();
  await assert.rejects(model.call(ask('a'), { world, signal: controller.signal }), { code: 'CANCELLED' });
  assert.deepEqual((await model.call(ask('a'), { world })).parts, [{ type: 'text', text: 'one' }]);
});

test('the pieces of a streamed answer joined are its parts', async () => {
  const deltas: Delta[] = [];
  const text = '  one two\n three ';
  const model = scriptedModel([{ reasoning: 'well then', text, calls: [{ name: 'add', input: { a: [1, 'x y'] }, id: 'c' }] }]);
  const answer = await model.call(ask('a'), { world, onDelta: (delta) => deltas.push(delta) });
  assert.equal(joined(deltas, 0), 'well then');
  assert.equal(joined(deltas, 1), text);
  assert.ok(deltas.filter(({ index }) => index === 1).length > 1);
  assert.deepEqual(
    deltas.find(({ type }) => type === 'tool_call'),
    { type: 'tool_call', index: 2, id: 'c', name: 'add' },
  );
  assert.deepEqual(JSON.parse(joined(deltas, 2)), { a: [1, 'x y'] });
  assert.equal(answer.parts.length, 3);
});

test('a replay gives recorded answers to the requests they were given to, and to no other', async () => {
  const answers = await Promise.all(['one', 'two', 'three'].map((text) => scriptedModel([text]).call(ask(text), { world })));
  const digest = (text: string): string => requestDigest(ask(text), world.digest);
  const model = replayModel([
    { digest: digest('a'), answer: answers[0]! },
    { digest: digest('b'), answer: answers[1]! },
    { digest: digest('a'), answer: answers[2]! },
  ]);
  const deltas: Delta[] = [];
  assert.equal(await model.call(ask('b'), { world, onDelta: (delta) => deltas.push(delta) }), answers[1]);
  assert.equal(joined(deltas, 0), 'two');
  assert.equal(await model.call(ask('a'), { world }), answers[0]);
  await assert.rejects(model.call(ask('c'), { world }), { code: 'REPLAY_DIVERGED' });
  assert.equal(await model.call(ask('a'), { world }), answers[2]);
  await assert.rejects(model.call(ask('a'), { world }), { code: 'MODEL_SCRIPT_ENDED' });
});

test('a replay without digests answers in order', async () => {
  const answer = await scriptedModel(['one']).call(ask('x'), { world });
  const model = replayModel([{ answer }]);
  assert.equal(await model.call(ask('whatever'), { world }), answer);
  await assert.rejects(model.call(ask('whatever'), { world }), { code: 'MODEL_SCRIPT_ENDED' });
  await assert.rejects(model.call(ask('x'), { world, signal: AbortSignal.abort() }), { code: 'CANCELLED' });
});

function joined(deltas: readonly Delta[], index: number): string {
  return deltas.map((delta) => (delta.index === index && 'text' in delta ? delta.text : '')).join('');
}
