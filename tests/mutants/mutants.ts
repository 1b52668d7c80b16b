import type { Mutant } from './mutant.ts';
import { DRIVER_MUTANTS } from './mutants-driver.ts';
import { FOLD_MUTANTS } from './mutants-fold.ts';
import { MORE_MUTANTS } from './mutants-more.ts';
import { REST_MUTANTS } from './mutants-rest.ts';
import { STORE_MUTANTS } from './mutants-store.ts';

/** All planted bugs, by the part of the kernel that they break. */
export const MUTANTS: readonly Mutant[] = [...DRIVER_MUTANTS, ...FOLD_MUTANTS, ...STORE_MUTANTS, ...REST_MUTANTS, ...MORE_MUTANTS];

/**
 * The source with the bug in it.
 * @throws Error when the text to be changed is not there exactly once: the mutant must follow the source.
 */
export function planted({ name, file, find, replace }: Mutant, source: string): string {
  const count = source.split(find).length - 1;
  if (count !== 1)
    throw new Error(`Mutant ${name}: its text occurs ${count} times in ${file}; expected once. Bring the mutant up to date.`);
  return source.replace(find, () => replace);
}
