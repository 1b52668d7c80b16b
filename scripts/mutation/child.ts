import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';
import { SWITCH } from './schemata.ts';

/**
 * Runs single tests of instrumented sources again and again in one process, with one mutant alive at a time. The parent asks, one
 * question after the other; each is answered once. It puts itself in the place of `node:test`, for that runs a file only once.
 */
export type Question =
  /** Imports test files. `alive`: the mutant that lives meanwhile, 0 for none. */
  | { readonly type: 'load'; readonly files: readonly string[]; readonly alive: number; readonly mutants: number }
  /** Runs one test on unchanged sources. */
  | { readonly type: 'measure'; readonly test: number }
  /** Runs tests until one fails. Before each it says `{ beat }`: its limit, in ms. */
  | { readonly type: 'try'; readonly mutant: number; readonly tests: readonly TestToRun[] };

/** A test, by its place in the order of loading. */
export interface TestToRun {
  readonly index: number;
  readonly limitMs: number;
}

/** What a child says. */
export type Answer =
  | { readonly type: 'beat'; readonly limitMs: number }
  /** `visited`: the mutants whose place ran while loading. `error`: why loading failed, or null. */
  | { readonly type: 'loaded'; readonly tests: readonly TestName[]; readonly visited: readonly number[]; readonly error: string | null }
  | { readonly type: 'measured'; readonly ms: number; readonly visited: readonly number[]; readonly error: string | null }
  /** `by`: the test that failed, or null. `isClean`: the same test passes now, without the mutant. */
  | { readonly type: 'tried'; readonly by: number | null; readonly isHung: boolean; readonly isClean: boolean };

/** Where a test stands and how it is called. */
export interface TestName {
  readonly file: string;
  readonly name: string;
}

interface Test extends TestName {
  readonly body: (context: Context) => unknown;
}

interface Context {
  readonly name: string;
  after(hook: () => unknown): void;
  diagnostic(): void;
}

const HUNG = 'The test does not end.';
const LIMIT_MEASURED_MS = 120_000;
/** How often a test is given its limit again that could not use it, for the machine was busy with other work. */
const PATIENCE = 3;
// Taken before any test may put its own in their place.
const { setTimeout, setImmediate, clearTimeout, performance } = globalThis;

const tests: Test[] = [];
let visits = new Uint8Array(1);
let alive = 0;
let file = '';
let stray: unknown = null;
let whenDry: (() => void) | null = null;

Object.assign(globalThis, {
  [SWITCH]: (mutant: number): boolean => {
    visits[mutant] = 1;
    return mutant === alive;
  },
  nodeTest$: {
    test: (name: string, ...rest: readonly unknown[]): void => {
      tests.push({ file, name, body: rest.at(-1) as Test['body'] });
    },
    describe: (_name: string, body: () => void): void => body(),
  },
});
const STAND_IN = 'data:text/javascript,export const { test, describe } = globalThis.nodeTest$; export default test;';
registerHooks({
  resolve: (specifier, context, next) => (specifier === 'node:test' ? { url: STAND_IN, shortCircuit: true } : next(specifier, context)),
});

process.on('uncaughtException', (error) => {
  stray ??= error;
});
process.on('unhandledRejection', (reason) => {
  stray ??= reason ?? new Error('rejected without a reason');
});
process.on('beforeExit', () => whenDry?.());
process.on('message', (question: Question) => {
  void answerTo(question).then(say);
});

async function answerTo(question: Question): Promise<Answer> {
  if (question.type === 'load') return load(question);
  if (question.type === 'measure') {
    visits.fill(0);
    alive = 0;
    const startMs = performance.now();
    const error = await failureOf(question.test, LIMIT_MEASURED_MS);
    return { type: 'measured', ms: performance.now() - startMs, visited: visited(), error };
  }
  for (const { index, limitMs } of question.tests) {
    await say({ type: 'beat', limitMs });
    alive = question.mutant;
    const error = await failureOf(index, limitMs);
    if (error === null) continue;
    await settled();
    alive = 0;
    const isClean = (await failureOf(index, limitMs)) === null;
    return { type: 'tried', by: index, isHung: error === HUNG, isClean };
  }
  return { type: 'tried', by: null, isHung: false, isClean: true };
}

async function load(question: Question & { readonly type: 'load' }): Promise<Answer> {
  if (visits.length <= question.mutants) visits = new Uint8Array(question.mutants + 1);
  alive = question.alive;
  const before = tests.length;
  try {
    for (file of question.files) await import(pathToFileURL(file).href);
    const names = tests.slice(before).map((test) => ({ file: test.file, name: test.name }));
    return { type: 'loaded', tests: names, visited: visited(), error: null };
  } catch (error) {
    return { type: 'loaded', tests: [], visited: [], error: String(error) };
  }
}

/** Runs a test with its hooks. An error that nobody catches is the test's, and so is a process that runs dry before its end. */
async function failureOf(index: number, limitMs: number): Promise<string | null> {
  const test = tests[index];
  if (test === undefined) return `no test ${index}`;
  const hooks: (() => unknown)[] = [];
  const context: Context = { name: test.name, after: (hook) => hooks.push(hook), diagnostic: () => undefined };
  stray = null;
  const failure = (await ended(() => test.body(context), limitMs)) ?? null;
  for (const hook of hooks) await ended(hook, limitMs);
  await settled();
  return failure ?? (stray === null ? null : textOf(stray));
}

async function ended(body: () => unknown, limitMs: number): Promise<string | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    const hang = (): void => {
      process.channel?.ref();
      resolve(HUNG);
    };
    const startMs = cpuMs();
    const look = (patience: number): void => {
      timer = setTimeout(() => (patience > 0 && cpuMs() - startMs < limitMs / 2 ? look(patience - 1) : hang()), limitMs);
      timer.unref();
    };
    look(PATIENCE);
    whenDry = hang;
  });
  process.channel?.unref();
  try {
    return await Promise.race([late, (async () => body())().then(() => null, textOf)]);
  } finally {
    process.channel?.ref();
    clearTimeout(timer);
    whenDry = null;
  }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Lets what a test left behind come to its end, as far as it needs no waiting. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : `threw ${String(error)}`;
}

function visited(): number[] {
  const numbers: number[] = [];
  for (let number = 1; number < visits.length; number++) if (visits[number] === 1) numbers.push(number);
  return numbers;
}

function say(answer: Answer): Promise<void> {
  return new Promise((resolve) => process.send?.(answer, undefined, {}, () => resolve()));
}
