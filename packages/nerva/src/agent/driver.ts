import { assert, type World } from '../core/index.ts';
import {
  eventsOf,
  placed,
  type AppendResult,
  type EventDraft,
  type Fence,
  type LogEvent,
  type Seq,
  type Sid,
  type Status,
  type Store,
} from '../log/index.ts';
import { compose, isAskedAt, isCancelled, isOpinion, type Composed, type PolicyAsk } from './compose.ts';
import { decide } from './decide.ts';
import type { Bound } from './definition.ts';
import { asDrafts, createdDraft, type Draft } from './events.ts';
import { evolve, initial } from './fold.ts';
import type { Performers, Scene } from './perform.ts';
import { isOutcome, lateOf } from './perform-tool.ts';
import { reducerOf } from './reducer.ts';
import { cancelled, isLate, refused, statusOf, surrender } from './row.ts';
import type { AgentState, Facet } from './state.ts';
import { Writing } from './writing.ts';

/** What a driver works with; the same for all drivers of a runtime but for `bound`. */
export interface DriverPorts {
  readonly store: Store;
  readonly world: World;
  readonly bound: Bound;
  readonly owner: string;
  readonly facets: readonly Facet<unknown>[];
  readonly performers: Performers;
  /** How long aborted effects may take before they are given up. */
  readonly graceMs: number;
  /** Who is told of each piece of a streamed answer; null when nobody listens. */
  readonly deltas: (sid: Sid) => Scene['onDelta'] | null;
  /** Called when the state changed, when the driver came to rest, and when it failed. */
  readonly onChange: (driver: Driver) => void;
  /** Drivers that write what came late, whoever has their sessions by then. */
  readonly late: Set<Driver>;
}

/** Where the first event of a frame stands. */
type Place = Pick<LogEvent, 'seq' | 'atMs' | 'epoch'>;

/**
 * Drives one session: fold, decide, append, perform, again. One at a time for a session.
 * D1 nothing is performed before its intent is acknowledged, and only by the driver that appended it ·
 * D2 on a conflict the facts at hand are appended alone and everything is decided anew; nothing is performed again ·
 * D3 `state` is the fold of what is acknowledged.
 */
export class Driver {
  readonly sid: Sid;
  readonly bound: Bound;
  state: AgentState;
  /** Set once the driver gave up; it is of no more use. */
  failure: unknown = null;
  /** Set once it gave the session back. */
  isReleased = false;
  /** Id of the session's first frame, by which a repeated first send is known. */
  firstFrame = '';
  readonly #ports: DriverPorts;
  readonly #writing: Writing;
  /** How often it learned that words are gone for good. */
  #erasures = 0;
  #fence: Fence | null = null;
  #owning: Promise<Fence> | null = null;
  #outcomes: Draft[] = [];
  #isDirty = false;
  #isDraining = false;
  #isGivenUp = false;
  #ask: PolicyAsk | null = null;
  #loop: Promise<void> | null = null;
  #wake: (() => void) | null = null;
  /** Who works with the driver: between the first look at an input and what follows from it it is nobody else's to let go. */
  #holds = 0;
  /** Aborted when the grace of a close is over: what the store refuses then is not tried again. */
  readonly #leaving = new AbortController();
  /** Outcomes of calls that were given up, on their way into the log. */
  readonly #lates = new Set<Promise<void>>();
  readonly #running = new Map<Seq, AbortController>();
  /** Of these the timers. */
  readonly #sleepers = new Set<Seq>();

