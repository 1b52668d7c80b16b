/** Pages for users of models and of other libraries: their programs are correct TypeScript, and their tables say what there is. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { COMMANDS } from '../packages/nerva/src/cli/commands.ts';
import { PROVIDER_ENTRIES, type ProviderEntry } from 'nerva/node';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PAGES = ['models', 'memory', 'knowledge', 'from-ai-sdk', 'from-langgraph'];
const pageOf = (name: string): string => readFileSync(path.join(ROOT, `docs/${name}.md`), 'utf8');

test('every program of the pages type-checks as strictly as our own code', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'nerva-pages-'));
  try {
    symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
    writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}');
    copyFileSync(path.join(ROOT, 'examples/03-from-ai-sdk/bank.ts'), path.join(folder, 'bank.ts'));
    let count = 0;
    for (const name of PAGES)
      for (const fence of pageOf(name).matchAll(/^```ts\n([\s\S]*?)^```$/gm)) {
        const line = pageOf(name).slice(0, fence.index).split('\n').length;
        writeFileSync(path.join(folder, `${name}-${line}.ts`), String(fence[1]));
        count++;
      }
    assert.ok(count >= 15, `${count} programs are fewer than the pages have`);
    const tsconfig = { extends: path.join(ROOT, 'tsconfig.base.json'), compilerOptions: { noEmit: true }, include: ['*.ts'] };
    writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify(tsconfig));
    const tsc = path.join(ROOT, 'node_modules/typescript/bin/tsc');
    const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, '-p', folder], { cwd: folder, encoding: 'utf8' });
    assert.equal(status, 0, stdout + stderr);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('every command that a page names is one', () => {
  const named = [...PAGES, 'recording', 'guide'].flatMap((name) =>
    [...pageOf(name).matchAll(/(?:`|^)nerva ([a-z]+)/gm)].map(([, command]) => `${name}: ${command}`),
  );
  assert.ok(named.length > 8, `${named.length} are fewer than the pages name`);
  assert.deepEqual(
    named.filter((text) => !Object.hasOwn(COMMANDS, text.split(': ')[1] ?? '')),
    [],
  );
});

test('the page on models has every provider, under the protocol that it is spoken to in', () => {
  const dialects: Readonly<Record<string, ProviderEntry['dialect']>> = {
    'OpenAI Responses': 'openai-responses',
    'Anthropic Messages': 'anthropic',
    'Google generateContent': 'google',
    'Ollama `/api/chat`': 'ollama',
    'Bedrock Converse': 'bedrock',
    'Azure OpenAI': 'azure',
    'chat completions': 'openai-chat',
  };
  const [, section = ''] = pageOf('models').split('| spoken | providers |');
  const rows = section.split('\n\n')[0]?.split('\n').slice(2) ?? [];
  const shown = rows.map((row) => {
    const [, title = '', cell = ''] = row.split(' | ').length === 2 ? (/^\| (.*?) \| (.*?) \|$/.exec(row) ?? []) : [];
    return [dialects[title], [...cell.replaceAll(/\(.*?\)/g, '').matchAll(/`([^`]+)`/g)].map(([, id]) => id)];
  });
  const entries = Object.values(dialects).map((dialect) => [
    dialect,
    PROVIDER_ENTRIES.filter((entry) => entry.dialect === dialect).map(({ id }) => id),
  ]);
  assert.deepEqual(shown, entries);
  assert.equal(entries.flatMap(([, ids]) => ids).length, PROVIDER_ENTRIES.length);
});

test('the page says that no provider was called yet only as long as that is so', () => {
  assert.ok(pageOf('models').includes('**Unverified** is what every row says today.'));
  assert.deepEqual(
    PROVIDER_ENTRIES.filter(({ verified }) => verified !== 'unverified').map(({ id }) => id),
    [],
  );
});
