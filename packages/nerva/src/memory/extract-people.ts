import type { DerivedItem } from './derived.ts';

/** A capital and what follows it, one word to three, with no more than a space between: `Ada`, `Jean-Luc`, `O’Brien`, `Ludwig van Beethoven`. */
const WORD = "\\p{Lu}[\\p{L}\\p{M}]{0,30}(?:[-'’]\\p{Lu}[\\p{L}\\p{M}]{0,30}){0,2}";
const NAME = new RegExp(
  `(?<![\\p{L}\\p{M}\\p{N}_@#/-])${WORD}(?: (?:(?:van|von|de|da|di|del|bin|al|el|der|den) ){0,2}${WORD}){0,2}(?![\\p{L}\\p{M}\\p{N}_@/])`,
  'gu',
);
const KIN =
  'sister|brother|mother|father|mum|mom|dad|wife|husband|partner|son|daughter|aunt|uncle|cousin|niece|nephew|grandmother|grandfather|grandma|grandpa|girlfriend|boyfriend|fiancée|fiancé|friend|best friend|colleague|boss|manager|neighbour|neighbor|roommate|flatmate|teacher|doctor|therapist|coach';
const TITLE = /(?:^|[^\p{L}\p{N}])(?:Mr|Mrs|Ms|Miss|Dr|Prof|Professor|Sir|Lady)\.? $/u;
/** What stands right before a name, and says that it is somebody’s. */
const BEFORE = new RegExp(
  `\\b(?:(?:my|his|her|our|their|your|'s|’s) (?:\\p{L}+ )?(?:${KIN}),? |my name is |(?:i|we|he|she|they|have|had) (?:just )?met (?:up )?(?:with )?|(?:married|married to|engaged to|divorced from|a date with) |(?:told|asked|thanked|hugged) )$`,
  'iu',
);
/** What stands right after a name, and what only people do or have. */
const AFTER = new RegExp(
  `^(?:['’]s (?:(?:older|younger|little|big|best|late) )?(?:${KIN}|birthday|wedding|parents|kids|children|childhood|allergy|apartment|flat|hometown)\\b| (?:lives|lived|grew up|was born|got married|is married|is engaged|is allergic|is my|is his|is her|is our|likes|loves|hates|dislikes|prefers|enjoys|told me|told us|asked me|asked us|texted|is \\d{1,3} years old|moved to|is pregnant|plays|studies|studied|teaches|thinks that)\\b)`,
  'u',
);
/** Given names that are hardly ever anything else. */
const GIVEN: ReadonlySet<string> = new Set(
  `Aaron Abigail Ada Adam Adrian Ahmed Aisha Alan Albert Alejandro Alex Alexander Alexandra Alice Alicia Alison Amanda Amelia Amy Ana Andrea Andreas Andrew
  Angela Anita Anna Anne Anthony Antonio Arthur Audrey Barbara Ben Benjamin Bernard Beth Bob Brian Bruno Carl Carla Carlos Carmen Caroline Catherine
  Charles Charlotte Chris Christian Christina Christopher Claire Clara Claudia Colin Daniel Daniela David Deborah Denise Derek Diego Dmitri Dominic Donald Dorothy
  Edward Elena Eleanor Elisabeth Elizabeth Ella Emily Emma Eric Erika Esther Ethan Eva Evelyn Fatima Felix Fiona Francesca Francis Gabriel Gary Gemma
  Georgia Gerald Giulia Gregory Hannah Harold Harriet Heather Hector Helen Helena Henry Hugo Ian Igor Ingrid Irene Isabel Isabella Ivan Jacob James Jamie
  Jane Janet Jason Javier Jean Jeff Jennifer Jeremy Jessica Jill Joan Joanna Joe Johanna John Jonas Jonathan Jorge Jose Joseph Joshua Juan Julia Julian
  Julie Karen Karl Katarina Kate Katherine Kathleen Katie Keith Kelly Kenneth Kevin Klaus Laura Lauren Lena Leo Leonard Leonardo Liam Linda Lisa Louis
  Louisa Louise Lucas Lucia Lucy Luis Lukas Maria Marco Margaret Marie Marta Martha Martin Mary Matthew Max Maya Megan Melanie Melissa Michael Michelle
  Miguel Mohammed Monica Nancy Natalie Natasha Nathan Nicholas Nicole Nina Noah Nora Oliver Olivia Omar Oscar Pablo Patricia Patrick Paul Paula Pedro
  Peter Petra Philip Priya Rachel Rafael Rebecca Richard Robert Roberto Roger Ronald Ruth Ryan Samantha Samuel Sandra Sara Sarah Scott Sean Sebastian Sergio Sharon
  Simon Sofia Sophia Sophie Stefan Stella Stephanie Stephen Steve Steven Susan Tanya Teresa Theodore Theresa Thomas Tim Timothy Tom Tony Valentina Vanessa
  Veronica Victor Vincent Walter Wendy William Xavier Yasmin Yusuf Zoe`.split(/\s+/),
);
/** What stands for a name. */
const PRONOUNS: ReadonlySet<string> = new Set(
  `i me my mine myself you your yours yourself he him his himself she her hers herself it its itself we us our ours ourselves they them their theirs
  themselves who whom whose which what this that these those one someone somebody anyone anybody everyone everybody nobody`.split(/\s+/),
);
/** Words that begin a sentence, and times: a capital does not make them a name. */
const NEVER: ReadonlySet<string> = new Set(
  `none both all some many most few others another each either neither people person folks guys the a an and but or nor so yet for if then when while where why how because although though
  since until after before as at by from in into of off on onto out over to under with without about there here now today tomorrow
  yesterday tonight yes no not never always maybe perhaps please thanks thank hello hi hey dear ok okay well also just only even still
  monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september october
  november december mr mrs ms miss dr prof professor sir lady mom mum dad mother father grandma grandpa god christmas easter spring
  summer autumn winter let lets is are was were be been am do does did has have had will would can could shall should must might
  last next every any such other same english german french spanish italian american british european note`.split(/\s+/),
);

