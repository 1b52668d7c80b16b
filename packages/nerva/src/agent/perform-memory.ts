import { excerpt } from '../core/index.ts';
import { renderCore, renderEntries, type Entry, type Filter, type Memory, type ToldEntry } from '../memory/index.ts';
import { items } from './list.ts';
import { isMemoryNote } from './messages.ts';
import { cutText } from './meter.ts';
import { sectionMax } from './context-options.ts';
import type { Draft, EventData } from './events.ts';
import type { TokenCounter } from './tokens.ts';
import { mishap, within, type Performer, type Scene } from './perform.ts';

/** A memory that does not answer holds up a turn no longer than this. */
const MEMORY_MS = 10_000;

/** Reads the memory: its blocks as far as they changed since they were told, and what the question recalls. A turn goes on without it where it fails. */
export const performMemory: Performer = async (_intent, scene) => {
  const { seq: call } = scene;
  try {
    const memory = await within(MEMORY_MS, scene, () => opened(scene), 'The memory');
    const core = coreOf(memory);
    const said = await within(MEMORY_MS, scene, () => read(memory, core, scene), 'The memory');
    const isNoted = said.core !== undefined || said.entries !== undefined;
    // Blocks for which there is no room are not told, and nothing repeats them after a compaction.
    const isTold = (said.core ?? scene.state.memory.core) !== '';
    const blocks = isTold ? core.filter((block) => !isFixed(block)).length : 0;
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

/** What is told is sealed under whom the memory belongs to: what is somebody else's would stay in the session when they are erased. */
const isOwn = ({ subject: owner }: Memory, { subject }: Entry): boolean => subject === undefined || subject === owner;
/** The same as a filter: what is left out takes no place from what is told. */
const ownOf = ({ subject }: Memory): Filter => ({ subject: { $in: [null, subject ?? null] } });

/** The blocks that may be told. */
const coreOf = (memory: Memory): Memory['core'] =>
  memory.core.filter(({ entry }) => entry === undefined || isOwn(memory, memory.entry(entry)));

/** The words of people, which follow the instructions. */
const isFixed = ({ isReadOnly, type }: Memory['core'][number]): boolean => isReadOnly && (type === 'system' || type === 'persona');

/** Only what is new: what was told before is in the prompt. */
async function read(memory: Memory, blocks: Memory['core'], scene: Scene): Promise<EventData['memory.told']> {
  const { state, bound, signal } = scene;
  const { fixed, core, told } = state.memory;
  const people = renderCore(blocks.filter(isFixed));
  const max = memoryMax(people, scene);
  const now = {
    fixed: people,
    core: coreWithin(
      blocks.filter((block) => !isFixed(block)),
      max,
      bound.meter.text,
    ),
  };
  const question = state.turn.open?.input.text ?? '';
  const limit = bound.agent.memory?.recall ?? 0;
  const found =
    limit === 0 || question.trim() === '' ? [] : (await memory.search(question, { limit, signal, filter: ownOf(memory) })).found;
  const fresh = found
    .filter(({ entry }) => !told.has(entry.id))
    .map(({ entry: { id, text, validMs } }) => ({ id, text: excerpt(text, ENTRY_BYTES), validMs }));
  const entries = entriesWithin(fresh, max - (now.core === core ? 0 : bound.meter.text(now.core)), scene);
  return {
    ...(now.fixed === fixed ? {} : { fixed: now.fixed }),
    ...(now.core === core ? {} : { core: now.core }),
    ...(entries.length === 0 ? {} : { entries }),
  };
}

/** The five that a question recalls by default are some 10,000 tokens of English then: what a model of 32,000 takes beside a conversation. */
const ENTRY_BYTES = 8_000;

/** How many tokens the memory may put before a question. What it says stays there whatever is compacted: without a bound it could fail each turn. */
function memoryMax(people: string, { bound: { agent, meter } }: Scene): number {
  const { context, model, instructions, params } = agent;
  if (context?.sections.memory !== undefined) return sectionMax(context, 'memory');
  const window = context?.tokensMax ?? model?.contextTokensMax ?? Infinity;
  const left = window - (params.maxOutputTokens ?? 0) - meter.fixed(instructions) - meter.text(people);
  return Math.max(0, Math.floor(MEMORY_SHARE * left));
}

/** Of what instructions, tools and the answer leave, where no section says how much. */
const MEMORY_SHARE = 0.25;

/** The blocks as they are told: cut to the section, the most important last. The same blocks give the same text, so that nothing is told twice. */
function coreWithin(core: Memory['core'], max: number, text: TokenCounter): string {
  const whole = renderCore(core);
  let over = max === Infinity ? 0 : text(whole) - max;
  if (over <= 0) return whole;
  let kept = core;
  for (const block of core.toSorted((a, b) => a.importance - b.importance)) {
    const shorter = { ...block, text: cutText(block.text, Math.max(0, text(block.text) - over), text) };
    // A short block is not worth a note of what was cut: then it goes, and so does the next.
    const isEmpty = shorter.text === '' || text(shorter.text) <= NOTE_TOKENS;
    kept = isEmpty ? kept.filter((one) => one !== block) : kept.map((one) => (one === block ? shorter : one));
    const left = kept.length < core.length ? `<cut blocks="${core.length - kept.length}"/>` : '';
    over = text(`${renderCore(kept)}${left}`) - max;
    if (over <= 0) return `${renderCore(kept)}${left}`;
  }
  return '';
}

const NOTE_TOKENS = 16;

/** As many of the best as there is room for beside what the memory said before. The others may be recalled again once there is room. */
function entriesWithin(entries: readonly ToldEntry[], max: number, { state, bound }: Scene): readonly ToldEntry[] {
  if (max === Infinity) return entries;
  const said = items(state.turn.messages).filter(isMemoryNote);
  let left = max - said.reduce((sum, note) => sum + bound.meter.message(note), 0);
  return entries.filter((entry) => {
    const tokens = bound.meter.text(renderEntries([entry]));
    if (tokens > left) return false;
    left -= tokens;
    return true;
  });
}
