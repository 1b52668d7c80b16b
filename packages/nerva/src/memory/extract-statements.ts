import type { DerivedItem } from './derived.ts';
import { isPronoun } from './extract-people.ts';

/** Units that stand after a number, and what they are called. */
const UNITS: Readonly<Record<string, string>> = Object.fromEntries(
  `km kilometre kilometres kilometer kilometers,m metre metres meter meters,cm centimetre centimetres centimeter centimeters,mm,miles mile,ft feet,inches inch,
  kg kilo kilos kilogram kilograms,g gram grams,mg,lb lbs pounds pound,t tonnes tonne tons ton,l litre litres liter liters,ml,
  s seconds second secs sec,min minutes minute mins,h hours hour hrs hr,days day,weeks week,months month,years year,
  % percent,°C degrees degree,°F,kB KB,MB,GB,TB,W,kW,kWh,EUR € euro euros,USD $ dollar dollars,GBP £,CHF francs franc,JPY ¥ yen,
  pages page,calories calorie kcal,steps,cups cup,people,guests guest,km/h,mph`
    .split(',')
    .flatMap((row) => {
      const names = row.trim().split(/\s+/);
      return names.map((name) => [name, names[0] ?? name] as const);
    }),
);
const escaped = (text: string): string => text.replace(/[$.*+?^()[\]{}|\\]/g, '\\$&');
const UNIT = Object.keys(UNITS)
  .toSorted((one, other) => other.length - one.length)
  .map(escaped)
  .join('|');
const NUMBER = '(?:\\d{1,3}(?:,\\d{3}){1,4}|\\d{1,15})(?:\\.\\d{1,9})?';
const QUANTITY = new RegExp(
  `(?<![\\p{L}\\p{N}.,:/-])(-?${NUMBER})(?:[ \\u00a0](thousand|million|billion)|(k)(?![\\p{L}\\p{N}]))?[ \\u00a0-]?(${UNIT})(?![\\p{L}\\p{N}/°])|(?<![\\p{L}\\p{N}])([$€£])(${NUMBER})(?: (thousand|million|billion)|(k|m|bn)(?![\\p{L}\\p{N}]))?(?![\\d.,]*\\d)`,
  'gu',
);
const TIMES: Readonly<Record<string, number>> = { k: 1e3, thousand: 1e3, m: 1e6, million: 1e6, bn: 1e9, billion: 1e9 };

/** Numbers with units, as they are written; `3-4 km` and `1,5 km`, which may mean more than one, are left out. O(length). */
export function quantitiesOf(text: string): readonly DerivedItem[] {
  return Array.from(text.matchAll(QUANTITY)).flatMap((match): readonly DerivedItem[] => {
    const [whole, number, times, kilo, name, sign, amount, more, short] = match;
    const digits = number ?? amount ?? '';
    const factor = TIMES[times ?? kilo ?? more ?? short ?? ''] ?? 1;
    const value = Number(digits.replaceAll(',', '')) * factor;
    const unit = UNITS[name ?? sign ?? ''];
    if (unit === undefined || !Number.isFinite(value)) return [];
    return [
      { type: 'quantity', name: `${value} ${unit}`, start: match.index, end: match.index + whole.length, confidence: 1, value, unit },
    ];
  });
}

const PERSON = "\\p{Lu}[\\p{L}\\p{M}'’-]{1,30}";
const HOW = '(?:really |absolutely |also |still |just |always |especially |quite |generally |usually |much )?';
const LIKING = new RegExp(
  `(?<![\\p{L}\\p{N}'’])(?:(I) ${HOW}(like|love|enjoy|adore|prefer|hate|dislike|detest|can't stand|cannot stand|can’t stand|don't like|do not like|don’t like)|(${PERSON}) ${HOW}(likes|loves|enjoys|adores|prefers|hates|dislikes|detests|can't stand|can’t stand|doesn't like|does not like|doesn’t like)) (?=\\S)`,
  'gu',
);
const FAVOURITE = new RegExp(`(?<![\\p{L}\\p{N}])(?:([Mm]y)|(${PERSON})['’]s) favou?rite (\\p{L}+(?: \\p{L}+)?) (?:is|are) (?=\\S)`, 'gu');
const COMMITTED =
  /(?<![\p{L}\p{N}'’])(I) ?(?:will|['’]ll|have to|must|need to|promised to|promise to|am going to|['’]m going to|shall|[’']ve got to) (?=\S)/gu;
