import { NervaError } from '../core/index.ts';
import type { AppendResult, Fence, Seq, Sid, Status, Store, Then } from '../log/index.ts';
import type { AgentState } from './state.ts';

/** A process that says nothing of a session for so long may lose it to another. */
export const LEASE_MS = 30_000;
/** Another process takes a session over whenever it is asked to: an answer that took longer than this is looked behind. */
const LATE_MS = 100;

/** Whether what was asked for took long. Of a clock that went back nobody can say how long it took. */
export function isLate(askedMs: number, nowMs: number): boolean {
  return nowMs < askedMs || nowMs - askedMs > LATE_MS;
}

/** Gives a session back as it stands. @returns false when somebody else has it. */
export async function surrender(store: Store, sid: Sid, fence: Fence): Promise<boolean> {
  for (;;) {
    const { epoch, head, status, wakeAtMs } = await store.info(sid);
    if (epoch > fence.epoch) return false;
    if (await store.release(sid, fence, { expected: head, status, wakeAtMs })) return true;
    // Refused at the head that it has: somebody else has it. Else somebody wrote meanwhile, and it is given back as it stands now.
    if ((await store.head(sid)) === head) return false;
  }
}

/** Whether the row says how the session stands. By the places of frames: their answers need not come in their order. */
export class Standing {
  #setBy: Seq = -1;
  #unsetBy: Seq = -1;

  /** The row says `ready` since a frame that did not look. */
  get isOutdated(): boolean {
    return this.#unsetBy > this.#setBy;
  }

  /** A frame of ours. Ready, said or left to the store, is no look at how it stands; and since a repeated one was first appended somebody else may have said. */
  wrote(then: Then | undefined, { seq, repeated }: { readonly seq: Seq; readonly repeated: boolean }): void {
    const { status = 'ready', ifHead = seq } = then ?? {};
    if (repeated || status === 'ready' || ifHead !== seq) this.unset(seq);
    else this.#setBy = Math.max(this.#setBy, seq);
  }

  /** A frame left it to the store, whoever wrote that. */
  unset(seq: Seq): void {
    this.#unsetBy = Math.max(this.#unsetBy, seq);
  }
}

/** Where the session stands, as lists show it. */
export function statusOf(state: AgentState, isActing: boolean): Status {
  if (state.session.isClosed) return 'closed';
  if (isActing) return 'ready';
  return state.turn.open === null ? 'idle' : 'waiting';
}

/** The failure that a frame which was not taken stands for. */
export function refused(sid: Sid, result: AppendResult & { readonly ok: false }): NervaError {
  const details = { sid, head: result.head, why: result.why };
  if (result.why === 'closed')
    return new NervaError('SESSION_CLOSED', `Session ${sid} is closed at event ${result.head}. Nothing was written; fork it to go on.`, {
      details,
    });
  if (result.why === 'limit')
    return new NervaError(
      'SESSION_FULL',
      `Session ${sid} reached its limit at event ${result.head}. Nothing was written; continue in a new session.`,
      { details },
    );
  return new NervaError('SESSION_FENCED', `Another driver took session ${sid} over. This one stops; what it had done is recorded.`, {
    details,
  });
}

/** Why effects of a turn that was cancelled are aborted. */
export const cancelled = (): NervaError => new NervaError('CANCELLED', 'The turn was cancelled.');
