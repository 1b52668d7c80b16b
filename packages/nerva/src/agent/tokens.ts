/**
 * How many tokens a text is for a model. Contract: pure, the same number for the same text; whole, finite and not negative.
 * A real tokenizer is one: `(text) => encode(text).length`.
 */
export type TokenCounter = (text: string) => number;

/** Hundredths of a token: what a character of each kind adds, or a word, a group of up to three digits, a break of lines. */
interface Rates {
  readonly word: number;
  readonly letter: number;
  /** A Latin letter beyond ASCII, beside what a letter takes. */
  readonly accent: number;
  readonly digit: number;
  readonly group: number;
  /** Punctuation, and the same mark again. */
  readonly mark: number;
  readonly repeat: number;
  readonly break: number;
  readonly cyrillic: number;
  /** Greek, Hebrew, Armenian, Georgian and their like. */
  readonly alphabet: number;
  readonly arabic: number;
  /** Devanagari, Bengali, Tamil, Thai. */
  readonly abugida: number;
  /** The other scripts of India. */
  readonly indic: number;
  readonly han: number;
  readonly kana: number;
  readonly hangul: number;
  /** Punctuation and symbols beyond ASCII. */
  readonly sign: number;
  /** What UTF-16 writes with two units: most emoji. */
  readonly pair: number;
  readonly rest: number;
}

/**
 * Fitted to texts in 44 languages, code, JSON, tables, logs and noise, so that no text of 1,500 characters is taken for less than 87 % of what it is (72 % in
 * twelve rarer languages), and what is too much is least. Against what, and by how much they err: docs/decisions/0023-tokens.md. They decide what is in logs: a better table is
 * another version of the estimate (`session.created`), and this one stays.
 */
// oxfmt-ignore -- a table is read by its columns
const RATES = {
  gpt: {
    word: 72,
    letter: 17,
    accent: 65,
    digit: 5,
    group: 169,
    mark: 60,
    repeat: 20,
    break: 30,
    cyrillic: 34,
    alphabet: 42,
    arabic: 36,
    abugida: 40,
    indic: 47,
    han: 79,
    kana: 73,
    hangul: 70,
    sign: 70,
    pair: 138,
    rest: 145,
  },
  gemini: {
    word: 30,
    letter: 26,
    accent: 26,
    digit: 14,
    group: 215,
    mark: 60,
    repeat: 30,
    break: 58,
    cyrillic: 41,
    alphabet: 51,
    arabic: 37,
    abugida: 32,
    indic: 49,
    han: 65,
    kana: 35,
    hangul: 66,
    sign: 70,
    pair: 84,
    rest: 100,
  },
  claude: {
    word: 33,
    letter: 38,
    accent: 241,
    digit: 5,
    group: 142,
    mark: 60,
    repeat: 48,
    break: 30,
    cyrillic: 74,
    alphabet: 189,
    arabic: 107,
    abugida: 184,
    indic: 279,
    han: 122,
    kana: 80,
    hangul: 133,
    sign: 70,
    pair: 253,
    rest: 223,
  },
  open: {
    word: 30,
    letter: 29,
    accent: 119,
    digit: 5,
    group: 232,
    mark: 62,
    repeat: 20,
    break: 43,
    cyrillic: 63,
    alphabet: 186,
    arabic: 62,
    abugida: 137,
    indic: 175,
    han: 76,
    kana: 54,
    hangul: 76,
    sign: 70,
    pair: 219,
    rest: 215,
  },
  other: {
    word: 30,
    letter: 38,
    accent: 239,
    digit: 72,
    group: 94,
    mark: 60,
    repeat: 27,
    break: 30,
    cyrillic: 74,
    alphabet: 189,
    arabic: 107,
    abugida: 184,
    indic: 279,
    han: 128,
    kana: 86,
    hangul: 133,
    sign: 70,
    pair: 253,
    rest: 223,
  },
} as const satisfies Readonly<Record<string, Rates>>;

/** Models that split text alike, as far as an estimate can tell. */
export type TokenFamily = keyof typeof RATES;

/** By what their names have in them, whoever serves them. What is not recognised is taken for the one that takes most. */
const FAMILIES: readonly (readonly [RegExp, TokenFamily])[] = [
  [/claude/, 'claude'],
  [/gemini|gemma/, 'gemini'],
  // Before GPT-4o another vocabulary was used.
  [/gpt-(?:4o|4\.[1-9]|[5-9]|oss)|(?:^|\/)o[1-9](?:-|$)/, 'gpt'],
  [/llama|qwen|deepseek/, 'open'],
];

