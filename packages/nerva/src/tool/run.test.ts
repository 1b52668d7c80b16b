import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { z } from 'zod';
import type { Json, World } from '../core/index.ts';
import { testWorld } from '../testing/index.ts';
import { notDone, runTool, tool, type RunOptions, type Tool, type ToolContext, type ToolOutcome } from './index.ts';
import { toOutput } from './output.ts';

const INPUT = { type: 'object', properties: { n: { type: 'number' } } } as const;
function make(
  execute: (input: unknown, context: ToolContext) => unknown,
  more: Partial<Pick<Tool, 'timeoutMs'>> & { outputSchema?: { type: string } | z.ZodType } = {},
): Tool {
  return tool({ name: 'x', inputSchema: INPUT, execute, ...more });
}
const contextOf = (signal = new AbortController().signal): ToolContext => ({
  signal,
  callId: 's:1',
  idempotencyKey: 'k',
  attempt: 1,
  session: { sid: 's', tenant: '', agent: 'a' },
  taint: [],
  now: { atMs: 0 },
  readLog: async () => [],
});
const noTimer = (): never => {
  throw new Error('a timer was made');
};
const noClock: Pick<World, 'clock'> = { clock: { nowMs: () => 0, sleep: noTimer, timer: noTimer } };
const run = (given: Tool, input: Json = {}, options: Partial<RunOptions> & { signal?: AbortSignal } = {}): Promise<ToolOutcome> =>
  runTool(given, input, contextOf(options.signal), { world: noClock, outputBytesMax: 1000, graceMs: 100, ...options });
const failed =
  (why: string, message: string | RegExp, started = true) =>
  (outcome: ToolOutcome) => {
    assert.ok(outcome.type === 'failed', JSON.stringify(outcome));
    assert.deepEqual([outcome.why, outcome.started], [why, started]);
    assert.match(outcome.message, typeof message === 'string' ? new RegExp(message) : message);
  };
const turns = async (count = 5): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

test('a synchronous tool returns without a timer or a listener', async () => {
  const controller = new AbortController();
  let listeners = 0;
  controller.signal.addEventListener = (): void => void listeners++;
  assert.deepEqual(
    await run(
      make(() => ({ ok: true })),
      {},
      { signal: controller.signal },
    ),
    { type: 'returned', output: { ok: true } },
  );
  assert.equal(listeners, 0);
});

test('what a tool gives back becomes JSON: undefined is null, dates are text, undefined members go', async () => {
  assert.deepEqual(await run(make(() => undefined)), { type: 'returned', output: null });
  assert.deepEqual(await run(make(() => ({ a: undefined, at: new Date(0), list: [undefined], half: '\ud83d' }))), {
    type: 'returned',
    output: { at: '1970-01-01T00:00:00.000Z', list: [null], half: '\ufffd' },
  });
});

test('a failure says why', async () => {
  failed(
    'threw',
    /^TypeError: boom$/,
  )(
    await run(
      make(() => {
        throw new TypeError('boom');
      }),
    ),
  );
  failed(
    'threw',
    /^It threw plain$/,
  )(
    await run(
      make(() => {
        // oxlint-disable-next-line typescript/only-throw-error
        throw 'plain';
      }),
    ),
  );
  failed(
    'threw',
    /^later$/,
  )(
    await run(
      make(async () => Promise.reject(new Error('later'))),
      {},
      { world: testWorld() },
    ),
  );
  failed(
    'not done',
    /^Nothing sent$/,
  )(
    await run(
      make(() => {
        throw notDone('Nothing sent');
      }),
    ),
  );
  failed(
    'bad input',
    /\$\.n: came "x", expected number/,
    false,
  )(
    await run(
      make(() => assert.fail('it ran')),
      { n: 'x' },
    ),
  );
  failed('bad output', /came 5, expected string/)(await run(make(() => 5, { outputSchema: { type: 'string' } })));
  failed('bad output', /Map/)(await run(make(() => new Map())));
  failed('bad output', /NaN/)(await run(make(() => ({ a: [NaN] }))));
  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  failed('bad output', /contains itself/)(await run(make(() => cycle)));
  failed(
    'bad output',
    /getter/,
  )(
    await run(
      make(() => ({
        get a() {
          throw new Error('getter');
        },
      })),
    ),
  );
});

test('the output is what its schema makes of it', async () => {
  assert.deepEqual(await run(make(() => '5', { outputSchema: z.string().transform(Number) })), { type: 'returned', output: 5 });
});

