import { NervaError } from '../core/index.ts';
import { eventsOf, type Store } from '../log/index.ts';
import type { Memory } from '../memory/index.ts';
import type { SqliteStore } from '../node/index.ts';
import { UsageError } from './arguments.ts';
import type { Context, ExitCode } from './context.ts';

/** `nerva memory erase`: the existing erasure of a subject, for whoever looks at a memory; it reaches all of the store. */
export async function eraseMemory({ out, flags }: Context, memory: Memory, store: Store): Promise<ExitCode> {
  const subject = flags.text('subject');
  if (subject === undefined) throw new UsageError('memory erase needs --subject NAME: whose data is erased.', 'memory');
  const before = await countsIn(store, memory.sid, subject);
  if (before.sealed === 0 && before.open === 0)
    throw new NervaError('MEMORY_UNKNOWN', `${memory.sid} holds nothing of the subject ${JSON.stringify(subject)}. Nothing was erased.`, {
      details: { sid: memory.sid, subject },
    });
  if (!flags.has('yes'))
    throw new UsageError(
      `This erases for good what the store holds of the subject ${JSON.stringify(subject)}: ${before.open} events of ${memory.sid}, and those of other sessions; ${before.others} events of it are of others and stay. Say --yes to do it; nothing was erased.`,
      'memory',
    );
  if (!isErasing(store))
    throw new NervaError(
      'OPTION_INVALID',
      'This store cannot erase: it lives in memory, or is the handle of a tenant. Nothing was erased.',
    );
  const { sids, unnoted } = await store.eraseSubject(subject, 'cli');
  await memory.refresh();
  const { open: readable } = await countsIn(store, memory.sid, subject);
  if (out.isJson) out.json({ type: 'erased', subject, sids, unnoted, readable, unchanged: before.others });
  else {
    out.line(`The key of ${JSON.stringify(subject)} is gone, and with it what ${sids.length} sessions held: ${sids.join(', ')}.`);
    out.line(
      `Unchanged: ${before.others} events of ${memory.sid} that are of others; exports, backups of the keys, and indexes that no memory has opened since.`,
    );
    if (unnoted.length > 0) out.line(`Closed or full, so without a note of it: ${unnoted.join(', ')}.`);
    if (readable > 0) out.note(`${readable} events of ${memory.sid} were written without keys and can still be read.`, 'red');
  }
  return readable === 0 ? 0 : 1;
}

const isErasing = (store: Store): store is SqliteStore => 'eraseSubject' in store;

async function countsIn(
  store: Store,
  sid: string,
  subject: string,
): Promise<{ readonly open: number; readonly sealed: number; readonly others: number }> {
  const counts = { open: 0, sealed: 0, others: 0 };
  for (let after = -1; ;) {
    const events = (await store.read(sid, { after })).flatMap(eventsOf);
    for (const { subject: of, erased } of events) counts[of !== subject ? 'others' : erased === true ? 'sealed' : 'open']++;
    const last = events.at(-1);
    if (last === undefined) return counts;
    after = last.seq;
  }
}
