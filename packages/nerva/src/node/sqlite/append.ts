import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { NervaError, type World } from '../../core/index.ts';
import {
  frameHash,
  refusal,
  RELEASE,
  rowAfter,
  type Append,
  type AppendResult,
  type Checked,
  type Sid,
  type Status,
  type Store,
  type StoreLimits,
} from '../../log/index.ts';
import { fromFailure, type Failure } from './errors.ts';
import { PRUNED, type Segment, type SessionRow, type SessionRows, type Words } from './session-rows.ts';

/** A frame on its way to the writer: its events are already text. */
export interface AppendArgs {
  readonly tenant: string | null;
  readonly frame: Omit<Append, 'events'>;
  readonly count: number;
  /** What is stored; null when the frame did not pass its check for the reason in `failure`, and can only be a repetition. */
  readonly checked: Checked | null;
  readonly failure?: Failure;
  readonly nowMs: number;
}

/** A fork on its way to the writer. */
export interface ForkArgs {
  readonly tenant: string | null;
  readonly fork: Omit<Parameters<Store['fork']>[0], 'events'>;
  readonly count: number;
  readonly checked: Checked;
  readonly nowMs: number;
}

/** What an append leaves for the process's readers. */
export interface Appended {
  readonly result: AppendResult;
  readonly tenant: string;
  /** True when the session may be claimed now or later. */
  readonly work: boolean;
}

/** What the writer of frames needs. */
export interface AppenderContext {
  readonly database: DatabaseSync;
  readonly rows: SessionRows;
  readonly words: Words;
  readonly limits: StoreLimits;
  readonly incarnation: string;
  readonly digest: World['digest'];
  /** Told of a session that is born with its driver. */
  readonly own: (s: number, owner: string) => void;
}

/** Writes frames inside the transaction of a group. A refused or failed frame has written nothing. */
export class Appender {
  readonly #context: AppenderContext;
  readonly #insert: StatementSync;
  readonly #atSeq: StatementSync;
  readonly #fact: StatementSync;
  readonly #holding: StatementSync;
  readonly #useBlob: StatementSync;
  readonly #addFork: StatementSync;
  /** The word of every frame that is written here, put together once. */
  readonly #writer: string;
  #nextG: number;

