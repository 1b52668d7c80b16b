import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import { NervaError, type ErrorCode } from '../core/index.ts';
import type { Append, AppendResult, Store } from '../log/index.ts';
import { memoryKeys, testWorld } from '../testing/index.ts';
import { fileKeys, openSqlite } from './sqlite/index.ts';
import { openWith } from './sqlite/open.ts';
import { threadCommitter, type ThreadCommitter } from './sqlite/thread.ts';

const code =
  (expected: ErrorCode) =>
  (error: unknown): boolean => {
    assert(NervaError.is(error), String(error));
    assert.equal(error.code, expected, error.message);
    return true;
  };

function directory(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'nerva-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

function frame(sid: string, expected: number, text = 'x'): Append {
  return { id: `f${expected}`, sid, expected, events: [{ type: 'note.taken', data: { text } }] };
}

async function fill(store: Store, sid: string, count: number, text?: string): Promise<void> {
  const results: Promise<AppendResult>[] = [];
  for (let seq = 0; seq < count; seq++) results.push(store.append(frame(sid, seq, text)));
  for (const result of await Promise.all(results)) assert(result.ok);
}

test('a second writer is refused with the pid of the first, readers are not, and closing frees the lock', async (t) => {
  const path = join(directory(t), 's.db');
  const store = await openSqlite(path, { world: testWorld() });
  await fill(store, 'a', 3);
  await assert.rejects(openSqlite(path, { world: testWorld() }), (error) => {
    assert(NervaError.is(error, 'STORE_LOCKED'));
    assert.match(error.message, new RegExp(`process ${process.pid} `));
    return true;
  });
  const reader = await openSqlite(path, { world: testWorld(), readOnly: true });
  assert.equal(reader.capabilities.readOnly, true);
  assert.equal(await reader.head('a'), 3);
  await store.append(frame('a', 3));
  assert.equal(await reader.head('a'), 4, 'a reader sees what was committed since');
  await assert.rejects(reader.append(frame('a', 4)), code('STORE_READONLY'));
  await reader.close();
  await store.close();
  const again = await openSqlite(path, { world: testWorld({ seed: 2 }) });
  assert.equal(await again.head('a'), 4);
  assert.equal(again.incarnation, store.incarnation);
  await again.close();
});

test('a reader of another handle follows a live tail', async (t) => {
  const path = join(directory(t), 's.db');
  const store = await openSqlite(path, { world: testWorld() });
  await fill(store, 'a', 1);
  const world = testWorld();
  const reader = await openSqlite(path, { world, readOnly: true });
  const tail = reader.tail('a', { after: 0 })[Symbol.asyncIterator]();
  const next = tail.next();
  await store.append(frame('a', 1));
  await world.advance(1000);
  assert.equal((await next).value?.seq, 1);
  await reader.close();
  await store.close();
});

test('a file that is no store is a typed error and is left as it was', async (t) => {
  const where = directory(t);
  const text = join(where, 'text.db');
  writeFileSync(text, 'this is no database, but it is long enough to be looked at as if it were one'.repeat(20));
  const other = join(where, 'other.db');
  const database = new DatabaseSync(other);
  database.exec('create table t(a)');
  database.close();
  for (const path of [text, other]) {
    const before = readFileSync(path);
    await assert.rejects(openSqlite(path, { world: testWorld() }), code('STORE_CORRUPT'));
    await assert.rejects(openSqlite(path, { world: testWorld(), readOnly: true }), code('STORE_CORRUPT'));
    assert.deepEqual(readFileSync(path), before);
  }
  await assert.rejects(openSqlite(join(where, 'no', 's.db'), { world: testWorld() }), code('STORE_READONLY'));
  await assert.rejects(openSqlite(join(where, 'none.db'), { world: testWorld(), readOnly: true }), code('STORE_READONLY'));
});

test('a newer schema is refused and left as it was', async (t) => {
  const path = join(directory(t), 's.db');
  await (await openSqlite(path, { world: testWorld() })).close();
  const database = new DatabaseSync(path);
  database.exec('pragma user_version=99');
  database.close();
  const before = readFileSync(path);
  await assert.rejects(openSqlite(path, { world: testWorld() }), code('STORE_VERSION'));
  assert.deepEqual(readFileSync(path), before);
});

test('a file that was cut, or whose pages were overwritten, is STORE_CORRUPT and never wrong data', async (t) => {
  const where = directory(t);
  const path = join(where, 's.db');
  const store = await openSqlite(path, { world: testWorld() });
  await fill(store, 'a', 200, 'y'.repeat(300));
  await store.close();
  const whole = readFileSync(path);
  const cut = join(where, 'cut.db');
  writeFileSync(cut, whole.subarray(0, whole.length - 3 * 4096));
  await assert.rejects(openSqlite(cut, { world: testWorld() }), code('STORE_CORRUPT'));
  assert.equal(statSync(cut).size, whole.length - 3 * 4096);
  let refused = 0;
  for (let page = 1; page < whole.length / 4096; page += 7) {
    const damaged = join(where, 'damaged.db');
    writeFileSync(damaged, Buffer.from(whole).fill(0xa5, page * 4096, (page + 1) * 4096));
    try {
      const opened = await openSqlite(damaged, { world: testWorld(), readOnly: true });
      try {
        const { ok } = await opened.verify('a');
        const frames = await opened.read('a');
        // The damaged page may be one that reading a session never meets.
        assert(ok && frames.length === 200, 'damage is reported');
      } finally {
        await opened.close();
      }
    } catch (error) {
      refused++;
      code('STORE_CORRUPT')(error);
    }
  }
  assert(refused > 0);
});

test('frames of one macrotask share a transaction, and more than queueMax are refused', async (t) => {
  const path = join(directory(t), 's.db');
  const store = await openSqlite(path, { world: testWorld(), limits: { queueMax: 10 } });
  const outcomes = await store.appendBatch(Array.from({ length: 12 }, (_, seq) => frame('a', seq)));
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.status === 'fulfilled' ? 'ok' : (outcome.reason as NervaError).code)),
    [...Array.from({ length: 10 }, () => 'ok'), 'STORE_QUEUE_FULL', 'STORE_QUEUE_FULL'],
  );
  assert.equal((await store.append(frame('a', 10))).ok, true, 'there is room again');
  const queued = store.append(frame('a', 11));
  const closing = store.close();
  await assert.rejects(queued, code('STORE_CLOSED'));
  await closing;
});

