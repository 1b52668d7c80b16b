import { checkOptions, checkRange, NervaError } from '../core/index.ts';
import { nearness, saysWhen, type NamedDate } from './dates.ts';
import { Postings, type Corpus } from './postings.ts';
import { questionOf, type Question } from './question.ts';
import { terms } from './words.ts';

/** A piece of text that can be found. */
export interface Passage {
  /** Unique in the index. */
  readonly id: string;
  readonly text: string;
  /** When it was said or written, in ms since 1970. */
  readonly atMs?: number;
  /** Who said it. In a conversation, `user` is whom a question in the first person is about. */
  readonly author?: string;
  /** What it belongs to: a session, a file. Passages of one group stand in the order in which they were added. */
  readonly group?: string;
}

/** A passage that was found. */
export interface Hit {
  readonly id: string;
  /** Higher is better; comparable within one search only. */
  readonly score: number;
  /** What the score is made of. */
  readonly why: Why;
}

/** Shares of a score: of the words, of what is said near it, of the group, of the date, of who said it, of a time that it says, and of its telling anything. They add up to it. */
export interface Why {
  readonly words: number;
  readonly near: number;
  readonly group: number;
  readonly date: number;
  readonly author: number;
  readonly time: number;
  readonly tells: number;
}

/** What `recallIndex` takes. */
export interface RecallOptions {
  /**
   * `conversation`: passages are turns; a short one is found by its neighbours' words too, and it counts who said it.
   * `documents`: each passage stands for itself. Default `documents`.
   */
  readonly kind?: 'conversation' | 'documents';
  /** Weights that differ from the measured ones, each 0–10; 0 leaves a feature out. */
  readonly shares?: Partial<Shares>;
}

/** How to look. */
export interface SearchOptions {
  readonly limit?: number;
  readonly only?: (id: string) => boolean;
}

/** How much each feature counts, where the best passage by words alone has 1. */
export interface Shares {
  /** Words of the question that are said within six turns of it. */
  readonly near: number;
  /** The score of its group, as a share of the best group's. */
  readonly group: number;
  /** A date of the question on which, or shortly before which, it was said. */
  readonly date: number;
  /** Who is named in the question said it. Never a filter: a question may name the wrong one. */
  readonly author: number;
  /** A question in the first person, and `user` said it; or it asks what was answered, and `assistant` did. */
  readonly user: number;
  /** It is asked when, and it says a time. */
  readonly time: number;
  /** It tells something, and does not only ask. */
  readonly tells: number;
  /**
   * The words of the turn before it, as a part of its own, when that asks something: an answer does not say again what was asked. And
   * when it does not; of the two before that; and of the one behind it.
   */
  readonly asked: number;
  readonly before: number;
  readonly secondBefore: number;
  readonly thirdBefore: number;
  readonly behind: number;
  /** A word that is said where the asked one is meant (a dog, of pets), as a part of that; and one that begins like it. In conversations. */
  readonly kin: number;
  readonly alike: number;
}

/** Measured on conversations, `bench/memory.mjs`; what each gives stands in docs/decisions/0016-recall-by-words.md. */
const SHARES: Shares = {
  near: 0.3,
  group: 0.25,
  date: 0.5,
  author: 0.2,
  user: 0.8,
  time: 0.1,
  tells: 0.2,
  asked: 0.8,
  before: 0.2,
  secondBefore: 0.25,
  thirdBefore: 0.1,
  behind: 0.25,
  kin: 0.3,
  alike: 0.4,
};
const NAMES = Object.keys(SHARES) as (keyof Shares)[];

/**
 * An index in memory by which passages are found, by their words and by what stands around them; without a model.
 * Ranking: BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009) over stems, the best piece of a long passage, a
 * share of its group's own score, and what a question says of dates and people. The weights were measured: docs/decisions.
 * Invariants: R1 what was removed is not found · R2 the same passages in the same order of groups rank the same, however they came to be there.
 */
export interface RecallIndex {
  readonly size: number;
  /**
   * Adds a passage at the end of its group; one with the same id goes. O(length).
   * @throws OPTION_INVALID for a text of more than 1,000,000 characters: cut it, each part under an id of its own. Nothing was changed.
   */
  add(passage: Passage): void;
  /** @returns false when there is none with this id. O(length). */
  remove(id: string): boolean;
  /**
   * The best passages for a question, best first; `limit` 1–1,000, default 10. What `only` refuses is left out before anything is ranked,
   * and no share is measured by it; in a conversation its words still count for the turns beside it. Of a question its first 20,000 characters are
   * read, and of more than 64 terms the rarest 64 looked for. O(passages that share a word with it, or
   * lie near a day that it names).
   */
  search(query: string, options?: SearchOptions): readonly Hit[];
}

