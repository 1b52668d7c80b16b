import type { World } from '../core/index.ts';
import type { Seq } from './event.ts';
import type { Envelope } from './frame.ts';

/** A stored frame as the chain sees it: its envelope and what is left of its payload. */
export interface ChainLink {
  readonly envelope: Envelope;
  /** The stored text of the events, or, when it was pruned, `payloadDigest` of it. */
  readonly payload: string;
}

/** The outcome of a verification. `bad` names the first frame that does not fit. */
export interface Verification {
  readonly ok: boolean;
  readonly frames: number;
  /** The hash the chain ends with; `''` when it is empty. */
  readonly hash: string;
  readonly bad?: { readonly seq: Seq; readonly why: string };
}

/**
 * SHA-256 of the stored text of a frame's events. The text ends with its own random salt, so the digest of a payload that is
 * gone tells nothing about it, and the salt goes with the payload.
 */
export function payloadDigest(world: Pick<World, 'digest'>, payload: string): string {
  return isPruned(payload) ? payload : world.digest(payload);
}

/** True for what stands in place of a payload that was pruned: its digest. A payload begins with `[`. */
export function isPruned(payload: string): boolean {
  return payload.charCodeAt(0) !== 0x5b;
}

/** 192 bits: as hard to forge as can matter, and a quarter less to store with every frame. */
const HASH_DIGITS = 48;

/**
 * The hash of a frame: SHA-256, cut to 192 bits, as 48 lower-case hex digits, of the UTF-8 bytes of this JSON array without white space:
 * `["nerva-frame-1",previous,id,sid,seq,count,atMs,incarnation,epoch,release,by,tenant,cause|null,trace,fact,payloadDigest]`,
 * as `JSON.stringify` writes it. `previous` is the hash of the frame before (of the frame that holds the fork point, for the
 * first own frame of a fork) and `""` for the first. Two digests a frame.
 */
export function frameHash(world: Pick<World, 'digest'>, previous: string, envelope: Omit<Envelope, 'hash'>, payload: string): string {
  const { id, sid, seq, count, atMs, writer, by, tenant, cause, trace, fact } = envelope;
  const digest = payloadDigest(world, payload);
  const text = JSON.stringify([
    'nerva-frame-1',
    previous,
    id,
    sid,
    seq,
    count,
    atMs,
    writer.incarnation,
    writer.epoch,
    writer.release,
    by,
    tenant,
    cause ?? null,
    trace,
    fact,
    digest,
  ]);
  return world.digest(text).slice(0, HASH_DIGITS);
}

/**
 * Recomputes a chain from its first frame, inherited ones included and uncut. A frame does not fit when its hash, its
 * position (S1) or its time (S4) is wrong; `options.head` also demands that the chain ends there.
 */
export function verifyChain(
  world: Pick<World, 'digest'>,
  links: Iterable<ChainLink>,
  options: { readonly head?: string } = {},
): Verification {
  const walk = chainWalk(world);
  for (const link of links) if (!walk.step(link)) break;
  return walk.end(options.head);
}

/** A verification link by link, for adapters that read pages. `step` is false as soon as a frame does not fit. */
export function chainWalk(world: Pick<World, 'digest'>): { step(link: ChainLink): boolean; end(head?: string): Verification } {
  let frames = 0;
  let hash = '';
  let next: Seq = 0;
  let atMs = 0;
  let holder = '';
  let bad: { readonly seq: Seq; readonly why: string } | undefined;
  return {
    step({ envelope, payload }) {
      const { seq, count, sid } = envelope;
      // A fork cuts the frame of the fork point: its own first frame may begin inside that one, never after its end.
      const fits = sid === holder || frames === 0 ? seq === next : seq <= next;
      if (!fits) bad = { seq, why: `begins at ${seq}, but the frame before ends at ${next - 1}` };
      else if (envelope.atMs < atMs) bad = { seq, why: 'is older than the frame before' };
      else if (frameHash(world, hash, envelope, payload) !== envelope.hash)
        bad = { seq, why: 'its content or the frame before is not what was hashed' };
      if (bad !== undefined) return false;
      frames++;
      hash = envelope.hash;
      next = seq + count;
      atMs = envelope.atMs;
      holder = sid;
      return true;
    },
    end(head) {
      if (bad === undefined && head !== undefined && head !== hash)
        bad = { seq: Math.max(0, next - 1), why: `the chain ends with ${hash}, not with the head given` };
      return { ok: bad === undefined, frames, hash, ...(bad === undefined ? {} : { bad }) };
    },
  };
}
