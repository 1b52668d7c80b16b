import { watch as watchFolder, type FSWatcher } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkOptions, checkRange } from 'nerva/core';
import type { Knowledge } from './base.ts';
import { ingest, type IngestReport } from './ingest.ts';
import type { IngestOptions } from './options.ts';
import { walk } from './walk.ts';

/** How files are watched. */
export interface WatchOptions extends IngestOptions {
  /** Ends it, after the file that is under way. */
  readonly signal: AbortSignal;
  /** Is told of the first round, and of each that changed something or failed. */
  readonly onRound?: (report: IngestReport) => void;
  /** So long nothing must have changed before it looks. Default 200. */
  readonly quietMs?: number;
  /** Looks again after so long although nobody said that anything changed: for disks that say nothing. Default 60,000. */
  readonly roundMs?: number;
}

/**
 * Ingests, and again whenever something changes, until `signal` aborts. That something changed is only a hint; each round looks at all
 * files, so that none is missed. @throws as `ingest`, from the first round.
 */
export async function watch(base: Knowledge, paths: readonly string[], options: WatchOptions): Promise<void> {
  const { signal, onRound, quietMs = 200, roundMs = 60_000, ...rest } = options;
  checkOptions(rest, ['gitignore', 'links', 'encoding', 'chunks', 'subject', 'nearDuplicates', 'limits', 'onProgress'], 'watch');
  checkRange('quietMs', quietMs, 0, 60_000);
  checkRange('roundMs', roundMs, 10, 86_400_000);
  const hints = new Hints();
  try {
    for (let round = 0; !signal.aborted; round++) {
      // Watched first, looked at then: what changes in between is hinted at.
      await hints.watch(await foldersOf(paths, rest, signal));
      const report = await ingest(base, paths, { ...rest, signal });
      const { added, changed, removed, failed } = report;
      if (round === 0 || added + changed + removed + failed.length > 0) onRound?.(report);
      await hints.wait(roundMs, signal);
      // One write is several hints.
      do hints.take();
      while (!signal.aborted && (await hints.wait(quietMs, signal)));
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    hints.close();
  }
}

async function foldersOf(
  paths: readonly string[],
  { gitignore = true, links = 'skip', limits = {} }: IngestOptions,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const { filesMax = 100_000, depthMax = 64 } = limits;
  const { folders, named } = await walk(paths, { isIgnoring: gitignore, isFollowing: links === 'inside', filesMax, depthMax, signal });
  return new Set([...folders, ...Array.from(named, (file) => path.dirname(file))]);
}

/** What the system says of folders that changed. */
class Hints {
  readonly #watched = new Map<string, FSWatcher>();
  #isHinted = false;
  #wake: () => void = () => undefined;

  /** Watches these folders and no others. One that cannot be watched is looked at every round all the same. */
  async watch(folders: ReadonlySet<string>): Promise<void> {
    for (const [folder, watcher] of this.#watched)
      if (!folders.has(folder)) {
        watcher.close();
        this.#watched.delete(folder);
      }
    for (const folder of folders) {
      if (this.#watched.has(folder)) continue;
      try {
        const watcher = watchFolder(folder, { persistent: false }, () => this.#hint());
        watcher.on('error', () => this.#hint());
        this.#watched.set(folder, watcher);
      } catch {
        continue;
      }
    }
    await Promise.resolve();
  }

  /** @returns whether there was a hint since the last time. */
  take(): boolean {
    const was = this.#isHinted;
    this.#isHinted = false;
    return was;
  }

  /** Waits for a hint. @returns false when none came in time. */
  async wait(ms: number, signal: AbortSignal): Promise<boolean> {
    if (this.#isHinted || signal.aborted) return this.#isHinted;
    const stop = new AbortController();
    const hinted = new Promise<void>((resolve) => (this.#wake = resolve));
    await Promise.race([hinted, sleep(ms, undefined, { signal: AbortSignal.any([signal, stop.signal]) }).catch(() => undefined)]);
    stop.abort();
    return this.#isHinted;
  }

  close(): void {
    for (const watcher of this.#watched.values()) watcher.close();
    this.#watched.clear();
  }

  #hint(): void {
    this.#isHinted = true;
    this.#wake();
  }
}
