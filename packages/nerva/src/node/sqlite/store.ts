import { statSync } from 'node:fs';
import { NervaError, type World } from '../../core/index.ts';
import {
  checkAppend,
  checkSid,
  checkTenant,
  eraseSubject,
  type Append,
  type AppendResult,
  type Blobs,
  type Checked,
  type Erasure,
  type Fence,
  type KeyPort,
  type ProjectionRows,
  type SessionInfo,
  type Sid,
  type Snapshots,
  type Store,
  type StoreLimits,
  type Then,
} from '../../log/index.ts';
import type { AppendArgs, Appended, ForkArgs } from './append.ts';
import { toFailure } from './errors.ts';
import type { GroupCommit } from './group-commit.ts';
import type { Lock } from './lock.ts';
import { sqliteRows } from './projection-rows.ts';
import { PAGE_FRAMES, type FeedEntry, type Reader } from './reader.ts';
import type { Watch } from './watch.ts';
import type { Changed } from './work.ts';
import { writeBackAtEnd } from './write-back.ts';

/** A store in an SQLite file: the port, and what only this adapter can do. */
export interface SqliteStore extends Store {
  /** Where projections keep their rows: in the same file, in one transaction with their cursors. */
  readonly rows: ProjectionRows;
  /**
   * Erases a subject: destroys its key, notes `subject.erased` in the sessions that held it, drops its blobs and those sessions'
   * snapshots, and empties the write-ahead log into the file. Safe to repeat. @throws OPTION_INVALID when the store was opened without keys.
   */
  eraseSubject(subject: string, by?: string): Promise<Erasure>;
}

/** What the handles of one open store share. */
export interface Shared {
  readonly path: string;
  readonly world: World;
  readonly limits: StoreLimits;
  readonly keys: KeyPort | undefined;
  readonly incarnation: string;
  readonly reader: Reader;
  /** Null when opened for reading. */
  readonly writer: GroupCommit | null;
  readonly lock: Lock | null;
  readonly watch: Watch;
  closing: Promise<void> | null;
}

/** The operator's handle of an open store. */
export function sqliteStore(shared: Shared): SqliteStore {
  const operator = handle(shared, null);
  return {
    ...operator,
    rows: sqliteRows(shared.reader, (operation) => submit(shared, operation.name, operation.args)),
    async eraseSubject(subject, by) {
      if (shared.keys === undefined) {
        throw new NervaError(
          'OPTION_INVALID',
          `${shared.path} was opened without keys, so nothing was sealed and nothing can be erased. Open it with keys.`,
          { details: { option: 'keys' } },
        );
      }
      const erasure = await eraseSubject({
        store: operator,
        keys: shared.keys,
        world: shared.world,
        subject,
        ...(by === undefined ? {} : { by }),
      });
      await submit(shared, 'purge', { subject, sids: erasure.sids });
      await submit(shared, 'truncate', null);
      return erasure;
    },
  };
}

