import type { AgentEvent } from '../agent/index.ts';
import { NervaError, type World } from '../core/index.ts';
import { eventsOf, type Cursor, type ProjectionRows, type Rows, type Seq, type Sid, type Store } from '../log/index.ts';
import type { TelemetryPort, TurnTelemetry } from './span.ts';
import { turnTelemetry } from './turn-spans.ts';

/** What telemetry reads, where it keeps how far it came, and where it goes. */
export interface TelemetryOptions {
  readonly store: Store;
  /** Keeps the cursor: after a restart what was taken is not sent again. */
  readonly rows: ProjectionRows;
  readonly world: Pick<World, 'clock' | 'digest'>;
  readonly port: TelemetryPort;
  /** Prompts, answers, arguments and results go along. They may hold secrets and personal data. Default false. */
  readonly isContent?: boolean;
  /** Turns sent together, 1–1,000. Default 64. */
  readonly batchMax?: number;
  /** Tries of one turn before it is set aside, 1–100. Default 5. */
  readonly triesMax?: number;
}

/** Telemetry of a store: a projection of its feed that leaves the process. */
export interface Telemetry {
  /** Sends everything that ended before the call. Resolves when it is taken or set aside. */
  flush(signal?: AbortSignal): Promise<void>;
  /** Follows the feed until `signal` aborts. Never rejects for what a collector does. */
  run(signal: AbortSignal): Promise<void>;
  /** Turns sent and set aside by this object, and why the last one was. */
  readonly status: { readonly sent: number; readonly aside: number; readonly why: string };
}

const SPACE = 'telemetry';
const RETRY_MS = 1_000;
const RETRY_MS_MAX = 60_000;

/** Makes telemetry of a store. Performs nothing until `run` or `flush`. */
export function telemetry(options: TelemetryOptions): Telemetry {
  return new Follower(options);
}

interface Ended {
  readonly sid: Sid;
  readonly start: Seq;
  readonly end: Seq;
}

class Follower implements Telemetry {
  readonly status = { sent: 0, aside: 0, why: '' };
  readonly #options: Required<TelemetryOptions>;
  /** Model names by digest of the definition. */
  readonly #models = new Map<string, string | null>();
  #busy: Promise<void> = Promise.resolve();

  constructor(options: TelemetryOptions) {
    this.#options = { isContent: false, batchMax: 64, triesMax: 5, ...options };
  }

  flush(signal?: AbortSignal): Promise<void> {
    return this.#alone(() => this.#pass(signal));
  }

  async run(signal: AbortSignal): Promise<void> {
    const { store, world } = this.#options;
    let wake: () => void = () => undefined;
    // Hints tell of work, not of turns that ended; a look now and then finds the rest.
    const unhint = store.onWork(() => wake());
    try {
      while (!signal.aborted) {
        await this.#alone(() => this.#pass(signal)).catch((error: unknown) => (this.status.why = String(error)));
        if (signal.aborted) break;
        const stop = new AbortController();
        await Promise.race([
          world.clock.sleep(RETRY_MS, { signal: AbortSignal.any([signal, stop.signal]), background: true }).catch(() => undefined),
          new Promise<void>((resolve) => (wake = resolve)),
        ]);
        stop.abort();
      }
    } finally {
      unhint();
    }
  }

