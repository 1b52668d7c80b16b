import type { EntryKind } from './kinds.ts';

/** An access, of an entry of a kind, ms since 1970. */
export interface Sample {
  readonly kind: EntryKind;
  readonly atMs: number;
}

/** What the accesses of a week say about how entries are sorted into kinds. Nothing is done about it: people decide. */
export type Suggestion =
  /** Two kinds are asked for together, in that share of the accesses of the rarer. */
  | { readonly type: 'join'; readonly kinds: readonly EntryKind[]; readonly share: number }
  /** Kinds that are hardly used: together that share of all accesses. */
  | { readonly type: 'merge'; readonly kinds: readonly EntryKind[]; readonly share: number }
  /** One kind has more than half of all accesses. */
  | { readonly type: 'split'; readonly kinds: readonly EntryKind[]; readonly share: number };

const HOUR_MS = 3_600_000;
const WINDOW_MS = 7 * 24 * HOUR_MS;
const SAMPLES_MIN = 100;
const TOGETHER_MIN = 0.7;
const RARE_BELOW = 0.1;
const COMMON_ABOVE = 0.5;

/** What is suggested; nothing from less than 100 accesses in the last seven days. Pure, and in an order of its own. O(samples × kinds). */
export function suggestionsFrom(samples: readonly Sample[], nowMs: number): readonly Suggestion[] {
  const recent = samples.filter(({ atMs }) => atMs <= nowMs && nowMs - atMs <= WINDOW_MS);
  if (recent.length < SAMPLES_MIN) return [];
  const times = new Map<EntryKind, number[]>();
  for (const { kind, atMs } of recent.toSorted((one, other) => one.atMs - other.atMs)) {
    const list = times.get(kind) ?? [];
    list.push(atMs);
    times.set(kind, list);
  }
  const kinds = Array.from(times.keys()).toSorted();
  const used = (kind: EntryKind): number => (times.get(kind)?.length ?? 0) / recent.length;
  const joins = kinds.flatMap((one, at) =>
    kinds.slice(at + 1).flatMap((other): Suggestion[] => {
      const share = together(times.get(one) ?? [], times.get(other) ?? []);
      return share < TOGETHER_MIN ? [] : [{ type: 'join', kinds: [one, other], share }];
    }),
  );
  const rare = kinds.filter((kind) => used(kind) < RARE_BELOW);
  const rareCount = rare.reduce((sum, kind) => sum + (times.get(kind)?.length ?? 0), 0);
  const merge: readonly Suggestion[] = rare.length < 2 ? [] : [{ type: 'merge', kinds: rare, share: rareCount / recent.length }];
  const common = kinds.filter((kind) => used(kind) > COMMON_ABOVE);
  return [...joins, ...merge, ...common.map((kind): Suggestion => ({ type: 'split', kinds: [kind], share: used(kind) }))];
}

/** Of the accesses of the rarer, how many have one of the other within an hour; of two as rare, the smaller share. Both ascending. */
function together(one: readonly number[], other: readonly number[]): number {
  const share = (few: readonly number[], many: readonly number[]): number => {
    let at = 0;
    let near = 0;
    for (const atMs of few) {
      while (at < many.length && (many[at] ?? 0) < atMs - HOUR_MS) at++;
      if (at < many.length && (many[at] ?? 0) <= atMs + HOUR_MS) near++;
    }
    return near / few.length;
  };
  if (one.length === other.length) return Math.min(share(one, other), share(other, one));
  return one.length < other.length ? share(one, other) : share(other, one);
}
