import { usageOf, usageProjection, type AgentUsage } from '../agent/index.ts';
import { NervaError } from '../core/index.ts';
import { memoryProjectionRows, projections, type Projection, type ProjectionRows, type Store } from '../log/index.ts';
import type { Context } from './context.ts';
import { groupedRows } from './grouped-rows.ts';
import { columns } from './output.ts';

/** What every agent did and took, by its name. */
export type Usage = Readonly<Record<string, AgentUsage>>;

/** Opens the store to keep the rows of usage in it; where it cannot be written now, to read it. */
export async function openForUsage(context: Context): Promise<Store> {
  try {
    return await context.store('write');
  } catch (error) {
    if (!NervaError.is(error, 'STORE_LOCKED') && !NervaError.is(error, 'STORE_READONLY')) throw error;
    return context.store('read');
  }
}

/** Frames whose rows are written together: so many are read again after a kill. */
const GROUP_FRAMES = 256;

/**
 * Brings usage up to date. Rows and cursor stay in a store that is open for writing, so that the next call reads only what is new;
 * else, and for one tenant, all events are counted from the first in memory, and a note says so.
 */
export async function usageIn(
  store: Store,
  { world, out, flags }: Pick<Context, 'world' | 'out' | 'flags'>,
  projection: Projection = usageProjection,
): Promise<Usage> {
  const kept = rowsIn(store);
  const rows = groupedRows(kept ?? memoryProjectionRows(), GROUP_FRAMES);
  // Without the keys of a store less can be read: what was counted so must not pass for the count with them.
  const name = flags.text('keys') === undefined ? projection.name : `${projection.name}-keyed`;
  const counting = projections({ store, world, rows, list: [{ ...projection, name }] });
  await counting.catchUp();
  await rows.flush();
  const { aside } = await counting.status(name);
  if (!out.isJson) {
    if (kept === null)
      out.note('Usage was counted from the first event: nothing was kept, as this store was not open for writing as a whole.', 'dim');
    if (aside.length > 0) out.note(`${aside.length} events could not be counted, the first is ${aside[0]?.event ?? ''}.`, 'yellow');
  }
  return counting.read(name, usageOf);
}

/** Only the operator's handle of a store in a file has any. */
function rowsIn(store: Store): ProjectionRows | null {
  return 'rows' in store && !store.capabilities.readOnly ? (store.rows as ProjectionRows) : null;
}

/** A table below an empty line. */
export function usageLines(usage: Usage): readonly string[] {
  const counts = (named: Readonly<Record<string, number>>): string =>
    Object.entries(named)
      .map(([name, count]) => `${count} ${name.replace('_', ' ')}`)
      .join(', ');
  const unknown = (count: number, word: string): string => (count === 0 ? '' : ` (${count} ${word})`);
  const rows = Object.entries(usage).map(([agent, one]) => [
    agent,
    String(one.sessions),
    counts(one.turns),
    String(one.modelCalls),
    `${one.inputTokens} / ${one.outputTokens}${unknown(one.unknownCalls, 'unknown')}`,
    `${one.usd === 0 ? '' : one.usd.toFixed(4)}${unknown(one.unpricedCalls, 'unknown')}`.trim(),
    counts(one.tools),
    counts(one.approvals),
  ]);
  return ['', ...columns([['AGENT', 'SESSIONS', 'TURNS', 'MODEL CALLS', 'TOKENS IN / OUT', 'USD', 'TOOL CALLS', 'APPROVALS'], ...rows])];
}
