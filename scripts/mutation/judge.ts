import path from 'node:path';
import type { Question, TestName } from './child.ts';
import type { Mutant } from './operators.ts';
import type { Result } from './report.ts';
import type { Tester } from './tester.ts';

/** A test of the copy: what it visits and how long it takes. */
export interface Measured extends TestName {
  /** In the order of loading. */
  readonly index: number;
  readonly ms: number;
  readonly visited: ReadonlySet<number>;
}

const LOAD_MS_MAX = 60_000;
const MEASURE_MS_MAX = 150_000;
/** A test with a mutant may take this, and this many times what it took: two cores are shared with other work. */
const LIMIT_BASE_MS = 2_000;
const LIMIT_FACTOR = 8;

/** Judges mutants by the tests that visit them, those likeliest to fail for their time first, and stops at the first that fails. */
export class Judge {
  readonly #tester: Tester;
  /** A process for one mutant: what runs while files are loaded. */
  readonly #cold: Tester;
  readonly #files: readonly string[];
  readonly #mutants: readonly Mutant[];
  readonly #kills = new Map<string, number>();
  #tests: readonly Measured[] = [];
  #atLoad: ReadonlySet<number> = new Set();

  /** @param files the test files, absolute. @param mutants all there are, in the order of their numbers; those of a file follow each other. */
  constructor(testers: { readonly warm: Tester; readonly cold: Tester }, files: readonly string[], mutants: readonly Mutant[]) {
    this.#tester = testers.warm;
    this.#cold = testers.cold;
    this.#files = files;
    this.#mutants = mutants;
  }

  /** Runs each test twice on unchanged sources. One that fails, or takes longer than `msMax` when it is warm, is left out and returned. */
  async measure(msMax: number): Promise<{ readonly tests: readonly Measured[]; readonly failed: readonly string[] }> {
    const loaded = await this.#tester.ask<'loaded'>(this.#load(this.#files, 0), LOAD_MS_MAX);
    if (loaded === null || loaded.error !== null) throw new Error(`The test files do not load: ${loaded?.error ?? 'the process died'}`);
    this.#atLoad = new Set(loaded.visited);
    const tests: Measured[] = [];
    const failed: string[] = [];
    for (const [index, name] of loaded.tests.entries()) {
      const measured = await this.#tester.ask<'measured'>({ type: 'measure', test: index }, MEASURE_MS_MAX);
      if (measured === null) throw new Error(`The process died in: ${name.name}`);
      const warm = await this.#tester.ask<'measured'>({ type: 'measure', test: index }, MEASURE_MS_MAX);
      if (warm === null) throw new Error(`The process died in: ${name.name}`);
      const error = measured.error ?? warm.error ?? (warm.ms > msMax ? `takes ${Math.round(warm.ms)} ms` : null);
      if (error === null) tests.push({ ...name, index, ms: warm.ms, visited: new Set(measured.visited) });
      else failed.push(`${path.basename(name.file)}: ${name.name}: ${error.split('\n')[0]}`);
    }
    this.#tests = tests;
    return { tests, failed };
  }

  /**
   * @param number of the mutant in the instrumented sources.
   * @param isCold in a process of its own, for sources that keep something between tests, such as a cache of their module.
   */
  async judge(number: number, mutant: Mutant, isCold: boolean): Promise<Pick<Result, 'status' | 'by'>> {
    if (isCold) return this.#tryCold(number, mutant);
    const visitors = this.#sorted(
      mutant,
      this.#tests.filter(({ visited }) => visited.has(number)),
    );
    if (visitors.length > 0) {
      const result = await this.#tryWarm(number, mutant, visitors);
      if (result.status !== 'survived' || !this.#atLoad.has(number)) return result;
    }
    // What ran while the files were loaded must be mutated before that.
    return this.#atLoad.has(number) ? this.#tryCold(number, mutant) : { status: 'uncovered', by: '' };
  }

