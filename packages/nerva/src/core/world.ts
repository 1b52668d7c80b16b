import type { Transport } from './transport.ts';

/**
 * Everything the kernel may ask of the outside, held by one value. Swap it and the same program runs in simulation.
 * Layers 0–6 take a World; only the edge (`nerva/node`, `nerva/sim`) makes one.
 */
export interface World {
  readonly clock: Clock;
  readonly dice: Dice;
  readonly ids: Ids;
  readonly transport: Transport;
  /** SHA-256 of UTF-8 text or bytes as 64 lower-case hex digits. Pure: the same in every world. */
  digest(data: string | Uint8Array): string;
  /** Runs `task` in a later macrotask, after every pending microtask. `task` must not throw. */
  defer(task: () => void): void;
}

/** Time. `nowMs` is wall-clock time in ms since 1970; it may jump. */
export interface Clock {
  nowMs(): number;
  /**
   * Resolves after at least `ms`, or rejects with CANCELLED as soon as `signal` aborts.
   * A pending sleep never keeps the process alive by itself when `background` is true.
   */
  sleep(ms: number, options?: { readonly signal?: AbortSignal; readonly background?: boolean }): Promise<void>;
  /** Calls `task` once after at least `ms`, unless the returned function was called before. Never keeps the process alive. Made for deadlines that hardly ever come. */
  timer(ms: number, task: () => void): () => void;
}

/** Randomness. */
export interface Dice {
  /** A number in [0, 1). */
  roll(): number;
}

/** Identifiers that no other process makes. */
export interface Ids {
  /** 128 random bits as 32 lower-case hex digits. */
  random(): string;
  /** Short and unique: a random prefix per process and a counter (for frame ids). At most 24 characters. */
  next(): string;
}
