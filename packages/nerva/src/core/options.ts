import { NervaError } from './errors.ts';

/**
 * Refuses an options object with a name that is not in `known`. `where` names the function for the message, e.g. `createRuntime`.
 * @throws OPTION_UNKNOWN with the nearest known name in `details.nearest`; OPTION_INVALID when `given` is no object.
 */
export function checkOptions(given: unknown, known: readonly string[], where: string): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new NervaError(
      'OPTION_INVALID',
      `${where} takes an options object; ${given === null ? 'null' : Array.isArray(given) ? 'an array' : `a ${typeof given}`} came.`,
    );
  }
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    const nearest = nearestOf(name, known);
    const hint = nearest === null ? `Known: ${known.join(', ')}.` : `Did you mean "${nearest}"?`;
    throw new NervaError('OPTION_UNKNOWN', `${where} has no option "${name}". ${hint} Nothing was made.`, { details: { name, nearest } });
  }
}

/**
 * Returns `value` when it is a number from `min` to `max`, both inclusive. NaN never is; infinity only when `max` is.
 * @throws OPTION_INVALID
 */
export function checkRange(name: string, value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value;
  const came = typeof value === 'number' ? String(value) : value === null ? 'null' : `a ${typeof value}`;
  throw new NervaError('OPTION_INVALID', `${name} must be a number from ${min} to ${max}; ${came} came. Nothing was made.`, {
    details: { name, min, max },
  });
}

/** The known name that differs least, or null when none is near: at most a third of its letters, and two at least. */
export function nearestOf(name: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = Infinity;
  for (const candidate of known) {
    const distance = levenshtein(name.toLowerCase().slice(0, 64), candidate.toLowerCase());
    if (distance < bestDistance && distance <= Math.max(2, candidate.length / 3)) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Edit distance, two rows (Wagner and Fischer 1974, doi:10.1145/321796.321811): names are short, so the plain form will do. */
function levenshtein(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
