import { Worker } from 'node:worker_threads';
import { FileProblem, type ProblemCode } from '../problem.ts';
import type { Extracted, ExtractLimits } from './extracted.ts';

/** A file to be read in the thread. */
export interface Asked {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly limits: ExtractLimits;
}

/** What came of it. */
export type Said =
  | { readonly extracted: Extracted }
  | { readonly problem: { readonly code: ProblemCode; readonly message: string } }
  | { readonly bug: string };

/** Bounds of reading one packed file. */
export interface ThreadLimits extends ExtractLimits {
  /** Of the time that it may take. */
  readonly unpackTimeoutMs: number;
}

/** How often the thread's memory is looked at. */
const LOOK_MS = 100;
/** Of memory, for a byte that a file may become: the bytes, text of two bytes a character, and what is built over them. */
const MEMORY_FACTOR = 5;
/** pdf.js itself, and what a garbage collector leaves for later. */
const MEMORY_LEAST = 500_000_000;

/**
 * Reads packed files in a thread of its own, which is ended when a file takes too long or too much memory: whatever a file makes its reader do,
 * this process goes on. The thread begins with the first file, and anew after one that ended it.
 * Invariants: T1 one file at a time · T2 what a file did to its thread reaches no other file.
 */
export class ExtractThread {
  #worker: Worker | null = null;

  /** @throws FileProblem, also `too-slow` and `bomb` for a file whose reading was ended; the reason of `signal` when it aborts. */
  async extract(path: string, bytes: Uint8Array, limits: ThreadLimits, signal?: AbortSignal): Promise<Extracted> {
    const said = await this.#said({ path, bytes, limits }, limits.unpackTimeoutMs, signal);
    if ('extracted' in said) return said.extracted;
    throw 'problem' in said ? new FileProblem(said.problem.code, said.problem.message) : new Error(`${path}: ${said.bug}`);
  }

  /** Ends the thread; a file that comes afterwards begins another. */
  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }

  async #said(asked: Asked, timeoutMs: number, signal: AbortSignal | undefined): Promise<Said> {
    signal?.throwIfAborted();
    const { textCharactersMax, unpackedBytesMax } = asked.limits;
    const memoryMax = Math.max(MEMORY_LEAST, MEMORY_FACTOR * unpackedBytesMax);
    const worker = (this.#worker ??= this.#begun(memoryMax));
    const { promise, resolve, reject } = Promise.withResolvers<Said>();
    const timer = setTimeout(() => reject(slow(timeoutMs)), timeoutMs);
    // A heap that is full ends the thread by itself; buffers are outside of it.
    const look = setInterval(() => {
      void memoryOf(worker).then((bytesUsed) => (bytesUsed > memoryMax ? reject(hungry(memoryMax)) : undefined));
    }, LOOK_MS);
    const aborted = (): void => reject(signal?.reason as Error);
    signal?.addEventListener('abort', aborted, { once: true });
    const failed = (error: NodeJS.ErrnoException): void =>
      reject(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? hungry(memoryMax) : dead(error));
    const exited = (): void => reject(dead(null));
    worker.on('message', resolve).on('error', failed).on('exit', exited);
    try {
      worker.postMessage({ ...asked, limits: { textCharactersMax, unpackedBytesMax } });
      return await promise;
    } catch (error) {
      await this.close();
      throw error;
    } finally {
      clearTimeout(timer);
      clearInterval(look);
      signal?.removeEventListener('abort', aborted);
      worker.off('message', resolve).off('error', failed).off('exit', exited);
    }
  }

  #begun(memoryMax: number): Worker {
    const entry = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);
    // No arguments: what this process loads beforehand is no business of the reader.
    const worker = new Worker(entry, { execArgv: [], resourceLimits: { maxOldGenerationSizeMb: Math.ceil(memoryMax / 1_000_000) } });
    // What a file left behind may end it between two files: the next one begins another.
    worker.on('error', () => undefined);
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = null;
    });
    return worker;
  }
}

/** Heap and buffers; 0 of a thread that has ended, which is told otherwise. */
async function memoryOf(worker: Worker): Promise<number> {
  try {
    const { total_heap_size: heap, external_memory: buffers } = await worker.getHeapStatistics();
    return heap + buffers;
  } catch {
    return 0;
  }
}

const slow = (timeoutMs: number): FileProblem =>
  new FileProblem(
    'too-slow',
    `Reading it took longer than ${timeoutMs} ms (unpackTimeoutMs) and was ended. Save it anew or in parts, raise the limit, or name it in .gitignore. Nothing of it was taken.`,
  );

const hungry = (memoryMax: number): FileProblem =>
  new FileProblem(
    'bomb',
    `Reading it took more than ${memoryMax} bytes of memory (five times unpackedBytesMax, 500000000 at least) and was ended. Save it anew or in parts, or name it in .gitignore. Nothing of it was taken.`,
  );

const dead = (cause: Error | null): FileProblem =>
  new FileProblem('broken', `Its reader died${cause === null ? '' : `: ${cause.message}`}. Nothing of it was taken.`, { cause });
