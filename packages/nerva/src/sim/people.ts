import { foldAt, type Answer, type Pending, type Run, type RunResult, type Runtime } from '../agent/index.ts';
import { NervaError } from '../core/index.ts';
import type { LogEvent, Seq, Sid, Store } from '../log/index.ts';
import type { Audit } from './audit.ts';
import type { Hub } from './hub.ts';
import { placeOf } from './ledger.ts';
import type { SimProcess } from './process.ts';
import type { Scenario, Step } from './scenario.ts';

/** Who serves requests right now. */
export interface Desk {
  readonly process: SimProcess;
  readonly runtime: Runtime;
}

/** What people need of a run. */
export interface Office {
  readonly hub: Hub;
  readonly audit: Audit;
  readonly scenario: Scenario;
  /** The newest process that lives, as soon as there is one; or the one at `place`, the oldest being 0. */
  desk(tenant: string | null, place?: number): Promise<Desk>;
  /** The store itself, for a look that nothing disturbs. */
  inspected(): Store;
  erase(subject: string): Promise<void>;
  /** The newest process dies, or is closed in peace. */
  stop(how: 'crash' | 'restart'): void;
}

/** What was answered to a message. */
export interface Told {
  readonly sid: Sid;
  readonly seq: Seq;
  readonly result: RunResult;
}

/** What somebody saw of a run of his own, to its end. */
export interface Followed {
  readonly sid: Sid;
  /** Of the message. */
  readonly seq: Seq;
  readonly seen: readonly Seq[];
  readonly result: RunResult;
}

const RETRY_MS = 1_000;
const READ_MS = 3_000;
const UNKNOWN_MAX = 100;
const ATTEMPTS_MAX = 1_000;
const PATIENCE_MS = 1_200_000;
const THINK_MS = 60_000;
const LATE_MS = 7_200_000;
/** Failures that a caller overcomes by asking again; the process may be another one by then. */
const PASSING: ReadonlySet<string> = new Set(['SESSION_FENCED', 'STORE_CLOSED', 'STORE_POISONED', 'SESSION_UNKNOWN']);
/** Answers that say: somebody was faster. */
const SETTLED: ReadonlySet<string> = new Set([
  'APPROVAL_SETTLED',
  'APPROVAL_UNKNOWN',
  'APPROVAL_CHANGED',
  'OPTION_INVALID',
  'SESSION_CLOSED',
]);

/** Whose process is asked, and which. */
interface Whom {
  readonly tenant?: string | null | undefined;
  readonly process?: number | undefined;
}

/** Those who use the agents: they send until they are told that it was accepted, answer what they are asked, and read along. */
export class People {
  /** Results that callers were given. */
  readonly told: Told[] = [];
  /** By session: the events that a reader saw, in order. */
  readonly seen = new Map<Sid, LogEvent[]>();
  readonly followed: Followed[] = [];
  /** Messages whose senders wait to be told what came of them. */
  readonly untold = new Set<{ readonly process: SimProcess; readonly sid: Sid; readonly seq: Seq }>();
  readonly #office: Office;
  readonly #busy = new Set<Promise<unknown>>();
  readonly #readers: AbortController[] = [];
  #sent = 0;

  constructor(office: Office) {
    this.#office = office;
    // By a name: a function that is written where it is assigned to a property V8 puts into old memory, and what it sees is kept with it.
    const asked: Audit['onEvent'] = (event, tenant) => this.#asked(event, tenant);
    office.audit.onEvent = asked;
  }

  /** True while somebody still waits to be heard, or thinks. */
  get isBusy(): boolean {
    return this.#busy.size > 0;
  }

  /** Lets a step happen at its time. */
  schedule(step: Step): void {
    this.#follow(this.#office.hub.sleep(step.atMs).then(() => this.#act(step)));
  }

  /** Somebody does something at the worst moment. */
  interfere(kind: 'queue' | 'steer' | 'interrupt' | 'cancel', sid: Sid, tenant: string | null): void {
    const at = { atMs: 0, sid, ...(tenant === null ? {} : { tenant }) };
    if (kind === 'cancel') return this.schedule({ ...at, type: 'cancel' });
    this.schedule({ ...at, type: 'send', text: `«${this.markerOf(sid)}» And another thing.`, deliver: kind });
  }

  /** What must never be seen outside of a session and its forks. */
  markerOf(sid: Sid): string {
    const book = this.#office.audit.kept.get(sid)?.book;
    return book !== undefined && book.base > 0 ? (book.events[0]?.sid ?? sid) : sid;
  }

