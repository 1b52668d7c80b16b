import { checkOptions, checkRange, NervaError } from '../core/index.ts';
import { DERIVED_FIELDS, derivedFields } from './derived-fields.ts';
import { holdsAt, TIME_MAX, type Entry, type Moment } from './entries.ts';
import { filterOf, type Fields, type Filter } from './filter.ts';
import type { Searching } from './hybrid.ts';
import type { EntryKind } from './kinds.ts';

/** What to look for. */
export interface RecallQuery {
  /** 1–100, default 10. */
  readonly limit?: number;
  /** What held then, ms since 1970; default now. */
  readonly validAtMs?: number;
  /** As far as it was recorded by then; default now. */
  readonly knownAtMs?: number;
  /** Only entries that have all of these. */
  readonly tags?: readonly string[];
  readonly kinds?: readonly EntryKind[];
  /**
   * Only entries that pass; over the fields `kind`, `tags`, `importance`, `validMs`, `recordedMs`, `source`, `subject`, `name` and `text`, and over what was made of
   * its text: `people`, `dates` (the first day of each, `2026-05-07`), `quantities`, `preferences`, `commitments`, `organizations`, `locations`.
   */
  readonly filter?: Filter;
  /** Only what holds since `fromMs` or later, and since before `untilMs`; ms since 1970. */
  readonly since?: { readonly fromMs?: number; readonly untilMs?: number };
}

/** How to search. */
export type SearchQuery = RecallQuery & Searching;

/** Names of what `recall` takes. */
export const RECALLED = ['limit', 'validAtMs', 'knownAtMs', 'tags', 'kinds', 'filter', 'since'];
/** Names of what `search` takes. */
export const SEARCHED = [...RECALLED, 'deep', 'fusion', 'form', 'scoreMin', 'signal'];
const FIELDS = ['kind', 'tags', 'importance', 'validMs', 'recordedMs', 'source', 'subject', 'name', 'text', ...DERIVED_FIELDS];

/** Of one entry. */
export const TAGS_MAX = 64;
/** Of one tag. */
export const TAG_CHARS_MAX = 200;

/** Whether it is what tags may be. */
export function isTags(tags: unknown): tags is readonly string[] {
  return Array.isArray(tags) && tags.length <= TAGS_MAX && tags.every((tag) => typeof tag === 'string' && tag.length <= TAG_CHARS_MAX);
}

/** Which entries may be found; all else has no part in a ranking. @throws OPTION_INVALID, OPTION_UNKNOWN */
export function fitsOf({ validAtMs, knownAtMs, ...query }: RecallQuery, nowMs: number): (entry: Entry) => boolean {
  const moment: Moment = {
    validAtMs: checkRange('validAtMs', validAtMs ?? nowMs, -TIME_MAX, TIME_MAX),
    knownAtMs: checkRange('knownAtMs', knownAtMs ?? nowMs, -TIME_MAX, TIME_MAX),
  };
  const passes = passesOf(query);
  return (entry) => holdsAt(entry, moment) && passes(entry);
}

/** The same, whether they hold or not. @throws OPTION_INVALID, OPTION_UNKNOWN */
export function passesOf({ tags = [], kinds, filter, since = {} }: RecallQuery): (entry: Entry) => boolean {
  if (!isTags(tags) || (kinds !== undefined && !Array.isArray(kinds)))
    throw new NervaError('OPTION_INVALID', 'tags and kinds are lists of strings. Nothing was looked for.');
  const passes = filter === undefined ? null : filterOf(filter, FIELDS);
  checkOptions(since, ['fromMs', 'untilMs'], 'since');
  const fromMs = checkRange('since.fromMs', since.fromMs ?? -TIME_MAX, -TIME_MAX, TIME_MAX);
  const untilMs = checkRange('since.untilMs', since.untilMs ?? Infinity, -TIME_MAX, Infinity);
  return (entry) =>
    (kinds === undefined || kinds.includes(entry.kind)) &&
    tags.every((tag) => entry.tags.includes(tag)) &&
    entry.validMs >= fromMs &&
    entry.validMs < untilMs &&
    (passes === null || passes({ ...entry, ...derivedFields(entry.derived ?? []) } as unknown as Fields));
}