/** What stands before, and makes it a condition, a question or a memory of it. */
const UNSAID =
  /\b(?:if|whether|do|did|does|should|would|could|when|unless|that|think|thought|hope|wish|maybe|perhaps|what|who|where|why|how|which)[, ]+$/iu;
/** What is said with these words is neither a thing that somebody likes nor one that they will do. */
const NO_THING =
  /^(?:it|that|this|you|him|her|them|him|me|us|these|those|how|what|when|where|the way|the idea)\b(?! \p{L}+ing\b)(?:[\s.,;!?]|$)/iu;
const NO_DEED = /^(?:not|never|be|have|been|admit|say|confess|know|see|think|only|die|ever|probably|always remember)\b/iu;
/** Where a clause ends. */
const CLAUSE_END =
  /[.!?;\n()"“”]|,? (?:but|because|although|though|unless|if|so that|whereas)\b|,? and (?:I|he|she|we|they|you)\b|, (?:and|which|who)\b|[,:] |$/u;
const CLAUSE_CHARS_MAX = 160;
/** Dots that do not end a clause. */
const AT_MOST = 200;

/** What somebody likes or does not, and what they rather have; not in questions or conditions. O(length). */
export function preferencesOf(text: string): readonly DerivedItem[] {
  const found: DerivedItem[] = [];
  for (const match of text.matchAll(LIKING)) {
    const [, self, mine, other, theirs] = match;
    const item = said(text, match, { type: 'preference', who: self ?? other ?? '' });
    if (item === null || NO_THING.test(item.name) || isNobody(item.who)) continue;
    found.push({ ...item, sentiment: sentimentOf(mine ?? theirs ?? '') });
  }
  for (const match of text.matchAll(FAVOURITE)) {
    const item = said(text, match, { type: 'preference', who: match[1] === undefined ? (match[2] ?? '') : 'I' });
    if (item !== null && !isNobody(item.who)) found.push({ ...item, sentiment: 'likes' });
  }
  return found;
}

/** What who speaks takes upon themselves, with the day by when, where `dates` say one within it; not what they will not do. O(length). */
export function commitmentsOf(text: string, dates: readonly DerivedItem[]): readonly DerivedItem[] {
  return Array.from(text.matchAll(COMMITTED)).flatMap((match): readonly DerivedItem[] => {
    const item = said(text, match, { type: 'commitment', who: 'I' });
    if (item === null || NO_DEED.test(item.name)) return [];
    const [start, end] = [item.start ?? 0, item.end ?? 0];
    const due = dates.find((date) => (date.start ?? 0) >= start && (date.start ?? 0) < end);
    return [due?.from === undefined ? item : { ...item, from: due.from }];
  });
}

/** The rest of a clause after its verb. */
function said(text: string, match: RegExpExecArray, of: Pick<DerivedItem, 'type' | 'who'>): DerivedItem | null {
  const start = match.index + match[0].length;
  const rest = text.slice(start, start + AT_MOST);
  const end = CLAUSE_END.exec(rest)?.index ?? rest.length;
  const name = rest.slice(0, end).trimEnd();
  if (name === '' || name.length > CLAUSE_CHARS_MAX) return null;
  const stop = /[.!?\n]/.exec(rest.slice(end))?.[0];
  if (stop === '?' || UNSAID.test(text.slice(Math.max(0, match.index - 30), match.index))) return null;
  return { ...of, name, start, end: start + name.length, confidence: 0.9 };
}

function sentimentOf(verb: string): NonNullable<DerivedItem['sentiment']> {
  if (verb.startsWith('prefer')) return 'prefers';
  return /^(?:hate|dislike|detest|can|don|do |does)/.test(verb) ? 'dislikes' : 'likes';
}

/** A pronoun other than that of who speaks. */
const isNobody = (who = ''): boolean => who !== 'I' && isPronoun(who);
