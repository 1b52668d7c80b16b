import { NervaError } from '../../core/index.ts';
import type { SessionInfo, Sid, Status } from '../../log/index.ts';
import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** `session.status` and `SessionInfo.status`: the number is the position. */
export const STATUSES: readonly Status[] = ['ready', 'waiting', 'idle', 'closed', 'quarantined'];

/** Value of `session.gone`: the payloads were dropped. */
export const PRUNED = 1;
/** Value of `session.gone`: the session was deleted. */
export const TOMBSTONE = 2;

/** Events `from`…`upto` that a fork inherits, and the number of the session that holds them. */
export type Segment = readonly [s: number, from: number, upto: number];

/** A session's row while the writer works on it. Change it and call `touch`. */
export interface SessionRow {
  readonly s: number;
  readonly sid: Sid;
  readonly tenant: string;
  agent: string | null;
  status: Status;
  head: number;
  readonly base: number;
  readonly createdMs: number;
  atMs: number;
  wakeAtMs: number | null;
  readyMs: number | null;
  epoch: number;
  attempts: number;
  bytes: number;
  /** Of the last frame, hex. */
  hash: string;
  readonly trace: Sid;
  readonly parent: { readonly sid: Sid; readonly at: number } | null;
  segments: readonly Segment[];
  gone: number;
  /** `head` as the row says it in the table; what lies above it is read from the frames. */
  savedHead: number;
}

/** A row of the table `session` with its words joined. */
export type SessionColumns = Readonly<Record<string, number | string | Uint8Array | null>>;

/**
 * Selects what `toRow` and `toInfo` read. A row's `head`, `at_ms`, `hash` and `bytes` are those of the frame it was written
 * with; here the first three are of the last one. Costs one more seek a row, and a second when there is a later frame.
 */
export const SESSION_SELECT = `select s.s, s.sid, s.status, s.base, s.created_ms, s.wake_at_ms, s.ready_ms, s.epoch, s.attempts, s.bytes,
  s.trace, s.parent, s.parent_at, s.segments, s.gone, t.text as tenant_text, a.text as agent_text, s.head as saved_head,
  coalesce(e.seq + e.count, s.head) as head, coalesce(e.at_ms, s.at_ms) as at_ms, coalesce(e.hash, s.hash) as hash
  from session s join word t on t.id = s.tenant left join word a on a.id = s.agent
  left join ev e on e.g = (select x.g from ev x where x.s = s.s and x.seq >= s.head order by x.seq desc limit 1)`;

/** Rows kept in memory: twice this at most. */
const ROWS_KEPT = 4096;
/** Events above a stored row, at which it is written again: what a reader may have to add up. */
const TAIL_EVENTS_MAX = 64;

/**
 * The writer's view of the session table: hot rows stay in memory, changes are written by `flush` once a group. A frame that
 * only makes its session longer changes no row: every page less halves what a small commit costs.
 * Invariants: R1 a row that was touched is found by `find` until it was flushed · R2 all that a row says is in the table, or
 * follows from the frames at and above its stored head.
 */
export class SessionRows {
  readonly #bySid: StatementSync;
  readonly #byNumber: StatementSync;
  readonly #tailBytes: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #words: Words;
  #young = new Map<Sid, SessionRow>();
  #old = new Map<Sid, SessionRow>();
  readonly #dirty = new Map<Sid, SessionRow>();
  readonly #unborn = new Set<SessionRow>();
  #next: number;

