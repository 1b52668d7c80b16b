import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import fc from 'fast-check';
import { NervaError } from '../core/index.ts';
import { testWorld, type TestWorld } from '../testing/index.ts';
import { answerOf, ask, heldModel, outcomeOf, settle } from './call-scene.test.ts';
import { limiter, withLimits, type LimitOptions } from './limits.ts';
import type { Model, ModelAnswer } from './model.ts';

function scene(options: LimitOptions) {
  const world = testWorld();
  const inner = heldModel();
  const model = withLimits(inner, options);
  const ended: (ModelAnswer | string)[] = [];
  const call = (signal?: AbortSignal, words = 'a', maxOutputTokens = 10): void =>
    void outcomeOf(model.call(ask(words, { params: { maxOutputTokens } }), { world, ...(signal === undefined ? {} : { signal }) })).then(
      (outcome) => ended.push(outcome),
    );
  return { world, inner, model, ended, call };
}

test('no more calls are under way than allowed, and each that ends lets the next begin', async () => {
  const { inner, call, ended, world } = scene({ concurrencyMax: 2, queueMax: 10 });
  for (let n = 0; n < 4; n++) call();
  await settle();
  assert.equal(inner.calls.length, 2);
  await world.advance(250);
  await inner.calls[1]!.fail(new NervaError('MODEL_UNAVAILABLE', 'down'));
  assert.equal(inner.calls.length, 3, 'a failure frees the place as an answer does');
  await inner.calls[0]!.answer();
  assert.equal(inner.calls.length, 4);
  await inner.calls[2]!.answer({ via: [{ member: 'x' }] });
  assert.equal(ended[0], 'MODEL_UNAVAILABLE');
  assert.deepEqual((ended[1] as ModelAnswer).via, undefined, 'who did not wait says nothing');
  assert.deepEqual((ended[2] as ModelAnswer).via, [{ limit: 'queue', waitedMs: 250 }, { member: 'x' }]);
});

test('a full queue refuses at once and sends nothing', async () => {
  const { model, world, inner, call } = scene({ concurrencyMax: 1, queueMax: 2 });
  for (let n = 0; n < 3; n++) call();
  await settle();
  await assert.rejects(model.call(ask('a'), { world }), { code: 'MODEL_QUEUE_FULL', kind: 'limit', retry: true, details: { queueMax: 2 } });
  await inner.calls[0]!.answer();
  call();
  await settle();
  assert.equal(inner.calls.length, 2);
  const none = scene({ concurrencyMax: 1, queueMax: 0 });
  none.call();
  none.call();
  await settle();
  assert.deepEqual([none.inner.calls.length, none.ended], [1, ['MODEL_QUEUE_FULL']]);
});

test('no more calls begin in a minute than allowed; the others begin as soon as they may', async () => {
  const { world, inner, call } = scene({ requestsPerMinuteMax: 2, queueMax: 10 });
  call();
  await world.advance(10_000);
  for (let n = 0; n < 4; n++) call();
  const counts: number[] = [];
  for (const ms of [0, 49_999, 1, 9_999, 1, 50_000]) {
    await world.advance(ms);
    await settle();
    counts.push(inner.calls.length);
  }
  assert.deepEqual(counts, [2, 2, 3, 3, 4, 5]);
});

test('tokens are estimated when a call begins and counted as reported when it has ended', async () => {
  // A request of 'a' is 7 tokens by the estimate, its answer 12.
  const { world, inner, call } = scene({ tokensPerMinuteMax: 47, queueMax: 10 });
  for (let n = 0; n < 4; n++) call(undefined, 'a', 12);
  await settle();
  assert.equal(inner.calls.length, 2);
  await inner.calls[0]!.answer({ usage: { inputTokens: 4, outputTokens: 5 } });
  assert.equal(inner.calls.length, 3, 'it took less than was thought, and the third fits exactly');
  await inner.calls[1]!.answer({ usage: { inputTokens: null, outputTokens: 5 } });
  assert.equal(inner.calls.length, 3, 'what is unknown stays as it was thought');
  await world.advance(60_000);
  await settle();
  assert.equal(inner.calls.length, 4);
});

test('a call that is too large for any minute goes alone, and is not held for ever', async () => {
  const { world, inner, call } = scene({ tokensPerMinuteMax: 50, queueMax: 10 });
  call();
  call(undefined, 'long '.repeat(100));
  call();
  await settle();
  assert.equal(inner.calls.length, 1);
  await world.advance(60_000);
  assert.equal(inner.calls.length, 2);
  await world.advance(60_000);
  assert.equal(inner.calls.length, 3);
});

test('an aborted call leaves the queue, and the one behind it goes when it may', async () => {
  const { world, inner, call, ended } = scene({ tokensPerMinuteMax: 50, queueMax: 2 });
  call();
  const controller = new AbortController();
  call(controller.signal, 'long '.repeat(100));
  call();
  await settle();
  controller.abort();
  await settle();
  assert.deepEqual([ended, inner.calls.length, getEventListeners(controller.signal, 'abort').length], [['CANCELLED'], 2, 0]);
  call(AbortSignal.abort());
  await settle();
  assert.deepEqual([ended.length, inner.calls.length], [2, 2]);
  await world.advance(120_000);
  assert.equal(inner.calls.length, 2);
});

test('an aborted call under way frees its place at once, even when the model does not listen', async () => {
  const { inner, call } = scene({ concurrencyMax: 1, queueMax: 2 });
  const controller = new AbortController();
  call(controller.signal);
  call();
  await settle();
  controller.abort();
  await settle();
  assert.equal(inner.calls.length, 2);
  await inner.calls[0]!.answer();
  assert.equal(inner.calls.length, 2);
});

