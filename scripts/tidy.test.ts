import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { RELEASE } from '../packages/nerva/src/log/release.ts';
import { generatedPages } from './docs.ts';
import { readTree, ROOT } from './files.ts';
import {
  checkCycles,
  checkDecisions,
  checkExports,
  checkGlobals,
  checkLayers,
  checkLinks,
  checkPackage,
  checkPromises,
  checkTests,
  checkText,
  parseSources,
  type Files,
} from './tidy.ts';

interface Package {
  readonly version: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const manifest = (file: string): Package => JSON.parse(readFileSync(path.join(ROOT, file), 'utf8')) as Package;
const { files, emptyFolders } = readTree();
const sources = parseSources(files);
const { scripts, devDependencies } = manifest('package.json');
const KNOWLEDGE = 'packages/knowledge/src/';
const knowledge = parseSources(files, KNOWLEDGE);
const { dependencies: needed = {} } = manifest('packages/knowledge/package.json');
const isClean = (problems: readonly string[]): void => assert.equal(problems.join('\n'), '');

test('imports point down and go through index.ts', () => isClean(checkLayers(sources)));
test('no imports form a cycle, types included', () => isClean([...checkCycles(sources), ...checkCycles(knowledge)]));
test('a package beside nerva names it as its users do, and only what its manifest has', () => {
  assert.ok(knowledge.size > 20);
  isClean(checkPackage(knowledge, KNOWLEDGE, Object.keys(needed)));
});
test('layers below the edge name no clock, dice, network or process', () => isClean(checkGlobals(sources, files)));
test('every export has a name and a docstring', () => isClean([...checkExports(sources), ...checkExports(knowledge)]));
test('every test file is run by an npm script and none is narrowed or skipped without a reason', () => isClean(checkTests(files, scripts)));
test('no work is left unfinished and no merge is left half done', () => isClean(checkText(files)));
test('the links of the pages lead somewhere', () => isClean(checkLinks(files)));
test('the tests that the promises name exist', () => isClean(checkPromises(files)));
test('decisions are numbered and whole, and each dependency has a reason', () => {
  const all = [devDependencies, manifest('tests/package/package.json').devDependencies, needed];
  isClean(checkDecisions(files, all.flatMap(Object.keys)));
});
test('frames name the version of the package as their release', () =>
  assert.equal(RELEASE, manifest('packages/nerva/package.json').version));
test('no folder is empty', () => assert.deepEqual(emptyFolders, []));

for (const [page, text] of generatedPages()) {
  test(`${page} says what the code says`, () => assert.equal(files.get(page), text, `run: npm run docs`));
}

test('the sizes of the sources are known', (t) => {
  const kernel = [...files].filter(([file]) => sources.has(file) && !file.endsWith('.test.ts'));
  const lines = kernel.map(([, text]) => text.split('\n').length).toSorted((one, other) => one - other);
  const comments = kernel.flatMap(([, text]) => text.split('\n')).filter((line) => /^\s*(\/\*\*|\*|\/\/)/.test(line)).length;
  const total = lines.reduce((sum, each) => sum + each, 0);
  t.diagnostic(
    `${lines.length} files, ${total} lines, median ${lines[lines.length >> 1]}, p90 ${lines[Math.floor(lines.length * 0.9)]}, longest ${lines.at(-1)}, ${Math.round((comments / total) * 100)} % comments`,
  );
  assert.ok(lines.length > 0);
});

/** A tree with nothing wrong, then the planted files over it. */
function planted(extra: Readonly<Record<string, string>>): { readonly tree: Files; readonly parsed: ReturnType<typeof parseSources> } {
  const src = 'packages/nerva/src';
  const clean = {
    [`${src}/core/index.ts`]: `export { one } from './one.ts';`,
    [`${src}/core/one.ts`]: `/** One. */\nexport const one = 1;`,
    [`${src}/log/index.ts`]: `export { two } from './two.ts';`,
    [`${src}/log/two.ts`]: `import { one } from '../core/index.ts';\n/** Two. */\nexport const two = one + 1;`,
  };
  const overlay = Object.fromEntries(
    Object.entries(extra).map(([file, text]) => [file.startsWith('~/') ? src + file.slice(1) : file, text]),
  );
  const tree = new Map(Object.entries({ ...clean, ...overlay }));
  return { tree, parsed: parseSources(tree) };
}

/** Each violation is planted alone; the check must name it, and nothing in the clean tree. */
const VIOLATIONS: readonly (readonly [name: string, file: string, text: string, expected: RegExp])[] = [
  [
    'an upward import',
    '~/core/one.ts',
    `import { two } from '../log/index.ts';\n/** One. */\nexport const one = two;`,
    /core \(layer 0\) may not use log \(layer 1\)/,
  ],
  [
    'an upward type import',
    '~/core/one.ts',
    `import type { two } from '../log/index.ts';\n/** One. */\nexport type one = typeof two;`,
    /may not use log/,
  ],
  [
    'an upward import made at run time',
    '~/core/one.ts',
    `/** One. */\nexport const one = () => import('../log/index.ts');`,
    /may not use log/,
  ],
  ['a sideways import', '~/tool/index.ts', `import '../model/index.ts';`, /tool \(layer 2\) may not use model \(layer 2\)/],
  [
    'an import past an index',
    '~/log/two.ts',
    `import { one } from '../core/one.ts';\n/** Two. */\nexport const two = one;`,
    /go through core\/index\.ts/,
  ],
  [
    'an import past an index in a test',
    '~/log/two.test.ts',
    `import { one } from '../core/one.ts';\nvoid one;`,
    /go through core\/index\.ts/,
  ],
  ['an undeclared folder', '~/utils/x.ts', `/** X. */\nexport const x = 1;`, /folder "utils" is not in the table/],
  ['a dependency', '~/log/two.ts', `import { z } from 'zod';\n/** Two. */\nexport const two = z;`, /no dependencies/],
  [
    'node: below the edge',
    '~/log/two.ts',
    `import fs from 'node:fs';\n/** Two. */\nexport const two = fs;`,
    /only the edge may use node:\*/,
  ],
  [
    'a cycle of types inside a folder',
    '~/log/two.ts',
    `import type { A } from './three.ts';\n/** Two. */\nexport type two = A;`,
    /cycle: log\/two\.ts → log\/three\.ts → log\/two\.ts/,
  ],
  ['the clock', '~/log/two.ts', `/** Two. */\nexport const two = () => Date.now();`, /two\.ts:2: names Date/],
  ['the clock through globalThis', '~/log/two.ts', `/** Two. */\nexport const two = () => globalThis.Date.now();`, /names globalThis/],
  ['the clock as a default value', '~/log/two.ts', `/** Two. */\nexport const two = ({ now = Date.now() } = {}) => now;`, /names Date/],
  ['dice', '~/log/two.ts', `/** Two. */\nexport const two = () => Math.random();`, /names Math\.random/],
  ['dice by a computed name', '~/log/two.ts', `/** Two. */\nexport const two = () => Math['random']();`, /names Math\.random/],
  ['the console', '~/log/two.ts', `/** Two. */\nexport const two = () => console.log(1);`, /names console/],
  ['an export without a docstring', '~/log/two.ts', `export const two = 2;`, /two is exported without a docstring/],
  ['a type without a docstring', '~/log/two.ts', `// no docstring\nexport interface Two { readonly a: 1 }`, /Two is exported without/],
  ['a late export without a docstring', '~/log/two.ts', `const two = 2;\nexport { two };`, /two is exported without/],
  ['export *', '~/log/index.ts', `export * from './two.ts';`, /export \* hides/],
  ['export type *', '~/log/index.ts', `export type * from './two.ts';`, /export \* hides/],
  ['a default export', '~/log/two.ts', `/** Two. */\nexport default 2;`, /default exports have no name/],
  ['a re-export outside an index', '~/log/two.ts', `export { one as two } from '../core/index.ts';`, /only index\.ts re-exports/],
  [
    'an index with too many values',
    '~/log/index.ts',
    `export { ${Array.from({ length: 41 }, (_, n) => `n${n}`).join(', ')} } from './two.ts';`,
    /exports 41 values, at most 40/,
  ],
  ['a test no script runs', 'packages/nerva/test/x.test.ts', `test('x', () => {});`, /x\.test\.ts: no npm script runs it/],
  ['a test in JavaScript no script runs', 'packages/nerva/src/log/x.test.js', '', /no npm script runs it/],
  ['a narrowed test', '~/log/x.test.ts', `test${'.only'}('x', () => {});`, /remove it, or say why/],
  ['a skipped test', '~/log/x.test.ts', `test('x', { ${'skip'}: true }, () => {});`, /remove it, or say why/],
  ['unfinished work', '~/log/two.ts', `// ${'TO' + 'DO'} later\n/** Two. */\nexport const two = 2;`, /unfinished work/],
  ['a dead link', 'docs/x.md', `[gone](./gone.md)`, /the link to \.\/gone\.md leads nowhere/],
  ['a promise without a test', 'docs/promises.md', `| x | "no such test" |`, /no test is named "no such test"/],
  ['a decision without its parts', 'docs/decisions/0001-x.md', `# x\n\n## Context\n\n## Decision\n`, /has no part "Evidence"/],
  [
    'a gap in the decisions',
    'docs/decisions/0002-x.md',
    '\n## Context\n\n## Decision\n\n## Evidence\n\n## Consequences\n',
    /expected number 1/,
  ],
];

const allProblems = ({ tree, parsed }: ReturnType<typeof planted>): string[] => [
  ...checkLayers(parsed),
  ...checkCycles(parsed),
  ...checkGlobals(parsed, tree),
  ...checkExports(parsed),
  ...checkTests(tree, scripts),
  ...checkText(tree),
  ...checkLinks(tree),
  ...checkPromises(tree),
  ...checkDecisions(tree, []),
];

test('a tree with nothing wrong is clean', () => assert.deepEqual(allProblems(planted({})), []));

for (const [name, file, text, expected] of VIOLATIONS) {
  test(`${name} is caught`, () => {
    const other = name.includes('cycle')
      ? { '~/log/three.ts': `import type { two } from './two.ts';\n/** A. */\nexport type A = two;` }
      : {};
    assert.match(allProblems(planted({ ...other, [file]: text })).join('\n'), expected);
  });
}

test('a package that reaches into another one, or uses what its manifest does not have, is caught', () => {
  const src = 'packages/x/src/';
  const text =
    "import 'nerva/log'; import 'node:fs'; import 'yaml'; import './b.ts'; import 'left-pad'; import '../../nerva/src/log/index.ts';";
  const planted = parseSources(new Map([[`${src}a.ts`, text]]), src);
  assert.deepEqual(checkPackage(planted, src, ['yaml']), [
    `${src}a.ts:1: imports left-pad: its manifest does not have it`,
    `${src}a.ts:1: imports ../../nerva/src/log/index.ts: this leaves the package`,
  ]);
});

test('what looks like a violation and is none passes', () => {
  const text = `import type { one } from '../core/index.ts';
/** A local may have a forbidden name, and so may a member. */
export function two(process: typeof one, { fetch }: { readonly fetch: () => number }): number {
  const clock = { Date: () => 1, process };
  return clock.Date() + fetch() + clock.process + Math.max(1, 2);
}`;
  assert.deepEqual(
    allProblems(
      planted({
        '~/log/two.ts': text,
        '~/node/clock.ts': `import fs from 'node:fs';\n/** Now. */\nexport const now = () => Date.now() + Number(fs);`,
      }),
    ),
    [],
  );
});

test('a dev dependency without a reason is caught', () => assert.match(checkDecisions(new Map(), ['left-pad']).join(), /left-pad/));
