import path from 'node:path';
import ignore, { type Ignore } from 'ignore';

/** What the `.gitignore` files of a folder and of those above it leave out. */
export interface Ignored {
  has(name: string, isFolder: boolean): boolean;
  /** With the rules of a folder below, which count more. */
  under(folder: string, rules: string): Ignored;
}

interface Level {
  readonly folder: string;
  readonly rules: Ignore;
}

/** Nothing is left out. */
export function makeIgnore(levels: readonly Level[] = []): Ignored {
  return {
    has(name, isFolder) {
      // The nearest rule that says anything decides, as Git has it.
      for (const { folder, rules } of levels.toReversed()) {
        const relative = path.relative(folder, name).split(path.sep).join('/');
        const { ignored, unignored } = rules.test(isFolder ? `${relative}/` : relative);
        if (ignored || unignored) return ignored;
      }
      return false;
    },
    under: (folder, rules) => (rules.trim() === '' ? makeIgnore(levels) : makeIgnore([...levels, { folder, rules: ignore().add(rules) }])),
  };
}