const QUESTION = /[?？؟]/;
const DAY_MS = 86_400_000;
/** Characters of a passage. */
export const TEXT_MAX = 1_000_000;
/** Characters of a question that are read. */
export const QUESTION_MAX = 20_000;
/** A sentence, with what ends it. */
const SENTENCE = /[^.!?…。！？؟]+[.!?…。！？؟]*/g;

/**
 * Makes an empty index.
 * @throws OPTION_UNKNOWN, OPTION_INVALID
 */
export function recallIndex(options: RecallOptions = {}): RecallIndex {
  checkOptions(options, ['kind', 'shares'], 'recallIndex');
  checkOptions(options.shares ?? {}, NAMES, 'recallIndex shares');
  const shares = { ...SHARES, ...options.shares };
  for (const name of NAMES) checkRange(`shares.${name}`, shares[name], 0, 10);
  const { kind = 'documents' } = options;
  if (kind !== 'documents' && kind !== 'conversation')
    throw new NervaError(
      'OPTION_INVALID',
      `recallIndex: kind must be "conversation" or "documents"; ${JSON.stringify(kind)} came. Nothing was made.`,
    );
  return new Ranker(kind, shares);
}

/** A passage whose stems were found before. */
export type Stemmed = Passage & { readonly stems: readonly string[] };

/** What was found among some of a whole. */
export interface Ranked {
  readonly hits: readonly Hit[];
  /** Whether a passage whose words score no more than this could stand among the hits, or change their scores; where there is no more beside its words, one that is younger than all of those. */
  readonly admits: (words: number) => boolean;
}

/** Ranks some documents of a whole as `recallIndex` does the whole, as far as it would find those first. */
export function rankAmong(corpus: Corpus, passages: readonly Stemmed[], asked: { readonly query: string; readonly limit: number }): Ranked {
  const ranker = new Ranker('documents', SHARES, corpus);
  for (const passage of passages) ranker.add(passage, passage.stems);
  return ranker.ranked(asked.query, { limit: asked.limit });
}

/** What is known of a passage beside its words. */
interface Known {
  readonly id: string;
  readonly author: string;
  readonly day: number | null;
  readonly saysWhen: boolean;
  readonly onlyAsks: boolean;
}

class Ranker implements RecallIndex {
  readonly #isConversation: boolean;
  readonly #shares: Shares;
  readonly #postings: Postings;
  readonly #slots = new Map<string, number>();
  /** By slot; of what is gone nothing. */
  readonly #known: (Known | undefined)[] = [];
  readonly #days = new Map<number, Set<number>>();
  /** How many passages each author has. */
  readonly #authors = new Map<string, number>();

  constructor(kind: 'conversation' | 'documents', shares: Shares, corpus: Corpus | null = null) {
    this.#isConversation = kind === 'conversation';
    this.#shares = shares;
    this.#postings = new Postings(this.#isConversation ? shares : null, corpus);
  }

  get size(): number {
    return this.#slots.size;
  }

