import { excerpt, utf8Bytes } from '../core/index.ts';
import type { Seq, Sid } from '../log/index.ts';
import {
  CORE_BYTES_MAX,
  renderCore,
  renderEntries,
  scopeMark,
  type Core,
  type Entry,
  type Search,
  type ToldEntry,
} from '../memory/index.ts';
import { sectionMax } from './context-options.ts';
import type { Draft, EventData } from './events.ts';
import { partAt, scopeAmong } from './facets/memory.ts';
import { items } from './list.ts';
import { isMemoryNote } from './messages.ts';
import { cutText } from './meter.ts';
import type { Scene } from './perform.ts';
import type { MemoryPart } from './state.ts';
import type { TokenCounter } from './tokens.ts';

/** What was read of one memory. */
export interface Reading {
  readonly log: Sid;
  /** The last event of its log that was read; -1: none. */
  readonly upto: Seq;
  readonly subject: string | undefined;
  readonly blocks: Core;
  /** What the question recalls, best first. */
  readonly found: readonly Entry[];
  /** How it was looked for; null where nothing was. */
  readonly search: Pick<Search, 'isDeep' | 'variations'> | null;
}

/**
 * What is told of each memory, in the order of the agent's memories; null for one that could not be read: what it said before stands, and keeps its room.
 * The room is one for all. M1 what is given first gives way last: a block of a later memory goes before one of an earlier, and within a memory the least
 * important first · M2 blocks that follow the instructions come before all others, and go whole · M3 entries come by their rank, the best of each
 * memory first, into what the blocks leave.
 */
export function tellings(readings: readonly (Reading | null)[], scene: Scene): readonly (readonly Draft[])[] {
  const told = readings.map((reading, at): Told => {
    const scope = reading === null ? null : scopeAmong(reading.log, readings.length);
    return { reading, scope, part: reading === null ? standingAt(at, scene) : partAt(scene.state.memory, at, scope) };
  });
  const room = new Room(told, scene);
  // Those that follow the instructions first, of all memories.
  const fixed = told.map((one) => (one.reading === null ? one.part.fixed : room.fixed(one.reading.blocks.filter(isFixed), one.scope)));
  room.limit(fixed.filter((text) => text !== '').join('\n\n'));
  const cores = told.map((one) =>
    one.reading === null ? one.part.core : room.core(one.reading.blocks.filter((block) => !isFixed(block))),
  );
  const entries = room.entries(merged(readings, recallMax(scene)), cores);
  return told.map((one, at) => {
    if (one.reading === null) return [];
    const own = entries.filter(({ from }) => from === at).map(({ entry }) => entry);
    return telling({ ...one, reading: one.reading }, { fixed: fixed[at] ?? '', core: cores[at] ?? '', entries: own }, scene.seq);
  });
}

interface Told {
  readonly reading: Reading | null;
  readonly scope: string | null;
  /** What was told of it before. */
  readonly part: MemoryPart;
}

const standingAt = (at: number, { state: { memory } }: Scene): MemoryPart => partAt(memory, at, memory.parts[at]?.scope ?? null);

/** The words of people, which follow the instructions. */
const isFixed = ({ isReadOnly, type }: Core[number]): boolean => isReadOnly && (type === 'system' || type === 'persona');

/** Only what is new: what was told before is in the prompt. */
function telling(
  { reading: { log, upto, subject, blocks, search }, part }: Told & { readonly reading: Reading },
  now: { readonly fixed: string; readonly core: string; readonly entries: readonly ToldEntry[] },
  call: Seq,
): readonly Draft[] {
  const said: EventData['memory.told'] = {
    ...(now.fixed === part.fixed ? {} : { fixed: now.fixed }),
    ...(now.core === part.core ? {} : { core: now.core }),
    ...(now.entries.length === 0 ? {} : { entries: now.entries }),
  };
  const isNoted = said.core !== undefined || said.entries !== undefined;
  // Blocks for which there is no room are not told, and nothing repeats them after a compaction.
  const count = now.core === '' ? 0 : blocks.filter((block) => !isFixed(block)).length;
  const recalled: Draft = {
    type: 'memory.recalled',
    data: { call, log, upto, notes: isNoted ? 1 : 0, blocks: count, ...choiceOf(search) },
  };
  if (!isNoted && said.fixed === undefined) return [recalled];
  return [recalled, { type: 'memory.told', origin: 'tool', data: said, ...(subject === undefined ? {} : { subject }) }];
}

/** What was chosen, and how often the question was said; in which words is not for a record that nobody's erasure reaches. */
function choiceOf(search: Reading['search']): Pick<EventData['memory.recalled'], 'deep' | 'variations'> {
  const deep = search?.isDeep ?? null;
  if (search === null || deep === null) return {};
  return { deep, ...(deep ? { variations: search.variations.length } : {}) };
}

/** Of several memories as many as of the one that recalls most: another memory makes no prompt longer. */
const recallMax = ({ bound }: Scene): number => Math.max(0, ...bound.agent.memory.map(({ recall }) => recall));

/** An entry of the memory at this place. */
interface Ranked<T> {
  readonly from: number;
  readonly entry: T;
}

/** By rank, of equals that of the memory given first; the same text once, for it may have been shared. O(all · log). */
function merged(readings: readonly (Reading | null)[], limit: number): readonly Ranked<Entry>[] {
  const ranked = readings.flatMap((reading, from) => (reading?.found ?? []).map((entry, rank) => ({ from, entry, rank })));
  const texts = new Set<string>();
  return ranked
    .toSorted((one, other) => one.rank - other.rank || one.from - other.from)
    .filter(({ entry: { text } }) => !texts.has(text) && texts.add(text))
    .slice(0, limit);
}

