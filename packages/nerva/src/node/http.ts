import http from 'node:http';
import https from 'node:https';
import { NervaError, type HttpAnswer, type HttpLimits, type HttpRequest, type Transport } from '../core/index.ts';
import { Exchange, withoutQuery } from './http-exchange.ts';
import { proxyAgent, proxyFor, type Proxy, type ProxyEnv } from './http-proxy.ts';

/** How the HTTP client behaves when a request does not say. */
export interface HttpOptions {
  /** Connections open to one origin at a time; more requests wait for one, within their `totalMs`. Default 256. */
  readonly socketsMax?: number;
  readonly limits?: Partial<HttpLimits>;
  /**
   * What names the proxies: `https_proxy`, `http_proxy` and `no_proxy`, in lower or upper case. Default the environment as it is when the client is
   * made; false: none. Whatever is on this machine is asked directly.
   */
  readonly proxy?: ProxyEnv | false;
}

/** Where a URL points, in the form that `http.request` takes without parsing again. */
interface Target {
  readonly secure: boolean;
  readonly hostname: string;
  readonly port: number;
  readonly path: string;
  /** `host:port` for the host header. */
  readonly host: string;
  readonly agent: http.Agent;
  /** Sent with a request that a proxy reads itself. */
  readonly proxyAuthorization: string | undefined;
}

/** Generous, because a model may think for minutes before its first byte. */
const LIMITS: HttpLimits = { connectMs: 10_000, firstByteMs: 600_000, idleMs: 120_000, totalMs: 1_800_000, bytesMax: 64 * 1024 * 1024 };
const SOCKETS_MAX = 256;
const TARGETS_MAX = 256;
/** A kept-alive socket that the peer had closed shows it at once; a peer that dies at work shows it later. */
const STALE_MS = 1_000;

/**
 * HTTP/1.1 over `node:http` and `node:https`, with connections kept alive per origin.
 * It follows no redirect and asks for no compression, but decodes gzip, deflate and br when they come. TLS trusts what Node trusts (`NODE_EXTRA_CA_CERTS`).
 * Through a proxy, https goes in a tunnel (CONNECT) that the proxy cannot look into, http by absolute address; a proxy that refuses is HTTP_UNREACHABLE.
 *
 * It repeats a request in one case only: the connection was a reused one, and broke (ECONNRESET, EPIPE) within a second and before any byte of an answer.
 * That is the race in which the peer had closed an idle connection, and then it never saw the request. No client can prove this; a POST may in theory run twice.
 * Any other failure goes to the caller, who knows whether repeating is right.
 */
export function httpTransport(options: HttpOptions = {}): Transport {
  const limits = checked({ ...LIMITS, ...options.limits });
  const socketsMax = options.socketsMax ?? SOCKETS_MAX;
  if (!(socketsMax >= 1)) throw new NervaError('OPTION_INVALID', `socketsMax is ${socketsMax}; it must be at least 1.`);
  const settings = { keepAlive: true, maxSockets: socketsMax, maxFreeSockets: Math.min(socketsMax, 65_536) };
  const { proxy: environment = { ...process.env } } = options;
  const agents = agentsOf(settings, environment === false ? {} : environment);
  const targets = new Map<string, Target>();
  let closed = false;

  const send = (request: HttpRequest, bounds: HttpLimits, target: Target, again: boolean): Promise<HttpAnswer> =>
    new Promise((resolve, reject) => {
      const { agent } = target;
      const { hostname, port, path } = target;
      let outgoing: http.ClientRequest;
      try {
        // A repeated request takes a new connection: the next idle one may be as stale as the first. So it is never repeated again.
        const settings = {
          hostname,
          port,
          path,
          method: request.method,
          headers: headersOf(request, target),
          agent: again ? agents.fresh(target) : agent,
        };
        outgoing = (target.secure ? https : http).request(settings);
      } catch (error) {
        // Node refuses malformed headers by throwing. Its message names the header, never the value.
        return reject(
          new NervaError('OPTION_INVALID', `The request to ${withoutQuery(request.url)} is malformed: ${String(error)}. Nothing was sent.`),
        );
      }
      const exchange = new Exchange(request, outgoing, bounds, resolve, (error, stale) => {
        if (stale && !closed && exchange.ageMs() < STALE_MS) send(request, bounds, target, true).then(resolve, reject);
        else reject(error);
      });
      exchange.start();
    });

  return {
    request(request) {
      if (request.signal?.aborted === true)
        return Promise.reject(new NervaError('CANCELLED', `The request to ${withoutQuery(request.url)} was aborted before it was sent.`));
      if (closed)
        return Promise.reject(new NervaError('HTTP_UNREACHABLE', `The transport was closed; ${withoutQuery(request.url)} was not asked.`));
      try {
        const bounds = request.limits === undefined ? limits : checked({ ...limits, ...request.limits });
        return send(request, bounds, targetOf(targets, request.url, agents), false);
      } catch (error) {
        return Promise.reject(error);
      }
    },
    close() {
      closed = true;
      agents.destroy();
      return Promise.resolve();
    },
  };
}