  private constructor(sid: Sid, ports: DriverPorts) {
    this.sid = sid;
    this.bound = ports.bound;
    this.#ports = ports;
    this.state = initial(sid, ports.facets);
    this.#writing = new Writing({
      sid,
      store: ports.store,
      world: ports.world,
      leaving: this.#leaving.signal,
      session: () => this.state.session,
      onErased: () => {
        this.#erasures++;
        return this.#catchUp();
      },
    });
  }

  /** Folds a session that was claimed or taken over; without `fence` it does not exist yet and is created by its first `receive`. */
  static async open(sid: Sid, ports: DriverPorts, fence: Fence | null): Promise<Driver> {
    const driver = new Driver(sid, ports);
    if (fence === null) return driver;
    driver.#fence = fence;
    // Whoever opens it holds it: where few may rest it would be let go before it is given out.
    driver.#holds++;
    await driver.#catchUp();
    driver.#holds--;
    return driver;
  }

  /**
   * The row says `ready` since a frame that did not look: at rest it must be set right. So it is at first, too: claimed means ready, and one
   * that was taken over may be.
   */
  get isOutdated(): boolean {
    return this.#writing.row.isOutdated;
  }

  /** True while something runs or is to be decided. */
  get isBusy(): boolean {
    return this.#loop !== null || this.#writing.isBusy || this.#holds > 0;
  }

  /**
   * Appends a verdict on what stands now, at the present head. @returns null when something came in between: then nothing was
   * written, and it is read.
   */
  judge(draft: Draft, by: string): Promise<{ readonly seq: Seq } | null> {
    return this.hold(async () => {
      const frame = { id: this.#ports.world.ids.next(), events: asDrafts([draft]), expected: this.state.head, ...this.#rest([draft]), by };
      const result = await this.#writing.append({ ...frame, then: frame.then ?? { status: 'ready' } });
      if (result.ok) await this.#reached(result, frame.events);
      else if (result.why === 'conflict') await this.#catchUp();
      else throw refused(this.sid, result);
      this.kick();
      return result.ok ? { seq: result.seq } : null;
    });
  }

  /** Appends facts from outside and goes on. `id` makes it safe to repeat. @returns seq of the first of them, as it was first appended. */
  receive(
    drafts: readonly Draft[],
    options: { readonly id?: string; readonly by?: string } = {},
  ): Promise<{ readonly seq: Seq; readonly repeated: boolean }> {
    return this.hold(() => this.#receive(drafts, options.id ?? this.#ports.world.ids.next(), options.by));
  }

  /** While `use` runs the driver is not let go. */
  async hold<T>(use: () => Promise<T>): Promise<T> {
    this.#holds++;
    try {
      return await use();
    } finally {
      this.#holds--;
      if (!this.isBusy) this.#ports.onChange(this);
    }
  }

  async #receive(drafts: readonly Draft[], id: string, by: string | undefined): Promise<{ readonly seq: Seq; readonly repeated: boolean }> {
    if (this.state.head > 0 && id === this.firstFrame) {
      this.kick();
      return { seq: 1, repeated: true };
    }
    const result =
      this.state.head === 0
        ? await this.#create(drafts, id, by)
        : await this.#writing.append({
            id,
            events: asDrafts(drafts),
            expected: 'fact',
            ...this.#rest(drafts),
            ...(by === undefined ? {} : { by }),
          });
    if (!result.ok) throw refused(this.sid, result);
    await this.#reached(result, asDrafts(drafts));
    this.kick();
    const seq = result.seq + (result.seq === 0 ? 1 : 0);
    return { seq, repeated: result.repeated };
  }

  /** Input that nothing follows from leaves a resting session at rest: `ready` would have it claimed for nothing after every restart, up to quarantine. */
  #rest(drafts: readonly Draft[]): { readonly then?: { readonly status: Status; readonly ifHead: Seq } } {
    // One that failed knows nothing of the row: somebody else may be at work.
    if (this.#loop !== null || this.#fence === null || this.failure !== null) return {};
    const { facets } = this.#ports;
    const { epoch } = this.#fence;
    const state = this.#after(this.state, asDrafts(drafts), { seq: this.state.head, atMs: this.state.nowMs, epoch });
    const wish = decide(state, this.bound, epoch, facets);
    return wish === null || wish === 'wait' ? { then: { status: statusOf(state, false), ifHead: this.state.head } } : {};
  }

  /** Goes on under a newer fence: the store handed the session out again, to the runtime that has it already. */
  adopt(fence: Fence): void {
    if (fence.epoch <= (this.#fence?.epoch ?? -1)) return;
    this.#fence = fence;
    this.#writing.row.unset(this.state.head); // claimed means ready
  }

  /** Looks for something to do. */
  kick(): void {
    this.#isDirty = true;
    this.#signal();
    if (this.#loop === null && this.failure === null && this.#fence !== null) this.#loop = this.#run();
  }

  /** Somebody else may have appended. What came after an append of ours its answer does not tell: the answer is waited for, and then it is looked. */
  async poke(): Promise<void> {
    await this.#writing.settled();
    if (this.failure !== null || this.isReleased) return;
    if (!this.isOutdated) {
      const head = await this.#ports.store.head(this.sid);
      if (head <= this.state.head) return;
      // Before it reads: a read may fail half-way, and then it is told again.
      this.#writing.row.unset(head - 1);
    }
    await this.hold(async () => {
      await this.#catchUp();
      this.kick();
    });
  }

  /** Starts nothing more; lets what runs finish for `graceMs`, then aborts it. Resolves when the driver rests. */
  async drain(graceMs: number): Promise<void> {
    this.#isDraining = true;
    this.#wakeSleepers(); // a timer is not worth a grace
    this.#signal();
    if (this.#loop === null && this.#lates.size === 0) return;
    const timer = new AbortController();
    const late = this.#ports.world.clock.sleep(graceMs, { signal: timer.signal, background: true }).then(
      () => this.#giveUp(),
      () => undefined,
    );
    while (this.#loop !== null || this.#lates.size > 0) await Promise.all([this.#loop, ...this.#lates]);
    timer.abort();
    await late;
  }

  /** Closes the session for good; it must be at rest. Where somebody appended meanwhile it only catches up: look again. */
  close(why: string): Promise<void> {
    return this.hold(async () => {
      const result = await this.#writing.append({
        id: this.#ports.world.ids.next(),
        events: [{ type: 'session.closed', data: { why } }],
        expected: this.state.head,
        then: { status: 'closed' },
        ...(this.#fence === null ? {} : { fence: this.#fence }),
      });
      if (!result.ok && result.why !== 'conflict') {
        const error = refused(this.sid, result);
        if (result.why === 'fenced') this.#fail(error); // whoever asks again takes it over
        throw error;
      }
      await this.#catchUp();
    });
  }

  /** Gives a session back that this driver failed at, for the next claim. The driver is of no more use. @returns false when somebody else has it. */
  async surrender(): Promise<boolean> {
    return this.#fence !== null && (await surrender(this.#ports.store, this.sid, this.#fence));
  }

  /** Gives the session back, when at rest. The driver is of no more use. @returns false when somebody else had taken it: its row is theirs to set. */
  async release(): Promise<boolean> {
    if (this.#fence === null || this.isBusy || this.failure !== null) return true;
    this.isReleased = true;
    const { store } = this.#ports;
    for (;;) {
      // A look that is under way may find more meanwhile.
      const [status, expected] = [statusOf(this.state, this.#isUnfinished(this.state)), this.state.head];
      if (await store.release(this.sid, this.#fence, { expected, status, wakeAtMs: null })) return true;
      const { epoch, head } = await store.info(this.sid);
      if (epoch > this.#fence.epoch || head <= expected) return false;
      // Somebody appended meanwhile: the row is set by what is there now.
      await this.#catchUp();
    }
  }

  /** Whether the next driver would find something to do at once: then the session stays `ready`, also when this one stops in the middle of a turn. */
  #isUnfinished(state: AgentState): boolean {
    // Under nobody's epoch: this driver may have been replaced, and what its successor left open is unfinished too.
    const wish = decide(state, this.bound, Infinity, this.#ports.facets);
    return wish !== null && wish !== 'wait';
  }

  /** The first frame: the session, its first input and all that follows at once. */
  async #create(drafts: readonly Draft[], id: string, by: string | undefined): Promise<AppendResult> {
    const { agent } = this.bound;
    const subject = drafts[0]?.subject;
    const composed = this.#compose([createdDraft(agent.name, subject), ...drafts]);
    const then = { status: statusOf(composed.state, composed.isActing), agent: agent.name, owner: this.#ports.owner } as const;
    const [base, erasures] = [this.state, this.#erasures];
    const askedMs = this.#ports.world.clock.nowMs();
    const result = await this.#writing.append({
      id,
      events: asDrafts(composed.drafts),
      atMs: composed.atMs,
      expected: 0,
      then,
      ...(by === undefined ? {} : { by }),
    });
    if (!result.ok || result.repeated) {
      // Somebody created it meanwhile: then this is a fact like any other, and belongs to whom the session belongs to.
      await this.#own();
      await this.#catchUp();
      return result.ok ? result : this.#writing.append({ id, events: asDrafts(drafts), expected: 'fact' });
    }
    // It may have been taken over from here while the answer was on its way.
    this.adopt({ epoch: result.epoch });
    this.firstFrame = id;
    await this.#reached(result, asDrafts(composed.drafts));
    // The input is in the log, whoever goes on from it.
    if (isLate(askedMs, this.#ports.world.clock.nowMs())) await this.#assertOwn().catch((error: unknown) => this.#fail(error));
    if (this.failure !== null) return result;
    if (composed.policy !== null) this.#await(composed.policy);
    this.#perform(composed.drafts, result, this.#decidedOn(base, composed, { result, erasures }));
    return result;
  }

  /** Takes the session over, once: a second take-over would fence the first. */
  async #own(): Promise<void> {
    if (this.#fence !== null) return;
    this.#owning ??= this.#ports.store.takeOver(this.sid, this.#ports.owner).finally(() => (this.#owning = null));
    this.#fence ??= await this.#owning;
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        await this.#step();
        if (this.failure !== null) break;
        if (this.#outcomes.length > 0 || this.#isDirty) continue;
        if (this.#running.size === 0 && this.#ask === null) break;
        await new Promise<void>((wake) => (this.#wake = wake));
      }
    } catch (error) {
      this.failure = error;
      this.#abort();
      this.#later(lateOf(this.#outcomes.splice(0)));
    }
    this.#loop = null;
    this.#ports.onChange(this);
  }

  /** One round: outcomes at hand, what they lead to, one frame, and the effects of its intents. */
  async #step(): Promise<void> {
    this.#isDirty = false;
    if (isCancelled(this.state)) this.#abort();
    const facts = this.#outcomes.splice(0);
    const base = this.state;
    const erasures = this.#erasures;
    const fence = this.#fence;
    const composed = this.#compose(facts);
    if (composed.drafts.length === 0) {
      if (composed.policy !== null) this.#await(composed.policy);
      return;
    }
    // An opinion is a decision: what was decided at another head is not followed.
    const isDecision = composed.drafts.length > facts.length || facts.some(isOpinion);
    const isGoingOn = this.#running.size > 0 || this.#ask !== null || composed.isActing;
    const status = statusOf(composed.state, isGoingOn || (this.#isDraining && this.#isUnfinished(composed.state)));
    const frame = {
      id: this.#ports.world.ids.next(),
      events: asDrafts(composed.drafts),
      atMs: composed.atMs,
      then: { status, ifHead: base.head, progress: facts.length > 0 },
      expected: isDecision ? base.head : ('fact' as const),
      ...(isDecision && fence !== null ? { fence } : {}),
    };
    const askedMs = this.#ports.world.clock.nowMs();
    const result = await this.#writing.append(frame, true);
    if (!result.ok) return this.#refuse(result, facts, fence);
    if (result.repeated || isLate(askedMs, this.#ports.world.clock.nowMs())) await this.#assertOwn();
    // A fact may have come in between, from here or from elsewhere: then what was composed is not what is, and it is decided on that.
    if (this.state === base && result.seq === base.head && result.atMs === composed.atMs) this.#adopt(composed.state);
    else {
      await this.#reached(result, frame.events);
      this.#isDirty = true;
    }
    if (composed.policy !== null) this.#await(composed.policy);
    this.#perform(composed.drafts, result, this.#decidedOn(base, composed, { result, erasures }));
  }

  /** An answer that came late or twice may be older than somebody's take-over: then nothing is performed here (D1). */
  async #assertOwn(): Promise<void> {
    const { epoch, head } = await this.#ports.store.info(this.sid);
    if (this.#fence !== null && epoch > this.#fence.epoch) throw refused(this.sid, { ok: false, why: 'fenced', head });
  }

  #compose(facts: readonly Draft[]): Composed {
    const { world, facets } = this.#ports;
    return compose(this.state, facts, {
      bound: this.bound,
      facets,
      epoch: this.#fence?.epoch ?? 0,
      nowMs: world.clock.nowMs(),
      isDraining: this.#isDraining,
      asked: this.#ask,
    });
  }

  /** The frame was not taken: keep the facts, read what is new, decide again (D2). */
  async #refuse(result: AppendResult & { readonly ok: false }, taken: readonly Draft[], fence: Fence | null): Promise<void> {
    const facts = taken.filter((draft) => !isOpinion(draft));
    if (result.why === 'closed' || result.why === 'limit') throw refused(this.sid, result);
    if (facts.length > 0) {
      const frame = { id: this.#ports.world.ids.next(), events: asDrafts(facts), expected: 'fact' as const, then: { progress: true } };
      const alone = await this.#writing.append(frame, true);
      if (!alone.ok) throw refused(this.sid, alone);
    }
    // It may have been handed the session again meanwhile.
    if (result.why === 'fenced' && this.#fence === fence) throw refused(this.sid, result);
    await this.#catchUp();
    this.#isDirty = true;
  }

  /** Brings `state` to what a result tells: our own events when they are next, else by reading. */
  async #reached(result: AppendResult & { readonly ok: true }, drafts: readonly EventDraft[]): Promise<void> {
    if (result.head <= this.state.head) return;
    if (result.repeated || result.seq !== this.state.head || result.head - result.seq !== drafts.length) return this.#catchUp();
    this.#adopt(this.#after(this.state, drafts, result));
  }

  /** A state once `drafts` follow on it. */
  #after(before: AgentState, drafts: readonly EventDraft[], { seq, atMs, epoch }: Place): AgentState {
    const { facets } = this.#ports;
    return drafts.reduce((state, draft, index) => evolve(state, placed(draft, this.sid, seq + index, atMs, epoch), facets), before);
  }

  async #catchUp(): Promise<void> {
    const { store, facets } = this.#ports;
    const { evolve } = reducerOf(facets);
    for (;;) {
      const frames = await store.read(this.sid, { after: this.state.head - 1 });
      if (frames.length === 0) break;
      let { state } = this;
      for (const frame of frames) {
        if (frame.seq === 0 && frame.sid === this.sid) this.firstFrame = frame.id; // a fork's first message is its parent's
        for (const event of eventsOf(frame)) {
          if (event.seq < state.head) continue;
          if (event.type === 'subject.erased') this.#erasures++;
          state = evolve(state, event);
        }
        this.#writing.row.unset(frame.seq); // or one of ours: then its answer says so
      }
      this.#adopt(state);
    }
  }

  #adopt(state: AgentState): void {
    assert(state.head >= this.state.head, 'D3 the state never goes back');
    this.state = state;
    if (this.#ask !== null && !isAskedAt(state, this.#ask, this.bound)) this.#ask = null; // nobody wants this opinion any more
    this.#ports.onChange(this);
  }

  /**
   * What the intents of a frame were decided on, which is what the log holds up to them: what came since is for the next ones. But what
   * was erased since, and is `erasures` behind, reaches nobody.
   */
  #decidedOn(
    base: AgentState,
    composed: Composed,
    { result, erasures }: { readonly result: Place; readonly erasures: number },
  ): AgentState {
    if (this.#erasures > erasures) return this.state;
    return result.atMs === composed.atMs ? composed.state : this.#after(base, asDrafts(composed.drafts), result);
  }

  /** Starts the effects of acknowledged intents (D1), on what they were decided on. Those of an epoch that is over were lost with it, and are decided anew. */
  #perform(drafts: readonly Draft[], { seq: first, epoch }: Place, state: AgentState): void {
    if (epoch !== this.#fence?.epoch) return void this.kick();
    drafts.forEach((draft, index) => {
      const performer = this.#ports.performers[draft.type];
      if (performer === undefined || this.failure !== null) return;
      const seq = first + index;
      const controller = new AbortController();
      if (isCancelled(this.state)) controller.abort(cancelled());
      this.#running.set(seq, controller);
      if (draft.type === 'timer.set') this.#sleepers.add(seq);
      const done = (outcome: readonly Draft[]): void => {
        this.#running.delete(seq);
        this.#sleepers.delete(seq);
        this.#outcomes.push(...(this.#isGivenUp ? outcome.filter(isOutcome) : outcome));
        if (this.failure === null) this.#signal();
        else this.#later(lateOf(this.#outcomes.splice(0)));
      };
      const scene: Scene = {
        sid: this.sid,
        seq,
        state,
        bound: this.bound,
        store: this.#ports.store,
        world: this.#ports.world,
        signal: controller.signal,
        leaving: this.#leaving.signal,
        abort: (reason) => controller.abort(reason),
        graceMs: this.#ports.graceMs,
        onDelta: this.#ports.deltas(this.sid) ?? undefined,
        later: (outcome) => this.#later([outcome]),
      };
      try {
        const outcome = performer(draft, scene);
        if (outcome instanceof Promise) void outcome.then(done, (error: unknown) => this.#fail(error));
        else done(outcome);
      } catch (error) {
        this.#fail(error); // a bug, and its intent is in the log: whoever sent what led to it is told that by the result
      }
    });
  }

  /** What came late, or to a driver that failed: somebody else may have given the calls up. */
  #later(outcomes: readonly Draft[]): void {
    for (const outcome of outcomes) {
      const late = this.#late(outcome).finally(() => {
        this.#lates.delete(late);
        if (this.#lates.size === 0) this.#ports.late.delete(this);
      });
      this.#lates.add(late);
      this.#ports.late.add(this);
    }
  }

  /** An outcome that came after its call was given up: a fact like any other, also where somebody else drives the session by now. */
  async #late(outcome: Draft): Promise<void> {
    const events = asDrafts([outcome]);
    const frame = { id: this.#ports.world.ids.next(), events, expected: 'fact', by: 'runtime' } as const;
    const told = this.hold(async () => {
      const result = await this.#writing.append({ ...frame, ...this.#rest([outcome]) }, true);
      if (!result.ok) throw refused(this.sid, result);
      if (this.failure !== null) return;
      await this.#reached(result, events);
      this.kick();
    });
    await told.catch((error: unknown) => this.#fail(error));
  }

  /** Waits for an opinion, unless the turn moved on meanwhile (a cancel, a steer). */
  #await(asked: PolicyAsk): void {
    if (!isAskedAt(this.state, asked, this.bound)) return;
    this.#ask = asked;
    void asked.decided.then(
      (draft) => {
        if (this.#ask !== asked) return;
        this.#ask = null;
        this.#outcomes.push(draft);
        this.kick();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #fail(error: unknown): void {
    this.failure ??= error;
    this.#abort();
    this.#running.clear();
    this.#ask = null;
    this.#signal();
    if (this.#loop === null) this.#ports.onChange(this);
  }

  #abort(): void {
    this.#wakeSleepers();
    for (const controller of this.#running.values()) controller.abort(cancelled());
  }

  /** A timer that is given up comes to nothing: nobody waits for it. */
  #wakeSleepers(): void {
    for (const seq of this.#sleepers) {
      this.#running.get(seq)?.abort(cancelled());
      this.#running.delete(seq);
    }
    this.#sleepers.clear();
  }

  /** Aborts what runs; an opinion cannot be aborted and is asked for again by the next driver. */
  #giveUp(): void {
    this.#isGivenUp = true;
    this.#leaving.abort();
    this.#abort();
    this.#ask = null;
    this.#signal();
  }

  #signal(): void {
    this.#wake?.();
    this.#wake = null;
  }
}
