import type { Agent } from '../agent/index.ts';
import type { JsonObject } from '../core/index.ts';
import type { LogEvent, Seq } from '../log/index.ts';
import type { Break } from './book.ts';

/** What of an agent says how its turns go on. */
export type Manners = Pick<Agent, 'retry' | 'outputRetriesMax' | 'memory'> & {
  readonly budget?: Agent['budget'];
  /** Whether all clocks went as they should: else nobody can say when a time has come. */
  readonly isOnTime: boolean;
};

/** A model call that failed, and may be made again. */
interface Failure {
  readonly code: unknown;
  readonly atMs: number;
  readonly mayRetry: boolean;
  readonly retryAfterMs: number;
}

const RETRIED = 'a failed call is made again as often as it may';
const REJECTED = 'a bad output is sent back as often as it may';
const READ = 'memories are read before the model is asked';
const ON_TIME = 'a timer does not fire before its time';
const TOLD_ONCE = 'what a memory said is not said twice';

/**
 * How turns go on, kept by a second hand: which failures are made again and when, how often an output is sent back, and what memories say.
 * Looked at when all has come to rest. Not of a session of which words were erased: whoever decided may not have known them.
 */
export function judgeConduct(events: readonly LogEvent[], manners: Manners, fail: Break): void {
  const conduct = new Conduct(manners, fail);
  for (const event of events) conduct.add(event);
}

class Conduct {
  readonly #manners: Manners;
  readonly #fail: Break;
  #model: Seq | null = null;
  #failure: Failure | null = null;
  #failures = 0;
  #rejections = 0;
  #isCancelled = false;
  /** What is read of memories: how many are still to come. */
  #reading: { readonly call: Seq; left: number; lastSeq: Seq } | null = null;
  readonly #told = new Set<unknown>();
  #summary: Seq | null = null;
  readonly #timers = new Map<unknown, number>();

  constructor(manners: Manners, fail: Break) {
    this.#manners = manners;
    this.#fail = fail;
  }

  add(event: LogEvent): void {
    const { seq, type, data } = event;
    switch (type) {
      case 'turn.started':
        [this.#failure, this.#failures, this.#rejections, this.#reading, this.#isCancelled] = [null, 0, 0, null, false];
        return;
      case 'cancel.requested':
        this.#isCancelled = true;
        return;
      case 'message.received':
        this.#isCancelled ||= data['deliver'] === 'interrupt';
        return;
      case 'model.called':
        return this.#asked(seq);
      case 'model.answered':
      case 'model.interrupted':
      case 'model.failed':
        if (data['call'] === this.#model) this.#settled(event);
        return;
      case 'timer.set':
        if (data['again'] === undefined) this.#waits(seq, data);
        return;
      case 'timer.fired':
        return this.#fired(event);
      case 'output.rejected':
        if (++this.#rejections > this.#manners.outputRetriesMax) this.#fail(REJECTED, `output.rejected ${seq} is one too many.`);
        return;
      case 'session.forked':
        [this.#model, this.#summary] = [null, null];
        this.#timers.clear();
        if (this.#reading !== null && this.#reading.left > 0) this.#reading = null;
        return;
      case 'turn.ended':
        return this.#ended(seq, data);
      default:
        this.#beside(event);
    }
  }

  /** Summaries and memories. */
  #beside({ seq, type, data }: LogEvent): void {
    switch (type) {
      case 'context.called':
        this.#summary = seq;
        return;
      case 'context.failed':
        if (data['call'] === this.#summary) this.#summary = null;
        return;
      case 'context.compacted':
        // One that comes late stands for nothing.
        if (data['call'] !== undefined && data['call'] !== this.#summary) return;
        this.#summary = null;
        this.#told.clear();
        if (this.#failure?.code === 'CONTEXT_TOO_LONG') this.#failure = null;
        return;
      case 'memory.called':
        this.#reading = { call: seq, left: (data['memories'] as number | undefined) ?? 1, lastSeq: -1 };
        return;
      case 'memory.recalled':
      case 'memory.failed': {
        const reading = this.#reading;
        if (reading === null || reading.call !== data['call'] || reading.left === 0) return;
        reading.left--;
        reading.lastSeq = seq;
        if (data['why'] === 'lost') this.#reading = null;
        return;
      }
      case 'memory.told':
        if (this.#reading?.lastSeq === seq - 1) this.#hears(seq, data);
        return;
      default:
    }
  }

  #asked(seq: Seq): void {
    this.#model = seq;
    if (this.#failure !== null) this.#fail(RETRIED, `model call ${seq} follows a failure for which nobody waited.`);
    if (this.#manners.memory.length > 0 && this.#reading?.left !== 0)
      this.#fail(READ, `model call ${seq} begins, and not every memory was read in its turn.`);
  }

  #settled({ type, data, atMs }: LogEvent): void {
    this.#model = null;
    if (type === 'model.answered') [this.#failure, this.#failures] = [null, 0];
    if (type !== 'model.failed' || data['why'] === 'lost') return;
    this.#failures++;
    const { retriesMax, retryAfterMsMax } = this.#manners.retry;
    const retryAfterMs = (data['retryAfterMs'] as number | undefined) ?? 0;
    const isAllowed = data['retry'] === true && data['partial'] !== true && retryAfterMs <= retryAfterMsMax;
    this.#failure = { code: data['code'], atMs, retryAfterMs, mayRetry: isAllowed && this.#failures <= retriesMax };
  }

  #fired({ seq, data, atMs }: LogEvent): void {
    const dueMs = this.#timers.get(data['timer']);
    if (dueMs === undefined) return;
    this.#timers.delete(data['timer']);
    this.#failure = null;
    if (this.#manners.isOnTime && atMs < dueMs) this.#fail(ON_TIME, `timer.fired ${seq} is at ${atMs}, due at ${dueMs}.`);
  }

  #waits(seq: Seq, data: JsonObject): void {
    this.#timers.set(seq, data['atMs'] as number);
    const failure = this.#failure;
    if (failure?.mayRetry !== true) return this.#fail(RETRIED, `timer ${seq} is set for a call that may not be made again.`);
    const { initialMs, factor, delayMsMax, jitter } = this.#manners.retry;
    const ownMs = Math.min(delayMsMax, initialMs * factor ** (this.#failures - 1)) * (1 - jitter);
    if ((data['atMs'] as number) < failure.atMs + Math.max(ownMs, failure.retryAfterMs))
      this.#fail(RETRIED, `timer ${seq} is set for earlier than the failure allows.`);
  }

  #ended(seq: Seq, data: JsonObject): void {
    const failure = this.#failure;
    // Where a turn may take only so long there may be no time left to wait.
    if (failure?.mayRetry === true && !this.#isCancelled && data['reason'] === 'error' && this.#manners.budget?.turnMs === undefined)
      this.#fail(RETRIED, `turn.ended ${seq} gives up after ${this.#failures} failures.`);
    if (String(data['why'] ?? '').startsWith('SCHEMA_MISMATCH') && this.#rejections < this.#manners.outputRetriesMax)
      this.#fail(REJECTED, `turn.ended ${seq} gives up after ${this.#rejections}.`);
    this.#failure = null;
    this.#timers.clear();
  }

  #hears(seq: Seq, data: JsonObject): void {
    for (const { id } of (data['entries'] ?? []) as readonly JsonObject[]) {
      if (this.#told.has(id)) this.#fail(TOLD_ONCE, `memory.told ${seq} says ${String(id)} again.`);
      this.#told.add(id);
    }
  }
}