test('a dead writer thread leaves its frames unknown, and appending them again settles it', async (t) => {
  const path = join(directory(t), 's.db');
  let thread: ThreadCommitter | undefined;
  const store = await openWith(path, { world: testWorld() }, (engine) => (thread = threadCommitter(engine)));
  await fill(store, 'a', 5);
  const lost = [5, 6, 7].map((seq) => store.append(frame('a', seq)));
  const fates = Promise.allSettled(lost);
  await new Promise((resolve) => setImmediate(resolve));
  await thread?.kill();
  for (const fate of await fates) if (fate.status === 'rejected') code('LOG_UNKNOWN_RESULT')(fate.reason);
  for (const seq of [5, 6, 7]) assert.equal((await store.append(frame('a', seq))).ok, true);
  assert.equal(await store.head('a'), 8);
  assert.equal((await store.verify('a')).ok, true);
  await store.close();
});

test('the log of the file does not grow while a reader holds an open iterator', async (t) => {
  const path = join(directory(t), 's.db');
  const store = await openSqlite(path, { world: testWorld() });
  await fill(store, 'a', 1000, 'z'.repeat(400));
  const slow = store.feed()[Symbol.asyncIterator]();
  await slow.next();
  for (let round = 0; round < 160; round++)
    await Promise.all(Array.from({ length: 20 }, (_, index) => store.append(frame(`s${round}.${index}`, 0, 'z'.repeat(4000)))));
  const wal = statSync(`${path}-wal`).size;
  assert(wal < 8 * 1024 * 1024, `${wal} bytes`);
  await slow.return?.(undefined);
  await store.close();
});

test('a page ends after a megabyte, and the next one goes on', async (t) => {
  const store = await openSqlite(join(directory(t), 's.db'), { world: testWorld() });
  await fill(store, 'a', 30, 'p'.repeat(100_000));
  const first = await store.read('a');
  assert.equal(first.length, 10);
  assert.equal((await store.read('a', { after: 9 }))[0]?.seq, 10);
  let fed = 0;
  for await (const { frame: next } of store.feed()) assert.equal(next.seq, fed++);
  assert.equal(fed, 30);
  await store.close();
});

test('a limited scan is not shortened by rows that the same transaction deleted', async (t) => {
  const store = await openSqlite(join(directory(t), 's.db'), { world: testWorld() });
  await store.rows.transaction((space) => ['a', 'b', 'c', 'd'].forEach((key) => space('s').put(key, key)));
  const keys = await store.rows.transaction((space) => {
    space('s').delete('a');
    space('s').delete('b');
    return space('s')
      .scan({ limit: 2 })
      .map(({ key }) => key);
  });
  assert.deepEqual(keys, ['c', 'd']);
  await store.close();
});

