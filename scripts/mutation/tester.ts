import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Answer, Question } from './child.ts';

const CHILD = fileURLToPath(new URL('child.ts', import.meta.url));
const HEAP_MB_MAX = 1024;
/** What a child may take beyond the limit that it keeps itself, before it counts as hung in one turn of its loop. */
const GRACE_MS = 4_000;

/** A process that runs tests of a copy of the sources at `root`. One question at a time. */
export class Tester {
  readonly #root: string;
  readonly #cache: string;
  #child: ChildProcess | null = null;

  constructor(root: string, cache: string) {
    this.#root = root;
    this.#cache = cache;
  }

  /** Whether it has loaded nothing yet. */
  get isFresh(): boolean {
    return this.#child === null;
  }

  /** Asks, and starts the process when there is none. Null: it died or was silent for longer than `limitMs`, and is gone. */
  async ask<T extends Answer['type']>(question: Question, limitMs: number): Promise<(Answer & { readonly type: T }) | null> {
    const child = (this.#child ??= this.#started());
    const answer = await new Promise<Answer | null>((resolve) => {
      const kill = (): void => void child.kill('SIGKILL');
      let timer = setTimeout(kill, limitMs + GRACE_MS);
      const end = (result: Answer | null): void => {
        clearTimeout(timer);
        child.removeAllListeners();
        resolve(result);
      };
      child.on('message', (said: Answer) => {
        if (said.type !== 'beat') return end(said);
        clearTimeout(timer);
        // The test and its hooks, and the same again without the mutant; and the machine may be busy with other work.
        timer = setTimeout(kill, 4 * said.limitMs + GRACE_MS);
      });
      child.on('exit', () => end(null));
      child.on('error', () => end(null));
      child.send(question);
    });
    if (answer === null) this.#child = null;
    return answer as (Answer & { readonly type: T }) | null;
  }

  /** Ends the process; the next question starts another. */
  async end(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null) return;
    await new Promise((resolve) => {
      child.once('exit', resolve);
      child.kill('SIGKILL');
    });
  }

  #started(): ChildProcess {
    return fork(CHILD, [], {
      cwd: this.#root,
      execArgv: ['--conditions=nerva-source', `--max-old-space-size=${HEAP_MB_MAX}`],
      env: { ...process.env, NODE_COMPILE_CACHE: this.#cache },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
  }
}