  /** One pass at a time: two would send the same turns. */
  #alone(pass: () => Promise<void>): Promise<void> {
    const mine = this.#busy.then(pass);
    this.#busy = mine.catch(() => undefined);
    return mine;
  }

  /** From the cursor to the present end of the feed. */
  async #pass(signal: AbortSignal | undefined): Promise<void> {
    const { store, batchMax } = this.#options;
    const after = await this.#rows((rows) => rows.get('cursor') ?? '');
    let ended: Ended[] = [];
    let starts = new Map<string, Seq | null>();
    let cursor: Cursor = after;
    const settle = async (): Promise<void> => {
      if (ended.length > 0) await this.#send(ended, signal);
      const moved = starts;
      await this.#rows((rows) => {
        for (const [sid, start] of moved)
          if (start === null) rows.delete(`open/${sid}`);
          else rows.put(`open/${sid}`, String(start));
        rows.put('cursor', cursor);
      });
      ended = [];
      starts = new Map();
    };
    const feed = store.feed({ types: ['turn.started', 'turn.ended'], after, ...(signal === undefined ? {} : { signal }) });
    for await (const item of feed) {
      for (const { sid, seq, type } of eventsOf(item.frame)) {
        if (type === 'turn.started') starts.set(sid, seq);
        if (type !== 'turn.ended') continue;
        const start = starts.get(sid) ?? (await this.#rows((rows) => rows.get(`open/${sid}`)));
        starts.set(sid, null);
        // A fork whose turn began in its parent has no start of its own: the parent tells of it.
        if (start !== null) ended.push({ sid, start: Number(start), end: seq });
      }
      cursor = item.cursor;
      if (ended.length >= batchMax) await settle();
    }
    if (cursor !== after) await settle();
  }

  async #send(ended: readonly Ended[], signal: AbortSignal | undefined): Promise<void> {
    const { port, triesMax, world } = this.#options;
    const turns: TurnTelemetry[] = [];
    for (const one of ended) {
      const turn = await this.#turn(one).catch((error: unknown) => this.#aside(1, error));
      if (turn !== null) turns.push(turn);
    }
    for (let tries = 1, waitMs = RETRY_MS; turns.length > 0; tries++, waitMs = Math.min(2 * waitMs, RETRY_MS_MAX)) {
      try {
        await port.export(turns, signal);
        this.status.sent += turns.length;
        return;
      } catch (error) {
        if (signal?.aborted === true) throw error;
        if (tries >= triesMax) return void this.#aside(turns.length, error);
        await world.clock.sleep(waitMs, { ...(signal === undefined ? {} : { signal }), background: true });
      }
    }
  }

  /** A turn that cannot be read or sent is passed over: telemetry never stands in the way. */
  #aside(count: number, error: unknown): null {
    this.status.aside += count;
    this.status.why = error instanceof Error ? error.message : String(error);
    return null;
  }

  async #turn({ sid, start, end }: Ended): Promise<TurnTelemetry | null> {
    const { store, world, isContent } = this.#options;
    const events: AgentEvent[] = [];
    for (let after = start - 1; after < end;) {
      const page = await store.read(sid, { after, upto: end });
      const last = page.at(-1);
      if (last === undefined) break;
      events.push(...page.flatMap((frame) => eventsOf(frame) as unknown as AgentEvent[]).filter(({ seq }) => seq >= start && seq <= end));
      after = last.seq + last.events.length - 1;
    }
    const begun = events[0];
    if (begun?.type !== 'turn.started') throw new NervaError('LOG_RANGE', `No turn begins at ${sid}:${start}.`);
    const { agent } = await store.info(sid);
    const model = await this.#model(begun.data.definition.ref);
    return turnTelemetry(events, { sid, agent: agent ?? '', model, digest: world.digest, isContent });
  }

  /** The model that a definition names. One that cannot be read any more has none. */
  async #model(ref: string): Promise<string | null> {
    const known = this.#models.get(ref);
    if (known !== undefined) return known;
    const text = await this.#options.store.blobs.get(ref).then(
      (bytes) => new TextDecoder().decode(bytes),
      () => '{}',
    );
    const { model } = JSON.parse(text) as { readonly model?: unknown };
    const name = typeof model === 'string' ? model : null;
    if (this.#models.size >= MODELS_MAX) this.#models.clear();
    this.#models.set(ref, name);
    return name;
  }

  #rows<T>(work: (rows: Rows) => T): Promise<T> {
    return this.#options.rows.transaction((space) => work(space(SPACE)));
  }
}

const MODELS_MAX = 1_000;