function handle(shared: Shared, tenant: string | null): Store {
  const { reader, limits, world, watch } = shared;
  const append = (frame: Append): Promise<AppendResult> => appendFrame(shared, tenant, frame);
  return {
    tenant,
    incarnation: shared.incarnation,
    capabilities: { durable: true, shared: false, readOnly: shared.writer === null },
    limits,
    blobs: blobs(shared, tenant),
    snapshots: snapshots(shared, tenant),
    ...work(shared, tenant),
    append,
    appendBatch: (frames) => Promise.allSettled(frames.map(append)),
    info: async (sid) => reader.info(sid, tenant),
    head: async (sid) => reader.head(sid, tenant),
    read: async (sid, options = {}) => {
      const { after = -1, upto = Number.MAX_SAFE_INTEGER, limit = PAGE_FRAMES } = options;
      checkSeq('after', after, -1);
      checkSeq('upto', upto, -1);
      checkSeq('limit', limit, 1);
      return reader.page(sid, tenant, { from: after + 1, upto, limit });
    },
    tail: (sid, options = {}) => tail(shared, tenant, { ...options, sid }),
    feed: (options = {}) => feed(shared, tenant, options),
    fork: async ({ events, parent, at, ...frame }) => {
      assertOpen(shared);
      const checked = checkAppend({ ...frame, events }, shared);
      const fork = { ...plainFrame({ ...frame, events, expected: at }), parent, at };
      const args: ForkArgs = { tenant, fork, count: events.length, checked, nowMs: world.clock.nowMs() };
      return (await submit(shared, 'fork', args, (value) => settled(shared, fork.sid, value as Appended))) as AppendResult;
    },
    list: async (options = {}) => {
      if (options.tenant !== undefined && tenant !== null && options.tenant !== tenant) throw denied(tenant, options.tenant);
      const { status = null, agent = null, after = null, limit = Number.MAX_SAFE_INTEGER } = options;
      checkSeq('limit', limit, 0);
      return reader.list({ tenant: options.tenant ?? tenant, status, agent, after, limit });
    },
    scope(name) {
      checkTenant(name);
      if (tenant !== null && tenant !== name) throw denied(tenant, name);
      return handle(shared, name);
    },
    stats: async () => ({ ...reader.stats(tenant), fileBytes: fileBytes(shared.path) + fileBytes(`${shared.path}-wal`) }),
    prune: async ({ closedBeforeMs, limit = Number.MAX_SAFE_INTEGER }) => {
      checkSeq('limit', limit, 0);
      return Number(await submit(shared, 'prune', { tenant, beforeMs: closedBeforeMs, limit }));
    },
    delete: async (sid, { cascade = false } = {}) => {
      const gone = (await submit(shared, 'delete', { tenant, sid, cascade })) as readonly Sid[];
      for (const one of gone) watch.changed(one);
    },
    verify: async (sid, options = {}) => reader.verify(sid, tenant, options.head),
    close: () => (tenant === null ? (shared.closing ??= close(shared)) : Promise.resolve()),
  };
}

