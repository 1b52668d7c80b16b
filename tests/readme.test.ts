import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** A program in a page, and what the page says it prints. */
interface Block {
  readonly line: number;
  readonly program: string;
  readonly printed: string;
}

/** Every ```ts block that is followed by a block without a language (or ```text) before the next ```ts block. */
function blocksOf(page: string): Block[] {
  const fences = [...page.matchAll(/^```(\w*)[^\n]*\n([\s\S]*?)^```$/gm)];
  const lineAt = (offset: number): number => page.slice(0, offset).split('\n').length;
  return fences.flatMap((fence, index) => {
    const next = fences[index + 1];
    if (fence[1] !== 'ts' || next === undefined || !['', 'text', 'txt'].includes(String(next[1]))) return [];
    return [{ line: lineAt(fence.index), program: String(fence[2]), printed: String(next[2]) }];
  });
}

const pages = ['README.md', ...globSync('docs/**/*.md', { cwd: ROOT })].filter((page) => existsSync(path.join(ROOT, page)));
const blocks = pages.flatMap((page) => blocksOf(readFileSync(path.join(ROOT, page), 'utf8')).map((block) => ({ page, ...block })));

for (const { page, line, program, printed } of blocks) {
  test(`the program of ${page}:${line} prints what the page says`, { timeout: 60_000 }, () => {
    // In a folder of its own, so that a store it makes is gone afterwards; the imports are found from the checkout.
    const folder = mkdtempSync(path.join(tmpdir(), 'nerva-page-'));
    try {
      const resolved = program.replaceAll(
        /from '(nerva(?:\/[a-z]+)?|@nerva\/[a-z]+)'/g,
        (_, name: string) => `from '${import.meta.resolve(name)}'`,
      );
      const args = ['--conditions=nerva-source', '--input-type=module-typescript', '-e', resolved];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
      assert.equal(stdout.trimEnd(), printed.trimEnd(), stderr);
      assert.equal(status, 0, stderr);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

test('the README has a program that runs', () => assert.ok(blocks.some(({ page }) => page === 'README.md')));

test('a program and what it prints are found wherever they stand, and other blocks are left alone', () => {
  const page =
    '# x\n\n```sh\nnpm i nerva\n```\n\n```ts\nconsole.log(1);\n```\n\nIt prints\n\n```text\n1\n```\n\n```ts\n// no output\n```\n';
  assert.deepEqual(blocksOf(page), [{ line: 7, program: 'console.log(1);\n', printed: '1\n' }]);
});
