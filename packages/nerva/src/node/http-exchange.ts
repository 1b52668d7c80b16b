import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { NervaError, type HttpAnswer, type HttpLimits, type HttpRequest } from '../core/index.ts';
import { decoded, headerOf } from './http-decode.ts';

type Phase = 'connect' | 'first-byte' | 'idle' | 'total';

/** Bytes that wait for a slow reader before the socket is paused. */
const WAITING_BYTES_MAX = 256 * 1024;
/** How long the rest of a discarded answer may take. */
const LINGER_MS = 100;
const TIMER_MS_MAX = 2_147_483_647;

/**
 * One request and its answer.
 * Invariants: X1 settles once, as an answer or as an error · X2 after the end no timer and no listener on the caller's signal is left ·
 * X3 time counts against the peer only while we wait for it: never while the reader has not asked for more (except `totalMs`).
 */
export class Exchange implements HttpAnswer {
  readonly #request: HttpRequest;
  readonly #outgoing: ClientRequest;
  readonly #limits: HttpLimits;
  readonly #resolve: (answer: HttpAnswer) => void;
  readonly #reject: (error: NervaError, stale: boolean) => void;
  readonly #startMs = performance.now();
  #incoming: IncomingMessage | undefined;
  #headers: Readonly<Record<string, string>> | undefined;
  /** What ended the exchange early; later errors of the dying socket are its echo. */
  #failure: NervaError | undefined;
  #fail: ((error: NervaError) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #phase: Phase = 'total';
  /** End of the current phase; Infinity while the peer owes nothing. */
  #phaseEndMs = Infinity;
  /** One field, so that the listener that is removed is the one that was added. */
  readonly #abort = (): void => this.#stop(new NervaError('CANCELLED', `The request to ${withoutQuery(this.#request.url)} was aborted.`));
  #connected = false;
  #answered = false;
  #read = false;

