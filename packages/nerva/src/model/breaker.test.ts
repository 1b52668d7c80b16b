import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NervaError, type ErrorCode } from '../core/index.ts';
import { testWorld, type TestWorld } from '../testing/index.ts';
import { ask, heldModel, outcomeOf, settle, type Held } from './call-scene.test.ts';
import { withBreaker, type BreakerOptions } from './breaker.ts';
import type { Model } from './model.ts';

const down = new NervaError('MODEL_UNAVAILABLE', 'down');
const malformed = new NervaError('MODEL_REFUSED', 'malformed');

interface Scene {
  readonly world: TestWorld;
  readonly inner: ReturnType<typeof heldModel>;
  readonly model: Model;
  /** Makes a call and tells the code it was refused with, or null: it is under way. */
  readonly start: (signal?: AbortSignal) => Promise<string | null>;
  /** Makes a call that ends with `error` (undefined: it succeeds), and tells whether it reached the model. */
  readonly run: (error?: unknown) => Promise<boolean>;
  readonly last: () => Held;
}

function scene(options: BreakerOptions = {}): Scene {
  const world = testWorld();
  const inner = heldModel();
  const model = withBreaker(inner, options);
  const start = async (signal?: AbortSignal): Promise<string | null> => {
    const before = inner.calls.length;
    const ended = outcomeOf(model.call(ask('a'), { world, ...(signal === undefined ? {} : { signal }) }));
    await settle();
    return inner.calls.length > before ? null : String(await ended);
  };
  const last = (): Held => inner.calls.at(-1)!;
  return {
    world,
    inner,
    model,
    start,
    last,
    run: async (error) => {
      if ((await start()) !== null) return false;
      await (error === undefined ? last().answer() : last().fail(error));
      return true;
    },
  };
}

async function opened(options: BreakerOptions = {}): Promise<Scene> {
  const made = scene(options);
  for (let n = 0; n < (options.failuresMax ?? 5); n++) await made.run(down);
  return made;
}

test('five failures in a row open it, and then nothing is sent for a minute', async () => {
  const { run, start, model, world, inner } = scene();
  for (let n = 0; n < 4; n++) assert.ok(await run(down));
  await run();
  for (let n = 0; n < 5; n++) assert.ok(await run(down), `failure ${n + 1} after a success`);
  assert.equal(inner.calls.length, 10);
  assert.equal(await start(), 'MODEL_BREAKER_OPEN');
  await world.advance(59_999);
  await assert.rejects(model.call(ask('a'), { world }), {
    code: 'MODEL_BREAKER_OPEN',
    kind: 'unavailable',
    retry: true,
    details: { state: 'open', retryAfterMs: 1 },
  });
  assert.equal(inner.calls.length, 10);
});

test('after a minute one test goes through, others are refused meanwhile, and its success closes the breaker', async () => {
  const { world, inner, model, start, run, last } = await opened();
  await world.advance(60_000);
  const probe = model.call(ask('test'), { world });
  await settle();
  for (let n = 0; n < 10; n++) assert.equal(await start(), 'MODEL_BREAKER_OPEN');
  assert.equal(inner.calls.length, 6);
  await last().answer({ via: [{ member: 'x' }] });
  assert.deepEqual((await probe).via, [{ breaker: 'closed' }, { member: 'x' }]);
  for (let n = 0; n < 4; n++) await run(down);
  assert.equal(await start(), null, 'the count began anew');
  await last().answer();
});

test('an answer that went straight through has nothing in via', async () => {
  const { model, world, inner } = scene();
  const call = model.call(ask('a'), { world });
  await inner.calls[0]!.answer();
  assert.equal((await call).via, undefined);
});

test('a test that fails opens it for another minute', async () => {
  const { world, run, start } = await opened();
  await world.advance(60_000);
  assert.ok(await run(down));
  await world.advance(59_999);
  assert.equal(await start(), 'MODEL_BREAKER_OPEN');
  await world.advance(1);
  assert.ok(await run());
  assert.ok(await run());
});

test('what says nothing of the provider does not count, and breaks no row', async () => {
  const { run, start } = scene();
  for (const code of ['MODEL_REFUSED', 'MODEL_AUTH', 'CONTEXT_TOO_LONG', 'CANCELLED'] as const)
    for (let n = 0; n < 6; n++) assert.ok(await run(new NervaError(code, 'no')), code);
  for (let n = 0; n < 4; n++) await run(down);
  await run(malformed);
  assert.ok(await run(new Error('a model of one’s own broke')));
  assert.equal(await start(), 'MODEL_BREAKER_OPEN');
});