test('a call that waited and is aborted under way takes nobody else out of the queue', async () => {
  const { inner, call } = scene({ concurrencyMax: 1, queueMax: 5 });
  const controller = new AbortController();
  call();
  call(controller.signal);
  call();
  await inner.calls[0]!.answer();
  assert.equal(inner.calls.length, 2);
  controller.abort();
  await settle();
  assert.equal(inner.calls.length, 3);
});

test('when nobody waits any more, no sleep keeps the process alive', async () => {
  const base = testWorld();
  const sleeps: AbortSignal[] = [];
  const sleep: typeof base.clock.sleep = (ms, options) => (sleeps.push(options!.signal!), base.clock.sleep(ms, options));
  const world = { ...base, clock: { ...base.clock, sleep } };
  const model = withLimits(heldModel(), { requestsPerMinuteMax: 1, queueMax: 5 });
  const controller = new AbortController();
  void model.call(ask('a'), { world });
  const waiting = outcomeOf(model.call(ask('a'), { world, signal: controller.signal }));
  assert.deepEqual(
    sleeps.map(({ aborted }) => aborted),
    [false],
  );
  controller.abort();
  assert.equal(await waiting, 'CANCELLED');
  assert.deepEqual(
    sleeps.map(({ aborted }) => aborted),
    [true],
  );
});

test('models of one account share a limiter; each process has its own', async () => {
  const share = limiter({ concurrencyMax: 1, queueMax: 5 });
  const [one, two] = [heldModel(), heldModel()];
  const world = testWorld();
  void share(one).call(ask('a'), { world });
  void share(two).call(ask('a'), { world });
  assert.deepEqual([one.calls.length, two.calls.length], [1, 0]);
  void share(two).call(ask('a'), { world: testWorld() });
  await settle();
  assert.deepEqual([one.calls.length, two.calls.length], [1, 1]);
  await one.calls[0]!.answer();
  assert.equal(two.calls.length, 2);
});

test('a clock that is set back holds nobody longer than a minute', async () => {
  let skewMs = 0;
  const base = testWorld();
  const world = { ...base, clock: { ...base.clock, nowMs: () => base.clock.nowMs() + skewMs } };
  const inner = heldModel();
  const model = withLimits(inner, { requestsPerMinuteMax: 1, queueMax: 5 });
  void model.call(ask('a'), { world });
  skewMs = -3_600_000;
  void model.call(ask('a'), { world });
  await base.advance(60_000);
  await settle();
  assert.equal(inner.calls.length, 2);
});

interface Arrival {
  readonly gapMs: number;
  readonly takesMs: number;
}

/** When each call begins: the earliest time that the limits and its place in the row allow. */
function expectedStarts(
  arrivals: readonly Arrival[],
  { concurrencyMax = Infinity, requestsPerMinuteMax = Infinity }: LimitOptions,
): number[] {
  const starts: number[] = [];
  const ends: number[] = [];
  let arrivesMs = 0;
  arrivals.forEach(({ gapMs, takesMs }, index) => {
    arrivesMs += gapMs;
    let startMs = Math.max(arrivesMs, starts.at(-1) ?? 0, (starts[index - requestsPerMinuteMax] ?? -60_000) + 60_000);
    const free = [...ends].sort((a, b) => b - a)[concurrencyMax - 1] ?? 0;
    startMs = Math.max(startMs, free);
    starts.push(startMs);
    ends.push(startMs + takesMs);
  });
  return starts;
}

async function actualStarts(arrivals: readonly Arrival[], options: LimitOptions, world: TestWorld): Promise<number[]> {
  const beganMs = world.clock.nowMs();
  const starts: number[] = [];
  const inner: Model = {
    name: 'm',
    async call({ instructions }) {
      starts[Number(instructions)] = world.clock.nowMs() - beganMs;
      await world.clock.sleep(arrivals[Number(instructions)]!.takesMs);
      return answerOf('ok');
    },
  };
  const model = withLimits(inner, options);
  for (const [index, { gapMs }] of arrivals.entries()) {
    await world.advance(gapMs);
    await settle();
    void model.call(ask('a', { instructions: String(index) }), { world });
    await settle();
  }
  for (let minute = 0; minute < 60 && Object.keys(starts).length < arrivals.length; minute++) {
    await world.advance(60_000);
    await settle();
  }
  return starts;
}

test('any calls begin in the order in which they came, each as early as the limits allow', async () => {
  const arrival = fc.record({
    gapMs: fc.constantFrom(0, 0, 1, 999, 20_000, 59_999, 60_000),
    takesMs: fc.constantFrom(1, 7, 10_000, 70_000),
  });
  const limit = fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined });
  await fc.assert(
    fc.asyncProperty(
      fc.array(arrival, { minLength: 1, maxLength: 12 }),
      limit,
      limit,
      async (arrivals, concurrencyMax, requestsPerMinuteMax) => {
        const options: LimitOptions = {
          queueMax: 100,
          ...(concurrencyMax === undefined ? {} : { concurrencyMax }),
          ...(requestsPerMinuteMax === undefined ? {} : { requestsPerMinuteMax }),
        };
        assert.deepEqual(await actualStarts(arrivals, options, testWorld()), expectedStarts(arrivals, options));
      },
    ),
    { numRuns: 100 },
  );
});

test('malformed options are refused by name', () => {
  const inner = heldModel();
  assert.throws(() => withLimits(inner, { concurrencyMax: 0, queueMax: 1 }), { code: 'OPTION_INVALID' });
  assert.throws(() => withLimits(inner, { concurrencyMax: 1 } as LimitOptions), { code: 'OPTION_INVALID', message: /queueMax/ });
  assert.throws(() => withLimits(inner, { requestsPerMinute: 1, queueMax: 1 } as LimitOptions), { code: 'OPTION_UNKNOWN' });
});
