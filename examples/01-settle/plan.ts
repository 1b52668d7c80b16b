/** A moment to kill a worker at. */
export type Kill =
  /** When this payment of the contender (from 1) is in the bank's ledger and its answer is kept back: between the payment and its recorded result. */
  | { readonly at: 'payment'; readonly payment: number; readonly delayMs: number }
  /** When so many reports are settled. */
  | { readonly at: 'progress'; readonly settled: number; readonly delayMs: number };

export interface PlanOptions {
  readonly seed: number;
  readonly kills: number;
  /** Payments that the rules ask for. */
  readonly due: number;
  readonly total: number;
}

const DELAY_MS_MAX = 5;

/** Random moments from a seed, the same for both contenders: two in five between a payment and its result (at least one), the others anywhere. */
export function planKills(options: PlanOptions): readonly Kill[] {
  const roll = mulberry32(options.seed);
  const between = Math.min(options.due, Math.max(Math.min(1, options.kills), Math.floor(options.kills * 0.4)));
  const payments = new Set<number>();
  while (payments.size < between) payments.add(1 + Math.floor(roll() * options.due));
  const delay = (): number => Math.floor(roll() * DELAY_MS_MAX);
  const held = [...payments].toSorted((left, right) => left - right).map((payment): Kill => ({ at: 'payment', payment, delayMs: delay() }));
  const moments = Array.from({ length: options.kills - between }, () => Math.floor((0.05 + 0.85 * roll()) * options.total));
  return [
    ...held,
    ...moments.toSorted((left, right) => left - right).map((settled): Kill => ({ at: 'progress', settled, delayMs: delay() })),
  ];
}

/** Mulberry32 by Tommy Ettinger, public domain (https://gist.github.com/tommyettinger/46a874533244883189143505d203312c): 32 bits of state are plenty for a kill plan. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
