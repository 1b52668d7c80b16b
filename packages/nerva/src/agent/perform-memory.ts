import { renderCore, type Memory } from '../memory/index.ts';
import type { Draft, EventData } from './events.ts';
import { mishap, within, type Performer, type Scene } from './perform.ts';

/** A memory that does not answer holds up a turn no longer than this. */
const MEMORY_MS = 10_000;

/** Reads the memory: its blocks as far as they changed since they were told, and what the question recalls. A turn goes on without it where it fails. */
export const performMemory: Performer = async (_intent, scene) => {
  const { seq: call } = scene;
  try {
    const memory = await within(MEMORY_MS, scene, () => opened(scene), 'The memory');
    const said = await within(MEMORY_MS, scene, () => read(memory, scene), 'The memory');
    const isNoted = said.core !== undefined || said.entries !== undefined;
    const blocks = memory.core.filter((block) => !isFixed(block)).length;
    const recalled: Draft = {
      type: 'memory.recalled',
      data: { call, log: memory.sid, upto: memory.head - 1, notes: isNoted ? 1 : 0, blocks },
    };
    if (!isNoted && said.fixed === undefined) return [recalled];
    const owner = memory.subject === undefined ? {} : { subject: memory.subject };
    return [recalled, { type: 'memory.told', origin: 'tool', data: said, ...owner }];
  } catch (error) {
    return [{ type: 'memory.failed', data: { call, ...mishap(scene, error) } }];
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

/** The words of people, which follow the instructions. */
const isFixed = ({ isReadOnly, type }: Memory['core'][number]): boolean => isReadOnly && (type === 'system' || type === 'persona');

/** Only what is new: what was told before is in the prompt. */
async function read(memory: Memory, { state, bound, signal }: Scene): Promise<EventData['memory.told']> {
  const { fixed, core, told } = state.memory;
  const now = { fixed: renderCore(memory.core.filter(isFixed)), core: renderCore(memory.core.filter((block) => !isFixed(block))) };
  const question = state.turn.open?.input.text ?? '';
  const limit = bound.agent.memory?.recall ?? 0;
  const found = limit === 0 || question.trim() === '' ? [] : (await memory.search(question, { limit, signal })).found;
  const entries = found.filter(({ entry }) => !told.has(entry.id)).map(({ entry: { id, text, validMs } }) => ({ id, text, validMs }));
  return {
    ...(now.fixed === fixed ? {} : { fixed: now.fixed }),
    ...(now.core === core ? {} : { core: now.core }),
    ...(entries.length === 0 ? {} : { entries }),
  };
}
