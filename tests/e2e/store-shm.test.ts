/** The shared memory beside the log grows at the end of a commit, when the frame is on the disk already: a disk that is full then. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkStored, directory, NO_STRACE } from './store-process.ts';

const CHILD = fileURLToPath(new URL('./store-shm-child.ts', import.meta.url));
/** SQLite makes the first 32 KB of shared memory with so many writes; the next one makes the first of the second 32 KB. */
const FIRST_WRITES = 8;

/** Runs the child with a disk that is full at the first growth. Null where nothing can be traced. */
function run(t: TestContext, then: 'again' | 'die'): { readonly path: string; readonly lines: readonly string[] } | null {
  const folder = directory(t);
  const [path, log] = [join(folder, 's.db'), join(folder, 'calls')];
  const inject = `inject=pwrite64:error=ENOSPC:when=${FIRST_WRITES + 1}`;
  const options = ['-f', '-qq', '-o', log, '-P', `${path}-shm`, '-e', 'trace=pwrite64', '-e', inject];
  const child = spawnSync('strace', [...options, process.execPath, '--conditions=nerva-source', '--no-warnings', CHILD, path, then], {
    encoding: 'utf8',
  });
  if (child.error !== undefined || /ptrace|Operation not permitted/.test(child.stderr.slice(0, 400))) return null;
  assert.match(readFileSync(log, 'utf8'), /\(INJECTED\)/, `the shared memory grew: ${child.stdout}${child.stderr}`);
  return { path, lines: child.stdout.trim().split('\n') };
}

test('a disk that is full at the end of a commit leaves its frame of unknown fate, and the same frame is taken once when there is room', async (t) => {
  const left = run(t, 'again');
  if (left === null) return t.skip(NO_STRACE);
  const failed = left.lines.findIndex((line) => line.startsWith('err '));
  assert.match(left.lines[failed] ?? '', /^err LOG_UNKNOWN_RESULT \d$/);
  assert.deepEqual(
    left.lines.filter((line) => !line.startsWith('err ')),
    ['ack 0', 'ack 1', 'ack 2', 'ack 3', 'ack 4', 'ack 5', 'end'],
  );
  assert.equal(left.lines.filter((line) => line.startsWith('err ')).length, 1);
  assert.equal(await checkStored(left.path, { acknowledged: new Map([['s', 6]]) }), 6);
});

test('a frame of unknown fate may be there in the next life, so nobody could have said that it was not written', async (t) => {
  const left = run(t, 'die');
  if (left === null) return t.skip(NO_STRACE);
  const acknowledged = left.lines.filter((line) => line.startsWith('ack ')).length;
  assert.deepEqual(left.lines.at(-1), `err LOG_UNKNOWN_RESULT ${acknowledged}`);
  assert.equal(await checkStored(left.path, { acknowledged: new Map([['s', acknowledged]]) }), acknowledged + 1);
});
