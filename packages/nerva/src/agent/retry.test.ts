import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NervaError, type ErrorCode } from '../core/index.ts';
import type { Model, ModelAnswer } from '../model/index.ts';
import { createAgent } from './index.ts';
import type { Bound } from './definition.ts';
import { retryAtMs } from './retry.ts';
import type { Retry } from './retry-options.ts';
import type { AgentState, Turn } from './state.ts';
import { all, scene, until, type Scene } from './session-scene.test.ts';

const OK: ModelAnswer = { parts: [{ type: 'text', text: 'ok' }], finish: 'stop', usage: { inputTokens: 1, outputTokens: 1 }, model: null };
const failure = (code: ErrorCode = 'MODEL_UNAVAILABLE', retryAfterMs?: number): NervaError =>
  new NervaError(code, 'it failed', retryAfterMs === undefined ? {} : { details: { retryAfterMs } });

/** A model that fails so often, then answers. */
function failing(errors: readonly unknown[], onCall: (n: number) => void = () => undefined): Model {
  let n = 0;
  return {
    name: 'failing/model',
    call: () => {
      onCall(n);
      const error = errors[n++];
      return error === undefined ? Promise.resolve(OK) : Promise.reject(error as Error);
    },
  };
}

/** Waits until the timer numbered `count` (from 1) is set. @returns ms from its failure to its time. */
async function waitOf({ of, events }: Scene, count: number): Promise<number> {
  await until(async () => (await of('timer.set')).length === count);
  const set = (await of('timer.set'))[count - 1];
  const failed = (await events()).findLast(({ type, seq }) => type === 'model.failed' && seq < (set?.seq ?? 0));
  return (set?.data.atMs ?? 0) - (failed?.atMs ?? 0);
}

/** Goes through all waits of a turn and gives how long each was. */
async function waits(made: Scene, count: number): Promise<number[]> {
  const found: number[] = [];
  for (let n = 1; n <= count; n++) {
    const ms = await waitOf(made, n);
    found.push(ms);
    await made.world.advance(ms - 1);
    assert.equal((await made.of('timer.fired')).length, n - 1, 'not before its time');
    await made.world.advance(1);
    await until(async () => (await made.of('timer.fired')).length === n);
  }
  return found;
}

test('a call that fails is made again after 1, 2 and 4 s, each off by at most a tenth, and the turn is answered', async () => {
  const made = scene({ model: failing([failure(), failure('HTTP_TIMEOUT'), failure('MODEL_RATE_LIMITED')]) });
  const { result } = made.session.send('go');
  const found = await waits(made, 3);
  found.forEach((ms, n) => assert.ok(ms >= 900 * 2 ** n && ms <= 1_101 * 2 ** n, `${ms} ms before attempt ${n + 2}`));
  const { status, text, steps } = await result;
  assert.deepEqual([status, text, steps], ['answered', 'ok', 1]);
  assert.equal((await made.session.replay()).divergence, null);
});

test('after the last retry the turn ends with the failure', async () => {
  let calls = 0;
  const made = scene({
    model: failing(
      Array.from({ length: 9 }, () => failure()),
      () => calls++,
    ),
  });
  const { result } = made.session.send('go');
  await waits(made, 3);
  const { status, why } = await result;
  assert.deepEqual([status, why, calls], ['failed', 'MODEL_UNAVAILABLE: it failed', 4]);
});

test('what another attempt cannot help is not tried again', async () => {
  for (const code of ['MODEL_AUTH', 'MODEL_REFUSED', 'CONTEXT_TOO_LONG'] as const) {
    let calls = 0;
    const made = scene({ model: failing([failure(code)], () => calls++) });
    assert.equal((await made.session.send('go').result).status, 'failed');
    assert.deepEqual([calls, (await made.of('timer.set')).length], [1, 0]);
  }
});

test('a provider that says when to come back is heeded, and one that says much later ends the turn', async () => {
  const heeded = scene({ model: failing([failure('MODEL_RATE_LIMITED', 7_000)]) });
  heeded.session.send('go');
  assert.equal(await waitOf(heeded, 1), 7_000);
  const late = scene({ model: failing([failure('MODEL_RATE_LIMITED', 600_001)]) });
  assert.equal((await late.session.send('go').result).status, 'failed');
});

