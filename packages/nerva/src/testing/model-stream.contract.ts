import assert from 'node:assert/strict';
import { NervaError } from '../core/index.ts';
import type { Delta, ModelAnswer } from '../model/index.ts';
import { RICH } from './model-answer.contract.ts';
import {
  ADD,
  askOnce,
  callOf,
  CONTRACT_KEY,
  failureOf,
  isHttp,
  withModel,
  type HttpSubject,
  type Law,
  type ModelSubject,
} from './model-harness.ts';
import { inProcessWorld, tapedWorld, type Made } from './model-in-process.ts';
import { say, textOf } from './model-turns.ts';
import type { MockAnswer } from './wire-mock.ts';

/** Small, so that a stream can be cut at each of its bytes: text, and a call, with characters of 2 to 4 bytes. */
const SMALL: MockAnswer = { text: 'é🌍\n東', calls: [{ id: 'call_a', name: 'add', input: { n: '🗼' } }] };
const HUGE_BYTES = 5 * 1024 * 1024;
const DONE_MS = 5_000;

/** Laws of streams: bytes cut anywhere, pieces at once, sizes. */
export function streamLaws(law: Law, subject: ModelSubject): void {
  if (!isHttp(subject)) return;

  law('a stream cut in two at any byte, inside a character and inside a line too, gives the same answer', async () => {
    const { bytes, answer, read } = await tapeOf(subject, SMALL);
    assert.ok(
      bytes.some((byte) => byte > 0x7f),
      'the stream holds characters of more than one byte',
    );
    for (let at = 1; at < bytes.length; at++)
      assert.deepEqual(await read([bytes.subarray(0, at), bytes.subarray(at)]), answer, `cut at byte ${at} of ${bytes.length}`);
  });

  law('a stream that comes byte by byte, or with empty pieces, gives the same answer', async () => {
    const { bytes, answer, read } = await tapeOf(subject, RICH);
    for (const length of [1, 2, 3, 7, 64, 1000]) assert.deepEqual(await read(chunks(bytes, length)), answer);
    const empty = new Uint8Array();
    assert.deepEqual(await read([empty, ...chunks(bytes, 10).flatMap((chunk) => [chunk, empty])]), answer);
  });

  law('a stream that ends early, at whatever byte, is the whole answer or a failure that says so, never half of one', async () => {
    const { bytes, answer, read } = await tapeOf(subject, SMALL);
    let wholeCount = 0;
    for (let at = 0; at < bytes.length; at++) {
      const given: unknown = await read([bytes.subarray(0, at)]).catch((error: unknown) => error);
      if (NervaError.is(given)) assert.ok(/^MODEL_(?:TRUNCATED|GARBAGE)$/.test(given.code), `${given.code} at byte ${at}`);
      else {
        wholeCount++;
        const { parts, finish } = given as ModelAnswer;
        assert.deepEqual([parts, finish], [answer.parts, answer.finish], `ended at byte ${at}`);
      }
    }
    assert.ok(wholeCount < bytes.length / 2);
  });

  law(
    'a failure that the provider reports inside a stream is that failure, without the key that it quotes, and never half of an answer',
    async () => {
      const { apiKey: key = CONTRACT_KEY, features } = subject;
      const failure = Buffer.from(features.overloaded(`overloaded for now, ${key}`) as string);
      const { bytes, read } = await tapeOf(subject, { text: 'one two three' });
      for (const at of [0, await firstDeltaAt(subject, { text: 'one two three' })]) {
        const { code, retry, message } = await failureOf(read([bytes.subarray(0, at), failure]), key);
        assert.deepEqual([code, retry], ['MODEL_UNAVAILABLE', true]);
        assert.match(message, /overloaded for now/);
      }
    },
  );

  law('a piece is reported while the provider holds back the next one', async () => {
    const answer: MockAnswer = { text: 'one two three' };
    const atByte = await firstDeltaAt(subject, answer);
    let sendRest: () => void = () => undefined;
    const send: MockAnswer['send'] = (outgoing, { mediaType, bytes }) => {
      outgoing.writeHead(200, { 'content-type': mediaType });
      outgoing.write(bytes.subarray(0, atByte));
      sendRest = () => outgoing.end(bytes.subarray(atByte));
    };
    await withModel(subject, { answer: () => ({ ...answer, send }), limits: { idleMs: DONE_MS } }, async (opened) => {
      const deltas: Delta[] = [];
      const { parts } = await callOf(
        opened,
        {},
        {
          onDelta: (delta) => {
            // The provider goes on only now: a client that waits for more would wait until its limit.
            if (deltas.push(delta) === 1) sendRest();
          },
        },
      );
      assert.equal(textOf(parts), answer.text);
      assert.ok(deltas.length > 1);
    });
  });

  law('what `onDelta` throws ends the call and frees its connection', async () => {
    await withModel(subject, { answer: () => ({ text: 'long answer '.repeat(50) }) }, async (opened) => {
      const thrown = new Error('the reader is gone');
      const onDelta = (): void => {
        throw thrown;
      };
      await assert.rejects(callOf(opened, {}, { onDelta }), thrown);
      assert.ok((await callOf(opened)).parts.length > 0);
      assert.ok((opened.connectionCount ?? 0) <= 2);
    });
  });

  law('an answer of five megabytes comes whole, in one piece and streamed', async () => {
    const text = 'äb🌍 '.repeat(HUGE_BYTES / 8);
    const answer: MockAnswer = { text, pieceLength: 8192 };
    assert.equal(textOf((await askOnce(subject, answer)).parts), text);
    let length = 0;
    const streamed = await askOnce(subject, answer, { onDelta: (delta) => (length += 'text' in delta ? delta.text.length : 0) });
    assert.equal(textOf(streamed.parts), text);
    assert.equal(length, text.length);
  });

  law('an answer beyond `bytesMax` is HTTP_TOO_LARGE, in one piece and streamed, and the next call works', async () => {
    const answer = (n: number): MockAnswer => ({ text: n < 2 ? 'x'.repeat(50_000) : 'ok', pieceLength: 100 });
    await withModel(subject, { answer, limits: { bytesMax: 20_000 } }, async (opened) => {
      for (const isStream of [false, true]) {
        const { code, details } = await failureOf(callOf(opened, {}, { isStream }));
        assert.deepEqual([code, details['bytesMax']], ['HTTP_TOO_LARGE', 20_000]);
      }
      assert.equal(textOf((await callOf(opened, { messages: [say('again')] })).parts), 'ok');
    });
  });
}

