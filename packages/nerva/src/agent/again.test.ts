import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError, type ErrorCode } from '../core/index.ts';
import { testWorld } from '../testing/index.ts';
import { again } from './again.ts';

/** A write that fails with each of these codes in turn and is taken then, and the times at which it was tried. */
function refused(codes: readonly ErrorCode[]) {
  const world = testWorld();
  const startMs = world.clock.nowMs();
  const triedMs: number[] = [];
  const stop = new AbortController();
  const write = (): Promise<string> => {
    const code = codes[triedMs.length];
    triedMs.push(world.clock.nowMs() - startMs);
    return code === undefined ? Promise.resolve('written') : Promise.reject(new NervaError(code, 'refused'));
  };
  return { world, triedMs, stop, result: again(write, { world, signal: stop.signal }) };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a write that a store refuses for now is tried again after 0.1 s, then after longer and longer, up to 30 s', async () => {
  for (const code of ['STORE_FAILED', 'STORE_FULL', 'STORE_QUEUE_FULL'] as const) {
    const { world, triedMs, result } = refused(Array<ErrorCode>(12).fill(code));
    for (let ms = 0; ms < 150_000; ms += 100) {
      await turn();
      await world.advance(100);
    }
    assert.equal(await result, 'written');
    const waits = triedMs.slice(1).map((ms, index) => ms - (triedMs[index] ?? 0));
    assert.equal(waits[0], 100);
    for (let index = 2; index < waits.length; index++)
      assert.equal(waits[index], Math.min(2 * (waits[index - 1] ?? 0), 30_000), `${index}`);
    assert.equal(waits.at(-1), 30_000);
  }
});

test('what nobody knows the outcome of is asked again at once, and only the first time', async () => {
  const { world, triedMs, result } = refused(['LOG_UNKNOWN_RESULT', 'LOG_UNKNOWN_RESULT']);
  await turn();
  assert.deepEqual(triedMs, [0, 0]);
  await world.advance(99);
  await turn();
  assert.equal(triedMs.length, 2);
  await world.advance(1);
  assert.equal(await result, 'written');
});

test('what no further try can help is thrown at once', async () => {
  const { triedMs, result } = refused(['STORE_CLOSED']);
  await assert.rejects(result, (error) => NervaError.is(error, 'STORE_CLOSED'));
  assert.equal(triedMs.length, 1);
  const bug = new Error('a bug');
  await assert.rejects(
    again(() => Promise.reject(bug), { world: testWorld(), signal: new AbortController().signal }),
    (error) => error === bug,
  );
});

test('who leaves is told the last refusal, without another try', async () => {
  const { triedMs, stop, result } = refused(['STORE_FULL', 'STORE_FULL', 'STORE_FULL']);
  await turn();
  stop.abort();
  await assert.rejects(result, (error) => NervaError.is(error, 'STORE_FULL'));
  assert.equal(triedMs.length, 1);
  let tries = 0;
  const write = (): Promise<never> => Promise.reject(new NervaError('STORE_FULL', `try ${++tries}`));
  await assert.rejects(again(write, { world: testWorld(), signal: stop.signal }), /try 1/);
});