test('a message is at most 2 KB and well formed, also from an error that cannot be shown', async () => {
  const outcome = await run(
    make(() => {
      throw new Error('é'.repeat(10_000) + '\ud83d');
    }),
  );
  assert.ok(
    outcome.type === 'failed' &&
      Buffer.byteLength(outcome.message) <= 2048 &&
      outcome.message.isWellFormed() &&
      outcome.message.endsWith('bytes cut]'),
  );
  failed(
    'threw',
    /cannot be shown/,
  )(
    await run(
      make(() => {
        // oxlint-disable-next-line typescript/only-throw-error
        throw {
          toJSON() {
            throw new Error('no');
          },
        };
      }),
    ),
  );
});

test('a call that was cancelled before it started never starts', async () => {
  failed(
    'cancelled',
    /before it started/,
    false,
  )(
    await run(
      make(() => assert.fail('it ran')),
      {},
      { signal: AbortSignal.abort() },
    ),
  );
});

test('a cancel while the input is parsed asynchronously keeps the tool from starting', async () => {
  const controller = new AbortController();
  let letGo = (): void => undefined;
  const gate = new Promise<void>((resolve) => (letGo = resolve));
  const slow = tool({
    name: 'x',
    inputSchema: z.object({}).refine(async () => gate.then(() => true)),
    execute: () => assert.fail('it ran'),
  });
  const outcome = runTool(slow, {}, contextOf(controller.signal), { world: testWorld(), outputBytesMax: 100, graceMs: 100 });
  controller.abort();
  letGo();
  failed('cancelled', /cancelled/, false)(await outcome);
});

test('a timeout while the input is parsed is a timeout of a call that never started', async () => {
  const world = testWorld();
  let letGo = (): void => undefined;
  const gate = new Promise<void>((resolve) => (letGo = resolve));
  const slow = tool({
    name: 'x',
    timeoutMs: 10,
    inputSchema: z.object({}).refine(async () => gate.then(() => true)),
    execute: () => assert.fail('it ran'),
  });
  const outcome = runTool(slow, {}, contextOf(), { world, outputBytesMax: 100, graceMs: 100 });
  await world.advance(10);
  letGo();
  failed('timeout', /took more than 10 ms/, false)(await outcome);
});

test('a tool that takes too long is aborted, given grace, and given up; its late end is told', async () => {
  const world = testWorld();
  const late: ToolOutcome[] = [];
  let signal: AbortSignal | undefined;
  let end: (output: string) => void = () => undefined;
  const slow = make((_, context) => ((signal = context.signal), new Promise((resolve) => (end = resolve))), { timeoutMs: 1000 });
  let outcome: ToolOutcome | undefined;
  void run(slow, {}, { world, onLate: (it) => late.push(it) }).then((it) => (outcome = it));
  await world.advance(999);
  assert.equal(signal?.aborted, false);
  await world.advance(1);
  assert.equal(signal?.aborted, true);
  await world.advance(99);
  await turns();
  assert.equal(outcome, undefined);
  await world.advance(1);
  await turns();
  failed('timeout', /took more than 1000 ms.*did not stop within 100 ms/)(outcome!);
  assert.deepEqual(late, []);
  end('after all');
  await turns();
  assert.deepEqual(late, [{ type: 'returned', output: 'after all' }]);
});

test('what a tool returns within the grace counts; what it throws then is the timeout; what it says was not done was not', async () => {
  const cases: [(signal: AbortSignal) => unknown, (outcome: ToolOutcome) => void][] = [
    [() => 'saved', (outcome) => assert.deepEqual(outcome, { type: 'returned', output: 'saved' })],
    [
      (signal) => {
        throw signal.reason as Error;
      },
      failed('timeout', /aborted/),
    ],
    [
      () => {
        throw notDone('rolled back');
      },
      failed('not done', 'rolled back'),
    ],
  ];
  for (const [end, check] of cases) {
    const world = testWorld();
    const stopping = make(
      (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(null))).then(() => end(signal)),
      { timeoutMs: 10 },
    );
    const outcome = run(stopping, {}, { world });
    await world.advance(10);
    check(await outcome);
  }
});

test('a cancel is passed on at once, and the tool is given up after the grace', async () => {
  const world = testWorld();
  const controller = new AbortController();
  let aborted = false;
  const deaf = make((_, { signal }) => (signal.addEventListener('abort', () => (aborted = true)), new Promise(() => undefined)));
  const outcome = run(deaf, {}, { world, signal: controller.signal });
  controller.abort();
  assert.equal(aborted, true);
  await world.advance(100);
  failed('cancelled', /was cancelled\. It did not stop within 100 ms/)(await outcome);
});

test('a tool that causes its own cancel before it gives its promise is still bounded', async () => {
  const world = testWorld();
  const controller = new AbortController();
  const outcome = run(
    make(() => (controller.abort(), new Promise(() => undefined))),
    {},
    { world, signal: controller.signal },
  );
  await world.advance(100);
  failed('cancelled', /did not stop/)(await outcome);
});

