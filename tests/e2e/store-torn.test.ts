import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openSqlite } from '../../packages/nerva/src/node/index.ts';
import { testWorld } from '../../packages/nerva/src/testing/index.ts';
import { checkStored, directory } from './store-process.ts';

const WAL_HEADER_BYTES = 32;
const WAL_FRAME_BYTES = 24 + 4096;

test('a log cut at any page and torn inside any keeps everything acknowledged before the last sync that is in it', async (t) => {
  const folder = directory(t);
  const path = join(folder, 's.db');
  const store = await openSqlite(path, { world: testWorld() });
  // How long the log was when the frame with this seq was acknowledged.
  const walBytes: number[] = [];
  for (let seq = 0; seq < 25; seq++) {
    await store.append({ id: `f${seq}`, sid: 's', expected: seq, events: [{ type: 'note.taken', data: { text: 'y'.repeat(300) } }] });
    walBytes.push(statSync(`${path}-wal`).size);
  }
  const image = join(folder, 'image');
  mkdirSync(image);
  // In another process: to close a copy's source here would drop this process's locks on it.
  execFileSync('cp', [path, `${path}-wal`, image]);
  await store.close();
  const whole = statSync(join(image, 's.db-wal')).size;
  const cuts: number[] = [];
  for (let at = WAL_HEADER_BYTES; at <= whole; at += WAL_FRAME_BYTES) cuts.push(at, at + 1, at + 24 + 2048, at + WAL_FRAME_BYTES - 1);
  for (const cut of cuts.filter((bytes) => bytes <= whole)) {
    const copy = join(folder, `cut${cut}`);
    mkdirSync(copy);
    const file = join(copy, 's.db');
    copyFileSync(join(image, 's.db'), file);
    copyFileSync(join(image, 's.db-wal'), `${file}-wal`);
    truncateSync(`${file}-wal`, cut);
    const acknowledged = walBytes.filter((bytes) => bytes <= cut).length;
    const stored = await checkStored(file, { acknowledged: acknowledged === 0 ? new Map() : new Map([['s', acknowledged]]) });
    assert(stored >= acknowledged, `cut at ${cut}: ${stored} of ${acknowledged}`);
  }
});
