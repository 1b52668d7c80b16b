import type { CountQuery, Entry, EntryKind, Memory } from '../memory/index.ts';
import { momentMs, UsageError, type Flags } from './arguments.ts';
import type { Context } from './context.ts';
import { brief, columns, time } from './output.ts';

/** `nerva memory list`: a page of the entries that hold, oldest first. */
export function listMemory({ out, flags }: Context, memory: Memory): void {
  const limit = flags.number('limit', 1) ?? 100;
  if (limit > 1_000) throw new UsageError(`memory list: --limit takes 1 to 1000; "${limit}" came.`, 'memory');
  const after = flags.text('after');
  const page = memory.list({ ...queryOf(flags), limit, ...(after === undefined ? {} : { after: after as Entry['id'] }) });
  if (out.isJson) for (const entry of page) out.json({ type: 'entry', ...entry });
  else if (page.length === 0) out.line('Nothing fits.');
  else for (const line of entryRows(page)) out.line(line);
  const last = page.at(-1);
  if (!out.isJson && last !== undefined && page.length === limit) out.note(`There may be more: --after ${last.id}`, 'dim');
}

/** `nerva memory count`: how many entries hold. */
export function countMemory({ out, flags }: Context, memory: Memory): void {
  const count = memory.count(queryOf(flags));
  if (out.isJson) out.json({ type: 'count', sid: memory.sid, count });
  else out.line(String(count));
}

/** `nerva memory end`: an entry holds until before `--until` only, or until now, and nothing takes its place. */
export async function endEntry({ out, flags, world }: Context, memory: Memory, id: string): Promise<void> {
  const untilMs = timeIn(flags, 'until');
  const { recordedMs } = memory.entry(id as Entry['id']);
  // Clocks differ: now is never before it was recorded, or it would never have held.
  const ended = await memory.end(id as Entry['id'], untilMs ?? Math.max(world.clock.nowMs(), recordedMs));
  if (out.isJson) out.json({ type: 'entry', ...ended });
  else out.line(`${id} holds until ${time(ended.endings.at(-1)?.atMs ?? 0)} only; the record of it stays`);
}

/** `nerva memory clear`: forgets all entries. */
export async function clearMemory({ out, flags }: Context, memory: Memory): Promise<void> {
  if (!flags.has('yes'))
    throw new UsageError(
      `This forgets all that ${memory.sid} keeps for good: ${keptIn(memory)} entries; their record stays, and blocks and items do. Say --yes to do it; nothing was changed.`,
      'memory',
    );
  const entries = await memory.clear();
  if (out.isJson) out.json({ type: 'cleared', sid: memory.sid, entries });
  else out.line(`${entries} entries of ${memory.sid} are forgotten; the record of them stays`);
}

/** `nerva memory reset`: forgets all entries, and removes blocks and items. */
export async function resetMemory({ out, flags }: Context, memory: Memory): Promise<void> {
  if (!flags.has('yes')) {
    const set = memory.core.filter(({ entry }) => entry === undefined).length;
    throw new UsageError(
      `This forgets all that ${memory.sid} keeps, ${keptIn(memory)} entries, and removes its ${set} blocks and its items; the record of them stays, and so do rights. Say --yes to do it; nothing was changed.`,
      'memory',
    );
  }
  const done = await memory.reset();
  if (out.isJson) out.json({ type: 'reset', sid: memory.sid, ...done });
  else
    out.line(
      `${done.entries} entries of ${memory.sid} are forgotten, ${done.blocks} blocks and ${done.items} items removed; the record of them stays`,
    );
}

/** How many entries are not forgotten, also those that hold no more. */
const keptIn = (memory: Memory): number => memory.entries().filter(({ forgottenMs }) => forgottenMs === null).length;

/** Entries as a table. */
export function entryRows(entries: readonly Entry[]): readonly string[] {
  return columns([
    ['ID', 'SINCE (UTC)', '', 'TEXT'],
    ...entries.map((entry) => [entry.id, time(entry.validMs), standing(entry), brief(entry.text, 200)]),
  ]);
}

function standing({ forgottenMs, supersededBy, invalidMs }: Entry): string {
  if (forgottenMs !== null) return 'forgotten';
  if (supersededBy !== null) return 'superseded';
  return invalidMs === null ? '' : 'ended';
}

/** The time that `--as-of` names. */
export function asOfIn(flags: Flags): { readonly validAtMs?: number } {
  const validAtMs = timeIn(flags, 'as-of');
  return validAtMs === undefined ? {} : { validAtMs };
}

/** @throws UsageError for what is no time. */
function timeIn(flags: Flags, name: string): number | undefined {
  const text = flags.text(name);
  if (text === undefined) return undefined;
  const atMs = momentMs(text);
  if (atMs !== null) return atMs;
  throw new UsageError(`--${name} takes a day or a time, 2026-01-31 or 2026-01-31T12:00:00Z; "${brief(text, 80)}" came.`, 'memory');
}

function queryOf(flags: Flags): CountQuery {
  const namesIn = (flag: string): readonly string[] | undefined => flags.text(flag)?.split(',');
  const [tags, kinds] = [namesIn('tags'), namesIn('kinds') as readonly EntryKind[] | undefined];
  if (flags.has('all') && flags.has('as-of')) throw new UsageError('--all is as of no time: leave out --as-of.', 'memory');
  return {
    ...asOfIn(flags),
    ...(flags.has('all') ? { isAll: true } : {}),
    ...(tags === undefined ? {} : { tags }),
    ...(kinds === undefined ? {} : { kinds }),
  };
}
