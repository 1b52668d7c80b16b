import type { Append, AppendResult, EventDraft, Frame, KeyPort, Store, StoreLimits } from '../log/index.ts';
import { eventsOf } from '../log/index.ts';
import type { TestWorld } from './world.ts';

/** A fresh store for one test, and what the adapter can do with it. */
export interface StoreHarness {
  /** The operator's handle. */
  readonly store: Store;
  /** The world the store was opened with; its clock is moved by the laws. */
  readonly world: TestWorld;
  /** Closes the store and opens it again on the same content. Absent where nothing survives. */
  readonly reopen?: () => Promise<Store>;
  /** Changes one byte of the stored frame that begins at `seq`, behind the store's back. */
  readonly tamper?: (sid: string, seq: number) => Promise<void>;
  readonly cleanup?: () => Promise<void>;
}

/** Makes a harness; every option given must reach the store. */
export type MakeStore = (options: { readonly limits?: Partial<StoreLimits>; readonly keys?: KeyPort }) => Promise<StoreHarness>;

/** Registers one law: a test with a store of its own. */
export type Law = (name: string, body: (harness: StoreHarness) => Promise<void>, options?: Parameters<MakeStore>[0]) => void;

/** A small event. */
export function note(text: string, more: Partial<EventDraft> = {}): EventDraft {
  return { type: 'note.taken', data: { text }, ...more };
}

/** Appends notes as a decision at `expected`, or as a fact. */
export function take(store: Store, sid: string, frame: Partial<Append> & Pick<Append, 'id' | 'expected'>): Promise<AppendResult> {
  return store.append({ sid, events: [note(frame.id)], ...frame });
}

/** Every frame of the session in the range, page by page. */
export async function readAll(store: Store, sid: string, { after = -1, limit = 256 } = {}): Promise<Frame[]> {
  const frames: Frame[] = [];
  let last = after;
  for (;;) {
    const page = await store.read(sid, { after: last, limit });
    if (page.length === 0) return frames;
    frames.push(...page);
    last = eventsOf(page.at(-1) as Frame).at(-1)?.seq ?? last;
  }
}

/** `sid:seq:text` of every event read: what a fold would see, in one comparable list. */
export async function texts(
  store: Store,
  sid: string,
  options: { readonly after?: number; readonly limit?: number } = {},
): Promise<string[]> {
  const frames = await readAll(store, sid, options);
  return frames.flatMap((frame) => eventsOf(frame).map((event) => `${event.sid}:${event.seq}:${String(event.data['text'])}`));
}
