import { hash } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { frameHash, type Envelope, type Frame, type Store } from '../../packages/nerva/src/log/index.ts';

/** A release that nobody has yet. */
export const NEWER = '9.9.0';

/** Writes a recorded log into a store, frame by frame, as its writer did: same ids, times, principals, causes and drivers. */
export async function written(store: Store, frames: readonly Frame[], agent: string): Promise<void> {
  for (const [index, { id, sid, seq, atMs, by, cause, fact, writer, events }] of frames.entries()) {
    const before = frames[index - 1];
    if (before !== undefined && before.sid !== sid) {
      await store.fork({ id, sid, parent: before.sid, at: seq - 1, events, by });
      continue;
    }
    const isNew = before === undefined;
    while (!isNew && (await store.info(sid)).epoch < writer.epoch) await store.takeOver(sid, 'old');
    const appended = await store.append({
      id, sid, atMs, by, events, expected: fact ? 'fact' : seq, ...(cause === undefined ? {} : { cause }), then: { status: 'idle', ...(isNew ? { agent, owner: 'old' } : {}) },
    });
    if (!appended.ok) throw new Error(`the frame at ${seq} of ${sid} was refused: ${appended.why}`);
  }
}

/** Makes every frame of a closed SQLite store one that a newer release wrote, its chain made anew. */
export function asNewer(path: string): void {
  const database = new DatabaseSync(path);
  const digest = (data: string | Uint8Array): string => hash('sha256', data);
  database.exec('begin');
  for (const session of database.prepare('select s.*, t.text as tenant_text from session s join word t on t.id = s.tenant order by s.s').all()) {
    let previous = String(session['parent'] === null ? '' : hashAt(database, String(session['parent']), Number(session['parent_at'])));
    for (const row of database.prepare('select e.*, w.text as writer_text, b.text as by_text from ev e join word w on w.id = e.writer join word b on b.id = e.by where s = ? order by seq').all(Number(session['s']))) {
      const cause = row['cause'] as number | string | null;
      const envelope: Omit<Envelope, 'hash'> = {
        id: String(row['id']), sid: String(session['sid']), seq: Number(row['seq']), count: Number(row['count']), atMs: Number(row['at_ms']),
        writer: { incarnation: String(row['writer_text']).split(' ')[0] ?? '', epoch: Number(row['epoch']), release: NEWER },
        by: String(row['by_text']), tenant: String(session['tenant_text']), trace: String(session['trace'] ?? session['sid']), fact: row['fact'] === 1,
        ...(cause === null ? {} : { cause: (typeof cause === 'number' ? `${String(session['sid'])}:${cause}` : cause) as `${string}:${number}` }),
      };
      previous = frameHash({ digest }, previous, envelope, String(row['data']));
      database.prepare('update ev set hash = ? where g = ?').run(Buffer.from(previous, 'hex'), Number(row['g']));
    }
    database.prepare('update session set hash = ? where s = ?').run(Buffer.from(previous, 'hex'), Number(session['s']));
  }
  database.prepare("update word set text = substr(text, 1, 33) || ? where id in (select writer from ev)").run(NEWER);
  database.exec('commit');
  database.close();
}

function hashAt(database: DatabaseSync, sid: string, seq: number): string {
  const row = database.prepare('select hash from ev where s = (select s from session where sid = ?) and seq <= ? order by seq desc limit 1').get(sid, seq);
  return Buffer.from(row?.['hash'] as Uint8Array).toString('hex');
}
