import {
  MEMORY_RIGHTS,
  openMemory,
  shareEntry,
  type Entry,
  type Memory,
  type MemoryRight,
  type RightChange,
  type Rights,
} from '../memory/index.ts';
import type { Store } from '../log/index.ts';
import { UsageError } from './arguments.ts';
import type { Context } from './context.ts';
import { brief, columns, time } from './output.ts';

/** `nerva memory grant` and `revoke`: what an agent may do through tools that are guarded. */
export async function changeRights(
  context: Context,
  memory: Memory,
  change: { readonly agent: string; readonly isGrant: boolean },
): Promise<void> {
  const { agent, isGrant } = change;
  const named = context.flags.text('rights');
  if (named === undefined && isGrant)
    throw new UsageError(`memory grant needs --rights: some of ${MEMORY_RIGHTS.join(',')}, parted by commas.`, 'memory');
  const rights = named === undefined ? MEMORY_RIGHTS : (named.split(',') as MemoryRight[]);
  const by = context.flags.text('by') ?? 'cli';
  await (isGrant ? memory.grant(agent, rights, { by }) : memory.revoke(agent, rights, { by }));
  const { out } = context;
  const has = Object.hasOwn(memory.rights, agent) ? (memory.rights[agent] ?? []) : [];
  if (out.isJson) out.json({ type: 'rights', sid: memory.sid, agent, rights: has });
  else out.line(`${agent} may ${has.length === 0 ? 'do nothing' : has.join(', ')} in ${memory.sid}`);
}

/** `nerva memory rights`: who was granted what, and when it was revoked. */
export async function showRights({ out }: Context, memory: Memory): Promise<void> {
  const history = await memory.rightsHistory();
  if (out.isJson) return history.forEach((held) => out.json({ type: 'right', sid: memory.sid, ...held }));
  if (history.length === 0) return out.line(`Nobody was granted anything in ${memory.sid}.`);
  const when = (change: RightChange | null): readonly string[] => (change === null ? ['', ''] : [time(change.atMs), change.by ?? '']);
  for (const line of columns([
    ['AGENT', 'RIGHT', 'GRANTED (UTC)', 'BY', 'REVOKED (UTC)', 'BY'],
    ...history.map(({ agent, right, granted, revoked }) =>
      [agent, right, ...when(granted), ...when(revoked)].map((cell) => brief(cell, 80)),
    ),
  ]))
    out.line(line);
}

/** `nerva memory share`: takes an entry to the memory of another scope. */
export async function shareMemory({ out, flags, world }: Context, memory: Memory, store: Store, id: string): Promise<void> {
  const scope = flags.text('to');
  if (scope === undefined) throw new UsageError('memory share needs --to SCOPE: whose memory it goes to.', 'memory');
  const entry = await shareEntry(memory, id as Entry['id'], await openMemory({ store, world, scope }));
  if (out.isJson) out.json({ type: 'entry', ...entry });
  else out.line(`${entry.id} says what ${id} does`);
}

/** Who may do what, for `nerva memory stats`. */
export function rightsRows(rights: Rights): readonly (readonly [string, string])[] {
  return Object.entries(rights).map(([agent, has]) => ['rights', `${agent} may ${has.join(', ')}`]);
}
