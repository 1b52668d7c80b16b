import assert from 'node:assert/strict';
import { getEventListeners, once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createRaw, type AddressInfo, type Socket } from 'node:net';
import test from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import type { HttpLimits, Transport } from '../core/index.ts';
import { httpTransport, type HttpOptions } from './http.ts';

interface Peer {
  readonly url: string;
  readonly connectionCount: () => number;
}

/** Runs `body` against a loopback server, and ends both. */
async function withPeer(
  listener: RequestListener,
  body: (peer: Peer, transport: Transport) => Promise<void>,
  options: HttpOptions = {},
): Promise<void> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  let count = 0;
  server.on('connection', () => count++);
  const transport = httpTransport(options);
  try {
    await body({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, connectionCount: () => count }, transport);
  } finally {
    await transport.close();
    server.closeAllConnections();
    server.close();
  }
}

/** The same against a server that sees bare connections. */
async function withSockets(listener: (socket: Socket) => void, body: (url: string, transport: Transport) => Promise<void>): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createRaw((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    listener(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const transport = httpTransport();
  try {
    await body(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, transport);
  } finally {
    await transport.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const text = async (transport: Transport, url: string, limits: Partial<HttpLimits> = {}): Promise<string> =>
  (await transport.request({ method: 'GET', url, limits })).text();
const collect = async (pieces: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
};

test('a request arrives as it was given and its answer comes back whole', async () => {
  await withPeer(
    (incoming, outgoing) => {
      void collect(incoming).then((body) => {
        outgoing.writeHead(418, { 'x-method': incoming.method ?? '', 'set-cookie': ['a=1', 'b=2'] });
        outgoing.end(JSON.stringify({ headers: incoming.headers, body: body.toString(), url: incoming.url }));
      });
    },
    async ({ url }, transport) => {
      for (const body of ['Grüße 🌍', new TextEncoder().encode('Grüße 🌍')]) {
        const answer = await transport.request({ method: 'POST', url: `${url}a/b?c=d`, headers: { 'x-own': '1' }, body });
        assert.equal(answer.status, 418);
        assert.equal(answer.headers['x-method'], 'POST');
        assert.equal(answer.headers['set-cookie'], 'a=1, b=2');
        const seen = JSON.parse(await answer.text()) as { headers: Record<string, string>; body: string; url: string };
        assert.equal(seen.body, 'Grüße 🌍');
        assert.equal(seen.url, '/a/b?c=d');
        assert.equal(seen.headers['x-own'], '1');
        assert.equal(seen.headers['host'], new URL(url).host);
        assert.equal(seen.headers['content-length'], String(Buffer.byteLength('Grüße 🌍')));
      }
    },
  );
});

test('connections are kept and used again, also after a streamed and after a discarded answer', async () => {
  await withPeer(
    (_, outgoing) => void outgoing.end('x'.repeat(200_000)),
    async ({ url, connectionCount }, transport) => {
      assert.equal((await text(transport, url)).length, 200_000);
      const streamed = await transport.request({ method: 'GET', url });
      assert.equal((await collect(streamed.bytes())).length, 200_000);
      (await transport.request({ method: 'GET', url })).discard();
      await new Promise((resolve) => setImmediate(resolve));
      const broken = await transport.request({ method: 'GET', url });
      for await (const piece of broken.bytes()) if (piece.length > 0) break;
      await text(transport, url);
      assert.ok(connectionCount() <= 2, `${connectionCount()} connections`);
    },
  );
});

test('no more than socketsMax connections are open at a time, and what waits is served', async () => {
  let open = 0;
  let most = 0;
  await withPeer(
    (_, outgoing) => {
      most = Math.max(most, ++open);
      setImmediate(() => {
        open--;
        outgoing.end('ok');
      });
    },
    async ({ url, connectionCount }, transport) => {
      assert.deepEqual(new Set(await Promise.all(Array.from({ length: 20 }, () => text(transport, url)))), new Set(['ok']));
      assert.ok(most <= 3 && connectionCount() <= 3, `${most} at once over ${connectionCount()} connections`);
    },
    { socketsMax: 3 },
  );
});

test('each limit of time ends a request with its phase', async () => {
  await withPeer(
    (incoming, outgoing) => {
      if (incoming.url === '/silent') return;
      outgoing.write('begin');
      if (incoming.url !== '/drip') return;
      const drip = setInterval(() => outgoing.write('.'), 5);
      outgoing.on('close', () => clearInterval(drip));
    },
    async ({ url }, transport) => {
      const late = (phase: string): object => ({ code: 'HTTP_TIMEOUT', details: { phase, limitMs: 40 } });
      await assert.rejects(text(transport, `${url}silent`, { firstByteMs: 40 }), late('first-byte'));
      await assert.rejects(text(transport, `${url}stall`, { idleMs: 40 }), late('idle'));
      await assert.rejects(text(transport, `${url}drip`, { totalMs: 40 }), late('total'));
      const streamed = await transport.request({ method: 'GET', url: `${url}stall`, limits: { idleMs: 40 } });
      await assert.rejects(collect(streamed.bytes()), late('idle'));
    },
  );
});

test('a TLS handshake that does not come is a connection that took too long', async () => {
  await withSockets(
    () => undefined,
    async (url, transport) => {
      await assert.rejects(text(transport, url.replace('http:', 'https:'), { connectMs: 40 }), {
        code: 'HTTP_TIMEOUT',
        details: { phase: 'connect', limitMs: 40 },
      });
    },
  );
});

test('a slow reader is not taken for a slow peer', async () => {
  await withPeer(
    (_, outgoing) => void outgoing.end('x'.repeat(3_000_000)),
    async ({ url }, transport) => {
      const answer = await transport.request({ method: 'GET', url, limits: { idleMs: 150, firstByteMs: 150 } });
      await new Promise((resolve) => setTimeout(resolve, 300));
      let bytes = 0;
      for await (const piece of answer.bytes()) {
        if (bytes === 0) await new Promise((resolve) => setTimeout(resolve, 300));
        bytes += piece.length;
      }
      assert.equal(bytes, 3_000_000);
    },
  );
});

test('an abort ends a request in every phase and leaves no listener', async () => {
  await withPeer(
    (incoming, outgoing) => {
      if (incoming.url === '/body') outgoing.write('begin');
      if (incoming.url === '/done') outgoing.end('ok');
    },
    async ({ url }, transport) => {
      const controller = new AbortController();
      const { signal } = controller;
      assert.equal(await (await transport.request({ method: 'GET', url: `${url}done`, signal })).text(), 'ok');
      assert.equal(getEventListeners(signal, 'abort').length, 0);
      const head = transport.request({ method: 'POST', url: `${url}head`, body: 'x', signal });
      const answer = await transport.request({ method: 'GET', url: `${url}body`, signal });
      const body = answer.text();
      controller.abort();
      await assert.rejects(head, { code: 'CANCELLED' });
      await assert.rejects(body, { code: 'CANCELLED' });
      await assert.rejects(transport.request({ method: 'GET', url, signal }), { code: 'CANCELLED' });
      assert.equal(getEventListeners(signal, 'abort').length, 0);
    },
  );
});

test('an answer above bytesMax is refused, announced or not, packed or not', async () => {
  const big = Buffer.alloc(5_000, 'x');
  await withPeer(
    (incoming, outgoing) => {
      if (incoming.url === '/announced') outgoing.setHeader('content-length', big.length);
      if (incoming.url === '/packed') outgoing.setHeader('content-encoding', 'gzip');
      outgoing.write(incoming.url === '/packed' ? gzipSync(big) : big);
      outgoing.end();
    },
    async ({ url }, transport) => {
      for (const path of ['announced', 'chunked', 'packed']) {
        await assert.rejects(text(transport, url + path, { bytesMax: 4_999 }), { code: 'HTTP_TOO_LARGE' }, path);
        assert.equal((await text(transport, url + path, { bytesMax: 5_000 })).length, 5_000, path);
      }
    },
  );
});

test('bodies that a server packs unasked are unpacked, and a broken packing is a broken answer', async () => {
  const content = 'Grüße 🌍 '.repeat(999);
  const packed: Record<string, Buffer> = {
    gzip: gzipSync(content),
    deflate: deflateSync(content),
    'deflate-raw': deflateRawSync(content),
    br: brotliCompressSync(content),
  };
  await withPeer(
    (incoming, outgoing) => {
      const name = (incoming.url ?? '').slice(1);
      outgoing.setHeader('content-encoding', name.replace('-raw', '').replace('-cut', ''));
      const body = packed[name.replace('-cut', '')] ?? Buffer.from('x');
      outgoing.end(name.endsWith('-cut') ? body.subarray(0, body.length - 9) : body);
    },
    async ({ url }, transport) => {
      for (const name of Object.keys(packed)) assert.equal(await text(transport, url + name), content, name);
      await assert.rejects(text(transport, `${url}gzip-cut`), { code: 'HTTP_BROKEN' });
      await assert.rejects(text(transport, `${url}lzma`), { code: 'HTTP_BROKEN' });
    },
  );
});

test('no connection is HTTP_UNREACHABLE, a break before the answer or inside it is HTTP_BROKEN', async () => {
  let mode = 'before';
  await withSockets(
    (socket) => {
      socket.once('data', () => {
        if (mode === 'inside') socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf', () => socket.destroy());
        else if (mode === 'garbage') socket.end('this is not http\r\n\r\n');
        else socket.destroy();
      });
    },
    async (url, transport) => {
      await assert.rejects(text(transport, url), { code: 'HTTP_BROKEN' });
      mode = 'inside';
      await assert.rejects(text(transport, url), { code: 'HTTP_BROKEN' });
      await assert.rejects(async () => collect((await transport.request({ method: 'GET', url })).bytes()), { code: 'HTTP_BROKEN' });
      mode = 'garbage';
      await assert.rejects(text(transport, url), { code: 'HTTP_BROKEN' });
      await assert.rejects(
        text(transport, 'http://127.0.0.1:1/?key=secret'),
        (error: Error) => error.message.includes('ECONNREFUSED') && !error.message.includes('secret'),
      );
    },
  );
});

test('a request on a kept connection that the peer had closed is sent once more, on a new one; any other is not', async () => {
  let requestCount = 0;
  let connectionCount = 0;
  await withSockets(
    (socket) => {
      const isFirst = connectionCount++ === 0;
      let count = 0;
      socket.on('data', () => {
        requestCount++;
        // The first connection serves one request and breaks at its second; the others break at once from the third request on.
        if (isFirst ? count++ > 0 : requestCount > 3) socket.resetAndDestroy();
        else socket.write(OK);
      });
    },
    async (url, transport) => {
      assert.equal(await text(transport, url), 'ok');
      const again = await transport.request({ method: 'POST', url, body: 'x' });
      assert.equal(await again.text(), 'ok');
      assert.deepEqual([requestCount, connectionCount], [3, 2]);
      await assert.rejects(text(transport, url), { code: 'HTTP_BROKEN' });
      assert.deepEqual([requestCount, connectionCount], [4, 3]);
    },
  );
});

test('what cannot be sent is refused before anything is sent', async () => {
  const transport = httpTransport();
  for (const url of ['ftp://127.0.0.1/', 'nonsense', ''])
    await assert.rejects(transport.request({ method: 'GET', url }), { code: 'OPTION_INVALID' });
  await assert.rejects(
    transport.request({ method: 'GET', url: 'http://127.0.0.1:1/', headers: { 'x-a': 'secret\r\nx-b: 1' } }),
    (error: Error) => 'code' in error && error.code === 'OPTION_INVALID' && !error.message.includes('secret'),
  );
  await assert.rejects(transport.request({ method: 'GET', url: 'http://127.0.0.1:1/', limits: { idleMs: 0 } }), { code: 'OPTION_INVALID' });
  assert.throws(() => httpTransport({ socketsMax: 0 }), { code: 'OPTION_INVALID' });
  await transport.close();
  await assert.rejects(transport.request({ method: 'GET', url: 'http://127.0.0.1:1/' }), { code: 'HTTP_UNREACHABLE' });
});