/** Flat name-value pairs: Node writes them as they are, without a map in between. Length and host are then ours to give. */
function headersOf(request: HttpRequest, target: Target): string[] {
  const flat = ['host', target.host, 'connection', 'keep-alive'];
  const { headers, body } = request;
  if (target.proxyAuthorization !== undefined) flat.push('proxy-authorization', target.proxyAuthorization);
  for (const name in headers) {
    if (name === 'host') flat[1] = headers[name] as string;
    else flat.push(name, headers[name] as string);
  }
  if (body !== undefined) flat.push('content-length', String(typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength));
  else if (request.method !== 'GET') flat.push('content-length', '0');
  return flat;
}

/** Parses a URL once. The map is emptied when full: programs talk to few URLs, or to many only once. */
function targetOf(targets: Map<string, Target>, url: string, agents: Agents): Target {
  const known = targets.get(url);
  if (known !== undefined) return known;
  const parsed = URL.parse(url);
  if (parsed === null || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) {
    throw new NervaError('OPTION_INVALID', `"${withoutQuery(url)}" is not an http or https URL. Nothing was sent.`);
  }
  const secure = parsed.protocol === 'https:';
  const hostname = parsed.hostname.startsWith('[') ? parsed.hostname.slice(1, -1) : parsed.hostname;
  const port = parsed.port === '' ? (secure ? 443 : 80) : Number(parsed.port);
  const { agent, proxy } = agents.of({ secure, hostname, port });
  const isAbsolute = proxy !== null && !secure;
  const path = parsed.pathname + parsed.search;
  const target: Target = {
    secure,
    hostname,
    port,
    path: isAbsolute ? `http://${parsed.host}${path}` : path,
    host: parsed.host,
    agent,
    proxyAuthorization: isAbsolute ? proxy.authorization : undefined,
  };
  if (targets.size >= TARGETS_MAX) targets.clear();
  targets.set(url, target);
  return target;
}

/** Pools of connections: to origins, and to origins through proxies. */
interface Agents {
  of(origin: Origin): { readonly agent: http.Agent; readonly proxy: Proxy | null };
  /** For one request on a connection of its own. */
  fresh(origin: Origin): http.Agent | false;
  destroy(): void;
}

type Origin = Pick<Target, 'secure' | 'hostname' | 'port'>;

function agentsOf(settings: http.AgentOptions, environment: ProxyEnv): Agents {
  const direct = { plain: new http.Agent(settings), secure: new https.Agent(settings) };
  const proxied = new Map<boolean, http.Agent>();
  const through = (proxy: Proxy, secure: boolean): http.Agent => {
    const agent = proxied.get(secure) ?? proxyAgent(proxy, settings, secure);
    proxied.set(secure, agent);
    return agent;
  };
  return {
    of(origin) {
      const proxy = proxyFor(environment, origin);
      const { secure } = origin;
      return { proxy, agent: proxy === null ? direct[secure ? 'secure' : 'plain'] : through(proxy, secure) };
    },
    fresh(origin) {
      const proxy = proxyFor(environment, origin);
      return proxy === null ? false : proxyAgent(proxy, { ...settings, keepAlive: false }, origin.secure);
    },
    destroy() {
      for (const agent of [direct.plain, direct.secure, ...proxied.values()]) agent.destroy();
    },
  };
}

function checked(limits: HttpLimits): HttpLimits {
  for (const [name, value] of Object.entries(limits)) {
    if (!(typeof value === 'number' && value > 0))
      throw new NervaError('OPTION_INVALID', `limits.${name} is ${String(value)}; it must be a number above 0. Nothing was sent.`);
  }
  return limits;
}
