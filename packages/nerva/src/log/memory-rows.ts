import { NervaError, type World } from '../core/index.ts';
import { isPruned, type ChainLink } from './chain.ts';
import { decodeEvents } from './encode.ts';
import type { Seq, Sid } from './event.ts';
import { cutFrame, type Envelope, type Frame } from './frame.ts';
import type { KeyPort } from './sealed.ts';
import type { SessionInfo, Status, StoreLimits } from './store.ts';

/** A frame as memory keeps it: text, decoded anew for each reader, so that no reader can change what another sees (A21). */
export interface StoredFrame {
  readonly envelope: Envelope;
  payload: string;
}

/** Events `from`…`upto` (inclusive) that a fork inherits, and the session that holds them. */
export interface Segment {
  readonly holder: SessionRow;
  readonly from: Seq;
  readonly upto: Seq;
}

/** A session in memory. `base` is the seq of its first own event; what lies below is in `segments`. */
export interface SessionRow {
  readonly sid: Sid;
  /** In order of creation. */
  readonly number: number;
  readonly tenant: string;
  agent: string | null;
  status: Status;
  head: Seq;
  readonly base: Seq;
  readonly segments: readonly Segment[];
  readonly frames: StoredFrame[];
  /** Index into `frames` by id, facts only: a decision is found at its position. */
  readonly facts: Map<string, number>;
  readonly createdMs: number;
  atMs: number;
  wakeAtMs: number | null;
  /** When it last became `ready`. */
  readyMs: number;
  epoch: number;
  attempts: number;
  hash: string;
  trace: Sid;
  readonly parent: { readonly sid: Sid; readonly at: Seq } | null;
  bytes: number;
  readonly blobs: Set<string>;
  /** Who drives it, or null. */
  owner: string | null;
  pruned: boolean;
  deleted: boolean;
  /** Readers that wait for the next frame. */
  readonly waiters: Set<() => void>;
}

/** Everything one memory store holds; shared by its tenants' handles. */
export interface Memory {
  readonly world: World;
  readonly limits: StoreLimits;
  readonly keys: KeyPort | undefined;
  readonly incarnation: string;
  /** In order of creation. */
  readonly sessions: Map<Sid, SessionRow>;
  /** What is left of deleted sessions. */
  readonly tombstones: Map<Sid, Pick<SessionRow, 'tenant' | 'number'>>;
  /** Every own frame of every session in commit order; the position is the feed's cursor. */
  readonly feed: { readonly row: SessionRow; readonly frame: StoredFrame }[];
  readonly feedWaiters: Set<() => void>;
  readonly hints: Set<{ readonly tenant: string | null; readonly hint: (sid: Sid) => void }>;
  /** Sessions that are ready or have a wake-up time: where `claim` looks. */
  readonly work: Set<SessionRow>;
  readonly snapshots: Map<Sid, { readonly key: string; readonly list: { readonly seq: Seq; readonly state: string }[] }>;
  closed: boolean;
}

/** The session, or why a handle of `tenant` cannot have it. @throws SESSION_UNKNOWN, SESSION_DELETED, STORE_CLOSED */
export function rowOf(memory: Memory, tenant: string | null, sid: Sid): SessionRow {
  const row = findRow(memory, tenant, sid);
  if (row === null)
    throw new NervaError('SESSION_UNKNOWN', `No session ${JSON.stringify(sid)} is here. Nothing was changed.`, { details: { sid } });
  return row;
}

/** Like `rowOf`, but null for an unknown session (and, to a tenant, for one of another tenant). */
export function findRow(memory: Memory, tenant: string | null, sid: Sid): SessionRow | null {
  if (memory.closed) throw new NervaError('STORE_CLOSED', 'The store was closed; open it again. Nothing was changed.');
  const row = memory.sessions.get(sid);
  if (row !== undefined) return tenant === null || tenant === row.tenant ? row : null;
  const buried = memory.tombstones.get(sid)?.tenant;
  if (buried === undefined || (tenant !== null && tenant !== buried)) return null;
  throw new NervaError('SESSION_DELETED', `Session ${JSON.stringify(sid)} was deleted; only its tombstone is left.`, { details: { sid } });
}

/** The row as a reader sees it: a copy. */
export function infoOf(row: SessionInfo): SessionInfo {
  const { sid, tenant, agent, status, head, createdMs, atMs, wakeAtMs, epoch, attempts, hash, trace, parent } = row;
  return {
    sid,
    tenant,
    agent,
    status,
    head,
    createdMs,
    atMs,
    wakeAtMs,
    epoch,
    attempts,
    hash,
    trace,
    parent: parent === null ? null : { ...parent },
  };
}

/** Index of the own frame that holds event `seq`; the number of frames when it lies beyond. O(log n). */
export function frameIndex(row: SessionRow, seq: Seq): number {
  let low = 0;
  let high = row.frames.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { envelope } = row.frames[middle] as StoredFrame;
    if (envelope.seq + envelope.count <= seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What a session's log is made of: the inherited segments and its own frames, oldest first. */
export function segmentsOf(row: SessionRow): readonly Segment[] {
  return [...row.segments, { holder: row, from: row.base, upto: row.head - 1 }];
}

/** The segments of a fork at `at`: none refers to a session whose own events lie above the fork point, so re-forking adds nothing. */
export function segmentsUpto(row: SessionRow, at: Seq): readonly Segment[] {
  return segmentsOf(row)
    .filter((segment) => segment.from <= at)
    .map((segment) => ({ ...segment, upto: Math.min(segment.upto, at) }));
}

/** At most `limit` frames of the range, cut to it; none of an empty range. @throws LOG_PRUNED */
export function readFrames(
  memory: Memory,
  row: SessionRow,
  { after, upto, limit }: { readonly after: Seq; readonly upto: Seq; readonly limit: number },
): Frame[] {
  const frames: Frame[] = [];
  // An empty range may lie inside a frame, of which a cut would leave no event.
  if (upto <= after) return frames;
  for (const segment of segmentsOf(row)) {
    const last = Math.min(segment.upto, upto);
    let index = segment.upto <= after ? segment.holder.frames.length : frameIndex(segment.holder, Math.max(segment.from, after + 1));
    for (; frames.length < limit; index++) {
      const stored = segment.holder.frames[index];
      if (stored === undefined || stored.envelope.seq > last) break;
      frames.push(cutFrame(openFrame(memory, stored), after, last));
    }
  }
  return frames;
}

/** A stored frame, decoded. @throws LOG_PRUNED */
export function openFrame(memory: Memory, { envelope, payload }: StoredFrame): Frame {
  if (isPruned(payload)) {
    const details = { sid: envelope.sid, seq: envelope.seq };
    throw new NervaError('LOG_PRUNED', `The events of ${envelope.sid} were pruned; its envelopes and chain are left.`, { details });
  }
  return { ...envelope, writer: { ...envelope.writer }, events: decodeEvents(payload, memory.keys) };
}

/** The uncut frames under a session's log, for the chain. */
export function* linksOf(row: SessionRow): Generator<ChainLink> {
  for (const { holder, upto } of segmentsOf(row)) {
    for (const stored of holder.frames) {
      if (stored.envelope.seq > upto) break;
      yield stored;
    }
  }
}
