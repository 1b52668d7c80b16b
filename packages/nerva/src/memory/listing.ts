import { checkOptions, checkRange, NervaError } from '../core/index.ts';
import type { EventId, Seq, Sid } from '../log/index.ts';
import type { Archive } from './archive.ts';
import { seqOf, type Entry } from './entries.ts';
import { fitsOf, passesOf, RECALLED, type RecallQuery } from './query.ts';

/** Which entries are counted: as `recall` finds them, what holds now where nothing else is said. */
export interface CountQuery extends Omit<RecallQuery, 'limit'> {
  /** Whether also those are that do not hold: superseded, ended, forgotten, or of a time to come. Default false. Then it takes no `validAtMs` and no `knownAtMs`. */
  readonly isAll?: boolean;
}

/** Which entries are listed. */
export interface ListQuery extends CountQuery {
  /** 1–1,000, default 100. */
  readonly limit?: number;
  /** Only what was recorded after this entry, which need not be there any more: the last of the page before. */
  readonly after?: EventId;
}

const COUNTED = [...RECALLED.filter((name) => name !== 'limit'), 'isAll'];

/** A page of the entries, oldest first. O(entries after `after`, until the page is full). @throws OPTION_INVALID, OPTION_UNKNOWN */
export function listed(
  archive: Archive,
  query: ListQuery,
  { sid, nowMs }: { readonly sid: Sid; readonly nowMs: number },
): readonly Entry[] {
  checkOptions(query, [...COUNTED, 'limit', 'after'], 'list');
  const limit = Math.floor(checkRange('limit', query.limit ?? 100, 1, 1_000));
  const fits = fitsIn(query, nowMs);
  const page: Entry[] = [];
  for (const entry of archive.values(query.after === undefined ? -1 : placeOf(query.after, sid)))
    if (fits(entry) && page.push(entry) === limit) break;
  return page;
}

/** How many there are. O(entries), of all without a filter O(1). @throws OPTION_INVALID, OPTION_UNKNOWN */
export function counted(archive: Archive, query: CountQuery, nowMs: number): number {
  checkOptions(query, COUNTED, 'count');
  const fits = fitsIn(query, nowMs);
  if (query.isAll === true && Object.keys(query).length === 1) return archive.size;
  let count = 0;
  for (const entry of archive.values()) if (fits(entry)) count++;
  return count;
}

function fitsIn({ isAll = false, ...query }: CountQuery, nowMs: number): (entry: Entry) => boolean {
  if (typeof isAll !== 'boolean') throw new NervaError('OPTION_INVALID', `isAll is true or false; ${typeof isAll} came.`);
  if (!isAll) return fitsOf(query, nowMs);
  if (query.validAtMs !== undefined || query.knownAtMs !== undefined)
    throw new NervaError('OPTION_INVALID', 'What does not hold is listed as of no time: leave out isAll, or validAtMs and knownAtMs.');
  return passesOf(query);
}

/** Where in the log it is. @throws OPTION_INVALID for the id of something else. */
function placeOf(after: EventId, sid: Sid): Seq {
  const seq = typeof after === 'string' && after.startsWith(`${sid}:`) ? seqOf(after) : NaN;
  if (Number.isSafeInteger(seq) && after === `${sid}:${seq}`) return seq;
  throw new NervaError('OPTION_INVALID', `after is the id of an entry of ${sid}; ${JSON.stringify(after) ?? 'undefined'} came.`);
}