/** The five that a question recalls by default are some 10,000 tokens of English then: what a model of 32,000 takes beside a conversation. */
const ENTRY_BYTES = 8_000;

/** What memories may put into the prompt, and what of it is left. */
class Room {
  readonly #scene: Scene;
  readonly #told: readonly Told[];
  /** Of blocks as rendered. One memory alone keeps to it by itself. */
  #bytes: number;
  #tokens = Infinity;
  #tokensMax = Infinity;

  constructor(told: readonly Told[], scene: Scene) {
    this.#scene = scene;
    this.#told = told;
    const standing = told.filter(({ reading }) => reading === null).reduce((sum, { part }) => sum + utf8Bytes(part.fixed + part.core), 0);
    this.#bytes = told.length === 1 ? Infinity : Math.max(0, CORE_BYTES_MAX - standing);
  }

  /** Blocks that follow the instructions, as far as there is room for whole ones. Where there are more a mark says so. */
  fixed(blocks: Core, scope: string | null): string {
    let kept: Fitted = { blocks, cut: 0 };
    for (const block of byImportance(blocks)) {
      if (utf8Bytes(rendered(kept, scope)) <= this.#bytes) break;
      kept = { blocks: kept.blocks.filter((one) => one !== block), cut: kept.cut + 1 };
    }
    const text = rendered(kept, scope);
    this.#bytes = Math.max(0, this.#bytes - utf8Bytes(text));
    return text;
  }

  /** From here on so many tokens are left as the words behind the instructions leave. */
  limit(people: string): void {
    const { text } = this.#scene.bound.meter;
    const standing = this.#told.filter(({ reading }) => reading === null).reduce((sum, { part }) => sum + text(part.core), 0);
    this.#tokensMax = memoryMax(people, this.#scene);
    this.#tokens = Math.max(0, this.#tokensMax - standing);
  }

  /** The other blocks, cut to what is left. */
  core(blocks: Core): string {
    const { text } = this.#scene.bound.meter;
    const core = rendered(fitted(fitted({ blocks, cut: 0 }, this.#bytes, utf8Bytes), this.#tokens, text));
    this.#bytes -= utf8Bytes(core);
    this.#tokens -= this.#tokens === Infinity ? 0 : text(core);
    return core;
  }

  /** As many of the best as there is room for beside what the memories said before. The others may be recalled again once there is room. */
  entries(found: readonly Ranked<Entry>[], cores: readonly string[]): readonly Ranked<ToldEntry>[] {
    const { state, bound } = this.#scene;
    const fresh = found
      .filter(({ entry }) => !state.memory.told.has(entry.id))
      .map(({ from, entry: { id, text, validMs } }) => ({ from, entry: { id, text: excerpt(text, ENTRY_BYTES), validMs } }));
    if (this.#tokensMax === Infinity) return fresh;
    const changed = cores.filter((core, at) => core !== this.#told[at]?.part.core);
    const said = items(state.turn.messages).filter(isMemoryNote);
    let left = this.#tokensMax - changed.reduce((sum, core) => sum + bound.meter.text(core), 0);
    left -= said.reduce((sum, note) => sum + bound.meter.message(note), 0);
    return fresh.filter(({ entry }) => {
      const tokens = bound.meter.text(renderEntries([entry]));
      if (tokens > left) return false;
      left -= tokens;
      return true;
    });
  }
}

/** How many tokens memories may put before a question. What they say stays there whatever is compacted: without a bound it could fail each turn. */
function memoryMax(people: string, { bound: { agent, meter } }: Scene): number {
  const { context, model, instructions, params } = agent;
  if (context?.sections.memory !== undefined) return sectionMax(context, 'memory');
  const window = context?.tokensMax ?? model?.contextTokensMax ?? Infinity;
  const left = window - (params.maxOutputTokens ?? 0) - meter.fixed(instructions) - meter.text(people);
  return Math.max(0, Math.floor(MEMORY_SHARE * left));
}

/** Of what instructions, tools and the answer leave, where no section says how much. */
const MEMORY_SHARE = 0.25;

/** Blocks of one memory, and how many of them are left out. */
interface Fitted {
  readonly blocks: Core;
  readonly cut: number;
}

const rendered = ({ blocks, cut }: Fitted, scope: string | null = null): string =>
  `${renderCore(blocks, scope)}${cut === 0 ? '' : `<cut blocks="${cut}"${scopeMark(scope)}/>`}`;

/** The blocks cut to so much, the most important last. The same blocks give the same text, so that nothing is told twice. */
function fitted(whole: Fitted, max: number, measure: TokenCounter): Fitted {
  let over = max === Infinity ? 0 : measure(rendered(whole)) - max;
  if (over <= 0) return whole;
  let { blocks, cut } = whole;
  for (const block of byImportance(blocks)) {
    const shorter = { ...block, text: cutText(block.text, Math.max(0, measure(block.text) - over), measure) };
    // A short block is not worth a note of what was cut: then it goes, and so does the next.
    const isEmpty = shorter.text === '' || measure(shorter.text) <= NOTE_TOKENS;
    blocks = isEmpty ? blocks.filter((one) => one !== block) : blocks.map((one) => (one === block ? shorter : one));
    cut += isEmpty ? 1 : 0;
    over = measure(rendered({ blocks, cut })) - max;
    if (over <= 0) return { blocks, cut };
  }
  return { blocks: [], cut: 0 };
}

const byImportance = (blocks: Core): Core => blocks.toSorted((a, b) => a.importance - b.importance);

const NOTE_TOKENS = 16;
