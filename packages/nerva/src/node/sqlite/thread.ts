import { Worker } from 'node:worker_threads';
import { NervaError } from '../../core/index.ts';
import type { EngineOptions } from './engine.ts';
import { fromFailure, toFailure, type Failure } from './errors.ts';
import type { Committer, GroupResult, Operation, Outcome } from './group-commit.ts';

interface SentResult {
  readonly outcomes: readonly ({ readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly failure: Failure })[];
  readonly poisoned: string | null;
}

/** A committer in a thread of its own, and the means to see it die. */
export interface ThreadCommitter extends Committer {
  /** Ends the thread at once, as a crash would. */
  kill(): Promise<void>;
}

/**
 * Commits in a worker thread: the event loop stays free during an fsync. When the thread dies, the group on its way is
 * LOG_UNKNOWN_RESULT, and the next group starts another thread. An idle thread does not keep the process alive.
 */
export function threadCommitter(options: Omit<EngineOptions, 'digest'>): ThreadCommitter {
  let worker: Worker | null = null;
  let pending: { readonly group: readonly Operation[]; readonly done: (result: GroupResult) => void } | null = null;

  const settle = (result: GroupResult): void => {
    const settled = pending;
    pending = null;
    worker?.unref();
    settled?.done(result);
  };
  const died = (dead: Worker, cause: unknown): void => {
    if (worker !== dead) return;
    worker = null;
    if (pending === null) return;
    const message = `${options.path}: the writer thread died, so it is not known whether the frame was written. Append the same frame id again.`;
    settle({
      outcomes: pending.group.map(() => ({ ok: false, error: new NervaError('LOG_UNKNOWN_RESULT', message, { cause }) })),
      poisoned: null,
    });
  };
  const start = (): Worker => {
    const entry = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);
    const started = new Worker(entry, { workerData: options });
    started.on('message', (sent: SentResult) => settle({ outcomes: sent.outcomes.map(received), poisoned: sent.poisoned }));
    started.on('error', (error) => died(started, error));
    started.on('exit', () => died(started, undefined));
    return started;
  };
  return {
    commit(group, done) {
      worker ??= start();
      worker.ref();
      pending = { group, done };
      try {
        worker.postMessage(group);
      } catch (error) {
        // What cannot be cloned is a bug of a caller. Nothing was sent, so the group ends as one does whose transaction met a bug.
        const failure = toFailure(error);
        settle({ outcomes: group.map(() => ({ ok: false, error: fromFailure(failure) })), poisoned: null });
      }
    },
    async close() {
      const closing = worker;
      if (closing === null) return;
      worker = null;
      closing.ref();
      const exited = new Promise<void>((resolve) => closing.once('exit', () => resolve()));
      closing.postMessage('close');
      await exited;
    },
    async kill() {
      await worker?.terminate();
    },
  };
}

function received(sent: SentResult['outcomes'][number]): Outcome {
  return sent.ok ? sent : { ok: false, error: fromFailure(sent.failure) };
}