  constructor(database: DatabaseSync, words: Words) {
    this.#words = words;
    this.#bySid = database.prepare(`${SESSION_SELECT} where s.sid = ?`);
    this.#byNumber = database.prepare('select sid from session where s = ?');
    this.#tailBytes = database.prepare('select sum(octet_length(data)) as bytes from ev where s = ? and seq >= ?');
    this.#insert = database.prepare(`insert into session(s, sid, tenant, base, created_ms, trace, parent, parent_at, segments,
      agent, status, head, at_ms, wake_at_ms, ready_ms, epoch, attempts, bytes, hash, gone) values (?,?,?,?,?,?,?,?,?, ?,?,?,?,?,?,?,?,?,?,?)`);
    this.#update = database.prepare(`update session set agent = ?, status = ?, head = ?, at_ms = ?, wake_at_ms = ?, ready_ms = ?, epoch = ?,
      attempts = ?, bytes = ?, hash = ?, gone = ? where s = ?`);
    this.#next = Number(database.prepare('select coalesce(max(s), 0) + 1 as next from session').get()?.['next']);
  }

  /** The row with this id, tombstones included, or null. */
  any(sid: Sid): SessionRow | null {
    const young = this.#young.get(sid);
    if (young !== undefined) return young;
    const hot = this.#dirty.get(sid) ?? this.#old.get(sid);
    if (hot !== undefined) {
      this.#keep(hot);
      return hot;
    }
    const columns = this.#bySid.get(sid) as SessionColumns | undefined;
    if (columns === undefined) return null;
    const row = toRow(columns);
    if (row.head > row.savedHead) row.bytes += Number(this.#tailBytes.get(row.s, row.savedHead)?.['bytes']);
    this.#keep(row);
    return row;
  }

  /** The row with this number. It must exist. */
  numbered(s: number): SessionRow {
    for (const row of this.#unborn) if (row.s === s) return row;
    return this.any(String(this.#byNumber.get(s)?.['sid'])) as SessionRow;
  }

  /** The session as a handle of `tenant` sees it; null when it is not there or another tenant's. @throws SESSION_DELETED */
  find(sid: Sid, tenant: string | null): SessionRow | null {
    const row = this.any(sid);
    return row === null || !isVisible(row.sid, row.tenant, row.gone === TOMBSTONE, tenant) ? null : row;
  }

  /** The same, where it must be there. @throws SESSION_UNKNOWN, SESSION_DELETED */
  need(sid: Sid, tenant: string | null): SessionRow {
    return this.find(sid, tenant) ?? unknown(sid);
  }

  /** A number for a row that is about to be `added`. */
  number(): number {
    return this.#next++;
  }

  /** Takes a new row. */
  add(row: SessionRow): void {
    this.#unborn.add(row);
    this.touch(row);
    this.#keep(row);
  }

  /** Says that the row changed. */
  touch(row: SessionRow): void {
    this.#dirty.set(row.sid, row);
  }

  /** Says that nothing but `head`, `atMs`, `hash` and `bytes` changed, by a frame that was inserted. */
  grew(row: SessionRow): void {
    if (row.head - row.savedHead >= TAIL_EVENTS_MAX) this.touch(row);
  }

  /** Writes what was touched. */
  flush(): void {
    if (this.#dirty.size === 0) return;
    for (const row of this.#dirty.values()) {
      row.savedHead = row.head;
      const mutable = [
        row.agent === null ? null : this.#words.number(row.agent),
        STATUSES.indexOf(row.status),
        row.head,
        row.atMs,
        row.wakeAtMs,
        row.status === 'ready' ? row.readyMs : null,
        row.epoch,
        row.attempts,
        row.bytes,
        row.hash === '' ? null : Buffer.from(row.hash, 'hex'),
        row.gone === 0 ? null : row.gone,
      ];
      if (!this.#unborn.has(row)) {
        this.#update.run(...mutable, row.s);
        continue;
      }
      const segments = row.segments.length === 0 ? null : JSON.stringify(row.segments);
      const trace = row.trace === row.sid ? null : row.trace;
      const { s, sid, base, createdMs, parent } = row;
      this.#insert.run(
        s,
        sid,
        this.#words.number(row.tenant),
        base,
        createdMs,
        trace,
        parent?.sid ?? null,
        parent?.at ?? null,
        segments,
        ...mutable,
      );
    }
    this.#dirty.clear();
    this.#unborn.clear();
  }

  /** Forgets everything kept: the transaction was rolled back. */
  reset(): void {
    this.#young.clear();
    this.#old.clear();
    this.#dirty.clear();
    this.#unborn.clear();
  }

  /** Two generations approximate least-recently-used at the price of one map operation. */
  #keep(row: SessionRow): void {
    if (this.#young.size >= ROWS_KEPT) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(row.sid, row);
  }
}

/** Words and their numbers, as the writer interns them. */
export class Words {
  readonly #find: StatementSync;
  readonly #insert: StatementSync;
  readonly #known = new Map<string, number>();

  constructor(database: DatabaseSync) {
    this.#find = database.prepare('select id from word where text = ?');
    this.#insert = database.prepare('insert into word(text) values (?)');
  }

  /** The number of a word, new if need be. */
  number(text: string): number {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const found = this.#find.get(text)?.['id'];
    const id = Number(found ?? this.#insert.run(text).lastInsertRowid);
    if (this.#known.size >= ROWS_KEPT) this.#known.clear();
    this.#known.set(text, id);
    return id;
  }

  /** Forgets everything kept: the transaction was rolled back. */
  reset(): void {
    this.#known.clear();
  }
}

/** Whether a handle of `tenant` may see the session. @throws SESSION_DELETED when it may and only the tombstone is left. */
export function isVisible(sid: Sid, owner: string, deleted: boolean, tenant: string | null): boolean {
  if (tenant !== null && tenant !== owner) return false;
  if (!deleted) return true;
  throw new NervaError('SESSION_DELETED', `Session ${JSON.stringify(sid)} was deleted; only its tombstone is left.`, { details: { sid } });
}

/** @throws SESSION_UNKNOWN */
export function unknown(sid: Sid): never {
  throw new NervaError(
    'SESSION_UNKNOWN',
    `No session ${JSON.stringify(sid)} is in this store; see list() for those that are. Nothing was changed.`,
    { details: { sid } },
  );
}

/** A stored row as the writer holds it, `bytes` without its tail. */
export function toRow(columns: SessionColumns): SessionRow {
  const segments = columns['segments'];
  return {
    ...toInfo(columns),
    s: Number(columns['s']),
    base: Number(columns['base']),
    readyMs: columns['ready_ms'] === null ? null : Number(columns['ready_ms']),
    bytes: Number(columns['bytes']),
    segments: typeof segments === 'string' ? (JSON.parse(segments) as Segment[]) : [],
    gone: Number(columns['gone'] ?? 0),
    savedHead: Number(columns['saved_head']),
  };
}

/** A stored row as readers see it. */
export function toInfo(columns: SessionColumns): SessionInfo {
  const sid = String(columns['sid']);
  const { parent, hash, wake_at_ms: wakeAtMs, agent_text: agent } = columns;
  return {
    sid,
    tenant: String(columns['tenant_text']),
    agent: agent === null ? null : String(agent),
    status: STATUSES[Number(columns['status'])] as Status,
    head: Number(columns['head']),
    createdMs: Number(columns['created_ms']),
    atMs: Number(columns['at_ms']),
    wakeAtMs: wakeAtMs === null ? null : Number(wakeAtMs),
    epoch: Number(columns['epoch']),
    attempts: Number(columns['attempts']),
    hash: hash instanceof Uint8Array ? Buffer.from(hash).toString('hex') : '',
    trace: String(columns['trace'] ?? sid),
    parent: parent === null ? null : { sid: String(parent), at: Number(columns['parent_at']) },
  };
}
