import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { NervaError, type World } from '../../core/index.ts';
import {
  chainWalk,
  cutFrame,
  decodeEvents,
  isPruned,
  type ChainLink,
  type Cursor,
  type Envelope,
  type EventId,
  type Frame,
  type KeyPort,
  type SessionInfo,
  type Sid,
  type Status,
  type StoreStats,
  type Verification,
} from '../../log/index.ts';
import { storeError } from './errors.ts';
import {
  isVisible,
  SESSION_SELECT,
  STATUSES,
  toInfo,
  toRow,
  TOMBSTONE,
  unknown,
  type Segment,
  type SessionColumns,
  type SessionRow,
} from './session-rows.ts';

/** Of a page: no read transaction is longer. */
export const PAGE_FRAMES = 256;
const PAGE_BYTES = 1_000_000;

/** A range of events, both ends inclusive. */
export interface Range {
  readonly from: number;
  readonly upto: number;
  readonly limit: number;
}

/** A frame of the feed and where it stands. */
export interface FeedEntry {
  readonly cursor: Cursor;
  readonly frame: Frame;
}

/** What a reader needs. */
export interface ReaderOptions {
  readonly path: string;
  readonly keys: KeyPort | undefined;
  readonly digest: World['digest'];
}

type Columns = Readonly<Record<string, number | string | Uint8Array | null>>;

const EV = 'ev.g, ev.s, ev.seq, ev.count, ev.id, ev.at_ms, ev.epoch, ev.writer, ev.by, ev.cause, ev.fact, ev.hash, ev.data';

/**
 * The reading side: synchronous, on a read-only connection. Every call is one page at most, so that no read transaction keeps
 * the write-ahead log from being reused.
 */
export class Reader {
  readonly #database: DatabaseSync;
  readonly #options: ReaderOptions;
  readonly #prepared = new Map<string, StatementSync>();
  readonly #words = new Map<number, string>();
  #closed = false;

  constructor(database: DatabaseSync, options: ReaderOptions) {
    this.#database = database;
    this.#options = options;
  }

