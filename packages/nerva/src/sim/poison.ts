import { AsyncLocalStorage } from 'node:async_hooks';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { scheduler } from 'node:timers/promises';
import { NervaError } from '../core/index.ts';

/** Told the name of what simulated code reached for. */
export type OnLeak = (error: NervaError) => void;

const inside = new AsyncLocalStorage<OnLeak>();
const require = createRequire(import.meta.url);

/** Names of a module or object that reach out of a simulation. */
type Names = readonly string[];

const GLOBALS: Names = ['setTimeout', 'setInterval', 'setImmediate', 'fetch', 'WebSocket', 'EventSource'];
const CRYPTO: Names = ['randomUUID', 'getRandomValues'];
/** They answer in whatever order the threads behind them end. */
const SUBTLE: Names = [
  'decrypt',
  'deriveBits',
  'deriveKey',
  'digest',
  'encrypt',
  'exportKey',
  'generateKey',
  'importKey',
  'sign',
  'unwrapKey',
  'verify',
  'wrapKey',
];
const TIMERS: Names = ['setTimeout', 'setInterval', 'setImmediate'];
/** What is done at once is let through: Node loads modules and maps stacks so, and who checks a run may keep something of it. */
const FILES: Names = [
  'access',
  'appendFile',
  'copyFile',
  'mkdir',
  'mkdtemp',
  'open',
  'readFile',
  'readdir',
  'rename',
  'rm',
  'stat',
  'unlink',
  'writeFile',
];
/** Node's modules whose functions answer from the real world, and when the real world likes. */
const MODULES: Readonly<Record<string, Names>> = {
  'node:timers': TIMERS,
  'node:timers/promises': ['setTimeout', 'setImmediate', 'setInterval'],
  'node:crypto': [
    ...CRYPTO,
    'randomBytes',
    'randomFill',
    'randomFillSync',
    'randomInt',
    'pbkdf2',
    'scrypt',
    'hkdf',
    'generateKey',
    'generateKeySync',
    'generateKeyPair',
    'generateKeyPairSync',
    'generatePrime',
    'generatePrimeSync',
  ],
  'node:zlib': ['gzip', 'gunzip', 'deflate', 'inflate', 'deflateRaw', 'inflateRaw', 'unzip', 'brotliCompress', 'brotliDecompress'],
  'node:fs': [...FILES.filter((name) => name !== 'access'), 'createReadStream', 'createWriteStream'],
  'node:fs/promises': FILES,
  'node:net': ['connect', 'createConnection', 'createServer'],
  'node:tls': ['connect'],
  'node:http': ['request', 'get'],
  'node:https': ['request', 'get'],
  'node:dns': ['lookup', 'resolve'],
  'node:dns/promises': ['lookup', 'resolve'],
  'node:dgram': ['createSocket'],
  'node:child_process': ['spawn', 'exec', 'execFile', 'fork', 'spawnSync', 'execSync', 'execFileSync'],
  'node:worker_threads': ['Worker'],
};

interface Target {
  readonly holder: object;
  readonly name: string;
  readonly shown: string;
}

interface Saved extends Target {
  readonly descriptor: PropertyDescriptor;
}

let users = 0;
let saved: readonly Saved[] = [];

/**
 * Runs code in which whatever reaches the real world's time, dice, timers, files, processes or network throws SIM_LEAK, which names it,
 * and tells `onLeak`, so that catching it does not hide it. Code outside is not touched: the guards know who calls.
 * `AbortSignal.timeout`, `Date`, `Math.random`, `crypto.subtle`, the clocks of `process` and `performance` and a date that `Intl` is to choose
 * are guarded too. Runs may overlap.
 */
export function poisoned<T>(onLeak: OnLeak, run: () => Promise<T>): Promise<T> {
  return guarded(() => inside.run(onLeak, run));
}

/** Keeps the guards in place meanwhile: to put them up takes longer than a short run. */
export async function guarded<T>(run: () => Promise<T>): Promise<T> {
  if (users++ === 0) saved = guardAll();
  try {
    return await run();
  } finally {
    if (--users === 0) restore(saved);
  }
}

function leak(shown: string): void {
  const onLeak = inside.getStore();
  if (onLeak === undefined) return;
  const error = new NervaError(
    'SIM_LEAK',
    `Simulated code used ${shown}, which another run of the same seed would answer differently. Take it from the World that a tool, model or policy is given.`,
    { details: { name: shown } },
  );
  onLeak(error);
  throw error;
}

