import { civilDate, type HttpRequest, type World } from '../core/index.ts';

/** Keys of an AWS account. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of temporary credentials. */
  readonly sessionToken?: string;
}

/** What a signature is bound to beside the request. */
export interface SigningScope {
  readonly region: string;
  readonly service: string;
  /** Wall-clock time, ms since 1970; the receiver allows it to be off by five minutes. */
  readonly atMs: number;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';

/**
 * The request with `x-amz-date`, `x-amz-security-token` where there is one, and `authorization` by AWS Signature Version 4
 * ("Create a signed AWS API request", AWS IAM user guide, read 2026-11). All headers are signed but those that clients and proxies change.
 * The path is encoded once more than it is sent, as every service but S3 wants it.
 * Contract: URL and body are as they are sent; the path has no dots to resolve.
 */
export function signed(request: HttpRequest, credentials: AwsCredentials, scope: SigningScope, digest: World['digest']): HttpRequest {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const { host } = new URL(request.url);
  // As it is sent, not as `URL` would have it.
  const [, path = '', search = ''] = /^[a-z]+:\/\/[^/?]+([^?]*)(.*)$/is.exec(request.url) ?? [];
  const time = basicTime(scope.atMs);
  const date = time.slice(0, 8);
  const added = { 'x-amz-date': time, ...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }) };
  const headers = { ...request.headers, ...added };
  const names = ['host', ...Object.keys(headers)].filter((name) => !UNSIGNED.has(name)).sort();
  const values: Readonly<Record<string, string>> = { host, ...headers };
  const canonical = [
    request.method,
    canonicalPath(path === '' ? '/' : path),
    canonicalQuery(search),
    ...names.map((name) => `${name}:${(values[name] ?? '').trim().replaceAll(/\s+/g, ' ')}`),
    '',
    names.join(';'),
    digest(request.body ?? ''),
  ].join('\n');
  const bound = `${date}/${scope.region}/${scope.service}/aws4_request`;
  const text = [ALGORITHM, time, bound, digest(canonical)].join('\n');
  const key = [date, scope.region, scope.service, 'aws4_request'].reduce(
    (from, part) => hmac(from, part, digest),
    utf8(`AWS4${secretAccessKey}`),
  );
  const signature = hexOf(hmac(key, text, digest));
  return {
    ...request,
    headers: {
      ...headers,
      authorization: `${ALGORITHM} Credential=${accessKeyId}/${bound}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
    },
  };
}

const UNSIGNED = new Set(['authorization', 'connection', 'expect', 'user-agent', 'x-amzn-trace-id', 'transfer-encoding', 'content-length']);

/** Segments are encoded once more; what stands for itself everywhere stays (RFC 3986, 2.3). */
function canonicalPath(path: string): string {
  return path
    .split('/')
    .map((segment) => strictEncoded(segment))
    .join('/');
}

/** Sorted by name and then by value, both encoded once. */
function canonicalQuery(search: string): string {
  if (search === '' || search === '?') return '';
  const pairs = search
    .slice(1)
    .split('&')
    .map((pair) => {
      const [name = '', ...value] = pair.split('=');
      return [name, value.join('=')].map((part) => strictEncoded(decodeURIComponent(part))) as [string, string];
    });
  return pairs
    .sort(([a, x], [b, y]) => (a === b ? order(x, y) : order(a, b)))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Percent-encoded but for letters, digits and `-._~`, which `encodeURIComponent` does not do with `!'()*`. */
function strictEncoded(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

const BLOCK_BYTES = 64;

/** HMAC (RFC 2104) over SHA-256, made of the digest that the world has. */
export function hmac(key: Uint8Array, text: string, digest: World['digest']): Uint8Array {
  const short = key.length > BLOCK_BYTES ? bytesOf(digest(key)) : key;
  const padded = (fill: number): Uint8Array => Uint8Array.from({ length: BLOCK_BYTES }, (_, index) => (short[index] ?? 0) ^ fill);
  return bytesOf(digest(joined(padded(0x5c), bytesOf(digest(joined(padded(0x36), utf8(text)))))));
}

function joined(one: Uint8Array, two: Uint8Array): Uint8Array {
  const both = new Uint8Array(one.length + two.length);
  both.set(one);
  both.set(two, one.length);
  return both;
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, index) => Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16));
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** `20150830T123600Z` for a time in ms since 1970. */
export function basicTime(atMs: number): string {
  const seconds = Math.floor(atMs / 1000);
  const { year, month, day } = civilDate(Math.floor(seconds / 86_400));
  const inDay = seconds - Math.floor(seconds / 86_400) * 86_400;
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  return `${String(year).padStart(4, '0')}${two(month)}${two(day)}T${two(inDay / 3600)}${two((inDay / 60) % 60)}${two(inDay % 60)}Z`;
}
