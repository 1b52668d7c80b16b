export {
  openKnowledge,
  type Answer,
  type Citation,
  type Found,
  type Knowledge,
  type KnowledgeEvent,
  type KnowledgeOptions,
  type QueryOptions,
  type Written,
} from './base.ts';
export { codeChunks, csvChunks, fixedChunks, jsonChunks, semanticChunks, type ChunkLimits, type Span } from './chunk/index.ts';
export { openCitation, type Opened, type OpenOptions } from './cite.ts';
export type { DocumentType } from './detect.ts';
export type { DocumentData, Place } from './events.ts';
export type { KnownDocument } from './fold.ts';
export { ingest, type IngestReport } from './ingest.ts';
export type { IngestLimits, IngestOptions, Progress } from './options.ts';
export type { ChunkOptions } from './pieces.ts';
export { FileProblem, type Problem, type ProblemCode } from './problem.ts';
export { knowledgeTools, type KnowledgeOf } from './tools.ts';
export { watch, type WatchOptions } from './watch.ts';
