export { BLOCKS_MAX, CORE_BYTES_MAX, renderCore, usageOf, type Block, type BlockChange, type BlockType, type Core } from './blocks.ts';
export type { Edit } from './edit.ts';
export { renderEntries, type Entry, type EntryKind, type ToldEntry } from './entries.ts';
export {
  openMemory,
  type Memory,
  type MemoryOptions,
  type Recalled,
  type RecallQuery,
  type Remembered,
  type Repeatable,
} from './memory.ts';
export { vectorIndex, type Near, type VectorIndex } from './vectors.ts';
export { recallIndex, type Hit, type Passage, type RecallIndex, type RecallOptions, type Shares, type Why } from './recall.ts';
export { memoryTools, type MemoryOf } from './tools.ts';
export type { NewItem, WorkingLimits } from './working.ts';
