import { NervaError, type World } from '../core/index.ts';
import { payloadDigest, verifyChain } from './chain.ts';
import { checkTenant } from './check.ts';
import type { Sid } from './event.ts';
import { appendFrame, checkSeq, forkSession, wakeAll } from './memory-append.ts';
import { blobShelf, type BlobShelf } from './memory-blobs.ts';
import { memoryReaders } from './memory-readers.ts';
import { findRow, infoOf, linksOf, rowOf, type Memory, type SessionRow } from './memory-rows.ts';
import { assertOpen, memoryWork } from './memory-work.ts';
import type { KeyPort } from './sealed.ts';
import type { Snapshots, Status, Store, StoreLimits, StoreStats } from './store.ts';

/** The limits a store has when its options do not say otherwise. */
export const STORE_LIMITS: StoreLimits = {
  eventsMax: 1_000_000,
  bytesMax: 1_000_000_000,
  frameBytesMax: 8_000_000,
  queueMax: 100_000,
  blobBytesMax: 256_000_000,
  attemptsMax: 10,
};

/** Options of a memory store. With `keys`, events and blobs that name a subject are sealed. */
export interface MemoryStoreOptions {
  readonly world: World;
  readonly limits?: Partial<StoreLimits>;
  readonly keys?: KeyPort;
}

/**
 * A store that lives and dies with its process, for tests and simulations. Every clause of the port holds but durability;
 * the handle it returns is the operator's. Payloads are kept as text and decoded for each reader.
 */
export function memoryStore({ world, limits, keys }: MemoryStoreOptions): Store {
  const memory: Memory = {
    world,
    limits: { ...STORE_LIMITS, ...limits },
    keys,
    incarnation: world.ids.random(),
    sessions: new Map(),
    tombstones: new Map(),
    feed: [],
    feedWaiters: new Set(),
    hints: new Set(),
    work: new Set(),
    snapshots: new Map(),
    closed: false,
  };
  return handle(memory, blobShelf(memory), null);
}

function handle(memory: Memory, shelf: BlobShelf, tenant: string | null): Store {
  const append: Store['append'] = async (frame) => appendFrame(memory, tenant, frame);
  return {
    tenant,
    incarnation: memory.incarnation,
    capabilities: { durable: false, shared: false, readOnly: false },
    limits: memory.limits,
    blobs: shelf.handle(tenant),
    snapshots: memorySnapshots(memory, tenant),
    ...memoryReaders(memory, tenant),
    ...memoryWork(memory, tenant),
    append,
    appendBatch: (frames) => Promise.allSettled(frames.map(append)),
    info: async (sid) => infoOf(rowOf(memory, tenant, sid)),
    head: async (sid) => (memory.tombstones.has(sid) ? 0 : (findRow(memory, tenant, sid)?.head ?? 0)),
    fork: async (fork) => forkSession(memory, tenant, fork),
    list: async (options = {}) => list(memory, tenant, options),
    scope(name) {
      checkTenant(name);
      if (tenant !== null && tenant !== name)
        throw new NervaError('TENANT_DENIED', `This handle sees tenant ${tenant}, not ${name}. Nothing was opened.`, {
          details: { tenant },
        });
      return handle(memory, shelf, name);
    },
    stats: async () => stats(memory, shelf, tenant),
    prune: async (options) => prune(memory, tenant, options),
    delete: async (sid, options) => remove(memory, tenant, sid, options?.cascade === true),
    verify: async (sid, options) => verifyChain(memory.world, linksOf(rowOf(memory, tenant, sid)), options),
    async close() {
      if (tenant !== null) return;
      memory.closed = true;
      for (const row of memory.sessions.values()) wakeAll(row.waiters);
      wakeAll(memory.feedWaiters);
    },
  };
}