test('only the codes that are given count', async () => {
  const { run, start } = scene({ counts: ['MODEL_REFUSED'], failuresMax: 2 });
  for (let n = 0; n < 6; n++) assert.ok(await run(down));
  await run(malformed);
  await run(malformed);
  assert.equal(await start(), 'MODEL_BREAKER_OPEN');
});

test('NA1: an open breaker that nobody asked for 301 s is as new, and not on trial', async () => {
  const { world, run, start, last } = await opened({ openMs: 3_600_000 });
  await world.advance(301_000);
  assert.equal(await start(), null);
  assert.equal(await start(), null, 'a second call at the same time passes as well');
  await last().fail(down);
  for (let n = 0; n < 3; n++) assert.ok(await run(down));
  assert.equal(await start(), null, 'four failures are four');
});

test('a call before the idle time is over keeps an open breaker from being reset', async () => {
  const { world, start } = await opened({ openMs: 3_600_000 });
  await world.advance(299_999);
  assert.equal(await start(), 'MODEL_BREAKER_OPEN');
  await world.advance(299_999);
  assert.equal(await start(), 'MODEL_BREAKER_OPEN');
});

test('failures are forgotten after the idle time', async () => {
  const { world, run, start } = scene();
  for (let n = 0; n < 4; n++) await run(down);
  await world.advance(300_000);
  for (let n = 0; n < 4; n++) assert.ok(await run(down));
  assert.equal(await start(), null);
});

test('NA2: a test that ends without a verdict leaves its place to the next call', async () => {
  const { world, run, start, last } = await opened();
  await world.advance(60_000);
  assert.ok(await run(malformed));
  await world.advance(1);
  assert.equal(await start(), null, 'another test');
  assert.equal(await start(), 'MODEL_BREAKER_OPEN', 'and only one');
  await last().answer();
  assert.equal(await start(), null);
});

test('a cancelled test leaves its place at once, even when the model does not listen', async () => {
  const { world, inner, start } = await opened();
  await world.advance(60_000);
  const controller = new AbortController();
  assert.equal(await start(controller.signal), null);
  controller.abort();
  await settle();
  assert.equal(inner.calls[5]!.signal.aborted, true);
  assert.equal(await start(), null, 'another test');
  await inner.calls[5]!.fail(down);
  assert.equal(await start(), 'MODEL_BREAKER_OPEN', 'the late end of the first test opens nothing and frees nothing');
  await inner.calls[6]!.answer();
  assert.equal(await start(), null);
});

test('a test that never ends is given up after the idle time', async () => {
  const { world, start } = await opened();
  await world.advance(60_000);
  assert.equal(await start(), null);
  for (let n = 0; n < 5; n++) {
    assert.equal(await start(), 'MODEL_BREAKER_OPEN');
    await world.advance(60_000);
  }
  assert.equal(await start(), null);
});

test('a call from before the breaker opened neither closes it nor opens it again', async () => {
  const { world, inner, start, run } = scene({ failuresMax: 1 });
  await start();
  await start();
  await run(down);
  await inner.calls[0]!.answer();
  assert.equal(await start(), 'MODEL_BREAKER_OPEN');
  await world.advance(60_000);
  assert.ok(await run());
  await inner.calls[1]!.fail(down);
  assert.equal(await start(), null);
});

test('a clock that is set back keeps it open for no longer than its time', async () => {
  let nowMs = 1_000_000;
  const world = testWorld();
  const skewed = { ...world, clock: { ...world.clock, nowMs: () => nowMs } };
  const inner = heldModel();
  const model = withBreaker(inner, { failuresMax: 1 });
  const failed = outcomeOf(model.call(ask('a'), { world: skewed }));
  await inner.calls[0]!.fail(down);
  assert.equal(await failed, 'MODEL_UNAVAILABLE');
  nowMs = 100_000;
  await assert.rejects(model.call(ask('a'), { world: skewed }), { details: { state: 'open', retryAfterMs: 60_000 } });
  nowMs = 160_000;
  void model.call(ask('a'), { world: skewed });
  assert.equal(inner.calls.length, 2);
});

test('two processes have a breaker each', async () => {
  const { model, inner, start } = await opened();
  assert.equal(await start(), 'MODEL_BREAKER_OPEN');
  void model.call(ask('a'), { world: testWorld({ seed: 2 }) });
  assert.equal(inner.calls.length, 6);
});

