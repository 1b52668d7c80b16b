/** A stream of random values of its own: drawing from it moves no other. */
export interface SimDice {
  /** A number in [0, 1). */
  roll(): number;
  /** A whole number in [0, count). */
  below(count: number): number;
  /** One of these; there must be one. */
  pick<T>(all: readonly T[]): T;
  /** True with this probability. */
  chance(probability: number): boolean;
}

/**
 * A hash of text and a number: 32 bits. MurmurHash3's mixing (Austin Appleby, public domain) over UTF-16 units: fast, and good
 * enough to tell streams apart.
 */
export function hash32(text: string, seed: number): number {
  let hash = seed | 0;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0xcc9e2d51);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  return finish(hash ^ text.length);
}

/** 32 bits as 8 hex digits. By halves: V8 writes small integers many times faster than those beyond 31 bits. */
export function hex32(value: number): string {
  return hex16(value >>> 16) + hex16(value & 0xffff);
}

const hex16 = (half: number): string => (half + 0x1_0000).toString(16).slice(1);

/** MurmurHash3's finaliser: each bit of `value` moves half the bits of the result. */
export function finish(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** A number in [0, 1) for a key and the n-th time it is asked for: no generator's order is in it. */
export function rollOf(seed: number, key: string, n = 0): number {
  return finish(hash32(key, seed) + Math.imul(n, 0x9e3779b9)) / 4_294_967_296;
}

/** The stream of a key. The same seed and key give the same stream, whatever else was drawn before. */
export function diceOf(seed: number, key: string): SimDice {
  let state = hash32(key, seed);
  const roll = (): number => {
    // mulberry32, Tommy Ettinger, public domain.
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (count: number): number => Math.floor(roll() * count);
  return { roll, below, pick: (all) => all[below(all.length)] as never, chance: (probability) => roll() < probability };
}