interface Mention {
  readonly name: string;
  readonly start: number;
  readonly confidence: number;
}

/** The people whom a text names: each once, by the longest form of the name that it has; never a pronoun. O(length). */
export function peopleOf(text: string): readonly DerivedItem[] {
  const mentions = Array.from(text.matchAll(NAME)).flatMap((match) => mentionOf(text, match));
  return merged(mentions).map(({ name, start, confidence }) => ({ type: 'person', name, start, end: start + name.length, confidence }));
}

/** How many characters around a name are looked at. */
const AROUND = 60;

function mentionOf(text: string, { index, 0: whole }: RegExpExecArray): readonly Mention[] {
  // "Yesterday Ada", "The Smiths": what is no name does not begin one, and ends it.
  const words = whole.split(' ');
  let skipped = 0;
  let start = index;
  while (skipped < words.length && isNever(words[skipped] ?? '')) start += (words[skipped++] ?? '').length + 1;
  const left = words.slice(skipped);
  const stop = left.findIndex(isNever);
  const kept = stop < 0 ? left : left.slice(0, stop);
  while (kept.length > 0 && !/^\p{Lu}/u.test(kept.at(-1) ?? '')) kept.pop();
  const name = kept.join(' ');
  if (!/\p{Ll}/u.test(name) || (kept[0] ?? '').length < 2) return [];
  const before = text.slice(Math.max(0, start - AROUND), start);
  const after = text.slice(start + name.length, start + name.length + AROUND);
  const isNamed = TITLE.test(before) || BEFORE.test(before) || AFTER.test(after);
  if (isNamed) return [{ name, start, confidence: 0.9 }];
  return GIVEN.has(kept[0] ?? '') ? [{ name, start, confidence: 0.8 }] : [];
}

const isNever = (word: string): boolean => isPronoun(word) || NEVER.has(word.toLowerCase());

/** Whether a word stands for a name and is none. */
export function isPronoun(word: string): boolean {
  return PRONOUNS.has(word.toLowerCase());
}

/** `Ada` and `Ada Lovelace` are one where there is one only whom it can mean. */
function merged(mentions: readonly Mention[]): readonly Mention[] {
  const byName = new Map<string, Mention>();
  for (const one of mentions) {
    const key = one.name.normalize('NFC').toLowerCase();
    const old = byName.get(key);
    byName.set(key, old === undefined ? one : { ...old, confidence: Math.max(old.confidence, one.confidence) });
  }
  const names = Array.from(byName.keys());
  const longer = new Map<string, string | null>();
  for (const name of names) {
    const parts = name.split(' ');
    if (parts.length > 1)
      for (const part of [parts[0] ?? '', parts.at(-1) ?? ''])
        longer.set(part, longer.has(part) && longer.get(part) !== name ? null : name);
  }
  return names.flatMap((name) => (typeof longer.get(name) === 'string' ? [] : (byName.get(name) ?? [])));
}
