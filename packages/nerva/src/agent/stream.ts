import { eventsOf, type Frame, type Seq, type Sid, type Store } from '../log/index.ts';
import type { Delta } from '../model/index.ts';
import type { AgentEvent } from './events.ts';
import type { StreamItem } from './run.ts';

/** What a stream reads from. */
export interface StreamSource {
  readonly store: Store;
  readonly sid: Sid;
  /** Events after this one; -1 for all. */
  readonly after: Seq;
  readonly signal: AbortSignal;
  /** Tells of deltas as they come, until the returned function is called. */
  readonly listen: (listener: (call: Seq, delta: Delta | 'reset') => void) => () => void;
  /** Waited for before the log is read: the session may not exist yet. A number raises `after`. */
  readonly ready: Promise<Seq | undefined>;
  /** When it resolves to a head, the stream ends with the event before it; a rejection ends it with that error. */
  readonly end?: Promise<Seq>;
}

/** Pieces kept for a reader that is slower than the model. More are joined to the last one. */
const DELTAS_MAX = 10_000;

/**
 * Events from the log, exact and in order, and the deltas that come between. Events are read only as fast as they are taken;
 * a slow reader costs at most DELTAS_MAX deltas of memory. Leaving the loop stops the reading and nothing else.
 */
export function streamOf(source: StreamSource): AsyncIterableIterator<StreamItem> {
  // Listening begins now, not at the first `next`: the model may begin before the reader asks.
  const deltas = new Deltas(source);
  return items(source, deltas);
}

async function* items({ store, sid, after, signal, end, ready }: StreamSource, deltas: Deltas): AsyncGenerator<StreamItem> {
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  let tail: Tail | null = null;
  let last: { readonly head: Seq } | { readonly error: unknown } | null = null;
  end?.then(
    (head) => ((last = { head }), deltas.wake()),
    (error: unknown) => ((last = { error }), deltas.wake()),
  );
  try {
    let next = Math.max(after, (await ready) ?? after) + 1;
    tail = new Tail(store, sid, next - 1, stop.signal, () => deltas.wake());
    for (;;) {
      const woken = deltas.next();
      for (let delta = deltas.take(next); delta !== undefined; delta = deltas.take(next)) yield delta;
      const frame = tail.take();
      if (frame !== null) {
        yield* eventItems(frame, next);
        next = Math.max(next, frame.seq + frame.events.length);
        continue;
      }
      if (isOver(last, next) || tail.isDone || signal.aborted) return;
      if (!deltas.has(next)) await woken;
    }
  } finally {
    deltas.close();
    signal.removeEventListener('abort', abort);
    abort();
    tail?.close();
  }
}

function* eventItems(frame: Frame, next: Seq): Generator<StreamItem> {
  for (const event of eventsOf(frame)) {
    if (event.seq >= next) yield { type: 'event', id: `${event.sid}:${event.seq}`, event: event as unknown as AgentEvent };
  }
}

/** The deltas that wait for the reader. */
class Deltas {
  readonly close: () => void;
  readonly #items: { readonly seq: Seq; readonly item: StreamItem }[] = [];
  #counts = { call: -1, index: 0 };
  #wake = (): void => undefined;

  constructor({ sid, listen }: StreamSource) {
    this.close = listen((call, delta) => {
      const isNext = this.#counts.call === call && delta !== 'reset';
      this.#counts = { call, index: isNext ? this.#counts.index + 1 : 0 };
      const id = `${sid}:${call}` as const;
      if (delta === 'reset') this.#items.push({ seq: call, item: { type: 'reset', call: id } });
      else if (this.#items.length < DELTAS_MAX)
        this.#items.push({ seq: call, item: { type: 'delta', call: id, index: this.#counts.index, delta } });
      else this.#merge(call, delta);
      this.wake();
    });
  }

  /** A reader that is far behind gets larger pieces. What does not join the last one is dropped: only events are exact. */
  #merge(call: Seq, delta: Delta): void {
    const last = this.#items.at(-1);
    if (last?.seq !== call || last.item.type !== 'delta' || !('text' in delta) || !('text' in last.item.delta)) return;
    const before = last.item.delta;
    if (before.type !== delta.type || before.index !== delta.index) return;
    this.#items[this.#items.length - 1] = { seq: call, item: { ...last.item, delta: { ...before, text: before.text + delta.text } } };
  }

  /** Whether one waits whose call was told already: a reader hears that a call began before what it says. */
  has(next: Seq): boolean {
    const [first] = this.#items;
    return first !== undefined && first.seq < next;
  }

  take(next: Seq): StreamItem | undefined {
    return this.has(next) ? this.#items.shift()?.item : undefined;
  }

  /** Resolves at the next wake. Ask before looking, so that nothing is missed. */
  next(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  wake(): void {
    this.#wake();
  }
}

function isOver(last: { readonly head: Seq } | { readonly error: unknown } | null, next: Seq): boolean {
  if (last === null) return false;
  if ('error' in last) throw last.error as Error;
  return next >= last.head;
}

/** One frame read ahead, so that waiting for it can be shared with waiting for deltas. */
class Tail {
  isDone = false;
  #error: unknown = null;
  #frame: Frame | null = null;
  readonly #frames: AsyncIterator<Frame>;
  readonly #wake: () => void;

  // oxlint-disable-next-line max-params -- private to this file, one caller
  constructor(store: Store, sid: Sid, after: Seq, signal: AbortSignal, wake: () => void) {
    this.#frames = store.tail(sid, { after, signal })[Symbol.asyncIterator]();
    this.#wake = wake;
    this.#read();
  }

  /** The next frame if it is there. @throws what the store threw */
  take(): Frame | null {
    if (this.#error !== null) throw this.#error as Error;
    const frame = this.#frame;
    if (frame !== null) {
      this.#frame = null;
      this.#read();
    }
    return frame;
  }

  close(): void {
    void this.#frames.return?.().then(undefined, () => undefined);
  }

  #read(): void {
    void this.#frames.next().then(
      (result) => {
        if (result.done === true) this.isDone = true;
        else this.#frame = result.value;
        this.#wake();
      },
      (error: unknown) => {
        this.#error = error;
        this.isDone = true;
        this.#wake();
      },
    );
  }
}

/** The text of answers as it comes: deltas where the model streams, else the whole answer at once. */
export async function* textOf(items: AsyncIterable<StreamItem>): AsyncGenerator<string> {
  const streamed = new Set<string>();
  for await (const item of items) {
    if (item.type === 'delta') {
      streamed.add(item.call);
      if (item.delta.type === 'text') yield item.delta.text;
    } else if (item.type === 'event') {
      const text = wholeText(item.event, streamed);
      if (text !== '') yield text;
    }
  }
}

function wholeText(event: AgentEvent, streamed: ReadonlySet<string>): string {
  if (event.type === 'policy.decided') return event.data.action.type === 'answer' ? (event.data.action.text ?? '') : '';
  if (event.type !== 'model.answered' || streamed.has(`${event.sid}:${event.data.call}`)) return '';
  return event.data.parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
}
