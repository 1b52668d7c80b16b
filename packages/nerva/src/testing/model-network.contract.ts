import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { ErrorCode } from '../core/index.ts';
import { httpTransport, nodeWorld } from '../node/index.ts';
import { noOpenssl, selfSigned } from './model-certificate.ts';
import {
  callOf,
  codeOf,
  CONTRACT_KEY,
  failureOf,
  isHttp,
  open,
  withModel,
  type HttpSubject,
  type Law,
  type ModelSubject,
} from './model-harness.ts';
import { soon, withSockets } from './model-peers.ts';
import { textOf } from './model-turns.ts';
import { wireMock, type MockAnswer } from './wire-mock.ts';

const LONG: MockAnswer = { text: 'a long answer, and longer still '.repeat(20) };

/** Laws of the network: aborts, peers that break off, encodings, TLS, proxies. Each failure is typed, and the next call works. */
export function networkLaws(law: Law, subject: ModelSubject): void {
  law('a call whose signal aborted before is CANCELLED, and nothing is sent', async () => {
    await withModel(subject, { answer: () => 'hi' }, async (opened) => {
      for (const isStream of [false, true])
        assert.equal(await codeOf(callOf(opened, {}, { isStream, signal: AbortSignal.abort() })), 'CANCELLED');
      assert.equal(opened.requests.length, 0);
      assert.equal(textOf((await callOf(opened)).parts), 'hi');
    });
  });

  law('an abort after the answer changes nothing', async () => {
    await withModel(subject, { answer: () => 'hi' }, async (opened) => {
      for (const isStream of [false, true]) {
        const { signal, abort } = aborter();
        const answer = await callOf(opened, {}, { isStream, signal });
        abort();
        assert.equal(textOf(answer.parts), 'hi');
      }
      assert.equal(textOf((await callOf(opened)).parts), 'hi');
      assert.ok((opened.connectionCount ?? 1) === 1);
    });
  });

  if (!isHttp(subject)) return;
  abortLaws(law, subject);
  faultLaws(law, subject);
  encodingLaws(law, subject);
  wayLaws(law, subject);
}

function abortLaws(law: Law, subject: HttpSubject): void {
  law('an abort while the provider thinks is CANCELLED at once, closes the connection, and the next call works', async () => {
    const closed: Promise<unknown>[] = [];
    const { signal, abort } = aborter();
    const hold = (outgoing: ServerResponse): void => {
      closed.push(once(outgoing.socket as Socket, 'close'));
      abort();
    };
    await withModel(subject, { answer: (n) => (n === 0 ? { send: hold } : 'hi') }, async (opened) => {
      assert.equal(await codeOf(soon(callOf(opened, {}, { signal }))), 'CANCELLED');
      await soon(Promise.all(closed));
      assert.equal(closed.length, 1);
      assert.equal(textOf((await callOf(opened)).parts), 'hi');
    });
  });

  law(
    'an abort in the middle of a stream is CANCELLED, closes the connection, nothing is reported after it, and the next call works',
    async () => {
      const closed: Promise<unknown>[] = [];
      const half: MockAnswer['send'] = (outgoing, { mediaType, bytes }) => {
        closed.push(once(outgoing.socket as Socket, 'close'));
        outgoing.writeHead(200, { 'content-type': mediaType });
        outgoing.write(bytes.subarray(0, bytes.length / 2));
      };
      await withModel(subject, { answer: (n) => (n === 0 ? { ...LONG, send: half } : 'hi') }, async (opened) => {
        const { signal, abort } = aborter();
        let count = 0;
        const call = callOf(opened, {}, { signal, onDelta: () => ++count === 1 && abort() });
        assert.equal(await codeOf(soon(call)), 'CANCELLED');
        const reported = count;
        await soon(Promise.all(closed));
        assert.ok(reported > 0);
        assert.equal(count, reported);
        assert.equal(textOf((await callOf(opened)).parts), 'hi');
      });
    },
  );
}

function faultLaws(law: Law, subject: HttpSubject): void {
  const table: readonly (readonly [NonNullable<MockAnswer['fault']>, ErrorCode, ErrorCode])[] = [
    ['truncated', 'MODEL_GARBAGE', 'MODEL_TRUNCATED'],
    ['reset-early', 'HTTP_BROKEN', 'HTTP_BROKEN'],
    ['reset', 'HTTP_BROKEN', 'HTTP_BROKEN'],
  ];
  for (const [fault, whole, streamed] of table) {
    law(`a provider that is ${fault}: ${whole} in one piece, ${streamed} in a stream, and the next call works`, async () => {
      for (const [isStream, code] of [
        [false, whole],
        [true, streamed],
      ] as const) {
        await withModel(subject, { answer: (n) => (n === 0 ? { ...LONG, fault } : 'well') }, async (opened) => {
          const error = await failureOf(soon(callOf(opened, {}, { isStream })));
          assert.deepEqual([error.code, error.retry], [code, true]);
          assert.equal(textOf((await callOf(opened, {}, { isStream })).parts), 'well');
          assert.equal(opened.requests.length, 2);
        });
      }
    });
  }

  law('a peer that takes the connection and closes its half without an answer is HTTP_BROKEN', async () => {
    await withSockets(
      (socket) => void socket.once('data', () => socket.end()),
      subject,
      {},
      async (call) => {
        for (const isStream of [false, true]) assert.equal(await codeOf(soon(call(isStream))), 'HTTP_BROKEN');
      },
    );
  });

  law('a connection that the provider closed while nobody used it costs no call', async () => {
    const sockets: Socket[] = [];
    const answer = (): MockAnswer => ({
      send: (outgoing, { mediaType, bytes }) => {
        sockets.push(outgoing.socket as Socket);
        outgoing.writeHead(200, { 'content-type': mediaType }).end(bytes);
      },
      text: 'hi',
    });
    await withModel(subject, { answer }, async (opened) => {
      for (const end of ['end', 'resetAndDestroy'] as const) {
        assert.equal(textOf((await callOf(opened)).parts), 'hi');
        sockets.at(-1)?.[end]();
      }
      assert.equal(textOf((await callOf(opened)).parts), 'hi');
    });
  });
}

