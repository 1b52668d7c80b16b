import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { NervaError } from '../../packages/nerva/src/core/index.ts';
import { openSqlite } from '../../packages/nerva/src/node/index.ts';
import { testWorld } from '../../packages/nerva/src/testing/index.ts';
import { checkStored, directory, NO_STRACE, traced } from './store-process.ts';

test('a sync lies before every acknowledgement, and frames of one macrotask share it', async (t) => {
  for (const writer of ['inline', 'thread']) {
    const run = traced(['-e', 'trace=fsync,fdatasync,write'], [join(directory(t), 's.db'), '15', '6', writer]);
    if (run === null) return t.skip(NO_STRACE);
    assert.equal(run.said.ended, true, run.output);
    const seen = run.calls
      .split('\n')
      .flatMap((line) => (/(?:fsync|fdatasync)(?:\(| resumed).*= 0/.test(line) ? ['sync'] : /write\(1, "ack/.test(line) ? ['ack'] : []));
    const text = seen
      .join(' ')
      .replace(/(sync ?)+/g, 'sync ')
      .replace(/(ack ?)+/g, (acks) => `ack×${acks.trim().split(' ').length} `);
    assert.match(text, /^(sync ack×6 ){15}(sync )?$/, `${writer}: ${text}`);
  }
});

test('a store on a small disk says STORE_FULL, reads on, and writes again when there is room', async (t) => {
  const disk = join(directory(t), 'disk');
  mkdirSync(disk);
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]).status !== 0)
    return t.skip('SKIPPED: no file system may be mounted here, so nothing was checked');
  try {
    assert(statfsSync(disk).blocks * statfsSync(disk).bsize <= 1 << 20);
    const path = join(disk, 's.db');
    const ballast = join(disk, 'ballast');
    writeFileSync(ballast, Buffer.alloc(300_000));
    const store = await openSqlite(path, { world: testWorld() });
    let head = 0;
    const append = (): Promise<unknown> =>
      store.append({ id: `f${head}`, sid: 's', expected: head, events: [{ type: 'note.taken', data: { text: 'z'.repeat(3000) } }] });
    await assert.rejects(
      async () => {
        for (; head < 1000; head++) await append();
      },
      (error) => NervaError.is(error, 'STORE_FULL'),
    );
    assert.equal(await store.head('s'), head);
    assert.equal((await store.read('s', { after: head - 2 })).length, 1);
    rmSync(ballast);
    await append();
    assert.equal(await store.head('s'), head + 1);
    await store.close();
    await checkStored(path, { acknowledged: new Map([['s', head + 1]]) });
  } finally {
    spawnSync('umount', [disk]);
  }
});
