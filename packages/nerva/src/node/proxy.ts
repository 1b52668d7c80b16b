import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checkOptions, checkRange, NervaError, type World } from '../core/index.ts';
import type { Store } from '../log/index.ts';
import { readChatRequest, type ChatRequest } from '../model/index.ts';
import { bodyOf, fail, forwarded, relay, statusOf, type Forward } from './proxy-forward.ts';
import { Recorder, type ProxyCall } from './proxy-recorder.ts';

/** What a recording proxy takes. */
export interface ProxyOptions {
  /** Where requests go, up to what is the same for all of them: `https://api.openai.com/v1`. */
  readonly upstream: string;
  /** Where sessions are kept. It stays open when the proxy closes, and nobody else writes it meanwhile. */
  readonly store: Store;
  readonly world: World;
  /** Default: one that is free. */
  readonly port?: number;
  /** `127.0.0.1` (default) or `::1`: whoever reaches the proxy reaches the upstream, so nobody else does. */
  readonly host?: '127.0.0.1' | '::1';
  /** Of a request's body, 1 KB – 1 GB. Default 32 MiB; a larger one is refused and not sent. */
  readonly requestBytesMax?: number;
  /** Of an answer's body, 1 KB – 1 GB. Default 64 MiB; a larger one is cut off. */
  readonly answerBytesMax?: number;
  /** Conversations that are remembered so that they may go on, 1 – 1,000,000. Default 2,000. */
  readonly conversationsMax?: number;
  /** Told of each recorded call once its end is in the log. */
  readonly onCall?: (call: ProxyCall) => void;
  /** Told of what could not be recorded, and why. */
  readonly onTrouble?: (error: NervaError) => void;
}

/** A recording proxy that listens. */
export interface RecordingProxy {
  /** For the `baseURL` of a client. */
  readonly url: string;
  /** Takes no more requests, lets those under way end within `graceMs` (default 5,000), aborts and records the rest. */
  close(options?: { readonly graceMs?: number }): Promise<void>;
}

const OPTIONS = [
  'upstream',
  'store',
  'world',
  'port',
  'host',
  'requestBytesMax',
  'answerBytesMax',
  'conversationsMax',
  'onCall',
  'onTrouble',
] as const;
const KIB = 1024;
/** Longer than clients keep a connection that is idle, so that they are the ones to close it. */
const KEEP_ALIVE_MS = 75_000;

/**
 * Starts an OpenAI-compatible server on the loopback interface that hands each request on as it came and records chat completions as sessions of
 * the agent `proxy`. A request that goes on from a recorded conversation goes on in its session. The client sees what the upstream says, each
 * piece as it comes; its key goes upstream and nowhere else. All other paths are handed on and not recorded.
 * Before it listens, it ends what an earlier one on this store was stopped in the middle of.
 * @throws OPTION_UNKNOWN, OPTION_INVALID, STORE_*; HTTP_UNREACHABLE when the port is taken.
 */
export async function recordingProxy(options: ProxyOptions): Promise<RecordingProxy> {
  checkOptions(options, OPTIONS, 'recordingProxy');
  const { store, world, host = '127.0.0.1' } = options;
  if (host !== '127.0.0.1' && host !== '::1')
    throw new NervaError('OPTION_INVALID', `host is "${String(host)}"; the proxy listens on 127.0.0.1 or ::1 only.`);
  const upstream = upstreamOf(options.upstream);
  const limits = {
    requestBytesMax: checkRange('requestBytesMax', options.requestBytesMax ?? 32 * KIB * KIB, KIB, KIB ** 3),
    answerBytesMax: checkRange('answerBytesMax', options.answerBytesMax ?? 64 * KIB * KIB, KIB, KIB ** 3),
  };
  const conversationsMax = checkRange('conversationsMax', options.conversationsMax ?? 2_000, 1, 1_000_000);
  const recorder = await Recorder.open(store, world, conversationsMax);
  const closing = new AbortController();
  let isDraining = false;
  const underWay = new Set<Promise<void>>();
  const scene: Scene = {
    ...limits,
    upstream,
    world,
    recorder,
    closing: closing.signal,
    onCall: options.onCall ?? ignore,
    onTrouble: options.onTrouble ?? ignore,
  };
  const server = createServer((incoming, outgoing) => {
    if (isDraining) return fail(outgoing, 503, new NervaError('CANCELLED', 'The proxy is closing. Nothing was sent.'));
    const handling = handle(incoming, outgoing, scene).finally(() => underWay.delete(handling));
    underWay.add(handling);
  });
  // A model may think for minutes before its first byte; the transport to the upstream has its own limits.
  server.requestTimeout = 0;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  await listening(server, checkRange('port', options.port ?? 0, 0, 65_535), host);
  const { port } = server.address() as AddressInfo;
  if (leadsTo(upstream, port)) {
    server.close();
    throw new NervaError('OPTION_INVALID', `The upstream ${upstream.href} is the proxy itself. Nothing listens.`);
  }
  return {
    url: `http://${host === '::1' ? '[::1]' : host}:${port}/v1`,
    async close({ graceMs = 5_000 } = {}) {
      isDraining = true;
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      const stop = world.clock.timer(graceMs, () => closing.abort());
      while (underWay.size > 0) await Promise.all(underWay);
      stop();
      server.closeAllConnections();
      await closed;
    },
  };
}

