export { BLOCKS_MAX, CORE_BYTES_MAX, usageOf, type Block, type BlockChange, type BlockType, type Core } from './blocks.ts';
export type { Edit } from './edit.ts';
export type { Entry, EntryKind } from './entries.ts';
export type { EntryRow, IndexTold, Kept, KeptRows, MemoryIndex, Witness } from './kept-rows.ts';
export {
  openMemory,
  type Memory,
  type MemoryOptions,
  type Recalled,
  type RecallQuery,
  type Remembered,
  type Repeatable,
} from './memory.ts';
export { recallIndex, type Hit, type Passage, type RecallIndex, type RecallOptions, type Shares, type Why } from './recall.ts';
export { memoryTools, type MemoryOf } from './tools.ts';
export type { NewItem, WorkingLimits } from './working.ts';
