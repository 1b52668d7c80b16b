import { NervaError } from '../core/index.ts';
import { checkSid } from './check.ts';
import { findRow, type Memory } from './memory-rows.ts';
import { assertOpen } from './memory-work.ts';
import type { Blobs, StoreStats } from './store.ts';

interface Blob {
  readonly ref: string;
  readonly tenant: string;
  readonly subject: string | undefined;
  readonly bytes: number;
  /** The content, or its sealed text. */
  readonly content: Uint8Array | string;
  atMs: number;
}

/** All blobs of a memory store; each handle sees its tenant's. */
export interface BlobShelf {
  handle(tenant: string | null): Blobs;
  totals(tenant: string | null): Pick<StoreStats, 'blobs' | 'blobBytes'>;
}

/** Makes the shelf. Content is copied in and out. */
export function blobShelf(memory: Memory): BlobShelf {
  const blobs = new Map<string, Blob>();
  const visible = (tenant: string | null): Blob[] => Array.from(blobs.values()).filter((blob) => tenant === null || blob.tenant === tenant);
  return {
    handle: (tenant) => ({
      async put(content, { mediaType, sid, subject }) {
        assertOpen(memory);
        checkSid(sid);
        const { blobBytesMax } = memory.limits;
        if (content.length > blobBytesMax) {
          throw new NervaError(
            'FRAME_INVALID',
            `The blob has ${content.length} bytes; expected at most ${blobBytesMax} (blobBytesMax). Nothing was stored.`,
          );
        }
        // The session may not exist yet: a blob is durable before the frame that names it.
        const owner = findRow(memory, tenant, sid)?.tenant ?? tenant ?? 'default';
        const ref = memory.world.digest(content);
        const key = JSON.stringify([owner, subject ?? null, ref]);
        const nowMs = memory.world.clock.nowMs();
        const known = blobs.get(key);
        if (known !== undefined) known.atMs = nowMs;
        else {
          const kept = subject === undefined || memory.keys === undefined ? content.slice() : memory.keys.seal(subject, toLatin1(content));
          blobs.set(key, { ref, tenant: owner, subject, bytes: content.length, content: kept, atMs: nowMs });
        }
        return { ref, bytes: content.length, mediaType };
      },
      async get(ref, range) {
        assertOpen(memory);
        for (const blob of visible(tenant)) {
          if (blob.ref !== ref) continue;
          const content = open(memory, blob);
          if (content !== null) return content.slice(range?.start ?? 0, range?.end ?? content.length);
        }
        throw new NervaError('BLOB_UNKNOWN', `No blob ${JSON.stringify(ref)} is in this store, or the key of its subject is gone.`, {
          details: { ref },
        });
      },
      async sweep(beforeMs) {
        assertOpen(memory);
        const named = new Map<string, Set<string>>();
        for (const row of memory.sessions.values()) {
          const refs = named.get(row.tenant) ?? new Set();
          for (const ref of row.blobs) refs.add(ref);
          named.set(row.tenant, refs);
        }
        let swept = 0;
        for (const [key, blob] of blobs) {
          if ((tenant !== null && blob.tenant !== tenant) || blob.atMs >= beforeMs || named.get(blob.tenant)?.has(blob.ref) === true)
            continue;
          blobs.delete(key);
          swept++;
        }
        return swept;
      },
    }),
    totals(tenant) {
      const mine = visible(tenant);
      return { blobs: mine.length, blobBytes: mine.reduce((sum, blob) => sum + blob.bytes, 0) };
    },
  };
}

function open(memory: Memory, { content, subject }: Blob): Uint8Array | null {
  if (typeof content !== 'string') return content;
  const text = memory.keys?.open(subject ?? '', content) ?? null;
  return text === null ? null : Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

/** One character a byte, so that a key port, which seals text, can seal bytes. */
function toLatin1(bytes: Uint8Array): string {
  let text = '';
  for (let start = 0; start < bytes.length; start += 8192) text += String.fromCharCode(...bytes.subarray(start, start + 8192));
  return text;
}
