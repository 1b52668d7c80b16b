import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test, { after } from 'node:test';
import { publint } from 'publint';
import { installed, pack, project, run, subpaths } from './project.ts';

const packed = pack();
const knowledge = pack('knowledge');
after(() => {
  packed.remove();
  knowledge.remove();
});

const tsconfig = (extra: object): string =>
  JSON.stringify({
    compilerOptions: {
      target: 'es2024',
      lib: ['es2024', 'esnext.disposable'],
      types: ['node'],
      module: 'nodenext',
      strict: true,
      noEmit: true,
      ...extra,
    },
    include: ['*.ts', '*.mts', '*.cts'],
  });
const manifest = (type: 'module' | 'commonjs'): string => JSON.stringify({ name: 'user', private: true, type });

/** Loads each subpath and uses what a user touches first. */
const BODY = `
const error: unknown = new core.NervaError('OPTION_INVALID', 'limit is -1; expected 1 or more.');
if (!core.NervaError.is(error, 'OPTION_INVALID')) throw new Error('NervaError.is does not know its own');
const code: core.ErrorCode = error.code;
const clock: core.World['clock'] = testing.testWorld({ seed: 7, startMs: 5 }).clock;
console.log(code, clock.nowMs(), modules.every((each) => Object.keys(each).length >= 0));
`;
const ESM = `${subpaths()
  .map((name, index) => `import * as m${index} from '${name}';`)
  .join('\n')}
import * as core from 'nerva/core';
import * as testing from 'nerva/testing';
const modules: object[] = [${subpaths()
  .map((_, index) => `m${index}`)
  .join(', ')}];${BODY}`;
const COMMON_JS = `import core = require('nerva/core');
import testing = require('nerva/testing');
const modules: object[] = [${subpaths()
  .map((name) => `require('${name}')`)
  .join(', ')}];${BODY}`;
const PRINTED = 'OPTION_INVALID 5 true\n';

const compile = (typescript: string, folder: string, ...args: string[]): string =>
  run(process.execPath, [path.join(typescript, 'bin/tsc'), '-p', folder, ...args], folder);

test('the tarball is at most 1 MB, holds what a user needs and nothing of the sources', () => {
  assert.ok(packed.bytes <= 1_000_000, `the tarball has ${packed.bytes} bytes`);
  for (const file of [
    'package.json',
    'README.md',
    'LICENSE',
    'docs/errors.md',
    'docs/events.md',
    'bin/nerva.mjs',
    'dist/index.js',
    'dist/index.d.ts',
  ]) {
    assert.ok(packed.files.includes(file), `${file} is not in the tarball`);
  }
  assert.deepEqual(
    packed.files.filter((file) => /^src\/|\.test\.|\.bench\.|tsbuildinfo/.test(file)),
    [],
  );
});

test('the package has no dependencies and runs no script at its installation', () => {
  const folder = project(packed, 'alone', { 'package.json': manifest('module') });
  const shipped = JSON.parse(readFileSync(path.join(folder, 'node_modules/nerva/package.json'), 'utf8')) as Record<string, unknown>;
  const unwanted = ['dependencies', 'optionalDependencies', 'peerDependencies', 'bundleDependencies', 'scripts', 'devDependencies'];
  assert.deepEqual(
    unwanted.filter((field) => field in shipped),
    [],
  );
  assert.equal(JSON.stringify(shipped['exports']).includes('src/'), false);
});

test('publint finds nothing wrong in the packages', async () => {
  for (const { folder } of [packed, knowledge]) {
    const { messages } = await publint({ pkgDir: path.join(folder, 'staged'), pack: false });
    assert.deepEqual(
      messages.map(({ code, path: where }) => `${code} at ${where.join('.')}`),
      [],
    );
  }
});