  // oxlint-disable-next-line max-params -- made once a request; an options object would be thrown away at once
  constructor(
    request: HttpRequest,
    outgoing: ClientRequest,
    limits: HttpLimits,
    resolve: (answer: HttpAnswer) => void,
    reject: (error: NervaError, stale: boolean) => void,
  ) {
    this.#request = request;
    this.#outgoing = outgoing;
    this.#limits = limits;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Sends the request and watches for its end. */
  start(): void {
    const { signal, body } = this.#request;
    const outgoing = this.#outgoing;
    outgoing.on('error', (error) => this.#broken(error));
    outgoing.on('response', (incoming: IncomingMessage) => this.#arrived(incoming));
    outgoing.on('socket', (socket) => {
      // Through a proxy a socket is there before its tunnel: then the handshake tells when it stands.
      if (!socket.connecting && !('secureConnecting' in socket && socket.secureConnecting === true)) return this.#sent();
      this.#enter('connect', this.#limits.connectMs);
      socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => this.#sent());
    });
    signal?.addEventListener('abort', this.#abort, { once: true });
    this.#arm();
    outgoing.end(body);
  }

  /** Time since the request was made. */
  ageMs(): number {
    return performance.now() - this.#startMs;
  }

  get status(): number {
    return this.#incoming?.statusCode ?? 0;
  }

  get headers(): Readonly<Record<string, string>> {
    this.#headers ??= flat(this.#incoming?.headers ?? {});
    return this.#headers;
  }

  text(): Promise<string> {
    return new Promise((resolve, reject) => {
      let first: Buffer | undefined;
      let rest: Buffer[] | undefined;
      this.#consume(reject, {
        piece: (chunk) => {
          if (first === undefined) first = chunk;
          else (rest ??= [first]).push(chunk);
        },
        end: () => resolve(rest === undefined ? (first?.toString() ?? '') : Buffer.concat(rest).toString()),
      });
    });
  }

  async *bytes(): AsyncGenerator<Uint8Array> {
    let waiting: Buffer[] = [];
    let waitingBytes = 0;
    let isDone = false;
    let failure: NervaError | undefined;
    let wake: (() => void) | undefined;
    const stream = this.#consume(
      (error) => {
        failure = error;
        wake?.();
      },
      {
        piece: (chunk) => {
          waiting.push(chunk);
          waitingBytes += chunk.length;
          if (waitingBytes > WAITING_BYTES_MAX) {
            stream?.pause();
            this.#phaseEndMs = Infinity; // X3
          }
          wake?.();
        },
        end: () => {
          isDone = true;
          wake?.();
        },
      },
    );
    try {
      for (;;) {
        const pieces = waiting;
        waiting = [];
        waitingBytes = 0;
        if (stream?.isPaused() === true) {
          stream.resume();
          this.#enter('idle', this.#limits.idleMs);
        }
        for (const piece of pieces) yield piece;
        if (waiting.length > 0) continue;
        if (failure !== undefined) throw failure;
        if (isDone) return;
        await new Promise<void>((resolve) => (wake = resolve));
        wake = undefined;
      }
    } finally {
      if (!isDone) this.discard();
    }
  }

  /** Lets the rest of a nearly finished answer run out, so that its connection serves again; an endless one is cut off. */
  discard(): void {
    const incoming = this.#incoming;
    if (incoming === undefined || this.#failure !== undefined) return;
    this.#read = true;
    this.#fail = undefined;
    clearTimeout(this.#timer);
    if (incoming.readableEnded) return this.#settle();
    this.#timer = setTimeout(
      () => this.#stop(new NervaError('CANCELLED', `The answer of ${withoutQuery(this.#request.url)} was discarded by its reader.`)),
      LINGER_MS,
    );
    incoming.unpipe();
    incoming.removeAllListeners('data');
    incoming.once('end', () => this.#settle());
    incoming.resume();
  }

  /** The request is on its way: from here the peer owes an answer. */
  #sent(): void {
    this.#connected = true;
    if (this.#incoming === undefined) this.#enter('first-byte', this.#limits.firstByteMs);
  }

  #arrived(incoming: IncomingMessage): void {
    this.#incoming = incoming;
    this.#phaseEndMs = Infinity; // X3
    incoming.on('error', (error) => this.#broken(error));
    const length = Number(headerOf(incoming, 'content-length') ?? 0);
    if (length > this.#limits.bytesMax) this.#stop(this.#tooLarge(`${length} bytes are announced`));
    else {
      this.#answered = true;
      this.#resolve(this);
    }
  }

  /** Reads the body once. @returns the stream to pause, or undefined when there is nothing more to come. */
  #consume(
    fail: (error: NervaError) => void,
    to: { readonly piece: (chunk: Buffer) => void; readonly end: () => void },
  ): Readable | undefined {
    const incoming = this.#incoming;
    if (incoming === undefined || this.#read) throw new Error('Invariant broken: X1 an answer is read once');
    this.#read = true;
    if (this.#failure !== undefined) return void fail(this.#failure);
    this.#fail = fail;
    this.#enter('idle', this.#limits.idleMs);
    let total = 0;
    const stream = decoded(incoming, (error) => this.#broken(error));
    stream.on('data', (chunk: Buffer) => {
      total += chunk.length;
      if (total > this.#limits.bytesMax) return this.#stop(this.#tooLarge(`more than ${this.#limits.bytesMax} bytes came`));
      this.#enter('idle', this.#limits.idleMs);
      to.piece(chunk);
    });
    stream.on('end', () => {
      if (this.#failure !== undefined) return;
      this.#settle();
      this.#fail = undefined;
      to.end();
    });
    return stream;
  }

  /** Node says that the exchange is over before its time. */
  #broken(error: Error): void {
    if (this.#failure !== undefined) return;
    const code = 'code' in error ? String(error.code) : error.message;
    if (this.#incoming !== undefined) {
      return this.#stop(
        new NervaError('HTTP_BROKEN', `The answer of ${withoutQuery(this.#request.url)} broke off: ${code}. What had come was dropped.`, {
          cause: error,
        }),
      );
    }
    if (!this.#connected) {
      return this.#stop(
        new NervaError('HTTP_UNREACHABLE', `No connection to ${withoutQuery(this.#request.url)}: ${code}. Nothing was sent.`, {
          details: { why: code },
          cause: error,
        }),
      );
    }
    const stale = this.#outgoing.reusedSocket && (code === 'ECONNRESET' || code === 'EPIPE');
    const message = `The connection to ${withoutQuery(this.#request.url)} broke before an answer: ${code}. Whether the request was processed is unknown.`;
    this.#stop(new NervaError('HTTP_BROKEN', message, { details: { why: code }, cause: error }), stale);
  }

  /** Ends the exchange with an error, once. */
  #stop(failure: NervaError, stale = false): void {
    if (this.#failure !== undefined) return; // X1
    this.#failure = failure;
    this.#settle();
    this.#outgoing.destroy();
    if (!this.#answered) this.#reject(failure, stale);
    this.#fail?.(failure);
    this.#fail = undefined;
  }

  #settle(): void {
    clearTimeout(this.#timer); // X2
    this.#phaseEndMs = Infinity;
    this.#request.signal?.removeEventListener('abort', this.#abort);
  }

  #enter(phase: Phase, ms: number): void {
    this.#phase = phase;
    this.#phaseEndMs = performance.now() + ms;
  }

  /**
   * One timer serves all four limits. It fires no later than the shortest of them, looks whether the phase it finds is over, and goes to sleep again:
   * so entering a phase is two assignments, and most requests end before their timer fires once.
   */
  #arm(): void {
    const { connectMs, firstByteMs, idleMs, totalMs } = this.#limits;
    const periodMs = Math.min(connectMs, firstByteMs, idleMs, totalMs, TIMER_MS_MAX);
    const look = (): void => {
      const nowMs = performance.now();
      const totalEndMs = this.#startMs + totalMs;
      if (nowMs >= totalEndMs) return this.#late('total', totalMs);
      if (nowMs >= this.#phaseEndMs)
        return this.#late(this.#phase, { connect: connectMs, 'first-byte': firstByteMs, idle: idleMs, total: totalMs }[this.#phase]);
      this.#timer = setTimeout(look, Math.max(1, Math.ceil(Math.min(periodMs, this.#phaseEndMs - nowMs, totalEndMs - nowMs))));
    };
    this.#timer = setTimeout(look, Math.ceil(periodMs));
  }

  #late(phase: Phase, limitMs: number): void {
    const message = `${withoutQuery(this.#request.url)} was too slow: ${phase} took more than ${limitMs} ms. The connection was closed.`;
    this.#stop(new NervaError('HTTP_TIMEOUT', message, { details: { phase, limitMs } }));
  }

  #tooLarge(what: string): NervaError {
    const message = `The answer of ${withoutQuery(this.#request.url)} is too large: ${what}, at most ${this.#limits.bytesMax} are taken. The connection was closed.`;
    return new NervaError('HTTP_TOO_LARGE', message, { details: { bytesMax: this.#limits.bytesMax } });
  }
}

/** For messages: queries and user names may hold secrets. */
export function withoutQuery(url: string): string {
  return url
    .replace(/[?#].*$/s, '')
    .replace(/\/\/[^/]*@/, '//')
    .slice(0, 200);
}

function flat(headers: NodeJS.Dict<string | string[]>): Record<string, string> {
  const result: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined) result[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return result;
}
