export { BLOCKS_MAX, CORE_BYTES_MAX, renderCore, usageOf, type Block, type BlockChange, type BlockType, type Core } from './blocks.ts';
export type { Consolidated, Consolidating, Derivers } from './consolidate.ts';
export {
  needsResolution,
  type Derivation,
  type DerivedItem,
  type Evolution,
  type ItemRelation,
  type ItemType,
  type Related,
} from './derived.ts';
export type { Edit } from './edit.ts';
export { renderEntries, type Entry, type ToldEntry } from './entries.ts';
export type { EntryKind } from './kinds.ts';
export { scopeMark } from './markup.ts';
export type { EntryRow, Holders, IndexTold, Kept, KeptRows, MemoryIndex, Witness } from './kept-rows.ts';
export { modelEvolver, type Compared, type Evolver } from './evolve.ts';
export { extract, type Extracted, type Extractor, type ExtractOptions } from './extract.ts';
export { modelExtractor } from './extract-model.ts';
export { openMemory, type Memory, type MemoryOptions, type Recalled } from './memory.ts';
export type { Ended, Remembered, Repeatable, Updated } from './recorder.ts';
export type { CountQuery, ListQuery } from './listing.ts';
export type { RecallQuery, SearchQuery } from './query.ts';
export { modelRewriter, type Rewriter } from './deep.ts';
export type { FieldFilter, Filter, FilterValue } from './filter.ts';
export type { Form, Joining } from './forms.ts';
export type { Fusion } from './fuse.ts';
export type { Finders, Found, FoundWhy, Reranker, Search, Searching } from './hybrid.ts';
export type { VectorKeeper, VectorRows } from './vector-rows.ts';
export { vectorIndex, type Near, type VectorIndex } from './vectors.ts';
export { recallIndex, type Hit, type Passage, type RecallIndex, type RecallOptions, type Shares, type Why } from './recall.ts';
export { fromServerBlock, takenAs, toServerBlock, type ReadModel, type ServerBlock, type Taken } from './taxonomy.ts';
export { memoryTools, type Guard, type MemoryOf } from './tools.ts';
export { MEMORY_RIGHTS, type Granting, type MemoryRight, type Rights } from './rights.ts';
export type { RightChange, RightHeld } from './rights-history.ts';
export { shareEntry } from './share.ts';
export type { Accesses, AccessPattern } from './access.ts';
export type { Level, LevelNote } from './levels.ts';
export type { TierLimits } from './promote.ts';
export type { Suggestion } from './suggest.ts';
export type { Standing, Tended, Tending } from './tend.ts';
export type { EvictedWhy } from './tier-fold.ts';
export type { NewItem, WorkingLimits } from './working.ts';
