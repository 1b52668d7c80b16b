import type { Mutant, Site } from './operators.ts';

/** The name of the switch in the instrumented sources: `mutant$(7)` says whether mutant 7 is the one that lives, and notes the visit. */
export const SWITCH = 'mutant$';

interface Place extends Site {
  /** Each with its number. */
  readonly mutants: (readonly [number, Mutant])[];
  readonly inner: Place[];
}

/**
 * A source file with all of its mutants in it, each behind the switch: mutant schemata (R. Untch, J. Offutt, M. J. Harrold,
 * “Mutation analysis using mutant schemata”, ISSTA 1993; as in StrykerJS, Apache-2.0). Chosen because a process then tries
 * thousands of mutants without loading anything again. Lines keep their numbers.
 * @param first the number of the first mutant; the others follow in order.
 */
export function instrumented(text: string, mutants: readonly Mutant[], first: number): string {
  const places = new Map<string, Place>();
  for (const [index, mutant] of mutants.entries()) {
    const { kind, start, end } = mutant.site;
    const key = `${kind} ${start} ${end}`;
    const place = places.get(key) ?? { kind, start, end, mutants: [], inner: [] };
    place.mutants.push([first + index, mutant]);
    places.set(key, place);
  }
  const prelude = `const ${SWITCH} = globalThis.${SWITCH} ?? (() => false); `;
  return prelude + written(text, { start: 0, end: text.length, inner: nested([...places.values()]) });
}

/** Places in places, by their ranges; those that are in no other. */
function nested(places: readonly Place[]): Place[] {
  const outer: Place[] = [];
  const open: Place[] = [];
  // A statement and the expression in it may have one range; the statement is the outer one.
  const rank = ({ kind }: Place): number => (kind === 'statement' ? 0 : 1);
  for (const place of [...places].sort((one, other) => one.start - other.start || other.end - one.end || rank(one) - rank(other))) {
    while ((open.at(-1)?.end ?? Infinity) <= place.start) open.pop();
    (open.at(-1)?.inner ?? outer).push(place);
    open.push(place);
  }
  return outer;
}

function written(text: string, { start, end, inner }: Pick<Place, 'start' | 'end' | 'inner'>): string {
  let at = start;
  let result = '';
  for (const place of inner) {
    // The dot before a method's name goes with it.
    const before = text.slice(at, place.start);
    result += place.kind === 'method' ? before.replace(/(\?\.)$|\.$/, '$1') : before;
    result += switched(text, place);
    at = place.end;
  }
  return result + text.slice(at, end);
}

function switched(text: string, place: Place): string {
  const original = written(text, place);
  if (place.kind === 'statement') return `{ if (!${SWITCH}(${place.mutants[0]?.[0]})) ${original} }`;
  const chosen = place.mutants.map(([number, { start, end, to }]) => {
    const changed = text.slice(place.start, start) + to + text.slice(end, place.end);
    return `${SWITCH}(${number}) ? ${place.kind === 'method' ? `'${changed}'` : `(${changed})`} : `;
  });
  return place.kind === 'method' ? `[${chosen.join('')}'${original}']` : `(${chosen.join('')}(${original}))`;
}
