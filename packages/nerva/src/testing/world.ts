import { createHash } from 'node:crypto';
import { NervaError, type World } from '../core/index.ts';

/** A world for tests: a clock that the test moves, seeded dice and counted ids. Same seed, same values. */
export interface TestWorld extends World {
  /** Moves the clock and wakes the sleeps that are due, oldest first. */
  advance(ms: number): Promise<void>;
}

/** Makes a test world. Time starts at `startMs` and moves only through `advance`, or on its own by 1 ms a read when `ticking`. */
export function testWorld(options: { readonly seed?: number; readonly startMs?: number; readonly ticking?: boolean } = {}): TestWorld {
  let nowMs = options.startMs ?? 1_800_000_000_000;
  let state = (options.seed ?? 1) >>> 0;
  let count = 0;
  let sleepers: { readonly atMs: number; readonly wake: () => void }[] = [];
  const roll = (): number => {
    // mulberry32, Tommy Ettinger, public domain: small, seeded, good enough for tests.
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const word = (): string =>
    Math.floor(roll() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, '0');
  const prefix = (options.seed ?? 1).toString(36);
  return {
    clock: {
      nowMs: () => (options.ticking === true ? nowMs++ : nowMs),
      sleep: (ms, { signal } = {}) =>
        new Promise((resolve, reject) => {
          const cancelled = (): void => reject(new NervaError('CANCELLED', 'The sleep was aborted.'));
          if (signal?.aborted === true) return cancelled();
          signal?.addEventListener('abort', cancelled, { once: true });
          sleepers.push({ atMs: nowMs + ms, wake: resolve });
        }),
      timer: (ms, task) => {
        const sleeper = { atMs: nowMs + ms, wake: task };
        sleepers.push(sleeper);
        return () => (sleepers = sleepers.filter((other) => other !== sleeper));
      },
    },
    dice: { roll },
    ids: { random: () => word() + word() + word() + word(), next: () => `t${prefix}.${(count++).toString(36)}` },
    transport: {
      request: (request) => Promise.reject(new NervaError('HTTP_UNREACHABLE', `The test world has no network: ${request.url}`)),
      close: () => Promise.resolve(),
    },
    digest: (data) => createHash('sha256').update(data).digest('hex'),
    defer: (task) => void setImmediate(task),
    async advance(ms) {
      const end = nowMs + ms;
      for (;;) {
        sleepers.sort((a, b) => a.atMs - b.atMs);
        const next = sleepers[0];
        if (next === undefined || next.atMs > end) break;
        sleepers.shift();
        nowMs = Math.max(nowMs, next.atMs);
        next.wake();
        await new Promise((resolve) => setImmediate(resolve));
      }
      nowMs = end;
    },
  };
}