  add(passage: Passage, stems: readonly string[] = terms(passage.text)): void {
    checkRange('characters of a passage', passage.text.length, 0, TEXT_MAX);
    this.remove(passage.id);
    const { id, text, atMs, author = '', group = '' } = passage;
    const slot = this.#postings.add(stems, group, QUESTION.test(text));
    const day = atMs === undefined ? null : Math.floor(atMs / DAY_MS);
    this.#slots.set(id, slot);
    this.#known[slot] = {
      id,
      author: author.toLowerCase(),
      day,
      saysWhen: saysWhen(text),
      onlyAsks: this.#isConversation && onlyAsks(text),
    };
    this.#authors.set(author.toLowerCase(), (this.#authors.get(author.toLowerCase()) ?? 0) + 1);
    if (day === null) return;
    const sameDay = this.#days.get(day) ?? new Set();
    this.#days.set(day, sameDay.add(slot));
  }

  remove(id: string): boolean {
    const slot = this.#slots.get(id);
    const known = slot === undefined ? undefined : this.#known[slot];
    if (slot === undefined || known === undefined) return false;
    this.#postings.remove(slot);
    this.#slots.delete(id);
    this.#known[slot] = undefined;
    const left = (this.#authors.get(known.author) ?? 1) - 1;
    if (left === 0) this.#authors.delete(known.author);
    else this.#authors.set(known.author, left);
    const sameDay = known.day === null ? undefined : this.#days.get(known.day);
    if (known.day !== null && sameDay?.delete(slot) === true && sameDay.size === 0) this.#days.delete(known.day);
    return true;
  }

  search(query: string, options: SearchOptions = {}): readonly Hit[] {
    return this.ranked(query, options).hits;
  }

  ranked(query: string, options: SearchOptions): Ranked {
    const limit = checkRange('limit', options.limit ?? 10, 1, 1_000);
    const { only } = options;
    const fits = (slot: number): boolean => only === undefined || only(this.#idOf(slot));
    const question = questionOf(query.slice(0, QUESTION_MAX), this.#isConversation ? this.#authors.keys() : null);
    const found = this.#postings.score(question.terms, only === undefined ? undefined : fits);
    const best = largest(found.scores);
    const top = new Top(limit);
    const rest = this.#mostBeside(question, found.groupMost);
    const offer = (slot: number, score: number): void => {
      const words = best === 0 ? 0 : score / best;
      if (!top.takes(slot, words + rest)) return;
      const why = this.#why(question, slot, { words, group: found.group(slot) });
      // What is near is looked at only where it can matter.
      if (top.takes(slot, sum(why) + this.#shares.near))
        top.offer(slot, score > 0 ? { ...why, near: this.#shares.near * found.near(slot) } : why);
    };
    // The better half first: then most of the rest cannot be among the best, and is not looked at.
    const { slots, scores } = found;
    for (const isBetter of [true, false])
      for (let at = 0; at < slots.length; at++) {
        const score = scores[at] ?? 0;
        if (score > best / 2 === isBetter) offer(slots[at] ?? -1, score);
      }
    const exact = question.dates.filter(({ month }) => month !== null);
    if (exact.length > 0) {
      const isFound = new Set(found.slots);
      for (const slot of this.#near(exact)) if (!isFound.has(slot) && fits(slot)) offer(slot, 0);
    }
    const hits = top.hits((slot) => this.#idOf(slot));
    const last = hits.length < limit ? undefined : hits.at(-1);
    const admits = (words: number): boolean => {
      if (last === undefined) return true;
      const most = words / best + rest;
      return most > last.score || (rest > 0 && most === last.score);
    };
    return { hits, admits };
  }

  #idOf(slot: number): string {
    return this.#known[slot]?.id ?? '';
  }

  /** Passages on or shortly after named days; a bare year would name too many. */
  *#near(dates: readonly NamedDate[]): Iterable<number> {
    for (const [day, slots] of this.#days) if (dates.some((date) => nearness(date, day) > 0)) yield* slots;
  }

  /** More than that nothing can have beside its words. */
  #mostBeside({ dates, named, speaker, asksWhen }: Question, groupMost: number): number {
    const { near, group, date, author, user, time, tells } = this.#shares;
    return (
      (this.#isConversation ? near + tells : 0) +
      group * groupMost +
      (dates.length > 0 ? date : 0) +
      (named.size > 0 ? author : 0) +
      (speaker === null ? 0 : user) +
      (asksWhen ? time : 0)
    );
  }

  #why(question: Question, slot: number, shares: { readonly words: number; readonly group: number }): Why {
    const weights = this.#shares;
    const known = this.#known[slot];
    const { day = null, author = '' } = known ?? {};
    const date = day === null || question.dates.length === 0 ? 0 : question.nearness(day);
    const isFound = shares.words > 0;
    const isNamed = isFound && question.named.has(author);
    const isSpeakers = isFound && author === question.speaker;
    return {
      words: shares.words,
      near: 0,
      group: weights.group * shares.group,
      date: weights.date * date,
      author: (isNamed ? weights.author : 0) + (isSpeakers ? weights.user : 0),
      time: isFound && question.asksWhen && known?.saysWhen === true ? weights.time : 0,
      tells: this.#isConversation && known?.onlyAsks === false ? weights.tells : 0,
    };
  }
}

const largest = (values: Iterable<number>): number => {
  let largest = 0;
  for (const value of values) if (value > largest) largest = value;
  return largest;
};

const sum = ({ words, near, group, date, author, time, tells }: Why): number => words + near + group + date + author + time + tells;

/** Whether each sentence that says anything is a question. */
function onlyAsks(text: string): boolean {
  if (!QUESTION.test(text)) return false;
  return (text.match(SENTENCE) ?? []).every((sentence) => QUESTION.test(sentence) || terms(sentence).length === 0);
}

interface Offer {
  readonly slot: number;
  readonly score: number;
  readonly why: Why;
}

/** The best so far, best first; of equals the older. O(log limit) for what is not among them, O(limit) for what is. */
class Top {
  readonly #limit: number;
  readonly #offers: Offer[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether one with this score is, or would be, among them. */
  takes(slot: number, score: number): boolean {
    const last = this.#offers[this.#limit - 1];
    return score > 0 && (last === undefined || last.score < score || (last.score === score && last.slot > slot));
  }

  offer(slot: number, why: Why): void {
    const score = sum(why);
    if (!this.takes(slot, score)) return;
    const offers = this.#offers;
    const isBehind = (one: Offer): boolean => one.score < score || (one.score === score && one.slot > slot);
    let [low, high] = [0, offers.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBehind(offers[middle] as Offer)) high = middle;
      else low = middle + 1;
    }
    offers.splice(low, 0, { slot, score, why });
    if (offers.length > this.#limit) offers.pop();
  }

  hits(idOf: (slot: number) => string): readonly Hit[] {
    return this.#offers.map(({ slot, score, why }) => ({ id: idOf(slot), score, why }));
  }
}