test('any options give waits within their window, and a replay waits the same', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        retriesMax: fc.integer({ min: 1, max: 5 }),
        initialMs: fc.integer({ min: 10, max: 5_000 }),
        factor: fc.integer({ min: 1, max: 4 }),
        delayMsMax: fc.integer({ min: 10, max: 20_000 }),
        jitter: fc.constantFrom(0, 0.1, 0.5),
      }),
      async (retry: Required<Omit<Retry, 'retryAfterMsMax'>>) => {
        const made = scene({ model: failing(Array.from({ length: retry.retriesMax }, () => failure())), retry });
        const { result } = made.session.send('go');
        const found = await waits(made, retry.retriesMax);
        found.forEach((ms, n) => {
          const plainMs = Math.min(retry.delayMsMax, retry.initialMs * retry.factor ** n);
          assert.ok(
            ms >= Math.floor(plainMs * (1 - retry.jitter)) && ms <= Math.ceil(plainMs * (1 + retry.jitter)),
            `${ms} for ${plainMs}`,
          );
        });
        assert.equal((await result).status, 'answered');
        assert.equal((await made.session.replay()).divergence, null);
      },
    ),
    { numRuns: 15 },
  );
});

test('sessions that failed together do not come back together', async () => {
  const made = scene({ model: { name: 'down/model', call: () => Promise.reject(failure()) } });
  for (let n = 0; n < 20; n++) made.runtime.session(`s${n}`, { agent: 'a' }).send('go');
  const times = new Set<number>();
  for (let n = 0; n < 20; n++) {
    let atMs = 0;
    await until(async () => {
      if ((await made.store.head(`s${n}`)) < 6) return false;
      for (const event of await all(made.runtime.session(`s${n}`).log())) if (event.type === 'timer.set') atMs = event.data.atMs;
      return atMs > 0;
    });
    times.add(atMs);
  }
  assert.ok(times.size > 10, `${times.size} times for 20 sessions`);
});

test('a wait outlives its process: the next one sleeps on, for the same time', async () => {
  const made = scene({ model: failing([failure('MODEL_RATE_LIMITED', 60_000)]) });
  made.session.send('go');
  await waitOf(made, 1);
  await made.runtime.close(); // gives up the sleep at once: no grace is waited for in a world whose clock stands
  const second = made.second({ model: failing([]) });
  await second.start();
  await until(async () => (await made.of('timer.set')).length === 2);
  const [first, again] = await made.of('timer.set');
  assert.deepEqual(again?.data, { atMs: first?.data.atMs, why: 'retry', again: first?.seq });
  await made.world.advance(59_000);
  assert.equal((await made.of('timer.fired')).length, 0);
  await made.world.advance(1_000);
  await until(async () => (await made.of('turn.ended')).length === 1);
  assert.deepEqual(
    (await made.of('turn.ended')).map(({ data }) => data.reason),
    ['answer'],
  );
  await second.close();
  assert.equal((await made.session.replay()).divergence, null);
});

test('a cancel and an interruption end the wait; a steering message waits with it', async () => {
  const cancelled = scene({ model: failing([failure('MODEL_RATE_LIMITED', 60_000)]) });
  const { result } = cancelled.session.send('go');
  await waitOf(cancelled, 1);
  await cancelled.session.cancel();
  assert.equal((await result).status, 'cancelled');
  const interrupted = scene({ model: failing([failure('MODEL_RATE_LIMITED', 60_000)]) });
  interrupted.session.send('go');
  await waitOf(interrupted, 1);
  assert.equal((await interrupted.session.send('now', { deliver: 'interrupt' }).result).text, 'ok');
  const steered = scene({ model: failing([failure('MODEL_RATE_LIMITED', 60_000)]) });
  const run = steered.session.send('go');
  await waitOf(steered, 1);
  await steered.session.send('and this', { deliver: 'steer' }).accepted;
  assert.equal((await steered.of('model.called')).length, 1);
  await steered.world.advance(60_000);
  assert.equal((await run.result).status, 'answered');
  assert.deepEqual((await steered.of('model.called'))[1]?.data.takes, [(await steered.of('message.received'))[1]?.seq]);
});

