import type { Step } from 'nerva/sim';

/** Choices of one seed: the same seed and name choose the same. */
export interface Choices {
  /** A whole number in [0, count). */
  below(count: number): number;
  pick<T>(all: readonly T[]): T;
  chance(probability: number): boolean;
}

/** Choices by a seed. mulberry32, Tommy Ettinger, public domain. */
export function choicesOf(seed: number): Choices {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 0;
  const roll = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (count: number): number => Math.floor(roll() * count);
  return { below, pick: (all) => all[below(all.length)] as never, chance: (probability) => roll() < probability };
}

/** What is sent in a session bears its marker. */
export const say = (sid: string, text: string): string => `«${sid}» ${text}`;

/** Messages to `count` sessions `<prefix>1`…, `each` in each, over `spanMs`. */
export function messages(
  choices: Choices,
  options: { readonly prefix: string; readonly count: number; readonly each: number; readonly spanMs: number },
): Step[] {
  const { prefix, count, each, spanMs } = options;
  return Array.from({ length: count * each }, (_, index): Step => {
    const sid = `${prefix}${1 + (index % count)}`;
    return { type: 'send', atMs: choices.below(spanMs), sid, text: say(sid, `Task ${index}.`) };
  });
}
