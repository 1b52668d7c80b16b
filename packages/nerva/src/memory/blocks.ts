import { checkRange, NervaError, utf8Bytes } from '../core/index.ts';
import type { EventId } from '../log/index.ts';
import { coreOf, escapeMarkup } from './markup.ts';

/** What a block is about, in the order in which blocks stand in a prompt. */
export const BLOCK_TYPES = ['system', 'persona', 'human', 'facts', 'goals', 'scratch'] as const;
/** One of them. */
export type BlockType = (typeof BLOCK_TYPES)[number];

/** A piece of what an agent always has before it. */
export interface Block {
  /** Unique; 1–64 of `A-Za-z0-9_.-`. */
  readonly label: string;
  readonly type: BlockType;
  readonly text: string;
  /** What belongs in it, for the model. */
  readonly description: string;
  /** Of `text`; null: as much as there is room for. */
  readonly bytesMax: number | null;
  /** The model may not change it. */
  readonly isReadOnly: boolean;
  /** 0–1. */
  readonly importance: number;
  /** How often it was set; an edit that names another is refused. */
  readonly version: number;
  /** The entry that stands there, while it holds; absent in a block that was set. */
  readonly entry?: EventId;
}

/** What `setBlock` takes: what is absent stays, or is empty in a new block, whose `type` is `facts` unless it says another. */
export type BlockChange = { readonly label: string } & Partial<Omit<Block, 'label' | 'version' | 'entry'>>;

/** All blocks, in the order in which they are rendered. */
export type Core = readonly Block[];

/** Of what is rendered, since that is what enters the prompt. */
export const CORE_BYTES_MAX = 32_768;
/** How many blocks there may be. */
export const BLOCKS_MAX = 32;

/**
 * The core with a block set. Nothing is changed where it throws: a core is a value.
 * Invariants: C1 at most BLOCKS_MAX blocks that render to at most CORE_BYTES_MAX bytes · C2 in the order of types, then of labels.
 * @throws MEMORY_FULL (more than fits), MEMORY_TOO_LARGE (more than the block's own limit), OPTION_INVALID.
 */
export function setBlock(core: Core, change: BlockChange): Core {
  const { label } = change;
  if (typeof label !== 'string' || !/^[A-Za-z0-9_.-]{1,64}$/.test(label))
    throw new NervaError(
      'OPTION_INVALID',
      `A label has 1 to 64 of A-Za-z0-9_.-; ${String(JSON.stringify(label)).slice(0, 80)} came. Nothing was changed.`,
    );
  const before = core.find((block) => block.label === label);
  const block: Block = { ...(before ?? NEW), ...change, version: (before?.version ?? 0) + 1 };
  if (typeof block.text !== 'string' || typeof block.description !== 'string' || typeof block.isReadOnly !== 'boolean')
    throw new NervaError('OPTION_INVALID', 'text and description are strings, and isReadOnly a boolean. Nothing was changed.');
  checkRange('importance', block.importance, 0, 1);
  if (block.bytesMax !== null) checkRange('bytesMax', block.bytesMax, 0, CORE_BYTES_MAX);
  if (!BLOCK_TYPES.includes(block.type))
    throw new NervaError(
      'OPTION_INVALID',
      `type must be one of ${BLOCK_TYPES.join(', ')}; ${JSON.stringify(block.type)} came. Nothing was changed.`,
    );
  const bytes = utf8Bytes(block.text);
  if (block.bytesMax !== null && bytes > block.bytesMax)
    throw new NervaError(
      'MEMORY_TOO_LARGE',
      `Block ${label} would have ${bytes} bytes; its limit is ${block.bytesMax}. Nothing was changed.`,
      {
        details: { label, bytes, bytesMax: block.bytesMax },
      },
    );
  const next = [...core.filter((one) => one !== before), block].toSorted(inOrder);
  if (next.length > BLOCKS_MAX)
    throw new NervaError('MEMORY_FULL', `There are ${BLOCKS_MAX} blocks already. Remove one first; nothing was changed.`);
  const rendered = utf8Bytes(renderCore(next));
  if (rendered > CORE_BYTES_MAX)
    throw new NervaError(
      'MEMORY_FULL',
      `With block ${label} the core would render to ${rendered} bytes; ${CORE_BYTES_MAX} is the limit. Shorten a block; nothing was changed.`,
      { details: { label, bytes: rendered, bytesMax: CORE_BYTES_MAX } },
    );
  return next;
}

const NEW: Omit<Block, 'label' | 'version' | 'entry'> = {
  type: 'facts',
  text: '',
  description: '',
  bytesMax: null,
  isReadOnly: false,
  importance: 0.5,
};

/** In the order of types, then of labels. */
export function inOrder(one: Block, other: Block): number {
  const byType = BLOCK_TYPES.indexOf(one.type) - BLOCK_TYPES.indexOf(other.type);
  return byType === 0 ? (one.label < other.label ? -1 : 1) : byType;
}

/** @throws MEMORY_UNKNOWN with the labels that there are. */
export function blockOf(core: Core, label: string): Block {
  const found = core.find((block) => block.label === label);
  if (found !== undefined) return found;
  const labels = core.map((block) => block.label).join(', ');
  throw new NervaError('MEMORY_UNKNOWN', `There is no block ${JSON.stringify(label)}; there are: ${labels === '' ? 'none' : labels}.`, {
    details: { label },
  });
}

/** The core without a block. @throws MEMORY_UNKNOWN */
export function removeBlock(core: Core, label: string): Core {
  const gone = blockOf(core, label);
  return core.filter((block) => block !== gone);
}

/**
 * The core as it stands in a prompt: the same bytes for the same blocks, and no text can end a block or begin one. Empty for none.
 * `scope`: whose it is, where there are several.
 */
export function renderCore(core: Core, scope: string | null = null): string {
  return coreOf(core.map(renderBlock), scope);
}

/** A block as it stands in a prompt, among others. */
export function renderBlock({ label, type, description, isReadOnly, text }: Block): string {
  const about = description === '' ? '' : ` description="${escapeMarkup(description)}"`;
  return `<block type="${type}" label="${label}"${about}${isReadOnly ? ' read-only="true"' : ''}>${escapeMarkup(text)}</block>`;
}

/** How full the core is. `contentBytes`: of the texts alone; `utilization`: of the rendered bytes, 0–1. */
export function usageOf(core: Core): { readonly contentBytes: number; readonly renderedBytes: number; readonly utilization: number } {
  const renderedBytes = utf8Bytes(renderCore(core));
  const contentBytes = core.reduce((sum, { text }) => sum + utf8Bytes(text), 0);
  return { contentBytes, renderedBytes, utilization: renderedBytes / CORE_BYTES_MAX };
}
