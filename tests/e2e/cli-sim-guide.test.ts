/** docs/simulation.md, done as a reader does it. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NERVA = join(ROOT, 'packages/nerva/bin/nerva.mjs');
const PAGE = readFileSync(join(ROOT, 'docs/simulation.md'), 'utf8');

/** The first block of a language after a place in the page. */
function blockOf(language: string, after = 0): string {
  const found = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(PAGE.slice(after));
  assert.ok(found, `docs/simulation.md has no block of ${language}`);
  return String(found[1]);
}

/** A project of one's own: a copy of the example, beside an installed Nerva. */
function project(t: TestContext): { readonly run: (...args: readonly string[]) => ReturnType<typeof spawnSync>; readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'nerva-guide-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  cpSync(join(ROOT, 'examples/02-simulate'), join(path, 'examples/02-simulate'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(path, 'node_modules'));
  writeFileSync(join(path, 'package.json'), '{"type":"module"}');
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_|^INIT_CWD$|^NODE_|COLOR/.test(name)));
  return {
    path,
    run: (...args) => spawnSync(process.execPath, ['--conditions=nerva-source', ...args], { cwd: path, encoding: 'utf8', env }),
  };
}

/** What the page has the reader type, behind `nerva`. */
function commandOfPage(): readonly string[] {
  const [, command = ''] = /^npm run -s nerva -- (.+)$/m.exec(blockOf('sh')) ?? [];
  assert.match(command, /^sim /);
  return command.split(' ');
}

test('the command of the page prints what the page shows, and the lines that it prints find the bug and show the session again', (t) => {
  const { run } = project(t);
  const { status, stdout, stderr } = run(NERVA, ...commandOfPage());
  assert.equal(status, 1, String(stderr));
  assert.ok(String(stdout).includes(blockOf('text').trimEnd()), String(stdout));
  const [, again = ''] = /^again:\n {2}nerva (.+)$/m.exec(String(stdout)) ?? [];
  const words = [...again.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  const repeated = run(NERVA, ...words);
  assert.equal(repeated.status, 1);
  assert.match(String(repeated.stdout), /broken: the bank pays once for each call/);
  const [, show = ''] = /^its session:\n {2}nerva (.+)$/m.exec(String(stdout)) ?? [];
  const shown = run(NERVA, ...show.split(' '));
  assert.equal(shown.status, 0, String(shown.stderr));
  assert.match(String(shown.stdout), /tool\.called .*again 5 \(crash\)/);
  const verified = run(NERVA, 'verify', '--store', String(show.split(' ').at(-1)));
  assert.match(String(verified.stdout), /1 sessions? verif/);
});

test('the fix of the page mends it, and the test of the page fails before and passes after', (t) => {
  const { run, path } = project(t);
  const folder = join(path, 'examples/02-simulate');
  writeFileSync(join(folder, 'refunds.test.ts'), blockOf('ts', PAGE.indexOf('## As a test')));
  const failing = run('--test', join(folder, 'refunds.test.ts'));
  assert.equal(failing.status, 1);
  assert.match(String(failing.stdout), /SIM_VIOLATION/);
  assert.match(String(failing.stdout), /"the bank pays once for each call" does not hold: The bank paid 2 times for 1 call\./);
  const agent = readFileSync(join(folder, 'agent.ts'), 'utf8');
  const fixed = agent.replace(/^ {4}execute: [\s\S]*?^ {4}\},\n/m, blockOf('ts'));
  assert.notEqual(fixed, agent);
  writeFileSync(join(folder, 'agent.ts'), fixed);
  const held = run(NERVA, ...commandOfPage());
  assert.equal(held.status, 0, String(held.stdout));
  assert.match(String(held.stdout), /^held: every invariant$/m);
  const passing = run('--test', join(folder, 'refunds.test.ts'));
  assert.equal(passing.status, 0, String(passing.stdout));
});
