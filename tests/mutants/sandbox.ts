import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Mutant } from './mutant.ts';
import { planted } from './mutants.ts';

/** The repository. */
export const ROOT: string = path.resolve(import.meta.dirname, '../..');

/** Two copies of the package's sources and the scenarios: one to plant bugs in, one as it is. In each, `nerva/*` means that copy. */
export interface Sandbox {
  readonly mutated: string;
  /** Taken at the same time, so that nobody who works on the sources meanwhile changes what is compared. */
  readonly sound: string;
  /** Puts one bug in, in place of the one before. @throws Error when it does not fit the sources. */
  plant(mutant: Mutant): void;
  remove(): void;
}

const SOURCES = 'packages/nerva/src';
const PARTS = [
  SOURCES,
  'packages/nerva/package.json',
  'tests/scenarios',
  'tests/mutants/scenarios.ts',
  'tests/mutants/derived.ts',
  'package.json',
];

/** Makes the copies in the folder for temporary files. */
export function sandbox(): Sandbox {
  const folder = mkdtempSync(path.join(tmpdir(), 'nerva-mutants-'));
  const [mutated, sound] = [path.join(folder, 'mutated'), path.join(folder, 'sound')];
  copy(ROOT, mutated);
  copy(mutated, sound);
  let undo = (): void => undefined;
  return {
    mutated,
    sound,
    plant(mutant) {
      undo();
      const file = path.join(mutated, SOURCES, mutant.file);
      const source = readFileSync(file, 'utf8');
      writeFileSync(file, planted(mutant, source));
      undo = () => writeFileSync(file, source);
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function copy(from: string, folder: string): void {
  const isRead = (file: string): boolean => !/\.(test|contract)\.ts$/.test(file);
  for (const part of PARTS) cpSync(path.join(from, part), path.join(folder, part), { recursive: true, filter: isRead });
  const modules = path.join(folder, 'node_modules');
  mkdirSync(modules);
  for (const name of readdirSync(path.join(ROOT, 'node_modules')))
    if (!name.startsWith('.') && !name.startsWith('nerva')) symlinkSync(path.join(ROOT, 'node_modules', name), path.join(modules, name));
  symlinkSync(path.join(folder, 'packages/nerva'), path.join(modules, 'nerva'));
}
