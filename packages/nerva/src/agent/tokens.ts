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

/** Kinds of characters beside the scripts. */
const LOWER = 0;
const UPPER = 1;
const ACCENT = 2;
const DIGIT = 3;
const SPACE = 4;
const MARK = 5;
/** Kinds of characters from here on are scripts, and cost what their script costs. */
const SCRIPTS = ['cyrillic', 'alphabet', 'arabic', 'abugida', 'indic', 'han', 'kana', 'hangul', 'sign', 'pair', 'rest'] as const;
const FIRST_SCRIPT = 6;
type Script = (typeof SCRIPTS)[number];

/** The kind of each unit of UTF-16, made when it is needed first. */
let kinds: Uint8Array | null = null;

function estimated(text: string, rates: Rates): number {
  kinds ??= Uint8Array.from({ length: 0x10000 }, (_, unit) => kindOf(unit));
  let sum = 0;
  let before = MARK;
  let digits = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    const kind = kinds[unit] as number;
    if (kind <= ACCENT) {
      // In camelCase a word begins at each capital.
      if (before > ACCENT || (kind === UPPER && before !== UPPER)) sum += rates.word;
      sum += kind === ACCENT ? rates.letter + rates.accent : rates.letter;
    } else if (kind === DIGIT) {
      digits = before === DIGIT ? digits + 1 : 0;
      sum += digits % 3 === 0 ? rates.digit + rates.group : rates.digit;
    } else if (kind === SPACE) {
      if (isBreak(text, i)) sum += rates.break;
    } else if (kind === MARK) sum += i > 0 && unit === text.charCodeAt(i - 1) ? rates.repeat : rates.mark;
    else {
      const script = SCRIPTS[kind - FIRST_SCRIPT] as Script;
      sum += rates[script];
      if (script === 'pair') i++;
    }
    before = kind;
  }
  return Math.ceil(sum / 100);
}

/** A space between words belongs to a word. Ends of lines, tabs, and the second of several spaces do not. */
function isBreak(text: string, i: number): boolean {
  const before = i === 0 ? 0 : text.charCodeAt(i - 1);
  if (text.charCodeAt(i) !== 0x20) return before === 0x20 || !isSpace(before);
  return before === 0x20 && (i < 2 || text.charCodeAt(i - 2) !== 0x20);
}

const isSpace = (unit: number): boolean => unit === 0x20 || unit === 0x0a || unit === 0x09 || unit === 0x0d;

function kindOf(unit: number): number {
  if (unit >= 0x80) {
    if (unit < 0x250 || (unit >= 0x1e00 && unit < 0x1f00)) return ACCENT;
    return FIRST_SCRIPT + SCRIPTS.indexOf((ENDS.find(([end]) => unit < end) ?? LAST)[1]);
  }
  if (unit >= 0x61 && unit <= 0x7a) return LOWER;
  if (unit >= 0x41 && unit <= 0x5a) return UPPER;
  if (unit >= 0x30 && unit <= 0x39) return DIGIT;
  return isSpace(unit) ? SPACE : MARK;
}

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

const LAST = [0x10000, 'rest'] as const;
