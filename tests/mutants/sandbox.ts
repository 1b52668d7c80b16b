import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Mutant } from './mutant.ts';
import { planted } from './mutants.ts';

/** The repository. */
export const ROOT: string = path.resolve(import.meta.dirname, '../..');

/** A copy of the package's sources and the scenarios, in which `nerva/*` means the copy. */
export interface Sandbox {
  readonly folder: string;
  /** Puts one bug in, in place of the one before. @throws Error when it does not fit the sources. */
  plant(mutant: Mutant): void;
  remove(): void;
}

const SOURCES = 'packages/nerva/src';

/** Makes a copy in the folder for temporary files. */
export function sandbox(): Sandbox {
  const folder = mkdtempSync(path.join(tmpdir(), 'nerva-mutants-'));
  const isRead = (file: string): boolean => !/\.(test|contract)\.ts$/.test(file);
  for (const part of [SOURCES, 'packages/nerva/package.json', 'tests/scenarios', 'tests/mutants/scenarios.ts', 'package.json'])
    cpSync(path.join(ROOT, part), path.join(folder, part), { recursive: true, filter: isRead });
  const modules = path.join(folder, 'node_modules');
  mkdirSync(modules);
  for (const name of readdirSync(path.join(ROOT, 'node_modules')))
    if (!name.startsWith('.') && !name.startsWith('nerva')) symlinkSync(path.join(ROOT, 'node_modules', name), path.join(modules, name));
  symlinkSync(path.join(folder, 'packages/nerva'), path.join(modules, 'nerva'));
  let undo = (): void => undefined;
  return {
    folder,
    plant(mutant) {
      undo();
      const file = path.join(folder, SOURCES, mutant.file);
      const source = readFileSync(file, 'utf8');
      writeFileSync(file, planted(mutant, source));
      undo = () => writeFileSync(file, source);
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
