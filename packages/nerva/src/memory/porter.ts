/**
 * The stem of an English word: M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980,
 * https://tartarus.org/martin/PorterStemmer/def.txt, free of restrictions. Chosen because it was measured to help recall and needs no table.
 * `word`: lower-case letters; what is shorter than three of them, or holds any other character, stays as it is.
 */
export function porter(word: string): string {
  if (word.length < 3 || !/^[a-z]+$/.test(word)) return word;
  const stem = replaced(replaced(yToI(pastOf(pluralOf(word))), STEP_2), STEP_3);
  return ending(stripped(stem));
}

const STEP_2 = pairs(
  'ational ate,tional tion,enci ence,anci ance,izer ize,abli able,alli al,entli ent,eli e,ousli ous,ization ize,ation ate,ator ate,alism al,iveness ive,fulness ful,ousness ous,aliti al,iviti ive,biliti ble',
);
const STEP_3 = pairs('icate ic,ative ,alize al,iciti ic,ical ic,ful ,ness ');
const STEP_4 = 'ement ance ence able ible ment ant ent ion ism ate iti ous ive ize al er ic ou'.split(' ');

function pairs(text: string): readonly (readonly [string, string])[] {
  return text.split(',').map((pair) => {
    const [from = '', to = ''] = pair.split(' ');
    return [from, to];
  });
}

/** Step 1a. */
function pluralOf(word: string): string {
  if (word.endsWith('sses') || word.endsWith('ies')) return word.slice(0, -2);
  return word.endsWith('s') && !word.endsWith('ss') ? word.slice(0, -1) : word;
}

/** Step 1b. */
function pastOf(word: string): string {
  if (word.endsWith('eed')) return measure(word.slice(0, -3)) > 0 ? word.slice(0, -1) : word;
  const suffix = word.endsWith('ed') ? 2 : word.endsWith('ing') ? 3 : 0;
  const stem = word.slice(0, word.length - suffix);
  if (suffix === 0 || !hasVowel(stem)) return word;
  if (/(?:at|bl|iz)$/.test(stem)) return `${stem}e`;
  if (endsDouble(stem) && !/[lsz]$/.test(stem)) return stem.slice(0, -1);
  return measure(stem) === 1 && endsShort(stem) ? `${stem}e` : stem;
}

/** Step 1c. */
const yToI = (word: string): string => (word.endsWith('y') && hasVowel(word.slice(0, -1)) ? `${word.slice(0, -1)}i` : word);

/** Steps 2 and 3: of the suffixes that a word ends with the first counts. */
function replaced(word: string, table: typeof STEP_2): string {
  const found = table.find(([from]) => word.endsWith(from));
  if (found === undefined) return word;
  const stem = word.slice(0, -found[0].length);
  return measure(stem) > 0 ? stem + found[1] : word;
}

/** Step 4. */
function stripped(word: string): string {
  const suffix = STEP_4.find((one) => word.endsWith(one));
  if (suffix === undefined) return word;
  const stem = word.slice(0, -suffix.length);
  return measure(stem) > 1 && (suffix !== 'ion' || /[st]$/.test(stem)) ? stem : word;
}

/** Step 5. */
function ending(word: string): string {
  let stem = word;
  if (word.endsWith('e')) {
    const shorter = word.slice(0, -1);
    const count = measure(shorter);
    if (count > 1 || (count === 1 && !endsShort(shorter))) stem = shorter;
  }
  return stem.endsWith('ll') && measure(stem) > 1 ? stem.slice(0, -1) : stem;
}

/** A `y` is a vowel behind a consonant. */
function isConsonant(word: string, at: number): boolean {
  const letter = word[at] ?? '';
  if ('aeiou'.includes(letter)) return false;
  return letter !== 'y' || at === 0 || !isConsonant(word, at - 1);
}

/** How many times vowels are followed by consonants. */
function measure(word: string): number {
  let count = 0;
  let wasVowel = false;
  for (let at = 0; at < word.length; at++) {
    const isVowel = !isConsonant(word, at);
    if (wasVowel && !isVowel) count++;
    wasVowel = isVowel;
  }
  return count;
}

function hasVowel(word: string): boolean {
  for (let at = 0; at < word.length; at++) if (!isConsonant(word, at)) return true;
  return false;
}

const endsDouble = (word: string): boolean => word.length > 1 && word.at(-1) === word.at(-2) && isConsonant(word, word.length - 1);

/** Consonant, vowel, consonant, and the last is none of w, x, y. */
function endsShort(word: string): boolean {
  const { length } = word;
  if (length < 3 || 'wxy'.includes(word[length - 1] ?? '')) return false;
  return isConsonant(word, length - 1) && !isConsonant(word, length - 2) && isConsonant(word, length - 3);
}
