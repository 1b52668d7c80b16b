import assert from 'node:assert/strict';
import test from 'node:test';
import { deflateSync } from 'node:zlib';
import { docx, packedPdf, packedRuns, paragraph, pdf } from '../samples.ts';
import { ExtractThread } from './thread.ts';

const LIMITS = { textCharactersMax: 1_000_000, unpackedBytesMax: 20_000_000, unpackTimeoutMs: 60_000 };
const thread = new ExtractThread();
test.after(() => thread.close());
const text = async (content: Uint8Array, limits = LIMITS, signal?: AbortSignal): Promise<string> =>
  (await thread.extract('/x.pdf', content, limits, signal)).text.trim();
/** Ten seconds and more of work, in a few thousand bytes. */
const slow = packedPdf(deflateSync(Buffer.from('q Q '.repeat(4_500_000))), ['FlateDecode']);

test('what a thread reads is what is read without one, file after file, and what is wrong with one is said with its code', async () => {
  for (const name of ['one', 'two', 'three']) assert.equal(await text(pdf([[name]])), name);
  assert.equal(await text(docx(paragraph('four'))), 'four');
  await assert.rejects(text(Buffer.from('%PDF-1.4 no PDF')), { name: 'Error', code: 'broken', message: /no whole PDF/ });
  assert.equal(await text(pdf([['five']])), 'five');
});

test('a file that takes too long is ended, what was asked for is said, and the next one is read', async () => {
  const begunMs = performance.now();
  await assert.rejects(text(slow, { ...LIMITS, unpackTimeoutMs: 300 }), {
    code: 'too-slow',
    message: /longer than 300 ms \(unpackTimeoutMs\).*raise the limit/,
  });
  assert(performance.now() - begunMs < 3_000, `${performance.now() - begunMs} ms`);
  assert.equal(await text(pdf([['next']])), 'next');
});

test('a file that is packed again by what is not looked into before is ended by the memory that it takes', async () => {
  const bomb = packedPdf(deflateSync(packedRuns(1_200_000_000)), ['FlateDecode', 'RunLengthDecode']);
  await assert.rejects(text(bomb), { code: 'bomb', message: /more than 500000000 bytes of memory/ });
  const twice = packedPdf(deflateSync(deflateSync(Buffer.alloc(300_000_000, 0x20))), ['FlateDecode', 'FlateDecode']);
  await assert.rejects(text(twice), { code: 'bomb', message: /unpack to more than 20000000/ });
  assert.equal(await text(pdf([['next']])), 'next');
});

test('an abort ends the file that is being read with its reason', async () => {
  const stop = new AbortController();
  const reading = text(slow, LIMITS, stop.signal);
  setTimeout(() => stop.abort(new Error('enough')), 100);
  await assert.rejects(reading, { message: 'enough' });
  await assert.rejects(text(slow, LIMITS, stop.signal), { message: 'enough' });
  assert.equal(await text(pdf([['next']])), 'next');
});