  /** Answers everything that waits for a person anywhere. @returns how many there were. */
  async answerAll(): Promise<number> {
    let count = 0;
    for (const [sid, { tenant, book }] of this.#office.audit.kept) {
      if (book.isClosed || !book.isAsking) continue;
      for (const pending of (await foldAt(this.#office.inspected(), sid)).pending) {
        count++;
        await this.#answer({ sid, tenant }, pending);
      }
    }
    return count;
  }

  /** Resolves when nobody is busy. */
  async settled(): Promise<void> {
    while (this.#busy.size > 0) await Promise.all(this.#busy);
  }

  /** Readers stop reading. */
  leave(): void {
    for (const reader of this.#readers) reader.abort();
  }

  #follow(doing: Promise<unknown>): void {
    this.#busy.add(doing);
    void doing.finally(() => this.#busy.delete(doing));
  }

  async #act(step: Step): Promise<void> {
    switch (step.type) {
      case 'send':
        return this.#send(step);
      case 'cancel':
        return this.#known(step.sid) ? this.#insist(step, ({ runtime }) => runtime.session(step.sid).cancel()) : undefined;
      case 'close':
        return this.#known(step.sid) ? this.#insist(step, ({ runtime }) => runtime.session(step.sid).close()) : undefined;
      case 'watch':
        return void this.#watch(step.sid, step.tenant ?? null);
      case 'fork':
        return this.#fork(step);
      case 'erase':
        return this.#office.erase(step.subject);
      case 'crash':
      case 'restart':
        return this.#office.stop(step.type);
      default:
    }
  }

  /** Nobody cancels or closes what is not there yet. */
  #known(sid: Sid): boolean {
    return this.#office.audit.kept.has(sid);
  }

  async #send(step: Step & { readonly type: 'send' }): Promise<void> {
    const id = `m${this.#sent++}`;
    const { scenario, audit } = this.#office;
    audit.sent.add(id);
    const agent = step.agent ?? audit.firstAgent;
    const input = step.data ?? step.text ?? '';
    await this.#insist(step, async ({ runtime, process }) => {
      const options = {
        ...(this.#office.audit.kept.has(step.sid) ? {} : { agent }),
        ...(step.subject === undefined ? {} : { subject: step.subject }),
      };
      const run = runtime.session(step.sid, options).send(input, { id, ...(step.deliver === undefined ? {} : { deliver: step.deliver }) });
      if (step.isFollowed === true) this.#follow(Promise.race([this.#followed(step.sid, run), process.died]));
      const { seq } = await run.accepted;
      const before = audit.accepted.get(id);
      if (before !== undefined && before.seq !== seq)
        this.#office.hub.violated('a frame counts once', `Message ${id} was accepted at ${before.seq} and at ${seq} (${scenario.name}).`);
      audit.accepted.set(id, { sid: step.sid, seq });
      const waiting = { process, sid: step.sid, seq };
      this.untold.add(waiting);
      const telling = run.result.then(
        (result) => this.told.push({ sid: step.sid, seq, result }),
        (error: unknown) => this.#typed(error), // the driver was lost; the record says what came of it
      );
      void telling.finally(() => this.untold.delete(waiting));
    });
  }

