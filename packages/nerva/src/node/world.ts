import { hash, randomBytes, randomFillSync } from 'node:crypto';
import { NervaError, type Transport, type World } from '../core/index.ts';
import { httpTransport, type HttpOptions } from './http.ts';

/** What a real world may be given instead of its own. */
export interface NodeWorldOptions {
  /** Used in place of the HTTP client; `http` is then not read. */
  readonly transport?: Transport;
  readonly http?: HttpOptions;
}

/** The longest that Node's timers can wait; a longer sleep is several. */
const TIMER_MS_MAX = 2_147_483_647;
const PREFIX_BYTES = 5;
const POOL_BYTES = 4096;
/** One for all sleeps: most are aborted, since what they bound ends in time, and a stack costs more than all else a sleep does. */
const CANCELLED = new NervaError('CANCELLED', 'The sleep was aborted by its signal.');
const ID_BYTES = 16;

let prefix: string | undefined;
let count = 0;
const pool = Buffer.alloc(POOL_BYTES);
let used = POOL_BYTES;

/**
 * The real world: the system's clock, the kernel's randomness, SHA-256, and an HTTP client that keeps connections open.
 * Close `world.transport` to let the process end at once. Two worlds of one process never give the same `ids.next`.
 */
export function nodeWorld(options: NodeWorldOptions = {}): World {
  return {
    clock: { nowMs: Date.now, sleep, timer },
    dice: { roll: Math.random },
    ids: { random: randomId, next: nextId },
    transport: options.transport ?? httpTransport(options.http),
    digest: (data) => hash('sha256', data, 'hex'),
    defer: (task) => void setImmediate(task),
  };
}

/** 40 random bits tell processes apart, a counter tells the ids of one process apart. Drawn at first use: importing costs nothing. */
function nextId(): string {
  prefix ??= randomBytes(PREFIX_BYTES).readUIntBE(0, PREFIX_BYTES).toString(36).padStart(8, '0');
  return `${prefix}.${(count++).toString(36)}`;
}

/** Random bytes are drawn 256 ids at a time: one system call an id costs more than all else that an id costs. */
function randomId(): string {
  if (used === POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  const id = pool.toString('hex', used, used + ID_BYTES);
  used += ID_BYTES;
  return id;
}

/** Node's timers may fire up to a millisecond early, and stop at 24.8 days. */
function timer(ms: number, task: () => void): () => void {
  if (ms > TIMER_MS_MAX) {
    const stop = new AbortController();
    sleep(ms, { signal: stop.signal, background: true }).then(task, () => undefined);
    return () => stop.abort();
  }
  const handle = setTimeout(task, Math.ceil(ms) + 1);
  handle.unref();
  return () => clearTimeout(handle);
}

/** Waits by the monotonic clock: Node's timers may fire a little early, and stop at 24.8 days. */
function sleep(ms: number, options: { readonly signal?: AbortSignal; readonly background?: boolean } = {}): Promise<void> {
  const { signal, background = false } = options;
  if (signal?.aborted === true) return Promise.reject(CANCELLED);
  const endMs = performance.now() + ms;
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout;
    const abort = (): void => {
      clearTimeout(timer);
      reject(CANCELLED);
    };
    const wait = (): void => {
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) {
        signal?.removeEventListener('abort', abort);
        return resolve();
      }
      timer = setTimeout(wait, Math.min(Math.ceil(leftMs), TIMER_MS_MAX));
      if (background) timer.unref();
    };
    signal?.addEventListener('abort', abort, { once: true });
    wait();
  });
}
