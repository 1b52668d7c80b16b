import { checkJson, checkOptions, NervaError, type Json } from '../core/index.ts';
import { eventsOf, type EventId, type Frame, type Seq, type SessionInfo, type Sid } from '../log/index.ts';
import type { Agent } from './definition.ts';
import type { Driver } from './driver.ts';
import type { AgentEvent, Deliver, Draft, ForkEffects } from './events.ts';
import { checkFiles, keptFiles, type FileInput } from './files.ts';
import { foldAt, type View } from './history.ts';
import type { RunResult } from './outcome.ts';
import type { SessionPorts } from './ports.ts';
import { replaySession, type ReplayReport } from './replay.ts';
import { answerDraft, answeredAt, type Answer } from './respond.ts';
import { resultOf } from './result.ts';
import type { Run, StreamItem } from './run.ts';
import { streamOf, textOf } from './stream.ts';

/** How a message is sent. */
export interface SendOptions {
  /** 1–64 printable characters. Sending again under the same id returns the first message's run: nothing is taken twice. */
  readonly id?: string;
  /** How it joins a busy session. Default `queue`: as its next turn. */
  readonly deliver?: Deliver;
  /** Who sends it, for the record. Default `user`. */
  readonly by?: string;
  /** Images, documents, sounds: at most 32, each up to the runtime's `fileBytesMax`. */
  readonly files?: readonly FileInput[];
}

/** A handle on one session. Cheap: it holds nothing; any number may exist for one session. */
export class Session {
  readonly sid: Sid;
  readonly #ports: SessionPorts;
  readonly #subject: string | null;

  /** Made by `runtime.session`. */
  constructor(sid: Sid, ports: SessionPorts, subject: string | null) {
    this.sid = sid;
    this.#ports = ports;
    this.#subject = subject;
  }

  /** Sends text, or JSON that a policy reads as data. Works at any time, also while an approval waits. */
  send(input: string | Json, options: SendOptions = {}): Run {
    checkOptions(options, ['id', 'deliver', 'by', 'files'], 'send');
    const { files = [] } = options;
    checkFiles(files, this.#ports.fileBytesMax);
    const deliver = options.deliver ?? 'queue';
    if (!DELIVER.includes(deliver))
      throw new NervaError(
        'OPTION_INVALID',
        `send: deliver must be one of ${DELIVER.join(', ')}; ${JSON.stringify(deliver)} came. Nothing was sent.`,
      );
    const content = typeof input === 'string' ? { text: input } : { data: checkJson(input) };
    return this.#run(async (driver) => {
      const kept = files.length === 0 ? {} : { files: await keptFiles(files, { ...this.#ports, sid: this.sid, subject: this.#subject }) };
      const draft: Draft = {
        type: 'message.received',
        origin: 'person',
        data: { ...content, ...kept, ...(deliver === 'queue' ? {} : { deliver }) },
        ...(this.#subject === null ? {} : { subject: this.#subject }),
      };
      const { seq } = await driver.receive([draft], { by: options.by ?? 'user', ...(options.id === undefined ? {} : { id: options.id }) });
      return { seq, message: seq };
    });
  }

  /**
   * Answers something that waits (`RunResult.pending`): an approval, or a call in doubt. The first answer stands.
   * @throws (through `accepted`) APPROVAL_UNKNOWN, APPROVAL_SETTLED, APPROVAL_CHANGED, OPTION_INVALID.
   */
  respond(id: EventId, answer: Answer, options: { readonly by?: string } = {}): Run {
    return this.#run(async (driver) => {
      const by = options.by ?? 'user';
      let draft = await answerDraft(driver.state, id, { ...answer, by }, this.#ports.store);
      const isVerdict = draft.type === 'tool.returned' || draft.type === 'tool.failed';
      // A verdict on a doubt holds only while the doubt stands: the call may be under way again.
      let taken = isVerdict ? await driver.judge(draft, by) : await driver.receive([draft], { by });
      while (taken === null) {
        draft = await answerDraft(driver.state, id, { ...answer, by }, this.#ports.store);
        taken = await driver.judge(draft, by);
      }
      const { seq } = taken;
      if (draft.type === 'approval.granted' || draft.type === 'approval.denied') {
        const { approval } = draft.data;
        // A later turn asks anew, and has forgotten what was asked before.
        const asked = driver.state.approval.get(approval);
        const settledBy = asked === undefined ? await answeredAt(this.#ports.store, this.sid, approval) : asked.settledBy;
        if (settledBy !== seq)
          throw new NervaError('APPROVAL_SETTLED', `${id} was answered by ${this.sid}:${settledBy ?? -1} meanwhile. That answer stands.`, {
            details: { id },
          });
      }
      return { seq, message: driver.state.turn.open?.takes[0] ?? driver.state.turn.last?.takes[0] ?? -1 };
    });
  }

  /** Cancels the open turn: nothing starts after this is durable, what runs is aborted, the turn ends. Queued messages stay. Does nothing without an open turn. */
  async cancel(why = 'cancelled', options: { readonly by?: string } = {}): Promise<void> {
    await this.#using(async (driver) => {
      if (driver.state.turn.open !== null)
        await driver.receive([{ type: 'cancel.requested', origin: 'person', data: { why } }], { by: options.by ?? 'user' });
    });
  }

  /** Takes up what an earlier process left open, or a fork's open turn. */
  resume(): Run {
    return this.#run(async (driver) => {
      driver.kick();
      const { open, last, inbox } = driver.state.turn;
      return { seq: driver.state.head - 1, message: open?.takes[0] ?? inbox[0]?.seq ?? last?.takes[0] ?? -1 };
    });
  }

