import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import type { Found, Hunted } from './hunt.ts';
import type { Mutant } from './mutant.ts';

/** What was found so far: a search of the whole table may be made in pieces. */
export interface Keep {
  /** What became of a bug, if it stands there unchanged; null: of the sources as they are. */
  of(mutant: Mutant | null): Found | undefined;
  add(mutant: Mutant | null, found: Found): void;
}

/** The text of a bug, or null for the sources as they are. */
type Planted = Pick<Mutant, 'name' | 'file' | 'find' | 'replace'> | null;

interface Line {
  readonly mutant: Planted;
  readonly found: Found;
}

/** Keeps results in a file, a line of JSON each; without one it keeps nothing. Results of other sources are not told apart: begin a new file. */
export function keepIn(file: string | undefined): Keep {
  const text = file !== undefined && existsSync(file) ? readFileSync(file, 'utf8') : '';
  const lines = text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Line]));
  return {
    of: (mutant) => lines.findLast((line) => keyOf(line.mutant) === keyOf(mutant))?.found,
    add(mutant, found) {
      if (file !== undefined) appendFileSync(file, `${JSON.stringify({ mutant: plantedOf(mutant), found } satisfies Line)}\n`);
    },
  };
}

function plantedOf(mutant: Planted): Planted {
  if (mutant === null) return null;
  const { name, file, find, replace } = mutant;
  return { name, file, find, replace };
}

const keyOf = (mutant: Planted): string => JSON.stringify(plantedOf(mutant));

/** Those of the table of which something is kept. */
export function keptOf(keep: Keep, mutants: readonly Mutant[]): readonly Hunted[] {
  return mutants.flatMap((mutant) => {
    const found = keep.of(mutant);
    return found === undefined ? [] : [{ mutant, found }];
  });
}
