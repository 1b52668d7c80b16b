import assert from 'node:assert/strict';
import { callOf, CONTRACT_KEY, failureOf, isHttp, withModel, type Law, type ModelSubject } from './model-harness.ts';
import { soon, withSockets } from './model-peers.ts';
import { textOf } from './model-turns.ts';
import type { MockAnswer } from './wire-mock.ts';

/** How long a limit is that the laws wait for. */
const LIMIT_MS = 100;
const LONG: MockAnswer = { text: 'a long answer, and longer still '.repeat(20) };

/** Laws of limits: a provider that stalls or is slow ends a call in time, and only then. They wait: run them together. */
export function limitLaws(law: Law, subject: ModelSubject): void {
  if (!isHttp(subject)) return;

  for (const fault of ['silent', 'stalled'] as const) {
    law(`a provider that is ${fault} is HTTP_TIMEOUT by \`firstByteMs\` and \`idleMs\`, and the next call works`, async () => {
      for (const isStream of [false, true]) {
        const limits = { firstByteMs: LIMIT_MS, idleMs: LIMIT_MS };
        await withModel(subject, { answer: (n) => (n === 0 ? { ...LONG, fault } : 'well'), limits }, async (opened) => {
          const { code, retry, details } = await failureOf(soon(callOf(opened, {}, { isStream })));
          assert.deepEqual([code, retry, details['phase']], ['HTTP_TIMEOUT', true, fault === 'silent' ? 'first-byte' : 'idle']);
          // The same connections, without the limits.
          const patient = { world: opened.world, model: subject.make(opened.baseUrl ?? '', { apiKey: subject.apiKey ?? CONTRACT_KEY }) };
          assert.equal(textOf((await callOf(patient, {}, { isStream })).parts), 'well');
          assert.equal(opened.requests.length, 2);
        });
      }
    });
  }

  law('a peer that takes the connection and never reads is HTTP_TIMEOUT at `firstByteMs`', async () => {
    await withSockets(
      (socket) => void socket.pause(),
      subject,
      { firstByteMs: LIMIT_MS },
      async (call) => {
        for (const isStream of [false, true]) {
          const { code, details } = await failureOf(soon(call(isStream)));
          assert.deepEqual([code, details['phase']], ['HTTP_TIMEOUT', 'first-byte']);
        }
      },
    );
  });

  for (const isStream of [false, true]) {
    law(`an answer that trickles in byte by byte ends by \`totalMs\`, ${isStream ? 'streamed' : 'in one piece'}`, async () => {
      const trickle: MockAnswer['send'] = (outgoing, { mediaType, bytes }) => {
        outgoing.writeHead(200, { 'content-type': mediaType });
        let at = 0;
        const beat = setInterval(() => void outgoing.write(bytes.subarray(at, ++at)), LIMIT_MS / 6);
        outgoing.once('close', () => clearInterval(beat));
      };
      const limits = { totalMs: 2 * LIMIT_MS };
      await withModel(subject, { answer: () => ({ ...LONG, send: trickle }), limits }, async (opened) => {
        const { code, details } = await failureOf(soon(callOf(opened, {}, { isStream })));
        assert.deepEqual([code, details['phase'], details['limitMs']], ['HTTP_TIMEOUT', 'total', limits.totalMs]);
      });
    });
  }

  law('a head that trickles in ends by `firstByteMs`', async () => {
    const trickle: MockAnswer['send'] = ({ socket }) => {
      socket?.write('HTTP/1.1 200 OK\r\nx-slow: ');
      const beat = setInterval(() => void socket?.write('a'), LIMIT_MS / 6);
      socket?.once('close', () => clearInterval(beat));
    };
    await withModel(subject, { answer: () => ({ send: trickle }), limits: { firstByteMs: 2 * LIMIT_MS } }, async (opened) => {
      const { code, details } = await failureOf(soon(callOf(opened)));
      assert.deepEqual([code, details['phase']], ['HTTP_TIMEOUT', 'first-byte']);
    });
  });

  law('an answer that is slow within its limits is no failure', async () => {
    const slowly: MockAnswer['send'] = (outgoing, { mediaType, bytes }) => {
      outgoing.writeHead(200, { 'content-type': mediaType });
      const pieces = [0, 1, 2, 3].map((part) => bytes.subarray((bytes.length * part) / 4, (bytes.length * (part + 1)) / 4));
      const beat = setInterval(() => {
        const piece = pieces.shift();
        if (piece !== undefined) return void outgoing.write(piece);
        clearInterval(beat);
        outgoing.end();
      }, LIMIT_MS / 6);
    };
    await withModel(subject, { answer: () => ({ ...LONG, send: slowly }), limits: { idleMs: 10_000 } }, async (opened) => {
      for (const isStream of [false, true]) assert.equal(textOf((await callOf(opened, {}, { isStream })).parts), LONG.text);
    });
  });
}