  /** Takes no more input. Open turns are cancelled first, also those that queued messages open meanwhile. */
  async close(why = 'closed'): Promise<void> {
    let isClosed = false;
    while (!isClosed)
      isClosed = await this.#using(async (driver) => {
        const { session, turn } = driver.state;
        if (session.isClosed) return true;
        if (turn.open === null) await driver.close(why);
        else if (turn.open.cancel === null) await this.cancel(why);
        else await this.#rest(driver);
        return false;
      });
  }

  /** Events after `after` (default: all) and then new ones as they come, with the deltas in between, until `signal` aborts or the loop is left. */
  stream(options: { readonly after?: Seq; readonly signal?: AbortSignal } = {}): AsyncIterableIterator<StreamItem> {
    return this.#stream(options.after ?? -1, options.signal ?? new AbortController().signal, Promise.resolve(undefined));
  }

  /** The log, oldest first. */
  async *log(options: { readonly after?: Seq; readonly upto?: Seq } = {}): AsyncGenerator<AgentEvent> {
    for await (const frame of this.frames(options)) {
      for (const event of eventsOf(frame)) if (event.seq > (options.after ?? -1)) yield event as unknown as AgentEvent;
    }
  }

  /** The log as frames, with their envelopes. */
  async *frames(options: { readonly after?: Seq; readonly upto?: Seq } = {}): AsyncGenerator<Frame> {
    for (let after = options.after ?? -1; ;) {
      const page = await this.#ports.store.read(this.sid, { ...options, after });
      const last = page.at(-1);
      if (last === undefined) return;
      yield* page;
      after = last.seq + last.events.length - 1;
    }
  }

  /** The session as it was after event `seq`, or as it is now. @throws LOG_RANGE, SESSION_UNKNOWN, LOG_PRUNED */
  at(seq?: Seq): Promise<View> {
    return foldAt(this.#ports.store, this.sid, { facets: this.#ports.facets, ...(seq === undefined ? {} : { upto: seq }) });
  }

  /**
   * A new session that shares events 0…`seq`. It inherits facts, never obligations: open calls and approvals stay this one's.
   * `effects`: what its calls that are not `read` do; default `ask` a person for each.
   */
  async fork(seq: Seq, options: { readonly effects?: ForkEffects; readonly sid?: Sid; readonly by?: string } = {}): Promise<Session> {
    checkOptions(options, ['effects', 'sid', 'by'], 'fork');
    const { store, world } = this.#ports;
    const view = await this.at(seq);
    const sid = options.sid ?? world.ids.random();
    const forked: Draft = { type: 'session.forked', data: { parent: this.sid, at: seq, effects: options.effects ?? 'ask' } };
    const status = view.state.turn.open === null && view.state.turn.inbox.length === 0 ? 'idle' : 'waiting';
    await store.fork({
      id: world.ids.next(),
      sid,
      parent: this.sid,
      at: seq,
      events: [forked],
      by: options.by ?? 'user',
      then: { status },
    });
    return new Session(sid, this.#ports, this.#subject);
  }

  /** Decides again from event 0 against the recorded results and compares. Makes no call. `against` is another definition of the agent. */
  async replay(options: { readonly against?: Agent } = {}): Promise<ReplayReport> {
    const info = await this.info();
    const { store, world, facets } = this.#ports;
    return replaySession({ store, sid: this.sid, world, facets, agent: options.against ?? this.#ports.agent(info.agent ?? '') });
  }

  info(): Promise<SessionInfo> {
    return this.#ports.store.info(this.sid);
  }

  /** A driver that was let go between finding and using it is asked for anew. Contract: `use` takes hold of it before its first await. */
  async #using<T>(use: (driver: Driver) => Promise<T>): Promise<T> {
    for (;;) {
      const driver = await this.#ports.driver(this.sid);
      if (!driver.isReleased) return use(driver);
    }
  }

  #run(begin: (driver: Driver) => Promise<{ readonly seq: Seq; readonly message: Seq }>): Run {
    const begun = this.#using((driver) => driver.hold(() => begin(driver)));
    const accepted = begun.then(({ seq }) => ({ sid: this.sid, seq }));
    const result: Promise<RunResult> = begun.then(({ message }) => resultOf(this.sid, message, this.#ports));
    // Whoever does not look at them must not be struck by them.
    accepted.catch(() => undefined);
    result.catch(() => undefined);
    const items = (): AsyncIterableIterator<StreamItem> => {
      const end = result.then(() => this.#ports.store.head(this.sid));
      return this.#stream(
        -1,
        new AbortController().signal,
        accepted.then(({ seq }) => seq - 1),
        end,
      );
    };
    return new Begun(accepted, result, items);
  }

  #stream(after: Seq, signal: AbortSignal, ready: Promise<Seq | undefined>, end?: Promise<Seq>): AsyncIterableIterator<StreamItem> {
    const { store, listen } = this.#ports;
    return streamOf({
      store,
      sid: this.sid,
      after,
      signal,
      ready,
      listen: (listener) => listen(this.sid, listener),
      ...(end === undefined ? {} : { end }),
    });
  }

  async #rest(driver: Driver): Promise<void> {
    if (!driver.isBusy) {
      driver.kick();
    }
    await new Promise<void>((resolve) => {
      const stop = this.#ports.watch(this.sid, () => {
        stop();
        resolve();
      });
    });
  }
}

/**
 * A class: a getter in an object literal is kept by the shape that V8 makes of it, in old memory, and with it whatever its closure sees:
 * the driver, its state and the store of each message would outlive all young collections.
 */
class Begun implements Run {
  readonly accepted: Run['accepted'];
  readonly result: Run['result'];
  readonly #items: () => AsyncIterableIterator<StreamItem>;

  constructor(accepted: Run['accepted'], result: Run['result'], items: () => AsyncIterableIterator<StreamItem>) {
    this.accepted = accepted;
    this.result = result;
    this.#items = items;
  }

  get textStream(): AsyncIterable<string> {
    return textOf(this.#items());
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<StreamItem> {
    return this.#items();
  }
}

const DELIVER: readonly string[] = ['queue', 'steer', 'interrupt'];