/** The family of a model by its name, as in `Model.name`. */
export function tokenFamily(model: string): TokenFamily {
  const name = model.toLowerCase();
  return FAMILIES.find(([pattern]) => pattern.test(name))?.[1] ?? 'other';
}

const ESTIMATORS = Object.fromEntries(
  Object.entries(RATES).map(([family, rates]) => [family, (text: string) => estimated(text, rates)]),
) as unknown as Readonly<Record<TokenFamily, TokenCounter>>;

/** An estimate for the models of a family, by scripts and words: no table of any tokenizer is needed. O(n), allocates nothing. */
export function tokenEstimator(family: TokenFamily): TokenCounter {
  return ESTIMATORS[family];
}

const SPACE = 32;
/** What the character before was. */
const UPPER = 1;
const LOWER = 2;
const DIGIT = 3;
const OTHER = 0;

function estimated(text: string, rates: Rates): number {
  let sum = 0;
  let before = 0;
  let kind = OTHER;
  let digits = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    let now = OTHER;
    if (isLower(unit) || isUpper(unit)) {
      now = isLower(unit) ? LOWER : UPPER;
      // In camelCase a word begins at each capital.
      if ((kind !== LOWER && kind !== UPPER) || (now === UPPER && kind === LOWER)) sum += rates.word;
      sum += rates.letter + (unit < 0x80 ? 0 : rates.accent);
    } else if (unit >= 0x30 && unit <= 0x39) {
      now = DIGIT;
      digits = kind === DIGIT ? digits + 1 : 0;
      sum += rates.digit + (digits % 3 === 0 ? rates.group : 0);
    } else if (isSpace(unit)) {
      if (isBreak(text, i)) sum += rates.break;
    } else if (unit < 0x80) sum += unit === before ? rates.repeat : rates.mark;
    else {
      if (isLead(unit)) i++;
      sum += rates[scriptOf(unit)];
    }
    kind = now;
    before = unit;
  }
  return Math.ceil(sum / 100);
}

const isUpper = (unit: number): boolean => unit >= 0x41 && unit <= 0x5a;
/** Latin letters beyond ASCII count as small ones. */
const isLower = (unit: number): boolean =>
  (unit >= 0x61 && unit <= 0x7a) || (unit >= 0x80 && unit < 0x250) || (unit >= 0x1e00 && unit < 0x1f00);
const isSpace = (unit: number): boolean => unit === SPACE || unit === 0x0a || unit === 0x09 || unit === 0x0d;
const isLead = (unit: number): boolean => unit >= 0xd800 && unit < 0xdc00;

/** A space between words belongs to a word. Lines that end, tabs, and the second of several spaces do not. */
function isBreak(text: string, i: number): boolean {
  const before = i === 0 ? 0 : text.charCodeAt(i - 1);
  if (text.charCodeAt(i) !== SPACE) return !isSpace(before) || before === SPACE;
  return before === SPACE && (i < 2 || text.charCodeAt(i - 2) !== SPACE);
}

type Script = 'cyrillic' | 'alphabet' | 'arabic' | 'abugida' | 'indic' | 'han' | 'kana' | 'hangul' | 'sign' | 'pair' | 'rest';

/** Where the blocks of Unicode end, in order: what comes before each end and behind the one above is of that script. */
const ENDS: readonly (readonly [number, Script])[] = [
  [0x400, 'alphabet'],
  [0x530, 'cyrillic'],
  [0x600, 'alphabet'],
  [0x780, 'arabic'],
  [0x900, 'rest'],
  [0xa00, 'abugida'],
  [0xb80, 'indic'],
  [0xc00, 'abugida'],
  [0xe00, 'indic'],
  [0xe80, 'abugida'],
  [0x10a0, 'rest'],
  [0x1100, 'alphabet'],
  [0x1f00, 'rest'],
  [0x2000, 'alphabet'],
  [0x3040, 'sign'],
  [0x3100, 'kana'],
  [0x3400, 'rest'],
  [0xa000, 'han'],
  [0xac00, 'rest'],
  [0xd7b0, 'hangul'],
  [0xd800, 'rest'],
  [0xdc00, 'pair'],
  [0xfb50, 'rest'],
  [0xfe00, 'arabic'],
  [0xfe70, 'rest'],
  [0xff00, 'arabic'],
  [0xfff0, 'sign'],
];

/** Of a unit from 0x250 on. */
function scriptOf(unit: number): Script {
  for (const [end, script] of ENDS) if (unit < end) return script;
  return 'rest';
}
