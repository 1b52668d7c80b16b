import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { NervaError } from '../../core/index.ts';
import {
  checkTransition,
  fairly,
  infoOf,
  isSuspect,
  type Fence,
  type SessionInfo,
  type Sid,
  type Status,
  type StoreLimits,
} from '../../log/index.ts';
import { isWork, setWork } from './append.ts';
import type { SessionRow, SessionRows } from './session-rows.ts';

/** Arguments of `claim`. */
export interface ClaimArgs {
  readonly tenant: string | null;
  readonly owner: string;
  readonly countMax: number;
  readonly agents: readonly string[] | null;
  readonly nowMs: number;
}

/** Arguments of `takeOver` and `unquarantine`. */
export interface SessionArgs {
  readonly tenant: string | null;
  readonly sid: Sid;
  readonly owner: string;
  readonly nowMs: number;
}

/** Arguments of `release`. */
export interface ReleaseArgs {
  readonly tenant: string | null;
  readonly sid: Sid;
  readonly fence: Fence;
  readonly expected: number;
  readonly status: Status;
  readonly wakeAtMs: number | null;
  readonly nowMs: number;
}

/** A change that may have made work. */
export interface Changed<T> {
  readonly value: T;
  /** The tenant to tell, or null when nothing is to be done. */
  readonly workOf: string | null;
}

/** Due: ready sessions by when they became so, others by their wake-up time. */
const DUE = `(
    select s, sid, tenant, agent, attempts, ready_ms as since from session where status = 0 and (wake_at_ms is null or wake_at_ms > :now or wake_at_ms >= ready_ms)
    union all
    select s, sid, tenant, agent, attempts, wake_at_ms as since from session where wake_at_ms <= :now and status < 3 and not (status = 0 and wake_at_ms >= ready_ms)
  ) d where (:tenant is null or tenant = (select id from word where text = :tenant))
    and (:agents is null or agent in (select id from word where text in (select value from json_each(:agents))))`;

/** Those that have no attempt left. */
const SPENT = `select sid from ${DUE} and attempts >= :attemptsMax order by s`;

/** Of the others per tenant the oldest; suspects behind all others, the least tried first. */
const FOUND = `select sid, since from (
  select sid, since, tried, s, row_number() over (partition by tenant order by tried, since, s) as place
  from (select s, sid, tenant, since, max(attempts, 1) as tried from ${DUE} and attempts < :attemptsMax)
) where place <= :count order by tried, since, s`;

/**
 * Hands out sessions to drive. Who owns one is process state: after a restart nobody does, and fences do the rest.
 * The rows must be flushed before `claim` looks.
 */
export class Work {
  readonly #rows: SessionRows;
  readonly #limits: StoreLimits;
  readonly #spent: StatementSync;
  readonly #found: StatementSync;
  readonly #owners = new Map<number, string>();
  /** Of the group that is being written. */
  #born: number[] = [];

  constructor(database: DatabaseSync, rows: SessionRows, limits: StoreLimits) {
    this.#rows = rows;
    this.#limits = limits;
    this.#spent = database.prepare(SPENT);
    this.#found = database.prepare(FOUND);
  }

  claim({ tenant, owner, countMax, agents, nowMs }: ClaimArgs): readonly { readonly info: SessionInfo; readonly fence: Fence }[] {
    const claimed: { readonly info: SessionInfo; readonly fence: Fence }[] = [];
    if (countMax === 0) return claimed;
    const { attemptsMax } = this.#limits;
    const wanted = { now: nowMs, tenant, agents: agents === null ? null : JSON.stringify(agents), attemptsMax };
    for (const columns of this.#spent.all(wanted)) {
      const row = this.#rows.any(String(columns['sid'])) as SessionRow;
      if (this.#owners.has(row.s)) continue;
      setWork(row, 'quarantined', row.wakeAtMs, nowMs);
      this.#rows.touch(row);
    }
    // Owned ones are among those found: so many more are fetched that they cannot hide the others.
    const found = this.#found.all({ ...wanted, count: countMax + this.#owners.size }).map((columns) => {
      const row = this.#rows.any(String(columns['sid'])) as SessionRow;
      return { row, tenant: row.tenant, sinceMs: Number(columns['since']) };
    });
    const suspected = this.#suspected();
    for (const { row } of fairly(found.filter((one) => !this.#owners.has(one.row.s)))) {
      if (claimed.length >= countMax) break;
      if (isSuspect(row)) {
        if (suspected.has(row.tenant)) continue;
        suspected.add(row.tenant);
      }
      row.attempts++;
      row.epoch++;
      this.#rows.touch(row);
      this.#owners.set(row.s, owner);
      claimed.push({ info: infoOf(row), fence: { epoch: row.epoch } });
    }
    return claimed;
  }

  takeOver({ tenant, sid, owner }: SessionArgs): Fence {
    const row = this.#rows.need(sid, tenant);
    if (row.status === 'quarantined') {
      const message = `Session ${sid} is quarantined after ${row.attempts} attempts; release it first. Nothing was changed.`;
      throw new NervaError('SESSION_QUARANTINED', message, { details: { sid } });
    }
    row.epoch++;
    this.#owners.set(row.s, owner);
    this.#rows.touch(row);
    return { epoch: row.epoch };
  }

  release({ tenant, sid, fence, expected, status, wakeAtMs, nowMs }: ReleaseArgs): Changed<boolean> {
    const row = this.#rows.need(sid, tenant);
    if (fence.epoch < row.epoch || row.head !== expected) return { value: false, workOf: null };
    checkTransition(row.status, status);
    this.forget(row.s);
    setWork(row, status, wakeAtMs, nowMs);
    this.#rows.touch(row);
    return { value: true, workOf: isWork(row) ? row.tenant : null };
  }

  unquarantine({ tenant, sid, nowMs }: SessionArgs): Changed<null> {
    const row = this.#rows.need(sid, tenant);
    if (row.status !== 'quarantined') return { value: null, workOf: null };
    row.attempts = 0;
    this.forget(row.s);
    setWork(row, 'ready', row.wakeAtMs, nowMs);
    this.#rows.touch(row);
    return { value: null, workOf: row.tenant };
  }

  /** A session born with its driver. `settle` tells whether the group that bore it was committed. */
  own(s: number, owner: string): void {
    this.#owners.set(s, owner);
    this.#born.push(s);
  }

  /** Of a group that failed nothing was born, and its numbers are given again. */
  settle(isCommitted: boolean): void {
    if (!isCommitted) for (const s of this.#born) this.#owners.delete(s);
    this.#born = [];
  }

  /** Nobody drives this session any more. */
  forget(s: number): void {
    this.#owners.delete(s);
  }

  /** Tenants of which a suspect is out. One that is owned and at rest stands in nobody's way. */
  #suspected(): Set<string> {
    const owned = Array.from(this.#owners.keys(), (s) => this.#rows.numbered(s));
    return new Set(owned.filter((row) => isSuspect(row) && isWork(row)).map((row) => row.tenant));
  }
}