  /** The session as callers see it. @throws SESSION_UNKNOWN, SESSION_DELETED */
  info(sid: Sid, tenant: string | null): SessionInfo {
    return toInfo(this.#find(sid, tenant) ?? unknown(sid));
  }

  /** The session's row. @throws SESSION_UNKNOWN, SESSION_DELETED */
  session(sid: Sid, tenant: string | null): SessionRow {
    return toRow(this.#find(sid, tenant) ?? unknown(sid));
  }

  /** The count of events; 0 when the session is not there. */
  head(sid: Sid, tenant: string | null): number {
    const columns = this.#one(`${SESSION_SELECT} where s.sid = ?`, sid);
    return columns === undefined || Number(columns['gone']) === TOMBSTONE || (tenant !== null && columns['tenant_text'] !== tenant)
      ? 0
      : Number(columns['head']);
  }

  /** Frames of the range, cut to it: at most `limit`, and no more after a megabyte; none of an empty range. @throws LOG_PRUNED, SESSION_UNKNOWN, SESSION_DELETED */
  page(sid: Sid, tenant: string | null, { from, upto, limit }: Range): Frame[] {
    const row = this.session(sid, tenant);
    const frames: Frame[] = [];
    // An empty range may lie inside a frame, of which a cut would leave no event.
    if (upto < from) return frames;
    let bytes = 0;
    for (const [s, first, last] of segmentsOf(row)) {
      if (last < from || first > upto) continue;
      const holder = s === row.s ? row : this.#holder(s);
      const range: Range = { from: Math.max(first, from), upto: Math.min(last, upto), limit: limit - frames.length };
      if (range.limit <= 0 || bytes >= PAGE_BYTES) break;
      for (const columns of this.#frames(s, range, PAGE_BYTES - bytes)) {
        bytes += String(columns['data']).length;
        frames.push(cutFrame(this.#open(columns, holder), range.from - 1, range.upto));
      }
    }
    return frames;
  }

  /** The next page of the feed, and the position it ends at. `done` when there is nothing behind it. */
  feed(
    after: number,
    tenant: string | null,
  ): { readonly entries: readonly FeedEntry[]; readonly position: number; readonly done: boolean } {
    const sql = `select ${EV}, s.sid, s.trace, t.text as tenant_text from ev join session s on s.s = ev.s join word t on t.id = s.tenant
      where ev.g > :after order by ev.g limit ${PAGE_FRAMES}`;
    const page = this.#take(sql, { after }, PAGE_BYTES);
    const entries: FeedEntry[] = [];
    for (const columns of page) {
      const holder = {
        sid: String(columns['sid']),
        tenant: String(columns['tenant_text']),
        trace: String(columns['trace'] ?? columns['sid']),
      };
      if (isPruned(String(columns['data'])) || (tenant !== null && tenant !== holder.tenant)) continue;
      entries.push({ cursor: String(columns['g']), frame: this.#open(columns, holder) });
    }
    return { entries, position: Number(page.at(-1)?.['g'] ?? after), done: page.length === 0 };
  }

  /** Sessions in the order of their creation. */
  list({
    tenant,
    status,
    agent,
    after,
    limit,
  }: {
    readonly tenant: string | null;
    readonly status: Status | null;
    readonly agent: string | null;
    readonly after: Sid | null;
    readonly limit: number;
  }): SessionInfo[] {
    const found = this.#all(
      `${SESSION_SELECT} where (s.gone is null or s.gone <> ${TOMBSTONE}) and (:tenant is null or t.text = :tenant) and (:status is null or s.status = :status)
        and (:agent is null or a.text = :agent) and (:after is null or s.s > (select s from session where sid = :after)) order by s.s limit :limit`,
      { tenant, status: status === null ? null : STATUSES.indexOf(status), agent, after, limit },
    );
    return found.map(toInfo);
  }

  /** Totals, but for the size of the files. */
  stats(tenant: string | null): Omit<StoreStats, 'fileBytes'> {
    const mine = '(:tenant is null or s.tenant = (select id from word where text = :tenant))';
    const sessions: Record<Status, number> = { ready: 0, waiting: 0, idle: 0, closed: 0, quarantined: 0 };
    let [events, bytes] = [0, 0];
    const rows = this.#all(
      `select status, count(*) as sessions,
        sum(head - base + coalesce((select sum(count) from ev where s = s.s and seq >= s.head), 0)) as events,
        sum(case when gone is null then bytes + coalesce((select sum(octet_length(data)) from ev where s = s.s and seq >= s.head), 0) else 0 end) as bytes
        from session s where (gone is null or gone <> ${TOMBSTONE}) and ${mine} group by status`,
      { tenant },
    );
    for (const row of rows) {
      sessions[STATUSES[Number(row['status'])] as Status] = Number(row['sessions']);
      events += Number(row['events']);
      bytes += Number(row['bytes']);
    }
    const frames =
      tenant === null
        ? this.#all('select count(*) as frames from ev', {})
        : this.#all(`select count(*) as frames from ev join session s on s.s = ev.s where ${mine}`, { tenant });
    const blobs = this.#all(`select count(*) as blobs, coalesce(sum(bytes), 0) as bytes from blob s where ${mine}`, { tenant });
    const snapshots = this.#all(`select count(*) as snapshots from snapshot join session s on s.s = snapshot.s where ${mine}`, { tenant });
    return {
      sessions,
      frames: Number(frames[0]?.['frames']),
      events,
      bytes,
      blobs: Number(blobs[0]?.['blobs']),
      blobBytes: Number(blobs[0]?.['bytes']),
      snapshots: Number(snapshots[0]?.['snapshots']),
    };
  }

  /** The newest snapshot at or below `upto`, or null. */
  snapshot(
    sid: Sid,
    tenant: string | null,
    { key, upto }: { readonly key: string; readonly upto: number },
  ): { readonly seq: number; readonly state: string } | null {
    const { s } = this.session(sid, tenant);
    const [found] = this.#all('select seq, state from snapshot where s = :s and key = :key and seq <= :upto order by seq desc limit 1', {
      s,
      key,
      upto,
    });
    return found === undefined ? null : { seq: Number(found['seq']), state: String(found['state']) };
  }

  /** Content of a blob, sealed or not, of every subject that has it. */
  blob(ref: string, tenant: string | null): readonly { readonly subject: string; readonly content: Uint8Array | string }[] {
    const found = this.#all(
      'select subject, content from blob where ref = :ref and (:tenant is null or tenant = (select id from word where text = :tenant))',
      { ref, tenant },
    );
    return found.map((row) => ({ subject: String(row['subject']), content: row['content'] as Uint8Array | string }));
  }

  /** A row of a projection. */
  row(space: string, key: string): string | null {
    const value = this.#all('select value from row where space = :space and key = :key', { space, key })[0]?.['value'];
    return value === undefined ? null : String(value);
  }

  /** Rows of a projection's space with `key > after` and `key >= from`, ascending. */
  scan(
    space: string,
    { from, after, limit }: { readonly from: string; readonly after: string | null; readonly limit: number },
  ): readonly { readonly key: string; readonly value: string }[] {
    const found = this.#all(
      'select key, value from row where space = :space and key >= :from and (:after is null or key > :after) order by key limit :limit',
      { space, from, after, limit },
    );
    return found.map((row) => ({ key: String(row['key']), value: String(row['value']) }));
  }

