import { checkRange } from '../core/index.ts';
import type { EventId } from '../log/index.ts';
import { ENTRY_KINDS, type EntryKind } from './kinds.ts';

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
/** Different makers of derivations of one entry that are kept. */
const MAKERS_MAX = 8;
const BY = /^[A-Za-z0-9_.:/-]{1,80}@[1-9][0-9]{0,8}$/;

/** Whether two entries say what cannot both be so, and surely enough that somebody should look. */
export function needsResolution({ relation, confidence }: Related): boolean {
  return relation === 'contradict' && confidence >= HIGH;
}

/** Name and version of a maker. @throws OPTION_INVALID for what is not `name@version`. */
export function checkMaker(by: string): string {
  checkRange('maker, name@version,', BY.test(by) ? 1 : 0, 1, 1);
  return by;
}

/** Whether what `by` makes would change what stands: nothing of that name is there, or of a lower version. */
export function isNewer(standing: readonly { readonly by: string }[], by: string): boolean {
  const old = standing.find((one) => nameOf(one.by) === nameOf(by));
  return old === undefined ? standing.length < MAKERS_MAX : versionOf(old.by) < versionOf(by);
}

/** With what was made now in the place of what the same maker made before. */
export function withNewer<T extends { readonly by: string }>(standing: readonly T[], made: T): readonly T[] {
  return isNewer(standing, made.by) ? [...standing.filter((one) => nameOf(one.by) !== nameOf(made.by)), made] : standing;
}

const nameOf = (by: string): string => by.slice(0, by.lastIndexOf('@'));
const versionOf = (by: string): number => Number(by.slice(by.lastIndexOf('@') + 1));

/** What filters see of an entry's derivations: each list without repetitions. */
export function derivedFields(derived: readonly Derivation[]): Readonly<Record<DerivedField, readonly string[]>> {
  const items = derived.flatMap((one) => one.items);
  const of = (...types: readonly ItemType[]): readonly string[] =>
    Array.from(
      new Set(items.filter(({ type }) => types.includes(type)).map(({ name, from }) => (types[0] === 'date' ? (from ?? name) : name))),
    );
  return {
    people: of('person'),
    dates: of('date'),
    quantities: of('quantity'),
    preferences: of('preference'),
    commitments: of('commitment', 'task'),
    organizations: of('organization'),
    locations: of('location'),
  };
}

/** Fields of a filter that come from derivations. */
export const DERIVED_FIELDS = ['people', 'dates', 'quantities', 'preferences', 'commitments', 'organizations', 'locations'] as const;
type DerivedField = (typeof DERIVED_FIELDS)[number];

type Unknown = Readonly<Record<string, unknown>>;

/** A derivation as a log says it, or null where it is none: of a text of that length. Whoever may write the log may write anything into it. */
export function readDerivation(data: Unknown, textLength: number): Derivation | null {
  const { by, items, relations = [], failure = null } = data;
  if (!isMaker(by) || !isList(items, ITEMS_MAX) || items.length === 0 || !isList(relations, ITEMS_MAX)) return null;
  if (failure !== null && typeof failure !== 'string') return null;
  if (!items.every((item) => isItem(item, textLength)) || !relations.every(isItemRelation)) return null;
  return { by, items: items as readonly DerivedItem[], relations: relations as readonly ItemRelation[], failure };
}

/** How an entry stands to others as a log says it, or null where it says nothing of the kind. */
export function readEvolution(data: Unknown, from: EventId): Evolution | null {
  const { by, relations } = data;
  if (!isMaker(by) || !isList(relations, COMPARED_MAX)) return null;
  const isRight = relations.every(
    (one) =>
      isRecord(one) &&
      typeof one['to'] === 'string' &&
      one['to'] !== from &&
      isOneOf(EVOLUTIONS, one['relation']) &&
      isShare(one['confidence']),
  );
  return isRight ? { by, relations: relations as readonly Related[] } : null;
}

function isItem(item: unknown, textLength: number): boolean {
  if (!isRecord(item)) return false;
  const { type, name, start, end, confidence, value, sentiment } = item;
  const isNowhere = start === null && end === null;
  return (
    isOneOf(ITEM_TYPES, type) &&
    isName(name) &&
    isShare(confidence) &&
    (isNowhere || (isPlace(start) && isPlace(end) && start < end && end <= textLength)) &&
    ['from', 'until', 'unit', 'who'].every((field) => item[field] === undefined || isName(item[field])) &&
    (value === undefined || Number.isFinite(value)) &&
    (sentiment === undefined || isOneOf(['likes', 'dislikes', 'prefers'], sentiment))
  );
}

function isItemRelation(relation: unknown): boolean {
  if (!isRecord(relation)) return false;
  const { from, to, type, confidence } = relation;
  return isName(from) && isName(to) && isOneOf(ITEM_RELATIONS, type) && isShare(confidence);
}

/** All types of items. */
const ITEM_TYPES: readonly ItemType[] = [...ENTRY_KINDS, 'date', 'quantity', 'commitment'];

const isMaker = (by: unknown): by is string => typeof by === 'string' && BY.test(by);
const isList = (value: unknown, max: number): value is readonly unknown[] => Array.isArray(value) && value.length <= max;
const isName = (value: unknown): boolean => typeof value === 'string' && value !== '' && value.length <= ITEM_CHARS_MAX;
const isShare = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value <= 1;
const isPlace = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isOneOf = (list: readonly string[], value: unknown): boolean => list.includes(value as string);

/** An object that is no list. */
export function isRecord(value: unknown): value is Unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
