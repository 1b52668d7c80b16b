import type { Entry } from './entries.ts';

/** How often, and when, an entry was told to a model, or whoever asked. */
export interface Accesses {
  readonly count: number;
  /** ms since 1970. */
  readonly firstMs: number;
  readonly lastMs: number;
}

/** How an entry is drawn on, as seen from a moment; each share 0–1. */
export interface AccessPattern extends Accesses {
  /** Halves every seven days from the last access on. */
  readonly recency: number;
  /** Ten accesses a day and more are 1; in the first day .5 at least. */
  readonly frequency: number;
  /** Half what it was said to be worth, .3 recency, .2 frequency. */
  readonly importance: number;
}

const DAY_MS = 86_400_000;
const HALF_LIFE_MS = 7 * DAY_MS;
/** What was not accessed for longer counts as if it never had been. */
export const ACCESS_KEPT_MS = 90 * DAY_MS;
const PER_DAY_FULL = 10;
const AT_FIRST = 0.5;

/** How an entry is drawn on. One that nobody asked for, or for 90 days not, counts as accessed once, when it was recorded. Pure. */
export function patternOf(
  { importance, recordedMs }: Pick<Entry, 'importance' | 'recordedMs'>,
  accesses: Accesses | undefined,
  nowMs: number,
): AccessPattern {
  const known: Accesses =
    accesses === undefined || nowMs - accesses.lastMs > ACCESS_KEPT_MS ? { count: 1, firstMs: recordedMs, lastMs: recordedMs } : accesses;
  const recency = recencyOf(nowMs - known.lastMs);
  const frequency = frequencyOf(known.count, nowMs - known.firstMs);
  return { ...known, recency, frequency, importance: rounded(0.5 * shareOf(importance) + 0.3 * recency + 0.2 * frequency) };
}

/** Halves every seven days. */
export const recencyOf = (ageMs: number): number => rounded(0.5 ** (Math.max(0, ageMs) / HALF_LIFE_MS));

/** Accesses a day since the first, of ten; in the first day, which tells no rate yet, .5 at least. */
export function frequencyOf(count: number, ageMs: number): number {
  if (ageMs < DAY_MS) return Math.max(AT_FIRST, Math.min(1, count / PER_DAY_FULL));
  return rounded(Math.min(1, count / (ageMs / DAY_MS) / PER_DAY_FULL));
}

/** What was said, within 0–1: a log may say any number. */
export const shareOf = (importance: number): number => Math.min(1, Math.max(0, importance));

/** To nine digits: the last bits of a power differ between engines, and no decision may hang on them. */
export const rounded = (score: number): number => Math.round(score * 1e9) / 1e9;
