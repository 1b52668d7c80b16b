import type { EventId } from '../log/index.ts';
import {
  COMPARED_MAX,
  EVOLUTIONS,
  ITEM_CHARS_MAX,
  ITEM_RELATIONS,
  ITEMS_MAX,
  type Derivation,
  type DerivedItem,
  type Evolution,
  type ItemRelation,
  type ItemType,
  type Related,
} from './derived.ts';
import { ENTRY_KINDS } from './kinds.ts';
import { isMaker } from './makers.ts';

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

const isList = (value: unknown, max: number): value is readonly unknown[] => Array.isArray(value) && value.length <= max;
const isName = (value: unknown): boolean => typeof value === 'string' && value !== '' && value.length <= ITEM_CHARS_MAX;
const isShare = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value <= 1;
const isPlace = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isOneOf = (list: readonly string[], value: unknown): boolean => list.includes(value as string);

/** An object that is no list. */
export function isRecord(value: unknown): value is Unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
