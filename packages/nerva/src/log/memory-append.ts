import { NervaError } from '../core/index.ts';
import { frameHash } from './chain.ts';
import { checkAppend, type Checked } from './check.ts';
import type { Seq, Sid } from './event.ts';
import type { Envelope } from './frame.ts';
import { refusal, rowAfter } from './judge.ts';
import { findRow, frameIndex, rowOf, segmentsUpto, type Memory, type SessionRow, type StoredFrame } from './memory-rows.ts';
import { RELEASE } from './release.ts';
import type { Append, AppendResult, Store } from './store.ts';

/** `Store.append` for a handle of `tenant`. Synchronous: nothing can come between its look at the row and its write. */
export function appendFrame(memory: Memory, tenant: string | null, frame: Append): AppendResult {
  const row = findRow(memory, tenant, frame.sid);
  const known = row === null ? null : repetition(row, frame);
  if (known !== null) return known;
  const checked = checkAppend(frame, memory);
  if (row === null) {
    if (frame.expected !== 0) {
      throw new NervaError(
        'SESSION_UNKNOWN',
        `No session ${JSON.stringify(frame.sid)} is here to append to; a decision at 0 creates it. Nothing was written.`,
        { details: { sid: frame.sid } },
      );
    }
    return write(memory, birth(memory, tenant, frame), frame, checked);
  }
  const why = refusal(row, frame, checked.bytes, memory.limits);
  return why === null ? write(memory, row, frame, checked) : { ok: false, why, head: row.head };
}

/** `Store.fork` for a handle of `tenant`. */
export function forkSession(memory: Memory, tenant: string | null, fork: Parameters<Store['fork']>[0]): AppendResult {
  const parent = rowOf(memory, tenant, fork.parent);
  const checked = checkAppend(fork, memory);
  const taken = memory.sessions.get(fork.sid) ?? findRow(memory, null, fork.sid);
  if (taken !== null) {
    const first = taken.tenant === parent.tenant && taken.parent !== null ? taken.frames[0] : undefined;
    if (first?.envelope.id === fork.id) return acknowledged(first.envelope, true);
    throw new NervaError('FRAME_INVALID', `The fork's sid ${JSON.stringify(fork.sid)} is taken; expected a new one. Nothing was written.`, {
      details: { field: 'sid' },
    });
  }
  if (!Number.isSafeInteger(fork.at) || fork.at < 0 || fork.at >= parent.head) {
    const details = { sid: fork.parent, at: fork.at, head: parent.head };
    throw new NervaError('LOG_RANGE', `Cannot fork ${fork.parent} at ${fork.at}; expected 0…${parent.head - 1}. Nothing was written.`, {
      details,
    });
  }
  const segments = segmentsUpto(parent, fork.at);
  const holder = segments.at(-1)?.holder as SessionRow;
  if (segments.some((segment) => segment.holder.pruned)) {
    throw new NervaError('LOG_PRUNED', `The events of ${fork.parent} were pruned and cannot be inherited. Nothing was written.`, {
      details: { sid: fork.parent },
    });
  }
  const { envelope } = holder.frames[frameIndex(holder, fork.at)] as StoredFrame;
  const row = newRow(memory, {
    sid: fork.sid,
    tenant: parent.tenant,
    agent: parent.agent,
    trace: parent.trace,
    base: fork.at + 1,
    segments,
    hash: envelope.hash,
    atMs: envelope.atMs,
    parent: { sid: fork.parent, at: fork.at },
  });
  return write(memory, row, { ...fork, expected: row.head }, checked);
}

/** The first result of a frame that is already there, or null: a fact by its id, a decision at its position. */
function repetition(row: SessionRow, frame: Append): AppendResult | null {
  const index =
    frame.expected === 'fact' ? row.facts.get(frame.id) : frame.expected < row.head ? frameIndex(row, frame.expected) : undefined;
  if (index === undefined) return null;
  const envelope = row.frames[index]?.envelope;
  if (envelope === undefined || envelope.id !== frame.id) return null;
  return frame.expected === 'fact' || envelope.seq === frame.expected ? acknowledged(envelope, true) : null;
}

function acknowledged({ seq, count, atMs, writer }: Envelope, repeated: boolean): AppendResult {
  return { ok: true, head: seq + count, seq, atMs, epoch: writer.epoch, repeated };
}

function birth(memory: Memory, tenant: string | null, frame: Append): SessionRow {
  if (memory.sessions.has(frame.sid) || memory.tombstones.has(frame.sid)) {
    throw new NervaError('TENANT_DENIED', `The session id ${JSON.stringify(frame.sid)} is taken by another tenant. Nothing was written.`, {
      details: { sid: frame.sid },
    });
  }
  return newRow(memory, {
    sid: frame.sid,
    tenant: tenant ?? 'default',
    agent: null,
    trace: frame.then?.trace ?? frame.sid,
    base: 0,
    segments: [],
    hash: '',
    atMs: 0,
    parent: null,
  });
}

