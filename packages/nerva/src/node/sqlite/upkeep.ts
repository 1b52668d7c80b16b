import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { NervaError, type World } from '../../core/index.ts';
import { payloadDigest, type Sid } from '../../log/index.ts';
import { PRUNED, TOMBSTONE, type SessionRow, type SessionRows, type Words } from './session-rows.ts';

/** A blob on its way to the writer. `content` is sealed text where a subject has a key. */
export interface PutBlobArgs {
  readonly tenant: string | null;
  readonly sid: Sid;
  readonly ref: string;
  readonly subject: string;
  readonly bytes: number;
  readonly content: Uint8Array | string;
  readonly nowMs: number;
}

/** Arguments of `sweep` and `prune`. */
export interface BeforeArgs {
  readonly tenant: string | null;
  readonly beforeMs: number;
  readonly limit: number;
}

/** Arguments of `delete`. */
export interface DeleteArgs {
  readonly tenant: string | null;
  readonly sid: Sid;
  readonly cascade: boolean;
}

/** Arguments of `putSnapshot`. */
export interface SnapshotArgs {
  readonly tenant: string | null;
  readonly sid: Sid;
  readonly key: string;
  readonly seq: number;
  readonly state: string;
}

/** Rows of projections to write; `value: null` deletes, `key: null` clears the space first. */
export interface RowWrite {
  readonly space: string;
  readonly key: string | null;
  readonly value: string | null;
}

/** What the upkeep needs. */
export interface UpkeepContext {
  readonly database: DatabaseSync;
  readonly rows: SessionRows;
  readonly words: Words;
  readonly digest: World['digest'];
  /** The next position of the feed, kept when rows of it are deleted. */
  readonly nextG: () => number;
  /** Called for a session that is gone. */
  readonly forget: (s: number) => void;
}

/** Everything that is written beside frames: blobs, snapshots, projections' rows, and what takes away. The rows must be flushed. */
export class Upkeep {
  readonly #context: UpkeepContext;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(context: UpkeepContext) {
    this.#context = context;
  }

  putBlob({ tenant, sid, ref, subject, bytes, content, nowMs }: PutBlobArgs): null {
    // The session may not exist yet: a blob is durable before the frame that names it.
    const owner = this.#context.rows.find(sid, tenant)?.tenant ?? tenant ?? 'default';
    const values = [ref, this.#context.words.number(owner), subject, bytes, nowMs, content];
    this.#sql(`insert into blob(ref, tenant, subject, bytes, put_ms, content) values (?,?,?,?,?,?)
      on conflict(ref, tenant, subject) do update set put_ms = excluded.put_ms`).run(...values);
    return null;
  }

  /** @returns how many blobs were deleted. */
  sweep({ tenant, beforeMs }: BeforeArgs): number {
    return Number(
      this.#sql(`delete from blob where put_ms < :before and (:tenant is null or tenant = (select id from word where text = :tenant))
        and not exists (select 1 from blob_use u join session s on s.s = u.s where u.ref = blob.ref and s.tenant = blob.tenant)`).run({
        before: beforeMs,
        tenant,
      }).changes,
    );
  }

  putSnapshot({ tenant, sid, key, seq, state }: SnapshotArgs): null {
    const { s } = this.#context.rows.need(sid, tenant);
    this.#sql('delete from snapshot where s = ? and key <> ?').run(s, key);
    this.#sql('insert or replace into snapshot(s, key, seq, state) values (?,?,?,?)').run(s, key, seq, state);
    return null;
  }

  /** @returns how many sessions were pruned. */
  prune({ tenant, beforeMs, limit }: BeforeArgs): number {
    const found = this.#sql(`select sid from session where status = 3 and gone is null and at_ms < :before
      and (:tenant is null or tenant = (select id from word where text = :tenant))
      and not exists (select 1 from fork f where f.holder = session.s) order by s limit :limit`).all({ before: beforeMs, tenant, limit });
    const set = this.#sql('update ev set data = ? where g = ?');
    for (const { sid } of found) {
      const row = this.#context.rows.need(String(sid), tenant);
      for (const frame of this.#sql('select g, data from ev where s = ?').all(row.s)) {
        set.run(payloadDigest({ digest: this.#context.digest }, String(frame['data'])), Number(frame['g']));
      }
      this.#dropDerived(row);
      row.gone = PRUNED;
      this.#context.rows.touch(row);
    }
    return found.length;
  }

  /** Deletes a session, and with `cascade` those that read its events. Tombstones stay. @returns the sids. */
  delete({ tenant, sid, cascade }: DeleteArgs): readonly Sid[] {
    const { rows } = this.#context;
    const row = rows.need(sid, tenant);
    const forks = this.#sql('select s.sid as sid from fork f join session s on s.s = f.s where f.holder = ? order by f.s')
      .all(row.s)
      .map((fork) => String(fork['sid']));
    if (forks.length > 0 && !cascade) {
      const message = `Session ${sid} is read by its forks ${forks.join(', ')}; delete them first, or with cascade. Nothing was deleted.`;
      throw new NervaError('SESSION_HAS_FORKS', message, { details: { forks } });
    }
    this.#sql("insert or replace into meta(key, value) values ('g', ?)").run(String(this.#context.nextG() - 1));
    for (const gone of [row, ...forks.map((fork) => rows.need(fork, null))]) this.#bury(gone);
    return [sid, ...forks];
  }

  /** Drops what an erased subject left outside the events: its blobs, and all snapshots of the sessions that held it. */
  purge({ subject, sids }: { readonly subject: string; readonly sids: readonly Sid[] }): null {
    this.#sql('delete from blob where subject = ?').run(subject);
    for (const sid of sids) this.#sql('delete from snapshot where s = (select s from session where sid = ?)').run(sid);
    return null;
  }

  putRows(writes: readonly RowWrite[]): null {
    for (const { space, key, value } of writes) {
      if (key === null) this.#sql('delete from row where space = ?').run(space);
      else if (value === null) this.#sql('delete from row where space = ? and key = ?').run(space, key);
      else
        this.#sql('insert into row(space, key, value) values (?,?,?) on conflict(space, key) do update set value = excluded.value').run(
          space,
          key,
          value,
        );
    }
    return null;
  }

  #bury(row: SessionRow): void {
    this.#sql('delete from ev where s = ?').run(row.s);
    this.#sql('delete from fork where s = ?1 or holder = ?1').run(row.s);
    this.#dropDerived(row);
    this.#context.forget(row.s);
    row.gone = TOMBSTONE;
    row.status = 'closed';
    row.wakeAtMs = null;
    row.bytes = 0;
    row.segments = [];
    this.#context.rows.touch(row);
  }

  #dropDerived({ s }: SessionRow): void {
    this.#sql('delete from snapshot where s = ?').run(s);
    this.#sql('delete from blob_use where s = ?').run(s);
  }

  /** These operations are rare: each statement is prepared at its first use. */
  #sql(text: string): StatementSync {
    const known = this.#prepared.get(text);
    if (known !== undefined) return known;
    const statement = this.#context.database.prepare(text);
    this.#prepared.set(text, statement);
    return statement;
  }
}
