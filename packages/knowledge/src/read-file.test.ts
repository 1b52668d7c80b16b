import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import test from 'node:test';
import { readFile } from './read-file.ts';
import { Place } from './samples.ts';

const OPTIONS = { bytesMax: 1_000, isFollowed: false };

test('a file of 2 GB is refused by its size and not read', async (t) => {
  const place = new Place(t);
  const file = place.write('large.txt', '');
  truncateSync(file, 2_000_000_000);
  const startMs = performance.now();
  await assert.rejects(readFile(file, { ...OPTIONS, bytesMax: 50_000_000 }), {
    code: 'too-large',
    message: /2000000000 bytes; 50000000 is the limit \(fileBytesMax\)/,
  });
  assert(performance.now() - startMs < 500);
});

test('a file that is written while it is read is read again, and given up when that goes on', async (t) => {
  const place = new Place(t);
  const file = place.write('log.txt', 'first\n');
  let writes = 2;
  // The real file; each time that it is opened, somebody writes it before it is read.
  const written: typeof open = async (name, flags) => {
    const handle = await open(name, flags);
    const read = handle.read.bind(handle) as (...given: readonly unknown[]) => Promise<unknown>;
    Object.assign(handle, {
      read: (...given: readonly unknown[]) => {
        if (writes-- > 0) appendFileSync(file, 'more\n');
        return read(...given);
      },
    });
    return handle;
  };
  assert.equal(Buffer.from(await readFile(file, { ...OPTIONS, open: written })).toString(), 'first\nmore\nmore\n');
  writes = 99;
  await assert.rejects(readFile(file, { ...OPTIONS, open: written }), { code: 'changing' });
});

test('a file that is written over with as many bytes while it is read is read again', async (t) => {
  const place = new Place(t);
  const file = place.write('x.txt', 'old text');
  utimesSync(file, 1, 1);
  let isOld = true;
  const over: typeof open = async (name, flags) => {
    const handle = await open(name, flags);
    const read = handle.read.bind(handle) as (...given: readonly unknown[]) => Promise<unknown>;
    Object.assign(handle, {
      read: async (...given: readonly unknown[]) => {
        const found = await read(...given);
        if (isOld) writeFileSync(file, 'new text');
        isOld = false;
        return found;
      },
    });
    return handle;
  };
  assert.equal(Buffer.from(await readFile(file, { ...OPTIONS, open: over })).toString(), 'new text');
});

test('a file that shrinks while it is read is not taken in halves', async (t) => {
  const place = new Place(t);
  const file = place.write('x.txt', 'a long text');
  let isWhole = true;
  const cut: typeof open = async (name, flags) => {
    const handle = await open(name, flags);
    const stat = handle.stat.bind(handle) as (...given: readonly unknown[]) => Promise<unknown>;
    Object.assign(handle, {
      stat: async (...given: readonly unknown[]) => {
        const found = await stat(...given);
        if (isWhole) writeFileSync(file, 'short');
        isWhole = false;
        return found;
      },
    });
    return handle;
  };
  assert.equal(Buffer.from(await readFile(file, { ...OPTIONS, open: cut })).toString(), 'short');
});

test('a link is not followed unless that was asked for, and a pipe, a folder and what is not there are told', async (t) => {
  const place = new Place(t);
  const file = place.write('x.txt', 'text');
  symlinkSync(file, place.at('link'));
  await assert.rejects(readFile(place.at('link'), OPTIONS), { code: 'link' });
  assert.equal(Buffer.from(await readFile(place.at('link'), { ...OPTIONS, isFollowed: true })).toString(), 'text');
  await assert.rejects(readFile(place.path, OPTIONS), { code: 'kind' });
  await assert.rejects(readFile(place.at('none'), OPTIONS), { code: 'unreadable', message: /ENOENT/ });
  if (process.platform === 'win32') return;
  execFileSync('mkfifo', [place.at('pipe')]);
  await assert.rejects(readFile(place.at('pipe'), OPTIONS), { code: 'kind' });
});
