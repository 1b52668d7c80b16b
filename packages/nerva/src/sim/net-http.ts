import { NervaError, type HttpAnswer, type HttpLimits, type HttpRequest, type Transport, type World } from '../core/index.ts';
import type { FaultKind, Point } from './faults.ts';
import { HTTP_SHAPES, type HttpShapeName } from './http-shapes.ts';
import type { Hub } from './hub.ts';
import { inOrder, type SimNetwork } from './net.ts';
import { never, type SimProcess } from './process.ts';

/** What a server sees of the request that it is to answer. */
export interface Visit {
  readonly hub: Hub;
  /** The faults of this visit of its point. */
  readonly due: readonly FaultKind[];
  readonly request: HttpRequest;
  readonly world: World;
}

/** A machine of the simulated network that answers HTTP. */
export interface SimServer {
  /** As in a URL, e.g. `model.sim`. */
  readonly host: string;
  /** Visited once for each attempt at a request. */
  readonly point: Point;
  /** Called when somebody turns to it, before there is a connection: the only place where faults may take place. */
  meet(visit: Visit): Meeting;
}

/** How a server meets a request. */
export interface Meeting {
  /** There is no connection. */
  readonly fails?: 'refused' | 'dns' | 'connect-timeout';
  /** Called once for each time that the request arrives. @returns null: no answer ever. */
  answer(): Promise<Reply | null>;
}

/** An answer as it goes over the wire. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Ms until the head. */
  readonly afterMs: number;
  /** The body, and the ms between its pieces. */
  readonly pieces: readonly { readonly bytes: Uint8Array; readonly afterMs: number }[];
  /** What follows the last piece: its end, a reset, or nothing. */
  readonly end: 'end' | 'reset' | 'open';
}

type Phase = 'connect' | 'first-byte' | 'idle' | 'total';

/** Those of the real client. */
const LIMITS: HttpLimits = { connectMs: 10_000, firstByteMs: 600_000, idleMs: 120_000, totalMs: 1_800_000, bytesMax: 64 * 1024 * 1024 };
const PARTITION_MS = 60_000;
const SLOW_MS = 30_000;
const LATE: Readonly<Record<Phase, HttpShapeName>> = {
  connect: 'connect-timeout',
  'first-byte': 'half-open',
  idle: 'stalled-stream',
  total: 'endless-stream',
};

/** HTTP of a simulated process: each request visits `http.request` and then the point of its server, and fails as a real one does. */
export function simTransport(hub: Hub, process: SimProcess, network: SimNetwork, servers: readonly SimServer[]): Transport {
  return {
    request(request) {
      if (process.isDead) return never();
      if (request.signal?.aborted === true)
        return Promise.reject(new NervaError('CANCELLED', `The request to ${request.url} was aborted before it was sent.`));
      const host = URL.parse(request.url)?.hostname ?? '';
      const server = servers.find((one) => one.host === host);
      if (server === undefined) return Promise.reject(shaped('dns', request.url));
      const due = hub.visit('http.request');
      return process.ask(server.point, (struck) => {
        const meeting = server.meet({ hub, due: struck, request, world: process.world });
        return { latencyMs: 0, isExternal: true, serve: () => new Exchange({ hub, process, network, request, host, due }).start(meeting) };
      });
    },
    close: () => Promise.resolve(),
  };
}

interface Wiring {
  readonly hub: Hub;
  readonly process: SimProcess;
  readonly network: SimNetwork;
  readonly request: HttpRequest;
  readonly host: string;
  /** The faults of the network. */
  readonly due: readonly FaultKind[];
}

/** One request and its answer, as `node/http-exchange.ts` has it: the same phases, limits and errors. */
class Exchange implements HttpAnswer {
  status = 0;
  headers: Readonly<Record<string, string>> = {};
  readonly #wiring: Wiring;
  readonly #client: string;
  readonly #limits: HttpLimits;
  readonly #abort = (): void => this.#stop(new NervaError('CANCELLED', `The request to ${this.#wiring.request.url} was aborted.`));
  #settled: { readonly resolve: (answer: HttpAnswer) => void; readonly reject: (error: NervaError) => void } | undefined;
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  #wake: () => void = () => undefined;
  #stopPhase: () => void = () => undefined;
  #stopTotal: () => void = () => undefined;
  #isOver = false;
  #isEnded = false;
  #failure: NervaError | undefined;

  constructor(wiring: Wiring) {
    this.#wiring = wiring;
    this.#client = `p${wiring.process.n}`;
    this.#limits = { ...LIMITS, ...wiring.request.limits };
  }

