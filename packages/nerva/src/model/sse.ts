/** One event of a stream: the lines of its `data` fields joined by a line feed. */
export interface SseEvent {
  /** The `event` field; `message` when absent. */
  readonly event: string;
  readonly data: string;
}

/** Takes the bytes of a stream as they come. */
export interface SseParser {
  push(bytes: Uint8Array): void;
}

/**
 * Reads Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html, 9.2.6) from bytes cut anywhere, also inside a character or a CRLF.
 * Contract: `onEvent` is called in order, synchronously inside `push`; what it throws goes to the caller of `push`. An event without its empty line is not reported.
 */
export function sseParser(onEvent: (event: SseEvent) => void): SseParser {
  const decoder = new TextDecoder();
  let rest = '';
  let afterReturn = false;
  let event = '';
  let data: string | undefined;

  const line = (text: string): void => {
    if (text === '') {
      const done = data;
      const type = event;
      data = undefined;
      event = '';
      if (done !== undefined) onEvent({ event: type === '' ? 'message' : type, data: done });
      return;
    }
    const colon = text.indexOf(':');
    const field = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? '' : text.slice(text.charCodeAt(colon + 1) === 32 ? colon + 2 : colon + 1);
    if (field === 'data') data = data === undefined ? value : `${data}\n${value}`;
    else if (field === 'event') event = value;
  };

  return {
    push(bytes) {
      let text = decoder.decode(bytes, { stream: true });
      if (text === '') return;
      // A line feed that begins this piece may be the second half of a CRLF whose first half ended the last one.
      if (afterReturn && text.charCodeAt(0) === 10) text = text.slice(1);
      afterReturn = text === '' ? false : text.charCodeAt(text.length - 1) === 13;
      const hasReturn = text.includes('\r');
      let from = 0;
      for (;;) {
        const end = hasReturn ? lineEnd(text, from) : text.indexOf('\n', from);
        if (end < 0) break;
        const isPair = text.charCodeAt(end) === 13 && text.charCodeAt(end + 1) === 10;
        const whole = rest + text.slice(from, end);
        rest = '';
        from = end + (isPair ? 2 : 1);
        line(whole);
      }
      // What waits holds no line end and is not looked at again: a search would make one string of it with every piece.
      rest += text.slice(from);
    },
  };
}

/** The first CR or LF at or behind `from`, or -1. */
function lineEnd(text: string, from: number): number {
  for (let index = from; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 13 || code === 10) return index;
  }
  return -1;
}
