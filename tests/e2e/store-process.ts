/** What the tests of the store's durability share: starting the writer, reading what it said, and comparing it with the file. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { testWorld } from '../../packages/nerva/src/testing/index.ts';
import { openSqlite } from '../../packages/nerva/src/node/index.ts';

/** The command line of the writer, for `spawn`. */
export const WRITER: readonly string[] = [
  '--conditions=nerva-source',
  '--no-warnings',
  fileURLToPath(new URL('./store-writer.ts', import.meta.url)),
];

/** What a writer said before it ended. */
export interface Said {
  /** Acknowledged frames: the count for each session. */
  readonly acknowledged: ReadonlyMap<string, number>;
  /** Codes of what failed, in order. */
  readonly errors: readonly string[];
  readonly ended: boolean;
}

/** A directory that goes with the test. */
export function directory(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'nerva-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** The lines of a writer. A torn last line was not said. */
export function parse(output: string): Said {
  const acknowledged = new Map<string, number>();
  const errors: string[] = [];
  const lines = output.split('\n').slice(0, -1);
  for (const line of lines) {
    const [word, first = '', second = ''] = line.split(' ');
    if (word === 'ack') acknowledged.set(first, Number(second) + 1);
    if (word === 'err') errors.push(first);
  }
  return { acknowledged, errors, ended: lines.includes('end') };
}

/** Opens the store and demands that all that was acknowledged is in it, readable and chained. @returns how many frames it has. */
export async function checkStored(path: string, { acknowledged }: Pick<Said, 'acknowledged'>): Promise<number> {
  const store = await openSqlite(path, { world: testWorld() });
  let frames = 0;
  try {
    for (const [sid, count] of acknowledged)
      assert((await store.head(sid)) >= count, `${sid}: ${count} acknowledged, ${await store.head(sid)} stored`);
    for (const { sid, head } of await store.list()) {
      const read = await store.read(sid, { limit: 1_000_000 });
      assert(read.length <= head);
      const verified = await store.verify(sid);
      assert.equal(verified.ok, true, `${sid}: ${verified.bad?.why}`);
      assert.equal(verified.frames, head);
      frames += head;
    }
  } finally {
    await store.close();
  }
  return frames;
}

/** Runs the writer under strace. Null when strace cannot trace here; the caller skips, loudly. */
export function traced(
  options: readonly string[],
  writer: readonly string[],
): { readonly said: Said; readonly output: string; readonly calls: string } | null {
  const run = spawnSync('strace', ['-f', '-qq', ...options, process.execPath, ...WRITER, ...writer], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (run.error !== undefined || /ptrace|Operation not permitted/.test(run.stderr.slice(0, 400))) return null;
  return { said: parse(run.stdout), output: run.stdout, calls: run.stderr };
}

/** What a test says when it cannot do its work here. */
export const NO_STRACE = 'SKIPPED: strace is not here or may not trace, so nothing was checked';