  async #tryWarm(number: number, mutant: Mutant, visitors: readonly Measured[]): Promise<Pick<Result, 'status' | 'by'>> {
    for (;;) {
      const isFirst = this.#tester.isFresh;
      if (isFirst) await this.#tester.ask<'loaded'>(this.#load(this.#files, 0), LOAD_MS_MAX);
      const tests = visitors.map(({ index, ms }) => ({ index, limitMs: LIMIT_BASE_MS + LIMIT_FACTOR * ms }));
      const tried = await this.#tester.ask<'tried'>({ type: 'try', mutant: number, tests }, tests[0]?.limitMs ?? LIMIT_BASE_MS);
      if (tried === null) return { status: 'timeout', by: '' };
      if (tried.by === null) return { status: 'survived', by: '' };
      if (!tried.isClean) {
        await this.#tester.end();
        // The test fails without the mutant too: earlier mutants may have left that behind. In a fresh process it is this one's doing.
        if (!isFirst) continue;
      }
      const by = this.#tests.find(({ index }) => index === tried.by);
      return { status: tried.isHung ? 'timeout' : 'killed', by: by === undefined ? '' : this.#noted(mutant, by) };
    }
  }

  async #tryCold(number: number, mutant: Mutant): Promise<Pick<Result, 'status' | 'by'>> {
    const worth = (file: string): number => (this.#kills.get(`${mutant.file} ${file}`) ?? 0) + (isNamesake(mutant.file, file) ? 5 : 0);
    const users = this.#usersOf(number, mutant);
    const files = this.#files.filter((file) => users.some((test) => test.file === file)).sort((one, other) => worth(other) - worth(one));
    try {
      let first = 0;
      for (const file of files) {
        const loaded = await this.#cold.ask<'loaded'>(this.#load([file], number), LOAD_MS_MAX);
        if (loaded === null) return { status: 'timeout', by: file };
        if (loaded.error !== null) return { status: 'killed', by: file };
        const known = new Map(users.filter((test) => test.file === file).map((test) => [test.name, test.ms]));
        const tests = loaded.tests.flatMap(({ name }, index) =>
          known.has(name) ? [{ index: first + index, limitMs: LIMIT_BASE_MS + LIMIT_FACTOR * (known.get(name) ?? 0) }] : [],
        );
        first += loaded.tests.length;
        const tried = await this.#cold.ask<'tried'>({ type: 'try', mutant: number, tests }, LIMIT_BASE_MS);
        if (tried === null) return { status: 'timeout', by: file };
        if (tried.by !== null) {
          const name = loaded.tests[tried.by - first + loaded.tests.length]?.name ?? '';
          return { status: tried.isHung ? 'timeout' : 'killed', by: this.#noted(mutant, { file, name }) };
        }
      }
      return { status: 'survived', by: '' };
    } finally {
      await this.#cold.end();
    }
  }

  /** The tests that run anything of the file which loading runs the mutant of; all when there are none, as for a file of constants. */
  #usersOf(number: number, mutant: Mutant): readonly Measured[] {
    const [first, last] = this.#rangeOf(number, mutant);
    const users = this.#tests.filter(({ visited }) => {
      for (let other = first; other <= last; other++) if (visited.has(other)) return true;
      return false;
    });
    return users.length === 0 ? this.#tests : users;
  }

  /** The numbers of the first and the last mutant of the same file: they follow each other. */
  #rangeOf(number: number, { file }: Mutant): readonly [number, number] {
    let [first, last] = [number, number];
    while (this.#mutants[first - 2]?.file === file) first--;
    while (this.#mutants[last]?.file === file) last++;
    return [first, last];
  }

  #load(files: readonly string[], alive: number): Question {
    return { type: 'load', files, alive, mutants: this.#mutants.length };
  }

  /** Kills to expect for the time they take: by what killed mutants of this source file, then of any. */
  #sorted(mutant: Mutant, tests: readonly Measured[]): Measured[] {
    const worth = ({ file, name, ms }: Measured): number => {
      const kills = 4 * (this.#kills.get(`${mutant.file} ${file} ${name}`) ?? 0) + (this.#kills.get(`${file} ${name}`) ?? 0) / 20;
      return (1 + kills + (isNamesake(mutant.file, file) ? 10 : 0)) / (ms + 1);
    };
    return tests
      .map((test) => ({ test, at: worth(test) }))
      .sort((one, other) => other.at - one.at)
      .map(({ test }) => test);
  }

  #noted(mutant: Mutant, { file, name }: TestName): string {
    for (const key of [`${file} ${name}`, `${mutant.file} ${file} ${name}`, `${mutant.file} ${file}`])
      this.#kills.set(key, (this.#kills.get(key) ?? 0) + 1);
    return `${path.basename(file)}: ${name}`;
  }
}

function isNamesake(source: string, test: string): boolean {
  return path.basename(test, '.test.ts').startsWith(path.basename(source, '.ts'));
}
