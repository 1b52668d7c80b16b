import type { Json } from '../core/index.ts';

/** One place where two values differ; `before` or `after` is absent when the place exists on one side only. */
export interface Change {
  /** Keys and indexes from the root. */
  readonly path: readonly (string | number)[];
  readonly before?: Json;
  readonly after?: Json;
}

/** A place that both sides changed, to different ends. */
export interface Conflict {
  readonly path: readonly (string | number)[];
  readonly ours: Change;
  readonly theirs: Change;
}

/** The outcome of a three-way comparison. */
export interface ThreeWay {
  readonly ours: readonly Change[];
  readonly theirs: readonly Change[];
  /** Never settled here: whoever merges decides. Empty means both sides can be applied together. */
  readonly conflicts: readonly Conflict[];
}

/**
 * Exactly the places where two JSON values differ, in order of the keys. Objects are compared key by key and arrays of one
 * length index by index; arrays of different length, and values of different kind, differ as a whole. O(size).
 */
export function changes(before: Json, after: Json): Change[] {
  const found: Change[] = [];
  compare(before, after, [], found);
  return found;
}

/**
 * What each of two descendants changed of their common base, for example the states of a session and its fork with the
 * state at the fork point. A place that one side changed and the other changed too, above, at or below it, is a conflict
 * unless both came to equal values.
 */
export function diff(base: Json, ours: Json, theirs: Json): ThreeWay {
  const mine = changes(base, ours);
  const others = changes(base, theirs);
  const conflicts: Conflict[] = [];
  for (const our of mine) {
    for (const their of others) {
      if (!overlap(our.path, their.path) || isSame(our, their)) continue;
      conflicts.push({ path: our.path.length <= their.path.length ? our.path : their.path, ours: our, theirs: their });
    }
  }
  return { ours: mine, theirs: others, conflicts };
}

function compare(before: Json, after: Json, path: readonly (string | number)[], found: Change[]): void {
  if (before === after) return;
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) {
    for (let index = 0; index < before.length; index++) compare(before[index] as Json, after[index] as Json, [...path, index], found);
    return;
  }
  if (!isObject(before) || !isObject(after)) {
    if (!isEqual(before, after)) found.push({ path, before, after });
    return;
  }
  for (const key of [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()) {
    const [was, is] = [Object.hasOwn(before, key), Object.hasOwn(after, key)];
    if (was && is) compare(before[key] as Json, after[key] as Json, [...path, key], found);
    else if (was) found.push({ path: [...path, key], before: before[key] as Json });
    else found.push({ path: [...path, key], after: after[key] as Json });
  }
}

const isObject = (value: Json): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isEqual = (left: Json, right: Json): boolean => {
  if (left === right) return true;
  if (
    typeof left !== 'object' ||
    typeof right !== 'object' ||
    left === null ||
    right === null ||
    Array.isArray(left) !== Array.isArray(right)
  )
    return false;
  return Array.isArray(left) && Array.isArray(right) && left.length !== right.length ? false : changes(left, right).length === 0;
};

/** One path begins with the other. */
const overlap = (left: readonly (string | number)[], right: readonly (string | number)[]): boolean =>
  left.slice(0, right.length).every((key, index) => key === right[index]);

const isSame = (our: Change, their: Change): boolean => {
  if (our.path.length !== their.path.length) return false;
  if (our.after === undefined || their.after === undefined) return our.after === their.after;
  return isEqual(our.after, their.after);
};