/** A stream and its answer, to be read again in any pieces. */
interface Tape {
  readonly bytes: Uint8Array;
  readonly answer: ModelAnswer;
  readonly read: (pieces: Iterable<Uint8Array>, onDelta?: (delta: Delta) => void) => Promise<ModelAnswer>;
}

/** What a fresh provider streams: it is made once, and read by a model without a socket. */
async function tapeOf(subject: HttpSubject, answer: MockAnswer): Promise<Tape> {
  const mock = subject.mock();
  const { apiKey = CONTRACT_KEY } = subject;
  const model = subject.make(`https://provider.test${mock.basePath}`, { apiKey });
  let made: Made = { mediaType: '', bytes: new Uint8Array() };
  const keep = (given: Made): Uint8Array[] => [(made = given).bytes];
  const whole = await callOf({ model, world: inProcessWorld(mock, { answer: () => answer, cut: keep }) }, REQUEST, { isStream: true });
  let current: Iterable<Uint8Array> = [];
  const world = tapedWorld(made.mediaType, () => current);
  return {
    bytes: made.bytes,
    answer: whole,
    read(pieces, onDelta = () => undefined) {
      current = pieces;
      return callOf({ model, world }, REQUEST, { onDelta });
    },
  };
}

/** Always the same, so that it is encoded once. */
const REQUEST = { tools: [ADD], params: {}, messages: [say('hi')] };

/** How many bytes of a stream it takes until the first piece is reported. */
async function firstDeltaAt(subject: HttpSubject, answer: MockAnswer): Promise<number> {
  const { bytes, read } = await tapeOf(subject, answer);
  let sent = 0;
  let first = 0;
  function* oneByOne(): Iterable<Uint8Array> {
    for (const byte of bytes) {
      sent++;
      yield Uint8Array.of(byte);
    }
  }
  await read(oneByOne(), () => (first ||= sent));
  return first;
}

function chunks(bytes: Uint8Array, length: number): Uint8Array[] {
  const list: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += length) list.push(bytes.subarray(at, at + length));
  return list;
}
