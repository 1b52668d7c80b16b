import { NervaError } from '../core/index.ts';
import type { EventId } from '../log/index.ts';
import type { Entry } from './entries.ts';
import type { Memory } from './memory.ts';

/**
 * Takes an entry of one memory to another, such as from a user's to a team's: nothing goes from scope to scope by itself. The copy names the entry
 * as its `source`, is made once however often it is asked for, and is sealed under whom the entry belongs to, so that it goes with them. It holds no
 * longer than the entry does, as far as that is known when it is asked for: an end that came later comes along when it is asked for again.
 * O(entries of `to`). @throws MEMORY_UNKNOWN for an entry that is not there; MEMORY_CHANGED for one that was forgotten or superseded; OPTION_INVALID for the same
 * scope; and as `remember` does. Nothing was changed.
 */
export async function shareEntry(from: Memory, id: EventId, to: Memory): Promise<Entry> {
  await from.refresh();
  const { text, kind, tags, importance, validMs, endings, forgottenMs, supersededBy, subject } = from.entry(id);
  if (from.sid === to.sid)
    throw new NervaError('OPTION_INVALID', `${id} is in ${to.sid} already. Nothing was changed.`, { details: { id } });
  if (forgottenMs !== null || supersededBy !== null)
    throw new NervaError(
      'MEMORY_CHANGED',
      `${id} was ${forgottenMs === null ? `superseded by ${supersededBy?.id ?? ''}: share that one` : 'forgotten'}. Nothing was changed.`,
      { details: { id } },
    );
  await to.refresh();
  const there = to.entries().find((one) => one.source === id && one.text === text);
  const endMs = endings.at(-1)?.atMs;
  const end = endMs === undefined ? {} : { invalidMs: endMs };
  const owner = subject === undefined ? {} : { subject };
  const copy = there ?? (await to.remember(text, { kind, tags, importance, validMs, ...end, source: id, key: `share ${id}`, ...owner }));
  const isLonger = endMs !== undefined && (copy.endings.at(-1)?.atMs ?? Infinity) > endMs;
  return isLonger ? to.end(copy.id, endMs) : copy;
}
