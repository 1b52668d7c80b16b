/**
 * Every system call with which a store touches its files, refused or turned into the death of the process, one at a time.
 * The calls are counted in a run that is left alone; so a store that comes to make other calls is tested on those.
 * Every sync always; of writes and deaths every eighth, and every one with NERVA_EVERY_K=1 (300 processes, two to three minutes).
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fileKeys } from '../../packages/nerva/src/node/index.ts';
import { NO_STRACE } from './store-process.ts';
import { checkPlanned, contentOf, openPlanned, ROUNDS } from './store-syscalls-plan.ts';

const CHILD = fileURLToPath(new URL('./store-syscalls-child.ts', import.meta.url));
const CALLS = ['pwrite64', 'write', 'fsync', 'fdatasync', 'ftruncate', 'fallocate', 'unlink', 'unlinkat', 'rename'];
const CHILD_MS_MAX = 30_000;
const CHILDREN_AT_ONCE = 2;

const root = mkdtempSync(join(tmpdir(), 'nerva-syscalls-'));
after(() => rmSync(root, { recursive: true, force: true }));
let made = 0;

/** One run of the child under strace, and where its files are. */
interface Run {
  readonly path: string;
  readonly keyPath: string;
  readonly lines: readonly string[];
  readonly acknowledged: ReadonlySet<string>;
  /** `CODE step`, in order. */
  readonly errors: readonly string[];
  readonly exit: number | NodeJS.Signals | null;
  /** strace's log, and what child and strace said on standard error. */
  readonly calls: string;
  readonly complaints: string;
}

/** `inject` is strace's expression; none for the run that is counted. Only calls on the store's own files count: the keys lie elsewhere. */
async function run(inject?: string): Promise<Run> {
  const folder = join(root, String(made++));
  const disk = join(folder, 'disk');
  mkdirSync(disk, { recursive: true });
  const path = join(disk, 's.db');
  const keyPath = join(folder, 'keys');
  const log = join(folder, 'calls');
  const files = [disk, path, ...['-journal', '-wal', '-shm', '.lock', '.pid'].map((end) => path + end)];
  // Without -f: the store writes on the main thread, and a thread that is not traced costs nothing.
  const options = ['-qq', '-o', log, '-e', `trace=${CALLS.join(',')}`, ...files.flatMap((file) => ['-P', file])];
  if (inject !== undefined) options.push('-e', `inject=${inject}`);
  const command = [...options, process.execPath, '--conditions=nerva-source', '--no-warnings', CHILD, path, keyPath];
  const child = spawn('strace', command, {
    stdio: ['ignore', 'pipe', 'pipe'],
    // What was compiled once is not compiled again: starting is most of what a child costs.
    env: { ...process.env, NODE_COMPILE_CACHE: join(root, 'compiled') },
    timeout: CHILD_MS_MAX,
    killSignal: 'SIGTERM',
  });
  let output = '';
  let complaints = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
  const exit = await new Promise<Run['exit']>((resolve) => child.once('close', (code, signal) => resolve(signal ?? code)));
  const lines = output.split('\n').slice(0, -1);
  const said = (word: string): string[] => lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
  return {
    path,
    keyPath,
    lines,
    acknowledged: new Set(said('ack')),
    errors: said('err'),
    exit,
    calls: readFileSync(log, 'utf8'),
    complaints,
  };
}

/** Opens what a run left, checks it, runs the whole plan over it, and demands the content of a run that was left alone. */
async function checkLeft({ path, keyPath, acknowledged }: Run, expected: Record<string, readonly string[]>): Promise<void> {
  const keys = fileKeys(keyPath);
  try {
    const store = await openPlanned(path, keys);
    try {
      await checkPlanned(store, acknowledged);
      for (const round of ROUNDS) {
        const results = await Promise.allSettled(round.map((step) => step.run(store)));
        results.forEach((result, index) => {
          if (result.status === 'rejected') throw new Error(`${round[index]?.name} run again`, { cause: result.reason });
        });
      }
      assert.deepEqual(await contentOf(store), expected);
    } finally {
      await store.close();
    }
  } finally {
    keys.close();
  }
}

/** What an uncut run makes, and how often it makes each call; null when strace cannot trace here. */
interface Reference {
  readonly content: Record<string, readonly string[]>;
  readonly counts: ReadonlyMap<string, number>;
}

