import { datesIn, nearness, type NamedDate } from './dates.ts';
import { stemOf, terms, words } from './words.ts';

/** What is read from a question. */
export interface Question {
  /** Each once, in its order; of a question that has nothing but names and words of asking, those. */
  readonly terms: readonly string[];
  readonly dates: readonly NamedDate[];
  /** How near a day, counted from 1970-01-01, is to the nearest of them: 0–1. O(1) for a day that was asked before. */
  readonly nearness: (day: number) => number;
  readonly asksWhen: boolean;
  /** Who said it, as far as the question is about one of those who speak: in the first person the user, or whom it says to have said it. */
  readonly speaker: 'user' | 'assistant' | null;
  /** Authors that it names, in lower case. */
  readonly named: ReadonlySet<string>;
}

const WHEN = /\b(?:when|how long|(?:what|which) (?:date|day|year|month|time))\b/i;
const FIRST_PERSON = /\b(?:my|i|me|mine)\b/i;
/** Of what an assistant said, one asks in the past: “can you suggest” asks for more. */
const SECOND_PERSON =
  /\b(?:(?:did|had|have) you|you (?:said|told|gave|suggested|recommended|mentioned|advised|proposed|listed|explained|provided|wrote|answered)|your (?:advice|answers?|suggestions?|recommendations?))\b/i;

/** What tells how to answer, or that it was said, and not what about. */
const ASKING = new RegExp(
  [
    `\\b(?:can|could|would|will) you(?: please)?(?: (?:list|give me|tell me|summari[sz]e|walk me through|provide|describe|explain|help me))?\\b`,
    `\\b(?:list |in )?(?:the )?(?:(?:chronological|correct|right) )?order(?: in which|(?=\\s*[?.!,]|$))`,
    `\\b(?:mention )?only(?: and only)?(?: \\w+)? (?:items?|things?|points?)\\b`,
    `\\b(?:based on|according to|through|throughout|across|during|from|over|in)(?: what we (?:discussed|said|talked about))?(?: \\w+)?` +
      ` (?:our|my|their|the|these|all)(?: (?:previous|past|earlier|different|whole|entire))? (?:conversations?|chats?|discussions?|sessions?|talks?|messages?)\\b`,
    `\\b(?:a |an |the )?(?:(?:comprehensive|brief|short|clear|detailed|full|complete|thorough) )*(?:summary|overview|recap) of\\b`,
    `\\b(?:i|we) (?:brought up|mentioned|discussed|talked about)\\b`,
    `\\b(?:different|various) aspects of\\b`,
  ].join('|'),
  'gi',
);

/** Reads a question about a talk of these authors, or, without any, about documents. O(length + authors). */
export function questionOf(query: string, authors: Iterable<string> | null): Question {
  const said = new Set(words(query));
  const named = new Set<string>();
  for (const author of authors ?? []) if (author !== '' && words(author).some((word) => said.has(word))) named.add(author);
  // A name is in nearly every turn of a talk between two, and tells who, not what.
  const names = new Set(Array.from(named).flatMap((author) => words(author).map(stemOf)));
  const all = Array.from(new Set(terms(query)));
  const about = authors === null ? all : Array.from(new Set(terms(query.replace(ASKING, ' '))));
  const [found = all] = [about, all].map((list) => list.filter((term) => !names.has(term))).filter(({ length }) => length > 0);
  const dates = datesIn(query);
  return {
    terms: found,
    dates,
    nearness: remembered((day) => dates.reduce((nearest, date) => Math.max(nearest, nearness(date, day)), 0)),
    asksWhen: WHEN.test(query),
    speaker: authors === null ? null : SECOND_PERSON.test(query) ? 'assistant' : FIRST_PERSON.test(query) ? 'user' : null,
    named,
  };
}

function remembered(of: (day: number) => number): (day: number) => number {
  const known = new Map<number, number>();
  return (day) => {
    const before = known.get(day);
    if (before !== undefined) return before;
    const value = of(day);
    known.set(day, value);
    return value;
  };
}
