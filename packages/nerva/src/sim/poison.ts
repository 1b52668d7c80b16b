import { AsyncLocalStorage } from 'node:async_hooks';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { NervaError } from '../core/index.ts';

/** Told the name of what simulated code reached for. */
export type OnLeak = (error: NervaError) => void;

const inside = new AsyncLocalStorage<OnLeak>();
const require = createRequire(import.meta.url);

/** Names of a module or object that reach out of a simulation. */
type Names = readonly string[];

const GLOBALS: Names = ['setTimeout', 'setInterval', 'setImmediate', 'fetch', 'WebSocket', 'EventSource'];
const CRYPTO: Names = ['randomUUID', 'getRandomValues'];
const TIMERS: Names = ['setTimeout', 'setInterval', 'setImmediate'];
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
  'node:crypto': [...CRYPTO, 'randomBytes', 'randomFill', 'randomFillSync', 'randomInt', 'pbkdf2', 'scrypt', 'generateKeyPair'],
  'node:fs': FILES.filter((name) => name !== 'access'),
  'node:fs/promises': FILES,
  'node:net': ['connect', 'createConnection', 'createServer'],
  'node:tls': ['connect'],
  'node:http': ['request', 'get'],
  'node:https': ['request', 'get'],
  'node:dns': ['lookup', 'resolve'],
  'node:dns/promises': ['lookup', 'resolve'],
  'node:child_process': ['spawn', 'exec', 'execFile', 'fork'],
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
 * `AbortSignal.timeout`, `Date`, `Math.random` and `performance.now` are guarded too. Runs may overlap.
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
    { holder: process, name: 'hrtime', shown: 'process.hrtime' },
    { holder: AbortSignal, name: 'timeout', shown: 'AbortSignal.timeout' },
  ];
  for (const [module, names] of Object.entries(MODULES)) {
    const holder = require(module) as object;
    for (const name of names) targets.push({ holder, name, shown: `${module} ${name}` });
  }
  const found = targets.flatMap((target) => guard(target));
  found.push(guardDate());
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

function restore(all: readonly Saved[]): void {
  for (const { holder, name, descriptor } of all) Object.defineProperty(holder, name, descriptor);
  syncBuiltinESMExports();
}
