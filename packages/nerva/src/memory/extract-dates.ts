import { civilDate, daysSince1970, type CivilDate } from '../core/index.ts';
import { datesIn, type NamedDate } from './dates.ts';
import type { DerivedItem } from './derived.ts';

const MONTHS = 'january february march april may june july august september october november december'.split(' ');
const WEEKDAYS = 'monday tuesday wednesday thursday friday saturday sunday'.split(' ');
const MONTH = `(?:${MONTHS.join('|')})`;
const SHORT = `(?:${MONTHS.map((month) => month.slice(0, 3)).join('|')}|sept)\\.?`;
const YEAR = '(?:19|20)\\d\\d';
const DAY = '\\d{1,2}(?:st|nd|rd|th)?';
const COUNT = '(\\d{1,3}|an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve)';
const NUMBERS = 'a one two three four five six seven eight nine ten eleven twelve'.split(' ');
const RELATIVE = new RegExp(
  [
    '\\b(the day before yesterday|yesterday|last night|today|tonight|tomorrow|the day after tomorrow)\\b',
    `\\b(last|next|this|by|until)\\s(${WEEKDAYS.join('|')})\\b`,
    `\\b(last|next|this)\\s(week|month|year)\\b`,
    `\\b(last|next)\\s(${MONTHS.join('|')})\\b(?!\\s+\\d)`,
    `\\b${COUNT}\\s(day|week|month|year)s?\\s(ago)\\b`,
    `\\bin\\s${COUNT}\\s(day|week|month|year)s?\\b(?!['’])`,
  ].join('|'),
  'gi',
);
/** What names a day, a month or a year in the calendar. A month alone, or a year, needs a word before it that says that it is a time. */
const ABSOLUTE = new RegExp(
  [
    `\\b${YEAR}-\\d\\d?-\\d\\d?(?![-\\d])`,
    `\\b\\d{1,2}(?:/\\d{1,2}/|\\.\\d{1,2}\\.)${YEAR}\\b`,
    `\\b${DAY}\\s(?:of\\s)?(?:${MONTH}|${SHORT})\\b(?:,?\\s${YEAR}\\b)?`,
    `\\b(?:${MONTH}|${SHORT})\\s${DAY}\\b(?!:|\\s?[ap]m\\b|\\s?%)(?:,?\\s${YEAR}\\b)?`,
    `\\b${MONTH}\\s(?:of\\s)?${YEAR}\\b`,
    `(?<=\\b(?:in|during|since|by|until|before|after|early|mid|late)\\s)${MONTH}\\b`,
    `(?<=\\b(?:in|during|since|by|until|before|after|early|mid|late)\\s)${YEAR}\\b(?![\\d.,:%]*\\d|\\s?%)`,
  ].join('|'),
  'gi',
);

/** From a day on, until before another; days since 1970-01-01. */
interface Range {
  readonly from: number;
  readonly until: number;
}

/**
 * The dates that a text names, each as the days that it means, seen from a moment; days are those of UTC. A month or a day without a year
 * lies in that year, or in the one before where it would be more than a month ahead. What can be read in two ways (`5/7/2023`, `on Friday`)
 * is left out. O(length).
 */
export function datesOf(text: string, nowMs: number): readonly DerivedItem[] {
  const today = Math.floor(nowMs / 86_400_000);
  const found: DerivedItem[] = [];
  for (const match of text.matchAll(RELATIVE)) push(found, match, relative(match, today));
  for (const match of text.matchAll(ABSOLUTE)) push(found, match, absolute(match[0], today));
  return found;
}

function push(found: DerivedItem[], { index, 0: words }: RegExpExecArray, range: Range | null): void {
  const end = index + words.length;
  if (range === null || found.some((one) => index < (one.end ?? 0) && end > (one.start ?? 0))) return;
  const [from, until] = [isoDay(range.from), isoDay(range.until)];
  if (from === null || until === null) return;
  found.push({ type: 'date', name: nameOf(range, from), start: index, end, confidence: 1, from, until });
}

/** As short as it can be said: a year, a month, a day, or from when on. */
function nameOf({ from, until }: Range, first: string): string {
  const last = civilDate(until);
  if (last.day === 1 && first.endsWith('-01') && until - from > 27)
    return last.month === 1 && until - from > 364 ? first.slice(0, 4) : first.slice(0, 7);
  return first;
}

