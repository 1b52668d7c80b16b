import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { NervaError, type Json } from '../core/index.ts';
import { isBlobRef, type BlobRef, type Frame, type LogEvent, type SessionInfo, type Sid, type Store } from '../log/index.ts';
import { nodeWorld, openStore } from '../node/index.ts';
import { runOnce, type Ended, type Scenario, type SimReport } from '../sim/index.ts';
import type { CaseFile } from './sim-work.ts';

/** A frame as it can be appended again. */
type Piece = Pick<Frame, 'id' | 'seq' | 'atMs' | 'by' | 'fact' | 'events'> & { readonly epoch: number };

/** A session of a simulated store, taken out of it. */
export interface KeptSession {
  readonly info: Pick<SessionInfo, 'sid' | 'agent' | 'status' | 'tenant' | 'parent'>;
  readonly pieces: readonly Piece[];
  readonly blobs: readonly { readonly ref: BlobRef; readonly content: Uint8Array }[];
}

/** A case run once more to look at it: everything that happened, and the sessions as they were stored. */
export async function lookAt(
  scenario: Scenario,
  options: { readonly seed: number; readonly faults: SimReport['plan'] },
): Promise<{ readonly report: SimReport; readonly sessions: readonly KeptSession[] }> {
  let sessions: readonly KeptSession[] | null = null;
  // The last invariant sees the store as it is at rest: the only place where its frames and blobs are.
  const keeper = { name: 'sessions are kept', check: async (ended: Ended) => ((sessions = await sessionsOf(ended.store)), null) };
  const watched = { ...scenario, invariants: [...(scenario.invariants ?? []), keeper] };
  const report = await runOnce(watched, { ...options, isTraced: true });
  // A run that never comes to rest is judged by nobody: its events are all there is.
  return { report, sessions: sessions ?? [...report.logs].map(([sid, log]) => sessionOf(sid, log)) };
}

async function sessionsOf(store: Store): Promise<readonly KeptSession[]> {
  const sessions: KeptSession[] = [];
  for (let page = await store.list(); page.length > 0; page = await store.list({ after: page.at(-1)?.sid ?? '' })) {
    for (const info of page) {
      const pieces: Piece[] = [];
      for (let after = info.parent?.at ?? -1; ;) {
        const frames = await store.read(info.sid, { after });
        const last = frames.at(-1);
        if (last === undefined) break;
        pieces.push(...frames.map((frame) => ({ ...frame, epoch: frame.writer.epoch })));
        after = last.seq + last.events.length - 1;
      }
      const blobs = [];
      for (const ref of refsOf(pieces)) blobs.push({ ref, content: await store.blobs.get(ref.ref) });
      sessions.push({ info, pieces, blobs });
    }
  }
  return sessions;
}

/** Events of one time and writer were most likely one frame. */
function sessionOf(sid: Sid, log: readonly LogEvent[]): KeptSession {
  const forked = log.find((event) => event.type === 'session.forked' && event.sid === sid);
  const at = forked === undefined ? -1 : forked.seq - 1;
  const pieces: (Piece & { readonly events: LogEvent[] })[] = [];
  for (const event of log.slice(at + 1)) {
    const last = pieces.at(-1);
    if (last?.atMs === event.atMs && last.epoch === event.epoch) last.events.push(event);
    else
      pieces.push({
        id: `f${event.seq}`,
        seq: event.seq,
        atMs: event.atMs,
        by: 'runtime',
        fact: false,
        epoch: event.epoch,
        events: [event],
      });
  }
  const agent = log[0]?.data['agent'];
  const parent = forked === undefined ? null : { sid: String(forked.data['parent']), at };
  return { info: { sid, agent: typeof agent === 'string' ? agent : null, status: 'ready', tenant: 'default', parent }, pieces, blobs: [] };
}

function refsOf(pieces: readonly Piece[]): readonly BlobRef[] {
  const refs = new Map<string, BlobRef>();
  const visit = (value: Json): void => {
    if (isBlobRef(value)) refs.set(value.ref, value);
    else if (typeof value === 'object' && value !== null) for (const one of Object.values(value)) visit(one as Json);
  };
  for (const { events } of pieces) for (const { data } of events) visit(data);
  return [...refs.values()];
}

/**
 * Writes sessions into a new store at `file`, with the times, writers and frames that they had. What was there is replaced.
 * @throws STORE_* and what else a store refuses.
 */
export async function keepSessions(file: string, sessions: readonly KeptSession[]): Promise<void> {
  for (const end of ['', '-wal', '-shm']) rmSync(`${file}${end}`, { force: true });
  let nowMs = 0;
  const real = nodeWorld();
  const world = { ...real, clock: { ...real.clock, nowMs: () => nowMs } };
  const store = await openStore(`file:${file}`, { world });
  try {
    for (const session of sessions) {
      const { tenant } = session.info;
      await keepOne(tenant === 'default' ? store : store.scope(tenant), session, (atMs) => (nowMs = atMs));
    }
  } finally {
    await store.close();
    await real.transport.close();
  }
}

async function keepOne(store: Store, { info, pieces, blobs }: KeptSession, setMs: (atMs: number) => void): Promise<void> {
  const { sid, agent, parent, status } = info;
  let epoch = -1;
  setMs(pieces[0]?.atMs ?? 0);
  for (const { ref, content } of blobs) await store.blobs.put(content, { mediaType: ref.mediaType, sid });
  for (const [index, { id, seq, atMs, by, fact, events, epoch: wanted }] of pieces.entries()) {
    const isLast = index === pieces.length - 1 && (index > 0 || status !== 'quarantined');
    const row = isLast ? { status } : {};
    for (; index > 0 && epoch < wanted;) epoch = (await store.takeOver(sid, 'sim')).epoch;
    const born = index > 0 || parent !== null ? {} : { ...(agent === null ? {} : { agent }), ...(wanted > 0 ? { owner: 'sim' } : {}) };
    const result =
      index === 0 && parent !== null
        ? await store.fork({ id, sid, parent: parent.sid, at: parent.at, events, by, then: row })
        : await store.append({ id, sid, expected: fact && index > 0 ? 'fact' : seq, events, atMs, by, then: { ...row, ...born } });
    if (!result.ok) throw new NervaError('STORE_FAILED', `Event ${seq} of ${sid} was not taken (${result.why}).`);
    epoch = result.epoch;
  }
}

/** Writes a case beside the sessions. */
export function keepCase(file: string, found: CaseFile): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(found, null, 2)}\n`);
}