const ignore = (): void => undefined;

interface Scene {
  readonly upstream: URL;
  readonly world: World;
  readonly recorder: Recorder;
  readonly requestBytesMax: number;
  readonly answerBytesMax: number;
  /** Aborts what is under way. */
  readonly closing: AbortSignal;
  readonly onCall: (call: ProxyCall) => void;
  readonly onTrouble: (error: NervaError) => void;
}

/** One request. Rejects for a bug alone, never for what client, upstream or store did. */
async function handle(incoming: IncomingMessage, outgoing: ServerResponse, scene: Scene): Promise<void> {
  outgoing.on('error', ignore); // the client has gone; `close` tells
  try {
    const refusal = refusalOf(incoming);
    if (refusal !== null) return fail(outgoing, refusal.status, refusal.error);
    const body = await bodyOf(incoming, scene);
    const forward = forwarded(incoming, body, scene);
    const request = forward.path === '/chat/completions' && incoming.method === 'POST' ? readable(forward, scene) : null;
    await relay(forward, outgoing, { ...scene, call: request === null ? null : await begin(request, scene) });
  } catch (error) {
    if (!NervaError.is(error)) {
      outgoing.destroy();
      throw error;
    }
    if (!NervaError.is(error, 'CANCELLED')) scene.onTrouble(error);
    fail(outgoing, statusOf(error), error);
  }
}

/** What cannot be recorded is handed on all the same: what is wrong with it is for the upstream to say. */
function readable(forward: Forward, { onTrouble }: Scene): ChatRequest | null {
  try {
    return readChatRequest(forward.text());
  } catch (error) {
    if (!NervaError.is(error)) throw error;
    onTrouble(new NervaError(error.code, `${error.message} It was handed on and not recorded.`, { cause: error }));
    return null;
  }
}

async function begin(request: ChatRequest, { recorder, upstream, onTrouble }: Scene) {
  try {
    return await recorder.begin(request, upstream.host);
  } catch (error) {
    if (!NervaError.is(error, 'FRAME_INVALID') && !NervaError.is(error, 'JSON_INVALID')) throw error;
    onTrouble(
      new NervaError(error.code, `A request cannot be kept: ${error.message} It was handed on and not recorded.`, { cause: error }),
    );
    return null;
  }
}

const METHODS: readonly string[] = ['GET', 'POST', 'PUT', 'DELETE'];

/** A page in a browser can reach the loopback interface, also under a name of its own: it is answered only when it comes from this machine. */
function refusalOf({ method = '', url = '', headers }: IncomingMessage): { readonly status: number; readonly error: NervaError } | null {
  const refused = (status: number, message: string) => ({
    status,
    error: new NervaError('OPTION_INVALID', `${message} Nothing was sent.`),
  });
  if (!HERE.test((headers.host ?? '').replace(/:\d+$/, '')))
    return refused(403, 'The proxy answers under 127.0.0.1, localhost and [::1] only.');
  const { origin } = headers;
  if (origin !== undefined && !HERE.test(URL.parse(origin)?.hostname ?? ''))
    return refused(403, 'The proxy serves no page of another machine.');
  if (!METHODS.includes(method)) return refused(501, `The proxy hands on ${METHODS.join(', ')}; ${method} came.`);
  return url.startsWith('/') ? null : refused(400, 'The proxy takes paths such as /v1/models.');
}

/** Names of this machine. */
const HERE = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/i;

function upstreamOf(given: string): URL {
  const url = URL.parse(given);
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '' || url.username !== '')
    throw new NervaError(
      'OPTION_INVALID',
      'upstream is no http or https URL without user, query and fragment; give one such as https://api.openai.com/v1.',
    );
  return url;
}

function leadsTo({ hostname, port, protocol }: URL, ownPort: number): boolean {
  return (HERE.test(hostname) || hostname === '0.0.0.0') && Number(port === '' ? (protocol === 'https:' ? 443 : 80) : port) === ownPort;
}

function listening(server: ReturnType<typeof createServer>, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      reject(
        new NervaError(
          'HTTP_UNREACHABLE',
          `The proxy cannot listen on ${host}:${port}: ${cause.code ?? cause.message}. Choose another port.`,
          { cause },
        ),
      );
    });
    server.listen(port, host, () => resolve());
  });
}