test('the package for knowledge holds what it is and nothing of the sources', () => {
  assert.ok(knowledge.bytes <= 200_000, `the tarball has ${knowledge.bytes} bytes`);
  for (const file of ['package.json', 'README.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts'])
    assert.ok(knowledge.files.includes(file), `${file} is not in the tarball`);
  assert.deepEqual(
    knowledge.files.filter((file) => /^src\/|\.test\.|samples|tsbuildinfo/.test(file)),
    [],
  );
});

test('nerva ingest says what to install, and works once that is there', () => {
  const folder = project(packed, 'knowledge', { 'package.json': manifest('module'), 'page.md': '# Apples\n\nThey are red.\n' });
  const nerva = path.join(folder, 'node_modules/nerva/bin/nerva.mjs');
  const typed = (...args: readonly string[]): string => run(process.execPath, [nerva, ...args], folder);
  assert.throws(
    () => typed('ingest', '.'),
    /ingest needs the package @nerva\/knowledge, which is not installed here: npm install @nerva\/knowledge\nUsage:/,
  );
  const its = path.join(folder, 'node_modules/@nerva/knowledge');
  mkdirSync(path.dirname(its), { recursive: true });
  cpSync(path.join(knowledge.folder, 'staged'), its, { recursive: true });
  // What it depends on, from this checkout: the tests have no network.
  for (const name of [
    'csv-parse',
    'htmlparser2',
    'domhandler',
    'domutils',
    'domelementtype',
    'dom-serializer',
    'entities',
    'ignore',
    'unpdf',
    'yaml',
  ])
    cpSync(installed(name), path.join(folder, 'node_modules', name), { recursive: true });
  assert.match(typed('ingest', 'page.md'), /^1 added; 1 pieces written\.\n$/);
  assert.match(typed('query', 'what is red'), /^page\.md:1-3 {2}\d\.\d\d\n {2}Apples\n/);
});

test('an ESM project type-checks and runs', () => {
  const folder = project(packed, 'esm', { 'package.json': manifest('module'), 'tsconfig.json': tsconfig({}), 'main.ts': ESM }, [
    '@types/node',
    'undici-types',
  ]);
  compile(path.join(installed('knip'), '../typescript'), folder);
  assert.equal(run(process.execPath, ['main.ts'], folder), PRINTED);
});

test('a CommonJS project type-checks and runs', () => {
  const folder = project(
    packed,
    'cjs',
    { 'package.json': manifest('commonjs'), 'tsconfig.json': tsconfig({ noEmit: false }), 'main.ts': COMMON_JS },
    ['@types/node', 'undici-types'],
  );
  compile(path.join(installed('knip'), '../typescript'), folder);
  assert.equal(run(process.execPath, ['main.js'], folder), PRINTED);
});

test('a TypeScript 5.9 project type-checks, also with the resolution of a bundler', () => {
  const folder = project(packed, 'typescript-5.9', { 'package.json': manifest('module'), 'tsconfig.json': tsconfig({}), 'main.ts': ESM }, [
    '@types/node',
    'undici-types',
  ]);
  assert.match(compile(installed('typescript'), folder, '--version'), /Version 5\.9\./);
  compile(installed('typescript'), folder);
  compile(installed('typescript'), folder, '--module', 'esnext', '--moduleResolution', 'bundler');
});

test('a vitest project runs', () => {
  const body = `${ESM}\nimport { expect, test } from 'vitest';\ntest('nerva loads', () => expect(code).toBe('OPTION_INVALID'));\n`;
  const folder = project(packed, 'vitest', { 'package.json': manifest('module'), 'main.test.ts': body }, ['vitest']);
  const said = run(process.execPath, [path.join(installed('vitest'), 'vitest.mjs'), 'run', '--no-cache', '--pool=threads'], folder);
  assert.match(said, /1 passed/);
});

test('npx nerva --help prints the commands', () => {
  const folder = project(packed, 'command', { 'package.json': manifest('module') });
  assert.match(run('npx', ['--no-install', 'nerva', '--help'], folder), /nerva/);
});