  /** Recomputes the chain page by page. */
  verify(sid: Sid, tenant: string | null, head: string | undefined): Verification {
    const row = this.session(sid, tenant);
    const walk = chainWalk({ digest: this.#options.digest });
    for (const [s, first, upto] of segmentsOf(row)) {
      const holder = s === row.s ? row : this.#holder(s);
      for (let from = first; from <= upto;) {
        const page = this.#frames(s, { from, upto, limit: PAGE_FRAMES }, PAGE_BYTES);
        // An empty page inside the range is a hole; the walk finds it at the next frame, or at the end as a wrong head.
        if (page.length === 0) return { ...walk.end(head), ok: false, bad: { seq: from, why: 'the frame is missing' } };
        for (const columns of page) if (!walk.step(this.#link(columns, holder))) return walk.end(head);
        const last = page.at(-1) as Columns;
        from = Number(last['seq']) + Number(last['count']);
      }
    }
    return walk.end(head ?? row.hash);
  }

  /** Releases the connection. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#prepared.clear();
    this.#database.close();
  }

  #find(sid: Sid, tenant: string | null): SessionColumns | null {
    const columns = this.#one(`${SESSION_SELECT} where s.sid = ?`, sid);
    if (columns === undefined) return null;
    return isVisible(sid, String(columns['tenant_text']), columns['gone'] === TOMBSTONE, tenant) ? columns : null;
  }

  #holder(s: number): SessionRow {
    return toRow(this.#one(`${SESSION_SELECT} where s.s = ?`, s) as SessionColumns);
  }

  /** Whole frames that hold events of the range, until `bytesMax` is passed. */
  #frames(s: number, { from, upto, limit }: Range, bytesMax: number): Columns[] {
    const sql = `select ${EV} from ev where s = :s and seq >= coalesce((select max(seq) from ev where s = :s and seq <= :from), 0)
      and seq + count > :from and seq <= :upto order by seq limit :limit`;
    return this.#take(sql, { s, from, upto, limit }, bytesMax);
  }

  /** Rows until `bytesMax` is passed; the statement is reset before this returns. */
  #take(sql: string, values: Readonly<Record<string, number>>, bytesMax: number): Columns[] {
    const statement = this.#sql(sql);
    return this.#guarded(() => {
      const page: Columns[] = [];
      let bytes = 0;
      for (const columns of statement.iterate(values) as Iterable<Columns>) {
        page.push(columns);
        bytes += String(columns['data']).length;
        if (bytes >= bytesMax) break;
      }
      return page;
    });
  }

  #open(columns: Columns, holder: Pick<SessionRow, 'sid' | 'tenant' | 'trace'>): Frame {
    const { envelope, payload } = this.#link(columns, holder);
    if (isPruned(payload)) {
      const details = { sid: envelope.sid, seq: envelope.seq };
      throw new NervaError('LOG_PRUNED', `The events of ${envelope.sid} were pruned; its envelopes and chain are left.`, { details });
    }
    try {
      return { ...envelope, events: decodeEvents(payload, this.#options.keys) };
    } catch (cause) {
      const details = { sid: envelope.sid, seq: envelope.seq };
      throw new NervaError(
        'LOG_CORRUPT',
        `The events of ${envelope.sid} at ${envelope.seq} are no JSON any more. Keep the file, restore a backup.`,
        { cause, details },
      );
    }
  }

  #link(columns: Columns, { sid, tenant, trace }: Pick<SessionRow, 'sid' | 'tenant' | 'trace'>): ChainLink {
    const [incarnation = '', release = ''] = this.#word(Number(columns['writer'])).split(' ');
    const { cause } = columns;
    const envelope: Envelope = {
      id: String(columns['id']),
      sid,
      seq: Number(columns['seq']),
      count: Number(columns['count']),
      atMs: Number(columns['at_ms']),
      writer: { incarnation, epoch: Number(columns['epoch']), release },
      by: this.#word(Number(columns['by'])),
      tenant,
      ...(cause === null ? {} : { cause: (typeof cause === 'number' ? `${sid}:${cause}` : String(cause)) as EventId }),
      trace,
      fact: columns['fact'] === 1,
      hash: Buffer.from(columns['hash'] as Uint8Array).toString('hex'),
    };
    return { envelope, payload: String(columns['data']) };
  }

  #word(id: number): string {
    const known = this.#words.get(id);
    if (known !== undefined) return known;
    const text = String(this.#one('select text from word where id = ?', id)?.['text']);
    // A rolled-back word's number may be given again, but a reader sees only committed ones.
    if (this.#words.size >= 10_000) this.#words.clear();
    this.#words.set(id, text);
    return text;
  }

  #one(sql: string, value: number | string): SessionColumns | undefined {
    const [found] = this.#guarded(() => this.#sql(sql).all(value) as unknown as readonly SessionColumns[]);
    return found;
  }

  #all(sql: string, values: Readonly<Record<string, number | string | null>>): readonly SessionColumns[] {
    return this.#guarded(() => this.#sql(sql).all(values) as unknown as readonly SessionColumns[]);
  }

  #sql(text: string): StatementSync {
    if (this.#closed)
      throw new NervaError('STORE_CLOSED', `${this.#options.path} was closed; open it again. Nothing was changed.`, {
        details: { path: this.#options.path },
      });
    const known = this.#prepared.get(text);
    if (known !== undefined) return known;
    const statement = this.#guarded(() => this.#database.prepare(text));
    this.#prepared.set(text, statement);
    return statement;
  }

  #guarded<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw storeError(error, 'read', this.#options.path);
    }
  }
}

/** What a session's log is made of: the inherited segments and its own frames, oldest first. */
function segmentsOf(row: SessionRow): readonly Segment[] {
  return [...row.segments, [row.s, row.base, row.head - 1]];
}
