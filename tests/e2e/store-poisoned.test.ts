/** A store whose sync failed is poisoned: from that call on, nothing of its process may change its files, however it ends. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkStored, directory, NO_STRACE } from './store-process.ts';

const CHILD = fileURLToPath(new URL('./store-poisoned-child.ts', import.meta.url));
const CALLS = ['pwrite64', 'write', 'ftruncate', 'fallocate', 'unlink', 'rename'];
/** Of a new store: those before belong to its making. Counted for each thread. */
const SYNCS = [8, 9, 11];

for (const writer of ['inline', 'thread']) {
  for (const end of ['close', 'drop']) {
    test(`after a sync of a store that commits ${writer} has failed, nothing is written, cut or deleted, and it is ended by ${end}`, async (t) => {
      let poisoned = 0;
      for (const sync of SYNCS) {
        const folder = directory(t);
        const path = join(folder, 's.db');
        const log = join(folder, 'calls');
        const files = [path, `${path}-wal`, `${path}-journal`].flatMap((file) => ['-P', file]);
        const inject = `inject=fsync,fdatasync:error=EIO:when=${sync}`;
        const options = ['-f', '-qq', '-o', log, '-e', `trace=fsync,fdatasync,${CALLS.join(',')}`, '-e', inject, ...files];
        const node = [process.execPath, '--expose-gc', '--conditions=nerva-source', '--no-warnings', CHILD, path, writer, end];
        const run = spawnSync('strace', [...options, ...node], { encoding: 'utf8' });
        if (run.error !== undefined || /ptrace|Operation not permitted/.test(run.stderr.slice(0, 400))) return t.skip(NO_STRACE);
        const lines = run.stdout.trim().split('\n');
        if (!lines.includes('err LOG_UNKNOWN_RESULT')) continue;
        poisoned++;
        assert.equal(lines.at(-1), 'end', run.stderr);
        assert.equal(lines.includes('closed'), end === 'close');
        const calls = readFileSync(log, 'utf8').split('\n');
        const after = calls.slice(calls.findIndex((line) => line.includes('(INJECTED)')) + 1);
        assert.deepEqual(
          after.filter((line) => CALLS.some((name) => line.includes(`${name}(`))),
          [],
          `sync ${sync}`,
        );
        const acknowledged = lines.filter((line) => line === 'ack').length;
        const stored = await checkStored(path, { acknowledged: acknowledged === 0 ? new Map() : new Map([['s', acknowledged]]) });
        assert(stored === acknowledged || stored === acknowledged + 1, `${stored} of ${acknowledged}`);
      }
      assert(poisoned >= 2, `${poisoned} commits were hit`);
    });
  }
}