/** null for a year that is not written with four digits. */
function isoDay(days: number): string | null {
  const { year, month, day } = civilDate(days);
  return year < 1000 || year > 9999 ? null : `${year}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`;
}

const one = (from: number): Range => ({ from, until: from + 1 });
const DAYS: Readonly<Record<string, number>> = {
  'the day before yesterday': -2,
  yesterday: -1,
  'last night': -1,
  today: 0,
  tonight: 0,
  tomorrow: 1,
  'the day after tomorrow': 2,
};

function relative(
  [, day, which, weekday, way, span, side, month, ago, agoUnit, isAgo, ahead, aheadUnit]: RegExpExecArray,
  today: number,
): Range | null {
  if (day !== undefined) return one(today + (DAYS[day.toLowerCase()] ?? 0));
  if (which !== undefined && weekday !== undefined)
    return one(weekdayFrom(which.toLowerCase(), WEEKDAYS.indexOf(weekday.toLowerCase()), today));
  if (way !== undefined && span !== undefined)
    return spanAt(span.toLowerCase(), { last: -1, this: 0, next: 1 }[way.toLowerCase()] ?? 0, today);
  if (side !== undefined && month !== undefined) {
    const now = civilDate(today);
    const index = MONTHS.indexOf(month.toLowerCase()) + 1;
    if (side.toLowerCase() === 'last') return monthOf(index < now.month ? now.year : now.year - 1, index);
    return monthOf(index > now.month ? now.year : now.year + 1, index);
  }
  const count = countOf(ago ?? ahead ?? '');
  return count === null ? null : moved(today, (agoUnit ?? aheadUnit ?? '').toLowerCase(), isAgo === undefined ? count : -count);
}

/** The last is before today, the next after it; this, by and until may be today. */
function weekdayFrom(which: string, weekday: number, today: number): number {
  // 1970-01-01 was a Thursday.
  const gap = (((weekday - today - 3) % 7) + 7) % 7;
  if (which === 'last') return today + gap - 7;
  return which === 'next' && gap === 0 ? today + 7 : today + gap;
}

/** Weeks begin on Monday. */
function spanAt(span: string, by: number, today: number): Range {
  const { year, month } = civilDate(today);
  if (span === 'year')
    return { from: daysSince1970({ year: year + by, month: 1, day: 1 }), until: daysSince1970({ year: year + by + 1, month: 1, day: 1 }) };
  if (span === 'month') return monthOf(year, month + by);
  const monday = today - ((((today + 3) % 7) + 7) % 7);
  return { from: monday + 7 * by, until: monday + 7 * by + 7 };
}

/** Months count on over the year. */
function monthOf(year: number, month: number): Range {
  const first = (at: number): number =>
    daysSince1970({ year: year + Math.floor((at - 1) / 12), month: ((((at - 1) % 12) + 12) % 12) + 1, day: 1 });
  return { from: first(month), until: first(month + 1) };
}

function countOf(words: string): number | null {
  const at = NUMBERS.indexOf(words.toLowerCase().replace(/^an$/, 'a'));
  if (at >= 0) return Math.max(1, at);
  return /^\d+$/.test(words) ? Number(words) : null;
}

/** So many months from a day is that day of the month, or the last that it has. */
function moved(today: number, unit: string, by: number): Range {
  if (unit === 'day' || unit === 'week') return one(today + by * (unit === 'week' ? 7 : 1));
  const { year, month, day } = civilDate(today);
  const { from, until } = monthOf(year, month + by * (unit === 'year' ? 12 : 1));
  return one(Math.min(from + day - 1, until - 1));
}

function absolute(words: string, today: number): Range | null {
  // A month alone is one for the reader of questions where a word before it says so.
  const [date, other] = datesIn(/^\p{L}+$/u.test(words) ? `in ${words}` : words);
  if (date === undefined || other !== undefined) return null;
  const { month, day } = date;
  const year = date.year ?? yearOf(date, civilDate(today));
  if (month === null)
    return { from: daysSince1970({ year, month: 1, day: 1 }), until: daysSince1970({ year: year + 1, month: 1, day: 1 }) };
  if (day === null) return monthOf(year, month);
  const from = daysSince1970({ year, month, day });
  return civilDate(from).day === day ? one(from) : null;
}

/** What is said of December is said in January, of the last one. */
function yearOf({ month }: NamedDate, now: CivilDate): number {
  return month !== null && month > now.month + 1 ? now.year - 1 : now.year;
}
