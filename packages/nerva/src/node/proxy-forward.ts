import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { finished } from 'node:stream/promises';
import { NervaError, type HttpAnswer, type HttpRequest, type World } from '../core/index.ts';
import { ChatReader, type Part } from '../model/index.ts';
import type { CallEnd, ProxyCall, RecordedCall } from './proxy-recorder.ts';

/** A request on its way to the upstream. */
export interface Forward {
  readonly request: HttpRequest;
  /** Behind the upstream's own path. */
  readonly path: string;
  /** Keys and the like among the headers: they are kept out of what is recorded. */
  readonly secrets: readonly string[];
  /** The body as text, without those secrets. */
  text(): string;
}

/** These belong to one connection (RFC 9110, 7.6.1), or are the transport's to write; it asks for no compression and decodes what comes. */
const OWN = new Set(
  'connection keep-alive proxy-connection transfer-encoding te trailer upgrade host content-length expect accept-encoding'.split(' '),
);
const SECRET_HEADERS = /^(?:authorization|proxy-authorization|cookie|.*api-?key|.*token)$/;
/** How long a client may go on sending what is dropped. */
const DROPPING_MS = 10_000;
/** A shorter one is a word that local servers are content with; cutting it out of a text would garble it. */
const SECRET_LENGTH_MIN = 16;

/** The body of a request. @throws HTTP_TOO_LARGE naming `requestBytesMax`; HTTP_BROKEN when the client goes in the middle, or the proxy closes. */
export async function bodyOf(
  incoming: IncomingMessage,
  { requestBytesMax, closing }: { readonly requestBytesMax: number; readonly closing: AbortSignal },
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = Number(incoming.headers['content-length'] ?? 0);
  if (bytes <= requestBytesMax) {
    bytes = 0;
    const stop = (): void => void incoming.destroy();
    closing.addEventListener('abort', stop, { once: true });
    try {
      // Left early, the request stays open: the client is to read why.
      for await (const piece of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        bytes += piece.length;
        if (bytes > requestBytesMax) break;
        pieces.push(piece);
      }
    } catch (cause) {
      throw new NervaError('HTTP_BROKEN', 'The client went away in the middle of its request. Nothing was sent.', { cause });
    } finally {
      closing.removeEventListener('abort', stop);
    }
  }
  if (bytes <= requestBytesMax) return Buffer.concat(pieces);
  throw new NervaError(
    'HTTP_TOO_LARGE',
    `The request is larger than requestBytesMax (${requestBytesMax}). Nothing was sent and nothing recorded.`,
    {
      details: { requestBytesMax },
    },
  );
}

/** The same request to the upstream: its body byte for byte, its headers but those of the connection. */
export function forwarded(
  incoming: IncomingMessage,
  body: Buffer,
  { upstream, answerBytesMax }: { readonly upstream: URL; readonly answerBytesMax: number },
): Forward {
  const target = incoming.url ?? '/';
  const path = target.replace(/^\/v1(?=[/?]|$)/, '');
  const headers: Record<string, string> = {};
  const dropped = (incoming.headers.connection ?? '').toLowerCase().split(/\s*,\s*/);
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined && !OWN.has(name) && !dropped.includes(name))
      headers[name] = typeof value === 'string' ? value : value.join(', ');
  }
  const secrets = Object.entries(headers)
    .filter(([name]) => SECRET_HEADERS.test(name))
    .map(([, value]) => value.replace(/^\w+ /, ''))
    .filter((secret) => secret.length >= SECRET_LENGTH_MIN);
  const hasBody =
    body.length > 0 || incoming.headers['content-length'] !== undefined || incoming.headers['transfer-encoding'] !== undefined;
  return {
    path: path.replace(/\?.*$/s, ''),
    secrets,
    request: {
      method: incoming.method as HttpRequest['method'],
      url: `${upstream.href.replace(/\/+$/, '')}${path}`,
      headers,
      limits: { bytesMax: answerBytesMax },
      ...(hasBody ? { body } : {}),
    },
    text: () => without(body.toString(), secrets),
  };
}

function without(text: string, secrets: readonly string[]): string {
  return secrets.reduce(
    (clean, secret) => clean.replaceAll(secret, '[key]').replaceAll(JSON.stringify(secret).slice(1, -1), '[key]'),
    text,
  );
}

/** What an answer holds of the secrets of its own request: an upstream may send them back. */
function cleaned<T extends CallEnd | readonly Part[]>(value: T, secrets: readonly string[]): T {
  if ('error' in value) return value; // made without them
  const json = JSON.stringify(value);
  const clean = without(json, secrets);
  return clean === json ? value : (JSON.parse(clean) as T);
}

/** What relaying needs beside the two sides. */
export interface RelayScene {
  readonly upstream: URL;
  readonly world: World;
  /** Aborts when the proxy closes. */
  readonly closing: AbortSignal;
  /** Null: the exchange is not recorded. */
  readonly call: RecordedCall | null;
  readonly onCall: (call: ProxyCall) => void;
  readonly onTrouble: (error: NervaError) => void;
}

/**
 * Sends a request and hands the answer on, each piece as it comes. An upstream that fails before its answer is a failure of the proxy's own
 * (502, 504); one that breaks off breaks the connection to the client off. A client that goes away ends the call upstream.
 */
