import type { HttpAnswer, HttpRequest, World } from '../core/index.ts';
import { nodeWorld } from '../node/index.ts';
import type { MockAnswer, MockDialect, MockRequest } from './wire-mock.ts';

/** What comes back of a request, before it is cut. */
export interface Made {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** How a provider without a socket answers. */
export interface InProcess {
  readonly answer: (n: number) => MockAnswer;
  /** The pieces in which the bytes come. Default: one. */
  readonly cut?: (made: Made) => Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** A real world whose network is the strict mock itself, without a socket: for laws that ask thousands of times. */
export function inProcessWorld(dialect: MockDialect, { answer, cut = ({ bytes }) => [bytes] }: InProcess): World {
  let count = 0;
  const respond = (request: HttpRequest): HttpAnswer => {
    const { pathname, search, host } = new URL(request.url);
    const text = String(request.body ?? '');
    const asked: MockRequest = {
      method: request.method,
      path: pathname + search,
      headers: { host, ...request.headers },
      body: JSON.parse(text) as MockRequest['body'],
    };
    const fault = dialect.fault({ ...asked, text });
    if (fault !== null) return answerOf(400, 'application/json', [Buffer.from(JSON.stringify(dialect.failure(400, fault)))]);
    const given = answer(count++);
    const { mediaType, body } = dialect.isStream(asked)
      ? dialect.stream(asked, given)
      : { mediaType: 'application/json', body: JSON.stringify(dialect.whole(asked, given)) };
    return answerOf(200, mediaType, cut({ mediaType, bytes: Buffer.from(body as string) }));
  };
  return worldOf(respond);
}

/** A real world whose network gives the same answer to all, in the pieces of the moment; what is asked is not looked at. */
export function tapedWorld(mediaType: string, pieces: () => Iterable<Uint8Array>): World {
  return worldOf(() => answerOf(200, mediaType, pieces()));
}

function worldOf(respond: (request: HttpRequest) => HttpAnswer): World {
  return nodeWorld({
    transport: {
      close: () => Promise.resolve(),
      request: (request) => new Promise((resolve) => resolve(respond(request))),
    },
  });
}

function answerOf(status: number, mediaType: string, pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): HttpAnswer {
  return {
    status,
    headers: { 'content-type': mediaType },
    async text() {
      const all: Uint8Array[] = [];
      for await (const piece of pieces) all.push(piece);
      return Buffer.concat(all).toString();
    },
    bytes: () => (Symbol.iterator in pieces ? settled(pieces[Symbol.iterator]()) : pieces),
    discard: () => undefined,
  };
}

/** Pieces that are there already: one promise each, because the laws read millions. */
function settled(pieces: Iterator<Uint8Array>): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve(pieces.next()) }) };
}