function list(memory: Memory, tenant: string | null, options: NonNullable<Parameters<Store['list']>[0]>): ReturnType<typeof infoOf>[] {
  assertOpen(memory);
  if (options.tenant !== undefined && tenant !== null && options.tenant !== tenant) {
    throw new NervaError('TENANT_DENIED', `This handle sees tenant ${tenant}, not ${options.tenant}.`, { details: { tenant } });
  }
  const { status, agent, after, limit = Number.MAX_SAFE_INTEGER } = options;
  checkSeq('limit', limit, 0);
  const wanted = options.tenant ?? tenant;
  const found: ReturnType<typeof infoOf>[] = [];
  const past = after === undefined ? -1 : ((memory.sessions.get(after) ?? memory.tombstones.get(after))?.number ?? Infinity);
  for (const row of memory.sessions.values()) {
    if (found.length >= limit) break;
    const fits =
      (wanted === null || row.tenant === wanted) &&
      (status === undefined || row.status === status) &&
      (agent === undefined || row.agent === agent);
    if (row.number > past && fits) found.push(infoOf(row));
  }
  return found;
}

function stats(memory: Memory, shelf: BlobShelf, tenant: string | null): StoreStats {
  assertOpen(memory);
  const sessions: Record<Status, number> = { ready: 0, waiting: 0, idle: 0, closed: 0, quarantined: 0 };
  let [frames, events, bytes, snapshots] = [0, 0, 0, 0];
  for (const row of memory.sessions.values()) {
    if (tenant !== null && row.tenant !== tenant) continue;
    sessions[row.status]++;
    frames += row.frames.length;
    events += row.head - row.base;
    bytes += row.pruned ? 0 : row.bytes;
    snapshots += memory.snapshots.get(row.sid)?.list.length ?? 0;
  }
  return { sessions, frames, events, bytes, ...shelf.totals(tenant), snapshots, fileBytes: 0 };
}

/** Sessions that read events which `row` holds. */
function forksOf(memory: Memory, row: SessionRow): SessionRow[] {
  return Array.from(memory.sessions.values()).filter((other) => other.segments.some((segment) => segment.holder === row));
}

function prune(
  memory: Memory,
  tenant: string | null,
  { closedBeforeMs, limit = Number.MAX_SAFE_INTEGER }: Parameters<Store['prune']>[0],
): number {
  assertOpen(memory);
  checkSeq('limit', limit, 0);
  let pruned = 0;
  for (const row of memory.sessions.values()) {
    if (pruned >= limit) break;
    const old = row.status === 'closed' && row.atMs < closedBeforeMs && !row.pruned;
    if (!old || (tenant !== null && row.tenant !== tenant) || forksOf(memory, row).length > 0) continue;
    for (const frame of row.frames) frame.payload = payloadDigest(memory.world, frame.payload);
    row.pruned = true;
    row.blobs.clear();
    memory.snapshots.delete(row.sid);
    pruned++;
  }
  return pruned;
}

function remove(memory: Memory, tenant: string | null, sid: Sid, cascade: boolean): void {
  const row = rowOf(memory, tenant, sid);
  const forks = forksOf(memory, row);
  if (forks.length > 0 && !cascade) {
    const sids = forks.map((fork) => fork.sid);
    throw new NervaError(
      'SESSION_HAS_FORKS',
      `Session ${sid} is read by its forks ${sids.join(', ')}; delete them first, or with cascade. Nothing was deleted.`,
      { details: { forks: sids } },
    );
  }
  for (const gone of [row, ...forks]) {
    gone.deleted = true;
    gone.frames.length = 0;
    memory.sessions.delete(gone.sid);
    memory.snapshots.delete(gone.sid);
    memory.work.delete(gone);
    memory.tombstones.set(gone.sid, { tenant: gone.tenant, number: gone.number });
    wakeAll(gone.waiters);
  }
}

function memorySnapshots(memory: Memory, tenant: string | null): Snapshots {
  return {
    async get(sid, key, upto) {
      rowOf(memory, tenant, sid);
      const kept = memory.snapshots.get(sid);
      return kept?.key === key ? (kept.list.findLast(({ seq }) => seq <= upto) ?? null) : null;
    },
    async put(sid, key, seq, state) {
      rowOf(memory, tenant, sid);
      checkSeq('seq', seq, -1);
      const kept = memory.snapshots.get(sid);
      const others = kept?.key === key ? kept.list.filter((snapshot) => snapshot.seq !== seq) : [];
      const list = [...others, Object.freeze({ seq, state })].sort((a, b) => a.seq - b.seq);
      memory.snapshots.set(sid, { key, list });
    },
  };
}
