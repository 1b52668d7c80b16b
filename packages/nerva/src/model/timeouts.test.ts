import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import type { HttpRequest } from '../core/index.ts';
import { testWorld } from '../testing/index.ts';
import { ask, heldModel, outcomeOf, settle, textOf } from './call-scene.test.ts';
import { withBreaker } from './breaker.ts';
import type { Delta } from './model.ts';
import { openaiChat } from './openai.ts';
import { withTimeouts, type TimeoutOptions } from './timeouts.ts';

function streaming(options: TimeoutOptions) {
  const world = testWorld();
  const inner = heldModel();
  const deltas: Delta[] = [];
  const call = withTimeouts(inner, options).call(ask('a'), { world, onDelta: (delta) => deltas.push(delta) });
  const ended = call.then(
    (answer) => answer,
    (error: unknown) => error as Error & { readonly code: string; readonly details: unknown },
  );
  return { world, inner: inner.calls[0]!, deltas, ended };
}

/** The phase it timed out in, or `open` when it is under way. */
async function phaseOf(ended: Promise<unknown>): Promise<unknown> {
  await settle();
  const now = await Promise.race([ended, Promise.resolve('open')]);
  return now === 'open' ? now : ((now as { readonly details?: { readonly phase?: string } }).details?.phase ?? 'answered');
}

test('a first piece that does not come in time ends the call', async () => {
  const { world, inner, ended } = streaming({ firstPartMs: 100, idleMs: 1_000 });
  await world.advance(99);
  assert.equal(await phaseOf(ended), 'open');
  await world.advance(1);
  assert.equal(await phaseOf(ended), 'first-part');
  assert.equal(inner.signal.aborted, true);
  const error = (await ended) as unknown as { readonly code: string; readonly retry: boolean };
  assert.deepEqual([error.code, error.retry], ['HTTP_TIMEOUT', true]);
});

test('silence between pieces ends the call at its time after the last piece, and a piece that keeps coming does not', async () => {
  const { world, inner, ended, deltas } = streaming({ firstPartMs: 100, idleMs: 50 });
  await world.advance(99);
  for (let n = 0; n < 10; n++) {
    inner.say('x');
    await world.advance(49);
  }
  assert.equal(await phaseOf(ended), 'open');
  await world.advance(1);
  assert.equal(await phaseOf(ended), 'idle');
  inner.say('late');
  await inner.answer();
  assert.equal(textOf(deltas), 'xxxxxxxxxx', 'what comes late is dropped');
});

test('a piece in the middle of the idle time moves its end by exactly that', async () => {
  const { world, inner, ended } = streaming({ idleMs: 50 });
  await world.advance(10_000);
  inner.say('first');
  await world.advance(30);
  inner.say('second');
  await world.advance(49);
  assert.equal(await phaseOf(ended), 'open');
  await world.advance(1);
  assert.equal(await phaseOf(ended), 'idle');
});

test('the whole call has a time, streamed or not', async () => {
  const world = testWorld();
  const inner = heldModel();
  const model = withTimeouts(inner, { firstPartMs: 10, idleMs: 10, totalMs: 500 });
  const whole = outcomeOf(model.call(ask('a'), { world }));
  await world.advance(499);
  assert.equal(await Promise.race([whole, Promise.resolve('open')]), 'open', 'without pieces nobody can say when the first came');
  await world.advance(1);
  assert.equal(await whole, 'HTTP_TIMEOUT');
  const { world: other, inner: streamed, ended } = streaming({ idleMs: 50, totalMs: 100 });
  for (let n = 0; n < 4; n++) {
    streamed.say('x');
    await other.advance(25);
  }
  assert.equal(await phaseOf(ended), 'total');
});

test('an answer in time leaves no timer and no listener behind', async () => {
  let timers = 0;
  const base = testWorld();
  const timer: typeof base.clock.timer = (ms, task) => {
    const cancel = base.clock.timer(ms, task);
    timers++;
    return () => (timers--, cancel());
  };
  const { signal } = new AbortController();
  const inner = heldModel();
  const model = withTimeouts(inner, { firstPartMs: 100, idleMs: 100, totalMs: 100 });
  const call = model.call(ask('a'), { world: { ...base, clock: { ...base.clock, timer } }, signal, onDelta: () => undefined });
  assert.deepEqual([timers, getEventListeners(signal, 'abort').length], [2, 1]);
  await inner.calls[0]!.answer();
  await call;
  assert.deepEqual([timers, getEventListeners(signal, 'abort').length], [0, 0]);
});

test('an answer in time is the model’s own', async () => {
  const { world, inner, ended } = streaming({ firstPartMs: 100, idleMs: 100, totalMs: 100 });
  inner.say('x');
  await inner.answer({ model: 'v1' });
  assert.deepEqual(await ended, {
    parts: [{ type: 'text', text: 'ok' }],
    finish: 'stop',
    usage: { inputTokens: 10, outputTokens: 5 },
    model: 'v1',
  });
  await world.advance(1_000);
  assert.equal(inner.signal.aborted, false);
});

test('a caller that aborts is told so, and no timeout', async () => {
  const world = testWorld();
  const inner = heldModel();
  const controller = new AbortController();
  const ended = outcomeOf(withTimeouts(inner, { totalMs: 100 }).call(ask('a'), { world, signal: controller.signal }));
  controller.abort();
  assert.equal(await ended, 'CANCELLED');
  assert.equal(inner.calls[0]!.signal.aborted, true);
});

test('a wall clock that jumps ends nothing early', async () => {
  let skewMs = 0;
  const base = testWorld();
  const world = { ...base, clock: { ...base.clock, nowMs: () => base.clock.nowMs() + skewMs } };
  for (const jumpMs of [3_600_000, -3_600_000]) {
    const inner = heldModel();
    const ended = outcomeOf(withTimeouts(inner, { idleMs: 50 }).call(ask('a'), { world, onDelta: () => undefined }));
    inner.calls[0]!.say('x');
    await base.advance(30);
    inner.calls[0]!.say('y');
    skewMs += jumpMs;
    await base.advance(49);
    await settle();
    assert.equal(await Promise.race([ended, Promise.resolve('open')]), 'open');
    await base.advance(100);
    assert.equal(await ended, 'HTTP_TIMEOUT');
  }
});

test('the time to connect goes to the requests that the model makes', async () => {
  const seen: HttpRequest[] = [];
  const base = testWorld();
  const world = {
    ...base,
    transport: { ...base.transport, request: (request: HttpRequest) => (seen.push(request), base.transport.request(request)) },
  };
  const inner = openaiChat({ model: 'm', baseUrl: 'http://127.0.0.1:1/v1', limits: { bytesMax: 7 } });
  const model = withTimeouts(withBreaker(inner, { failuresMax: 2 }), { connectMs: 123 });
  for (let n = 0; n < 2; n++) await assert.rejects(model.call(ask('a'), { world }), { code: 'HTTP_UNREACHABLE' });
  assert.deepEqual(
    seen.map(({ limits }) => limits),
    [
      { bytesMax: 7, connectMs: 123 },
      { bytesMax: 7, connectMs: 123 },
    ],
  );
  await assert.rejects(model.call(ask('a'), { world }), { code: 'MODEL_BREAKER_OPEN' }, 'what is inside counts by the same process');
});

test('malformed options are refused by name', () => {
  assert.throws(() => withTimeouts(heldModel(), { idleMs: 0 }), { code: 'OPTION_INVALID' });
  assert.throws(() => withTimeouts(heldModel(), { totalMS: 1 } as TimeoutOptions), { code: 'OPTION_UNKNOWN' });
});
