/** Peers that misbehave on real loopback sockets, one for each row of `sim/http-shapes.ts`. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createSecure } from 'node:tls';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HttpLimits } from '../../packages/nerva/src/core/index.ts';
import type { HttpShapeName } from '../../packages/nerva/src/sim/http-shapes.ts';

/** What one call meets. */
export interface Peer {
  /** Default: a server on a free port of 127.0.0.1. */
  readonly baseUrl?: string;
  readonly scheme?: 'http' | 'https';
  /** Contract: called once a connection; the socket is destroyed after the test. */
  readonly serve?: (socket: Socket) => void;
  /** Whether the server itself speaks TLS, with a certificate that nobody signed. */
  readonly secure?: boolean;
  /** Nothing listens: the port was free a moment ago. */
  readonly gone?: boolean;
  readonly limits?: Partial<HttpLimits>;
}

/** How long a limit of the client is where the row is about that limit. */
const LIMIT_MS = 80;
/** Between two pieces that must not arrive as one. */
const GAP_MS = 20;

const chunk = (text: string): string => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: text } }] })}\n\n`;
const STREAM_HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n';
const END = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';

/** Waits for the request, so that what follows is an answer to it. */
const asked =
  (answer: (socket: Socket) => void): NonNullable<Peer['serve']> =>
  (socket) =>
    void socket.once('data', () => answer(socket));

const whole = (status: number, body: string, headers: readonly string[] = ['content-type: application/json']): Peer => ({
  serve: asked((socket) =>
    socket.end(
      [`HTTP/1.1 ${status} X`, ...headers, `content-length: ${Buffer.byteLength(body)}`, 'connection: close', '', body].join('\r\n'),
    ),
  ),
});
const stream = (text: string): Peer => ({ serve: asked((socket) => socket.end(STREAM_HEAD + text)) });
const complaint = (message: string, code: string): string => JSON.stringify({ error: { message, type: code, code } });

/** The peer of every row. */
export const PEERS: Readonly<Record<HttpShapeName, Peer>> = {
  refused: { gone: true },
  dns: { baseUrl: 'http://model.invalid/v1' },
  // It takes the connection and never answers the first word of TLS.
  'connect-timeout': { scheme: 'https', serve: (socket) => void socket.resume(), limits: { connectMs: LIMIT_MS } },
  'reset-before-head': { serve: asked((socket) => socket.resetAndDestroy()) },
  'closed-before-head': { serve: asked((socket) => socket.end()) },
  'reset-in-body': {
    serve: asked((socket) => {
      socket.write(STREAM_HEAD + chunk('half'));
      setTimeout(() => socket.resetAndDestroy(), GAP_MS);
    }),
  },
  'half-open': { serve: (socket) => void socket.resume(), limits: { firstByteMs: LIMIT_MS } },
  'stalled-stream': { serve: asked((socket) => void socket.write(STREAM_HEAD + chunk('half'))), limits: { idleMs: LIMIT_MS } },
  'endless-stream': {
    serve: asked((socket) => {
      socket.write(STREAM_HEAD);
      const beat = setInterval(() => socket.write(chunk('more')), GAP_MS);
      socket.once('close', () => clearInterval(beat));
    }),
    limits: { totalMs: 4 * LIMIT_MS },
  },
  'short-length': {
    serve: asked((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"choices":')),
  },
  'open-chunks': {
    serve: asked((socket) =>
      socket.end('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nb\r\n{"choices":\r\n'),
    ),
  },
  'stream-without-end': stream(chunk('half')),
  'too-large': { ...whole(200, '{}'.padEnd(2000)), limits: { bytesMax: 1000 } },
  'tls-self-signed': { scheme: 'https', secure: true, serve: (socket) => void socket.resume() },
  'tls-on-plain-port': { ...whole(400, 'not TLS'), scheme: 'https' },
  // A fatal alert, handshake_failure (RFC 8446, 6.2), in place of a ServerHello.
  'tls-alert': { scheme: 'https', serve: asked((socket) => socket.end(Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28]))) },
  'rate-limited-wait': whole(429, complaint('Slow down', 'rate_limit_exceeded'), ['content-type: application/json', 'retry-after: 2']),
  'rate-limited': whole(429, complaint('Slow down', 'rate_limit_exceeded')),
  'status-500': whole(500, complaint('Internal error', 'server_error')),
  'status-502': whole(502, '<html>Bad Gateway</html>', ['content-type: text/html']),
  'status-503': whole(503, complaint('Overloaded', 'unavailable')),
  'status-529': whole(529, complaint('Overloaded', 'overloaded_error')),
  'status-401': whole(401, complaint('Incorrect API key', 'invalid_api_key')),
  'context-too-long': whole(400, complaint("This model's maximum context length is 8192 tokens", 'context_length_exceeded')),
  'failed-in-stream': stream(`${chunk('half')}data: ${complaint('Overloaded', 'server_error')}\n\n`),
  'malformed-stream': stream('data: {"choices":[{\n\n'),
  'malformed-json': whole(200, '{"choices":['),
  'wrong-content-type': whole(200, '<html>Welcome</html>', ['content-type: text/html']),
  'no-choices': whole(200, '{"choices":[]}'),
};

/** Slow, but never as slow as a limit: no error. */
export const SLOW_PEER: Peer = {
  serve: asked((socket) => {
    socket.write(STREAM_HEAD);
    const pieces = ['slow', 'ly'].map(chunk);
    const beat = setInterval(() => {
      const piece = pieces.shift();
      if (piece !== undefined) return void socket.write(piece);
      clearInterval(beat);
      socket.end(END);
    }, 2 * GAP_MS);
  }),
  limits: { idleMs: 500, firstByteMs: 500 },
};

/** Starts the server of a peer. `stop` ends it and its connections. */
export async function startPeer(peer: Peer): Promise<{ readonly baseUrl: string; readonly stop: () => void }> {
  if (peer.baseUrl !== undefined) return { baseUrl: peer.baseUrl, stop: () => undefined };
  const sockets = new Set<Socket>();
  const taken = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    peer.serve?.(socket);
  };
  const server: Server = peer.secure === true ? createSecure(selfSigned(), taken) : createServer(taken);
  // The client turns away in the middle of the handshake: that is the row, not trouble.
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  const stop = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  if (peer.gone === true) {
    stop();
    await once(server, 'close');
  }
  return { baseUrl: `${peer.scheme ?? 'http'}://127.0.0.1:${address.port}/v1`, stop };
}

/** Whether a certificate can be made here. */
export const HAS_OPENSSL = spawnSync('openssl', ['version']).error === undefined;

function selfSigned(): { readonly key: Buffer; readonly cert: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), 'nerva-tls-'));
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const made = spawnSync('openssl', [
      ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout'.split(
        ' ',
      ),
      key,
      '-out',
      cert,
    ]);
    if (made.status !== 0) throw new Error(String(made.stderr));
    return { key: readFileSync(key), cert: readFileSync(cert) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
