import { NervaError, type Json } from '../core/index.ts';
import { BLOCK_TYPES, CORE_BYTES_MAX, type Block, type BlockChange, type BlockType } from './blocks.ts';
import type { Remembered } from './recorder.ts';
import type { NewItem } from './working.ts';

/** Where a thing stands that is to be kept: before the agent always, for a while, for good; or in the log of a session, which nobody else writes. */
export type ReadModel = 'block' | 'item' | 'entry' | 'log';

interface Named {
  readonly name: string;
  /** Who calls it that. */
  readonly of: string;
  readonly is: ReadModel;
}

/** What others call the parts of a memory, and which part that is here. A test holds docs/memory.md equal to it. */
export const TAXONOMY: readonly Named[] = [
  { name: 'core', of: 'Umi, MemGPT', is: 'block' },
  { name: 'procedural', of: 'psychology', is: 'block' },
  { name: 'working', of: 'psychology, Umi', is: 'item' },
  { name: 'short_term', of: 'CrewAI', is: 'item' },
  { name: 'state', of: 'ADK', is: 'item' },
  { name: 'archival', of: 'Umi, Letta', is: 'entry' },
  { name: 'long_term', of: 'psychology, CrewAI', is: 'entry' },
  { name: 'semantic', of: 'psychology', is: 'entry' },
  { name: 'entity', of: 'CrewAI', is: 'entry' },
  { name: 'memory', of: 'ADK', is: 'entry' },
  { name: 'episodic', of: 'psychology', is: 'log' },
  { name: 'recall', of: 'Letta', is: 'log' },
  { name: 'session', of: 'ADK', is: 'log' },
];

/** A record of elsewhere, as this memory takes it. */
export type Taken =
  | { readonly is: 'block'; readonly block: BlockChange }
  | { readonly is: 'item'; readonly item: Omit<NewItem, 'key'> & { readonly key: string | null } }
  | { readonly is: 'entry'; readonly text: string; readonly options: Remembered };

/**
 * A record that was kept under a name of TAXONOMY. `core` and `procedural`: `label` and `text`, the label of what is procedural `procedural` unless it says another ·
 * items: `value`, or `text`, with `key` and `ttlMs` where they are known · entries: `text` with what `remember` takes. What else it says is left.
 * @returns null for no name of it. @throws OPTION_INVALID for what has no text, and for what is of the log.
 */
export function takenAs(name: string, record: Readonly<Record<string, unknown>>): Taken | null {
  const named = TAXONOMY.find((one) => one.name === name);
  if (named === undefined) return null;
  if (named.is === 'log')
    throw new NervaError(
      'OPTION_INVALID',
      `What is ${name} is the log of a session: its events are written as they happen, and nobody adds to them. Nothing was changed.`,
    );
  const { text, value } = record;
  if (named.is === 'item' && (value !== undefined || typeof text === 'string')) {
    const { key, ttlMs } = record;
    const item = { key: typeof key === 'string' ? key : null, value: (value ?? text) as Json };
    return { is: 'item', item: typeof ttlMs === 'number' ? { ...item, ttlMs } : item };
  }
  if (typeof text !== 'string') throw new NervaError('OPTION_INVALID', `What is ${name} has a text. Nothing was changed.`);
  if (named.is === 'entry') return { is: 'entry', text, options: some(record, ['kind', 'tags', 'importance', 'validMs']) };
  const label = record['label'] ?? (name === 'procedural' ? name : 'core');
  const type: BlockType = name === 'procedural' ? 'system' : typeOf(label);
  return { is: 'block', block: { label: label as string, type, text, ...some(record, ['description']) } };
}

/** A block as agent servers of the kind of Letta give it. Others of its members are left. */
export interface ServerBlock {
  readonly label: string;
  readonly value: string;
  /** There of characters, here of bytes. */
  readonly limit?: number | null;
  readonly description?: string | null;
  readonly read_only?: boolean;
  readonly metadata?: Readonly<Record<string, unknown>> | null;
}

/** A block as an agent server takes it: what has no place there is in its metadata. */
export function toServerBlock({ label, type, text, description, bytesMax, isReadOnly, importance }: Block): ServerBlock {
  return {
    label,
    value: text,
    description,
    read_only: isReadOnly,
    metadata: { type, importance },
    ...(bytesMax === null ? {} : { limit: bytesMax }),
  };
}

/**
 * A block of an agent server: with the type that its metadata says, else that which is called as it is, else `facts`. A limit above what the core holds is none.
 * What `toServerBlock` made comes back the same. Whether it may be set is for `setBlock` to say.
 */
export function fromServerBlock({ label, value, limit, description, read_only, metadata }: ServerBlock): BlockChange {
  const { type, importance } = metadata ?? {};
  return {
    label,
    type: BLOCK_TYPES.find((one) => one === type) ?? typeOf(label),
    text: value,
    description: description ?? '',
    bytesMax: typeof limit === 'number' && limit <= CORE_BYTES_MAX ? limit : null,
    isReadOnly: read_only ?? false,
    importance: typeof importance === 'number' ? importance : 0.5,
  };
}

/** What a block is about, by what it is called. */
const typeOf = (label: unknown): BlockType => BLOCK_TYPES.find((one) => one === label) ?? 'facts';

function some(record: Readonly<Record<string, unknown>>, names: readonly string[]): Readonly<Record<string, never>> {
  return Object.fromEntries(names.filter((name) => record[name] !== undefined).map((name) => [name, record[name]])) as Record<
    string,
    never
  >;
}