test('an erased subject leaves no byte of its events, blobs and snapshots in any file of the store', async (t) => {
  const where = directory(t);
  const path = join(where, 's.db');
  const keys = memoryKeys();
  let store = await openSqlite(path, { world: testWorld(), keys });
  const secret = 'Ada-lives-in-Ockham';
  await store.append({ id: 'f', sid: 'a', expected: 0, events: [{ type: 'note.taken', subject: 'ada', data: { text: secret } }] });
  const { ref } = await store.blobs.put(new TextEncoder().encode(secret.repeat(50)), { mediaType: 'text/plain', sid: 'a', subject: 'ada' });
  await store.snapshots.put('a', 'k', 0, JSON.stringify({ seen: secret.repeat(1000) }));
  await fill(store, 'b', 3);
  // Closing writes the log back: what is to be erased is in the file itself.
  await store.close();
  store = await openSqlite(path, { world: testWorld(), keys });
  const erasure = await store.eraseSubject('ada');
  assert.deepEqual(erasure.sids, ['a']);
  await assert.rejects(store.blobs.get(ref), code('BLOB_UNKNOWN'));
  assert.equal(await store.snapshots.get('a', 'k', 9), null);
  const [first] = await store.read('a');
  assert.deepEqual(first?.events[0]?.data, {});
  assert.equal((await store.verify('a')).ok, true);
  assert.equal(await store.head('b'), 3);
  // grep in another process: to read the file here would drop this process's locks on it.
  for (const name of readdirSync(where)) {
    const count = execFileSync('sh', ['-c', `grep -c -a "$0" "$1" || true`, secret, join(where, name)], { encoding: 'utf8' });
    assert.equal(count.trim(), '0', name);
  }
  await store.close();
});

test('payloads are readable JSON in the shell, and a 10-step run takes at most 7 KB', async (t) => {
  const path = join(directory(t), 's.db');
  const store = await openSqlite(path, { world: testWorld() });
  const empty = (await store.stats()).fileBytes;
  const ids = testWorld().ids;
  const runs = 200;
  // 170 bytes of JSON a frame: what a run of 10 model calls with a tool call each measures on average.
  const data = { call: 7, text: 'x'.repeat(110), finish: 'stop' };
  for (let run = 0; run < runs; run++) {
    const sid = ids.random();
    const frames = Array.from({ length: 23 }, (_, seq): Append => ({
      id: `${sid.slice(0, 8)}.${seq}`,
      sid,
      expected: seq === 1 ? 'fact' : seq,
      cause: `${sid}:0`,
      events: [{ type: 'tool.returned', data }],
    }));
    await store.appendBatch(frames);
  }
  await store.close();
  const bytes = (statSync(path).size - empty) / runs;
  assert(bytes <= 7 * 1024, `${bytes} bytes a run`);
  const database = new DatabaseSync(path, { readOnly: true });
  const text = String(database.prepare('select data from ev limit 1').get()?.['data']);
  database.close();
  assert.deepEqual(JSON.parse(text)[0], { 'tool.returned': data, origin: 'system' });
});

test('frames that only make a session longer leave its row alone, and every reader says what they say', async (t) => {
  const path = join(directory(t), 's.db');
  const store = await openSqlite(path, { world: testWorld() });
  await fill(store, 'other', 2);
  assert((await store.append({ ...frame('a', 0), then: { status: 'ready', agent: 'y' } })).ok);
  for (let seq = 1; seq < 40; seq++) {
    assert((await store.append({ ...frame('a', seq, 'é'.repeat(seq)), then: { status: 'ready', agent: 'x', progress: true } })).ok);
  }
  const stored = new DatabaseSync(path, { readOnly: true });
  assert.equal(
    stored.prepare("select head from session where sid = 'a'").get()?.['head'],
    2,
    'two writes in forty frames: it was born, and got another name',
  );
  assert.equal((await store.info('a')).agent, 'x');
  const last = (await store.read('a')).at(-1);
  const before = { info: await store.info('a'), stats: await store.stats(), list: await store.list() };
  const real = stored.prepare('select sum(length(cast(data as blob))) as bytes from ev').get()?.['bytes'];
  assert.deepEqual([before.info.head, before.info.hash, before.info.atMs], [40, last?.hash, last?.atMs]);
  assert.deepEqual([before.stats.events, before.stats.bytes, before.stats.frames], [42, real, 42]);
  assert.deepEqual([before.list[1], await store.head('a'), (await store.verify('a')).ok], [before.info, 40, true]);
  stored.close();
  await store.close();
  const again = await openSqlite(path, { world: testWorld({ seed: 2 }), readOnly: true });
  assert.deepEqual({ ...before, stats: null }, { info: await again.info('a'), stats: null, list: await again.list() });
  assert.deepEqual({ ...(await again.stats()), fileBytes: 0 }, { ...before.stats, fileBytes: 0 });
  await again.close();
});