  /** Reads along with a run, slower than it goes. Of one that was lost on the way nothing is said. */
  async #followed(sid: Sid, run: Run): Promise<void> {
    const seen: Seq[] = [];
    try {
      for await (const item of run) {
        await this.#office.hub.sleep(READ_MS);
        if (item.type === 'event') seen.push(item.event.seq);
        else if (!seen.includes(placeOf(item.call).seq))
          this.#office.hub.violated(
            'a call is told before what it says',
            `Who follows ${sid} hears of ${item.call} first by its ${item.type}.`,
          );
      }
      const [{ seq }, result] = await Promise.all([run.accepted, run.result]);
      this.followed.push({ sid, seq, seen, result });
    } catch {
      // The record says what came of it.
    }
  }

  async #fork({ sid, as, at, effects, text, tenant }: Step & { readonly type: 'fork' }): Promise<void> {
    await this.#insist({ tenant }, async ({ runtime }) => {
      if (this.#office.audit.kept.has(as)) return;
      const head = await runtime.store.head(sid);
      if (head > 0) await runtime.session(sid).fork(Math.floor(at * (head - 1)), { effects, sid: as });
    });
    if (!this.#office.audit.kept.has(as)) return;
    await this.#send({
      type: 'send',
      atMs: 0,
      sid: as,
      text: `«${this.markerOf(as)}» ${text}`,
      ...(tenant === undefined ? {} : { tenant }),
    });
  }

  /** Reads along, and comes back where it was whenever the connection is lost. */
  async #watch(sid: Sid, tenant: string | null): Promise<void> {
    const reader = new AbortController();
    this.#readers.push(reader);
    const seen: LogEvent[] = [];
    this.seen.set(sid, seen);
    while (!reader.signal.aborted) {
      const { process, runtime } = await this.#office.desk(tenant);
      const reading = async (): Promise<void> => {
        for await (const item of runtime.session(sid).stream({ after: seen.length - 1, signal: reader.signal })) {
          if (process.isDead) return;
          if (item.type === 'event') seen.push(item.event as unknown as LogEvent);
        }
      };
      await Promise.race([reading().catch(() => undefined), process.died]);
      await this.#office.hub.sleep(RETRY_MS);
    }
  }

  /** Does something until it worked or cannot work; a caller has patience, but not for ever. */
  async #insist({ tenant, process }: Whom, act: (desk: Desk) => Promise<unknown>): Promise<void> {
    const { hub } = this.#office;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const desk = await this.#office.desk(tenant ?? null, process);
      const late = hub.timeout(PATIENCE_MS);
      const outcome = await Promise.race([
        act(desk).then(
          () => 'done',
          (error: unknown) => error,
        ),
        desk.process.died.then(() => 'died'),
        late.promise,
      ]);
      late.stop();
      if (outcome === 'done') return;
      if (typeof outcome !== 'string') this.#typed(outcome);
      if (outcome !== 'died' && outcome !== 'late' && !isPassing(outcome)) return;
      // It may come yet; nobody waits for it for ever.
      if (NervaError.is(outcome, 'SESSION_UNKNOWN') && attempt > UNKNOWN_MAX) return;
      await hub.sleep(RETRY_MS);
    }
    hub.violated('eventually quiet', `A caller asked ${ATTEMPTS_MAX} times and was never heard.`);
  }

  /** Whatever else a caller is told of is a bug. */
  #typed(error: unknown): void {
    if (NervaError.is(error)) return;
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#office.hub.violated('only typed failures', `A caller was told ${what}.`);
  }

  /** A person hears that something waits, and answers after a while. */
  #asked({ sid, seq, type }: LogEvent, tenant: string | null): void {
    if (type !== 'approval.requested' && type !== 'tool.in_doubt') return;
    const { hub } = this.#office;
    const due = hub.visit('person.answer');
    const lateMs = hub.due(due, ['people.late']) === null ? 0 : LATE_MS;
    const again = hub.due(due, ['people.twice', 'people.change']);
    const answering = async (): Promise<void> => {
      await hub.sleep(lateMs + 1_000 + hub.roll(`think ${sid}:${seq}`) * THINK_MS);
      for (const pending of (await foldAt(this.#office.inspected(), sid)).pending) {
        const first = this.#answer({ sid, tenant }, pending);
        // Where there are more processes, two people answer at once, and then neither is wrong about what happened.
        const isAtOnce = (this.#office.scenario.processes ?? 1) > 1;
        if (!isAtOnce) await first;
        const isOpposite = again === 'people.change' && !(isAtOnce && pending.type === 'doubt');
        const second = again === null ? null : this.#answer({ sid, tenant, process: 0 }, pending, isOpposite);
        await Promise.all([first, second]);
      }
    };
    this.#follow(answering());
  }

  async #answer({ sid, tenant, process }: Whom & { readonly sid: Sid }, pending: Pending, isOpposite = false): Promise<void> {
    const { audit, scenario, hub } = this.#office;
    const roll = hub.roll(`answer ${pending.id}`);
    // What becomes of a later attempt nobody knows who looked at an earlier one.
    const seen = pending.type === 'doubt' ? { digest: pending.digest } : {};
    const looked = (scenario.answer ?? honest)(pending, audit.ledger, roll);
    const answer = isOpposite ? opposite(looked) : looked;
    await this.#insist({ tenant, process }, async ({ runtime }) => {
      hub.trace.note(`person answers ${pending.id} ${answer.decision}`, hub.scheduler.nowMs);
      const { accepted } = runtime.session(sid).respond(pending.id, { ...answer, ...seen });
      audit.settled.push({ sid, id: pending.id, seq: (await accepted).seq });
    });
  }
}

/** A person who looks before answering. */
function honest(pending: Pending, outside: Audit['ledger'], roll: number): Answer {
  if (pending.type === 'approval') return roll < 0.67 ? { decision: 'approve' } : { decision: 'deny', why: 'too much' };
  return outside.happened(pending.id)
    ? { decision: 'returned', output: { seen: true } }
    : { decision: 'failed', message: 'It did not happen.' };
}

function opposite(answer: Answer): Answer {
  switch (answer.decision) {
    case 'approve':
      return { decision: 'deny', why: 'changed my mind' };
    case 'deny':
      return { decision: 'approve' };
    case 'failed':
      return { decision: 'returned', output: null };
    default:
      return { decision: 'failed' };
  }
}

function isPassing(error: unknown): boolean {
  if (!NervaError.is(error)) return false;
  return !SETTLED.has(error.code) && (error.retry || PASSING.has(error.code));
}
