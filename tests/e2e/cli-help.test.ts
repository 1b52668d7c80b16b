import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Place } from './cli-process.ts';

const COMMANDS = [
  'run',
  'sessions',
  'show',
  'resume',
  'fork',
  'diff',
  'replay',
  'verify',
  'approve',
  'deny',
  'stats',
  'models',
  'doctor',
  'proxy',
  'close',
  'release',
  'prune',
  'delete',
  'sim',
  'memory',
  'ingest',
  'query',
];
const GOLDEN = fileURLToPath(new URL('../golden/cli-help.txt', import.meta.url));

test('the help of the command and of each of its commands is as it was agreed', async (t) => {
  const place = new Place(t);
  const pages: string[] = [];
  for (const name of ['', ...COMMANDS]) {
    const { code, out, err } = await place.run(...(name === '' ? [] : [name]), '--help');
    assert.deepEqual([name, code, err], [name, 0, '']);
    if (name !== '') assert.match(out, new RegExp(`^nerva ${name}: [^]*Examples:\\n {2}nerva `));
    pages.push(out.replace(/^nerva \d\S*:/, 'nerva X.Y.Z:'));
  }
  for (const name of COMMANDS) assert.match(String(pages[0]), new RegExp(`^ {2}${name}\\b`, 'm'));
  t.assert.fileSnapshot(pages.join('\n'), GOLDEN, { serializers: [String] });
});

test('the help of one command can be asked for in three ways, and --version is the release', async (t) => {
  const place = new Place(t);
  const [one, two, three] = [
    await place.run('help', 'run'),
    await place.run('run', '-h'),
    await place.run('run', 'x', '--nonsense', '--help'),
  ];
  assert.deepEqual([one.out, two.out], [three.out, three.out]);
  assert.match((await place.run('--version')).out, /^\d+\.\d+\.\d+\S*\n$/);
});

test('the page about the command shows its help, its exit codes and every flag', () => {
  const page = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
  const [main = '', ...others] = readFileSync(GOLDEN, 'utf8').split(/\n(?=nerva [a-z]+: )/);
  assert.ok(page.includes(main.slice(main.indexOf('Usage:')).trimEnd()), 'docs/cli.md does not hold the help as it is');
  for (const help of others) {
    for (const [, flag] of help.split('Flags of every command')[0]?.matchAll(/^ {2}(--[a-z]+)/gm) ?? [])
      assert.ok(page.includes(String(flag)), `docs/cli.md does not tell of ${flag}`);
  }
});
