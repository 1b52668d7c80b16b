import { excerpt, NervaError } from '../core/index.ts';
import { renderCore, type Memory } from '../memory/index.ts';
import type { Draft, EventData } from './events.ts';
import { EXCERPT_BYTES, within, type Performer, type Scene } from './perform.ts';

/** A memory that does not answer holds up a turn no longer than this. */
const MEMORY_MS = 10_000;

/** Reads the memory: its blocks as far as they changed since they were told, and what the question recalls. A turn goes on without it where it fails. */
export const performMemory: Performer = async (_intent, scene) => {
  const { seq: call, signal } = scene;
  try {
    const memory = await within(MEMORY_MS, scene, () => opened(scene), 'The memory');
    const said = read(memory, scene);
    const isNoted = said.core !== undefined || said.entries !== undefined;
    const recalled: Draft = { type: 'memory.recalled', data: { call, log: memory.sid, upto: memory.head - 1, notes: isNoted ? 1 : 0 } };
    if (!isNoted && said.fixed === undefined) return [recalled];
    const owner = memory.subject === undefined ? {} : { subject: memory.subject };
    return [recalled, { type: 'memory.told', origin: 'tool', data: said, ...owner }];
  } catch (error) {
    if (signal.aborted && !NervaError.is(signal.reason, 'HTTP_TIMEOUT'))
      return [{ type: 'memory.failed', data: { call, why: 'cancelled' } }];
    const reason: unknown = signal.aborted ? signal.reason : error;
    const message = excerpt(reason instanceof Error ? reason.message : String(reason), EXCERPT_BYTES);
    return [{ type: 'memory.failed', data: { call, why: 'error', ...(NervaError.is(reason) ? { code: reason.code } : {}), message } }];
  }
};

async function opened({ sid, bound, store, world }: Scene): Promise<Memory> {
  const { memory } = bound.agent;
  if (memory === undefined) throw new Error('Invariant broken: A7 a memory is read only where there is one');
  const { of } = memory;
  const opened =
    typeof of === 'function'
      ? await of({ session: { sid, tenant: store.tenant ?? 'default', agent: bound.agent.name }, store, world })
      : of;
  await opened.refresh();
  return opened;
}

/** Only what is new: what was told before is in the prompt. */
function read(memory: Memory, { state, bound }: Scene): EventData['memory.told'] {
  const { fixed, core, told } = state.memory;
  const isFixed = ({ isReadOnly, type }: Memory['core'][number]): boolean => isReadOnly && (type === 'system' || type === 'persona');
  const now = { fixed: renderCore(memory.core.filter(isFixed)), core: renderCore(memory.core.filter((block) => !isFixed(block))) };
  const question = state.turn.open?.input.text ?? '';
  const limit = bound.agent.memory?.recall ?? 0;
  const found = limit === 0 || question.trim() === '' ? [] : memory.recall(question, { limit });
  const entries = found.filter(({ entry }) => !told.has(entry.id)).map(({ entry: { id, text, validMs } }) => ({ id, text, validMs }));
  return {
    ...(now.fixed === fixed ? {} : { fixed: now.fixed }),
    ...(now.core === core ? {} : { core: now.core }),
    ...(entries.length === 0 ? {} : { entries }),
  };
}
