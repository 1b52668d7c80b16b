/** docs/from-ai-sdk.md: an agent of the AI SDK and the durable one that it becomes. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { killAfter, ledgerOf, openScene, printed, startExample } from './from-ai-sdk-run.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(ROOT, 'docs/from-ai-sdk.md'), 'utf8');
const example = (name: string): string => readFileSync(join(ROOT, 'examples/03-from-ai-sdk', `${name}.ts`), 'utf8');
const blocks = (language: string): readonly string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(([, text]) => String(text));

/**
 * The lines that turn one text into another, as few as there can be: `-` those that go, `+` those that come. From the table of longest common
 * subsequences, as in D. S. Hirschberg, "A linear space algorithm for computing maximal common subsequences", 1975, without his saving of space.
 */
function difference(before: readonly string[], after: readonly string[]): readonly string[] {
  const common = Array.from({ length: before.length + 1 }, () => Array.from({ length: after.length + 1 }, () => 0));
  const at = (row: number, column: number): number => common[row]?.[column] ?? 0;
  for (let row = before.length - 1; row >= 0; row--)
    for (let column = after.length - 1; column >= 0; column--)
      (common[row] as number[])[column] =
        before[row] === after[column] ? at(row + 1, column + 1) + 1 : Math.max(at(row + 1, column), at(row, column + 1));
  const lines: string[] = [];
  for (let [row, column] = [0, 0]; row < before.length || column < after.length;) {
    if (row < before.length && before[row] === after[column]) [row, column] = [row + 1, column + 1];
    else if (row < before.length && at(row + 1, column) >= at(row, column + 1)) lines.push(`-${before[row++]}`);
    else lines.push(`+${after[column++]}`);
  }
  return lines;
}

test('the page shows the two programs as they are, and all that differs between them: at most 12 lines', () => {
  const [before, after] = [example('before'), example('after')];
  const [shownBefore, shownAfter] = blocks('ts');
  assert.equal(shownBefore, before);
  assert.equal(shownAfter, after);
  const changed = difference(before.split('\n'), after.split('\n'));
  assert.ok(changed.length <= 12, `${changed.length} lines differ`);
  const [shown = ''] = blocks('diff');
  assert.deepEqual(
    shown.split('\n').filter((line) => /^[+-]/.test(line)),
    changed,
  );
});

test('both programs pay the same and say the same, and only the durable one may be started again', async () => {
  const invoices = ['i1', 'i2', 'i3'];
  const said = invoices.map((invoice) => `${invoice}: Invoice ${invoice} is paid.\n`).join('');
  const payments: (readonly string[])[] = [];
  for (const file of ['before', 'after'] as const) {
    const scene = await openScene();
    try {
      assert.equal(await printed(startExample(file, invoices, scene)), said);
      payments.push(ledgerOf(scene).map((line) => line.split(' ').slice(1).join(' ')));
      assert.equal(await printed(startExample(file, invoices, scene)), said);
      assert.equal(ledgerOf(scene).length, file === 'before' ? 6 : 3);
    } finally {
      await scene.close();
    }
  }
  assert.deepEqual(payments[0], ['i1 7', 'i2 7', 'i3 7']);
  assert.deepEqual(payments[1], payments[0]);
});

test('the durable program, killed again and again while it works, pays each invoice once and answers every session', async () => {
  const { problems, repeats } = await killAfter({ kills: 10, seed: 1 });
  assert.deepEqual(problems, []);
  assert.ok(repeats > 0, 'no kill fell between a payment and its result, so nothing was shown');
});
