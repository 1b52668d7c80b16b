import { checkTransition } from './status.ts';
import type { Append, AppendResult, Status, StoreLimits } from './store.ts';

/** The part of a session's row that an append reads and writes. */
export interface JudgedRow {
  readonly status: Status;
  readonly head: number;
  readonly epoch: number;
  readonly attempts: number;
  readonly wakeAtMs: number | null;
  /** Payload bytes of its own frames. */
  readonly bytes: number;
}

type Refusal = Extract<AppendResult, { ok: false }>['why'];

/**
 * Why a frame is not taken, or null. Asked only after it is known not to be a repetition. Order matters: a closed session
 * says so whoever asks, and a fenced driver learns that before anything else.
 */
export function refusal(row: JudgedRow, frame: Append, bytes: number, limits: Pick<StoreLimits, 'eventsMax' | 'bytesMax'>): Refusal | null {
  if (row.status === 'closed') return 'closed';
  if (frame.fence !== undefined && frame.fence.epoch < row.epoch) return 'fenced';
  if (frame.expected !== 'fact' && frame.expected !== row.head) return 'conflict';
  if (row.head + frame.events.length > limits.eventsMax || row.bytes + bytes > limits.bytesMax) return 'limit';
  return null;
}

/**
 * The status, wake-up time and attempt count after a frame. `row` is null for a session that is being created.
 * @throws STATUS_ILLEGAL
 */
export function rowAfter(
  row: JudgedRow | null,
  frame: Pick<Append, 'expected' | 'then'>,
): Pick<JudgedRow, 'status' | 'wakeAtMs' | 'attempts'> {
  const from = row?.status ?? null;
  const kept = from ?? 'idle';
  const then = frame.then;
  const wakes = frame.expected === 'fact' && kept !== 'closed' && kept !== 'quarantined';
  const status = (isSeen(row, then) ? then?.status : undefined) ?? (wakes ? 'ready' : kept);
  checkTransition(from, status);
  const wakeAtMs = then?.wakeAtMs === undefined ? (row?.wakeAtMs ?? null) : then.wakeAtMs;
  return { status, wakeAtMs, attempts: then?.progress === true ? 0 : (row?.attempts ?? 0) };
}

/** Whether who wishes for a status had seen all that is in the log. */
function isSeen(row: JudgedRow | null, then: Append['then']): boolean {
  return then?.ifHead === undefined || then.ifHead === (row?.head ?? 0);
}
