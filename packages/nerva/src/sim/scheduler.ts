import { finish } from './dice.ts';

/** One thing that will happen. */
interface Entry {
  readonly atMs: number;
  /** Breaks ties by the seed: what happens at one time happens in any order. */
  readonly tie: number;
  readonly task: () => void;
  isCancelled: boolean;
}

/** Why a run of the scheduler stopped. */
export type Stopped = 'done' | 'empty' | 'events' | 'time';

/**
 * Time and order in a simulation. Time moves only from one event to the next; between two events every pending microtask runs.
 * The microtask queue itself is left alone: it is first in, first out in every JavaScript engine, so it is deterministic already.
 */
export class Scheduler {
  /** Ms since 1970. */
  nowMs: number;
  /** Events that happened. */
  count = 0;
  readonly #heap: Entry[] = [];
  readonly #seed: number;
  #scheduled = 0;

  constructor(seed: number, startMs: number) {
    this.#seed = seed;
    this.nowMs = startMs;
  }

  /** Lets `task` happen in `ms`. @returns how to call it off; calling that late or twice is safe. */
  in(ms: number, task: () => void): () => void {
    const entry: Entry = { atMs: this.nowMs + Math.max(0, ms), tie: finish(this.#seed ^ this.#scheduled++), task, isCancelled: false };
    push(this.#heap, entry);
    return () => (entry.isCancelled = true);
  }

  /** Lets events happen until `isDone`, or until there are none, or `eventsMax` happened, or time is past `untilMs`. */
  run(isDone: () => boolean, limits: { readonly eventsMax: number; readonly untilMs: number }): Promise<Stopped> {
    return new Promise((resolve, reject) => {
      const step = (): void => {
        try {
          if (isDone()) return resolve('done');
          const next = this.#next();
          if (next === null) return resolve('empty');
          if (this.count >= limits.eventsMax) return resolve('events');
          if (next.atMs > limits.untilMs) return resolve('time');
          if (next.atMs > this.nowMs) this.nowMs = next.atMs;
          this.count++;
          next.task();
        } catch (error) {
          return reject(error as Error);
        }
        drain(step);
      };
      drain(step);
    });
  }

  #next(): Entry | null {
    for (;;) {
      const entry = pop(this.#heap);
      if (entry === null || !entry.isCancelled) return entry;
    }
  }
}

/** Real ticks between two visits of the event loop: often enough for a Ctrl-C. */
const LOOP_EVERY = 512;
/** Over all runs: a thousand short ones must let go of the event loop as one long one does. */
let ticks = 0;
const realTick = process.nextTick.bind(process);
const realImmediate = setImmediate;

/**
 * Calls a function once every pending microtask ran. A tick that is asked for by a microtask comes when the queue of microtasks is
 * empty; `setImmediate` gives the same order, at a third of the speed.
 */
function drain(next: () => void): void {
  if (++ticks % LOOP_EVERY === 0) realImmediate(next);
  else void Promise.resolve().then(() => realTick(next));
}

/** A binary heap: earliest first. */
function push(heap: Entry[], entry: Entry): void {
  let index = heap.push(entry) - 1;
  while (index > 0) {
    const up = (index - 1) >> 1;
    const parent = heap[up] as Entry;
    if (isBefore(parent, entry)) break;
    heap[index] = parent;
    index = up;
  }
  heap[index] = entry;
}

function pop(heap: Entry[]): Entry | null {
  const top = heap[0];
  const last = heap.pop();
  if (top === undefined || last === undefined) return null;
  if (heap.length === 0) return top;
  let index = 0;
  for (;;) {
    const left = 2 * index + 1;
    if (left >= heap.length) break;
    const right = left + 1;
    const down = right < heap.length && isBefore(heap[right] as Entry, heap[left] as Entry) ? right : left;
    if (isBefore(last, heap[down] as Entry)) break;
    heap[index] = heap[down] as Entry;
    index = down;
  }
  heap[index] = last;
  return top;
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.tie < b.tie);
}
