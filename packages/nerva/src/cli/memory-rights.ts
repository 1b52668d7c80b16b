import { MEMORY_RIGHTS, openMemory, shareEntry, type Entry, type Memory, type MemoryRight, type Rights } from '../memory/index.ts';
import type { Store } from '../log/index.ts';
import { UsageError } from './arguments.ts';
import type { Context } from './context.ts';

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
  await (isGrant ? memory.grant(agent, rights) : memory.revoke(agent, rights));
  const { out } = context;
  const has = Object.hasOwn(memory.rights, agent) ? (memory.rights[agent] ?? []) : [];
  if (out.isJson) out.json({ type: 'rights', sid: memory.sid, agent, rights: has });
  else out.line(`${agent} may ${has.length === 0 ? 'do nothing' : has.join(', ')} in ${memory.sid}`);
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