function guardAll(): readonly Saved[] {
  const targets: Target[] = [
    ...GLOBALS.map((name) => ({ holder: globalThis, name, shown: name })),
    ...CRYPTO.map((name) => ({ holder: globalThis.crypto, name, shown: `crypto.${name}` })),
    { holder: Math, name: 'random', shown: 'Math.random' },
    { holder: performance, name: 'now', shown: 'performance.now' },
    // Before the function that it is a part of is replaced.
    { holder: process.hrtime, name: 'bigint', shown: 'process.hrtime.bigint' },
    ...['hrtime', 'uptime', 'cpuUsage', 'memoryUsage'].map((name) => ({ holder: process, name, shown: `process.${name}` })),
    ...SUBTLE.map((name) => ({ holder: globalThis.crypto.subtle, name, shown: `crypto.subtle.${name}` })),
    ...['wait', 'yield'].map((name) => ({ holder: scheduler, name, shown: `node:timers/promises scheduler.${name}` })),
    { holder: AbortSignal, name: 'timeout', shown: 'AbortSignal.timeout' },
  ];
  for (const [module, names] of Object.entries(MODULES)) {
    const holder = require(module) as object;
    for (const name of names) targets.push({ holder, name, shown: `${module} ${name}` });
  }
  const found = targets.flatMap((target) => guard(target));
  found.push(guardDate(), ...guardDateFormats());
  syncBuiltinESMExports();
  return found;
}

function guard(target: Target): Saved[] {
  const { holder, name, shown } = target;
  let at: object | null = holder;
  while (at !== null && !Object.hasOwn(at, name)) at = Object.getPrototypeOf(at) as object | null;
  const descriptor = at === null ? undefined : Object.getOwnPropertyDescriptor(at, name);
  if (at === null || descriptor?.configurable !== true) return [];
  const original: unknown = Reflect.get(holder, name);
  if (typeof original !== 'function') return [];
  const leaky = new Proxy(original, {
    apply(real, self, given) {
      leak(shown);
      return Reflect.apply(real, self, given) as unknown;
    },
    construct(real, given) {
      leak(shown);
      return Reflect.construct(real, given) as object;
    },
  });
  Object.defineProperty(at, name, { configurable: true, enumerable: descriptor.enumerable === true, writable: true, value: leaky });
  return [{ holder: at, name, shown, descriptor }];
}

/** `new Date(…)` with a time is arithmetic; without one it asks the real clock. */
function guardDate(): Saved {
  const Real = Date;
  const descriptor = Object.getOwnPropertyDescriptor(globalThis, 'Date') as PropertyDescriptor;
  const now = (): number => (leak('Date.now'), Real.now());
  const leaky = new Proxy(Real, {
    apply: () => (leak('Date()'), Real()),
    construct(real, given, target) {
      if (given.length === 0) leak('new Date()');
      return Reflect.construct(real, given, target) as object;
    },
    get: (real, name) => (name === 'now' ? now : (Reflect.get(real, name) as unknown)),
  });
  Object.defineProperty(globalThis, 'Date', { ...descriptor, value: leaky });
  return { holder: globalThis, name: 'Date', shown: 'Date', descriptor };
}

/** A date that is given is shown as it is; without one it is today's. */
function guardDateFormats(): readonly Saved[] {
  const holder = Intl.DateTimeFormat.prototype;
  const guarded = (name: 'format' | 'formatToParts', real: (...given: unknown[]) => unknown): ((...given: unknown[]) => unknown) =>
    function (this: unknown, ...given) {
      if (given[0] === undefined) leak(`Intl.DateTimeFormat ${name}()`);
      return Reflect.apply(real, this, given);
    };
  const format = Object.getOwnPropertyDescriptor(holder, 'format') as PropertyDescriptor;
  const parts = Object.getOwnPropertyDescriptor(holder, 'formatToParts') as PropertyDescriptor;
  Object.defineProperty(holder, 'format', {
    ...format,
    get(this: Intl.DateTimeFormat) {
      return guarded('format', format.get?.call(this) as () => unknown);
    },
  });
  Object.defineProperty(holder, 'formatToParts', { ...parts, value: guarded('formatToParts', parts.value as () => unknown) });
  return [
    { holder, name: 'format', shown: 'Intl.DateTimeFormat format', descriptor: format },
    { holder, name: 'formatToParts', shown: 'Intl.DateTimeFormat formatToParts', descriptor: parts },
  ];
}

function restore(all: readonly Saved[]): void {
  for (const { holder, name, descriptor } of all) Object.defineProperty(holder, name, descriptor);
  syncBuiltinESMExports();
}