test('a finished call leaves no listener and no running timer behind', async () => {
  const controller = new AbortController();
  let listeners = 0;
  const { signal } = controller;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>): void => (listeners++, add(...args));
  signal.removeEventListener = (...args: Parameters<typeof remove>): void => (listeners--, remove(...args));
  const timers = { made: 0, stopped: 0 };
  const timer = (): (() => void) => (timers.made++, () => void timers.stopped++);
  const world: Pick<World, 'clock'> = { clock: { nowMs: () => 0, sleep: noTimer, timer } };
  assert.deepEqual(
    await run(
      make(async () => Promise.resolve(1)),
      {},
      { world, signal },
    ),
    { type: 'returned', output: 1 },
  );
  assert.deepEqual([listeners, timers], [0, { made: 1, stopped: 1 }]);
});

test('an output that is too large is cut to an excerpt and still counts as returned', async () => {
  const text = await run(make(() => 'é'.repeat(1_000_000)));
  assert.ok(text.type === 'returned' && typeof text.output === 'string' && Buffer.byteLength(text.output) <= 1000);
  assert.equal(text.truncatedBytes! + Buffer.byteLength(text.output.replace(/… \[.*/, '')), 2_000_000);
  const list = await run(make(() => Array.from({ length: 100_000 }, (_, i) => ({ i }))));
  assert.ok(
    list.type === 'returned' &&
      typeof list.output === 'string' &&
      list.output.startsWith('[{"i":0},{"i":1}') &&
      Buffer.byteLength(list.output) <= 1000,
  );
});

test('the output is a copy: a tool may go on changing its own', async () => {
  const mine = { list: [1] };
  const outcome = await run(make(() => mine));
  mine.list.push(2);
  assert.deepEqual(outcome, { type: 'returned', output: { list: [1] } });
});

test('an undefined item is measured as the null it becomes, and a key that would set a prototype is refused', () => {
  assert.deepEqual(toOutput([undefined], 6), { output: [null] });
  assert.deepEqual(toOutput([undefined], 5), { output: '', truncatedBytes: 6 });
  assert.throws(() => toOutput(JSON.parse('[{"__proto__": 1}]'), 100), /__proto__/);
});

test('any JSON output is kept as it is when it fits, and cut to the limit exactly when it does not', () => {
  const value = fc.oneof(fc.jsonValue(), fc.array(fc.string({ unit: 'binary' })), fc.string({ unit: 'binary' }));
  fc.assert(
    fc.property(value, fc.nat(300), (given, bytesMax) => {
      fc.pre(!JSON.stringify(given).includes('__proto__'));
      const bytes = Buffer.byteLength(typeof given === 'string' ? given : JSON.stringify(given));
      const { output, truncatedBytes } = toOutput(given, bytesMax);
      if (bytes <= bytesMax) {
        assert.equal(JSON.stringify(output), JSON.stringify(given));
        return assert.equal(truncatedBytes, undefined);
      }
      assert.ok(
        typeof output === 'string' && output.isWellFormed() && Buffer.byteLength(output) <= bytesMax,
        `${String(output)} ${bytesMax}`,
      );
      const kept = output.replace(/… \[\d+ bytes cut\]$/u, '');
      assert.ok((typeof given === 'string' ? given : JSON.stringify(given)).startsWith(kept));
      assert.equal(truncatedBytes, bytes - Buffer.byteLength(kept));
    }),
  );
});

test('any behaviour of a tool ends in one outcome, in bounded time', async () => {
  const behaviour = fc.record({
    isAsync: fc.boolean(),
    takesMs: fc.nat(300),
    heeds: fc.boolean(),
    cancelAtMs: fc.option(fc.nat(300)),
    end: fc.constantFrom<() => unknown>(
      () => 1,
      () => {
        throw new Error('x');
      },
      () => {
        throw notDone('n');
      },
      () => Symbol('s'),
    ),
  });
  await fc.assert(
    fc.asyncProperty(behaviour, async ({ isAsync, takesMs, heeds, cancelAtMs, end }) => {
      const world = testWorld();
      const controller = new AbortController();
      const late: ToolOutcome[] = [];
      const given = make((_, { signal }) => (isAsync ? world.clock.sleep(takesMs, heeds ? { signal } : {}).then(end) : end()), {
        timeoutMs: 100,
      });
      const outcomes: ToolOutcome[] = [];
      void run(given, {}, { world, signal: controller.signal, onLate: (it) => late.push(it) }).then((it) => outcomes.push(it));
      if (cancelAtMs !== null) void world.clock.sleep(cancelAtMs).then(() => controller.abort());
      await world.advance(200);
      await turns(2);
      assert.equal(outcomes.length, 1);
      await world.advance(300);
      await turns(2);
      assert.equal(outcomes.length, 1);
      assert.ok(late.length <= 1);
    }),
    { numRuns: 60 },
  );
});