test('an answer of which somebody saw a piece is not asked for again by itself', async () => {
  const torn: Model = {
    name: 'torn/model',
    call: (_request, { onDelta }) => {
      onDelta?.({ type: 'text', index: 0, text: 'hel' });
      return Promise.reject(failure('MODEL_TRUNCATED'));
    },
  };
  const watched = scene({ model: torn });
  const run = watched.session.send('go');
  await all(run.textStream);
  assert.equal((await run.result).status, 'failed');
  assert.equal((await watched.of('model.failed'))[0]?.data.partial, true);
  const alone = scene({ model: torn });
  alone.session.send('go');
  await waitOf(alone, 1);
  assert.equal((await alone.of('model.failed'))[0]?.data.partial, undefined);
});

test('a reader who left before saw nothing of a later answer: it is asked for again', async () => {
  const torn: Model = {
    name: 'torn/model',
    call: (_request, { onDelta }) => {
      onDelta?.({ type: 'text', index: 0, text: 'hel' });
      return onDelta === undefined ? Promise.resolve(OK) : Promise.reject(failure('MODEL_TRUNCATED'));
    },
  };
  const made = scene({ model: torn });
  await all(made.session.send('go').textStream);
  assert.equal((await made.session.send('alone').result).text, 'ok', 'nothing streams for nobody');
});

test('a failure that does not say when to come back is tried again by an agent that heeds no such word', async () => {
  const made = scene({ model: failing([failure(), failure('MODEL_RATE_LIMITED', 1)]), retry: { retryAfterMsMax: 0 } });
  const { result } = made.session.send('go');
  await waits(made, 1);
  assert.equal((await result).status, 'failed', 'and one that does say ends the turn');
});

test('the jitter is drawn from the digest of the failure: the lowest makes the shortest wait, the highest the longest', () => {
  const state = (digest: string): number | null => {
    const agent = createAgent({ name: 'a', model: failing([]), retry: { initialMs: 1_000, jitter: 0.5, factor: 1 } });
    const open = { failure: { retry: true, isPartial: false, retryAfterMs: null, id: 's:4' }, failures: 1, startedMs: 0 };
    return retryAtMs({ nowMs: 7 } as AgentState, open as unknown as Turn, { agent, hash: () => digest } as unknown as Bound);
  };
  assert.equal(state('00000000f'), 507);
  assert.equal(state('80000000f'), 1_007);
  assert.equal(state('ffffffff0'), 1_507);
});

test('a turn whose time would be over by then ends at once', async () => {
  const made = scene({ model: failing([failure('MODEL_RATE_LIMITED', 5_000)]), budget: { turnMs: 5_000 } });
  assert.equal((await made.session.send('go').result).status, 'failed');
});

test('a fork of a session that waits asks by itself, and its parent’s timer never fires there', async () => {
  const made = scene({ model: failing([failure('MODEL_RATE_LIMITED', 60_000)]) });
  made.session.send('go');
  await waitOf(made, 1);
  const head = await made.store.head('s');
  const fork = await made.session.fork(head - 1);
  fork.resume();
  await until(async () => (await all(fork.log())).some(({ type, sid }) => type === 'timer.set' && sid === fork.sid));
  const own = (await all(fork.log())).filter(({ type, sid }) => type === 'timer.set' && sid === fork.sid);
  assert.equal(own.length, 1);
  await made.world.advance(120_000);
  await until(async () => (await all(fork.log())).at(-1)?.type === 'turn.ended');
  assert.equal((await fork.replay()).divergence, null);
});

test('an option outside its range is refused with its name', () => {
  assert.throws(() => scene({ script: ['x'], retry: { retriesMax: -1 } }), /retry\.retriesMax/);
  assert.throws(
    () => scene({ script: ['x'], retry: { retries: 1 } as never }),
    (error) => NervaError.is(error, 'OPTION_UNKNOWN'),
  );
});
