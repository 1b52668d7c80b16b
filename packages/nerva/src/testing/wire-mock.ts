import { createServer as createPlain, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecure } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Json } from '../core/index.ts';
import type { Usage } from '../model/index.ts';

/** What the mock answers. Without `fault`, a well-formed answer of `text` and `calls`, streamed when asked. */
export interface MockAnswer {
  readonly reasoning?: string;
  readonly text?: string;
  readonly refusal?: string;
  /** `input` is text as a model writes it, or a value that is made into text. */
  readonly calls?: readonly { readonly id?: string; readonly name: string; readonly input: Json }[];
  /** Why it stopped, in the words of the dialect. */
  readonly finish?: string;
  /** Default 10 in, 5 out; null leaves usage out. */
  readonly usage?: Usage | null;
  readonly fault?: MockFault;
  /** Characters of a piece of text in a stream. Default 3. */
  readonly pieceLength?: number;
  /** Writes the answer in place of the mock, which gives what it would have sent. */
  readonly send?: (outgoing: ServerResponse, made: { readonly mediaType: string; readonly bytes: Buffer }) => void;
  /** Sent as it is in place of all the above. */
  readonly raw?: { readonly status?: number; readonly headers?: Readonly<Record<string, string>>; readonly body: string | Uint8Array };
}

/**
 * `silent`: no byte ever · `stalled`: half of the answer, then nothing · `truncated`: half of the answer, then a clean end ·
 * `reset-early`: the connection breaks before an answer · `reset`: it breaks in the middle.
 */
export type MockFault = 'silent' | 'stalled' | 'truncated' | 'reset-early' | 'reset';

/** A request as the mock got it. */
export interface MockRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The parsed body. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** A provider's side of a dialect, as strict as the provider. */
export interface MockDialect {
  /** Added to the server's origin, it is the `baseUrl` of a model. */
  readonly basePath: string;
  /** Why the provider would refuse this as malformed, or null. `text` is the body as it came; `body` is undefined when it is no JSON object. */
  readonly fault: (
    request: Omit<MockRequest, 'body'> & { readonly text: string; readonly body: Readonly<Record<string, unknown>> | undefined },
  ) => string | null;
  /** The key that a request carries, or undefined. */
  readonly keyOf: (headers: MockRequest['headers']) => string | undefined;
  /** An error as the provider words it. */
  readonly failure: (status: number, message: string) => Json;
  readonly isStream: (request: MockRequest) => boolean;
  readonly whole: (request: MockRequest, answer: MockAnswer) => Json;
  readonly stream: (request: MockRequest, answer: MockAnswer) => { readonly mediaType: string; readonly body: string | Uint8Array };
}

/** A running mock server and what it saw. */
export interface WireMock {
  /** For the `baseUrl` of a model. */
  readonly baseUrl: string;
  /** Every request that was let through, oldest first. */
  readonly requests: readonly MockRequest[];
  /** Why requests were refused as malformed; a test asserts that it is empty, or `close` throws. */
  readonly refusals: readonly string[];
  /** Connections accepted so far. */
  readonly connectionCount: number;
  /** Stops at once. Rejects when a request was refused and `isRefusalExpected` is not set. */
  close(): Promise<void>;
}

/** How a mock server is run. */
export interface WireMockOptions {
  readonly answer: (request: MockRequest, n: number) => MockAnswer | string | Promise<MockAnswer | string>;
  /** Serves TLS with this key pair, in PEM. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** The only key that is let in; any when absent. */
  readonly apiKey?: string;
  readonly isRefusalExpected?: boolean;
}

/** A strict loopback server of one dialect: what the provider would refuse it refuses with status 400 and remembers. */
export async function wireMock(dialect: MockDialect, options: WireMockOptions): Promise<WireMock> {
  const requests: MockRequest[] = [];
  const refusals: string[] = [];
  let connectionCount = 0;
  const listener: RequestListener = (incoming, outgoing) => {
    void serve(incoming, outgoing).catch((error: unknown) => {
      refusals.push(`the mock failed: ${String(error)}`);
      outgoing.destroy();
    });
  };
  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const text = await textOf(incoming);
    const { method = '', url: path = '', headers } = incoming;
    const key = dialect.keyOf(headers);
    if (options.apiKey !== undefined && key !== options.apiKey)
      return send(outgoing, 401, dialect.failure(401, `Incorrect API key provided: ${key ?? 'none'}.`));
    const body = objectOf(text);
    const fault = dialect.fault({ method, path, headers, text, body });
    if (fault !== null || body === undefined) {
      refusals.push(fault ?? 'the body is no JSON object');
      return send(outgoing, 400, dialect.failure(400, fault ?? ''));
    }
    const request: MockRequest = { method, path, headers, body };
    const given = await options.answer(request, requests.push(request) - 1);
    respond(outgoing, { dialect, request, answer: typeof given === 'string' ? { text: given } : given });
  };
  const server: Server = options.tls === undefined ? createPlain(listener) : createSecure(options.tls, listener);
  // Idle connections are kept: on a slow machine their end would meet a request. A law that is about it closes them itself.
  server.keepAliveTimeout = 60_000;
  server.on(options.tls === undefined ? 'connection' : 'secureConnection', () => connectionCount++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}${dialect.basePath}`,
    requests,
    refusals,
    get connectionCount() {
      return connectionCount;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      if (refusals.length > 0 && options.isRefusalExpected !== true)
        throw new Error(`The mock refused ${refusals.length} requests: ${refusals.join(' · ')}`);
    },
  };
}

function respond(
  outgoing: ServerResponse,
  { dialect, request, answer }: { readonly dialect: MockDialect; readonly request: MockRequest; readonly answer: MockAnswer },
): void {
  if (answer.fault === 'silent') return;
  if (answer.fault === 'reset-early') return void outgoing.socket?.resetAndDestroy();
  const { mediaType, body } = dialect.isStream(request)
    ? dialect.stream(request, answer)
    : { mediaType: 'application/json', body: JSON.stringify(dialect.whole(request, answer)) };
  const bytes = Buffer.from((answer.raw?.body ?? body) as string);
  if (answer.send !== undefined) return answer.send(outgoing, { mediaType, bytes });
  outgoing.writeHead(answer.raw?.status ?? 200, { 'content-type': mediaType, ...answer.raw?.headers });
  if (answer.fault === undefined) return void outgoing.end(bytes);
  // Half of the bytes: in a stream, inside a chunk.
  outgoing.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => {
    if (answer.fault === 'truncated') outgoing.end();
    if (answer.fault === 'reset') outgoing.socket?.resetAndDestroy();
  });
}

/** The arguments of a call as a model writes them. */
export function inputText(input: Json): string {
  return typeof input === 'string' ? input : JSON.stringify(input);
}

/** A text in pieces of so many characters, for streams. */
export function pieces(text: string, length: number): string[] {
  const result: string[] = [];
  for (let at = 0; at < text.length; at += length) result.push(text.slice(at, at + length));
  return result;
}

function objectOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

function send(outgoing: ServerResponse, status: number, body: unknown): void {
  outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function textOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