function appendFrame(shared: Shared, tenant: string | null, append: Append): Promise<AppendResult> {
  try {
    return submitFrame(shared, tenant, append);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** No promise but the one that the writer keeps: an append has no other step to wait for. */
function submitFrame(shared: Shared, tenant: string | null, append: Append): Promise<AppendResult> {
  assertOpen(shared);
  const { events } = append;
  const nowMs = shared.world.clock.nowMs();
  let args: AppendArgs;
  try {
    const checked: Checked = checkAppend(append, shared);
    const frame = plainFrame(append);
    args = { tenant, frame, count: events.length, checked, nowMs };
  } catch (error) {
    // It may still repeat a frame that was taken: what else the frame says does not matter then (its subject may be erased by now).
    if (!NervaError.is(error) || !isAddressed(append)) throw error;
    args = {
      tenant,
      frame: { id: append.id, sid: append.sid, expected: append.expected },
      count: 0,
      checked: null,
      failure: toFailure(error),
      nowMs,
    };
  }
  const { sid } = args.frame;
  return submit(shared, 'append', args, (value) => settled(shared, sid, value as Appended)) as Promise<AppendResult>;
}

/** Whether a frame says where it would stand, so that it can be looked for. */
function isAddressed({ id, sid, expected }: Append): boolean {
  return typeof id === 'string' && typeof sid === 'string' && (expected === 'fact' || typeof expected === 'number');
}

/** A value while its fields are filled in. */
type Filling<T> = { -readonly [Field in keyof T]: T[Field] };

/** The fields of the contract alone, so that nothing else has to cross a thread. The frame has passed its check. */
function plainFrame({ id, sid, expected, fence, atMs, by, cause, then }: Append): Omit<Append, 'events'> {
  const frame: Filling<Omit<Append, 'events'>> = { id, sid, expected };
  if (fence !== undefined) frame.fence = { epoch: fence.epoch };
  if (atMs !== undefined) frame.atMs = atMs;
  if (by !== undefined) frame.by = by;
  if (cause !== undefined) frame.cause = cause;
  if (then !== undefined) frame.then = plainThen(then);
  return frame;
}

function plainThen({ status, ifHead, wakeAtMs, agent, trace, owner, progress }: Then): Then {
  const plain: Filling<Then> = {};
  if (status !== undefined) plain.status = status;
  if (ifHead !== undefined) plain.ifHead = ifHead;
  if (wakeAtMs !== undefined) plain.wakeAtMs = wakeAtMs;
  if (agent !== undefined) plain.agent = agent;
  if (trace !== undefined) plain.trace = trace;
  if (owner !== undefined) plain.owner = owner;
  if (progress !== undefined) plain.progress = progress === true;
  return plain;
}

function settled({ watch }: Shared, sid: Sid, { result, tenant, work: isWork }: Appended): AppendResult {
  if (result.ok && !result.repeated) {
    watch.changed(sid);
    if (isWork) watch.work(sid, tenant);
  }
  return result;
}

function work(shared: Shared, tenant: string | null): Pick<Store, 'claim' | 'takeOver' | 'renew' | 'release' | 'unquarantine' | 'onWork'> {
  const nowMs = (): number => shared.world.clock.nowMs();
  const tell = <T>(sid: Sid, { value, workOf }: Changed<T>): T => {
    if (workOf !== null) shared.watch.work(sid, workOf);
    return value;
  };
  return {
    claim: async ({ owner, countMax, agents = null }) => {
      checkSeq('countMax', countMax, 0);
      return (await submit(shared, 'claim', { tenant, owner, countMax, agents, nowMs: nowMs() })) as {
        readonly info: SessionInfo;
        readonly fence: Fence;
      }[];
    },
    takeOver: async (sid, owner) => (await submit(shared, 'takeOver', { tenant, sid, owner, nowMs: nowMs() })) as Fence,
    renew: async (sid, fence) => {
      checkSeq('fence.epoch', fence.epoch, 0);
      return fence.epoch >= shared.reader.session(sid, tenant).epoch;
    },
    release: async (sid, fence, row) => {
      checkSeq('fence.epoch', fence.epoch, 0);
      if (row.wakeAtMs !== null) checkSeq('wakeAtMs', row.wakeAtMs, 0);
      return tell(sid, (await submit(shared, 'release', { tenant, sid, fence, ...row, nowMs: nowMs() })) as Changed<boolean>);
    },
    unquarantine: async (sid) =>
      void tell(sid, (await submit(shared, 'unquarantine', { tenant, sid, owner: '', nowMs: nowMs() })) as Changed<null>),
    onWork: (hint) => shared.watch.onWork(tenant, hint),
  };
}

function blobs(shared: Shared, tenant: string | null): Blobs {
  const { world, limits, keys } = shared;
  return {
    async put(content, { mediaType, sid, subject }) {
      assertOpen(shared);
      checkSid(sid);
      if (content.length > limits.blobBytesMax) {
        throw new NervaError(
          'FRAME_INVALID',
          `The blob has ${content.length} bytes; expected at most ${limits.blobBytesMax} (blobBytesMax). Nothing was stored.`,
        );
      }
      const ref = world.digest(content);
      // Sealed text where the subject has a key; a copy otherwise, which the caller cannot change while it waits.
      const stored =
        subject === undefined || keys === undefined ? content.slice() : keys.seal(subject, Buffer.from(content).toString('latin1'));
      await submit(shared, 'putBlob', {
        tenant,
        sid,
        ref,
        subject: subject ?? '',
        bytes: content.length,
        content: stored,
        nowMs: world.clock.nowMs(),
      });
      return { ref, bytes: content.length, mediaType };
    },
    async get(ref, range) {
      assertOpen(shared);
      for (const { subject, content } of shared.reader.blob(ref, tenant)) {
        const opened = typeof content === 'string' ? keys?.open(subject, content) : content;
        if (opened === undefined || opened === null) continue;
        const bytes = typeof opened === 'string' ? Uint8Array.from(Buffer.from(opened, 'latin1')) : opened;
        return bytes.slice(range?.start ?? 0, range?.end ?? bytes.length);
      }
      throw new NervaError('BLOB_UNKNOWN', `No blob ${JSON.stringify(ref)} is in this store, or the key of its subject is gone.`, {
        details: { ref },
      });
    },
    sweep: async (beforeMs) => Number(await submit(shared, 'sweep', { tenant, beforeMs, limit: 0 })),
  };
}

function snapshots(shared: Shared, tenant: string | null): Snapshots {
  return {
    get: async (sid, key, upto) => shared.reader.snapshot(sid, tenant, { key, upto }),
    async put(sid, key, seq, state) {
      checkSeq('seq', seq, -1);
      await submit(shared, 'putSnapshot', { tenant, sid, key, seq, state });
    },
  };
}

async function* tail(
  shared: Shared,
  tenant: string | null,
  { sid, after: start = -1, signal }: { readonly sid: Sid; readonly after?: number; readonly signal?: AbortSignal },
): ReturnType<Store['tail']> {
  checkSeq('after', start, -1);
  let from = start + 1;
  while (!isAborted(signal)) {
    assertOpen(shared);
    const page = shared.reader.page(sid, tenant, { from, upto: Number.MAX_SAFE_INTEGER, limit: PAGE_FRAMES });
    for (const frame of page) {
      from = frame.seq + frame.events.length;
      yield frame;
      if (isAborted(signal)) return;
    }
    // No await lies between the empty page and the wait: no frame can slip through.
    if (page.length === 0) await shared.watch.next(sid, signal);
  }
}

async function* feed(shared: Shared, tenant: string | null, options: NonNullable<Parameters<Store['feed']>[0]>): AsyncGenerator<FeedEntry> {
  const { types, limit = Infinity, live = false, signal } = options;
  let position = cursorPosition(options.after ?? '');
  let given = 0;
  while (given < limit && !isAborted(signal)) {
    assertOpen(shared);
    const page = shared.reader.feed(position, tenant);
    position = page.position;
    for (const entry of page.entries) {
      if (types !== undefined && !entry.frame.events.some((event) => types.includes(event.type))) continue;
      yield entry;
      if (++given >= limit || isAborted(signal)) return;
    }
    if (!page.done) continue;
    if (!live) return;
    await shared.watch.next(null, signal);
  }
}

/** @throws STORE_LOCKED, STORE_FULL, STORE_FAILED: all is released, but what was acknowledged stands in the file and its log together. */
async function close({ path, reader, writer, lock, watch }: Shared): Promise<void> {
  const writing = writer?.close();
  watch.all();
  try {
    await writing;
    // After a failed fsync nobody may write the log back: the reader, which cannot, goes last.
    if (writer !== null && !writer.poisoned) writeBackAtEnd(path, () => reader.close());
  } finally {
    reader.close();
    lock?.release();
  }
}

function submit({ writer, path }: Shared, name: string, args: unknown, finish?: (value: unknown) => unknown): Promise<unknown> {
  if (writer !== null) return writer.submit({ name, args }, finish);
  return Promise.reject(
    new NervaError('STORE_READONLY', `${path} was opened for reading; ${name} needs a writer. Nothing was changed.`, { details: { path } }),
  );
}

function assertOpen({ closing, path }: Shared): void {
  if (closing !== null)
    throw new NervaError('STORE_CLOSED', `${path} was closed; open it again. Nothing was changed.`, { details: { path } });
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

function cursorPosition(cursor: string): number {
  if (cursor === '') return 0;
  if (/^[0-9]{1,15}$/.test(cursor)) return Number(cursor);
  throw new NervaError('LOG_RANGE', `The cursor ${JSON.stringify(cursor)} is not of this store; expected '' or one that its feed gave.`, {
    details: { cursor },
  });
}

function checkSeq(name: string, seq: number, least: number): void {
  if (Number.isSafeInteger(seq) && seq >= least) return;
  throw new NervaError('LOG_RANGE', `The position ${name} is ${String(seq)}; expected a whole number from ${least}.`, {
    details: { [name]: seq },
  });
}

function denied(tenant: string, other: string): NervaError {
  return new NervaError('TENANT_DENIED', `This handle sees tenant ${tenant}, not ${other}. Nothing was opened.`, { details: { tenant } });
}

function fileBytes(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
