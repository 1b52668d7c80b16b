import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The program that runs test files and stops at the first failure. */
const CHILD = fileURLToPath(new URL('child.ts', import.meta.url));
const HEAP_MB_MAX = 1024;

/** How a run of test files ended. */
export interface Outcome {
  readonly kind: 'passed' | 'failed' | 'timeout';
  /** The test file that failed first, from the root; empty when the process died without saying. */
  readonly by: string;
  readonly ms: number;
}

/** What one test file runs of the sources, and how long it takes. */
export interface TestFile {
  /** From the root. */
  readonly file: string;
  readonly ms: number;
  /** Whether it runs the code at an offset of a source file; both from the root. */
  covers(file: string, offset: number): boolean;
}

/** Runs test files of the copy at `root` in one process. One that takes longer than `timeoutMs` is killed. */
export function runTests(root: string, files: readonly string[], timeoutMs: number, env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const startMs = performance.now();
  const args = ['--conditions=nerva-source', `--max-old-space-size=${HEAP_MB_MAX}`, CHILD, ...files.map((file) => path.join(root, file))];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, ...env } });
    let tail = '';
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    child.stdout.on('data', (piece: Buffer) => {
      tail = (tail + piece.toString()).slice(-1024);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      const last = tail.trimEnd().split('\n').at(-1) ?? '';
      const by = last.startsWith(root) ? path.relative(root, last) : '';
      resolve({ kind: isLate ? 'timeout' : code === 0 ? 'passed' : 'failed', by, ms: performance.now() - startMs });
    });
  });
}

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

/** Runs one test file alone under V8's coverage. @throws Error when it does not pass on unchanged sources. */
export async function measured(root: string, file: string, timeoutMs: number): Promise<TestFile> {
  const folder = mkdtempSync(path.join(tmpdir(), 'nerva-coverage-'));
  try {
    const { kind, ms } = await runTests(root, [file], timeoutMs, { NODE_V8_COVERAGE: folder });
    if (kind !== 'passed') throw new Error(`${file} ${kind} on unchanged sources; nothing can be said of mutants.`);
    const ranges = new Map<string, readonly Range[]>();
    for (const report of readdirSync(folder))
      for (const [source, found] of rangesOf(root, path.join(folder, report))) ranges.set(source, found);
    return { file, ms, covers: (source, offset) => isCovered(ranges.get(source), offset) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function rangesOf(root: string, report: string): [string, readonly Range[]][] {
  const { result } = JSON.parse(readFileSync(report, 'utf8')) as {
    readonly result: readonly { readonly url: string; readonly functions: readonly { readonly ranges: readonly Range[] }[] }[];
  };
  return result
    .filter(({ url }) => url.startsWith('file:'))
    .map(({ url, functions }) => [path.relative(root, fileURLToPath(url)), functions.flatMap(({ ranges }) => ranges)]);
}

/** The innermost range around an offset says how often it ran. */
function isCovered(ranges: readonly Range[] | undefined, offset: number): boolean {
  let inner: Range | undefined;
  for (const range of ranges ?? []) {
    if (range.startOffset > offset || range.endOffset <= offset) continue;
    if (inner === undefined || range.endOffset - range.startOffset <= inner.endOffset - inner.startOffset) inner = range;
  }
  return inner !== undefined && inner.count > 0;
}
