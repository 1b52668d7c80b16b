import type { IncomingMessage } from 'node:http';
import { PassThrough, type Readable, type Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib';

/** The compression method in a zlib header (RFC 1950, 2.2): deflate. */
const ZLIB_METHOD = 8;

/**
 * The body without its content-encoding. We ask for none, but some servers compress all the same.
 * Contract: `broken` is told of an encoding we do not know and of a body that does not decode, also of one that ends too early.
 */
export function decoded(incoming: IncomingMessage, broken: (error: Error) => void): Readable {
  const encoding = headerOf(incoming, 'content-encoding')?.trim().toLowerCase() ?? 'identity';
  if (encoding === 'identity' || encoding === '') return incoming;
  if (encoding === 'deflate') return inflated(incoming, broken);
  if (encoding === 'gzip' || encoding === 'x-gzip') return piped(incoming, createGunzip(), broken);
  if (encoding === 'br') return piped(incoming, createBrotliDecompress(), broken);
  broken(new Error(`unknown content-encoding "${encoding.slice(0, 40)}"`));
  return incoming;
}

/** The value of a header that comes once at most; `name` in lower case. Looked up as it came: Node's own table of all headers costs more than the rest of reading an answer. */
export function headerOf({ rawHeaders }: IncomingMessage, name: string): string | undefined {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const raw = rawHeaders[index] as string;
    if (raw.length === name.length && raw.toLowerCase() === name) return rawHeaders[index + 1];
  }
  return undefined;
}

function piped(incoming: IncomingMessage, transform: Transform, broken: (error: Error) => void): Readable {
  transform.on('error', broken);
  incoming.on('error', () => transform.destroy());
  return incoming.pipe(transform);
}

/** "deflate" should be zlib-wrapped (RFC 9110, 8.4.1.2), but some servers send it bare: the first byte tells. */
function inflated(incoming: IncomingMessage, broken: (error: Error) => void): Readable {
  const out = new PassThrough();
  incoming.once('data', (chunk: Buffer) => {
    const transform = ((chunk[0] ?? 0) & 0x0f) === ZLIB_METHOD ? createInflate() : createInflateRaw();
    transform.write(chunk);
    piped(incoming, transform, broken).pipe(out);
  });
  let isEmpty = true;
  incoming.once('data', () => (isEmpty = false));
  incoming.once('end', () => isEmpty && out.end());
  return out;
}