  /** Connects, sends, and resolves with the head of the answer. */
  start(meeting: Meeting): Promise<HttpAnswer> {
    const { process, request, hub, network, host, due } = this.#wiring;
    return new Promise((resolve, reject) => {
      this.#settled = { resolve, reject };
      request.signal?.addEventListener('abort', this.#abort, { once: true });
      if (request.signal?.aborted === true) return this.#abort();
      this.#stopTotal = process.world.clock.timer(this.#limits.totalMs, () => this.#late('total'));
      this.#enter('connect', this.#limits.connectMs);
      if (hub.due(due, ['net.partition']) !== null) hub.scheduler.in(PARTITION_MS, network.separate([host], [this.#client]));
      if (meeting.fails === 'dns') return this.#stop(shaped('dns', request.url));
      this.#toServer(0, () => {
        if (meeting.fails === 'refused') this.#toClient(() => this.#stop(shaped('refused', request.url)));
        else if (meeting.fails === undefined) this.#toClient(() => this.#connected(meeting));
      });
    });
  }

  async text(): Promise<string> {
    const chunks: Uint8Array[] = [];
    for await (const bytes of this.bytes()) chunks.push(bytes);
    return Buffer.concat(chunks).toString();
  }

  async *bytes(): AsyncGenerator<Uint8Array> {
    if (!this.#isEnded && this.#failure === undefined) this.#enter('idle', this.#limits.idleMs);
    try {
      for (;;) {
        const piece = this.#waiting.shift();
        if (piece !== undefined) yield piece;
        else if (this.#failure !== undefined) throw this.#failure;
        else if (this.#isEnded) return;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.discard();
    }
  }

  discard(): void {
    this.#isOver = true;
    this.#settle();
  }

  #connected(meeting: Meeting): void {
    const { hub, due, request, network, host } = this.#wiring;
    if (this.#isOver) return;
    // The request arrives and has its effect; its answer waits.
    if (hub.due(due, ['net.one-way']) !== null) hub.scheduler.in(PARTITION_MS, network.partition([host], [this.#client]));
    this.#enter('first-byte', this.#limits.firstByteMs);
    const delayMs = hub.due(due, ['net.slow']) === null ? 0 : SLOW_MS;
    const isReset = hub.due(due, ['net.reset']) !== null;
    if (hub.due(due, ['net.drop']) !== null) return;
    const arrive = (): void => {
      if (isReset) return this.#toClient(() => this.#stop(shaped('reset-before-head', request.url)));
      void meeting.answer().then((reply) => this.#reply(reply));
    };
    this.#toServer(delayMs, arrive);
    // The second copy is answered too, and nobody listens.
    if (hub.due(due, ['net.duplicate']) !== null) this.#toServer(delayMs, () => void meeting.answer());
  }

  /** What the server does, piece by piece, as long as somebody is there. */
  async #reply(reply: Reply | null): Promise<void> {
    const { hub, process, request } = this.#wiring;
    if (reply === null) return;
    const ordered = inOrder();
    let n = 0;
    const say = (happen: () => void): void => {
      const number = n++;
      this.#toClient(() => ordered(number, happen));
    };
    await hub.sleep(reply.afterMs);
    say(() => this.#head(reply));
    for (const { bytes, afterMs } of reply.pieces) {
      await hub.sleep(afterMs);
      if (this.#isOver || process.isDead) return;
      say(() => this.#piece(bytes));
    }
    if (reply.end === 'end') say(() => this.#end());
    if (reply.end === 'reset') say(() => this.#stop(shaped('reset-in-body', request.url)));
  }

  #head({ status, headers }: Reply): void {
    if (this.#isOver) return;
    const { bytesMax } = this.#limits;
    this.status = status;
    this.headers = headers;
    // Time counts only while the reader waits.
    this.#stopPhase();
    if (Number(headers['content-length'] ?? 0) > bytesMax)
      return this.#stop(this.#tooLarge(`${headers['content-length']} bytes are announced`));
    this.#settled?.resolve(this);
    this.#settled = undefined;
  }

  #piece(bytes: Uint8Array): void {
    if (this.#isOver) return;
    this.#bytes += bytes.length;
    if (this.#bytes > this.#limits.bytesMax) return this.#stop(this.#tooLarge(`more than ${this.#limits.bytesMax} bytes came`));
    this.#enter('idle', this.#limits.idleMs);
    this.#waiting.push(bytes);
    this.#wake();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isEnded = true;
    this.discard();
    this.#wake();
  }

  #stop(failure: NervaError): void {
    if (this.#isOver) return;
    this.#failure = failure;
    this.discard();
    this.#settled?.reject(failure);
    this.#settled = undefined;
    this.#wake();
  }

  #enter(phase: Phase, ms: number): void {
    this.#stopPhase();
    this.#stopPhase = this.#wiring.process.world.clock.timer(ms, () => this.#late(phase));
  }

  #late(phase: Phase): void {
    const { connectMs, firstByteMs, idleMs, totalMs } = this.#limits;
    const limitMs = { connect: connectMs, 'first-byte': firstByteMs, idle: idleMs, total: totalMs }[phase];
    this.#stop(shaped(LATE[phase], this.#wiring.request.url, limitMs));
  }

  #settle(): void {
    this.#stopPhase();
    this.#stopTotal();
    this.#wiring.request.signal?.removeEventListener('abort', this.#abort);
  }

  #tooLarge(what: string): NervaError {
    const { bytesMax } = this.#limits;
    const message = `The answer of ${this.#wiring.request.url} is too large: ${what}, at most ${bytesMax} are taken. The connection was closed.`;
    return new NervaError('HTTP_TOO_LARGE', message, { details: { bytesMax } });
  }

  #toServer(delayMs: number, arrive: () => void): void {
    this.#send({ from: this.#client, to: this.#wiring.host, delayMs, arrive });
  }

  #toClient(happen: () => void): void {
    const arrive = (): void => this.#wiring.process.deliver(happen);
    this.#send({ from: this.#wiring.host, to: this.#client, arrive });
  }

  /** A network that takes no more fails the request, on whichever way. */
  #send(message: Parameters<SimNetwork['send']>[0]): void {
    try {
      this.#wiring.network.send(message);
    } catch (error) {
      if (!NervaError.is(error)) throw error;
      this.#stop(error);
    }
  }
}

const RECORDED_URL = /https:\/\/model\.invalid\/v1\/chat\/completions/g;

/** The recorded error, with the address and the limit of this request. */
export function shaped(name: HttpShapeName, url: string, limitMs = 0): NervaError {
  const { code, message, details } = HTTP_SHAPES[name];
  const here = message.replace(RECORDED_URL, () => url).replace(/took more than \d+ ms/, `took more than ${limitMs} ms`);
  return new NervaError(code, here, { details: 'limitMs' in details ? { ...details, limitMs } : details });
}