test('a limit of bytes counts the frames above a row that was not written, also after reopening', async (t) => {
  const path = join(directory(t), 's.db');
  const first = await openSqlite(path, { world: testWorld() });
  await fill(first, 'a', 20, 'é'.repeat(50));
  for (let seq = 20; seq < 25; seq++) assert((await first.append(frame('a', seq, 'é'.repeat(50)))).ok);
  const { bytes } = await first.stats();
  const each = bytes / 25;
  await first.close();
  const store = await openSqlite(path, { world: testWorld({ seed: 2 }), limits: { bytesMax: bytes + 2 * each } });
  const answers = [];
  for (let seq = 25; seq < 28; seq++) answers.push(await store.append(frame('a', seq, 'é'.repeat(50))));
  assert.deepEqual(
    answers.map((answer) => (answer.ok ? 'ok' : answer.why)),
    ['ok', 'ok', 'limit'],
  );
  assert.equal((await store.stats()).bytes, bytes + 2 * each);
  await store.close();
});

test('a row is written again when 64 events lie above it, so that no reader adds up more', async (t) => {
  const path = join(directory(t), 's.db');
  const store = await openSqlite(path, { world: testWorld() });
  const stored = new DatabaseSync(path, { readOnly: true });
  const row = stored.prepare("select head, bytes from session where sid = 'a'");
  const tail = stored.prepare('select max(seq) + 1 as head, sum(length(cast(data as blob))) as bytes from ev where seq < ?');
  const heads = new Set<unknown>();
  for (let seq = 0; seq < 200; seq++) {
    assert((await store.append(frame('a', seq))).ok);
    const found = row.get();
    heads.add(found?.['head']);
    assert.deepEqual(found, tail.get(Number(found?.['head'])), 'a row that is written says all of its frames');
  }
  assert.deepEqual([...heads], [1, 65, 129, 193]);
  stored.close();
  await store.close();
});

test('keys live in one file of mode 0600, survive reopening, and once destroyed are in no byte of it', async (t) => {
  const path = join(directory(t), 'keys');
  const keys = fileKeys(path);
  const sealed = keys.seal('ada', 'text with ünïcode');
  const other = keys.seal('bob "the\nbuilder"', 'b');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(keys.open('bob', sealed), null, 'another subject opens nothing');
  assert.equal(keys.open('ada', sealed.slice(0, -4) + 'AAA='), null);
  const key = readFileSync(path, 'utf8').slice(0, 44);
  keys.close();
  writeFileSync(path, 'torn', { flag: 'a' });
  const again = fileKeys(path);
  assert.equal(again.open('ada', sealed), 'text with ünïcode');
  again.destroy('ada');
  again.destroy('ada');
  again.destroy('never seen');
  assert.equal(again.open('ada', sealed), null);
  assert.throws(() => again.seal('ada', 'x'), code('SUBJECT_ERASED'));
  assert.throws(() => again.seal('never seen', 'x'), code('SUBJECT_ERASED'));
  again.close();
  const last = fileKeys(path);
  assert.equal(last.open('ada', sealed), null);
  assert.throws(() => last.seal('ada', 'x'), code('SUBJECT_ERASED'));
  assert.equal(last.open('bob "the\nbuilder"', other), 'b');
  last.close();
  assert(!readFileSync(path, 'utf8').includes(key));
  writeFileSync(path, 'not a key file\n');
  assert.throws(() => fileKeys(path), code('STORE_CORRUPT'));
});

test('a frame with a malformed field is refused alone, and what the contract does not name is not stored or sent', async (t) => {
  const path = join(directory(t), 's.db');
  for (const writer of ['inline', 'thread'] as const) {
    const store = await openSqlite(path, { world: testWorld(), writer });
    const sid = `a.${writer}`;
    const odd = { ...frame(sid, 0), then: { agent: () => 'x' } } as unknown as Append;
    const more = { ...frame(sid, 0), listener: () => 'x', then: { agent: 'a', more: () => 'x' } } as Append;
    const outcomes = await store.appendBatch([odd, more, frame(sid, 1)]);
    assert.deepEqual(
      outcomes.map((outcome) => outcome.status),
      ['rejected', 'fulfilled', 'fulfilled'],
    );
    await store.close();
  }
});

test('options with unknown names or values outside their range are refused', async (t) => {
  const path = join(directory(t), 's.db');
  const world = testWorld();
  await assert.rejects(openSqlite(path, { world, readonly: true } as unknown as Parameters<typeof openSqlite>[1]), code('OPTION_UNKNOWN'));
  await assert.rejects(openSqlite(path, { world, limits: { queueMax: 0 } }), code('OPTION_INVALID'));
  await assert.rejects(openSqlite(path, { world, writer: 'process' as 'thread' }), code('OPTION_INVALID'));
});
