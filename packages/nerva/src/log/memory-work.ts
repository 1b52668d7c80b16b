import { NervaError } from '../core/index.ts';
import { checkSeq, hintAll, setWork } from './memory-append.ts';
import { infoOf, rowOf, type Memory, type SessionRow } from './memory-rows.ts';
import { checkTransition, isSuspect } from './status.ts';
import type { Store } from './store.ts';

/** The part of a store that hands out work. */
export type WorkMethods = Pick<Store, 'claim' | 'takeOver' | 'renew' | 'release' | 'unquarantine' | 'onWork'>;

/** The work methods of a handle of `tenant`. */
export function memoryWork(memory: Memory, tenant: string | null): WorkMethods {
  return {
    async claim({ owner, countMax, agents }) {
      assertOpen(memory);
      checkSeq('countMax', countMax, 0);
      const claimed: Awaited<ReturnType<Store['claim']>>[number][] = [];
      if (countMax === 0) return claimed;
      const spent = (row: SessionRow): boolean => row.attempts + 1 > memory.limits.attemptsMax;
      const due = dueRows(memory, tenant, agents);
      for (const { row } of due) if (spent(row)) setWork(memory, row, 'quarantined', row.wakeAtMs);
      const suspected = new Set([...memory.work].filter((row) => row.owner !== null && isSuspect(row)).map((row) => row.tenant));
      for (const { row } of fairly(due)) {
        if (claimed.length >= countMax) break;
        if (row.status === 'quarantined' || (isSuspect(row) && suspected.has(row.tenant))) continue;
        if (isSuspect(row)) suspected.add(row.tenant);
        row.attempts++;
        row.owner = owner;
        row.epoch++;
        claimed.push({ info: infoOf(row), fence: { epoch: row.epoch } });
      }
      return claimed;
    },
    async takeOver(sid, owner) {
      const row = rowOf(memory, tenant, sid);
      if (row.status === 'quarantined') {
        throw new NervaError(
          'SESSION_QUARANTINED',
          `Session ${sid} is quarantined after ${row.attempts} attempts; release it first. Nothing was changed.`,
          { details: { sid } },
        );
      }
      row.owner = owner;
      row.epoch++;
      return { epoch: row.epoch };
    },
    async renew(sid, fence) {
      checkSeq('fence.epoch', fence.epoch, 0);
      return fence.epoch >= rowOf(memory, tenant, sid).epoch;
    },
    async release(sid, fence, { expected, status, wakeAtMs }) {
      checkSeq('fence.epoch', fence.epoch, 0);
      if (wakeAtMs !== null) checkSeq('wakeAtMs', wakeAtMs, 0);
      const row = rowOf(memory, tenant, sid);
      if (fence.epoch < row.epoch || row.head !== expected) return false;
      checkTransition(row.status, status);
      row.owner = null;
      setWork(memory, row, status, wakeAtMs);
      if (memory.work.has(row)) hintAll(memory, sid, row.tenant);
      return true;
    },
    async unquarantine(sid) {
      const row = rowOf(memory, tenant, sid);
      if (row.status !== 'quarantined') return;
      row.attempts = 0;
      row.owner = null;
      setWork(memory, row, 'ready', row.wakeAtMs);
      hintAll(memory, sid, row.tenant);
    },
    onWork(hint) {
      const listener = { tenant, hint };
      memory.hints.add(listener);
      return () => void memory.hints.delete(listener);
    },
  };
}

/** @throws STORE_CLOSED */
export function assertOpen(memory: Memory): void {
  if (memory.closed) throw new NervaError('STORE_CLOSED', 'The store was closed; open it again. Nothing was changed.');
}

/** A session that may be claimed, and since when. */
interface Due {
  readonly row: SessionRow;
  readonly tenant: string;
  readonly sinceMs: number;
}

/** Unclaimed sessions that are ready or whose time has come, oldest first; suspects behind all others, the least tried first. */
function dueRows(memory: Memory, tenant: string | null, agents: readonly string[] | undefined): Due[] {
  const nowMs = memory.world.clock.nowMs();
  const due: Due[] = [];
  for (const row of memory.work) {
    if (row.owner !== null || (tenant !== null && row.tenant !== tenant)) continue;
    if (agents !== undefined && (row.agent === null || !agents.includes(row.agent))) continue;
    const woken = row.wakeAtMs !== null && row.wakeAtMs <= nowMs;
    if (row.status !== 'ready' && !woken) continue;
    const sinceMs = Math.min(row.status === 'ready' ? row.readyMs : Infinity, woken ? (row.wakeAtMs ?? Infinity) : Infinity);
    due.push({ row, tenant: row.tenant, sinceMs });
  }
  return due.sort((a, b) => Math.max(a.row.attempts, 1) - Math.max(b.row.attempts, 1) || a.sinceMs - b.sinceMs);
}

/**
 * Takes turns over the tenants, each tenant's in the order given. The tenant whose first has waited longest begins, also when
 * that one is a suspect: what one tenant brings never keeps another's waiting for good.
 */
export function* fairly<T extends { readonly tenant: string; readonly sinceMs: number }>(rows: Iterable<T>): Generator<T> {
  const queues = new Map<string, [T, ...T[]]>();
  for (const row of rows) {
    const queue = queues.get(row.tenant);
    if (queue === undefined) queues.set(row.tenant, [row]);
    else queue.push(row);
  }
  let waiting = [...queues.values()].sort((a, b) => a[0].sinceMs - b[0].sinceMs);
  for (let turn = 0; waiting.length > 0; turn++) {
    waiting = waiting.filter((queue) => turn < queue.length);
    for (const queue of waiting) yield queue[turn] as T;
  }
}
