import { NervaError, type World } from '../core/index.ts';
import type { Model } from '../model/index.ts';
import { COMPARED_MAX, EVOLUTIONS, ITEMS_MAX, type Related } from './derived.ts';
import { isRecord } from './derived-read.ts';
import type { Entry } from './entries.ts';
import { shareOf } from './extract-model.ts';
import { preferencesOf } from './extract-statements.ts';
import { isPronoun } from './extract-people.ts';
import { askForJson } from './model-json.ts';
import { terms, words } from './words.ts';

/** What is compared of an entry. */
export type Compared = Pick<Entry, 'id' | 'text'>;

/** Says how a new entry stands to those that were there: by rules, or by asking a model (`modelEvolver`). */
export interface Evolver {
  /** Name and version, `model@1`. */
  readonly by: string;
  /**
   * Contract: what it gives may be of any kind and is checked; what is of no kind stands for no relation. Of the entries given, each at most once,
   * and not the new one itself. `isLater`: it could not be asked now and may be later.
   */
  relate(
    entry: Compared,
    others: readonly Compared[],
    options: { readonly world: World; readonly signal?: AbortSignal },
  ): Promise<{ readonly relations: readonly Related[]; readonly isLater?: boolean }>;
}

/** Rules that compare what is said of the same thing of the same one. Raise the version with any change of what comes out. */
export const rulesEvolver: Evolver = {
  by: 'rules@1',
  relate: (entry, others) => Promise.resolve({ relations: others.flatMap((other) => relatedByRules(entry, other) ?? []) }),
};

/** What a model is told that compares texts. */
export const EVOLVE_INSTRUCTIONS = `You are given a new text that was remembered and others that were remembered before it, each with a number. Say how the new one stands to each of them:
update: it says what is so now in place of what the other says. extend: it adds to it. derive: it follows from it. contradict: both cannot be so. none: anything else.
Answer with JSON: {"relations": [{"to": 1, "relation": "update", "confidence": 0.9}]}; leave out none.`;
const SCHEMA = {
  type: 'object',
  properties: {
    relations: {
      type: 'array',
      items: {
        type: 'object',
        properties: { to: { type: 'integer' }, relation: { type: 'string' }, confidence: { type: 'number' } },
        required: ['to', 'relation', 'confidence'],
        additionalProperties: false,
      },
    },
  },
  required: ['relations'],
  additionalProperties: false,
} as const;
/** Of each text that a model compares. */
const COMPARED_CHARS_MAX = 4_000;

/** An evolver that asks a model. An answer that cannot be used is no relation; it throws only what the model throws when `signal` aborted. */
export function modelEvolver(model: Model, { by = 'model@1' }: { readonly by?: string } = {}): Evolver {
  return {
    by,
    relate: async (entry, others, { world, signal }) => {
      try {
        const texts = [{ name: 'new', text: entry.text }, ...others.map(({ text }, at) => ({ name: `text-${at + 1}`, text }))].map(
          ({ name, text }) => ({ name, text: text.slice(0, COMPARED_CHARS_MAX) }),
        );
        return {
          relations: relationsIn(
            await askForJson({ model, instructions: EVOLVE_INSTRUCTIONS, schema: SCHEMA, texts, world, signal }),
            others,
          ),
        };
      } catch (error) {
        if (signal?.aborted === true) throw error;
        return { relations: [], isLater: NervaError.is(error) && error.retry && error.code !== 'MODEL_GARBAGE' };
      }
    },
  };
}

function relationsIn(answer: unknown, others: readonly Compared[]): readonly Related[] {
  const listed = isRecord(answer) ? answer['relations'] : null;
  if (!Array.isArray(listed)) return [];
  const found = new Map<string, Related>();
  for (const one of listed as readonly unknown[]) {
    if (!isRecord(one)) continue;
    const relation = EVOLUTIONS.find((known) => known === one['relation']);
    const other = Number.isSafeInteger(one['to']) ? others[(one['to'] as number) - 1] : undefined;
    if (relation !== undefined && other !== undefined && !found.has(other.id))
      found.set(other.id, { to: other.id, relation, confidence: shareOf(one['confidence']) });
  }
  return Array.from(found.values()).slice(0, COMPARED_MAX);
}

/** That somebody has something: of what can have one value at a time. */
interface Fact {
  readonly subject: string;
  readonly attribute: string;
  readonly value: string;
  /** It says itself that it was not so before. */
  readonly isChange: boolean;
}

