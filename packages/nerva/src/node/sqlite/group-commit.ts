import { NervaError, type World } from '../../core/index.ts';

/** An operation for the writer: a name and arguments that can be sent to another thread. */
export interface Operation {
  readonly name: string;
  readonly args: unknown;
}

/** What became of one operation. */
export type Outcome = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: NervaError };

/** What became of a group: one transaction. `poisoned` says that nothing more may be written, and why. */
export interface GroupResult {
  readonly outcomes: readonly Outcome[];
  readonly poisoned: string | null;
}

/** Where groups are committed: this thread or another. */
export interface Committer {
  /** Commits a group and calls `done` once, at once or later. Never called again before `done`. Must not throw. */
  commit(group: readonly Operation[], done: (result: GroupResult) => void): void;
  /** Closes the writing connection. */
  close(): Promise<void>;
}

/** Of one transaction: keeps the event loop and the page cache free. */
const GROUP_OPERATIONS_MAX = 2048;

interface Pending {
  readonly operation: Operation;
  readonly finish: ((value: unknown) => unknown) | undefined;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The queue before the disk. What is submitted in one macrotask, or while a group is on its way, is committed in one transaction.
 * Invariants: G1 one group at a time · G2 operations are committed in the order they came · G3 every submitted operation is settled once.
 */
export class GroupCommit {
  readonly #committer: Committer;
  readonly #world: World;
  readonly #queueMax: number;
  #queue: Pending[] = [];
  #waiting = 0;
  #busy = false;
  #scheduled = false;
  #stopped: NervaError | null = null;
  #poisoned = false;
  #closing: Promise<void> | null = null;
  #onIdle: (() => void) | null = null;

  constructor(committer: Committer, options: { readonly world: World; readonly queueMax: number }) {
    this.#committer = committer;
    this.#world = options.world;
    this.#queueMax = options.queueMax;
  }

  /** True once an fsync or a commit failed: the write-ahead log must be left as it is. */
  get poisoned(): boolean {
    return this.#poisoned;
  }

  /**
   * Queues an operation. Resolves when its transaction is durable. @throws STORE_QUEUE_FULL, STORE_POISONED, STORE_CLOSED, or its own failure.
   * @param finish Contract: makes what the promise resolves to from the operation's value, at once; what it throws rejects the promise.
   */
  submit(operation: Operation, finish?: (value: unknown) => unknown): Promise<unknown> {
    if (this.#stopped !== null) return Promise.reject(again(this.#stopped));
    if (this.#waiting >= this.#queueMax) {
      const message = `${this.#waiting} frames wait for the disk, queueMax is ${this.#queueMax}. Nothing was queued; wait for earlier appends.`;
      return Promise.reject(new NervaError('STORE_QUEUE_FULL', message, { details: { queueMax: this.#queueMax } }));
    }
    this.#waiting++;
    return new Promise((resolve, reject) => {
      this.#queue.push({ operation, finish, resolve, reject });
      this.#schedule();
    });
  }

  /** Rejects what waits with STORE_CLOSED, awaits the group on its way and closes the connection. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const closed = new NervaError('STORE_CLOSED', 'The store was closed. What was still queued was not written.');
    this.#stop(this.#stopped ?? closed, closed);
    if (this.#busy) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    await this.#committer.close();
  }

  #schedule(): void {
    if (this.#scheduled || this.#busy) return;
    this.#scheduled = true;
    this.#world.defer(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#busy || this.#queue.length === 0) return;
    const group = this.#queue.length <= GROUP_OPERATIONS_MAX ? this.#queue : this.#queue.slice(0, GROUP_OPERATIONS_MAX);
    this.#queue = group === this.#queue ? [] : this.#queue.slice(GROUP_OPERATIONS_MAX);
    this.#busy = true;
    this.#committer.commit(
      group.map((pending) => pending.operation),
      (result) => this.#settle(group, result),
    );
  }

  #settle(group: readonly Pending[], result: GroupResult): void {
    this.#busy = false;
    this.#waiting -= group.length;
    for (let index = 0; index < group.length; index++) answer(group[index] as Pending, result.outcomes[index] as Outcome);
    if (result.poisoned !== null) this.#poison(result.poisoned);
    this.#onIdle?.();
    if (this.#queue.length > 0) this.#schedule();
  }

  #poison(why: string): void {
    this.#poisoned = true;
    const message = `The store takes nothing more: ${why}. Close it, reopen it and verify; append frames without an answer again.`;
    const poisoned = new NervaError('STORE_POISONED', message, { details: { why } });
    if (this.#stopped === null) this.#stop(poisoned, poisoned);
  }

  #stop(later: NervaError, queued: NervaError): void {
    this.#stopped = later;
    const waiting = this.#queue;
    this.#queue = [];
    this.#waiting -= waiting.length;
    for (const pending of waiting) pending.reject(again(queued));
  }
}

function answer({ finish, resolve, reject }: Pending, outcome: Outcome): void {
  if (!outcome.ok) return reject(outcome.error);
  try {
    resolve(finish === undefined ? outcome.value : finish(outcome.value));
  } catch (error) {
    reject(error);
  }
}

/** A fresh copy, so that each rejected caller has its own stack. */
function again(error: NervaError): NervaError {
  return new NervaError(error.code, error.message, { details: error.details });
}
