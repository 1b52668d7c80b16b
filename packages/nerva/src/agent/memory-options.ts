import { checkOptions, checkRange, NervaError, type JsonObject, type World } from '../core/index.ts';
import type { Store } from '../log/index.ts';
import type { Memory } from '../memory/index.ts';
import type { ToolContext } from '../tool/index.ts';

/** What tells whose memory is read, and where it may be. */
export interface MemoryScene extends Pick<ToolContext, 'session'> {
  readonly store: Store;
  readonly world: World;
}

/** How an agent uses a memory. What it was told, and how far that had been read, is in the session’s log. */
export interface MemoryUse {
  /** The memory, or how to come by that of a session; `store` and `world` are the runtime’s. Contract: the same memory for the same session. */
  readonly of: Memory | ((scene: MemoryScene) => Memory | Promise<Memory>);
  /** Entries that the question of a turn recalls, 0–50. Default 5. Of several memories: how many of this one at most; together they recall as many as the one that recalls most. */
  readonly recall?: number;
}

/** How many memories an agent may have: each is asked in every turn. */
const MEMORIES_MAX = 8;

/** The memories of an agent, in the order given; none where none was. @throws OPTION_UNKNOWN, OPTION_INVALID */
export function checkMemories(given: MemoryUse | readonly MemoryUse[] | undefined): readonly Required<MemoryUse>[] {
  if (given === undefined) return [];
  if (!isList(given)) return [checkUse(given, 'memory')];
  checkRange('how many memories an agent has', given.length, 1, MEMORIES_MAX);
  // Not `map`, which leaves out what a list has no element for.
  const uses = Array.from(given, (use, index) => checkUse(use, `memory[${index}]`));
  const seen = new Set<string>();
  for (const { of } of uses) {
    if (typeof of === 'function') continue;
    if (seen.has(of.sid)) throw isTwice(of.sid);
    seen.add(of.sid);
  }
  return uses;
}

const isList = (given: MemoryUse | readonly MemoryUse[]): given is readonly MemoryUse[] => Array.isArray(given);

/** Two memories of one scope are one. What `of` gives is known only when it is asked. */
export const isTwice = (log: string): NervaError =>
  new NervaError(
    'OPTION_INVALID',
    `Two memories of the agent are of one scope, ${log}: what is in it would be told twice. Leave one out.`,
    {
      details: { log },
    },
  );

function checkUse(given: MemoryUse, where: string): Required<MemoryUse> {
  checkOptions(given, ['of', 'recall'], `createAgent: ${where}`);
  const { of, recall = 5 } = given;
  const isMemory = typeof of === 'function' || (typeof of === 'object' && (of as unknown) !== null && typeof of.sid === 'string');
  if (!isMemory)
    throw new NervaError(
      'OPTION_INVALID',
      `${where}.of must be a memory (openMemory) or a function that gives one; ${of === null ? 'null' : `a ${typeof of}`} came. Nothing was made.`,
    );
  return { of, recall: checkRange(`${where}.recall`, recall, 0, 50) };
}

/** As a part of the definition. One memory stands as it stood before there could be several. */
export function memoryJson(uses: readonly Required<MemoryUse>[]): JsonObject {
  const [first, ...others] = uses.map(({ recall }) => ({ recall }));
  if (first === undefined) return {};
  return { memory: others.length === 0 ? first : [first, ...others] };
}
