import type { Append, AppendResult, BlobRef, KeyPort, Sid, Store, StoreLimits } from '../log/index.ts';
import type { FaultKind } from './faults.ts';
import type { Hub } from './hub.ts';
import { apply, Journal, type Live } from './journal.ts';
import type { Operation } from './operation.ts';
import { never, type Request, type SimProcess, type Supervisor } from './process.ts';
import { stackless } from './stackless.ts';

/** An append and what became of it. */
export interface Written {
  readonly process: SimProcess;
  readonly tenant: string | null;
  readonly frame: Append;
  readonly result: AppendResult;
}

/** Who is told what became of each write. */
export interface StoreWatcher {
  /** `due`: the faults of this visit. */
  appended(written: Written, due: readonly FaultKind[]): void;
  forked(process: SimProcess, fork: Parameters<Store['fork']>[0], result: AppendResult): void;
  /** A blob is on the disk. */
  stored(ref: string): void;
}

const FULL_MS = 60_000;
const SLOW_MS = 20_000;
const LATE_MS = 5_000;
/** What any log takes to read, many times over. */
const READS_MAX = 20_000;
/** Of a write: others may be told of it before who asked for it. */
const ANSWER_MS = 0.2;

/**
 * A store on a simulated disk, shared by the processes of a run: the real memory store, behind a disk that writes one record after
 * the other and may tear, lose, refuse or forget. Nothing is visible before it is synced, and nothing is acknowledged before that.
 */
export class SimStore {
  readonly #hub: Hub;
  readonly #supervisor: Supervisor;
  readonly #watcher: StoreWatcher;
  readonly #journal: Journal;
  #live: Live;
  /** The process that holds each session. */
  readonly #owners = new Map<Sid, SimProcess>();
  /** What was stored as a blob under a subject. */
  readonly sealed: { readonly subject: string; readonly ref: string; readonly content: Uint8Array }[] = [];
  /** By session: claims since something came of one. */
  readonly #claims = new Map<Sid, number>();
  #busyUntilMs = 0;
  /** Since anything else happened. */
  #reads = { step: -1, count: 0 };
  #fullUntilMs = 0;
  #isDamaged = false;
  /** Copies of what changed on the disk since it was opened. */
  #repairs: (() => void)[] = [];
  /** An fsync failed: until everybody reopened it, it takes nothing. */
  isPoisoned = false;

  // oxlint-disable-next-line max-params -- made in one place
  constructor(
    hub: Hub,
    supervisor: Supervisor,
    watcher: StoreWatcher,
    options: { readonly limits: Partial<StoreLimits>; readonly keys: KeyPort | undefined },
  ) {
    this.#hub = hub;
    this.#supervisor = supervisor;
    this.#watcher = watcher;
    this.#journal = new Journal(hub.seed, options);
    this.#live = this.#journal.empty();
  }

  /** What is stored, for whoever checks it: the operator's handle, without faults. */
  get inspected(): Store {
    return this.#live.store;
  }

  /** The store as an operator's command has it: no fault strikes, and what it writes is on the disk. */
  operated(process: SimProcess): Store {
    const write =
      (name: Operation['name']) =>
      async (...args: readonly unknown[]): Promise<never> => {
        const operation = { name, tenant: null, args, atMs: process.nowMs() };
        const result = await this.#apply(this.#journal.prepared(operation));
        this.#noted(process, operation, result, []);
        return result as never;
      };
    const { inspected } = this;
    return { ...inspected, append: write('append'), snapshots: { ...inspected.snapshots, put: write('snapshot') } };
  }

  /** The bytes on the disk as text. */
  text(): string {
    return this.#journal.text();
  }

  /** Marks the store as in need of reading from the disk when it is opened next: something of it never got there. */
  damage(): void {
    this.#isDamaged = true;
  }

