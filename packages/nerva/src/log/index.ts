export { isBlobRef, type BlobRef, type EventDraft, type EventId, type LogEvent, type Origin, type Seq, type Sid } from './event.ts';
export { eventsOf, placed, type Envelope, type Frame, type FrameId, type Writer } from './frame.ts';
export type { Append, AppendResult, Blobs, Capabilities, Cursor, Fence, FeedOptions, ReadOptions, SessionInfo, Snapshots, Status, Store, StoreLimits, StoreStats, Then } from './store.ts';