  constructor(context: AppenderContext) {
    const { database } = context;
    this.#context = context;
    this.#writer = `${context.incarnation} ${RELEASE}`;
    this.#insert = database.prepare(
      'insert into ev(g, s, seq, count, id, at_ms, epoch, writer, by, cause, fact, hash, data) values (?,?,?,?,?,?,?,?,?,?,?,?,?)',
    );
    this.#atSeq = database.prepare('select id, seq, count, at_ms, epoch from ev where s = ? and seq = ?');
    this.#fact = database.prepare('select id, seq, count, at_ms, epoch from ev where s = ? and id = ? and fact = 1');
    this.#holding = database.prepare('select hash, at_ms from ev where s = ? and seq <= ? order by seq desc limit 1');
    this.#useBlob = database.prepare('insert or ignore into blob_use(ref, s) values (?, ?)');
    this.#addFork = database.prepare('insert or ignore into fork(holder, s) values (?, ?)');
    this.#nextG = Number(
      database
        .prepare(
          "select max(coalesce((select max(g) from ev), 0), coalesce((select cast(value as integer) from meta where key = 'g'), 0)) + 1 as g",
        )
        .get()?.['g'],
    );
  }

  /** The next position of the feed. Positions are never used twice, also not after a delete. */
  get nextG(): number {
    return this.#nextG;
  }

  append({ tenant, frame, count, checked, failure, nowMs }: AppendArgs): Appended {
    const { rows, limits } = this.#context;
    const row = rows.find(frame.sid, tenant);
    const known = row === null ? null : this.#repetition(row, frame);
    if (known !== null) return { result: known, tenant: row?.tenant ?? '', work: false };
    if (checked === null) throw failure === undefined ? new Error('Invariant broken: a frame is checked or failed') : fromFailure(failure);
    if (row === null) {
      if (frame.expected !== 0) {
        const message = `No session ${JSON.stringify(frame.sid)} is here to append to; a decision at 0 creates it. Nothing was written.`;
        throw new NervaError('SESSION_UNKNOWN', message, { details: { sid: frame.sid } });
      }
      return this.#begin(this.#birth(tenant, frame, nowMs), frame, { count, checked, nowMs });
    }
    const why = refusal(row, { ...frame, events: blank(count) }, checked.bytes, limits);
    if (why !== null) return { result: { ok: false, why, head: row.head }, tenant: row.tenant, work: false };
    const after = rowAfter(row, frame);
    return this.#write(row, frame, { count, checked, nowMs, after });
  }

  fork({ tenant, fork, count, checked, nowMs }: ForkArgs): Appended {
    const { rows } = this.#context;
    const parent = rows.need(fork.parent, tenant);
    const taken = rows.any(fork.sid);
    if (taken !== null) return this.#forkedBefore(taken, parent, fork);
    if (!Number.isSafeInteger(fork.at) || fork.at < 0 || fork.at >= parent.head) {
      const details = { sid: fork.parent, at: fork.at, head: parent.head };
      throw new NervaError('LOG_RANGE', `Cannot fork ${fork.parent} at ${fork.at}; expected 0…${parent.head - 1}. Nothing was written.`, {
        details,
      });
    }
    const segments = segmentsUpto(parent, fork.at);
    if (segments.some(([s]) => rows.numbered(s).gone === PRUNED)) {
      throw new NervaError('LOG_PRUNED', `The events of ${fork.parent} were pruned and cannot be inherited. Nothing was written.`, {
        details: { sid: fork.parent },
      });
    }
    const point = this.#holding.get(segments.at(-1)?.[0] ?? 0, fork.at);
    const row: SessionRow = {
      ...newborn(rows.number(), fork.sid, parent.tenant, nowMs),
      agent: parent.agent,
      trace: parent.trace,
      base: fork.at + 1,
      head: fork.at + 1,
      segments,
      hash: Buffer.from(point?.['hash'] as Uint8Array).toString('hex'),
      atMs: Number(point?.['at_ms']),
      parent: { sid: fork.parent, at: fork.at },
    };
    const appended = this.#begin(row, { ...fork, expected: row.head }, { count, checked, nowMs });
    if (appended.result.ok) for (const [holder] of segments) this.#addFork.run(holder, row.s);
    return appended;
  }

  #forkedBefore(taken: SessionRow, parent: SessionRow, fork: ForkArgs['fork']): Appended {
    if (taken.tenant === parent.tenant && taken.parent !== null) {
      const first = this.#atSeq.get(taken.s, taken.base);
      if (first?.['id'] === fork.id) return { result: repeated(first), tenant: taken.tenant, work: false };
    }
    throw new NervaError('FRAME_INVALID', `The fork's sid ${JSON.stringify(fork.sid)} is taken; expected a new one. Nothing was written.`, {
      details: { field: 'sid' },
    });
  }

  /** The first result of a frame that is already there, or null: a fact by its id, a decision at its position. */
  #repetition(row: SessionRow, frame: Omit<Append, 'events'>): AppendResult | null {
    if (typeof frame.id !== 'string') return null;
    if (frame.expected === 'fact') {
      const found = this.#fact.get(row.s, frame.id);
      return found === undefined ? null : repeated(found);
    }
    // A decision at the head is new: the usual case costs nothing.
    if (!(frame.expected < row.head)) return null;
    const found = this.#atSeq.get(row.s, frame.expected);
    return found?.['id'] === frame.id ? repeated(found) : null;
  }

  #birth(tenant: string | null, frame: Omit<Append, 'events'>, nowMs: number): SessionRow {
    const { rows } = this.#context;
    if (rows.any(frame.sid) !== null) {
      throw new NervaError(
        'TENANT_DENIED',
        `The session id ${JSON.stringify(frame.sid)} is taken by another tenant. Nothing was written.`,
        { details: { sid: frame.sid } },
      );
    }
    return { ...newborn(rows.number(), frame.sid, tenant ?? 'default', nowMs), trace: frame.then?.trace ?? frame.sid };
  }

  /** The first own frame of a session, which comes into being with it. */
  #begin(row: SessionRow, frame: Omit<Append, 'events'>, payload: Omit<Payload, 'after'>): Appended {
    const { rows, limits } = this.#context;
    const why = refusal(row, { ...frame, events: blank(payload.count) }, payload.checked.bytes, limits);
    if (why !== null) return { result: { ok: false, why, head: row.head }, tenant: row.tenant, work: false };
    const after = rowAfter(null, frame);
    rows.add(row);
    if (frame.then?.owner !== undefined) this.#context.own(row.s, frame.then.owner);
    return this.#write(row, frame, { ...payload, after });
  }

  #write(row: SessionRow, frame: Omit<Append, 'events'>, { count, checked, nowMs, after }: Payload): Appended {
    const { rows, words, incarnation, digest } = this.#context;
    const seq = row.head;
    const atMs = Math.max(row.atMs, frame.atMs ?? nowMs);
    const by = frame.by ?? 'runtime';
    const epoch = frame.fence?.epoch ?? row.epoch;
    const fact = frame.expected === 'fact';
    const { id, sid, cause } = frame;
    const writer = { incarnation, epoch, release: RELEASE };
    const envelope = {
      id,
      sid,
      seq,
      count,
      atMs,
      writer,
      by,
      tenant: row.tenant,
      ...(cause === undefined ? {} : { cause }),
      trace: row.trace,
      fact,
    };
    const hash = frameHash({ digest }, row.hash, envelope, checked.text);
    const writerNumber = words.number(this.#writer);
    const bytes = Buffer.from(hash, 'hex');
    this.#insert.run(
      this.#nextG,
      row.s,
      seq,
      count,
      id,
      atMs,
      epoch,
      writerNumber,
      words.number(by),
      shortCause(sid, cause),
      fact ? 1 : null,
      bytes,
      checked.text,
    );
    this.#nextG++;
    for (const ref of checked.blobs) this.#useBlob.run(ref, row.s);
    row.head = seq + count;
    row.atMs = atMs;
    row.hash = hash;
    row.bytes += checked.bytes;
    if (changeRow(row, frame.then?.agent, after, nowMs)) rows.touch(row);
    else rows.grew(row);
    return { result: { ok: true, head: row.head, seq, atMs, epoch, repeated: false }, tenant: row.tenant, work: isWork(row) };
  }
}

