import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { HttpLimits } from '../core/index.ts';
import { nodeWorld } from '../node/index.ts';
import { callOf, CONTRACT_KEY, type HttpSubject } from './model-harness.ts';

/** What a call may take at most once its limit is reached or its signal aborted. */
const SOON_MS = 3_000;

/** The promise, or a failure of the law when it takes too long: then something hangs. */
export async function soon<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`It still waits after ${SOON_MS} ms.`)), SOON_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs `body` with calls of a model whose endpoint is bare connections. */
export async function withSockets(
  serve: (socket: Socket) => void,
  { make, apiKey = CONTRACT_KEY, mock }: HttpSubject,
  limits: Partial<HttpLimits>,
  body: (call: (isStream: boolean, scheme?: 'http' | 'https') => Promise<unknown>) => Promise<void>,
): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    serve(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const world = nodeWorld();
  const { port } = server.address() as AddressInfo;
  try {
    await body((isStream, scheme = 'http') =>
      callOf({ model: make(`${scheme}://127.0.0.1:${port}${mock().basePath}`, { apiKey, limits }), world }, {}, { isStream }),
    );
  } finally {
    await world.transport.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}
