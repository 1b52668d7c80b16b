import type { BlobRef, EventDraft, EventId, Seq, Sid } from './event.ts';
import type { Frame, FrameId } from './frame.ts';

/**
 * Where a session stands, for lists and for whoever looks for work.
 * `ready`: something is to be done · `waiting`: for a person, a timer or a child · `idle`: no turn is open ·
 * `closed`: takes no more input · `quarantined`: failed to make progress `attemptsMax` times.
 */
export type Status = 'ready' | 'waiting' | 'idle' | 'closed' | 'quarantined';

/** Proof that the holder drives a session. A lower epoch than the store's is refused as `fenced`. */
export interface Fence {
  readonly epoch: number;
}

/** One append: one transaction, all or nothing. */
export interface Append {
  readonly id: FrameId;
  readonly sid: Sid;
  /** The head this decision was made at, or `'fact'`: taken at whatever head there is. 0 on an unknown session creates it. */
  readonly expected: Seq | 'fact';
  readonly fence?: Fence;
  readonly events: readonly EventDraft[];
  /** When the author made it; the store raises it to the session's last. Absent: the store's clock. */
  readonly atMs?: number;
  /** Default `runtime`. */
  readonly by?: string;
  readonly cause?: EventId;
  /** Written in the same transaction. A fact without `status` sets `ready` (unless closed or quarantined). */
  readonly then?: Then;
}

/** The session's row, as an append leaves it. What is absent stays. */
export interface Then {
  readonly status?: Status;
  /** `status` counts only if the frame is appended at this head; at any other it is `ready`, for whoever set it had not seen all. */
  readonly ifHead?: Seq;
  /** When it wants to be woken; null clears. */
  readonly wakeAtMs?: number | null;
  /** The agent it belongs to; given when the session is created. */
  readonly agent?: string;
  /** The root session; given when the session is created, default itself. */
  readonly trace?: Sid;
  /** Given when the session is created: the driver that claims it with this frame. */
  readonly owner?: string;
  /** True when an effect's outcome is in the frame: resets the attempt count. */
  readonly progress?: boolean;
}

/** `head` is the count of events after the call. On `ok: false` nothing was written. */
export type AppendResult =
  | { readonly ok: true; readonly head: Seq; readonly seq: Seq; readonly atMs: number; readonly epoch: number; readonly repeated: boolean }
  | { readonly ok: false; readonly why: 'conflict' | 'fenced' | 'closed' | 'limit'; readonly head: Seq };

/** A session's row. */
export interface SessionInfo {
  readonly sid: Sid;
  readonly tenant: string;
  readonly agent: string | null;
  readonly status: Status;
  readonly head: Seq;
  readonly createdMs: number;
  /** Time of the last frame. */
  readonly atMs: number;
  readonly wakeAtMs: number | null;
  readonly epoch: number;
  readonly attempts: number;
  /** Hash of the last frame; of the inherited one in a fork without frames of its own. */
  readonly hash: string;
  readonly trace: Sid;
  readonly parent: { readonly sid: Sid; readonly at: Seq } | null;
}

/** A range of events. `after` is exclusive and defaults to -1, `upto` is inclusive and defaults to the head. */
export interface ReadOptions {
  readonly after?: Seq;
  readonly upto?: Seq;
  /** At most so many frames in a page; default 256. */
  readonly limit?: number;
}

/** A position in the feed of a whole store. Opaque; compare only for equality. `''` is the beginning. */
export type Cursor = string;

/** Which part of the feed, and whether to wait for more. */
export interface FeedOptions {
  /** Only frames that hold at least one event of these types; all when absent. */
  readonly types?: readonly string[];
  readonly after?: Cursor;
  /** Ends after so many frames. */
  readonly limit?: number;
  /** Waits for more at the end instead of ending. */
  readonly live?: boolean;
  readonly signal?: AbortSignal;
}