type Origins = Pick<SessionRow, 'sid' | 'tenant' | 'agent' | 'trace' | 'base' | 'segments' | 'hash' | 'atMs' | 'parent'>;

/** A row that is not in the store yet: a frame that is refused leaves no trace of it. */
function newRow(memory: Memory, origins: Origins): SessionRow {
  return {
    ...origins,
    // No id is taken twice, so the count never goes back.
    number: memory.sessions.size + memory.tombstones.size,
    status: 'idle',
    head: origins.base,
    frames: [],
    facts: new Map(),
    createdMs: memory.world.clock.nowMs(),
    wakeAtMs: null,
    readyMs: 0,
    epoch: 0,
    attempts: 0,
    bytes: 0,
    blobs: new Set(),
    owner: null,
    pruned: false,
    deleted: false,
    waiters: new Set(),
  };
}

function write(memory: Memory, row: SessionRow, frame: Append, checked: Checked): AppendResult {
  const isNew = row.frames.length === 0;
  if (isNew) {
    const why = refusal(row, frame, checked.bytes, memory.limits);
    if (why !== null) return { ok: false, why, head: row.head };
  }
  const after = rowAfter(isNew ? null : row, frame);
  const nowMs = memory.world.clock.nowMs();
  const open: Omit<Envelope, 'hash'> = {
    id: frame.id,
    sid: row.sid,
    seq: row.head,
    count: frame.events.length,
    atMs: Math.max(row.atMs, frame.atMs ?? nowMs),
    writer: { incarnation: memory.incarnation, epoch: row.epoch, release: RELEASE },
    by: frame.by ?? 'runtime',
    tenant: row.tenant,
    ...(frame.cause === undefined ? {} : { cause: frame.cause }),
    trace: row.trace,
    fact: frame.expected === 'fact',
  };
  const envelope: Envelope = { ...open, hash: frameHash(memory.world, row.hash, open, checked.text) };
  const stored: StoredFrame = { envelope, payload: checked.text };
  if (envelope.fact) row.facts.set(frame.id, row.frames.length);
  row.frames.push(stored);
  row.head += envelope.count;
  row.atMs = envelope.atMs;
  row.hash = envelope.hash;
  row.bytes += checked.bytes;
  for (const ref of checked.blobs) row.blobs.add(ref);
  if (frame.then?.agent !== undefined) row.agent = frame.then.agent;
  if (isNew) {
    memory.sessions.set(row.sid, row);
    row.owner = frame.then?.owner ?? null;
  }
  memory.feed.push({ row, frame: stored });
  setWork(memory, row, after.status, after.wakeAtMs);
  row.attempts = after.attempts;
  wakeAll(row.waiters);
  wakeAll(memory.feedWaiters);
  if (memory.work.has(row)) hintAll(memory, row.sid, row.tenant);
  return acknowledged(envelope, false);
}

/** Sets status and wake-up time and keeps the set of work in step with them. */
export function setWork(memory: Memory, row: SessionRow, status: SessionRow['status'], wakeAtMs: number | null): void {
  if (status === 'ready' && row.status !== 'ready') row.readyMs = memory.world.clock.nowMs();
  row.status = status;
  row.wakeAtMs = wakeAtMs;
  const claimable = status === 'ready' || (wakeAtMs !== null && status !== 'closed' && status !== 'quarantined');
  if (claimable) memory.work.add(row);
  else memory.work.delete(row);
}

/** Tells every listener of the tenant, also those that come or go while it does (A20). */
export function hintAll(memory: Memory, sid: Sid, tenant: string): void {
  for (const listener of Array.from(memory.hints)) {
    if (listener.tenant === null || listener.tenant === tenant) listener.hint(sid);
  }
}

/** Wakes and forgets every waiter. */
export function wakeAll(waiters: Set<() => void>): void {
  if (waiters.size === 0) return;
  const woken = Array.from(waiters);
  waiters.clear();
  for (const wake of woken) wake();
}

/** For callers that only know a position: throws unless it is a whole number in the range. @throws LOG_RANGE */
export function checkSeq(name: string, seq: Seq, least: Seq): void {
  if (Number.isSafeInteger(seq) && seq >= least) return;
  throw new NervaError('LOG_RANGE', `The position ${name} is ${String(seq)}; expected a whole number from ${least}.`, {
    details: { [name]: seq },
  });
}