interface Payload {
  readonly count: number;
  readonly checked: Checked;
  readonly nowMs: number;
  readonly after: ReturnType<typeof rowAfter>;
}

/** What a frame says beside its events. @returns false when all of it stood there already. */
function changeRow(row: SessionRow, agent: string | undefined, after: Payload['after'], nowMs: number): boolean {
  const { status, wakeAtMs, attempts } = row;
  const isRenamed = agent !== undefined && agent !== row.agent;
  if (isRenamed) row.agent = agent;
  row.attempts = after.attempts;
  setWork(row, after.status, after.wakeAtMs, nowMs);
  return isRenamed || attempts !== row.attempts || status !== row.status || wakeAtMs !== row.wakeAtMs;
}

/** Sets status and wake-up time. */
// oxlint-disable-next-line max-params -- four, on the hottest path
export function setWork(row: SessionRow, status: Status, wakeAtMs: number | null, nowMs: number): void {
  if (status === 'ready' && (row.status !== 'ready' || row.readyMs === null)) row.readyMs = nowMs;
  row.status = status;
  row.wakeAtMs = wakeAtMs;
}

/** True when the session may be claimed, now or when its time has come. */
export function isWork(row: SessionRow): boolean {
  return row.status === 'ready' || (row.wakeAtMs !== null && row.status !== 'closed' && row.status !== 'quarantined');
}

function newborn(s: number, sid: Sid, tenant: string, nowMs: number): SessionRow {
  return {
    s,
    sid,
    tenant,
    agent: null,
    status: 'idle',
    head: 0,
    base: 0,
    createdMs: nowMs,
    atMs: 0,
    wakeAtMs: null,
    readyMs: null,
    epoch: 0,
    attempts: 0,
    bytes: 0,
    hash: '',
    trace: sid,
    parent: null,
    segments: [],
    gone: 0,
    savedHead: 0,
  };
}

/** The segments of a fork at `at`: none refers to a session whose own events lie above the fork point, so re-forking adds nothing. */
function segmentsUpto(row: SessionRow, at: number): Segment[] {
  const own: Segment = [row.s, row.base, row.head - 1];
  return [...row.segments, own].filter(([, from]) => from <= at).map(([s, from, upto]) => [s, from, Math.min(upto, at)]);
}

function repeated(found: Readonly<Record<string, unknown>>): AppendResult {
  const seq = Number(found['seq']);
  return { ok: true, head: seq + Number(found['count']), seq, atMs: Number(found['at_ms']), epoch: Number(found['epoch']), repeated: true };
}

/** A cause in the same session is stored as its seq. */
function shortCause(sid: Sid, cause: string | undefined): number | string | null {
  if (cause === undefined) return null;
  const seq = cause.startsWith(`${sid}:`) ? cause.slice(sid.length + 1) : '';
  return /^(?:0|[1-9][0-9]{0,14})$/.test(seq) ? Number(seq) : cause;
}

/** `refusal` looks only at how many events there are; their content stayed with the caller. */
function blank(count: number): Append['events'] {
  return new Array<Append['events'][number]>(count);
}
