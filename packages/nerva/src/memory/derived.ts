import type { EventId } from '../log/index.ts';
import type { EntryKind } from './kinds.ts';

/** What can be found in a text: what an entry can be about, and when, how much, and what somebody takes upon themselves. */
export type ItemType = EntryKind | 'date' | 'quantity' | 'commitment';

/** Something that was found in a text. Where its words stand exactly: UTF-16, `text.slice(start, end)`; both null where they do not. */
export interface DerivedItem {
  readonly type: ItemType;
  /** A name as it is written; a date as `2026-05-07`, `2026-05` or `2026`; a quantity as `5 km`; what is liked, or is to be done. */
  readonly name: string;
  readonly start: number | null;
  readonly end: number | null;
  /** 0–1. */
  readonly confidence: number;
  /** Of a date: its first day, and the first after it. Of a commitment that says by when: that day. */
  readonly from?: string;
  readonly until?: string;
  /** Of a quantity. */
  readonly value?: number;
  readonly unit?: string;
  /** Of a preference or a commitment: whose; `I` is whoever speaks. */
  readonly who?: string;
  readonly sentiment?: 'likes' | 'dislikes' | 'prefers';
}

/** How two things in a text belong together. */
export const ITEM_RELATIONS = ['works_at', 'knows', 'manages', 'relates_to', 'prefers', 'part_of'] as const;

/** Two items of a text by their names. */
export interface ItemRelation {
  readonly from: string;
  readonly to: string;
  readonly type: (typeof ITEM_RELATIONS)[number];
  /** 0–1. */
  readonly confidence: number;
}

/** What somebody made of an entry's text. */
export interface Derivation {
  /** Name and version: `rules@1`. A higher version takes the place of a lower one of the same name. */
  readonly by: string;
  /** At least one. */
  readonly items: readonly DerivedItem[];
  readonly relations: readonly ItemRelation[];
  /** Why there is only a note: the code of an error; null where it went well. */
  readonly failure: string | null;
}

/** How a new entry stands to one that was there: in its place from now on, beside it, following from it, or against it. */
export const EVOLUTIONS = ['update', 'extend', 'derive', 'contradict'] as const;

/** An entry that was there, and how a newer one stands to it. */
export interface Related {
  readonly to: EventId;
  readonly relation: (typeof EVOLUTIONS)[number];
  /** 0–1. From .8 on an update and a contradiction count: what began later holds from then on, and the other until then. */
  readonly confidence: number;
}

/** What somebody says of how an entry stands to those before it. */
export interface Evolution {
  readonly by: string;
  /** 10 at most; empty where it stands to none. */
  readonly relations: readonly Related[];
}

/** Items of a derivation, and relations between them. */
export const ITEMS_MAX = 50;
/** Characters of an item's name. */
export const ITEM_CHARS_MAX = 200;
/** Entries that a new one is compared with. */
export const COMPARED_MAX = 10;
/** From here on a relation counts. */
export const HIGH = 0.8;

/** Whether two entries say what cannot both be so, and surely enough that somebody should look. */
export function needsResolution({ relation, confidence }: Related): boolean {
  return relation === 'contradict' && confidence >= HIGH;
}
