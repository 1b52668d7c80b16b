/** HTTP as the kernel sees it. One request, one answer whose body is read once: as text, or as a stream of bytes. */
export interface Transport {
  /**
   * Sends a request and resolves when the answer's head has arrived.
   * @throws HTTP_UNREACHABLE, HTTP_TIMEOUT, HTTP_TOO_LARGE, HTTP_BROKEN, CANCELLED (the signal aborted).
   * A status of 400 or more is an answer, not an error.
   */
  request(request: HttpRequest): Promise<HttpAnswer>;
  /** Closes idle and open connections. */
  close(): Promise<void>;
}

/** A request. `body` is text (sent as UTF-8) or bytes. Header names are lower-case. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal;
  readonly limits?: Partial<HttpLimits>;
}

/** Bounds of one request. All in ms or bytes. */
export interface HttpLimits {
  /** Until the socket is connected (TLS included). */
  readonly connectMs: number;
  /** From the request's last byte to the answer's head. */
  readonly firstByteMs: number;
  /** Between two pieces of the answer's body. */
  readonly idleMs: number;
  /** From start to the body's end. */
  readonly totalMs: number;
  /** Of the answer's body, decoded. */
  readonly bytesMax: number;
}

/** An answer. Read exactly one of `text` and `bytes`; `discard` frees the connection without reading. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  text(): Promise<string>;
  bytes(): AsyncIterable<Uint8Array>;
  discard(): void;
}
