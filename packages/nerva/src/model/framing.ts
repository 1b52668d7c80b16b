import { garbage } from './failure.ts';
import { sseParser } from './sse.ts';

/** One event of a stream. `value` is its data as JSON; the marks that are no JSON (`[DONE]`) stay text. */
export interface WireEvent {
  /** The event's own name where the framing has one, else `message`. */
  readonly event: string;
  readonly value: unknown;
}

/** Takes the bytes of a stream as they come, cut anywhere. */
export interface FrameParser {
  push(bytes: Uint8Array): void;
  /** No more bytes come. */
  end(): void;
}

/** How events are told apart in a stream of bytes. */
export interface Framing {
  /** What the content type of a stream contains. */
  readonly mediaType: string;
  /** Contract: events in order, synchronously inside `push`; what `onEvent` throws goes to the caller. @throws MODEL_GARBAGE */
  readonly parser: (onEvent: (event: WireEvent) => void, what: string) => FrameParser;
}

/** Server-Sent Events whose data is JSON, or the word `[DONE]`. */
export const SSE: Framing = {
  mediaType: 'event-stream',
  parser: (onEvent, what) => {
    const parser = sseParser(({ event, data }) => onEvent({ event, value: data === '[DONE]' ? data : json(data, what) }));
    return { push: (bytes) => parser.push(bytes), end: () => undefined };
  },
};

/** JSON objects, one a line. */
export const LINES: Framing = {
  mediaType: 'ndjson',
  parser: (onEvent, what) => {
    const decoder = new TextDecoder();
    let rest = '';
    const line = (text: string): void => {
      if (text.trim() !== '') onEvent({ event: 'message', value: json(text, what) });
    };
    return {
      push(bytes) {
        const text = decoder.decode(bytes, { stream: true });
        let from = 0;
        for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
          const whole = rest + text.slice(from, end);
          rest = '';
          from = end + 1;
          line(whole);
        }
        // What waits holds no line end and is not looked at again: a search would make one string of it with every piece.
        rest += text.slice(from);
      },
      // The last line may lack its end. One that was cut is no line: the stream ended too early, which is for the caller to say.
      end: () => {
        if (isJson(rest)) line(rest);
      },
    };
  },
};

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function json(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw garbage(what, 'a chunk is not JSON', text);
  }
}
