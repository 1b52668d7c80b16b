import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { NervaError } from '../../packages/nerva/src/core/index.ts';
import type { AppendResult } from '../../packages/nerva/src/log/index.ts';
import { openSqlite, type SqliteStore } from '../../packages/nerva/src/node/index.ts';
import { testWorld } from '../../packages/nerva/src/testing/index.ts';
import { checkStored, directory, parse, WRITER } from './store-process.ts';

const CRASH = fileURLToPath(new URL('./store-thread-killed-crash.ts', import.meta.url));
const ROUNDS = 6;
const WIDTH = 3;
/** Nothing here takes a second; this is what a hang is told by. */
const HANG_MS = 30_000;

const WAYS = [
  { how: 'exit', groups: [1, 5] },
  { how: 'throw', groups: [2] },
  { how: 'memory', groups: [2] },
];

for (const { how, groups } of WAYS) {
  for (const when of ['before', 'after']) {
    test(`a writer thread that ends by ${how} ${when} a commit: its frames are of unknown fate, and appended again they are there once`, async (t) => {
      for (const group of groups) {
        const path = join(directory(t), 's.db');
        const flags = ['--max-old-space-size=80', '--import', CRASH, ...WRITER];
        const env = { ...process.env, NERVA_CRASH: `${how}:${when}:${group}` };
        const run = spawnSync(process.execPath, [...flags, path, String(ROUNDS), String(WIDTH), 'thread'], {
          encoding: 'utf8',
          env,
          timeout: HANG_MS,
        });
        const said = parse(run.stdout);
        assert.equal(said.ended, true, `group ${group}: ${run.stdout}${run.stderr}`);
        assert.deepEqual(said.errors, new Array(WIDTH).fill('LOG_UNKNOWN_RESULT'));
        assert.deepEqual([...said.acknowledged.values()], new Array(WIDTH).fill(ROUNDS));
        assert.equal(await checkStored(path, said), ROUNDS * WIDTH);
      }
    });
  }
}

/** The threads that this process starts. */
const threads: Worker[] = [];
process.on('worker', (worker) => threads.push(worker));

/** A store that commits in a thread, opened anew. */
async function opened(t: TestContext): Promise<{ readonly store: SqliteStore; readonly path: string }> {
  threads.length = 0;
  const path = join(directory(t), 's.db');
  const store = await openSqlite(path, { world: testWorld(), writer: 'thread' });
  for (const sid of ['a', 'b', 'c']) await store.append({ id: 'born', sid, expected: 0, events: [{ type: 'note.taken', data: {} }] });
  return { store, path };
}

const factOf = (store: SqliteStore, id: string): Promise<AppendResult> =>
  store.append({ id, sid: 'abc'[Number(id) % 3] ?? 'a', expected: 'fact', events: [{ type: 'note.taken', data: { id } }] });

/** Whatever became of each; a promise that hangs fails the test. */
async function settled<T>(promises: readonly Promise<T>[]): Promise<PromiseSettledResult<T>[]> {
  let timer: NodeJS.Timeout | undefined;
  const hang = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new Error('an append hangs')), HANG_MS)));
  try {
    return await Promise.race([Promise.allSettled(promises), hang]);
  } finally {
    clearTimeout(timer);
  }
}

const codeOf = (result: PromiseSettledResult<unknown>): string =>
  result.status === 'fulfilled' ? 'ok' : NervaError.is(result.reason) ? result.reason.code : `BUG ${String(result.reason)}`;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a thread that is ended at any moment: what was on its way is of unknown fate, what was queued is committed by the next', async (t) => {
  let unknown = 0;
  for (let moment = 0; moment < 5; moment++) {
    const { store, path } = await opened(t);
    const ids = Array.from({ length: 200 }, (_, index) => String(index));
    const first = ids.slice(0, 100).map((id) => factOf(store, id));
    for (let turns = 0; turns < moment; turns++) await turn();
    const ended = moment % 2 === 0 ? threads.at(-1)?.terminate() : turn().then(() => threads.at(-1)?.terminate());
    const results = await settled([...first, ...ids.slice(100).map((id) => factOf(store, id))]);
    await ended;
    const lost = ids.filter((_, index) => codeOf(results[index] as PromiseSettledResult<unknown>) !== 'ok');
    for (const result of results) {
      if (result.status === 'fulfilled') continue;
      assert.equal(codeOf(result), 'LOG_UNKNOWN_RESULT');
      assert.match(String(result.reason), /the writer thread died.* Append the same frame id again/);
    }
    unknown += lost.length;
    for (const result of await settled(lost.map((id) => factOf(store, id)))) assert.equal(codeOf(result), 'ok');
    await store.close();
    assert.equal(await checkStored(path, { acknowledged: new Map() }), 3 + ids.length, 'every frame is there once');
  }
  assert(unknown > 0, 'no group was hit');
});

test('a thread that is ended while the store is closed: every append is settled and the store opens again with what it acknowledged', async (t) => {
  for (const order of ['ended first', 'closed first']) {
    const { store, path } = await opened(t);
    const first = Array.from({ length: 50 }, (_, index) => factOf(store, String(index)));
    await turn();
    const queued = Array.from({ length: 50 }, (_, index) => factOf(store, String(50 + index)));
    const ends = [(): Promise<unknown> => threads.at(-1)?.terminate() ?? Promise.resolve(), (): Promise<unknown> => store.close()];
    const closed = (order === 'ended first' ? ends : ends.toReversed()).map((end) => end());
    const results = await settled([...first, ...queued]);
    assert(
      (await settled(closed)).every(({ status }) => status === 'fulfilled'),
      'close resolves',
    );
    for (const result of results.slice(0, 50)) assert.match(codeOf(result), /^(ok|LOG_UNKNOWN_RESULT)$/);
    for (const result of results.slice(50)) assert.equal(codeOf(result), 'STORE_CLOSED');
    const acknowledged = results.filter((result) => codeOf(result) === 'ok').length;
    assert((await checkStored(path, { acknowledged: new Map() })) >= 3 + acknowledged);
  }
});

test('a thread that cannot start, as the file was damaged meanwhile, is a typed failure each time, and the store still closes', async (t) => {
  const { store, path } = await opened(t);
  await threads.at(-1)?.terminate();
  writeFileSync(path, Buffer.alloc(8192, 'x'));
  writeFileSync(`${path}-wal`, '');
  for (let attempt = 0; attempt < 2; attempt++) {
    const results = await settled([factOf(store, '1'), factOf(store, '2')]);
    for (const result of results) assert.match(codeOf(result), /^(LOG_UNKNOWN_RESULT|STORE_)/);
  }
  assert.equal(codeOf((await settled([store.close()]))[0] as PromiseSettledResult<void>), 'ok');
});

test('what cannot be sent to the thread is refused, and the frames beside it and after it are settled', async (t) => {
  const { store, path } = await opened(t);
  const frame = { sid: 'a', expected: 'fact', events: [{ type: 'note.taken', data: {} }] } as const;
  const wrong = Symbol('no text') as unknown as string;
  const results = await settled<unknown>([
    store.append({ ...frame, id: wrong }),
    factOf(store, '1'),
    store.takeOver(wrong, 'me'),
    factOf(store, '2'),
  ]);
  assert.deepEqual(results.map(codeOf), ['FRAME_INVALID', 'STORE_FAILED', 'STORE_FAILED', 'STORE_FAILED']);
  assert.deepEqual((await settled([factOf(store, '1'), factOf(store, '2')])).map(codeOf), ['ok', 'ok']);
  await store.close();
  assert.equal(await checkStored(path, { acknowledged: new Map() }), 5);
});