/** Bounds of a store, each an option. Reaching one is a typed error or `limit`, never a hang. */
export interface StoreLimits {
  /** Of one session. Default 1,000,000. */
  readonly eventsMax: number;
  /** Payload bytes of one session. Default 1 GB. */
  readonly bytesMax: number;
  /** Of one frame's events as JSON. Default 8 MB. */
  readonly frameBytesMax: number;
  /** Frames that wait for the disk. Default 100,000. */
  readonly queueMax: number;
  /** Of one blob. Default 256 MB. */
  readonly blobBytesMax: number;
  /** Claims without progress until quarantine. Default 10. */
  readonly attemptsMax: number;
}

/** Content kept outside the events. Durable before `put` resolves. */
export interface Blobs {
  /** Stores content under its digest, deduplicated within tenant and subject. `sid` is the session whose events will name it. */
  put(content: Uint8Array, options: { readonly mediaType: string; readonly sid: Sid; readonly subject?: string }): Promise<BlobRef>;
  /** @throws BLOB_UNKNOWN. `range` is in bytes, `end` exclusive. */
  get(ref: string, range?: { readonly start: number; readonly end: number }): Promise<Uint8Array>;
  /** Deletes blobs put before `beforeMs` that no event names. @returns how many. */
  sweep(beforeMs: number): Promise<number>;
}

/** A cache of folds. Losing it loses nothing. */
export interface Snapshots {
  /** The newest snapshot at or below `upto` whose `key` is the given one, or null. */
  get(sid: Sid, key: string, upto: Seq): Promise<{ readonly seq: Seq; readonly state: string } | null>;
  /** Keeps `state`, the fold up to and including event `seq`. Older ones of this session under another key are dropped. */
  put(sid: Sid, key: string, seq: Seq, state: string): Promise<void>;
}

/** What a store can and cannot do. */
export interface Capabilities {
  /** Survives the process. */
  readonly durable: boolean;
  /** Several processes may write. */
  readonly shared: boolean;
  /** Opened for reading only. */
  readonly readOnly: boolean;
}

/** Totals of a store (of one tenant, through a scoped handle). */
export interface StoreStats {
  readonly sessions: Readonly<Record<Status, number>>;
  readonly frames: number;
  readonly events: number;
  /** Of payloads. */
  readonly bytes: number;
  readonly blobs: number;
  readonly blobBytes: number;
  readonly snapshots: number;
  /** Of the files, write-ahead log included; 0 in memory. */
  readonly fileBytes: number;
}

/**
 * The log of all sessions. Adapters share the contract suite of `nerva/testing`.
 * A handle sees one tenant; the one that `openStore` gives is the operator's: it sees all and creates in tenant `default`.
 * Invariants: S1 seq dense · S2 acknowledged is durable · S3 a frame id counts once · S4 atMs never decreases in a session ·
 * S5 an inherited event keeps its id · S6 the chain verifies · S7 no handle reads another tenant.
 */
export interface Store {
  /** Null for the operator's handle. */
  readonly tenant: string | null;
  readonly incarnation: string;
  readonly capabilities: Capabilities;
  readonly limits: StoreLimits;
  readonly blobs: Blobs;
  readonly snapshots: Snapshots;

