export { chainWalk, frameHash, isPruned, payloadDigest, verifyChain, type ChainLink, type Verification } from './chain.ts';
export { checkAppend, checkSid, checkTenant, jsonProblem, type Checked } from './check.ts';
export { blobsNamed, decodeEvents, encodeEvents, type StoredEvent } from './encode.ts';
export { changes, diff, type Change, type Conflict, type ThreeWay } from './diff.ts';
export { isBlobRef, type BlobRef, type EventDraft, type EventId, type LogEvent, type Origin, type Seq, type Sid } from './event.ts';
export { fold, foldFrames, type Folded, type FoldOptions, type Reducer } from './fold.ts';
export { cutFrame, eventsOf, placed, type Envelope, type Frame, type FrameId, type Writer } from './frame.ts';
export { refusal, rowAfter, type JudgedRow } from './judge.ts';
export { memoryProjectionRows } from './memory-projection.ts';
export { infoOf } from './memory-rows.ts';
export { memoryStore, STORE_LIMITS, type MemoryStoreOptions } from './memory-store.ts';
export { fairly } from './memory-work.ts';
export { projections, type Projections } from './projection.ts';
export type { Projection, ProjectionOptions, ProjectionStatus } from './projection-options.ts';
export type { ProjectionRows, Rows } from './projection-rows.ts';
export { RELEASE } from './release.ts';
export { erasureNote, eraseSubject, type Erasure, type KeyPort } from './sealed.ts';
export { checkTransition, isSuspect, TRANSITIONS } from './status.ts';
export type {
  Append,
  AppendResult,
  Blobs,
  Capabilities,
  Cursor,
  Fence,
  FeedOptions,
  ReadOptions,
  SessionInfo,
  Snapshots,
  Status,
  Store,
  StoreLimits,
  StoreStats,
  Then,
} from './store.ts';
export { upcasters, type Upcast, type Upcasters, type UpcastSteps } from './upcast.ts';
export { twice } from './twice.ts';
