import http from 'node:http';
import https from 'node:https';
import net, { BlockList, isIP, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import { NervaError } from '../core/index.ts';

/** The variables that name proxies, or what stands for them. Names in lower case win over those in upper case. */
export type ProxyEnv = Readonly<Record<string, string | undefined>>;

/** Where requests of one scheme go instead of to their origin. */
export interface Proxy {
  readonly isSecure: boolean;
  readonly hostname: string;
  readonly port: number;
  /** The value of `proxy-authorization`, where the variable has a user. */
  readonly authorization?: string;
}

/** Of a proxy's answer to CONNECT; more is no answer. */
const HEAD_BYTES_MAX = 16 * 1024;

/**
 * The proxy for an origin, or null: `http_proxy` for http, `https_proxy` for https, unless `no_proxy` names the origin. What is on this machine
 * (localhost, 127.0.0.0/8, ::1) never goes through a proxy.
 *
 * `no_proxy` is a list with commas or spaces: a name stands for itself and all below it, also with a leading `.` or `*.`; an address stands for
 * itself, `10.0.0.0/8` for a network; `:port` behind any of them narrows it; `*` is everything. `all_proxy` and SOCKS are not read.
 * @throws OPTION_INVALID when the variable is no http or https URL, naming the variable and not its value.
 */
export function proxyFor(
  env: ProxyEnv,
  origin: { readonly secure: boolean; readonly hostname: string; readonly port: number },
): Proxy | null {
  const name = origin.secure ? 'https_proxy' : 'http_proxy';
  const url = variable(env, name);
  if (url === '' || isLoopback(origin.hostname) || isExempt(variable(env, 'no_proxy'), origin)) return null;
  const parsed = URL.parse(url.includes('://') ? url : `http://${url}`);
  if (parsed === null || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:'))
    throw new NervaError('OPTION_INVALID', `The variable ${name.toUpperCase()} is not an http or https URL. Nothing was sent.`);
  const isSecure = parsed.protocol === 'https:';
  const user = `${decodeURIComponent(parsed.username)}:${decodeURIComponent(parsed.password)}`;
  return {
    isSecure,
    hostname: bare(parsed.hostname),
    port: parsed.port === '' ? (isSecure ? 443 : 80) : Number(parsed.port),
    ...(user === ':' ? {} : { authorization: `Basic ${Buffer.from(user).toString('base64')}` }),
  };
}

/** An agent whose connections lead to the proxy. Pools are per origin all the same, and `maxSockets` counts per origin. */
export function proxyAgent(proxy: Proxy, settings: http.AgentOptions, isSecure: boolean): http.Agent {
  const agent = isSecure ? new https.Agent(settings) : new http.Agent(settings);
  agent.createConnection = (options) => {
    if (!isSecure) return dial(proxy);
    const { host, port, servername } = options as { readonly host: string; readonly port: number; readonly servername?: string };
    const tunnel = new Tunnel(proxy, `${host.includes(':') ? `[${host}]` : host}:${port}`);
    return tls.connect({ ...(options as tls.ConnectionOptions), socket: tunnel, servername: servername ?? (isIP(host) === 0 ? host : '') });
  };
  return agent;
}

/**
 * A connection to an origin through a proxy (CONNECT, RFC 9110, 9.3.6), usable at once: what is written waits until the tunnel stands.
 * So the agent has a socket in its hands and counts it, as it would not while a callback is outstanding.
 */
class Tunnel extends Duplex {
  readonly #raw: Socket;
  #head: Buffer = Buffer.alloc(0);
  #isOpen = false;
  #waiting: (() => void) | undefined;

  constructor(proxy: Proxy, authority: string) {
    super();
    this.#raw = dial(proxy);
    this.#raw.on('data', (bytes) => (this.#isOpen ? this.#take(bytes) : this.#answer(bytes)));
    this.#raw.on('error', (error) => this.destroy(error));
    this.#raw.on('end', () => (this.#isOpen ? this.push(null) : this.#refuse('it closed the connection')));
    this.#raw.on('close', () => this.destroy());
    const credentials = proxy.authorization === undefined ? '' : `proxy-authorization: ${proxy.authorization}\r\n`;
    this.#raw.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n${credentials}\r\n`);
  }

  override _read(): void {
    this.#raw.resume();
  }

  override _write(bytes: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const send = (): void => void this.#raw.write(bytes, done);
    if (this.#isOpen) send();
    else this.#waiting = send;
  }

  override _final(done: () => void): void {
    this.#raw.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#raw.destroy();
    done(error);
  }

  #take(bytes: Buffer): void {
    if (!this.push(bytes)) this.#raw.pause();
  }

  #answer(bytes: Buffer): void {
    this.#head = Buffer.concat([this.#head, bytes]);
    const end = this.#head.indexOf('\r\n\r\n');
    if (end < 0) return this.#head.length > HEAD_BYTES_MAX ? this.#refuse('its answer has no end') : undefined;
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(this.#head.toString('latin1'))?.[1];
    if (status === undefined || !status.startsWith('2'))
      return this.#refuse(status === undefined ? 'its answer is no HTTP' : `status ${status}`);
    this.#isOpen = true;
    const rest = this.#head.subarray(end + 4);
    if (rest.length > 0) this.#take(rest);
    this.#waiting?.();
    this.#waiting = undefined;
  }

  #refuse(why: string): void {
    this.destroy(Object.assign(new Error(`The proxy made no tunnel: ${why}`), { code: `PROXY_REFUSED (${why})` }));
  }
}

function dial({ isSecure, hostname, port }: Proxy): Socket {
  const settings = { host: hostname, port, autoSelectFamily: true, noDelay: true };
  return isSecure ? tls.connect({ ...settings, ...(isIP(hostname) === 0 ? { servername: hostname } : {}) }) : net.connect(settings);
}

function variable(env: ProxyEnv, name: string): string {
  return (env[name] ?? env[name.toUpperCase()] ?? '').trim();
}

/** An address in brackets without them. */
function bare(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

function isLoopback(hostname: string): boolean {
  return /^(?:.+\.)?localhost\.?$/i.test(hostname) || isIn(LOOPBACK, hostname);
}

function isIn(list: BlockList, hostname: string): boolean {
  const family = isIP(hostname);
  return family !== 0 && list.check(hostname, family === 6 ? 'ipv6' : 'ipv4');
}

function isExempt(list: string, { hostname, port }: { readonly hostname: string; readonly port: number }): boolean {
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => {
      if (entry === '') return false;
      if (entry === '*') return true;
      const [, host = '', wanted] = /^(\[[^\]]*\]|[^:]*|[^[]*:[^\]]*:[^\]]*)(?::(\d+))?$/.exec(entry) ?? [];
      return (wanted === undefined || Number(wanted) === port) && isNamed(bare(host), hostname.toLowerCase());
    });
}

function isNamed(entry: string, hostname: string): boolean {
  const [address = '', bits] = entry.split('/');
  const family = isIP(address);
  if (family !== 0) {
    const network = new BlockList();
    const type = family === 6 ? 'ipv6' : 'ipv4';
    const prefix = bits === undefined ? (family === 6 ? 128 : 32) : Number(bits);
    if (!(prefix >= 0 && prefix <= (family === 6 ? 128 : 32))) return false;
    network.addSubnet(address, prefix, type);
    return isIn(network, hostname);
  }
  const name = entry.replace(/^\*?\./, '');
  return name !== '' && (hostname === name || hostname.endsWith(`.${name}`));
}