function encodingLaws(law: Law, subject: HttpSubject): void {
  law('an answer that comes compressed with gzip, though nobody asked, is read', async () => {
    const send: MockAnswer['send'] = (outgoing, { mediaType, bytes }) =>
      void outgoing.writeHead(200, { 'content-type': mediaType, 'content-encoding': 'gzip' }).end(gzipSync(bytes));
    await withModel(subject, { answer: () => ({ ...LONG, send }) }, async (opened) => {
      for (const isStream of [false, true]) assert.equal(textOf((await callOf(opened, {}, { isStream })).parts), LONG.text);
    });
  });

  law('a provider that was asked to stream and answers in one piece is understood, and its parts are reported', async () => {
    const { mock: dialect } = subject;
    const whole = { ...dialect(), isStream: () => false };
    await withModel({ ...subject, mock: () => whole }, { answer: () => LONG }, async (opened) => {
      let told = '';
      const { parts } = await callOf(opened, {}, { onDelta: (delta) => void (told += 'text' in delta ? delta.text : '') });
      assert.deepEqual([textOf(parts), told], [LONG.text, LONG.text]);
    });
  });
}

function wayLaws(law: Law, subject: HttpSubject): void {
  law('an endpoint that does not speak TLS is HTTP_UNREACHABLE, and it never sees the key', async () => {
    let seen = '';
    await withSockets(
      (socket) => void socket.on('data', (bytes) => ((seen += bytes.toString('latin1')), socket.end('HTTP/1.1 400 Bad\r\n\r\n'))),
      subject,
      {},
      async (call) => {
        for (const isStream of [false, true]) assert.equal(await codeOf(soon(call(isStream, 'https'))), 'HTTP_UNREACHABLE');
      },
    );
    assert.ok(seen !== '' && !seen.includes(CONTRACT_KEY));
  });

  law(
    'an endpoint whose certificate nobody signed is HTTP_UNREACHABLE, and gets no request',
    async () => {
      await withModel(subject, { answer: () => 'hi', tls: selfSigned() }, async (opened) => {
        assert.equal(await codeOf(soon(callOf(opened))), 'HTTP_UNREACHABLE');
        assert.equal(opened.requests.length, 0);
      });
    },
    { skip: noOpenssl },
  );

  law('a model is asked through the proxy that the environment names, and past it where the environment says so', async () => {
    const { apiKey = CONTRACT_KEY, make, mock: dialect } = subject;
    const mock = dialect();
    const hosts: unknown[] = [];
    // A proxy gets the whole address; what it hands on has the path alone.
    const proxied = {
      ...mock,
      fault: (request: Parameters<typeof mock.fault>[0]) => (
        hosts.push(request.headers['host']),
        mock.fault({ ...request, path: pathOf(request.path) })
      ),
      isStream: (request: Parameters<typeof mock.isStream>[0]) => mock.isStream({ ...request, path: pathOf(request.path) }),
      whole: (request: Parameters<typeof mock.whole>[0], answer: MockAnswer) =>
        mock.whole({ ...request, path: pathOf(request.path) }, answer),
      stream: (request: Parameters<typeof mock.stream>[0], answer: MockAnswer) =>
        mock.stream({ ...request, path: pathOf(request.path) }, answer),
    };
    const proxy = await wireMock(proxied, { apiKey, answer: () => 'hi' });
    const world = nodeWorld({ transport: httpTransport({ proxy: { http_proxy: new URL(proxy.baseUrl).origin, no_proxy: 'past.test' } }) });
    try {
      for (const isStream of [false, true]) {
        const { parts } = await callOf({ model: make(`http://provider.test${mock.basePath}`, { apiKey }), world }, {}, { isStream });
        assert.equal(textOf(parts), 'hi');
      }
      assert.deepEqual(hosts, ['provider.test', 'provider.test']);
      assert.equal(await codeOf(callOf({ model: make(`http://past.test${mock.basePath}`, { apiKey }), world })), 'HTTP_UNREACHABLE');
      assert.equal(proxy.requests.length, 2);
    } finally {
      await world.transport.close();
      await proxy.close();
    }
  });

  law('a hundred calls at once open at most as many connections as the pool may have', async () => {
    const opened = await open(subject, { answer: async () => (await new Promise((resolve) => setImmediate(resolve)), 'hi') });
    const world = nodeWorld({ http: { socketsMax: 4 } });
    try {
      const calls = Array.from({ length: 100 }, (_, n) => callOf({ model: opened.model, world }, {}, { isStream: n % 2 === 0 }));
      for (const { parts } of await Promise.all(calls)) assert.equal(textOf(parts), 'hi');
      assert.ok((opened.connectionCount ?? Infinity) <= 4, `${opened.connectionCount} connections`);
    } finally {
      await world.transport.close();
      await opened.close();
    }
  });
}

/** The path of an address that a proxy is given. */
const pathOf = (address: string): string => address.replace(/^http:\/\/[^/]+/, '');

function aborter(): { readonly signal: AbortSignal; readonly abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}