test('malformed options are refused by name', () => {
  const inner = heldModel();
  assert.throws(() => withBreaker(inner, { failuresMax: 0 }), { code: 'OPTION_INVALID' });
  assert.throws(() => withBreaker(inner, { openMS: 1 } as BreakerOptions), {
    code: 'OPTION_UNKNOWN',
    details: { name: 'openMS', nearest: 'openMs' },
  });
  assert.throws(() => withBreaker(inner, { counts: ['HTTP_TIMEOUTS' as ErrorCode] }), { code: 'OPTION_INVALID', message: /HTTP_TIMEOUT"/ });
  assert.throws(() => withBreaker(inner, { counts: ['CANCELLED'] }), { code: 'OPTION_INVALID' });
});

/** The breaker as a table: what each state does with what happens. Written apart from the code, and slower. */
interface Expected {
  state: 'closed' | 'open' | 'half-open';
  failures: number;
  openedMs: number;
  lastMs: number;
  nowMs: number;
  /** Calls under way; `era` is the count of changes of state when they began. */
  calls: {
    readonly held: Held;
    readonly era: number;
    readonly isTest: boolean;
    readonly startedMs: number;
    readonly controller: AbortController;
  }[];
  era: number;
}
const RULES = { failuresMax: 3, openMs: 60, idleResetMs: 300 };

class Start implements fc.AsyncCommand<Expected, Scene> {
  check = (): boolean => true;
  toString = (): string => 'start';
  async run(m: Expected, { model, world, inner }: Scene): Promise<void> {
    if (m.nowMs - m.lastMs >= RULES.idleResetMs) move(m, 'closed');
    if (m.state === 'open' && m.nowMs - m.openedMs >= RULES.openMs) move(m, 'half-open');
    m.lastMs = m.nowMs;
    const isTested = m.calls.some(({ isTest, era, startedMs }) => isTest && era === m.era && m.nowMs - startedMs < RULES.idleResetMs);
    const passes = m.state === 'closed' || (m.state === 'half-open' && !isTested);
    const before = inner.calls.length;
    const controller = new AbortController();
    const ended = outcomeOf(model.call(ask('a'), { world, signal: controller.signal }));
    await settle();
    assert.equal(inner.calls.length > before, passes, `in ${m.state}`);
    if (!passes) return assert.equal(await ended, 'MODEL_BREAKER_OPEN');
    const isTest = m.state === 'half-open';
    // A test that was given up is no test any more.
    if (isTest) m.calls = m.calls.map((call) => (call.era === m.era ? { ...call, era: -1 } : call));
    m.calls.push({ held: inner.calls.at(-1)!, era: m.era, isTest, startedMs: m.nowMs, controller });
  }
}

class End implements fc.AsyncCommand<Expected, Scene> {
  readonly which: number;
  readonly how: 'success' | 'failure' | 'untracked' | 'cancel';
  constructor(which: number, how: End['how']) {
    this.which = which;
    this.how = how;
  }
  check = (m: Readonly<Expected>): boolean => m.calls.length > 0;
  toString = (): string => `end ${this.which} ${this.how}`;
  async run(m: Expected): Promise<void> {
    const [{ held, era, isTest, controller }] = m.calls.splice(this.which % m.calls.length, 1) as [Expected['calls'][number]];
    m.lastMs = m.nowMs;
    if (era === m.era && this.how === 'success') {
      m.failures = 0;
      if (isTest) move(m, 'closed');
    } else if (era === m.era && this.how === 'failure') {
      m.failures++;
      if (isTest || m.failures >= RULES.failuresMax) {
        move(m, 'open');
        m.openedMs = m.nowMs;
      }
    }
    if (this.how === 'success') await held.answer();
    else if (this.how === 'cancel') controller.abort();
    else await held.fail(this.how === 'failure' ? down : malformed);
    await settle();
  }
}

class Wait implements fc.AsyncCommand<Expected, Scene> {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
  check = (): boolean => true;
  toString = (): string => `wait ${this.ms}`;
  async run(m: Expected, { world }: Scene): Promise<void> {
    m.nowMs += this.ms;
    await world.advance(this.ms);
  }
}

function move(m: Expected, state: Expected['state']): void {
  Object.assign(m, { state, failures: 0, era: m.era + 1 });
}

test('any sequence of calls, ends and waits finds the breaker in the state that the table says', async () => {
  const commands = fc.commands(
    [
      fc.constant(new Start()),
      fc
        .tuple(fc.nat(5), fc.constantFrom('success', 'failure', 'failure', 'failure', 'untracked', 'cancel'))
        .map(([which, how]) => new End(which, how)),
      fc.constantFrom(1, 59, 60, 61, 240, 299, 300, 301).map((ms) => new Wait(ms)),
    ],
    { maxCommands: 40, size: 'max' },
  );
  await fc.assert(
    fc.asyncProperty(commands, async (run) => {
      await fc.asyncModelRun(() => {
        const real = scene(RULES);
        const nowMs = real.world.clock.nowMs();
        const model: Expected = { state: 'closed', failures: 0, openedMs: 0, lastMs: nowMs, nowMs, calls: [], era: 0 };
        return { model, real };
      }, run);
    }),
    { numRuns: 300 },
  );
});