  /**
   * Appends a frame: a decision at `expected`, or a fact at whatever head there is. Acknowledged means durable.
   * The same frame id again returns the first result (`repeated`), whatever else the frame says.
   * @returns the new head, or why not; then nothing was written.
   * @throws SESSION_UNKNOWN (not created yet), SESSION_DELETED, FRAME_INVALID, STORE_*, LOG_UNKNOWN_RESULT.
   */
  append(frame: Append): Promise<AppendResult>;
  /** Independent outcomes, in order, together on the way to the disk. */
  appendBatch(frames: readonly Append[]): Promise<readonly PromiseSettledResult<AppendResult>[]>;
  /** @throws SESSION_UNKNOWN, SESSION_DELETED. */
  info(sid: Sid): Promise<SessionInfo>;
  /** The count of events; 0 when the session does not exist. */
  head(sid: Sid): Promise<Seq>;
  /** One page of frames, oldest first, cut to the range. Empty at the end and for an empty range. @throws SESSION_UNKNOWN, SESSION_DELETED, LOG_PRUNED. */
  read(sid: Sid, options?: ReadOptions): Promise<readonly Frame[]>;
  /** Frames after `after` and then new ones as they are acknowledged, until `signal` aborts (then it ends without error). */
  tail(sid: Sid, options?: { readonly after?: Seq; readonly signal?: AbortSignal }): AsyncIterable<Frame>;
  /** All sessions' own frames in commit order, without gaps: what was seen is never preceded later. Those of deleted and pruned sessions are passed over. */
  feed(options?: FeedOptions): AsyncIterable<{ readonly cursor: Cursor; readonly frame: Frame }>;
  /**
   * Creates `sid` as a fork that shares events 0…at of `parent` and appends `events` as its first own frame. O(1) in the history.
   * The new row takes `then` and the parent's agent, tenant and trace.
   * @throws LOG_RANGE, SESSION_UNKNOWN, FRAME_INVALID (sid exists, unless made by the same frame id).
   */
  fork(fork: {
    readonly id: FrameId;
    readonly sid: Sid;
    readonly parent: Sid;
    readonly at: Seq;
    readonly events: readonly EventDraft[];
    readonly by?: string;
    readonly then?: Then;
  }): Promise<AppendResult>;
  /** Sessions by id order of creation; `after` is the last sid of the page before. `tenant` only on the operator's handle (TENANT_DENIED). */
  list(options?: {
    readonly tenant?: string;
    readonly status?: Status;
    readonly agent?: string;
    readonly after?: Sid;
    readonly limit?: number;
  }): Promise<readonly SessionInfo[]>;

  /**
   * Takes up to `countMax` sessions to drive: `ready`, or whose `wakeAtMs` has come; oldest first, fair over tenants; adds one to each one's attempt count.
   * One past `attemptsMax` becomes `quarantined` instead; of those claimed twice without progress only one of a tenant is out at a time. With one process, `leaseMs` has no effect.
   * A session claimed by this owner and not released is not handed out again.
   */
  claim(options: {
    readonly owner: string;
    readonly countMax: number;
    readonly leaseMs: number;
    readonly agents?: readonly string[];
  }): Promise<readonly { readonly info: SessionInfo; readonly fence: Fence }[]>;
  /** Makes the caller the driver: every earlier fence of this session is refused from now on. @throws SESSION_QUARANTINED */
  takeOver(sid: Sid, owner: string): Promise<Fence>;
  /** Prolongs the lease. @returns false when fenced. */
  renew(sid: Sid, fence: Fence, leaseMs: number): Promise<boolean>;
  /** Gives the session back and sets its row. @returns false (nothing changed) when fenced or when the head is not `expected`. */
  release(
    sid: Sid,
    fence: Fence,
    row: { readonly expected: Seq; readonly status: Status; readonly wakeAtMs: number | null },
  ): Promise<boolean>;
  /** Sets a quarantined session `ready` again with a fresh attempt count. */
  unquarantine(sid: Sid): Promise<void>;
  /** Calls `hint` when there may be work. Spurious calls are harmless. @returns unsubscribe; calling it twice is safe. */
  onWork(hint: (sid: Sid) => void): () => void;

  /** A handle that sees only this tenant. `[A-Za-z0-9_.:-]{1,64}`. */
  scope(tenant: string): Store;
  stats(): Promise<StoreStats>;
  /** Drops the payloads of closed sessions whose last frame is older than `closedBeforeMs` and that no fork reads, and all their snapshots. @returns how many sessions. */
  prune(options: { readonly closedBeforeMs: number; readonly limit?: number }): Promise<number>;
  /** Deletes a session and leaves a tombstone. @throws SESSION_HAS_FORKS unless `cascade`. */
  delete(sid: Sid, options?: { readonly cascade?: boolean }): Promise<void>;
  /** Recomputes the chain. `bad` names the first frame that does not fit; with `head`, also a chain that ends elsewhere. */
  verify(
    sid: Sid,
    options?: { readonly head?: string },
  ): Promise<{
    readonly ok: boolean;
    readonly frames: number;
    readonly hash: string;
    readonly bad?: { readonly seq: Seq; readonly why: string };
  }>;
  /**
   * Rejects what is queued, releases the lock and the file. Idempotent.
   * @throws STORE_LOCKED, STORE_FULL, STORE_FAILED: it is released all the same, and what was acknowledged is there, but a file needs its `-wal` beside it.
   */
  close(): Promise<void>;
}