async function measure(): Promise<Reference | null> {
  const probe = spawnSync('strace', ['-qq', '-o', '/dev/null', process.execPath, '-e', '0']);
  if (probe.status !== 0) return null;
  const left = await run();
  assert.equal(left.exit, 0, left.complaints);
  assert.deepEqual(left.errors, []);
  assert.equal(left.lines.at(-1), 'end');
  const counts = new Map<string, number>();
  for (const [, name = ''] of left.calls.matchAll(/^(\w+)\(/gm)) counts.set(name, (counts.get(name) ?? 0) + 1);
  const keys = fileKeys(left.keyPath);
  const store = await openPlanned(left.path, keys);
  await checkPlanned(store, left.acknowledged);
  const content = await contentOf(store);
  await store.close();
  keys.close();
  return { content, counts };
}

const reference = await measure();

/** What a fault did at every call of a kind. */
interface Sweep {
  readonly runs: readonly Run[];
  /** Those that broke a promise, told apart by whether the store had ever been open. */
  readonly brokenOpening: readonly string[];
  readonly brokenOpen: readonly string[];
}

/** Runs every k of every given call under a fault, two at a time. One that breaks a promise does not hide the others. */
async function sweep(
  { counts, content }: Reference,
  calls: readonly string[],
  { fault, every, check }: { readonly fault: string; readonly every: number; readonly check: (left: Run) => void },
): Promise<Sweep> {
  const step = process.env['NERVA_EVERY_K'] === '1' ? 1 : every;
  const cases = calls
    .flatMap((name) => Array.from({ length: counts.get(name) ?? 0 }, (_, index) => ({ name, index })))
    .filter(({ index }) => index % step === 0)
    .map(({ name, index }) => `${name}:${fault}:when=${index + 1}`);
  const runs: Run[] = [];
  const brokenOpening: string[] = [];
  const brokenOpen: string[] = [];
  const waiting = cases.values();
  const work = async (): Promise<void> => {
    for (const inject of waiting) {
      const left = await run(inject);
      runs.push(left);
      try {
        check(left);
        await checkLeft(left, content);
      } catch (error) {
        const broken = left.lines[0] === 'ack open' ? brokenOpen : brokenOpening;
        broken.push(`${inject}: ${left.lines.join(', ')}\n${String(error)}\n${left.complaints}`);
      }
      rmSync(join(left.path, '../..'), { recursive: true, force: true });
    }
  };
  await Promise.all(Array.from({ length: CHILDREN_AT_ONCE }, work));
  assert.equal(runs.length, cases.length);
  return { runs, brokenOpening, brokenOpen };
}

/** The child met the fault and lived: no hang, nothing without a type of `codes`, and nothing acknowledged once a commit had failed. */
function survived(left: Run, codes: readonly string[]): void {
  assert.match(left.calls, /\(INJECTED\)/, 'the fault was injected');
  assert.equal(left.exit, 0, 'the child ends by itself');
  assert.equal(left.lines.at(-1), 'end');
  for (const error of left.errors) assert(codes.includes(error.split(' ')[0] ?? ''), error);
  const poisonedAt = left.lines.findIndex((line) => /^err (LOG_UNKNOWN_RESULT|STORE_POISONED) /.test(line));
  const later = poisonedAt < 0 ? [] : left.lines.slice(poisonedAt);
  assert.deepEqual(
    later.filter((line) => line.startsWith('ack ')),
    later.length === 0 ? [] : ['ack close'],
  );
}

/** Once for all tests of a fault. */
const sweeps = {
  sync: (from: Reference) =>
    sweep(from, ['fsync', 'fdatasync'], {
      fault: 'error=EIO',
      every: 1,
      check: (left) => survived(left, ['LOG_UNKNOWN_RESULT', 'STORE_POISONED', 'STORE_FAILED']),
    }),
  full: (from: Reference) =>
    sweep(from, ['pwrite64', 'write'], {
      fault: 'error=ENOSPC',
      every: 8,
      check: (left) => {
        survived(left, ['STORE_FULL']);
        assert.deepEqual(
          ROUNDS.flat().filter(({ name }) => !left.acknowledged.has(name)),
          [],
          'the second try of each step is taken',
        );
      },
    }),
  kill: (from: Reference) =>
    sweep(from, CALLS, {
      fault: 'signal=SIGKILL',
      every: 8,
      check: (left) => {
        assert.equal(left.exit, 'SIGKILL');
        assert.deepEqual(left.errors, []);
      },
    }),
} as const;
const swept =
  reference === null
    ? null
    : { sync: await sweeps.sync(reference), full: await sweeps.full(reference), kill: await sweeps.kill(reference) };

const none = (broken: readonly string[]): void => assert.equal(broken.length, 0, `${broken.length} calls:\n${broken.join('\n')}`);

test('the reference run writes, syncs, cuts and unlinks', (t) => {
  if (reference === null) return t.skip(NO_STRACE);
  for (const name of ['pwrite64', 'write', 'fsync', 'ftruncate', 'unlink']) assert((reference.counts.get(name) ?? 0) > 0, name);
  t.diagnostic([...reference.counts].map(([name, count]) => `${name} ${count}`).join(', '));
});

test('a sync that fails, whichever it is, is a typed error, and nothing that was acknowledged is lost', (t) => {
  if (swept === null) return t.skip(NO_STRACE);
  none([...swept.sync.brokenOpening, ...swept.sync.brokenOpen]);
  assert(
    swept.sync.runs.some(({ errors }) => errors[0]?.startsWith('LOG_UNKNOWN_RESULT')),
    'no sync of a commit was hit',
  );
  t.diagnostic(`${swept.sync.runs.length} syncs failed, one a run`);
});

test('a disk that is full at any write of an open store is STORE_FULL, and the same step is taken when there is room', (t) => {
  if (swept === null) return t.skip(NO_STRACE);
  none(swept.full.brokenOpen);
  assert(
    swept.full.runs.some(({ errors }) => errors[0]?.startsWith('STORE_FULL a')),
    'no write of a commit was hit',
  );
  t.diagnostic(`${swept.full.runs.length} writes failed, one a run`);
});

test('a process killed at any call of an open store loses nothing that was acknowledged, and what it left runs on to the same end', (t) => {
  if (swept === null) return t.skip(NO_STRACE);
  none(swept.kill.brokenOpen);
  t.diagnostic(`killed at ${swept.kill.runs.length} calls, one a run`);
});

test('a disk that is full at any write while a store is made is STORE_FULL, and it opens when there is room', (t) => {
  if (swept === null) return t.skip(NO_STRACE);
  none(swept.full.brokenOpening);
});

test('a process killed at any call while a store is made leaves what opens', (t) => {
  if (swept === null) return t.skip(NO_STRACE);
  none(swept.kill.brokenOpening);
});
