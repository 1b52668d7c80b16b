import { NervaError } from '../core/index.ts';
import { isPruned } from './chain.ts';
import type { Seq, Sid } from './event.ts';
import type { Frame } from './frame.ts';
import { checkSeq } from './memory-append.ts';
import { openFrame, readFrames, rowOf, type Memory } from './memory-rows.ts';
import { assertOpen } from './memory-work.ts';
import type { FeedOptions, ReadOptions, Store } from './store.ts';

/** Frames in a page when the reader does not say. */
const PAGE_FRAMES = 256;

/** The reading methods of a handle of `tenant`. */
export function memoryReaders(memory: Memory, tenant: string | null): Pick<Store, 'read' | 'tail' | 'feed'> {
  return {
    read: async (sid, options) => readPage(memory, tenant, sid, options),
    tail: (sid, options) => tail(memory, tenant, sid, options),
    feed: (options) => feed(memory, tenant, options),
  };
}

function readPage(memory: Memory, tenant: string | null, sid: Sid, options: ReadOptions = {}): Frame[] {
  const row = rowOf(memory, tenant, sid);
  const { after = -1, upto = row.head - 1, limit = PAGE_FRAMES } = options;
  checkSeq('after', after, -1);
  checkSeq('upto', upto, -1);
  checkSeq('limit', limit, 1);
  return readFrames(memory, row, { after, upto, limit });
}

async function* tail(
  memory: Memory,
  tenant: string | null,
  sid: Sid,
  options: { readonly after?: Seq; readonly signal?: AbortSignal } = {},
): AsyncGenerator<Frame> {
  const aborted = (): boolean => options.signal?.aborted === true;
  let after = options.after ?? -1;
  while (!aborted()) {
    const page = readPage(memory, tenant, sid, { after });
    for (const frame of page) {
      after = frame.seq + frame.events.length - 1;
      yield frame;
      if (aborted()) return;
    }
    // No await lies between the empty page and the wait: no frame can slip through.
    if (page.length === 0) await changed(rowOf(memory, tenant, sid).waiters, options.signal);
  }
}

async function* feed(
  memory: Memory,
  tenant: string | null,
  options: FeedOptions = {},
): AsyncGenerator<{ readonly cursor: string; readonly frame: Frame }> {
  const { types, limit = Infinity, live = false, signal } = options;
  let position = cursorPosition(options.after ?? '');
  for (let given = 0; given < limit;) {
    assertOpen(memory);
    if (signal?.aborted === true) return;
    const entry = memory.feed[position];
    if (entry === undefined) {
      if (!live) return;
      await changed(memory.feedWaiters, signal);
      continue;
    }
    position++;
    const { row, frame: stored } = entry;
    if (row.deleted || isPruned(stored.payload) || (tenant !== null && tenant !== row.tenant)) continue;
    const frame = openFrame(memory, stored);
    if (types !== undefined && !frame.events.some((event) => types.includes(event.type))) continue;
    given++;
    yield { cursor: String(position), frame };
  }
}

function cursorPosition(cursor: string): number {
  if (cursor === '') return 0;
  if (/^[0-9]{1,15}$/.test(cursor)) return Number(cursor);
  throw new NervaError('LOG_RANGE', `The cursor ${JSON.stringify(cursor)} is not of this store; expected '' or one that its feed gave.`, {
    details: { cursor },
  });
}

/** Resolves at the next change or when the signal aborts. */
function changed(waiters: Set<() => void>, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const wake = (): void => {
      waiters.delete(wake);
      signal?.removeEventListener('abort', wake);
      resolve();
    };
    waiters.add(wake);
    signal?.addEventListener('abort', wake, { once: true });
  });
}