const SUBJECT = "(I|\\p{Lu}[\\p{L}\\p{M}'’-]{1,30}(?: \\p{Lu}[\\p{L}\\p{M}'’-]{1,30}){0,2})";
const NOW = '(?: (now|currently|no longer|still))?';
/** The name of a place, a firm, a person: not "at night" or "in peace". */
const NAMED = '((?:the )?\\p{Lu}[^;,]{0,80})';
/** Something that is told apart, and not how it is: "is easy to find". */
const EXACT = '((?=[^;,]*[\\p{Lu}\\d@])[^;,]{1,80})';
/** Which of it what somebody has is read from, at the beginning of a sentence; the groups are subject, now, value. */
const PATTERNS: readonly { readonly attribute: string; readonly form: RegExp; readonly isChange: boolean }[] = [
  { attribute: 'home', form: new RegExp(`^${SUBJECT}${NOW} lives? in ${NAMED}`, 'u'), isChange: false },
  { attribute: 'home', form: new RegExp(`^${SUBJECT}(?: (?:has|have|just|recently)){0,2}() moved to ${NAMED}`, 'u'), isChange: true },
  { attribute: 'work', form: new RegExp(`^${SUBJECT}${NOW} works? (?:at|for) ${NAMED}`, 'u'), isChange: false },
  {
    attribute: 'work',
    form: new RegExp(`^${SUBJECT}(?: (?:has|have|just|recently)){0,2}() (?:joined|started at) ${NAMED}`, 'u'),
    isChange: true,
  },
  { attribute: 'spouse', form: new RegExp(`^${SUBJECT} (?:is|am)${NOW} married to ${NAMED}`, 'u'), isChange: false },
  { attribute: 'age', form: new RegExp(`^${SUBJECT} (?:is|am)${NOW} (\\d{1,3}) years old`, 'u'), isChange: false },
];
const HAS = new RegExp(
  `^(?:([Mm]y)|${SUBJECT}['’]s)( new)? (?:(favou?rite \\p{L}+)(?: is| are)${NOW} ((?!(?:not|on|in|at|very|too|so)\\b)[^;,]{1,80})|(phone number|e-?mail address|e-?mail|birthday|address|surname|nickname|time zone|timezone) is${NOW} (?:at |on )?${EXACT})`,
  'u',
);
/** A sentence, without what ends it; the group is a question mark. A dot within a number or an address ends none. */
const SENTENCE = /([^\n!?.]+(?:\.(?=\S)[^\n!?.]+)*)[.!]*(\?)?/gu;

/** What a text says plainly, the first ITEMS_MAX: in a sentence of its own that begins with whose it is; not what is asked, denied or told of somebody’s words. */
function factsOf(text: string): readonly Fact[] {
  return Array.from(text.matchAll(SENTENCE))
    .filter(([, , mark]) => mark === undefined)
    .flatMap(([, sentence = '']) => factsIn(sentence.trim()))
    .filter(({ subject, value }) => value !== '' && (subject === 'i' || !isPronoun(subject)))
    .slice(0, ITEMS_MAX);
}

function factsIn(sentence: string): readonly Fact[] {
  const facts: Fact[] = [];
  for (const { attribute, form, isChange } of PATTERNS) {
    const [, subject, now, value = ''] = form.exec(sentence) ?? [];
    if (subject !== undefined && now !== 'no longer')
      facts.push(factOf({ subject, attribute, value, isChange: isChange || now === 'now' }));
  }
  const [, mine, subject = 'I', isNew, liked, nowLiked, likedValue, kept, nowKept, keptValue] = HAS.exec(sentence) ?? [];
  const [attribute, now, value] = liked === undefined ? [kept, nowKept, keptValue] : [liked, nowLiked, likedValue];
  if (attribute !== undefined && value !== undefined && now !== 'no longer')
    facts.push(
      factOf({
        subject: mine === undefined ? subject : 'I',
        attribute: attribute.replace('favorite', 'favourite'),
        value,
        isChange: isNew !== undefined || now === 'now',
      }),
    );
  for (const { who = '', name, sentiment } of preferencesOf(sentence))
    if (sentence.startsWith(who))
      facts.push({
        subject: plain(who),
        attribute: `likes ${plain(name)}`,
        value: sentiment === 'dislikes' ? 'no' : 'yes',
        isChange: false,
      });
  return facts;
}

function factOf(fact: Fact): Fact {
  const [value = ''] = fact.value.split(/ (?:now|since|with|and|because|but|for|until|after|before|again)\b/);
  return { ...fact, subject: plain(fact.subject), attribute: fact.attribute.toLowerCase(), value: plain(value) };
}

const plain = (text: string): string =>
  words(text)
    .filter((word) => !/^(?:the|a|an)$/.test(word))
    .join(' ');

const SURE = 0.9;
const CONFLICT = 0.8;
const MORE = 0.7;

function relatedByRules(entry: Compared, other: Compared): Related | null {
  const [mine, theirs] = [factsOf(entry.text), factsOf(other.text)];
  const pairs = mine.flatMap((one) =>
    theirs.filter(({ subject, attribute }) => subject === one.subject && attribute === one.attribute).map((old) => ({ one, old })),
  );
  const differing = pairs.find(({ one, old }) => one.value !== old.value && !isWithin(one.value, old.value));
  const to = other.id;
  if (differing !== undefined)
    return differing.one.isChange ? { to, relation: 'update', confidence: SURE } : { to, relation: 'contradict', confidence: CONFLICT };
  const known = new Set(terms(other.text));
  return pairs.length > 0 && terms(entry.text).some((term) => !known.has(term)) ? { to, relation: 'extend', confidence: MORE } : null;
}

/** Graz, and Graz in Austria. */
function isWithin(one: string, other: string): boolean {
  return ` ${one} `.includes(` ${other} `) || ` ${other} `.includes(` ${one} `);
}
