import { civilDate, daysSince1970 } from '../core/index.ts';

/** A date that a text names: with what is not said as null. Months and days begin with 1. */
export interface NamedDate {
  readonly year: number | null;
  readonly month: number | null;
  readonly day: number | null;
}

const MONTHS = 'january february march april may june july august september october november december'.split(' ');
const SHORT = MONTHS.map((month) => month.slice(0, 3));
/** "may" and "mar" alone are words too: they count with a day, a year or a word before them that says so. */
const MONTH = `(?:${MONTHS.join('|')}|(?:${SHORT.join('|')}|sept)\\.?(?=\\s+\\d))`;
/** Behind a day, the short form needs nothing more to say that it is a month. */
const MONTH_OF_DAY = `(?:${MONTHS.join('|')}|${SHORT.join('|')}|sept)`;
const DAY = '(\\d{1,2})(?:st|nd|rd|th)?';
const YEAR = '((?:19|20)\\d\\d)';
const FORMS = new RegExp(
  [
    `\\b${YEAR}[-/.](\\d{1,2})[-/.](\\d{1,2})(?!\\d)`,
    `\\b(\\d{1,2})(?:(/)|([-.]))(\\d{1,2})(?:\\5\\6${YEAR}|/(\\d\\d))\\b`,
    `\\b${DAY}[\\s-]+(?:of\\s+)?(${MONTH_OF_DAY})\\b\\.?(?:,?[\\s-]+${YEAR}\\b)?`,
    `\\b(${MONTH})\\s+${DAY}\\b(?:,?\\s+${YEAR}\\b)?`,
    `\\b(${MONTH})(?:,?\\s+(?:of\\s+)?${YEAR}\\b)`,
    `\\b(?:in|of|during|since|by|from|until|before|after|around|early|mid|late|last|past|this|next)\\s+(${MONTH})\\b(?:,?\\s+${YEAR}\\b)?`,
    `\\b(${MONTHS.filter((month) => month !== 'may' && month !== 'march').join('|')})\\b`,
    `\\b${YEAR}\\b`,
  ].join('|'),
  'gi',
);

/**
 * The dates that a text names (`7 May 2023`, `May 7`, `in May`, `2023-05-07`, `2023`), in its order. `5/7/2023` may be either, so it is both;
 * with full stops the day is first. O(length).
 */
export function datesIn(text: string): readonly NamedDate[] {
  return Array.from(text.matchAll(FORMS), datesOf)
    .flat()
    .filter(({ month, day }) => (month === null || (month >= 1 && month <= 12)) && (day === null || (day >= 1 && day <= 31)));
}

function datesOf([
  whole,
  y1,
  m1,
  d1,
  one,
  ,
  ,
  other,
  y0,
  y00,
  d2,
  m2,
  y2,
  m3,
  d3,
  y3,
  m4,
  y4,
  m5,
  y5,
  m6,
  y7,
]: RegExpExecArray): readonly NamedDate[] {
  if (one !== undefined && other !== undefined) {
    const year = y0 === undefined ? 2000 + Number(y00) : Number(y0);
    const dayFirst = { year, month: Number(other), day: Number(one) };
    return one === other || whole.includes('.') ? [dayFirst] : [dayFirst, { year, month: Number(one), day: Number(other) }];
  }
  const month = m1 === undefined ? monthOf(m2 ?? m3 ?? m4 ?? m5 ?? m6) : Number(m1);
  return [{ year: numberOf(y1 ?? y2 ?? y3 ?? y4 ?? y5 ?? y7), month, day: numberOf(d1 ?? d2 ?? d3) }];
}

const numberOf = (text: string | undefined): number | null => (text === undefined ? null : Number(text));
function monthOf(name: string | undefined): number | null {
  return name === undefined ? null : SHORT.indexOf(name.slice(0, 3).toLowerCase()) + 1;
}

/** A day after a named one still speaks of it for two weeks, one after a named month for three. */
const AFTER_DAY = 14;
const AFTER_MONTH = 21;

/** How near a day, counted from 1970-01-01, is to a named date: 1 on it, less for what lies shortly after it, else 0. */
export function nearness(date: NamedDate, at: number): number {
  const { year, month } = civilDate(at);
  if (date.month === null) return date.year === year ? 0.3 : 0;
  // What is said of last December is said in January.
  const named = date.year ?? (date.month > month + 1 ? year - 1 : year);
  if (date.day === null) {
    const next = daysSince1970(date.month === 12 ? { year: named + 1, month: 1, day: 1 } : { year: named, month: date.month + 1, day: 1 });
    if (at >= daysSince1970({ year: named, month: date.month, day: 1 }) && at < next) return 1;
    return at >= next && at < next + AFTER_MONTH ? 0.5 : 0;
  }
  const gap = at - daysSince1970({ year: named, month: date.month, day: date.day });
  if (gap === 0) return 1;
  return gap > 0 && gap <= AFTER_DAY ? 1 - gap / 20 : 0;
}

/** Whether a text speaks of a time: a date, a day of the week, a span. */
export function saysWhen(text: string): boolean {
  return TIME.test(text);
}

const TIME = new RegExp(
  `\\b(?:yesterday|today|tonight|tomorrow|last|next|ago|recently|since|soon|when|weekend|days?|weeks?|months?|years?|morning|evening|night|(?:mon|tues|wednes|thurs|fri|satur|sun)day|${MONTHS.join('|')}|${YEAR})\\b`,
  'i',
);