  /** What opening does: reads the disk when it may differ from memory, and gives up the claims of processes that are gone. */
  async reopen(): Promise<void> {
    if (this.#isDamaged || this.#hub.knobs.isRebuilt) {
      try {
        this.#live = await this.#journal.open();
      } catch (error) {
        if (this.#repairs.length === 0) throw error;
        // The operator reads the error, and puts the copies back.
        for (const repair of this.#repairs.splice(0)) repair();
        this.#live = await this.#journal.open();
      }
      this.#isDamaged = false;
    }
    if (this.#repairs.length > 0) this.#hub.violated('corruption is noticed', 'A byte of the store changed, and opening it said nothing.');
    this.#repairs = [];
    this.isPoisoned = false;
    this.#fullUntilMs = 0;
    await this.expire(() => true);
  }

  /** Gives up the claims of processes that are dead, or that stand still past their lease, so that others get their sessions. */
  async expire(isGone: (owner: SimProcess) => boolean): Promise<void> {
    // What is in memory is not what is on the disk: the next opening gives up every claim.
    if (this.isPoisoned) return;
    for (const [sid, owner] of Array.from(this.#owners)) {
      if (!isGone(owner)) continue;
      this.#owners.delete(sid);
      const found = await this.#live.store.info(sid).catch(() => null); // deleted meanwhile
      if (found === null || found.status === 'closed' || found.status === 'quarantined') continue;
      const row = { expected: found.head, status: found.status, wakeAtMs: found.wakeAtMs };
      await this.#apply({ name: 'release', tenant: null, args: [sid, { epoch: found.epoch }, row], atMs: found.atMs });
    }
  }

  /** The store as a process sees it. */
  handle(process: SimProcess, tenant: string | null): Store {
    const store = (): Store => (tenant === null ? this.#live.store : this.#live.store.scope(tenant));
    const below = store();
    const write =
      (name: Operation['name'], point: string) =>
      (...args: readonly unknown[]): Promise<never> =>
        this.#write(process, point, { name, tenant, args, atMs: process.nowMs() }) as Promise<never>;
    const read = <T>(serve: (from: Store) => Promise<T>): Promise<T> => this.#read(process, () => serve(store()));
    const hints = new Set<() => void>();
    void process.died.then(() => hints.forEach((unhint) => unhint()));
    const append: Store['append'] = write('append', 'store.append');
    return {
      ...below,
      capabilities: { durable: true, shared: true, readOnly: false },
      append,
      appendBatch: (frames) => Promise.allSettled(frames.map(append)),
      fork: write('fork', 'store.fork'),
      claim: write('claim', 'store.claim'),
      takeOver: write('takeOver', 'store.takeOver'),
      release: write('release', 'store.release'),
      renew: write('renew', 'store.renew'),
      unquarantine: write('unquarantine', 'store.unquarantine'),
      prune: write('prune', 'store.prune'),
      delete: write('delete', 'store.delete'),
      blobs: {
        put: write('blob', 'blobs.put'),
        sweep: write('sweep', 'blobs.sweep'),
        get: (...given) => read((from) => from.blobs.get(...given)),
      },
      snapshots: { put: write('snapshot', 'snapshots.put'), get: (...given) => read((from) => from.snapshots.get(...given)) },
      info: (sid) => read((from) => from.info(sid)),
      head: (sid) => read((from) => from.head(sid)),
      read: (sid, options) => read((from) => from.read(sid, { limit: this.#hub.knobs.pageFrames, ...options })),
      list: (options) => read((from) => from.list(options)),
      stats: () => read((from) => from.stats()),
      verify: (sid, options) => read((from) => from.verify(sid, options)),
      tail: (sid, options) => mortal(() => store().tail(sid, options), process),
      feed: (options) => mortal(() => store().feed(options), process),
      onWork: (hint) => {
        const unhint = store().onWork((sid) => void this.#hub.scheduler.in(0, () => process.deliver(() => hint(sid))));
        hints.add(unhint);
        return () => (hints.delete(unhint), unhint());
      },
      scope: (name) => {
        store().scope(name);
        return this.handle(process, name);
      },
      close: () => Promise.resolve(),
    };
  }

  #read<T>(process: SimProcess, serve: () => Promise<T>): Promise<T> {
    if (process.isDead) return never();
    const hub = this.#hub;
    const step = hub.scheduler.count;
    this.#reads = { step, count: this.#reads.step === step ? this.#reads.count + 1 : 1 };
    if (this.#reads.count > READS_MAX) {
      if (this.#reads.count === READS_MAX + 1) hub.violated('eventually quiet', 'A process reads and reads, and nothing else happens.');
      return never();
    }
    if (hub.due(hub.visit('store.read'), ['store.read']) !== null)
      return Promise.reject(stackless('STORE_FAILED', 'The simulated disk refused a read. Nothing was changed.'));
    if (!hub.knobs.isReadSlow) return serve();
    return process.ask('store.read.slow', () => ({ latencyMs: 0.05 + hub.roll('read', hub.scheduler.count) / 10, serve }));
  }

  #write(process: SimProcess, point: string, operation: Operation): Promise<unknown> {
    const hub = this.#hub;
    return process.ask<unknown>(point, (due): Request<unknown> => {
      const slow = hub.due(due, ['store.slow']) === null ? 0 : SLOW_MS;
      const nowMs = hub.scheduler.nowMs;
      // One disk, one head: what was asked for first is on it first.
      this.#busyUntilMs = Math.max(nowMs, this.#busyUntilMs) + slow + (0.1 + hub.roll(point, hub.trace.visits.get(point))) * hub.knobs.pace;
      const late = hub.due(due, ['store.late']) === null ? 0 : LATE_MS;
      const answerMs = late + hub.roll(`${point} answer`, hub.trace.visits.get(point)) * ANSWER_MS * hub.knobs.pace;
      return { latencyMs: this.#busyUntilMs - nowMs, answerMs, serve: () => this.#commit(process, operation, due) };
    });
  }

  async #commit(process: SimProcess, asked: Operation, due: readonly FaultKind[]): Promise<unknown> {
    const hub = this.#hub;
    this.#refuse(due);
    const operation = this.#journal.prepared(asked);
    const kind = hub.due(due, ['store.fsync', 'store.torn', 'store.unsynced', 'store.corrupt', 'store.unknown']);
    if (kind === 'store.torn' || kind === 'store.unsynced') {
      if (kind === 'store.torn') this.#journal.tear(operation);
      this.#isDamaged = true;
      this.#supervisor.crash(process, kind);
      return never();
    }
    if (kind === 'store.fsync') {
      // It may be on the disk or not: the next opening tells.
      if (hub.roll('fsync') < 0.5) this.#journal.write(operation);
      this.#progressed(asked);
      this.#isDamaged = true;
      this.isPoisoned = true;
      this.#supervisor.poisoned();
      throw stackless('LOG_UNKNOWN_RESULT', 'The simulated disk failed to sync: nobody knows whether the frame was written.');
    }
    const result = await this.#apply(operation);
    this.#noted(process, asked, result, due);
    if (kind === 'store.corrupt') {
      const repair = this.#journal.corrupt(hub.roll('corrupt'));
      if (repair !== null) this.#repairs.push(repair);
      this.#isDamaged = true;
      this.#supervisor.crash(process, kind);
    }
    if (kind === 'store.unknown')
      throw stackless('LOG_UNKNOWN_RESULT', 'The simulated store lost the answer: nobody knows whether the frame was written.');
    return result;
  }

  async #apply(operation: Operation): Promise<unknown> {
    this.#live.at(operation, this.#journal.count);
    const result = await apply(this.#live.store, operation);
    if (!isRefused(result)) this.#journal.write(operation); // a frame that was not taken is on no disk
    return result;
  }

  /** Failures after which nothing was written. */
  #refuse(due: readonly FaultKind[]): void {
    const { scheduler } = this.#hub;
    if (this.isPoisoned) throw stackless('STORE_POISONED', 'An fsync of the simulated disk failed. Close the store and reopen it.');
    if (this.#hub.due(due, ['store.full']) !== null) this.#fullUntilMs = scheduler.nowMs + FULL_MS;
    if (this.#fullUntilMs > scheduler.nowMs) throw stackless('STORE_FULL', 'The simulated disk is full. Nothing was written.');
    if (this.#hub.due(due, ['store.error']) !== null)
      throw stackless('STORE_FAILED', 'The simulated disk refused a write. Nothing was written.');
  }

  /** Something came of a claim, where the frame says so. */
  #progressed({ name, args }: Pick<Operation, 'name' | 'args'>): void {
    const frame = args[0] as Append;
    if (name === 'append' && frame.then?.progress === true) this.#claims.delete(frame.sid);
  }

  // oxlint-disable-next-line max-params -- an operation and all that is known of it
  #noted(process: SimProcess, { name, tenant, args }: Operation, result: unknown, due: readonly FaultKind[]): void {
    switch (name) {
      case 'append': {
        const frame = args[0] as Append;
        const appended = result as AppendResult;
        if (appended.ok) this.#progressed({ name, args });
        if (frame.then?.owner !== undefined && appended.ok && !appended.repeated) this.#owners.set(frame.sid, process);
        return this.#watcher.appended({ process, tenant, frame, result: appended }, due);
      }
      case 'fork':
        return this.#watcher.forked(process, args[0] as Parameters<Store['fork']>[0], result as AppendResult);
      case 'blob': {
        const [content, { subject }] = args as Parameters<Store['blobs']['put']>;
        this.#watcher.stored((result as BlobRef).ref);
        if (subject !== undefined) this.sealed.push({ subject, ref: (result as BlobRef).ref, content });
        return;
      }
      case 'takeOver':
        return void this.#owners.set(args[0] as Sid, process);
      case 'release':
        return void (result === true && this.#owners.delete(args[0] as Sid));
      case 'claim':
        for (const { info } of result as Awaited<ReturnType<Store['claim']>>) {
          this.#owners.set(info.sid, process);
          const claims = (this.#claims.get(info.sid) ?? 0) + 1;
          this.#claims.set(info.sid, claims);
          if (info.attempts < claims)
            this.#hub.violated(
              'a claim is counted',
              `Session ${info.sid} was claimed ${claims} times, and the store counts ${info.attempts}.`,
            );
        }
        return;
      default:
    }
  }
}

const isRefused = (result: unknown): boolean => (result as AppendResult | undefined | null)?.ok === false;

/** Yields as long as its reader lives. */
async function* mortal<T>(open: () => AsyncIterable<T>, process: SimProcess): AsyncGenerator<T> {
  for await (const item of open()) {
    if (process.isDead) await never();
    yield item;
  }
}
