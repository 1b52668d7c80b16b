import { NervaError } from '../core/index.ts';

/** Different makers of derivations of one entry that are kept. */
const MAKERS_MAX = 8;
const BY = /^[A-Za-z0-9_.:/-]{1,80}@[1-9][0-9]{0,8}$/;

/** Name and version of a maker. @throws OPTION_INVALID for what is not `name@version`. */
export function checkMaker(by: string): string {
  if (isMaker(by)) return by;
  throw new NervaError(
    'OPTION_INVALID',
    `by is a name and a version, name@1, the name 1 to 80 of A-Za-z0-9_.:/-; ${JSON.stringify(String(by).slice(0, 100))} came. Nothing was made.`,
  );
}

/** Whether it is a name and a version. */
export function isMaker(by: unknown): by is string {
  return typeof by === 'string' && BY.test(by);
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