export async function relay({ request, secrets }: Forward, outgoing: ServerResponse, scene: RelayScene): Promise<void> {
  const gone = new AbortController();
  const stop = (why: string) => (): void => gone.abort(why);
  const [left, closed] = [stop('the client went away'), stop('the proxy was stopped')];
  outgoing.once('close', left);
  scene.closing.addEventListener('abort', closed, { once: true });
  if (outgoing.destroyed) left();
  if (scene.closing.aborted) closed();
  let reader: ChatReader | null = null;
  try {
    const answer = await scene.world.transport.request({ ...request, signal: gone.signal });
    outgoing.writeHead(answer.status, headersOf(answer));
    outgoing.flushHeaders();
    const { call, upstream, world } = scene;
    if (call === null) await piped(answer, outgoing, gone.signal);
    else {
      reader = new ChatReader({ name: upstream.host, status: answer.status, headers: answer.headers, secrets, world });
      const held = await piped(answer, outgoing, gone.signal, alongside(reader, call, secrets));
      await settle(call, cleaned(endOf(reader), secrets), scene);
      if (held !== null) outgoing.write(held);
    }
    outgoing.end();
    await finished(outgoing, { signal: gone.signal }).catch(() => outgoing.destroy()); // the client has gone, or takes nothing more
  } catch (error) {
    if (!NervaError.is(error)) throw error;
    if (scene.call !== null) await settle(scene.call, cleaned(brokenEnd(error, reader, gone.signal), secrets), scene);
    if (outgoing.headersSent) outgoing.destroy();
    else fail(outgoing, upstreamStatusOf(error), error);
  } finally {
    outgoing.off('close', left);
    scene.closing.removeEventListener('abort', closed);
  }
}

/** Told of each piece before the client is. @returns whether it may be the last that the client waits for. */
type Listener = (bytes: Uint8Array) => boolean;

/** A whole answer is held back by one piece: when the client has the last one, its end is in the log. Of a stream nothing is held back. */
function alongside(reader: ChatReader, call: RecordedCall, secrets: readonly string[]): Listener {
  return (bytes) => {
    reader.push(bytes);
    if (reader.isStream && reader.isFinished) call.expect(cleaned(reader.parts(), secrets));
    return !reader.isStream;
  };
}

/** @returns the piece that was held back. */
async function piped(
  answer: HttpAnswer,
  outgoing: ServerResponse,
  signal: AbortSignal,
  listen: Listener = () => false,
): Promise<Uint8Array | null> {
  let held: Uint8Array | null = null;
  const write = async (bytes: Uint8Array): Promise<void> => {
    if (!outgoing.write(bytes)) await once(outgoing, 'drain', { signal }).catch(() => undefined); // gone: the answer is aborted and says so
  };
  for await (const bytes of answer.bytes()) {
    const isHeld = listen(bytes);
    if (held !== null) await write(held);
    held = isHeld ? bytes : null;
    if (!isHeld) await write(bytes);
  }
  return held;
}

function endOf(reader: ChatReader): CallEnd {
  const outcome = reader.outcome();
  return 'answer' in outcome ? { type: 'answered', answer: outcome.answer } : { type: 'failed', ...outcome };
}

/** A client that has all it wanted may go before the upstream has said all: then the answer is whole. */
function brokenEnd(error: NervaError, reader: ChatReader | null, gone: AbortSignal): CallEnd {
  const isPartial = reader?.isStream === true && reader.parts().length > 0;
  if (!gone.aborted) return { type: 'failed', error, isPartial };
  if (reader?.isFinished === true) return endOf(reader);
  return { type: 'interrupted', parts: reader?.isStream === true ? reader.parts() : [], why: String(gone.reason) };
}

/** The client has its answer whatever the log says. */
async function settle(call: RecordedCall, end: CallEnd, { onCall, onTrouble }: RelayScene): Promise<void> {
  try {
    onCall(await call.settle(end));
  } catch (error) {
    if (!NervaError.is(error)) throw error;
    onTrouble(
      new NervaError(error.code, `The end of a call could not be recorded: ${error.message}`, { cause: error, details: error.details }),
    );
  }
}

/** The transport decoded the body, so its length and encoding are not those of the head. */
function headersOf({ headers }: HttpAnswer): Record<string, string> {
  const isEncoded = headers['content-encoding'] !== undefined;
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => (name === 'content-length' ? !isEncoded : name !== 'content-encoding' && !OWN.has(name))),
  );
}

/** Tells the client what the proxy has to say, in the form in which OpenAI tells of failures. */
export function fail(outgoing: ServerResponse, status: number, { message, code }: NervaError): void {
  if (outgoing.headersSent || outgoing.destroyed) return void outgoing.destroy();
  const body = JSON.stringify({ error: { message, type: 'nerva_proxy', param: null, code } });
  // A client reads an answer once it has sent all: the rest is dropped, but not for ever.
  if (status === 413) {
    outgoing.req.resume();
    setTimeout(() => outgoing.req.destroy(), DROPPING_MS).unref();
  }
  outgoing.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...(status === 413 ? { connection: 'close' } : {}),
  });
  outgoing.end(body);
}

/** The status for a request that was not sent. */
export function statusOf({ code, kind }: NervaError): number {
  if (code === 'HTTP_TOO_LARGE') return 413;
  return kind === 'invalid' ? 400 : 503;
}

/** The status for an upstream that gave no answer, or one that is too large. */
const upstreamStatusOf = ({ code }: NervaError): number => (code === 'HTTP_TIMEOUT' ? 504 : code.startsWith('HTTP_') ? 502 : 503);
